/* SPDX-License-Identifier: Apache-2.0 */

/* Kubernetes' selector of labels, as its policies have it. */

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "model/kinds-policy.h"
#include "model/model-check.h"

static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist", NULL};
static const struct field_desc label_expression_fields[] = {
	{.name = "key",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_LABEL_KEY,
	 .offset = offsetof(struct label_expression, key),
	 .doc = "Key of the label."},
	{.name = "operator",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct label_expression, operator),
	 .values = operators,
	 .doc = "How the label's value relates to values."},
	{.name = "values",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_LABEL_VALUE,
	 .offset = offsetof(struct label_expression, values),
	 .doc = "Values, with In and NotIn."},
};
static const struct struct_desc label_expression_desc =
	STRUCT_DESC(label_expression, label_expression_fields);

static const struct field_desc label_selector_fields[] = {
	{.name = "matchLabels",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct label_selector, match_labels),
	 .doc = "Labels and their values, all of them."},
	{.name = "matchExpressions",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct label_selector, match_expressions),
	 .sub = &label_expression_desc,
	 .doc = "Conditions on labels, all of them."},
};
const struct struct_desc label_selector_desc = STRUCT_DESC(label_selector, label_selector_fields);

static int check_expression(const struct label_expression *expression, struct err *err)
{
	bool wants = strcmp(expression->operator, "In") == 0 ||
		     strcmp(expression->operator, "NotIn") == 0;

	if (wants == (expression->values.n > 0))
		return 0;
	return err_set(err, -EINVAL,
		       wants ? "values: %s needs one at least" : "values: %s has none",
		       expression->operator);
}

int label_selector_validate(const struct label_selector *selector, struct err *err)
{
	for (size_t i = 0; i < selector->match_labels.n; i++) {
		const struct str_pair *label = &selector->match_labels.v[i];
		int r = model_check(CHECK_LABEL_KEY, label->key, err);

		if (r == 0)
			r = model_check(CHECK_LABEL_VALUE, label->value, err);
		if (r < 0)
			return err_prefix(err, r, "matchLabels");
	}
	for (size_t i = 0; i < selector->match_expressions.n; i++) {
		int r = check_expression(&selector->match_expressions.v[i], err);

		if (r < 0)
			return err_prefix(err, r, "matchExpressions[%zu]", i);
	}
	return 0;
}
