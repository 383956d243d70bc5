/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Members of sets under small numbers: an address that thousands of sets contain is held once, and
 * each of them counts a number of 4 bytes. Only for src/calc.
 */

#include <stddef.h>
#include <stdint.h>

#include "policy/policy-update.h"

/* --- Members and their numbers ---------------------------------------------------------------- */

struct member_slot;
struct member_table { /* all zero: empty */
	struct member_slot *slots;
	size_t n_slots; /* used ones; as many memory as ARRAY_ADD gives */
	uint32_t *buckets;
	size_t n_buckets;
	uint32_t free; /* first of the chain, + 1 */
	size_t n;
};
void member_table_deinit(struct member_table *table);

/* Its number, which has one owner more. */
uint32_t member_table_get(struct member_table *table, const struct policy_member *member);
void member_table_ref(struct member_table *table, uint32_t id);
/* Its last owner frees the number. */
void member_table_unref(struct member_table *table, uint32_t id);
/* Borrowed until the next get. */
const struct policy_member *member_table_at(const struct member_table *table, uint32_t id);

/* --- What a set contains ---------------------------------------------------------------------- */

/* How many things bring each member in, and what has changed since the last flush. */
struct member_count;
struct member_counts { /* all zero: empty */
	struct member_count *slots;
	size_t n_slots; /* a power of two, or 0 */
	size_t n;
	uint32_t *pending;
	size_t n_pending;
	size_t n_members; /* what has been flushed */
};
/* With 'table' NULL its numbers are not given back: the table itself goes. */
void member_counts_deinit(struct member_counts *counts, struct member_table *table);

/* True: nothing was pending before. */
bool member_counts_add(struct member_counts *counts, struct member_table *table, uint32_t id);
/* It must have been added. */
bool member_counts_remove(struct member_counts *counts, uint32_t id);

/*
 * Leaves the difference to the last flush in 'ret_added' and 'ret_removed', which have room for
 * 'n_pending' each.
 */
void member_counts_flush(struct member_counts *counts, struct member_table *table,
			 struct policy_member *ret_added, size_t *ret_n_added,
			 struct policy_member *ret_removed, size_t *ret_n_removed);
