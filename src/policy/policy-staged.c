/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Policies that are evaluated, reported and never enforced. What each would do depends on what else
 * is there, so the question is put to a world in which they are enforced.
 */

#include "policy/policy-staged.h"

#include <string.h>

#include "base/alloc.h"

int staged_world(const struct policy_world *world, struct policy_world **ret, struct err *err)
{
	struct policy_world *copy = NULL;
	size_t n;
	const struct object *const *objects = policy_world_objects(world, &n);
	bool any = false;
	int r;

	*ret = NULL;
	for (size_t i = 0; i < n; i++)
		any = any || policy_is_staged(objects[i]);
	if (!any)
		return 0;
	r = policy_world_copy(world, &copy, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (policy_is_staged(objects[i]))
			policy_world_enforce(copy, objects[i]);
	*ret = copy;
	return 0;
}

static const struct world_policy *find_policy(struct policy_world *world,
					      const struct object *object)
{
	size_t n;
	const struct world_tier *tiers = policy_world_tiers(world, &n);

	for (size_t i = 0; object && i < n; i++)
		for (size_t k = 0; k < tiers[i].n_policies; k++)
			if (tiers[i].policies[k].object == object)
				return &tiers[i].policies[k];
	return NULL;
}

/* NULL as an object: it is not there, so it does not apply. */
static bool is_for(struct policy_world *world, const struct object *object,
		   const struct world_peer *peer, const struct verdict_trace *trace)
{
	const struct world_policy *policy = find_policy(world, object);

	return policy && peer &&
	       policy_applies(world, policy, peer, trace->direction, trace->stage, NULL);
}

static bool is_reached(const struct verdict_trace *trace, const struct object *object)
{
	for (size_t i = 0; i < trace->n_tiers; i++)
		for (size_t k = 0; k < trace->tiers[i].n_policies; k++)
			if (trace->tiers[i].policies[k].object == object)
				return true;
	return false;
}

size_t staged_says(struct policy_world *now, struct policy_world *then,
		   const struct verdict_trace *trace, struct staged_say **ret)
{
	const struct object *own = trace->peer->object;
	const struct world_peer *peer = policy_world_peer(
		now, policy_world_find(now, own->desc->kind, own->meta.namespace, own->meta.name));
	size_t n_objects;
	const struct object *const *objects = policy_world_objects(then, &n_objects);
	size_t n = 0;

	*ret = NULL;
	for (size_t i = 0; i < n_objects; i++) {
		struct staged_say say = {.object = objects[i]};

		if (!policy_world_enforces(then, objects[i]))
			continue;
		say.replaces = policy_world_replaced(now, objects[i]);
		if (!is_for(now, say.replaces, peer, trace))
			say.replaces = NULL;
		say.applies = is_for(then, objects[i], trace->peer, trace);
		say.reached = say.applies && is_reached(trace, objects[i]);
		if (say.applies || say.replaces)
			*ARRAY_ADD(*ret, n) = say;
	}
	return n;
}
