/* SPDX-License-Identifier: Apache-2.0 */

/* Sysctls of a namespace of our own. */

#include "netlink/sysctl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "netlink/test-lab.h"

static void test_sysctl(void **state)
{
	struct err err = ERR_INIT;
	char value[8];

	(void)state;
	assert_int_equal(sysctl_write("net/ipv4/conf/lo/proxy_arp", "1", &err), 0);
	assert_int_equal(sysctl_read("net/ipv4/conf/lo/proxy_arp", value, sizeof(value), &err), 0);
	assert_string_equal(value, "1");
	assert_int_equal(sysctl_write("net/ipv4/conf/lo/proxy_arp", "1", &err), 0);
	assert_true(lab_says("cat /proc/sys/net/ipv4/conf/lo/proxy_arp", "1"));
	assert_int_equal(sysctl_write("net/ipv4/conf/none/proxy_arp", "1", &err),
			 SYSCTL_E_NOT_FOUND);
	assert_int_equal(sysctl_read("net/ipv4/conf/none/proxy_arp", value, sizeof(value), &err),
			 SYSCTL_E_NOT_FOUND);
	assert_true(sysctl_write("net/ipv4/../../kernel/hostname", "x", &err) < 0);
	assert_true(sysctl_write("kernel/hostname", "x", &err) < 0);
	assert_true(sysctl_write("net/ipv4/conf/lo/mtu-is-not-here/x", "x", &err) != 0);
	assert_true(sysctl_read("net/ipv4/ip_local_port_range", value, sizeof(value), &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sysctl)};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
