/* SPDX-License-Identifier: Apache-2.0 */

/*
 * policy.networking.k8s.io ClusterNetworkPolicy as its own text says it, without turning it into a
 * policy of Calico first: a second opinion on that conversion. The first rule from the top decides
 * of which any peer, and any protocol, matches. A rule with anything in it that is not known here
 * fails closed: Accept matches nothing, every other one denies everything.
 */

#include <string.h>

#include "base/buf.h"
#include "model/model-check.h"
#include "policy/kubernetes-labels.h"

#define PROTOCOL_TCP  6
#define PROTOCOL_UDP  17
#define PROTOCOL_SCTP 132

static const struct cluster_policy_spec *spec_of(const struct world_policy *policy)
{
	return &as_cluster_policy(policy->object)->spec;
}

static bool pods_match(const struct namespaced_pods *pods, const struct world_peer *peer,
		       struct buf *why)
{
	return kubernetes_labels_match(&pods->namespace_selector, &peer->namespace_labels,
				       "namespaceSelector", why) &&
	       kubernetes_labels_match(&pods->pod_selector, &peer->labels, "podSelector", why);
}

bool cluster_selects(const struct world_policy *policy, const struct world_peer *peer,
		     struct buf *why)
{
	const struct cluster_subject *subject = &spec_of(policy)->subject;

	if (!kubernetes_is_pod(peer)) {
		if (why)
			buf_adds(why, "it is for pods");
		return false;
	}
	if (subject->namespaces
		    ? !kubernetes_labels_match(subject->namespaces, &peer->namespace_labels,
					       "subject.namespaces", why)
		    : !subject->pods || !pods_match(subject->pods, peer, why))
		return false;
	if (why)
		buf_adds(why, "subject");
	return true;
}

/* --- Is all of it known ------------------------------------------------------------------------ */

static bool are_known_networks(const struct str_list *networks)
{
	struct cidr cidr;

	for (size_t i = 0; i < networks->n; i++)
		if (!networks->v[i] || cidr_parse(networks->v[i], &cidr, NULL) < 0)
			return false;
	return true;
}

/* Exactly one of them is given. */
static bool is_known_peer(const struct cluster_peer *peer, bool is_egress)
{
	bool networks = peer->networks.n > 0;

	if ((peer->namespaces != NULL) + (peer->pods != NULL) + networks != 1)
		return false;
	if (peer->namespaces)
		return kubernetes_labels_known(peer->namespaces);
	if (peer->pods)
		return kubernetes_labels_known(&peer->pods->namespace_selector) &&
		       kubernetes_labels_known(&peer->pods->pod_selector);
	return is_egress && are_known_networks(&peer->networks);
}

static bool is_number(const struct opt_int *port)
{
	return port->set && port->v >= 1 && port->v <= UINT16_MAX;
}

static bool is_known_transport(const struct cluster_transport *transport)
{
	const struct cluster_port *port = transport->destination_port;

	if (!port || port->number.set == (port->range != NULL))
		return false;
	if (!port->range)
		return is_number(&port->number);
	return is_number(&port->range->start) && is_number(&port->range->end) &&
	       port->range->start.v <= port->range->end.v;
}

static bool is_known_protocol(const struct cluster_protocol *protocol)
{
	const struct cluster_transport *const transports[] = {protocol->tcp, protocol->udp,
							      protocol->sctp};
	const char *name = protocol->destination_named_port;
	size_t n = name != NULL;
	uint16_t port;

	if (name && model_check_port(name, &port, &port, NULL) != 1)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		if (transports[i] && !is_known_transport(transports[i]))
			return false;
		n += transports[i] != NULL;
	}
	return n == 1;
}

/* "You can't use [a named port] in a rule that targets resources without named ports". */
static bool names_port_of_network(const struct cluster_rule *rule)
{
	bool names = false;
	bool networks = false;

	for (size_t i = 0; i < rule->protocols.n; i++)
		names |= rule->protocols.v[i].destination_named_port != NULL;
	for (size_t i = 0; i < rule->peers.n; i++)
		networks |= rule->peers.v[i].networks.n > 0;
	return names && networks;
}

static enum rule_action action_of(const struct cluster_rule *rule)
{
	const char *action = rule->action ? rule->action : "";

	return strcmp(action, "Accept") == 0 ? RULE_ACTION_ALLOW
	       : strcmp(action, "Deny") == 0 ? RULE_ACTION_DENY
	       : strcmp(action, "Pass") == 0 ? RULE_ACTION_PASS
					     : RULE_ACTION_UNSET;
}

static bool is_known_rule(const struct cluster_rule *rule, bool is_egress, struct buf *why)
{
	const char *unknown = action_of(rule) == RULE_ACTION_UNSET ? "its action" : NULL;

	for (size_t i = 0; !unknown && i < rule->peers.n; i++)
		if (!is_known_peer(&rule->peers.v[i], is_egress))
			unknown = is_egress ? "a peer in to" : "a peer in from";
	for (size_t i = 0; !unknown && i < rule->protocols.n; i++)
		if (!is_known_protocol(&rule->protocols.v[i]))
			unknown = "one of its protocols";
	if (!unknown && names_port_of_network(rule))
		unknown = "destinationNamedPort beside networks";
	if (unknown && why)
		buf_addf(why, "%s can't be understood, so it %s", unknown,
			 action_of(rule) == RULE_ACTION_ALLOW ? "accepts nothing" : "denies");
	return !unknown;
}

/* --- Protocols and peers ----------------------------------------------------------------------- */

static bool transport_matches(const struct cluster_transport *transport, uint8_t protocol,
			      const struct packet *packet)
{
	const struct cluster_port *port = transport ? transport->destination_port : NULL;

	if (!port || packet->protocol != protocol)
		return false;
	return port->range ? packet->destination_port >= port->range->start.v &&
				     packet->destination_port <= port->range->end.v
			   : packet->destination_port == port->number.v;
}

static bool protocols_match(struct policy_world *world, const struct cluster_protocol_list *list,
			    const struct packet *packet)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct cluster_protocol *v = &list->v[i];

		if (transport_matches(v->tcp, PROTOCOL_TCP, packet) ||
		    transport_matches(v->udp, PROTOCOL_UDP, packet) ||
		    transport_matches(v->sctp, PROTOCOL_SCTP, packet) ||
		    (v->destination_named_port &&
		     kubernetes_is_named_port(world, v->destination_named_port, packet)))
			return true;
	}
	return list->n == 0;
}

static bool in_networks(const struct str_list *networks, const struct ip_addr *addr)
{
	for (size_t i = 0; i < networks->n; i++) {
		struct cidr cidr;

		if (cidr_parse(networks->v[i], &cidr, NULL) == 0 && cidr_contains(&cidr, addr))
			return true;
	}
	return false;
}

static bool peer_matches(struct policy_world *world, const struct cluster_peer *wanted,
			 const struct ip_addr *addr, struct buf *why)
{
	size_t n;
	const struct world_peer *peers = policy_world_peers(world, &n);

	if (wanted->networks.n)
		return in_networks(&wanted->networks, addr);
	for (size_t i = 0; i < n; i++) {
		if (!kubernetes_is_pod(&peers[i]) || !world_peer_holds(&peers[i], addr))
			continue;
		if (wanted->pods ? pods_match(wanted->pods, &peers[i], why)
				 : kubernetes_labels_match(wanted->namespaces,
							   &peers[i].namespace_labels, "namespaces",
							   why))
			return true;
	}
	return false;
}

/* 'field' is "from" or "to". */
static bool peers_match(struct policy_world *world, const struct cluster_peer_list *peers,
			const struct ip_addr *addr, const char *field, struct buf *why)
{
	for (size_t i = 0; i < peers->n; i++) {
		_cleanup_buf_ struct buf reason = BUF_INIT;

		if (peer_matches(world, &peers->v[i], addr, &reason)) {
			if (why)
				buf_reset(why);
			return true;
		}
		if (why && reason.size)
			buf_addf(why, "%s%s[%zu]: %s", why->size ? "; " : "", field, i,
				 buf_str(&reason));
	}
	if (why && !why->size)
		buf_addf(why, "%s: %s is none of them", field, ip_format(addr).s);
	return false;
}

/* --- Rules ------------------------------------------------------------------------------------- */

size_t cluster_rules(const struct world_policy *policy, enum policy_direction direction)
{
	const struct cluster_policy_spec *spec = spec_of(policy);

	return direction == POLICY_INGRESS ? spec->ingress.n : spec->egress.n;
}

struct matched_rule cluster_rule_match(struct policy_world *world,
				       const struct world_policy *policy,
				       enum policy_direction direction, size_t index,
				       const struct packet *packet, struct buf *why)
{
	const struct cluster_policy_spec *spec = spec_of(policy);
	bool in = direction == POLICY_INGRESS;
	const struct cluster_rule *rule = in ? &spec->ingress.v[index] : &spec->egress.v[index];
	struct matched_rule result = {.action = action_of(rule)};

	if (!is_known_rule(rule, !in, why)) {
		result.unreadable = true;
		result.matches = result.action != RULE_ACTION_ALLOW;
		if (result.matches)
			result.action = RULE_ACTION_DENY;
	} else if (!protocols_match(world, &rule->protocols, packet)) {
		if (why)
			buf_addf(why, "protocols: %s port %u is none of them",
				 protocol_format(packet->protocol).s, packet->destination_port);
	} else if (peers_match(world, &rule->peers, in ? &packet->source : &packet->destination,
			       in ? "from" : "to", why)) {
		result.matches = true;
		if (why)
			buf_adds(why, rule->protocols.n ? "peer and port" : "peer");
	}
	return result;
}
