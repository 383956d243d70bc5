/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "cni/cni-request.h"

#define HOST  "{\"name\":\"cali1\",\"mac\":\"ee:ee:ee:ee:ee:ee\""
#define POD   "{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:0a\""
#define NETNS ",\"sandbox\":\"/var/run/netns/a\"}"

struct form {
	const char *version;
	enum cni_plugin_role role;
	const char *json;
};

static const struct form forms[] = {
	{"0.1.0", CNI_ROLE_MAIN,
	 "{\"cniVersion\":\"0.1.0\",\"ip4\":{\"ip\":\"10.0.0.1/32\"},"
	 "\"ip6\":{\"ip\":\"fd00::1/128\"},\"dns\":{}}\n"},
	{"0.2.0", CNI_ROLE_MAIN,
	 "{\"cniVersion\":\"0.2.0\",\"ip4\":{\"ip\":\"10.0.0.1/32\"},"
	 "\"ip6\":{\"ip\":\"fd00::1/128\"},\"dns\":{}}\n"},
	{"0.3.0", CNI_ROLE_MAIN,
	 "{\"cniVersion\":\"0.3.0\",\"interfaces\":[" HOST "}," POD NETNS "],\"ips\":["
	 "{\"version\":\"4\",\"interface\":1,\"address\":\"10.0.0.1/32\"},"
	 "{\"version\":\"6\",\"interface\":1,\"address\":\"fd00::1/128\"}],\"dns\":{}}\n"},
	{"0.3.1", CNI_ROLE_MAIN,
	 "{\"cniVersion\":\"0.3.1\",\"interfaces\":[" HOST "}," POD NETNS "],\"ips\":["
	 "{\"version\":\"4\",\"interface\":1,\"address\":\"10.0.0.1/32\"},"
	 "{\"version\":\"6\",\"interface\":1,\"address\":\"fd00::1/128\"}],\"dns\":{}}\n"},
	{"0.4.0", CNI_ROLE_MAIN,
	 "{\"cniVersion\":\"0.4.0\",\"interfaces\":[" HOST "}," POD NETNS "],\"ips\":["
	 "{\"version\":\"4\",\"interface\":1,\"address\":\"10.0.0.1/32\"},"
	 "{\"version\":\"6\",\"interface\":1,\"address\":\"fd00::1/128\"}],\"dns\":{}}\n"},
	{"1.0.0", CNI_ROLE_MAIN,
	 "{\"cniVersion\":\"1.0.0\",\"interfaces\":[" HOST "}," POD NETNS "],\"ips\":["
	 "{\"interface\":1,\"address\":\"10.0.0.1/32\"},"
	 "{\"interface\":1,\"address\":\"fd00::1/128\"}],\"dns\":{}}\n"},
	{"1.1.0", CNI_ROLE_MAIN,
	 "{\"cniVersion\":\"1.1.0\",\"interfaces\":[" HOST ",\"mtu\":1440}," POD
	 ",\"mtu\":1440" NETNS "],\"ips\":["
	 "{\"interface\":1,\"address\":\"10.0.0.1/32\"},"
	 "{\"interface\":1,\"address\":\"fd00::1/128\"}],\"dns\":{}}\n"},
	{"0.2.0", CNI_ROLE_IPAM,
	 "{\"cniVersion\":\"0.2.0\",\"ip4\":{\"ip\":\"10.0.0.1/32\",\"routes\":["
	 "{\"dst\":\"10.0.0.1/32\"}]},\"ip6\":{\"ip\":\"fd00::1/128\",\"routes\":["
	 "{\"dst\":\"fd00::1/128\"}]},\"dns\":{}}\n"},
	{"1.0.0", CNI_ROLE_IPAM,
	 "{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.0.0.1/32\"},"
	 "{\"address\":\"fd00::1/128\"}],\"routes\":[{\"dst\":\"10.0.0.1/32\"},"
	 "{\"dst\":\"fd00::1/128\"}],\"dns\":{}}\n"},
};

static void test_forms(void **state)
{
	struct cni_result result = {
		.host_ifname = "cali1",
		.host_mac = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee},
		.pod_ifname = "eth0",
		.pod_mac = {2, 0, 0, 0, 0, 10},
		.mtu = 1440,
		.netns_path = "/var/run/netns/a",
		.n_addrs = 2,
	};

	(void)state;
	assert_int_equal(cidr_parse("10.0.0.1/32", &result.addrs[0], NULL), 0);
	assert_int_equal(cidr_parse("fd00::1/128", &result.addrs[1], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct cni_request request = {.role = forms[i].role,
					      .cni_version = (char *)(uintptr_t)forms[i].version};
		_cleanup_buf_ struct buf out = BUF_INIT;

		cni_write_result(&request, &result, &out);
		assert_string_equal(buf_str(&out), forms[i].json);
	}
}

static void test_error(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	(void)state;
	cni_write_error("0.3.1", 11, "say \"when\"\n\\ \xc3\xa4", NULL, &out);
	cni_write_error("1.0.0", 7, "m", "d", &out);
	assert_string_equal(
		buf_str(&out),
		"{\"cniVersion\":\"0.3.1\",\"code\":11,"
		"\"msg\":\"say \\\"when\\\"\\u000a\\\\ ??\"}\n"
		"{\"cniVersion\":\"1.0.0\",\"code\":7,\"msg\":\"m\",\"details\":\"d\"}\n");
}

static void test_version(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	(void)state;
	cni_write_version("1.0.0", &out);
	assert_string_equal(buf_str(&out),
			    "{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\","
			    "\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
