/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any object as a policy: what compiles has a rule for each, refers to sets that it lists, and
 * comes out the same from a copy.
 */

#include <string.h>

#include "base/buf.h"
#include "model/model-desc.h"
#include "policy/compiled-policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ids(const struct compiled_policy *policy, const struct policy_set_id *ids,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool listed = false;

		for (size_t k = 0; k < policy->n_sets; k++)
			listed |= strcmp(policy->sets[k].id.s, ids[i].s) == 0;
		assert(listed);
	}
}

static void check_side(const struct compiled_policy *policy, const struct compiled_side *side)
{
	check_ids(policy, side->sets, side->n_sets);
	check_ids(policy, side->not_sets, side->n_not_sets);
	check_ids(policy, side->port_sets, side->n_port_sets);
	check_ids(policy, side->not_port_sets, side->n_not_port_sets);
	if (side->service.s[0])
		check_ids(policy, &side->service, 1);
}

static void check_policy(const struct object *object, const struct compiled_policy *policy)
{
	_cleanup_(model_freep) struct object *copy = model_copy(object);
	_cleanup_(compiled_policy_freep) struct compiled_policy *again = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r = compiled_policy_new(copy, &again, NULL);

	assert(r == 0);
	assert(compiled_policy_equal(policy, again));
	compiled_policy_dump(policy, &text);
	for (size_t k = 0; k < POLICY_WAYS_; k++)
		for (size_t i = 0; i < policy->rules[k].n; i++) {
			const struct compiled_rule *rule = &policy->rules[k].v[i];

			assert(!rule->unreadable ||
			       (rule->why && rule->action == POLICY_ACTION_DENY));
			check_side(policy, &rule->source);
			check_side(policy, &rule->destination);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(model_freep) struct object *object = NULL;
	_cleanup_(compiled_policy_freep) struct compiled_policy *policy = NULL;
	struct err err = ERR_INIT;

	if (model_read_json((const char *)data, size, MODEL_LENIENT, "fuzz", &object, &err) < 0)
		return 0;
	if (compiled_policy_new(object, &policy, &err) == 0)
		check_policy(object, policy);
	else
		assert(err.msg[0]);
	return 0;
}
