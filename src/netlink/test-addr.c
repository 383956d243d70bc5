/* SPDX-License-Identifier: Apache-2.0 */

/* Addresses of interfaces against the kernel, judged by `ip`. */

#include "netlink/addr.h"

#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

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

static bool is_any(const struct cidr *cidr, void *ctx)
{
	(void)ctx;
	/* All but one, which is somebody else's. */
	return cidr->len != 27;
}

static const struct addr_stale any = {is_any, NULL};

static void check_family(struct nl *nl, int ifindex, const char *one, const char *two,
			 const char *shown)
{
	struct cidr a = cidr(one);
	struct cidr b = cidr(two);
	struct if_addr_list list = {0};
	struct err err = ERR_INIT;

	assert_int_equal(addr_add(nl, ifindex, &a, &err), 0);
	assert_int_equal(addr_add(nl, ifindex, &a, &err), 0);
	assert_int_equal(addr_add(nl, ifindex, &b, &err), 0);
	assert_true(lab_says("ip addr show dev t0", shown));
	assert_int_equal(addr_dump(nl, a.addr.family, ifindex, &list, &err), 0);
	assert_true(list.n >= 2);
	if_addr_list_deinit(&list);

	assert_int_equal(addr_ensure(nl, ifindex, &b, &any, &err), 0);
	assert_false(strstr(lab_output("ip addr show dev t0").s, one) != NULL);
	assert_true(lab_says("ip addr show dev t0", two));
	assert_int_equal(addr_ensure(nl, ifindex, &b, &any, &err), 0);
	assert_int_equal(addr_delete(nl, ifindex, &b, &err), 0);
	assert_int_equal(addr_delete(nl, ifindex, &b, &err), 0);
}

static void test_addr(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	static const struct cidr none = {.len = 0};
	struct err err = ERR_INIT;
	struct cidr v4 = cidr("10.9.0.1/24");
	struct cidr v4_second = cidr("10.9.0.2/24");
	struct cidr v6 = cidr("fd00:9::1/64");
	struct link link;

	(void)state;
	assert_true(lab_run("ip link add t0 type veth peer name t1; ip link set t0 up; "
			    "ip link set t1 up"));
	assert_int_equal(link_get(nl, "t0", &link, &err), 0);
	check_family(nl, link.ifindex, "10.1.2.3/32", "10.1.2.4/32", "10.1.2.3/32");
	check_family(nl, link.ifindex, "fd00::3/128", "fd00::4/128", "fd00::3/128");

	/* The wanted one is a secondary of the one that goes. */
	assert_int_equal(addr_add(nl, link.ifindex, &v4, &err), 0);
	assert_int_equal(addr_add(nl, link.ifindex, &v4_second, &err), 0);
	assert_int_equal(addr_ensure(nl, link.ifindex, &v4_second, &any, &err), 0);
	assert_true(lab_says("ip addr show dev t0", "10.9.0.2/24"));
	assert_int_equal(addr_add(nl, link.ifindex, &v6, &err), 0);
	assert_null(strstr(lab_output("ip addr show dev t0 scope global").s, "tentative"));

	assert_int_equal(addr_ensure(nl, link.ifindex, &none, &any, &err), 0);
	assert_null(strstr(lab_output("ip addr show dev t0").s, "global"));

	/* Somebody else's address stays. */
	assert_true(lab_run("ip addr add 10.7.7.7/27 dev t0"));
	assert_int_equal(addr_ensure(nl, link.ifindex, &v4, &any, &err), 0);
	assert_true(lab_says("ip addr show dev t0", "10.7.7.7/27"));
	assert_true(lab_says("ip addr show dev t0", "10.9.0.1/24"));

	assert_true(addr_add(nl, 9999, &v4, &err) < 0);
	assert_non_null(strstr(err.msg, "10.9.0.1/24"));
	assert_int_equal(addr_delete(nl, 9999, &v4, &err), 0);
}

/* What is local is asked for by neighbours, too; on each of two interfaces by itself. */
static void test_is_local(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	const char *names[] = {"t0", "t1"};
	struct cidr gateway = cidr("fe80::ab:cdef/64");
	struct err err = ERR_INIT;
	struct link links[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(link_get(nl, names[i], &links[i], &err), 0);
	for (int i = 0; i < 2; i++) {
		int tries = 0;
		int r = addr_is_local(nl, links[i].ifindex, &gateway.addr, &err);

		assert_int_equal(r, ADDR_E_NOT_YET);
		assert_int_equal(addr_add(nl, links[i].ifindex, &gateway, &err), 0);
		while ((r = addr_is_local(nl, links[i].ifindex, &gateway.addr, &err)) > 0 &&
		       tries++ < 10000)
			(void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
		assert_int_equal(r, 0);
		assert_non_null(strstr(
			lab_output(i == 0 ? "grep t0 /proc/net/igmp6" : "grep t1 /proc/net/igmp6")
				.s,
			"ff0200000000000000000001ffabcdef"));
	}
	gateway = cidr("fd00:77::1/128");
	assert_int_equal(addr_is_local(nl, 0, &gateway.addr, &err), ADDR_E_NOT_YET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_addr),
					   cmocka_unit_test(test_is_local)};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
