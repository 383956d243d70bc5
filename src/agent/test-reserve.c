/* SPDX-License-Identifier: Apache-2.0 */

/* The reserve and its file: what is free, what waits, and what a file may not say. */

#include "agent/reserve.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

struct fixture {
	char dir[32];
	char *path;
	struct reserve reserve;
};

static void open_reserve(struct fixture *f, const char *node)
{
	struct err err = ERR_INIT;

	reserve_deinit(&f->reserve);
	if (reserve_open(&f->reserve, f->path, node, &err) < 0)
		fail_msg("%s", err.msg);
}

static int setup(void **state)
{
	struct fixture *f = XNEW(struct fixture);

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/korat-reserve.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = xasprintf("%s/reserve.json", f->dir);
	open_reserve(f, "node-a");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	reserve_deinit(&f->reserve);
	(void)unlink(f->path);
	(void)rmdir(f->dir);
	free(f->path);
	free(f);
	return 0;
}

static struct ip_addr addr_of(const char *text)
{
	struct ip_addr addr;

	assert_int_equal(ip_parse(text, &addr, NULL), 0);
	return addr;
}

static void set_free(struct fixture *f, const char *const *texts, size_t n)
{
	struct ip_addr addrs[RESERVE_ADDRS_MAX];

	for (size_t i = 0; i < n; i++)
		addrs[i] = addr_of(texts[i]);
	assert_int_equal(reserve_set_free(&f->reserve, addrs, n, NULL), 0);
}

static void note(struct fixture *f, enum reserve_change_type type, const char *handle,
		 const char *name, const char *addr)
{
	struct reserve_change change = {
		.type = type,
		.handle = xstrdup(handle),
		.namespace = xstrdup("default"),
		.name = xstrdup(name),
		.endpoint = name && type == RESERVE_ADDED ? xstrdup("{\"a\": \"\\u00e9\"}") : NULL,
	};

	if (addr) {
		change.from = xstrdup(f->reserve.handle);
		change.addrs[change.n_addrs++] = addr_of(addr);
	}
	assert_int_equal(reserve_note(&f->reserve, &change, NULL), 0);
	assert_null(change.handle);
}

static const char *const three[] = {"10.0.0.1", "10.0.0.2", "fd00::1"};

static void test_survives_death(void **state)
{
	struct fixture *f = *state;
	struct ip_addr taken;

	assert_int_equal(f->reserve.n_free, 0);
	set_free(f, three, 3);
	taken = reserve_take(&f->reserve, 0);
	assert_string_equal(ip_format(&taken).s, "10.0.0.1");
	note(f, RESERVE_ADDED, "net.a", "node-a-k8s-p-eth0", "10.0.0.1");
	note(f, RESERVE_ENDED, "net.b", NULL, NULL);
	open_reserve(f, "node-a");
	assert_int_equal(f->reserve.n_free, 2);
	assert_int_equal(reserve_count(&f->reserve, AF_INET), 1);
	assert_int_equal(reserve_count(&f->reserve, AF_INET6), 1);
	assert_int_equal(f->reserve.n_changes, 2);
	assert_string_equal(f->reserve.changes[0].endpoint, "{\"a\": \"\\u00e9\"}");
	assert_string_equal(f->reserve.changes[0].from, "korat-reserve-node-a");
	assert_string_equal(ip_format(&f->reserve.changes[0].addrs[0]).s, "10.0.0.1");
	assert_int_equal(f->reserve.changes[1].type, RESERVE_ENDED);
	assert_null(f->reserve.changes[1].name);
	assert_true(reserve_concerns(&f->reserve, "default", "node-a-k8s-p-eth0"));
	assert_false(reserve_concerns(&f->reserve, "other", "node-a-k8s-p-eth0"));
	assert_int_equal(reserve_drop_first(&f->reserve, NULL), 0);
	open_reserve(f, "node-a");
	assert_int_equal(f->reserve.n_changes, 1);
	assert_false(reserve_concerns(&f->reserve, "default", "node-a-k8s-p-eth0"));
}

/* The datastore still counts it to the reserve, but a pod has it. */
static void test_given_is_not_free(void **state)
{
	struct fixture *f = *state;

	set_free(f, three, 3);
	(void)reserve_take(&f->reserve, 1);
	note(f, RESERVE_ADDED, "net.a", "n", "10.0.0.2");
	set_free(f, three, 3);
	assert_int_equal(f->reserve.n_free, 2);
	assert_int_equal(reserve_drop_first(&f->reserve, NULL), 0);
	set_free(f, three, 3);
	assert_int_equal(f->reserve.n_free, 3);
}

static void test_ends_once(void **state)
{
	struct fixture *f = *state;

	note(f, RESERVE_ENDED, "net.a", "n", NULL);
	note(f, RESERVE_ENDED, "net.a", "n", NULL);
	assert_int_equal(f->reserve.n_changes, 1);
	note(f, RESERVE_ADDED, "net.a", "n", NULL);
	note(f, RESERVE_ENDED, "net.a", "n", NULL);
	note(f, RESERVE_ENDED, "net.a", NULL, NULL);
	assert_int_equal(f->reserve.n_changes, 4);
}

/* What cannot be written is not so. */
static void test_no_disk(void **state)
{
	struct fixture *f = *state;
	struct reserve_change change = {.handle = xstrdup("net.a"), .namespace = xstrdup("d")};
	struct ip_addr addr = addr_of("10.0.0.1");

	replace_str(&f->reserve.path, xstrdup("/nonexistent/reserve.json"));
	assert_true(reserve_note(&f->reserve, &change, NULL) < 0);
	assert_int_equal(f->reserve.n_changes, 0);
	assert_true(reserve_set_free(&f->reserve, &addr, 1, NULL) < 0);
	assert_int_equal(f->reserve.n_free, 0);
}

/* Changes of a node that had another name are written all the same; its addresses are not ours. */
static void test_renamed(void **state)
{
	struct fixture *f = *state;

	set_free(f, three, 3);
	note(f, RESERVE_ADDED, "net.a", "n", "10.0.0.9");
	open_reserve(f, "node-b");
	assert_int_equal(f->reserve.n_free, 0);
	assert_int_equal(f->reserve.n_changes, 1);
	assert_string_equal(f->reserve.changes[0].from, "korat-reserve-node-a");
}

static void test_bad_files(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{\"handle\": 1, \"changes\": []}",
		"{\"handle\": \"korat-reserve-node-a\"}",
		"{\"handle\": \"korat-reserve-node-a\", \"free\": [\"10.0.0.300\"], \"changes\": []}",
		"{\"handle\": \"korat-reserve-node-a\", \"free\": {}, \"changes\": []}",
		"{\"handle\": \"korat-reserve-node-a\", \"changes\": [1]}",
		"{\"handle\": \"x\", \"changes\": [{\"type\": \"added\"}]}",
		"{\"handle\": \"x\", \"changes\": [{\"type\": \"moved\", \"handle\": \"h\", "
		"\"namespace\": \"n\"}]}",
		"{\"handle\": \"x\", \"changes\": [{\"type\": \"added\", \"handle\": \"h\", "
		"\"namespace\": \"n\", \"addresses\": [\"10.0.0.1\"]}]}",
		"{\"handle\": \"x\", \"changes\": [{\"type\": \"added\", \"handle\": \"h\", "
		"\"namespace\": \"n\", \"from\": \"f\", \"addresses\": [\"::1\", \"::2\", \"::3\"]}]}",
		"{\"handle\": \"x\", \"changes\": [{\"type\": \"added\", \"handle\": \"h\", "
		"\"namespace\": \"n\", \"endpoint\": \"{}\"}]}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		int r = reserve_parse(&f->reserve, bad[i], strlen(bad[i]), &err);

		if (r != -EBADMSG || strncmp(err.msg, f->path, strlen(f->path)) != 0)
			fail_msg("%s: %d: %s", bad[i], r, err.msg);
		assert_int_equal(f->reserve.n_free, 0);
		assert_int_equal(f->reserve.n_changes, 0);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_survives_death), TEST(test_given_is_not_free), TEST(test_ends_once),
		TEST(test_no_disk),	   TEST(test_renamed),		 TEST(test_bad_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
