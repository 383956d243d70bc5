/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Random policies, random packets: what comes through the kernel is what a plain reading of the
 * rules says. Packets are put on the wire as they are, so every address, protocol and port can be
 * had; what arrives is seen on the other pod's link. After each round the kernel's table is read
 * back, which must find nothing to do.
 */

#include "nft/policy-table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "netlink/netns.h"
#include "netlink/test-lab.h"
#include "nft/test-policy-table.h"
#include "policy/policy-replay.h"

#define ROUNDS	    60
#define PROBES	    150 /* of each family and round */
#define N_SETS	    4
#define N_PORT_SETS 2
#define MEMBERS_MAX 24
#define N_RULES	    40
#define POLICIES    6
#define ITEMS	    6
#define HOSTS	    16 /* addresses of each side */

/* --- Chance ------------------------------------------------------------------------------- */

struct chance {
	uint64_t state;
};

static unsigned int pick(struct chance *chance, unsigned int n)
{
	chance->state = chance->state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(chance->state >> 33) % n;
}

static bool one_in(struct chance *chance, unsigned int n)
{
	return pick(chance, n) == 0;
}

/* Sources are 10.80.0.x and fd80::x, destinations 10.81.0.x and fd81::x. */
static struct ip_addr host_of(uint8_t family, bool destination, unsigned int i)
{
	char text[32];
	struct ip_addr addr;

	(void)snprintf(text, sizeof(text), family == AF_INET ? "10.8%d.0.%u" : "fd8%d::%x",
		       destination, i);
	assert_int_equal(ip_parse(text, &addr, NULL), 0);
	return addr;
}

static struct cidr random_net(struct chance *chance)
{
	uint8_t family = one_in(chance, 2) ? AF_INET : AF_INET6;
	static const uint8_t lens[] = {0, 4, 1, 1, 0, 0, 2, 3};
	struct ip_addr addr = host_of(family, one_in(chance, 2), pick(chance, HOSTS));
	struct cidr net = {.addr = addr, .len = (uint8_t)ip_bits(family)};

	net.len = (uint8_t)(net.len - lens[pick(chance, ARRAY_SIZE(lens))]);
	if (one_in(chance, 20))
		net.len = (uint8_t)pick(chance, 9);
	return cidr_masked(&net);
}

static const uint16_t ports[] = {1, 53, 80, 443, 8080, 65535};

static struct port_range random_ports(struct chance *chance)
{
	uint16_t port = ports[pick(chance, ARRAY_SIZE(ports))];
	struct port_range range = {port, port};

	if (one_in(chance, 3))
		range.last = (uint16_t)MIN(65535u, port + pick(chance, 1000));
	return range;
}

/* --- Rules -------------------------------------------------------------------------------- */

/* What the arrays of a rule point to. */
struct rule_items {
	struct cidr nets[4][ITEMS];
	struct port_range ports[4][ITEMS];
	struct policy_set_id sets[8][2];
};

struct random_policy {
	char key[32];
	struct compiled_policy policy;
	struct compiled_rule rules[POLICY_WAYS_][N_RULES];
	struct rule_items items[POLICY_WAYS_][N_RULES];
};

static struct policy_set_id set_id(bool ports_too, unsigned int i)
{
	struct policy_set_id id;

	(void)snprintf(id.s, sizeof(id.s), "%s:%u", ports_too ? "n" : "s", i);
	return id;
}

/* Sets first, then those with ports. */
static struct policy_set policy_set(unsigned int i)
{
	bool with_ports = i >= N_SETS;

	return (struct policy_set){.id = set_id(with_ports, with_ports ? i - N_SETS : i),
				   .type = with_ports ? POLICY_SET_TYPE_PORT : POLICY_SET_TYPE_NET};
}

static void random_side(struct chance *chance, struct compiled_side *side, struct rule_items *items,
			unsigned int which, bool has_ports, bool plain)
{
	if (one_in(chance, 2)) {
		side->nets = items->nets[which];
		side->n_nets = 1 + pick(chance, ITEMS);
	}
	if (!plain && one_in(chance, 4)) {
		side->not_nets = items->nets[which + 2];
		side->n_not_nets = 1 + pick(chance, 2);
	}
	for (unsigned int i = 0; i < ITEMS; i++) {
		items->nets[which][i] = random_net(chance);
		items->nets[which + 2][i] = random_net(chance);
		items->ports[which][i] = random_ports(chance);
		items->ports[which + 2][i] = random_ports(chance);
	}
	for (unsigned int i = 0; i < 2; i++) {
		items->sets[which][i] = set_id(false, pick(chance, N_SETS));
		items->sets[which + 2][i] = set_id(false, pick(chance, N_SETS));
		items->sets[which + 4][i] = set_id(true, pick(chance, N_PORT_SETS));
		items->sets[which + 6][i] = set_id(true, pick(chance, N_PORT_SETS));
	}
	if (has_ports && one_in(chance, 2)) {
		side->ports = items->ports[which];
		side->n_ports = 1 + pick(chance, ITEMS);
	}
	if (plain)
		return;
	if (has_ports && one_in(chance, 6)) {
		side->not_ports = items->ports[which + 2];
		side->n_not_ports = 1 + pick(chance, 2);
	}
	if (one_in(chance, 6)) {
		side->sets = items->sets[which];
		side->n_sets = 1 + pick(chance, 2);
	}
	if (one_in(chance, 8)) {
		side->not_sets = items->sets[which + 2];
		side->n_not_sets = 1 + pick(chance, 2);
	}
	if (has_ports && one_in(chance, 8)) {
		side->port_sets = items->sets[which + 4];
		side->n_port_sets = 1 + pick(chance, 2);
	}
	if (has_ports && one_in(chance, 10)) {
		side->not_port_sets = items->sets[which + 6];
		side->n_not_port_sets = 1;
	}
}

static void random_icmp(struct chance *chance, struct compiled_rule *rule)
{
	int16_t echo = rule->protocol == 1 ? 8 : 128;

	if (one_in(chance, 2)) {
		rule->icmp_type = echo;
		rule->icmp_code = one_in(chance, 2) ? POLICY_ANY : (int16_t)pick(chance, 2);
	}
	if (one_in(chance, 4)) {
		rule->not_icmp_type = echo;
		rule->not_icmp_code = one_in(chance, 2) ? POLICY_ANY : 1;
	}
}

static struct compiled_rule random_rule(struct chance *chance, struct rule_items *items,
					enum policy_action action, bool plain)
{
	static const uint8_t protocols[] = {6, 17, 17, 1, 58};
	struct compiled_rule rule = test_rule(action);
	bool has_ports = false;

	if (one_in(chance, 2)) {
		rule.protocol = protocols[pick(chance, ARRAY_SIZE(protocols))];
		has_ports = rule.protocol == 6 || rule.protocol == 17;
		if (!plain && !has_ports)
			random_icmp(chance, &rule);
	} else if (!plain && one_in(chance, 4)) {
		rule.not_protocol = protocols[pick(chance, ARRAY_SIZE(protocols))];
	}
	if (!plain && one_in(chance, 8))
		rule.family = one_in(chance, 2) ? AF_INET : AF_INET6;
	random_side(chance, &rule.source, items, 0, has_ports, plain);
	random_side(chance, &rule.destination, items, 1, has_ports, plain);
	return rule;
}

static enum policy_action random_action(struct chance *chance)
{
	static const enum policy_action actions[] = {
		POLICY_ACTION_ALLOW, POLICY_ACTION_ALLOW, POLICY_ACTION_ALLOW, POLICY_ACTION_DENY,
		POLICY_ACTION_DENY,  POLICY_ACTION_PASS,  POLICY_ACTION_LOG};

	return actions[pick(chance, ARRAY_SIZE(actions))];
}

/* Half of the policies are lists of plain rules with few changes of action: they merge. */
static void random_policy(struct chance *chance, struct random_policy *policy, unsigned int number)
{
	static char tier[] = "default";

	(void)snprintf(policy->key, sizeof(policy->key), "np/default/p%u", number);
	policy->policy = (struct compiled_policy){.key = policy->key, .tier = tier};
	policy->policy.staged = one_in(chance, 10);
	for (unsigned int way = 0; way < POLICY_WAYS_; way++) {
		bool plain = one_in(chance, 2);
		enum policy_action action = random_action(chance);
		size_t n = pick(chance, plain ? N_RULES : 8);

		for (size_t i = 0; i < n; i++) {
			if (!plain || one_in(chance, 10))
				action = random_action(chance);
			policy->rules[way][i] =
				random_rule(chance, &policy->items[way][i], action, plain);
			if (one_in(chance, 300)) {
				policy->rules[way][i] = test_rule(POLICY_ACTION_DENY);
				policy->rules[way][i].unreadable = true;
			}
		}
		policy->policy.rules[way] = (struct compiled_rules){policy->rules[way], n};
		policy->policy.applies[way] = true;
	}
}

/* --- The world ---------------------------------------------------------------------------- */

struct members {
	struct policy_member v[MEMBERS_MAX];
	size_t n;
};

struct world {
	struct members sets[N_SETS];
	struct members port_sets[N_PORT_SETS];
	struct random_policy policies[POLICIES];
	const struct compiled_policy *pointers[POLICIES];
	/* Both pods: "a" sends, "b" receives. Tiers of up to 3 policies. */
	struct endpoint_tier tiers[2][3];
	struct policy_endpoint endpoints[2];
	const struct compiled_policy *profiles[1];
};

/* By what is in force as a whole, as policy_replay() takes it. */
static bool judge(const struct world *world, const struct packet *packet)
{
	struct policy_set sets[N_SETS + N_PORT_SETS];
	struct policy_set_change changes[N_SETS + N_PORT_SETS];
	const struct policy_update update = {.sets = changes, .n_sets = ARRAY_SIZE(changes)};

	for (unsigned int i = 0; i < ARRAY_SIZE(changes); i++) {
		bool with_ports = i >= N_SETS;
		const struct members *members =
			with_ports ? &world->port_sets[i - N_SETS] : &world->sets[i];

		sets[i] = policy_set(i);
		changes[i] = (struct policy_set_change){
			.set = &sets[i], .added = members->v, .n_added = members->n};
	}
	return policy_replay(&update, &world->endpoints[0], POLICY_STAGE_NORMAL, POLICY_WAY_EGRESS,
			     packet) == POLICY_ACTION_ALLOW &&
	       policy_replay(&update, &world->endpoints[1], POLICY_STAGE_NORMAL, POLICY_WAY_INGRESS,
			     packet) == POLICY_ACTION_ALLOW;
}

/* --- The wire ----------------------------------------------------------------------------- */

struct wire {
	int pods[2];
	int sender;
	int receiver;
	uint8_t mac[ETH_ALEN];
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

static int packet_socket(int netns)
{
	_cleanup_close_ int own = -1;
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int room = 16 << 20;
	int fd;

	assert_int_equal(netns_open_self(&own, NULL), 0);
	assert_int_equal(netns_enter(netns, NULL), 0);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	addr.sll_ifindex = (int)if_nametoindex("eth0");
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(netns_enter(own, NULL), 0);
	return fd;
}

static void wire_up(struct wire *wire)
{
	static const char *const names[] = {"calia", "calib"};
	char command[1024];

	for (int i = 0; i < 2; i++) {
		wire->pods[i] = other_netns();
		(void)snprintf(command, sizeof(command),
			       "ip link add %s type veth peer name eth0 netns /proc/%d/fd/%d && "
			       "ip link set %s address ee:ee:ee:ee:ee:ee up && "
			       "nsenter --net=/proc/%d/fd/%d sh -c 'ip link set eth0 address "
			       "aa:aa:aa:aa:aa:aa; ip link set eth0 up'",
			       names[i], (int)getpid(), wire->pods[i], names[i], (int)getpid(),
			       wire->pods[i]);
		assert_true(lab_run(command));
	}
	assert_true(lab_run(
		"echo 1 > /proc/sys/net/ipv4/ip_forward && "
		"echo 1 > /proc/sys/net/ipv6/conf/all/forwarding && "
		"echo 0 > /proc/sys/net/ipv4/icmp_ratelimit && "
		"ip addr add 169.254.1.1/32 dev calib && "
		"ip neigh replace 10.65.0.3 lladdr aa:aa:aa:aa:aa:aa dev calib nud permanent && "
		"ip neigh replace fe80::3 lladdr aa:aa:aa:aa:aa:aa dev calib nud permanent && "
		"ip route add 10.81.0.0/16 via 10.65.0.3 dev calib onlink && "
		"ip -6 route add fd81::/64 via fe80::3 dev calib && "
		"ip route add 10.80.0.0/16 dev calia && ip -6 route add fd80::/64 dev calia"));
	wire->sender = packet_socket(wire->pods[0]);
	wire->receiver = packet_socket(wire->pods[1]);
}

static uint16_t checksum(uint32_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The transport header and the packet's number; its size. */
static size_t put_transport(uint8_t *at, const struct packet *packet, uint32_t number)
{
	size_t size = packet->protocol == 6 ? 20 : 8;
	size_t sum_at = packet->protocol == 6 ? 16 : packet->protocol == 17 ? 6 : 2;
	uint32_t sum = 0;
	size_t total = size + 4;

	memset(at, 0, size);
	if (packet->protocol == 1 || packet->protocol == 58) {
		at[0] = packet->icmp_type;
		at[1] = packet->icmp_code;
		put16(at + 4, number); /* of the echo: a connection of its own */
		put16(at + 6, number >> 16);
	} else {
		put16(at, packet->source_port);
		put16(at + 2, packet->destination_port);
	}
	if (packet->protocol == 6) {
		at[12] = 5 << 4;
		at[13] = 2; /* SYN */
		put16(at + 14, 1024);
	}
	if (packet->protocol == 17)
		put16(at + 4, (unsigned int)total);
	memcpy(at + size, &number, sizeof(number));
	if (packet->protocol != 1) {
		for (size_t i = 0; i < 2; i++)
			sum += (uint16_t)~checksum(
				0, (i ? packet->destination : packet->source).bytes, 16);
		sum += packet->protocol + (uint32_t)total;
	}
	put16(at + sum_at, checksum(sum, at, total));
	return total;
}

static void send_packet(const struct wire *wire, const struct packet *packet, uint32_t number)
{
	uint8_t frame[128] = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee,
			      0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa};
	bool v4 = packet->source.family == AF_INET;
	uint8_t *ip = frame + ETH_HLEN;
	size_t header = v4 ? 20 : 40;
	size_t size = put_transport(ip + header, packet, number);

	put16(frame + 12, v4 ? ETH_P_IP : ETH_P_IPV6);
	if (v4) {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned int)(header + size));
		ip[8] = 64;
		ip[9] = packet->protocol;
		memcpy(ip + 12, packet->source.bytes, 4);
		memcpy(ip + 16, packet->destination.bytes, 4);
		put16(ip + 10, checksum(0, ip, header));
	} else {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned int)size);
		ip[6] = packet->protocol;
		ip[7] = 64;
		memcpy(ip + 8, packet->source.bytes, 16);
		memcpy(ip + 24, packet->destination.bytes, 16);
	}
	assert_int_equal(send(wire->sender, frame, ETH_HLEN + header + size, 0),
			 (ssize_t)(ETH_HLEN + header + size));
}

/* Notes the numbers of what arrives until nothing does for a moment. */
static void receive_packets(const struct wire *wire, uint32_t first, size_t n, bool *arrived)
{
	struct pollfd fd = {.fd = wire->receiver, .events = POLLIN};

	memset(arrived, 0, n * sizeof(*arrived));
	while (poll(&fd, 1, 30) == 1) {
		uint8_t frame[2048];
		struct sockaddr_ll from;
		socklen_t from_size = sizeof(from);
		ssize_t size = recvfrom(wire->receiver, frame, sizeof(frame), 0,
					(struct sockaddr *)&from, &from_size);
		uint32_t number;

		if (size < ETH_HLEN + 8 || from.sll_pkttype == PACKET_OUTGOING)
			continue;
		memcpy(&number, frame + size - 4, sizeof(number));
		if (number - first < n)
			arrived[number - first] = true;
	}
}

/* --- Rounds ------------------------------------------------------------------------------- */

static struct packet random_packet(struct chance *chance, uint8_t family)
{
	static const uint8_t protocols[] = {6, 17, 17, 0};
	struct packet packet = {.protocol = protocols[pick(chance, ARRAY_SIZE(protocols))]};
	static const int near[] = {0, 0, 0, 1, -1};

	struct ip_addr *const addrs[] = {&packet.source, &packet.destination};
	uint16_t *const at[] = {&packet.source_port, &packet.destination_port};

	for (unsigned int side = 0; side < 2; side++) {
		*addrs[side] = host_of(family, side, pick(chance, HOSTS));
		*at[side] = (uint16_t)(ports[pick(chance, ARRAY_SIZE(ports))] +
				       near[pick(chance, ARRAY_SIZE(near))]);
		if (!*at[side])
			*at[side] = 7;
	}
	if (!packet.protocol) {
		packet.protocol = family == AF_INET ? 1 : 58;
		packet.icmp_type = family == AF_INET ? 8 : 128;
		packet.icmp_code = (uint8_t)pick(chance, 2);
		packet.source_port = packet.destination_port = 0;
	}
	return packet;
}

static bool same_member(const struct policy_member *a, const struct policy_member *b)
{
	return cidr_equal(&a->net, &b->net) && a->protocol == b->protocol && a->port == b->port;
}

/* Takes some members out and puts new ones in. */
static void change_members(struct chance *chance, struct members *members, bool with_ports,
			   struct members *added, struct members *removed)
{
	added->n = removed->n = 0;
	for (size_t i = 0; i < members->n;) {
		if (!one_in(chance, 4)) {
			i++;
			continue;
		}
		removed->v[removed->n++] = members->v[i];
		members->v[i] = members->v[--members->n];
	}
	for (unsigned int i = pick(chance, 8); i > 0 && members->n < MEMBERS_MAX; i--) {
		struct policy_member member = {.net = random_net(chance)};
		bool known = false;

		if (with_ports) {
			member.net = cidr_host(&member.net.addr);
			member.protocol = one_in(chance, 2) ? 6 : 17;
			member.port = ports[pick(chance, ARRAY_SIZE(ports))];
		}
		for (size_t k = 0; k < members->n; k++)
			known = known || same_member(&members->v[k], &member);
		for (size_t k = 0; k < removed->n; k++)
			known = known || same_member(&removed->v[k], &member);
		if (known)
			continue;
		members->v[members->n++] = member;
		added->v[added->n++] = member;
	}
}

static void random_tiers(struct chance *chance, struct world *world, unsigned int pod,
			 enum policy_way way)
{
	struct endpoint_tiers *tiers = &world->endpoints[pod].tiers[POLICY_STAGE_NORMAL][way];

	tiers->v = world->tiers[pod];
	tiers->n = pick(chance, 4);
	for (size_t i = 0; i < tiers->n; i++) {
		struct endpoint_tier *tier = &world->tiers[pod][i];

		tier->name = "tier";
		tier->pass = one_in(chance, 3);
		tier->n_policies = 1 + pick(chance, 3);
		tier->policies = &world->pointers[pick(chance, POLICIES - 2)];
		tier->enforced = false;
		for (size_t k = 0; k < tier->n_policies; k++)
			tier->enforced = tier->enforced || !tier->policies[k]->staged;
	}
}

struct harness {
	struct chance chance;
	struct world world;
	struct policy_table *table;
	struct wire wire;
	struct compiled_rule allow;
	struct compiled_policy profile;
	uint32_t number;
	unsigned int n_allowed;
	unsigned int n_denied;
};

static void apply(struct harness *h)
{
	struct err err = ERR_INIT;

	if (policy_table_apply(h->table, &err) < 0)
		fail_msg("%s", err.msg);
}

static void tell_round(struct harness *h, unsigned int round)
{
	static struct members added[N_SETS + N_PORT_SETS];
	static struct members removed[N_SETS + N_PORT_SETS];
	struct policy_set sets[N_SETS + N_PORT_SETS];
	struct policy_set_change changes[N_SETS + N_PORT_SETS];
	const struct compiled_policy *policies[POLICIES + 1];
	const struct policy_endpoint *endpoints[2];
	struct policy_update update = {.sets = changes,
				       .n_sets = N_SETS + N_PORT_SETS,
				       .policies = policies,
				       .endpoints = endpoints,
				       .n_endpoints = 2};

	for (unsigned int i = 0; i < update.n_sets; i++) {
		bool with_ports = i >= N_SETS;
		struct members *members =
			with_ports ? &h->world.port_sets[i - N_SETS] : &h->world.sets[i];

		change_members(&h->chance, members, with_ports, &added[i], &removed[i]);
		sets[i] = policy_set(i);
		changes[i] = (struct policy_set_change){.set = &sets[i],
							.is_new = round == 0,
							.added = added[i].v,
							.n_added = added[i].n,
							.removed = removed[i].v,
							.n_removed = removed[i].n};
	}
	for (unsigned int i = 0; i < POLICIES; i++) {
		if (round > 0 && !one_in(&h->chance, 2))
			continue;
		random_policy(&h->chance, &h->world.policies[i], i);
		h->world.pointers[i] = &h->world.policies[i].policy;
		policies[update.n_policies++] = h->world.pointers[i];
	}
	policies[update.n_policies++] = &h->profile;
	random_tiers(&h->chance, &h->world, 0, POLICY_WAY_EGRESS);
	random_tiers(&h->chance, &h->world, 1, POLICY_WAY_INGRESS);
	h->world.profiles[0] = &h->profile;
	for (unsigned int pod = 0; pod < 2; pod++) {
		h->world.endpoints[pod].profiles = h->world.profiles;
		endpoints[pod] = &h->world.endpoints[pod];
	}
	policy_table_update(h->table, &update);
	apply(h);
}

static void probe(struct harness *h, unsigned int round)
{
	struct packet packets[2 * PROBES];
	bool arrived[2 * PROBES];
	uint32_t first = h->number;

	for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
		packets[i] = random_packet(&h->chance, i % 2 ? AF_INET : AF_INET6);
		send_packet(&h->wire, &packets[i], h->number++);
	}
	receive_packets(&h->wire, first, ARRAY_SIZE(packets), arrived);
	for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
		bool expected = judge(&h->world, &packets[i]);

		h->n_allowed += expected;
		h->n_denied += !expected;
		if (arrived[i] == expected)
			continue;
		(void)lab_run("nft list ruleset >&2");
		fail_msg("round %u: %s:%u -> %s:%u protocol %u type %u code %u is %s", round,
			 ip_format(&packets[i].source).s, packets[i].source_port,
			 ip_format(&packets[i].destination).s, packets[i].destination_port,
			 packets[i].protocol, packets[i].icmp_type, packets[i].icmp_code,
			 expected ? "denied" : "allowed");
	}
}

static void init(struct harness *h, uint64_t seed)
{
	static const char *const prefixes[] = {"cali"};
	static char profile_key[] = "pro/kns.default";
	static struct cidr spoofable[2];
	struct policy_config config = {.workloads_may_spoof = true,
				       .log_prefix = "test",
				       .workload_prefixes = prefixes,
				       .n_workload_prefixes = 1};

	*h = (struct harness){.chance = {seed}, .allow = test_rule(POLICY_ACTION_ALLOW)};
	h->profile.key = profile_key;
	for (size_t way = 0; way < POLICY_WAYS_; way++)
		h->profile.rules[way] = (struct compiled_rules){&h->allow, 1};
	spoofable[0] = test_net("10.80.0.0/16");
	spoofable[1] = test_net("fd80::/64");
	for (unsigned int pod = 0; pod < 2; pod++) {
		h->world.endpoints[pod].key = pod ? "wep/default/b" : "wep/default/a";
		h->world.endpoints[pod].interface = pod ? "calib" : "calia";
		h->world.endpoints[pod].spoofable = spoofable;
		h->world.endpoints[pod].n_spoofable = 2; /* of both families */
		h->world.endpoints[pod].n_profiles = 1;
	}
	wire_up(&h->wire);
	assert_int_equal(policy_table_open(-1, &h->table, NULL), 0);
	policy_table_configure(h->table, &config);
}

static void test_random(void **state)
{
	const char *seed = getenv("KORAT_SEED");
	struct harness *h = XNEW(struct harness);

	(void)state;
	init(h, seed ? strtoull(seed, NULL, 10) : 1);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		tell_round(h, round);
		probe(h, round);
		policy_table_invalidate(h->table);
		apply(h);
		if (policy_table_changed(h->table))
			fail_msg("round %u: what was read back is not what was written", round);
	}
	print_message("%u packets were to be allowed, %u denied\n", h->n_allowed, h->n_denied);
	assert_true(h->n_allowed > 1000 && h->n_denied > 1000);
	policy_table_close(h->table);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

	lab_enter();
	if (!lab_run("nft 'add table ip probe; add table ip6 probe'")) {
		(void)fprintf(stderr, "skipped: no nft program, or a kernel without nftables\n");
		return LAB_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
