/* SPDX-License-Identifier: Apache-2.0 */

/* Keeping routes: what others do behind our back is repaired, what is theirs stays. */

#include "netlink/route.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#include "netlink/link.h"
#include "netlink/test-lab.h"

struct lab {
	struct nl *nl;
	int ifindex;
};

static int setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct err err = ERR_INIT;
	struct link link;

	if (!lab || !lab_run("ip link add t0 type veth peer name t1; ip link set t0 up; "
			     "ip link set t1 up"))
		return -1;
	if (nl_open(NETLINK_ROUTE, -1, &lab->nl, &err) < 0 ||
	    link_get(lab->nl, "t0", &link, &err) != 0)
		fail_msg("%s", err.msg);
	lab->ifindex = link.ifindex;
	*state = lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	lab->nl = nl_close(lab->nl);
	free(lab);
	return lab_run("ip link del t0; ip route flush proto 80; ip -6 route flush proto 80") ? 0
											      : -1;
}

static struct cidr cidr(const char *text)
{
	struct cidr cidr;

	assert_int_equal(cidr_parse(text, &cidr, NULL), 0);
	return cidr;
}

static bool is_proto_80(const struct route *route, void *ctx)
{
	(void)ctx;
	return route->protocol == 80;
}

static struct route via(const struct lab *lab, const char *dst, const char *gateway)
{
	struct cidr gw = cidr(gateway);

	return (struct route){.dst = cidr(dst),
			      .protocol = 80,
			      .ifindex = lab->ifindex,
			      .gateway = gw.addr,
			      .onlink = true};
}

static struct route_sync_stats apply(struct route_sync *sync, bool sweep)
{
	struct route_sync_stats stats;
	struct err err = ERR_INIT;
	int r = route_sync_apply(sync, sweep, &err);

	if (r != 0)
		fail_msg("apply: %d %s", r, err.msg);
	route_sync_get_stats(sync, &stats);
	return stats;
}

struct family {
	uint8_t af;
	const char *one, *two, *foreign, *gw, *gw2;
	const char *ip; /* the ip command with its family */
};

static const struct family families[] = {
	{AF_INET, "10.1.0.0/26", "10.1.0.64/26", "10.9.0.0/24", "192.168.0.2/32", "192.168.0.3/32",
	 "ip"},
	{AF_INET6, "fd01::/122", "fd01::40/122", "fd09::/64", "fd00::2/128", "fd00::3/128",
	 "ip -6"},
};

static bool run(const struct family *family, const char *verb, const char *dst, const char *rest)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "%s route %s %s %s", family->ip, verb, dst, rest);
	return lab_run(command);
}

static bool shows(const struct family *family, const char *dst, const char *text)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "%s route show %s", family->ip, dst);
	return strstr(lab_output(command).s, text) != NULL;
}

static void check_repair(const struct lab *lab, const struct family *family)
{
	_cleanup_(route_sync_freep) struct route_sync *sync =
		route_sync_new(lab->nl, family->af, is_proto_80, NULL);
	struct route one = via(lab, family->one, family->gw);
	struct route two = via(lab, family->two, family->gw);
	struct route_sync_stats stats;

	assert_true(run(family, "add", family->foreign, "dev t0 proto 142"));
	route_sync_want(sync, &one);
	route_sync_want(sync, &two);
	stats = apply(sync, true);
	assert_int_equal(stats.n_desired, 2);
	assert_int_equal(stats.n_replaced, 2);
	assert_true(shows(family, family->one, "onlink"));

	/* Nothing changed: nothing is sent, read back or not. */
	route_sync_want(sync, &one);
	assert_int_equal(apply(sync, true).n_replaced, 0);
	route_sync_invalidate(sync);
	stats = apply(sync, true);
	assert_int_equal(stats.n_replaced + stats.n_deleted, 0);

	/* Someone deletes one and turns the other into a blackhole. */
	assert_true(run(family, "del", family->one, ""));
	assert_true(run(family, "del", family->two, ""));
	assert_true(run(family, "add blackhole", family->two, ""));
	route_sync_invalidate(sync);
	stats = apply(sync, true);
	assert_true(shows(family, family->one, "via"));
	assert_true(shows(family, family->two, "via"));
	assert_false(shows(family, family->two, "unreachable"));

	/* A route of ours that nobody wants goes, a foreign one stays. */
	assert_true(run(family, "add blackhole", family->one, "proto 80 metric 7"));
	route_sync_invalidate(sync);
	assert_int_equal(apply(sync, false).n_deleted, 0);
	assert_int_equal(apply(sync, true).n_deleted, 1);
	assert_true(shows(family, family->foreign, "proto 142"));

	/* Another next hop, then another metric. */
	one = via(lab, family->one, family->gw2);
	route_sync_want(sync, &one);
	assert_int_equal(apply(sync, true).n_replaced, 1);
	one.priority = 50;
	route_sync_want(sync, &one);
	stats = apply(sync, true);
	assert_int_equal(stats.n_replaced, 1);
	assert_int_equal(stats.n_deleted, 1);
	assert_true(shows(family, family->one, "metric 50"));
	route_sync_unwant(sync, &one.dst);
	route_sync_unwant(sync, &one.dst);
	assert_int_equal(apply(sync, false).n_deleted, 1);
	assert_false(shows(family, family->one, "via"));
	assert_int_equal(apply(sync, true).n_deleted, 0);
}

static void test_repair_ipv4(void **state)
{
	check_repair(*state, &families[0]);
}

static void test_repair_ipv6(void **state)
{
	check_repair(*state, &families[1]);
}

/* A new life finds the routes of the last one: what is wanted stays untouched, the rest goes. */
static void check_restart(const struct lab *lab, const struct family *family)
{
	struct route one = via(lab, family->one, family->gw);
	struct route two = via(lab, family->two, family->gw);
	struct route_sync *sync = route_sync_new(lab->nl, family->af, is_proto_80, NULL);
	struct route_sync_stats stats;

	route_sync_want(sync, &one);
	route_sync_want(sync, &two);
	(void)apply(sync, true);
	route_sync_free(sync);

	sync = route_sync_new(lab->nl, family->af, is_proto_80, NULL);
	stats = apply(sync, false);
	assert_int_equal(stats.n_replaced + stats.n_deleted, 0);
	assert_true(shows(family, family->two, "via"));
	route_sync_want(sync, &one);
	stats = apply(sync, false);
	assert_int_equal(stats.n_replaced + stats.n_deleted, 0);
	stats = apply(sync, true);
	assert_int_equal(stats.n_replaced, 0);
	assert_int_equal(stats.n_deleted, 1);
	assert_true(shows(family, family->one, "via"));
	assert_false(shows(family, family->two, "via"));
	route_sync_free(sync);
}

static void test_restart(void **state)
{
	check_restart(*state, &families[0]);
	check_restart(*state, &families[1]);
}

static void test_pending(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(route_sync_freep) struct route_sync *sync =
		route_sync_new(lab->nl, AF_INET, is_proto_80, NULL);
	struct route good = via(lab, "10.1.0.0/26", "192.168.0.2/32");
	struct route bad = via(lab, "10.2.0.0/26", "192.168.5.2/32");
	struct err err = ERR_INIT;

	bad.onlink = false; /* nobody knows the way to its next hop yet */
	route_sync_want(sync, &bad);
	route_sync_want(sync, &good);
	assert_int_equal(route_sync_apply(sync, true, &err), ROUTE_E_PENDING);
	assert_non_null(strstr(err.msg, "10.2.0.0/26"));
	assert_true(lab_says("ip route", "10.1.0.0/26"));
	assert_true(lab_run("ip addr add 192.168.5.1/24 dev t0"));
	assert_int_equal(apply(sync, true).n_replaced, 1);
	assert_true(lab_says("ip route", "10.2.0.0/26"));

	/* IPv4 routes go with their link, in silence. */
	assert_true(lab_run("ip link set t0 down; ip link set t0 up"));
	route_sync_forget_link(sync, lab->ifindex);
	assert_int_equal(apply(sync, true).n_replaced, 2);
	assert_true(lab_says("ip route", "10.1.0.0/26"));
}

static void test_note(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(route_sync_freep) struct route_sync *sync =
		route_sync_new(lab->nl, AF_INET, is_proto_80, NULL);
	struct route route = via(lab, "10.1.0.0/26", "192.168.0.2/32");
	struct route other = via(lab, "10.1.0.0/26", "192.168.0.3/32");
	struct route stray = via(lab, "10.3.0.0/26", "192.168.0.3/32");
	struct route foreign = stray;

	route_sync_want(sync, &route);
	(void)apply(sync, true);
	assert_false(route_sync_note(sync, &route, false));
	foreign.protocol = 142;
	assert_false(route_sync_note(sync, &foreign, false));
	assert_true(route_sync_note(sync, &other, false));
	assert_int_equal(apply(sync, true).n_replaced, 1);
	assert_true(route_sync_note(sync, &route, true));
	assert_int_equal(apply(sync, true).n_replaced, 1);
	assert_int_equal(route_replace(lab->nl, &stray, NULL), 0);
	assert_true(route_sync_note(sync, &stray, false));
	assert_int_equal(apply(sync, true).n_deleted, 1);
	assert_null(strstr(lab_output("ip route").s, "10.3.0.0"));
}

static double milliseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

#define N_MANY 1000

static void test_thousand(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(route_sync_freep) struct route_sync *sync =
		route_sync_new(lab->nl, AF_INET, is_proto_80, NULL);
	struct route route = via(lab, "10.64.0.0/26", "192.168.0.2/32");
	struct cidr base = route.dst;
	double start = milliseconds();

	for (unsigned int i = 0; i < N_MANY; i++) {
		route.dst.addr = ip_add(&base.addr, (uint64_t)i * 64);
		route_sync_want(sync, &route);
	}
	assert_int_equal(apply(sync, true).n_replaced, N_MANY);
	printf("%d routes written in %.2f ms\n", N_MANY, milliseconds() - start);
	start = milliseconds();
	route_sync_invalidate(sync);
	assert_int_equal(apply(sync, true).n_replaced, 0);
	printf("%d routes read back and compared in %.2f ms\n", N_MANY, milliseconds() - start);
	assert_true(lab_says("ip route show proto 80 | wc -l", "1000"));
	start = milliseconds();
	for (unsigned int i = 0; i < N_MANY; i++) {
		route.dst.addr = ip_add(&base.addr, (uint64_t)i * 64);
		route_sync_unwant(sync, &route.dst);
	}
	assert_int_equal(apply(sync, true).n_deleted, N_MANY);
	printf("%d routes removed in %.2f ms\n", N_MANY, milliseconds() - start);
	assert_true(lab_says("ip route show proto 80 | wc -l", "0"));
}

/* Every request of a large batch refused: each answer still arrives and is matched. */
static void test_thousand_refusals(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(route_sync_freep) struct route_sync *sync =
		route_sync_new(lab->nl, AF_INET, is_proto_80, NULL);
	struct route route = via(lab, "10.64.0.0/26", "192.168.0.2/32");
	struct cidr base = route.dst;
	struct route_sync_stats stats;
	struct err err = ERR_INIT;

	route.ifindex = 9999;
	for (unsigned int i = 0; i < N_MANY; i++) {
		route.dst.addr = ip_add(&base.addr, (uint64_t)i * 64);
		route_sync_want(sync, &route);
	}
	assert_int_equal(route_sync_apply(sync, true, &err), ROUTE_E_PENDING);
	route_sync_get_stats(sync, &stats);
	assert_int_equal(stats.n_replaced, 0);
	assert_int_equal(stats.n_desired, N_MANY);
}

/*
 * The destination moved from one interface to another; the first owner's farewell is about itself.
 */
static void test_unwant_link(void **state)
{
	const struct lab *lab = *state;
	_cleanup_(route_sync_freep) struct route_sync *sync =
		route_sync_new(lab->nl, AF_INET, is_proto_80, NULL);
	struct route route = {.dst = cidr("10.3.0.1/32"),
			      .protocol = 80,
			      .scope = RT_SCOPE_LINK,
			      .ifindex = lab->ifindex};

	route_sync_want(sync, &route);
	route_sync_unwant_link(sync, &route.dst, lab->ifindex + 1);
	assert_int_equal(apply(sync, true).n_replaced, 1);
	assert_true(lab_says("ip route show proto 80", "10.3.0.1 dev t0"));
	route_sync_unwant_link(sync, &route.dst, lab->ifindex);
	assert_int_equal(apply(sync, true).n_deleted, 1);
	route_sync_unwant_link(sync, &route.dst, lab->ifindex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_repair_ipv4, setup, teardown),
		cmocka_unit_test_setup_teardown(test_repair_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pending, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unwant_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_note, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thousand, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thousand_refusals, setup, teardown),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
