/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where addresses come from: this node's blocks, then a new block, then an old and empty block of
 * another node, then, without strict affinity, free addresses in the blocks of others. Nothing is
 * claimed for a request before there is enough for all of it, so nothing has to be given back.
 */

#include <string.h>

#include "base/alloc.h"
#include "ipam/ipam-affinity.h"
#include "ipam/ipam-name.h"
#include "ipam/ipam-plan-internal.h"
#include "model/affinity-name.h"
#include "model/kinds.h"

/* Blocks without an affinity met in the search for a new one, beyond which all are listed. */
#define PROBES_MAX 8u

struct search {
	const struct ipam_pool **pools;
	size_t n_pools;
	unsigned int n; /* addresses that are needed */
	uint8_t family;
};

static struct block_affinity *affinity_of(const struct ipam_entry *entry)
{
	return entry->object ? as_block_affinity(entry->object) : NULL;
}

static enum ipam_attempt pend(struct ipam_plan *plan, struct ipam_entry *affinity,
			      struct ipam_entry *block)
{
	ipam_view_touch(&plan->view, affinity);
	if (affinity->object) {
		ipam_affinity_move(affinity_of(affinity), IPAM_AFFINITY_PENDING);
	} else {
		affinity->object = ipam_affinity_new(plan->node, &block->cidr);
		if (plan->is_virtual)
			ipam_affinity_make_virtual(as_block_affinity(affinity->object));
		affinity->cidr = block->cidr;
		affinity->peer = block;
		ipam_plan_add_own(plan, affinity);
	}
	block->claimed = true;
	/* The claim is only begun if the block still is as it was read: absent, or ours. */
	ipam_view_guard(&plan->view, block);
	return IPAM_ATTEMPT_WAIT;
}

static void confirm(struct ipam_plan *plan, struct ipam_entry *affinity, struct ipam_entry *block)
{
	/*
	 * The block is written even if it is there already: whoever is about to delete it as empty
	 * has an older revision and loses.
	 */
	ipam_view_touch(&plan->view, block);
	if (!block->block)
		block->block = ipam_block_new(&block->cidr, plan->owner, plan->now_ns / 1000000000,
					      (uint64_t)plan->now_ns);
	ipam_view_touch(&plan->view, affinity);
	ipam_affinity_move(affinity_of(affinity), IPAM_AFFINITY_CONFIRMED);
}

enum ipam_attempt ipam_plan_claim_block(struct ipam_plan *plan, struct ipam_entry *affinity,
					struct ipam_entry *block, bool *ret_usable)
{
	enum ipam_affinity_state state = ipam_affinity_state(affinity_of(affinity));

	*ret_usable = false;
	if (affinity->corrupt || block->corrupt)
		return IPAM_ATTEMPT_READY;
	if (!block->known)
		return ipam_plan_want(plan, KIND_IPAM_BLOCK, block->name);
	/* A step begun in this commit has to be in the store before the next one is taken. */
	if (affinity->touched && !affinity->guard && state != IPAM_AFFINITY_CONFIRMED)
		return state == IPAM_AFFINITY_ABSENT ? IPAM_ATTEMPT_READY : IPAM_ATTEMPT_WAIT;
	switch (ipam_affinity_claim(state, ipam_tenure(block->block, plan->owner))) {
	case IPAM_ACTION_NONE:
		*ret_usable = true;
		return IPAM_ATTEMPT_READY;
	case IPAM_ACTION_REFUSE:
		return IPAM_ATTEMPT_READY;
	case IPAM_ACTION_PEND:
		return pend(plan, affinity, block);
	case IPAM_ACTION_CREATE:
	case IPAM_ACTION_CONFIRM:
		confirm(plan, affinity, block);
		*ret_usable = true;
		return IPAM_ATTEMPT_READY;
	case IPAM_ACTION_DROP:
		ipam_view_guard(&plan->view, block);
		ipam_view_remove(&plan->view, affinity);
		return IPAM_ATTEMPT_READY;
	case IPAM_ACTION_MARK:
	case IPAM_ACTION_DELETE:
		break; /* not in the table of claims */
	}
	return IPAM_ATTEMPT_READY;
}

/* --- Blocks there are ------------------------------------------------------------------------ */

static bool in_pools(const struct search *search, const struct cidr *block)
{
	for (size_t i = 0; i < search->n_pools; i++) {
		if (cidr_covers(&search->pools[i]->cidr, block))
			return true;
	}
	return false;
}

static void add_source(struct ipam_plan *plan, struct ipam_entry *block,
		       struct ipam_sources *sources)
{
	unsigned int available = ipam_block_available(block->block, &plan->reserved);

	if (!available && ipam_block_collect(block->block, &plan->cooldown)) {
		ipam_view_touch(&plan->view, block);
		available = ipam_block_available(block->block, &plan->reserved);
	}
	if (!available)
		return;
	sources->v[sources->n++] = block;
	sources->available += available;
}

static bool is_enough(const struct search *search, const struct ipam_sources *sources)
{
	return sources->available >= search->n || sources->n == ARRAY_SIZE(sources->v);
}

static enum ipam_attempt look_at_own(struct ipam_plan *plan, const struct search *search,
				     struct ipam_sources *ret)
{
	enum ipam_attempt worst = IPAM_ATTEMPT_READY;

	for (size_t i = 0; i < plan->n_own && !is_enough(search, ret); i++) {
		struct ipam_entry *affinity = plan->own[i];
		enum ipam_attempt attempt;
		bool usable;

		if (!affinity->object || !in_pools(search, &affinity->cidr))
			continue;
		attempt = ipam_plan_claim_block(plan, affinity, affinity->peer, &usable);
		worst = MAX(worst, attempt);
		if (usable)
			add_source(plan, affinity->peer, ret);
	}
	return is_enough(search, ret) ? IPAM_ATTEMPT_READY : worst;
}

/* Before this node says that its blocks are full, it reads them once more. */
static enum ipam_attempt refresh_own(struct ipam_plan *plan, const struct search *search)
{
	enum ipam_attempt worst = IPAM_ATTEMPT_READY;

	if (plan->affinities_batch != plan->view.batch)
		worst = ipam_plan_want(plan, KIND_BLOCK_AFFINITY, NULL);
	for (size_t i = 0; i < plan->n_own; i++) {
		if (plan->own[i]->object && in_pools(search, &plan->own[i]->cidr))
			worst = MAX(worst, ipam_plan_refresh(plan, plan->own[i]->peer));
	}
	return worst;
}

static unsigned int count_own(const struct ipam_plan *plan, uint8_t family)
{
	unsigned int n = 0;

	for (size_t i = 0; i < plan->n_own; i++)
		n += plan->own[i]->object && plan->own[i]->cidr.addr.family == family;
	return n;
}

/* --- A new block ----------------------------------------------------------------------------- */

/* Can the block be claimed? READY: '*ret' is it, or NULL. */
static enum ipam_attempt probe(struct ipam_plan *plan, const struct cidr *cidr,
			       struct ipam_entry **ret)
{
	struct ipam_name name = ipam_block_name(cidr);
	struct ipam_entry *block = ipam_view_find(&plan->view, KIND_IPAM_BLOCK, name.s);

	*ret = NULL;
	if (block && (block->claimed || block->corrupt || block->block))
		return IPAM_ATTEMPT_READY;
	if (ipam_reserved_covers(&plan->reserved, cidr))
		return IPAM_ATTEMPT_READY;
	block = ipam_view_block(&plan->view, cidr);
	if (!block->known && plan->n_probes++ >= PROBES_MAX)
		return ipam_plan_want(plan, KIND_IPAM_BLOCK, NULL);
	if (!block->known)
		return ipam_plan_want(plan, KIND_IPAM_BLOCK, block->name);
	*ret = block;
	return IPAM_ATTEMPT_READY;
}

static enum ipam_attempt claim_new(struct ipam_plan *plan, struct ipam_entry *block,
				   bool *ret_found)
{
	_cleanup_free_ char *name = affinity_name(plan->node, &block->cidr);
	struct ipam_entry *affinity = ipam_view_get(&plan->view, KIND_BLOCK_AFFINITY, name);
	bool usable;

	/* All affinities have been read, so one that was never seen is known to be absent. */
	affinity->known = true;
	if (affinity->corrupt || affinity->object || affinity->touched)
		return IPAM_ATTEMPT_READY;
	*ret_found = true;
	return ipam_plan_claim_block(plan, affinity, block, &usable);
}

/* READY: no free block, unless '*ret_found'. */
static enum ipam_attempt look_for_new(struct ipam_plan *plan, const struct search *search,
				      bool *ret_found)
{
	for (size_t p = 0; p < search->n_pools; p++) {
		const struct ipam_pool *pool = search->pools[p];
		uint64_t n = MIN(ipam_pool_blocks(pool), (uint64_t)IPAM_WALK_MAX);

		for (uint64_t i = 0; i < n; i++) {
			struct cidr cidr = ipam_pool_block(pool, plan->node, i);
			struct ipam_entry *block;
			enum ipam_attempt attempt = probe(plan, &cidr, &block);

			if (attempt == IPAM_ATTEMPT_READY && block)
				attempt = claim_new(plan, block, ret_found);
			if (attempt != IPAM_ATTEMPT_READY || *ret_found)
				return attempt;
		}
	}
	return IPAM_ATTEMPT_READY;
}

/* --- Blocks of others ------------------------------------------------------------------------ */

static bool is_abandoned(const struct ipam_plan *plan, const struct ipam_entry *entry)
{
	const char *affinity = entry->block ? ipam_block_affinity(entry->block) : NULL;

	return affinity && strncmp(affinity, "host:", 5) == 0 &&
	       strcmp(affinity, plan->owner) != 0 && ipam_block_is_empty(entry->block) &&
	       ipam_block_claim_time(entry->block) + IPAM_RECLAIM_AGE <= plan->now_ns / 1000000000;
}

enum ipam_attempt ipam_plan_release_block(struct ipam_plan *plan, struct ipam_entry *affinity,
					  struct ipam_entry *block, const char *owner,
					  bool *ret_used)
{
	*ret_used = false;
	if (affinity->corrupt || block->corrupt)
		return IPAM_ATTEMPT_READY;
	if (affinity->touched)
		return affinity->object ? IPAM_ATTEMPT_WAIT : IPAM_ATTEMPT_READY;
	switch (ipam_affinity_release(ipam_affinity_state(affinity_of(affinity)),
				      ipam_tenure(block->block, owner))) {
	case IPAM_ACTION_MARK:
		ipam_view_guard(&plan->view, block);
		ipam_view_touch(&plan->view, affinity);
		ipam_affinity_move(affinity_of(affinity), IPAM_AFFINITY_PENDING_DELETION);
		return IPAM_ATTEMPT_WAIT;
	case IPAM_ACTION_DELETE:
		ipam_view_remove(&plan->view, block);
		ipam_view_remove(&plan->view, affinity);
		block->claimed = false;
		return IPAM_ATTEMPT_WAIT;
	case IPAM_ACTION_DROP:
		ipam_view_guard(&plan->view, block);
		ipam_view_remove(&plan->view, affinity);
		return IPAM_ATTEMPT_WAIT;
	case IPAM_ACTION_REFUSE:
		*ret_used = true;
		break;
	case IPAM_ACTION_NONE:
	case IPAM_ACTION_PEND:
	case IPAM_ACTION_CREATE:
	case IPAM_ACTION_CONFIRM:
		break;
	}
	return IPAM_ATTEMPT_READY;
}

/* One step towards the end of another node's claim. READY: nothing to be had here. */
static enum ipam_attempt take_away(struct ipam_plan *plan, struct ipam_entry *block)
{
	const char *owner = ipam_block_affinity(block->block);
	_cleanup_free_ char *name = affinity_name(owner + 5, &block->cidr);
	struct ipam_entry *affinity = ipam_view_get(&plan->view, KIND_BLOCK_AFFINITY, name);
	bool used;

	affinity->known = true;
	if (affinity->touched)
		return IPAM_ATTEMPT_WAIT;
	return ipam_plan_release_block(plan, affinity, block, owner, &used);
}

static enum ipam_attempt want_all_blocks(struct ipam_plan *plan)
{
	if (plan->blocks_batch == plan->view.batch)
		return IPAM_ATTEMPT_READY;
	return ipam_plan_want(plan, KIND_IPAM_BLOCK, NULL);
}

static enum ipam_attempt look_for_abandoned(struct ipam_plan *plan, const struct search *search)
{
	enum ipam_attempt attempt = want_all_blocks(plan);

	for (struct ipam_entry *entry = plan->view.kinds[KIND_IPAM_BLOCK];
	     entry && attempt == IPAM_ATTEMPT_READY; entry = entry->next_kind) {
		if (is_abandoned(plan, entry) && in_pools(search, &entry->cidr))
			attempt = take_away(plan, entry);
	}
	return attempt;
}

/* From a place in the list that differs from node to node, so that not all borrow from one. */
static enum ipam_attempt look_to_borrow(struct ipam_plan *plan, const struct search *search,
					struct ipam_sources *ret)
{
	enum ipam_attempt attempt = want_all_blocks(plan);
	size_t n = 0;
	size_t start;

	if (attempt != IPAM_ATTEMPT_READY)
		return attempt;
	for (struct ipam_entry *entry = plan->view.kinds[KIND_IPAM_BLOCK]; entry;
	     entry = entry->next_kind)
		n++;
	start = n ? ipam_fnv1(plan->node) % n : 0;
	for (unsigned int pass = 0; pass < 2; pass++) {
		size_t i = 0;

		for (struct ipam_entry *entry = plan->view.kinds[KIND_IPAM_BLOCK];
		     entry && !is_enough(search, ret); entry = entry->next_kind, i++) {
			if ((i < start) != (pass == 1) || !entry->block ||
			    ipam_block_has_affinity(entry->block, plan->owner) ||
			    !in_pools(search, &entry->cidr))
				continue;
			add_source(plan, entry, ret);
		}
	}
	return IPAM_ATTEMPT_READY;
}

/* --- All of it ------------------------------------------------------------------------------- */

static void too_little(struct ipam_plan *plan, const struct search *search, bool limited,
		       struct ipam_sources *ret)
{
	if (limited) {
		ret->code = (enum ipam_result_code)err_set(
			&ret->err, IPAM_E_BLOCK_LIMIT,
			"node %.64s has %u IPv%c blocks and may have no more (%u), and they are "
			"full; raise maxBlocksPerHost of IPAMConfiguration default",
			plan->node, count_own(plan, search->family),
			(int)ip_version(search->family), plan->max_blocks);
		return;
	}
	ret->code = IPAM_E_FULL;
	ipam_plan_explain(plan, search->pools, search->n_pools, &ret->err);
}

static enum ipam_attempt look_beyond(struct ipam_plan *plan, const struct search *search,
				     struct ipam_sources *ret)
{
	bool limited = count_own(plan, search->family) >= plan->max_blocks;
	enum ipam_attempt attempt;
	bool found = false;

	if (plan->auto_allocate && !limited) {
		attempt = look_for_new(plan, search, &found);
		if (attempt == IPAM_ATTEMPT_READY && !found)
			attempt = look_for_abandoned(plan, search);
		if (attempt != IPAM_ATTEMPT_READY)
			return attempt;
	}
	if (!plan->strict_affinity) {
		attempt = look_to_borrow(plan, search, ret);
		if (attempt != IPAM_ATTEMPT_READY || is_enough(search, ret))
			return attempt;
	}
	too_little(plan, search, limited && plan->auto_allocate, ret);
	return IPAM_ATTEMPT_READY;
}

enum ipam_attempt ipam_plan_find_blocks(struct ipam_plan *plan, const struct ipam_pool **pools,
					size_t n_pools, unsigned int n, uint8_t family,
					bool own_only, struct ipam_sources *ret)
{
	struct search search = {.pools = pools, .n_pools = n_pools, .n = n, .family = family};
	enum ipam_attempt attempt;

	*ret = (struct ipam_sources){.n = 0};
	attempt = look_at_own(plan, &search, ret);
	if (attempt != IPAM_ATTEMPT_READY || is_enough(&search, ret))
		return attempt;
	attempt = refresh_own(plan, &search);
	if (attempt != IPAM_ATTEMPT_READY)
		return attempt;
	if (own_only) {
		too_little(plan, &search, false, ret);
		return IPAM_ATTEMPT_READY;
	}
	return look_beyond(plan, &search, ret);
}
