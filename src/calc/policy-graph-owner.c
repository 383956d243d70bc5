/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whose an address or a log line is. Asked for seldom and for many at a time, so there is no index
 * for it: one look at all items answers all questions.
 */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "calc/policy-graph-internal.h"
#include "policy/policy-log.h"

struct question {
	struct hash_node node;
	struct policy_owner *owner;
};

/* A pod before a host before a set; of sets the narrowest, of equals the first by name. */
static int rank_of(enum kind kind)
{
	return kind == KIND_WORKLOAD_ENDPOINT ? 3 : kind == KIND_HOST_ENDPOINT ? 2 : 1;
}

static void offer(struct policy_owner *owner, const struct graph_item *item, const struct cidr *net)
{
	const char *namespace = graph_item_namespace(item);
	const char *name = graph_item_name(item);
	int rank = rank_of((enum kind)item->kind);
	int before = owner->name ? rank_of(owner->kind) : 0;
	int order = !owner->name ? 0 : strcmp(name, owner->name);

	if (rank < before || (rank == before && net->len < owner->prefix_len) ||
	    (rank == before && net->len == owner->prefix_len && order >= 0 && owner->name))
		return;
	owner->kind = (enum kind)item->kind;
	owner->namespace = namespace;
	owner->name = name;
	owner->prefix_len = net->len;
}

static uint64_t hash_of(const struct ip_addr *addr)
{
	return hash_bytes(addr->family, addr->bytes, ip_size(addr->family));
}

static void offer_host(const struct hash_table *table, const struct graph_item *item,
		       const struct cidr *net)
{
	struct hash_node *node = hash_table_find(table, hash_of(&net->addr));

	for (; node; node = hash_table_find_next(node)) {
		struct policy_owner *owner = CONTAINER_OF(node, struct question, node)->owner;

		if (ip_equal(&owner->addr, &net->addr))
			offer(owner, item, net);
	}
}

static void offer_item(const struct policy_graph *graph, const struct hash_table *table,
		       const struct graph_item *item, struct policy_owner *owners, size_t n)
{
	for (uint32_t i = 0; i < item->n_addrs; i++) {
		const struct cidr *net = &member_table_at(&graph->members, item->addrs[i])->net;

		if (cidr_is_host(net)) {
			offer_host(table, item, net);
			continue;
		}
		for (size_t k = 0; k < n; k++)
			if (cidr_contains(net, &owners[k].addr))
				offer(&owners[k], item, net);
	}
}

void policy_graph_owners(const struct policy_graph *graph, struct policy_owner *owners, size_t n)
{
	_cleanup_free_ struct question *questions = xcalloc(n, sizeof(*questions));
	struct hash_table table = {0};
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	for (size_t i = 0; i < n; i++) {
		questions[i].owner = &owners[i];
		owners[i].name = NULL;
		hash_table_add(&table, &questions[i].node, hash_of(&owners[i].addr));
	}
	while (n && (node = hash_table_walk(&graph->items, &walk)))
		offer_item(graph, &table, CONTAINER_OF(node, struct graph_item, node), owners, n);
	hash_table_deinit(&table);
}

const char *policy_graph_logged(const struct policy_graph *graph, const char *id)
{
	struct hash_table_walk walk = {0};
	const struct hash_node *node;

	if (*id != '_')
		return id;
	while ((node = hash_table_walk(&graph->policies, &walk))) {
		const struct graph_policy *policy = CONTAINER_OF(node, struct graph_policy, node);

		if (strcmp(policy_flow_id(policy->key).s, id) == 0)
			return policy->key;
	}
	return id;
}
