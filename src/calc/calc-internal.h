/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The records of the graph. Only for src/calc. */

#include <uthash.h>

#include "calc/calc.h"
#include "model/kinds.h"

#define FAMILIES 2 /* index 0: IPv4, 1: IPv6 */

static inline unsigned int family_index(uint8_t family)
{
	return family == AF_INET ? 0 : 1;
}

static inline uint8_t family_of_index(unsigned int index)
{
	return index == 0 ? AF_INET : AF_INET6;
}

/*
 * A node by name. It may be known only because a block names it ('object' NULL). Lives while it has
 * an object or a block refers to it.
 */
struct calc_node {
	char *name;
	struct object *object;
	struct cidr addr[FAMILIES];    /* with its subnet; family 0: none */
	struct ip_addr vtep[FAMILIES]; /* family 0: none */
	uint8_t mac[FAMILIES][MAC_SIZE];
	struct block_ref *refs; /* blocks whose routes depend on this node */
	bool dirty;
	struct calc_node *next_dirty;
	struct calc_vtep emitted[FAMILIES]; /* addr.family 0: none */
	UT_hash_handle hh;
};

struct block_ref {
	struct calc_block *block;
	struct calc_node *node;
	struct block_ref *prev, *next; /* in the node's list */
};

struct calc_borrowed {
	struct ip_addr addr;
	char *node;
};

struct calc_block {
	char *name; /* of the object */
	struct cidr cidr;
	char *owner;			/* node; NULL: none */
	struct calc_borrowed *borrowed; /* addresses used by other nodes than the owner */
	size_t n_borrowed;
	struct block_ref *refs;
	size_t n_refs;
	bool dirty;
	struct calc_block *next_dirty;
	bool gone; /* removed: only its routes remain to be withdrawn */
	struct calc_route *emitted;
	size_t n_emitted;
	UT_hash_handle hh;
};

struct calc_pool_record {
	struct calc_pool pool;
	UT_hash_handle hh;
};

struct calc {
	char *own_name;
	struct calc_node *nodes;
	struct calc_block *blocks;
	struct calc_pool_record *pools;
	const struct calc_pool **sorted_pools; /* view of 'pools' */
	size_t n_pools;
	struct calc_block *dirty_blocks;
	struct calc_node *dirty_nodes;
	bool pools_changed;
	bool own_node_changed;
	bool bgp_changed;
};

/* calc-route.c */

/* The routes the block needs on this node, in a heap array of '*ret_n'. */
struct calc_route *calc_block_routes(const struct calc *calc, const struct calc_block *block,
				     size_t *ret_n);
/* The node's tunnel end as seen from here; addr.family 0: none wanted. */
struct calc_vtep calc_node_vtep(const struct calc *calc, const struct calc_node *node,
				uint8_t family);
/* The pool that covers the prefix; NULL: none. */
const struct calc_pool *calc_find_pool(const struct calc *calc, const struct cidr *cidr);

/* calc-input.c */

void calc_mark_block(struct calc *calc, struct calc_block *block);
void calc_mark_node(struct calc *calc, struct calc_node *node);
void calc_block_free(struct calc_block *block);
void calc_node_free(struct calc_node *node);
