/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tiers in their order, and in each its policies in theirs.
 */

#include "policy/world-tier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/kinds-kubernetes.h"
#include "policy/kubernetes-policy.h"
#include "policy/policy-match.h"

const struct policy_spec *world_policy_spec(const struct object *object)
{
	switch ((int)object->desc->kind) {
	case KIND_NETWORK_POLICY:
	case KIND_GLOBAL_NETWORK_POLICY:
	case KIND_STAGED_NETWORK_POLICY:
	case KIND_STAGED_GLOBAL_NETWORK_POLICY:
		return &as_policy(object)->spec;
	default:
		return NULL;
	}
}

static void tier_describe(const struct policy_world *world, struct world_tier *tier)
{
	const struct builtin_tier *builtin = builtin_tier_find(tier->name);

	tier->object = policy_world_find(world, KIND_TIER, NULL, tier->name);
	tier->order = INFINITY;
	if (builtin) {
		tier->known = true;
		tier->order = builtin->order;
		tier->pass = builtin->pass;
	}
	if (tier->object) {
		const struct tier_spec *spec = &as_tier(tier->object)->spec;

		tier->known = true;
		tier->pass = spec->default_action == TIER_DEFAULT_ACTION_PASS;
		tier->order = spec->order.set ? spec->order.v : INFINITY;
	}
}

struct making {
	const struct policy_world *world;
	struct world_tier *tiers;
	size_t n;
};

static struct world_tier *tier_get(struct making *making, const char *name)
{
	struct world_tier *tier;

	for (size_t i = 0; i < making->n; i++)
		if (strcmp(making->tiers[i].name, name) == 0)
			return &making->tiers[i];
	tier = ARRAY_ADD(making->tiers, making->n);
	tier->name = name;
	tier_describe(making->world, tier);
	return tier;
}

static bool calico_policy(const struct policy_world *world, const struct object *object,
			  struct world_policy *ret)
{
	const struct policy_spec *spec = world_policy_spec(object);

	if (!spec)
		return false;
	*ret = (struct world_policy){
		.syntax = WORLD_POLICY_CALICO,
		.object = object,
		.order = spec->order.set ? spec->order.v : INFINITY,
		.tier = spec->tier && *spec->tier ? spec->tier : TIER_DEFAULT,
		.staged = policy_is_staged(object) && !policy_world_enforces(world, object),
		.do_not_track = spec->do_not_track.v,
		.pre_dnat = spec->pre_dnat.v,
		.apply_on_forward = spec->apply_on_forward.v,
		.directions = policy_directions(spec),
	};
	/* What is staged to be deleted says nothing of packets. */
	return !policy_is_staged(object) || spec->staged_action != STAGED_ACTION_DELETE;
}

/* Kubernetes: what is for egress is only so if the policy says so in its types. */
static bool kubernetes_policy(const struct policy_world *world, const struct object *object,
			      struct world_policy *ret)
{
	const struct kubernetes_policy_spec *spec;

	if (object->desc->kind != KIND_KUBERNETES_NETWORK_POLICY &&
	    object->desc->kind != KIND_STAGED_KUBERNETES_NETWORK_POLICY)
		return false;
	spec = kubernetes_spec(object);
	*ret = (struct world_policy){
		.syntax = WORLD_POLICY_KUBERNETES,
		.object = object,
		.order = KUBERNETES_POLICY_ORDER,
		.tier = TIER_DEFAULT,
		.staged = policy_is_staged(object) && !policy_world_enforces(world, object),
		.directions = spec->policy_types.n ? 0 : POLICY_INGRESS,
	};
	for (size_t i = 0; i < spec->policy_types.n; i++)
		ret->directions |= strcmp(spec->policy_types.v[i], "Egress") == 0 ? POLICY_EGRESS
										  : POLICY_INGRESS;
	return spec->staged_action != STAGED_ACTION_DELETE;
}

/* It does not affect a direction without rules. */
static bool cluster_policy(const struct object *object, struct world_policy *ret)
{
	const struct cluster_policy_spec *spec;

	if (object->desc->kind != KIND_KUBERNETES_CLUSTER_NETWORK_POLICY)
		return false;
	spec = &as_cluster_policy(object)->spec;
	*ret = (struct world_policy){
		.syntax = WORLD_POLICY_CLUSTER,
		.object = object,
		.order = (double)spec->priority.v,
		.tier = strcmp(spec->tier, "Admin") == 0 ? "kube-admin" : "kube-baseline",
		.directions = (spec->ingress.n ? (unsigned int)POLICY_INGRESS : 0) |
			      (spec->egress.n ? (unsigned int)POLICY_EGRESS : 0),
	};
	return true;
}

static int compare_orders(double a, double b)
{
	return a < b ? -1 : a > b;
}

static int compare_tiers(const void *first, const void *second)
{
	const struct world_tier *a = first;
	const struct world_tier *b = second;
	int r = a->known == b->known ? compare_orders(a->order, b->order) : a->known ? -1 : 1;

	return r ? r : strcmp(a->name, b->name);
}

/* "name/namespace/kind", by which policies of the same order follow each other. */
static char *sort_text(const struct object *object)
{
	return xasprintf("%s/%s/%s", object->meta.name ? object->meta.name : "",
			 object->meta.namespace ? object->meta.namespace : "", object->desc->name);
}

static int compare_policies(const void *first, const void *second)
{
	const struct world_policy *a = first;
	const struct world_policy *b = second;
	_cleanup_free_ char *text_a = sort_text(a->object);
	_cleanup_free_ char *text_b = sort_text(b->object);
	int r = compare_orders(a->order, b->order);

	return r ? r : strcmp(text_a, text_b);
}

/* False: it is no policy, or one that says nothing of packets. */
static bool make_policy(const struct policy_world *world, const struct object *object,
			struct world_policy *ret)
{
	return calico_policy(world, object, ret) || kubernetes_policy(world, object, ret) ||
	       cluster_policy(object, ret);
}

void world_tiers_make(const struct policy_world *world, struct world_tier **ret, size_t *ret_n)
{
	struct making making = {.world = world};
	size_t n;
	const struct object *const *objects = policy_world_objects(world, &n);

	for (size_t i = 0; i < n; i++) {
		struct world_policy policy;
		struct world_tier *tier;

		if (objects[i]->desc->kind == KIND_TIER)
			(void)tier_get(&making, objects[i]->meta.name);
		if (!make_policy(world, objects[i], &policy))
			continue;
		tier = tier_get(&making, policy.tier);
		*ARRAY_ADD(tier->policies, tier->n_policies) = policy;
	}
	if (making.n)
		qsort(making.tiers, making.n, sizeof(*making.tiers), compare_tiers);
	for (size_t i = 0; i < making.n; i++)
		if (making.tiers[i].n_policies)
			qsort(making.tiers[i].policies, making.tiers[i].n_policies,
			      sizeof(*making.tiers[i].policies), compare_policies);
	*ret = making.tiers;
	*ret_n = making.n;
}
