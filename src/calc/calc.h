/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The agent's graph: model objects go in one by one, the desired state of this node's network comes
 * out as deltas. Pure: no I/O, no clock. The order of inputs does not matter, and the cost of a
 * flush follows what changed, not what exists.
 *
 * Inputs: Node, IPPool, IPAMBlock; other kinds are ignored. Outputs:
 *
 *   routes	own blocks as blackholes; blocks and borrowed addresses of other nodes in VXLAN
 *pools (IPIP and unencapsulated pools are BIRD's, see docs/architecture.md) VTEPs	other nodes'
 *VXLAN tunnel ends, for neighbour and forwarding entries notes	that the pools (NAT), the tunnels
 *wanted here, or what BIRD is told have changed; they are read back by the getters
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/mac.h"
#include "model/model.h"

struct calc;
struct node;

enum calc_device {
	CALC_DEVICE_NONE,   /* blackhole */
	CALC_DEVICE_VXLAN,  /* vxlan.calico, vxlan-v6.calico */
	CALC_DEVICE_PARENT, /* the interface of the node's own address */
};

struct calc_route {
	struct cidr dst;
	enum calc_device device;
	struct ip_addr gateway; /* family 0: none */
};

struct calc_vtep {
	struct ip_addr addr; /* inside the tunnel */
	struct ip_addr node_addr;
	uint8_t mac[MAC_SIZE];
};

/* What has changed since the last flush. Apply removals first. */
struct calc_update {
	struct cidr *routes_gone;
	size_t n_routes_gone;
	struct calc_route *routes; /* new, or changed in place */
	size_t n_routes;
	struct calc_vtep *vteps_gone;
	size_t n_vteps_gone;
	struct calc_vtep *vteps;
	size_t n_vteps;
	bool pools_changed;
	bool own_node_changed;
	bool bgp_changed; /* nodes, pools or own blocks: what BIRD's configuration is made of */
};
void calc_update_deinit(struct calc_update *update);
CLEANUP_DEINIT(struct calc_update, calc_update_deinit);

struct calc *calc_new(const char *node_name);
struct calc *calc_free(struct calc *calc);
CLEANUP_FUNC(struct calc *, calc_free);

/*
 * Creates or replaces; the object is copied where it is needed. -EINVAL: the object can't be
 * understood, 'err' says why; what was known of it before stays in force.
 */
MUST_CHECK int calc_put(struct calc *calc, const struct object *object, struct err *err);
void calc_remove(struct calc *calc, enum kind kind, const char *name);

/* '*ret' is the caller's to deinit. */
void calc_flush(struct calc *calc, struct calc_update *ret);

/* The whole desired state, as one update from nothing; for tests and dumps. */
void calc_snapshot(const struct calc *calc, struct calc_update *ret);

/* --- Read back (borrowed until the next put or remove) --------------------------------------- */

struct calc_pool {
	char *name;
	struct cidr cidr;
	uint8_t vxlan_mode; /* enum encap_mode */
	uint8_t ipip_mode;
	bool nat_outgoing;
	bool disabled;
	const struct object *object; /* with defaults */
};

/* Sorted by name. */
void calc_get_pools(const struct calc *calc, const struct calc_pool *const **ret, size_t *ret_n);
/* Does any pool of that family use the encapsulation? */
bool calc_wants_vxlan(const struct calc *calc, uint8_t family);
bool calc_wants_ipip(const struct calc *calc);
/* NULL: not seen yet. */
const struct node *calc_get_own_node(const struct calc *calc);
/* Gives arrays to free(): nodes (sorted by name), and the blocks affine to this node. */
void calc_get_nodes(const struct calc *calc, const struct node ***ret, size_t *ret_n);
void calc_get_own_blocks(const struct calc *calc, struct cidr **ret, size_t *ret_n);
size_t calc_n_blocks(const struct calc *calc);

/* 0x66 and the first five bytes of SHA-1(name), for IPv6 of SHA-1(name "-v6"). */
void calc_vxlan_mac(const char *node_name, uint8_t family, uint8_t ret[MAC_SIZE]);
