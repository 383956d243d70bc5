/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Links that go while somebody wants them gone: each caller is told once, and no other link goes.
 */

#include "agent/link-remover.h"

#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "netlink/test-lab.h"

#define LINKS 40 /* more than there are threads */

struct told {
	unsigned int n;
	int result;
	struct err err;
};

struct bench {
	sd_event *event;
	struct link_remover *remover;
	struct told told[LINKS];
};

static int setup(void **state)
{
	struct bench *bench = XNEW(struct bench);
	struct err err = ERR_INIT;

	assert_true(sd_event_new(&bench->event) >= 0);
	assert_int_equal(link_remover_new(bench->event, &bench->remover, &err), 0);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	bench->remover = link_remover_free(bench->remover);
	(void)sd_event_unref(bench->event);
	free(bench);
	return 0;
}

static void removed(void *ctx, int result, const struct err *err)
{
	struct told *told = ctx;

	told->n++;
	told->result = result;
	told->err = *err;
}

static void wait_told(struct bench *bench, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		while (!bench->told[i].n)
			assert_true(sd_event_run(bench->event, 10000000) > 0);
	}
}

static void test_many(void **state)
{
	struct bench *bench = *state;

	for (unsigned int i = 0; i < LINKS; i++) {
		_cleanup_free_ char *command =
			xasprintf("ip link add cali%u type veth peer name p%u", i, i);
		_cleanup_free_ char *name = xasprintf("cali%u", i);

		assert_true(lab_run(command));
		link_remover_remove(bench->remover, name, removed, &bench->told[i]);
	}
	wait_told(bench, LINKS);
	for (unsigned int i = 0; i < LINKS; i++) {
		_cleanup_free_ char *name = xasprintf("cali%u", i);

		assert_int_equal(bench->told[i].n, 1);
		assert_int_equal(bench->told[i].result, 0);
		assert_int_equal(if_nametoindex(name), 0);
	}
}

static void test_not_there(void **state)
{
	struct bench *bench = *state;

	link_remover_remove(bench->remover, "cali-none", removed, &bench->told[0]);
	wait_told(bench, 1);
	assert_int_equal(bench->told[0].result, 0);
}

static void test_no_pod_s_link(void **state)
{
	struct bench *bench = *state;

	assert_true(lab_run("ip link add calibr type bridge"));
	link_remover_remove(bench->remover, "calibr", removed, &bench->told[0]);
	wait_told(bench, 1);
	assert_true(bench->told[0].result < 0);
	assert_non_null(strstr(bench->told[0].err.msg, "calibr is no pod's interface (bridge)"));
	assert_true(if_nametoindex("calibr") > 0);
	assert_true(lab_run("ip link del calibr"));
}

/* The announcement comes before the worker gets to it; the name is another link's by then. */
static void test_name_is_taken_again(void **state)
{
	struct bench *bench = *state;
	int old;

	assert_true(lab_run("ip link add cali0 type veth peer name p0"));
	/* Work for all threads, so that the removal has to wait. */
	for (unsigned int i = 1; i < LINKS; i++) {
		_cleanup_free_ char *command =
			xasprintf("ip link add cali%u type veth peer name p%u", i, i);

		assert_true(lab_run(command));
	}
	for (unsigned int i = 1; i < LINKS; i++) {
		_cleanup_free_ char *name = xasprintf("cali%u", i);

		link_remover_remove(bench->remover, name, removed, &bench->told[i]);
	}
	old = (int)if_nametoindex("cali0");
	link_remover_remove(bench->remover, "cali0", removed, &bench->told[0]);
	assert_true(lab_run("ip link del cali0 2>/dev/null; "
			    "ip link add cali0 type veth peer name p0"));
	link_remover_note_gone(bench->remover, old);
	assert_int_equal(bench->told[0].n, 1);
	assert_int_equal(bench->told[0].result, 0);
	wait_told(bench, LINKS);
	bench->remover = link_remover_free(bench->remover);
	for (unsigned int i = 0; i < LINKS; i++)
		assert_int_equal(bench->told[i].n, 1);
	assert_true(if_nametoindex("cali0") > 0);
	assert_true(lab_run("ip link del cali0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_pod_s_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_name_is_taken_again, setup, teardown),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
