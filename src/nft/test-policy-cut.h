/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For the table's tests: cuts what the table denies, of IPv4. After cmocka.h. */

#include <linux/netlink.h>

#include "netlink/conntrack.h"
#include "nft/policy-table.h"
#include "policy/policy-match.h"

static inline bool test_is_not_of_host(const struct conntrack_entry *entry, void *ctx)
{
	struct ip_addr host = ip_from_u32(0xc0000201);

	(void)ctx;
	return !ip_equal(&entry->source, &host);
}

/* As the agent does. The host is 192.0.2.1. */
static inline void test_cut_denied(const struct policy_table *table)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct conntrack_list list = {.v = NULL};
	struct err err = ERR_INIT;
	size_t n_denied = 0;
	size_t n;

	if (nl_open(NETLINK_NETFILTER, -1, &nl, &err) < 0 ||
	    conntrack_list_add(&list, nl, AF_INET, test_is_not_of_host, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < list.n; i++) {
		const struct conntrack_entry *entry = &list.v[i].entry;
		struct packet packet = {.source = entry->source,
					.destination = entry->destination,
					.protocol = entry->protocol,
					.source_port = entry->source_port,
					.destination_port = entry->destination_port};
		bool denied;

		policy_table_judge(table, &packet, 1, &denied);
		if (denied)
			list.v[n_denied++] = list.v[i];
	}
	list.n = n_denied;
	if (conntrack_list_delete(&list, nl, &n, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(n, n_denied);
	conntrack_list_clear(&list);
}
