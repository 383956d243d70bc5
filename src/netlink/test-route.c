/* SPDX-License-Identifier: Apache-2.0 */

/* Single routes against the kernel, judged by `ip route` and by a dump. */

#include "netlink/route.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "netlink/link.h"
#include "netlink/test-lab.h"

static struct nl *open_nl(void)
{
	struct nl *nl = NULL;

	assert_int_equal(nl_open(NETLINK_ROUTE, -1, &nl, NULL), 0);
	return nl;
}

static struct cidr cidr(const char *text)
{
	struct cidr cidr;

	assert_int_equal(cidr_parse(text, &cidr, NULL), 0);
	return cidr;
}

/* What was written must read back as equal, or a sync would write it for ever. */
static void put_and_read(struct nl *nl, const struct route *route)
{
	struct route_list list = {0};
	struct err err = ERR_INIT;
	bool found = false;

	if (route_replace(nl, route, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(route_replace(nl, route, &err), 0);
	assert_int_equal(route_dump(nl, route->dst.addr.family, route->table, &list, &err), 0);
	for (size_t i = 0; i < list.n; i++)
		found = found || route_equal(&list.v[i], route);
	route_list_deinit(&list);
	assert_true(found);
}

static void check_family(struct nl *nl, int ifindex, const char *block, const char *gateway,
			 const char *show)
{
	struct err err = ERR_INIT;
	struct cidr gw = cidr(gateway);
	struct route route = {.dst = cidr(block), .protocol = 80, .ifindex = ifindex};
	struct route other;

	route.scope = RT_SCOPE_LINK;
	put_and_read(nl, &route);
	route.priority = 1024;
	put_and_read(nl, &route);
	route.scope = RT_SCOPE_UNIVERSE;
	route.gateway = gw.addr;
	route.onlink = true;
	put_and_read(nl, &route);
	assert_true(lab_says(show, "onlink"));
	route.mtu = 1300;
	put_and_read(nl, &route);
	assert_true(lab_says(show, "mtu 1300"));

	other = route;
	other.type = ROUTE_BLACKHOLE;
	other.mtu = 0;
	put_and_read(nl, &other);
	assert_true(lab_says(show, "blackhole"));
	put_and_read(nl, &route);
	assert_null(strstr(lab_output(show).s, "blackhole"));

	/* Another protocol's route is not hit. */
	other = route;
	other.protocol = 99;
	assert_int_equal(route_delete(nl, &other, &err), 0);
	assert_true(lab_says(show, "proto 80"));
	assert_int_equal(route_delete(nl, &route, &err), 0);
	assert_int_equal(route_delete(nl, &route, &err), 0);

	other = (struct route){.dst = route.dst, .type = ROUTE_THROW, .table = 1000};
	put_and_read(nl, &other);
	assert_int_equal(route_delete(nl, &other, &err), 0);
}

static void test_route(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	struct err err = ERR_INIT;
	struct route bad = {.dst = cidr("10.0.0.0/8"), .ifindex = 9999};
	struct route_list list = {0};
	struct link link;

	(void)state;
	assert_int_equal(route_dump(nl, AF_INET, 4711, &list, &err), 0);
	assert_int_equal(list.n, 0);
	assert_true(lab_run("ip link add t0 type veth peer name t1; ip link set t0 up; "
			    "ip link set t1 up"));
	assert_int_equal(link_get(nl, "t0", &link, &err), 0);
	check_family(nl, link.ifindex, "10.42.0.0/26", "192.168.0.7/32",
		     "ip route show 10.42.0.0/26");
	check_family(nl, link.ifindex, "fd42::/122", "fd00::7/128", "ip -6 route show fd42::/122");
	assert_true(route_replace(nl, &bad, &err) < 0);
	assert_non_null(strstr(err.msg, "10.0.0.0/8"));
}

static void test_next_hop_of_the_other_family(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	struct link link;
	struct cidr gateway = cidr("fe80::1/128");
	struct route route = {.dst = cidr("10.43.0.0/26"), .onlink = true};

	(void)state;
	assert_int_equal(link_get(nl, "t0", &link, NULL), 0);
	route.ifindex = link.ifindex;
	route.gateway = gateway.addr;
	put_and_read(nl, &route);
	assert_true(lab_says("ip route show 10.43.0.0/26", "via inet6 fe80::1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_next_hop_of_the_other_family),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
