/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The end of our tables: for a node that leaves. */

#include "netlink/nl.h"

/* '*ret': is our table of that family there? 'nl' is a connection of NETLINK_NETFILTER. */
MUST_CHECK int nft_table_find(struct nl *nl, uint8_t family, bool *ret, struct err *err);
/* With all that is in it, in one transaction. <0: it is as it was. */
MUST_CHECK int nft_table_remove(struct nl *nl, uint8_t family, struct err *err);
