/* SPDX-License-Identifier: Apache-2.0 */

/* Group commit on a real store: who waits is served together, and each gets its own answer. */

#include "agent/store-worker.h"

#include <errno.h>

#include "agent/test-place.h"

#define JOBS 20

struct waiting {
	struct store_job job;
	char name[32];
	char handle[32];
	char *text;
	unsigned int n_done;
};

struct bench {
	struct place *place;
	sd_event *event;
	struct store_worker *worker;
	struct waiting jobs[JOBS];
};

static int setup(void **state)
{
	struct bench *bench = XNEW(struct bench);
	void *place;
	struct err err = ERR_INIT;

	assert_int_equal(place_setup(&place), 0);
	bench->place = place;
	place_put_pool(bench->place, "pool", "10.42.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_NEVER);
	assert_true(sd_event_new(&bench->event) >= 0);
	assert_int_equal(store_worker_new(bench->event, &bench->place->config, "node-a",
					  &bench->worker, &err),
			 0);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	void *place = bench->place;

	bench->worker = store_worker_free(bench->worker);
	for (size_t i = 0; i < JOBS; i++)
		free(bench->jobs[i].text);
	(void)sd_event_unref(bench->event);
	free(bench);
	return place_teardown(&place);
}

static void done(struct store_job *job)
{
	CONTAINER_OF(job, struct waiting, job)->n_done++;
}

/* A write of a WorkloadEndpoint. */
static struct waiting *prepare(struct bench *bench, size_t i, enum store_op_type type)
{
	struct waiting *waiting = &bench->jobs[i];
	_cleanup_(model_freep) struct object *object = NULL;

	(void)snprintf(waiting->name, sizeof(waiting->name), "node-a-%zu", i);
	(void)snprintf(waiting->handle, sizeof(waiting->handle), "net.c%zu", i);
	object = model_new(KIND_WORKLOAD_ENDPOINT, "default", waiting->name);
	waiting->n_done = 0;
	waiting->job = (struct store_job){
		.op = {.type = type,
		       .kind = KIND_WORKLOAD_ENDPOINT,
		       .namespace = "default",
		       .name = waiting->name},
		.done = done,
	};
	replace_str(&waiting->text, store_object_text(object, &waiting->job.op.size));
	waiting->job.op.value = waiting->text;
	return waiting;
}

static void submit(struct bench *bench, struct waiting *waiting)
{
	store_worker_submit(bench->worker, &waiting->job);
}

static void wait_done(struct bench *bench, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		while (!bench->jobs[i].n_done)
			assert_true(sd_event_run(bench->event, 10000000) > 0);
		assert_int_equal(bench->jobs[i].n_done, 1);
	}
}

static void test_group(void **state)
{
	struct bench *bench = *state;
	size_t n_shared = 0;

	for (size_t i = 0; i < JOBS; i++)
		submit(bench, prepare(bench, i, STORE_PUT));
	wait_done(bench, JOBS);
	for (size_t i = 0; i < JOBS; i++) {
		assert_int_equal(bench->jobs[i].job.op_result, 0);
		assert_true(bench->jobs[i].job.revision > 0);
		if (i && bench->jobs[i].job.revision == bench->jobs[i - 1].job.revision)
			n_shared++;
	}
	assert_int_equal(place_count(bench->place, KIND_WORKLOAD_ENDPOINT), JOBS);
	/* The first may have gone alone; those that waited for it went together. */
	assert_true(n_shared > 0);
}

static void test_one_of_several_fails(void **state)
{
	struct bench *bench = *state;

	place_put(bench->place, model_new(KIND_WORKLOAD_ENDPOINT, "default", "node-a-3"));
	for (size_t i = 0; i < 8; i++)
		(void)prepare(bench, i, i == 3 ? STORE_CREATE : STORE_PUT);
	bench->jobs[5].job.op.type = STORE_UPDATE; /* at a revision that never was */
	bench->jobs[5].job.op.revision = 1;
	bench->jobs[6].job.op.type = STORE_REMOVE; /* what is not there is gone */
	for (size_t i = 0; i < 8; i++)
		submit(bench, &bench->jobs[i]);
	wait_done(bench, 8);
	for (size_t i = 0; i < 8; i++) {
		_cleanup_(model_freep) struct object *object = place_get(
			bench->place, KIND_WORKLOAD_ENDPOINT, "default", bench->jobs[i].name);

		assert_int_equal(bench->jobs[i].job.op_result, i == 3	? STORE_E_EXISTS
							       : i == 5 ? STORE_E_CONFLICT
									: 0);
		assert_true((object != NULL) == (i != 5 && i != 6));
	}
}

static void ask_address(struct waiting *waiting)
{
	waiting->job.has_ipam = true;
	waiting->job.ipam = (struct ipam_request){
		.type = IPAM_ASSIGN_AUTO, .handle = waiting->handle, .n_v4 = 1, .now = 1785578400};
}

static void test_addresses(void **state)
{
	struct bench *bench = *state;

	for (size_t i = 0; i < JOBS; i++) {
		ask_address(prepare(bench, i, STORE_EXPECT));
		submit(bench, &bench->jobs[i]);
	}
	wait_done(bench, JOBS);
	for (size_t i = 0; i < JOBS; i++) {
		assert_int_equal(bench->jobs[i].job.ipam.result, IPAM_OK);
		for (size_t k = 0; k < i; k++)
			assert_false(ip_equal(&bench->jobs[i].job.ipam.addrs[0].addr,
					      &bench->jobs[k].job.ipam.addrs[0].addr));
	}
	assert_int_equal(place_count(bench->place, KIND_IPAM_HANDLE), JOBS);
}

static struct waiting *prepare_release(struct bench *bench, size_t i)
{
	struct waiting *waiting = prepare(bench, i, STORE_REMOVE);

	waiting->job.has_ipam = true;
	waiting->job.ipam =
		(struct ipam_request){.type = IPAM_RELEASE_HANDLE, .handle = waiting->handle};
	return waiting;
}

static void compose(struct store_job *job, const struct ipam_request *ipam)
{
	struct waiting *waiting = CONTAINER_OF(job, struct waiting, job);
	_cleanup_(model_freep) struct object *object =
		model_new(KIND_WORKLOAD_ENDPOINT, "default", waiting->name);

	assert_int_equal(ipam->n_addrs, 1);
	str_list_add(&as_workload_endpoint(object)->spec.ip_networks,
		     cidr_format(&ipam->addrs[0]).s);
	replace_str(&waiting->text, store_object_text(object, &job->op.size));
	job->op.value = waiting->text;
}

static void assert_endpoint_has_its_address(struct bench *bench, const struct waiting *waiting)
{
	_cleanup_(model_freep) struct object *object =
		place_get(bench->place, KIND_WORKLOAD_ENDPOINT, "default", waiting->name);

	assert_non_null(object);
	assert_string_equal(as_workload_endpoint(object)->spec.ip_networks.v[0],
			    cidr_format(&waiting->job.ipam.addrs[0]).s);
}

/* An endpoint and its address come and go in one transaction. */
static void test_endpoint_with_address(void **state)
{
	struct bench *bench = *state;

	for (size_t i = 0; i < JOBS; i++) {
		ask_address(prepare(bench, i, STORE_PUT));
		bench->jobs[i].job.compose = compose;
		submit(bench, &bench->jobs[i]);
	}
	wait_done(bench, JOBS);
	for (size_t i = 0; i < JOBS; i++) {
		_cleanup_(store_object_deinitp) struct store_object handle = {.name = NULL};
		struct waiting *waiting = &bench->jobs[i];

		assert_int_equal(waiting->job.ipam.result, IPAM_OK);
		assert_int_equal(waiting->job.op_result, 0);
		assert_endpoint_has_its_address(bench, waiting);
		assert_int_equal(store_get(bench->place->store, KIND_IPAM_HANDLE, NULL,
					   waiting->handle, &handle, NULL),
				 0);
		assert_int_equal(handle.revision, waiting->job.revision);
	}
	for (size_t i = 0; i < JOBS; i++)
		submit(bench, prepare_release(bench, i));
	wait_done(bench, JOBS);
	for (size_t i = 0; i < JOBS; i++)
		assert_int_equal(bench->jobs[i].job.ipam.result, IPAM_OK);
	assert_int_equal(place_count(bench->place, KIND_IPAM_HANDLE), 0);
	assert_int_equal(place_count(bench->place, KIND_WORKLOAD_ENDPOINT), 0);
}

/* No endpoint without address; of an endpoint that never had one, what there is goes. */
static void test_endpoint_without_address(void **state)
{
	struct bench *bench = *state;
	struct waiting *waiting = prepare(bench, 0, STORE_PUT);

	ask_address(waiting);
	waiting->job.ipam.type = IPAM_ASSIGN_ADDRESS;
	waiting->job.ipam.addr = (struct ip_addr){AF_INET, {192, 0, 2, 1}};
	submit(bench, waiting);
	wait_done(bench, 1);
	assert_int_equal(waiting->job.ipam.result, IPAM_E_NOT_IN_POOL);
	assert_int_equal(place_count(bench->place, KIND_WORKLOAD_ENDPOINT), 0);

	place_put(bench->place, model_new(KIND_WORKLOAD_ENDPOINT, "default", "node-a-0"));
	submit(bench, prepare_release(bench, 0));
	wait_done(bench, 1);
	assert_int_equal(bench->jobs[0].job.ipam.result, IPAM_E_NOT_FOUND);
	assert_int_equal(bench->jobs[0].job.op_result, 0);
	assert_int_equal(place_count(bench->place, KIND_WORKLOAD_ENDPOINT), 0);
}

/* Every job ends exactly once: done, or told that the agent stops. */
static void test_stop_with_jobs_waiting(void **state)
{
	struct bench *bench = *state;
	size_t n_stopped = 0;
	size_t n_written = 0;

	for (size_t i = 0; i < JOBS; i++)
		submit(bench, prepare(bench, i, STORE_PUT));
	bench->worker = store_worker_free(bench->worker);
	for (size_t i = 0; i < JOBS; i++) {
		struct store_job *job = &bench->jobs[i].job;
		_cleanup_(model_freep) struct object *object = place_get(
			bench->place, KIND_WORKLOAD_ENDPOINT, "default", bench->jobs[i].name);

		assert_int_equal(bench->jobs[i].n_done, 1);
		if (job->op_result == 0) {
			n_written++;
			assert_non_null(object);
		} else {
			n_stopped++;
			assert_int_equal(job->op_result, -ESHUTDOWN);
			assert_string_equal(job->err.msg, "the agent is stopping");
			assert_string_equal(job->ipam.err.msg, "the agent is stopping");
			assert_null(object);
		}
	}
	assert_int_equal(n_stopped + n_written, JOBS);
}

static void test_store_that_is_not_there(void **state)
{
	struct bench *bench = *state;
	const struct store_config config = {.type = "sqlite", .path = "/nonexistent/dir/korat.db"};
	struct store_worker *worker = NULL;
	struct err err = ERR_INIT;

	assert_true(store_worker_new(bench->event, &config, "node-a", &worker, &err) < 0);
	assert_null(worker);
	assert_non_null(strstr(err.msg, "/nonexistent/dir"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_group, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_of_several_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_endpoint_with_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_endpoint_without_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_with_jobs_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_that_is_not_there, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
