/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the policy module: rules of the v3 kinds, compiled one by one. */

#include "policy/compiled-policy.h"

struct rule;
struct rule_list;

/*
 * Compiles each of 'rules' into 'policy', whose sets grow by those that they need. 'namespace' is
 * the policy's; NULL: it has none. A rule that can't be understood becomes one that denies.
 */
void compiled_rules_add(struct compiled_policy *policy, enum policy_way way,
			const struct rule_list *rules, const char *namespace);
void compiled_rules_clear(struct compiled_rules *rules);
bool compiled_rule_equal(const struct compiled_rule *a, const struct compiled_rule *b);

void policy_set_clear(struct policy_set *set);
bool policy_set_equal(const struct policy_set *a, const struct policy_set *b);
