/* SPDX-License-Identifier: Apache-2.0 */

/* Profile: rules and labels that endpoints have by naming it, as those of a namespace. */

#include <errno.h>

#include "base/macros.h"
#include "model/policy-rule.h"

static const struct field_desc profile_spec_fields[] = {
	{.name = "ingress",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct profile_spec, ingress),
	 .sub = &rule_desc,
	 .max = RULES_MAX,
	 .doc = "Rules for packets to the endpoints, after all tiers."},
	{.name = "egress",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct profile_spec, egress),
	 .sub = &rule_desc,
	 .max = RULES_MAX,
	 .doc = "Rules for packets from the endpoints, after all tiers."},
	{.name = "labelsToApply",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct profile_spec, labels_to_apply),
	 .doc = "Labels that endpoints of this profile have beside their own."},
};
static const struct struct_desc profile_spec_desc = STRUCT_DESC(profile_spec, profile_spec_fields);

static const struct field_desc profile_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct profile, spec),
	 .sub = &profile_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc profile_desc = STRUCT_DESC(profile, profile_fields);

/* Behind the profiles there is nothing to pass a packet to. */
static int check_actions(const struct rule_list *rules, const char *field, struct err *err)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->v[i].action == RULE_ACTION_PASS)
			return err_set(
				err, -EINVAL,
				"spec.%s[%zu].action: a profile's rule can't Pass, as no tier "
				"comes after it; use Allow, Deny or Log",
				field, i);
	return 0;
}

static int profile_validate(const struct object *object, struct err *err)
{
	const struct profile_spec *spec = &as_profile(object)->spec;
	int r = check_actions(&spec->ingress, "ingress", err);

	if (r == 0)
		r = check_actions(&spec->egress, "egress", err);
	return r < 0 ? r
		     : rules_validate(&spec->ingress, &spec->egress, /* namespaced= */ false, err);
}

static const struct kind_column profile_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "LABELS", .path = "spec.labelsToApply", .wide = true},
	{.title = NULL},
};

static const char *const profile_aliases[] = {"pro", "pros", NULL};

const struct kind_desc kind_profile = {
	.kind = KIND_PROFILE,
	.name = "Profile",
	.plural = "profiles",
	.singular = "profile",
	.aliases = profile_aliases,
	.size = sizeof(struct profile),
	.root = &profile_desc,
	.doc = "Rules and labels for the endpoints that name it.",
	.validate = profile_validate,
	.columns = profile_columns,
};
