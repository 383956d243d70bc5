/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table: slots in an array, chained by number from buckets; free ones in a chain of their own.
 * The counts: open addressing with linear probing, a member that is gone taken out by shifting back
 * what follows, so that there are no graves to step over. A count keeps its number owned until the
 * flush that tells of its end.
 */

#include "calc/member-table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash-table.h"

#define MIN_BUCKETS 64
#define MIN_COUNTS  4
#define PENDING	    1u /* in the list of what the next flush looks at */
#define FLUSHED	    2u /* told as a member */
#define ONE	    4u
#define MULTIPLIER  0x9e3779b1u

struct member_slot {
	struct policy_member member;
	uint32_t n_owners;
	uint32_t next; /* in the bucket or among the free, + 1 */
};

struct member_count {
	uint32_t id;	/* + 1; 0: no member here */
	uint32_t state; /* count * ONE + flags */
};

void member_table_deinit(struct member_table *table)
{
	free(table->slots);
	free(table->buckets);
	*table = (struct member_table){0};
}

static bool member_equal(const struct policy_member *a, const struct policy_member *b)
{
	return cidr_equal(&a->net, &b->net) && a->protocol == b->protocol && a->port == b->port;
}

static uint32_t *bucket_of(const struct member_table *table, const struct policy_member *member)
{
	uint64_t rest = member->net.len | (uint64_t)member->protocol << 8 |
			(uint64_t)member->port << 16 | (uint64_t)member->net.addr.family << 32;
	uint64_t hash = hash_bytes(rest, member->net.addr.bytes, ip_size(member->net.addr.family));

	return &table->buckets[(hash ^ hash >> 32) & (table->n_buckets - 1)];
}

static void link_slot(struct member_table *table, uint32_t id)
{
	uint32_t *bucket = bucket_of(table, &table->slots[id].member);

	table->slots[id].next = *bucket;
	*bucket = id + 1;
}

static void grow(struct member_table *table)
{
	free(table->buckets);
	table->n_buckets = table->n_buckets ? table->n_buckets * 2 : MIN_BUCKETS;
	table->buckets = xcalloc(table->n_buckets, sizeof(*table->buckets));
	for (size_t i = 0; i < table->n_slots; i++) {
		if (table->slots[i].n_owners)
			link_slot(table, (uint32_t)i);
	}
}

static uint32_t new_slot(struct member_table *table)
{
	uint32_t id;

	if (!table->free) {
		(void)ARRAY_ADD(table->slots, table->n_slots);
		return (uint32_t)table->n_slots - 1;
	}
	id = table->free - 1;
	table->free = table->slots[id].next;
	return id;
}

uint32_t member_table_get(struct member_table *table, const struct policy_member *member)
{
	uint32_t id;

	if (table->n_buckets) {
		for (uint32_t i = *bucket_of(table, member); i; i = table->slots[i - 1].next) {
			if (member_equal(&table->slots[i - 1].member, member)) {
				table->slots[i - 1].n_owners++;
				return i - 1;
			}
		}
	}
	if (table->n == table->n_buckets)
		grow(table);
	id = new_slot(table);
	table->slots[id] = (struct member_slot){.member = *member, .n_owners = 1};
	link_slot(table, id);
	table->n++;
	return id;
}

void member_table_ref(struct member_table *table, uint32_t id)
{
	table->slots[id].n_owners++;
}

void member_table_unref(struct member_table *table, uint32_t id)
{
	struct member_slot *slot = &table->slots[id];
	uint32_t *at;

	if (--slot->n_owners)
		return;
	at = bucket_of(table, &slot->member);
	while (*at != id + 1)
		at = &table->slots[*at - 1].next;
	*at = slot->next;
	slot->next = table->free;
	table->free = id + 1;
	table->n--;
}

const struct policy_member *member_table_at(const struct member_table *table, uint32_t id)
{
	return &table->slots[id].member;
}

/* --- Counts ----------------------------------------------------------------------------------- */

void member_counts_deinit(struct member_counts *counts, struct member_table *table)
{
	for (size_t i = 0; table && i < counts->n_slots; i++) {
		if (counts->slots[i].id)
			member_table_unref(table, counts->slots[i].id - 1);
	}
	free(counts->slots);
	free(counts->pending);
	*counts = (struct member_counts){0};
}

static size_t home_of(const struct member_counts *counts, uint32_t id)
{
	uint32_t hash = id * MULTIPLIER;

	return (hash ^ hash >> 15) & (counts->n_slots - 1);
}

/* Its slot, or the empty one where it would be. */
static struct member_count *find_count(const struct member_counts *counts, uint32_t id)
{
	size_t i = home_of(counts, id);

	while (counts->slots[i].id && counts->slots[i].id != id + 1)
		i = (i + 1) & (counts->n_slots - 1);
	return &counts->slots[i];
}

static void grow_counts(struct member_counts *counts)
{
	struct member_count *old = counts->slots;
	size_t n_old = counts->n_slots;

	counts->n_slots = n_old ? n_old * 2 : MIN_COUNTS;
	counts->slots = xcalloc(counts->n_slots, sizeof(*counts->slots));
	for (size_t i = 0; i < n_old; i++) {
		if (old[i].id)
			*find_count(counts, old[i].id - 1) = old[i];
	}
	free(old);
}

/* True: it is the first one pending. */
static bool set_pending(struct member_counts *counts, struct member_count *count)
{
	if (count->state & PENDING)
		return false;
	count->state |= PENDING;
	*ARRAY_ADD(counts->pending, counts->n_pending) = count->id - 1;
	return counts->n_pending == 1;
}

bool member_counts_add(struct member_counts *counts, struct member_table *table, uint32_t id)
{
	struct member_count *count;

	if (counts->n * 4 >= counts->n_slots * 3)
		grow_counts(counts);
	count = find_count(counts, id);
	if (!count->id) {
		count->id = id + 1;
		counts->n++;
		member_table_ref(table, id);
	}
	count->state += ONE;
	return count->state < 2 * ONE && set_pending(counts, count);
}

bool member_counts_remove(struct member_counts *counts, uint32_t id)
{
	struct member_count *count = find_count(counts, id);

	assert(count->id && count->state >= ONE);
	count->state -= ONE;
	return count->state < ONE && set_pending(counts, count);
}

/* Shifts back whoever stands further from home than the gap is. */
static void take_out(struct member_counts *counts, struct member_count *count)
{
	size_t mask = counts->n_slots - 1;
	size_t gap = (size_t)(count - counts->slots);
	size_t i = (gap + 1) & mask;

	while (counts->slots[i].id) {
		size_t home = home_of(counts, counts->slots[i].id - 1);

		if (((i - home) & mask) >= ((i - gap) & mask)) {
			counts->slots[gap] = counts->slots[i];
			gap = i;
		}
		i = (i + 1) & mask;
	}
	counts->slots[gap] = (struct member_count){0};
	counts->n--;
}

void member_counts_flush(struct member_counts *counts, struct member_table *table,
			 struct policy_member *ret_added, size_t *ret_n_added,
			 struct policy_member *ret_removed, size_t *ret_n_removed)
{
	*ret_n_added = 0;
	*ret_n_removed = 0;
	for (size_t i = 0; i < counts->n_pending; i++) {
		uint32_t id = counts->pending[i];
		struct member_count *count = find_count(counts, id);
		bool was = count->state & FLUSHED;
		bool is = count->state >= ONE;

		count->state &= ~(PENDING | FLUSHED);
		if (is)
			count->state |= FLUSHED;
		if (is && !was)
			ret_added[(*ret_n_added)++] = *member_table_at(table, id);
		if (was && !is)
			ret_removed[(*ret_n_removed)++] = *member_table_at(table, id);
		if (!is) {
			take_out(counts, count);
			member_table_unref(table, id);
		}
	}
	counts->n_members += *ret_n_added - *ret_n_removed;
	free(counts->pending);
	counts->pending = NULL;
	counts->n_pending = 0;
}
