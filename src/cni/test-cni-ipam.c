/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cni/cni-names.h"
#include "cni/cni-request.h"

#define ENV(verb)  "CNI_COMMAND=" verb "\0CNI_CONTAINERID=c1\0CNI_IFNAME=eth0\0CNI_NETNS=/n"
#define CONF(ipam) "{\"name\":\"n\",\"cniVersion\":\"1.0.0\",\"ipam\":{" ipam "}}"

static const char add_env[] = ENV("ADD");
static const char del_env[] = ENV("DEL");

static int parse(const char *env, const char *conf, struct cni_request **ret, struct err *err)
{
	return cni_request_parse(CNI_ROLE_MAIN, env, sizeof(add_env), conf, strlen(conf), ret, err);
}

static void test_own(void **state)
{
	static const char *const confs[] = {
		CONF("\"type\":\"calico-ipam\""),
		CONF("\"type\":\"korat-ipam\",\"routes\":[{\"dst\":\"bad\"}]"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(confs); i++) {
		_cleanup_(cni_request_freep) struct cni_request *request = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(parse(add_env, confs[i], &request, &err), 0);
		assert_false(request->delegates);
		assert_int_equal(request->n_routes, 0);
		assert_int_equal(cni_request_add_delegated(request, "{}", 2, &err),
				 CNI_ERROR_DECODE);
	}
}

static void test_routes(void **state)
{
	static const char conf[] =
		"{\"name\":\"n\",\"cniVersion\":\"1.0.0\",\"include_default_routes\":true,"
		"\"ipam\":{\"type\":\"host-local\",\"routes\":[{\"dst\":\"10.1.2.3/8\"},"
		"{\"dst\":\"fd00::/8\",\"gw\":\"fd00::1\"}]}}";
	static const char *const expected[] = {"10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "::/0"};
	_cleanup_(cni_request_freep) struct cni_request *request = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(parse(add_env, conf, &request, &err), 0);
	assert_true(request->delegates);
	assert_int_equal(request->n_routes, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(cidr_format(&request->routes[i]).s, expected[i]);
}

/* What an ADD refuses, a DEL accepts: nothing can have come of it. */
static void test_bad(void **state)
{
	static const struct {
		const char *conf;
		const char *part;
	} bad[] = {
		{CONF("\"type\":\"calico\""), "ipam.type \"calico\""},
		{CONF("\"type\":\"korat\""), "ipam.type \"korat\""},
		{CONF("\"type\":\"../x\""), "ipam.type \"../x\""},
		{CONF("\"type\":\"a/b\""), "ipam.type \"a/b\""},
		{CONF("\"type\":\"-a\""), "ipam.type \"-a\""},
		{CONF("\"type\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""),
		 "ipam.type \"aaa"},
		{CONF("\"type\":\"host-local\",\"subnet\":\"usePodCIDR\""), "usePodCidr needs"},
		{CONF("\"type\":\"host-local\",\"ranges\":[[{\"subnet\":\"1.0.0.0/8\"}],"
		      "[{\"subnet\":\"usePodCidrIPv6\"}]]"),
		 "usePodCidr needs"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(cni_request_freep) struct cni_request *request = NULL;
		struct err err = ERR_INIT;

		if (parse(add_env, bad[i].conf, &request, &err) != CNI_ERROR_BAD_CONFIG ||
		    !strstr(err.msg, bad[i].part))
			fail_msg("bad[%zu]: %s", i, err.msg);
		if (parse(del_env, bad[i].conf, &request, &err) != 0)
			fail_msg("bad[%zu]: %s", i, err.msg);
		assert_false(request->delegates);
	}
}

static struct cni_request *delegating(void)
{
	struct cni_request *request = NULL;
	struct err err = ERR_INIT;

	if (parse(add_env, CONF("\"type\":\"static\""), &request, &err) != 0)
		fail_msg("%s", err.msg);
	return request;
}

static void test_results(void **state)
{
	static const struct {
		const char *text;
		unsigned int n;
		const char *first; /* or a part of the error, where n is 0 */
	} results[] = {
		{"{\"ips\":[{\"address\":\"10.0.0.5/24\",\"gateway\":\"10.0.0.1\"}]}", 1,
		 "10.0.0.5/32"},
		{"{\"ip4\":{\"ip\":\"10.0.0.5/24\"},\"ip6\":{\"ip\":\"fd00::5/64\"}}", 2,
		 "10.0.0.5/32"},
		{"{\"ips\":[{\"address\":\"fd00::5/64\"}],\"routes\":1}", 1, "fd00::5/128"},
		{"{}", 0, "no address"},
		{"", 0, "no JSON object"},
		{"[]", 0, "no JSON object"},
		{"{\"ips\":[{}]}", 0, "an address that is none"},
		{"{\"ips\":[{\"address\":1}]}", 0, "an address that is none"},
		{"{\"ip4\":{}}", 0, "an address that is none"},
		{"{\"ips\":[{\"address\":\"1.1.1.1\"},{\"address\":\"1.1.1.2\"},{\"address\":"
		 "\"1.1.1.3\"},{\"address\":\"1.1.1.4\"},{\"address\":\"1.1.1.5\"},{\"address\":"
		 "\"1.1.1.6\"},{\"address\":\"1.1.1.7\"},{\"address\":\"1.1.1.8\"},{\"address\":"
		 "\"1.1.1.9\"}]}",
		 0, "more than 8"},
	};
	_cleanup_(cni_request_freep) struct cni_request *request = delegating();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		const char *text = results[i].text;
		struct err err = ERR_INIT;
		int r = cni_request_add_delegated(request, text, strlen(text), &err);

		if (results[i].n == 0) {
			assert_int_equal(r, CNI_ERROR_DECODE);
			if (!strstr(err.msg, results[i].first))
				fail_msg("results[%zu]: %s", i, err.msg);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(request->delegated->n_addrs, results[i].n);
		assert_string_equal(cidr_format(&request->delegated->addrs[0]).s, results[i].first);
	}
}

static void test_labels(void **state)
{
	(void)state;
	assert_true(cni_label_key_valid("role") && cni_label_key_valid("a.b/c-d_e.f"));
	assert_false(cni_label_key_valid("") || cni_label_key_valid("/a") ||
		     cni_label_key_valid("a/") || cni_label_key_valid("A/b") ||
		     cni_label_key_valid("a b") || cni_label_key_valid("a/b/c") ||
		     cni_label_key_valid("a-"));
	assert_true(cni_label_value_valid("") && cni_label_value_valid("Web_1.2"));
	assert_false(cni_label_value_valid("-a") || cni_label_value_valid("a b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),    cmocka_unit_test(test_routes),
		cmocka_unit_test(test_bad),    cmocka_unit_test(test_results),
		cmocka_unit_test(test_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
