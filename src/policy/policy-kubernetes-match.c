/* SPDX-License-Identifier: Apache-2.0 */

/*
 * networking.k8s.io/v1 NetworkPolicy as its own text says it, without turning it into a policy of
 * Calico first: a second opinion on that conversion. Of what has labels only pods count. A rule
 * allows when the peer is in its list, or there is no list, and so is the port.
 */

#include <string.h>

#include "base/alloc.h"
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
			struct reason *why)
{
	if (!kubernetes_is_pod(peer) || !in_namespace(peer, policy->object->meta.namespace)) {
		reason_add(why, NULL, "it is for pods of namespace %s",
			   policy->object->meta.namespace);
		return false;
	}
	return kubernetes_labels_match(&kubernetes_spec(policy->object)->pod_selector,
				       &peer->labels, "podSelector", why);
}

/* --- Peers ---------------------------------------------------------------------------------- */

/* An entry in the list "from" or "to" of a rule; its reasons' fields begin with it. */
struct wanted {
	const struct kubernetes_peer *peer;
	const char *namespace; /* of the policy */
	const char *list;
	size_t index;
};

PRINTF_LIKE(4, 5)
static void add_entry(struct reason *why, const struct wanted *wanted, const char *field,
		      const char *format, ...)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *text = NULL;
	va_list args;

	if (!why)
		return;
	path = xasprintf("%s[%zu].%s", wanted->list, wanted->index, field);
	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	reason_add(why, path, "%s: %s", path, text);
}

static bool block_holds(const struct wanted *wanted, const struct ip_addr *addr, struct reason *why)
{
	const struct ip_block *block = wanted->peer->ip_block;
	const char *text = block->cidr ? block->cidr : "";
	struct cidr cidr;

	if (cidr_parse(text, &cidr, NULL) < 0 || !cidr_contains(&cidr, addr)) {
		add_entry(why, wanted, "ipBlock.cidr", "%s is not in %s", ip_format(addr).s, text);
		return false;
	}
	for (size_t i = 0; i < block->except.n; i++) {
		_cleanup_free_ char *field = NULL;

		if (cidr_parse(block->except.v[i], &cidr, NULL) < 0 || !cidr_contains(&cidr, addr))
			continue;
		field = why ? xasprintf("ipBlock.except[%zu]", i) : NULL;
		add_entry(why, wanted, field, "%s is in %s", ip_format(addr).s, block->except.v[i]);
		return false;
	}
	add_entry(why, wanted, "ipBlock.cidr", "%s is in %s", ip_format(addr).s, text);
	return true;
}

static bool labels_match(const struct wanted *wanted, const struct label_selector *selector,
			 const struct str_map *labels, const char *field, struct reason *why)
{
	_cleanup_free_ char *path =
		why ? xasprintf("%s[%zu].%s", wanted->list, wanted->index, field) : NULL;

	return kubernetes_labels_match(selector, labels, path ? path : field, why);
}

/* Pods by their labels, in the policy's own namespace unless another is asked for. */
static bool pod_is(const struct wanted *wanted, const struct world_peer *peer, struct reason *why)
{
	const struct kubernetes_peer *v = wanted->peer;

	if (!kubernetes_is_pod(peer))
		return false;
	if (v->namespace_selector) {
		if (!labels_match(wanted, v->namespace_selector, &peer->namespace_labels,
				  "namespaceSelector", why))
			return false;
	} else if (!in_namespace(peer, wanted->namespace)) {
		add_entry(
			why, wanted, "podSelector",
			"without namespaceSelector it is about namespace %s, and %s is in another",
			wanted->namespace, peer->text);
		return false;
	}
	return !v->pod_selector ||
	       labels_match(wanted, v->pod_selector, &peer->labels, "podSelector", why);
}

static bool peer_matches(struct policy_world *world, const struct wanted *wanted,
			 const struct ip_addr *addr, struct reason *why)
{
	size_t n;
	const struct world_peer *peers = policy_world_peers(world, &n);

	if (wanted->peer->ip_block)
		return block_holds(wanted, addr, why);
	if (!wanted->peer->pod_selector && !wanted->peer->namespace_selector)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!world_peer_holds(&peers[i], addr))
			continue;
		reason_clear(why);
		if (pod_is(wanted, &peers[i], why))
			return true;
	}
	reason_keep_last(why);
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

/* The entry that is the packet's port. -1: none is. */
static ssize_t find_port(struct policy_world *world, const struct kubernetes_port_list *ports,
			 const struct packet *packet)
{
	for (size_t i = 0; i < ports->n; i++)
		if (port_matches(world, &ports->v[i], packet))
			return (ssize_t)i;
	return -1;
}

static bool ports_match(struct policy_world *world, const struct kubernetes_port_list *ports,
			const struct packet *packet, struct reason *why)
{
	ssize_t i = find_port(world, ports, packet);
	_cleanup_free_ char *field = i >= 0 && why ? xasprintf("ports[%zd]", i) : NULL;

	if (!ports->n)
		return true;
	if (i < 0)
		reason_add(why, "ports", "ports: %s port %u is none of them",
			   protocol_format(packet->protocol).s, packet->destination_port);
	else
		reason_add(why, field, "%s: %s", field ? field : "",
			   ports->v[i].port.s ? ports->v[i].port.s : "all");
	return i >= 0;
}

/* 'list' is "from" or "to". */
static bool peers_match(struct policy_world *world, const struct kubernetes_peer_list *peers,
			const char *namespace, const struct ip_addr *addr, const char *list,
			struct reason *why)
{
	_cleanup_(reason_deinitp) struct reason others = {.v = NULL};

	for (size_t i = 0; i < peers->n; i++) {
		const struct wanted wanted = {&peers->v[i], namespace, list, i};
		_cleanup_(reason_deinitp) struct reason reason = {.v = NULL};

		if (peer_matches(world, &wanted, addr, why ? &reason : NULL)) {
			reason_take(why, &reason, NULL, "");
			return true;
		}
		reason_take(why ? &others : NULL, &reason, NULL, "");
	}
	if (peers->n && !others.n)
		reason_add(why, list, "%s: %s is no pod", list, ip_format(addr).s);
	reason_take(why, &others, NULL, "");
	return peers->n == 0;
}

bool kubernetes_rule_matches(struct policy_world *world, const struct world_policy *policy,
			     enum policy_direction direction, size_t index,
			     const struct packet *packet, struct reason *why)
{
	const struct kubernetes_policy_spec *spec = kubernetes_spec(policy->object);
	bool in = direction == POLICY_INGRESS;
	const struct kubernetes_rule *rule = in ? &spec->ingress.v[index] : &spec->egress.v[index];
	_cleanup_(reason_deinitp) struct reason ports = {.v = NULL};
	_cleanup_(reason_deinitp) struct reason peers = {.v = NULL};
	bool port = ports_match(world, &rule->ports, packet, why ? &ports : NULL);
	bool peer = port && peers_match(world, &rule->peers, policy->object->meta.namespace,
					in ? &packet->source : &packet->destination,
					in ? "from" : "to", why ? &peers : NULL);

	if (port && !peer)
		reason_clear(&ports);
	reason_take(why, &ports, NULL, "");
	reason_take(why, &peers, NULL, "");
	if (peer && why && !why->n)
		reason_add(why, NULL, "it has no conditions");
	return peer;
}
