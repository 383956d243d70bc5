/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Pools: which of them serve a request, and the order in which a node looks through their blocks.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"
#include "ipam/ipam-request.h"

struct ip_pool;

#define IPAM_WALK_MAX (1u << 20) /* blocks of a pool looked at in one search */

/* A pool's object with its numbers read. Borrows the object. */
struct ipam_pool {
	const struct ip_pool *object;
	struct cidr cidr;
	uint8_t block_len; /* prefix length of its blocks */
};

/* 0: '*ret' set. -EBADMSG: 'err' names the pool and what is wrong. */
MUST_CHECK int ipam_pool_read(const struct ip_pool *object, struct ipam_pool *ret, struct err *err);
const char *ipam_pool_name(const struct ipam_pool *pool);
bool ipam_pool_is_enabled(const struct ipam_pool *pool);
bool ipam_pool_allows(const struct ipam_pool *pool, enum ipam_use use);

struct ipam_pool_query {
	enum ipam_use use;
	uint8_t family;
	const char *const *pools; /* of the family, as in struct ipam_request */
	const struct str_map *node_labels;
	const struct str_map *namespace_labels;
	bool (*selects)(const char *selector, const struct str_map *labels); /* may be NULL */
};

/* Does the pool serve an automatic assignment? If not, 'err' (may be NULL) says why. */
bool ipam_pool_serves(const struct ipam_pool *pool, const struct ipam_pool_query *query,
		      struct err *err);

/*
 * The pools to assign from, in order of preference: that of 'all', or that of the request.
 * IPAM_OK: '*ret_n' of them in 'ret', which has room for 'n'. IPAM_E_NO_POOL: 'err' says why.
 */
enum ipam_result_code ipam_pools_choose(const struct ipam_pool *all, size_t n,
					const struct ipam_pool_query *query,
					const struct ipam_pool **ret, size_t *ret_n,
					struct err *err);

/* The first of the pools that holds the address; NULL: none. */
const struct ipam_pool *ipam_pools_find(const struct ipam_pool *pools, size_t n,
					const struct ip_addr *addr);

/* Number of blocks, or 2^32 if there are more: the rest of so large a pool stays unused. */
uint64_t ipam_pool_blocks(const struct ipam_pool *pool);
/* The i-th block in the order of that node, which begins at FNV-1 of its name; i < blocks. */
struct cidr ipam_pool_block(const struct ipam_pool *pool, const char *node, uint64_t i);
/* The block an address of the pool lies in. */
struct cidr ipam_pool_block_of(const struct ipam_pool *pool, const struct ip_addr *addr);
