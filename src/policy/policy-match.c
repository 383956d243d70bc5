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
#include "selector/selector.h"

#define PROTOCOL_ICMP	1
#define PROTOCOL_TCP	6
#define PROTOCOL_UDP	17
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_SCTP	132

#define ICMP_TYPE_MAX 254 /* of the API; 255 is nobody's */

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {{PROTOCOL_ICMP, "ICMP"}, {PROTOCOL_TCP, "TCP"},       {PROTOCOL_UDP, "UDP"},
		 {PROTOCOL_SCTP, "SCTP"}, {PROTOCOL_ICMPV6, "ICMPv6"}, {136, "UDPLite"}};

struct protocol_str protocol_format(uint8_t protocol)
{
	struct protocol_str text;

	(void)snprintf(text.s, sizeof(text.s), "%u", protocol);
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == protocol)
			(void)snprintf(text.s, sizeof(text.s), "%s", protocols[i].name);
	return text;
}

uint8_t protocol_find(const char *text)
{
	struct int_or_string number = {.s = (char *)(uintptr_t)text};

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strcasecmp(text, protocols[i].name) == 0)
			return protocols[i].number;
	return protocol_number(&number);
}

/* A rule on its way through the packet. */
struct match {
	struct policy_world *world;
	const struct rule *rule;
	const char *namespace; /* of the policy; NULL: it has none */
	enum policy_direction direction;
	const struct packet *packet;
	struct buf *held;   /* what has matched so far; NULL: nobody asks */
	struct buf *failed; /* what has not */
};

PRINTF_LIKE(2, 3) static void held(const struct match *match, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	if (!match->held)
		return;
	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	buf_addf(match->held, "%s%s", match->held->size ? "; " : "", text);
}

PRINTF_LIKE(2, 3) static bool failed(const struct match *match, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	if (!match->failed)
		return false;
	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	buf_adds(match->failed, text);
	return false;
}

/* --- Can it be understood -----------------------------------------------------------------------
 */

bool protocol_has_ports(uint8_t protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;
}

static bool is_given(const char *text)
{
	return text && *text;
}

static bool side_unreadable(const struct match *match, const char *side,
			    const struct entity_rule *entity)
{
	uint8_t protocol = protocol_number(&match->rule->protocol);
	const struct {
		const char *name;
		const char *text;
	} selectors[] = {
		{"selector", entity->selector},
		{"notSelector", entity->not_selector},
		{"namespaceSelector", entity->namespace_selector},
		{"serviceAccounts.selector",
		 entity->service_accounts ? entity->service_accounts->selector : NULL},
	};
	const struct int_or_string_list *ports[] = {&entity->ports, &entity->not_ports};
	const struct str_list *nets[] = {&entity->nets, &entity->not_nets};
	struct cidr cidr;
	uint16_t port;

	for (size_t i = 0; i < ARRAY_SIZE(selectors); i++)
		if (is_given(selectors[i].text) &&
		    !policy_world_selector(match->world, selectors[i].text))
			return !failed(match, "%s.%s: %s is no selector", side, selectors[i].name,
				       selectors[i].text);
	for (size_t k = 0; k < ARRAY_SIZE(nets); k++)
		for (size_t i = 0; i < nets[k]->n; i++)
			if (cidr_parse(nets[k]->v[i], &cidr, NULL) < 0)
				return !failed(match, "%s: %s is no prefix", side, nets[k]->v[i]);
	for (size_t k = 0; k < ARRAY_SIZE(ports); k++) {
		for (size_t i = 0; i < ports[k]->n; i++) {
			const char *text = ports[k]->v[i].s ? ports[k]->v[i].s : "";
			int r = model_check_port(text, &port, &port, NULL);

			if (r < 0)
				return !failed(match, "%s: \"%s\" is no port", side, text);
			if (!protocol_has_ports(protocol) && (r == 0 || match->rule->protocol.s))
				return !failed(match,
					       "%s: ports need the protocol TCP, UDP or SCTP",
					       side);
		}
	}
	return false;
}

static bool icmp_unreadable(const struct match *match, const struct icmp_match *icmp)
{
	uint8_t protocol = protocol_number(&match->rule->protocol);

	if (!icmp)
		return false;
	if (protocol != PROTOCOL_ICMP && protocol != PROTOCOL_ICMPV6)
		return !failed(match, "icmp needs the protocol ICMP or ICMPv6");
	if (icmp->code.set && !icmp->type.set)
		return !failed(match, "an ICMP code needs a type");
	if (icmp->type.set && (icmp->type.v < 0 || icmp->type.v > ICMP_TYPE_MAX))
		return !failed(match, "%" PRId64 " is no ICMP type", icmp->type.v);
	if (icmp->code.set && (icmp->code.v < 0 || icmp->code.v > UINT8_MAX))
		return !failed(match, "%" PRId64 " is no ICMP code", icmp->code.v);
	return false;
}

static bool service_unreadable(const struct match *match, const struct service_match *service)
{
	if (!service)
		return false;
	if (!is_given(service->name))
		return !failed(match, "services needs a name");
	if (!is_given(service->namespace) && !match->namespace)
		return !failed(match, "services needs a namespace, as the policy has none");
	return false;
}

static bool is_unreadable(const struct match *match)
{
	const struct rule *rule = match->rule;
	struct err err = ERR_INIT;

	if (rule->action == RULE_ACTION_UNSET)
		return !failed(match, "it has no action");
	if (rule->protocol.s && !protocol_number(&rule->protocol))
		return !failed(match, "%s is no protocol", rule->protocol.s);
	if (rule->not_protocol.s && !protocol_number(&rule->not_protocol))
		return !failed(match, "%s is no protocol", rule->not_protocol.s);
	if (rule->ip_version.set && rule->ip_version.v != 4 && rule->ip_version.v != 6)
		return !failed(match, "%" PRId64 " is no IP version", rule->ip_version.v);
	if (match->direction == POLICY_INGRESS && rule->destination.services)
		return !failed(match, "a service can't be the destination of an ingress rule");
	if (match->direction == POLICY_EGRESS && rule->source.services)
		return !failed(match, "a service can't be the source of an egress rule");
	if (rule_check_port_names(rule, &err) < 0)
		return !failed(match, "%s", err.msg);
	if (service_unreadable(match, rule->source.services) ||
	    service_unreadable(match, rule->destination.services))
		return true;
	return icmp_unreadable(match, rule->icmp) || icmp_unreadable(match, rule->not_icmp) ||
	       side_unreadable(match, "source", &rule->source) ||
	       side_unreadable(match, "destination", &rule->destination);
}

/* --- Protocol and ICMP -------------------------------------------------------------------------
 */

static bool match_protocol(const struct match *match)
{
	const struct rule *rule = match->rule;
	uint8_t protocol = match->packet->protocol;

	if (rule->ip_version.set &&
	    ip_version(match->packet->source.family) != (unsigned int)rule->ip_version.v)
		return failed(match, "ipVersion %" PRId64 ": the packet is IPv%u",
			      rule->ip_version.v, ip_version(match->packet->source.family));
	if (rule->protocol.s && protocol_number(&rule->protocol) != protocol)
		return failed(match, "protocol %s: the packet is %s", rule->protocol.s,
			      protocol_format(protocol).s);
	if (rule->not_protocol.s && protocol_number(&rule->not_protocol) == protocol)
		return failed(match, "notProtocol %s: the packet is", rule->not_protocol.s);
	if (rule->protocol.s)
		held(match, "protocol %s", rule->protocol.s);
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
		return failed(match, "icmp: the packet's type is %u, its code %u",
			      packet->icmp_type, packet->icmp_code);
	if (rule->not_icmp && rule->not_icmp->type.set && is_icmp(rule->not_icmp, packet))
		return failed(match, "notICMP: the packet's type is %u, its code %u",
			      packet->icmp_type, packet->icmp_code);
	return true;
}

/* --- One side of a packet ----------------------------------------------------------------------
 */

struct side {
	const char *name; /* "source" */
	const struct entity_rule *entity;
	const struct ip_addr *addr;
	uint16_t port;
};

static bool in_nets(const struct str_list *nets, const struct ip_addr *addr)
{
	for (size_t i = 0; i < nets->n; i++) {
		struct cidr cidr;

		if (cidr_parse(nets->v[i], &cidr, NULL) == 0 && cidr_contains(&cidr, addr))
			return true;
	}
	return false;
}

static bool match_nets(const struct match *match, const struct side *side)
{
	if (side->entity->nets.n && !in_nets(&side->entity->nets, side->addr))
		return failed(match, "%s.nets: %s is in none of them", side->name,
			      ip_format(side->addr).s);
	if (side->entity->nets.n)
		held(match, "%s.nets: %s is in one of them", side->name, ip_format(side->addr).s);
	if (in_nets(&side->entity->not_nets, side->addr))
		return failed(match, "%s.notNets: %s is in one of them", side->name,
			      ip_format(side->addr).s);
	return true;
}

/* A selector on labels; the reason is "FIELD TERMS". */
static bool holds(const struct selector *selector, const struct str_map *labels, const char *field,
		  struct buf *why)
{
	bool result = selector && selector_matches(selector, labels);

	if (why && selector) {
		buf_addf(why, "%s%s: ", why->size ? ", " : "", field);
		selector_explain(selector, labels, why);
	}
	return result;
}

static bool names_account(const struct str_list *names, const struct world_peer *peer,
			  struct buf *why)
{
	const char *account = str_map_find(&peer->labels, LABEL_SERVICE_ACCOUNT);

	for (size_t i = 0; account && i < names->n; i++)
		if (strcmp(names->v[i], account) == 0)
			return true;
	if (why)
		buf_addf(why, "serviceAccounts.names: its service account is %s",
			 account ? account : "none");
	return false;
}

static bool has_accounts(const struct entity_rule *entity)
{
	return entity->service_accounts &&
	       (entity->service_accounts->names.n || is_given(entity->service_accounts->selector));
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
		     const struct world_peer *peer, struct buf *why)
{
	const char *namespace = str_map_find(&peer->labels, LABEL_NAMESPACE);

	if (is_given(entity->namespace_selector)) {
		if (!holds(policy_world_namespace_selector(match->world,
							   entity->namespace_selector),
			   &peer->namespace_labels, "namespaceSelector", why))
			return false;
	} else if (match->namespace && (!namespace || strcmp(namespace, match->namespace) != 0)) {
		if (why)
			buf_addf(why,
				 "without namespaceSelector the rule is about namespace %s, it "
				 "is in %s",
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
			const struct world_peer *peer, struct buf *why)
{
	return is_given(entity->not_selector) &&
	       holds(policy_world_selector(match->world, entity->not_selector), &peer->labels,
		     "notSelector", why);
}

/*
 * Who has the address; several may. The first that the rule is about and does not exclude, if there
 * is one: that another with the same address would be excluded does not matter.
 */
static bool match_whom(const struct match *match, const struct side *side)
{
	_cleanup_buf_ struct buf reasons = BUF_INIT;
	size_t n;
	const struct world_peer *peers = policy_world_peers(match->world, &n);

	for (size_t i = 0; i < n; i++) {
		_cleanup_buf_ struct buf why = BUF_INIT;

		if (!world_peer_holds(&peers[i], side->addr))
			continue;
		if (is_about(match, side->entity, &peers[i], match->held ? &why : NULL) &&
		    !is_excluded(match, side->entity, &peers[i], match->failed ? &why : NULL)) {
			held(match, "%s %s: %s", side->name, peers[i].text, buf_str(&why));
			return true;
		}
		buf_addf(&reasons, "%s%s: %s", reasons.size ? "; " : "", peers[i].text,
			 buf_str(&why));
	}
	if (!reasons.size)
		return failed(match, "%s: %s is no endpoint's address and in no network set",
			      side->name, ip_format(side->addr).s);
	return failed(match, "%s %s", side->name, buf_str(&reasons));
}

/* A rule that is about nobody in particular: whoever has the address, nobody may be excluded. */
static bool match_not_whom(const struct match *match, const struct side *side)
{
	size_t n;
	const struct world_peer *peers = policy_world_peers(match->world, &n);

	for (size_t i = 0; i < n; i++) {
		_cleanup_buf_ struct buf why = BUF_INIT;

		if (world_peer_holds(&peers[i], side->addr) &&
		    is_excluded(match, side->entity, &peers[i], match->failed ? &why : NULL))
			return failed(match, "%s %s: %s", side->name, peers[i].text, buf_str(&why));
	}
	return true;
}

/* --- Ports -------------------------------------------------------------------------------------
 */

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

/* The entry that is the packet's port. NULL: none is. */
static const char *find_port(const struct match *match, const struct side *side,
			     const struct int_or_string_list *ports)
{
	for (size_t i = 0; i < ports->n; i++) {
		uint16_t first;
		uint16_t last;
		int r = model_check_port(ports->v[i].s, &first, &last, NULL);

		if (r == 0 ? side->port >= first && side->port <= last
			   : is_named_port(match, side, ports->v[i].s))
			return ports->v[i].s;
	}
	return NULL;
}

static bool match_ports(const struct match *match, const struct side *side)
{
	const char *port = find_port(match, side, &side->entity->ports);
	const char *not_port = find_port(match, side, &side->entity->not_ports);

	if (side->entity->ports.n && !port)
		return failed(match, "%s.ports: %u is none of them", side->name, side->port);
	if (port)
		held(match, "%s.ports: %s", side->name, port);
	if (not_port)
		return failed(match, "%s.notPorts: %u is %s", side->name, side->port, not_port);
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
		return failed(match, "%s.services: not an endpoint of the service %s/%s",
			      side->name, namespace, service->name);
	held(match, "%s.services: an endpoint of the service %s/%s", side->name, namespace,
	     service->name);
	return true;
}

/* --- Rules and policies ------------------------------------------------------------------------
 */

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
			       const struct packet *packet, struct buf *why)
{
	_cleanup_buf_ struct buf held_text = BUF_INIT;
	_cleanup_buf_ struct buf failed_text = BUF_INIT;
	const struct match match = {
		.world = world,
		.rule = rule,
		.namespace = namespace,
		.direction = direction,
		.packet = packet,
		.held = why ? &held_text : NULL,
		.failed = why ? &failed_text : NULL,
	};
	struct matched_rule result = {.action = rule->action};

	if (is_unreadable(&match))
		result = (struct matched_rule){
			.matches = true, .unreadable = true, .action = RULE_ACTION_DENY};
	else
		result.matches = match_rule(&match);
	if (why && result.unreadable)
		buf_addf(why, "it can't be understood, so it denies: %s", buf_str(&failed_text));
	else if (why && result.matches)
		buf_adds(why, held_text.size ? buf_str(&held_text) : "it has no conditions");
	else if (why)
		buf_adds(why, buf_str(&failed_text));
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

struct matched_rule policy_match(struct policy_world *world, const struct world_policy *policy,
				 enum policy_direction direction, size_t index,
				 const struct packet *packet, struct buf *why)
{
	switch (policy->syntax) {
	case WORLD_POLICY_CALICO:
		break;
	case WORLD_POLICY_KUBERNETES:
		return (struct matched_rule){
			.matches = kubernetes_rule_matches(world, policy, direction, index, packet,
							   why),
			.action = RULE_ACTION_ALLOW,
		};
	case WORLD_POLICY_CLUSTER:
		return cluster_rule_match(world, policy, direction, index, packet, why);
	}
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
			   const struct world_peer *peer, struct buf *why)
{
	const struct policy_spec *spec = &as_policy(policy->object)->spec;
	const char *namespace = policy->object->meta.namespace;
	const char *own = str_map_find(&peer->labels, LABEL_NAMESPACE);

	if (namespace && (!own || strcmp(own, namespace) != 0)) {
		if (why)
			buf_addf(why, "it is for namespace %s", namespace);
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

bool policy_selects(struct policy_world *world, const struct world_policy *policy,
		    const struct world_peer *peer, struct buf *why)
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
