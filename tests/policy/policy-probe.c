/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The lab of the differential test. Every payload carries PAYLOAD_MAGIC and the packet's number, so
 * that what the kernel says by itself (resets, unreachables) is told from what was sent.
 */

#include "policy-probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "netlink/addr.h"
#include "netlink/neigh.h"
#include "netlink/netns.h"
#include "netlink/route.h"
#include "netlink/sysctl.h"
#include "policy-frame.h"
#include "policy-nat.h"

#define N_PORTS	    (CASE_WORKLOADS + 1) /* the last is the uplink */
#define UPLINK	    CASE_WORKLOADS
#define N_PROTOCOLS 6

struct port {
	int far_ifindex;
	uint8_t host_mac[MAC_SIZE];
	uint8_t far_mac[MAC_SIZE];
};

struct probe {
	struct nl *node;
	struct nl *far;
	struct nl *netfilter;
	struct port ports[N_PORTS];
	int link_fd;		      /* all links of the far side */
	int host_fds[2][N_PROTOCOLS]; /* raw sockets of the node, by family and protocol */
	uint32_t round;
};

static const uint8_t protocols[2][N_PROTOCOLS] = {
	{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_GRE, IPPROTO_ICMP, 0},
	{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_GRE, IPPROTO_ICMPV6, 0},
};

/* --- The lab ---------------------------------------------------------------------------------- */

static void far_mac(unsigned int port, uint8_t ret[MAC_SIZE])
{
	const uint8_t mac[MAC_SIZE] = {2, 0, 0, 0, 0, (uint8_t)port};

	memcpy(ret, mac, MAC_SIZE);
}

static int add_port(struct probe *probe, unsigned int i, int far_fd, struct err *err)
{
	static const uint8_t host_mac[MAC_SIZE] = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee};
	struct port *port = &probe->ports[i];
	char name[16] = "eth0";
	char far_name[16];
	struct veth_config config = {
		.host_name = name,
		.pod_name = far_name,
		.pod_netns_fd = far_fd,
		.mtu = 1500,
		.has_pod_mac = true,
	};
	struct link link;
	int r;

	if (i < CASE_WORKLOADS)
		case_interface(i, name);
	(void)snprintf(far_name, sizeof(far_name), "far%u", i);
	far_mac(i, port->far_mac);
	memcpy(port->host_mac, host_mac, MAC_SIZE);
	memcpy(config.host_mac, host_mac, MAC_SIZE);
	memcpy(config.pod_mac, port->far_mac, MAC_SIZE);
	r = link_add_veth(probe->node, &config, err);
	if (r == 0)
		r = link_set_up(probe->node, (int)if_nametoindex(name), true, err);
	if (r == 0)
		r = link_get(probe->far, far_name, &link, err);
	if (r != 0)
		return r < 0 ? r : err_set(err, -ENODEV, "%s is not there", far_name);
	port->far_ifindex = link.ifindex;
	return link_set_up(probe->far, link.ifindex, true, err);
}

static int add_neighbour(struct probe *probe, int ifindex, const struct case_end *end,
			 unsigned int port, uint8_t family, struct err *err)
{
	struct neigh neigh = {.addr = case_address(end, family)};

	memcpy(neigh.mac, probe->ports[port].far_mac, MAC_SIZE);
	return neigh_replace(probe->node, ifindex, &neigh, err);
}

static int route_workload(struct probe *probe, unsigned int i, uint8_t family, struct err *err)
{
	const struct case_end end = {PLACE_WORKLOAD, i};
	struct ip_addr addr = case_address(&end, family);
	struct route route = {
		.dst = cidr_host(&addr),
		.protocol = 3,
		.scope = family == AF_INET ? 253 : 0,
	};
	char name[16];
	int r;

	case_interface(i, name);
	route.ifindex = (int)if_nametoindex(name);
	r = route_replace(probe->node, &route, err);
	return r < 0 ? r : add_neighbour(probe, route.ifindex, &end, i, family, err);
}

/* What nobody translates leaves by the uplink, as by a default route. */
static int route_services(struct probe *probe, int ifindex, uint8_t family, struct err *err)
{
	struct route route = {
		.dst = {case_service_address(0, family), family == AF_INET ? 24 : 112},
		.protocol = 3,
		.scope = family == AF_INET ? 253 : 0,
		.ifindex = ifindex,
	};
	int r = route_replace(probe->node, &route, err);

	for (unsigned int i = 1; r == 0 && i <= CASE_SERVICES; i++) {
		struct neigh neigh = {.addr = case_service_address(i, family)};

		memcpy(neigh.mac, probe->ports[UPLINK].far_mac, MAC_SIZE);
		r = neigh_replace(probe->node, ifindex, &neigh, err);
	}
	return r;
}

static int address_host(struct probe *probe, uint8_t family, struct err *err)
{
	const struct case_end host = {PLACE_HOST, 0};
	struct cidr cidr = {case_address(&host, family), family == AF_INET ? 24 : 64};
	int ifindex = (int)if_nametoindex("eth0");
	int r = addr_add(probe->node, ifindex, &cidr, err);

	for (unsigned int i = 0; r == 0 && i < CASE_OUTSIDES; i++) {
		const struct case_end outside = {PLACE_OUTSIDE, i};

		r = add_neighbour(probe, ifindex, &outside, UPLINK, family, err);
	}
	for (unsigned int i = 0; r == 0 && i < CASE_WORKLOADS; i++)
		r = route_workload(probe, i, family, err);
	return r == 0 ? route_services(probe, ifindex, family, err) : r;
}

/* Packets are made by hand, their checksums are not right, and the kernel's answers are noise. */
static int set_sysctls(struct err *err)
{
	static const char *const values[][2] = {
		{"net/ipv4/ip_forward", "1"},
		{"net/ipv6/conf/all/forwarding", "1"},
		{"net/ipv4/conf/all/rp_filter", "0"},
		{"net/ipv4/conf/default/rp_filter", "0"},
		{"net/ipv6/conf/default/accept_dad", "0"},
		{"net/ipv4/icmp_ratelimit", "0"},
		{"net/netfilter/nf_conntrack_checksum", "0"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		int r = sysctl_write(values[i][0], values[i][1], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int open_sockets(struct probe *probe, int node_fd, int far_fd, struct err *err)
{
	const int size = 8 << 20;
	int r = netns_enter(far_fd, err);

	if (r < 0)
		return r;
	probe->link_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	r = netns_enter(node_fd, err);
	if (r < 0)
		return r;
	if (probe->link_fd < 0)
		return err_errno(err, -errno, "packet socket");
	(void)setsockopt(probe->link_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	for (unsigned int f = 0; f < 2; f++) {
		for (unsigned int i = 0; i < N_PROTOCOLS && protocols[f][i]; i++) {
			const int on = 1;
			int fd = socket(f == 0 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC,
					protocols[f][i]);

			if (fd < 0)
				return err_errno(err, -errno, "raw socket");
			probe->host_fds[f][i] = fd;
			if (setsockopt(fd, f == 0 ? IPPROTO_IP : IPPROTO_IPV6,
				       f == 0 ? IP_HDRINCL : IPV6_HDRINCL, &on, sizeof(on)) < 0)
				return err_errno(err, -errno, "raw socket");
		}
	}
	return 0;
}

static int make_namespaces(int *ret_node, int *ret_far, struct err *err)
{
	if (unshare(CLONE_NEWNET) < 0)
		return err_errno(err, -errno, "a network namespace");
	if (netns_open_self(ret_far, err) < 0)
		return -EIO;
	if (unshare(CLONE_NEWNET) < 0)
		return err_errno(err, -errno, "a network namespace");
	return netns_open_self(ret_node, err);
}

struct probe *probe_close(struct probe *probe)
{
	if (!probe)
		return NULL;
	for (unsigned int f = 0; f < 2; f++) {
		for (unsigned int i = 0; i < N_PROTOCOLS; i++) {
			if (probe->host_fds[f][i] >= 0)
				(void)close(probe->host_fds[f][i]);
		}
	}
	if (probe->link_fd >= 0)
		(void)close(probe->link_fd);
	probe->node = nl_close(probe->node);
	probe->far = nl_close(probe->far);
	probe->netfilter = nl_close(probe->netfilter);
	free(probe);
	return NULL;
}

/* --- Sending and receiving -------------------------------------------------------------------- */

static int send_from_host(const struct probe *probe, const struct case_packet *packet,
			  const struct frame *frame, struct err *err)
{
	unsigned int f = packet->family == AF_INET ? 0 : 1;
	struct ip_addr to = case_dialled_address(packet);
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	const struct sockaddr *address = f == 0 ? (const void *)&v4 : (const void *)&v6;
	socklen_t size = f == 0 ? sizeof(v4) : sizeof(v6);

	memcpy(&v4.sin_addr, to.bytes, 4);
	memcpy(&v6.sin6_addr, to.bytes, 16);
	/* EPERM is how the kernel says that a filter of OUTPUT dropped it. */
	if (sendto(probe->host_fds[f][0], frame->bytes + frame->network,
		   frame->size - frame->network, 0, address, size) < 0 &&
	    errno != EPERM)
		return err_errno(err, -errno, "sending from the host");
	return 0;
}

static int send_one(const struct probe *probe, const struct case_packet *packet, uint32_t number,
		    struct err *err)
{
	struct frame frame;
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_halen = MAC_SIZE};
	const struct payload payload = {PAYLOAD_MAGIC, probe->round, number};
	unsigned int from =
		packet->from.place == PLACE_WORKLOAD ? packet->from.index : (unsigned int)UPLINK;

	frame_make(packet, &payload, probe->ports[from].host_mac, probe->ports[from].far_mac,
		   &frame);
	if (packet->from.place == PLACE_HOST)
		return send_from_host(probe, packet, &frame, err);
	address.sll_ifindex = probe->ports[from].far_ifindex;
	if (sendto(probe->link_fd, frame.bytes, frame.size, 0, (const void *)&address,
		   sizeof(address)) < 0)
		return err_errno(err, -errno, "sending on a link");
	return 0;
}

/* 'port': where it came in, N_PORTS: at the host. False: it is none of this round. */
static bool note_arrival(const struct probe *probe, const uint8_t *bytes, size_t size,
			 unsigned int port, const struct case_packet *packets, size_t n,
			 bool *arrived)
{
	struct payload payload;
	const struct case_packet *packet;
	unsigned int wanted;

	if (size < sizeof(payload))
		return false;
	memcpy(&payload, bytes + size - sizeof(payload), sizeof(payload));
	if (payload.magic != PAYLOAD_MAGIC || payload.round != probe->round || payload.number >= n)
		return false;
	packet = &packets[payload.number];
	wanted = packet->to.place == PLACE_WORKLOAD  ? packet->to.index
		 : packet->to.place == PLACE_OUTSIDE ? (unsigned int)UPLINK
						     : (unsigned int)N_PORTS;
	if (port == wanted && frame_is_packet(bytes, size, port == N_PORTS, packet))
		arrived[payload.number] = true;
	return true;
}

static unsigned int port_of(const struct probe *probe, int ifindex)
{
	for (unsigned int i = 0; i < N_PORTS; i++) {
		if (probe->ports[i].far_ifindex == ifindex)
			return i;
	}
	return N_PORTS + 1;
}

static bool receive(const struct probe *probe, int fd, const struct case_packet *packets, size_t n,
		    bool *arrived)
{
	uint8_t bytes[2048];
	struct sockaddr_ll address = {0};
	socklen_t address_size = sizeof(address);
	bool any = false;
	ssize_t size;

	while ((size = recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT,
				fd == probe->link_fd ? (void *)&address : NULL,
				fd == probe->link_fd ? &address_size : NULL)) >= 0) {
		unsigned int port = N_PORTS;

		if (fd == probe->link_fd && address.sll_pkttype == PACKET_OUTGOING)
			continue;
		if (fd == probe->link_fd)
			port = port_of(probe, address.sll_ifindex);
		any |= note_arrival(probe, bytes, (size_t)size, port, packets, n, arrived);
		address_size = sizeof(address);
	}
	return any;
}

static void collect(const struct probe *probe, int quiet_ms, const struct case_packet *packets,
		    size_t n, bool *arrived)
{
	struct pollfd fds[1 + 2 * N_PROTOCOLS] = {{.fd = probe->link_fd, .events = POLLIN}};
	nfds_t n_fds = 1;

	for (unsigned int f = 0; f < 2; f++) {
		for (unsigned int i = 0; i < N_PROTOCOLS && protocols[f][i]; i++)
			fds[n_fds++] =
				(struct pollfd){.fd = probe->host_fds[f][i], .events = POLLIN};
	}
	while (poll(fds, n_fds, quiet_ms) > 0) {
		for (nfds_t i = 0; i < n_fds; i++) {
			if (fds[i].revents)
				(void)receive(probe, fds[i].fd, packets, n, arrived);
		}
	}
}

int probe_send(struct probe *probe, const struct case_packet *packets, size_t n, int quiet_ms,
	       bool *arrived, struct err *err)
{
	int r = 0;

	probe->round++;
	memset(arrived, 0, n * sizeof(*arrived));
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = send_one(probe, &packets[i], (uint32_t)i, err);
		if (i % 64 == 63) /* so that no socket's buffer overflows */
			collect(probe, 0, packets, n, arrived);
	}
	if (r == 0)
		collect(probe, quiet_ms, packets, n, arrived);
	return r;
}

int probe_forget_connections(struct probe *probe, struct err *err)
{
	struct nl_request request;
	const struct nfgenmsg header = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
	struct nl_answer answer = {0};
	struct nlmsghdr *message =
		nl_request_init(&request, (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE, 0,
				&header, sizeof(header));
	int r = nl_call(probe->netfilter, message, &answer, err);

	return r < 0 || !answer.errnum ? r : nl_refused(err, &answer, "forgetting connections");
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* A link that has just come up drops what is sent for some milliseconds. */
static int wait_for_carriers(struct probe *probe, struct err *err)
{
	struct case_packet packets[2 * N_PORTS];
	bool arrived[2 * N_PORTS];

	for (unsigned int i = 0; i < 2 * N_PORTS; i++) {
		enum place place = i % N_PORTS == UPLINK ? PLACE_OUTSIDE : PLACE_WORKLOAD;

		packets[i] = (struct case_packet){
			.from = {place, i % N_PORTS % CASE_WORKLOADS},
			.to = {PLACE_HOST, 0},
			.family = i < N_PORTS ? AF_INET : AF_INET6,
			.protocol = IPPROTO_UDP,
			.dport = 9,
		};
	}
	for (unsigned int try = 0; try < 100; try++) {
		size_t n = 0;
		int r = probe_send(probe, packets, 2 * N_PORTS, 20, arrived, err);

		for (unsigned int i = 0; i < 2 * N_PORTS; i++)
			n += arrived[i];
		if (r < 0 || n == 2 * N_PORTS)
			return r;
	}
	return err_set(err, -ETIMEDOUT, "the lab's links do not come up");
}

int probe_open(struct probe **ret, struct err *err)
{
	struct probe *probe = XNEW(struct probe);
	_cleanup_close_ int node_fd = -1;
	_cleanup_close_ int far_fd = -1;
	int r;

	*ret = probe;
	memset(probe->host_fds, 0xff, sizeof(probe->host_fds));
	probe->link_fd = -1;
	r = make_namespaces(&node_fd, &far_fd, err);
	if (r == 0)
		r = nl_open(NETLINK_ROUTE, node_fd, &probe->node, err);
	if (r == 0)
		r = nl_open(NETLINK_ROUTE, far_fd, &probe->far, err);
	if (r == 0)
		r = nl_open(NETLINK_NETFILTER, node_fd, &probe->netfilter, err);
	if (r == 0)
		r = set_sysctls(err);
	for (unsigned int i = 0; r == 0 && i < N_PORTS; i++)
		r = add_port(probe, i, far_fd, err);
	if (r == 0)
		r = link_set_up(probe->node, 1, true, err);
	if (r == 0)
		r = address_host(probe, AF_INET, err);
	if (r == 0)
		r = address_host(probe, AF_INET6, err);
	if (r == 0)
		r = case_translate_services(probe->netfilter, err);
	if (r == 0)
		r = open_sockets(probe, node_fd, far_fd, err);
	return r == 0 ? wait_for_carriers(probe, err) : r;
}
