/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Connection tracking entries, by ctnetlink. */

#include "netlink/nl.h"

/* Deletes every entry that has 'addr' as original source or destination or reply source. */
MUST_CHECK int conntrack_flush_addr(struct nl *netfilter, const struct ip_addr *addr, size_t *ret_n,
				    struct err *err);
