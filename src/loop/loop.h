/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The event loop of a program: sd-event with error logging, and worker threads that answer through
 * the loop. One thread runs all handlers; nothing in a handler blocks.
 */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"

/* Monotonic microseconds. */
uint64_t loop_now(void);

/* --- Worker thread -------------------------------------------------------------------------- */

struct worker;
struct worker_job;

/*
 * One job: embedded in what needs it. 'run' is called in the worker thread, then 'done' in the
 * loop's thread, exactly once each, in the order of submission.
 */
struct worker_job {
	void (*run)(struct worker_job *job, void *worker_ctx);
	void (*done)(struct worker_job *job);
	struct worker_job *next_; /* private */
};

/* Starts the thread; 'ctx' is handed to every run and used by nobody else meanwhile. */
MUST_CHECK int worker_new(sd_event *event, const char *name, void *ctx, struct worker **ret,
			  struct err *err);
/* Waits for the running job; jobs not begun are completed without run. */
struct worker *worker_free(struct worker *worker);
CLEANUP_FUNC(struct worker *, worker_free);

/* Called on the thread, with 'ctx', each time when the loop has been told of finished jobs. */
void worker_set_after(struct worker *worker, void (*after)(void *ctx));

void worker_submit(struct worker *worker, struct worker_job *job);

/*
 * Takes jobs of the same 'run' function that stand at the head of the queue, for a job that serves
 * several at once (group commit). Called inside run. NULL: none. The taken job's done is called
 * after the taker's. A taken job's own run is not called.
 */
struct worker_job *worker_take_same(struct worker *worker, const struct worker_job *like);
