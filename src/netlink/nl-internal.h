/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reading one kernel message into our structs, for the dumps and the monitor of this module. All
 * take bytes from outside: <0 (-EBADMSG) for a message that can't be, 0 done, MESSAGE_E_SKIP for
 * one that is not for us.
 */

#include "netlink/addr.h"
#include "netlink/link-conf.h"
#include "netlink/monitor.h"
#include "netlink/neigh.h"
#include "netlink/route.h"

enum message_outcome { MESSAGE_E_SKIP = 1 };

MUST_CHECK int link_from_message(const struct nlmsghdr *message, struct link *ret);
MUST_CHECK int link_conf_from_message(const struct nlmsghdr *message, struct link_conf *ret);
MUST_CHECK int addr_from_message(const struct nlmsghdr *message, struct if_addr *ret);
MUST_CHECK int route_from_message(const struct nlmsghdr *message, struct route *ret);

struct neigh_entry {
	struct neigh neigh;
	int ifindex;
	uint8_t family; /* AF_BRIDGE: forwarding */
	uint16_t state; /* NUD_* */
	uint8_t flags;	/* NTF_* */
};
MUST_CHECK int neigh_from_message(const struct nlmsghdr *message, struct neigh_entry *ret);
MUST_CHECK int monitor_event_from_message(const struct nlmsghdr *message,
					  struct monitor_event *ret);

/* Adds the request to make or to remove a route to a batch. */
void route_batch_replace(struct nl_batch *batch, const struct route *route);
void route_batch_delete(struct nl_batch *batch, const struct route *route);
/* The form in which the kernel would report the route: defaults filled in, host bits cleared. */
struct route route_normal(const struct route *route);
/* Says what a route is, for messages. */
struct route_str {
	char s[160];
};
struct route_str route_format(const struct route *route);
