/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A walk is: the thread lists, the loop judges, the thread deletes. Invariant: 'list' belongs to
 * the thread from worker_submit() to done(), and to the loop else; the thread sees nothing of the
 * driver's. How many are judged in a turn follows from what those before have taken.
 */

#include "agent/connection-cutter.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "loop/loop.h"
#include "netlink/addr.h"
#include "netlink/conntrack.h"
#include "policy/policy-match.h"

#define LOG_MODULE "policy"
#include "base/log.h"

#define GATHER_US    UINT64_C(100000)
#define RETRY_US     UINT64_C(1000000)
#define PAUSE_FACTOR 4
#define TURN_US	     UINT64_C(1000) /* a turn of the loop judges about as long */
#define TURN_MIN     16u
#define TURN_MAX     1024u

enum cutter_state {
	CUTTER_IDLE,
	CUTTER_LISTING,
	CUTTER_JUDGING,
	CUTTER_DELETING,
};

struct connection_cutter {
	struct policy_driver driver;
	struct nl *netfilter; /* the thread's */
	struct nl *route;     /* the thread's */
	struct worker *worker;
	struct worker_job job;
	sd_event_source *timer;
	sd_event_source *turn; /* one of judging */
	enum cutter_state state;
	bool wanted; /* a walk that begins from now on */
	bool held;
	struct conntrack_list list;
	size_t n_judged;
	size_t n_denied; /* of those; they are the first in the list */
	size_t n_a_turn;
	uint64_t begun_us;
	uint64_t not_before_us; /* the next walk */
	int result;		/* of the job */
	size_t n_ended;
	struct err err;
};

/* The next walk, if one is wanted. */
static void arm(struct connection_cutter *cutter)
{
	uint64_t now = loop_now();
	uint64_t pause = cutter->not_before_us > now ? cutter->not_before_us - now : 0;

	if (!cutter->timer || !cutter->wanted || cutter->held || cutter->state != CUTTER_IDLE)
		return;
	(void)sd_event_source_set_time_relative(cutter->timer, MAX(pause, GATHER_US));
	(void)sd_event_source_set_enabled(cutter->timer, SD_EVENT_ONESHOT);
}

/* --- The thread --------------------------------------------------------------------------- */

struct addr_set {
	struct ip_addr *v; /* sorted */
	size_t n;
};

static int compare_addrs(const void *a, const void *b)
{
	return ip_compare(a, b);
}

static bool is_not_of_host(const struct conntrack_entry *entry, void *ctx)
{
	const struct addr_set *own = ctx;

	return !own->n || !bsearch(&entry->source, own->v, own->n, sizeof(*own->v), compare_addrs);
}

static int list_own(struct connection_cutter *cutter, struct addr_set *ret)
{
	struct if_addr_list list = {.v = NULL};
	int r = addr_dump(cutter->route, AF_UNSPEC, 0, &list, &cutter->err);

	for (size_t i = 0; r == 0 && i < list.n; i++)
		*ARRAY_ADD(ret->v, ret->n) = list.v[i].cidr.addr;
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_addrs);
	if_addr_list_deinit(&list);
	return r;
}

static void run_list(struct worker_job *job, void *ctx)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct connection_cutter *cutter = ctx;
	struct addr_set own = {.v = NULL};

	(void)job;
	cutter->err.msg[0] = '\0';
	cutter->result = list_own(cutter, &own);
	for (size_t i = 0; cutter->result == 0 && i < ARRAY_SIZE(families); i++)
		cutter->result = conntrack_list_add(&cutter->list, cutter->netfilter, families[i],
						    is_not_of_host, &own, &cutter->err);
	free(own.v);
}

static void run_delete(struct worker_job *job, void *ctx)
{
	struct connection_cutter *cutter = ctx;

	(void)job;
	cutter->err.msg[0] = '\0';
	cutter->result = conntrack_list_delete(&cutter->list, cutter->netfilter, &cutter->n_ended,
					       &cutter->err);
}

/* --- The loop ----------------------------------------------------------------------------- */

static void end_walk(struct connection_cutter *cutter, uint64_t pause_us)
{
	conntrack_list_clear(&cutter->list);
	cutter->state = CUTTER_IDLE;
	cutter->not_before_us = loop_now() + pause_us;
	arm(cutter);
}

static void fail(struct connection_cutter *cutter)
{
	log_error_limited("can't end connections that policy denies, trying again", "error",
			  cutter->err.msg);
	cutter->wanted = true;
	end_walk(cutter, RETRY_US);
}

static void done_delete(struct worker_job *job)
{
	struct connection_cutter *cutter = CONTAINER_OF(job, struct connection_cutter, job);
	uint64_t took = loop_now() - cutter->begun_us;

	if (cutter->result < 0) {
		fail(cutter);
		return;
	}
	if (cutter->n_ended)
		log_info_limited("connections ended that policy denies", "connections",
				 log_num((int64_t)cutter->n_ended).s);
	end_walk(cutter, took * PAUSE_FACTOR);
}

static void submit(struct connection_cutter *cutter, enum cutter_state state,
		   void (*run)(struct worker_job *job, void *ctx),
		   void (*done)(struct worker_job *job))
{
	cutter->state = state;
	cutter->result = -ECANCELED; /* if it is not run at all */
	cutter->job = (struct worker_job){.run = run, .done = done};
	worker_submit(cutter->worker, &cutter->job);
}

/* A walk by what is not in force ends; another one follows. */
static void abandon(struct connection_cutter *cutter)
{
	(void)sd_event_source_set_enabled(cutter->turn, SD_EVENT_OFF);
	cutter->wanted = true;
	end_walk(cutter, 0);
}

static struct packet packet_of(const struct conntrack_entry *entry)
{
	return (struct packet){
		.source = entry->source,
		.destination = entry->destination,
		.protocol = entry->protocol,
		.source_port = entry->source_port,
		.destination_port = entry->destination_port,
		.icmp_type = entry->icmp_type,
		.icmp_code = entry->icmp_code,
	};
}

static void judge_some(struct connection_cutter *cutter)
{
	size_t n = MIN(cutter->n_a_turn, cutter->list.n - cutter->n_judged);
	struct conntrack_item *items = cutter->list.v;
	struct packet packets[TURN_MAX] = {{.protocol = 0}};
	bool denied[TURN_MAX] = {false};

	for (size_t i = 0; i < n; i++)
		packets[i] = packet_of(&items[cutter->n_judged + i].entry);
	cutter->driver.ops->judge(cutter->driver.self, packets, n, denied);
	for (size_t i = 0; i < n; i++)
		if (denied[i])
			items[cutter->n_denied++] = items[cutter->n_judged + i];
	cutter->n_judged += n;
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct connection_cutter *cutter = userdata;
	uint64_t start = loop_now();
	uint64_t took;

	judge_some(cutter);
	took = loop_now() - start;
	if (took > TURN_US)
		cutter->n_a_turn = MAX(cutter->n_a_turn / 2, (size_t)TURN_MIN);
	else if (took < TURN_US / 2)
		cutter->n_a_turn = MIN(cutter->n_a_turn * 2, (size_t)TURN_MAX);
	if (cutter->n_judged < cutter->list.n)
		return 0;
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	cutter->list.n = cutter->n_denied;
	submit(cutter, CUTTER_DELETING, run_delete, done_delete);
	return 0;
}

static void done_list(struct worker_job *job)
{
	struct connection_cutter *cutter = CONTAINER_OF(job, struct connection_cutter, job);

	if (!cutter->timer)
		return; /* at the end */
	if (cutter->result < 0) {
		fail(cutter);
	} else if (cutter->held) {
		abandon(cutter);
	} else {
		cutter->state = CUTTER_JUDGING;
		cutter->n_judged = 0;
		cutter->n_denied = 0;
		(void)sd_event_source_set_enabled(cutter->turn, SD_EVENT_ON);
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct connection_cutter *cutter = userdata;

	(void)source;
	(void)usec;
	if (!cutter->wanted || cutter->held || cutter->state != CUTTER_IDLE)
		return 0;
	cutter->wanted = false;
	cutter->begun_us = loop_now();
	submit(cutter, CUTTER_LISTING, run_list, done_list);
	return 0;
}

void connection_cutter_want(struct connection_cutter *cutter)
{
	if (cutter->wanted)
		return;
	cutter->wanted = true;
	arm(cutter);
}

void connection_cutter_hold(struct connection_cutter *cutter)
{
	cutter->held = true;
	if (cutter->state == CUTTER_JUDGING)
		abandon(cutter);
}

void connection_cutter_go_on(struct connection_cutter *cutter)
{
	if (!cutter->held)
		return;
	cutter->held = false;
	arm(cutter);
}

/* --- Life --------------------------------------------------------------------------------- */

static int add_sources(struct connection_cutter *cutter, sd_event *event)
{
	int r = sd_event_add_time_relative(event, &cutter->timer, CLOCK_MONOTONIC, GATHER_US, 0,
					   on_timer, cutter);

	if (r >= 0)
		r = sd_event_source_set_enabled(cutter->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(event, &cutter->turn, on_turn, cutter);
	if (r >= 0)
		r = sd_event_source_set_enabled(cutter->turn, SD_EVENT_OFF);
	if (r >= 0) /* pods' calls go first */
		r = sd_event_source_set_priority(cutter->turn, SD_EVENT_PRIORITY_IDLE);
	return r;
}

int connection_cutter_new(sd_event *event, struct policy_driver driver,
			  struct connection_cutter **ret, struct err *err)
{
	_cleanup_(connection_cutter_freep) struct connection_cutter *cutter =
		XNEW(struct connection_cutter);
	int r = nl_open(NETLINK_NETFILTER, -1, &cutter->netfilter, err);

	cutter->driver = driver;
	cutter->n_a_turn = TURN_MIN;
	if (r == 0)
		r = nl_open(NETLINK_ROUTE, -1, &cutter->route, err);
	if (r == 0)
		r = worker_new(event, "cutter", cutter, &cutter->worker, err);
	if (r < 0)
		return r;
	r = add_sources(cutter, event);
	if (r < 0)
		return err_errno(err, r, "can't set a timer");
	*ret = TAKE_PTR(cutter);
	return 0;
}

struct connection_cutter *connection_cutter_free(struct connection_cutter *cutter)
{
	if (!cutter)
		return NULL;
	(void)sd_event_source_disable_unref(cutter->timer);
	(void)sd_event_source_disable_unref(cutter->turn);
	cutter->timer = NULL;
	cutter->turn = NULL;
	worker_free(cutter->worker);
	conntrack_list_clear(&cutter->list);
	nl_close(cutter->netfilter);
	nl_close(cutter->route);
	free(cutter);
	return NULL;
}
