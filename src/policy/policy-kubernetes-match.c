/* SPDX-License-Identifier: Apache-2.0 */

/*
 * networking.k8s.io/v1 NetworkPolicy as its own text says it, without turning it into a policy of
 * Calico first: a second opinion on that conversion. Of what has labels only pods count. A rule
 * allows when the peer is in its list, or there is no list, and so is the port.
 */

#include <string.h>

#include "base/buf.h"
#include "base/parse.h"
#include "policy/kubernetes-labels.h"
#include "policy/kubernetes-policy.h"
#include "policy/policy-match.h"

#define PROTOCOL_TCP "TCP"

const struct kubernetes_policy_spec *kubernetes_spec(const struct object *object)
{
	return &as_kubernetes_policy(object)->spec;
}

static bool in_namespace(const struct world_peer *peer, const char *namespace)
{
	const char *own = str_map_find(&peer->labels, LABEL_NAMESPACE);

	return own && namespace && strcmp(own, namespace) == 0;
}

bool kubernetes_selects(const struct world_policy *policy, const struct world_peer *peer,
			struct buf *why)
{
	if (!kubernetes_is_pod(peer) || !in_namespace(peer, policy->object->meta.namespace)) {
		if (why)
			buf_addf(why, "it is for pods of namespace %s",
				 policy->object->meta.namespace);
		return false;
	}
	if (!kubernetes_labels_match(&kubernetes_spec(policy->object)->pod_selector, &peer->labels,
				     "podSelector", why))
		return false;
	if (why)
		buf_adds(why, "podSelector");
	return true;
}

/* --- Peers ---------------------------------------------------------------------------------- */

static bool block_holds(const struct ip_block *block, const struct ip_addr *addr)
{
	struct cidr cidr;

	if (!block->cidr || cidr_parse(block->cidr, &cidr, NULL) < 0 || !cidr_contains(&cidr, addr))
		return false;
	for (size_t i = 0; i < block->except.n; i++)
		if (cidr_parse(block->except.v[i], &cidr, NULL) == 0 && cidr_contains(&cidr, addr))
			return false;
	return true;
}

/* Pods by their labels, in the policy's own namespace unless another is asked for. */
static bool peer_is(const struct kubernetes_peer *wanted, const char *namespace,
		    const struct world_peer *peer, struct buf *why)
{
	if (!kubernetes_is_pod(peer))
		return false;
	if (wanted->namespace_selector) {
		if (!kubernetes_labels_match(wanted->namespace_selector, &peer->namespace_labels,
					     "namespaceSelector", why))
			return false;
	} else if (!in_namespace(peer, namespace)) {
		if (why)
			buf_addf(why, "it is not in namespace %s", namespace);
		return false;
	}
	return !wanted->pod_selector ||
	       kubernetes_labels_match(wanted->pod_selector, &peer->labels, "podSelector", why);
}

static bool peer_matches(struct policy_world *world, const struct kubernetes_peer *wanted,
			 const char *namespace, const struct ip_addr *addr, struct buf *why)
{
	size_t n;
	const struct world_peer *peers = policy_world_peers(world, &n);

	if (wanted->ip_block)
		return block_holds(wanted->ip_block, addr);
	if (!wanted->pod_selector && !wanted->namespace_selector)
		return false;
	for (size_t i = 0; i < n; i++)
		if (world_peer_holds(&peers[i], addr) && peer_is(wanted, namespace, &peers[i], why))
			return true;
	return false;
}

/* --- Ports ---------------------------------------------------------------------------------- */

static bool port_matches(struct policy_world *world, const struct kubernetes_port *wanted,
			 const struct packet *packet)
{
	struct int_or_string protocol = {.s = wanted->protocol ? wanted->protocol
							       : (char *)(uintptr_t)PROTOCOL_TCP};
	uint64_t first;

	if (protocol_number(&protocol) != packet->protocol)
		return false;
	if (!wanted->port.s)
		return true;
	if (parse_u64(wanted->port.s, 1, UINT16_MAX, &first, NULL) < 0)
		return kubernetes_is_named_port(world, wanted->port.s, packet);
	if (!wanted->end_port.set)
		return packet->destination_port == first;
	return packet->destination_port >= first && packet->destination_port <= wanted->end_port.v;
}

static bool ports_match(struct policy_world *world, const struct kubernetes_port_list *ports,
			const struct packet *packet)
{
	for (size_t i = 0; i < ports->n; i++)
		if (port_matches(world, &ports->v[i], packet))
			return true;
	return ports->n == 0;
}

/* 'field' is "from" or "to". */
static bool peers_match(struct policy_world *world, const struct kubernetes_peer_list *peers,
			const char *namespace, const struct ip_addr *addr, const char *field,
			struct buf *why)
{
	for (size_t i = 0; i < peers->n; i++) {
		_cleanup_buf_ struct buf reason = BUF_INIT;

		if (peer_matches(world, &peers->v[i], namespace, addr, &reason)) {
			if (why)
				buf_reset(why);
			return true;
		}
		if (why && reason.size)
			buf_addf(why, "%s%s[%zu]: %s", why->size ? "; " : "", field, i,
				 buf_str(&reason));
	}
	if (peers->n && why && !why->size)
		buf_addf(why, "%s: %s is none of them", field, ip_format(addr).s);
	return peers->n == 0;
}

bool kubernetes_rule_matches(struct policy_world *world, const struct world_policy *policy,
			     enum policy_direction direction, size_t index,
			     const struct packet *packet, struct buf *why)
{
	const struct kubernetes_policy_spec *spec = kubernetes_spec(policy->object);
	bool in = direction == POLICY_INGRESS;
	const struct kubernetes_rule *rule = in ? &spec->ingress.v[index] : &spec->egress.v[index];

	if (!ports_match(world, &rule->ports, packet)) {
		if (why)
			buf_addf(why, "ports: %s port %u is none of them",
				 protocol_format(packet->protocol).s, packet->destination_port);
		return false;
	}
	if (!peers_match(world, &rule->peers, policy->object->meta.namespace,
			 in ? &packet->source : &packet->destination, in ? "from" : "to", why))
		return false;
	if (why)
		buf_adds(why, rule->peers.n ? "peer and port" : "any peer, the port");
	return true;
}
