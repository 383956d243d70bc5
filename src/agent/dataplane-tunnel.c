/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The tunnel devices: vxlan.calico and vxlan-v6.calico with one permanent neighbour and forwarding
 * entry per other node, and tunl0. A device is there while some pool wants it and the own node has
 * an address for it; its MTU follows the node's interface (dataplane-mtu.c).
 */

#include <errno.h>
#include <string.h>

#include "agent/dataplane-internal.h"
#include "base/alloc.h"
#include "model/kinds.h"
#include "netlink/addr.h"
#include "netlink/sysctl.h"

#define LOG_MODULE "dataplane"
#include "base/log.h"

const char *const tunnel_names[N_TUNNELS] = {"vxlan.calico", "vxlan-v6.calico", "tunl0"};

static const struct {
	uint8_t family;
	uint32_t overhead;
} tunnel_traits[N_TUNNELS] = {
	[TUNNEL_VXLAN] = {AF_INET, 50},
	[TUNNEL_VXLAN_V6] = {AF_INET6, 70},
	[TUNNEL_IPIP] = {AF_INET, 20},
};

/* --- What the own node says ------------------------------------------------------------------- */

static const char *own_address_text(const struct node *node, uint8_t family)
{
	if (!node || !node->spec.bgp)
		return NULL;
	return family == AF_INET ? node->spec.bgp->ipv4_address : node->spec.bgp->ipv6_address;
}

static const char *tunnel_address_text(const struct node *node, enum tunnel_type type)
{
	switch (type) {
	case TUNNEL_VXLAN:
		return node->spec.ipv4_vxlan_tunnel_addr;
	case TUNNEL_VXLAN_V6:
		return node->spec.ipv6_vxlan_tunnel_addr;
	case TUNNEL_IPIP:
		return node->spec.bgp ? node->spec.bgp->ipv4_ipip_tunnel_addr : NULL;
	case N_TUNNELS:
		break;
	}
	return NULL;
}

/* The address of the tunnel as a /32 or /128; false: it has none yet. */
static bool tunnel_address(const struct node *node, enum tunnel_type type, struct cidr *ret)
{
	const char *text = node ? tunnel_address_text(node, type) : NULL;
	struct cidr cidr;

	if (!text || cidr_parse(text, &cidr, NULL) < 0 ||
	    cidr.addr.family != tunnel_traits[type].family)
		return false;
	*ret = cidr_host(&cidr.addr);
	return true;
}

static bool pools_want(const struct dataplane *dataplane, enum tunnel_type type)
{
	if (type == TUNNEL_IPIP)
		return calc_wants_ipip(dataplane->calc);
	return calc_wants_vxlan(dataplane->calc, tunnel_traits[type].family);
}

/* --- The node's interfaces -------------------------------------------------------------------- */

static int find_parents(struct dataplane *dataplane, struct err *err)
{
	const struct node *node = calc_get_own_node(dataplane->calc);

	for (unsigned int f = 0; f < FAMILIES; f++) {
		uint8_t family = f == 0 ? AF_INET : AF_INET6;
		const char *text = own_address_text(node, family);
		struct if_addr_list addrs = {0};
		int ifindex = 0;
		struct cidr own;
		int r;

		if (!text || cidr_parse(text, &own, NULL) < 0) {
			dataplane->parent_ifindex[f] = 0;
			continue;
		}
		r = addr_dump(dataplane->nl, family, 0, &addrs, err);
		if (r < 0)
			return r;
		for (size_t i = 0; i < addrs.n && !ifindex; i++) {
			if (ip_equal(&addrs.v[i].cidr.addr, &own.addr))
				ifindex = addrs.v[i].ifindex;
		}
		if_addr_list_deinit(&addrs);
		if (ifindex != dataplane->parent_ifindex[f])
			dataplane->replay = true;
		dataplane->parent_ifindex[f] = ifindex;
	}
	return 0;
}

static uint32_t configured_mtu(const struct dataplane *dataplane, enum tunnel_type type)
{
	const uint32_t configured[N_TUNNELS] = {
		[TUNNEL_VXLAN] = dataplane->config.vxlan_mtu,
		[TUNNEL_VXLAN_V6] = dataplane->config.vxlan_mtu_v6,
		[TUNNEL_IPIP] = dataplane->config.ipip_mtu,
	};
	uint32_t overhead = tunnel_traits[type].overhead;
	uint32_t parent = dataplane->parent_mtu[family_index(tunnel_traits[type].family)];

	if (!configured[type])
		return dataplane->host_mtu - overhead;
	/* The kernel refuses a VXLAN device what its parent can't carry. */
	if (type != TUNNEL_IPIP && parent > overhead)
		return MIN(configured[type], parent - overhead);
	return configured[type];
}

/* --- Devices ---------------------------------------------------------------------------------- */

static void forget_neighbours(struct tunnel *tunnel)
{
	tunnel->arp = neigh_sync_free(tunnel->arp);
	tunnel->fdb = neigh_sync_free(tunnel->fdb);
}

static int ensure_vxlan(struct dataplane *dataplane, struct tunnel *tunnel, const struct node *node,
			int *ret_ifindex, struct err *err)
{
	uint8_t family = tunnel_traits[tunnel->type].family;
	const char *mac = family == AF_INET ? node->spec.vxlan_tunnel_mac_addr
					    : node->spec.vxlan_tunnel_mac_addr_v6;
	struct cidr own;
	struct vxlan_config config = {
		.name = tunnel_names[tunnel->type],
		.vni = dataplane->config.vxlan_vni,
		.port = dataplane->config.vxlan_port,
		.parent_ifindex = dataplane->parent_ifindex[family == AF_INET ? 0 : 1],
		.mtu = tunnel->mtu,
	};
	const char *text = own_address_text(node, family);
	int r;

	if (!text)
		return err_set(err, -EADDRNOTAVAIL, "the node has no IPv%u address to tunnel from",
			       ip_version(family));
	r = cidr_parse(text, &own, err);
	if (r < 0)
		return r;
	config.local = own.addr;
	calc_vxlan_mac(dataplane->config.node_name, family, config.mac);
	if (mac && mac_parse(mac, config.mac, err) < 0)
		return err_prefix(err, -EINVAL, "vxlanTunnelMACAddr");
	return link_ensure_vxlan(dataplane->nl, &config, ret_ifindex, err);
}

struct ours {
	const struct dataplane *dataplane;
	const struct tunnel *tunnel;
};

/* A tunnel's address is one of a pool; any other on the device is somebody else's. */
static bool is_ours(const struct cidr *cidr, void *ctx)
{
	const struct ours *ours = ctx;
	const struct calc_pool *const *pools;
	size_t n;

	if (!cidr_is_host(cidr))
		return false;
	if (cidr_equal(cidr, &ours->tunnel->addr))
		return true;
	calc_get_pools(ours->dataplane->calc, &pools, &n);
	for (size_t i = 0; i < n; i++) {
		if (cidr_covers(&pools[i]->cidr, cidr))
			return true;
	}
	return false;
}

static int ensure_device(struct dataplane *dataplane, struct tunnel *tunnel,
			 const struct node *node, const struct cidr *addr, struct err *err)
{
	const struct addr_stale stale = {is_ours, &(struct ours){dataplane, tunnel}};
	uint8_t family = tunnel_traits[tunnel->type].family;
	int ifindex = 0;
	int r;

	tunnel->mtu = configured_mtu(dataplane, tunnel->type);
	if (tunnel->type == TUNNEL_IPIP) {
		r = link_ensure_ipip(dataplane->nl, tunnel_names[TUNNEL_IPIP], tunnel->mtu,
				     &ifindex, err);
		if (r > 0)
			return err_set(err, -EOPNOTSUPP,
				       "an IPIP pool is configured, but this kernel has no ipip "
				       "module; load it, or use vxlanMode");
	} else {
		r = ensure_vxlan(dataplane, tunnel, node, &ifindex, err);
	}
	if (r < 0)
		return r;
	r = addr_ensure(dataplane->nl, ifindex, addr, &stale, err);
	if (r < 0)
		return r;
	tunnel->addr = *addr;
	if (ifindex == tunnel->ifindex)
		return 0;
	log_info("tunnel device ready", "device", tunnel_names[tunnel->type], "address",
		 cidr_format(addr).s, "mtu", log_num(tunnel->mtu).s);
	forget_neighbours(tunnel);
	tunnel->ifindex = ifindex;
	if (tunnel->type != TUNNEL_IPIP) {
		tunnel->arp = neigh_sync_new(dataplane->nl, NEIGH_ARP, family, ifindex);
		tunnel->fdb = neigh_sync_new(dataplane->nl, NEIGH_FDB, family, ifindex);
	}
	dataplane->replay = true;
	return 0;
}

/* A device nobody wants goes once we know that nobody does. tunl0 is the module's, it only loses
 * its address. */
static int retire_device(struct dataplane *dataplane, struct tunnel *tunnel, struct err *err)
{
	const struct addr_stale stale = {is_ours, &(struct ours){dataplane, tunnel}};
	static const struct cidr none = {0};
	struct link link;
	int r;

	if (!dataplane->in_sync)
		return 0;
	forget_neighbours(tunnel);
	if (tunnel->type == TUNNEL_IPIP)
		r = tunnel->ifindex
			    ? addr_ensure(dataplane->nl, tunnel->ifindex, &none, &stale, err)
			    : 0;
	else if (link_get(dataplane->nl, tunnel_names[tunnel->type], &link, err) == 0)
		r = link_delete(dataplane->nl, tunnel_names[tunnel->type], err);
	else
		r = 0;
	if (tunnel->ifindex)
		dataplane->replay = true;
	tunnel->ifindex = 0;
	return r;
}

int tunnels_ensure(struct dataplane *dataplane, struct err *err)
{
	const struct node *node = calc_get_own_node(dataplane->calc);
	int result = 0;
	int r;

	r = find_parents(dataplane, err);
	if (r == 0)
		r = mtu_find_host(dataplane, err);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < N_TUNNELS; i++) {
		struct tunnel *tunnel = &dataplane->tunnels[i];
		struct cidr addr;

		tunnel->type = (enum tunnel_type)i;
		tunnel->wanted = pools_want(dataplane, tunnel->type);
		if (!tunnel->wanted)
			r = retire_device(dataplane, tunnel, err);
		else if (tunnel_address(node, tunnel->type, &addr))
			r = ensure_device(dataplane, tunnel, node, &addr, err);
		else
			r = 0; /* the address comes with the next change of the node */
		if (tunnel->wanted && !tunnel->mtu)
			tunnel->mtu = configured_mtu(dataplane, tunnel->type);
		if (r < 0)
			result = err_prefix(err, r, "%s", tunnel_names[i]);
	}
	mtu_update_pods(dataplane);
	return result;
}

void tunnels_update_vteps(struct dataplane *dataplane, const struct calc_update *update)
{
	for (size_t i = 0; i < update->n_vteps_gone + update->n_vteps; i++) {
		bool gone = i < update->n_vteps_gone;
		const struct calc_vtep *vtep =
			gone ? &update->vteps_gone[i] : &update->vteps[i - update->n_vteps_gone];
		struct tunnel *tunnel = vxlan_tunnel(dataplane, vtep->addr.family);
		struct neigh arp = {.addr = vtep->addr};
		struct neigh fdb = {.addr = vtep->node_addr};

		memcpy(arp.mac, vtep->mac, MAC_SIZE);
		memcpy(fdb.mac, vtep->mac, MAC_SIZE);
		if (!tunnel->arp)
			continue;
		if (gone) {
			neigh_sync_unwant(tunnel->arp, &arp);
			neigh_sync_unwant(tunnel->fdb, &fdb);
		} else {
			neigh_sync_want(tunnel->arp, &arp);
			neigh_sync_want(tunnel->fdb, &fdb);
		}
	}
}

int tunnels_apply_neighbours(struct dataplane *dataplane, struct err *err)
{
	for (unsigned int i = 0; i < N_TUNNELS; i++) {
		struct tunnel *tunnel = &dataplane->tunnels[i];
		int r;

		if (!tunnel->arp)
			continue;
		r = neigh_sync_apply(tunnel->arp, dataplane->in_sync, err);
		if (r >= 0)
			r = neigh_sync_apply(tunnel->fdb, dataplane->in_sync, err);
		if (r < 0)
			return err_prefix(err, r, "%s", tunnel_names[i]);
	}
	return 0;
}

void tunnel_set_forwarding(const struct tunnel *tunnel, uint8_t family)
{
	_cleanup_free_ char *path = xasprintf("net/ipv%u/conf/%s/forwarding", ip_version(family),
					      tunnel_names[tunnel->type]);
	struct err err = ERR_INIT;

	if (sysctl_write(path, "1", &err) < 0)
		log_error_limited("a tunnel device does not forward", "error", err.msg);
}

void tunnels_deinit(struct dataplane *dataplane)
{
	for (unsigned int i = 0; i < N_TUNNELS; i++)
		forget_neighbours(&dataplane->tunnels[i]);
}
