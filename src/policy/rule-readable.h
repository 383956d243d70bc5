/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the policy module: can a rule be understood. What can't be denies. */

#include "policy/policy-match.h"

/* Of a policy of this namespace, or of none (NULL). False: 'why' (may be NULL) says why. */
bool rule_is_readable(struct policy_world *world, const struct rule *rule, const char *namespace,
		      enum policy_direction direction, struct reason *why);
