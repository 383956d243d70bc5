/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The flush: every dirty record is computed anew, compared with what was last emitted for it, and
 * the difference goes out. So the sum of all updates is always what calc_snapshot() computes from
 * nothing; the tests hold it to that.
 */

#include "calc/calc.h"

#include <string.h>

#include "base/alloc.h"
#include "calc/calc-internal.h"

void calc_update_deinit(struct calc_update *update)
{
	free(update->routes_gone);
	free(update->routes);
	free(update->vteps_gone);
	free(update->vteps);
	*update = (struct calc_update){0};
}

static bool route_same(const struct calc_route *a, const struct calc_route *b)
{
	return cidr_equal(&a->dst, &b->dst) && a->device == b->device &&
	       ip_equal(&a->gateway, &b->gateway);
}

static const struct calc_route *find_route(const struct calc_route *routes, size_t n,
					   const struct cidr *dst)
{
	for (size_t i = 0; i < n; i++) {
		if (cidr_equal(&routes[i].dst, dst))
			return &routes[i];
	}
	return NULL;
}

static void flush_block(struct calc *calc, struct calc_block *block, struct calc_update *update)
{
	struct calc_route *routes = NULL;
	size_t n = 0;

	if (!block->gone)
		routes = calc_block_routes(calc, block, &n);
	for (size_t i = 0; i < block->n_emitted; i++) {
		if (!find_route(routes, n, &block->emitted[i].dst))
			*ARRAY_ADD(update->routes_gone, update->n_routes_gone) =
				block->emitted[i].dst;
	}
	for (size_t i = 0; i < n; i++) {
		const struct calc_route *old =
			find_route(block->emitted, block->n_emitted, &routes[i].dst);

		if (!old || !route_same(old, &routes[i]))
			*ARRAY_ADD(update->routes, update->n_routes) = routes[i];
	}
	free(block->emitted);
	block->emitted = routes;
	block->n_emitted = n;
	block->dirty = false;
	if (block->gone) {
		HASH_DEL(calc->blocks, block);
		calc_block_free(block);
	}
}

static bool vtep_same(const struct calc_vtep *a, const struct calc_vtep *b)
{
	return ip_equal(&a->addr, &b->addr) && ip_equal(&a->node_addr, &b->node_addr) &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

static void flush_node(struct calc *calc, struct calc_node *node, struct calc_update *update)
{
	for (unsigned int f = 0; f < FAMILIES; f++) {
		struct calc_vtep vtep = calc_node_vtep(calc, node, family_of_index(f));
		struct calc_vtep *old = &node->emitted[f];

		if (vtep_same(&vtep, old))
			continue;
		if (old->addr.family)
			*ARRAY_ADD(update->vteps_gone, update->n_vteps_gone) = *old;
		if (vtep.addr.family)
			*ARRAY_ADD(update->vteps, update->n_vteps) = vtep;
		*old = vtep;
	}
	node->dirty = false;
	if (!node->object && !node->refs) {
		HASH_DEL(calc->nodes, node);
		calc_node_free(node);
	}
}

void calc_flush(struct calc *calc, struct calc_update *ret)
{
	*ret = (struct calc_update){
		.pools_changed = calc->pools_changed,
		.own_node_changed = calc->own_node_changed,
		.bgp_changed = calc->bgp_changed,
	};
	while (calc->dirty_blocks) {
		struct calc_block *block = calc->dirty_blocks;

		calc->dirty_blocks = block->next_dirty;
		flush_block(calc, block, ret);
	}
	while (calc->dirty_nodes) {
		struct calc_node *node = calc->dirty_nodes;

		calc->dirty_nodes = node->next_dirty;
		flush_node(calc, node, ret);
	}
	calc->pools_changed = false;
	calc->own_node_changed = false;
	calc->bgp_changed = false;
}

void calc_snapshot(const struct calc *calc, struct calc_update *ret)
{
	struct calc_block *block;
	struct calc_block *next_block;
	struct calc_node *node;
	struct calc_node *next_node;

	*ret = (struct calc_update){0};
	HASH_ITER(hh, calc->blocks, block, next_block)
	{
		size_t n = 0;
		_cleanup_free_ struct calc_route *routes = NULL;

		if (block->gone)
			continue;
		routes = calc_block_routes(calc, block, &n);
		for (size_t i = 0; i < n; i++)
			*ARRAY_ADD(ret->routes, ret->n_routes) = routes[i];
	}
	HASH_ITER(hh, calc->nodes, node, next_node)
	{
		for (unsigned int f = 0; f < FAMILIES; f++) {
			struct calc_vtep vtep = calc_node_vtep(calc, node, family_of_index(f));

			if (vtep.addr.family)
				*ARRAY_ADD(ret->vteps, ret->n_vteps) = vtep;
		}
	}
}

void calc_get_pools(const struct calc *calc, const struct calc_pool *const **ret, size_t *ret_n)
{
	*ret = calc->sorted_pools;
	*ret_n = calc->n_pools;
}

static bool encapsulates(uint8_t mode)
{
	return mode == ENCAP_MODE_ALWAYS || mode == ENCAP_MODE_CROSS_SUBNET;
}

bool calc_wants_vxlan(const struct calc *calc, uint8_t family)
{
	for (size_t i = 0; i < calc->n_pools; i++) {
		if (calc->sorted_pools[i]->cidr.addr.family == family &&
		    encapsulates(calc->sorted_pools[i]->vxlan_mode))
			return true;
	}
	return false;
}

bool calc_wants_ipip(const struct calc *calc)
{
	for (size_t i = 0; i < calc->n_pools; i++) {
		if (encapsulates(calc->sorted_pools[i]->ipip_mode))
			return true;
	}
	return false;
}

const struct node *calc_get_own_node(const struct calc *calc)
{
	struct calc_node *node;

	HASH_FIND_STR(calc->nodes, calc->own_name, node);
	return node && node->object ? as_node(node->object) : NULL;
}

static int node_by_name(const void *a, const void *b)
{
	const struct node *const *x = a;
	const struct node *const *y = b;

	return strcmp((*x)->object.meta.name, (*y)->object.meta.name);
}

void calc_get_nodes(const struct calc *calc, const struct node ***ret, size_t *ret_n)
{
	const struct node **nodes = NULL;
	struct calc_node *node;
	struct calc_node *next;
	size_t n = 0;

	HASH_ITER(hh, calc->nodes, node, next)
	{
		if (node->object)
			*ARRAY_ADD(nodes, n) = as_node(node->object);
	}
	if (n)
		qsort(nodes, n, sizeof(*nodes), node_by_name);
	*ret = nodes;
	*ret_n = n;
}

static int compare_cidrs(const void *a, const void *b)
{
	return cidr_compare(a, b);
}

void calc_get_own_blocks(const struct calc *calc, struct cidr **ret, size_t *ret_n)
{
	struct cidr *blocks = NULL;
	struct calc_block *block;
	struct calc_block *next;
	size_t n = 0;

	HASH_ITER(hh, calc->blocks, block, next)
	{
		if (!block->gone && block->owner && strcmp(block->owner, calc->own_name) == 0)
			*ARRAY_ADD(blocks, n) = block->cidr;
	}
	if (n)
		qsort(blocks, n, sizeof(*blocks), compare_cidrs);
	*ret = blocks;
	*ret_n = n;
}

size_t calc_n_blocks(const struct calc *calc)
{
	return HASH_COUNT(calc->blocks);
}
