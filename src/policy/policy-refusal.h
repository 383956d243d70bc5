/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Rules of a policy that the kernel refuses, in a packet filter's hands: what was told is kept
 * aside, and in its place is one rule that denies, until it is to be tried again.
 */

#include "policy/policy-layout.h"

#define POLICY_FAMILIES 2 /* index 0: IPv4, 1: IPv6 */

struct policy_refusal {
	struct layout_rules told[POLICY_FAMILIES][POLICY_WAYS_]; /* none where nothing is refused */
	char *why;						 /* NULL: nothing is refused */
};

/* 'rules' deny from now on. False: they did before, or there are none. 'reason' is the kernel's. */
bool policy_refusal_add(struct policy_refusal *refusal,
			struct layout_rules rules[POLICY_FAMILIES][POLICY_WAYS_], unsigned int f,
			enum policy_way way, const char *reason);
/* 'rules' are as told again. False: they are so anyhow. */
bool policy_refusal_undo_one(struct policy_refusal *refusal,
			     struct layout_rules rules[POLICY_FAMILIES][POLICY_WAYS_],
			     unsigned int f, enum policy_way way);
/* All 'rules' are as told again. False: they are so anyhow. */
bool policy_refusal_undo(struct policy_refusal *refusal,
			 struct layout_rules rules[POLICY_FAMILIES][POLICY_WAYS_]);
/* Does what was told speak of the set? */
bool policy_refusal_uses(const struct policy_refusal *refusal, const char *set);
