/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Announcements of rtnetlink, one datagram at a time, each holding one or more messages. Nothing is
 * dropped but what no event type stands for.
 */

#include "netlink/monitor.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netlink/nl-internal.h"

struct monitor {
	struct nl *nl;
	const struct nlmsghdr *next; /* in the datagram read last; borrowed from 'nl' */
	int left;		     /* bytes of it from 'next' on */
};

static const unsigned int groups[] = {
	RTNLGRP_LINK,	    RTNLGRP_NEIGH,	RTNLGRP_IPV4_IFADDR,  RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
};

#define CONF_ATTRS (NETCONFA_PROXY_NEIGH + 1)

static const uint8_t conf_policy[CONF_ATTRS] = {
	[NETCONFA_IFINDEX] = NL_ATTR_U32,
	[NETCONFA_FORWARDING] = NL_ATTR_U32,
	[NETCONFA_PROXY_NEIGH] = NL_ATTR_U32,
};

static int neigh_event(const struct nlmsghdr *message, struct monitor_event *ret)
{
	struct neigh_entry entry;
	int r = neigh_from_message(message, &entry);

	if (r == 0)
		ret->neigh = (struct monitor_neigh){.ifindex = entry.ifindex,
						    .permanent = entry.state & NUD_PERMANENT,
						    .neigh = entry.neigh};
	return r;
}

static int32_t conf_value(const struct nlattr *attr)
{
	return attr ? (int32_t)mnl_attr_get_u32(attr) : -1;
}

static int conf_event(const struct nlmsghdr *message, struct monitor_event *ret)
{
	const struct nlattr *tb[CONF_ATTRS];
	struct netconfmsg header;
	int r = nl_parse(message, NLMSG_ALIGN(sizeof(header)), conf_policy, CONF_ATTRS, tb);

	if (r < 0)
		return r;
	if (!tb[NETCONFA_IFINDEX])
		return MESSAGE_E_SKIP;
	memcpy(&header, mnl_nlmsg_get_payload(message), sizeof(header));
	ret->conf = (struct monitor_conf){
		.ifindex = conf_value(tb[NETCONFA_IFINDEX]),
		.family = header.ncm_family,
		.forwarding = conf_value(tb[NETCONFA_FORWARDING]),
		.proxy_neigh = conf_value(tb[NETCONFA_PROXY_NEIGH]),
	};
	return 0;
}

int monitor_event_from_message(const struct nlmsghdr *message, struct monitor_event *ret)
{
	ret->sender = message->nlmsg_pid;
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		ret->type = message->nlmsg_type == RTM_NEWLINK ? MONITOR_LINK : MONITOR_LINK_GONE;
		return link_from_message(message, &ret->link);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		ret->type = message->nlmsg_type == RTM_NEWADDR ? MONITOR_ADDR : MONITOR_ADDR_GONE;
		return addr_from_message(message, &ret->addr);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		ret->type =
			message->nlmsg_type == RTM_NEWROUTE ? MONITOR_ROUTE : MONITOR_ROUTE_GONE;
		return route_from_message(message, &ret->route);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		ret->type =
			message->nlmsg_type == RTM_NEWNEIGH ? MONITOR_NEIGH : MONITOR_NEIGH_GONE;
		return neigh_event(message, ret);
	case RTM_NEWNETCONF:
		ret->type = MONITOR_CONF;
		return conf_event(message, ret);
	default:
		return MESSAGE_E_SKIP;
	}
}

int monitor_open(int netns_fd, struct monitor **ret, struct err *err)
{
	_cleanup_(monitor_closep) struct monitor *monitor = XNEW(struct monitor);
	int r = nl_open(NETLINK_ROUTE, netns_fd, &monitor->nl, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(groups); i++)
		r = nl_join(monitor->nl, groups[i], err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(monitor);
	return 0;
}

struct monitor *monitor_close(struct monitor *monitor)
{
	if (!monitor)
		return NULL;
	nl_close(monitor->nl);
	free(monitor);
	return NULL;
}

int monitor_fd(struct monitor *monitor)
{
	return nl_fd(monitor->nl);
}

enum refill_outcome { REFILL_E_NOTHING = 1, REFILL_E_OVERRUN };

static int refill(struct monitor *monitor, struct err *err)
{
	const void *data;
	int n = nl_receive(monitor->nl, &data);

	if (n == 0)
		return REFILL_E_NOTHING;
	if (n == -ENOBUFS || n == -EMSGSIZE)
		return REFILL_E_OVERRUN;
	if (n < 0)
		return err_errno(err, n, "receive from the kernel's monitor");
	monitor->next = data;
	monitor->left = n;
	return 0;
}

/* The next event of the datagram at hand. MONITOR_E_AGAIN: there is none left in it. */
static int next_in_datagram(struct monitor *monitor, struct monitor_event *ret, struct err *err)
{
	while (nl_message_ok(monitor->next, monitor->left)) {
		const struct nlmsghdr *message = monitor->next;
		struct monitor_event event;
		int r;

		monitor->next = mnl_nlmsg_next(message, &monitor->left);
		r = monitor_event_from_message(message, &event);
		if (r < 0)
			return err_errno(err, r, "a message of the kernel's monitor");
		if (r == MESSAGE_E_SKIP)
			continue;
		*ret = event;
		return 0;
	}
	return MONITOR_E_AGAIN;
}

int monitor_next(struct monitor *monitor, struct monitor_event *ret, struct err *err)
{
	for (;;) {
		int r = next_in_datagram(monitor, ret, err);

		if (r != MONITOR_E_AGAIN)
			return r;
		r = refill(monitor, err);
		if (r < 0)
			return r;
		if (r == REFILL_E_NOTHING)
			return MONITOR_E_AGAIN;
		if (r == REFILL_E_OVERRUN) {
			ret->type = MONITOR_OVERRUN;
			return 0;
		}
	}
}
