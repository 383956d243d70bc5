/* SPDX-License-Identifier: Apache-2.0 */

/* Tier: an ordered group of policies. The tier "default" is where Kubernetes' policies are. */

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "model/kinds-policy.h"
#include "model/model-check.h"

static const char *const tier_actions[] = {"Deny", "Pass", NULL};
static const struct field_desc tier_spec_fields[] = {
	{.name = "order",
	 .type = FIELD_REAL,
	 .offset = offsetof(struct tier_spec, order),
	 .doc = "Place among the tiers, lowest first; absent: last."},
	{.name = "defaultAction",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct tier_spec, default_action),
	 .values = tier_actions,
	 .def = "\"Deny\"",
	 .doc = "What happens to a packet that policies of the tier apply to and none decides."},
};
static const struct struct_desc tier_spec_desc = STRUCT_DESC(tier_spec, tier_spec_fields);

static const struct field_desc tier_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct tier, spec),
	 .sub = &tier_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc tier_desc = STRUCT_DESC(tier, tier_fields);

static bool is_default(const struct object *object)
{
	return object->meta.name && strcmp(object->meta.name, TIER_DEFAULT) == 0;
}

static void tier_fill(struct object *object)
{
	struct opt_real *order = &as_tier(object)->spec.order;

	if (is_default(object) && !order->set)
		*order = (struct opt_real){.set = true, .v = TIER_DEFAULT_ORDER};
}

static int tier_validate(const struct object *object, struct err *err)
{
	const struct tier_spec *spec = &as_tier(object)->spec;
	int r = model_check(CHECK_LABEL_NAME, object->meta.name ? object->meta.name : "", err);

	if (r < 0)
		return err_prefix(err, r, "metadata.name");
	if (!is_default(object))
		return 0;
	if (spec->order.set && spec->order.v != (double)TIER_DEFAULT_ORDER)
		return err_set(err, -EINVAL, "spec.order: that of the tier default is always %d",
			       TIER_DEFAULT_ORDER);
	if (spec->default_action == TIER_DEFAULT_ACTION_PASS)
		return err_set(err, -EINVAL,
			       "spec.defaultAction: that of the tier default is always Deny");
	return 0;
}

static const struct kind_column tier_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "ORDER", .path = "spec.order", .otherwise = "<nil>"},
	{.title = NULL},
};

const struct kind_desc kind_tier = {
	.kind = KIND_TIER,
	.name = "Tier",
	.plural = "tiers",
	.singular = "tier",
	.size = sizeof(struct tier),
	.root = &tier_desc,
	.doc = "An ordered group of policies.",
	.fill = tier_fill,
	.validate = tier_validate,
	.columns = tier_columns,
};
