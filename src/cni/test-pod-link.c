/* SPDX-License-Identifier: Apache-2.0 */

/* Pods wired to a host, all in network namespaces of the test that vanish with it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/log.h"
#include "cni/pod-link.h"
#include "netlink/addr.h"
#include "netlink/netns.h"
#include "netlink/route.h"
#include "netlink/sysctl.h"

#define N_TIMED 50

#define OK(call)                                                                                   \
	do {                                                                                       \
		struct err *ok_err_ = &err;                                                        \
		if ((call) != 0)                                                                   \
			fail_msg("%s: %s", #call, ok_err_->msg);                                   \
	} while (0)

struct fixture {
	int host_fd;
	int pod_fd;
	struct nl *host;
	size_t n_links; /* on the host, before the test */
};

static size_t count_links(struct nl *nl)
{
	_cleanup_(link_list_deinit) struct link_list list = {0};
	struct err err = ERR_INIT;

	OK(link_dump(nl, &list, &err));
	return list.n;
}

/* A new namespace with the thread in it. */
static int enter_new(void)
{
	struct err err = ERR_INIT;
	int fd;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	OK(netns_open_self(&fd, &err));
	return fd;
}

static int make_pod(const struct fixture *f)
{
	struct err err = ERR_INIT;
	int fd = enter_new();

	OK(netns_enter(f->host_fd, &err));
	return fd;
}

static int setup(void **state)
{
	struct fixture *f = XNEW(struct fixture);
	struct err err = ERR_INIT;
	struct link lo;

	f->host_fd = enter_new();
	OK(nl_open(NETLINK_ROUTE, -1, &f->host, &err));
	f->pod_fd = make_pod(f);
	OK(link_get(f->host, "lo", &lo, &err));
	OK(link_set_up(f->host, lo.ifindex, true, &err));
	f->n_links = count_links(f->host);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->host = nl_close(f->host);
	f->host_fd = fd_close(f->host_fd);
	f->pod_fd = fd_close(f->pod_fd);
	free(f);
	return 0;
}

static struct cidr cidr_of(const char *text)
{
	struct err err = ERR_INIT;
	struct cidr cidr;

	OK(cidr_parse(text, &cidr, &err));
	return cidr;
}

static struct pod_link make_link(const struct fixture *f)
{
	return (struct pod_link){
		.host_ifname = "cali0123456789a",
		.pod_ifname = "eth0",
		.netns_fd = f->pod_fd,
		.mtu = 1400,
		.n_queues = 1,
		.addrs = {cidr_of("10.42.0.5/32"), cidr_of("fd00:42::5/128")},
		.n_addrs = 2,
	};
}

static struct nl *open_pod(int pod_fd)
{
	struct err err = ERR_INIT;
	struct nl *nl;

	OK(nl_open(NETLINK_ROUTE, pod_fd, &nl, &err));
	return nl;
}

static void expect_sysctl(int ns, const struct fixture *f, const char *path, const char *expected)
{
	struct err err = ERR_INIT;
	char value[32];

	OK(netns_enter(ns, &err));
	OK(sysctl_read(path, value, sizeof(value), &err));
	OK(netns_enter(f->host_fd, &err));
	if (strcmp(value, expected) != 0)
		fail_msg("%s is %s, not %s", path, value, expected);
}

/* --- What is made ------------------------------------------------------------------------- */

static int attach(struct nl *host, struct pod_link *link, struct err *err)
{
	int r = pod_link_create(host, link, err);

	return r < 0 ? r : pod_link_configure(host, link, err);
}

static void expect_attached(struct fixture *f, bool early)
{
	struct pod_link link = make_link(f);
	_cleanup_(nl_closep) struct nl *pod = open_pod(f->pod_fd);
	struct err err = ERR_INIT;
	struct link dev;

	link.allow_ip_forwarding = true;
	link.early_v4 = link.early_v6 = early;
	OK(attach(f->host, &link, &err));
	assert_int_equal(netns_same(f->host_fd, f->pod_fd), 0);
	OK(link_get(f->host, "cali0123456789a", &dev, &err));
	assert_int_equal(dev.ifindex, link.host_ifindex);
	assert_int_equal(dev.mtu, 1400);
	assert_true(dev.flags & IFF_UP);
	OK(link_get(pod, "eth0", &dev, &err));
	assert_memory_equal(dev.mac, link.pod_mac, MAC_SIZE);
	assert_int_equal(dev.mtu, 1400);
	assert_true(dev.flags & IFF_UP);
	expect_sysctl(f->host_fd, f, "net/ipv4/conf/cali0123456789a/proxy_arp", "1");
	expect_sysctl(f->host_fd, f, "net/ipv4/conf/cali0123456789a/route_localnet", "1");
	expect_sysctl(f->host_fd, f, "net/ipv4/conf/cali0123456789a/forwarding", "1");
	expect_sysctl(f->host_fd, f, "net/ipv4/neigh/cali0123456789a/proxy_delay", "0");
	expect_sysctl(f->host_fd, f, "net/ipv6/conf/cali0123456789a/proxy_ndp", "1");
	expect_sysctl(f->host_fd, f, "net/ipv6/conf/cali0123456789a/forwarding", "1");
	expect_sysctl(f->host_fd, f, "net/ipv6/conf/cali0123456789a/accept_dad", "0");
	expect_sysctl(f->host_fd, f, "net/ipv6/conf/cali0123456789a/accept_ra", "0");
	expect_sysctl(f->pod_fd, f, "net/ipv6/conf/eth0/accept_dad", "0");
	expect_sysctl(f->pod_fd, f, "net/ipv4/conf/all/forwarding", "1");
	expect_sysctl(f->pod_fd, f, "net/ipv4/ip_forward", "1");
	expect_sysctl(f->pod_fd, f, "net/ipv6/conf/all/forwarding", "1");
	OK(pod_link_check(f->host, &link, &err));
	OK(pod_link_detach(f->host, link.host_ifname, &err));
	OK(pod_link_detach(f->host, link.host_ifname, &err));
	assert_int_equal(link_get(pod, "eth0", &dev, &err), LINK_E_NOT_FOUND);
	assert_int_equal(count_links(f->host), f->n_links);
}

static void test_attach(void **state)
{
	expect_attached(*state, /* early= */ true);
}

static void test_attach_late(void **state)
{
	expect_attached(*state, /* early= */ false);
}

/* Made, and then there is no address for it. */
static void test_never_configured(void **state)
{
	struct fixture *f = *state;
	struct pod_link link = make_link(f);
	struct err err = ERR_INIT;

	link.early_v4 = true;
	OK(pod_link_create(f->host, &link, &err));
	assert_non_null(link.pod_nl);
	pod_link_deinit(&link);
	pod_link_deinit(&link);
	assert_null(link.pod_nl);
}

static void test_one_family(void **state)
{
	struct fixture *f = *state;
	struct pod_link link = make_link(f);
	_cleanup_(nl_closep) struct nl *pod = open_pod(f->pod_fd);
	_cleanup_(route_list_deinit) struct route_list routes = {0};
	struct err err = ERR_INIT;

	link.n_addrs = 1;
	link.has_pod_mac = true;
	memcpy(link.pod_mac, "\x02\x00\x00\x00\x00\x07", MAC_SIZE);
	OK(attach(f->host, &link, &err));
	assert_memory_equal(link.pod_mac, "\x02\x00\x00\x00\x00\x07", MAC_SIZE);
	expect_sysctl(f->pod_fd, f, "net/ipv4/ip_forward", "0");
	OK(route_dump(pod, AF_INET, 0, &routes, &err));
	assert_int_equal(routes.n, 2);
	OK(pod_link_check(f->host, &link, &err));
}

/* --- Does it carry? ----------------------------------------------------------------------- */

static int udp_socket(const struct fixture *f, int ns, uint8_t family)
{
	struct timeval wait = {.tv_sec = 3};
	struct err err = ERR_INIT;
	int fd;

	OK(netns_enter(ns, &err));
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	OK(netns_enter(f->host_fd, &err));
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	return fd;
}

static void socket_addr(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;

	*ret = (struct sockaddr_storage){.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET};
	if (ret->ss_family == AF_INET) {
		v4->sin_port = htons(5000);
		assert_int_equal(inet_pton(AF_INET, text, &v4->sin_addr), 1);
	} else {
		v6->sin6_port = htons(5000);
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	}
}

/* The pod asks the host through its gateway, the host answers by its route to the pod. */
static void expect_exchange(const struct fixture *f, const struct pod_link *link, const char *host,
			    const struct cidr *pod_addr)
{
	struct route route = {.dst = *pod_addr,
			      .protocol = 80,
			      .scope = RT_SCOPE_LINK,
			      .ifindex = link->host_ifindex};
	uint8_t family = pod_addr->addr.family;
	_cleanup_close_ int server = udp_socket(f, f->host_fd, family);
	_cleanup_close_ int client = udp_socket(f, f->pod_fd, family);
	struct sockaddr_storage addr, from;
	socklen_t from_size = sizeof(from);
	struct cidr host_cidr = cidr_of(host);
	struct err err = ERR_INIT;
	struct link lo;
	char byte;

	OK(link_get(f->host, "lo", &lo, &err));
	OK(addr_add(f->host, lo.ifindex, &host_cidr, &err));
	OK(route_replace(f->host, &route, &err));
	/* Proxy ARP answers for what is routed to another device. */
	route = (struct route){.dst = {.addr = {.family = family}},
			       .protocol = 80,
			       .scope = RT_SCOPE_LINK,
			       .ifindex = lo.ifindex};
	OK(route_replace(f->host, &route, &err));
	socket_addr(host, &addr);
	assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof(addr)), 0);
	/* The kernel makes a new IPv6 address local a little later, in a worker: ask again. */
	for (unsigned int tries = 0; tries < 30; tries++) {
		struct pollfd wait = {.fd = server, .events = POLLIN};

		assert_int_equal(sendto(client, "?", 1, 0, (struct sockaddr *)&addr, sizeof(addr)),
				 1);
		if (poll(&wait, 1, 100) == 1)
			break;
	}
	assert_int_equal(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&from, &from_size), 1);
	assert_int_equal(sendto(server, "!", 1, 0, (struct sockaddr *)&from, from_size), 1);
	assert_int_equal(recv(client, &byte, 1, 0), 1);
	assert_int_equal(byte, '!');
}

static void test_traffic(void **state)
{
	struct fixture *f = *state;
	struct pod_link link = make_link(f);
	struct err err = ERR_INIT;

	link.early_v4 = link.early_v6 = true;
	OK(attach(f->host, &link, &err));
	expect_exchange(f, &link, "192.0.2.1", &link.addrs[0]);
	expect_exchange(f, &link, "2001:db8::1", &link.addrs[1]);
}

/* --- What is in the way ------------------------------------------------------------------- */

static void test_stale(void **state)
{
	struct fixture *f = *state;
	struct pod_link link = make_link(f), again = link;
	_cleanup_(nl_closep) struct nl *old = open_pod(f->pod_fd);
	_cleanup_close_ int second = make_pod(f);
	struct err err = ERR_INIT;
	struct link dev;

	OK(attach(f->host, &link, &err));
	OK(attach(f->host, &link, &err)); /* the same pod: an ADD again */
	again.netns_fd = second;
	OK(attach(f->host, &again, &err));
	assert_int_equal(link_get(old, "eth0", &dev, &err), LINK_E_NOT_FOUND);
	assert_int_equal(count_links(f->host), f->n_links + 1);
}

static void expect_failure(const struct fixture *f, struct pod_link *link, const char *part)
{
	struct err err = ERR_INIT;
	int r = attach(f->host, link, &err);

	if (r >= 0 || !strstr(err.msg, part))
		fail_msg("got %d \"%s\", expected \"%s\"", r, err.msg, part);
	assert_int_equal(count_links(f->host), f->n_links);
}

static void test_failures(void **state)
{
	struct fixture *f = *state;
	_cleanup_(nl_closep) struct nl *pod = open_pod(f->pod_fd);
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct pod_link link = make_link(f);
	struct veth_config taken = {
		.host_name = "eth0", .pod_name = "other", .pod_netns_fd = f->pod_fd};
	size_t n_pod = count_links(pod);
	struct err err = ERR_INIT;
	int before = dup(0), after;

	close(before);

	link.netns_fd = null;
	expect_failure(f, &link, "veth cali0123456789a");
	link.netns_fd = f->host_fd;
	expect_failure(f, &link, "the agent's own");
	link.netns_fd = f->pod_fd;
	link.host_ifname = "lo";
	expect_failure(f, &link, "that is no pod's");
	assert_int_equal(pod_link_detach(f->host, "lo", &err), -EEXIST);
	link.host_ifname = "../x";
	expect_failure(f, &link, "bad names");
	link = make_link(f);
	/* Refused by the kernel when everything else is done. */
	link.addrs[1] = cidr_of("ff02::1/128");
	expect_failure(f, &link, "wiring cali0123456789a");
	assert_int_equal(count_links(pod), n_pod);
	OK(link_add_veth(pod, &taken, &err));
	link = make_link(f);
	expect_failure(f, &link, "the pod has an interface eth0 already");
	after = dup(0);
	close(after);
	assert_int_equal(after, before); /* no descriptor stayed */
	assert_int_equal(count_links(pod), n_pod + 2);
}

static void expect_wrong(const struct fixture *f, const struct pod_link *link, const char *part)
{
	struct err err = ERR_INIT;

	assert_int_equal(pod_link_check(f->host, link, &err), POD_LINK_E_WRONG);
	if (!strstr(err.msg, part))
		fail_msg("\"%s\" lacks \"%s\"", err.msg, part);
}

static bool host_right(const struct fixture *f, const struct pod_link *link)
{
	const struct pod_link_host host = {link->host_ifname, true, true, link->mtu};
	_cleanup_(link_conf_list_deinit) struct link_conf_list list = {0};
	const struct link_conf *conf;

	assert_int_equal(link_conf_dump(f->host, &list, NULL), 0);
	conf = link_conf_find(&list, link->host_ifindex);
	assert_non_null(conf);
	return pod_link_host_right(&host, conf);
}

/* Whatever somebody changes of the host's end is seen, and put right. */
static void test_host_repair(void **state)
{
	static const struct {
		const char *path;
		const char *value;
	} changes[] = {
		{"net/ipv4/conf/cali0123456789a/route_localnet", "0"},
		{"net/ipv4/neigh/cali0123456789a/proxy_delay", "80"},
		{"net/ipv4/conf/cali0123456789a/proxy_arp", "0"},
		{"net/ipv4/conf/cali0123456789a/forwarding", "0"},
		{"net/ipv6/conf/cali0123456789a/accept_dad", "1"},
		{"net/ipv6/conf/cali0123456789a/disable_ipv6", "1"},
		{"net/ipv6/conf/cali0123456789a/proxy_ndp", "0"},
		{"net/ipv6/conf/cali0123456789a/forwarding", "0"},
		{"net/ipv6/conf/cali0123456789a/accept_ra", "2"},
	};
	static const uint8_t mac[MAC_SIZE] = {0x02, 1, 2, 3, 4, 5};
	struct fixture *f = *state;
	struct pod_link link = make_link(f);
	const struct pod_link_host host = {link.host_ifname, true, true, link.mtu};
	struct if_addr_list addrs = {0};
	struct err err = ERR_INIT;

	OK(attach(f->host, &link, &err));
	assert_true(host_right(f, &link));
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		OK(sysctl_write(changes[i].path, changes[i].value, &err));
		if (host_right(f, &link))
			fail_msg("%s is not seen", changes[i].path);
		OK(pod_link_host_repair(f->host, &host, &err));
		if (!host_right(f, &link))
			fail_msg("%s is not put right", changes[i].path);
	}
	OK(link_set_mac(f->host, link.host_ifindex, mac, &err));
	assert_false(host_right(f, &link));
	OK(pod_link_host_repair(f->host, &host, &err));
	OK(link_set_mtu(f->host, link.host_ifindex, 1300, &err));
	assert_false(host_right(f, &link));
	OK(pod_link_host_repair(f->host, &host, &err));
	OK(link_set_up(f->host, link.host_ifindex, false, &err));
	assert_false(host_right(f, &link));
	OK(pod_link_host_repair(f->host, &host, &err));
	assert_true(host_right(f, &link));
	OK(addr_dump(f->host, AF_INET6, link.host_ifindex, &addrs, &err));
	assert_int_equal(addrs.n, 1);
	if_addr_list_deinit(&addrs);
	OK(pod_link_detach(f->host, link.host_ifname, &err));
	assert_int_equal(pod_link_host_repair(f->host, &host, &err), -ENODEV);
}

static void test_check(void **state)
{
	struct fixture *f = *state;
	_cleanup_(nl_closep) struct nl *pod = open_pod(f->pod_fd);
	struct pod_link link = make_link(f), other;
	const struct pod_link_host host = {link.host_ifname, true, true, 0};
	struct route route = {.dst = {.addr = {.family = AF_INET6}}};
	struct err err = ERR_INIT;
	struct link dev;

	expect_wrong(f, &link, "gone from the host");
	OK(attach(f->host, &link, &err));
	OK(pod_link_check(f->host, &link, &err));
	other = link;
	other.addrs[0] = cidr_of("10.42.0.6/32");
	expect_wrong(f, &other, "10.42.0.6/32 is missing");
	other = link;
	other.pod_ifname = "eth1";
	expect_wrong(f, &other, "gone from the pod");
	OK(sysctl_write("net/ipv4/conf/cali0123456789a/proxy_arp", "0", &err));
	expect_wrong(f, &link, "proxy_arp is \"0\"");
	OK(pod_link_host_repair(f->host, &host, &err));
	OK(pod_link_check(f->host, &link, &err));
	OK(link_get(pod, "eth0", &dev, &err));
	route.ifindex = dev.ifindex;
	OK(route_delete(pod, &route, &err));
	expect_wrong(f, &link, "the route ::/0 via fe80");
	OK(link_set_up(pod, dev.ifindex, false, &err));
	expect_wrong(f, &link, "down in the pod");
	OK(link_set_up(f->host, link.host_ifindex, false, &err));
	expect_wrong(f, &link, "it is down");
}

static int64_t now_us(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return ts.tv_sec * 1000000ll + ts.tv_nsec / 1000;
}

/* Not judged here, as machines differ, but to be seen. */
static void test_time(void **state)
{
	struct fixture *f = *state;
	int64_t best = INT64_MAX, sum = 0;
	int pods[N_TIMED];

	for (int i = 0; i < N_TIMED; i++) {
		struct pod_link link = make_link(f);
		struct err err = ERR_INIT;
		int64_t start, took;
		char name[IFNAMSIZ];

		(void)snprintf(name, sizeof(name), "cali%d", i);
		link.host_ifname = name;
		pods[i] = link.netns_fd = make_pod(f);
		start = now_us();
		OK(attach(f->host, &link, &err));
		took = now_us() - start;
		sum += took;
		best = took < best ? took : best;
	}
	for (int i = 0; i < N_TIMED; i++)
		(void)fd_close(pods[i]);
	print_message("attach, both families: %lld us on average, %lld at best\n",
		      (long long)(sum / N_TIMED), (long long)best);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_attach),     TEST(test_attach_late), TEST(test_never_configured),
		TEST(test_one_family), TEST(test_traffic),     TEST(test_stale),
		TEST(test_failures),   TEST(test_host_repair), TEST(test_check),
		TEST(test_time),
	};

	if (geteuid() != 0)
		return 77;
	log_set_level(LOG_LEVEL_NONE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
