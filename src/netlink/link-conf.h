/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The settings of all interfaces at once. Most of /proc/sys/net/ipv{4,6}/conf and neigh is told by
 * the kernel with a dump of the links, at a microsecond or two per interface, where reading the
 * files costs that per file.
 */

#include "netlink/link.h"

#define LINK_CONF_MAX 64

struct link_conf {
	struct link link;
	/* By IPV4_DEVCONF_* of linux/ip.h and DEVCONF_* of linux/ipv6.h; see link_conf_get(). */
	int32_t v4[LINK_CONF_MAX];
	int32_t v6[LINK_CONF_MAX];
	unsigned int n_v4;
	unsigned int n_v6;   /* 0: IPv6 is not there */
	int64_t proxy_delay; /* IPv4's, in milliseconds; -1: not known */
};
/* False: this kernel does not tell it, or the interface has no such family. */
bool link_conf_get(const struct link_conf *conf, uint8_t family, unsigned int index, int32_t *ret);

struct link_conf_list {
	struct link_conf *v; /* by rising interface index */
	size_t n;
};
void link_conf_list_deinit(struct link_conf_list *list);
/* NULL: none. */
const struct link_conf *link_conf_find(const struct link_conf_list *list, int ifindex);

MUST_CHECK int link_conf_dump(struct nl *nl, struct link_conf_list *ret, struct err *err);
/* Of one interface, without 'proxy_delay'. LINK_E_NOT_FOUND. */
MUST_CHECK int link_conf_read(struct nl *nl, int ifindex, struct link_conf *ret, struct err *err);
