/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses wait until the timer hands all of them to the thread. Invariant: an address is in
 * 'waiting', in 'handed' or nowhere; the thread only reads 'handed', and the loop writes it only
 * while the thread is not busy. 'busy' is set by the loop and cleared by the thread, under the
 * lock.
 */

#include "agent/connection-flusher.h"

#include <linux/netlink.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "loop/loop.h"
#include "netlink/conntrack.h"

#define LOG_MODULE "policy"
#include "base/log.h"

#define GATHER_US 100000
#define RETRY_US  1000000

struct addr_list {
	struct ip_addr *v;
	size_t n;
};

struct connection_flusher {
	struct nl *nl; /* the thread's */
	struct worker *worker;
	sd_event_source *timer;
	struct addr_list waiting;
	struct addr_list handed;
	struct worker_job job;
	bool handed_over; /* the job is on its way, until done() */
	int result;	  /* of the job */
	struct err err;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	bool busy;
};

static void list_clear(struct addr_list *list)
{
	free(list->v);
	*list = (struct addr_list){.v = NULL};
}

/* True: it was there. */
static bool list_take(struct addr_list *list, const struct ip_addr *addr)
{
	for (size_t i = 0; i < list->n; i++) {
		if (!ip_equal(&list->v[i], addr))
			continue;
		list->v[i] = list->v[--list->n];
		return true;
	}
	return false;
}

static bool list_has(const struct addr_list *list, const struct ip_addr *addr)
{
	for (size_t i = 0; i < list->n; i++)
		if (ip_equal(&list->v[i], addr))
			return true;
	return false;
}

/* Several pods that went may have had one address; it is there once. */
static void list_add(struct addr_list *list, const struct ip_addr *addr)
{
	if (!list_has(list, addr))
		*ARRAY_ADD(list->v, list->n) = *addr;
}

static void arm(struct connection_flusher *flusher, uint64_t after_us)
{
	if (!flusher->timer)
		return; /* at the end */
	(void)sd_event_source_set_time_relative(flusher->timer, after_us);
	(void)sd_event_source_set_enabled(flusher->timer, SD_EVENT_ONESHOT);
}

/* --- The thread --------------------------------------------------------------------------- */

static void run(struct worker_job *job, void *ctx)
{
	struct connection_flusher *flusher = CONTAINER_OF(job, struct connection_flusher, job);
	size_t n;

	flusher->err.msg[0] = '\0';
	flusher->result =
		conntrack_flush_addrs(ctx, flusher->handed.v, flusher->handed.n, &n, &flusher->err);
	(void)pthread_mutex_lock(&flusher->lock);
	flusher->busy = false;
	(void)pthread_cond_signal(&flusher->idle);
	(void)pthread_mutex_unlock(&flusher->lock);
}

static void wait_idle(struct connection_flusher *flusher)
{
	(void)pthread_mutex_lock(&flusher->lock);
	while (flusher->busy)
		(void)pthread_cond_wait(&flusher->idle, &flusher->lock);
	(void)pthread_mutex_unlock(&flusher->lock);
}

/* --- The loop ----------------------------------------------------------------------------- */

static void done(struct worker_job *job)
{
	struct connection_flusher *flusher = CONTAINER_OF(job, struct connection_flusher, job);

	if (flusher->result < 0) {
		log_error_limited("can't end the connections of deleted pods, trying again",
				  "error", flusher->err.msg);
		for (size_t i = 0; i < flusher->handed.n; i++)
			list_add(&flusher->waiting, &flusher->handed.v[i]);
	}
	list_clear(&flusher->handed);
	flusher->handed_over = false;
	if (flusher->waiting.n)
		arm(flusher, flusher->result < 0 ? RETRY_US : GATHER_US);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct connection_flusher *flusher = userdata;

	(void)source;
	(void)usec;
	if (!flusher->waiting.n || flusher->handed_over)
		return 0; /* done() arms it again */
	flusher->handed = flusher->waiting;
	flusher->waiting = (struct addr_list){.v = NULL};
	flusher->handed_over = true;
	flusher->busy = true; /* the thread has nothing to do now, and does not look */
	flusher->job = (struct worker_job){.run = run, .done = done};
	worker_submit(flusher->worker, &flusher->job);
	return 0;
}

void connection_flusher_add(struct connection_flusher *flusher, const struct ip_addr *addrs,
			    size_t n)
{
	if (n && !flusher->waiting.n && !flusher->handed_over)
		arm(flusher, GATHER_US);
	for (size_t i = 0; i < n; i++)
		list_add(&flusher->waiting, &addrs[i]);
}

static void flush_now(const struct ip_addr *addrs, size_t n)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct err err = ERR_INIT;
	size_t n_ended;
	int r = nl_open(NETLINK_NETFILTER, -1, &nl, &err);

	if (r == 0)
		r = conntrack_flush_addrs(nl, addrs, n, &n_ended, &err);
	if (r < 0)
		log_error_limited("can't end the connections of a deleted pod", "error", err.msg);
}

void connection_flusher_settle(struct connection_flusher *flusher, const struct ip_addr *addr)
{
	bool left = list_take(&flusher->waiting, addr);

	if (list_has(&flusher->handed, addr)) {
		wait_idle(flusher);
		(void)list_take(&flusher->handed, addr);
		left = left || flusher->result < 0;
	}
	if (left)
		flush_now(addr, 1);
}

int connection_flusher_new(sd_event *event, struct connection_flusher **ret, struct err *err)
{
	_cleanup_(connection_flusher_freep) struct connection_flusher *flusher =
		XNEW(struct connection_flusher);
	int r;

	(void)pthread_mutex_init(&flusher->lock, NULL);
	(void)pthread_cond_init(&flusher->idle, NULL);
	r = nl_open(NETLINK_NETFILTER, -1, &flusher->nl, err);
	if (r == 0)
		r = worker_new(event, "connections", flusher->nl, &flusher->worker, err);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(event, &flusher->timer, CLOCK_MONOTONIC, GATHER_US, 0,
				       on_timer, flusher);
	if (r >= 0)
		r = sd_event_source_set_enabled(flusher->timer, SD_EVENT_OFF);
	if (r < 0)
		return err_errno(err, r, "can't set a timer");
	*ret = TAKE_PTR(flusher);
	return 0;
}

struct connection_flusher *connection_flusher_free(struct connection_flusher *flusher)
{
	if (!flusher)
		return NULL;
	(void)sd_event_source_disable_unref(flusher->timer);
	flusher->timer = NULL;
	if (flusher->worker)
		wait_idle(flusher);
	worker_free(flusher->worker);
	if (flusher->waiting.n)
		flush_now(flusher->waiting.v, flusher->waiting.n);
	list_clear(&flusher->waiting);
	list_clear(&flusher->handed);
	nl_close(flusher->nl);
	(void)pthread_mutex_destroy(&flusher->lock);
	(void)pthread_cond_destroy(&flusher->idle);
	free(flusher);
	return NULL;
}
