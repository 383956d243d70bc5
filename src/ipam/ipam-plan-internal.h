/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The plan from inside: what its files (step, assign, claim, release) share. */

#include "ipam/ipam-block.h"
#include "ipam/ipam-plan.h"
#include "ipam/ipam-pool.h"
#include "ipam/ipam-view.h"

/* How far an attempt to decide a request got. In order of urgency. */
enum ipam_attempt {
	IPAM_ATTEMPT_READY, /* decided; waits for the commit at most */
	IPAM_ATTEMPT_WAIT,  /* something has to be committed first */
	IPAM_ATTEMPT_READ,  /* something has to be read first */
};

struct ipam_slot {
	struct ipam_request *request;
	bool decided;	       /* in the view */
	bool done;	       /* in the store */
	unsigned int n_blocks; /* of the request's, those in the store */
};

struct ipam_plan {
	char *node;
	bool is_virtual; /* 'node' is no node: "load-balancer" */
	char *owner;	 /* "host:<node>", "virtual:<node>" */
	struct ipam_view view;

	/* Of the batch. */
	struct ipam_slot *slots;
	size_t n_slots;
	int64_t now_ns;
	unsigned int n_conflicts;
	unsigned int n_probes; /* blocks found where a free one was hoped for */
	struct ipam_pool *pools;
	size_t n_pools;
	struct ipam_reserved reserved;
	struct ipam_cooldown cooldown;
	bool strict_affinity;
	bool auto_allocate;
	unsigned int max_blocks;
	const struct str_map *node_labels;
	bool world_read;
	uint64_t world_revision; /* at which that was so; 0: it has to be read */
	bool believing;		 /* in what an earlier batch read: every commit is guarded by it */
	struct err world_err;	 /* why no request can be served; "": nothing */
	uint64_t
		affinities_batch; /* in which all affinities were read; 0: never, or not any more */
	uint64_t blocks_batch;
	bool blocks_read; /* there may be other nodes' blocks in the view */

	/* This node's affinities, in order of CIDR. */
	struct ipam_entry **own;
	size_t n_own;

	struct ipam_read *reads;
	size_t n_reads;
	struct ipam_op *ops;
	size_t n_ops;
	const struct ipam_request **deciding; /* by that commit */
	size_t n_deciding;
};

/* Asks for a read, once. Gives IPAM_ATTEMPT_READ. */
enum ipam_attempt ipam_plan_want(struct ipam_plan *plan, enum kind kind, const char *name);
/* READY if it was read in this batch. */
enum ipam_attempt ipam_plan_refresh(struct ipam_plan *plan, const struct ipam_entry *entry);

/* As above for the handle of a request: it is believed to be absent, or as it was left. */
enum ipam_attempt ipam_plan_see_handle(struct ipam_plan *plan, struct ipam_entry *handle);

/* Ends a request. */
enum ipam_attempt ipam_plan_decide(struct ipam_request *request, enum ipam_result_code code,
				   const char *format, ...) PRINTF_LIKE(3, 4);

/* The sum of what 'handle' has in that block, changed by 'n'; at zero the handle goes. */
void ipam_plan_count(struct ipam_plan *plan, struct ipam_entry *handle, const struct cidr *block,
		     int n);
void ipam_plan_add_own(struct ipam_plan *plan, struct ipam_entry *affinity);

/* ipam-claim.c */

/* What a look for blocks found: entries of blocks to take from, in order. */
struct ipam_sources {
	struct ipam_entry *v[IPAM_ADDRS_MAX];
	size_t n;
	unsigned int available;
	enum ipam_result_code code; /* READY and not OK: why there is not enough */
	struct err err;
};

/* One step towards having that block as this node's own. Sets '*ret_usable' with READY. */
enum ipam_attempt ipam_plan_claim_block(struct ipam_plan *plan, struct ipam_entry *affinity,
					struct ipam_entry *block, bool *ret_usable);
enum ipam_attempt ipam_plan_find_blocks(struct ipam_plan *plan, const struct ipam_pool **pools,
					size_t n_pools, unsigned int n, uint8_t family,
					bool own_only, struct ipam_sources *ret);

/*
 * One step towards the end of a claim on that empty block. READY: nothing more to do; then
 * '*ret_used' says whether that is because the block is in use.
 */
enum ipam_attempt ipam_plan_release_block(struct ipam_plan *plan, struct ipam_entry *affinity,
					  struct ipam_entry *block, const char *owner,
					  bool *ret_used);

/* ipam-host.c */

/* Gives up empty blocks of this node in pools beside those, if their nodeSelector excludes it. */
enum ipam_attempt ipam_plan_drop_unselected(struct ipam_plan *plan, const struct ipam_pool **pools,
					    size_t n_pools, uint8_t family);
enum ipam_attempt ipam_plan_release_affinities(struct ipam_plan *plan,
					       struct ipam_request *request);

/* ipam-repair.c */

enum ipam_attempt ipam_plan_repair_handle(struct ipam_plan *plan, struct ipam_request *request);
enum ipam_attempt ipam_plan_sweep_block(struct ipam_plan *plan, struct ipam_request *request);

/* ipam-explain.c */

/* Why those pools have no address for this node, as far as the blocks were read. */
void ipam_plan_explain(const struct ipam_plan *plan, const struct ipam_pool **pools, size_t n_pools,
		       struct err *ret);

/* ipam-assign.c, ipam-release.c */

enum ipam_attempt ipam_plan_assign_auto(struct ipam_plan *plan, struct ipam_request *request);
enum ipam_attempt ipam_plan_assign_address(struct ipam_plan *plan, struct ipam_request *request);
enum ipam_attempt ipam_plan_release_handle(struct ipam_plan *plan, struct ipam_request *request);
enum ipam_attempt ipam_plan_release_address(struct ipam_plan *plan, struct ipam_request *request);
enum ipam_attempt ipam_plan_hand_over(struct ipam_plan *plan, struct ipam_request *request);

/*
 * The block that holds the address: by the pool's block size, else whichever holds it, since the
 * pool may be gone or have been made anew with another size. READY and NULL: there is none.
 */
enum ipam_attempt ipam_plan_find_block(struct ipam_plan *plan, const struct ip_addr *addr,
				       struct ipam_entry **ret);
