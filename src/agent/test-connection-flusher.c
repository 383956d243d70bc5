/* SPDX-License-Identifier: Apache-2.0 */

/* Connections of addresses, in a network namespace of its own. */

#include "agent/connection-flusher.h"

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

static struct ip_addr own(unsigned int i)
{
	return ip_from_u32(0x0a010100 + i);
}

/* A datagram from own(from) to own(to), which makes an entry. */
static void talk(unsigned int from, unsigned int to)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(0x0a010100 + from)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	sa.sin_addr.s_addr = htonl(0x0a010100 + to);
	sa.sin_port = htons(1000);
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa)), 1);
}

static int count(void)
{
	return atoi(lab_output("cat /proc/sys/net/netfilter/nf_conntrack_count").s);
}

/* Until there are that many entries, for at most two seconds. */
static void wait_count(sd_event *event, int expected)
{
	uint64_t end = loop_now() + 2000000;

	while (count() != expected && loop_now() < end)
		assert_true(sd_event_run(event, 10000) >= 0);
	assert_int_equal(count(), expected);
}

static int set_up(void **state)
{
	static sd_event *event;

	if (!lab_run("ip link set lo up; for i in 1 2 3 4 5; do ip addr add 10.1.1.$i/32 dev lo; "
		     "done; nft add table inet t && nft add chain inet t c "
		     "'{ type filter hook output priority 0; }' && "
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

static struct connection_flusher *open_flusher(sd_event *event)
{
	struct connection_flusher *flusher;
	struct err err = ERR_INIT;

	if (connection_flusher_new(event, &flusher, &err) < 0)
		fail_msg("%s", err.msg);
	return flusher;
}

static void test_gathered(void **state)
{
	_cleanup_(connection_flusher_freep) struct connection_flusher *flusher =
		open_flusher(*state);
	struct ip_addr gone[] = {own(1), own(2), own(4)};

	talk(1, 3);
	talk(3, 2);
	talk(3, 5);
	assert_int_equal(count(), 3);
	connection_flusher_add(flusher, gone, 1);
	connection_flusher_add(flusher, gone + 1, 2);
	assert_int_equal(count(), 3); /* the loop does not wait for it */
	wait_count(*state, 1);
	/* Nothing of before is ended again. */
	talk(1, 3);
	assert_true(sd_event_run(*state, 300000) >= 0);
	assert_int_equal(count(), 2);
	gone[1] = own(5);
	connection_flusher_add(flusher, gone, 2);
	wait_count(*state, 0);
}

static void test_settle(void **state)
{
	_cleanup_(connection_flusher_freep) struct connection_flusher *flusher =
		open_flusher(*state);
	struct ip_addr gone[] = {own(1), own(2), own(4)};

	talk(1, 3);
	talk(3, 2);
	connection_flusher_add(flusher, gone, 3);
	connection_flusher_settle(flusher, &gone[0]);
	assert_int_equal(count(), 1);
	talk(1, 3); /* the address's next pod */
	wait_count(*state, 1);
	connection_flusher_add(flusher, gone, 1);
	wait_count(*state, 0);
}

/* Two pods that are gone had the address, as one that is moved. */
static void test_told_twice(void **state)
{
	_cleanup_(connection_flusher_freep) struct connection_flusher *flusher =
		open_flusher(*state);
	struct ip_addr gone[] = {own(1), own(1)};
	uint64_t end;

	talk(1, 3);
	connection_flusher_add(flusher, gone, 2);
	connection_flusher_add(flusher, gone, 1);
	connection_flusher_settle(flusher, &gone[0]);
	assert_int_equal(count(), 0);
	talk(1, 3); /* the address's next pod */
	end = loop_now() + 300000;
	while (loop_now() < end)
		assert_true(sd_event_run(*state, 10000) >= 0);
	assert_int_equal(count(), 1);
	connection_flusher_add(flusher, gone, 1);
	wait_count(*state, 0);
}

/* Whatever the thread is at, what comes after settle stays. */
static void test_settle_any_time(void **state)
{
	_cleanup_(connection_flusher_freep) struct connection_flusher *flusher =
		open_flusher(*state);
	struct ip_addr gone = own(1);

	for (uint64_t wait = 96000; wait < 112000; wait += 1000) {
		uint64_t end = loop_now() + wait;

		talk(1, 3);
		connection_flusher_add(flusher, &gone, 1);
		while (loop_now() < end)
			assert_true(sd_event_run(*state, 1000) >= 0);
		connection_flusher_settle(flusher, &gone);
		assert_int_equal(count(), 0);
		talk(1, 3);
		for (int i = 0; i < 20; i++)
			assert_true(sd_event_run(*state, 10000) >= 0);
		assert_int_equal(count(), 1);
		connection_flusher_add(flusher, &gone, 1);
		wait_count(*state, 0);
	}
}

static void test_closed(void **state)
{
	struct connection_flusher *flusher = open_flusher(*state);
	struct ip_addr gone = own(1);

	talk(1, 3);
	connection_flusher_add(flusher, &gone, 1);
	connection_flusher_free(flusher);
	assert_int_equal(count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gathered),   cmocka_unit_test(test_settle),
		cmocka_unit_test(test_told_twice), cmocka_unit_test(test_settle_any_time),
		cmocka_unit_test(test_closed),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
