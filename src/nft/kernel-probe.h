/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Has the kernel nftables for a family? */

#include "netlink/nl.h"

/* 'nl' is a connection of NETLINK_NETFILTER. Nothing stays of the question. */
bool nft_kernel_has(struct nl *nl, uint8_t family);
/* And flow tables? */
bool nft_kernel_has_flowtables(struct nl *nl, uint8_t family);
