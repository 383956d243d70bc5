/* SPDX-License-Identifier: Apache-2.0 */

/* The settings the kernel tells with its links are those of the files. */

#include "netlink/link-conf.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "netlink/sysctl.h"
#include "netlink/test-lab.h"

static const struct {
	const char *path;
	uint8_t family;
	unsigned int index;
} settings[] = {
	{"net/ipv4/conf/t0/forwarding", AF_INET, IPV4_DEVCONF_FORWARDING},
	{"net/ipv4/conf/t0/proxy_arp", AF_INET, IPV4_DEVCONF_PROXY_ARP},
	{"net/ipv4/conf/t0/route_localnet", AF_INET, IPV4_DEVCONF_ROUTE_LOCALNET},
	{"net/ipv6/conf/t0/forwarding", AF_INET6, DEVCONF_FORWARDING},
	{"net/ipv6/conf/t0/proxy_ndp", AF_INET6, DEVCONF_PROXY_NDP},
	{"net/ipv6/conf/t0/accept_ra", AF_INET6, DEVCONF_ACCEPT_RA},
	{"net/ipv6/conf/t0/disable_ipv6", AF_INET6, DEVCONF_DISABLE_IPV6},
	{"net/ipv6/conf/t0/accept_dad", AF_INET6, DEVCONF_ACCEPT_DAD},
};

static void read_conf(struct nl *nl, int ifindex, struct link_conf *ret)
{
	_cleanup_(link_conf_list_deinit) struct link_conf_list list = {0};
	const struct link_conf *conf;
	struct err err = ERR_INIT;

	if (link_conf_dump(nl, &list, &err) < 0)
		fail_msg("%s", err.msg);
	conf = link_conf_find(&list, ifindex);
	assert_non_null(conf);
	assert_null(link_conf_find(&list, 1 << 30));
	*ret = *conf;
}

static void test_values(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct link_conf conf;
	struct link_conf one;
	struct link link;

	(void)state;
	assert_true(lab_run("ip link add t0 mtu 1400 type veth peer name t1"));
	assert_int_equal(nl_open(NETLINK_ROUTE, -1, &nl, NULL), 0);
	assert_int_equal(link_get(nl, "t0", &link, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		for (int wanted = 0; wanted < 2; wanted++) {
			int32_t value = -1;

			assert_int_equal(sysctl_write(settings[i].path, wanted ? "1" : "0", NULL),
					 0);
			read_conf(nl, link.ifindex, &conf);
			assert_int_equal(link_conf_read(nl, link.ifindex, &one, NULL), 0);
			assert_memory_equal(one.v4, conf.v4, sizeof(conf.v4));
			assert_memory_equal(one.v6, conf.v6, sizeof(conf.v6));
			assert_true(link_conf_get(&conf, settings[i].family, settings[i].index,
						  &value));
			if (value != wanted)
				fail_msg("%s is %d, not %d", settings[i].path, value, wanted);
			assert_int_equal(conf.link.mtu, 1400);
		}
	}
	assert_int_equal(sysctl_write("net/ipv4/neigh/t0/proxy_delay", "0", NULL), 0);
	read_conf(nl, link.ifindex, &conf);
	assert_int_equal(conf.proxy_delay, 0);
	assert_int_equal(sysctl_write("net/ipv4/neigh/t0/proxy_delay", "80", NULL), 0);
	read_conf(nl, link.ifindex, &conf);
	assert_true(conf.proxy_delay > 0);
	assert_int_equal(link_conf_read(nl, 1 << 30, &one, NULL), LINK_E_NOT_FOUND);
	assert_false(link_conf_get(&conf, AF_INET, 0, &(int32_t){0}));
	assert_false(link_conf_get(&conf, AF_INET6, LINK_CONF_MAX, &(int32_t){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_values)};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
