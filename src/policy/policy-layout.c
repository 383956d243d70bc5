/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Compiled rules to plain ones. Ports are where a rule becomes several: a port may be in a range or
 * in one of many sets. Several plain rules with one action in a row match what the one did.
 */

#include "policy/policy-layout.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

static const uint8_t with_ports[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_UDPLITE};

/* --- Matches ------------------------------------------------------------------------------ */

static struct layout_match *add_match(struct layout_rule *rule, enum layout_match_kind kind,
				      enum layout_side side, bool negated)
{
	struct layout_match *match = ARRAY_ADD(rule->matches, rule->n);

	match->kind = kind;
	match->side = side;
	match->negated = negated;
	return match;
}

static void add_set(struct layout_rule *rule, const struct policy_set_id *id, bool has_ports,
		    enum layout_side side, bool negated)
{
	add_match(rule, has_ports ? LAYOUT_MATCH_PORT_SET : LAYOUT_MATCH_SET, side, negated)->set =
		*id;
}

static int compare_cidrs(const void *a, const void *b)
{
	return cidr_compare(a, b);
}

/* Those of the family, in order, without what another covers. */
static size_t nets_of(const struct cidr *nets, size_t n, uint8_t family, struct cidr **ret)
{
	struct cidr *v = NULL;
	size_t n_v = 0;
	size_t n_kept = 0;

	for (size_t i = 0; i < n; i++)
		if (nets[i].addr.family == family)
			*ARRAY_ADD(v, n_v) = cidr_masked(&nets[i]);
	if (n_v)
		qsort(v, n_v, sizeof(*v), compare_cidrs);
	for (size_t i = 0; i < n_v; i++)
		if (!n_kept || !cidr_covers(&v[n_kept - 1], &v[i]))
			v[n_kept++] = v[i];
	*ret = v;
	return n_kept;
}

/* False: no packet of the family can match. */
static bool add_nets(struct layout_rule *rule, const struct compiled_side *side,
		     enum layout_side which, uint8_t family)
{
	struct cidr *nets;
	size_t n = nets_of(side->nets, side->n_nets, family, &nets);

	if (n && nets[0].len) {
		struct layout_match *match =
			add_match(rule, LAYOUT_MATCH_NETS, which, /* negated= */ false);

		match->nets = nets;
		match->n = n;
	} else {
		free(nets);
		if (!n && side->n_nets)
			return false;
	}
	n = nets_of(side->not_nets, side->n_not_nets, family, &nets);
	if (n && nets[0].len) {
		struct layout_match *match =
			add_match(rule, LAYOUT_MATCH_NETS, which, /* negated= */ true);

		match->nets = nets;
		match->n = n;
		return true;
	}
	free(nets);
	return n == 0;
}

static void add_ports(struct layout_rule *rule, const struct port_range *ports, size_t n,
		      enum layout_side side, bool negated)
{
	struct layout_match *match = add_match(rule, LAYOUT_MATCH_PORTS, side, negated);

	match->ports = xmemdup(ports, n * sizeof(*ports));
	match->n = n;
}

static bool service_has_ports(const struct policy_set_id *id)
{
	return strncmp(id->s, "svc:", strlen("svc:")) == 0;
}

static void add_sets(struct layout_rule *rule, const struct compiled_side *side,
		     enum layout_side which)
{
	for (size_t i = 0; i < side->n_sets; i++)
		add_set(rule, &side->sets[i], /* has_ports= */ false, which, /* negated= */ false);
	for (size_t i = 0; i < side->n_not_sets; i++)
		add_set(rule, &side->not_sets[i], /* has_ports= */ false, which,
			/* negated= */ true);
	if (side->service.s[0])
		add_set(rule, &side->service, service_has_ports(&side->service), which,
			/* negated= */ false);
	if (side->n_not_ports)
		add_ports(rule, side->not_ports, side->n_not_ports, which, /* negated= */ true);
	for (size_t i = 0; i < side->n_not_port_sets; i++)
		add_set(rule, &side->not_port_sets[i], /* has_ports= */ true, which,
			/* negated= */ true);
}

/* The choices of a side: its ranges are one, each of its sets is one; at least one, "any". */
static size_t n_choices(const struct compiled_side *side)
{
	size_t n = (side->n_ports > 0) + side->n_port_sets;

	return n ? n : 1;
}

static void add_choice(struct layout_rule *rule, const struct compiled_side *side,
		       enum layout_side which, size_t i)
{
	if (side->n_ports && i == 0)
		add_ports(rule, side->ports, side->n_ports, which, /* negated= */ false);
	else if (side->n_port_sets)
		add_set(rule, &side->port_sets[i - (side->n_ports > 0)], /* has_ports= */ true,
			which, /* negated= */ false);
}

/* --- Rules -------------------------------------------------------------------------------- */

static void rule_deinit(struct layout_rule *rule)
{
	for (size_t i = 0; i < rule->n; i++) {
		free(rule->matches[i].nets);
		free(rule->matches[i].ports);
	}
	free(rule->matches);
	*rule = (struct layout_rule){0};
}

static void add_icmp(struct layout_rule *rule, int16_t type, int16_t code, bool negated)
{
	struct layout_match *match;

	if (type == POLICY_ANY)
		return;
	match = add_match(rule, LAYOUT_MATCH_ICMP, LAYOUT_SOURCE, negated);
	match->a = type;
	match->b = code;
}

static void add_protocol(struct layout_rule *rule, int16_t protocol, bool negated)
{
	if (protocol != POLICY_ANY)
		add_match(rule, LAYOUT_MATCH_PROTOCOL, LAYOUT_SOURCE, negated)->a = protocol;
}

static bool speaks_of_ports(const struct compiled_rule *rule)
{
	return rule->source.n_ports || rule->source.n_not_ports || rule->destination.n_ports ||
	       rule->destination.n_not_ports;
}

/*
 * What the rule is tried with: the protocol it names, or each it can mean. A rule of ports without
 * a protocol means those that have ports, one of ICMP types the family's ICMP.
 */
static size_t protocols_of(const struct compiled_rule *rule, uint8_t family,
			   int16_t ret[ARRAY_SIZE(with_ports)])
{
	bool icmp = rule->icmp_type != POLICY_ANY || rule->not_icmp_type != POLICY_ANY;
	bool possible = !speaks_of_ports(rule);

	ret[0] = rule->protocol;
	if (rule->protocol == POLICY_ANY && icmp)
		ret[0] = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	if (rule->protocol == POLICY_ANY && !icmp && !possible) {
		for (size_t i = 0; i < ARRAY_SIZE(with_ports); i++)
			ret[i] = with_ports[i];
		return ARRAY_SIZE(with_ports);
	}
	for (size_t i = 0; i < ARRAY_SIZE(with_ports); i++)
		possible = possible || ret[0] == with_ports[i];
	return possible ? 1 : 0;
}

/* Takes nothing of 'compiled'; the i-th choice of the source's ports and the k-th of the other. */
static void add_rule(struct layout_rules *rules, const struct compiled_rule *compiled,
		     int16_t protocol, uint8_t family, size_t i, size_t k)
{
	struct layout_rule rule = {.action = compiled->action};

	add_protocol(&rule, protocol, /* negated= */ false);
	add_protocol(&rule, compiled->not_protocol, /* negated= */ true);
	add_icmp(&rule, compiled->icmp_type, compiled->icmp_code, /* negated= */ false);
	add_icmp(&rule, compiled->not_icmp_type, compiled->not_icmp_code, /* negated= */ true);
	if (!add_nets(&rule, &compiled->source, LAYOUT_SOURCE, family) ||
	    !add_nets(&rule, &compiled->destination, LAYOUT_DESTINATION, family)) {
		rule_deinit(&rule);
		return;
	}
	add_choice(&rule, &compiled->source, LAYOUT_SOURCE, i);
	add_choice(&rule, &compiled->destination, LAYOUT_DESTINATION, k);
	add_sets(&rule, &compiled->source, LAYOUT_SOURCE);
	add_sets(&rule, &compiled->destination, LAYOUT_DESTINATION);
	*ARRAY_ADD(rules->v, rules->n) = rule;
}

static void add_rules(struct layout_rules *rules, const struct compiled_rule *compiled,
		      uint8_t family)
{
	int16_t protocols[ARRAY_SIZE(with_ports)];
	size_t n;

	if (compiled->unreadable) {
		ARRAY_ADD(rules->v, rules->n)->action = POLICY_ACTION_DENY;
		return;
	}
	if (compiled->family && compiled->family != family)
		return;
	n = protocols_of(compiled, family, protocols);
	for (size_t p = 0; p < n; p++)
		for (size_t i = 0; i < n_choices(&compiled->source); i++)
			for (size_t k = 0; k < n_choices(&compiled->destination); k++)
				add_rule(rules, compiled, protocols[p], family, i, k);
}

void layout_rules_init(struct layout_rules *ret, const struct compiled_rules *rules, uint8_t family)
{
	*ret = (struct layout_rules){0};
	for (size_t i = 0; i < rules->n; i++) {
		size_t before = ret->n;

		add_rules(ret, &rules->v[i], family);
		for (size_t k = before; k < ret->n; k++)
			ret->v[k].index = i;
	}
}

void layout_rules_deinit(struct layout_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		rule_deinit(&rules->v[i]);
	free(rules->v);
	*rules = (struct layout_rules){0};
}

bool layout_rules_use(const struct layout_rules *rules, const char *set)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct layout_rule *rule = &rules->v[i];

		for (size_t k = 0; k < rule->n; k++)
			if ((rule->matches[k].kind == LAYOUT_MATCH_SET ||
			     rule->matches[k].kind == LAYOUT_MATCH_PORT_SET) &&
			    strcmp(rule->matches[k].set.s, set) == 0)
				return true;
	}
	return false;
}

bool layout_rules_have(const struct layout_rules *rules, enum policy_action action)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->v[i].action == action)
			return true;
	return false;
}

/* --- Endpoints ---------------------------------------------------------------------------- */

static void add_step(struct layout_steps *steps, enum layout_step_kind kind, const char *name)
{
	struct layout_step *step = ARRAY_ADD(steps->v, steps->n);

	step->kind = kind;
	step->name = xstrdup(name);
}

static bool has_end(enum policy_stage stage)
{
	return stage == POLICY_STAGE_NORMAL || stage == POLICY_STAGE_FORWARD;
}

/* What decides about a packet that no tier decided about. */
static void add_last(struct layout_steps *steps, const struct policy_endpoint *endpoint,
		     enum policy_stage stage, const struct endpoint_tiers *tiers)
{
	switch (stage) {
	case POLICY_STAGE_NORMAL:
		for (size_t i = 0; i < endpoint->n_profiles; i++)
			add_step(steps, LAYOUT_STEP_PROFILE, endpoint->profiles[i]->key);
		add_step(steps, LAYOUT_STEP_DENY, NULL);
		break;
	case POLICY_STAGE_FORWARD:
		add_step(steps, tiers->n ? LAYOUT_STEP_RETURN : LAYOUT_STEP_ALLOW, NULL);
		break;
	case POLICY_STAGE_PRE_DNAT:
	case POLICY_STAGE_UNTRACKED:
	case POLICY_STAGES_:
		add_step(steps, LAYOUT_STEP_RETURN, NULL);
		break;
	}
}

void layout_steps_init(struct layout_steps *ret, const struct policy_endpoint *endpoint,
		       enum policy_stage stage, enum policy_way way)
{
	const struct endpoint_tiers *tiers = &endpoint->tiers[stage][way];

	*ret = (struct layout_steps){0};
	for (size_t i = 0; i < tiers->n; i++) {
		const struct endpoint_tier *tier = &tiers->v[i];

		add_step(ret, LAYOUT_STEP_TIER, tier->name);
		for (size_t k = 0; k < tier->n_policies; k++)
			add_step(ret, LAYOUT_STEP_POLICY, tier->policies[k]->key);
		if (!tier->pass && has_end(stage))
			add_step(ret, LAYOUT_STEP_TIER_END, tier->name);
	}
	add_last(ret, endpoint, stage, tiers);
}

void layout_steps_deinit(struct layout_steps *steps)
{
	for (size_t i = 0; i < steps->n; i++)
		free(steps->v[i].name);
	free(steps->v);
	*steps = (struct layout_steps){0};
}
