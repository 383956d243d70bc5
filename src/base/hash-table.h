/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A hash table for records that there are hundreds of thousands of: a node of 16 bytes inside the
 * record, chains, and as many buckets as records. What is equal, the caller decides, by walking all
 * nodes of a hash.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash_table { /* all zero: empty */
	struct hash_node **buckets;
	size_t n_buckets; /* a power of two, or 0 */
	size_t n;
};

/* Frees the buckets; the nodes are the caller's. */
void hash_table_deinit(struct hash_table *table);

void hash_table_add(struct hash_table *table, struct hash_node *node, uint64_t hash);
void hash_table_remove(struct hash_table *table, struct hash_node *node); /* must be in it */

/* The first node of that hash, then the others. NULL: no more. */
struct hash_node *hash_table_find(const struct hash_table *table, uint64_t hash);
struct hash_node *hash_table_find_next(const struct hash_node *node);

/* Every node, from NULL on, in no order; the one that was returned last may be removed. */
struct hash_table_walk {
	size_t bucket;
	struct hash_node *next;
};
struct hash_node *hash_table_walk(const struct hash_table *table, struct hash_table_walk *walk);

/* Continues 'seed'. Good for tables, not against an enemy. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t size);
/* With its end, so that ("ab", "c") and ("a", "bc") differ. */
uint64_t hash_string(uint64_t seed, const char *s);
