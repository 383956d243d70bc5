/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A look costs four system calls with legacy tables, and one per announcement with nftables. Only
 * tables that are always ours are looked at: to ask for another one would make it.
 */

#include "iptables/table-watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "iptables/pace.h"
#include "iptables/table-entries.h"

#define FAMILIES 2

static const char *const names[] = {"filter", "raw"};

struct table_watch {
	uint64_t digests[FAMILIES][ARRAY_SIZE(names)]; /* 0: not known */
	struct pace pace;			       /* of these */
	int fds[FAMILIES];			       /* -1: the kernel has no such family */
	struct ipt_getinfo infos[FAMILIES][ARRAY_SIZE(names)];
	struct nl *events;
};

int table_watch_open(enum iptables_backend backend, struct table_watch **ret, struct err *err)
{
	struct table_watch *watch = XNEW(struct table_watch);
	int r = 0;

	watch->fds[0] = -1;
	watch->fds[1] = -1;
	if (backend == IPTABLES_LEGACY) {
		watch->fds[0] = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
		watch->fds[1] = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
		if (watch->fds[0] < 0)
			r = err_errno(err, -errno, "can't open a raw socket");
	} else {
		r = nl_open(NETLINK_NETFILTER, -1, &watch->events, err);
		if (r == 0)
			r = nl_join(watch->events, NFNLGRP_NFTABLES, err);
	}
	if (r < 0)
		(void)table_watch_close(watch);
	else
		*ret = watch;
	return r;
}

struct table_watch *table_watch_close(struct table_watch *watch)
{
	if (!watch)
		return NULL;
	for (unsigned int f = 0; f < FAMILIES; f++)
		(void)fd_close(watch->fds[f]);
	(void)nl_close(watch->events);
	free(watch);
	return NULL;
}

static bool look_at_rules(struct table_watch *watch, unsigned int f, size_t t)
{
	uint64_t before = watch->digests[f][t];
	uint64_t digest = 0;

	if (!watch->infos[f][t].size)
		return false;
	if (!table_entries_digest(watch->fds[f], f == 0 ? AF_INET : AF_INET6, names[t],
				  watch->infos[f][t].size, &digest))
		digest = 0;
	watch->digests[f][t] = digest;
	return before && digest != before;
}

static bool look_at_size(struct table_watch *watch, unsigned int f, size_t t)
{
	/* One layout in both families. */
	struct ipt_getinfo info;
	socklen_t size = sizeof(info);
	bool differs;

	_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo) &&
			       IPT_SO_GET_INFO == IP6T_SO_GET_INFO,
		       "one layout and one number");
	memset(&info, 0, sizeof(info));
	memcpy(info.name, names[t], strlen(names[t]));
	if (getsockopt(watch->fds[f], f == 0 ? IPPROTO_IP : IPPROTO_IPV6, IPT_SO_GET_INFO, &info,
		       &size) < 0)
		memset(&info, 0, sizeof(info));
	differs = memcmp(&info, &watch->infos[f][t], sizeof(info)) != 0;
	watch->infos[f][t] = info;
	return differs;
}

/* Every message about something in a table names the table in its first attribute. */
static bool is_of_iptables(const struct nlmsghdr *message)
{
	static const char *const tables[] = {"raw", "mangle", "nat", "filter"};
	static const uint8_t policy[NFTA_TABLE_NAME + 1] = {[NFTA_TABLE_NAME] = NL_ATTR_STRING};
	const struct nlattr *tb[NFTA_TABLE_NAME + 1];

	if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN)
		return false;
	if (nl_parse(message, sizeof(struct nfgenmsg), policy, ARRAY_SIZE(policy), tb) < 0)
		return true;
	for (size_t i = 0; tb[NFTA_TABLE_NAME] && i < ARRAY_SIZE(tables); i++)
		if (strcmp(mnl_attr_get_str(tb[NFTA_TABLE_NAME]), tables[i]) == 0)
			return true;
	return false;
}

static bool drain(struct table_watch *watch)
{
	bool differs = false;

	for (;;) {
		const void *data;
		int left = nl_receive(watch->events, &data);
		const struct nlmsghdr *message = data;

		if (left == 0)
			return differs;
		if (left < 0) {
			differs = true;
			if (left == -ENOBUFS || left == -EMSGSIZE)
				continue;
			return differs;
		}
		for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
			differs = differs || is_of_iptables(message);
	}
}

bool table_watch_look(struct table_watch *watch)
{
	bool differs = false;

	if (watch->events)
		return drain(watch);
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (size_t t = 0; watch->fds[f] >= 0 && t < ARRAY_SIZE(names); t++)
			differs = look_at_size(watch, f, t) || differs;
	return differs;
}

static bool look_at_all_rules(struct table_watch *watch)
{
	bool differs = false;

	pace_begin(&watch->pace);
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (size_t t = 0; watch->fds[f] >= 0 && t < ARRAY_SIZE(names); t++)
			differs = look_at_rules(watch, f, t) || differs;
	pace_end(&watch->pace);
	return differs;
}

bool table_watch_look_closely(struct table_watch *watch)
{
	bool differs = table_watch_look(watch);

	if (!watch->events && pace_is_due(&watch->pace))
		differs = look_at_all_rules(watch) || differs;
	return differs;
}

void table_watch_learn(struct table_watch *watch)
{
	(void)table_watch_look(watch);
	if (!watch->events)
		(void)look_at_all_rules(watch);
}
