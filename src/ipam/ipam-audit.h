/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is assigned against what is used: every address the blocks give away, beside every address
 * that endpoints and nodes have, and every handle beside the addresses that name it. Pure, and of
 * one moment: the objects may have been read one kind after the other, so what looks wrong once
 * may only have been under way (ipam-collect.h looks twice).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

struct ipam_block;
struct object;
struct str_map;

/* Who an address was given to, as far as its attributes tell. */
enum ipam_holder {
	IPAM_HOLDER_POD,
	IPAM_HOLDER_TUNNEL,
	IPAM_HOLDER_RESERVE, /* kept by a node for pods that come while the datastore is away */
	IPAM_HOLDER_OTHER,   /* reserved, a load balancer's, unknown: not judged here */
	IPAM_HOLDER_COOLING, /* nobody: released, and not to be given again yet */
};

struct ipam_allocation {
	struct ip_addr addr;
	const struct ipam_block *block;
	unsigned int ordinal;
	uint64_t sequence;
	enum ipam_holder holder;
	const char *handle;	     /* NULL: none */
	const struct str_map *attrs; /* never NULL */
	const char *node;	     /* by its attributes, else the block's owner; "" */
	bool borrowed;
	size_t first_user; /* in the users of the audit */
	size_t n_users;	   /* 0: assigned and not used */
};

struct ipam_user {
	struct ip_addr addr;
	char *name; /* "Workload(ns/name)", "Node(name)" */
	bool is_assigned;
	bool is_in_pool; /* in an enabled one */
};

enum ipam_handle_state {
	IPAM_HANDLE_GOOD,
	IPAM_HANDLE_UNUSED,  /* no block has an address of it */
	IPAM_HANDLE_MISSING, /* blocks name it, and it is not there */
	IPAM_HANDLE_WRONG,   /* it counts other addresses than the blocks have */
};

struct ipam_handle_count {
	const char *name;
	enum ipam_handle_state state;
	const struct object *object; /* NULL: missing */
	uint64_t revision;
	unsigned int n; /* addresses in blocks */
};

struct ipam_audit {
	struct ipam_block **blocks; /* those not deleted, in order */
	size_t n_blocks;
	struct ipam_allocation *allocations; /* in order of address */
	size_t n_allocations;
	struct ipam_user *users; /* in order of address */
	size_t n_users;
	struct ipam_handle_count *handles; /* in order of name */
	size_t n_handles;
	struct cidr *pools; /* enabled ones */
	size_t n_pools;
	const char **nodes; /* in order */
	size_t n_nodes;
	char **hosts; /* that have block affinities, in order, each once */
	size_t n_hosts;
	char **corrupt; /* what could not be read: the audit lacks it */
	size_t n_corrupt;
	size_t n_node_users; /* of the users */
};

/* One object of the store. Borrowed while the audit lives, but for a block, which is copied. */
struct ipam_audited {
	const struct object *object; /* NULL: corrupt, and 'why' says how */
	uint64_t revision;
	const char *why;
};

/* Takes in nodes, pools, blocks, affinities, handles and workload endpoints; others are ignored. */
void ipam_audit_init(struct ipam_audit *audit, const struct ipam_audited *objects, size_t n);
void ipam_audit_deinit(struct ipam_audit *audit);
CLEANUP_DEINIT(struct ipam_audit, ipam_audit_deinit);

bool ipam_audit_has_node(const struct ipam_audit *audit, const char *name);
