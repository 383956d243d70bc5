/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The one writer of a node's addresses. All requests that wait are served together: the world is
 * read (or the view of the last write is still good), the pure steps of the ipam module decide, and
 * one transaction of the store makes it so; a conflict means read again and decide again.
 * Blocking: the agent calls it in its worker thread, koratctl directly.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ipam/ipam-request.h"

struct store;
struct store_op;
struct ipam_writer;

/* 'node' is copied; 'store' is borrowed and used by nobody else meanwhile. */
struct ipam_writer *ipam_writer_new(struct store *store, const char *node);
struct ipam_writer *ipam_writer_free(struct ipam_writer *writer);
CLEANUP_FUNC(struct ipam_writer *, ipam_writer_free);

/*
 * What the caller wants written together with a request that is granted. 'make' is asked before
 * each try and gives a STORE_PUT or STORE_REMOVE, borrowed until it is asked for that request
 * again; false: nothing. 'made' is told that it was written, at that revision.
 */
struct ipam_companion {
	bool (*make)(void *ctx, const struct ipam_request *request, struct store_op *ret);
	void (*made)(void *ctx, const struct ipam_request *request, uint64_t revision);
	void *ctx;
};
void ipam_writer_set_companion(struct ipam_writer *writer, const struct ipam_companion *companion);

/*
 * Serves all requests; each has its own result. <0 only if the store is unreachable (the results
 * then say IPAM_E_STORE and nothing is known to be assigned).
 */
MUST_CHECK int ipam_writer_serve(struct ipam_writer *writer, struct ipam_request *requests,
				 size_t n, struct err *err);

/* What the writer has done so far. */
struct ipam_writer_counts {
	uint64_t n_reads;     /* each of one or several objects and kinds */
	uint64_t n_commits;   /* that held */
	uint64_t n_conflicts; /* that did not */
	uint64_t n_objects;   /* written or deleted */
};
const struct ipam_writer_counts *ipam_writer_counts(const struct ipam_writer *writer);
