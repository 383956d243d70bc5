/* SPDX-License-Identifier: Apache-2.0 */

/* The table of endpoints, and what a stored WorkloadEndpoint may say. */

#include "agent/endpoint.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/kinds.h"

static struct object *make(const char *interface, const char *mac, const char *const *networks)
{
	struct object *object = model_new(KIND_WORKLOAD_ENDPOINT, "default", "n1-k8s-p-eth0");
	struct workload_endpoint_spec *spec = &as_workload_endpoint(object)->spec;

	spec->interface_name = xstrdup(interface);
	spec->mac = xstrdup(mac);
	spec->container_id = xstrdup("c1");
	for (; networks && *networks; networks++)
		str_list_add(&spec->ip_networks, *networks);
	return object;
}

static void test_table(void **state)
{
	struct endpoint_table table = {0};
	struct endpoint *a = endpoint_get(&table, "default", "one");
	struct endpoint *b = endpoint_get(&table, "kube-system", "one");

	(void)state;
	assert_ptr_not_equal(a, b);
	assert_string_equal(a->key, "default/one");
	assert_string_equal(a->name, "one");
	assert_int_equal(a->namespace_len, strlen("default"));
	assert_ptr_equal(endpoint_get(&table, "default", "one"), a);
	assert_ptr_equal(endpoint_find(&table, "kube-system", "one"), b);
	assert_null(endpoint_find(&table, "default", "two"));
	assert_int_equal(endpoint_count(&table), 2);
	endpoint_remove(&table, a);
	assert_null(endpoint_find(&table, "default", "one"));
	assert_int_equal(endpoint_count(&table), 1);
	endpoint_table_deinit(&table);
	assert_int_equal(endpoint_count(&table), 0);
	endpoint_table_deinit(&table);
}

static void test_read(void **state)
{
	static const char *const networks[] = {"10.42.0.5/32", "fd42::5/128", NULL};
	struct endpoint endpoint = {0};
	_cleanup_(model_freep) struct object *object =
		make("cali0123456789a", "02:00:00:00:00:05", networks);
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(endpoint_read(&endpoint, object, &err), 0);
	assert_string_equal(endpoint.host_ifname, "cali0123456789a");
	assert_string_equal(endpoint.container_id, "c1");
	assert_int_equal(endpoint.n_addrs, 2);
	assert_string_equal(cidr_format(&endpoint.addrs[0]).s, "10.42.0.5/32");
	assert_string_equal(cidr_format(&endpoint.addrs[1]).s, "fd42::5/128");
	assert_int_equal(endpoint.mac[5], 5);
	/* Without a MAC, without addresses: an endpoint all the same. */
	(void)model_free(object);
	object = make("cali1", NULL, NULL);
	assert_int_equal(endpoint_read(&endpoint, object, &err), 0);
	assert_int_equal(endpoint.n_addrs, 0);
	assert_int_equal(endpoint.mac[5], 0);
	free(endpoint.container_id);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *interface;
		const char *mac;
		const char *networks[ENDPOINT_ADDRS_MAX + 2];
		const char *expected;
	} cases[] = {
		{NULL, NULL, {NULL}, "spec.interfaceName"},
		{"", NULL, {NULL}, "spec.interfaceName"},
		{"cali0123456789ab", NULL, {NULL}, "spec.interfaceName"},
		{"../cali1", NULL, {NULL}, "spec.interfaceName"},
		{"cali 1", NULL, {NULL}, "spec.interfaceName"},
		{"..", NULL, {NULL}, "spec.interfaceName"},
		{"eth0", "zz", {NULL}, "spec.mac"},
		{"cali1", NULL, {"10.42.0.5/32", "10.42.0.6/33"}, "spec.ipNetworks[1]"},
		{"cali1", NULL, {"x"}, "spec.ipNetworks[0]"},
		{"cali1", NULL, {"10.42.0.0/16"}, "spec.ipNetworks[0]"},
		{"cali1", NULL, {"0.0.0.0/0"}, "spec.ipNetworks[0]"},
		{"cali1",
		 NULL,
		 {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6",
		  "10.0.0.7", "10.0.0.8", "10.0.0.9"},
		 "more than 8 addresses"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct endpoint endpoint = {.n_addrs = 7};
		_cleanup_(model_freep) struct object *object =
			make(cases[i].interface, cases[i].mac, cases[i].networks);
		struct err err = ERR_INIT;

		if (endpoint_read(&endpoint, object, &err) != -EINVAL)
			fail_msg("case %zu (%s) is taken", i, cases[i].expected);
		if (!strstr(err.msg, cases[i].expected))
			fail_msg("\"%s\" lacks \"%s\"", err.msg, cases[i].expected);
		assert_int_equal(endpoint.n_addrs, 7);
		assert_null(endpoint.container_id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
