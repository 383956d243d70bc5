/* SPDX-License-Identifier: Apache-2.0 */

/* Tunnel devices and the neighbours on them, judged by `ip` and `bridge`. */

#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "netlink/neigh.h"
#include "netlink/test-lab.h"

static struct nl *open_nl(void)
{
	struct nl *nl = NULL;

	assert_int_equal(nl_open(NETLINK_ROUTE, -1, &nl, NULL), 0);
	return nl;
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr addr;

	assert_int_equal(ip_parse(text, &addr, NULL), 0);
	return addr;
}

static int setup(void **state)
{
	(void)state;
	return lab_run("ip link add t0 type veth peer name t1; ip link set t0 up; "
		       "ip link set t1 up; ip addr add 192.168.0.1/24 dev t0; "
		       "ip addr add fd00::1/64 dev t0 nodad")
		       ? 0
		       : -1;
}

static int teardown(void **state)
{
	(void)state;
	return lab_run("ip link del t0") ? 0 : -1;
}

static int ensure(struct nl *nl, const struct vxlan_config *config)
{
	struct err err = ERR_INIT;
	int ifindex = 0;

	if (link_ensure_vxlan(nl, config, &ifindex, &err) != 0)
		fail_msg("%s", err.msg);
	return ifindex;
}

static void check_vxlan(const char *local, const char *name)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	struct vxlan_config config = {.name = name,
				      .vni = 4096,
				      .port = 4789,
				      .local = addr(local),
				      .mac = {0x66, 1, 2, 3, 4, 5},
				      .mtu = 1400};
	struct link parent;
	int first;

	assert_int_equal(link_get(nl, "t0", &parent, NULL), 0);
	config.parent_ifindex = parent.ifindex;
	first = ensure(nl, &config);
	assert_true(lab_says("ip -d link show type vxlan", "dstport 4789"));
	assert_true(lab_says("ip -d link show type vxlan", "nolearning"));
	assert_true(lab_says("ip -d link show type vxlan", local));
	assert_true(lab_says("ip -d link show type vxlan", "66:01:02:03:04:05"));
	assert_int_equal(ensure(nl, &config), first);
	config.mtu = 1380;
	config.mac[5] = 9;
	assert_int_equal(ensure(nl, &config), first);
	assert_true(lab_says("ip link show type vxlan", "mtu 1380"));
	assert_true(lab_says("ip link show type vxlan", "66:01:02:03:04:09"));
	config.vni = 4097;
	assert_int_not_equal(ensure(nl, &config), first);
	assert_true(lab_says("ip -d link show type vxlan", "vxlan id 4097"));
	assert_int_equal(link_delete(nl, name, NULL), 0);
}

static void test_vxlan(void **state)
{
	(void)state;
	check_vxlan("192.168.0.1", "vxlan.calico");
	check_vxlan("fd00::1", "vxlan-v6.calico");
}

static void test_ipip(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	struct err err = ERR_INIT;
	int ifindex = 0;
	int r = link_ensure_ipip(nl, "tunl0", 1480, &ifindex, &err);

	(void)state;
	if (r == LINK_E_NOT_FOUND) { /* a kernel without ipip says so, and that is all */
		nl = nl_close(nl);   /* skip() does not come back */
		skip();
	}
	assert_int_equal(r, 0);
	assert_true(lab_says("ip -d link show tunl0", "ipip"));
	assert_int_equal(link_ensure_ipip(nl, "tunl0", 1400, &ifindex, &err), 0);
	assert_true(lab_says("ip link show tunl0", "mtu 1400"));
}

static void apply(struct neigh_sync *sync, size_t n_replaced, size_t n_deleted)
{
	struct neigh_sync_stats stats;
	struct err err = ERR_INIT;
	int r = neigh_sync_apply(sync, /* sweep= */ true, &err);

	if (r != 0)
		fail_msg("%d %s", r, err.msg);
	stats = neigh_sync_get_stats(sync);
	assert_int_equal(stats.n_replaced, n_replaced);
	assert_int_equal(stats.n_deleted, n_deleted);
}

static void check_neigh(struct nl *nl, enum neigh_table table, int ifindex, const char *show,
			const char *foreign, const char *break_one)
{
	_cleanup_(neigh_sync_freep) struct neigh_sync *sync =
		neigh_sync_new(nl, table, AF_INET, ifindex);
	struct neigh one = {.addr = addr("10.5.0.1"), .mac = {0x66, 0, 0, 0, 0, 1}};
	struct neigh two = {.addr = addr("10.5.0.2"), .mac = {0x66, 0, 0, 0, 0, 2}};

	neigh_sync_want(sync, &one);
	neigh_sync_want(sync, &two);
	apply(sync, 2, 0);
	assert_true(lab_says(show, "66:00:00:00:00:01"));
	assert_true(lab_says(show, "10.5.0.2"));
	neigh_sync_invalidate(sync);
	apply(sync, 0, 0);

	assert_true(lab_run(break_one));
	assert_true(lab_run(foreign));
	neigh_sync_invalidate(sync);
	apply(sync, 1, 1);
	neigh_sync_unwant(sync, &two);
	apply(sync, 0, 1);
	assert_null(strstr(lab_output(show).s, "10.5.0.2"));
	neigh_sync_unwant(sync, &one);
	apply(sync, 0, 1);
}

static void test_neigh(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	struct vxlan_config config = {.name = "vxlan.calico",
				      .vni = 4096,
				      .port = 4789,
				      .local = addr("192.168.0.1"),
				      .mac = {0x66, 1, 2, 3, 4, 5}};
	int ifindex = ensure(nl, &config);
	struct neigh one = {.addr = addr("10.7.0.1"), .mac = {2, 0, 0, 0, 0, 1}};
	struct err err = ERR_INIT;

	(void)state;
	check_neigh(nl, NEIGH_ARP, ifindex, "ip neigh show dev vxlan.calico",
		    "ip neigh add 10.5.0.9 lladdr 66:00:00:00:00:09 dev vxlan.calico",
		    "ip neigh del 10.5.0.1 dev vxlan.calico");
	check_neigh(nl, NEIGH_FDB, ifindex, "bridge fdb show dev vxlan.calico",
		    "bridge fdb add 66:00:00:00:00:09 dst 10.5.0.9 dev vxlan.calico",
		    "bridge fdb replace 66:00:00:00:00:01 dst 10.5.0.8 dev vxlan.calico");
	assert_int_equal(neigh_replace(nl, ifindex, &one, &err), 0);
	assert_true(lab_says("ip neigh show dev vxlan.calico", "10.7.0.1"));
	assert_int_equal(neigh_delete(nl, ifindex, &one.addr, &err), 0);
	assert_int_equal(neigh_delete(nl, ifindex, &one.addr, &err), 0);
	assert_int_equal(link_delete(nl, "vxlan.calico", NULL), 0);
}

static void test_neigh_ipv6(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	_cleanup_(neigh_sync_freep) struct neigh_sync *sync = NULL;
	struct neigh one = {.addr = addr("fd05::1"), .mac = {0x66, 0, 0, 0, 0, 1}};
	struct link link;

	(void)state;
	assert_int_equal(link_get(nl, "t0", &link, NULL), 0);
	sync = neigh_sync_new(nl, NEIGH_ARP, AF_INET6, link.ifindex);
	neigh_sync_want(sync, &one);
	apply(sync, 1, 0);
	assert_true(lab_says("ip -6 neigh show dev t0", "fd05::1 lladdr 66:00:00:00:00:01 PERM"));
	neigh_sync_invalidate(sync);
	apply(sync, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vxlan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ipip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neigh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neigh_ipv6, setup, teardown),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
