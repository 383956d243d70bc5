/* SPDX-License-Identifier: Apache-2.0 */

/* The connection: answers find their requests, the kernel's words arrive, policies are kept. */

#include "netlink/nl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "netlink/route.h"
#include "netlink/test-lab.h"

static struct nl *open_nl(void)
{
	struct nl *nl = NULL;

	assert_int_equal(nl_open(NETLINK_ROUTE, -1, &nl, NULL), 0);
	return nl;
}

/* A route to 10.<i / 250>.<i % 250>.0/24 on the interface; 9999 is none. */
static void add_route(struct nl_batch *batch, unsigned int i, uint32_t ifindex)
{
	struct rtmsg header = {.rtm_family = AF_INET,
			       .rtm_dst_len = 24,
			       .rtm_table = RT_TABLE_MAIN,
			       .rtm_protocol = 80,
			       .rtm_scope = RT_SCOPE_LINK,
			       .rtm_type = RTN_UNICAST};
	struct ip_addr dst = ip_from_u32(0x0a000000 + ((i / 250) << 16) + ((i % 250) << 8));
	struct nlmsghdr *message =
		nl_batch_add(batch, RTM_NEWROUTE, NLM_F_CREATE, &header, sizeof(header));

	nl_put_addr(message, RTA_DST, &dst);
	mnl_attr_put_u32(message, RTA_OIF, ifindex);
}

static void test_batch_answers(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	_cleanup_(nl_batch_freep) struct nl_batch *batch = nl_batch_new();
	struct route_list list = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(nl_batch_send(nl, batch, &err), 0);
	for (unsigned int i = 0; i < 700; i++)
		add_route(batch, i, i % 7 == 3 ? 9999 : 1);
	assert_int_equal(nl_batch_size(batch), 700);
	if (nl_batch_send(nl, batch, &err) < 0)
		fail_msg("%s", err.msg);
	for (unsigned int i = 0; i < 700; i++)
		assert_int_equal(nl_batch_errnum(batch, i), i % 7 == 3 ? ENODEV : 0);
	assert_int_equal(route_dump(nl, AF_INET, 0, &list, &err), 0);
	assert_int_equal(list.n, 600);
	route_list_deinit(&list);
}

static void test_the_kernels_words(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	struct err err = ERR_INIT;
	struct route route = {.ifindex = 1};

	(void)state;
	assert_int_equal(cidr_parse("10.255.0.0/24", &route.dst, NULL), 0);
	assert_int_equal(ip_parse("203.0.113.1", &route.gateway, NULL), 0);
	assert_true(route_replace(nl, &route, &err) < 0);
	assert_non_null(strstr(err.msg, "10.255.0.0/24"));
	assert_non_null(strstr(err.msg, "Nexthop has invalid gateway"));
}

/* Receiving with a buffer too small for the answers fails, and the next call works again. */
static void test_lost_answers(void **state)
{
	_cleanup_(nl_closep) struct nl *nl = open_nl();
	_cleanup_(nl_batch_freep) struct nl_batch *batch = nl_batch_new();
	struct route_list list = {0};
	struct err err = ERR_INIT;
	int size = 1;

	(void)state;
	assert_int_equal(setsockopt(nl_fd(nl), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	for (unsigned int i = 0; i < 100; i++)
		add_route(batch, i, 9999);
	assert_int_equal(nl_batch_send(nl, batch, &err), -ENOBUFS);
	assert_non_null(strstr(err.msg, "lost"));
	size = 1 << 20;
	assert_int_equal(setsockopt(nl_fd(nl), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	assert_int_equal(route_dump(nl, AF_INET, 0, &list, &err), 0);
	assert_int_equal(list.n, 600);
	route_list_deinit(&list);
}

static void test_policy(void **state)
{
	static const uint8_t policy[] = {
		[1] = NL_ATTR_U32, [2] = NL_ATTR_STRING, [3] = NL_ATTR_ADDR, [4] = NL_ATTR_NESTED};
	struct nl_request request;
	const struct nlattr *tb[ARRAY_SIZE(policy)];
	struct rtgenmsg header = {0};
	struct nlmsghdr *message = nl_request_init(&request, 0x20, 0, &header, sizeof(header));

	(void)state;
	mnl_attr_put_u32(message, 1, 7);
	mnl_attr_put_strz(message, 2, "lo");
	mnl_attr_put_u32(message, 9, 7);
	assert_int_equal(nl_parse(message, sizeof(header), policy, ARRAY_SIZE(policy), tb), 0);
	assert_int_equal(mnl_attr_get_u32(tb[1]), 7);
	assert_string_equal(mnl_attr_get_str(tb[2]), "lo");
	assert_null(tb[3]);
	assert_int_equal(nl_parse_nested(tb[3], policy, ARRAY_SIZE(policy), tb), 0);
	assert_null(tb[1]);
	mnl_attr_put(message, 3, 5, "12345");
	assert_int_equal(nl_parse(message, sizeof(header), policy, ARRAY_SIZE(policy), tb),
			 -EBADMSG);
	message = nl_request_init(&request, 0x20, 0, &header, sizeof(header));
	mnl_attr_put(message, 2, 2, "lo");
	assert_int_equal(nl_parse(message, sizeof(header), policy, ARRAY_SIZE(policy), tb),
			 -EBADMSG);
	message->nlmsg_len = sizeof(*message);
	assert_int_equal(nl_parse(message, sizeof(header), policy, ARRAY_SIZE(policy), tb),
			 -EBADMSG);
	assert_false(nl_message_ok(message, 15));
	assert_false(nl_message_ok(message, -4));
	message->nlmsg_len = 0x80000000;
	assert_false(nl_message_ok(message, 64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch_answers),
		cmocka_unit_test(test_the_kernels_words),
		cmocka_unit_test(test_lost_answers),
		cmocka_unit_test(test_policy),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
