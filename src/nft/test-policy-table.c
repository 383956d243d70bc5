/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Policy against the kernel: two pods behind this node, packets between them, and the nft program
 * as the judge of what is there.
 */

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
#include "nft/test-policy-table.h"

/* --- The lab ------------------------------------------------------------------------------ */

/* Pods "a" (10.65.0.2, fd65::2) and "b" (10.65.0.3, fd65::3) behind this node. */
struct lab {
	int pods[2];
	struct policy_table *table;
};

static int other_netns(void)
{
	_cleanup_close_ int own = -1;
	int fd = -1;

	if (netns_open_self(&own, NULL) < 0 || unshare(CLONE_NEWNET) < 0 ||
	    netns_open_self(&fd, NULL) < 0 || netns_enter(own, NULL) < 0)
		abort();
	return fd;
}

/* Runs 'command' in the pod; true: it succeeded. */
static bool in_pod(const struct lab *lab, int pod, const char *command)
{
	_cleanup_free_ char *full =
		xasprintf("nsenter --net=/proc/%d/fd/%d sh -c '%s' >/dev/null 2>&1", (int)getpid(),
			  lab->pods[pod], command);

	return lab_run(full);
}

static bool wire_pod(struct lab *lab, int pod)
{
	char name = (char)('a' + pod);
	int host = 2 + pod;
	_cleanup_free_ char *command = NULL;

	lab->pods[pod] = other_netns();
	command = xasprintf(
		"ip link add cali%c type veth peer name eth0 netns /proc/%d/fd/%d && "
		"ip link set cali%c addrgenmode none && "
		"ip link set cali%c address ee:ee:ee:ee:ee:ee up && "
		"ip addr add 169.254.1.1/32 dev cali%c && ip -6 addr add fe80::1/64 dev cali%c nodad && "
		"ip route add 10.65.0.%d dev cali%c && ip -6 route add fd65::%d dev cali%c",
		name, (int)getpid(), lab->pods[pod], name, name, name, name, host, name, host,
		name);
	if (!lab_run(command))
		return false;
	replace_str(&command,
		    xasprintf("ip link set lo up; ip link set eth0 up; "
			      "ip addr add 10.65.0.%d/32 dev eth0; "
			      "ip -6 addr add fd65::%d/128 dev eth0 nodad; "
			      "ip route add 169.254.1.1 dev eth0; ip route add default via "
			      "169.254.1.1; ip -6 route add default via fe80::1 dev eth0",
			      host, host));
	return in_pod(lab, pod, command);
}

static int setup(void **state)
{
	struct lab *lab = XNEW(struct lab);
	struct err err = ERR_INIT;

	*state = lab;
	if (!lab_run("nft flush ruleset; ip addr replace 192.0.2.1/32 dev lo; "
		     "echo 1 > /proc/sys/net/ipv4/ip_forward; "
		     "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding") ||
	    !wire_pod(lab, 0) || !wire_pod(lab, 1))
		return -1;
	if (policy_table_open(-1, &lab->table, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	policy_table_close(lab->table);
	(void)lab_run("ip link del calia; ip link del calib; nft flush ruleset");
	(void)fd_close(lab->pods[0]);
	(void)fd_close(lab->pods[1]);
	free(lab);
	return 0;
}

static void apply(struct lab *lab)
{
	struct err err = ERR_INIT;

	if (policy_table_apply(lab->table, &err) < 0)
		fail_msg("%s", err.msg);
}

static bool ping(const struct lab *lab, const char *options)
{
	_cleanup_free_ char *command = xasprintf("ping -c 1 -W 1 %s", options);

	return in_pod(lab, 0, command);
}

#define PEER_4 "10.65.0.3"
#define PEER_6 "fd65::3"

/* --- Updates ------------------------------------------------------------------------------ */

static struct policy_config default_config(void)
{
	static const char *const prefixes[] = {"cali"};

	return (struct policy_config){.endpoint_to_host = ENDPOINT_TO_HOST_ACCEPT,
				      .drop_invalid = true,
				      .log_prefix = "calico-packet",
				      .workload_prefixes = prefixes,
				      .n_workload_prefixes = 1};
}

/* One tier with policies, both pods; what is not said is as a pod's is: allowed by its profile. */
struct world {
	struct compiled_rule allow_all;
	struct compiled_policy profile;
	struct compiled_policy policies[TEST_MAX];
	const struct compiled_policy *pointers[TEST_MAX + 1];
	const struct compiled_policy *profiles[1];
	size_t n_policies;
	struct endpoint_tier tiers[TEST_MAX][POLICY_WAYS_];
	size_t n_tiers;
	struct cidr addrs[2][2];
	struct policy_endpoint endpoints[2];
	const struct policy_endpoint *endpoint_pointers[2];
	struct policy_update update;
};

static void world_init(struct world *world)
{
	static char profile_key[] = "pro/kns.default";

	*world = (struct world){.allow_all = test_rule(POLICY_ACTION_ALLOW)};
	world->profile.key = profile_key;
	for (size_t way = 0; way < POLICY_WAYS_; way++)
		world->profile.rules[way] = (struct compiled_rules){&world->allow_all, 1};
	world->profiles[0] = &world->profile;
	for (int pod = 0; pod < 2; pod++) {
		struct policy_endpoint *endpoint = &world->endpoints[pod];

		world->addrs[pod][0] = test_net(pod ? "10.65.0.3/32" : "10.65.0.2/32");
		world->addrs[pod][1] = test_net(pod ? "fd65::3/128" : "fd65::2/128");
		endpoint->key = pod ? "wep/default/b" : "wep/default/a";
		endpoint->interface = pod ? "calib" : "calia";
		endpoint->addrs = world->addrs[pod];
		endpoint->n_addrs = 2;
		endpoint->profiles = world->profiles;
		endpoint->n_profiles = 1;
		world->endpoint_pointers[pod] = endpoint;
	}
	world->pointers[0] = &world->profile;
	world->update = (struct policy_update){.policies = world->pointers,
					       .n_policies = 1,
					       .endpoints = world->endpoint_pointers,
					       .n_endpoints = 2};
}

/* A policy in a tier of its own for pod "b"'s ingress, or with 'way' egress for pod "a"'s. */
static void world_add(struct world *world, char *key, struct compiled_rules rules,
		      enum policy_way way, bool pass)
{
	struct compiled_policy *policy = &world->policies[world->n_policies++];
	struct endpoint_tier *tier = &world->tiers[world->n_tiers++][way];
	struct policy_endpoint *endpoint = &world->endpoints[way == POLICY_WAY_INGRESS];
	struct endpoint_tiers *tiers = &endpoint->tiers[POLICY_STAGE_NORMAL][way];
	static char tier_name[] = "default";

	policy->key = key;
	policy->tier = tier_name;
	policy->applies[way] = true;
	policy->rules[way] = rules;
	world->pointers[world->n_policies] = policy;
	world->update.n_policies = world->n_policies + 1;
	tier->name = tier_name;
	tier->pass = pass;
	tier->enforced = true;
	tier->policies = &world->pointers[world->n_policies];
	tier->n_policies = 1;
	/* Tiers of one endpoint lie one after the other in a list of its own. */
	if (!tiers->n)
		tiers->v = xcalloc(TEST_MAX, sizeof(*tier));
	((struct endpoint_tier *)tiers->v)[tiers->n++] = *tier;
}

static void world_deinit(struct world *world)
{
	for (size_t pod = 0; pod < 2; pod++)
		for (size_t way = 0; way < POLICY_WAYS_; way++)
			free((void *)world->endpoints[pod].tiers[POLICY_STAGE_NORMAL][way].v);
}

static void tell(struct lab *lab, const struct world *world)
{
	struct policy_config config = default_config();

	policy_table_configure(lab->table, &config);
	policy_table_update(lab->table, &world->update);
	apply(lab);
}

/* One rule for what "b" takes in; everything else is denied. */
static void tell_rules(struct lab *lab, struct compiled_rule *rules, size_t n)
{
	static char key[] = "np/default/test";
	struct world world;

	world_init(&world);
	world_add(&world, key, (struct compiled_rules){rules, n}, POLICY_WAY_INGRESS,
		  /* pass= */ false);
	tell(lab, &world);
	world_deinit(&world);
}

/* --- Tests -------------------------------------------------------------------------------- */

static void test_profile_alone(void **state)
{
	struct lab *lab = *state;
	struct world world;

	world_init(&world);
	assert_true(ping(lab, PEER_4));
	tell(lab, &world);
	assert_true(ping(lab, PEER_4));
	assert_true(ping(lab, PEER_6));
	/* Without a profile that allows, nothing is. */
	world.endpoints[1].n_profiles = 0;
	tell(lab, &world);
	assert_false(ping(lab, PEER_4));
	assert_false(ping(lab, PEER_6));
	world.endpoints[1].n_profiles = 1;
	world.endpoints[0].n_profiles = 0;
	tell(lab, &world);
	assert_false(ping(lab, PEER_4));
	assert_false(ping(lab, PEER_6));
}

static void test_default_deny(void **state)
{
	struct lab *lab = *state;
	struct compiled_rule rule = test_rule(POLICY_ACTION_ALLOW);

	tell_rules(lab, NULL, 0);
	assert_false(ping(lab, PEER_4));
	assert_false(ping(lab, PEER_6));
	tell_rules(lab, &rule, 1);
	assert_true(ping(lab, PEER_4));
	assert_true(ping(lab, PEER_6));
	tell_rules(lab, NULL, 0);
	assert_false(ping(lab, PEER_4));
	assert_false(ping(lab, PEER_6));
}

static void test_spoofing(void **state)
{
	struct lab *lab = *state;
	struct cidr spoofable[] = {test_net("10.99.0.0/24")};
	struct world world;

	world_init(&world);
	tell(lab, &world);
	assert_true(in_pod(lab, 0,
			   "ip addr add 10.99.0.7/32 dev eth0; ip addr add fd99::7/128 dev "
			   "eth0 nodad"));
	assert_true(lab_run("ip route add 10.99.0.7 dev calia; ip route add fd99::7 dev calia"));
	assert_true(ping(lab, "-I 10.65.0.2 " PEER_4));
	assert_false(ping(lab, "-I 10.99.0.7 " PEER_4));
	assert_false(ping(lab, "-I fd99::7 " PEER_6));
	world.endpoints[0].spoofable = spoofable;
	world.endpoints[0].n_spoofable = 1;
	tell(lab, &world);
	assert_true(ping(lab, "-I 10.99.0.7 " PEER_4));
	assert_false(ping(lab, "-I fd99::7 " PEER_6));
}

static void test_restart(void **state)
{
	struct lab *lab = *state;
	_cleanup_(policy_table_closep) struct policy_table *again = NULL;
	struct policy_config config = default_config();
	struct compiled_rule rule = test_rule(POLICY_ACTION_ALLOW);
	struct world world;

	world_init(&world);
	world_add(&world, (char[]){"np/default/test"}, (struct compiled_rules){&rule, 1},
		  POLICY_WAY_INGRESS, /* pass= */ false);
	tell(lab, &world);
	assert_true(policy_table_changed(lab->table));
	policy_table_invalidate(lab->table);
	apply(lab);
	assert_false(policy_table_changed(lab->table));
	assert_int_equal(policy_table_open(-1, &again, NULL), 0);
	policy_table_configure(again, &config);
	policy_table_update(again, &world.update);
	assert_int_equal(policy_table_apply(again, NULL), 0);
	if (policy_table_changed(again))
		(void)lab_run("nft list ruleset");
	assert_false(policy_table_changed(again));
	world_deinit(&world);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_profile_alone, setup, teardown),
	cmocka_unit_test_setup_teardown(test_default_deny, setup, teardown),
	cmocka_unit_test_setup_teardown(test_spoofing, setup, teardown),
	cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
};

int main(void)
{
	lab_enter();
	if (!lab_run("nft 'add table ip probe; add table ip6 probe'")) {
		(void)fprintf(stderr, "skipped: no nft program, or a kernel without nftables\n");
		return LAB_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
