/* SPDX-License-Identifier: Apache-2.0 */

/* Where the password of BGP sessions is: the same words in BGPConfiguration and BGPPeer. */

#include "base/macros.h"
#include "model/kinds-networking.h"
#include "model/kinds.h"

static const struct field_desc secret_key_ref_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct secret_key_ref, name),
	 .doc = "Name of the Secret."},
	{.name = "key",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct secret_key_ref, key),
	 .doc = "Key within the Secret."},
	{.name = "optional",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct secret_key_ref, optional),
	 .doc = "Go on without a password when the Secret is not there."},
};
static const struct struct_desc secret_key_ref_desc =
	STRUCT_DESC(secret_key_ref, secret_key_ref_fields);

static const struct field_desc bgp_password_fields[] = {
	{.name = "secretKeyRef",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct bgp_password, secret_key_ref),
	 .sub = &secret_key_ref_desc,
	 .doc = "Where the password is, in the namespace of the agents."},
};
const struct struct_desc bgp_password_desc = STRUCT_DESC(bgp_password, bgp_password_fields);
