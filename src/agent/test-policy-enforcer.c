/* SPDX-License-Identifier: Apache-2.0 */

/* What a driver says of policies that the kernel refuses, as the log and the metrics have it. */

#include "agent/policy-enforcer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "netlink/test-lab.h"

/* A driver that takes everything, and says what it is told to say. */
struct driver {
	const char *refused[3];
	size_t n;
};

static void update(void *self, const struct policy_update *update)
{
	(void)self;
	(void)update;
}

static int apply(void *self, struct err *err)
{
	(void)self;
	(void)err;
	return 0;
}

static size_t problems(const void *self, struct policy_problem **ret)
{
	const struct driver *driver = self;

	*ret = xcalloc(driver->n, sizeof(**ret));
	for (size_t i = 0; i < driver->n; i++)
		(*ret)[i] = (struct policy_problem){driver->refused[i], "Invalid argument"};
	return driver->n;
}

static size_t take_gone(void *self, struct ip_addr **ret)
{
	(void)self;
	*ret = NULL;
	return 0;
}

static bool take_cut(void *self)
{
	(void)self;
	return false;
}

static const struct policy_driver_ops ops = {.name = "test",
					     .update = update,
					     .apply = apply,
					     .problems = problems,
					     .take_gone = take_gone,
					     .take_cut = take_cut};

/* How many lines of the log name the policy. */
static size_t n_said(int log, const char *key)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	size_t n = 0;

	assert_true(lseek(log, 0, SEEK_SET) >= 0);
	assert_int_equal(fd_read_all(log, 1 << 16, &text), 0);
	for (const char *s = strstr(buf_str(&text), key); s; s = strstr(s + 1, key))
		n++;
	return n;
}

static void assert_counts(const struct policy_enforcer *enforcer, size_t n)
{
	struct policy_enforcer_stats stats;

	policy_enforcer_get_stats(enforcer, &stats);
	assert_int_equal(stats.n_refused, n);
	assert_int_equal(stats.n_problems, n);
}

/* Each is said once as long as it is refused, whoever applied. */
static void test_refused(void **state)
{
	struct driver driver = {.n = 0};
	struct policy_enforcer *enforcer;
	sd_event *event = NULL;
	int log = memfd_create("log", MFD_CLOEXEC);
	int stderr_fd = dup(STDERR_FILENO);

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(policy_enforcer_new(event, "node1", (struct policy_driver){&ops, &driver},
					     &enforcer, NULL),
			 0);
	assert_true(dup2(log, STDERR_FILENO) >= 0);
	policy_enforcer_set_in_sync(enforcer);
	assert_counts(enforcer, 0);
	driver = (struct driver){.refused = {"np/shop/db", "gnp/all"}, .n = 2};
	policy_enforcer_written(enforcer);
	assert_int_equal(policy_enforcer_apply(enforcer, NULL), 0);
	policy_enforcer_written(enforcer);
	assert_counts(enforcer, 2);
	driver = (struct driver){.refused = {"gnp/all", "gnp/new"}, .n = 2};
	assert_int_equal(policy_enforcer_apply(enforcer, NULL), 0);
	assert_counts(enforcer, 2);
	driver.n = 0;
	assert_int_equal(policy_enforcer_apply(enforcer, NULL), 0);
	assert_counts(enforcer, 0);
	driver.n = 1;
	assert_int_equal(policy_enforcer_apply(enforcer, NULL), 0);
	assert_true(dup2(stderr_fd, STDERR_FILENO) >= 0);
	assert_int_equal(n_said(log, "np/shop/db"), 1);
	assert_int_equal(n_said(log, "gnp/new"), 1);
	assert_int_equal(n_said(log, "gnp/all"), 2); /* it was well meanwhile */
	policy_enforcer_free(enforcer);
	(void)sd_event_unref(event);
	(void)fd_close(log);
	(void)fd_close(stderr_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused)};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
