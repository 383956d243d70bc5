/* SPDX-License-Identifier: Apache-2.0 */

/*
 * KubernetesClusterNetworkPolicy: ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2, the
 * administrator's rules that stand before (tier Admin) or behind (tier Baseline) those of the
 * namespaces. The checks are those of its definition.
 */

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "model/kinds-kubernetes.h"
#include "model/model-check.h"

static const char *const tiers[] = {"Admin", "Baseline", NULL};
static const char *const actions[] = {"Accept", "Deny", "Pass", NULL};

static const struct field_desc namespaced_pods_fields[] = {
	{.name = "namespaceSelector",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct namespaced_pods, namespace_selector),
	 .sub = &label_selector_desc,
	 .doc = "Namespaces of the pods; {}: all."},
	{.name = "podSelector",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct namespaced_pods, pod_selector),
	 .sub = &label_selector_desc,
	 .doc = "Pods with these labels; {}: all."},
};
static const struct struct_desc namespaced_pods_desc =
	STRUCT_DESC(namespaced_pods, namespaced_pods_fields);

static const struct field_desc cluster_subject_fields[] = {
	{.name = "namespaces",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_subject, namespaces),
	 .sub = &label_selector_desc,
	 .doc = "All pods of these namespaces."},
	{.name = "pods",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_subject, pods),
	 .sub = &namespaced_pods_desc,
	 .doc = "Some pods of some namespaces."},
};
static const struct struct_desc cluster_subject_desc =
	STRUCT_DESC(cluster_subject, cluster_subject_fields);

static const struct field_desc ingress_peer_fields[] = {
	{.name = "namespaces",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_peer, namespaces),
	 .sub = &label_selector_desc,
	 .doc = "All pods of these namespaces."},
	{.name = "pods",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_peer, pods),
	 .sub = &namespaced_pods_desc,
	 .doc = "Some pods of some namespaces."},
};
static const struct struct_desc ingress_peer_desc = STRUCT_DESC(cluster_peer, ingress_peer_fields);

static const struct field_desc egress_peer_fields[] = {
	{.name = "namespaces",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_peer, namespaces),
	 .sub = &label_selector_desc,
	 .doc = "All pods of these namespaces."},
	{.name = "pods",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_peer, pods),
	 .sub = &namespaced_pods_desc,
	 .doc = "Some pods of some namespaces."},
	{.name = "networks",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct cluster_peer, networks),
	 .max = CLUSTER_RULES_MAX,
	 .doc = "Addresses, in any of these prefixes."},
};
static const struct struct_desc egress_peer_desc = STRUCT_DESC(cluster_peer, egress_peer_fields);

static const struct field_desc cluster_port_range_fields[] = {
	{.name = "start",
	 .type = FIELD_INT,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct cluster_port_range, start),
	 .min = 1,
	 .max = 65535,
	 .doc = "First port."},
	{.name = "end",
	 .type = FIELD_INT,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct cluster_port_range, end),
	 .min = 1,
	 .max = 65535,
	 .doc = "Last port; behind the first."},
};
static const struct struct_desc cluster_port_range_desc =
	STRUCT_DESC(cluster_port_range, cluster_port_range_fields);

static const struct field_desc cluster_port_fields[] = {
	{.name = "number",
	 .type = FIELD_INT,
	 .offset = offsetof(struct cluster_port, number),
	 .min = 1,
	 .max = 65535,
	 .doc = "A port."},
	{.name = "range",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_port, range),
	 .sub = &cluster_port_range_desc,
	 .doc = "A range of ports."},
};
static const struct struct_desc cluster_port_desc = STRUCT_DESC(cluster_port, cluster_port_fields);

static const struct field_desc cluster_transport_fields[] = {
	{.name = "destinationPort",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_transport, destination_port),
	 .sub = &cluster_port_desc,
	 .doc = "The port the packet goes to."},
};
static const struct struct_desc cluster_transport_desc =
	STRUCT_DESC(cluster_transport, cluster_transport_fields);

static const struct field_desc cluster_protocol_fields[] = {
	{.name = "tcp",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_protocol, tcp),
	 .sub = &cluster_transport_desc,
	 .doc = "TCP."},
	{.name = "udp",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_protocol, udp),
	 .sub = &cluster_transport_desc,
	 .doc = "UDP."},
	{.name = "sctp",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct cluster_protocol, sctp),
	 .sub = &cluster_transport_desc,
	 .doc = "SCTP."},
	{.name = "destinationNamedPort",
	 .type = FIELD_STRING,
	 .check = CHECK_PORT,
	 .offset = offsetof(struct cluster_protocol, destination_named_port),
	 .doc = "A port that the pods give this name, in the protocol that they give it."},
};
static const struct struct_desc cluster_protocol_desc =
	STRUCT_DESC(cluster_protocol, cluster_protocol_fields);

static const struct field_desc ingress_rule_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct cluster_rule, name),
	 .doc = "For people, up to 100 characters."},
	{.name = "action",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct cluster_rule, action),
	 .values = actions,
	 .doc = "Accept, Deny, or Pass, which leaves it to the tiers behind."},
	{.name = "from",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST | FIELD_REQUIRED,
	 .offset = offsetof(struct cluster_rule, peers),
	 .sub = &ingress_peer_desc,
	 .max = CLUSTER_RULES_MAX,
	 .doc = "Where the packet comes from, any of them."},
	{.name = "protocols",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct cluster_rule, protocols),
	 .sub = &cluster_protocol_desc,
	 .max = CLUSTER_RULES_MAX,
	 .doc = "Protocols and ports, any of them; none: all."},
};
static const struct struct_desc ingress_rule_desc = STRUCT_DESC(cluster_rule, ingress_rule_fields);

static const struct field_desc egress_rule_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct cluster_rule, name),
	 .doc = "For people, up to 100 characters."},
	{.name = "action",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct cluster_rule, action),
	 .values = actions,
	 .doc = "Accept, Deny, or Pass, which leaves it to the tiers behind."},
	{.name = "to",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST | FIELD_REQUIRED,
	 .offset = offsetof(struct cluster_rule, peers),
	 .sub = &egress_peer_desc,
	 .max = CLUSTER_RULES_MAX,
	 .doc = "Where the packet goes to, any of them."},
	{.name = "protocols",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct cluster_rule, protocols),
	 .sub = &cluster_protocol_desc,
	 .max = CLUSTER_RULES_MAX,
	 .doc = "Protocols and ports, any of them; none: all."},
};
static const struct struct_desc egress_rule_desc = STRUCT_DESC(cluster_rule, egress_rule_fields);

static const struct field_desc cluster_policy_spec_fields[] = {
	{.name = "tier",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct cluster_policy_spec, tier),
	 .values = tiers,
	 .doc = "Admin: before the policies of namespaces; Baseline: behind them."},
	{.name = "priority",
	 .type = FIELD_INT,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct cluster_policy_spec, priority),
	 .min = 0,
	 .max = CLUSTER_PRIORITY_MAX,
	 .doc = "Place in the tier, lowest first."},
	{.name = "subject",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct cluster_policy_spec, subject),
	 .sub = &cluster_subject_desc,
	 .doc = "What the policy applies to."},
	{.name = "ingress",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct cluster_policy_spec, ingress),
	 .sub = &ingress_rule_desc,
	 .max = CLUSTER_RULES_MAX,
	 .doc = "Packets to the subject."},
	{.name = "egress",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct cluster_policy_spec, egress),
	 .sub = &egress_rule_desc,
	 .max = CLUSTER_RULES_MAX,
	 .doc = "Packets from the subject."},
};
static const struct struct_desc cluster_policy_spec_desc =
	STRUCT_DESC(cluster_policy_spec, cluster_policy_spec_fields);

static const struct field_desc cluster_policy_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct cluster_policy, spec),
	 .sub = &cluster_policy_spec_desc,
	 .doc = "What is wanted."},
	{.name = "status",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_READ_ONLY,
	 .offset = offsetof(struct cluster_policy, status),
	 .sub = &kubernetes_policy_status_desc,
	 .doc = "What is so."},
};
static const struct struct_desc cluster_policy_desc =
	STRUCT_DESC(cluster_policy, cluster_policy_fields);

static int check_pods(const struct namespaced_pods *pods, struct err *err)
{
	int r = label_selector_validate(&pods->namespace_selector, err);

	if (r < 0)
		return err_prefix(err, r, "pods.namespaceSelector");
	r = label_selector_validate(&pods->pod_selector, err);
	return r < 0 ? err_prefix(err, r, "pods.podSelector") : 0;
}

/* One of the members. */
static int check_selection(const struct label_selector *namespaces,
			   const struct namespaced_pods *pods, const struct str_list *networks,
			   struct err *err)
{
	int given = (namespaces != NULL) + (pods != NULL) + (networks && networks->n > 0);
	int r = 0;

	if (given != 1)
		return err_set(err, -EINVAL, "needs one of %s",
			       networks ? "namespaces, pods and networks" : "namespaces and pods");
	if (namespaces) {
		r = label_selector_validate(namespaces, err);
		if (r < 0)
			return err_prefix(err, r, "namespaces");
	}
	return pods ? check_pods(pods, err) : 0;
}

static int check_port(const struct cluster_port *port, struct err *err)
{
	if (port->number.set == (port->range != NULL))
		return err_set(err, -EINVAL, "destinationPort: needs one of number and range");
	if (port->range && port->range->start.v >= port->range->end.v)
		return err_set(err, -EINVAL, "destinationPort.range: end must lie behind start");
	return 0;
}

static int check_protocol(const struct cluster_protocol *protocol, struct err *err)
{
	const struct cluster_transport *const transports[] = {protocol->tcp, protocol->udp,
							      protocol->sctp};
	int given = protocol->destination_named_port != NULL;

	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		int r;

		if (!transports[i])
			continue;
		given++;
		if (!transports[i]->destination_port)
			return err_set(err, -EINVAL, "needs a destinationPort");
		r = check_port(transports[i]->destination_port, err);
		if (r < 0)
			return r;
	}
	if (given != 1)
		return err_set(err, -EINVAL,
			       "needs one of tcp, udp, sctp and destinationNamedPort");
	return 0;
}

static int check_rule(const struct cluster_rule *rule, bool is_egress, struct err *err)
{
	bool named = false;
	bool networks = false;

	if (rule->name && strlen(rule->name) > CLUSTER_RULE_NAME_MAX)
		return err_set(err, -EINVAL, "name: has more than %d characters",
			       CLUSTER_RULE_NAME_MAX);
	for (size_t i = 0; i < rule->peers.n; i++) {
		const struct cluster_peer *peer = &rule->peers.v[i];
		int r = check_selection(peer->namespaces, peer->pods,
					is_egress ? &peer->networks : NULL, err);

		if (r < 0)
			return err_prefix(err, r, "%s[%zu]", is_egress ? "to" : "from", i);
		networks |= peer->networks.n > 0;
	}
	for (size_t i = 0; i < rule->protocols.n; i++) {
		int r = check_protocol(&rule->protocols.v[i], err);

		if (r < 0)
			return err_prefix(err, r, "protocols[%zu]", i);
		named |= rule->protocols.v[i].destination_named_port != NULL;
	}
	return named && networks ? err_set(err, -EINVAL,
					   "protocols: destinationNamedPort is of pods; networks "
					   "have no ports with names")
				 : 0;
}

static int cluster_policy_validate(const struct object *object, struct err *err)
{
	const struct cluster_policy_spec *spec = &as_cluster_policy(object)->spec;
	int r = check_selection(spec->subject.namespaces, spec->subject.pods, NULL, err);

	if (r < 0)
		return err_prefix(err, r, "spec.subject");
	for (size_t i = 0; i < spec->ingress.n; i++) {
		r = check_rule(&spec->ingress.v[i], false, err);
		if (r < 0)
			return err_prefix(err, r, "spec.ingress[%zu]", i);
	}
	for (size_t i = 0; i < spec->egress.n; i++) {
		r = check_rule(&spec->egress.v[i], true, err);
		if (r < 0)
			return err_prefix(err, r, "spec.egress[%zu]", i);
	}
	return 0;
}

static const struct kind_column cluster_policy_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "TIER", .path = "spec.tier"},
	{.title = "PRIORITY", .path = "spec.priority"},
	{.title = NULL},
};

static const char *const cluster_policy_aliases[] = {
	"kcnp", "kcnps", "cnp", "clusternetworkpolicy", "clusternetworkpolicies", NULL};

const struct kind_desc kind_kubernetes_cluster_network_policy = {
	.kind = KIND_KUBERNETES_CLUSTER_NETWORK_POLICY,
	.name = "KubernetesClusterNetworkPolicy",
	.plural = "kubernetesclusternetworkpolicies",
	.singular = "kubernetesclusternetworkpolicy",
	.aliases = cluster_policy_aliases,
	.api_version = "policy.networking.k8s.io/v1alpha2",
	.api_kind = "ClusterNetworkPolicy",
	.size = sizeof(struct cluster_policy),
	.root = &cluster_policy_desc,
	.doc = "Kubernetes' ClusterNetworkPolicy: the administrator's rules, before or behind those of "
	       "namespaces.",
	.validate = cluster_policy_validate,
	.columns = cluster_policy_columns,
};
