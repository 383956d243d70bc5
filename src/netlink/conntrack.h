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

/* One of the kernel's, which can be deleted as long as it is that one. */
#define CONNTRACK_TUPLE_MAX 88 /* of IPv6 and ICMP: 80 */
struct conntrack_item {
	struct conntrack_entry entry;
	uint8_t family;
	uint8_t tuple_size;
	bool has_zone;
	uint16_t zone;
	uint32_t id;
	uint8_t tuple[CONNTRACK_TUPLE_MAX]; /* CTA_TUPLE_ORIG, as the kernel shows it */
};
#define CONNTRACK_LIST_MAX 1048576u
struct conntrack_list {
	struct conntrack_item *v;
	size_t n;
};
void conntrack_list_clear(struct conntrack_list *list);

/* Appends the family's entries that 'is_wanted' names. -E2BIG: more than CONNTRACK_LIST_MAX. */
MUST_CHECK int conntrack_list_add(struct conntrack_list *list, struct nl *netfilter, uint8_t family,
				  bool (*is_wanted)(const struct conntrack_entry *entry, void *ctx),
				  void *ctx, struct err *err);
/* All in the list; one that is gone is as well, and one that took its place stays. */
MUST_CHECK int conntrack_list_delete(const struct conntrack_list *list, struct nl *netfilter,
				     size_t *ret_n, struct err *err);

/* Deletes the family's entries that 'is_cut' names; it is asked about each. */
MUST_CHECK int conntrack_cut(struct nl *netfilter, uint8_t family,
			     bool (*is_cut)(const struct conntrack_entry *entry, void *ctx),
			     void *ctx, size_t *ret_n, struct err *err);
