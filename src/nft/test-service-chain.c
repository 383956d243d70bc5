/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Packets for advertised services against the kernel: from one veth, past this host, out by
 * another.
 */

#include "nft/policy-table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "netlink/netns.h"
#include "netlink/test-lab.h"
#include "nft/test-policy-table.h"

/* Somebody who takes this host for the way to everywhere. */
struct lab {
	int outside;
	struct policy_table *table;
	struct policy_config config;
};

static bool outside(const struct lab *lab, const char *command)
{
	_cleanup_free_ char *full = xasprintf("nsenter --net=/proc/%d/fd/%d sh -c '%s' >/dev/null",
					      (int)getpid(), lab->outside, command);

	return lab_run(full);
}

static int setup(void **state)
{
	static const char *const prefixes[] = {"cali"};
	struct lab *lab = XNEW(struct lab);
	_cleanup_close_ int own = -1;
	_cleanup_free_ char *wire = NULL;
	struct err err = ERR_INIT;

	*state = lab;
	lab->config = (struct policy_config){.log_prefix = "calico-packet",
					     .workload_prefixes = prefixes,
					     .n_workload_prefixes = 1};
	if (netns_open_self(&own, NULL) < 0 || unshare(CLONE_NEWNET) < 0 ||
	    netns_open_self(&lab->outside, NULL) < 0 || netns_enter(own, NULL) < 0)
		return -1;
	wire = xasprintf(
		"nft flush ruleset; echo 1 > /proc/sys/net/ipv4/ip_forward; "
		"echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; "
		"ip link add in type veth peer name eth0 netns /proc/%d/fd/%d && "
		"ip link add out type veth peer name far && ip link set far up && "
		"ip link set in up && ip link set out up && "
		"ip addr add 192.0.2.1/24 dev in && ip addr add 2001:db8::1/64 dev in nodad "
		"&& ip route add default dev out && ip -6 route add fd96::/64 dev out",
		(int)getpid(), lab->outside);
	if (!lab_run(wire) ||
	    !outside(lab, "ip link set eth0 up; ip addr add 192.0.2.2/24 dev eth0; "
			  "ip addr add 2001:db8::2/64 dev eth0 nodad; "
			  "ip route add default via 192.0.2.1; "
			  "ip -6 route add default via 2001:db8::1"))
		return -1;
	if (policy_table_open(-1, &lab->table, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	policy_table_close(lab->table);
	(void)lab_run("ip link del in; ip link del out; nft flush ruleset");
	(void)fd_close(lab->outside);
	free(lab);
	return 0;
}

static void apply(struct lab *lab)
{
	struct err err = ERR_INIT;

	policy_table_configure(lab->table, &lab->config);
	if (policy_table_apply(lab->table, &err) < 0)
		fail_msg("%s", err.msg);
}

static void test_services(void **state)
{
	struct lab *lab = *state;
	struct cidr nets[] = {test_net("10.96.0.0/16"), test_net("203.0.113.7/32"),
			      test_net("fd96::/112")};
	static const char *const addresses[] = {"10.96.3.7", "203.0.113.7", "203.0.113.8",
						"fd96::7"};

	apply(lab);
	assert_false(lab_run("nft list table ip calico | grep -q cali-cidr-block"));
	lab->config.service_nets = nets;
	lab->config.n_service_nets = ARRAY_SIZE(nets);
	apply(lab);
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		_cleanup_free_ char *ping = xasprintf("ping -c 1 -W 0.1 %s", addresses[i]);

		assert_false(outside(lab, ping));
	}
	assert_true(lab_says("nft list chain ip calico cali-cidr-block",
			     "counter packets 2 bytes 168 drop"));
	assert_true(lab_says("nft list chain ip6 calico cali-cidr-block",
			     "counter packets 1 bytes 104 drop"));
	/* Another start finds them right. */
	policy_table_invalidate(lab->table);
	apply(lab);
	assert_false(policy_table_changed(lab->table));
	lab->config.reject_services = true;
	apply(lab);
	assert_true(outside(lab, "ping -c 1 -W 1 10.96.3.7 | grep -q Unreachable"));
	assert_true(outside(lab, "ping -c 1 -W 1 fd96::7 | grep -q unreachable"));
	lab->config.n_service_nets = 0;
	apply(lab);
	assert_false(lab_run("nft list table ip calico | grep -q cali-cidr-block"));
	assert_false(lab_run("nft list table ip6 calico | grep -q cali-cidr-block"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_services, setup, teardown),
	};

	lab_enter();
	if (!lab_run("nft 'add table ip probe'")) {
		(void)fprintf(stderr, "skipped: no nft program, or a kernel without nftables\n");
		return LAB_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
