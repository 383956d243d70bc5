/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Off: the reserve is filled when it is short. On: every second one try to write the first change,
 * or where none waits, to read the reserve's handle; when that succeeds, it is off again. One job
 * is at work at a time, so changes reach the datastore in their order.
 *
 *	off --a call or the watch failed--> on --all written, handle read--> off
 *
 * Why no address is ever given twice: only what the datastore counts as this node's is in the
 * reserve; it leaves the reserve, on disk, before a pod has it; and what is free is only ever set
 * from what the datastore says is under the handle, less what changes are about. Before the handle
 * is released the reserve is emptied, on disk; where it is not known whether a release was done,
 * the next fill releases anew.
 */

#include "agent/outage.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "agent/agent-internal.h"
#include "agent/reserve-fill.h"
#include "base/alloc.h"
#include "calc/calc.h"
#include "cni/cni-request.h"
#include "loop/loop.h"
#include "model/kinds.h"

#define LOG_MODULE "outage"
#include "base/log.h"

#define RETRY_US      1000000
#define YIELD_HOLD_US 600000000ull /* the reserve is not filled after it gave way */
#define SHORT_HOLD_US 60000000ull  /* nor when the blocks had no more */
#define BLOCK_SHARE   8		   /* at most this part of the node's blocks is in reserve */

enum outage_work { OUTAGE_FILL, OUTAGE_PROFILE, OUTAGE_CHANGE };

struct outage {
	struct agent *agent;
	struct reserve reserve;
	bool unreadable; /* the file: nothing is noted, nothing is given */
	bool on;
	bool filling_wanted;
	bool anew;     /* the handle may have been released: the next fill makes sure */
	bool yielding; /* and the handle is being released */
	bool gave_way; /* to pods, a while ago */
	uint64_t hold_until_us;
	struct err why; /* it is on */
	sd_event_source *timer;

	struct store_job job;
	bool at_work;
	enum outage_work work;
	bool profile_done;
	unsigned int n_handed_over; /* of the first change's addresses */
	struct reserve_fill fill;
};

/* --- The mode -------------------------------------------------------------------------------- */

bool outage_is_on(const struct outage *outage)
{
	return outage->on;
}

static void try_later(struct outage *outage)
{
	(void)sd_event_source_set_time_relative(outage->timer, RETRY_US);
	(void)sd_event_source_set_enabled(outage->timer, SD_EVENT_ONESHOT);
}

static void go_on(struct outage *outage)
{
	(void)sd_event_source_set_time_relative(outage->timer, 0);
	(void)sd_event_source_set_enabled(outage->timer, SD_EVENT_ONESHOT);
}

void outage_begin(struct outage *outage, const char *why)
{
	if (outage->on || outage->unreadable || outage->agent->stopping)
		return;
	outage->on = true;
	(void)err_set(&outage->why, 0, "%s", why);
	log_warning("the datastore is away; pods start with addresses from the reserve", "reserve",
		    log_num((int64_t)outage->reserve.n_free).s, "error", why);
	go_on(outage);
}

/* --- The reserve ----------------------------------------------------------------------------- */

/* What the reserve is to have of each family: a part of the blocks this node has. */
static void count_wanted(const struct outage *outage, unsigned int ret[2])
{
	_cleanup_free_ struct cidr *blocks = NULL;
	uint64_t sizes[2] = {0, 0};
	size_t n;

	calc_get_own_blocks(outage->agent->calc, &blocks, &n);
	for (size_t i = 0; i < n; i++) {
		unsigned int f = blocks[i].addr.family == AF_INET ? 0 : 1;

		sizes[f] += UINT64_C(1) << ((f == 0 ? 32u : 128u) - blocks[i].len);
	}
	for (unsigned int f = 0; f < 2; f++)
		ret[f] = (unsigned int)MIN(sizes[f] / BLOCK_SHARE,
					   (uint64_t)outage->agent->args.reserve_size);
}

static bool has_less(const struct outage *outage, const unsigned int wanted[2])
{
	return reserve_count(&outage->reserve, AF_INET) < wanted[0] ||
	       reserve_count(&outage->reserve, AF_INET6) < wanted[1];
}

static bool is_short(const struct outage *outage)
{
	unsigned int wanted[2];

	count_wanted(outage, wanted);
	return has_less(outage, wanted);
}

static bool is_in_enabled_pool(const struct agent *agent, const struct ip_addr *addr)
{
	const struct calc_pool *const *pools;
	size_t n;

	calc_get_pools(agent->calc, &pools, &n);
	for (size_t i = 0; i < n; i++) {
		if (!pools[i]->disabled && cidr_contains(&pools[i]->cidr, addr))
			return true;
	}
	return false;
}

/* An address of a pool that is gone, or is to give no more, is not for new pods. */
static bool is_stale(const struct outage *outage)
{
	for (size_t i = 0; i < outage->reserve.n_free; i++) {
		if (!is_in_enabled_pool(outage->agent, &outage->reserve.free[i]))
			return true;
	}
	return false;
}

static bool is_in_pool(const struct outage *outage, const struct ip_addr *addr, const char *name)
{
	const struct calc_pool *const *pools;
	struct cidr cidr;
	size_t n;

	if (cidr_parse(name, &cidr, NULL) == 0)
		return cidr_contains(&cidr, addr);
	calc_get_pools(outage->agent->calc, &pools, &n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(pools[i]->name, name) == 0)
			return cidr_contains(&pools[i]->cidr, addr);
	}
	return false;
}

static bool fits(const struct outage *outage, const struct cni_request *request,
		 const struct ip_addr *addr, uint8_t family)
{
	char **pools = family == AF_INET ? request->v4_pools : request->v6_pools;
	bool hit = !pools;

	if (addr->family != family)
		return false;
	if (request->wanted_ip.family)
		return ip_equal(&request->wanted_ip, addr);
	for (size_t i = 0; !hit && pools[i]; i++)
		hit = is_in_pool(outage, addr, pools[i]);
	return hit;
}

static void empty_reserve(struct outage *outage)
{
	struct err err = ERR_INIT;

	outage->anew = true;
	if (reserve_set_free(&outage->reserve, NULL, 0, &err) < 0)
		log_error("the reserve can't be written", "error", err.msg);
}

void outage_refill(struct outage *outage, bool pools_changed)
{
	if (pools_changed && !outage->gave_way)
		outage->hold_until_us = 0;
	if (!outage->agent->in_sync || outage->on || outage->unreadable)
		return;
	if (is_stale(outage)) {
		empty_reserve(outage);
		outage->hold_until_us = 0;
	}
	if (!outage->anew && (!is_short(outage) || loop_now() < outage->hold_until_us))
		return;
	outage->filling_wanted = true;
	go_on(outage);
}

const char *outage_yield_begin(struct outage *outage, const struct cni_request *request)
{
	bool helps = false;

	for (size_t i = 0; i < outage->reserve.n_free; i++)
		helps = helps || fits(outage, request, &outage->reserve.free[i], AF_INET) ||
			fits(outage, request, &outage->reserve.free[i], AF_INET6);
	if (!helps || outage->on || outage->yielding || outage->unreadable)
		return NULL;
	log_info("no address is free for a pod: those in reserve are given back");
	empty_reserve(outage);
	outage->yielding = true;
	outage->gave_way = true;
	outage->hold_until_us = loop_now() + YIELD_HOLD_US;
	return outage->reserve.handle;
}

void outage_yield_end(struct outage *outage, bool released)
{
	outage->yielding = false;
	outage->anew = !released;
}

/* --- Work ------------------------------------------------------------------------------------ */

static void fill_done(struct store_job *job)
{
	struct outage *outage = CONTAINER_OF(job, struct outage, job);
	struct err err = ERR_INIT;

	outage->at_work = false;
	if (job->op_result < 0) {
		log_debug("the reserve can't be read", "error", job->err.msg);
		if (job->unreachable)
			outage_begin(outage, job->err.msg);
		try_later(outage);
		return;
	}
	/* Emptied meanwhile: what was read then is not ours to use. */
	if (outage->yielding || (outage->anew && !outage->fill.anew)) {
		try_later(outage);
		return;
	}
	outage->filling_wanted = false;
	outage->anew = false;
	outage->gave_way = outage->gave_way && loop_now() < outage->hold_until_us;
	if (reserve_set_free(&outage->reserve, outage->fill.addrs, outage->fill.n, &err) < 0)
		log_error("the reserve can't be written", "error", err.msg);
	/* The blocks had no more: to ask again at once would be no use. */
	if (has_less(outage, outage->fill.wanted))
		outage->hold_until_us = MAX(outage->hold_until_us, loop_now() + SHORT_HOLD_US);
	if (outage->reserve.n_changes) {
		go_on(outage);
		return;
	}
	if (outage->on)
		log_info("the datastore is there, and all changes are written", "reserve",
			 log_num((int64_t)outage->reserve.n_free).s);
	outage->on = false;
	outage_refill(outage, false);
}

static void submit_fill(struct outage *outage)
{
	outage->fill = (struct reserve_fill){
		.handle = outage->reserve.handle,
		.anew = outage->anew,
		.none = !outage->agent->args.reserve_size,
	};
	/* Without the snapshot the blocks are not known: what is there is only read. */
	if (outage->agent->in_sync && loop_now() >= outage->hold_until_us)
		count_wanted(outage, outage->fill.wanted);
	outage->at_work = true;
	outage->work = OUTAGE_FILL;
	outage->job = (struct store_job){
		.op = {.type = STORE_EXPECT}, .fill = &outage->fill, .done = fill_done};
	store_worker_submit(outage->agent->store_worker, &outage->job);
}

/* The endpoint, if it is still the one that was written, counts as any other from now on. */
static void endpoint_written(struct outage *outage, const struct reserve_change *change,
			     uint64_t revision)
{
	struct endpoint *endpoint = change->name ? endpoint_find(&outage->agent->endpoints,
								 change->namespace, change->name)
						 : NULL;

	if (endpoint && change->type == RESERVE_ADDED && revision)
		endpoint->revision = revision;
}

/* What the datastore refuses for good is said and left: to insist would keep all others waiting. */
static void change_refused(const struct reserve_change *change, const struct store_job *job)
{
	log_error(
		"a change made while the datastore was away can't be written; delete that pod and "
		"let it be made anew",
		"endpoint", change->name, "handle", change->handle, "error",
		job->op_result != 0 ? job->err.msg : job->ipam.err.msg);
}

static void drop_first(struct outage *outage)
{
	struct err err = ERR_INIT;

	outage->n_handed_over = 0;
	outage->profile_done = false;
	if (reserve_drop_first(&outage->reserve, &err) < 0)
		log_error("the file of changes can't be written", "error", err.msg);
}

static bool is_refused(const struct store_job *job)
{
	return job->op_result != 0 || (job->has_ipam && job->ipam.result != IPAM_OK &&
				       job->ipam.result != IPAM_E_NOT_FOUND);
}

static void change_done(struct store_job *job)
{
	struct outage *outage = CONTAINER_OF(job, struct outage, job);
	const struct reserve_change *change = &outage->reserve.changes[0];

	outage->at_work = false;
	if (job->unreachable || job->op_result == -ESHUTDOWN) {
		log_debug("the datastore is still away", "error",
			  job->err.msg[0] ? job->err.msg : job->ipam.err.msg);
		try_later(outage);
		return;
	}
	if (outage->work == OUTAGE_PROFILE) {
		outage->profile_done = true;
		go_on(outage);
		return;
	}
	if (is_refused(job))
		change_refused(change, job);
	endpoint_written(outage, change, job->op_result == 0 ? job->revision : 0);
	outage->n_handed_over++;
	if (change->type == RESERVE_ENDED || outage->n_handed_over >= change->n_addrs)
		drop_first(outage);
	go_on(outage);
}

static void make_added(const struct outage *outage, const struct reserve_change *change,
		       struct store_job *ret)
{
	if (change->endpoint && !outage->n_handed_over)
		ret->op = (struct store_op){.type = STORE_PUT,
					    .kind = KIND_WORKLOAD_ENDPOINT,
					    .namespace = change->namespace,
					    .name = change->name,
					    .value = change->endpoint,
					    .size = strlen(change->endpoint)};
	if (outage->n_handed_over >= change->n_addrs)
		return;
	ret->has_ipam = true;
	ret->ipam = (struct ipam_request){
		.type = IPAM_HAND_OVER,
		.handle = change->handle,
		.from = change->from,
		.addr = change->addrs[outage->n_handed_over],
		.namespace = change->pod_namespace,
		.pod = change->pod,
		.use = IPAM_USE_WORKLOAD,
		.now = time(NULL),
	};
}

static void make_ended(const struct reserve_change *change, struct store_job *ret)
{
	if (change->name)
		ret->op = (struct store_op){.type = STORE_REMOVE,
					    .kind = KIND_WORKLOAD_ENDPOINT,
					    .namespace = change->namespace,
					    .name = change->name};
	ret->has_ipam = true;
	ret->ipam = (struct ipam_request){.type = IPAM_RELEASE_HANDLE, .handle = change->handle};
}

static void submit_change(struct outage *outage)
{
	const struct reserve_change *change = &outage->reserve.changes[0];

	outage->job = (struct store_job){.op = {.type = STORE_EXPECT}, .done = change_done};
	outage->work = OUTAGE_CHANGE;
	if (change->profile && !outage->profile_done) {
		outage->work = OUTAGE_PROFILE;
		outage->job.op = (struct store_op){.type = STORE_CREATE,
						   .kind = KIND_PROFILE,
						   .name = change->profile_name,
						   .value = change->profile,
						   .size = strlen(change->profile)};
	} else if (change->type == RESERVE_ADDED) {
		make_added(outage, change, &outage->job);
	} else {
		make_ended(change, &outage->job);
	}
	outage->at_work = true;
	store_worker_submit(outage->agent->store_worker, &outage->job);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct outage *outage = userdata;

	(void)source;
	(void)usec;
	if (outage->at_work || outage->agent->stopping || outage->unreadable)
		return 0;
	if (outage->reserve.n_changes)
		submit_change(outage);
	else if (outage->on || outage->filling_wanted)
		submit_fill(outage);
	return 0;
}

/* --- Pods ------------------------------------------------------------------------------------ */

static bool take_one(struct outage *outage, const struct cni_request *request, uint8_t family,
		     struct ip_addr *ret)
{
	for (size_t i = 0; i < outage->reserve.n_free && !outage->yielding; i++) {
		if (fits(outage, request, &outage->reserve.free[i], family)) {
			*ret = reserve_take(&outage->reserve, i);
			return true;
		}
	}
	return false;
}

int outage_take(struct outage *outage, const struct cni_request *request, struct ip_addr ret[2],
		unsigned int *ret_n, struct err *err)
{
	uint8_t wanted = request->wanted_ip.family;
	const struct {
		bool asked;
		uint8_t family;
	} families[] = {
		{wanted ? wanted == AF_INET : request->assign_v4, AF_INET},
		{wanted ? wanted == AF_INET6 : request->assign_v6, AF_INET6},
	};
	unsigned int n = 0;

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		if (!families[f].asked)
			continue;
		if (!take_one(outage, request, families[f].family, &ret[n])) {
			outage_put_back(outage, ret, n);
			return err_set(err, -EADDRNOTAVAIL,
				       "the datastore is away, and none of the %zu addresses in "
				       "reserve is an IPv%u address for this pod; try again later "
				       "(%s)",
				       outage->reserve.n_free, ip_version(families[f].family),
				       outage->why.msg);
		}
		n++;
	}
	*ret_n = n;
	return 0;
}

void outage_put_back(struct outage *outage, const struct ip_addr *addrs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		reserve_put_back(&outage->reserve, &addrs[i]);
}

int outage_note(struct outage *outage, struct reserve_change *change, struct err *err)
{
	if (outage->unreadable) {
		reserve_change_deinit(change);
		return err_set(err, -EBADMSG,
			       "the datastore is away, and %s, where changes would be kept, can't "
			       "be read; see the agent's log",
			       outage->reserve.path);
	}
	if (change->n_addrs)
		replace_str(&change->from, xstrdup(outage->reserve.handle));
	return reserve_note(&outage->reserve, change, err);
}

bool outage_concerns(const struct outage *outage, const char *namespace, const char *name)
{
	return reserve_concerns(&outage->reserve, namespace, name);
}

void outage_get_stats(const struct outage *outage, struct outage_stats *ret)
{
	*ret = (struct outage_stats){
		.on = outage->on,
		.n_free = outage->reserve.n_free,
		.n_free_v4 = reserve_count(&outage->reserve, AF_INET),
		.n_changes = outage->reserve.n_changes,
	};
}

/* --- Life ------------------------------------------------------------------------------------ */

int outage_new(struct agent *agent, struct outage **ret, struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/korat-reserve.json", agent->args.state_dir);
	struct outage *outage = XNEW(struct outage);
	int r;

	*ret = outage;
	outage->agent = agent;
	r = sd_event_add_time_relative(agent->event, &outage->timer, CLOCK_MONOTONIC, 0, 0,
				       on_timer, outage);
	if (r >= 0)
		r = sd_event_source_set_enabled(outage->timer, SD_EVENT_OFF);
	if (r < 0)
		return err_errno(err, r, "can't set a timer");
	if (reserve_open(&outage->reserve, path, agent->args.node_name, err) < 0) {
		outage->unreadable = true;
		log_error(
			"changes made while the datastore was away can't be read; delete the pods "
			"of this node that koratctl does not know, then remove the file",
			"error", err->msg);
		return 0;
	}
	/* What a former agent could not write goes first. */
	outage->on = outage->reserve.n_changes > 0;
	/* It may have died between emptying the reserve and releasing the handle. */
	outage->anew = !outage->reserve.n_free;
	if (!agent->args.reserve_size && outage->reserve.n_free)
		empty_reserve(outage);
	if (outage->on)
		go_on(outage);
	outage_recall(agent, &outage->reserve);
	return 0;
}

struct outage *outage_free(struct outage *outage)
{
	if (!outage)
		return NULL;
	(void)sd_event_source_disable_unref(outage->timer);
	reserve_deinit(&outage->reserve);
	free(outage);
	return NULL;
}
