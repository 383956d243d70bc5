/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What policy costs by each of the dataplanes, in network namespaces of their own: a change of a
 * set down to the kernel's answer, and the way of a connection's first packet past many rules.
 * Prints one line per number.
 */

#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "iptables/policy-iptables.h"
#include "netlink/netns.h"
#include "netlink/test-lab.h"
#include "nft/test-policy-table.h"

#define CHANGES	   2000
#define PACKETS	   2000 /* in less time than the scheduler gives */
#define ROUNDS_MAX 61

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void apply(const struct policy_driver *driver)
{
	struct err err = ERR_INIT;

	if (driver->ops->apply(driver->self, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
}

static struct cidr host(unsigned int n)
{
	struct ip_addr addr = ip_from_u32(n);

	return cidr_host(&addr);
}

struct backend {
	const char *name;
	int iptables; /* enum iptables_backend; -1: nftables */
	int rounds;
	const char *targets[3]; /* of a member more; of the ways past 1,000 and 10,000 rules */
};

static const struct backend backends[] = {
	{"nft", -1, 61, {"<=50", "<=1.1", "<=1.2"}},
	{"iptables-legacy", IPTABLES_LEGACY, 5, {"", "", ""}},
	{"iptables-nft", IPTABLES_NFT, 5, {"", "", ""}},
};

static struct policy_driver open_driver(const struct backend *backend)
{
	static const char *const prefixes[] = {"cali"};
	struct policy_config config = {.log_prefix = "bench",
				       .endpoint_to_host = ENDPOINT_TO_HOST_ACCEPT,
				       .workload_prefixes = prefixes,
				       .n_workload_prefixes = 1};
	const struct nat_config no_nat = {.n_pools = 0};
	struct policy_driver driver = {.ops = NULL};
	struct policy_table *table;
	struct err err = ERR_INIT;
	int r;

	if (backend->iptables >= 0) {
		r = policy_iptables_open((enum iptables_backend)backend->iptables, &driver, &err);
	} else {
		r = policy_table_open(-1, &table, &err);
		if (r == 0)
			driver = policy_table_driver(table);
	}
	if (r < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	driver.ops->configure(driver.self, &config);
	driver.ops->nat(driver.self, &no_nat);
	return driver;
}

static void bench_sets(const struct backend *backend, const struct policy_driver *driver,
		       unsigned int members)
{
	struct policy_set set = {.id = {"s:bench"}, .type = POLICY_SET_TYPE_NET};
	struct policy_member *v = xcalloc(members, sizeof(*v));
	struct policy_set_change change = {
		.set = &set, .is_new = true, .added = v, .n_added = members};
	struct policy_update update = {.sets = &change, .n_sets = 1};
	struct policy_member one = {.net = host(0x0b000000)};
	double start = now_us();

	for (unsigned int i = 0; i < members; i++)
		v[i].net = host(0x0a000000 + i);
	driver->ops->update(driver->self, &update);
	apply(driver);
	printf("%s-set-%u-made %.2f ms\n", backend->name, members, (now_us() - start) / 1e3);
	start = now_us();
	for (unsigned int i = 0; i < CHANGES; i++) {
		change = (struct policy_set_change){.set = &set};
		one.net = host(0x0b000000 + i);
		change.added = &one;
		change.n_added = 1;
		driver->ops->update(driver->self, &update);
		apply(driver);
	}
	printf("%s-set-%u-member %.2f us %s a member more, mean of %d\n", backend->name, members,
	       (now_us() - start) / CHANGES, backend->targets[0], CHANGES);
	driver->ops->update(driver->self,
			    &(struct policy_update){.sets_gone = &set.id, .n_sets_gone = 1});
	apply(driver);
	free(v);
}

/* --- First packets ------------------------------------------------------------------------ */

/* A socket on the pod's end of calia. The way on is calib, which goes nowhere. */
static int wire_up(void)
{
	_cleanup_close_ int own = -1;
	_cleanup_close_ int pod = -1;
	char command[1024];
	struct sockaddr_ll addr = {.sll_family = AF_PACKET};
	int fd;

	if (netns_open_self(&own, NULL) < 0 || unshare(CLONE_NEWNET) < 0 ||
	    netns_open_self(&pod, NULL) < 0)
		exit(1);
	if (netns_enter(own, NULL) < 0)
		exit(1);
	(void)snprintf(command, sizeof(command),
		       "ip link add calia type veth peer name eth0 netns /proc/%d/fd/%d && "
		       "ip link set calia address ee:ee:ee:ee:ee:ee up && "
		       "nsenter --net=/proc/%d/fd/%d ip link set eth0 up && "
		       "ip link add calib type veth peer name eth1 netns /proc/%d/fd/%d && "
		       "ip link set calib up && "
		       "ip route add 10.65.0.3 dev calib && ip route add 10.65.0.2 dev calia && "
		       "ip neigh add 10.65.0.3 lladdr aa:aa:aa:aa:aa:aa dev calib nud permanent && "
		       "echo 1 >/proc/sys/net/ipv4/ip_forward",
		       (int)getpid(), pod, (int)getpid(), pod, (int)getpid(), pod);
	if (!lab_run(command) || netns_enter(pod, NULL) < 0)
		exit(1);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	addr.sll_ifindex = (int)if_nametoindex("eth0");
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    netns_enter(own, NULL) < 0)
		exit(1);
	return fd;
}

/* UDP from 10.65.0.2 to port 9 of 10.65.0.3. */
static const uint8_t frame[] = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xaa, 0xaa, 0xaa, 0xaa,
				0xaa, 0xaa, 0x08, 0x00, 0x45, 0,    0,	  32,	0,    0,
				0,    0,    64,	  17,	0x66, 0x47, 10,	  65,	0,    2,
				10,   65,   0,	  3,	1,    1,    0,	  9,	0,    12,
				0,    0,    1,	  2,	3,    4};

/* A policy of n rules of one prefix and port each, none of which matches the packet. */
static void tell_rules(const struct policy_driver *driver, unsigned int n)
{
	static char key[] = "np/default/bench";
	static char profile_key[] = "pro/kns.default";
	static char tier_name[] = "default";
	struct compiled_rule *rules = xcalloc(n, sizeof(*rules));
	struct cidr *nets = xcalloc(n, sizeof(*nets));
	struct port_range port = {80, 80};
	struct compiled_rule allow = test_rule(POLICY_ACTION_ALLOW);
	struct compiled_policy policy = {.key = key, .tier = tier_name};
	struct compiled_policy profile = {.key = profile_key};
	const struct compiled_policy *policies[] = {&policy, &profile};
	const struct compiled_policy *profiles[] = {&profile};
	struct cidr addrs[] = {host(0x0a410002), host(0x0a410003)};
	struct endpoint_tier tier = {
		.name = tier_name, .enforced = true, .policies = policies, .n_policies = 1};
	struct policy_endpoint pods[] = {
		{.key = "wep/a", .interface = "calia", .addrs = &addrs[0], .n_addrs = 1},
		{.key = "wep/b", .interface = "calib", .addrs = &addrs[1], .n_addrs = 1}};
	const struct policy_endpoint *endpoints[] = {&pods[0], &pods[1]};
	struct policy_update update = {
		.policies = policies, .n_policies = 2, .endpoints = endpoints, .n_endpoints = 2};

	for (unsigned int i = 0; i < n; i++) {
		nets[i] = (struct cidr){ip_from_u32(0x0c000000 + (i << 8)), 24};
		rules[i] = test_rule(POLICY_ACTION_ALLOW);
		rules[i].protocol = IPPROTO_UDP;
		rules[i].source.nets = &nets[i];
		rules[i].source.n_nets = 1;
		rules[i].destination.ports = &port;
		rules[i].destination.n_ports = 1;
	}
	policy.applies[POLICY_WAY_INGRESS] = true;
	policy.rules[POLICY_WAY_INGRESS] = (struct compiled_rules){rules, n};
	for (size_t way = 0; way < POLICY_WAYS_; way++)
		profile.rules[way] = (struct compiled_rules){&allow, 1};
	for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
		pods[i].profiles = profiles;
		pods[i].n_profiles = 1;
	}
	pods[1].tiers[POLICY_STAGE_NORMAL][POLICY_WAY_INGRESS] = (struct endpoint_tiers){&tier, 1};
	driver->ops->update(driver->self, &update);
	apply(driver);
	free(rules);
	free(nets);
}

/* The time of a packet that is denied behind all rules: every one is a connection's first. */
static double first_packet(int fd)
{
	double start = now_us();

	for (unsigned int i = 0; i < PACKETS; i++)
		(void)send(fd, frame, sizeof(frame), 0);
	return (now_us() - start) / PACKETS;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The sizes take turns, so that what else the machine does hits all of them. */
static void bench_packets(const struct backend *backend, const struct policy_driver *driver)
{
	static const unsigned int sizes[] = {10, 1000, 10000};
	double packets[ARRAY_SIZE(sizes)][ROUNDS_MAX];
	double making[ARRAY_SIZE(sizes)][ROUNDS_MAX];
	int fd = wire_up();

	for (int round = 0; round < backend->rounds; round++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			double start = now_us();

			tell_rules(driver, sizes[i]);
			making[i][round] = now_us() - start;
			(void)first_packet(fd); /* the caches are as they were */
			packets[i][round] = first_packet(fd);
		}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		qsort(packets[i], (size_t)backend->rounds, sizeof(double), compare_doubles);
		qsort(making[i], (size_t)backend->rounds, sizeof(double), compare_doubles);
		printf("%s-rules-%u-made %.2f ms\n", backend->name, sizes[i],
		       making[i][backend->rounds / 2] / 1e3);
		printf("%s-rules-%u-packet %.3f us a connection's first, median\n", backend->name,
		       sizes[i], packets[i][backend->rounds / 2]);
		if (i)
			printf("%s-rules-%u-ratio %.3f times %s what it takes past 10\n",
			       backend->name, sizes[i],
			       packets[i][backend->rounds / 2] / packets[0][backend->rounds / 2],
			       backend->targets[i]);
	}
	(void)close(fd);
}

static bool is_there(const struct backend *backend)
{
	return backend->iptables < 0 ||
	       (iptables_installed((enum iptables_backend)backend->iptables, AF_INET) &&
		iptables_installed((enum iptables_backend)backend->iptables, AF_INET6));
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		const struct backend *backend = &backends[i];
		struct policy_driver driver;

		if (!is_there(backend))
			continue;
		lab_enter();
		driver = open_driver(backend);
		bench_sets(backend, &driver, 100);
		bench_sets(backend, &driver, 10000);
		bench_sets(backend, &driver, 100000);
		bench_packets(backend, &driver);
		driver = policy_driver_close(driver);
	}
	return 0;
}
