/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The sets that active policies use. A set hangs with its selector in the index of everyone; each
 * item that matches counts its addresses in, so an address that two items have leaves with the
 * second of them.
 */

#include <string.h>

#include "base/alloc.h"
#include "calc/policy-graph-internal.h"

static void mark_set(struct policy_graph *graph, struct graph_set *set)
{
	if (set->dirty)
		return;
	set->dirty = true;
	set->next_dirty = graph->dirty_sets;
	graph->dirty_sets = set;
}

static struct graph_set *find_set(const struct policy_graph *graph, const struct policy_set_id *id)
{
	struct hash_node *node = hash_table_find(&graph->sets, hash_string(0, id->s));

	while (node && strcmp(CONTAINER_OF(node, struct graph_set, node)->set.id.s, id->s) != 0)
		node = hash_table_find_next(node);
	return node ? CONTAINER_OF(node, struct graph_set, node) : NULL;
}

static struct graph_set *new_set(struct policy_graph *graph, const struct policy_set *set)
{
	struct graph_set *new = XNEW(struct graph_set);

	new->set = (struct policy_set){
		.id = set->id,
		.type = set->type,
		.selector = xstrdup(set->selector),
		.port_name = xstrdup(set->port_name),
		.protocol = set->protocol,
		.service_namespace = xstrdup(set->service_namespace),
		.service_name = xstrdup(set->service_name),
	};
	new->is_new = true;
	hash_table_add(&graph->sets, &new->node, hash_string(0, set->id.s));
	mark_set(graph, new);
	/* The text is canonical, so it can be compiled. */
	if (set->selector && selector_compile(set->selector, &new->selector, NULL) == 0)
		label_index_add_query(graph->everyone, &new->query, new->selector);
	if (set->service_name)
		graph_attach_set(graph, new);
	return new;
}

void graph_set_free(struct policy_graph *graph, struct graph_set *set)
{
	if (set->selector)
		label_index_remove_query(graph->everyone, &set->query, /* tell= */ false);
	graph_detach_set(graph, set);
	hash_table_remove(&graph->sets, &set->node);
	member_counts_deinit(&set->counts, &graph->members);
	(void)selector_free(set->selector);
	free(set->set.selector);
	free(set->set.port_name);
	free(set->set.service_namespace);
	free(set->set.service_name);
	free(set);
}

struct graph_set *graph_use_set(struct policy_graph *graph, const struct policy_set *set)
{
	struct graph_set *found = find_set(graph, &set->id);

	if (!found)
		found = new_set(graph, set);
	found->n_users++;
	return found;
}

void graph_unuse_set(struct policy_graph *graph, const struct policy_set_id *id)
{
	struct graph_set *set = find_set(graph, id);

	assert(set && set->n_users);
	if (!--set->n_users)
		mark_set(graph, set);
}

/* --- Members ---------------------------------------------------------------------------------- */

void graph_add_member(struct policy_graph *graph, struct graph_set *set, uint32_t id)
{
	if (member_counts_add(&set->counts, &graph->members, id))
		mark_set(graph, set);
}

void graph_remove_member(struct policy_graph *graph, struct graph_set *set, uint32_t id)
{
	if (member_counts_remove(&set->counts, id))
		mark_set(graph, set);
}

static void count_member(struct policy_graph *graph, struct graph_set *set, uint32_t id, bool add)
{
	if (add)
		graph_add_member(graph, set, id);
	else
		graph_remove_member(graph, set, id);
}

static void count_port(struct policy_graph *graph, struct graph_set *set,
		       const struct graph_item *item, const struct item_port *port, bool add)
{
	for (uint32_t i = 0; i < item->n_addrs; i++) {
		struct policy_member member = *member_table_at(&graph->members, item->addrs[i]);
		uint32_t id;

		if (!cidr_is_host(&member.net))
			continue;
		member.protocol = port->protocol;
		member.port = port->number;
		id = member_table_get(&graph->members, &member);
		count_member(graph, set, id, add);
		member_table_unref(&graph->members, id);
	}
}

void graph_on_set_match(void *graph, struct label_query *query, struct label_item *item,
			bool matches)
{
	struct graph_set *set = CONTAINER_OF(query, struct graph_set, query);
	const struct graph_item *from = CONTAINER_OF(item, struct graph_item, label);
	const struct item_port *ports = graph_item_ports(from);

	if (set->set.type == POLICY_SET_TYPE_NET) {
		for (uint32_t i = 0; i < from->n_addrs; i++)
			count_member(graph, set, from->addrs[i], matches);
		return;
	}
	for (uint32_t i = 0; i < from->n_ports; i++) {
		if (ports[i].protocol == set->set.protocol &&
		    strcmp(graph_item_port_name(from, &ports[i]), set->set.port_name) == 0)
			count_port(graph, set, from, &ports[i], matches);
	}
}

/* --- Flush ------------------------------------------------------------------------------------ */

static void tell_change(struct policy_graph *graph, struct graph_set *set,
			struct policy_set_change *change)
{
	size_t n = set->counts.n_pending;
	struct policy_member *added = answer_alloc(&graph->answer, n, sizeof(*added));
	struct policy_member *removed = answer_alloc(&graph->answer, n, sizeof(*removed));

	*change = (struct policy_set_change){
		.set = &set->set, .is_new = set->is_new, .added = added, .removed = removed};
	member_counts_flush(&set->counts, &graph->members, added, &change->n_added, removed,
			    &change->n_removed);
	set->is_new = false;
}

static void flush_set(struct policy_graph *graph, struct graph_set *set,
		      struct policy_update *update, struct policy_set_change *changes,
		      struct policy_set_id *gone)
{
	struct policy_set_change *change = &changes[update->n_sets];

	set->dirty = false;
	if (!set->n_users) {
		if (!set->is_new)
			gone[update->n_sets_gone++] = set->set.id;
		graph_set_free(graph, set);
		return;
	}
	tell_change(graph, set, change);
	if (change->is_new || change->n_added || change->n_removed)
		update->n_sets++;
}

void graph_flush_sets(struct policy_graph *graph, struct policy_update *update)
{
	struct policy_set_change *changes;
	struct policy_set_id *gone;
	size_t n = 0;

	for (struct graph_set *set = graph->dirty_sets; set; set = set->next_dirty)
		n++;
	changes = answer_alloc(&graph->answer, n, sizeof(*changes));
	gone = answer_alloc(&graph->answer, n, sizeof(*gone));
	update->sets = changes;
	update->sets_gone = gone;
	while (graph->dirty_sets) {
		struct graph_set *set = graph->dirty_sets;

		graph->dirty_sets = set->next_dirty;
		flush_set(graph, set, update, changes, gone);
	}
}
