/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Assignment: automatic ones from the blocks that were found, of one given address, and of one that
 * another handle of the node keeps for it.
 */

#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "ipam/ipam-affinity.h"
#include "ipam/ipam-name.h"
#include "ipam/ipam-plan-internal.h"
#include "model/affinity-name.h"
#include "model/kinds.h"
#include "selector/selector.h"

#define HANDLE_MAX 253u /* bytes: the longest name of an object */

struct attrs {
	struct str_map map;
};

static void attrs_deinit(struct attrs *attrs)
{
	for (size_t i = 0; i < attrs->map.n; i++) {
		free(attrs->map.v[i].key);
		free(attrs->map.v[i].value);
	}
	free(attrs->map.v);
}

/* What is stored with the address, under Calico's keys. */
static void make_attrs(const struct ipam_plan *plan, const struct ipam_request *request,
		       struct attrs *ret)
{
	const struct {
		const char *key;
		const char *value;
	} pairs[] = {
		{"node", plan->is_virtual ? NULL : plan->node},
		{"namespace", request->namespace},
		{"pod", request->pod},
		{"service", request->service},
		{"type", request->attr_type},
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (pairs[i].value)
			str_map_put(&ret->map, pairs[i].key, pairs[i].value);
	}
	if (!request->attr_type)
		str_map_put(&ret->map, "timestamp", format_time(request->now).s);
}

/* READY: '*ret' is the handle's entry, read in this batch; NULL: the request is decided. */
static enum ipam_attempt get_handle(struct ipam_plan *plan, struct ipam_request *request,
				    struct ipam_entry **ret)
{
	enum ipam_attempt attempt;

	*ret = NULL;
	if (!request->handle || !*request->handle || strlen(request->handle) > HANDLE_MAX)
		return ipam_plan_decide(request, IPAM_E_STORE,
					"a handle of 1 to %u bytes is needed to assign an address",
					HANDLE_MAX);
	*ret = ipam_view_get(&plan->view, KIND_IPAM_HANDLE, request->handle);
	attempt = ipam_plan_see_handle(plan, *ret);
	if (attempt != IPAM_ATTEMPT_READY || !(*ret)->corrupt)
		return attempt;
	attempt = ipam_plan_decide(request, IPAM_E_STORE, "%s", (*ret)->corrupt);
	*ret = NULL;
	return attempt;
}

static void add_address(struct ipam_request *request, const struct ip_addr *addr,
			const struct ipam_entry *block)
{
	request->addrs[request->n_addrs++] =
		(struct cidr){.addr = *addr, .len = ipam_block_cidr(block->block)->len};
}

static void take(struct ipam_plan *plan, struct ipam_request *request, struct ipam_entry *handle,
		 const struct ipam_owner *owner, unsigned int n, struct ipam_sources *sources)
{
	struct ip_addr addrs[IPAM_ADDRS_MAX];

	for (size_t i = 0; i < sources->n && n; i++) {
		struct ipam_entry *block = sources->v[i];
		unsigned int got;

		ipam_view_touch(&plan->view, block);
		got = ipam_block_claim(block->block, owner, n, &plan->reserved, addrs);
		for (unsigned int j = 0; j < got; j++)
			add_address(request, &addrs[j], block);
		ipam_plan_count(plan, handle, &block->cidr, (int)got);
		n -= got;
	}
	assert(n == 0);
}

/*
 * The labels every namespace has by its name alone. Others are the business of whoever knows the
 * namespace's object; without Kubernetes there is none.
 */
static void make_namespace_labels(const struct ipam_request *request, struct attrs *ret)
{
	if (!request->namespace || request->namespace_labels)
		return;
	str_map_put(&ret->map, "kubernetes.io/metadata.name", request->namespace);
	str_map_put(&ret->map, "projectcalico.org/name", request->namespace);
}

static const char *const *wanted_pools(const struct ipam_request *request, uint8_t family)
{
	return family == AF_INET ? request->v4_pools : request->v6_pools;
}

/* Enough blocks for the request's addresses of one family. READY and code not OK: decided. */
static enum ipam_attempt find_family(struct ipam_plan *plan, struct ipam_request *request,
				     uint8_t family, unsigned int n, struct ipam_sources *ret)
{
	_cleanup_free_ const struct ipam_pool **pools = xcalloc(plan->n_pools + 1, sizeof(*pools));
	_cleanup_(attrs_deinit) struct attrs named = {0};
	struct ipam_pool_query query = {.use = request->use,
					.family = family,
					.pools = wanted_pools(request, family),
					.node_labels = plan->node_labels,
					.namespace_labels = request->namespace_labels
								    ? request->namespace_labels
								    : &named.map,
					.selects = selector_selects};
	enum ipam_attempt attempt = IPAM_ATTEMPT_READY;
	size_t n_pools = 0;

	*ret = (struct ipam_sources){.n = 0};
	if (!n)
		return IPAM_ATTEMPT_READY;
	make_namespace_labels(request, &named);
	ret->code =
		ipam_pools_choose(plan->pools, plan->n_pools, &query, pools, &n_pools, &ret->err);
	if (ret->code != IPAM_OK)
		return ipam_plan_decide(request, ret->code, "%s", ret->err.msg);
	if (!query.pools)
		attempt = ipam_plan_drop_unselected(plan, pools, n_pools, family);
	if (attempt != IPAM_ATTEMPT_READY)
		return attempt;
	attempt = ipam_plan_find_blocks(plan, pools, n_pools, n, family, request->own_blocks_only,
					ret);
	if (attempt == IPAM_ATTEMPT_READY && ret->code != IPAM_OK)
		return ipam_plan_decide(request, ret->code, "%s", ret->err.msg);
	return attempt;
}

enum ipam_attempt ipam_plan_assign_auto(struct ipam_plan *plan, struct ipam_request *request)
{
	struct ipam_sources v4;
	struct ipam_sources v6;
	struct ipam_entry *handle;
	_cleanup_(attrs_deinit) struct attrs attrs = {0};
	struct ipam_owner owner = {.handle = request->handle, .attrs = &attrs.map};
	enum ipam_attempt attempt = get_handle(plan, request, &handle);

	if (attempt == IPAM_ATTEMPT_READY && !handle)
		return attempt;
	attempt = MAX(attempt, find_family(plan, request, AF_INET, request->n_v4, &v4));
	if (v4.code != IPAM_OK)
		return IPAM_ATTEMPT_READY;
	attempt = MAX(attempt, find_family(plan, request, AF_INET6, request->n_v6, &v6));
	if (v6.code != IPAM_OK)
		return IPAM_ATTEMPT_READY;
	if (attempt != IPAM_ATTEMPT_READY)
		return attempt;
	make_attrs(plan, request, &attrs);
	take(plan, request, handle, &owner, request->n_v4, &v4);
	take(plan, request, handle, &owner, request->n_v6, &v6);
	return ipam_plan_decide(request, IPAM_OK, "%s", "");
}

/* --- A given address ------------------------------------------------------------------------- */

static bool names_pool(const struct ipam_request *request, const struct ipam_pool *pool)
{
	const char *const *wanted = wanted_pools(request, pool->cidr.addr.family);

	if (!wanted)
		return true;
	for (size_t i = 0; wanted[i]; i++) {
		if (strcmp(wanted[i], ipam_pool_name(pool)) == 0 ||
		    strcmp(wanted[i], cidr_format(&pool->cidr).s) == 0)
			return true;
	}
	return false;
}

/* The address's pool, if it may be assigned from it; NULL: the request is decided. */
static const struct ipam_pool *check_address(struct ipam_plan *plan, struct ipam_request *request)
{
	struct ip_str text = ip_format(&request->addr);
	const struct ipam_pool *pool = ipam_pools_find(plan->pools, plan->n_pools, &request->addr);

	if (!pool || !names_pool(request, pool)) {
		(void)ipam_plan_decide(
			request, IPAM_E_NOT_IN_POOL,
			"%s lies in no IPPool%s; create one or ask for another address", text.s,
			wanted_pools(request, request->addr.family) ? " of the request" : "");
		return NULL;
	}
	if (!ipam_pool_is_enabled(pool) || !ipam_pool_allows(pool, request->use)) {
		(void)ipam_plan_decide(
			request, IPAM_E_NO_POOL,
			"IPPool %.64s, which holds %s, is disabled or its allowedUses "
			"exclude this use",
			ipam_pool_name(pool), text.s);
		return NULL;
	}
	if (ipam_reserved_has(&plan->reserved, &request->addr)) {
		(void)ipam_plan_decide(
			request, IPAM_E_RESERVED,
			"%s is reserved by an IPReservation; ask for another address", text.s);
		return NULL;
	}
	return pool;
}

/* Makes the block of a given address exist. READY: it does, or the request is decided. */
static enum ipam_attempt provide_block(struct ipam_plan *plan, struct ipam_request *request,
				       struct ipam_entry *block, bool *ret_there)
{
	_cleanup_free_ char *name = affinity_name(plan->node, &block->cidr);
	struct ipam_entry *affinity = ipam_view_get(&plan->view, KIND_BLOCK_AFFINITY, name);
	enum ipam_attempt attempt = ipam_plan_refresh(plan, affinity);

	*ret_there = false;
	if (attempt != IPAM_ATTEMPT_READY)
		return attempt;
	/* Its own claim is finished first; another's block is used as it is, or not at all. */
	if (!block->block || affinity->object) {
		attempt = ipam_plan_claim_block(plan, affinity, block, ret_there);
		if (attempt != IPAM_ATTEMPT_READY || *ret_there)
			return attempt;
	}
	if (block->block &&
	    (!plan->strict_affinity || ipam_block_has_affinity(block->block, plan->owner))) {
		*ret_there = true;
		return IPAM_ATTEMPT_READY;
	}
	return ipam_plan_decide(request, IPAM_E_TAKEN,
				"%s lies in a block that is not of node %.64s, and strictAffinity "
				"forbids to borrow it",
				ip_format(&request->addr).s, plan->node);
}

enum ipam_attempt ipam_plan_assign_address(struct ipam_plan *plan, struct ipam_request *request)
{
	const struct ipam_pool *pool = check_address(plan, request);
	_cleanup_(attrs_deinit) struct attrs attrs = {0};
	struct ipam_owner owner = {.handle = request->handle, .attrs = &attrs.map};
	struct ipam_entry *handle;
	struct ipam_entry *block;
	enum ipam_attempt attempt;
	struct cidr cidr;
	bool there;

	if (!pool)
		return IPAM_ATTEMPT_READY;
	attempt = get_handle(plan, request, &handle);
	if (attempt == IPAM_ATTEMPT_READY && !handle)
		return attempt;
	cidr = ipam_pool_block_of(pool, &request->addr);
	block = ipam_view_block(&plan->view, &cidr);
	attempt = MAX(attempt, ipam_plan_refresh(plan, block));
	if (attempt != IPAM_ATTEMPT_READY)
		return attempt;
	if (block->corrupt)
		return ipam_plan_decide(request, IPAM_E_STORE, "%s", block->corrupt);
	attempt = provide_block(plan, request, block, &there);
	if (attempt != IPAM_ATTEMPT_READY || !there)
		return attempt;
	if (ipam_block_collect(block->block, &plan->cooldown))
		ipam_view_touch(&plan->view, block);
	make_attrs(plan, request, &attrs);
	if (ipam_block_claim_address(block->block, &owner, &request->addr) == IPAM_BLOCK_E_TAKEN)
		return ipam_plan_decide(request, IPAM_E_TAKEN,
					"%s is in use; release it or ask for another address",
					ip_format(&request->addr).s);
	ipam_view_touch(&plan->view, block);
	ipam_plan_count(plan, handle, &cidr, 1);
	add_address(request, &request->addr, block);
	return ipam_plan_decide(request, IPAM_OK, "%s", "");
}

/* --- An address that was kept ----------------------------------------------------------------- */

/* READY and a code not OK, or true: decided. */
static bool holds_other(struct ipam_request *request, const struct ipam_entry *block)
{
	unsigned int ordinal;
	const char *name;

	if (!block || block->corrupt) {
		(void)ipam_plan_decide(request, block ? IPAM_E_STORE : IPAM_E_NOT_FOUND, "%s",
				       block ? block->corrupt : "the address's block is gone");
		return true;
	}
	ordinal = (unsigned int)ip_distance(&block->cidr.addr, &request->addr);
	name = ipam_block_handle(block->block, ordinal);
	if (name && strcmp(name, request->handle) == 0) {
		add_address(request, &request->addr, block);
		(void)ipam_plan_decide(request, IPAM_OK, "%s", "");
		return true;
	}
	if (name && strcmp(name, request->from) == 0)
		return false;
	(void)ipam_plan_decide(request, IPAM_E_TAKEN,
			       "%s is not kept under %.128s any more; it belongs to %.128s",
			       ip_format(&request->addr).s, request->from, name ? name : "nobody");
	return true;
}

enum ipam_attempt ipam_plan_hand_over(struct ipam_plan *plan, struct ipam_request *request)
{
	const struct ipam_cooldown at_once = {.seconds = 0};
	_cleanup_(attrs_deinit) struct attrs attrs = {0};
	struct ipam_owner owner = {.handle = request->handle, .attrs = &attrs.map};
	struct ipam_entry *handle;
	struct ipam_entry *from;
	struct ipam_entry *block;
	enum ipam_attempt attempt = get_handle(plan, request, &handle);
	int r;

	assert(request->from);
	if (attempt == IPAM_ATTEMPT_READY && !handle)
		return attempt;
	from = ipam_view_get(&plan->view, KIND_IPAM_HANDLE, request->from);
	attempt = MAX(attempt, ipam_plan_refresh(plan, from));
	attempt = MAX(attempt, ipam_plan_find_block(plan, &request->addr, &block));
	if (attempt == IPAM_ATTEMPT_READY && block)
		attempt = ipam_plan_refresh(plan, block);
	if (attempt != IPAM_ATTEMPT_READY || holds_other(request, block))
		return attempt;
	make_attrs(plan, request, &attrs);
	ipam_view_touch(&plan->view, block);
	r = ipam_block_release_address(block->block, &request->addr, request->from, &at_once);
	assert(r == 0);
	r = ipam_block_claim_address(block->block, &owner, &request->addr);
	assert(r == 0);
	ipam_plan_count(plan, handle, &block->cidr, 1);
	if (from->object)
		ipam_plan_count(plan, from, &block->cidr, -1);
	add_address(request, &request->addr, block);
	return ipam_plan_decide(request, IPAM_OK, "%s", "");
}
