/* SPDX-License-Identifier: Apache-2.0 */

/* Connections that are judged, in a network namespace of its own: by the port they go to. */

#include "agent/connection-cutter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/fd.h"
#include "loop/loop.h"
#include "netlink/test-lab.h"
#include "policy/policy-match.h"

#define HOST	    0x0a010101u
#define POD	    0x0a090001u
#define DENIED_PORT 1000
#define OTHER_PORT  1001

/* The driver's part. */
struct judged {
	size_t n_calls;
	size_t n;
	size_t most; /* in one call */
};

static void judge(const void *self, const struct packet *packets, size_t n, bool *denied)
{
	struct judged *judged = (struct judged *)(uintptr_t)self;

	judged->n_calls++;
	judged->n += n;
	judged->most = MAX(judged->most, n);
	for (size_t i = 0; i < n; i++)
		denied[i] = packets[i].destination_port == DENIED_PORT;
}

static const struct policy_driver_ops ops = {.name = "judge", .judge = judge};

/* A datagram to ourselves, which makes an entry; the sender needs no such address. */
static void talk(uint32_t from, uint16_t from_port, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(from_port),
				 .sin_addr.s_addr = htonl(from)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int one = 1;

	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	sa.sin_addr.s_addr = htonl(HOST);
	sa.sin_port = htons(port);
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa)), 1);
}

static int count(void)
{
	return atoi(lab_output("cat /proc/sys/net/netfilter/nf_conntrack_count").s);
}

static void run_for(sd_event *event, uint64_t us)
{
	uint64_t end = loop_now() + us;

	while (loop_now() < end)
		assert_true(sd_event_run(event, 10000) >= 0);
}

static void wait_count(sd_event *event, int expected)
{
	uint64_t end = loop_now() + 5000000;

	while (count() != expected && loop_now() < end)
		run_for(event, 20000);
	assert_int_equal(count(), expected);
}

static int set_up(void **state)
{
	static sd_event *event;

	if (!lab_run("ip link set lo up; ip addr add 10.1.1.1/32 dev lo; nft add table inet t && "
		     "nft add chain inet t c '{ type filter hook output priority 0; }' && "
		     "nft add rule inet t c ct state invalid drop"))
		return -1;
	if (sd_event_new(&event) < 0)
		return -1;
	*state = event;
	return 0;
}

static int tear_down(void **state)
{
	(void)sd_event_unref(*state);
	return 0;
}

static struct connection_cutter *open_cutter(sd_event *event, struct judged *judged)
{
	struct policy_driver driver = {.ops = &ops, .self = judged};
	struct connection_cutter *cutter;
	struct err err = ERR_INIT;

	if (connection_cutter_new(event, driver, &cutter, &err) < 0)
		fail_msg("%s", err.msg);
	return cutter;
}

static void what_is_denied_ends(void **state)
{
	struct judged judged = {.n = 0};
	_cleanup_(connection_cutter_freep) struct connection_cutter *cutter =
		open_cutter(*state, &judged);
	int before = count();

	talk(POD, 2000, DENIED_PORT);
	talk(POD, 2001, OTHER_PORT);
	talk(HOST, 2002, DENIED_PORT);
	assert_int_equal(count(), before + 3);
	run_for(*state, 300000);
	assert_int_equal(count(), before + 3); /* nobody wants it */
	connection_cutter_want(cutter);
	wait_count(*state, before + 2);
	assert_int_equal(judged.n_calls, 1);
	/* What the node sends is not judged. */
	run_for(*state, 300000);
	assert_int_equal(count(), before + 2);
}

static void many_wishes_are_one_walk(void **state)
{
	struct judged judged = {.n = 0};
	_cleanup_(connection_cutter_freep) struct connection_cutter *cutter =
		open_cutter(*state, &judged);

	talk(POD, 2010, OTHER_PORT);
	for (unsigned int i = 0; i < 100; i++)
		connection_cutter_want(cutter);
	run_for(*state, 500000);
	assert_int_equal(judged.n_calls, 1);
}

static void nothing_is_judged_while_held(void **state)
{
	struct judged judged = {.n = 0};
	_cleanup_(connection_cutter_freep) struct connection_cutter *cutter =
		open_cutter(*state, &judged);
	int before = count();

	talk(POD, 2020, DENIED_PORT);
	connection_cutter_want(cutter);
	connection_cutter_hold(cutter);
	run_for(*state, 500000);
	assert_int_equal(judged.n_calls, 0);
	connection_cutter_go_on(cutter);
	wait_count(*state, before);
	/* In the middle of a walk: the rest of it is done anew. */
	for (uint16_t i = 0; i < 2000; i++)
		talk(POD, 3000 + i, DENIED_PORT);
	judged = (struct judged){.n = 0};
	connection_cutter_want(cutter);
	while (!judged.n_calls)
		assert_true(sd_event_run(*state, 10000) >= 0);
	connection_cutter_hold(cutter);
	run_for(*state, 300000);
	assert_int_equal(judged.n_calls, 1);
	assert_int_equal(count(), before + 2000);
	connection_cutter_go_on(cutter);
	wait_count(*state, before);
}

/* Other events have their turn in between. */
static void many_are_judged_in_turns(void **state)
{
	struct judged judged = {.n = 0};
	_cleanup_(connection_cutter_freep) struct connection_cutter *cutter =
		open_cutter(*state, &judged);
	int before = count();

	for (uint16_t i = 0; i < 10000; i++)
		talk(POD, 10000 + i, i % 2 ? DENIED_PORT : OTHER_PORT);
	connection_cutter_want(cutter);
	wait_count(*state, before + 5000);
	assert_true(judged.n >= 10000);
	assert_true(judged.most <= 1024);
	assert_true(judged.n_calls >= 10);
}

/* The thread may be at work. */
static void closed_at_any_time(void **state)
{
	for (unsigned int i = 0; i < 20; i++) {
		struct judged judged = {.n = 0};
		struct connection_cutter *cutter = open_cutter(*state, &judged);

		connection_cutter_want(cutter);
		run_for(*state, 95000 + i * 1000);
		connection_cutter_free(cutter);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_denied_ends),
		cmocka_unit_test(many_wishes_are_one_walk),
		cmocka_unit_test(nothing_is_judged_while_held),
		cmocka_unit_test(many_are_judged_in_turns),
		cmocka_unit_test(closed_at_any_time),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
