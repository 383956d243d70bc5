/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The walk through tiers, policies, rules and profiles. One function for each level, so that each
 * is as long as the sentence of the API that it carries out.
 */

#include "policy/policy-verdict.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/felix-configuration.h"
#include "model/kinds-kubernetes.h"

static void policy_deinit(struct verdict_policy *policy)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		reason_deinit(&policy->rules[i].why);
	free(policy->rules);
	reason_deinit(&policy->why);
}

void verdict_trace_deinit(struct verdict_trace *trace)
{
	for (size_t i = 0; i < trace->n_tiers; i++) {
		for (size_t k = 0; k < trace->tiers[i].n_policies; k++)
			policy_deinit(&trace->tiers[i].policies[k]);
		free(trace->tiers[i].policies);
	}
	for (size_t i = 0; i < trace->n_profiles; i++)
		policy_deinit(&trace->profiles[i]);
	free(trace->tiers);
	free(trace->profiles);
	free(trace->reason);
	*trace = (struct verdict_trace){.peer = NULL};
}

const char *verdict_text(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_ALLOW:
		return "allowed";
	case VERDICT_DENY:
		return "denied";
	case VERDICT_NONE:
		return "not decided";
	}
	return "";
}

const char *verdict_stage_text(enum verdict_stage stage)
{
	switch (stage) {
	case VERDICT_STAGE_NORMAL:
		return "normal";
	case VERDICT_STAGE_FORWARD:
		return "applyOnForward";
	case VERDICT_STAGE_PRE_DNAT:
		return "preDNAT";
	case VERDICT_STAGE_UNTRACKED:
		return "doNotTrack";
	}
	return "";
}

const char *rule_action_text(enum rule_action action)
{
	switch (action) {
	case RULE_ACTION_UNSET:
		return "none";
	case RULE_ACTION_ALLOW:
		return "Allow";
	case RULE_ACTION_DENY:
		return "Deny";
	case RULE_ACTION_LOG:
		return "Log";
	case RULE_ACTION_PASS:
		return "Pass";
	}
	return "";
}

const char *policy_direction_text(enum policy_direction direction)
{
	return direction == POLICY_INGRESS ? "ingress" : "egress";
}

struct policy_name policy_name(const struct object *object)
{
	struct policy_name name;

	(void)snprintf(name.s, sizeof(name.s), "%s %.256s%s%.256s", object->desc->name,
		       object->meta.namespace ? object->meta.namespace : "",
		       object->meta.namespace ? "/" : "",
		       object->meta.name ? object->meta.name : "");
	return name;
}

/* What is being judged. */
struct judge {
	struct policy_world *world;
	const struct world_peer *peer;
	enum policy_direction direction;
	enum verdict_stage stage;
	const struct packet *packet;
	struct verdict_trace *trace; /* NULL: nobody asks why */
};

PRINTF_LIKE(3, 4)
static enum verdict decide(const struct judge *judge, enum verdict verdict, const char *format, ...)
{
	va_list args;

	if (judge->trace) {
		judge->trace->verdict = verdict;
		va_start(args, format);
		replace_str(&judge->trace->reason, xvasprintf(format, args));
		va_end(args);
	}
	return verdict;
}

static void decided_by(const struct judge *judge, const struct object *object, size_t rule)
{
	if (!judge->trace)
		return;
	judge->trace->by = object;
	judge->trace->by_rule = rule;
}

/* --- Failsafe ports --------------------------------------------------------------------------- */

/*
 * Does the packet go to (or, of replies that are not tracked, come from) one of the ports that no
 * policy closes. The net is that of the other end.
 */
static bool in_failsafe(const struct proto_port_list *ports, const struct packet *packet,
			uint16_t port, const struct ip_addr *other)
{
	for (size_t i = 0; i < ports->n; i++) {
		const char *protocol = ports->v[i].protocol ? ports->v[i].protocol : "";
		struct cidr net;

		if (protocol_find(protocol) != packet->protocol || ports->v[i].port.v != port)
			continue;
		if (!ports->v[i].net ||
		    (cidr_parse(ports->v[i].net, &net, NULL) == 0 && cidr_contains(&net, other)))
			return true;
	}
	return false;
}

static bool is_failsafe(const struct judge *judge)
{
	const struct felix_configuration_spec *settings;
	const struct packet *packet = judge->packet;
	bool in = judge->direction == POLICY_INGRESS;
	const struct ip_addr *other = in ? &packet->source : &packet->destination;

	if (judge->peer->type != WORLD_HOST || judge->stage == VERDICT_STAGE_FORWARD)
		return false;
	settings = &policy_world_settings(judge->world, judge->peer->node)->spec;
	if (in_failsafe(in ? &settings->failsafe_inbound_host_ports
			   : &settings->failsafe_outbound_host_ports,
			packet, packet->destination_port, other))
		return true;
	return judge->stage == VERDICT_STAGE_UNTRACKED &&
	       in_failsafe(in ? &settings->failsafe_outbound_host_ports
			      : &settings->failsafe_inbound_host_ports,
			   packet, packet->source_port, other);
}

/* --- Rules and policies ----------------------------------------------------------------------- */

static void record(struct verdict_policy *record, size_t index, const struct matched_rule *rule,
		   struct reason *why)
{
	if (record)
		*ARRAY_ADD(record->rules, record->n_rules) =
			(struct verdict_rule){.index = index,
					      .action = rule->action,
					      .matched = rule->matches,
					      .why = reason_move(why)};
}

/*
 * The action of the first rule that matches and does more than log; RULE_ACTION_UNSET: none does.
 * 'record' NULL: nobody asks.
 */
static enum rule_action judge_rules(const struct judge *judge, const struct world_policy *policy,
				    struct verdict_policy *to, size_t *ret_index)
{
	size_t n = policy_rules(policy, judge->direction);

	for (size_t i = 0; i < n; i++) {
		_cleanup_(reason_deinitp) struct reason why = {.v = NULL};
		struct matched_rule rule = policy_match(judge->world, policy, judge->direction, i,
							judge->packet, to ? &why : NULL);

		record(to, i, &rule, &why);
		if (!rule.matches || rule.action == RULE_ACTION_LOG)
			continue;
		*ret_index = i;
		return rule.action;
	}
	return RULE_ACTION_UNSET;
}

/* The stages at which a policy acts. */
static bool acts_at(const struct world_policy *policy, enum verdict_stage stage, struct reason *why)
{
	bool acts = false;

	switch (stage) {
	case VERDICT_STAGE_NORMAL:
		acts = !policy->do_not_track && !policy->pre_dnat;
		break;
	case VERDICT_STAGE_FORWARD:
		acts = policy->apply_on_forward && !policy->do_not_track && !policy->pre_dnat;
		break;
	case VERDICT_STAGE_PRE_DNAT:
		acts = policy->pre_dnat && !policy->do_not_track;
		break;
	case VERDICT_STAGE_UNTRACKED:
		acts = policy->do_not_track;
		break;
	}
	if (acts || !why)
		return acts;
	if (policy->do_not_track)
		reason_add(why, "doNotTrack", "doNotTrack: it acts before connection tracking");
	else if (policy->pre_dnat)
		reason_add(why, "preDNAT", "preDNAT: it acts before translation");
	else
		reason_add(why, NULL, "%s",
			   stage == VERDICT_STAGE_FORWARD ? "it has no applyOnForward"
							  : "it acts after connection tracking");
	return false;
}

/* The field that has the types. NULL: none is given. */
static const char *types_field(const struct world_policy *policy)
{
	switch (policy->syntax) {
	case WORLD_POLICY_CALICO:
		return as_policy(policy->object)->spec.types.n ? "types" : NULL;
	case WORLD_POLICY_KUBERNETES:
		return kubernetes_spec(policy->object)->policy_types.n ? "policyTypes" : NULL;
	case WORLD_POLICY_CLUSTER:
		return NULL;
	}
	return NULL;
}

bool policy_applies(struct policy_world *world, const struct world_policy *policy,
		    const struct world_peer *peer, enum policy_direction direction,
		    enum verdict_stage stage, struct reason *why)
{
	if (!acts_at(policy, stage, why))
		return false;
	if (!(policy->directions & direction)) {
		reason_add(why, types_field(policy), "it has no type %s",
			   direction == POLICY_INGRESS ? "Ingress" : "Egress");
		return false;
	}
	return policy_selects(world, policy, peer, why);
}

/* --- Tiers ------------------------------------------------------------------------------------ */

static struct verdict_policy *trace_policy(struct verdict_tier *tier, const struct object *object,
					   bool staged)
{
	struct verdict_policy *policy;

	if (!tier)
		return NULL;
	policy = ARRAY_ADD(tier->policies, tier->n_policies);
	policy->object = object;
	policy->staged = staged;
	return policy;
}

/*
 * What a tier says: Allow, Deny, or Pass to the next one, which is also what a tier says that has
 * no policy for the endpoint.
 */
static enum rule_action judge_tier(const struct judge *judge, const struct world_tier *tier,
				   struct verdict_tier *trace)
{
	const struct world_policy *enforced = NULL;

	for (size_t i = 0; i < tier->n_policies; i++) {
		const struct world_policy *policy = &tier->policies[i];
		struct verdict_policy *to = trace_policy(trace, policy->object, policy->staged);
		_cleanup_(reason_deinitp) struct reason why = {.v = NULL};
		enum rule_action action;
		size_t rule = 0;
		bool is_for = policy_applies(judge->world, policy, judge->peer, judge->direction,
					     judge->stage, to ? &why : NULL);

		if (to) {
			to->applies = is_for;
			to->why = reason_move(&why);
			trace->applies = trace->applies || is_for;
		}
		if (!is_for)
			continue;
		action = judge_rules(judge, policy, to, &rule);
		if (to)
			to->decision = action;
		if (policy->staged)
			continue;
		enforced = policy;
		if (action == RULE_ACTION_UNSET)
			continue;
		if (action == RULE_ACTION_PASS)
			return action;
		(void)decide(judge, action == RULE_ACTION_ALLOW ? VERDICT_ALLOW : VERDICT_DENY,
			     "tier %s: %s, %s rule %zu: %s", tier->name,
			     policy_name(policy->object).s, policy_direction_text(judge->direction),
			     rule + 1, rule_action_text(action));
		decided_by(judge, policy->object, rule);
		return action;
	}
	if (!enforced || tier->pass || judge->stage == VERDICT_STAGE_PRE_DNAT ||
	    judge->stage == VERDICT_STAGE_UNTRACKED)
		return RULE_ACTION_PASS;
	(void)decide(judge, VERDICT_DENY,
		     "end of tier %s: %s applies, and no %s rule of this tier matches", tier->name,
		     policy_name(enforced->object).s, policy_direction_text(judge->direction));
	if (judge->trace)
		judge->trace->at_end = enforced->object;
	return RULE_ACTION_DENY;
}

/* --- Profiles --------------------------------------------------------------------------------- */

/* A profile that is not there denies: it may be one that is still to come. */
static enum rule_action judge_profile(const struct judge *judge, const char *name,
				      struct verdict_policy *to)
{
	const struct object *object = policy_world_find(judge->world, KIND_PROFILE, NULL, name);
	const struct rule_list *rules;

	if (!object && strcmp(name, PROFILE_DEFAULT_ALLOW) == 0) {
		(void)decide(judge, VERDICT_ALLOW, "profile %s allows everything", name);
		return RULE_ACTION_ALLOW;
	}
	if (!object) {
		(void)decide(judge, VERDICT_DENY, "profile %s is not there", name);
		return RULE_ACTION_DENY;
	}
	rules = judge->direction == POLICY_INGRESS ? &as_profile(object)->spec.ingress
						   : &as_profile(object)->spec.egress;
	for (size_t i = 0; i < rules->n; i++) {
		_cleanup_(reason_deinitp) struct reason why = {.v = NULL};
		struct matched_rule rule =
			rule_match(judge->world, &rules->v[i], NULL, judge->direction,
				   judge->packet, to ? &why : NULL);

		record(to, i, &rule, &why);
		if (!rule.matches ||
		    (rule.action != RULE_ACTION_ALLOW && rule.action != RULE_ACTION_DENY))
			continue;
		(void)decide(judge, rule.action == RULE_ACTION_ALLOW ? VERDICT_ALLOW : VERDICT_DENY,
			     "profile %s, %s rule %zu: %s", name,
			     policy_direction_text(judge->direction), i + 1,
			     rule_action_text(rule.action));
		decided_by(judge, object, i);
		return rule.action;
	}
	return RULE_ACTION_UNSET;
}

static enum verdict judge_profiles(const struct judge *judge)
{
	const struct str_list *names = &judge->peer->profiles;

	for (size_t i = 0; i < names->n; i++) {
		struct verdict_policy *to = NULL;
		enum rule_action action;

		if (judge->trace) {
			to = ARRAY_ADD(judge->trace->profiles, judge->trace->n_profiles);
			to->object =
				policy_world_find(judge->world, KIND_PROFILE, NULL, names->v[i]);
			to->name = names->v[i];
			to->applies = true;
		}
		action = judge_profile(judge, names->v[i], to);
		if (to)
			to->decision = action;
		if (action != RULE_ACTION_UNSET)
			return action == RULE_ACTION_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
	}
	return decide(judge, VERDICT_DENY,
		      names->n ? "no policy and no profile allows it"
			       : "no policy allows it, and it has no profile");
}

/* --- All -------------------------------------------------------------------------------------- */

enum verdict policy_verdict(struct policy_world *world, const struct world_peer *peer,
			    enum policy_direction direction, enum verdict_stage stage,
			    const struct packet *packet, struct verdict_trace *trace)
{
	const struct judge judge = {.world = world,
				    .peer = peer,
				    .direction = direction,
				    .stage = stage,
				    .packet = packet,
				    .trace = trace};
	size_t n;
	const struct world_tier *tiers = policy_world_tiers(world, &n);

	if (trace)
		*trace = (struct verdict_trace){
			.peer = peer, .direction = direction, .stage = stage};
	if (is_failsafe(&judge))
		return decide(&judge, stage == VERDICT_STAGE_NORMAL ? VERDICT_ALLOW : VERDICT_NONE,
			      "it is a failsafe port");
	for (size_t i = 0; i < n; i++) {
		struct verdict_tier *to = NULL;
		enum rule_action action;

		if (trace) {
			to = ARRAY_ADD(trace->tiers, trace->n_tiers);
			to->tier = &tiers[i];
		}
		action = judge_tier(&judge, &tiers[i], to);
		if (action != RULE_ACTION_PASS)
			return action == RULE_ACTION_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
	}
	if (stage != VERDICT_STAGE_NORMAL)
		return decide(&judge, VERDICT_NONE, "no %s policy decides",
			      verdict_stage_text(stage));
	return judge_profiles(&judge);
}

/* --- What decided ----------------------------------------------------------------------------- */

static const struct verdict_policy *find_policy(const struct verdict_trace *trace,
						const struct object *object)
{
	for (size_t i = 0; i < trace->n_tiers; i++)
		for (size_t k = 0; k < trace->tiers[i].n_policies; k++)
			if (trace->tiers[i].policies[k].object == object)
				return &trace->tiers[i].policies[k];
	for (size_t i = 0; i < trace->n_profiles; i++)
		if (trace->profiles[i].object == object)
			return &trace->profiles[i];
	return NULL;
}

const struct reason *verdict_decided(const struct verdict_trace *trace)
{
	const struct object *object = trace->by ? trace->by : trace->at_end;
	const struct verdict_policy *policy = object ? find_policy(trace, object) : NULL;

	if (policy && !trace->by)
		return &policy->why;
	for (size_t i = 0; policy && i < policy->n_rules; i++)
		if (policy->rules[i].index == trace->by_rule)
			return &policy->rules[i].why;
	return NULL;
}
