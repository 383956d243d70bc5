/* SPDX-License-Identifier: Apache-2.0 */

/* The meaning of compiled-policy.h and policy-update.h, line by line. */

#include "policy-interpret.h"

#include <netinet/in.h>
#include <string.h>

struct side {
	const struct ip_addr *addr;
	uint8_t protocol;
	uint16_t port;
};

static bool in_nets(const struct cidr *nets, size_t n, const struct ip_addr *addr)
{
	for (size_t i = 0; i < n; i++) {
		if (nets[i].addr.family == addr->family && cidr_contains(&nets[i], addr))
			return true;
	}
	return false;
}

static bool in_ranges(const struct port_range *ranges, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	}
	return false;
}

static bool in_set(const struct policy_update *update, const struct policy_set_id *id,
		   const struct side *side)
{
	for (size_t i = 0; i < update->n_sets; i++) {
		const struct policy_set_change *set = &update->sets[i];

		if (strcmp(set->set->id.s, id->s) != 0)
			continue;
		for (size_t k = 0; k < set->n_added; k++) {
			const struct policy_member *member = &set->added[k];

			if (!in_nets(&member->net, 1, side->addr))
				continue;
			if (set->set->type == POLICY_SET_TYPE_NET ||
			    (member->protocol == side->protocol && member->port == side->port))
				return true;
		}
		return false;
	}
	return false;
}

static bool in_any(const struct policy_update *update, const struct policy_set_id *ids, size_t n,
		   const struct side *side)
{
	for (size_t i = 0; i < n; i++) {
		if (in_set(update, &ids[i], side))
			return true;
	}
	return false;
}

static bool in_all(const struct policy_update *update, const struct policy_set_id *ids, size_t n,
		   const struct side *side)
{
	for (size_t i = 0; i < n; i++) {
		if (!in_set(update, &ids[i], side))
			return false;
	}
	return true;
}

static bool side_matches(const struct policy_update *update, const struct compiled_side *rule,
			 const struct side *side)
{
	if (rule->n_nets && !in_nets(rule->nets, rule->n_nets, side->addr))
		return false;
	if (in_nets(rule->not_nets, rule->n_not_nets, side->addr) ||
	    !in_all(update, rule->sets, rule->n_sets, side) ||
	    in_any(update, rule->not_sets, rule->n_not_sets, side))
		return false;
	if ((rule->n_ports || rule->n_port_sets) &&
	    !in_ranges(rule->ports, rule->n_ports, side->port) &&
	    !in_any(update, rule->port_sets, rule->n_port_sets, side))
		return false;
	if (in_ranges(rule->not_ports, rule->n_not_ports, side->port) ||
	    in_any(update, rule->not_port_sets, rule->n_not_port_sets, side))
		return false;
	return !rule->service.s[0] || in_set(update, &rule->service, side);
}

static bool icmp_matches(const struct compiled_rule *rule, const struct packet *packet)
{
	if (rule->icmp_type != POLICY_ANY && rule->icmp_type != packet->icmp_type)
		return false;
	if (rule->icmp_code != POLICY_ANY && rule->icmp_code != packet->icmp_code)
		return false;
	if (rule->not_icmp_type == POLICY_ANY)
		return true;
	return rule->not_icmp_type != packet->icmp_type ||
	       (rule->not_icmp_code != POLICY_ANY && rule->not_icmp_code != packet->icmp_code);
}

static bool rule_matches(const struct policy_update *update, const struct compiled_rule *rule,
			 const struct packet *packet)
{
	const struct side source = {&packet->source, packet->protocol, packet->source_port};
	const struct side destination = {&packet->destination, packet->protocol,
					 packet->destination_port};

	if (rule->unreadable)
		return true;
	if (rule->family && rule->family != packet->source.family)
		return false;
	if (rule->protocol != POLICY_ANY && rule->protocol != packet->protocol)
		return false;
	if (rule->not_protocol != POLICY_ANY && rule->not_protocol == packet->protocol)
		return false;
	return icmp_matches(rule, packet) && side_matches(update, &rule->source, &source) &&
	       side_matches(update, &rule->destination, &destination);
}

/* 0: no rule decided. */
static enum policy_action policy_decides(const struct policy_update *update,
					 const struct compiled_policy *policy, enum policy_way way,
					 const struct packet *packet)
{
	const struct compiled_rules *rules = &policy->rules[way];

	for (size_t i = 0; i < rules->n; i++) {
		if (rules->v[i].action != POLICY_ACTION_LOG &&
		    rule_matches(update, &rules->v[i], packet))
			return rules->v[i].action;
	}
	return 0;
}

/* ALLOW, DENY, or PASS: on to the next tier. */
static enum policy_action tier_decides(const struct policy_update *update,
				       const struct endpoint_tier *tier, enum policy_way way,
				       const struct packet *packet)
{
	for (size_t i = 0; i < tier->n_policies; i++) {
		enum policy_action action;

		if (tier->policies[i]->staged)
			continue;
		action = policy_decides(update, tier->policies[i], way, packet);
		if (action)
			return action;
	}
	return tier->enforced && !tier->pass ? POLICY_ACTION_DENY : POLICY_ACTION_PASS;
}

bool interpret_allows(const struct policy_update *update, const struct policy_endpoint *endpoint,
		      enum policy_way way, const struct packet *packet)
{
	const struct endpoint_tiers *tiers = &endpoint->tiers[POLICY_STAGE_NORMAL][way];

	for (size_t i = 0; i < tiers->n; i++) {
		enum policy_action action = tier_decides(update, &tiers->v[i], way, packet);

		if (action != POLICY_ACTION_PASS)
			return action == POLICY_ACTION_ALLOW;
	}
	for (size_t i = 0; i < endpoint->n_profiles; i++) {
		enum policy_action action =
			policy_decides(update, endpoint->profiles[i], way, packet);

		if (action)
			return action == POLICY_ACTION_ALLOW;
	}
	return false;
}
