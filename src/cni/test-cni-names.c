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

static char pod[] = "nginx-7c5ddbdf54-abcde", namespace[] = "default", eth0[] = "eth0";
static char id[] = "0123456789abcdef-0", cali[] = "cali", net[] = "k8s-pod-network";

static void test_grammar(void **state)
{
	char name[300];

	(void)state;
	assert_true(cni_name_valid("a"));
	assert_true(cni_name_valid("k8s-pod_network.1"));
	assert_false(cni_name_valid(""));
	assert_false(cni_name_valid("-a"));
	assert_false(cni_name_valid(".."));
	assert_false(cni_name_valid("a/b"));
	memset(name, 'a', sizeof(name));
	name[253] = '\0';
	assert_true(cni_name_valid(name));
	assert_true(cni_subdomain_valid(name));
	name[253] = 'a';
	name[254] = '\0';
	assert_false(cni_name_valid(name));
	assert_false(cni_subdomain_valid(name));

	assert_true(cni_ifname_valid("eth0.100"));
	assert_true(cni_ifname_valid("123456789012345"));
	assert_false(cni_ifname_valid("1234567890123456"));
	assert_false(cni_ifname_valid(""));
	assert_false(cni_ifname_valid("."));
	assert_false(cni_ifname_valid(".."));
	assert_false(cni_ifname_valid("a/b"));
	assert_false(cni_ifname_valid("a b"));
	assert_false(cni_ifname_valid("a:1"));
	assert_false(cni_ifname_valid("a\n"));
	assert_false(cni_ifname_valid("\xc3\xa4"));
}

static void test_kubernetes_grammar(void **state)
{
	(void)state;
	assert_true(cni_subdomain_valid("web-0.a.b"));
	assert_false(cni_subdomain_valid("web-"));
	assert_false(cni_subdomain_valid("a..b"));
	assert_false(cni_subdomain_valid("a.-b"));
	assert_false(cni_subdomain_valid("a-.b"));
	assert_false(cni_subdomain_valid("Web"));
	assert_false(cni_subdomain_valid("../x"));
	assert_true(cni_label_valid("kube-system"));
	assert_false(cni_label_valid("kube.system"));
	assert_false(cni_label_valid("-a"));
	assert_true(cni_uid_valid("1b2c-3D"));
	assert_false(cni_uid_valid("a/b"));
	assert_true(cni_prefix_valid("tap"));
	assert_false(cni_prefix_valid("calic"));
	assert_false(cni_prefix_valid(""));
	assert_false(cni_prefix_valid("../"));
}

static void test_kubernetes_names(void **state)
{
	struct cni_request request = {.pod_name = pod,
				      .pod_namespace = namespace,
				      .container_id = id,
				      .ifname = eth0,
				      .ifprefix = cali,
				      .network = net};
	_cleanup_free_ char *endpoint = cni_endpoint_name(&request, "node-1");
	_cleanup_free_ char *handle = cni_handle(&request);
	char ifname[IFNAMSIZ];

	(void)state;
	cni_host_ifname(&request, ifname);
	assert_string_equal(ifname, "cali306ce65e73b");
	assert_string_equal(endpoint, "node--1-k8s-nginx--7c5ddbdf54--abcde-eth0");
	assert_string_equal(handle, "k8s-pod-network.0123456789abcdef-0");
	assert_string_equal(cni_endpoint_namespace(&request), "default");
}

static void test_plain_names(void **state)
{
	struct cni_request request = {
		.container_id = id, .ifname = eth0, .ifprefix = cali, .network = net};
	_cleanup_free_ char *endpoint = cni_endpoint_name(&request, "n");
	char ifname[IFNAMSIZ];

	(void)state;
	cni_host_ifname(&request, ifname);
	assert_string_equal(ifname, "cali0123456789a");
	assert_string_equal(endpoint, "n-cni-0123456789abcdef--0-eth0");
	assert_string_equal(cni_endpoint_namespace(&request), "default");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_kubernetes_grammar),
		cmocka_unit_test(test_kubernetes_names),
		cmocka_unit_test(test_plain_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
