/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Policies of all kinds, profiles and tiers. A policy hangs with its selector in the index of the
 * local endpoints; it becomes active, with its sets, when one of them uses it. Of a policy that
 * can't be understood the last good version stays, with what is wrong kept beside it.
 *
 * A profile that an endpoint names and nobody has made denies everything, so that traffic waits for
 * the profile and does not pass in its place by the rules of another one.
 */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "calc/policy-graph-internal.h"
#include "model/kinds-policy.h"
#include "policy/kubernetes-policy.h"

#define PROFILE_PREFIX	      "pro/"
#define PROFILE_DEFAULT_ALLOW "projectcalico-default-allow"

/* --- Tiers ------------------------------------------------------------------------------------ */

static struct graph_tier *find_tier(const struct policy_graph *graph, const char *name)
{
	struct hash_node *node = hash_table_find(&graph->tiers, hash_string(0, name));

	while (node && strcmp(CONTAINER_OF(node, struct graph_tier, node)->name, name) != 0)
		node = hash_table_find_next(node);
	return node ? CONTAINER_OF(node, struct graph_tier, node) : NULL;
}

/* What it is without an object. */
static void reset_tier(struct graph_tier *tier)
{
	const struct builtin_tier *builtin = builtin_tier_find(tier->name);

	tier->has_object = false;
	tier->exists = builtin;
	tier->order = builtin ? builtin->order : (double)INFINITY;
	tier->pass = builtin && builtin->pass;
}

static struct graph_tier *get_tier(struct policy_graph *graph, const char *name)
{
	struct graph_tier *tier = find_tier(graph, name);

	if (!tier) {
		size_t size = strlen(name) + 1;

		tier = xcalloc(1, sizeof(*tier) + size);
		memcpy(tier->name, name, size);
		reset_tier(tier);
		hash_table_add(&graph->tiers, &tier->node, hash_string(0, name));
	}
	return tier;
}

static void drop_idle_tier(struct policy_graph *graph, struct graph_tier *tier)
{
	if (tier->has_object || tier->n_policies)
		return;
	hash_table_remove(&graph->tiers, &tier->node);
	free(tier);
}

void graph_put_tier(struct policy_graph *graph, const struct object *object)
{
	const struct tier_spec *spec = &as_tier(object)->spec;
	struct graph_tier *tier = get_tier(graph, object->meta.name);

	reset_tier(tier);
	tier->has_object = true;
	tier->exists = true;
	if (spec->order.set)
		tier->order = spec->order.v;
	if (spec->default_action != TIER_DEFAULT_ACTION_UNSET)
		tier->pass = spec->default_action == TIER_DEFAULT_ACTION_PASS;
	graph_mark_all_locals(graph);
}

void graph_remove_tier(struct policy_graph *graph, const char *name)
{
	struct graph_tier *tier = find_tier(graph, name);

	if (!tier)
		return;
	reset_tier(tier);
	graph_mark_all_locals(graph);
	drop_idle_tier(graph, tier);
}

static int compare_orders(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare_tiers(const struct graph_tier *a, const struct graph_tier *b)
{
	int order;

	if (a->exists != b->exists)
		return a->exists ? -1 : 1;
	order = compare_orders(a->order, b->order);
	return order ? order : strcmp(a->name, b->name);
}

int graph_compare_policies(const void *a, const void *b)
{
	const struct graph_policy *x = *(const struct graph_policy *const *)a;
	const struct graph_policy *y = *(const struct graph_policy *const *)b;
	int order;

	if (x->tier != y->tier)
		return compare_tiers(x->tier, y->tier);
	order = compare_orders(x->compiled->order, y->compiled->order);
	return order ? order : strcmp(x->sort_name, y->sort_name);
}

/* --- Records ---------------------------------------------------------------------------------- */

static void mark_policy(struct policy_graph *graph, struct graph_policy *policy)
{
	if (policy->dirty)
		return;
	policy->dirty = true;
	policy->next_dirty = graph->dirty_policies;
	graph->dirty_policies = policy;
}

static struct graph_policy *find_policy(const struct policy_graph *graph, const char *key)
{
	struct hash_node *node = hash_table_find(&graph->policies, hash_string(0, key));

	while (node && strcmp(CONTAINER_OF(node, struct graph_policy, node)->key, key) != 0)
		node = hash_table_find_next(node);
	return node ? CONTAINER_OF(node, struct graph_policy, node) : NULL;
}

bool policy_graph_has(const struct policy_graph *graph, const char *key)
{
	const struct graph_policy *policy = find_policy(graph, key);

	return policy && policy->has_object;
}

static struct graph_policy *get_policy(struct policy_graph *graph, const char *key)
{
	struct graph_policy *policy = find_policy(graph, key);

	if (!policy) {
		size_t size = strlen(key) + 1;

		policy = xcalloc(1, sizeof(*policy) + size);
		memcpy(policy->key, key, size);
		hash_table_add(&graph->policies, &policy->node, hash_string(0, key));
	}
	return policy;
}

/* Gives way to 'given' (may be NULL); what is active lives on until the flush. */
static void replace_compiled(struct graph_policy *policy, struct compiled_policy *given)
{
	if (policy->compiled != policy->active)
		(void)compiled_policy_free(policy->compiled);
	policy->compiled = given;
}

static void set_tier_of(struct policy_graph *graph, struct graph_policy *policy, const char *name)
{
	struct graph_tier *old = policy->tier;

	policy->tier = name ? get_tier(graph, name) : NULL;
	if (policy->tier)
		policy->tier->n_policies++;
	if (old) {
		old->n_policies--;
		drop_idle_tier(graph, old);
	}
}

static void drop_selector(struct policy_graph *graph, struct graph_policy *policy)
{
	if (!policy->selector)
		return;
	label_index_remove_query(graph->locals, &policy->query, /* tell= */ true);
	policy->selector = selector_free(policy->selector);
}

void graph_policy_free(struct policy_graph *graph, struct graph_policy *policy)
{
	drop_selector(graph, policy);
	set_tier_of(graph, policy, NULL);
	hash_table_remove(&graph->policies, &policy->node);
	replace_compiled(policy, NULL);
	(void)compiled_policy_free(policy->active);
	free(policy->matches);
	free(policy->sort_name);
	free(policy->problem);
	(void)model_free(policy->derived);
	free(policy);
}

/* --- Profiles --------------------------------------------------------------------------------- */

static void set_only_rule(struct rule_list *rules, enum rule_action action)
{
	rules->v = xcalloc(1, sizeof(*rules->v));
	rules->v->action = action;
	rules->n = 1;
	rules->set = true;
}

/* What a profile without an object does. */
static struct compiled_policy *compile_missing(const char *name)
{
	bool allow = strcmp(name, PROFILE_DEFAULT_ALLOW) == 0;
	_cleanup_(model_freep) struct object *object = model_new(KIND_PROFILE, NULL, name);
	struct compiled_policy *compiled = NULL;
	int r;

	set_only_rule(&as_profile(object)->spec.ingress,
		      allow ? RULE_ACTION_ALLOW : RULE_ACTION_DENY);
	set_only_rule(&as_profile(object)->spec.egress,
		      allow ? RULE_ACTION_ALLOW : RULE_ACTION_DENY);
	r = compiled_policy_new(object, &compiled, NULL);
	assert(r == 0);
	return compiled;
}

struct graph_policy *graph_get_profile(struct policy_graph *graph, const char *name)
{
	_cleanup_free_ char *key = xasprintf(PROFILE_PREFIX "%s", name);
	struct graph_policy *policy = get_policy(graph, key);

	if (!policy->compiled) {
		policy->compiled = compile_missing(name);
		graph->n_problem_changes++;
		policy->missing = !policy->has_object && strcmp(name, PROFILE_DEFAULT_ALLOW) != 0;
		mark_policy(graph, policy);
	}
	return policy;
}

static void set_parent(struct policy_graph *graph, const char *name, const struct str_map *labels)
{
	label_index_put_parent(graph->everyone, name, labels);
	label_index_put_parent(graph->locals, name, labels);
}

/* --- Put and remove --------------------------------------------------------------------------- */

static char *make_sort_name(const struct object *object)
{
	return xasprintf("%s/%s/%s", object->meta.name,
			 object->meta.namespace ? object->meta.namespace : "", object->desc->name);
}

static bool same_selector(const struct graph_policy *policy, const char *selector)
{
	return policy->selector && strcmp(policy->compiled->selector, selector) == 0;
}

/* Does it act in the same places and order? Then the endpoints need not be told. */
static bool acts_alike(const struct compiled_policy *a, const struct compiled_policy *b)
{
	if (!a->tier || !b->tier)
		return false;
	return strcmp(a->tier, b->tier) == 0 && compare_orders(a->order, b->order) == 0 &&
	       a->staged == b->staged && a->do_not_track == b->do_not_track &&
	       a->pre_dnat == b->pre_dnat && a->apply_on_forward == b->apply_on_forward &&
	       memcmp(a->applies, b->applies, sizeof(a->applies)) == 0;
}

/* Takes 'compiled'. Its selector is canonical, so it can be compiled. */
static void set_version(struct policy_graph *graph, struct graph_policy *policy,
			struct compiled_policy *compiled)
{
	bool keep = compiled->selector && same_selector(policy, compiled->selector);
	bool alike = policy->compiled && acts_alike(policy->compiled, compiled);

	if (!keep)
		drop_selector(graph, policy);
	replace_compiled(policy, compiled);
	set_tier_of(graph, policy, compiled->tier);
	if (compiled->selector && !keep &&
	    selector_compile(compiled->selector, &policy->selector, NULL) == 0)
		label_index_add_query(graph->locals, &policy->query, policy->selector);
	for (size_t i = 0; !alike && i < policy->n_matches; i++)
		graph_mark_local(graph, policy->matches[i]);
	mark_policy(graph, policy);
}

static int understand(struct graph_policy *policy, const struct object *object,
		      struct compiled_policy **ret, struct err *err)
{
	struct err why = ERR_INIT;
	int r = compiled_policy_new(object, ret, &why);

	policy->has_object = true;
	replace_str(&policy->problem, r < 0 ? xstrdup(why.msg) : NULL);
	if (r < 0)
		return err_set(err, r, "%s", why.msg);
	return 0;
}

static int put_version(struct policy_graph *graph, struct graph_policy *policy,
		       const struct object *object, struct err *err)
{
	_cleanup_(compiled_policy_freep) struct compiled_policy *compiled = NULL;
	int r = understand(policy, object, &compiled, err);

	graph->n_problem_changes++;
	if (r < 0)
		return r;
	if (!policy->sort_name)
		policy->sort_name = make_sort_name(object);
	if (object->desc->kind == KIND_PROFILE)
		set_parent(graph, object->meta.name, &as_profile(object)->spec.labels_to_apply);
	policy->missing = false;
	if (!policy->compiled || !compiled_policy_equal(policy->compiled, compiled))
		set_version(graph, policy, TAKE_PTR(compiled));
	return 0;
}

static void remove_version(struct policy_graph *graph, struct graph_policy *policy)
{
	const char *profile = NULL;

	if (strncmp(policy->key, PROFILE_PREFIX, strlen(PROFILE_PREFIX)) == 0)
		profile = policy->key + strlen(PROFILE_PREFIX);
	policy->has_object = false;
	graph->n_problem_changes++;
	replace_str(&policy->problem, NULL);
	drop_selector(graph, policy);
	set_tier_of(graph, policy, NULL);
	replace_compiled(policy, NULL);
	if (profile)
		set_parent(graph, profile, NULL);
	if (profile && policy->n_users)
		(void)graph_get_profile(graph, profile);
	mark_policy(graph, policy);
}

int graph_put_policy(struct policy_graph *graph, const struct object *object, struct err *err)
{
	_cleanup_free_ char *key = policy_key(object);
	struct graph_policy *policy;

	if (!key)
		return 0;
	policy = get_policy(graph, key);
	policy->has_own = true;
	return put_version(graph, policy, object, err);
}

static char *make_key(enum kind kind, const char *namespace, const char *name)
{
	_cleanup_(model_freep) struct object *object = model_new(kind, namespace, name);

	return policy_key(object);
}

void graph_remove_policy(struct policy_graph *graph, enum kind kind, const char *namespace,
			 const char *name)
{
	_cleanup_free_ char *key = make_key(kind, namespace, name);
	struct graph_policy *policy = key ? find_policy(graph, key) : NULL;

	if (!policy || !policy->has_own)
		return;
	policy->has_own = false;
	if (!policy->derived || put_version(graph, policy, policy->derived, NULL) < 0)
		remove_version(graph, policy);
}

/* --- Profiles of namespaces and service accounts ---------------------------------------------- */

static char *make_derived_key(enum kind kind, const char *namespace, const char *name)
{
	if (kind == KIND_NAMESPACE)
		return xasprintf(PROFILE_PREFIX KUBERNETES_NAMESPACE_PROFILE "%s", name);
	return xasprintf(PROFILE_PREFIX KUBERNETES_ACCOUNT_PROFILE "%s.%s", namespace, name);
}

int graph_put_derived(struct policy_graph *graph, const struct object *object, struct err *err)
{
	enum kind kind = object->desc->kind;
	_cleanup_free_ char *key =
		make_derived_key(kind, object->meta.namespace, object->meta.name);
	struct graph_policy *policy = get_policy(graph, key);

	(void)model_free(policy->derived);
	policy->derived = kind == KIND_NAMESPACE ? kubernetes_namespace_profile(object)
						 : kubernetes_account_profile(object);
	return policy->has_own ? 0 : put_version(graph, policy, policy->derived, err);
}

void graph_remove_derived(struct policy_graph *graph, enum kind kind, const char *namespace,
			  const char *name)
{
	_cleanup_free_ char *key = make_derived_key(kind, namespace, name);
	struct graph_policy *policy = find_policy(graph, key);

	if (!policy || !policy->derived)
		return;
	policy->derived = model_free(policy->derived);
	if (!policy->has_own)
		remove_version(graph, policy);
}

/* --- Matches ---------------------------------------------------------------------------------- */

static void remove_match(struct graph_policy *policy, struct graph_local *local)
{
	size_t i = 0;
	size_t j = 0;

	while (policy->matches[i] != local)
		i++;
	policy->matches[i] = policy->matches[--policy->n_matches];
	while (local->matches[j] != policy)
		j++;
	local->matches[j] = local->matches[--local->n_matches];
}

void graph_on_policy_match(void *graph, struct label_query *query, struct label_item *item,
			   bool matches)
{
	struct graph_policy *policy = CONTAINER_OF(query, struct graph_policy, query);
	struct graph_local *local = CONTAINER_OF(item, struct graph_local, label);

	if (matches) {
		*ARRAY_ADD(policy->matches, policy->n_matches) = local;
		*ARRAY_ADD(local->matches, local->n_matches) = policy;
	} else {
		remove_match(policy, local);
	}
	graph_mark_local(graph, local);
}

void graph_use_policy(struct policy_graph *graph, struct graph_policy *policy)
{
	if (policy->missing)
		graph->n_problem_changes++;
	if (!policy->n_users++)
		mark_policy(graph, policy);
}

void graph_unuse_policy(struct policy_graph *graph, struct graph_policy *policy)
{
	if (policy->missing)
		graph->n_problem_changes++;
	if (!--policy->n_users)
		mark_policy(graph, policy);
}

/* --- Flush ------------------------------------------------------------------------------------ */

static void use_sets(struct policy_graph *graph, const struct compiled_policy *compiled)
{
	for (size_t i = 0; compiled && i < compiled->n_sets; i++)
		(void)graph_use_set(graph, &compiled->sets[i]);
}

static void unuse_sets(struct policy_graph *graph, const struct compiled_policy *compiled)
{
	for (size_t i = 0; compiled && i < compiled->n_sets; i++)
		graph_unuse_set(graph, &compiled->sets[i].id);
}

/* True: there is a new version. */
static bool activate(struct policy_graph *graph, struct graph_policy *policy,
		     struct compiled_policy *wanted)
{
	struct compiled_policy *old = policy->active;

	if (old == wanted)
		return false;
	use_sets(graph, wanted);
	unuse_sets(graph, old);
	if (old != policy->compiled)
		(void)compiled_policy_free(old);
	policy->active = wanted;
	return wanted;
}

static void flush_policy(struct policy_graph *graph, struct graph_policy *policy,
			 struct policy_update *update, const struct compiled_policy **policies,
			 const char **gone)
{
	bool used = policy->n_users;

	policy->dirty = false;
	if (activate(graph, policy, used ? policy->compiled : NULL))
		policies[update->n_policies++] = policy->active;
	if (policy->emitted && !used)
		gone[update->n_policies_gone++] = answer_strdup(&graph->answer, policy->key);
	policy->emitted = used;
	if (!used && !policy->has_object)
		graph_policy_free(graph, policy);
}

void graph_flush_policies(struct policy_graph *graph, struct policy_update *update)
{
	const struct compiled_policy **policies;
	const char **gone;
	size_t n = 0;

	for (struct graph_policy *i = graph->dirty_policies; i; i = i->next_dirty)
		n++;
	policies = answer_alloc(&graph->answer, n, sizeof(const void *));
	gone = answer_alloc(&graph->answer, n, sizeof(const void *));
	update->policies = policies;
	update->policies_gone = gone;
	while (graph->dirty_policies) {
		struct graph_policy *policy = graph->dirty_policies;

		graph->dirty_policies = policy->next_dirty;
		flush_policy(graph, policy, update, policies, gone);
	}
}
