/* SPDX-License-Identifier: Apache-2.0 */

/* What the monitor tells, and that it tells when it lost something. */

#include "netlink/monitor.h"

#include <linux/netlink.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "netlink/test-lab.h"

/* Reads all there is; counts by type. */
static void drain(struct monitor *monitor, unsigned int *counts, struct monitor_event *last)
{
	struct monitor_event event;
	struct err err = ERR_INIT;
	int r;

	while ((r = monitor_next(monitor, &event, &err)) == 0) {
		counts[event.type]++;
		last[event.type] = event;
	}
	if (r < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r, MONITOR_E_AGAIN);
}

static void test_events(void **state)
{
	_cleanup_(monitor_closep) struct monitor *monitor = NULL;
	unsigned int counts[MONITOR_OVERRUN + 1] = {0};
	struct monitor_event last[MONITOR_OVERRUN + 1];
	struct err err = ERR_INIT;
	struct pollfd fd = {.events = POLLIN};

	(void)state;
	if (monitor_open(-1, &monitor, &err) < 0)
		fail_msg("%s", err.msg);
	drain(monitor, counts, last);
	fd.fd = monitor_fd(monitor);
	assert_int_equal(poll(&fd, 1, 0), 0);
	assert_true(lab_run("ip link add t0 type veth peer name t1; ip link set t0 up; "
			    "ip link set t1 up; ip addr add 10.1.1.1/24 dev t0; "
			    "ip route add 10.2.0.0/24 via 10.1.1.2 proto 80; "
			    "ip neigh add 10.1.1.2 lladdr 02:00:00:00:00:01 dev t0"));
	assert_int_equal(poll(&fd, 1, 1000), 1);
	drain(monitor, counts, last);
	assert_true(counts[MONITOR_LINK] >= 4);
	assert_true(counts[MONITOR_ADDR] >= 1);
	assert_true(counts[MONITOR_ROUTE] >= 1);
	assert_true(counts[MONITOR_NEIGH] >= 1);
	assert_int_equal(counts[MONITOR_OVERRUN], 0);
	assert_true(last[MONITOR_NEIGH].neigh.ifindex > 0);
	assert_true(last[MONITOR_NEIGH].neigh.permanent);
	assert_string_equal(ip_format(&last[MONITOR_NEIGH].neigh.neigh.addr).s, "10.1.1.2");
	assert_int_equal(last[MONITOR_NEIGH].neigh.neigh.mac[5], 1);

	assert_true(lab_run("echo 1 >/proc/sys/net/ipv4/conf/t0/proxy_arp"));
	drain(monitor, counts, last);
	assert_int_equal(last[MONITOR_CONF].conf.ifindex, last[MONITOR_NEIGH].neigh.ifindex);
	assert_int_equal(last[MONITOR_CONF].conf.family, AF_INET);
	assert_int_equal(last[MONITOR_CONF].conf.proxy_neigh, 1);
	assert_true(lab_run("echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; "
			    "echo 0 >/proc/sys/net/ipv6/conf/t0/forwarding; "
			    "echo 0 >/proc/sys/net/ipv4/ip_forward; "
			    "echo 1 >/proc/sys/net/ipv4/ip_forward"));
	drain(monitor, counts, last);
	assert_int_equal(last[MONITOR_CONF].conf.forwarding, 1);

	assert_true(lab_run("ip neigh del 10.1.1.2 dev t0"));
	drain(monitor, counts, last);
	assert_true(counts[MONITOR_NEIGH] + counts[MONITOR_NEIGH_GONE] >= 2);
	assert_true(lab_run("ip route del 10.2.0.0/24; ip addr del 10.1.1.1/24 dev t0; "
			    "ip link del t0"));
	drain(monitor, counts, last);
	assert_true(counts[MONITOR_ROUTE_GONE] >= 1);
	assert_true(counts[MONITOR_ADDR_GONE] >= 1);
	assert_int_equal(counts[MONITOR_LINK_GONE], 2);
	assert_string_equal(last[MONITOR_LINK_GONE].link.kind, "veth");
}

static void test_overrun(void **state)
{
	_cleanup_(monitor_closep) struct monitor *monitor = NULL;
	unsigned int counts[MONITOR_OVERRUN + 1] = {0};
	struct monitor_event last[MONITOR_OVERRUN + 1];
	int size = 1;

	(void)state;
	assert_int_equal(monitor_open(-1, &monitor, NULL), 0);
	/* The smallest buffer there is. */
	assert_int_equal(
		setsockopt(monitor_fd(monitor), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	assert_true(lab_run("for i in 1 2 3 4 5 6 7 8; do ip route add 10.3.$i.0/24 dev lo; done"));
	drain(monitor, counts, last);
	assert_true(counts[MONITOR_OVERRUN] >= 1);
	drain(monitor, counts, last);
	assert_true(lab_run("ip route del 10.3.1.0/24"));
	drain(monitor, counts, last);
	assert_int_equal(counts[MONITOR_ROUTE_GONE], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_overrun),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
