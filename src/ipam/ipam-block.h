/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A block: a small CIDR whose addresses are handed out one by one. The working form holds the
 * model's object, checked once when it comes in, and keeps it whole at every moment, so writing it
 * out costs no conversion and fields of a newer peer survive. Pure: no I/O and no clock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"
#include "ipam/ipam-reserved.h"

struct ipam_block; /* opaque */
struct object;
struct str_map;

#define IPAM_BLOCK_BITS_MAX 12u /* host bits: /20 and /116 are the largest blocks */

enum ipam_block_outcome {
	IPAM_BLOCK_E_TAKEN = 1, /* the address is assigned, or in its cooldown */
	IPAM_BLOCK_E_NOT_FOUND, /* the address is not assigned, or not to that handle */
};

/* Who an address is for, and what is stored with it. Borrowed; 'attrs' may be NULL. */
struct ipam_owner {
	const char *handle;
	const struct str_map *attrs;
};

/* How a release frees: after 'cooldown' seconds from 'now'; 0: at once. */
struct ipam_cooldown {
	int64_t now;
	int64_t seconds;
};

/* A new, empty block. 'affinity' ("host:<node>") is copied; NULL: none. */
struct ipam_block *ipam_block_new(const struct cidr *cidr, const char *affinity, int64_t now,
				  uint64_t sequence);
struct ipam_block *ipam_block_free(struct ipam_block *block);
CLEANUP_FUNC(struct ipam_block *, ipam_block_free);

/*
 * From the store's object, of kind KIND_IPAM_BLOCK. 0: '*ret' given, 'object' taken.
 * -EBADMSG: the block is corrupt, 'err' names it and what is wrong; 'object' stays the caller's.
 */
MUST_CHECK int ipam_block_from_object(struct object *object, struct ipam_block **ret,
				      struct err *err);

/* What to write: borrowed, current until the next change. */
const struct object *ipam_block_object(const struct ipam_block *block);
/* Has the store marked it as deleted? Such a block counts as absent. */
bool ipam_block_is_deleted(const struct ipam_block *block);

const struct cidr *ipam_block_cidr(const struct ipam_block *block);
const char *ipam_block_affinity(const struct ipam_block *block); /* NULL: none */
bool ipam_block_has_affinity(const struct ipam_block *block, const char *affinity);
void ipam_block_drop_affinity(struct ipam_block *block);
/* Seconds; 0: not known. */
int64_t ipam_block_claim_time(const struct ipam_block *block);

unsigned int ipam_block_size(const struct ipam_block *block);
unsigned int ipam_block_used(const struct ipam_block *block); /* cooldowns included */
bool ipam_block_is_empty(const struct ipam_block *block);
bool ipam_block_is_full(const struct ipam_block *block);
/* How many addresses a claim would get at most. */
unsigned int ipam_block_available(const struct ipam_block *block,
				  const struct ipam_reserved *reserved);

/* An assigned address's handle and attributes. NULL: not assigned, in cooldown, or no handle. */
const char *ipam_block_handle(const struct ipam_block *block, unsigned int ordinal);
const struct str_map *ipam_block_attrs(const struct ipam_block *block, unsigned int ordinal);
/* The block's sequence number when that address was assigned; 0: not known. */
uint64_t ipam_block_sequence(const struct ipam_block *block, unsigned int ordinal);
/* When an address that cools down was released. NULL: it does not cool down. */
const char *ipam_block_released_at(const struct ipam_block *block, unsigned int ordinal);
bool ipam_block_is_used(const struct ipam_block *block, unsigned int ordinal);
/* How many addresses the handle has here. */
unsigned int ipam_block_count(const struct ipam_block *block, const char *handle);

/* Claims up to 'n' addresses that lay free the longest; how many it were, each in 'ret_addrs'. */
unsigned int ipam_block_claim(struct ipam_block *block, const struct ipam_owner *owner,
			      unsigned int n, const struct ipam_reserved *reserved,
			      struct ip_addr *ret_addrs);

/* Claims that address, which lies in the block. 0, IPAM_BLOCK_E_TAKEN. */
MUST_CHECK int ipam_block_claim_address(struct ipam_block *block, const struct ipam_owner *owner,
					const struct ip_addr *addr);

/* Frees every address of the handle; how many it were. */
unsigned int ipam_block_release_handle(struct ipam_block *block, const char *handle,
				       const struct ipam_cooldown *cooldown);

/* Frees one address, if 'handle' is NULL or its handle. 0, IPAM_BLOCK_E_NOT_FOUND. */
MUST_CHECK int ipam_block_release_address(struct ipam_block *block, const struct ip_addr *addr,
					  const char *handle, const struct ipam_cooldown *cooldown);

/* Frees what has cooled down; how many it were. */
unsigned int ipam_block_collect(struct ipam_block *block, const struct ipam_cooldown *cooldown);

/* Counts a write; called once for each that is sent to the store. */
void ipam_block_count_write(struct ipam_block *block);
