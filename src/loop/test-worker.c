/* SPDX-License-Identifier: Apache-2.0 */

/* Jobs run in order, finish in the loop's thread, and can serve those that wait behind them. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/loop.h"

#define N_JOBS 1000

struct test_job {
	struct worker_job job;
	struct scene *scene;
	unsigned int number;
	unsigned int n_served; /* 0: not run; else this many jobs were served by its run */
};

struct scene {
	sd_event *event;
	struct worker *worker;
	pthread_t loop_thread;
	unsigned int n_done;
	unsigned int n_runs;
	struct test_job jobs[N_JOBS];
};

static void run_alone(struct worker_job *job, void *ctx)
{
	struct test_job *mine = CONTAINER_OF(job, struct test_job, job);
	struct scene *scene = ctx;

	scene->n_runs++;
	mine->n_served = 1;
}

static void run_with_others(struct worker_job *job, void *ctx)
{
	struct test_job *mine = CONTAINER_OF(job, struct test_job, job);
	struct scene *scene = ctx;
	struct worker_job *other;

	scene->n_runs++;
	mine->n_served = 1;
	while ((other = worker_take_same(scene->worker, job)))
		CONTAINER_OF(other, struct test_job, job)->n_served = 2;
}

static void done(struct worker_job *job)
{
	struct test_job *mine = CONTAINER_OF(job, struct test_job, job);
	struct scene *scene = mine->scene;

	assert_true(pthread_equal(pthread_self(), scene->loop_thread));
	assert_int_equal(mine->number, scene->n_done);
	assert_int_not_equal(mine->n_served, 0);
	if (++scene->n_done == N_JOBS)
		(void)sd_event_exit(scene->event, 0);
}

static void play(void (*run)(struct worker_job *job, void *ctx), struct scene *scene)
{
	scene->loop_thread = pthread_self();
	assert_true(sd_event_new(&scene->event) >= 0);
	assert_int_equal(worker_new(scene->event, "test", scene, &scene->worker, NULL), 0);
	for (unsigned int i = 0; i < N_JOBS; i++) {
		scene->jobs[i] = (struct test_job){
			.job = {.run = run, .done = done},
			.scene = scene,
			.number = i,
		};
		worker_submit(scene->worker, &scene->jobs[i].job);
	}
	assert_int_equal(sd_event_loop(scene->event), 0);
	assert_int_equal(scene->n_done, N_JOBS);
	scene->worker = worker_free(scene->worker);
	(void)sd_event_unref(scene->event);
}

static void test_order(void **state)
{
	static struct scene scene;

	(void)state;
	play(run_alone, &scene);
	assert_int_equal(scene.n_runs, N_JOBS);
}

static void test_group(void **state)
{
	static struct scene scene;

	(void)state;
	play(run_with_others, &scene);
	assert_true(scene.n_runs <= N_JOBS);
}

static void done_unrun(struct worker_job *job)
{
	CONTAINER_OF(job, struct test_job, job)->scene->n_done++;
}

static void test_free_completes_all(void **state)
{
	static struct scene scene;

	(void)state;
	assert_true(sd_event_new(&scene.event) >= 0);
	assert_int_equal(worker_new(scene.event, "test", &scene, &scene.worker, NULL), 0);
	for (unsigned int i = 0; i < N_JOBS; i++) {
		scene.jobs[i] = (struct test_job){
			.job = {.run = run_alone, .done = done_unrun},
			.scene = &scene,
		};
		worker_submit(scene.worker, &scene.jobs[i].job);
	}
	scene.worker = worker_free(scene.worker);
	assert_int_equal(scene.n_done, N_JOBS);
	(void)sd_event_unref(scene.event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_free_completes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
