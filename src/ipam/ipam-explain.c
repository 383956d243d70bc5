/* SPDX-License-Identifier: Apache-2.0 */

/* The words for a pool that has no address to give: how many are in use, reserved, out of reach. */

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "ipam/ipam-plan-internal.h"

#define POOLS_TOLD 4u /* the others are counted */

struct use {
	uint64_t in_use;
	uint64_t cooling;
	uint64_t reserved;
	uint64_t others; /* free in blocks of others */
	uint64_t corrupt;
};

static void add_block(const struct ipam_plan *plan, const struct ipam_block *block, struct use *use)
{
	unsigned int size = ipam_block_size(block);
	unsigned int used = ipam_block_used(block);
	unsigned int available = ipam_block_available(block, &plan->reserved);

	for (unsigned int i = 0; i < size; i++)
		use->cooling += ipam_block_released_at(block, i) != NULL;
	use->in_use += used;
	use->reserved += size - used - available;
	if (!ipam_block_has_affinity(block, plan->owner))
		use->others += available;
}

static void explain_pool(const struct ipam_plan *plan, const struct ipam_pool *pool,
			 struct buf *out)
{
	struct use use = {.in_use = 0};
	uint64_t size = cidr_size(&pool->cidr);

	for (const struct ipam_entry *entry = plan->view.kinds[KIND_IPAM_BLOCK]; entry;
	     entry = entry->next_kind) {
		if (entry->block && cidr_covers(&pool->cidr, &entry->cidr))
			add_block(plan, entry->block, &use);
		use.corrupt += entry->corrupt != NULL;
	}
	use.in_use -= use.cooling;
	if (use.in_use == size) {
		buf_addf(out, "pool %.64s: all %" PRIu64 " addresses are in use",
			 ipam_pool_name(pool), size);
		return;
	}
	buf_addf(out, "pool %.64s: of %" PRIu64 " addresses %" PRIu64 " are in use",
		 ipam_pool_name(pool), size, use.in_use);
	if (use.cooling)
		buf_addf(out, ", %" PRIu64 " cool down", use.cooling);
	if (use.reserved || plan->reserved.n)
		buf_addf(out, ", others are reserved by IPReservations");
	if (use.others && plan->strict_affinity)
		buf_addf(out,
			 ", %" PRIu64 " are free in blocks of other nodes, which strictAffinity "
			 "forbids to borrow",
			 use.others);
	if (use.corrupt)
		buf_addf(out, ", %" PRIu64 " corrupt blocks are not used", use.corrupt);
}

void ipam_plan_explain(const struct ipam_plan *plan, const struct ipam_pool **pools, size_t n_pools,
		       struct err *ret)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	bool known = plan->blocks_batch == plan->view.batch;

	for (size_t i = 0; i < n_pools && i < POOLS_TOLD; i++) {
		buf_adds(&text, i ? "; " : "");
		if (known)
			explain_pool(plan, pools[i], &text);
		else
			buf_addf(&text, "pool %.64s: this node's blocks are full",
				 ipam_pool_name(pools[i]));
	}
	if (n_pools > POOLS_TOLD)
		buf_addf(&text, "; and %zu other pools have none", n_pools - POOLS_TOLD);
	if (!plan->auto_allocate)
		buf_adds(&text, "; autoAllocateBlocks is off, so no block is added");
	(void)err_set(ret, 0, "%s; release addresses or add a pool (node %.64s)", buf_str(&text),
		      plan->node);
}
