/* SPDX-License-Identifier: Apache-2.0 */

/* Rule by rule, set by set; the order and the names are those of compiled-policy.h. */

#include "policy/policy-replay.h"

#include <string.h>

#include "base/macros.h"

/* What a side of a rule is asked about. */
struct flow_end {
	const struct policy_update *update;
	const struct ip_addr *addr;
	uint8_t protocol;
	uint16_t port;
};

static bool set_holds(const struct flow_end *end, const struct policy_set_id *id)
{
	const struct policy_set_change *set = NULL;

	for (size_t i = 0; i < end->update->n_sets && !set; i++) {
		if (strcmp(end->update->sets[i].set->id.s, id->s) == 0)
			set = &end->update->sets[i];
	}
	assert(set);
	for (size_t i = 0; i < set->n_added; i++) {
		const struct policy_member *member = &set->added[i];

		if (cidr_contains(&member->net, end->addr) &&
		    (set->set->type == POLICY_SET_TYPE_NET ||
		     (member->protocol == end->protocol && member->port == end->port)))
			return true;
	}
	return false;
}

static bool any_set_holds(const struct flow_end *end, const struct policy_set_id *sets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (set_holds(end, &sets[i]))
			return true;
	}
	return false;
}

static bool nets_hold(const struct flow_end *end, const struct cidr *nets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (cidr_contains(&nets[i], end->addr))
			return true;
	}
	return false;
}

static bool ranges_hold(const struct flow_end *end, const struct port_range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ranges[i].first <= end->port && end->port <= ranges[i].last)
			return true;
	}
	return false;
}

static bool side_matches(const struct flow_end *end, const struct compiled_side *side)
{
	for (size_t i = 0; i < side->n_sets; i++) {
		if (!set_holds(end, &side->sets[i]))
			return false;
	}
	if (side->n_nets && !nets_hold(end, side->nets, side->n_nets))
		return false;
	if (nets_hold(end, side->not_nets, side->n_not_nets) ||
	    any_set_holds(end, side->not_sets, side->n_not_sets))
		return false;
	if (side->n_ports + side->n_port_sets > 0 &&
	    !ranges_hold(end, side->ports, side->n_ports) &&
	    !any_set_holds(end, side->port_sets, side->n_port_sets))
		return false;
	if (ranges_hold(end, side->not_ports, side->n_not_ports) ||
	    any_set_holds(end, side->not_port_sets, side->n_not_port_sets))
		return false;
	return !side->service.s[0] || set_holds(end, &side->service);
}

static bool number_matches(int wanted, int unwanted, int have)
{
	return (wanted == POLICY_ANY || wanted == have) &&
	       (unwanted == POLICY_ANY || unwanted != have);
}

/* An excluded type with a code is the pair that is excluded. */
static bool icmp_matches(const struct compiled_rule *rule, const struct packet *packet)
{
	if ((rule->icmp_type != POLICY_ANY && rule->icmp_type != packet->icmp_type) ||
	    (rule->icmp_code != POLICY_ANY && rule->icmp_code != packet->icmp_code))
		return false;
	return rule->not_icmp_type == POLICY_ANY || rule->not_icmp_type != packet->icmp_type ||
	       (rule->not_icmp_code != POLICY_ANY && rule->not_icmp_code != packet->icmp_code);
}

static bool rule_matches(const struct policy_update *update, const struct compiled_rule *rule,
			 const struct packet *packet)
{
	const struct flow_end source = {update, &packet->source, packet->protocol,
					packet->source_port};
	const struct flow_end destination = {update, &packet->destination, packet->protocol,
					     packet->destination_port};

	return (!rule->family || rule->family == packet->source.family) &&
	       number_matches(rule->protocol, rule->not_protocol, packet->protocol) &&
	       icmp_matches(rule, packet) && side_matches(&source, &rule->source) &&
	       side_matches(&destination, &rule->destination);
}

/* POLICY_ACTION_LOG: nothing decides. */
static enum policy_action run_rules(const struct policy_update *update,
				    const struct compiled_rules *rules, const struct packet *packet)
{
	for (size_t i = 0; i < rules->n; i++) {
		if (rules->v[i].action != POLICY_ACTION_LOG &&
		    rule_matches(update, &rules->v[i], packet))
			return rules->v[i].action;
	}
	return POLICY_ACTION_LOG;
}

static enum policy_action run_tier(const struct policy_update *update,
				   const struct endpoint_tier *tier, enum policy_way way,
				   const struct packet *packet, bool may_deny)
{
	for (size_t i = 0; i < tier->n_policies; i++) {
		enum policy_action action;

		if (tier->policies[i]->staged)
			continue;
		action = run_rules(update, &tier->policies[i]->rules[way], packet);
		if (action != POLICY_ACTION_LOG)
			return action;
	}
	return may_deny && tier->enforced && !tier->pass ? POLICY_ACTION_DENY : POLICY_ACTION_PASS;
}

enum policy_action policy_replay(const struct policy_update *update,
				 const struct policy_endpoint *endpoint, enum policy_stage stage,
				 enum policy_way way, const struct packet *packet)
{
	const struct endpoint_tiers *tiers = &endpoint->tiers[stage][way];
	bool may_deny = stage == POLICY_STAGE_NORMAL || stage == POLICY_STAGE_FORWARD;

	for (size_t i = 0; i < tiers->n; i++) {
		enum policy_action action = run_tier(update, &tiers->v[i], way, packet, may_deny);

		if (action != POLICY_ACTION_PASS)
			return action;
	}
	if (stage != POLICY_STAGE_NORMAL)
		return POLICY_ACTION_PASS;
	for (size_t i = 0; i < endpoint->n_profiles; i++) {
		enum policy_action action =
			run_rules(update, &endpoint->profiles[i]->rules[way], packet);

		if (action == POLICY_ACTION_ALLOW || action == POLICY_ACTION_DENY)
			return action;
	}
	return POLICY_ACTION_DENY;
}
