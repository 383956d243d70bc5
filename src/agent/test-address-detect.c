/* SPDX-License-Identifier: Apache-2.0 */

/* Every method on one host with many addresses, and every refusal with its words. */

#include "agent/address-detect.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

struct host_line {
	const char *interface;
	const char *addr;
	bool up;
};

static const struct host_line host_lines[] = {
	{"lo", "127.0.0.1/8", true},
	{"lo", "10.9.9.9/32", true},
	{"docker0", "172.17.0.1/16", true},
	{"cali0123", "169.254.1.9/32", true},
	{"vxlan.calico", "10.42.0.1/32", true},
	{"eth9", "10.0.9.1/24", false},
	{"eth0", "169.254.3.4/16", true},
	{"eth0", "192.168.0.5/24", true},
	{"eth1", "192.168.1.5/24", true},
	{"eth1", "10.7.0.5/16", true},
	{"lo", "::1/128", true},
	{"eth0", "fe80::5/64", true},
	{"eth0", "fd00::5/64", true},
	{"eth1", "fd01::5/64", true},
};

struct host {
	struct host_addr v[ARRAY_SIZE(host_lines)];
};

static void host_init(struct host *host)
{
	for (size_t i = 0; i < ARRAY_SIZE(host_lines); i++) {
		host->v[i] = (struct host_addr){.interface = host_lines[i].interface,
						.up = host_lines[i].up};
		assert_int_equal(cidr_parse(host_lines[i].addr, &host->v[i].cidr, NULL), 0);
	}
}

static int detect(const char *method, uint8_t family, const char *reach_src, char *ret_addr,
		  size_t size, struct err *err)
{
	struct ip_addr src = {0};
	struct cidr found = {0};
	struct host host;
	int r;

	host_init(&host);
	if (reach_src)
		assert_int_equal(ip_parse(reach_src, &src, NULL), 0);
	r = address_detect(method, family, host.v, ARRAY_SIZE(host.v), &src, &found, err);
	if (r == 0)
		(void)snprintf(ret_addr, size, "%s", cidr_format(&found).s);
	return r;
}

static void test_methods(void **state)
{
	static const struct {
		const char *method;
		uint8_t family;
		const char *reach_src;
		const char *expected;
	} cases[] = {
		{"first-found", AF_INET, NULL, "192.168.0.5/24"},
		{"first-found", AF_INET6, NULL, "fd00::5/64"},
		{"interface=eth1", AF_INET, NULL, "192.168.1.5/24"},
		{"interface=eth1", AF_INET6, NULL, "fd01::5/64"},
		{"interface=^eth[1-8]$,^eth0$", AF_INET, NULL, "192.168.0.5/24"},
		{"interface=nosuch,eth1", AF_INET, NULL, "192.168.1.5/24"},
		/* Who names an interface means it, though first-found would pass it over. */
		{"interface=docker.*", AF_INET, NULL, "172.17.0.1/16"},
		{"interface=^lo$", AF_INET, NULL, "10.9.9.9/32"},
		{"skip-interface=eth0", AF_INET, NULL, "192.168.1.5/24"},
		{"skip-interface=eth0", AF_INET6, NULL, "fd01::5/64"},
		{"skip-interface=nosuch", AF_INET, NULL, "192.168.0.5/24"},
		{"cidr=10.7.0.0/16", AF_INET, NULL, "10.7.0.5/16"},
		{"cidr=172.30.0.0/16,192.168.1.0/24", AF_INET, NULL, "192.168.1.5/24"},
		{"cidr=fd01::/16", AF_INET6, NULL, "fd01::5/64"},
		{"can-reach=8.8.8.8", AF_INET, "10.7.0.5", "10.7.0.5/16"},
		{"can-reach=fd01::1", AF_INET6, "fd01::5", "fd01::5/64"},
		{"kubernetes-internal-ip", AF_INET, "172.17.0.1", "172.17.0.1/16"},
		{"kubernetes-internal-ip", AF_INET6, "fd00::5", "fd00::5/64"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		char found[64] = "";
		int r = detect(cases[i].method, cases[i].family, cases[i].reach_src, found,
			       sizeof(found), &err);

		if (r != 0)
			fail_msg("%s: %d: %s", cases[i].method, r, err.msg);
		if (strcmp(found, cases[i].expected) != 0)
			fail_msg("%s: %s, not %s", cases[i].method, found, cases[i].expected);
	}
}

static void test_none_fits(void **state)
{
	static const struct {
		const char *method;
		uint8_t family;
		const char *word;
	} cases[] = {
		{"interface=wlan0", AF_INET, "\"interface=wlan0\"; set IP to"},
		{"interface=eth9", AF_INET, "interface=eth9"}, /* it is down */
		{"interface=docker0", AF_INET6, "set IP6 to"},
		{"skip-interface=eth.*", AF_INET, "skip-interface=eth.*"},
		{"cidr=203.0.113.0/24", AF_INET, "no IPv4 address"},
		{"cidr=127.0.0.0/8", AF_INET, "cidr=127.0.0.0/8"},
		{"cidr=169.254.0.0/16", AF_INET, "cidr=169.254.0.0/16"},
		{"cidr=172.17.0.0/16", AF_INET, "cidr=172.17.0.0/16"},
		{"cidr=192.168.0.0/16", AF_INET6, "no IPv6 address"},
		{"can-reach=8.8.8.8", AF_INET, "can-reach=8.8.8.8"}, /* no route */
		{"kubernetes-internal-ip", AF_INET, "InternalIP"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		char found[64] = "";

		assert_int_equal(
			detect(cases[i].method, cases[i].family, NULL, found, sizeof(found), &err),
			ADDRESS_DETECT_E_NONE);
		if (!strstr(err.msg, cases[i].word))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].method, err.msg,
				 cases[i].word);
	}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *method;
		const char *word;
	} cases[] = {
		{"", "expected first-found, interface=, skip-interface=, cidr=, can-reach= or "
		     "kubernetes-internal-ip"},
		{"first_found", "unknown method"},
		{"kubernetes-internal-ips", "unknown method"},
		{"interface=eth(", "\"eth(\" is not a regular expression"},
		{"interface=eth0,[", "\"[\" is not a regular expression"},
		{"skip-interface=*", "is not a regular expression"},
		{"cidr=10.0.0.0/33", "10.0.0.0/33"},
		{"cidr=eth0", "eth0"},
		{"interface=", "nothing follows"},
		{"interface=,", "nothing follows"},
		{"skip-interface=", "nothing follows"},
		{"cidr=", "nothing follows"},
		{"cidr=,,", "nothing follows"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		char found[64] = "";
		_cleanup_free_ char *begin =
			xasprintf("address detection method \"%s\": ", cases[i].method);
		int r = detect(cases[i].method, AF_INET, NULL, found, sizeof(found), &err);

		if (r != -EINVAL)
			fail_msg("%s: %d", cases[i].method, r);
		if (strncmp(err.msg, begin, strlen(begin)) != 0 || !strstr(err.msg, cases[i].word))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].method, err.msg,
				 cases[i].word);
	}
}

static void test_too_many_items(void **state)
{
	struct err err = ERR_INIT;
	char method[256] = "interface=";
	char found[64];

	(void)state;
	for (unsigned int i = 0; i < 65; i++)
		(void)strcat(method, "x,");
	assert_int_equal(detect(method, AF_INET, NULL, found, sizeof(found), &err), -EINVAL);
	assert_non_null(strstr(err.msg, "more than 64 items"));
}

static void test_no_addresses(void **state)
{
	struct ip_addr src = {0};
	struct err err = ERR_INIT;
	struct cidr found;

	(void)state;
	assert_int_equal(address_detect("first-found", AF_INET, NULL, 0, &src, &found, &err),
			 ADDRESS_DETECT_E_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods),	     cmocka_unit_test(test_none_fits),
		cmocka_unit_test(test_refusals),     cmocka_unit_test(test_too_many_items),
		cmocka_unit_test(test_no_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
