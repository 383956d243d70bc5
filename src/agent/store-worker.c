/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Group commit. Object writes come before address requests because of what a crash in between
 * leaves: a deleted endpoint whose address is still assigned (freed by the next DEL or collection),
 * never a free address that a stored endpoint still claims.
 */

#include "agent/store-worker.h"

#include <errno.h>
#include <string.h>

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

static void write_alone(struct store_worker *worker, struct store_job *job)
{
	job->op_result = store_commit(worker->store, &job->op, 1, &job->revision, NULL, &job->err);
	if (job->op_result == STORE_E_NOT_FOUND && job->op.type == STORE_DELETE)
		job->op_result = 0;
}

/* One transaction for all; if one of them does not hold, each for itself. */
static void write_all(struct store_worker *worker, struct store_job **jobs, size_t n)
{
	struct store_op ops[GROUP_MAX];
	size_t n_ops = 0;
	uint64_t revision;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (has_op(jobs[i]))
			ops[n_ops++] = jobs[i]->op;
	}
	if (!n_ops)
		return;
	r = n_ops > 1 ? store_commit(worker->store, ops, n_ops, &revision, NULL, NULL) : 1;
	for (size_t i = 0; i < n; i++) {
		if (!has_op(jobs[i]))
			continue;
		if (r == 0) {
			jobs[i]->op_result = 0;
			jobs[i]->revision = revision;
		} else {
			write_alone(worker, jobs[i]);
		}
	}
}

static void serve_addresses(struct store_worker *worker, struct store_job **jobs, size_t n)
{
	struct ipam_request requests[GROUP_MAX];
	struct store_job *owners[GROUP_MAX];
	size_t n_requests = 0;

	for (size_t i = 0; i < n; i++) {
		/* An endpoint that could not be deleted keeps its address. */
		if (!jobs[i]->has_ipam || (has_op(jobs[i]) && jobs[i]->op_result != 0))
			continue;
		owners[n_requests] = jobs[i];
		requests[n_requests++] = jobs[i]->ipam;
	}
	if (!n_requests)
		return;
	/* The results say what failed, each for itself. */
	(void)!ipam_writer_serve(worker->writer, requests, n_requests, NULL);
	for (size_t i = 0; i < n_requests; i++)
		owners[i]->ipam = requests[i];
}

/*
 * After a failure the store is opened anew, the same one: a datastore that was moved away and came
 * back is another file to an open handle. <0: it is not to be had, and all jobs say so.
 */
static int reach_store(struct store_worker *worker, struct store_job **jobs, size_t n)
{
	struct err err = ERR_INIT;
	int r;

	if (worker->store && !worker->suspect)
		return 0;
	worker->writer = ipam_writer_free(worker->writer);
	worker->store = store_close(worker->store);
	r = store_open(&worker->config, &worker->store, &err);
	if (r == 0) {
		worker->writer = ipam_writer_new(worker->store, worker->node_name);
		worker->suspect = false;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		jobs[i]->op_result = -EIO;
		jobs[i]->ipam.result = IPAM_E_STORE;
		jobs[i]->err = err;
		jobs[i]->ipam.err = err;
	}
	return -EIO;
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
	for (size_t i = 0; i < n; i++)
		jobs[i]->op_result = 0;
	if (reach_store(worker, jobs, n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (jobs[i]->ensure_tunnel_addresses)
			jobs[i]->op_result = tunnel_addresses_ensure(
				worker->store, worker->writer, worker->node_name, &jobs[i]->err);
	}
	write_all(worker, jobs, n);
	serve_addresses(worker, jobs, n);
	for (size_t i = 0; i < n; i++) {
		if (jobs[i]->op_result < 0 ||
		    (jobs[i]->has_ipam && jobs[i]->ipam.result == IPAM_E_STORE))
			worker->suspect = true;
	}
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

struct ipam_writer *store_worker_get_writer(struct store_worker *worker)
{
	return worker->writer;
}

int store_worker_new(sd_event *event, const struct store_config *config, const char *node_name,
		     struct store_worker **ret, struct err *err)
{
	_cleanup_(store_worker_freep) struct store_worker *worker = XNEW(struct store_worker);
	int r;

	worker->node_name = xstrdup(node_name);
	worker->config = *config;
	worker->config.must_exist = true;
	r = store_open(config, &worker->store, err);
	if (r != 0)
		return r < 0 ? r : -EIO;
	worker->writer = ipam_writer_new(worker->store, node_name);
	r = worker_new(event, "store", worker, &worker->worker, err);
	if (r < 0)
		return r;
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
