/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The end of a node. What is ours is told by what nobody else has: pods' links by name and address,
 * tunnels by name and kind, routes by protocol 80, tables, chains and sets by name. BIRD's routes
 * are BIRD's to remove, and it is told to: their protocol may be that of another BIRD as well.
 * Every step is tried, whatever happened to those before; a second run does what the first could
 * not.
 */

#include "agent/cleanup.h"

#include <errno.h>
#include <getopt.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "agent/cluster-guid.h"
#include "agent/last-good.h"
#include "agent/privileges.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "bgp/bird.h"
#include "iptables/policy-iptables.h"
#include "netlink/addr.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "nft/table-remove.h"

#define ROUTE_PROTOCOL	80
#define BIRD_TIMEOUT_MS 5000
#define BIRD_TRIES	100 /* until its socket is gone */
#define BIRD_PAUSE_NS	50000000

struct cleanup {
	const char *run_dir;
	const char *state_dir;
	const char *prefix; /* of pods' links */
	bool dry_run;
	unsigned int n_found;
	unsigned int n_failed;
	struct nl *nl;
};

/* --- Saying ---------------------------------------------------------------------------------- */

/* True: it is to be done. */
static bool found(struct cleanup *cleanup, const char *what, const char *name)
{
	cleanup->n_found++;
	(void)printf("%s %s %s\n", cleanup->dry_run ? "would remove" : "removing", what, name);
	return !cleanup->dry_run;
}

static void note(struct cleanup *cleanup, int r, const struct err *err)
{
	if (r >= 0)
		return;
	cleanup->n_failed++;
	(void)fprintf(stderr, "korat agent cleanup: %s\n", err->msg);
}

/* --- What there is --------------------------------------------------------------------------- */

static bool is_learning(const struct bird_protocol *protocol)
{
	return strcmp(protocol->proto, "BGP") == 0 || strcmp(protocol->proto, "Static") == 0;
}

/*
 * What gives BIRD routes is disabled; with it go the routes. To end BIRD alone would leave them, as
 * its configuration says. 0: all is down. >0: not yet.
 */
static int drain_bird(const char *path)
{
	_cleanup_(bird_protocols_deinitp) struct bird_protocols protocols = {0};
	int n_up = 0;

	if (bird_show_protocols(path, &protocols, NULL) != 0)
		return 0;
	for (size_t i = 0; i < protocols.n; i++) {
		_cleanup_buf_ struct buf reply = BUF_INIT;
		_cleanup_free_ char *command = NULL;

		if (!is_learning(&protocols.v[i]) || strcmp(protocols.v[i].state, "down") == 0)
			continue;
		n_up++;
		command = xasprintf("disable %s", protocols.v[i].name);
		(void)!bird_command(path, command, BIRD_TIMEOUT_MS, &reply, NULL);
	}
	return n_up;
}

static void stop_bird(struct cleanup *cleanup)
{
	const struct timespec pause = {.tv_nsec = BIRD_PAUSE_NS};
	_cleanup_free_ char *path = xasprintf("%s/bird.ctl", cleanup->run_dir);
	_cleanup_buf_ struct buf reply = BUF_INIT;
	struct bird_daemon_status status;
	struct err err = ERR_INIT;

	if (bird_show_status(path, &status, NULL) != 0 || !found(cleanup, "BIRD at", path))
		return;
	for (unsigned int i = 0; i < BIRD_TRIES && drain_bird(path) > 0; i++)
		(void)nanosleep(&pause, NULL);
	/* The connection may end before the answer, which is as good. */
	(void)!bird_command(path, "down", BIRD_TIMEOUT_MS, &reply, NULL);
	for (unsigned int i = 0; i < BIRD_TRIES; i++) {
		if (bird_show_status(path, &status, NULL) != 0)
			return;
		(void)nanosleep(&pause, NULL);
	}
	note(cleanup, -EBUSY, (err_set(&err, -EBUSY, "BIRD at %s does not stop", path), &err));
}

static bool is_pod_link(const struct cleanup *cleanup, const struct link *link)
{
	static const uint8_t mac[MAC_SIZE] = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee};

	return strncmp(link->name, cleanup->prefix, strlen(cleanup->prefix)) == 0 &&
	       strcmp(link->kind, "veth") == 0 && memcmp(link->mac, mac, MAC_SIZE) == 0;
}

static bool is_tunnel(const struct link *link)
{
	return strcmp(link->kind, "vxlan") == 0 && (strcmp(link->name, "vxlan.calico") == 0 ||
						    strcmp(link->name, "vxlan-v6.calico") == 0);
}

static void remove_address(struct cleanup *cleanup, const struct link *link,
			   const struct cidr *addr)
{
	_cleanup_free_ char *text = xasprintf("%s of tunl0", cidr_format(addr).s);
	struct err err = ERR_INIT;

	if (found(cleanup, "address", text))
		note(cleanup, addr_delete(cleanup->nl, link->ifindex, addr, &err), &err);
}

/* The device is the kernel's own and stays; our address goes, and it is set down as it was. */
static void reset_ipip(struct cleanup *cleanup, const struct link *link)
{
	struct if_addr_list list = {0};
	struct err err = ERR_INIT;
	int r = addr_dump(cleanup->nl, AF_INET, link->ifindex, &list, &err);

	note(cleanup, r, &err);
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		if (cidr_is_host(&list.v[i].cidr))
			remove_address(cleanup, link, &list.v[i].cidr);
	}
	if (list.n && link->flags & IFF_UP && !cleanup->dry_run)
		note(cleanup, link_set_up(cleanup->nl, link->ifindex, false, &err), &err);
	if_addr_list_deinit(&list);
}

static void remove_links(struct cleanup *cleanup)
{
	struct link_list links = {0};
	struct err err = ERR_INIT;
	int r = link_dump(cleanup->nl, &links, &err);

	note(cleanup, r, &err);
	for (size_t i = 0; r == 0 && i < links.n; i++) {
		const struct link *link = &links.v[i];

		if (strcmp(link->name, "tunl0") == 0 && strcmp(link->kind, "ipip") == 0)
			reset_ipip(cleanup, link);
		else if ((is_pod_link(cleanup, link) || is_tunnel(link)) &&
			 found(cleanup, "link", link->name))
			note(cleanup, link_delete(cleanup->nl, link->name, &err), &err);
	}
	link_list_deinit(&links);
}

static void remove_routes(struct cleanup *cleanup, uint8_t family)
{
	_cleanup_(route_list_deinit) struct route_list list = {0};
	struct err err = ERR_INIT;
	size_t n_bird = 0;
	int r = route_dump(cleanup->nl, family, 0, &list, &err);

	note(cleanup, r, &err);
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		n_bird += list.v[i].protocol == RTPROT_BIRD;
		if (list.v[i].protocol == ROUTE_PROTOCOL &&
		    found(cleanup, "route", cidr_format(&list.v[i].dst).s))
			note(cleanup, route_delete(cleanup->nl, &list.v[i], &err), &err);
	}
	if (n_bird)
		(void)printf("left alone: %zu IPv%u routes of protocol bird, which may be another "
			     "BIRD's\n",
			     n_bird, ip_version(family));
}

static void remove_table(struct cleanup *cleanup, struct nl *nl, uint8_t family)
{
	struct err err = ERR_INIT;
	bool there = false;
	int r = nft_table_find(nl, family, &there, &err);

	if (r == 0 && there &&
	    found(cleanup, "nftables table", family == AF_INET ? "ip calico" : "ip6 calico"))
		r = nft_table_remove(nl, family, &err);
	note(cleanup, r, &err);
}

static void remove_tables(struct cleanup *cleanup)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct err err = ERR_INIT;
	int r = nl_open(NETLINK_NETFILTER, -1, &nl, &err);

	note(cleanup, r, &err);
	if (r < 0)
		return;
	remove_table(cleanup, nl, AF_INET);
	remove_table(cleanup, nl, AF_INET6);
}

/*
 * Programs are run only where there is something for them: with policy in iptables, there are sets.
 */
static void remove_iptables(struct cleanup *cleanup)
{
	struct err err = ERR_INIT;
	bool there = false;
	int r = policy_iptables_has_sets(&there, &err);

	if (r < 0 || !there || !found(cleanup, "iptables", "chains cali-... and IP sets")) {
		note(cleanup, r, &err);
		return;
	}
	note(cleanup, policy_iptables_remove(&there, &err), &err);
}

/* --- Files ----------------------------------------------------------------------------------- */

/* What binds this node to its cluster: its name, addresses in reserve and objects of that one. */
static void remove_files(struct cleanup *cleanup)
{
	static const char *const names[] = {CLUSTER_GUID_FILE,	   "korat-reserve.json",
					    LAST_GOOD_FILE,	   LAST_GOOD_FILE "-wal",
					    LAST_GOOD_FILE "-shm", LAST_GOOD_FILE ".damaged"};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", cleanup->state_dir, names[i]);

		if (access(path, F_OK) == 0 && found(cleanup, "file", path) && unlink(path) < 0)
			note(cleanup, err_errno(&err, -errno, "can't remove %s", path), &err);
	}
}

/* --- The program ----------------------------------------------------------------------------- */

/* It would put back everything at once. */
static bool agent_runs(const struct cleanup *cleanup)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/cni.sock", cleanup->run_dir);

	return fd >= 0 && n > 0 && (size_t)n < sizeof(addr.sun_path) &&
	       connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0;
}

static int parse(int argc, char **argv, struct cleanup *ret)
{
	static const struct option options[] = {{"dry-run", no_argument, NULL, 'n'},
						{"run-dir", required_argument, NULL, 'r'},
						{"state-dir", required_argument, NULL, 's'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n')
			ret->dry_run = true;
		else if (option == 'r')
			ret->run_dir = optarg;
		else if (option == 's')
			ret->state_dir = optarg;
		else
			break;
	}
	if (option == -1 && optind == argc)
		return 0;
	(void)fprintf(
		option == 'h' ? stdout : stderr,
		"Usage: korat agent cleanup [--dry-run] [--run-dir DIR] [--state-dir DIR]\n\n"
		"Takes what the agent of this node made out of the kernel: pods' links, tunnels,\n"
		"routes, nftables tables, iptables chains; stops its BIRD; and forgets which cluster this node is of.\n"
		"Stop the agent first.\n");
	return option == 'h' ? 1 : -EINVAL;
}

int cleanup_main(int argc, char **argv)
{
	const char *prefix = getenv("FELIX_INTERFACEPREFIX");
	struct cleanup cleanup = {.run_dir = "/run/korat",
				  .state_dir = "/var/lib/calico",
				  .prefix = prefix && *prefix ? prefix : "cali"};
	struct err err = ERR_INIT;
	int r = parse(argc, argv, &cleanup);

	if (r != 0)
		return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	if (!cleanup.dry_run && agent_runs(&cleanup)) {
		(void)fprintf(stderr,
			      "korat agent cleanup: an agent listens on %s/cni.sock and would put "
			      "everything back: stop it first\n",
			      cleanup.run_dir);
		return EXIT_FAILURE;
	}
	r = privileges_keep(PRIVILEGES_AGENT, &err);
	if (r == 0)
		r = nl_open(NETLINK_ROUTE, -1, &cleanup.nl, &err);
	note(&cleanup, r, &err);
	if (r < 0)
		return EXIT_FAILURE;
	stop_bird(&cleanup);
	remove_links(&cleanup);
	remove_routes(&cleanup, AF_INET);
	remove_routes(&cleanup, AF_INET6);
	remove_tables(&cleanup);
	remove_iptables(&cleanup);
	remove_files(&cleanup);
	cleanup.nl = nl_close(cleanup.nl);
	if (!cleanup.n_found)
		(void)printf("nothing of Korat is on this node\n");
	return cleanup.n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
