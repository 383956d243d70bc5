/* SPDX-License-Identifier: Apache-2.0 */

/*
 * policy.networking.k8s.io ClusterNetworkPolicy as its own text says it, without turning it into a
 * policy of Calico first: a second opinion on that conversion. The first rule from the top decides
 * of which any peer, and any protocol, matches. A rule with anything in it that is not known here
 * fails closed: Accept matches nothing, every other one denies everything.
 */

#include <string.h>

#include "base/alloc.h"
#include "model/model-check.h"
#include "policy/kubernetes-labels.h"

#define PROTOCOL_TCP  6
#define PROTOCOL_UDP  17
#define PROTOCOL_SCTP 132

static const struct cluster_policy_spec *spec_of(const struct world_policy *policy)
{
	return &as_cluster_policy(policy->object)->spec;
}

/* 'field' is what the pods are called. */
static bool pods_match(const struct namespaced_pods *pods, const struct world_peer *peer,
		       const char *field, struct reason *why)
{
	_cleanup_free_ char *namespaces = why ? xasprintf("%s.namespaceSelector", field) : NULL;
	_cleanup_free_ char *own = why ? xasprintf("%s.podSelector", field) : NULL;

	return kubernetes_labels_match(&pods->namespace_selector, &peer->namespace_labels,
				       namespaces ? namespaces : field, why) &&
	       kubernetes_labels_match(&pods->pod_selector, &peer->labels, own ? own : field, why);
}

bool cluster_selects(const struct world_policy *policy, const struct world_peer *peer,
		     struct reason *why)
{
	const struct cluster_subject *subject = &spec_of(policy)->subject;

	if (!kubernetes_is_pod(peer)) {
		reason_add(why, "subject", "it is for pods");
		return false;
	}
	if (subject->namespaces)
		return kubernetes_labels_match(subject->namespaces, &peer->namespace_labels,
					       "subject.namespaces", why);
	return subject->pods && pods_match(subject->pods, peer, "subject.pods", why);
}

/* --- Is all of it known ----------------------------------------------------------------------- */

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

static bool is_known_rule(const struct cluster_rule *rule, bool is_egress, struct reason *why)
{
	const char *peers = is_egress ? "to" : "from";
	const char *unknown = action_of(rule) == RULE_ACTION_UNSET ? "action" : NULL;
	ssize_t index = -1;

	for (size_t i = 0; !unknown && i < rule->peers.n; i++)
		if (!is_known_peer(&rule->peers.v[i], is_egress)) {
			unknown = peers;
			index = (ssize_t)i;
		}
	for (size_t i = 0; !unknown && i < rule->protocols.n; i++)
		if (!is_known_protocol(&rule->protocols.v[i])) {
			unknown = "protocols";
			index = (ssize_t)i;
		}
	if (!unknown && names_port_of_network(rule))
		unknown = "protocols";
	if (unknown && why) {
		_cleanup_free_ char *field =
			index < 0 ? xstrdup(unknown) : xasprintf("%s[%zd]", unknown, index);

		reason_add(why, field, "%s%s can't be understood, so it %s", field,
			   index < 0 && strcmp(unknown, "protocols") == 0
				   ? ": destinationNamedPort beside networks"
				   : "",
			   action_of(rule) == RULE_ACTION_ALLOW ? "accepts nothing" : "denies");
	}
	return !unknown;
}

/* --- Protocols and peers ---------------------------------------------------------------------- */

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

static bool protocol_matches(struct policy_world *world, const struct cluster_protocol *v,
			     const struct packet *packet)
{
	return transport_matches(v->tcp, PROTOCOL_TCP, packet) ||
	       transport_matches(v->udp, PROTOCOL_UDP, packet) ||
	       transport_matches(v->sctp, PROTOCOL_SCTP, packet) ||
	       (v->destination_named_port &&
		kubernetes_is_named_port(world, v->destination_named_port, packet));
}

static bool protocols_match(struct policy_world *world, const struct cluster_protocol_list *list,
			    const struct packet *packet, struct reason *why)
{
	for (size_t i = 0; i < list->n; i++) {
		_cleanup_free_ char *field = NULL;

		if (!protocol_matches(world, &list->v[i], packet))
			continue;
		field = why ? xasprintf("protocols[%zu]", i) : NULL;
		reason_add(why, field, "%s: %s port %u", field ? field : "",
			   protocol_format(packet->protocol).s, packet->destination_port);
		return true;
	}
	if (list->n)
		reason_add(why, "protocols", "protocols: %s port %u is none of them",
			   protocol_format(packet->protocol).s, packet->destination_port);
	return list->n == 0;
}

/* 'field' is what the peer is called. */
static bool in_networks(const struct str_list *networks, const struct ip_addr *addr,
			const char *field, struct reason *why)
{
	for (size_t i = 0; i < networks->n; i++) {
		_cleanup_free_ char *path = NULL;
		struct cidr cidr;

		if (cidr_parse(networks->v[i], &cidr, NULL) < 0 || !cidr_contains(&cidr, addr))
			continue;
		path = why ? xasprintf("%s.networks[%zu]", field, i) : NULL;
		reason_add(why, path, "%s: %s is in %s", path ? path : "", ip_format(addr).s,
			   networks->v[i]);
		return true;
	}
	if (why) {
		_cleanup_free_ char *path = xasprintf("%s.networks", field);

		reason_add(why, path, "%s: %s is in none of them", path, ip_format(addr).s);
	}
	return false;
}

static bool peer_matches(struct policy_world *world, const struct cluster_peer *wanted,
			 const struct ip_addr *addr, const char *field, struct reason *why)
{
	_cleanup_free_ char *namespaces = why ? xasprintf("%s.namespaces", field) : NULL;
	_cleanup_free_ char *pods = why ? xasprintf("%s.pods", field) : NULL;
	size_t n;
	const struct world_peer *peers = policy_world_peers(world, &n);

	if (wanted->networks.n)
		return in_networks(&wanted->networks, addr, field, why);
	for (size_t i = 0; i < n; i++) {
		if (!kubernetes_is_pod(&peers[i]) || !world_peer_holds(&peers[i], addr))
			continue;
		reason_clear(why);
		if (wanted->pods ? pods_match(wanted->pods, &peers[i], pods ? pods : field, why)
				 : kubernetes_labels_match(wanted->namespaces,
							   &peers[i].namespace_labels,
							   namespaces ? namespaces : field, why))
			return true;
	}
	reason_keep_last(why);
	return false;
}

/* 'list' is "from" or "to". */
static bool peers_match(struct policy_world *world, const struct cluster_peer_list *peers,
			const struct ip_addr *addr, const char *list, struct reason *why)
{
	_cleanup_(reason_deinitp) struct reason others = {.v = NULL};

	for (size_t i = 0; i < peers->n; i++) {
		_cleanup_(reason_deinitp) struct reason reason = {.v = NULL};
		_cleanup_free_ char *field = why ? xasprintf("%s[%zu]", list, i) : NULL;

		if (peer_matches(world, &peers->v[i], addr, field ? field : list,
				 why ? &reason : NULL)) {
			reason_take(why, &reason, NULL, "");
			return true;
		}
		reason_take(why ? &others : NULL, &reason, NULL, "");
	}
	if (!others.n)
		reason_add(why, list, "%s: %s is none of them", list, ip_format(addr).s);
	reason_take(why, &others, NULL, "");
	return false;
}

/* --- Rules ------------------------------------------------------------------------------------ */

size_t cluster_rules(const struct world_policy *policy, enum policy_direction direction)
{
	const struct cluster_policy_spec *spec = spec_of(policy);

	return direction == POLICY_INGRESS ? spec->ingress.n : spec->egress.n;
}

struct matched_rule cluster_rule_match(struct policy_world *world,
				       const struct world_policy *policy,
				       enum policy_direction direction, size_t index,
				       const struct packet *packet, struct reason *why)
{
	const struct cluster_policy_spec *spec = spec_of(policy);
	bool in = direction == POLICY_INGRESS;
	const struct cluster_rule *rule = in ? &spec->ingress.v[index] : &spec->egress.v[index];
	struct matched_rule result = {.action = action_of(rule)};
	_cleanup_(reason_deinitp) struct reason protocols = {.v = NULL};
	_cleanup_(reason_deinitp) struct reason peers = {.v = NULL};
	bool spoken;

	if (!is_known_rule(rule, !in, why)) {
		result.unreadable = true;
		result.matches = result.action != RULE_ACTION_ALLOW;
		if (result.matches)
			result.action = RULE_ACTION_DENY;
		return result;
	}
	spoken = protocols_match(world, &rule->protocols, packet, why ? &protocols : NULL);
	result.matches = spoken && peers_match(world, &rule->peers,
					       in ? &packet->source : &packet->destination,
					       in ? "from" : "to", why ? &peers : NULL);
	if (spoken && !result.matches)
		reason_clear(&protocols);
	reason_take(why, &protocols, NULL, "");
	reason_take(why, &peers, NULL, "");
	return result;
}
