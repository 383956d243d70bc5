/* SPDX-License-Identifier: Apache-2.0 */

#include "policy/policy-refusal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

bool policy_refusal_add(struct policy_refusal *refusal,
			struct layout_rules rules[POLICY_FAMILIES][POLICY_WAYS_], unsigned int f,
			enum policy_way way, const char *reason)
{
	struct layout_rules deny = {.v = NULL};

	if (refusal->told[f][way].n || !rules[f][way].n)
		return false;
	*ARRAY_ADD(deny.v, deny.n) = (struct layout_rule){.action = POLICY_ACTION_DENY};
	refusal->told[f][way] = rules[f][way];
	rules[f][way] = deny;
	if (!refusal->why)
		refusal->why = xasprintf(
			"the kernel refuses a rule of its %s for IPv%u, which denies: %s",
			way == POLICY_WAY_INGRESS ? "ingress" : "egress", f == 0 ? 4u : 6u, reason);
	return true;
}

bool policy_refusal_undo_one(struct policy_refusal *refusal,
			     struct layout_rules rules[POLICY_FAMILIES][POLICY_WAYS_],
			     unsigned int f, enum policy_way way)
{
	bool any = false;

	if (!refusal->told[f][way].n)
		return false;
	layout_rules_deinit(&rules[f][way]);
	rules[f][way] = refusal->told[f][way];
	refusal->told[f][way] = (struct layout_rules){.v = NULL};
	for (unsigned int i = 0; i < POLICY_FAMILIES * POLICY_WAYS_; i++)
		any = any || refusal->told[i / POLICY_WAYS_][i % POLICY_WAYS_].n;
	if (!any)
		replace_str(&refusal->why, NULL);
	return true;
}

bool policy_refusal_undo(struct policy_refusal *refusal,
			 struct layout_rules rules[POLICY_FAMILIES][POLICY_WAYS_])
{
	bool any = false;

	for (unsigned int f = 0; f < POLICY_FAMILIES; f++)
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			any = policy_refusal_undo_one(refusal, rules, f, (enum policy_way)way) ||
			      any;
	return any;
}

bool policy_refusal_uses(const struct policy_refusal *refusal, const char *set)
{
	for (unsigned int f = 0; f < POLICY_FAMILIES; f++)
		for (unsigned int way = 0; way < POLICY_WAYS_; way++)
			if (layout_rules_use(&refusal->told[f][way], set))
				return true;
	return false;
}
