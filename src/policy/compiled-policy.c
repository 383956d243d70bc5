/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A policy or profile, compiled. What decides where a policy applies and when (selector, tier,
 * directions) must be understood or the whole is refused; a rule that can't be understood denies.
 */

#include "policy/compiled-policy.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/kinds-policy.h"
#include "model/model-check.h"
#include "policy/compiled-rule.h"
#include "policy/kubernetes-policy.h"
#include "policy/policy-selector.h"

struct compiled_policy *compiled_policy_free(struct compiled_policy *policy)
{
	if (!policy)
		return NULL;
	for (size_t i = 0; i < POLICY_WAYS_; i++)
		compiled_rules_clear(&policy->rules[i]);
	for (size_t i = 0; i < policy->n_sets; i++)
		policy_set_clear(&policy->sets[i]);
	free(policy->sets);
	free(policy->problem);
	free(policy->selector);
	free(policy->tier);
	free(policy->key);
	free(policy);
	return NULL;
}

/* --- Comparing ------------------------------------------------------------------------------- */

static bool str_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool rules_equal(const struct compiled_rules *a, const struct compiled_rules *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!compiled_rule_equal(&a->v[i], &b->v[i]))
			return false;
	return true;
}

static bool sets_equal(const struct compiled_policy *a, const struct compiled_policy *b)
{
	if (a->n_sets != b->n_sets)
		return false;
	for (size_t i = 0; i < a->n_sets; i++)
		if (!policy_set_equal(&a->sets[i], &b->sets[i]))
			return false;
	return true;
}

bool compiled_policy_equal(const struct compiled_policy *a, const struct compiled_policy *b)
{
	/* Neither order is a NaN; INFINITY equals itself. */
	bool same_order = !(a->order < b->order) && !(a->order > b->order);

	for (size_t i = 0; i < POLICY_WAYS_; i++)
		if (a->applies[i] != b->applies[i] || !rules_equal(&a->rules[i], &b->rules[i]))
			return false;
	return same_order && str_equal(a->key, b->key) && str_equal(a->tier, b->tier) &&
	       a->staged == b->staged && a->do_not_track == b->do_not_track &&
	       a->pre_dnat == b->pre_dnat && a->apply_on_forward == b->apply_on_forward &&
	       str_equal(a->selector, b->selector) && str_equal(a->problem, b->problem) &&
	       sets_equal(a, b);
}

/* --- Names ----------------------------------------------------------------------------------- */

static const struct {
	enum kind kind;
	const char *prefix;
} prefixes[] = {
	{KIND_NETWORK_POLICY, "np"},
	{KIND_GLOBAL_NETWORK_POLICY, "gnp"},
	{KIND_STAGED_NETWORK_POLICY, "snp"},
	{KIND_STAGED_GLOBAL_NETWORK_POLICY, "sgnp"},
	{KIND_STAGED_KUBERNETES_NETWORK_POLICY, "sknp"},
	{KIND_KUBERNETES_NETWORK_POLICY, "knp"},
	{KIND_KUBERNETES_CLUSTER_NETWORK_POLICY, "kcnp"},
	{KIND_PROFILE, "pro"},
};

char *policy_key(const struct object *object)
{
	const struct meta *meta = &object->meta;

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (prefixes[i].kind != object->desc->kind)
			continue;
		if (object->desc->namespaced)
			return xasprintf("%s/%s/%s", prefixes[i].prefix,
					 meta->namespace ? meta->namespace : "",
					 meta->name ? meta->name : "");
		return xasprintf("%s/%s", prefixes[i].prefix, meta->name ? meta->name : "");
	}
	return NULL;
}

/* --- Compiling ------------------------------------------------------------------------------- */

static int compile_tier(const struct policy_spec *spec, char **ret, struct err *err)
{
	const char *tier = spec->tier && *spec->tier ? spec->tier : TIER_DEFAULT;
	int r = model_check(CHECK_LABEL_NAME, tier, err);

	if (r < 0)
		return err_prefix(err, r, "spec.tier");
	*ret = xstrdup(tier);
	return 0;
}

static int compile_types(const struct policy_spec *spec, struct compiled_policy *policy,
			 struct err *err)
{
	unsigned int directions = policy_directions(spec);

	for (size_t i = 0; i < spec->types.n; i++)
		if (strcmp(spec->types.v[i], "Ingress") != 0 &&
		    strcmp(spec->types.v[i], "Egress") != 0)
			return err_set(err, -EINVAL,
				       "spec.types[%zu]: \"%.64s\" must be Ingress or Egress", i,
				       spec->types.v[i]);
	policy->applies[POLICY_WAY_INGRESS] = directions & POLICY_INGRESS;
	policy->applies[POLICY_WAY_EGRESS] = directions & POLICY_EGRESS;
	return 0;
}

static int compile_selector(const struct policy_spec *spec, const char *namespace, char **ret,
			    struct err *err)
{
	_cleanup_(selector_freep) struct selector *selector = NULL;
	int r = policy_selector_of_spec(spec, namespace, &selector, err);

	if (r < 0)
		return r;
	*ret = xstrdup(selector_text(selector));
	return 0;
}

static int compile_spec(const struct policy_spec *spec, const char *namespace,
			struct compiled_policy *policy, struct err *err)
{
	int r = compile_tier(spec, &policy->tier, err);

	if (r == 0)
		r = compile_types(spec, policy, err);
	if (r == 0)
		r = compile_selector(spec, namespace, &policy->selector, err);
	if (r < 0)
		return r;
	policy->order = spec->order.set ? spec->order.v : (double)INFINITY;
	policy->do_not_track = spec->do_not_track.v;
	policy->pre_dnat = spec->pre_dnat.v;
	/* Of a namespaced policy it is always true. */
	policy->apply_on_forward = namespace || spec->apply_on_forward.v;
	compiled_rules_add(policy, POLICY_WAY_INGRESS, &spec->ingress, namespace);
	compiled_rules_add(policy, POLICY_WAY_EGRESS, &spec->egress, namespace);
	return 0;
}

static int compile_policy(const struct object *object, struct compiled_policy *policy,
			  struct err *err)
{
	const struct policy_spec *spec = &as_policy(object)->spec;
	const char *namespace = object->desc->namespaced ? object->meta.namespace : NULL;
	int r;

	if (object->desc->namespaced && (!namespace || !*namespace))
		return err_set(err, -EINVAL, "metadata.namespace: must be there");
	r = compile_spec(spec, namespace, policy, err);
	if (r < 0)
		return r;
	/* On trial is that a policy goes away: there is nothing to evaluate. */
	if (spec->staged_action == STAGED_ACTION_DELETE)
		for (size_t i = 0; i < POLICY_WAYS_; i++)
			policy->applies[i] = false;
	return 0;
}

static void compile_profile(const struct object *object, struct compiled_policy *policy)
{
	const struct profile_spec *spec = &as_profile(object)->spec;

	for (size_t i = 0; i < POLICY_WAYS_; i++)
		policy->applies[i] = true;
	policy->order = (double)INFINITY;
	compiled_rules_add(policy, POLICY_WAY_INGRESS, &spec->ingress, NULL);
	compiled_rules_add(policy, POLICY_WAY_EGRESS, &spec->egress, NULL);
}

static char *join_lines(const struct str_list *lines)
{
	struct buf out = BUF_INIT;

	if (lines->n == 0)
		return NULL;
	for (size_t i = 0; i < lines->n; i++)
		buf_addf(&out, "%s%s", i ? "; " : "", lines->v[i]);
	return buf_take(&out);
}

static int compile_kubernetes(const struct object *object, struct compiled_policy *policy,
			      struct err *err)
{
	_cleanup_(model_freep) struct object *converted = NULL;
	struct str_list problems = {0};
	int r = kubernetes_policy_convert(object, &converted, &problems, err);

	if (r == 0)
		r = compile_policy(converted, policy, err);
	policy->problem = join_lines(&problems);
	for (size_t i = 0; i < problems.n; i++)
		free(problems.v[i]);
	free(problems.v);
	/* Its directions are those it has rules for. */
	if (r == 0 && object->desc->kind == KIND_KUBERNETES_CLUSTER_NETWORK_POLICY)
		for (size_t i = 0; i < POLICY_WAYS_; i++)
			policy->applies[i] = policy->rules[i].n > 0;
	return r;
}

static bool is_staged(const struct object *object)
{
	return object->desc->kind == KIND_STAGED_NETWORK_POLICY ||
	       object->desc->kind == KIND_STAGED_GLOBAL_NETWORK_POLICY ||
	       object->desc->kind == KIND_STAGED_KUBERNETES_NETWORK_POLICY;
}

int compiled_policy_new(const struct object *object, struct compiled_policy **ret, struct err *err)
{
	_cleanup_(compiled_policy_freep) struct compiled_policy *policy =
		XNEW(struct compiled_policy);
	int r = 0;

	policy->key = policy_key(object);
	policy->staged = is_staged(object);
	if (!policy->key)
		return err_set(err, -EINVAL, "%s: not a policy or profile", object->desc->name);
	if (object->desc->kind == KIND_PROFILE)
		compile_profile(object, policy);
	else if (kubernetes_policy_is(object))
		r = compile_kubernetes(object, policy, err);
	else
		r = compile_policy(object, policy, err);
	if (r < 0)
		return err_prefix(err, r, "%s", policy->key);
	*ret = TAKE_PTR(policy);
	return 0;
}
