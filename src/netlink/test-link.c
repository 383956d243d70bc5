/* SPDX-License-Identifier: Apache-2.0 */

/* Links against the kernel, judged by `ip`. */

#include "netlink/link.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/fd.h"
#include "netlink/netns.h"
#include "netlink/test-lab.h"

static int setup(void **state)
{
	struct err err = ERR_INIT;
	struct nl *nl;

	if (nl_open(NETLINK_ROUTE, -1, &nl, &err) < 0)
		fail_msg("%s", err.msg);
	*state = nl;
	return 0;
}

static int teardown(void **state)
{
	*state = nl_close(*state);
	return 0;
}

/* A namespace held by its file alone. */
static int other_netns(void)
{
	_cleanup_close_ int own = -1;
	int fd;

	assert_int_equal(netns_open_self(&own, NULL), 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(netns_open_self(&fd, NULL), 0);
	assert_int_equal(netns_same(own, fd), 0);
	assert_int_equal(netns_same(own, own), 1);
	assert_int_equal(netns_enter(own, NULL), 0);
	return fd;
}

static void test_veth(void **state)
{
	_cleanup_close_ int pod = other_netns();
	_cleanup_(nl_closep) struct nl *inside = NULL;
	struct nl *nl = *state;
	struct err err = ERR_INIT;
	struct link link;
	struct veth_config config = {
		.host_name = "cali123",
		.pod_name = "eth0",
		.pod_netns_fd = pod,
		.mtu = 1410,
		.n_queues = 2,
		.host_mac = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee},
		.has_pod_mac = true,
		.pod_mac = {2, 0, 0, 0, 0, 5},
	};

	assert_int_equal(link_add_veth(nl, &config, &err), 0);
	assert_int_equal(link_add_veth(nl, &config, &err), LINK_E_EXISTS);
	assert_int_equal(link_get(nl, "cali123", &link, &err), 0);
	assert_string_equal(link.kind, "veth");
	assert_int_equal(link.mtu, 1410);
	assert_false(link.flags & IFF_UP);
	assert_memory_equal(link.mac, config.host_mac, MAC_SIZE);
	assert_true(lab_says("ip -d link show cali123", "numtxqueues 2"));
	assert_true(lab_says("ip -d link show cali123", "ee:ee:ee:ee:ee:ee"));

	assert_int_equal(nl_open(NETLINK_ROUTE, pod, &inside, &err), 0);
	assert_int_equal(link_get(inside, "eth0", &link, &err), 0);
	assert_memory_equal(link.mac, config.pod_mac, MAC_SIZE);
	assert_int_equal(link.mtu, 1410);
	assert_int_equal(link_set_up(inside, link.ifindex, true, &err), 0);
	assert_int_equal(link_get_index(inside, link.ifindex, &link, &err), 0);
	assert_true(link.flags & IFF_UP);

	assert_int_equal(link_delete(nl, "cali123", &err), 0);
	assert_int_equal(link_delete(nl, "cali123", &err), 0);
	assert_int_equal(link_get(nl, "cali123", &link, &err), LINK_E_NOT_FOUND);
	assert_int_equal(link_get(inside, "eth0", &link, &err), LINK_E_NOT_FOUND);
}

static void test_names_that_do_not_fit(void **state)
{
	struct link link;
	struct veth_config config = {.host_name = "sixteen-letters-", .pod_name = "eth0"};

	assert_int_equal(link_get(*state, "a-name-of-many-letters", &link, NULL), LINK_E_NOT_FOUND);
	assert_int_equal(link_get(*state, "", &link, NULL), LINK_E_NOT_FOUND);
	assert_int_equal(link_delete(*state, "", NULL), 0);
	assert_true(link_add_veth(*state, &config, NULL) < 0);
}

static void test_changes_and_dump(void **state)
{
	_cleanup_(link_list_deinit) struct link_list list = {0};
	static const uint8_t mac[MAC_SIZE] = {2, 1, 2, 3, 4, 5};
	struct nl *nl = *state;
	struct err err = ERR_INIT;
	struct link link;
	size_t before;

	assert_int_equal(link_dump(nl, &list, &err), 0);
	before = list.n;
	link_list_deinit(&list);
	assert_true(lab_run("ip link add t0 type veth peer name t1"));
	assert_int_equal(link_dump(nl, &list, &err), 0);
	assert_int_equal(list.n, before + 2);
	assert_int_equal(link_get(nl, "t0", &link, &err), 0);
	assert_int_equal(link_set_mtu(nl, link.ifindex, 1300, &err), 0);
	assert_int_equal(link_set_mac(nl, link.ifindex, mac, &err), 0);
	assert_true(lab_says("ip link show t0", "mtu 1300"));
	assert_true(lab_says("ip link show t0", "02:01:02:03:04:05"));
	assert_true(link_set_mtu(nl, link.ifindex, 7, &err) < 0);
	assert_non_null(strstr(err.msg, "MTU 7"));
	assert_true(lab_run("ip link del t0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_veth),
		cmocka_unit_test(test_names_that_do_not_fit),
		cmocka_unit_test(test_changes_and_dump),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, setup, teardown);
}
