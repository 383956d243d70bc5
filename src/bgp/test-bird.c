/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two real BIRDs in two network namespaces, joined by a veth pair: the rendered configurations make
 * a session, exchange aggregates but not what lies inside them, put IPIP routes onto the tunnel
 * device, and survive a change without the session falling. The tunnel device is one of a veth pair
 * here: what is tested is the route. Needs root; skipped without.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fd.h"
#include "bgp/bgp-config.h"
#include "bgp/bird.h"

#define UP_WITHIN_MS	 5000
#define ROUTES_WITHIN_MS 5000
#define EXIT_SKIPPED	 77

static char address_a[] = "10.0.0.1/24";
static char address_b[] = "10.0.0.2/24";
static char address6_a[] = "fd00:1::1/64";
static char address6_b[] = "fd00:1::2/64";
static char pool_cidr[] = "10.42.0.0/16";
static char pool6_cidr[] = "fd00:42::/48";
static char cross_cidr[] = "10.44.0.0/16";
static char plain_cidr[] = "10.43.0.0/16";

static struct node_bgp bgp_a = {.ipv4_address = address_a, .ipv6_address = address6_a};
static struct node_bgp bgp_b = {.ipv4_address = address_b, .ipv6_address = address6_b};
static char name_a[] = "a", name_b[] = "b", name_pool[] = "pool", name_plain[] = "plain";
static char name_pool6[] = "pool6", name_cross[] = "cross";
static const struct node node_a = {.object.meta.name = name_a, .spec.bgp = &bgp_a};
static const struct node node_b = {.object.meta.name = name_b, .spec.bgp = &bgp_b};
static const struct node *const nodes[] = {&node_a, &node_b};
static const struct ip_pool pool = {
	.object.meta.name = name_pool,
	.spec = {.cidr = pool_cidr, .ipip_mode = ENCAP_MODE_ALWAYS},
};
static const struct ip_pool plain = {
	.object.meta.name = name_plain,
	.spec = {.cidr = plain_cidr},
};
static const struct ip_pool pool6 = {
	.object.meta.name = name_pool6,
	.spec = {.cidr = pool6_cidr},
};
static const struct ip_pool cross = {
	.object.meta.name = name_cross,
	.spec = {.cidr = cross_cidr, .ipip_mode = ENCAP_MODE_CROSS_SUBNET},
};
static const struct ip_pool *const pools[] = {&pool, &plain, &pool6, &cross};

struct side {
	const char *name;
	pid_t holder; /* keeps the namespace */
	int bird;
	char config[64];
	char socket[64];
};

struct lab {
	char dir[32];
	struct side a, b;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void nap(void)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static pid_t holder_start(void)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0)
			(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void enter(const struct side *side)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)side->holder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
	close(fd);
}

/* The words of one `ip` command, in the side's namespace. */
PRINTF_LIKE(2, 3)
static void ip(const struct side *side, const char *format, ...)
{
	char line[256], *argv[32] = {(char[]){"ip"}}, *save = NULL;
	size_t n = 1;
	va_list args;
	int status;
	pid_t pid;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
	enter(side);
	assert_int_equal(posix_spawnp(&pid, "ip", NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("ip %s ...: status %d", argv[1], status);
}

/* Does the kernel route 'destination' (host order) over 'device' via 'gateway'? */
static bool kernel_routes(const struct side *side, uint32_t destination, const char *device,
			  uint32_t gateway)
{
	_cleanup_buf_ struct buf table = BUF_INIT;
	char wanted[128];

	enter(side);
	assert_int_equal(file_read("/proc/thread-self/net/route", 1 << 20, &table, NULL), 0);
	(void)snprintf(wanted, sizeof(wanted), "%s\t%08X\t%08X\t", device,
		       __builtin_bswap32(destination), __builtin_bswap32(gateway));
	return strstr(buf_str(&table), wanted) != NULL;
}

static size_t kernel_count(const struct side *side, uint32_t destination)
{
	_cleanup_buf_ struct buf table = BUF_INIT;
	char wanted[32];
	size_t n = 0;

	enter(side);
	assert_int_equal(file_read("/proc/thread-self/net/route", 1 << 20, &table, NULL), 0);
	(void)snprintf(wanted, sizeof(wanted), "\t%08X\t", __builtin_bswap32(destination));
	for (const char *at = buf_str(&table); (at = strstr(at, wanted)); at++)
		n++;
	return n;
}

static void wait_kernel_route(const struct side *side, uint32_t destination, const char *device,
			      uint32_t gateway)
{
	int64_t deadline = now_ms() + ROUTES_WITHIN_MS;

	while (!kernel_routes(side, destination, device, gateway)) {
		if (now_ms() > deadline)
			fail_msg("no route to %08X over %s", destination, device);
		nap();
	}
}

/* In IPv6: words of /proc/net/ipv6_route, which writes all digits. */
static void wait_kernel_route6(const struct side *side, const char *destination, const char *len,
			       const char *gateway)
{
	int64_t deadline = now_ms() + ROUTES_WITHIN_MS;

	for (;; nap()) {
		_cleanup_buf_ struct buf table = BUF_INIT;
		char wanted[160];

		if (now_ms() > deadline)
			fail_msg("no route to %s/%s", destination, len);
		enter(side);
		assert_int_equal(
			file_read("/proc/thread-self/net/ipv6_route", 1 << 20, &table, NULL), 0);
		(void)snprintf(wanted, sizeof(wanted), "%s %s %032d 00 %s", destination, len, 0,
			       gateway);
		if (strstr(buf_str(&table), wanted))
			return;
	}
}

static bool bird_has_route(const struct side *side, const char *prefix)
{
	_cleanup_buf_ struct buf reply = BUF_INIT;
	_cleanup_buf_ struct buf command = BUF_INIT;
	struct err err = ERR_INIT;
	int r;

	buf_addf(&command, "show route for %s", prefix);
	r = bird_command(side->socket, buf_str(&command), 2000, &reply, &err);
	return r == 0 && strstr(buf_str(&reply), prefix);
}

static int configure(struct side *side, const struct cidr *blocks, size_t n_blocks)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	struct bgp_input input = {
		.node_name = side->name,
		.nodes = nodes,
		.n_nodes = ARRAY_SIZE(nodes),
		.pools = pools,
		.n_pools = ARRAY_SIZE(pools),
		.own_blocks = blocks,
		.n_own_blocks = n_blocks,
		.ipip_device = "tunl0",
		.graceful_restart = true,
	};
	int r = bgp_config_render(&input, &text, &err);

	if (r == 0)
		r = bird_config_write("bird", side->config, text.data, text.size, &err);
	if (r < 0)
		fail_msg("%s", err.msg);
	return r;
}

static struct cidr cidr_of(const char *text)
{
	struct cidr cidr;

	assert_int_equal(cidr_parse(text, &cidr, NULL), 0);
	return cidr;
}

/* A side's session of a family: waits until it stands, copies it. */
static void session_wait(const struct side *side, uint8_t family, struct bird_protocol *ret)
{
	int64_t deadline = now_ms() + UP_WITHIN_MS;
	struct err err = ERR_INIT;

	for (;; nap()) {
		_cleanup_(bird_protocols_deinitp) struct bird_protocols protocols = {.v = NULL};
		struct bgp_session session;

		if (now_ms() > deadline)
			fail_msg("side %s: no session within %d ms (%s)", side->name, UP_WITHIN_MS,
				 err.msg);
		if (bird_show_protocols(side->socket, &protocols, &err) != 0)
			continue;
		for (size_t i = 0; i < protocols.n; i++)
			if (bgp_session_of(&protocols.v[i], &session) &&
			    session.peer.family == family &&
			    strcmp(session.state, "Established") == 0) {
				*ret = protocols.v[i];
				return;
			}
	}
}

static void side_links(const struct side *side, const struct side *peer, const char *address,
		       const char *address6)
{
	ip(side, "link set lo up");
	if (peer)
		ip(side, "link add eth0 type veth peer name eth0 netns %d", (int)peer->holder);
	ip(side, "addr add %s dev eth0", address);
	ip(side, "addr add %s dev eth0 nodad", address6);
	ip(side, "link set eth0 up");
	ip(side, "link add tunl0 type veth peer name tunl0-end");
	ip(side, "link set tunl0-end up");
	ip(side, "link set tunl0 up");
}

static void side_start(struct lab *lab, struct side *side, const char *block, const char *block6)
{
	const struct cidr blocks[] = {cidr_of(block), cidr_of(block6)};
	struct err err = ERR_INIT;

	(void)snprintf(side->config, sizeof(side->config), "%s/%s.conf", lab->dir, side->name);
	(void)snprintf(side->socket, sizeof(side->socket), "%s/%s.ctl", lab->dir, side->name);
	ip(side, "route add blackhole %s proto 80", block);
	assert_int_equal(configure(side, blocks, 2), BIRD_CONFIG_E_WRITTEN);
	enter(side);
	if (bird_spawn("bird", side->config, side->socket, &side->bird, &err) != 0)
		fail_msg("%s", err.msg);
}

static int lab_up(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	assert_non_null(lab);
	*state = lab;
	strcpy(lab->dir, "/tmp/korat-bird-XXXXXX");
	assert_non_null(mkdtemp(lab->dir));
	lab->a.name = name_a;
	lab->b.name = name_b;
	lab->a.holder = holder_start();
	lab->b.holder = holder_start();
	side_links(&lab->a, &lab->b, address_a, address6_a);
	side_links(&lab->b, NULL, address_b, address6_b);
	side_start(lab, &lab->a, "10.42.1.0/26", "fd00:42::40/122");
	side_start(lab, &lab->b, "10.42.2.0/26", "fd00:42::80/122");
	return 0;
}

static void side_stop(const struct lab *lab, struct side *side)
{
	static const char *const suffixes[] = {".conf", ".ctl", ".ctl.pid"};

	if (side->bird > 0) {
		(void)kill(side->bird, SIGTERM);
		(void)waitpid(side->bird, NULL, 0);
	}
	if (side->holder > 0) {
		(void)kill(side->holder, SIGKILL);
		(void)waitpid(side->holder, NULL, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "%s/%s%s", lab->dir, side->name, suffixes[i]);
		(void)unlink(path);
	}
}

static int lab_down(void **state)
{
	struct lab *lab = *state;

	side_stop(lab, &lab->a);
	side_stop(lab, &lab->b);
	(void)rmdir(lab->dir);
	free(lab);
	return 0;
}

static void test_mesh_comes_up(void **state)
{
	struct lab *lab = *state;
	struct bird_protocol session;
	struct bird_daemon_status status;
	struct err err = ERR_INIT;

	session_wait(&lab->a, AF_INET, &session);
	assert_string_equal(session.name, "Mesh_10_0_0_2");
	session_wait(&lab->b, AF_INET, &session);
	assert_string_equal(session.name, "Mesh_10_0_0_1");
	session_wait(&lab->a, AF_INET6, &session);
	assert_string_equal(session.name, "Mesh_fd00_1__2");
	assert_int_equal(bird_show_status(lab->a.socket, &status, &err), 0);
	assert_string_equal(status.router_id, "10.0.0.1");
	assert_int_equal(strlen(status.last_reboot), strlen("2026-11-23 03:43:33"));
}

static void test_routes(void **state)
{
	struct lab *lab = *state;

	/* A pod inside the own block, and one with a borrowed address. */
	ip(&lab->a, "route add 10.42.1.5/32 dev eth0 proto 80");
	ip(&lab->a, "route add 10.42.9.5/32 dev eth0 proto 80");

	wait_kernel_route(&lab->b, 0x0a2a0100, "tunl0", 0x0a000001);
	wait_kernel_route(&lab->b, 0x0a2a0905, "tunl0", 0x0a000001);
	wait_kernel_route(&lab->a, 0x0a2a0200, "tunl0", 0x0a000002);
	wait_kernel_route6(&lab->b, "fd000042000000000000000000000040", "7a",
			   "fd000001000000000000000000000001");
	assert_false(bird_has_route(&lab->b, "10.42.1.5/32"));
	assert_true(bird_has_route(&lab->a, "10.42.1.5/32"));
	/* BIRD's aggregate has not come beside the agent's blackhole, nor the device's net twice.
	 */
	assert_int_equal(kernel_count(&lab->a, 0x0a2a0100), 1);
	assert_int_equal(kernel_count(&lab->a, 0x0a000000), 1);
}

static void test_change_keeps_session(void **state)
{
	struct lab *lab = *state;
	const struct cidr blocks[] = {cidr_of("10.42.1.0/26"), cidr_of("fd00:42::40/122"),
				      cidr_of("10.44.1.0/26"), cidr_of("10.43.1.0/26")};
	struct bird_protocol before, after;
	struct err err = ERR_INIT;

	session_wait(&lab->b, AF_INET, &before);
	assert_int_equal(configure(&lab->a, blocks, 4), BIRD_CONFIG_E_WRITTEN);
	if (bird_configure(lab->a.socket, &err) != 0)
		fail_msg("%s", err.msg);
	wait_kernel_route(&lab->b, 0x0a2b0100, "eth0", 0x0a000001); /* no encapsulation */
	wait_kernel_route(&lab->b, 0x0a2c0100, "eth0", 0x0a000001); /* the same subnet */
	assert_int_equal(configure(&lab->a, blocks, 4), 0);

	assert_int_equal(configure(&lab->a, blocks, 2), BIRD_CONFIG_E_WRITTEN);
	assert_int_equal(bird_configure(lab->a.socket, &err), 0);
	for (int64_t deadline = now_ms() + ROUTES_WITHIN_MS;
	     kernel_routes(&lab->b, 0x0a2b0100, "eth0", 0x0a000001); nap())
		assert_true(now_ms() < deadline);
	session_wait(&lab->b, AF_INET, &after);
	assert_string_equal(after.since, before.since);
}

static void test_refusals(void **state)
{
	struct lab *lab = *state;
	_cleanup_buf_ struct buf reply = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(bird_command(lab->a.socket, "frobnicate", 2000, &reply, &err),
			 BIRD_E_REFUSED);
	assert_non_null(strstr(err.msg, "syntax error"));
	assert_int_equal(bird_command("/nonexistent/bird.ctl", "show status", 2000, &reply, &err),
			 BIRD_E_ABSENT);
	assert_non_null(strstr(err.msg, "no BIRD answers at /nonexistent/bird.ctl"));
	assert_true(bird_command(lab->a.socket, "show status\ndown", 2000, &reply, &err) < 0);

	/* A configuration that BIRD alone would refuse: it keeps its old one. */
	assert_int_equal(file_write_atomic(lab->a.config, "x\n", 2, 0600, &err), 0);
	assert_int_equal(bird_configure(lab->a.socket, &err), BIRD_E_REFUSED);
	assert_non_null(strstr(err.msg, "syntax error"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mesh_comes_up),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_change_keeps_session),
		cmocka_unit_test(test_refusals),
	};

	if (geteuid() != 0)
		return EXIT_SKIPPED;
	return cmocka_run_group_tests(tests, lab_up, lab_down);
}
