/* SPDX-License-Identifier: Apache-2.0 */

/* Flushing an address's connections, on real ones made over "lo". */

#include "netlink/conntrack.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/fd.h"
#include "netlink/test-lab.h"

static struct ip_addr addr(const char *text)
{
	struct ip_addr addr;

	assert_int_equal(ip_parse(text, &addr, NULL), 0);
	return addr;
}

/* One datagram makes one entry. */
static void talk(const char *from, const char *to, uint16_t port)
{
	struct ip_addr src = addr(from);
	struct ip_addr dst = addr(to);
	struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6};
	struct sockaddr_in sa4 = {.sin_family = AF_INET};
	bool v6 = src.family == AF_INET6;
	struct sockaddr *sa = v6 ? (struct sockaddr *)&sa6 : (struct sockaddr *)&sa4;
	socklen_t size = v6 ? sizeof(sa6) : sizeof(sa4);
	_cleanup_close_ int fd = socket(src.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&sa6.sin6_addr, src.bytes, 16);
	memcpy(&sa4.sin_addr, src.bytes, 4);
	assert_int_equal(bind(fd, sa, size), 0);
	memcpy(&sa6.sin6_addr, dst.bytes, 16);
	memcpy(&sa4.sin_addr, dst.bytes, 4);
	sa6.sin6_port = sa4.sin_port = htons(port);
	assert_int_equal(sendto(fd, "x", 1, 0, sa, size), 1);
}

static int count(void)
{
	return atoi(lab_output("cat /proc/sys/net/netfilter/nf_conntrack_count").s);
}

/* Deleted entries are counted until the last packet that was theirs is gone. */
static void assert_count(int expected)
{
	for (int i = 0; i < 100 && count() != expected; i++)
		(void)usleep(20000);
	assert_int_equal(count(), expected);
}

static size_t flush(struct nl *nl, const char *text)
{
	struct ip_addr gone = addr(text);
	struct err err = ERR_INIT;
	size_t n = 0;

	if (conntrack_flush_addr(nl, &gone, &n, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

static void test_flush(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct err err = ERR_INIT;

	(void)state;
	if (nl_open(NETLINK_NETFILTER, -1, &nl, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(flush(nl, "10.1.1.1"), 0);
	/* The receiver has no socket, so an ICMP error comes back, which is no entry of its own. */
	if (!lab_run(
		    "for a in 10.1.1.1/32 10.1.1.2/32 10.1.1.3/32; do ip addr add $a dev lo; done; "
		    "for a in fd00::1 fd00::2; do ip addr add $a/128 dev lo nodad; done; "
		    "nft add table inet t && nft add chain inet t c "
		    "'{ type filter hook output priority 0; }' && "
		    "nft add rule inet t c ct state invalid drop"))
		skip();
	/* The routes of IPv6 addresses come a little after the addresses. */
	assert_true(lab_await("test $(ip -6 route show table local | "
			      "grep -c '^local fd00::[12] ') -eq 2"));
	talk("10.1.1.1", "10.1.1.2", 1000);
	talk("10.1.1.2", "10.1.1.1", 1001);
	talk("10.1.1.2", "10.1.1.3", 1002);
	talk("fd00::1", "fd00::2", 1000);
	assert_count(4);
	assert_int_equal(flush(nl, "10.1.1.1"), 2);
	assert_count(2);
	assert_int_equal(flush(nl, "fd00::2"), 1);
	assert_int_equal(flush(nl, "fd00::2"), 0);
	assert_count(1);
	assert_int_equal(flush(nl, "10.1.1.3"), 1);
	assert_count(0);
}

static void test_flush_together(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct ip_addr gone[] = {addr("10.1.1.1"), addr("fd00::2"), addr("10.1.1.9"),
				 addr("10.1.1.8")};
	struct err err = ERR_INIT;
	size_t n = 0;

	(void)state;
	if (nl_open(NETLINK_NETFILTER, -1, &nl, &err) < 0)
		fail_msg("%s", err.msg);
	talk("10.1.1.1", "10.1.1.2", 1000);
	talk("10.1.1.2", "10.1.1.1", 1001);
	talk("10.1.1.2", "10.1.1.3", 1002);
	talk("fd00::1", "fd00::2", 1000);
	assert_count(4);
	assert_int_equal(conntrack_flush_addrs(nl, gone, ARRAY_SIZE(gone), &n, &err), 0);
	assert_int_equal(n, 3);
	assert_count(1);
	assert_int_equal(conntrack_flush_addrs(nl, &gone[1], 1, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(conntrack_flush_addrs(nl, gone, 0, &n, &err), 0);
	assert_count(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_flush),
					   cmocka_unit_test(test_flush_together)};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
