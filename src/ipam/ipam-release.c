/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Release: of a handle with all its addresses in all blocks, and of one address. A block that
 * becomes empty and belongs to nobody goes with its last address.
 */

#include <string.h>

#include "base/alloc.h"
#include "ipam/ipam-name.h"
#include "ipam/ipam-plan-internal.h"
#include "model/kinds.h"

/* Blocks of one handle freed in one commit; a handle with more takes several. */
#define SLICE 48u

static void block_changed(struct ipam_plan *plan, struct ipam_entry *block)
{
	ipam_view_touch(&plan->view, block);
	if (ipam_block_is_empty(block->block) && !ipam_block_affinity(block->block))
		ipam_view_remove(&plan->view, block);
}

/*
 * What the view has of that block is good enough if it shows addresses of the handle: then it is
 * written, and the write finds out. That there are none has to be read in this batch.
 */
static enum ipam_attempt see_block(struct ipam_plan *plan, struct ipam_entry *block,
				   const char *handle)
{
	if (block->known && block->block && ipam_block_count(block->block, handle))
		return IPAM_ATTEMPT_READY;
	return ipam_plan_refresh(plan, block);
}

struct slice {
	struct ipam_entry *blocks[SLICE];
	size_t n;
};

static enum ipam_attempt gather(struct ipam_plan *plan, struct ipam_request *request,
				const struct ipam_entry *handle, struct slice *ret)
{
	const struct int_map *map = &as_ipam_handle(handle->object)->spec.block;
	enum ipam_attempt worst = IPAM_ATTEMPT_READY;

	for (size_t i = 0; i < map->n && ret->n < SLICE; i++) {
		struct ipam_entry *block;
		struct cidr cidr;

		if (cidr_parse(map->v[i].key, &cidr, NULL) != 0) {
			ret->n = 0;
			return ipam_plan_decide(
				request, IPAM_E_STORE,
				"IPAMHandle %.64s is corrupt: \"%.64s\" of spec.block "
				"is not a CIDR; repair it",
				handle->name, map->v[i].key);
		}
		block = ipam_view_block(&plan->view, &cidr);
		worst = MAX(worst, see_block(plan, block, handle->name));
		if (worst == IPAM_ATTEMPT_READY && block->corrupt) {
			ret->n = 0;
			return ipam_plan_decide(request, IPAM_E_STORE, "%s", block->corrupt);
		}
		ret->blocks[ret->n++] = block;
	}
	return worst;
}

static void free_block(struct ipam_plan *plan, struct ipam_entry *handle, struct ipam_entry *block)
{
	struct cidr_str key = cidr_format(&block->cidr);
	const struct int_pair *pair;
	int count;

	if (block->block && ipam_block_release_handle(block->block, handle->name, &plan->cooldown))
		block_changed(plan, block);
	/* Whatever the handle counted here is gone, also if the block had less of it. */
	pair = int_map_find(&as_ipam_handle(handle->object)->spec.block, key.s);
	count = pair && pair->value > 0 && pair->value < INT32_MAX ? (int)pair->value : 1;
	ipam_plan_count(plan, handle, &block->cidr, -count);
}

enum ipam_attempt ipam_plan_release_handle(struct ipam_plan *plan, struct ipam_request *request)
{
	struct slice slice = {.n = 0};
	struct ipam_entry *handle;
	enum ipam_attempt attempt;

	if (!request->handle || !*request->handle)
		return ipam_plan_decide(request, IPAM_E_NOT_FOUND, "there is no handle to release");
	handle = ipam_view_get(&plan->view, KIND_IPAM_HANDLE, request->handle);
	attempt = handle->known && handle->object ? ipam_plan_see_handle(plan, handle)
						  : ipam_plan_refresh(plan, handle);
	if (attempt != IPAM_ATTEMPT_READY)
		return attempt;
	if (handle->corrupt)
		return ipam_plan_decide(request, IPAM_E_STORE, "%s", handle->corrupt);
	if (!handle->object)
		return ipam_plan_decide(request, IPAM_E_NOT_FOUND, "handle %.128s has no address",
					handle->name);
	attempt = gather(plan, request, handle, &slice);
	if (attempt != IPAM_ATTEMPT_READY || request->err.msg[0])
		return attempt;
	if (!slice.n)
		ipam_view_remove(&plan->view, handle);
	for (size_t i = 0; i < slice.n; i++)
		free_block(plan, handle, slice.blocks[i]);
	if (handle->object)
		return IPAM_ATTEMPT_WAIT; /* the next slice follows the commit of this one */
	return ipam_plan_decide(request, IPAM_OK, "%s", "");
}

/* --- One address ----------------------------------------------------------------------------- */

enum ipam_attempt ipam_plan_find_block(struct ipam_plan *plan, const struct ip_addr *addr,
				       struct ipam_entry **ret)
{
	const struct ipam_pool *pool = ipam_pools_find(plan->pools, plan->n_pools, addr);

	*ret = NULL;
	if (pool) {
		struct cidr cidr = ipam_pool_block_of(pool, addr);
		struct ipam_entry *block = ipam_view_block(&plan->view, &cidr);
		enum ipam_attempt attempt = ipam_plan_refresh(plan, block);

		if (attempt != IPAM_ATTEMPT_READY)
			return attempt;
		if (block->block || block->corrupt) {
			*ret = block;
			return IPAM_ATTEMPT_READY;
		}
	}
	if (plan->blocks_batch != plan->view.batch)
		return ipam_plan_want(plan, KIND_IPAM_BLOCK, NULL);
	for (struct ipam_entry *entry = plan->view.kinds[KIND_IPAM_BLOCK]; entry;
	     entry = entry->next_kind) {
		if (entry->block && cidr_contains(&entry->cidr, addr))
			*ret = entry;
	}
	return IPAM_ATTEMPT_READY;
}

static enum ipam_attempt not_assigned(struct ipam_request *request)
{
	return ipam_plan_decide(request, IPAM_E_NOT_FOUND, "%s is not assigned%s%.128s",
				ip_format(&request->addr).s, request->handle ? " to handle " : "",
				request->handle ? request->handle : "");
}

enum ipam_attempt ipam_plan_release_address(struct ipam_plan *plan, struct ipam_request *request)
{
	struct ipam_entry *block;
	struct ipam_entry *handle = NULL;
	enum ipam_attempt attempt = ipam_plan_find_block(plan, &request->addr, &block);
	unsigned int ordinal;
	const char *name;

	if (attempt != IPAM_ATTEMPT_READY)
		return attempt;
	if (!block)
		return not_assigned(request);
	if (block->corrupt)
		return ipam_plan_decide(request, IPAM_E_STORE, "%s", block->corrupt);
	ordinal = (unsigned int)ip_distance(&block->cidr.addr, &request->addr);
	if (request->has_sequence && ipam_block_is_used(block->block, ordinal) &&
	    ipam_block_sequence(block->block, ordinal) != request->sequence)
		return ipam_plan_decide(request, IPAM_E_CHANGED,
					"%s was assigned anew since it was looked at",
					ip_format(&request->addr).s);
	name = ipam_block_handle(block->block, ordinal);
	if (name) {
		handle = ipam_view_get(&plan->view, KIND_IPAM_HANDLE, name);
		attempt = ipam_plan_refresh(plan, handle);
		if (attempt != IPAM_ATTEMPT_READY)
			return attempt;
	}
	if (ipam_block_release_address(block->block, &request->addr, request->handle,
				       &plan->cooldown) == IPAM_BLOCK_E_NOT_FOUND)
		return not_assigned(request);
	if (handle && handle->object)
		ipam_plan_count(plan, handle, &block->cidr, -1);
	block_changed(plan, block);
	return ipam_plan_decide(request, IPAM_OK, "%s", "");
}
