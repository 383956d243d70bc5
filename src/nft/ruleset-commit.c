/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The difference between wanted and known, in the order the kernel demands: what is referred to
 * comes before what refers, and goes after it.
 *
 * What is new and not reached by anything in force comes in a transaction of its own, before the
 * one that leads packets there. For a packet that is at work while a transaction takes effect sees
 * the rules of before and the members of after: by a map it would get into a chain of which, for
 * it, there are no rules yet, and pass. And the kernel shows new members of a set of ranges a
 * moment after the rules of the same transaction. Sets of ranges that rules speak of already change
 * in the one transaction.
 */

#include "nft/ruleset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/batch.h"
#include "nft/ruleset-internal.h"

static bool is_unwanted(const struct nft_chain *chain)
{
	return !chain->refs && chain->known;
}

/*
 * An interval goes over the wire as its two borders, of which the second is the first key behind.
 */
static void put_end(struct nft_batch *batch, const struct nft_set *set,
		    const struct nft_member *member,
		    void (*change)(struct nft_batch *batch, const char *set,
				   const struct nft_wire_element *element))
{
	uint8_t end[NFT_KEY_MAX];
	struct nft_wire_element element = {.key = end, .size = set->key_size, .is_end = true};

	memcpy(end, member->id + set->key_size, set->key_size);
	for (size_t i = set->key_size; i-- > 0;) {
		if (!++end[i])
			continue;
		change(batch, set->name, &element);
		return;
	}
	/* It goes to the last of all keys, and has no end. */
}

static void put_member(struct nft_batch *batch, const struct nft_set *set,
		       const struct nft_member *member,
		       void (*change)(struct nft_batch *batch, const char *set,
				      const struct nft_wire_element *element))
{
	struct nft_wire_element element = {
		.key = member->id,
		.key_end = set->schema.ranges ? member->id + set->key_size : NULL,
		.size = set->key_size,
		.chain = member->chain ? nft_chain_name(member->chain) : NULL,
	};

	change(batch, set->name, &element);
	if (set->schema.intervals)
		put_end(batch, set, member, change);
}

static int compare_members(const void *a, const void *b)
{
	const struct nft_member *x = *(const struct nft_member *const *)a;
	const struct nft_member *y = *(const struct nft_member *const *)b;

	return memcmp(x->id, y->id, MIN(x->hh.keylen, y->hh.keylen));
}

static void sort_intervals(const struct nft_set *set)
{
	if (set->schema.intervals && set->n_dirty)
		qsort(set->dirty, set->n_dirty, sizeof(struct nft_member *), compare_members);
}

static void delete_members(struct nft_batch *batch, const struct nft_set *set)
{
	if (set->remake)
		nft_batch_flush_set(batch, set->name);
	for (size_t i = 0; i < set->n_dirty; i++)
		if (set->dirty[i]->known && !set->dirty[i]->wanted)
			put_member(batch, set, set->dirty[i], nft_batch_delete_element);
}

static void add_members(struct nft_batch *batch, const struct nft_set *set)
{
	for (size_t i = 0; i < set->n_dirty; i++)
		if (!set->dirty[i]->known && set->dirty[i]->wanted)
			put_member(batch, set, set->dirty[i], nft_batch_add_element);
}

static bool needs_rules(const struct nft_chain *chain)
{
	if (!chain->refs)
		return false;
	if (!chain->known || chain->remake || chain->n_known_rules != chain->rules.n)
		return true;
	for (size_t i = 0; i < chain->rules.n; i++)
		if (chain->known_rules[i] != chain->rules.v[i].stamp)
			return true;
	return false;
}

static void put_sets(struct nft_ruleset *ruleset, struct nft_batch *batch)
{
	for (size_t i = 0; i < ruleset->n_dirty_sets; i++) {
		const struct nft_set *set = ruleset->dirty_sets[i];

		if (nft_set_is_wanted(set) && !set->known)
			nft_batch_add_set(batch, set->name, &set->schema);
	}
}

static void put_chains(struct nft_ruleset *ruleset, struct nft_batch *batch)
{
	for (size_t i = 0; i < ruleset->n_dirty_chains; i++) {
		const struct nft_chain *chain = ruleset->dirty_chains[i];

		if (chain->refs && chain->known && chain->remake) {
			nft_batch_flush_chain(batch, chain->name);
			nft_batch_delete_chain(batch, chain->name);
		}
		if (chain->refs && (!chain->known || chain->remake))
			nft_batch_add_chain(batch, chain->name,
					    chain->is_base ? &chain->base : NULL);
	}
}

static void put_members(struct nft_ruleset *ruleset, struct nft_batch *batch)
{
	for (size_t i = 0; i < ruleset->n_dirty_sets; i++) {
		const struct nft_set *set = ruleset->dirty_sets[i];

		sort_intervals(set);
		if (nft_set_is_wanted(set) && set->known)
			delete_members(batch, set);
		if (nft_set_is_wanted(set))
			add_members(batch, set);
	}
}

/* Appends the chain's rules. One that was there before goes on counting. */
static void append_rules(struct nft_batch *batch, const struct nft_chain *chain,
			 const struct nft_count *counts, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < chain->rules.n; i++) {
		const struct nft_rule *rule = &chain->rules.v[i];
		struct nft_count count = {.id = 0};

		/* Most rules keep their order, so the search goes on where it ended. */
		for (size_t k = 0; rule->counter && k < n; k++) {
			if (counts[(at + k) % n].id != rule->id)
				continue;
			at = (at + k) % n;
			count = counts[at++];
			break;
		}
		nft_batch_append_rule(batch, chain->name, rule, count.packets, count.bytes);
	}
}

static void put_rules(struct nft_ruleset *ruleset, struct nft_batch *batch, struct nl *nl)
{
	for (size_t i = 0; i < ruleset->n_dirty_chains; i++) {
		const struct nft_chain *chain = ruleset->dirty_chains[i];
		_cleanup_free_ struct nft_count *counts = NULL;
		size_t n = 0;

		if (!needs_rules(chain))
			continue;
		if (chain->known && !chain->remake && chain->n_known_rules) {
			n = nft_ruleset_read_counts(ruleset, nl, chain->name, &counts);
			nft_batch_flush_chain(batch, chain->name);
		}
		append_rules(batch, chain, counts, n);
	}
}

static void put_flowtables(struct nft_ruleset *ruleset, struct nft_batch *batch)
{
	struct nft_flowtable *flowtable;
	struct nft_flowtable *next;

	HASH_ITER(hh, ruleset->flowtables, flowtable, next)
	if (flowtable->refs && !flowtable->known)
		nft_batch_add_flowtable(batch, flowtable->name);
}

static void delete_flowtables(struct nft_ruleset *ruleset, struct nft_batch *batch)
{
	struct nft_flowtable *flowtable;
	struct nft_flowtable *next;

	HASH_ITER(hh, ruleset->flowtables, flowtable, next)
	if (!flowtable->refs && flowtable->known)
		nft_batch_delete_flowtable(batch, flowtable->name);
}

static void delete_unwanted(struct nft_ruleset *ruleset, struct nft_batch *batch)
{
	for (size_t i = 0; i < ruleset->n_dirty_chains; i++)
		if (is_unwanted(ruleset->dirty_chains[i]))
			nft_batch_flush_chain(batch, ruleset->dirty_chains[i]->name);
	for (size_t i = 0; i < ruleset->n_dirty_sets; i++)
		if (!nft_set_is_wanted(ruleset->dirty_sets[i]) && ruleset->dirty_sets[i]->known)
			nft_batch_delete_set(batch, ruleset->dirty_sets[i]->name);
	for (size_t i = 0; i < ruleset->n_dirty_chains; i++)
		if (is_unwanted(ruleset->dirty_chains[i]))
			nft_batch_delete_chain(batch, ruleset->dirty_chains[i]->name);
}

static bool is_new_set(const struct nft_set *set)
{
	return nft_set_is_wanted(set) && !set->known && !set->schema.verdicts;
}

static bool is_new_chain(const struct nft_chain *chain)
{
	return chain->refs && !chain->known && !chain->is_base;
}

static bool needs_preparation(const struct nft_ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->n_dirty_sets; i++) {
		const struct nft_set *set = ruleset->dirty_sets[i];

		if (is_new_set(set) && set->schema.ranges && set->n_wanted)
			return true;
	}
	for (size_t i = 0; i < ruleset->n_dirty_chains; i++)
		if (is_new_chain(ruleset->dirty_chains[i]))
			return true;
	return false;
}

static void put_prepared(struct nft_ruleset *ruleset, struct nft_batch *batch)
{
	nft_batch_add_table(batch);
	for (size_t i = 0; i < ruleset->n_dirty_sets; i++) {
		const struct nft_set *set = ruleset->dirty_sets[i];

		if (!is_new_set(set))
			continue;
		nft_batch_add_set(batch, set->name, &set->schema);
		sort_intervals(set);
		add_members(batch, set);
	}
	for (size_t i = 0; i < ruleset->n_dirty_chains; i++)
		if (is_new_chain(ruleset->dirty_chains[i]))
			nft_batch_add_chain(batch, ruleset->dirty_chains[i]->name, NULL);
	for (size_t i = 0; i < ruleset->n_dirty_chains; i++)
		if (is_new_chain(ruleset->dirty_chains[i]))
			append_rules(batch, ruleset->dirty_chains[i], NULL, 0);
}

static void note_prepared(struct nft_ruleset *ruleset)
{
	ruleset->has_table = true;
	for (size_t i = 0; i < ruleset->n_dirty_sets; i++) {
		struct nft_set *set = ruleset->dirty_sets[i];

		if (!is_new_set(set))
			continue;
		set->known = true;
		for (size_t k = 0; k < set->n_dirty; k++)
			set->dirty[k]->known = set->dirty[k]->wanted;
	}
	for (size_t i = 0; i < ruleset->n_dirty_chains; i++)
		if (is_new_chain(ruleset->dirty_chains[i]))
			nft_chain_note_known(ruleset->dirty_chains[i]);
}

/* Sends it, and notes what the kernel refuses. */
static int commit_batch(struct nft_ruleset *ruleset, struct nft_batch *batch, struct nl *nl,
			struct err *err)
{
	int r = nft_batch_commit(batch, nl, err);

	ruleset->refused = nft_batch_refused(batch);
	return r;
}

/* What is new and nothing in force leads to. */
static int prepare(struct nft_ruleset *ruleset, struct nl *nl, struct err *err)
{
	_cleanup_(nft_batch_freep) struct nft_batch *batch = NULL;
	int r;

	if (!needs_preparation(ruleset))
		return 0;
	batch = nft_batch_new(ruleset->family);
	put_prepared(ruleset, batch);
	r = commit_batch(ruleset, batch, nl, err);
	if (r < 0)
		return r;
	note_prepared(ruleset);
	return NFT_E_CHANGED;
}

static bool is_empty(const struct nft_ruleset *ruleset)
{
	struct nft_chain *chain;
	struct nft_chain *next_chain;
	struct nft_set *set;
	struct nft_set *next_set;

	if (ruleset->has_untold)
		return false;
	HASH_ITER(hh, ruleset->chains, chain, next_chain)
	if (chain->refs)
		return false;
	HASH_ITER(hh, ruleset->sets, set, next_set)
	if (set->refs)
		return false;
	return true;
}

static void delete_known(struct nft_ruleset *ruleset, struct nft_batch *batch)
{
	struct nft_chain *chain;
	struct nft_chain *next_chain;
	struct nft_set *set;
	struct nft_set *next_set;

	HASH_ITER(hh, ruleset->chains, chain, next_chain)
	if (chain->known)
		nft_batch_flush_chain(batch, chain->name);
	HASH_ITER(hh, ruleset->sets, set, next_set)
	if (set->known)
		nft_batch_delete_set(batch, set->name);
	HASH_ITER(hh, ruleset->chains, chain, next_chain)
	if (chain->known)
		nft_batch_delete_chain(batch, chain->name);
}

/*
 * The table of before and ours have something of one name that can't become the other. What nobody
 * spoke of yet stays where it is.
 */
static void start_anew(struct nft_ruleset *ruleset, struct nft_batch *batch)
{
	bool stays = ruleset->has_untold;
	bool dormant = stays && ruleset->dormant;

	if (stays) {
		delete_known(ruleset, batch);
	} else {
		nft_batch_add_table(batch);
		nft_batch_delete_table(batch);
	}
	nft_ruleset_forget(ruleset);
	nft_ruleset_list_all(ruleset);
	ruleset->has_table = stays;
	ruleset->has_untold = stays;
	ruleset->dormant = dormant;
}

static int commit_difference(struct nft_ruleset *ruleset, struct nl *nl, struct err *err)
{
	_cleanup_(nft_batch_freep) struct nft_batch *batch = nft_batch_new(ruleset->family);
	bool prepared = false;
	int r = 0;

	if (ruleset->remake)
		start_anew(ruleset, batch);
	else
		r = prepare(ruleset, nl, err);
	if (r < 0)
		return r;
	prepared = r == NFT_E_CHANGED;
	if (is_empty(ruleset)) {
		if (ruleset->has_table)
			nft_batch_delete_table(batch);
		ruleset->has_table = false;
	} else {
		if (!ruleset->has_table)
			nft_batch_add_table(batch);
		else if (ruleset->dormant)
			nft_batch_wake_table(batch);
		ruleset->has_table = true;
		put_sets(ruleset, batch);
		put_flowtables(ruleset, batch);
		put_chains(ruleset, batch);
		put_members(ruleset, batch);
		put_rules(ruleset, batch, nl);
		delete_unwanted(ruleset, batch);
		delete_flowtables(ruleset, batch);
	}
	r = commit_batch(ruleset, batch, nl, err);
	if (r < 0)
		return r;
	nft_ruleset_settle(ruleset);
	return nft_batch_size(batch) || prepared ? NFT_E_CHANGED : 0;
}

static bool is_open(const struct nft_ruleset *ruleset)
{
	struct nft_chain *chain;
	struct nft_chain *next;

	HASH_ITER(hh, ruleset->chains, chain, next)
	if (chain->refs && chain->is_base && (!chain->known || ruleset->dormant) &&
	    !chain->base.decides_nothing && strcmp(chain->base.type, "filter") == 0)
		return true;
	return false;
}

static int read_and_commit(struct nft_ruleset *ruleset, struct nl *nl, struct err *err)
{
	int r;

	ruleset->refused = (struct nft_refused){.errnum = 0};
	nft_ruleset_forget(ruleset);
	r = nft_ruleset_read(ruleset, nl, err);
	nft_ruleset_list_all(ruleset);
	ruleset->was_open = is_open(ruleset);
	return r < 0 ? r : commit_difference(ruleset, nl, err);
}

int nft_ruleset_commit(struct nft_ruleset *ruleset, struct nl *nl, struct err *err)
{
	bool valid = ruleset->valid;
	int r = -ESTALE;

	ruleset->was_open = false;
	ruleset->refused = (struct nft_refused){.errnum = 0};
	if (!nft_ruleset_is_dirty(ruleset))
		return 0;
	if (valid)
		r = commit_difference(ruleset, nl, err);
	/* A refusal may mean that someone took away what ours builds on. */
	if (r < 0)
		r = read_and_commit(ruleset, nl, err);
	ruleset->valid = r >= 0;
	return r;
}
