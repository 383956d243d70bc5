/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Neighbours: permanent ARP/NDP entries (address -> MAC) and VXLAN forwarding entries (MAC ->
 * remote node). One sync for each interface, as route_sync: wanted, known, batch.
 */

#include "netlink/link.h"

struct neigh {
	struct ip_addr addr; /* ARP/NDP: the neighbour. Forwarding: where the tunnel ends */
	uint8_t mac[MAC_SIZE];
};

struct neigh_sync;

enum neigh_table {
	NEIGH_ARP, /* AF_INET or AF_INET6 neighbour entries, keyed by address */
	NEIGH_FDB, /* AF_BRIDGE entries of a VXLAN device, keyed by MAC */
};

/* Only permanent entries on 'ifindex' are ours. */
struct neigh_sync *neigh_sync_new(struct nl *nl, enum neigh_table table, uint8_t family,
				  int ifindex);
struct neigh_sync *neigh_sync_free(struct neigh_sync *sync);
CLEANUP_FUNC(struct neigh_sync *, neigh_sync_free);
void neigh_sync_want(struct neigh_sync *sync, const struct neigh *neigh);
void neigh_sync_unwant(struct neigh_sync *sync, const struct neigh *neigh);
void neigh_sync_invalidate(struct neigh_sync *sync);
/*
 * As route_sync_apply(). 0: all done. NEIGH_E_PENDING: some were refused and are retried at the
 * next apply, 'err' names the first. <0: the socket failed.
 */
enum neigh_sync_outcome { NEIGH_E_PENDING = 1 };
MUST_CHECK int neigh_sync_apply(struct neigh_sync *sync, bool sweep, struct err *err);

struct neigh_sync_stats {
	size_t n_desired;
	size_t n_replaced; /* by the last apply */
	size_t n_deleted;
};
struct neigh_sync_stats neigh_sync_get_stats(const struct neigh_sync *sync);

/* One permanent entry, at once. */
MUST_CHECK int neigh_replace(struct nl *nl, int ifindex, const struct neigh *neigh,
			     struct err *err);
MUST_CHECK int neigh_delete(struct nl *nl, int ifindex, const struct ip_addr *addr,
			    struct err *err);
