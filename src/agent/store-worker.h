/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The agent's writes to the datastore: one worker thread with one store handle and the node's one
 * IPAM writer. All jobs that wait when it gets to work are served together (group commit): in one
 * transaction their address requests and the objects that go with them, in another the objects that
 * go alone.
 */

#include <systemd/sd-event.h>

#include "ipam-io/ipam-writer.h"
#include "loop/loop.h"
#include "store/store.h"

struct reserve_fill;
struct store_worker;

/*
 * Embedded in what waits for it. 'done' is called in the loop, exactly once; then 'err_code' and,
 * where asked for, the results of object write and address request are set.
 */
struct store_job {
	struct worker_job job; /* private */

	struct store_op op; /* an object write; STORE_EXPECT: none. Borrowed strings */
	bool has_ipam;
	/*
	 * With an 'op', which is a PUT or REMOVE: both or neither are written. A PUT is only for
	 * addresses that are granted; a REMOVE is also written where there is nothing to release.
	 */
	struct ipam_request ipam;
	/* Called in the worker's thread once 'ipam' is decided: fills in the value of 'op'. */
	void (*compose)(struct store_job *job, const struct ipam_request *ipam);
	bool ensure_tunnel_addresses; /* before all else */
	struct reserve_fill *fill;    /* before the write; NULL: none. Borrowed until done */

	void (*done)(struct store_job *job);

	/* Results. */
	int op_result; /* of the write: 0, STORE_E_*, <0 */
	bool op_done;  /* private */
	uint64_t revision;
	bool unreachable; /* the datastore did not answer; a later try may succeed */
	struct err err;	  /* of write or tunnel addresses; the address request has its own */
};

/* Opens the store in 'config' (strings borrowed for the worker's life). */
MUST_CHECK int store_worker_new(sd_event *event, const struct store_config *config,
				const char *node_name, struct store_worker **ret, struct err *err);
struct store_worker *store_worker_free(struct store_worker *worker);
CLEANUP_FUNC(struct store_worker *, store_worker_free);

void store_worker_submit(struct store_worker *worker, struct store_job *job);

/* For start-up, before the first submit. The store is NULL after a reopening that failed. */
MUST_CHECK int store_worker_reopen(struct store_worker *worker, struct err *err);
struct store *store_worker_get_store(struct store_worker *worker);
