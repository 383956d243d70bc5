/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Chains in a power of two of buckets, which doubles when there are as many nodes. It never
 * shrinks: what was once full will be so again. The bucket is taken from the hash's high bits,
 * where multiplication has mixed best.
 */

#include "base/hash-table.h"

#include <string.h>

#include "base/alloc.h"

#define MIN_BUCKETS 16
#define MULTIPLIER  0x9e3779b97f4a7c15u /* 2^64 divided by the golden ratio */

void hash_table_deinit(struct hash_table *table)
{
	free(table->buckets);
	*table = (struct hash_table){0};
}

static struct hash_node **bucket_of(const struct hash_table *table, uint64_t hash)
{
	return &table->buckets[((hash ^ hash >> 32) * MULTIPLIER >> 20) & (table->n_buckets - 1)];
}

static void grow(struct hash_table *table)
{
	struct hash_table old = *table;

	table->n_buckets = old.n_buckets ? old.n_buckets * 2 : MIN_BUCKETS;
	table->buckets = xcalloc(table->n_buckets, sizeof(struct hash_node *));
	for (size_t i = 0; i < old.n_buckets; i++) {
		struct hash_node *node = old.buckets[i];

		while (node) {
			struct hash_node *next = node->next;
			struct hash_node **bucket = bucket_of(table, node->hash);

			node->next = *bucket;
			*bucket = node;
			node = next;
		}
	}
	free(old.buckets);
}

void hash_table_add(struct hash_table *table, struct hash_node *node, uint64_t hash)
{
	struct hash_node **bucket;

	if (table->n == table->n_buckets)
		grow(table);
	bucket = bucket_of(table, hash);
	node->hash = hash;
	node->next = *bucket;
	*bucket = node;
	table->n++;
}

void hash_table_remove(struct hash_table *table, struct hash_node *node)
{
	struct hash_node **at = bucket_of(table, node->hash);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->next = NULL;
	table->n--;
}

static struct hash_node *skip_others(struct hash_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hash_node *hash_table_find(const struct hash_table *table, uint64_t hash)
{
	return table->n ? skip_others(*bucket_of(table, hash), hash) : NULL;
}

struct hash_node *hash_table_find_next(const struct hash_node *node)
{
	return skip_others(node->next, node->hash);
}

struct hash_node *hash_table_walk(const struct hash_table *table, struct hash_table_walk *walk)
{
	struct hash_node *node;

	while (!walk->next && walk->bucket < table->n_buckets)
		walk->next = table->buckets[walk->bucket++];
	node = walk->next;
	if (node)
		walk->next = node->next;
	return node;
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t size)
{
	const char *at = data;
	uint64_t hash = seed ^ (size * MULTIPLIER);
	uint64_t word;

	while (size) {
		size_t n = MIN(size, sizeof(word));

		word = 0;
		memcpy(&word, at, n);
		hash = (hash ^ word) * MULTIPLIER;
		hash ^= hash >> 29;
		at += n;
		size -= n;
	}
	return hash;
}

uint64_t hash_string(uint64_t seed, const char *s)
{
	return hash_bytes(seed, s, strlen(s) + 1);
}
