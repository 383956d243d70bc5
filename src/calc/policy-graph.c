/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The graph's front: kinds to their handlers, the flush in its order, the memory of answers.
 *
 * A put changes records and marks; nothing is decided before the flush, which goes down:
 *
 *	locals		who uses which policies, in which order
 *	policies	those used become active, their sets used
 *	sets		those used exist, and what has come and gone of their members
 *
 * What is taken out of use is so in the same flush, after what takes its place is in.
 */

#include "calc/policy-graph.h"

#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "calc/policy-graph-internal.h"

#define ANSWER_BLOCK_SIZE 16384u

/* --- Memory of answers ------------------------------------------------------------------------ */

void *answer_alloc(struct answer_memory *memory, size_t n, size_t size)
{
	size_t total = (n * size + 15) & ~(size_t)15;
	void *at;

	assert(n <= SIZE_MAX / 2 / (size ? size : 1));
	if (!total)
		return NULL;
	if (total > ANSWER_BLOCK_SIZE / 4) {
		at = xcalloc(n, size);
		*ARRAY_ADD(memory->blocks, memory->n_blocks) = at;
		return at;
	}
	if (total > memory->n_left || !memory->at) {
		memory->at = xcalloc(1, ANSWER_BLOCK_SIZE);
		memory->n_left = ANSWER_BLOCK_SIZE;
		*ARRAY_ADD(memory->blocks, memory->n_blocks) = memory->at;
	}
	at = memory->at;
	memory->at += total;
	memory->n_left -= total;
	return at;
}

char *answer_strdup(struct answer_memory *memory, const char *s)
{
	size_t size = s ? strlen(s) + 1 : 0;

	return s ? memcpy(answer_alloc(memory, size, 1), s, size) : NULL;
}

void answer_memory_deinit(struct answer_memory *memory)
{
	for (size_t i = 0; i < memory->n_blocks; i++)
		free(memory->blocks[i]);
	free(memory->blocks);
	*memory = (struct answer_memory){0};
}

/* --- Inputs ----------------------------------------------------------------------------------- */

static int put_tier(struct policy_graph *graph, const struct object *object, struct err *err)
{
	(void)err;
	graph_put_tier(graph, object);
	return 0;
}

static void remove_tier(struct policy_graph *graph, enum kind kind, const char *namespace,
			const char *name)
{
	(void)kind;
	(void)namespace;
	graph_remove_tier(graph, name);
}

static void remove_source(struct policy_graph *graph, enum kind kind, const char *namespace,
			  const char *name)
{
	(void)namespace;
	graph_remove_source(graph, kind, name);
}

static const struct input {
	enum kind kind;
	int (*put)(struct policy_graph *graph, const struct object *object, struct err *err);
	void (*remove)(struct policy_graph *graph, enum kind kind, const char *namespace,
		       const char *name);
} inputs[] = {
	{KIND_WORKLOAD_ENDPOINT, graph_put_workload, graph_remove_item},
	{KIND_HOST_ENDPOINT, graph_put_host, graph_remove_item},
	{KIND_NETWORK_SET, graph_put_network_set, graph_remove_item},
	{KIND_GLOBAL_NETWORK_SET, graph_put_network_set, graph_remove_item},
	{KIND_TIER, put_tier, remove_tier},
	{KIND_NODE, graph_put_source, remove_source},
	{KIND_IP_POOL, graph_put_source, remove_source},
	{KIND_KUBERNETES_ENDPOINT_SLICE, graph_put_slice, graph_remove_slice},
	{KIND_NAMESPACE, graph_put_derived, graph_remove_derived},
	{KIND_SERVICE_ACCOUNT, graph_put_derived, graph_remove_derived},
};

/* What is no other input may be a policy: that is for policy_key() to say. */
static const struct input policy_input = {
	.put = graph_put_policy,
	.remove = graph_remove_policy,
};

static const struct input *find_input(enum kind kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		if (inputs[i].kind == kind)
			return &inputs[i];
	}
	return &policy_input;
}

int policy_graph_put(struct policy_graph *graph, const struct object *object, struct err *err)
{
	int r;

	answer_memory_deinit(&graph->answer);
	r = find_input(object->desc->kind)->put(graph, object, err);
	if (r < 0)
		return err_prefix(err, r, "%s %s%s%s", object->desc->name,
				  object->meta.namespace ? object->meta.namespace : "",
				  object->meta.namespace ? "/" : "", object->meta.name);
	return 0;
}

void policy_graph_remove(struct policy_graph *graph, enum kind kind, const char *namespace,
			 const char *name)
{
	answer_memory_deinit(&graph->answer);
	find_input(kind)->remove(graph, kind, namespace, name);
}

/* --- Outputs ---------------------------------------------------------------------------------- */

void policy_graph_flush(struct policy_graph *graph, struct policy_update *ret)
{
	answer_memory_deinit(&graph->answer);
	*ret = (struct policy_update){0};
	graph_flush_locals(graph, ret);
	graph_flush_policies(graph, ret);
	graph_flush_sets(graph, ret);
}

void policy_graph_snapshot(struct policy_graph *graph, struct policy_update *ret)
{
	answer_memory_deinit(&graph->answer);
	*ret = (struct policy_update){0};
	graph_snapshot(graph, ret);
}

static void add_problem(struct policy_graph *graph, struct policy_problem **v, size_t *n,
			const struct graph_policy *policy, const char *why)
{
	struct policy_problem *problem = &(*v)[(*n)++];

	problem->key = answer_strdup(&graph->answer, policy->key);
	problem->why = answer_strdup(&graph->answer, why);
}

/* How many of the policy's rules can't be understood; with 'v' they are added. */
static size_t list_rules(struct policy_graph *graph, struct policy_problem **v, size_t *n,
			 const struct graph_policy *policy)
{
	size_t n_rules = 0;

	for (unsigned int way = 0; policy->compiled && way < POLICY_WAYS_; way++) {
		const struct compiled_rules *rules = &policy->compiled->rules[way];

		for (size_t i = 0; i < rules->n; i++) {
			if (!rules->v[i].unreadable)
				continue;
			n_rules++;
			if (v)
				add_problem(graph, v, n, policy,
					    rules->v[i].why ? rules->v[i].why : "unreadable");
		}
	}
	return n_rules;
}

static size_t list_policy(struct policy_graph *graph, struct policy_problem **v, size_t *n,
			  const struct graph_policy *policy)
{
	const char *why = policy->problem;

	if (!why && policy->missing && policy->n_users)
		why = "no such profile, and an endpoint of this node names it: it denies everything";
	if (!why && policy->compiled)
		why = policy->compiled->problem;
	if (why && v)
		add_problem(graph, v, n, policy, why);
	return !!why + list_rules(graph, v, n, policy);
}

static size_t list_problems(struct policy_graph *graph, struct policy_problem **v, size_t *n)
{
	struct hash_table_walk walk = {0};
	struct hash_node *node;
	size_t total = 0;

	while ((node = hash_table_walk(&graph->policies, &walk)))
		total += list_policy(graph, v, n, CONTAINER_OF(node, struct graph_policy, node));
	return total;
}

void policy_graph_problems(struct policy_graph *graph, const struct policy_problem **ret,
			   size_t *ret_n)
{
	struct policy_problem *v;

	answer_memory_deinit(&graph->answer);
	v = answer_alloc(&graph->answer, list_problems(graph, NULL, NULL), sizeof(*v));
	*ret_n = 0;
	(void)list_problems(graph, &v, ret_n);
	*ret = v;
}

uint64_t policy_graph_problem_changes(const struct policy_graph *graph)
{
	return graph->n_problem_changes;
}

/* --- The graph -------------------------------------------------------------------------------- */

struct policy_graph *policy_graph_new(const char *node_name)
{
	struct policy_graph *graph = XNEW(struct policy_graph);

	graph->node_name = xstrdup(node_name);
	graph->everyone = label_index_new(graph_on_set_match, graph);
	graph->locals = label_index_new(graph_on_policy_match, graph);
	graph_add_fixed_sets(graph);
	return graph;
}

static void free_policies(struct policy_graph *graph)
{
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	while ((node = hash_table_walk(&graph->policies, &walk)))
		graph_policy_free(graph, CONTAINER_OF(node, struct graph_policy, node));
	walk = (struct hash_table_walk){0};
	while ((node = hash_table_walk(&graph->tiers, &walk)))
		free(CONTAINER_OF(node, struct graph_tier, node));
	hash_table_deinit(&graph->policies);
	hash_table_deinit(&graph->tiers);
}

static void free_sets(struct policy_graph *graph)
{
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	while ((node = hash_table_walk(&graph->sets, &walk)))
		graph_set_free(graph, CONTAINER_OF(node, struct graph_set, node));
	walk = (struct hash_table_walk){0};
	while ((node = hash_table_walk(&graph->sources, &walk)))
		graph_source_free(CONTAINER_OF(node, struct graph_source, node));
	graph_free_services(graph);
	hash_table_deinit(&graph->sets);
	hash_table_deinit(&graph->sources);
}

static void free_items(struct policy_graph *graph)
{
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	while ((node = hash_table_walk(&graph->items, &walk)))
		graph_item_free(CONTAINER_OF(node, struct graph_item, node));
	hash_table_deinit(&graph->items);
}

struct policy_graph *policy_graph_free(struct policy_graph *graph)
{
	struct graph_local *local;
	struct graph_local *next;

	if (!graph)
		return NULL;
	free_policies(graph);
	free_sets(graph);
	graph->locals = label_index_free(graph->locals);
	graph->everyone = label_index_free(graph->everyone);
	free_items(graph);
	DL_FOREACH_SAFE(graph->local_list, local, next)
	{
		graph_local_free(graph, local);
	}
	member_table_deinit(&graph->members);
	answer_memory_deinit(&graph->answer);
	free(graph->addrs);
	free(graph->labels);
	free(graph->node_name);
	free(graph);
	return NULL;
}
