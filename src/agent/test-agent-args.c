/* SPDX-License-Identifier: Apache-2.0 */

/* Options before environment before defaults, and what is refused. */

#include "agent/agent-args.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"

#define WORDS_MAX 8

/* Words until NULL, as after "korat". */
static int parse(const char *const *words, struct agent_args *ret, struct err *err)
{
	char *argv[WORDS_MAX + 2] = {(char *)(uintptr_t) "agent"};
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	return agent_args_parse(argc, argv, ret, err);
}
#define PARSE(args, err, ...) parse((const char *const[]){__VA_ARGS__, NULL}, (args), (err))

static int clear(void **state)
{
	static const char *const names[] = {
		"NODENAME",
		"IP",
		"IP6",
		"IP_AUTODETECTION_METHOD",
		"AS",
		"NO_DEFAULT_POOLS",
		"CALICO_IPV4POOL_CIDR",
		"CALICO_IPV4POOL_IPIP",
		"CALICO_ROUTER_ID",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unsetenv(names[i]);
	return 0;
}

static void test_defaults(void **state)
{
	struct agent_args args;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&args, &err, "--node-name", "n1"), 0);
	assert_string_equal(args.node_name, "n1");
	assert_string_equal(args.run_dir, "/run/korat");
	assert_string_equal(args.state_dir, "/var/lib/calico");
	assert_string_equal(args.bird_program, "/usr/sbin/bird");
	assert_string_equal(args.health_addr, "127.0.0.1:9099");
	assert_null(args.metrics_addr);
	assert_int_equal(args.bird_mode, BIRD_MODE_SPAWN);
	assert_string_equal(args.ip, "");
	assert_string_equal(args.ip_method, "first-found");
	assert_string_equal(args.v4_pool_cidr, "192.168.0.0/16");
	assert_string_equal(args.v4_pool_ipip, "Always");
	assert_string_equal(args.v4_pool_block_size, "26");
	assert_string_equal(args.v6_pool_cidr, "none");
	assert_false(args.no_default_pools);
	agent_args_deinit(&args);
}

static void test_options(void **state)
{
	struct agent_args args;
	struct err err = ERR_INIT;

	(void)state;
	(void)setenv("NODENAME", "from-environment", 1);
	assert_int_equal(PARSE(&args, &err, "--node-name=first", "--node-name", "second.example",
			       "--bird=external", "--metrics", "[::1]:9091", "--health="),
			 0);
	assert_string_equal(args.node_name, "second.example");
	assert_int_equal(args.bird_mode, BIRD_MODE_EXTERNAL);
	assert_string_equal(args.metrics_addr, "[::1]:9091");
	assert_string_equal(args.health_addr, "");
	agent_args_deinit(&args);
}

static void test_environment(void **state)
{
	struct agent_args args;
	struct err err = ERR_INIT;

	(void)state;
	(void)setenv("NODENAME", "from-environment", 1);
	(void)setenv("IP", "10.0.0.7/24", 1);
	(void)setenv("AS", "64999", 1);
	(void)setenv("NO_DEFAULT_POOLS", "true", 1);
	(void)setenv("CALICO_IPV4POOL_CIDR", "10.42.0.0/16", 1);
	(void)setenv("CALICO_IPV4POOL_IPIP", "", 1); /* empty is not set */
	assert_int_equal(PARSE(&args, &err, "--bird", "none"), 0);
	assert_string_equal(args.node_name, "from-environment");
	assert_string_equal(args.ip, "10.0.0.7/24");
	assert_string_equal(args.as_number, "64999");
	assert_true(args.no_default_pools);
	assert_string_equal(args.v4_pool_cidr, "10.42.0.0/16");
	assert_string_equal(args.v4_pool_ipip, "Always");
	assert_int_equal(args.bird_mode, BIRD_MODE_NONE);
	agent_args_deinit(&args);
}

static void test_host_name_is_the_node_name(void **state)
{
	struct agent_args args;
	struct err err = ERR_INIT;
	char host[256] = "";
	int r;

	(void)state;
	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	r = PARSE(&args, &err, "--bird", "none");
	if (r < 0) /* a host name that is no DNS name is refused, not bent */
		return;
	assert_int_equal(strcasecmp(args.node_name, host), 0);
	for (const char *p = args.node_name; *p; p++)
		assert_false(*p >= 'A' && *p <= 'Z');
	agent_args_deinit(&args);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *words[3];
		const char *expected;
	} cases[] = {
		{{"--bird", "maybe"}, "--bird maybe: expected spawn, external or none"},
		{{"--no-such"}, "--no-such: no such option"},
		{{"--node-name"}, "--node-name: no such option, or its value is missing"},
		{{"-x"}, "-x: no such option"},
		{{"word"}, "word: unexpected argument"},
		{{"--node-name", "Upper"}, "node name \"Upper\": expected a DNS name"},
		{{"--node-name", ""}, "set --node-name"},
		{{"--node-name", "../etc"}, "expected a DNS name"},
		{{"--node-name", "-a"}, "expected a DNS name"},
		{{"--node-name", "a."}, "expected a DNS name"},
		{{"--node-name", "a\nb"}, "expected a DNS name"},
	};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct agent_args args = {0};
		struct err err = ERR_INIT;

		assert_int_equal(parse(cases[i].words, &args, &err), -EINVAL);
		assert_null(args.run_dir); /* written only on success */
		if (!strstr(err.msg, cases[i].expected))
			fail_msg("\"%s\" lacks \"%s\"", err.msg, cases[i].expected);
	}
	for (size_t len = 253; len <= 254; len++) {
		struct agent_args args = {0};

		memset(longest, 'a', len);
		longest[len] = '\0';
		assert_int_equal(PARSE(&args, NULL, "--node-name", longest),
				 len == 253 ? 0 : -EINVAL);
		agent_args_deinit(&args);
	}
}

static void test_help(void **state)
{
	struct agent_args args = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&args, &err, "--help"), AGENT_ARGS_E_HELP);
	assert_int_equal(PARSE(&args, &err, "--bird", "none", "-h"), AGENT_ARGS_E_HELP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, clear),
		cmocka_unit_test_setup(test_options, clear),
		cmocka_unit_test_setup(test_environment, clear),
		cmocka_unit_test_setup(test_host_name_is_the_node_name, clear),
		cmocka_unit_test_setup(test_refusals, clear),
		cmocka_unit_test_setup(test_help, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
