/* SPDX-License-Identifier: Apache-2.0 */

/*
 * BGPFilter: four lists of rules, by direction and family. Nothing matches: what would have
 * happened without the filter.
 */

#include "model/kinds-networking.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/ip.h"
#include "base/macros.h"
#include "model/kinds.h"

static const char *const match_operators[] = {"Equal", "NotEqual", "In", "NotIn", NULL};
static const char *const sources[] = {"RemotePeers", NULL};
static const char *const peer_types[] = {"eBGP", "iBGP", NULL};
static const char *const actions[] = {"Accept", "Reject", NULL};
#define RULES_MAX      1000
#define OPERATIONS_MAX 10
#define PREPEND_MAX    10
#define PRIORITY_MAX   2147483646

static const struct field_desc bgp_prefix_length_fields[] = {
	{.name = "min",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_prefix_length, min),
	 .min = 0,
	 .max = 128,
	 .doc = "Shortest prefix length that matches."},
	{.name = "max",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_prefix_length, max),
	 .min = 0,
	 .max = 128,
	 .doc = "Longest prefix length that matches."},
};
static const struct struct_desc bgp_prefix_length_desc =
	STRUCT_DESC(bgp_prefix_length, bgp_prefix_length_fields);

static const struct field_desc bgp_community_value_fields[] = {
	{.name = "value",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_COMMUNITY,
	 .offset = offsetof(struct bgp_community_value, value),
	 .doc = "The community, as aa:nn or aa:nn:mm."},
};
static const struct struct_desc bgp_community_value_desc =
	STRUCT_DESC(bgp_community_value, bgp_community_value_fields);

static const struct field_desc bgp_as_path_prefix_fields[] = {
	{.name = "prefix",
	 .type = FIELD_INT,
	 .flags = FIELD_LIST | FIELD_REQUIRED,
	 .check = CHECK_AS_NUMBER,
	 .offset = offsetof(struct bgp_as_path_prefix, prefix),
	 .max = PREPEND_MAX,
	 .doc = "AS numbers, the first one outermost."},
};
static const struct struct_desc bgp_as_path_prefix_desc =
	STRUCT_DESC(bgp_as_path_prefix, bgp_as_path_prefix_fields);

static const struct field_desc bgp_priority_value_fields[] = {
	{.name = "value",
	 .type = FIELD_INT,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct bgp_priority_value, value),
	 .min = 1,
	 .max = PRIORITY_MAX,
	 .doc = "The metric."},
};
static const struct struct_desc bgp_priority_value_desc =
	STRUCT_DESC(bgp_priority_value, bgp_priority_value_fields);

static const struct field_desc bgp_community_match_fields[] = {
	{.name = "values",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST | FIELD_REQUIRED,
	 .check = CHECK_COMMUNITY,
	 .offset = offsetof(struct bgp_community_match, values),
	 .max = 1,
	 .doc = "The community, as aa:nn or aa:nn:mm."},
};
static const struct struct_desc bgp_community_match_desc =
	STRUCT_DESC(bgp_community_match, bgp_community_match_fields);

static const struct field_desc bgp_filter_operation_fields[] = {
	{.name = "addCommunity",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct bgp_filter_operation, add_community),
	 .sub = &bgp_community_value_desc,
	 .doc = "Adds a community."},
	{.name = "prependASPath",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct bgp_filter_operation, prepend_as_path),
	 .sub = &bgp_as_path_prefix_desc,
	 .doc = "Puts AS numbers before the path."},
	{.name = "setPriority",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct bgp_filter_operation, set_priority),
	 .sub = &bgp_priority_value_desc,
	 .doc = "Sets the metric."},
};
static const struct struct_desc bgp_filter_operation_desc =
	STRUCT_DESC(bgp_filter_operation, bgp_filter_operation_fields);

static const struct field_desc bgp_filter_rule_fields[] = {
	{.name = "cidr",
	 .type = FIELD_STRING,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct bgp_filter_rule, cidr),
	 .doc = "Prefix that the route is compared with."},
	{.name = "matchOperator",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_filter_rule, match_operator),
	 .values = match_operators,
	 .doc = "How it is compared."},
	{.name = "prefixLength",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct bgp_filter_rule, prefix_length),
	 .sub = &bgp_prefix_length_desc,
	 .doc = "Lengths of prefix that match; needs cidr."},
	{.name = "source",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_filter_rule, source),
	 .values = sources,
	 .doc = "Only routes that came from this source."},
	{.name = "interface",
	 .type = FIELD_STRING,
	 .check = CHECK_INTERFACE_GLOB,
	 .offset = offsetof(struct bgp_filter_rule, interface),
	 .doc = "Only routes out of this interface; * stands for any text."},
	{.name = "peerType",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct bgp_filter_rule, peer_type),
	 .values = peer_types,
	 .doc = "Only sessions of this type."},
	{.name = "communities",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct bgp_filter_rule, communities),
	 .sub = &bgp_community_match_desc,
	 .doc = "Only routes with this community."},
	{.name = "asPathPrefix",
	 .type = FIELD_INT,
	 .flags = FIELD_LIST,
	 .check = CHECK_AS_NUMBER,
	 .offset = offsetof(struct bgp_filter_rule, as_path_prefix),
	 .doc = "Only routes whose AS path begins like this."},
	{.name = "priority",
	 .type = FIELD_INT,
	 .offset = offsetof(struct bgp_filter_rule, priority),
	 .min = 1,
	 .max = PRIORITY_MAX,
	 .doc = "Only routes with this metric."},
	{.name = "action",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct bgp_filter_rule, action),
	 .values = actions,
	 .doc = "What becomes of routes that match."},
	{.name = "operations",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_filter_rule, operations),
	 .sub = &bgp_filter_operation_desc,
	 .max = OPERATIONS_MAX,
	 .doc = "Changes to routes that are accepted, in order."},
};
static const struct struct_desc bgp_filter_rule_desc =
	STRUCT_DESC(bgp_filter_rule, bgp_filter_rule_fields);

static const struct field_desc bgp_filter_spec_fields[] = {
	{.name = "exportV4",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_filter_spec, export_v4),
	 .sub = &bgp_filter_rule_desc,
	 .max = RULES_MAX,
	 .doc = "Rules for IPv4 routes sent; the first that matches decides."},
	{.name = "importV4",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_filter_spec, import_v4),
	 .sub = &bgp_filter_rule_desc,
	 .max = RULES_MAX,
	 .doc = "Rules for IPv4 routes received."},
	{.name = "exportV6",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_filter_spec, export_v6),
	 .sub = &bgp_filter_rule_desc,
	 .max = RULES_MAX,
	 .doc = "Rules for IPv6 routes sent."},
	{.name = "importV6",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct bgp_filter_spec, import_v6),
	 .sub = &bgp_filter_rule_desc,
	 .max = RULES_MAX,
	 .doc = "Rules for IPv6 routes received."},
};
static const struct struct_desc bgp_filter_spec_desc =
	STRUCT_DESC(bgp_filter_spec, bgp_filter_spec_fields);

static const struct field_desc bgp_filter_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct bgp_filter, spec),
	 .sub = &bgp_filter_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc bgp_filter_desc = STRUCT_DESC(bgp_filter, bgp_filter_fields);

static const struct kind_column bgp_filter_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "NUMEXPORTV4", .path = "spec.exportV4", .count = true},
	{.title = "NUMIMPORTV4", .path = "spec.importV4", .count = true},
	{.title = "NUMEXPORTV6", .path = "spec.exportV6", .count = true},
	{.title = "NUMIMPORTV6", .path = "spec.importV6", .count = true},
	{.title = NULL},
};

static int check_prefix_length(const struct bgp_filter_rule *rule, unsigned int bits,
			       struct err *err)
{
	const struct bgp_prefix_length *length = rule->prefix_length;

	if (!length)
		return 0;
	if (!rule->cidr)
		return err_set(err, -EINVAL, "prefixLength: needs cidr");
	if (length->min.v > bits || length->max.v > bits)
		return err_set(err, -EINVAL, "prefixLength: expected 0 to %u", bits);
	if (length->min.set && length->max.set && length->min.v > length->max.v)
		return err_set(err, -EINVAL, "prefixLength.min: is larger than max");
	return 0;
}

static int check_operations(const struct bgp_filter_rule *rule, struct err *err)
{
	if (rule->operations.n > 0 && strcmp(rule->action, "Accept") != 0)
		return err_set(err, -EINVAL, "operations: only with action Accept");
	for (size_t i = 0; i < rule->operations.n; i++) {
		const struct bgp_filter_operation *operation = &rule->operations.v[i];

		if (!!operation->add_community + !!operation->prepend_as_path +
			    !!operation->set_priority !=
		    1)
			return err_set(err, -EINVAL,
				       "operations[%zu]: expected exactly one of "
				       "addCommunity, prependASPath and setPriority",
				       i);
	}
	return 0;
}

static int check_rule(const struct bgp_filter_rule *rule, uint8_t family, struct err *err)
{
	struct cidr cidr;
	int r;

	if (!rule->cidr != !rule->match_operator)
		return err_set(err, -EINVAL, "%s: is missing; cidr and matchOperator go together",
			       rule->cidr ? "matchOperator" : "cidr");
	if (rule->cidr) {
		r = cidr_parse(rule->cidr, &cidr, err);
		if (r < 0)
			return err_prefix(err, r, "cidr");
		if (cidr.addr.family != family)
			return err_set(err, -EINVAL, "cidr: expected an IPv%u prefix, found \"%s\"",
				       ip_version(family), rule->cidr);
	}
	r = check_prefix_length(rule, ip_bits(family), err);
	return r < 0 ? r : check_operations(rule, err);
}

static int check_rules(const char *path, const struct bgp_filter_rule_list *rules, uint8_t family,
		       struct err *err)
{
	for (size_t i = 0; i < rules->n; i++) {
		struct err rule_err = ERR_INIT;
		int r = check_rule(&rules->v[i], family, &rule_err);

		/* The rule's message begins with the rest of the path. */
		if (r < 0)
			return err_set(err, r, "spec.%s[%zu].%s", path, i, rule_err.msg);
	}
	return 0;
}

static int bgp_filter_validate(const struct object *object, struct err *err)
{
	const struct bgp_filter_spec *spec = &as_bgp_filter(object)->spec;
	int r;

	r = check_rules("exportV4", &spec->export_v4, AF_INET, err);
	if (r == 0)
		r = check_rules("importV4", &spec->import_v4, AF_INET, err);
	if (r == 0)
		r = check_rules("exportV6", &spec->export_v6, AF_INET6, err);
	if (r == 0)
		r = check_rules("importV6", &spec->import_v6, AF_INET6, err);
	return r;
}

static const char *const bgp_filter_aliases[] = {"bgpf", "bgpfs", "bf", "bfs", NULL};

const struct kind_desc kind_bgp_filter = {
	.kind = KIND_BGP_FILTER,
	.name = "BGPFilter",
	.plural = "bgpfilters",
	.singular = "bgpfilter",
	.aliases = bgp_filter_aliases,
	.size = sizeof(struct bgp_filter),
	.root = &bgp_filter_desc,
	.doc = "Which routes are sent to and taken from peers that name the filter.",
	.validate = bgp_filter_validate,
	.columns = bgp_filter_columns,
};
