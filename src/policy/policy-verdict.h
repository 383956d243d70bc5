/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The verdict of policy on one packet at one endpoint, and the way to it. The same facts as a
 * dataplane's, said plainly: what compilers and renderers make of policies is judged by this.
 *
 * Tiers in order; in a tier, policies in order; of those that select the endpoint and have the
 * direction, rules from the top. Allow and Deny end it, Pass goes on with the next tier, Log only
 * logs. At a tier's end, what a policy selected and no rule decided is denied, unless the tier's
 * default action is Pass. Behind the last tier stand the endpoint's profiles; what they don't
 * decide is denied. Staged policies are looked at in their place and decide nothing.
 */

#include "policy/policy-match.h"

/* Where policies act on a packet. Of workloads the first alone. */
enum verdict_stage {
	VERDICT_STAGE_NORMAL,
	VERDICT_STAGE_FORWARD,	 /* of a host: what it passes on */
	VERDICT_STAGE_PRE_DNAT,	 /* of a host: before addresses are translated; ingress only */
	VERDICT_STAGE_UNTRACKED, /* of a host: before connection tracking */
};

enum verdict {
	VERDICT_ALLOW = 1,
	VERDICT_DENY,
	VERDICT_NONE, /* of other stages than normal: nothing has decided, the packet goes on */
};

/* One rule that was looked at. */
struct verdict_rule {
	size_t index;
	enum rule_action action;
	bool matched;
	struct reason why;
};

struct verdict_policy {
	const struct object *object; /* of profiles too; NULL: a profile that is not there */
	const char *name;	     /* of profiles */
	bool staged;
	bool applies;
	struct reason why; /* it applies, or not */
	struct verdict_rule *rules;
	size_t n_rules;
	enum rule_action decision; /* RULE_ACTION_UNSET: none; of a staged one: what it would be */
};

struct verdict_tier {
	const struct world_tier *tier;
	struct verdict_policy *policies;
	size_t n_policies;
	bool applies; /* a policy in it does */
};

struct verdict_trace {
	const struct world_peer *peer;
	enum policy_direction direction;
	enum verdict_stage stage;
	struct verdict_tier *tiers;
	size_t n_tiers;
	struct verdict_policy *profiles;
	size_t n_profiles;
	enum verdict verdict;
	char *reason; /* one line */
	/* What decided; NULL: the end of something, or a failsafe port. */
	const struct object *by;
	size_t by_rule;
	/* At the end of a tier: the last of its policies that apply. */
	const struct object *at_end;
};
void verdict_trace_deinit(struct verdict_trace *trace);
CLEANUP_DEINIT(struct verdict_trace, verdict_trace_deinit);

/*
 * The verdict. 'trace' may be NULL; otherwise it is filled, and borrows from the world until that
 * changes. The peer is a workload or a host.
 */
enum verdict policy_verdict(struct policy_world *world, const struct world_peer *peer,
			    enum policy_direction direction, enum verdict_stage stage,
			    const struct packet *packet, struct verdict_trace *trace);

/* Is the policy for the peer, in this direction and at this stage? 'why' may be NULL. */
bool policy_applies(struct policy_world *world, const struct world_policy *policy,
		    const struct world_peer *peer, enum policy_direction direction,
		    enum verdict_stage stage, struct reason *why);
/*
 * Why the trace's verdict is what it is: of the rule, or of the policy at the end. NULL: 'reason'
 * says all.
 */
const struct reason *verdict_decided(const struct verdict_trace *trace);

const char *verdict_text(enum verdict verdict);			    /* "allowed" */
const char *verdict_stage_text(enum verdict_stage stage);	    /* "applyOnForward" */
const char *rule_action_text(enum rule_action action);		    /* "Allow" */
const char *policy_direction_text(enum policy_direction direction); /* "ingress" */
/* "NetworkPolicy shop/web" */
struct policy_name {
	char s[700];
};
struct policy_name policy_name(const struct object *object);
