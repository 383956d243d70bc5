/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The devices of our table's flow table. The kernel takes a device out when it goes, and says so
 * to nobody: what is in a flow table is asked for before it is changed, and known to nobody
 * between. Changes are transactions of their own, because one device that is gone fails all of it.
 */

#include "netlink/nl.h"

#define NFT_FLOWTABLE "calico" /* as Calico's */

/*
 * Brings the flow table to hold these of the devices that there are, and no others; 'devices' may
 * name one twice. *ret: how many are in it. <0: -ENOENT where there is no flow table.
 */
MUST_CHECK int nft_flowtable_sync(struct nl *nl, uint8_t family, const char *const *devices,
				  size_t n, size_t *ret, struct err *err);
