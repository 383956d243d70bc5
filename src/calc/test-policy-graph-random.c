/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Random histories of the policy graph: after each flush, what a driver holds is what brute force
 * makes of the inputs.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "calc/policy-graph.h"
#include "calc/policy-history.h"
#include "calc/policy-mirror.h"
#include "calc/policy-record.h"

#define STEPS 2500

static void step(struct policy_graph *graph, struct policy_record *record, uint64_t *random)
{
	struct policy_history_step step;
	struct err err = ERR_INIT;

	policy_history_next(random, &step);
	if (!step.object) {
		policy_graph_remove(graph, step.kind, step.namespace, step.name);
		policy_record_remove(record, step.kind, step.namespace, step.name);
	} else if (policy_graph_put(graph, step.object, &err) < 0) {
		assert_true(strstr(err.msg, "selector"));
	} else {
		policy_record_put(record, step.object);
	}
	(void)model_free(step.object);
}

/* True: there is something to be held. */
static bool check(struct policy_graph *graph, struct policy_mirror *mirror, unsigned int number)
{
	_cleanup_(policy_mirror_deinitp) struct policy_mirror fresh = {0};
	_cleanup_free_ char *have = NULL;
	_cleanup_free_ char *want = NULL;
	struct policy_update update;

	policy_graph_flush(graph, &update);
	policy_mirror_apply(mirror, &update);
	policy_graph_snapshot(graph, &update);
	policy_mirror_apply(&fresh, &update);
	have = policy_mirror_text(mirror);
	want = policy_mirror_text(&fresh);
	if (strcmp(have, want) != 0) {
		print_message("after step %u\n", number);
		assert_string_equal(have, want);
	}
	return mirror->facts.n > 8;
}

/* A graph that is told all at once says the same. */
static void check_anew(const struct policy_mirror *mirror, const struct policy_record *record,
		       unsigned int number)
{
	_cleanup_free_ char *have = policy_mirror_text(mirror);
	_cleanup_free_ char *want = policy_record_text(record, "here");

	if (strcmp(have, want) != 0) {
		print_message("after step %u\n", number);
		assert_string_equal(have, want);
	}
}

static void test_random_histories(void **state)
{
	const char *seed = getenv("KORAT_TEST_SEED");
	uint64_t random = seed ? strtoull(seed, NULL, 0) : 1;
	struct policy_graph *graph = policy_graph_new("here");
	_cleanup_(policy_mirror_deinitp) struct policy_mirror mirror = {0};
	struct policy_record record = {.v = NULL};
	unsigned int n_full = 0;
	unsigned int n = 0;

	(void)state;
	print_message("KORAT_TEST_SEED=%llu\n", (unsigned long long)random);
	for (unsigned int i = 0; i < STEPS; i++) {
		step(graph, &record, &random);
		if (policy_history_pick(&random, 3))
			continue;
		n_full += check(graph, &mirror, i);
		if (++n % 50 == 0)
			check_anew(&mirror, &record, i);
	}
	assert_true(n_full > n / 2);
	policy_record_deinit(&record);
	graph = policy_graph_free(graph);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
