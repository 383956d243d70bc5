/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Connection tracking entries, by ctnetlink. */

#include "netlink/nl.h"

/* Deletes every entry that has 'addr' as original source or destination or reply source. */
MUST_CHECK int conntrack_flush_addr(struct nl *netfilter, const struct ip_addr *addr, size_t *ret_n,
				    struct err *err);

/*
 * The same of many addresses. From three on they are sought in one list of all connections, instead
 * of three lists each that the kernel makes.
 */
MUST_CHECK int conntrack_flush_addrs(struct nl *netfilter, const struct ip_addr *addrs, size_t n,
				     size_t *ret_n, struct err *err);

/* A connection as its first packet was, after translation of its destination. */
struct conntrack_entry {
	struct ip_addr source;
	struct ip_addr destination;
	struct ip_addr original_destination; /* before translation */
	uint8_t protocol;
	uint16_t source_port;
	uint16_t destination_port;
	uint8_t icmp_type;
	uint8_t icmp_code;
};

/* Deletes the family's entries that 'is_cut' names; it is asked about each. */
MUST_CHECK int conntrack_cut(struct nl *netfilter, uint8_t family,
			     bool (*is_cut)(const struct conntrack_entry *entry, void *ctx),
			     void *ctx, size_t *ret_n, struct err *err);
