/* SPDX-License-Identifier: Apache-2.0 */

/*
 * NetworkPolicy and GlobalNetworkPolicy, and the staged form of each, which shows in flow logs what
 * it would do and enforces nothing. One struct holds all four; each has its own table.
 */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/macros.h"
#include "model/model-check.h"
#include "model/policy-rule.h"

static const char *const staged_actions[] = {"Set", "Delete", "Learn", "Ignore", NULL};
static const char *const directions[] = {"Ingress", "Egress", NULL};
static const char *const hints[] = {"AssumeNeededOnEveryNode", NULL};

/* What policies of all kinds begin with. */
#define RULE_ROWS                                                                                  \
	{.name = "tier",                                                                           \
	 .type = FIELD_STRING,                                                                     \
	 .check = CHECK_LABEL_NAME,                                                                \
	 .offset = offsetof(struct policy_spec, tier),                                             \
	 .def = "\"default\"",                                                                     \
	 .doc = "Tier the policy is in."},                                                         \
		{.name = "order",                                                                  \
		 .type = FIELD_REAL,                                                               \
		 .offset = offsetof(struct policy_spec, order),                                    \
		 .doc = "Place in the tier, lowest first; absent: last."},                         \
		{.name = "ingress",                                                                \
		 .type = FIELD_OBJECT,                                                             \
		 .flags = FIELD_LIST,                                                              \
		 .offset = offsetof(struct policy_spec, ingress),                                  \
		 .sub = &rule_desc,                                                                \
		 .max = RULES_MAX,                                                                 \
		 .doc = "Rules for packets to the endpoints."},                                    \
	{                                                                                          \
		.name = "egress", .type = FIELD_OBJECT, .flags = FIELD_LIST,                       \
		.offset = offsetof(struct policy_spec, egress), .sub = &rule_desc,                 \
		.max = RULES_MAX, .doc = "Rules for packets from the endpoints."                   \
	}

static const struct field_desc staged_network_policy_spec_fields[] = {
	{.name = "stagedAction",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct policy_spec, staged_action),
	 .values = staged_actions,
	 .def = "\"Set\"",
	 .doc = "What committing this does to the policy of its name."},
	RULE_ROWS,
	{.name = "selector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct policy_spec, selector),
	 .doc = "Endpoints the policy applies to; absent: all of the namespace."},
	{.name = "types",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct policy_spec, types),
	 .values = directions,
	 .doc = "Directions the policy applies to; absent: those of its rules, or Ingress."},
	{.name = "serviceAccountSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct policy_spec, service_account_selector),
	 .doc = "Restricts the policy to endpoints of these service accounts."},
	{.name = "performanceHints",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct policy_spec, performance_hints),
	 .values = hints,
	 .doc = "AssumeNeededOnEveryNode: keep the policy ready where nothing needs it yet."},
};
static const struct struct_desc staged_network_policy_spec_desc =
	STRUCT_DESC(policy_spec, staged_network_policy_spec_fields);

static const struct field_desc staged_global_network_policy_spec_fields[] = {
	{.name = "stagedAction",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct policy_spec, staged_action),
	 .values = staged_actions,
	 .def = "\"Set\"",
	 .doc = "What committing this does to the policy of its name."},
	RULE_ROWS,
	{.name = "selector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct policy_spec, selector),
	 .doc = "Endpoints the policy applies to; absent: all."},
	{.name = "types",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct policy_spec, types),
	 .values = directions,
	 .doc = "Directions the policy applies to; absent: those of its rules, or Ingress."},
	{.name = "doNotTrack",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct policy_spec, do_not_track),
	 .doc = "Decide before connection tracking; for host endpoints, needs applyOnForward."},
	{.name = "preDNAT",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct policy_spec, pre_dnat),
	 .doc = "Decide before destination NAT; for host endpoints, ingress only, needs applyOnForward."},
	{.name = "applyOnForward",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct policy_spec, apply_on_forward),
	 .doc = "For host endpoints: also for forwarded packets."},
	{.name = "serviceAccountSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct policy_spec, service_account_selector),
	 .doc = "Restricts the policy to endpoints of these service accounts."},
	{.name = "namespaceSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct policy_spec, namespace_selector),
	 .doc = "Restricts the policy to endpoints of these namespaces."},
	{.name = "performanceHints",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct policy_spec, performance_hints),
	 .values = hints,
	 .doc = "AssumeNeededOnEveryNode: keep the policy ready where nothing needs it yet."},
};
static const struct struct_desc staged_global_network_policy_spec_desc =
	STRUCT_DESC(policy_spec, staged_global_network_policy_spec_fields);

/* The kinds that are not staged have all rows but the first. */
#define BEHIND_STAGED(table)                                                                       \
	{                                                                                          \
		.fields = (table) + 1, .n_fields = ARRAY_SIZE(table) - 1,                          \
		.size = sizeof(struct policy_spec)                                                 \
	}

static const struct struct_desc network_policy_spec_desc =
	BEHIND_STAGED(staged_network_policy_spec_fields);
static const struct struct_desc global_network_policy_spec_desc =
	BEHIND_STAGED(staged_global_network_policy_spec_fields);

static const struct field_desc network_policy_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct policy, spec),
	 .sub = &network_policy_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc network_policy_desc = STRUCT_DESC(policy, network_policy_fields);

static const struct field_desc global_network_policy_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct policy, spec),
	 .sub = &global_network_policy_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc global_network_policy_desc =
	STRUCT_DESC(policy, global_network_policy_fields);

static const struct field_desc staged_network_policy_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct policy, spec),
	 .sub = &staged_network_policy_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc staged_network_policy_desc =
	STRUCT_DESC(policy, staged_network_policy_fields);

static const struct field_desc staged_global_network_policy_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct policy, spec),
	 .sub = &staged_global_network_policy_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc staged_global_network_policy_desc =
	STRUCT_DESC(policy, staged_global_network_policy_fields);

unsigned int policy_directions(const struct policy_spec *spec)
{
	unsigned int result = 0;

	for (size_t i = 0; i < spec->types.n; i++)
		result |= strcmp(spec->types.v[i], "Egress") == 0 ? POLICY_EGRESS : POLICY_INGRESS;
	if (result)
		return result;
	if (spec->egress.n == 0)
		return POLICY_INGRESS;
	return spec->ingress.n == 0 ? POLICY_EGRESS : POLICY_INGRESS | POLICY_EGRESS;
}

/* Types are written out, so that a later change of the rules does not change them. */
static void policy_fill(struct object *object)
{
	struct policy_spec *spec = &as_policy(object)->spec;
	unsigned int wanted = policy_directions(spec);

	if (spec->types.n > 0)
		return;
	if (wanted & POLICY_INGRESS)
		str_list_add(&spec->types, "Ingress");
	if (wanted & POLICY_EGRESS)
		str_list_add(&spec->types, "Egress");
}

/* Names that older releases gave to policies made from those of Kubernetes and OpenStack. */
static const char *legacy_rest(const struct object *object)
{
	static const char *const prefixes[] = {"knp.default.", "ossg.default."};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(object->meta.name, prefixes[i], strlen(prefixes[i])) == 0)
			return object->meta.name + strlen(prefixes[i]);
	return NULL;
}

/* "label" or "label.label" */
static int check_policy_name(const struct object *object, const char *tier, struct err *err)
{
	const char *name = object->meta.name ? object->meta.name : "";
	const char *rest = object->meta.name ? legacy_rest(object) : NULL;
	const char *dot = strchr(name, '.');
	_cleanup_free_ char *first = dot ? xstrndup(name, (size_t)(dot - name)) : xstrdup(name);
	int r;

	if (rest) {
		if (tier && strcmp(tier, TIER_DEFAULT) != 0)
			return err_set(
				err, -EINVAL,
				"spec.tier: a policy of this name must be in the tier default; it "
				"is in %s",
				tier);
		r = model_check(CHECK_NAME, rest, err);
	} else {
		r = model_check(CHECK_LABEL_NAME, first, err);
		if (r == 0 && dot)
			r = model_check(CHECK_LABEL_NAME, dot + 1, err);
	}
	return r < 0 ? err_prefix(err, r, "metadata.name") : 0;
}

static int check_types(const struct policy_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->types.n; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(spec->types.v[i], spec->types.v[k]) == 0)
				return err_set(err, -EINVAL,
					       "spec.types[%zu]: %s is there twice; remove one", i,
					       spec->types.v[i]);
	return 0;
}

/* doNotTrack, preDNAT and applyOnForward, which only global kinds have. */
static int check_host_options(const struct policy_spec *spec, struct err *err)
{
	const char *option = spec->pre_dnat.v ? "preDNAT" : "doNotTrack";

	if (!spec->pre_dnat.v && !spec->do_not_track.v)
		return 0;
	if (spec->pre_dnat.v && spec->do_not_track.v)
		return err_set(
			err, -EINVAL,
			"spec.preDNAT: can't be true together with doNotTrack; make two policies");
	if (!spec->apply_on_forward.v)
		return err_set(err, -EINVAL, "spec.applyOnForward: must be true with %s", option);
	if (!spec->pre_dnat.v)
		return 0;
	if (spec->egress.n > 0)
		return err_set(err, -EINVAL,
			       "spec.egress: a policy with preDNAT has ingress rules only");
	if (policy_directions(spec) & POLICY_EGRESS)
		return err_set(err, -EINVAL,
			       "spec.types: a policy with preDNAT can't have the type Egress");
	return 0;
}

static int check_staged(const struct policy_spec *spec, struct err *err)
{
	if (spec->staged_action != STAGED_ACTION_DELETE)
		return 0;
	if (spec->ingress.n || spec->egress.n || (spec->selector && *spec->selector))
		return err_set(
			err, -EINVAL,
			"spec.stagedAction: with Delete there can be no rules and no selector");
	return 0;
}

static int policy_validate(const struct object *object, struct err *err)
{
	const struct policy_spec *spec = &as_policy(object)->spec;
	int r = check_policy_name(object, spec->tier, err);

	if (r == 0)
		r = selector_validate_plain(spec->selector, "spec.selector", err);
	if (r == 0)
		r = selector_validate_plain(spec->namespace_selector, "spec.namespaceSelector",
					    err);
	if (r == 0)
		r = selector_validate_plain(spec->service_account_selector,
					    "spec.serviceAccountSelector", err);
	if (r == 0)
		r = check_types(spec, err);
	if (r == 0)
		r = check_host_options(spec, err);
	if (r == 0)
		r = check_staged(spec, err);
	if (r == 0)
		r = rules_validate(&spec->ingress, &spec->egress, object->desc->namespaced, err);
	return r;
}

static const struct kind_column policy_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "TIER", .path = "spec.tier"},
	{.title = "ORDER", .path = "spec.order", .wide = true, .otherwise = "<nil>"},
	{.title = "SELECTOR", .path = "spec.selector", .wide = true},
	{.title = NULL},
};

static const char *const network_policy_aliases[] = {"np",  "policy", "policies",
						     "pol", "pols",   NULL};
static const char *const global_network_policy_aliases[] = {"gnp", "gnps", NULL};
static const char *const staged_network_policy_aliases[] = {
	"snp", "snps", "spol", "spols", "stagedpolicy", "stagedpolicies", NULL};
static const char *const staged_global_network_policy_aliases[] = {"sgnp", "sgnps", NULL};

const struct kind_desc kind_network_policy = {
	.kind = KIND_NETWORK_POLICY,
	.name = "NetworkPolicy",
	.plural = "networkpolicies",
	.singular = "networkpolicy",
	.aliases = network_policy_aliases,
	.namespaced = true,
	.size = sizeof(struct policy),
	.root = &network_policy_desc,
	.doc = "Rules for the workloads of one namespace.",
	.fill = policy_fill,
	.validate = policy_validate,
	.columns = policy_columns,
};

const struct kind_desc kind_global_network_policy = {
	.kind = KIND_GLOBAL_NETWORK_POLICY,
	.name = "GlobalNetworkPolicy",
	.plural = "globalnetworkpolicies",
	.singular = "globalnetworkpolicy",
	.aliases = global_network_policy_aliases,
	.size = sizeof(struct policy),
	.root = &global_network_policy_desc,
	.doc = "Rules for workloads of all namespaces, and for host endpoints.",
	.fill = policy_fill,
	.validate = policy_validate,
	.columns = policy_columns,
};

const struct kind_desc kind_staged_network_policy = {
	.kind = KIND_STAGED_NETWORK_POLICY,
	.name = "StagedNetworkPolicy",
	.plural = "stagednetworkpolicies",
	.singular = "stagednetworkpolicy",
	.aliases = staged_network_policy_aliases,
	.namespaced = true,
	.size = sizeof(struct policy),
	.root = &staged_network_policy_desc,
	.doc = "A NetworkPolicy on trial: flow logs show what it would do.",
	.fill = policy_fill,
	.validate = policy_validate,
	.columns = policy_columns,
};

const struct kind_desc kind_staged_global_network_policy = {
	.kind = KIND_STAGED_GLOBAL_NETWORK_POLICY,
	.name = "StagedGlobalNetworkPolicy",
	.plural = "stagedglobalnetworkpolicies",
	.singular = "stagedglobalnetworkpolicy",
	.aliases = staged_global_network_policy_aliases,
	.size = sizeof(struct policy),
	.root = &staged_global_network_policy_desc,
	.doc = "A GlobalNetworkPolicy on trial: flow logs show what it would do.",
	.fill = policy_fill,
	.validate = policy_validate,
	.columns = policy_columns,
};
