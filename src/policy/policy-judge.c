/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rule by rule, from the top. Invariant: nothing here changes what the driver holds, so a judgement
 * is one of the moment in which it is asked for.
 */

#include "policy/policy-judge.h"

#include <stdlib.h>
#include <uthash.h>

#include "base/alloc.h"
#include "policy/policy-match.h"

/* An address of a pod here. */
struct owner {
	struct ip_addr addr;
	const struct layout_steps *steps[POLICY_WAYS_];
	UT_hash_handle hh;
};

struct policy_judge {
	const struct judge_ops *ops;
	const void *self;
	struct owner *owners;
};

/* --- A rule and a packet ------------------------------------------------------------------ */

static bool nets_have(const struct layout_match *match, const struct ip_addr *addr)
{
	for (size_t i = 0; i < match->n; i++)
		if (cidr_contains(&match->nets[i], addr))
			return true;
	return false;
}

static bool ports_have(const struct layout_match *match, uint16_t port)
{
	for (size_t i = 0; i < match->n; i++)
		if (port >= match->ports[i].first && port <= match->ports[i].last)
			return true;
	return false;
}

static bool holds(const struct policy_judge *judge, const struct layout_match *match,
		  const struct packet *packet)
{
	bool source = match->side == LAYOUT_SOURCE;
	const struct ip_addr *addr = source ? &packet->source : &packet->destination;
	uint16_t port = source ? packet->source_port : packet->destination_port;

	switch (match->kind) {
	case LAYOUT_MATCH_PROTOCOL:
		return packet->protocol == match->a;
	case LAYOUT_MATCH_ICMP:
		return packet->icmp_type == match->a &&
		       (match->b == POLICY_ANY || packet->icmp_code == match->b);
	case LAYOUT_MATCH_NETS:
		return nets_have(match, addr);
	case LAYOUT_MATCH_PORTS:
		return ports_have(match, port);
	case LAYOUT_MATCH_SET:
		return judge->ops->set_has_addr(judge->self, match->set.s, addr);
	case LAYOUT_MATCH_PORT_SET:
		return judge->ops->set_has_port(judge->self, match->set.s, addr, packet->protocol,
						port);
	}
	return false;
}

/* What the first rule that decides says; POLICY_ACTION_LOG: none does. */
static enum policy_action judge_rules(const struct policy_judge *judge,
				      const struct layout_rules *rules, const struct packet *packet)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct layout_rule *rule = &rules->v[i];
		bool matches = rule->action != POLICY_ACTION_LOG;

		for (size_t k = 0; matches && k < rule->n; k++)
			matches =
				holds(judge, &rule->matches[k], packet) != rule->matches[k].negated;
		if (matches)
			return rule->action;
	}
	return POLICY_ACTION_LOG;
}

/* --- An endpoint and a packet ------------------------------------------------------------- */

struct tier_state {
	bool passed;
	bool enforced;
};

/* The verdict of a step: ALLOW, DENY, or LOG to go on. */
static enum policy_action judge_step(const struct policy_judge *judge,
				     const struct layout_step *step, enum policy_way way,
				     const struct packet *packet, struct tier_state *tier)
{
	const struct layout_rules *rules;
	enum policy_action action;

	switch (step->kind) {
	case LAYOUT_STEP_TIER:
		*tier = (struct tier_state){.passed = false};
		return POLICY_ACTION_LOG;
	case LAYOUT_STEP_POLICY:
	case LAYOUT_STEP_PROFILE:
		rules = judge->ops->rules(judge->self, step->name, packet->source.family, way);
		if (!rules)
			return POLICY_ACTION_LOG;
		if (step->kind == LAYOUT_STEP_POLICY)
			tier->enforced = true;
		if (step->kind == LAYOUT_STEP_POLICY && tier->passed)
			return POLICY_ACTION_LOG;
		action = judge_rules(judge, rules, packet);
		tier->passed = tier->passed || action == POLICY_ACTION_PASS;
		return action == POLICY_ACTION_PASS ? POLICY_ACTION_LOG : action;
	case LAYOUT_STEP_TIER_END:
		return tier->enforced && !tier->passed ? POLICY_ACTION_DENY : POLICY_ACTION_LOG;
	case LAYOUT_STEP_DENY:
		return POLICY_ACTION_DENY;
	case LAYOUT_STEP_ALLOW:
	case LAYOUT_STEP_RETURN:
		return POLICY_ACTION_ALLOW;
	}
	return POLICY_ACTION_LOG;
}

static bool denies(const struct policy_judge *judge, const struct ip_addr *addr,
		   enum policy_way way, const struct packet *packet)
{
	struct tier_state tier = {.passed = false};
	const struct layout_steps *steps;
	const struct owner *owner;

	HASH_FIND(hh, judge->owners, addr, sizeof(*addr), owner);
	steps = owner ? owner->steps[way] : NULL;
	for (size_t i = 0; steps && i < steps->n; i++) {
		enum policy_action action = judge_step(judge, &steps->v[i], way, packet, &tier);

		if (action == POLICY_ACTION_ALLOW || action == POLICY_ACTION_DENY)
			return action == POLICY_ACTION_DENY;
	}
	return false;
}

bool policy_judge_denies(const struct policy_judge *judge, const struct packet *packet)
{
	return denies(judge, &packet->source, POLICY_WAY_EGRESS, packet) ||
	       denies(judge, &packet->destination, POLICY_WAY_INGRESS, packet);
}

/* --- Staged policies ---------------------------------------------------------------------- */

/* Does it ask for what is not known of the packet? */
static bool is_unclear(const struct layout_match *match)
{
	switch (match->kind) {
	case LAYOUT_MATCH_ICMP:
		return true;
	case LAYOUT_MATCH_PORTS:
	case LAYOUT_MATCH_PORT_SET:
		return match->side == LAYOUT_SOURCE;
	case LAYOUT_MATCH_PROTOCOL:
	case LAYOUT_MATCH_NETS:
	case LAYOUT_MATCH_SET:
		return false;
	}
	return false;
}

/* LOG: no rule decides; 0: whether one does is not known. */
static enum policy_action judge_known(const struct policy_judge *judge,
				      const struct layout_rules *rules, const struct packet *packet,
				      size_t *ret_rule)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct layout_rule *rule = &rules->v[i];
		bool matches = rule->action != POLICY_ACTION_LOG;
		bool unclear = false;

		for (size_t k = 0; matches && k < rule->n; k++) {
			unclear = unclear || is_unclear(&rule->matches[k]);
			if (!is_unclear(&rule->matches[k]))
				matches = holds(judge, &rule->matches[k], packet) !=
					  rule->matches[k].negated;
		}
		*ret_rule = rule->index;
		if (matches)
			return unclear ? (enum policy_action)0 : rule->action;
	}
	return POLICY_ACTION_LOG;
}

/* A walk through the steps. */
struct staged_walk {
	const struct policy_judge *judge;
	struct judge_staged *asked;
	bool (*has)(const void *ctx, const char *key);
	const void *ctx;
	struct tier_state tier;
	bool has_say;
	bool done;
};

/* The key of the staged policy of the same kind and name has an 's' before it. */
static bool is_replaced(const struct staged_walk *walk, const char *key)
{
	_cleanup_free_ char *staged = xasprintf("s%s", key);

	return walk->has(walk->ctx, staged);
}

static void finish(struct staged_walk *walk, enum policy_action action)
{
	walk->asked->action = action;
	walk->asked->known = walk->has_say;
	walk->done = true;
}

static void walk_policy(struct staged_walk *walk, const struct layout_step *step)
{
	struct judge_staged *asked = walk->asked;
	bool is_staged = step->kind == LAYOUT_STEP_POLICY && step->name[0] == 's';
	const struct layout_rules *rules = walk->judge->ops->staged_rules(
		walk->judge->self, step->name, asked->packet.source.family, asked->way);
	enum policy_action action;

	if (!rules || (step->kind == LAYOUT_STEP_POLICY && walk->tier.passed))
		return;
	if (step->kind == LAYOUT_STEP_POLICY && !is_staged && is_replaced(walk, step->name)) {
		asked->replaced = step->name;
		walk->has_say = true;
		return;
	}
	if (is_staged) {
		asked->staged = step->name;
		walk->has_say = true;
	}
	if (step->kind == LAYOUT_STEP_POLICY)
		walk->tier.enforced = true;
	action = judge_known(walk->judge, rules, &asked->packet, &asked->rule);
	walk->tier.passed = walk->tier.passed || action == POLICY_ACTION_PASS;
	if (action == POLICY_ACTION_ALLOW || action == POLICY_ACTION_DENY) {
		asked->policy = step->name;
		finish(walk, action);
	} else if (!action) {
		walk->done = true;
	}
}

static void walk_step(struct staged_walk *walk, const struct layout_step *step)
{
	switch (step->kind) {
	case LAYOUT_STEP_TIER:
		walk->tier = (struct tier_state){.passed = false};
		break;
	case LAYOUT_STEP_POLICY:
	case LAYOUT_STEP_PROFILE:
		walk_policy(walk, step);
		break;
	case LAYOUT_STEP_TIER_END:
		if (!walk->tier.enforced || walk->tier.passed)
			break;
		walk->asked->tier = step->name;
		finish(walk, POLICY_ACTION_DENY);
		break;
	case LAYOUT_STEP_DENY:
		finish(walk, POLICY_ACTION_DENY);
		break;
	case LAYOUT_STEP_ALLOW:
	case LAYOUT_STEP_RETURN:
		finish(walk, POLICY_ACTION_ALLOW);
		break;
	}
}

void policy_judge_staged(const struct policy_judge *judge, struct judge_staged *asked,
			 bool (*has)(const void *ctx, const char *key), const void *ctx)
{
	struct staged_walk walk = {.judge = judge, .asked = asked, .has = has, .ctx = ctx};
	const struct ip_addr *addr = asked->way == POLICY_WAY_EGRESS ? &asked->packet.source
								     : &asked->packet.destination;
	const struct layout_steps *steps;
	const struct owner *owner;

	HASH_FIND(hh, judge->owners, addr, sizeof(*addr), owner);
	steps = owner ? owner->steps[asked->way] : NULL;
	asked->denied_now = denies(judge, addr, asked->way, &asked->packet);
	for (size_t i = 0; steps && !walk.done && i < steps->n; i++)
		walk_step(&walk, &steps->v[i]);
}

/* --- Life --------------------------------------------------------------------------------- */

struct policy_judge *policy_judge_new(const struct judge_ops *ops, const void *self)
{
	struct policy_judge *judge = XNEW(struct policy_judge);

	judge->ops = ops;
	judge->self = self;
	return judge;
}

struct policy_judge *policy_judge_free(struct policy_judge *judge)
{
	struct owner *owner;
	struct owner *next;

	if (!judge)
		return NULL;
	HASH_ITER(hh, judge->owners, owner, next)
	{
		HASH_DEL(judge->owners, owner);
		free(owner);
	}
	free(judge);
	return NULL;
}

void policy_judge_add(struct policy_judge *judge, const struct ip_addr *addr,
		      const struct layout_steps *const steps[POLICY_WAYS_])
{
	struct owner *owner;

	HASH_FIND(hh, judge->owners, addr, sizeof(*addr), owner);
	if (owner)
		return;
	owner = XNEW(struct owner);
	owner->addr = *addr;
	for (unsigned int way = 0; way < POLICY_WAYS_; way++)
		owner->steps[way] = steps[way];
	HASH_ADD(hh, judge->owners, addr, sizeof(owner->addr), owner);
}
