/* SPDX-License-Identifier: Apache-2.0 */

/*
 * IPAMHandle: finds the blocks of a pod without a search. Kept by IPAM.
 */

#include "model/kinds-networking.h"

#include "base/macros.h"
#include "model/kinds.h"

static const struct field_desc ipam_handle_spec_fields[] = {
	{.name = "handleID",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
	 .offset = offsetof(struct ipam_handle_spec, handle_id),
	 .doc = "The handle: a name for addresses that are released together."},
	{.name = "block",
	 .type = FIELD_INT_MAP,
	 .offset = offsetof(struct ipam_handle_spec, block),
	 .doc = "Per block: how many of its addresses the handle has."},
	{.name = "deleted",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct ipam_handle_spec, deleted),
	 .doc = "Deletion in two steps: true counts as not there."},
};
static const struct struct_desc ipam_handle_spec_desc =
	STRUCT_DESC(ipam_handle_spec, ipam_handle_spec_fields);

static const struct field_desc ipam_handle_object_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct ipam_handle_object, spec),
	 .sub = &ipam_handle_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc ipam_handle_object_desc =
	STRUCT_DESC(ipam_handle_object, ipam_handle_object_fields);

static const struct kind_column ipam_handle_object_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "HANDLEID", .path = "spec.handleID"},
	{.title = NULL},
};

const struct kind_desc kind_ipam_handle = {
	.kind = KIND_IPAM_HANDLE,
	.name = "IPAMHandle",
	.plural = "ipamhandles",
	.singular = "ipamhandle",
	.size = sizeof(struct ipam_handle_object),
	.root = &ipam_handle_object_desc,
	.doc = "Where the addresses of one pod or tunnel lie.",
	.columns = ipam_handle_object_columns,
};
