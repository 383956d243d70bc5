/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs tunnel_addresses_ensure() in the store worker whenever pools or the own node have changed,
 * one run at a time; a start while one is running makes another follow. A failure is tried again.
 */

#include "agent/agent-internal.h"
#include "base/alloc.h"

#define LOG_MODULE "tunnel-address"
#include "base/log.h"

#define RETRY_US 2000000

struct tunnel_address_task {
	struct agent *agent;
	struct store_job job;
	sd_event_source *retry;
	bool running;
	bool again;
};

static void done(struct store_job *job)
{
	struct tunnel_address_task *task = CONTAINER_OF(job, struct tunnel_address_task, job);

	task->running = false;
	if (job->op_result < 0) {
		log_error_limited("tunnel addresses are not right; trying again", "error",
				  job->err.msg);
		(void)sd_event_source_set_time_relative(task->retry, RETRY_US);
		(void)sd_event_source_set_enabled(task->retry, SD_EVENT_ONESHOT);
	} else if (task->again) {
		tunnel_address_task_start(task);
	}
}

void tunnel_address_task_start(struct tunnel_address_task *task)
{
	if (task->agent->stopping)
		return;
	task->again = task->running;
	if (task->running)
		return;
	task->running = true;
	task->job = (struct store_job){
		.op = {.type = STORE_EXPECT},
		.ensure_tunnel_addresses = true,
		.done = done,
	};
	store_worker_submit(task->agent->store_worker, &task->job);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	tunnel_address_task_start(userdata);
	return 0;
}

int tunnel_address_task_new(struct agent *agent, struct tunnel_address_task **ret, struct err *err)
{
	struct tunnel_address_task *task = XNEW(struct tunnel_address_task);
	int r;

	*ret = task;
	task->agent = agent;
	r = sd_event_add_time_relative(agent->event, &task->retry, CLOCK_MONOTONIC, RETRY_US, 0,
				       on_retry, task);
	if (r >= 0)
		r = sd_event_source_set_enabled(task->retry, SD_EVENT_OFF);
	return r < 0 ? err_errno(err, r, "can't set a timer") : 0;
}

struct tunnel_address_task *tunnel_address_task_free(struct tunnel_address_task *task)
{
	if (!task)
		return NULL;
	(void)sd_event_source_disable_unref(task->retry);
	free(task);
	return NULL;
}
