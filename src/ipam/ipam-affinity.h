/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A node's claim on a block, in steps of which each is one write, so that whoever dies in between
 * leaves a state that the next one to come by can carry on from. Pure.
 *
 *   claim:    absent -> pending -> (block created) -> confirmed
 *   release:  confirmed -> pendingDeletion -> (block deleted) -> absent
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/ip.h"

struct block_affinity;
struct ipam_block;
struct object;

enum ipam_affinity_state {
	IPAM_AFFINITY_ABSENT,
	IPAM_AFFINITY_PENDING,
	IPAM_AFFINITY_CONFIRMED,
	IPAM_AFFINITY_PENDING_DELETION,
};
#define IPAM_AFFINITY_STATES 4

/* How the block stands to the owner of the affinity. */
enum ipam_tenure {
	IPAM_TENURE_NO_BLOCK,
	IPAM_TENURE_OURS_EMPTY,
	IPAM_TENURE_OURS_USED,
	IPAM_TENURE_FOREIGN, /* someone else's, or nobody's */
};
#define IPAM_TENURES 4

/* The next write; the state in parentheses is the affinity's after it. */
enum ipam_affinity_action {
	IPAM_ACTION_NONE,    /* claim: the block is ours to use. release: nothing is left */
	IPAM_ACTION_REFUSE,  /* claim: not to be had. release: it is in use */
	IPAM_ACTION_PEND,    /* write the affinity (pending) */
	IPAM_ACTION_CREATE,  /* create the block, then the affinity (confirmed) */
	IPAM_ACTION_CONFIRM, /* write the block to fend off a remover, then (confirmed) */
	IPAM_ACTION_DROP,    /* delete the affinity, which is stale (absent) */
	IPAM_ACTION_MARK,    /* write the affinity (pendingDeletion) */
	IPAM_ACTION_DELETE,  /* delete the block, then the affinity (absent) */
};

enum ipam_affinity_action ipam_affinity_claim(enum ipam_affinity_state state,
					      enum ipam_tenure tenure);
/* Only an empty block is released. */
enum ipam_affinity_action ipam_affinity_release(enum ipam_affinity_state state,
						enum ipam_tenure tenure);

/* NULL counts as absent, and so does what is marked as deleted. */
enum ipam_affinity_state ipam_affinity_state(const struct block_affinity *affinity);
enum ipam_tenure ipam_tenure(const struct ipam_block *block, const char *owner);

bool ipam_affinity_may(enum ipam_affinity_state from, enum ipam_affinity_state to);
/* The move must be an allowed one. */
void ipam_affinity_move(struct block_affinity *affinity, enum ipam_affinity_state to);

/* A pending affinity of the host 'node', with Calico's name and labels. */
struct object *ipam_affinity_new(const char *node, const struct cidr *cidr);
/* Makes it that of a virtual owner, which is no node: "load-balancer". */
void ipam_affinity_make_virtual(struct block_affinity *affinity);
