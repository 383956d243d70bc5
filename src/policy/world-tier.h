/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the policy module: the order of policies. */

#include "policy/policy-world.h"

/* Of Calico's policies, staged ones too. NULL: it is none. */
const struct policy_spec *world_policy_spec(const struct object *object);
/* Gives the tiers; free() the policies of each, then all. */
void world_tiers_make(const struct policy_world *world, struct world_tier **ret, size_t *ret_n);
