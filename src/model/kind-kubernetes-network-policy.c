/* SPDX-License-Identifier: Apache-2.0 */

/*
 * KubernetesNetworkPolicy, which is NetworkPolicy of networking.k8s.io/v1, and its form on trial.
 * Both have the same fields; the rules are those of Kubernetes' API server.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/ip.h"
#include "base/macros.h"
#include "base/parse.h"
#include "model/kinds-kubernetes.h"
#include "model/model-check.h"

#define PORT_NAME_MAX 15

static const char *const staged_actions[] = {"Set", "Delete", "Learn", "Ignore", NULL};
static const char *const directions[] = {"Ingress", "Egress", NULL};
static const char *const protocols[] = {"TCP", "UDP", "SCTP", NULL};
static const struct field_desc ip_block_fields[] = {
	{.name = "cidr",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_IP_CIDR,
	 .offset = offsetof(struct ip_block, cidr),
	 .doc = "The prefix."},
	{.name = "except",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_IP_CIDR,
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

/* What both kinds have in their spec. */
#define SPEC_ROWS                                                                                  \
	{.name = "podSelector",                                                                    \
	 .type = FIELD_OBJECT,                                                                     \
	 .flags = FIELD_EMBEDDED,                                                                  \
	 .offset = offsetof(struct kubernetes_policy_spec, pod_selector),                          \
	 .sub = &label_selector_desc,                                                              \
	 .doc = "Pods of the namespace that the policy applies to; {}: all."},                     \
		{.name = "ingress",                                                                \
		 .type = FIELD_OBJECT,                                                             \
		 .flags = FIELD_LIST,                                                              \
		 .offset = offsetof(struct kubernetes_policy_spec, ingress),                       \
		 .sub = &kubernetes_ingress_desc,                                                  \
		 .max = RULES_MAX,                                                                 \
		 .doc = "Packets to the pods that are allowed."},                                  \
		{.name = "egress",                                                                 \
		 .type = FIELD_OBJECT,                                                             \
		 .flags = FIELD_LIST,                                                              \
		 .offset = offsetof(struct kubernetes_policy_spec, egress),                        \
		 .sub = &kubernetes_egress_desc,                                                   \
		 .max = RULES_MAX,                                                                 \
		 .doc = "Packets from the pods that are allowed."},                                \
	{                                                                                          \
		.name = "policyTypes", .type = FIELD_STRING, .flags = FIELD_LIST,                  \
		.offset = offsetof(struct kubernetes_policy_spec, policy_types),                   \
		.values = directions,                                                              \
		.doc = "Directions the policy applies to; absent: Ingress, "                       \
		       "and Egress too where there are egress rules."                              \
	}

static const struct field_desc kubernetes_spec_fields[] = {SPEC_ROWS};
static const struct struct_desc kubernetes_spec_desc =
	STRUCT_DESC(kubernetes_policy_spec, kubernetes_spec_fields);

static const struct field_desc staged_spec_fields[] = {
	{.name = "stagedAction",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct kubernetes_policy_spec, staged_action),
	 .values = staged_actions,
	 .def = "\"Set\"",
	 .doc = "What committing this does to the policy of its name."},
	SPEC_ROWS,
};
static const struct struct_desc staged_spec_desc =
	STRUCT_DESC(kubernetes_policy_spec, staged_spec_fields);

static const struct field_desc status_fields[] = {
	{.name = "conditions",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST | FIELD_READ_ONLY,
	 .offset = offsetof(struct kubernetes_policy_status, conditions),
	 .sub = &condition_desc,
	 .doc = "How those who enforce the policy fare."},
};
const struct struct_desc kubernetes_policy_status_desc =
	STRUCT_DESC(kubernetes_policy_status, status_fields);

#define KUBERNETES_SPEC(desc)                                                                      \
	{                                                                                          \
		.name = "spec", .type = FIELD_OBJECT, .flags = FIELD_EMBEDDED,                     \
		.offset = offsetof(struct kubernetes_policy, spec), .sub = &(desc),                \
		.doc = "What is wanted."                                                           \
	}

static const struct field_desc kubernetes_policy_fields[] = {
	KUBERNETES_SPEC(kubernetes_spec_desc),
	{.name = "status",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_READ_ONLY,
	 .offset = offsetof(struct kubernetes_policy, status),
	 .sub = &kubernetes_policy_status_desc,
	 .doc = "What is so."},
};
static const struct struct_desc kubernetes_policy_desc =
	STRUCT_DESC(kubernetes_policy, kubernetes_policy_fields);

static const struct field_desc staged_policy_fields[] = {KUBERNETES_SPEC(staged_spec_desc)};
static const struct struct_desc staged_policy_desc =
	STRUCT_DESC(kubernetes_policy, staged_policy_fields);

/* Unlike elsewhere an address alone is none. */
static int parse_block(const char *text, struct cidr *ret, struct err *err)
{
	if (!strchr(text, '/'))
		return err_set(err, -EINVAL, "\"%.64s\" has no prefix length; write %.64s/%s", text,
			       text, strchr(text, ':') ? "128" : "32");
	return cidr_parse(text, ret, err);
}

static int check_block(const struct ip_block *block, struct err *err)
{
	struct cidr outer;
	struct cidr inner;
	int r = parse_block(block->cidr, &outer, err);

	for (size_t i = 0; r == 0 && i < block->except.n; i++) {
		r = parse_block(block->except.v[i], &inner, err);
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
		r = label_selector_validate(peer->pod_selector, err);
		if (r < 0)
			return err_prefix(err, r, "podSelector");
	}
	if (peer->namespace_selector) {
		r = label_selector_validate(peer->namespace_selector, err);
		if (r < 0)
			return err_prefix(err, r, "namespaceSelector");
	}
	return 0;
}

/* A port's name as containers have it. */
static bool is_port_name(const char *name)
{
	size_t len = strlen(name);
	bool has_letter = false;

	if (len > PORT_NAME_MAX || name[0] == '-' || name[len - 1] == '-' || strstr(name, "--"))
		return false;
	for (size_t i = 0; i < len; i++) {
		bool is_letter = name[i] >= 'a' && name[i] <= 'z';

		has_letter |= is_letter;
		if (!is_letter && (name[i] < '0' || name[i] > '9') && name[i] != '-')
			return false;
	}
	return has_letter;
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
	if (r == 1 && !is_port_name(port->port.s))
		return err_set(
			err, -EINVAL,
			"port: \"%.64s\" is not the name of a port: up to 15 of a-z, 0-9 and "
			"\"-\" with a letter among them",
			port->port.s);
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

static int kubernetes_policy_validate(const struct object *object, struct err *err)
{
	const struct kubernetes_policy_spec *spec = &as_kubernetes_policy(object)->spec;
	int r = label_selector_validate(&spec->pod_selector, err);

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

/* As Kubernetes' API server does when a policy is created. */
static void kubernetes_policy_fill(struct object *object)
{
	struct kubernetes_policy_spec *spec = &as_kubernetes_policy(object)->spec;

	if (spec->policy_types.n > 0)
		return;
	str_list_add(&spec->policy_types, "Ingress");
	if (spec->egress.n > 0)
		str_list_add(&spec->policy_types, "Egress");
}

static const struct kind_column kubernetes_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "PODSELECTOR", .path = "spec.podSelector", .wide = true},
	{.title = NULL},
};

static const char *const kubernetes_aliases[] = {"knp", "knps", NULL};
static const char *const staged_kubernetes_aliases[] = {"sknp", "sknps", "skpol", "skpols", NULL};

const struct kind_desc kind_kubernetes_network_policy = {
	.kind = KIND_KUBERNETES_NETWORK_POLICY,
	.name = "KubernetesNetworkPolicy",
	.plural = "kubernetesnetworkpolicies",
	.singular = "kubernetesnetworkpolicy",
	.aliases = kubernetes_aliases,
	.namespaced = true,
	.api_version = "networking.k8s.io/v1",
	.api_kind = "NetworkPolicy",
	.size = sizeof(struct kubernetes_policy),
	.root = &kubernetes_policy_desc,
	.doc = "Kubernetes' own NetworkPolicy: what the pods of a namespace may receive and send.",
	.fill = kubernetes_policy_fill,
	.validate = kubernetes_policy_validate,
	.columns = kubernetes_columns,
};

const struct kind_desc kind_staged_kubernetes_network_policy = {
	.kind = KIND_STAGED_KUBERNETES_NETWORK_POLICY,
	.name = "StagedKubernetesNetworkPolicy",
	.plural = "stagedkubernetesnetworkpolicies",
	.singular = "stagedkubernetesnetworkpolicy",
	.aliases = staged_kubernetes_aliases,
	.namespaced = true,
	.size = sizeof(struct kubernetes_policy),
	.root = &staged_policy_desc,
	.doc = "A Kubernetes NetworkPolicy on trial: flow logs show what it would do.",
	.validate = kubernetes_policy_validate,
	.columns = kubernetes_columns,
};
