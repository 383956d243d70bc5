/* SPDX-License-Identifier: Apache-2.0 */

/* Outgoing NAT against the kernel, judged by the nft program. */

#include "nft/policy-table.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "netlink/netns.h"
#include "netlink/test-lab.h"

#define MAX_POOLS 8

struct pools {
	struct nat_pool v[MAX_POOLS];
	struct nat_config config;
};

static const char *const devices[] = {"tunl0", "vxlan.calico"};

/* "+" before a prefix: with masquerade. */
static void pools_set(struct pools *pools, size_t n_devices, const char *const *texts)
{
	*pools = (struct pools){.config = {.pools = pools->v,
					   .tunnel_devices = devices,
					   .n_tunnel_devices = n_devices}};
	for (; *texts; texts++) {
		struct nat_pool *pool = &pools->v[pools->config.n_pools++];

		pool->masquerade = **texts == '+';
		assert_int_equal(cidr_parse(*texts + pool->masquerade, &pool->cidr, NULL), 0);
	}
}
#define POOLS(pools, n_devices, ...)                                                               \
	pools_set((pools), (n_devices), (const char *const[]){__VA_ARGS__, NULL})

static struct policy_table *open_nat(void)
{
	struct err err = ERR_INIT;
	struct policy_table *nat = NULL;

	if (policy_table_open(-1, &nat, &err) < 0)
		fail_msg("%s", err.msg);
	return nat;
}

static bool apply(struct policy_table *nat, const struct pools *pools)
{
	struct err err = ERR_INIT;
	policy_table_nat(nat, &pools->config);
	if (policy_table_apply(nat, &err) < 0)
		fail_msg("%s", err.msg);
	return policy_table_changed(nat);
}

static int setup(void **state)
{
	(void)state;
	return lab_run("nft flush ruleset") ? 0 : -1;
}

static void test_apply(void **state)
{
	_cleanup_(policy_table_closep) struct policy_table *nat = open_nat();
	_cleanup_(policy_table_closep) struct policy_table *again = NULL;
	struct pools pools;

	(void)state;
	POOLS(&pools, 2, "+10.42.0.0/16", "10.50.0.0/16", "+fd42::/48");
	assert_true(apply(nat, &pools));
	assert_true(lab_says("nft list table ip calico",
			     "type nat hook postrouting priority srcnat + 10; policy accept;"));
	assert_true(lab_says("nft list table ip calico",
			     "ip saddr @masq-ipam-pools ip daddr != @network-ip-pools masquerade"));
	assert_true(lab_says("nft list table ip calico",
			     "oifname \"tunl0\" fib saddr . oif type != local fib saddr type "
			     "local masquerade"));
	assert_true(lab_says("nft list table ip calico", "oifname \"vxlan.calico\""));
	assert_true(
		lab_says("nft list set ip calico network-ip-pools", "10.42.0.0/16, 10.50.0.0/16"));
	assert_true(lab_says("nft list set ip calico masq-ipam-pools", "{ 10.42.0.0/16 }"));
	assert_true(lab_says("nft list set ip6 calico masq-ipam-pools", "{ fd42::/48 }"));
	assert_true(lab_says("nft list table ip6 calico", "ip6 saddr @masq-ipam-pools"));

	assert_false(apply(nat, &pools));
	policy_table_invalidate(nat);
	assert_false(apply(nat, &pools));
	again = open_nat(); /* as after a restart */
	assert_false(apply(again, &pools));
	assert_false(policy_table_check(again));
	assert_false(policy_table_check(nat));
}

static void test_vxlan_port_stays_free(void **state)
{
	_cleanup_(policy_table_closep) struct policy_table *nat = open_nat();
	struct pools pools;

	(void)state;
	POOLS(&pools, 1, "+10.42.0.0/16", "+fd42::/48");
	pools.config.vxlan_port = 4789;
	assert_true(apply(nat, &pools));
	assert_true(lab_says("nft list table ip calico",
			     "meta l4proto udp ip saddr @masq-ipam-pools ip daddr != "
			     "@network-ip-pools masquerade to :4790-65535"));
	assert_true(lab_says("nft list table ip6 calico", "masquerade to :4790-65535"));
	pools.config.first_port = 20000;
	pools.config.last_port = 20009;
	assert_true(apply(nat, &pools));
	assert_true(lab_says("nft list table ip calico",
			     "meta l4proto tcp ip saddr @masq-ipam-pools ip daddr != "
			     "@network-ip-pools masquerade to :20000-20009"));
	assert_true(lab_says("nft list table ip6 calico",
			     "meta l4proto udp ip6 saddr @masq-ipam-pools ip6 daddr != "
			     "@network-ip-pools masquerade to :20000-20009"));
	policy_table_invalidate(nat);
	assert_false(apply(nat, &pools));
}

static void test_pool_change_leaves_the_chain(void **state)
{
	_cleanup_(policy_table_closep) struct policy_table *nat = open_nat();
	struct lab_output before;
	struct pools pools;

	(void)state;
	POOLS(&pools, 1, "+10.42.0.0/16");
	assert_true(apply(nat, &pools));
	before = lab_output("nft -a list chain ip calico nat-cali-POSTROUTING");
	POOLS(&pools, 1, "+10.42.0.0/16", "10.60.0.0/24");
	assert_true(apply(nat, &pools));
	assert_true(lab_says("nft list set ip calico network-ip-pools", "10.60.0.0/24"));
	assert_string_equal(before.s,
			    lab_output("nft -a list chain ip calico nat-cali-POSTROUTING").s);
	policy_table_invalidate(nat);
	POOLS(&pools, 1, "+10.43.0.0/16");
	assert_true(apply(nat, &pools));
	assert_string_equal(before.s,
			    lab_output("nft -a list chain ip calico nat-cali-POSTROUTING").s);
	/* The set is gone behind our back: the members find no place, and all is made anew. */
	assert_true(lab_run("nft delete table ip calico"));
	POOLS(&pools, 1, "+10.44.0.0/16");
	assert_true(apply(nat, &pools));
	assert_true(lab_says("nft list set ip calico masq-ipam-pools", "10.44.0.0/16"));

	POOLS(&pools, 0, "+fd42::/48");
	assert_true(apply(nat, &pools));
	assert_true(lab_says("nft list tables; echo end", "table ip6 calico\nend"));
	assert_null(strstr(lab_output("nft list tables").s, "table ip calico"));
}

static void test_pools_that_touch(void **state)
{
	_cleanup_(policy_table_closep) struct policy_table *nat = open_nat();
	struct pools pools;

	(void)state;
	POOLS(&pools, 0, "+10.1.0.0/16", "+10.0.0.0/16", "+10.0.7.0/24", "10.0.0.0/16",
	      "+255.255.255.0/24", "+fd00::ffff:ffff:ffff:ff00/120", "+fd00:0:0:1::/64");
	assert_true(apply(nat, &pools));
	assert_true(lab_says("nft list set ip calico masq-ipam-pools", "10.0.0.0/16, 10.1.0.0/16"));
	assert_true(lab_says("nft list set ip calico masq-ipam-pools", "255.255.255.0/24"));
	policy_table_invalidate(nat);
	assert_false(apply(nat, &pools));
	POOLS(&pools, 0, "+0.0.0.0/0", "+::/0");
	assert_true(apply(nat, &pools));
	assert_true(lab_says("nft list set ip calico masq-ipam-pools", "0.0.0.0/0"));
	policy_table_invalidate(nat);
	assert_false(apply(nat, &pools));
}

/* Someone runs 'command': is it noticed, and is the table right again afterwards? */
static void check_damage(struct policy_table *nat, const struct pools *pools, const char *command)
{
	struct pollfd fd = {.fd = policy_table_fd(nat), .events = POLLIN};

	assert_false(apply(nat, pools));
	assert_true(lab_run(command));
	assert_int_equal(poll(&fd, 1, 1000), 1);
	assert_true(policy_table_check(nat));
	assert_int_equal(poll(&fd, 1, 0), 0);
	assert_true(apply(nat, pools));
	assert_false(policy_table_check(nat)); /* that was us */
	policy_table_invalidate(nat);
	assert_false(apply(nat, pools));
}

static void test_damage(void **state)
{
	_cleanup_(policy_table_closep) struct policy_table *nat = open_nat();
	struct pools pools;

	(void)state;
	POOLS(&pools, 1, "+10.42.0.0/16", "+fd42::/48");
	assert_true(apply(nat, &pools));
	assert_false(policy_table_check(nat));
	check_damage(nat, &pools, "nft add rule ip calico nat-cali-POSTROUTING accept");
	check_damage(nat, &pools, "nft insert rule ip6 calico nat-cali-POSTROUTING accept");
	check_damage(nat, &pools, "nft flush chain ip calico nat-cali-POSTROUTING");
	check_damage(nat, &pools, "nft add element ip calico masq-ipam-pools '{ 10.9.0.0/16 }'");
	check_damage(nat, &pools, "nft delete table ip6 calico");
	check_damage(nat, &pools, "nft flush ruleset");
	check_damage(nat, &pools,
		     "nft flush chain ip calico nat-cali-POSTROUTING; "
		     "nft delete chain ip calico nat-cali-POSTROUTING; nft add chain ip calico "
		     "nat-cali-POSTROUTING '{ type nat hook postrouting priority 100; }'");
}

static void test_other_tables_are_not_ours(void **state)
{
	_cleanup_(policy_table_closep) struct policy_table *nat = open_nat();
	struct pools pools;

	(void)state;
	POOLS(&pools, 1, "+10.42.0.0/16");
	assert_true(apply(nat, &pools));
	assert_true(lab_run("nft add table ip other; nft add table inet calico; "
			    "nft add chain ip other c; nft add rule ip other c accept"));
	assert_false(policy_table_check(nat));
	POOLS(&pools, 1, NULL);
	assert_true(apply(nat, &pools));
	assert_true(lab_says("nft list tables", "table ip other\ntable inet calico"));
	assert_null(strstr(lab_output("nft list tables").s, "table ip calico"));
	assert_false(apply(nat, &pools));
}

static void test_many_pools(void **state)
{
	_cleanup_(policy_table_closep) struct policy_table *nat = open_nat();
	_cleanup_free_ struct nat_pool *v = xcalloc(2000, sizeof(*v));
	struct pools pools = {.config = {.pools = v, .n_pools = 2000}};
	struct ip_addr base = ip_from_u32(0x0a000000);

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		v[i].cidr.addr = ip_add(&base, (uint64_t)i * 2048);
		v[i].cidr.len = 24;
		v[i].masquerade = true;
	}
	assert_true(apply(nat, &pools));
	policy_table_invalidate(nat);
	assert_false(apply(nat, &pools));
}

/* Runs 'command' in the namespace behind 'fd'. */
static bool run_in(int fd, const char *command)
{
	char full[512];

	(void)snprintf(full, sizeof(full), "nsenter --net=/proc/%d/fd/%d sh -c '%s' >/dev/null",
		       (int)getpid(), fd, command);
	return lab_run(full);
}

static int other_netns(void)
{
	_cleanup_close_ int own = -1;
	int fd = -1;

	assert_int_equal(netns_open_self(&own, NULL), 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(netns_open_self(&fd, NULL), 0);
	assert_int_equal(netns_enter(own, NULL), 0);
	return fd;
}

/*
 * A pod behind this node, and a host that knows no way back to pods: it answers masqueraded packets
 * only.
 */
static void test_packets(void **state)
{
	_cleanup_close_ int pod = other_netns();
	_cleanup_close_ int out = other_netns();
	_cleanup_(policy_table_closep) struct policy_table *nat = open_nat();
	char command[512];
	struct pools pools;

	(void)state;
	(void)snprintf(command, sizeof(command),
		       "ip link add p0 type veth peer name eth0 netns /proc/%d/fd/%d && "
		       "ip link add o0 type veth peer name eth0 netns /proc/%d/fd/%d && "
		       "ip addr add 10.42.0.1/24 dev p0 && ip addr add 192.0.2.1/24 dev o0 && "
		       "ip link set p0 up && ip link set o0 up && "
		       "ip route add 10.43.0.0/24 via 192.0.2.2 && "
		       "echo 1 > /proc/sys/net/ipv4/ip_forward",
		       (int)getpid(), pod, (int)getpid(), out);
	if (!lab_run("command -v ping nsenter >/dev/null") || !lab_run(command)) {
		nat = policy_table_close(nat);
		skip();
	}
	assert_true(run_in(pod, "ip addr add 10.42.0.2/24 dev eth0; ip link set eth0 up; "
				"ip route add default via 10.42.0.1"));
	assert_true(run_in(out, "ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up; "
				"ip link set lo up; ip addr add 10.43.0.2/32 dev lo"));

	POOLS(&pools, 0, "10.42.0.0/16");
	(void)apply(nat, &pools);
	assert_false(run_in(pod, "ping -c 1 -W 1 192.0.2.2"));
	POOLS(&pools, 0, "+10.42.0.0/16", "10.43.0.0/16");
	(void)apply(nat, &pools);
	assert_true(run_in(pod, "ping -c 1 -W 2 192.0.2.2"));
	assert_false(run_in(pod, "ping -c 1 -W 1 10.43.0.2"));
	POOLS(&pools, 0, "+10.42.0.0/16");
	(void)apply(nat, &pools);
	assert_true(run_in(pod, "ping -c 1 -W 2 10.43.0.2"));
	assert_true(lab_run("ip link del p0; ip link del o0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_apply, setup),
		cmocka_unit_test_setup(test_vxlan_port_stays_free, setup),
		cmocka_unit_test_setup(test_pool_change_leaves_the_chain, setup),
		cmocka_unit_test_setup(test_pools_that_touch, setup),
		cmocka_unit_test_setup(test_damage, setup),
		cmocka_unit_test_setup(test_other_tables_are_not_ours, setup),
		cmocka_unit_test_setup(test_many_pools, setup),
		cmocka_unit_test_setup(test_packets, setup),
	};

	lab_enter();
	if (!lab_run("nft 'add table ip probe; add table ip6 probe'")) {
		(void)fprintf(stderr, "skipped: no nft program, or a kernel without nftables\n");
		return LAB_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
