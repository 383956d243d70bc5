/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How a batch of requests is served, as a step function: events go in (the batch, what was read,
 * whether the write held), and out comes what to do next (read these, commit these, done). Pure:
 * no I/O, no clock, no randomness; the same history gives the same decisions.
 *
 * One commit serves all requests of the batch that can be decided. The plan lives between batches
 * and keeps its view: of the node's own blocks and handles, and of what decides about them, pools,
 * reservations, configuration and the node. What the view has wrong, the guarded revisions of the
 * commit find out; so a plain assignment or release is usually one commit without a read. A refusal
 * is only given on what was read in the same batch.
 *
 * A new block is claimed in two commits: first the affinity as pending, guarded by the absence of
 * the block; then the block with its addresses, their handles and the affinity as confirmed. So a
 * Calico node that shares the store sees only what it knows: a pending affinity without a block, or
 * a complete claim. A store that can't commit several objects as one and writes them in order shows
 * Calico's own intermediate states, because the order of operations is Calico's: handles that
 * grow, blocks, affinities, handles that shrink.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ipam/ipam-request.h"
#include "model/model.h"

struct ipam_plan; /* opaque */

#define IPAM_BLOCKS_DEFAULT_MAX 20u  /* blocks a node may have unless configured */
#define IPAM_CONFLICTS_MAX	100u /* commits of one batch that may be lost before it fails */
#define IPAM_RECLAIM_AGE	60   /* seconds an empty block stays with its node unquestioned */
#define IPAM_OPS_MAX		250u /* of one commit */

enum ipam_event_type {
	IPAM_EVENT_BEGIN,    /* a batch; the one before is done */
	IPAM_EVENT_READ,     /* all the reads that were asked for, and nothing else */
	IPAM_EVENT_WRITTEN,  /* the commit held */
	IPAM_EVENT_CONFLICT, /* the commit did not hold, nothing was written */
	IPAM_EVENT_FAILED,   /* the store failed; whether a commit held is not known */
};

/* One object that was read. What is absent from the store is absent from the event. */
struct ipam_found {
	enum kind kind;
	const char *name;
	uint64_t revision;
	struct object *object; /* taken; NULL: the one of ipam_plan_known(), or corrupt */
	const char *corrupt;   /* why it could not be read; NULL: it could */
};

struct ipam_event {
	enum ipam_event_type type;
	struct ipam_request *requests; /* BEGIN; the results are set by DONE */
	size_t n_requests;
	int64_t now_ns;		  /* BEGIN: since 1970 */
	struct ipam_found *found; /* READ */
	size_t n_found;
	uint64_t revision;   /* WRITTEN; READ: of the store before the first read, 0: not known */
	size_t failed;	     /* CONFLICT: index of the operation that did not hold */
	const char *message; /* FAILED */
};

enum ipam_next {
	IPAM_NEXT_READ,
	IPAM_NEXT_COMMIT,
	IPAM_NEXT_DONE,
};

struct ipam_read {
	enum kind kind;
	char *name; /* NULL: all of the kind */
};

enum ipam_op_type {
	IPAM_OP_CREATE,
	IPAM_OP_UPDATE,
	IPAM_OP_DELETE,
	IPAM_OP_EXPECT,
	IPAM_OP_EXPECT_NONE_NEWER,
};

/* As the store's operations of the same names. */
struct ipam_op {
	enum ipam_op_type type;
	enum kind kind;
	const char *name;
	const struct object *object;
	uint64_t revision;
};

/* Borrowed until the next step. */
struct ipam_update {
	enum ipam_next next;
	const struct ipam_read *reads;
	size_t n_reads;
	const struct ipam_op *ops;
	size_t n_ops;
	/* COMMIT: the requests that are granted if it holds, with their results. */
	const struct ipam_request *const *deciding;
	size_t n_deciding;
};

/* 'node' is copied. */
struct ipam_plan *ipam_plan_new(const char *node);
/* For an owner of blocks that is no node: "load-balancer". */
struct ipam_plan *ipam_plan_new_virtual(const char *owner);
struct ipam_plan *ipam_plan_free(struct ipam_plan *plan);
CLEANUP_FUNC(struct ipam_plan *, ipam_plan_free);

/* The revision of an object whose content the plan still has; 0: it has none. */
uint64_t ipam_plan_known(const struct ipam_plan *plan, enum kind kind, const char *name);

void ipam_plan_step(struct ipam_plan *plan, const struct ipam_event *event,
		    struct ipam_update *ret);
