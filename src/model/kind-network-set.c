/* SPDX-License-Identifier: Apache-2.0 */

/* NetworkSet and GlobalNetworkSet: prefixes that policies select by labels, like endpoints. */

#include "base/macros.h"
#include "model/kinds-policy.h"

static const struct field_desc network_set_spec_fields[] = {
	{.name = "nets",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct network_set_spec, nets),
	 .doc = "Prefixes that the set stands for."},
};
static const struct struct_desc network_set_spec_desc =
	STRUCT_DESC(network_set_spec, network_set_spec_fields);

static const struct field_desc network_set_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct network_set, spec),
	 .sub = &network_set_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc network_set_desc = STRUCT_DESC(network_set, network_set_fields);

static const struct kind_column network_set_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "NETS", .path = "spec.nets", .wide = true, .max_len = 80},
	{.title = NULL},
};

static const char *const network_set_aliases[] = {"netset", "netsets", NULL};
static const char *const global_network_set_aliases[] = {"gnetset", "gnetsets", NULL};

const struct kind_desc kind_network_set = {
	.kind = KIND_NETWORK_SET,
	.name = "NetworkSet",
	.plural = "networksets",
	.singular = "networkset",
	.aliases = network_set_aliases,
	.namespaced = true,
	.size = sizeof(struct network_set),
	.root = &network_set_desc,
	.doc = "Prefixes with labels, for policies of one namespace.",
	.columns = network_set_columns,
};

const struct kind_desc kind_global_network_set = {
	.kind = KIND_GLOBAL_NETWORK_SET,
	.name = "GlobalNetworkSet",
	.plural = "globalnetworksets",
	.singular = "globalnetworkset",
	.aliases = global_network_set_aliases,
	.size = sizeof(struct network_set),
	.root = &network_set_desc,
	.doc = "Prefixes with labels, for policies of all namespaces.",
	.columns = network_set_columns,
};
