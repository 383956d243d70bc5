/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Group commit. An endpoint and its addresses are written and deleted as one, so that a crash
 * leaves neither an address that no DEL of an endpoint will release nor a free address that a
 * stored endpoint still claims.
 */

#include "agent/store-worker.h"

#include <errno.h>
#include <string.h>

#include "agent/reserve-fill.h"
#include "agent/tunnel-address.h"
#include "base/alloc.h"

#define GROUP_MAX 64

struct store_worker {
	struct worker *worker;
	struct store_config config;
	struct store *store; /* NULL: not reached at the last try */
	bool suspect;	     /* something failed: reach the store anew before the next group */
	struct ipam_writer *writer;
	char *node_name;
};

static struct store_job *job_of(struct worker_job *job)
{
	return CONTAINER_OF(job, struct store_job, job);
}

static bool has_op(const struct store_job *job)
{
	return job->op.type != STORE_EXPECT;
}

/* Written together with its addresses, or for itself? */
static bool is_alone(const struct store_job *job)
{
	return has_op(job) && !job->op_done && (!job->has_ipam || job->op.type == STORE_REMOVE);
}

/* One transaction for all; if one of them does not hold, each for itself. */
static void write_all(struct store_worker *worker, struct store_job **jobs, size_t n)
{
	struct store_job *writers[GROUP_MAX];
	struct store_op ops[GROUP_MAX];
	struct err err = ERR_INIT;
	size_t n_ops = 0;
	uint64_t revision = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (!is_alone(jobs[i]))
			continue;
		writers[n_ops] = jobs[i];
		ops[n_ops++] = jobs[i]->op;
	}
	if (!n_ops)
		return;
	r = store_commit(worker->store, ops, n_ops, &revision, NULL, &err);
	for (size_t i = 0; i < n_ops; i++) {
		struct store_job *job = writers[i];

		job->revision = revision;
		job->op_result = r;
		job->err = err;
		if (r > 0 && n_ops > 1)
			job->op_result = store_commit(worker->store, &job->op, 1, &job->revision,
						      NULL, &job->err);
	}
}

/* Address requests and the jobs they are of. */
struct addresses {
	struct ipam_request requests[GROUP_MAX];
	struct store_job *owners[GROUP_MAX];
	size_t n;
};

static struct store_job *owner_of(const struct addresses *addresses,
				  const struct ipam_request *request)
{
	return addresses->owners[request - addresses->requests];
}

static bool make_companion(void *ctx, const struct ipam_request *request, struct store_op *ret)
{
	struct store_job *job = owner_of(ctx, request);

	if (!has_op(job))
		return false;
	assert(job->op.type == STORE_PUT || job->op.type == STORE_REMOVE);
	if (job->compose)
		job->compose(job, request);
	*ret = job->op;
	return true;
}

static void companion_made(void *ctx, const struct ipam_request *request, uint64_t revision)
{
	struct store_job *job = owner_of(ctx, request);

	job->op_done = true;
	job->revision = revision;
}

static void serve_addresses(struct store_worker *worker, struct store_job **jobs, size_t n)
{
	struct addresses addresses;
	const struct ipam_companion companion = {
		.make = make_companion, .made = companion_made, .ctx = &addresses};
	int r;

	addresses.n = 0;
	for (size_t i = 0; i < n; i++) {
		if (!jobs[i]->has_ipam)
			continue;
		addresses.owners[addresses.n] = jobs[i];
		addresses.requests[addresses.n++] = jobs[i]->ipam;
	}
	if (!addresses.n)
		return;
	ipam_writer_set_companion(worker->writer, &companion);
	r = ipam_writer_serve(worker->writer, addresses.requests, addresses.n, NULL);
	ipam_writer_set_companion(worker->writer, &(struct ipam_companion){.make = NULL});
	for (size_t i = 0; i < addresses.n; i++) {
		struct store_job *job = addresses.owners[i];

		job->ipam = addresses.requests[i];
		/* A datastore that is away is not asked a second time for the endpoint. */
		if (r < 0 && has_op(job) && !job->op_done) {
			job->op_result = r;
			job->op_done = true;
			job->err = job->ipam.err;
		}
	}
}

int store_worker_reopen(struct store_worker *worker, struct err *err)
{
	int r;

	worker->writer = ipam_writer_free(worker->writer);
	worker->store = store_close(worker->store);
	r = store_open(&worker->config, &worker->store, err);
	if (r != 0)
		return r < 0 ? r : -EIO;
	worker->writer = ipam_writer_new(worker->store, worker->node_name);
	worker->suspect = false;
	return 0;
}

/*
 * After a failure the store is opened anew, the same one: a datastore that was moved away and came
 * back is another file to an open handle. <0: it is not to be had, and all jobs say so.
 */
static int reach_store(struct store_worker *worker, struct store_job **jobs, size_t n)
{
	struct err err = ERR_INIT;

	if (worker->store && !worker->suspect)
		return 0;
	if (store_worker_reopen(worker, &err) == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		jobs[i]->op_result = -EIO;
		jobs[i]->unreachable = true;
		jobs[i]->ipam.result = IPAM_E_STORE;
		jobs[i]->err = err;
		jobs[i]->ipam.err = err;
	}
	return -EIO;
}

/* Not the datastore's absence: what was to be written is at fault. */
static bool is_refusal(int result)
{
	return result == -EINVAL || result == -E2BIG || result == -EMSGSIZE ||
	       result == -ENAMETOOLONG || result == -EBADMSG;
}

static void run(struct worker_job *first, void *ctx)
{
	struct store_worker *worker = ctx;
	struct store_job *jobs[GROUP_MAX];
	struct worker_job *next = first;
	size_t n = 0;

	do {
		jobs[n++] = job_of(next);
	} while (n < GROUP_MAX && (next = worker_take_same(worker->worker, first)));
	for (size_t i = 0; i < n; i++) {
		jobs[i]->op_result = 0;
		jobs[i]->op_done = false;
	}
	if (reach_store(worker, jobs, n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (jobs[i]->ensure_tunnel_addresses)
			jobs[i]->op_result = tunnel_addresses_ensure(
				worker->store, worker->writer, worker->node_name, &jobs[i]->err);
		else if (jobs[i]->fill)
			jobs[i]->op_result = reserve_fill(worker->store, worker->writer,
							  jobs[i]->fill, &jobs[i]->err);
	}
	serve_addresses(worker, jobs, n);
	write_all(worker, jobs, n);
	for (size_t i = 0; i < n; i++) {
		jobs[i]->unreachable |= jobs[i]->op_result < 0 && !is_refusal(jobs[i]->op_result);
		if (jobs[i]->op_result < 0 ||
		    (jobs[i]->has_ipam && jobs[i]->ipam.result == IPAM_E_STORE))
			worker->suspect = true;
	}
}

/*
 * The loop has the answers by now: a call of the CNI plugin doesn't wait until the change has come
 * back as an event.
 */
static void settle(void *ctx)
{
	struct store_worker *worker = ctx;

	if (worker->store)
		store_settle(worker->store);
}

static void finished(struct worker_job *job)
{
	job_of(job)->done(job_of(job));
}

void store_worker_submit(struct store_worker *worker, struct store_job *job)
{
	job->job.run = run;
	job->job.done = finished;
	/* What a job finds if the worker stops before it is run. */
	job->op_result = -ESHUTDOWN;
	job->ipam.result = IPAM_E_STORE;
	(void)err_set(&job->err, 0, "the agent is stopping");
	(void)err_set(&job->ipam.err, 0, "the agent is stopping");
	worker_submit(worker->worker, &job->job);
}

struct store *store_worker_get_store(struct store_worker *worker)
{
	return worker->store;
}

int store_worker_new(sd_event *event, const struct store_config *config, const char *node_name,
		     struct store_worker **ret, struct err *err)
{
	_cleanup_(store_worker_freep) struct store_worker *worker = XNEW(struct store_worker);
	int r;

	worker->node_name = xstrdup(node_name);
	worker->config = *config;
	worker->config.settle_later = true;
	r = store_open(&worker->config, &worker->store, err);
	worker->config.must_exist = true;
	if (r != 0)
		return r < 0 ? r : -EIO;
	worker->writer = ipam_writer_new(worker->store, node_name);
	r = worker_new(event, "store", worker, &worker->worker, err);
	if (r < 0)
		return r;
	worker_set_after(worker->worker, settle);
	*ret = TAKE_PTR(worker);
	return 0;
}

struct store_worker *store_worker_free(struct store_worker *worker)
{
	if (!worker)
		return NULL;
	worker->worker = worker_free(worker->worker);
	worker->writer = ipam_writer_free(worker->writer);
	worker->store = store_close(worker->store);
	free(worker->node_name);
	free(worker);
	return NULL;
}
