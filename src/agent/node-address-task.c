/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Looks every AUTODETECT_POLL_INTERVAL whether the node's address is still the one in its Node
 * object, and writes the object where it is not: an address that changed, a Node that somebody
 * deleted. The look is at the host alone; the datastore is asked only when there is something to
 * write, by a connection of its own, as the agent's may be at work.
 */

#include <time.h>

#include "agent/agent-internal.h"
#include "agent/node-address.h"
#include "agent/node-startup.h"
#include "base/alloc.h"
#include "calc/calc.h"
#include "loop/loop.h"
#include "model/kinds.h"

#define LOG_MODULE "node-address"
#include "base/log.h"

struct node_address_task {
	struct agent *agent;
	sd_event_source *timer;
	struct worker_job job;
	/* Between the loop and the worker. */
	bool has_node;
	struct node_address_known known[2];
	int result;
	struct err err;
	struct err said; /* what was reported last; the same one again is not news */
};

/* Does the host say something else than the Node? <0: it can't be told. */
static int look(struct node_address_task *task)
{
	for (unsigned int f = 0; f < 2; f++) {
		const struct cidr *stored = &task->known[f].stored;
		struct cidr found;
		int r = node_find_address(&task->agent->args, f == 0 ? AF_INET : AF_INET6,
					  &task->known[f], &found, &task->err);

		if (r < 0)
			return r;
		if (found.addr.family &&
		    !(cidr_equal(&found, stored) && ip_equal(&found.addr, &stored->addr)))
			return 1;
	}
	return 0;
}

static void run(struct worker_job *job, void *ctx)
{
	struct node_address_task *task = CONTAINER_OF(job, struct node_address_task, job);
	_cleanup_(store_closep) struct store *store = NULL;

	(void)ctx;
	task->result = task->has_node ? look(task) : 1;
	if (task->result <= 0)
		return;
	task->result = store_open(&task->agent->store_config, &store, &task->err);
	if (task->result == 0)
		task->result = node_register(store, &task->agent->args, &task->err);
}

static void again(struct node_address_task *task)
{
	uint64_t us = task->agent->args.address_poll_us;

	(void)sd_event_source_set_time_relative(task->timer, us);
	(void)sd_event_source_set_enabled(task->timer, us ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void done(struct worker_job *job)
{
	struct node_address_task *task = CONTAINER_OF(job, struct node_address_task, job);

	if (task->result < 0 && strcmp(task->said.msg, task->err.msg) != 0)
		log_error("this node's address is not as it is to be; looking again later", "error",
			  task->err.msg);
	if (task->result < 0)
		task->said = task->err;
	else
		task->said.msg[0] = '\0';
	again(task);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct node_address_task *task = userdata;
	const struct node *node = calc_get_own_node(task->agent->calc);

	(void)source;
	(void)usec;
	if (!task->agent->in_sync || task->agent->stopping) {
		again(task);
		return 0;
	}
	task->has_node = node;
	for (unsigned int f = 0; node && f < 2; f++) {
		const struct node_bgp *bgp = node->spec.bgp;
		const char *text = !bgp ? NULL : f == 0 ? bgp->ipv4_address : bgp->ipv6_address;

		node_address_read(text, &task->known[f].stored);
		task->known[f].told = node_internal_address(node, f == 0 ? AF_INET : AF_INET6);
	}
	task->result = 0;
	task->job = (struct worker_job){.run = run, .done = done};
	worker_submit(task->agent->scan_worker, &task->job);
	return 0;
}

int node_address_task_new(struct agent *agent, struct node_address_task **ret, struct err *err)
{
	struct node_address_task *task = XNEW(struct node_address_task);
	int r;

	*ret = task;
	task->agent = agent;
	r = sd_event_add_time_relative(agent->event, &task->timer, CLOCK_MONOTONIC,
				       agent->args.address_poll_us, 0, on_timer, task);
	if (r < 0)
		return err_errno(err, r, "can't set a timer");
	again(task);
	return 0;
}

struct node_address_task *node_address_task_free(struct node_address_task *task)
{
	if (!task)
		return NULL;
	(void)sd_event_source_disable_unref(task->timer);
	free(task);
	return NULL;
}
