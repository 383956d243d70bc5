/* SPDX-License-Identifier: Apache-2.0 */

/* Right and wrong texts for every checker. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/model-check.h"

static const struct {
	enum field_check check;
	const char *right[10];
	const char *wrong[14];
} cases[] = {
	{CHECK_NONE, {"", "anything"}, {NULL}},
	{CHECK_NAME,
	 {"a", "a.b-c", "0", "a.0.b"},
	 {"", ".", "a.", ".a", "a..b", "-a", "a-", "a-.b", "a.-b", "A", "a_b", "a/b"}},
	{CHECK_LABEL_NAME,
	 {"a", "a-b", "0"},
	 {"", "a.b", "-a", "a-", "A",
	  "a123456789012345678901234567890123456789012345678901234567890123"}},
	{CHECK_CIDR,
	 {"10.0.0.0/8", "10.1.2.3", "fd00::/8", "0.0.0.0/0"},
	 {"", "10.0.0.1/8", "10.0.0.0/33", "x", "10.0.0/8", "fd00::1/8"}},
	{CHECK_CIDR_V4, {"10.0.0.0/8"}, {"fd00::/8"}},
	{CHECK_CIDR_V6, {"fd00::/8"}, {"10.0.0.0/8"}},
	{CHECK_IP, {"10.0.0.1", "fd00::1"}, {"", "10.0.0.1/32", "fe80::1%eth0"}},
	{CHECK_IP_V4, {"10.0.0.1"}, {"fd00::1"}},
	{CHECK_IP_V6, {"fd00::1"}, {"10.0.0.1"}},
	{CHECK_IP_CIDR, {"10.0.0.1/8", "fd00::1/64", "10.0.0.1"}, {"", "10.0.0.1/64"}},
	{CHECK_IP_PORT,
	 {"10.0.0.1", "10.0.0.1:179", "fd00::1", "[fd00::1]:179"},
	 {"", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "[fd00::1]", "[10.0.0.1]:1", "[", "]",
	  ":179", "host:1", "[fd00::1]179"}},
	{CHECK_MAC,
	 {"66:b9:1a:00:00:01", "EE:EE:EE:EE:EE:EE"},
	 {"", "66:b9:1a:00:00", "66:b9:1a:00:00:0g", "66-b9-1a-00-00-01", "66:b9:1a:00:00:01:02"}},
	{CHECK_INTERFACE,
	 {"eth0", "cali0123456789a", "a.b_c-d"},
	 {"", "cali0123456789ab", ".", "..", "a/b", "a b", "eth*", "eth+"}},
	{CHECK_INTERFACE_GLOB, {"eth*", "eth+", "*"}, {"", "a/b"}},
	{CHECK_SELECTOR, {"", "all()", "a == 'b'"}, {"a", "a = 'b'"}},
	{CHECK_DURATION, {"0s", "1h2m3.5s", "100ms"}, {"", "5", "1 s", "x"}},
	{CHECK_TIME, {"2026-01-31T12:00:00Z"}, {"", "2026-01-31", "now"}},
	{CHECK_AS_NUMBER,
	 {"0", "64512", "4294967295", "1.10", "65535.65535"},
	 {"", "-1", "4294967296", "1.65536", "1.", ".1", "1.2.3", "x", "1.10 "}},
	{CHECK_COMMUNITY,
	 {"0:0", "65535:65535", "4294967295:1:2"},
	 {"", "1", "1:65536", "65536:1", "1:2:3:4", "1:2:4294967296", ":", "1:", "a:b"}},
	{CHECK_PORT,
	 {"1", "65535", "8000:8100", "80:80", "http", "my-port", "Web_1.a"},
	 {"", "0", "65536", "8100:8000", "1:", ":1", "0:1", "a:b", "1:65536", "-a", "a b", "a-"}},
	{CHECK_PROTOCOL,
	 {"TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite", "1", "255"},
	 {"", "0", "256", "tcp", "GRE", "-1"}},
	{CHECK_LABEL_KEY,
	 {"app", "a.b/c_D", "X"},
	 {"", "/", "a/", "/a", "a/b/c", "A/b", "a b", "-a"}},
	{CHECK_LABEL_VALUE, {"", "a", "A.b_c-D", "1"}, {"-a", "a.", "a b", "a/b", "a'b"}},
	{CHECK_REGEX,
	 {"^((en|wl)[Popsx].*|(eth|wlan).*)", "", "a{3}"},
	 {"(", "[", "*", "a{65}", "(a{9}){9}", "a{1,9999999999999999999999}"}},
	{CHECK_CLUSTER_ID, {"224.0.0.1"}, {"", "1", "fd00::1", "224.0.0.256"}},
	{CHECK_RATE,
	 {"1/second", "9999/minute", "10/hour", "100/day"},
	 {"", "0/second", "01/second", "10000/day", "1/", "/day", "1/week", "1/days", "-1/day",
	  "1 /day"}},
};

static void test_all(void **state)
{
	(void)state;
	assert_int_equal(ARRAY_SIZE(cases), CHECK_RATE + 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(cases[i].check, i);
		for (size_t k = 0; k < ARRAY_SIZE(cases[i].right) && cases[i].right[k]; k++) {
			struct err err = ERR_INIT;

			if (model_check(cases[i].check, cases[i].right[k], &err) != 0)
				fail_msg("check %zu: \"%s\" refused: %s", i, cases[i].right[k],
					 err.msg);
		}
		for (size_t k = 0; k < ARRAY_SIZE(cases[i].wrong) && cases[i].wrong[k]; k++) {
			struct err err = ERR_INIT;

			if (model_check(cases[i].check, cases[i].wrong[k], &err) != -EINVAL)
				fail_msg("check %zu: \"%s\" accepted", i, cases[i].wrong[k]);
			assert_true(err.msg[0]);
		}
	}
}

static void test_port(void **state)
{
	uint16_t first = 1;
	uint16_t last = 1;

	(void)state;
	assert_int_equal(model_check_port("80", &first, &last, NULL), 0);
	assert_int_equal(first, 80);
	assert_int_equal(last, 80);
	assert_int_equal(model_check_port("8000:8100", &first, &last, NULL), 0);
	assert_int_equal(first, 8000);
	assert_int_equal(last, 8100);
	assert_int_equal(model_check_port("http", &first, &last, NULL), 1);
	assert_int_equal(first, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
