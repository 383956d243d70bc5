/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Matching, straight from the API's text: a rule matches when everything in it does, and what is
 * not in it matches everything. The order in which fields are looked at matters only to the reason
 * that is given.
 */

#include "policy/policy-match.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/model-check.h"
#include "policy/rule-readable.h"
#include "selector/selector.h"

#define PROTOCOL_TCP 6

/* A rule on its way through the packet. */
struct match {
	struct policy_world *world;
	const struct rule *rule;
	const char *namespace; /* of the policy; NULL: it has none */
	enum policy_direction direction;
	const struct packet *packet;
	struct reason *held;   /* what has matched so far; NULL: nobody asks */
	struct reason *failed; /* what has not */
};

/* A field of a rule; 'side' NULL: of the rule itself, 'index' -1: all of it. */
struct at {
	const char *side;
	const char *field;
	ssize_t index;
};

static struct at at(const char *side, const char *field)
{
	return (struct at){.side = side, .field = field, .index = -1};
}

PRINTF_LIKE(3, 0)
static void add_reason(struct reason *to, struct at at, const char *format, va_list args)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *text = NULL;

	if (!to)
		return;
	path = xasprintf("%s%s%s", at.side ? at.side : "", at.side ? "." : "", at.field);
	if (at.index >= 0)
		replace_str(&path, xasprintf("%s[%zd]", path, at.index));
	text = xvasprintf(format, args);
	reason_add(to, path, "%s", text);
}

PRINTF_LIKE(3, 4) static void held(const struct match *match, struct at at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_reason(match->held, at, format, args);
	va_end(args);
}

PRINTF_LIKE(3, 4)
static bool failed(const struct match *match, struct at at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_reason(match->failed, at, format, args);
	va_end(args);
	return false;
}

static bool is_given(const char *text)
{
	return text && *text;
}

/* --- Protocol and ICMP ------------------------------------------------------------------------ */

static bool match_protocol(const struct match *match)
{
	const struct rule *rule = match->rule;
	uint8_t protocol = match->packet->protocol;

	if (rule->ip_version.set &&
	    ip_version(match->packet->source.family) != (unsigned int)rule->ip_version.v)
		return failed(match, at(NULL, "ipVersion"),
			      "ipVersion %" PRId64 ": the packet is IPv%u", rule->ip_version.v,
			      ip_version(match->packet->source.family));
	if (rule->protocol.s && protocol_number(&rule->protocol) != protocol)
		return failed(match, at(NULL, "protocol"), "protocol %s: the packet is %s",
			      rule->protocol.s, protocol_format(protocol).s);
	if (rule->not_protocol.s && protocol_number(&rule->not_protocol) == protocol)
		return failed(match, at(NULL, "notProtocol"), "notProtocol %s: the packet is",
			      rule->not_protocol.s);
	if (rule->ip_version.set)
		held(match, at(NULL, "ipVersion"), "ipVersion %" PRId64, rule->ip_version.v);
	if (rule->not_protocol.s)
		held(match, at(NULL, "notProtocol"), "notProtocol %s: the packet is %s",
		     rule->not_protocol.s, protocol_format(protocol).s);
	if (rule->protocol.s)
		held(match, at(NULL, "protocol"), "protocol %s", rule->protocol.s);
	return true;
}

static bool is_icmp(const struct icmp_match *icmp, const struct packet *packet)
{
	return icmp->type.v == packet->icmp_type &&
	       (!icmp->code.set || icmp->code.v == packet->icmp_code);
}

static bool match_icmp(const struct match *match)
{
	const struct rule *rule = match->rule;
	const struct packet *packet = match->packet;

	if (rule->icmp && rule->icmp->type.set && !is_icmp(rule->icmp, packet))
		return failed(match, at(NULL, "icmp"), "icmp: the packet's type is %u, its code %u",
			      packet->icmp_type, packet->icmp_code);
	if (rule->not_icmp && rule->not_icmp->type.set && is_icmp(rule->not_icmp, packet))
		return failed(match, at(NULL, "notICMP"),
			      "notICMP: the packet's type is %u, its code %u", packet->icmp_type,
			      packet->icmp_code);
	if (rule->icmp && rule->icmp->type.set)
		held(match, at(NULL, "icmp"), "icmp: the packet's type is %u, its code %u",
		     packet->icmp_type, packet->icmp_code);
	return true;
}

/* --- One side of a packet --------------------------------------------------------------------- */

struct side {
	const char *name; /* "source" */
	const struct entity_rule *entity;
	const struct ip_addr *addr;
	uint16_t port;
};

/* The first that has it. -1: none. */
static ssize_t find_net(const struct str_list *nets, const struct ip_addr *addr)
{
	for (size_t i = 0; i < nets->n; i++) {
		struct cidr cidr;

		if (cidr_parse(nets->v[i], &cidr, NULL) == 0 && cidr_contains(&cidr, addr))
			return (ssize_t)i;
	}
	return -1;
}

static struct at at_entry(const struct side *side, const char *field, ssize_t index)
{
	return (struct at){.side = side->name, .field = field, .index = index};
}

static bool match_nets(const struct match *match, const struct side *side)
{
	const struct entity_rule *entity = side->entity;
	ssize_t net = find_net(&entity->nets, side->addr);
	ssize_t not_net = find_net(&entity->not_nets, side->addr);

	if (entity->nets.n && net < 0)
		return failed(match, at(side->name, "nets"), "%s.nets: %s is in none of them",
			      side->name, ip_format(side->addr).s);
	if (entity->nets.n)
		held(match, at_entry(side, "nets", net), "%s.nets: %s is in %s", side->name,
		     ip_format(side->addr).s, entity->nets.v[net]);
	if (not_net >= 0)
		return failed(match, at_entry(side, "notNets", not_net), "%s.notNets: %s is in %s",
			      side->name, ip_format(side->addr).s, entity->not_nets.v[not_net]);
	if (entity->not_nets.n)
		held(match, at(side->name, "notNets"), "%s.notNets: %s is in none of them",
		     side->name, ip_format(side->addr).s);
	return true;
}

/* A selector on labels; the reason is "FIELD: TERMS". */
static bool holds(const struct selector *selector, const struct str_map *labels, const char *field,
		  struct reason *why)
{
	bool result = selector && selector_matches(selector, labels);
	_cleanup_buf_ struct buf terms = BUF_INIT;

	if (why && selector) {
		selector_explain(selector, labels, &terms);
		reason_add(why, field, "%s: %s", field, buf_str(&terms));
	}
	return result;
}

static bool names_account(const struct str_list *names, const struct world_peer *peer,
			  struct reason *why)
{
	const char *account = str_map_find(&peer->labels, LABEL_SERVICE_ACCOUNT);

	for (size_t i = 0; account && i < names->n; i++) {
		_cleanup_free_ char *field = NULL;

		if (strcmp(names->v[i], account) != 0)
			continue;
		if (why) {
			field = xasprintf("serviceAccounts.names[%zu]", i);
			reason_add(why, field, "serviceAccounts.names: its service account is %s",
				   account);
		}
		return true;
	}
	reason_add(why, "serviceAccounts.names", "serviceAccounts.names: %s%s%s",
		   account ? "its service account is " : "it has no service account",
		   account ? account : "", account ? ", which is none of them" : "");
	return false;
}

static bool has_accounts(const struct entity_rule *entity)
{
	return entity->service_accounts &&
	       (entity->service_accounts->names.n || is_given(entity->service_accounts->selector));
}

/* A field by which it does. */
static const char *whom_field(const struct entity_rule *entity)
{
	return is_given(entity->selector)	      ? "selector"
	       : is_given(entity->namespace_selector) ? "namespaceSelector"
	       : has_accounts(entity)		      ? "serviceAccounts"
						      : "notSelector";
}

/* Does the rule say whom, and not only which addresses and ports? */
static bool says_whom(const struct match *match, const struct entity_rule *entity)
{
	return is_given(entity->selector) || is_given(entity->namespace_selector) ||
	       has_accounts(entity) || (match->namespace && is_given(entity->not_selector));
}

/*
 * Is the peer among those that the rule is about. As soon as it says anything of whom, a rule of a
 * namespaced policy is about its own namespace, unless it says which ones.
 */
static bool is_about(const struct match *match, const struct entity_rule *entity,
		     const struct world_peer *peer, struct reason *why)
{
	const char *namespace = str_map_find(&peer->labels, LABEL_NAMESPACE);

	if (is_given(entity->namespace_selector)) {
		if (!holds(policy_world_namespace_selector(match->world,
							   entity->namespace_selector),
			   &peer->namespace_labels, "namespaceSelector", why))
			return false;
	} else if (match->namespace && (!namespace || strcmp(namespace, match->namespace) != 0)) {
		reason_add(why, whom_field(entity),
			   "without namespaceSelector the rule is about namespace %s, it is in %s",
			   match->namespace, namespace ? namespace : "none");
		return false;
	}
	if (entity->service_accounts && entity->service_accounts->names.n &&
	    !names_account(&entity->service_accounts->names, peer, why))
		return false;
	if (entity->service_accounts && is_given(entity->service_accounts->selector) &&
	    !holds(policy_world_selector(match->world, entity->service_accounts->selector),
		   &peer->account_labels, "serviceAccounts.selector", why))
		return false;
	return !is_given(entity->selector) ||
	       holds(policy_world_selector(match->world, entity->selector), &peer->labels,
		     "selector", why);
}

/* Does the rule's notSelector hold for the peer? By its own labels alone, wherever it is. */
static bool is_excluded(const struct match *match, const struct entity_rule *entity,
			const struct world_peer *peer, struct reason *why)
{
	return is_given(entity->not_selector) &&
	       holds(policy_world_selector(match->world, entity->not_selector), &peer->labels,
		     "notSelector", why);
}

/* What a side says of one of those that have its address, behind who that is. */
static void add_peer(struct reason *to, const struct side *side, const struct world_peer *peer,
		     struct reason *why)
{
	_cleanup_free_ char *lead = xasprintf("%s %s: ", side->name, peer->text);

	reason_take(to, why, side->name, lead);
}

/*
 * Who has the address; several may. The first that the rule is about and does not exclude, if there
 * is one: that another with the same address would be excluded does not matter.
 */
static bool match_whom(const struct match *match, const struct side *side)
{
	_cleanup_(reason_deinitp) struct reason others = {.v = NULL};
	bool asked = match->held;
	bool known = false;
	size_t n;
	const struct world_peer *peers = policy_world_peers(match->world, &n);

	for (size_t i = 0; i < n; i++) {
		_cleanup_(reason_deinitp) struct reason why = {.v = NULL};
		_cleanup_(reason_deinitp) struct reason excluded = {.v = NULL};

		if (!world_peer_holds(&peers[i], side->addr))
			continue;
		known = true;
		if (!is_about(match, side->entity, &peers[i], asked ? &why : NULL)) {
			reason_keep_last(&why);
			add_peer(asked ? &others : NULL, side, &peers[i], &why);
		} else if (is_excluded(match, side->entity, &peers[i], asked ? &excluded : NULL)) {
			add_peer(asked ? &others : NULL, side, &peers[i], &excluded);
		} else {
			reason_take(&why, &excluded, NULL, "");
			add_peer(match->held, side, &peers[i], &why);
			return true;
		}
	}
	if (!known)
		return failed(match, at(side->name, whom_field(side->entity)),
			      "%s: %s is no endpoint's address and in no network set", side->name,
			      ip_format(side->addr).s);
	reason_take(match->failed, &others, NULL, "");
	return false;
}

/* A rule that is about nobody in particular: whoever has the address, nobody may be excluded. */
static bool match_not_whom(const struct match *match, const struct side *side)
{
	bool asked = match->held;
	size_t n;
	const struct world_peer *peers = policy_world_peers(match->world, &n);

	for (size_t i = 0; i < n; i++) {
		_cleanup_(reason_deinitp) struct reason why = {.v = NULL};
		bool excluded;

		if (!world_peer_holds(&peers[i], side->addr))
			continue;
		excluded = is_excluded(match, side->entity, &peers[i], asked ? &why : NULL);
		add_peer(excluded ? match->failed : match->held, side, &peers[i], &why);
		if (excluded)
			return false;
	}
	return true;
}

/* --- Ports ------------------------------------------------------------------------------------ */

/*
 * A name is a port of those that have it, and whom the rule is about and does not exclude. If the
 * rule names no protocol, it is one of TCP.
 */
static bool is_named_port(const struct match *match, const struct side *side, const char *name)
{
	size_t n;
	const struct world_peer *peers = policy_world_peers(match->world, &n);

	if (!match->rule->protocol.s && match->packet->protocol != PROTOCOL_TCP)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!world_peer_holds(&peers[i], side->addr) ||
		    (says_whom(match, side->entity) &&
		     (!is_about(match, side->entity, &peers[i], NULL) ||
		      is_excluded(match, side->entity, &peers[i], NULL))))
			continue;
		for (size_t k = 0; k < peers[i].n_ports; k++) {
			const struct world_port *port = &peers[i].ports[k];

			if (strcmp(port->name, name) == 0 && port->port == side->port &&
			    port->protocol == match->packet->protocol)
				return true;
		}
	}
	return false;
}

/* The entry that is the packet's port. -1: none is. */
static ssize_t find_port(const struct match *match, const struct side *side,
			 const struct int_or_string_list *ports)
{
	for (size_t i = 0; i < ports->n; i++) {
		uint16_t first;
		uint16_t last;
		int r = model_check_port(ports->v[i].s, &first, &last, NULL);

		if (r == 0 ? side->port >= first && side->port <= last
			   : is_named_port(match, side, ports->v[i].s))
			return (ssize_t)i;
	}
	return -1;
}

static bool match_ports(const struct match *match, const struct side *side)
{
	const struct entity_rule *entity = side->entity;
	ssize_t port = find_port(match, side, &entity->ports);
	ssize_t not_port = find_port(match, side, &entity->not_ports);

	if (entity->ports.n && port < 0)
		return failed(match, at(side->name, "ports"), "%s.ports: %s %u is none of them",
			      side->name, protocol_format(match->packet->protocol).s, side->port);
	if (entity->ports.n)
		held(match, at_entry(side, "ports", port), "%s.ports: %s", side->name,
		     entity->ports.v[port].s);
	if (not_port >= 0)
		return failed(match, at_entry(side, "notPorts", not_port), "%s.notPorts: %u is %s",
			      side->name, side->port, entity->not_ports.v[not_port].s);
	if (entity->not_ports.n)
		held(match, at(side->name, "notPorts"), "%s.notPorts: %u is none of them",
		     side->name, side->port);
	return true;
}

static bool match_service(const struct match *match, const struct side *side)
{
	const struct service_match *service = side->entity->services;
	struct world_service_member member = {
		.addr = *side->addr, .protocol = match->packet->protocol, .port = side->port};
	const char *namespace;

	if (!service)
		return true;
	namespace = is_given(service->namespace) ? service->namespace : match->namespace;
	/* Who calls a service's endpoint back, or is one that calls, uses any port. */
	if (!policy_world_serves(match->world, namespace, service->name, &member,
				 match->direction == POLICY_INGRESS))
		return failed(match, at(side->name, "services"),
			      "%s.services: not an endpoint of the service %s/%s", side->name,
			      namespace, service->name);
	held(match, at(side->name, "services"), "%s.services: an endpoint of the service %s/%s",
	     side->name, namespace, service->name);
	return true;
}

/* --- Rules and policies ----------------------------------------------------------------------- */

static bool match_side(const struct match *match, const struct side *side)
{
	return match_nets(match, side) && match_ports(match, side) &&
	       (says_whom(match, side->entity) ? match_whom(match, side)
					       : match_not_whom(match, side)) &&
	       match_service(match, side);
}

static bool match_rule(const struct match *match)
{
	const struct side source = {.name = "source",
				    .entity = &match->rule->source,
				    .addr = &match->packet->source,
				    .port = match->packet->source_port};
	const struct side destination = {.name = "destination",
					 .entity = &match->rule->destination,
					 .addr = &match->packet->destination,
					 .port = match->packet->destination_port};

	/* HTTP is looked at behind the dataplane, by whom it is handed to. */
	return match_protocol(match) && match_icmp(match) && match_side(match, &source) &&
	       match_side(match, &destination);
}

struct matched_rule rule_match(struct policy_world *world, const struct rule *rule,
			       const char *namespace, enum policy_direction direction,
			       const struct packet *packet, struct reason *why)
{
	_cleanup_(reason_deinitp) struct reason held_ones = {.v = NULL};
	_cleanup_(reason_deinitp) struct reason failed_ones = {.v = NULL};
	const struct match match = {
		.world = world,
		.rule = rule,
		.namespace = namespace,
		.direction = direction,
		.packet = packet,
		.held = why ? &held_ones : NULL,
		.failed = why ? &failed_ones : NULL,
	};
	struct matched_rule result = {.action = rule->action};

	if (!rule_is_readable(world, rule, namespace, direction, why))
		return (struct matched_rule){
			.matches = true, .unreadable = true, .action = RULE_ACTION_DENY};
	result.matches = match_rule(&match);
	if (result.matches && !held_ones.n)
		reason_add(why, NULL, "it has no conditions");
	reason_take(why, result.matches ? &held_ones : &failed_ones, NULL, "");
	return result;
}

static const struct rule_list *rules_of(const struct world_policy *policy,
					enum policy_direction direction)
{
	const struct policy_spec *spec = &as_policy(policy->object)->spec;

	return direction == POLICY_INGRESS ? &spec->ingress : &spec->egress;
}

size_t policy_rules(const struct world_policy *policy, enum policy_direction direction)
{
	const struct kubernetes_policy_spec *spec;

	switch (policy->syntax) {
	case WORLD_POLICY_CALICO:
		return rules_of(policy, direction)->n;
	case WORLD_POLICY_KUBERNETES:
		spec = kubernetes_spec(policy->object);
		return direction == POLICY_INGRESS ? spec->ingress.n : spec->egress.n;
	case WORLD_POLICY_CLUSTER:
		return cluster_rules(policy, direction);
	}
	return 0;
}

/* Kubernetes' policies are known by the paths of their fields. */
static struct matched_rule match_kubernetes(struct policy_world *world,
					    const struct world_policy *policy,
					    enum policy_direction direction, size_t index,
					    const struct packet *packet, struct reason *why)
{
	_cleanup_(reason_deinitp) struct reason own = {.v = NULL};
	_cleanup_free_ char *lead = NULL;
	struct reason *to = why ? &own : NULL;
	struct matched_rule result = {.action = RULE_ACTION_ALLOW};

	if (policy->syntax == WORLD_POLICY_CLUSTER)
		result = cluster_rule_match(world, policy, direction, index, packet, to);
	else
		result.matches =
			kubernetes_rule_matches(world, policy, direction, index, packet, to);
	if (!why)
		return result;
	lead = xasprintf("spec.%s[%zu].", direction == POLICY_INGRESS ? "ingress" : "egress",
			 index);
	reason_take(why, &own, NULL, lead);
	return result;
}

struct matched_rule policy_match(struct policy_world *world, const struct world_policy *policy,
				 enum policy_direction direction, size_t index,
				 const struct packet *packet, struct reason *why)
{
	if (policy->syntax != WORLD_POLICY_CALICO)
		return match_kubernetes(world, policy, direction, index, packet, why);
	return rule_match(world, &rules_of(policy, direction)->v[index],
			  policy->object->meta.namespace, direction, packet, why);
}

/*
 * Of a global policy that is for namespaces, or for service accounts, all() is all that have one,
 * in the selector beside it too.
 */
static const struct selector *own_selector(struct policy_world *world,
					   const struct policy_spec *spec, bool namespaced)
{
	const char *text = spec->selector;

	if (!is_given(text))
		return policy_world_selector(world, "");
	if (!namespaced && is_given(spec->namespace_selector))
		return policy_world_scoped_selector(world, text, LABEL_NAMESPACE);
	if (!namespaced && is_given(spec->service_account_selector))
		return policy_world_scoped_selector(world, text, LABEL_SERVICE_ACCOUNT);
	return policy_world_selector(world, text);
}

static bool calico_selects(struct policy_world *world, const struct world_policy *policy,
			   const struct world_peer *peer, struct reason *why)
{
	const struct policy_spec *spec = &as_policy(policy->object)->spec;
	const char *namespace = policy->object->meta.namespace;
	const char *own = str_map_find(&peer->labels, LABEL_NAMESPACE);

	if (namespace && (!own || strcmp(own, namespace) != 0)) {
		reason_add(why, NULL, "it is for namespace %s", namespace);
		return false;
	}
	if (is_given(spec->namespace_selector) &&
	    !holds(policy_world_namespace_selector(world, spec->namespace_selector),
		   &peer->namespace_labels, "namespaceSelector", why))
		return false;
	if (is_given(spec->service_account_selector) &&
	    !holds(policy_world_selector(world, spec->service_account_selector),
		   &peer->account_labels, "serviceAccountSelector", why))
		return false;
	return holds(own_selector(world, spec, namespace != NULL), &peer->labels, "selector", why);
}

static bool is_for(struct policy_world *world, const struct world_policy *policy,
		   const struct world_peer *peer, struct reason *why)
{
	switch (policy->syntax) {
	case WORLD_POLICY_CALICO:
		break;
	case WORLD_POLICY_KUBERNETES:
		return kubernetes_selects(policy, peer, why);
	case WORLD_POLICY_CLUSTER:
		return cluster_selects(policy, peer, why);
	}
	return calico_selects(world, policy, peer, why);
}

bool policy_selects(struct policy_world *world, const struct world_policy *policy,
		    const struct world_peer *peer, struct reason *why)
{
	bool selects = is_for(world, policy, peer, why);

	if (!selects)
		reason_keep_last(why);
	return selects;
}
