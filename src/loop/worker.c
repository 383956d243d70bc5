/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One worker thread with a queue of jobs. The loop's thread submits and completes, the worker runs;
 * they meet only in the two queues below, under one lock, and the worker tells the loop by an
 * eventfd. Invariant: a job is in exactly one place: 'todo', the worker's hands, or 'finished'.
 */

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "loop/loop.h"

struct job_queue {
	struct worker_job *first;
	struct worker_job **end; /* where the next one is linked */
};

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	void *ctx;
	void (*after)(void *ctx);
	struct job_queue todo;
	struct job_queue taken; /* by the running job; finished after it */
	struct job_queue finished;
	int event_fd;
	sd_event_source *source;
};

uint64_t loop_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void queue_init(struct job_queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
}

static void queue_push(struct job_queue *queue, struct worker_job *job)
{
	job->next_ = NULL;
	*queue->end = job;
	queue->end = &job->next_;
}

static struct worker_job *queue_pop(struct job_queue *queue)
{
	struct worker_job *job = queue->first;

	if (!job)
		return NULL;
	queue->first = job->next_;
	if (!queue->first)
		queue->end = &queue->first;
	return job;
}

static void tell_loop(struct worker *worker)
{
	uint64_t one = 1;

	(void)!write(worker->event_fd, &one, sizeof(one));
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	void (*after)(void *ctx);
	struct worker_job *job;

	(void)pthread_mutex_lock(&worker->lock);
	for (;;) {
		while (!worker->todo.first && !worker->stopping)
			(void)pthread_cond_wait(&worker->wake, &worker->lock);
		if (worker->stopping)
			break;
		job = queue_pop(&worker->todo);
		(void)pthread_mutex_unlock(&worker->lock);

		job->run(job, worker->ctx);

		(void)pthread_mutex_lock(&worker->lock);
		queue_push(&worker->finished, job);
		while ((job = queue_pop(&worker->taken)))
			queue_push(&worker->finished, job);
		tell_loop(worker);
		after = worker->after;
		if (!after)
			continue;
		(void)pthread_mutex_unlock(&worker->lock);
		after(worker->ctx);
		(void)pthread_mutex_lock(&worker->lock);
	}
	(void)pthread_mutex_unlock(&worker->lock);
	return NULL;
}

static void complete_finished(struct worker *worker)
{
	struct worker_job *job;

	for (;;) {
		(void)pthread_mutex_lock(&worker->lock);
		job = queue_pop(&worker->finished);
		(void)pthread_mutex_unlock(&worker->lock);
		if (!job)
			return;
		job->done(job);
	}
}

static int on_finished(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	uint64_t count;

	(void)source;
	(void)revents;
	(void)!read(fd, &count, sizeof(count));
	complete_finished(userdata);
	return 0;
}

int worker_new(sd_event *event, const char *name, void *ctx, struct worker **ret, struct err *err)
{
	struct worker *worker = XNEW(struct worker);
	int r;

	worker->ctx = ctx;
	queue_init(&worker->todo);
	queue_init(&worker->taken);
	queue_init(&worker->finished);
	(void)pthread_mutex_init(&worker->lock, NULL);
	(void)pthread_cond_init(&worker->wake, NULL);
	worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = worker->event_fd < 0 ? -errno
				 : sd_event_add_io(event, &worker->source, worker->event_fd,
						   EPOLLIN, on_finished, worker);
	if (r >= 0)
		r = -pthread_create(&worker->thread, NULL, worker_main, worker);
	if (r < 0) {
		(void)sd_event_source_disable_unref(worker->source);
		(void)fd_close(worker->event_fd);
		free(worker);
		return err_errno(err, r, "can't start worker thread \"%s\"", name);
	}
	(void)pthread_setname_np(worker->thread, name);
	*ret = worker;
	return 0;
}

struct worker *worker_free(struct worker *worker)
{
	struct worker_job *job;

	if (!worker)
		return NULL;
	(void)pthread_mutex_lock(&worker->lock);
	worker->stopping = true;
	(void)pthread_cond_signal(&worker->wake);
	(void)pthread_mutex_unlock(&worker->lock);
	(void)pthread_join(worker->thread, NULL);

	complete_finished(worker);
	while ((job = queue_pop(&worker->todo)))
		job->done(job);
	(void)sd_event_source_disable_unref(worker->source);
	(void)fd_close(worker->event_fd);
	(void)pthread_mutex_destroy(&worker->lock);
	(void)pthread_cond_destroy(&worker->wake);
	free(worker);
	return NULL;
}

void worker_set_after(struct worker *worker, void (*after)(void *ctx))
{
	(void)pthread_mutex_lock(&worker->lock);
	worker->after = after;
	(void)pthread_mutex_unlock(&worker->lock);
}

void worker_submit(struct worker *worker, struct worker_job *job)
{
	(void)pthread_mutex_lock(&worker->lock);
	queue_push(&worker->todo, job);
	(void)pthread_cond_signal(&worker->wake);
	(void)pthread_mutex_unlock(&worker->lock);
}

struct worker_job *worker_take_same(struct worker *worker, const struct worker_job *like)
{
	struct worker_job *job = NULL;

	(void)pthread_mutex_lock(&worker->lock);
	if (worker->todo.first && worker->todo.first->run == like->run) {
		job = queue_pop(&worker->todo);
		queue_push(&worker->taken, job);
	}
	(void)pthread_mutex_unlock(&worker->lock);
	return job;
}
