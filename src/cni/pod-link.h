/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Wiring a pod: the veth pair, addresses, routes and sysctls on both ends, as section 1.4 of the
 * facts lists them, by raw netlink. Host-side routes are the agent's (route_sync), not made here.
 */

#include "cni/cni-request.h"
#include "netlink/link-conf.h"

struct pod_link {
	const char *host_ifname;
	const char *pod_ifname;
	int netns_fd;
	uint32_t mtu;
	uint32_t n_queues;
	bool allow_ip_forwarding;
	const struct cidr *routes; /* all by the gateway; none: the default ones */
	size_t n_routes;
	bool early_v4, early_v6; /* families known before the addresses are: set up by _create() */
	struct cidr addrs[8];	 /* /32, /128 */
	unsigned int n_addrs;
	bool has_pod_mac;
	uint8_t pod_mac[MAC_SIZE]; /* wanted if has_pod_mac; set by pod_link_create() */
	int host_ifindex;	   /* these are set by pod_link_create() */
	int pod_ifindex;
	struct nl *pod_nl; /* to the pod's namespace, until pod_link_configure() */
};

/*
 * In two steps: first the pair with its settings, which is most of the work and needs no address
 * yet, so that it can be done while somebody else finds one; then addresses and routes. A family
 * that is in 'addrs' and was not announced as early is set up by the second. A failure of either
 * leaves nothing behind, and 'err' names the step. A stale host-side interface of the same name is
 * deleted first.
 *
 * The calling thread visits the pod's namespace; a failure to come back aborts. The pod's namespace
 * must not be the thread's own. pod_link_deinit() for a link that was created and never configured.
 */
MUST_CHECK int pod_link_create(struct nl *host, struct pod_link *link, struct err *err);
MUST_CHECK int pod_link_configure(struct nl *host, struct pod_link *link, struct err *err);
void pod_link_deinit(struct pod_link *link);

/* Not there (host end, pod end or namespace) is 0. */
MUST_CHECK int pod_link_detach(struct nl *host, const char *host_ifname, struct err *err);

/*
 * CHECK: is everything attach made still so? 0: yes. POD_LINK_E_WRONG: 'err' says what differs.
 */
enum pod_link_outcome { POD_LINK_E_WRONG = 1 };
MUST_CHECK int pod_link_check(struct nl *host, const struct pod_link *link, struct err *err);

/* What the host's end is to be, whoever changed it. */
struct pod_link_host {
	const char *ifname;
	bool v4, v6;  /* families of the pod */
	uint32_t mtu; /* 0: as it is */
};
/* Is it up, with its MAC address, MTU and settings? 'conf' from link_conf_dump() or _read(). */
bool pod_link_host_right(const struct pod_link_host *wanted, const struct link_conf *conf);
/* The same of what a link's announcement tells. */
bool pod_link_host_looks_right(const struct link *link, uint32_t mtu);
/* Makes it so, with the address that the pod's IPv6 gateway is. -ENODEV: it is not there. */
MUST_CHECK int pod_link_host_repair(struct nl *host, const struct pod_link_host *wanted,
				    struct err *err);
