/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The agent's writes to the datastore: one worker thread with one store handle and the node's one
 * IPAM writer. All jobs that wait when it gets to work are served together: their object writes in
 * one transaction, then their address requests in one (group commit).
 */

#include <systemd/sd-event.h>

#include "ipam-io/ipam-writer.h"
#include "loop/loop.h"
#include "store/store.h"

struct store_worker;

/*
 * Embedded in what waits for it. 'done' is called in the loop, exactly once; then 'err_code' and,
 * where asked for, the results of object write and address request are set.
 */
struct store_job {
	struct worker_job job; /* private */

	/* An object write; type STORE_EXPECT: none. A DELETE of what is not there is fine. */
	struct store_op op; /* its strings are borrowed until done */
	bool has_ipam;
	struct ipam_request ipam;     /* after the write */
	bool ensure_tunnel_addresses; /* before all else */

	void (*done)(struct store_job *job);

	/* Results. */
	int op_result; /* of the write: 0, STORE_E_CONFLICT, <0 */
	uint64_t revision;
	struct err err; /* of write or tunnel addresses; the address request has its own */
};

/* Opens the store in 'config' (strings borrowed for the worker's life). */
MUST_CHECK int store_worker_new(sd_event *event, const struct store_config *config,
				const char *node_name, struct store_worker **ret, struct err *err);
struct store_worker *store_worker_free(struct store_worker *worker);
CLEANUP_FUNC(struct store_worker *, store_worker_free);

void store_worker_submit(struct store_worker *worker, struct store_job *job);

/* For start-up, before the first submit. */
struct store *store_worker_get_store(struct store_worker *worker);
struct ipam_writer *store_worker_get_writer(struct store_worker *worker);
