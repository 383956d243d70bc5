/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a block to its routes on this node, and from a node to its tunnel end: the rules of who is
 * reached how, without any state of their own.
 *
 *   own block					blackhole, so that unused addresses do not loop
 *   other node's block or borrowed address	by the pool's mode:
 *     VXLAN Always, or CrossSubnet beyond our subnet	via its VTEP on the VXLAN device
 *     VXLAN CrossSubnet within our subnet		via the node on the parent interface
 *     IPIP or no encapsulation			nothing: BIRD programs these
 */

#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "calc/calc-internal.h"

void calc_vxlan_mac(const char *node_name, uint8_t family, uint8_t ret[MAC_SIZE])
{
	_cleanup_free_ char *text = xasprintf("%s%s", node_name, family == AF_INET6 ? "-v6" : "");
	struct digest digest = digest_of(DIGEST_SHA1, text, strlen(text));

	ret[0] = 0x66;
	memcpy(ret + 1, digest.bytes, MAC_SIZE - 1);
}

const struct calc_pool *calc_find_pool(const struct calc *calc, const struct cidr *cidr)
{
	for (size_t i = 0; i < calc->n_pools; i++) {
		if (cidr_covers(&calc->sorted_pools[i]->cidr, cidr))
			return calc->sorted_pools[i];
	}
	return NULL;
}

static struct calc_node *find_node(const struct calc *calc, const char *name)
{
	struct calc_node *node;

	HASH_FIND_STR(calc->nodes, name, node);
	return node;
}

struct calc_vtep calc_node_vtep(const struct calc *calc, const struct calc_node *node,
				uint8_t family)
{
	unsigned int f = family_index(family);
	struct calc_vtep vtep = {0};

	if (!node->object || !node->vtep[f].family || !node->addr[f].addr.family ||
	    strcmp(node->name, calc->own_name) == 0 || !calc_wants_vxlan(calc, family))
		return vtep;
	vtep.addr = node->vtep[f];
	vtep.node_addr = node->addr[f].addr;
	memcpy(vtep.mac, node->mac[f], sizeof(vtep.mac));
	return vtep;
}

/* False: not reachable by a route of ours. */
static bool remote_route(const struct calc *calc, const struct calc_pool *pool, const char *name,
			 const struct cidr *dst, struct calc_route *ret)
{
	unsigned int f = family_index(dst->addr.family);
	const struct calc_node *node = find_node(calc, name);
	const struct calc_node *own = find_node(calc, calc->own_name);

	*ret = (struct calc_route){.dst = *dst};
	if (pool->vxlan_mode != ENCAP_MODE_ALWAYS && pool->vxlan_mode != ENCAP_MODE_CROSS_SUBNET)
		return false;
	if (!node || !node->object || !node->addr[f].addr.family)
		return false;
	if (pool->vxlan_mode == ENCAP_MODE_CROSS_SUBNET && own && own->addr[f].addr.family &&
	    cidr_contains(&own->addr[f], &node->addr[f].addr)) {
		ret->device = CALC_DEVICE_PARENT;
		ret->gateway = node->addr[f].addr;
		return true;
	}
	if (!node->vtep[f].family)
		return false;
	ret->device = CALC_DEVICE_VXLAN;
	ret->gateway = node->vtep[f];
	return true;
}

struct calc_route *calc_block_routes(const struct calc *calc, const struct calc_block *block,
				     size_t *ret_n)
{
	const struct calc_pool *pool = calc_find_pool(calc, &block->cidr);
	bool own = block->owner && strcmp(block->owner, calc->own_name) == 0;
	struct calc_route *routes = NULL;
	struct calc_route route;
	size_t n = 0;

	if (own && !cidr_is_host(&block->cidr))
		*ARRAY_ADD(routes, n) = (struct calc_route){.dst = block->cidr};
	if (!own && block->owner && pool &&
	    remote_route(calc, pool, block->owner, &block->cidr, &route))
		*ARRAY_ADD(routes, n) = route;
	for (size_t i = 0; pool && i < block->n_borrowed; i++) {
		struct cidr host = cidr_host(&block->borrowed[i].addr);

		if (strcmp(block->borrowed[i].node, calc->own_name) != 0 &&
		    remote_route(calc, pool, block->borrowed[i].node, &host, &route))
			*ARRAY_ADD(routes, n) = route;
	}
	*ret_n = n;
	return routes;
}
