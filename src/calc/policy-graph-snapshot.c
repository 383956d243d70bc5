/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The whole desired state from the inputs alone, by looking at everything: every policy's selector
 * at every local endpoint, every set's selector at every item. It shares with the increments what
 * an object says (items, compiled policies) and how an endpoint is described, and none of what they
 * remember: no index, no counts, no marks.
 */

#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "calc/policy-graph-internal.h"

struct members {
	struct policy_member *v;
	size_t n;
};

static int compare_members(const void *a, const void *b)
{
	const struct policy_member *x = a;
	const struct policy_member *y = b;
	int order = cidr_compare(&x->net, &y->net);

	if (order == 0)
		order = (x->protocol > y->protocol) - (x->protocol < y->protocol);
	return order ? order : (x->port > y->port) - (x->port < y->port);
}

static void add_port_members(const struct policy_graph *graph, const struct graph_item *item,
			     const struct item_port *port, struct members *out)
{
	for (uint32_t i = 0; i < item->n_addrs; i++) {
		struct policy_member member = *member_table_at(&graph->members, item->addrs[i]);

		if (!cidr_is_host(&member.net))
			continue;
		member.protocol = port->protocol;
		member.port = port->number;
		*ARRAY_ADD(out->v, out->n) = member;
	}
}

static void add_item(const struct policy_graph *graph, const struct graph_item *item,
		     const struct policy_set *set, struct members *out)
{
	const struct item_port *ports = graph_item_ports(item);

	for (uint32_t i = 0; set->type == POLICY_SET_TYPE_NET && i < item->n_addrs; i++)
		*ARRAY_ADD(out->v, out->n) = *member_table_at(&graph->members, item->addrs[i]);
	for (uint32_t i = 0; set->type == POLICY_SET_TYPE_PORT && i < item->n_ports; i++) {
		if (ports[i].protocol == set->protocol &&
		    strcmp(graph_item_port_name(item, &ports[i]), set->port_name) == 0)
			add_port_members(graph, item, &ports[i], out);
	}
}

static void add_items(struct policy_graph *graph, const struct policy_set *set, struct members *out)
{
	_cleanup_(selector_freep) struct selector *selector = NULL;
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	if (!set->selector || selector_compile(set->selector, &selector, NULL) < 0)
		return;
	while ((node = hash_table_walk(&graph->items, &walk))) {
		const struct graph_item *item = CONTAINER_OF(node, struct graph_item, node);

		if (selector_matches(selector, label_index_labels(graph->everyone, &item->label)))
			add_item(graph, item, set, out);
	}
}

static void add_slices(struct policy_graph *graph, const struct policy_set *set,
		       struct members *out)
{
	_cleanup_free_ char *service =
		xasprintf("%s/%s", set->service_namespace, set->service_name);
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	while ((node = hash_table_walk(&graph->slices, &walk))) {
		const struct graph_slice *slice = CONTAINER_OF(node, struct graph_slice, node);

		if (strcmp(slice->service->name, service) != 0)
			continue;
		for (size_t i = 0; i < slice->n_members[set->type]; i++)
			*ARRAY_ADD(out->v, out->n) =
				*member_table_at(&graph->members, slice->members[set->type][i]);
	}
}

static void add_sources(struct policy_graph *graph, enum fixed_set set, struct members *out)
{
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	while ((node = hash_table_walk(&graph->sources, &walk))) {
		const struct graph_source *source = CONTAINER_OF(node, struct graph_source, node);

		for (size_t i = 0; i < source->n_members[set]; i++)
			*ARRAY_ADD(out->v, out->n) =
				*member_table_at(&graph->members, source->members[set][i]);
	}
}

/* Each once, in order, in the memory of the answer. */
static void finish_set(struct policy_graph *graph, const struct policy_set *set,
		       struct members *members, struct policy_set_change *ret)
{
	struct policy_member *added = answer_alloc(&graph->answer, members->n, sizeof(*added));
	size_t n = 0;

	if (members->n)
		qsort(members->v, members->n, sizeof(*members->v), compare_members);
	for (size_t i = 0; i < members->n; i++) {
		if (!n || compare_members(&added[n - 1], &members->v[i]) != 0)
			added[n++] = members->v[i];
	}
	*ret = (struct policy_set_change){.set = set, .is_new = true, .added = added, .n_added = n};
	free(members->v);
}

/* --- Who uses what ---------------------------------------------------------------------------- */

struct use {
	const struct policy_endpoint **endpoints;
	size_t n_endpoints;
	const struct compiled_policy **policies;
	size_t n_policies;
	const struct policy_set **sets;
	size_t n_sets;
};

static void add_policy(struct use *use, const struct compiled_policy *policy)
{
	for (size_t i = 0; i < use->n_policies; i++) {
		if (use->policies[i] == policy)
			return;
	}
	*ARRAY_ADD(use->policies, use->n_policies) = policy;
}

static void add_set(struct use *use, const struct policy_set *set)
{
	for (size_t i = 0; i < use->n_sets; i++) {
		if (strcmp(use->sets[i]->id.s, set->id.s) == 0)
			return;
	}
	*ARRAY_ADD(use->sets, use->n_sets) = set;
}

static void add_policies_of(struct use *use, const struct policy_endpoint *endpoint)
{
	for (unsigned int i = 0; i < POLICY_STAGES_ * POLICY_WAYS_; i++) {
		const struct endpoint_tiers *tiers =
			&endpoint->tiers[i / POLICY_WAYS_][i % POLICY_WAYS_];

		for (size_t j = 0; j < tiers->n; j++) {
			for (size_t k = 0; k < tiers->v[j].n_policies; k++)
				add_policy(use, tiers->v[j].policies[k]);
		}
	}
	for (size_t i = 0; i < endpoint->n_profiles; i++)
		add_policy(use, endpoint->profiles[i]);
}

static bool selects(struct policy_graph *graph, const struct graph_policy *policy,
		    const struct graph_local *local)
{
	return policy->compiled && policy->compiled->selector &&
	       selector_selects(policy->compiled->selector,
				label_index_labels(graph->locals, &local->label));
}

static void add_endpoint(struct policy_graph *graph, const struct graph_local *local,
			 struct use *use)
{
	struct policy_endpoint *endpoint = answer_alloc(&graph->answer, 1, sizeof(*endpoint));
	_cleanup_free_ struct graph_policy **matches = NULL;
	struct hash_table_walk walk = {0};
	struct hash_node *node;
	size_t n = 0;

	while ((node = hash_table_walk(&graph->policies, &walk))) {
		struct graph_policy *policy = CONTAINER_OF(node, struct graph_policy, node);

		if (selects(graph, policy, local))
			*ARRAY_ADD(matches, n) = policy;
	}
	graph_describe_local(graph, local, matches, n, endpoint);
	*ARRAY_ADD(use->endpoints, use->n_endpoints) = endpoint;
	add_policies_of(use, endpoint);
}

/* --- All of it -------------------------------------------------------------------------------- */

static void snapshot_sets(struct policy_graph *graph, const struct use *use,
			  struct policy_update *update)
{
	struct policy_set_change *changes =
		answer_alloc(&graph->answer, use->n_sets + FIXED_SETS_, sizeof(*changes));

	for (size_t i = 0; i < use->n_sets; i++) {
		struct members members = {0};

		if (use->sets[i]->service_name)
			add_slices(graph, use->sets[i], &members);
		else
			add_items(graph, use->sets[i], &members);
		finish_set(graph, use->sets[i], &members, &changes[update->n_sets++]);
	}
	for (unsigned int i = 0; i < FIXED_SETS_; i++) {
		struct members members = {0};

		add_sources(graph, i, &members);
		finish_set(graph, &graph->fixed[i]->set, &members, &changes[update->n_sets++]);
	}
	update->sets = changes;
}

static void *keep(struct policy_graph *graph, void *v, size_t n, size_t size)
{
	void *copy = answer_alloc(&graph->answer, n, size);

	if (n)
		memcpy(copy, v, n * size);
	free(v);
	return copy;
}

void graph_snapshot(struct policy_graph *graph, struct policy_update *update)
{
	struct graph_local *local;
	struct use use = {0};

	DL_FOREACH(graph->local_list, local)
	{
		if (local->exists)
			add_endpoint(graph, local, &use);
	}
	for (size_t i = 0; i < use.n_policies; i++) {
		for (size_t j = 0; j < use.policies[i]->n_sets; j++)
			add_set(&use, &use.policies[i]->sets[j]);
	}
	snapshot_sets(graph, &use, update);
	free(use.sets);
	update->n_endpoints = use.n_endpoints;
	update->endpoints = keep(graph, use.endpoints, use.n_endpoints, sizeof(const void *));
	update->n_policies = use.n_policies;
	update->policies = keep(graph, use.policies, use.n_policies, sizeof(const void *));
}
