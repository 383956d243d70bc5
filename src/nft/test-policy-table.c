/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Policy against the kernel: two pods behind this node, packets between them, and the nft program
 * as the judge of what is there.
 */

#include "nft/policy-table.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "netlink/conntrack.h"
#include "netlink/netns.h"
#include "netlink/test-lab.h"
#include "nft/test-policy-cut.h"
#include "nft/test-policy-table.h"

/* --- The lab ------------------------------------------------------------------------------ */

/* Pods "a" (10.65.0.2, fd65::2) and "b" (10.65.0.3, fd65::3) behind this node. */
struct lab {
	int pods[3]; /* the last: outside */
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
				      .workloads_may_spoof = true,
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

/* What "b" takes in; everything else is denied. */
static void tell_policy(struct lab *lab, char *key, struct compiled_rule *rules, size_t n)
{
	struct world world;

	world_init(&world);
	world_add(&world, key, (struct compiled_rules){rules, n}, POLICY_WAY_INGRESS,
		  /* pass= */ false);
	tell(lab, &world);
	world_deinit(&world);
}

static void tell_rules(struct lab *lab, struct compiled_rule *rules, size_t n)
{
	static char key[] = "np/default/test";

	tell_policy(lab, key, rules, n);
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
	struct policy_config config = default_config();
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
	config.workloads_may_spoof = false;
	policy_table_configure(lab->table, &config);
	apply(lab);
	assert_false(ping(lab, "-I 10.99.0.7 " PEER_4));
	assert_true(ping(lab, "-I 10.65.0.2 " PEER_4));
}

/* A pod without an IPv6 address has no IPv6, though the packets would find their way. */
static void test_one_family(void **state)
{
	struct lab *lab = *state;
	struct world world;

	world_init(&world);
	tell(lab, &world);
	assert_true(ping(lab, PEER_4));
	assert_true(ping(lab, PEER_6));
	world.endpoints[1].n_addrs = 1;
	tell(lab, &world);
	assert_true(ping(lab, PEER_4));
	assert_false(ping(lab, PEER_6));
	assert_false(lab_says("nft list map ip6 calico cali-to-wl-dispatch", "calib"));
	world.endpoints[1].n_addrs = 2;
	tell(lab, &world);
	assert_true(ping(lab, PEER_6));
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

/* --- Connections -------------------------------------------------------------------------- */

#define HOST	(-1)
#define OUTSIDE 2

/* A UDP socket of a pod, of the host, or of what is outside. */
static int udp_socket(const struct lab *lab, int where, const char *addr, uint16_t port)
{
	_cleanup_close_ int own = -1;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd;

	assert_int_equal(netns_open_self(&own, NULL), 0);
	if (where != HOST)
		assert_int_equal(netns_enter(lab->pods[where], NULL), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(inet_pton(AF_INET, addr, &at.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(netns_enter(own, NULL), 0);
	return fd;
}

/* Does a datagram get from one socket to the other? */
static bool reaches(int from, int to)
{
	struct sockaddr_in addr;
	socklen_t size = sizeof(addr);
	struct pollfd fd = {.fd = to, .events = POLLIN};
	char c;

	assert_int_equal(getsockname(to, (struct sockaddr *)&addr, &size), 0);
	if (sendto(from, "x", 1, 0, (struct sockaddr *)&addr, size) < 0)
		return false;
	if (poll(&fd, 1, 200) != 1)
		return false;
	assert_int_equal(recv(to, &c, 1, 0), 1);
	return true;
}

static void tell_cut(struct lab *lab, const struct world *world, bool cut)
{
	struct policy_config config = default_config();

	config.cut_denied = cut;
	policy_table_configure(lab->table, &config);
	policy_table_update(lab->table, &world->update);
	apply(lab);
	if (policy_table_take_cut(lab->table))
		test_cut_denied(lab->table);
	assert_false(policy_table_take_cut(lab->table));
}

static void test_cut(void **state)
{
	struct lab *lab = *state;
	_cleanup_close_ int a = udp_socket(lab, 0, "10.65.0.2", 1111);
	_cleanup_close_ int b = udp_socket(lab, 1, PEER_4, 2222);
	_cleanup_close_ int other = udp_socket(lab, 0, "10.65.0.2", 1112);
	_cleanup_close_ int host = udp_socket(lab, HOST, "192.0.2.1", 1113);
	struct port_range ports = {1112, 1112};
	struct compiled_rule rule = test_rule(POLICY_ACTION_ALLOW);
	struct world world;

	world_init(&world);
	tell_cut(lab, &world, false);
	assert_true(reaches(a, b) && reaches(b, a) && reaches(other, b) && reaches(b, other));
	/* From now on only the other one's may begin; what there is goes on. */
	rule.protocol = 17;
	rule.source.ports = &ports;
	rule.source.n_ports = 1;
	world_add(&world, (char[]){"np/default/test"}, (struct compiled_rules){&rule, 1},
		  POLICY_WAY_INGRESS, /* pass= */ false);
	tell_cut(lab, &world, false);
	assert_true(reaches(a, b) && reaches(b, a) && reaches(other, b));
	assert_true(reaches(host, b) && reaches(b, host));
	tell_cut(lab, &world, true);
	assert_false(reaches(a, b));
	assert_true(reaches(other, b) && reaches(b, other));
	/* The answer finds its connection: the node's own are not judged. */
	assert_true(lab_run("nft add table ip t; nft add chain ip t i '{ type filter hook input "
			    "priority -5; }'; nft add rule ip t i ct state new udp dport 1113 "
			    "drop"));
	assert_true(reaches(b, host));
	world_deinit(&world);
}

/* Ends what the agent would end. How many addresses are gone. */
static size_t end_gone(struct lab *lab)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	_cleanup_free_ struct ip_addr *gone = NULL;
	size_t n = policy_table_take_gone(lab->table, &gone);
	struct err err = ERR_INIT;
	size_t n_ended;

	if (nl_open(NETLINK_NETFILTER, -1, &nl, &err) < 0 ||
	    conntrack_flush_addrs(nl, gone, n, &n_ended, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

static void test_gone(void **state)
{
	struct lab *lab = *state;
	_cleanup_close_ int a = udp_socket(lab, 0, "10.65.0.2", 1111);
	_cleanup_close_ int b = udp_socket(lab, 1, PEER_4, 2222);
	const char *gone[] = {"wep/default/b"};
	struct policy_update update = {.endpoints_gone = gone, .n_endpoints_gone = 1};
	struct world world;

	world_init(&world);
	tell(lab, &world);
	assert_true(reaches(a, b) && reaches(b, a));
	(void)end_gone(lab); /* of the tests of before */
	tell(lab, &world);
	assert_int_equal(end_gone(lab), 0);
	assert_true(reaches(a, b) && reaches(b, a));
	policy_table_update(lab->table, &update);
	apply(lab);
	assert_int_equal(end_gone(lab), 2); /* of both families */
	assert_int_equal(end_gone(lab), 0);
	assert_false(reaches(a, b));
	assert_false(reaches(b, a));
}

static void test_reject(void **state)
{
	struct lab *lab = *state;
	struct policy_config config = default_config();
	struct world world;

	world_init(&world);
	world_add(&world, (char[]){"np/default/test"}, (struct compiled_rules){NULL, 0},
		  POLICY_WAY_INGRESS, /* pass= */ false);
	tell(lab, &world);
	assert_false(in_pod(lab, 0, "ping -c 1 -W 1 " PEER_4 " | grep -q Unreachable"));
	config.reject = true;
	policy_table_configure(lab->table, &config);
	apply(lab);
	assert_true(in_pod(lab, 0, "ping -c 1 -W 1 " PEER_4 " | grep -q Unreachable"));
	assert_true(in_pod(lab, 0, "ping -c 1 -W 1 " PEER_6 " | grep -q unreachable"));
	world_deinit(&world);
}

/* --- The host ----------------------------------------------------------------------------- */

static void test_host(void **state)
{
	struct lab *lab = *state;
	struct policy_config config = default_config();
	struct world world;

	world_init(&world);
	tell(lab, &world);
	assert_true(ping(lab, "192.0.2.1"));
	config.endpoint_to_host = ENDPOINT_TO_HOST_DROP;
	policy_table_configure(lab->table, &config);
	apply(lab);
	assert_false(ping(lab, "192.0.2.1"));
	assert_true(ping(lab, PEER_4));
	assert_true(ping(lab, PEER_6)); /* by way of fe80::1's neighbour discovery */
	assert_true(in_pod(lab, 0, "ip -6 neigh flush dev eth0"));
	assert_true(ping(lab, PEER_6));
	assert_true(lab_run("ping -c 1 -W 1 -I 192.0.2.1 10.65.0.2 >/dev/null"));
	/* A pod's policy does not keep its own node out (probes), but is kept towards it. */
	world_add(&world, (char[]){"np/default/in"}, (struct compiled_rules){NULL, 0},
		  POLICY_WAY_INGRESS, /* pass= */ false);
	world_add(&world, (char[]){"np/default/out"}, (struct compiled_rules){NULL, 0},
		  POLICY_WAY_EGRESS, /* pass= */ false);
	tell(lab, &world);
	assert_false(ping(lab, "192.0.2.1"));
	assert_true(lab_run("ping -c 1 -W 1 10.65.0.3 >/dev/null"));
	assert_true(lab_run("ping -c 1 -W 1 10.65.0.2 >/dev/null"));
	world_deinit(&world);
}

static void test_router_advert(void **state)
{
	struct lab *lab = *state;
	_cleanup_close_ int own = -1;
	_cleanup_close_ int fd = -1;
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};
	static const uint8_t advert[16] = {134};
	struct world world;

	world_init(&world);
	tell(lab, &world);
	assert_int_equal(netns_open_self(&own, NULL), 0);
	assert_int_equal(netns_enter(lab->pods[0], NULL), 0);
	fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	assert_int_equal(inet_pton(AF_INET6, "fd65::3", &to.sin6_addr), 1);
	assert_int_equal(sendto(fd, advert, sizeof(advert), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(advert));
	assert_int_equal(netns_enter(own, NULL), 0);
	assert_true(lab_says("nft list chain ip6 calico raw-cali-PREROUTING",
			     "nd-router-advert iifname \"cali*\" counter packets 1"));
}

/* 203.0.113.2 and .3 outside, this node is 203.0.113.1 on "out0". */
static void wire_outside(struct lab *lab)
{
	_cleanup_free_ char *command = NULL;

	lab->pods[OUTSIDE] = other_netns();
	command = xasprintf("ip link add out0 type veth peer name eth0 netns /proc/%d/fd/%d && "
			    "ip addr add 203.0.113.1/24 dev out0 && ip link set out0 up",
			    (int)getpid(), lab->pods[OUTSIDE]);
	assert_true(lab_run(command));
	assert_true(in_pod(lab, OUTSIDE,
			   "ip link set lo up; ip link set eth0 up; "
			   "ip addr add 203.0.113.2/24 dev eth0; "
			   "ip addr add 203.0.113.3/24 dev eth0; "
			   "ip route add default via 203.0.113.1"));
}

static void test_tunnel_sources(void **state)
{
	struct lab *lab = *state;
	struct policy_config config = default_config();
	struct policy_set set = {.id = {POLICY_SET_ALL_VXLAN}, .type = POLICY_SET_TYPE_NET};
	struct policy_member node = {.net = test_net("203.0.113.2/32")};
	struct policy_set_change change = {
		.set = &set, .is_new = true, .added = &node, .n_added = 1};
	struct policy_update update = {.sets = &change, .n_sets = 1};
	_cleanup_close_ int known = -1;
	_cleanup_close_ int unknown = -1;
	_cleanup_close_ int host = -1;

	wire_outside(lab);
	known = udp_socket(lab, OUTSIDE, "203.0.113.2", 4789);
	unknown = udp_socket(lab, OUTSIDE, "203.0.113.3", 4789);
	host = udp_socket(lab, HOST, "203.0.113.1", 4789);
	policy_table_configure(lab->table, &config);
	policy_table_update(lab->table, &update);
	apply(lab);
	assert_true(reaches(known, host) && reaches(unknown, host));
	config.vxlan_port = 4789;
	policy_table_configure(lab->table, &config);
	apply(lab);
	assert_true(reaches(known, host));
	assert_false(reaches(unknown, host));
	node.net = test_net("203.0.113.3/32");
	change.is_new = false;
	policy_table_update(lab->table, &update);
	apply(lab);
	assert_true(reaches(unknown, host));
	assert_true(lab_run("ip link del out0"));
	(void)fd_close(lab->pods[OUTSIDE]);
}

/* A host endpoint on "out0" whose policy lets UDP port 1000 in, at the stage that is told. */
static void tell_host_endpoint(struct lab *lab, enum policy_stage stage, const char *interface)
{
	static struct failsafe failsafe = {.protocol = 17, .port = 68};
	static char key[] = "gnp/host";
	static char tier_name[] = "default";
	static struct port_range ports = {1000, 1000};
	struct policy_config config = default_config();
	struct compiled_rule rule = test_rule(POLICY_ACTION_ALLOW);
	struct compiled_policy policy = {
		.key = key, .tier = tier_name, .rules = {{&rule, 1}, {NULL, 0}}, .applies = {true}};
	const struct compiled_policy *policies[] = {&policy};
	struct endpoint_tier tier = {
		.name = tier_name, .enforced = true, .policies = policies, .n_policies = 1};
	struct policy_endpoint endpoint = {
		.key = "hep/out", .is_host = true, .interface = interface};
	const struct policy_endpoint *endpoints[] = {&endpoint};
	struct policy_update update = {
		.policies = policies, .n_policies = 1, .endpoints = endpoints, .n_endpoints = 1};
	struct world world;

	rule.protocol = 17;
	rule.destination.ports = &ports;
	rule.destination.n_ports = 1;
	policy.pre_dnat = stage == POLICY_STAGE_PRE_DNAT;
	policy.do_not_track = stage == POLICY_STAGE_UNTRACKED;
	endpoint.tiers[stage][POLICY_WAY_INGRESS] = (struct endpoint_tiers){&tier, 1};
	world_init(&world);
	if (stage == POLICY_STAGE_NORMAL) {
		config.failsafes[POLICY_WAY_INGRESS] = &failsafe;
		config.n_failsafes[POLICY_WAY_INGRESS] = 1;
	}
	policy_table_configure(lab->table, &config);
	policy_table_update(lab->table, &world.update);
	policy_table_update(lab->table, &update);
	apply(lab);
}

static void check_host_endpoint(struct lab *lab, const char *interface)
{
	_cleanup_close_ int from = udp_socket(lab, OUTSIDE, "203.0.113.2", 0);
	_cleanup_close_ int allowed = udp_socket(lab, HOST, "203.0.113.1", 1000);
	_cleanup_close_ int denied = udp_socket(lab, HOST, "203.0.113.1", 1001);
	_cleanup_close_ int safe = udp_socket(lab, HOST, "203.0.113.1", 68);
	_cleanup_close_ int pod_allowed = udp_socket(lab, 1, PEER_4, 1000);
	_cleanup_close_ int pod_denied = udp_socket(lab, 1, PEER_4, 1001);

	tell_host_endpoint(lab, POLICY_STAGE_NORMAL, interface);
	assert_true(reaches(from, allowed) && reaches(from, safe) && reaches(from, pod_denied));
	assert_false(reaches(from, denied));
	tell_host_endpoint(lab, POLICY_STAGE_FORWARD, interface);
	assert_true(reaches(from, pod_allowed));
	assert_false(reaches(from, pod_denied));
}

static void test_host_endpoint(void **state)
{
	struct lab *lab = *state;

	wire_outside(lab);
	check_host_endpoint(lab, "out0");
	check_host_endpoint(lab, "*");
	assert_true(lab_run("ip link del out0"));
	(void)fd_close(lab->pods[OUTSIDE]);
}

/*
 * Hosts' egress is judged behind routing as well, where the kernel takes no answer: with them it is
 * dropped there, and on the way in still answered.
 */
static void test_host_reject(void **state)
{
	static char key[] = "np/default/test";
	struct lab *lab = *state;
	struct policy_config config = default_config();
	struct policy_endpoint host = {.key = "hep/out", .is_host = true, .interface = "*"};
	const struct policy_endpoint *endpoints[] = {&host};
	struct policy_update update = {.endpoints = endpoints, .n_endpoints = 1};
	const char *const gone[] = {"hep/out"};
	struct policy_update without = {.endpoints_gone = gone, .n_endpoints_gone = 1};
	struct world world;

	world_init(&world);
	world_add(&world, key, (struct compiled_rules){NULL, 0}, POLICY_WAY_EGRESS,
		  /* pass= */ false);
	world_add(&world, (char[]){"np/default/in"}, (struct compiled_rules){NULL, 0},
		  POLICY_WAY_INGRESS, /* pass= */ false);
	config.reject = true;
	tell(lab, &world);
	policy_table_configure(lab->table, &config);
	apply(lab);
	assert_true(in_pod(lab, 0, "ping -c 1 -W 1 " PEER_4 " | grep -q Unreachable"));
	policy_table_update(lab->table, &update);
	apply(lab);
	assert_false(in_pod(lab, 0, "ping -c 1 -W 1 " PEER_4 " | grep -q Unreachable"));
	policy_table_configure(lab->table, &config);
	apply(lab);
	policy_table_update(lab->table, &without);
	apply(lab);
	assert_true(in_pod(lab, 0, "ping -c 1 -W 1 " PEER_4 " | grep -q Unreachable"));
	world_deinit(&world);
}

/* What is allowed early is not judged again; what is not is judged as ever. */
static void test_host_early(void **state)
{
	static const enum policy_stage stages[] = {POLICY_STAGE_PRE_DNAT, POLICY_STAGE_UNTRACKED};
	struct lab *lab = *state;

	wire_outside(lab);
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		_cleanup_close_ int from = udp_socket(lab, OUTSIDE, "203.0.113.2", 0);
		_cleanup_close_ int allowed = udp_socket(lab, HOST, "203.0.113.1", 1000);
		_cleanup_close_ int denied = udp_socket(lab, HOST, "203.0.113.1", 1001);

		tell_host_endpoint(lab, stages[i], "out0");
		assert_true(reaches(from, allowed));
		assert_false(reaches(from, denied)); /* no policy, no profile */
	}
	assert_true(lab_run("ip link del out0"));
	(void)fd_close(lab->pods[OUTSIDE]);
}

/* --- Others ------------------------------------------------------------------------------- */

static void test_others(void **state)
{
	struct lab *lab = *state;
	static const char *const damages[] = {
		"nft flush ruleset",
		"nft delete table ip6 calico",
		"nft flush table ip calico",
		"nft insert rule ip calico filter-cali-FORWARD accept",
		"nft delete element ip calico cali-to-wl-dispatch '{ \"calib\" }'",
		"nft add element ip calico cali-wl-sources '{ \"calia\" . 1.2.3.4 }'",
		"nft add chain ip calico other; nft add set ip calico more '{ type mark; }'",
	};
	struct world world;

	world_init(&world);
	tell(lab, &world);
	assert_false(policy_table_check(lab->table));
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct pollfd fd = {.fd = policy_table_fd(lab->table), .events = POLLIN};

		assert_true(lab_run(damages[i]));
		assert_int_equal(poll(&fd, 1, 1000), 1);
		assert_true(policy_table_check(lab->table));
		apply(lab);
		assert_true(policy_table_changed(lab->table));
		assert_false(policy_table_check(lab->table));
		policy_table_invalidate(lab->table);
		apply(lab);
		assert_false(policy_table_changed(lab->table));
	}
	assert_true(ping(lab, PEER_4) && ping(lab, PEER_6));
	/* What other tables drop stays dropped, what they accept does not pass ours. */
	assert_true(lab_run("nft add table inet firewalld; nft add chain inet firewalld f "
			    "'{ type filter hook forward priority 10; }'; "
			    "nft add rule inet firewalld f meta l4proto icmp drop"));
	assert_false(policy_table_check(lab->table));
	assert_false(ping(lab, PEER_4));
	assert_true(ping(lab, PEER_6));
	assert_true(lab_run("nft flush chain inet firewalld f; nft add rule inet firewalld f "
			    "accept"));
	world.endpoints[1].n_profiles = 0;
	tell(lab, &world);
	assert_false(ping(lab, PEER_4));
	assert_true(lab_says("nft list tables", "table inet firewalld"));
}

static void test_counters(void **state)
{
	struct lab *lab = *state;
	struct compiled_rule rules[] = {test_rule(POLICY_ACTION_DENY),
					test_rule(POLICY_ACTION_ALLOW)};

	rules[0].protocol = 6;
	rules[1].protocol = 1;
	tell_rules(lab, rules, 2);
	assert_true(ping(lab, PEER_4));
	assert_true(lab_says("nft list chain ip calico cali-pi-np/default/test",
			     "meta l4proto icmp counter packets 1 bytes 84 accept"));
	rules[0].protocol = 17;
	tell_rules(lab, rules, 2);
	assert_true(lab_says("nft list chain ip calico cali-pi-np/default/test",
			     "meta l4proto udp counter packets 0 bytes 0 drop"));
	assert_true(lab_says("nft list chain ip calico cali-pi-np/default/test",
			     "meta l4proto icmp counter packets 1 bytes 84 accept"));
}

static void test_logs(void **state)
{
	struct lab *lab = *state;
	struct policy_config config = default_config();
	struct compiled_rule rules[] = {test_rule(POLICY_ACTION_LOG),
					test_rule(POLICY_ACTION_ALLOW)};

	tell_rules(lab, rules, 2);
	assert_true(lab_says("nft list chain ip calico cali-pi-np/default/test",
			     "log prefix \"calico-packet: \" level notice"));
	config.log_limit = (struct policy_log_limit){.rate = 1, .seconds = 3600, .burst = 1};
	config.flow_log = true;
	config.log_prefix = "%t %k %n %p %x";
	policy_table_configure(lab->table, &config);
	apply(lab);
	assert_true(lab_says("nft list chain ip calico cali-pi-np/default/test",
			     "limit rate 1/hour burst 1 packets log prefix \"default np test "
			     "default/test %x: \" level notice"));
	assert_true(lab_says("nft list chain ip calico cali-pi-np/default/test",
			     "log prefix \"API1|np/default/test\" group 1 accept"));
	assert_true(
		lab_says("nft list table ip6 calico", "log prefix \"DTI|default\" group 1 drop"));
	assert_true(lab_says("nft list table ip calico",
			     "log prefix \"ARE0|pro/kns.default\" group 2 accept"));
	assert_true(ping(lab, PEER_4) && ping(lab, PEER_6) && ping(lab, PEER_4));
}

static void test_tunnels_of_pods(void **state)
{
	struct lab *lab = *state;
	struct policy_config config = default_config();
	_cleanup_close_ int a = udp_socket(lab, 0, "10.65.0.2", 1111);
	_cleanup_close_ int b = udp_socket(lab, 1, PEER_4, 4789);
	struct world world;

	world_init(&world);
	tell(lab, &world);
	assert_false(reaches(a, b));
	config.workloads_may_send_vxlan = true;
	policy_table_configure(lab->table, &config);
	apply(lab);
	assert_true(reaches(a, b));
}

/* --- While packets flow ------------------------------------------------------------------- */

#define SWITCHES 500

/* Sends to both ports of "b" without a pause, until it is told to stop; how often. */
static unsigned int flood(const struct lab *lab, int stop)
{
	struct pollfd fd = {.fd = stop, .events = POLLIN};
	struct sockaddr_in to = {.sin_family = AF_INET};
	int from = udp_socket(lab, 0, "10.65.0.2", 1111);
	unsigned int n = 0;

	(void)inet_pton(AF_INET, PEER_4, &to.sin_addr);
	for (; poll(&fd, 1, 0) == 0; n++) {
		to.sin_port = htons(2222);
		(void)sendto(from, "a", 1, 0, (struct sockaddr *)&to, sizeof(to));
		to.sin_port = htons(3333);
		(void)sendto(from, "d", 1, 0, (struct sockaddr *)&to, sizeof(to));
	}
	return n;
}

static unsigned int drain_socket(int fd)
{
	unsigned int n = 0;
	char c;

	while (recv(fd, &c, 1, MSG_DONTWAIT) == 1)
		n++;
	return n;
}

/*
 * Port 2222 is allowed and 3333 is denied by each of the policies that take turns, by a rule here
 * and in a set of many there. Not one packet may see anything else.
 */
static void tell_turn(struct lab *lab, struct compiled_rule *rules, struct port_range *ports,
		      size_t n, unsigned int turn)
{
	static char keys[2][20] = {"np/default/test", "np/default/other"};

	for (size_t i = 0; i < n; i++) {
		rules[i] = test_rule(i < n / 2 ? POLICY_ACTION_DENY : POLICY_ACTION_ALLOW);
		rules[i].protocol = 17;
		ports[i].first = (uint16_t)(10000 + turn * 7 % 1000 + i);
		if (i == (turn % 2 ? 0 : n / 2 - 1))
			ports[i].first = 3333;
		if (i == (turn % 2 ? n - 1 : n / 2))
			ports[i].first = 2222;
		ports[i].last = ports[i].first;
		rules[i].destination.ports = &ports[i];
		rules[i].destination.n_ports = 1;
	}
	/* A last rule that allows all: only the denying one keeps 3333 out. */
	rules[n] = test_rule(POLICY_ACTION_ALLOW);
	rules[n].protocol = 17;
	/* Another policy every other time: then the endpoint's chain is another one, too. */
	tell_policy(lab, keys[turn / 2 % 2], rules, turn % 3 ? n + 1 : n);
}

static void test_no_gap(void **state)
{
	struct lab *lab = *state;
	struct compiled_rule rules[33];
	struct port_range ports[33];
	_cleanup_close_ int allowed = udp_socket(lab, 1, PEER_4, 2222);
	_cleanup_close_ int denied = udp_socket(lab, 1, PEER_4, 3333);
	int room = 256 << 20;
	unsigned int sent = 0;
	int stop[2];
	int count[2];
	pid_t child;

	assert_int_equal(setsockopt(allowed, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC) | pipe2(count, O_CLOEXEC), 0);
	tell_turn(lab, rules, ports, 32, 0);
	child = fork();
	if (child == 0) {
		sent = flood(lab, stop[0]);
		_exit(write(count[1], &sent, sizeof(sent)) == sizeof(sent) ? 0 : 1);
	}
	for (unsigned int turn = 1; turn < SWITCHES; turn++) {
		if (turn % 10 == 0)
			policy_table_invalidate(lab->table); /* as a start does */
		tell_turn(lab, rules, ports, 32, turn);
	}
	assert_int_equal(write(stop[1], "x", 1), 1);
	assert_int_equal(read(count[0], &sent, sizeof(sent)), sizeof(sent));
	assert_int_equal(waitpid(child, NULL, 0), child);
	print_message("%u packets of each\n", sent);
	assert_true(sent > 1000);
	assert_int_equal(drain_socket(denied), 0);
	assert_int_equal(drain_socket(allowed), sent);
	for (size_t i = 0; i < 2; i++) {
		(void)fd_close(stop[i]);
		(void)fd_close(count[i]);
	}
}

static void test_unknown_interface(void **state)
{
	struct lab *lab = *state;
	struct world world;

	world_init(&world);
	world.update.n_endpoints = 1;
	tell(lab, &world);
	assert_false(ping(lab, PEER_4));
	assert_false(in_pod(lab, 1, "ping -c 1 -W 1 192.0.2.1"));
	world.update.n_endpoints = 2;
	tell(lab, &world);
	assert_true(ping(lab, PEER_4));
	assert_true(in_pod(lab, 1, "ping -c 1 -W 1 192.0.2.1"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
	cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
	cmocka_unit_test_setup_teardown(test_reject, setup, teardown),
	cmocka_unit_test_setup_teardown(test_host_reject, setup, teardown),
	cmocka_unit_test_setup_teardown(test_host, setup, teardown),
	cmocka_unit_test_setup_teardown(test_router_advert, setup, teardown),
	cmocka_unit_test_setup_teardown(test_tunnel_sources, setup, teardown),
	cmocka_unit_test_setup_teardown(test_host_endpoint, setup, teardown),
	cmocka_unit_test_setup_teardown(test_host_early, setup, teardown),
	cmocka_unit_test_setup_teardown(test_others, setup, teardown),
	cmocka_unit_test_setup_teardown(test_counters, setup, teardown),
	cmocka_unit_test_setup_teardown(test_logs, setup, teardown),
	cmocka_unit_test_setup_teardown(test_tunnels_of_pods, setup, teardown),
	cmocka_unit_test_setup_teardown(test_no_gap, setup, teardown),
	cmocka_unit_test_setup_teardown(test_unknown_interface, setup, teardown),
	cmocka_unit_test_setup_teardown(test_profile_alone, setup, teardown),
	cmocka_unit_test_setup_teardown(test_default_deny, setup, teardown),
	cmocka_unit_test_setup_teardown(test_spoofing, setup, teardown),
	cmocka_unit_test_setup_teardown(test_one_family, setup, teardown),
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
