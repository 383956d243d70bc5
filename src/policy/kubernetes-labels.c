/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the two readers of Kubernetes' policies by their own text share: label selectors as
 * apimachinery says them, and what a pod is.
 */

#include "policy/kubernetes-labels.h"

#include <string.h>

#include "base/alloc.h"
#include "model/model-check.h"
#include "policy/kubernetes-policy.h"

static bool is_among(const struct str_list *values, const char *value)
{
	for (size_t i = 0; i < values->n; i++)
		if (strcmp(values->v[i], value) == 0)
			return true;
	return false;
}

/* What can't be understood does not hold. */
static bool expression_matches(const struct label_expression *expression,
			       const struct str_map *labels)
{
	const char *value = expression->key ? str_map_find(labels, expression->key) : NULL;
	const char *op = expression->operator? expression->operator: "";

	if (!expression->key)
		return false;
	if (strcmp(op, "In") == 0)
		return value && is_among(&expression->values, value);
	if (strcmp(op, "NotIn") == 0)
		return !value || !is_among(&expression->values, value);
	if (strcmp(op, "Exists") == 0)
		return value;
	return strcmp(op, "DoesNotExist") == 0 && !value;
}

/* 'FIELD.LIST WANTED', and what there is instead if that does not hold. */
static void add_label(struct reason *why, const char *path, const char *wanted, const char *value,
		      bool holds)
{
	if (holds)
		reason_add(why, path, "%s", wanted);
	else
		reason_add(why, path, "%s (%s%s)", wanted,
			   value ? "it is " : "there is no such label", value ? value : "");
}

static bool label_matches(const struct str_pair *wanted, const struct str_map *labels,
			  const char *field, struct reason *why)
{
	const char *value = str_map_find(labels, wanted->key);
	bool matches = value && strcmp(value, wanted->value) == 0;

	if (why) {
		_cleanup_free_ char *path = xasprintf("%s.matchLabels[\"%s\"]", field, wanted->key);
		_cleanup_free_ char *text =
			xasprintf("%s.matchLabels %s: %s", field, wanted->key, wanted->value);

		add_label(why, path, text, value, matches);
	}
	return matches;
}

static bool expression_holds(const struct label_expression *expression, size_t index,
			     const struct str_map *labels, const char *field, struct reason *why)
{
	bool matches = expression_matches(expression, labels);

	if (why) {
		_cleanup_free_ char *path = xasprintf("%s.matchExpressions[%zu]", field, index);
		_cleanup_free_ char *text = xasprintf(
			"%s.matchExpressions %s %s", field, expression->key ? expression->key : "",
			expression->operator? expression->operator: "");

		add_label(why, path, text,
			  expression->key ? str_map_find(labels, expression->key) : NULL, matches);
	}
	return matches;
}

/* All of it must hold; the empty selector selects everything. */
bool kubernetes_labels_match(const struct label_selector *selector, const struct str_map *labels,
			     const char *field, struct reason *why)
{
	_cleanup_(reason_deinitp) struct reason held = {.v = NULL};
	bool matches = true;

	for (size_t i = 0; matches && i < selector->match_labels.n; i++)
		matches = label_matches(&selector->match_labels.v[i], labels, field,
					why ? &held : NULL);
	for (size_t i = 0; matches && i < selector->match_expressions.n; i++)
		matches = expression_holds(&selector->match_expressions.v[i], i, labels, field,
					   why ? &held : NULL);
	if (!matches)
		reason_keep_last(&held);
	else if (!held.n)
		reason_add(why, field, "%s selects all", field);
	reason_take(why, &held, NULL, "");
	return matches;
}

bool kubernetes_labels_known(const struct label_selector *selector)
{
	static const struct {
		const char *name;
		bool has_values;
	} operators[] = {{"In", true}, {"NotIn", true}, {"Exists", false}, {"DoesNotExist", false}};

	for (size_t i = 0; i < selector->match_labels.n; i++)
		if (model_check(CHECK_LABEL_KEY, selector->match_labels.v[i].key, NULL) < 0)
			return false;
	for (size_t i = 0; i < selector->match_expressions.n; i++) {
		const struct label_expression *v = &selector->match_expressions.v[i];
		bool known = false;

		for (size_t k = 0; v->operator&& k<ARRAY_SIZE(operators); k++)
			known |= strcmp(v->operator, operators[k].name) == 0 &&
				 (v->values.n > 0 || !operators[k].has_values);
		if (!known || !v->key || model_check(CHECK_LABEL_KEY, v->key, NULL) < 0)
			return false;
	}
	return true;
}

bool kubernetes_is_pod(const struct world_peer *peer)
{
	const char *orchestrator = str_map_find(&peer->labels, LABEL_ORCHESTRATOR);

	return peer->type == WORLD_WORKLOAD && orchestrator &&
	       strcmp(orchestrator, KUBERNETES_ORCHESTRATOR) == 0;
}

bool kubernetes_is_named_port(struct policy_world *world, const char *name,
			      const struct packet *packet)
{
	size_t n;
	const struct world_peer *peers = policy_world_peers(world, &n);

	for (size_t i = 0; i < n; i++) {
		if (!kubernetes_is_pod(&peers[i]) ||
		    !world_peer_holds(&peers[i], &packet->destination))
			continue;
		for (size_t k = 0; k < peers[i].n_ports; k++)
			if (strcmp(peers[i].ports[k].name, name) == 0 &&
			    peers[i].ports[k].protocol == packet->protocol &&
			    peers[i].ports[k].port == packet->destination_port)
				return true;
	}
	return false;
}
