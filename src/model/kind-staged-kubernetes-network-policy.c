/* SPDX-License-Identifier: Apache-2.0 */

/* StagedKubernetesNetworkPolicy: a policy in the syntax of networking.k8s.io/v1, on trial. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/ip.h"
#include "base/macros.h"
#include "base/parse.h"
#include "model/kinds-policy.h"
#include "model/model-check.h"

static const char *const staged_actions[] = {"Set", "Delete", "Learn", "Ignore", NULL};
static const char *const directions[] = {"Ingress", "Egress", NULL};
static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist", NULL};
static const char *const protocols[] = {"TCP", "UDP", "SCTP", NULL};
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
static const struct struct_desc label_selector_desc =
	STRUCT_DESC(label_selector, label_selector_fields);

static const struct field_desc ip_block_fields[] = {
	{.name = "cidr",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct ip_block, cidr),
	 .doc = "The prefix."},
	{.name = "except",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct ip_block, except),
	 .doc = "Prefixes within it that are left out."},
};
static const struct struct_desc ip_block_desc = STRUCT_DESC(ip_block, ip_block_fields);

static const struct field_desc kubernetes_peer_fields[] = {
	{.name = "podSelector",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct kubernetes_peer, pod_selector),
	 .sub = &label_selector_desc,
	 .doc = "Pods with these labels."},
	{.name = "namespaceSelector",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct kubernetes_peer, namespace_selector),
	 .sub = &label_selector_desc,
	 .doc = "Namespaces of the pods; absent: that of the policy."},
	{.name = "ipBlock",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct kubernetes_peer, ip_block),
	 .sub = &ip_block_desc,
	 .doc = "Addresses; alone."},
};
static const struct struct_desc kubernetes_peer_desc =
	STRUCT_DESC(kubernetes_peer, kubernetes_peer_fields);

static const struct field_desc kubernetes_port_fields[] = {
	{.name = "protocol",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct kubernetes_port, protocol),
	 .values = protocols,
	 .doc = "Protocol; absent: TCP."},
	{.name = "port",
	 .type = FIELD_INT_OR_STRING,
	 .offset = offsetof(struct kubernetes_port, port),
	 .doc = "Number or name of a port; absent: all."},
	{.name = "endPort",
	 .type = FIELD_INT,
	 .offset = offsetof(struct kubernetes_port, end_port),
	 .min = 1,
	 .max = 65535,
	 .doc = "Last port of a range that begins with port."},
};
static const struct struct_desc kubernetes_port_desc =
	STRUCT_DESC(kubernetes_port, kubernetes_port_fields);

/* The two directions differ in how they call the peers. */
#define RULE_ROWS(peers_name, peers_doc)                                                           \
	{.name = "ports",                                                                          \
	 .type = FIELD_OBJECT,                                                                     \
	 .flags = FIELD_LIST,                                                                      \
	 .offset = offsetof(struct kubernetes_rule, ports),                                        \
	 .sub = &kubernetes_port_desc,                                                             \
	 .max = RULES_MAX,                                                                         \
	 .doc = "Ports, any of them; none: all."},                                                 \
	{                                                                                          \
		.name = (peers_name), .type = FIELD_OBJECT, .flags = FIELD_LIST,                   \
		.offset = offsetof(struct kubernetes_rule, peers), .sub = &kubernetes_peer_desc,   \
		.max = RULES_MAX, .doc = (peers_doc)                                               \
	}

static const struct field_desc kubernetes_ingress_fields[] = {
	RULE_ROWS("from", "Sources, any of them; none: all."),
};
static const struct struct_desc kubernetes_ingress_desc =
	STRUCT_DESC(kubernetes_rule, kubernetes_ingress_fields);

static const struct field_desc kubernetes_egress_fields[] = {
	RULE_ROWS("to", "Destinations, any of them; none: all."),
};
static const struct struct_desc kubernetes_egress_desc =
	STRUCT_DESC(kubernetes_rule, kubernetes_egress_fields);

static const struct field_desc staged_kubernetes_network_policy_spec_fields[] = {
	{.name = "stagedAction",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct staged_kubernetes_network_policy_spec, staged_action),
	 .values = staged_actions,
	 .def = "\"Set\"",
	 .doc = "What committing this does to the policy of its name."},
	{.name = "podSelector",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct staged_kubernetes_network_policy_spec, pod_selector),
	 .sub = &label_selector_desc,
	 .doc = "Pods of the namespace that the policy applies to; {}: all."},
	{.name = "ingress",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct staged_kubernetes_network_policy_spec, ingress),
	 .sub = &kubernetes_ingress_desc,
	 .max = RULES_MAX,
	 .doc = "Packets to the pods that are allowed."},
	{.name = "egress",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct staged_kubernetes_network_policy_spec, egress),
	 .sub = &kubernetes_egress_desc,
	 .max = RULES_MAX,
	 .doc = "Packets from the pods that are allowed."},
	{.name = "policyTypes",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct staged_kubernetes_network_policy_spec, policy_types),
	 .values = directions,
	 .doc = "Directions the policy applies to; absent: Ingress."},
};
static const struct struct_desc staged_kubernetes_network_policy_spec_desc = STRUCT_DESC(
	staged_kubernetes_network_policy_spec, staged_kubernetes_network_policy_spec_fields);

static const struct field_desc staged_kubernetes_network_policy_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct staged_kubernetes_network_policy, spec),
	 .sub = &staged_kubernetes_network_policy_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc staged_kubernetes_network_policy_desc =
	STRUCT_DESC(staged_kubernetes_network_policy, staged_kubernetes_network_policy_fields);

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

static int check_label_selector(const struct label_selector *selector, struct err *err)
{
	for (size_t i = 0; i < selector->match_labels.n; i++) {
		int r = model_check(CHECK_LABEL_KEY, selector->match_labels.v[i].key, err);

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

static int check_block(const struct ip_block *block, struct err *err)
{
	struct cidr outer;
	struct cidr inner;
	int r = cidr_parse(block->cidr, &outer, err);

	for (size_t i = 0; r == 0 && i < block->except.n; i++) {
		r = cidr_parse(block->except.v[i], &inner, err);
		if (r == 0 && (!cidr_covers(&outer, &inner) || outer.len >= inner.len))
			r = err_set(err, -EINVAL, "except[%zu]: %s is not a part of %s", i,
				    block->except.v[i], block->cidr);
	}
	return r;
}

static int check_peer(const struct kubernetes_peer *peer, struct err *err)
{
	int r = 0;

	if (!peer->pod_selector && !peer->namespace_selector && !peer->ip_block)
		return err_set(err, -EINVAL, "needs podSelector, namespaceSelector or ipBlock");
	if (peer->ip_block && (peer->pod_selector || peer->namespace_selector))
		return err_set(err, -EINVAL, "ipBlock: stands alone; make a peer for each");
	if (peer->ip_block) {
		r = check_block(peer->ip_block, err);
		return r < 0 ? err_prefix(err, r, "ipBlock") : 0;
	}
	if (peer->pod_selector) {
		r = check_label_selector(peer->pod_selector, err);
		if (r < 0)
			return err_prefix(err, r, "podSelector");
	}
	if (peer->namespace_selector) {
		r = check_label_selector(peer->namespace_selector, err);
		if (r < 0)
			return err_prefix(err, r, "namespaceSelector");
	}
	return 0;
}

static int check_kubernetes_port(const struct kubernetes_port *port, struct err *err)
{
	uint16_t first = 0;
	uint16_t last = 0;
	int r;

	if (port->end_port.set && !port->port.is_int)
		return err_set(err, -EINVAL, "endPort: needs a number as port");
	if (!port->port.s)
		return 0;
	r = model_check_port(port->port.s, &first, &last, err);
	if (r < 0)
		return err_prefix(err, r, "port");
	if (r == 0 && !port->port.is_int)
		return err_set(err, -EINVAL,
			       "port: \"%s\" is a text; write a number without quotes, or a name",
			       port->port.s);
	if (port->end_port.set && port->end_port.v < first)
		return err_set(err, -EINVAL, "endPort: %" PRId64 " lies before port %u",
			       port->end_port.v, first);
	return 0;
}

static int check_kubernetes_rule(const struct kubernetes_rule *rule, const char *peers,
				 struct err *err)
{
	for (size_t i = 0; i < rule->ports.n; i++) {
		int r = check_kubernetes_port(&rule->ports.v[i], err);

		if (r < 0)
			return err_prefix(err, r, "ports[%zu]", i);
	}
	for (size_t i = 0; i < rule->peers.n; i++) {
		int r = check_peer(&rule->peers.v[i], err);

		if (r < 0)
			return err_prefix(err, r, "%s[%zu]", peers, i);
	}
	return 0;
}

static int staged_kubernetes_validate(const struct object *object, struct err *err)
{
	const struct staged_kubernetes_network_policy_spec *spec =
		&as_staged_kubernetes_network_policy(object)->spec;
	int r = check_label_selector(&spec->pod_selector, err);

	if (r < 0)
		return err_prefix(err, r, "spec.podSelector");
	for (size_t i = 0; i < spec->ingress.n; i++) {
		r = check_kubernetes_rule(&spec->ingress.v[i], "from", err);
		if (r < 0)
			return err_prefix(err, r, "spec.ingress[%zu]", i);
	}
	for (size_t i = 0; i < spec->egress.n; i++) {
		r = check_kubernetes_rule(&spec->egress.v[i], "to", err);
		if (r < 0)
			return err_prefix(err, r, "spec.egress[%zu]", i);
	}
	return 0;
}

static const struct kind_column staged_kubernetes_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "PODSELECTOR", .path = "spec.podSelector", .wide = true},
	{.title = NULL},
};

static const char *const staged_kubernetes_aliases[] = {"sknp", "sknps", "skpol", "skpols", NULL};

const struct kind_desc kind_staged_kubernetes_network_policy = {
	.kind = KIND_STAGED_KUBERNETES_NETWORK_POLICY,
	.name = "StagedKubernetesNetworkPolicy",
	.plural = "stagedkubernetesnetworkpolicies",
	.singular = "stagedkubernetesnetworkpolicy",
	.aliases = staged_kubernetes_aliases,
	.namespaced = true,
	.size = sizeof(struct staged_kubernetes_network_policy),
	.root = &staged_kubernetes_network_policy_desc,
	.doc = "A Kubernetes NetworkPolicy on trial: flow logs show what it would do.",
	.validate = staged_kubernetes_validate,
	.columns = staged_kubernetes_columns,
};
