/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The end of claims on blocks: of a host that is no more, and of this node where a pool's
 * nodeSelector has come to exclude it. An empty block goes with its claim; one in use stays, owned
 * by nobody, until its last address is released.
 */

#include <string.h>

#include "base/alloc.h"
#include "ipam/ipam-affinity.h"
#include "ipam/ipam-plan-internal.h"
#include "model/kinds.h"
#include "selector/selector.h"

/* Entries touched beyond which the rest waits for the next commit. */
#define TOUCHED_FULL 100u

static bool is_excluded(const struct ipam_plan *plan, const struct cidr *block)
{
	static const struct str_map none = {.v = NULL};
	const struct ipam_pool *pool = ipam_pools_find(plan->pools, plan->n_pools, &block->addr);
	const char *selector = pool ? pool->object->spec.node_selector : NULL;

	return selector && *selector && strcmp(selector, "all()") != 0 &&
	       !selector_selects(selector, plan->node_labels ? plan->node_labels : &none);
}

static bool is_settled(const struct ipam_entry *affinity)
{
	enum ipam_affinity_state state =
		ipam_affinity_state(affinity->object ? as_block_affinity(affinity->object) : NULL);

	return state == IPAM_AFFINITY_CONFIRMED || state == IPAM_AFFINITY_PENDING_DELETION;
}

enum ipam_attempt ipam_plan_drop_unselected(struct ipam_plan *plan, const struct ipam_pool **pools,
					    size_t n_pools, uint8_t family)
{
	enum ipam_attempt worst = IPAM_ATTEMPT_READY;

	for (size_t i = 0; i < plan->n_own; i++) {
		struct ipam_entry *affinity = plan->own[i];
		enum ipam_attempt attempt = IPAM_ATTEMPT_READY;
		bool candidate = false;
		bool used;

		if (affinity->cidr.addr.family != family || !is_settled(affinity))
			continue;
		for (size_t j = 0; j < n_pools; j++)
			candidate = candidate || cidr_covers(&pools[j]->cidr, &affinity->cidr);
		if (candidate || !is_excluded(plan, &affinity->cidr))
			continue;
		if (affinity->peer->known)
			attempt = ipam_plan_release_block(plan, affinity, affinity->peer,
							  plan->owner, &used);
		else
			attempt = ipam_plan_want(plan, KIND_IPAM_BLOCK, affinity->peer->name);
		worst = MAX(worst, attempt);
	}
	return worst;
}

/* --- A host's affinities --------------------------------------------------------------------- */

static bool is_asked_for(const struct ipam_request *request, const struct ipam_entry *affinity)
{
	const struct block_affinity_spec *spec;

	if (!affinity->object)
		return false;
	spec = &as_block_affinity(affinity->object)->spec;
	return strcmp(spec->node, request->host) == 0 &&
	       !(spec->type && strcmp(spec->type, "virtual") == 0) &&
	       (!request->block.addr.family || cidr_equal(&request->block, &affinity->cidr));
}

static void disown(struct ipam_plan *plan, struct ipam_entry *affinity, struct ipam_entry *block)
{
	ipam_view_touch(&plan->view, block);
	ipam_block_drop_affinity(block->block);
	ipam_view_remove(&plan->view, affinity);
	block->claimed = false;
}

enum ipam_attempt ipam_plan_release_affinities(struct ipam_plan *plan, struct ipam_request *request)
{
	_cleanup_free_ char *owner = xasprintf("host:%s", request->host);
	enum ipam_attempt worst = IPAM_ATTEMPT_READY;
	unsigned int n_used = 0;

	for (struct ipam_entry *affinity = plan->view.kinds[KIND_BLOCK_AFFINITY]; affinity;
	     affinity = affinity->next_kind) {
		enum ipam_attempt attempt;
		bool used;

		if (!is_asked_for(request, affinity))
			continue;
		if (plan->view.n_touched > TOUCHED_FULL)
			return IPAM_ATTEMPT_WAIT;
		attempt = ipam_plan_refresh(plan, affinity->peer);
		if (attempt == IPAM_ATTEMPT_READY)
			attempt = ipam_plan_release_block(plan, affinity, affinity->peer, owner,
							  &used);
		else
			used = false;
		if (used && !request->must_be_empty) {
			disown(plan, affinity, affinity->peer);
			attempt = IPAM_ATTEMPT_WAIT;
		}
		n_used += used && request->must_be_empty;
		/* A claim that goes with this commit is done for. */
		if (attempt == IPAM_ATTEMPT_WAIT && !affinity->object) {
			request->n_blocks++;
			attempt = IPAM_ATTEMPT_READY;
		}
		worst = MAX(worst, attempt);
	}
	if (worst != IPAM_ATTEMPT_READY)
		return worst;
	if (n_used)
		return ipam_plan_decide(request, IPAM_E_IN_USE,
					"%u block(s) of host %.64s are in use; release their "
					"addresses first",
					n_used, request->host);
	return ipam_plan_decide(request, request->n_blocks ? IPAM_OK : IPAM_E_NOT_FOUND,
				"host %.64s has %u block(s) less", request->host,
				request->n_blocks);
}
