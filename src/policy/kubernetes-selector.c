/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Kubernetes' label selectors in Calico's language. Keys are checked, and values quoted, since the
 * text is read again: nothing in it may be more than a key or a value.
 */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/kinds.h"
#include "model/model-check.h"
#include "policy/kubernetes-convert.h"
#include "policy/kubernetes-policy.h"
#include "policy/policy-selector.h"

static void begin_term(struct buf *out)
{
	buf_adds(out, out->size ? " && " : "");
}

static int add_labels(struct buf *out, const struct str_map *labels, struct err *err)
{
	for (size_t i = 0; i < labels->n; i++) {
		int r = model_check(CHECK_LABEL_KEY, labels->v[i].key, err);

		begin_term(out);
		if (r == 0)
			r = policy_selector_add_equal(out, labels->v[i].key, labels->v[i].value,
						      err);
		if (r < 0)
			return err_prefix(err, r, "matchLabels");
	}
	return 0;
}

static int add_values(struct buf *out, const struct str_list *values, struct err *err)
{
	if (values->n == 0)
		return err_set(err, -EINVAL, "values: must be there with In and NotIn");
	for (size_t i = 0; i < values->n; i++) {
		int r;

		buf_adds(out, i ? ", " : "");
		r = policy_selector_add_value(out, values->v[i], err);
		if (r < 0)
			return err_prefix(err, r, "values[%zu]", i);
	}
	buf_addc(out, '}');
	return 0;
}

static int add_expression(struct buf *out, const struct label_expression *expression,
			  struct err *err)
{
	const char *operator= expression->operator? expression->operator: "";
	const char *key = expression->key ? expression->key : "";
	int r = model_check(CHECK_LABEL_KEY, key, err);

	begin_term(out);
	if (r < 0)
		return err_prefix(err, r, "key");
	if (strcmp(operator, "Exists") == 0 || strcmp(operator, "DoesNotExist") == 0) {
		buf_addf(out, "%shas(%s)", strcmp(operator, "Exists") == 0 ? "" : "! ", key);
		return 0;
	}
	if (strcmp(operator, "In") != 0 && strcmp(operator, "NotIn") != 0)
		return err_set(
			err, -EINVAL,
			"operator: \"%.32s\" is none of In, NotIn, Exists, DoesNotExist", operator);
	buf_addf(out, "%s %s {", key, strcmp(operator, "In") == 0 ? "in" : "not in");
	return add_values(out, &expression->values, err);
}

static int add_selector(struct buf *out, const struct label_selector *selector, struct err *err)
{
	int r = add_labels(out, &selector->match_labels, err);

	for (size_t i = 0; r == 0 && i < selector->match_expressions.n; i++) {
		r = add_expression(out, &selector->match_expressions.v[i], err);
		if (r < 0)
			err_prefix(err, r, "matchExpressions[%zu]", i);
	}
	return r;
}

int kubernetes_pod_selector(const struct label_selector *selector, char **ret, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	int r;

	buf_adds(&out, LABEL_ORCHESTRATOR " == '" KUBERNETES_ORCHESTRATOR "'");
	r = selector ? add_selector(&out, selector, err) : 0;
	if (r < 0)
		return r;
	*ret = buf_take(&out);
	return 0;
}

int kubernetes_namespace_selector(const struct label_selector *selector, char **ret,
				  struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	int r;

	if (!selector) {
		*ret = NULL;
		return 0;
	}
	r = add_selector(&out, selector, err);
	if (r < 0)
		return r;
	if (!out.size)
		buf_adds(&out, "all()");
	*ret = buf_take(&out);
	return 0;
}
