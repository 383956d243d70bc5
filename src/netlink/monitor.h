/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the kernel tells of changes to links, addresses, routes, neighbours and rules. A lost
 * message (ENOBUFS) is reported as MONITOR_OVERRUN: read everything back.
 */

#include "netlink/addr.h"
#include "netlink/link.h"
#include "netlink/neigh.h"
#include "netlink/route.h"

enum monitor_event_type {
	MONITOR_LINK,
	MONITOR_LINK_GONE,
	MONITOR_ADDR,
	MONITOR_ADDR_GONE,
	MONITOR_ROUTE,
	MONITOR_ROUTE_GONE,
	MONITOR_NEIGH, /* in a neighbour or forwarding table */
	MONITOR_NEIGH_GONE,
	MONITOR_CONF, /* settings of an interface, or of all */
	MONITOR_OVERRUN,
};

#define MONITOR_ALL_INTERFACES -1

/* Settings that the kernel announces; -1: not told. */
struct monitor_conf {
	int ifindex; /* or MONITOR_ALL_INTERFACES */
	uint8_t family;
	int32_t forwarding;
	int32_t proxy_neigh; /* proxy_arp, proxy_ndp */
};

struct monitor_neigh {
	int ifindex;
	bool permanent;
	struct neigh neigh;
};

struct monitor_event {
	enum monitor_event_type type;
	uint32_t sender; /* the port of who asked for it; 0: the kernel did it by itself */
	union {
		struct link link;
		struct if_addr addr;
		struct route route;
		struct monitor_neigh neigh;
		struct monitor_conf conf;
	};
};

struct monitor;
MUST_CHECK int monitor_open(int netns_fd, struct monitor **ret, struct err *err);
struct monitor *monitor_close(struct monitor *monitor);
CLEANUP_FUNC(struct monitor *, monitor_close);
int monitor_fd(struct monitor *monitor);
/* 0: '*ret' set. MONITOR_E_AGAIN: nothing now. */
enum monitor_outcome { MONITOR_E_AGAIN = 1 };
MUST_CHECK int monitor_next(struct monitor *monitor, struct monitor_event *ret, struct err *err);
