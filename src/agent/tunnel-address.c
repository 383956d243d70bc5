/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tunnel addresses. The handle in IPAM is the truth of who has the address, the Node only tells it:
 * an address in the Node that its handle was not given is not ours and is replaced; a handle
 * without the Node's word (a crash between the two) is released before a new one is taken.
 */

#include "agent/tunnel-address.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "ipam-io/ipam-writer.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-name.h"
#include "model/kinds.h"
#include "store/store.h"

#define LOG_MODULE "tunnel-address"
#include "base/log.h"

#define UPDATE_RETRIES 20
#define POOLS_MAX      1024

struct tunnel_kind {
	const char *handle_prefix;
	const char *attr_type;
	uint8_t family;
	bool ipip;
};

enum { N_TUNNEL_KINDS = 3 };

static const struct tunnel_kind tunnel_kinds[N_TUNNEL_KINDS] = {
	{"ipip-tunnel-addr-", "ipipTunnelAddress", AF_INET, true},
	{"vxlan-tunnel-addr-", "vxlanTunnelAddress", AF_INET, false},
	{"vxlan-v6-tunnel-addr-", "vxlanV6TunnelAddress", AF_INET6, false},
};

/* Where the Node keeps the address of that tunnel. */
static char **node_member(struct node *node, const struct tunnel_kind *kind)
{
	if (kind->family == AF_INET6)
		return &node->spec.ipv6_vxlan_tunnel_addr;
	if (!kind->ipip)
		return &node->spec.ipv4_vxlan_tunnel_addr;
	if (!node->spec.bgp)
		node->spec.bgp = XNEW(struct node_bgp);
	return &node->spec.bgp->ipv4_ipip_tunnel_addr;
}

/* The names of the pools a tunnel takes its address from; NULL-terminated, borrowing from objects.
 */
struct pool_set {
	struct object **objects;
	size_t n;
};

static void pool_set_deinit(struct pool_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		(void)model_free(set->objects[i]);
	free(set->objects);
}

static int read_pools(struct store *store, struct pool_set *ret, struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {0};
	int r = store_list(store, KIND_IP_POOL, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.n && i < POOLS_MAX; i++) {
		struct object *object;

		r = store_object_read(&list.v[i], &object, err);
		if (r == 0) {
			model_default(object);
			*ARRAY_ADD(ret->objects, ret->n) = object;
		}
	}
	return r;
}

static bool pool_serves(const struct ip_pool *pool, const struct tunnel_kind *kind)
{
	enum encap_mode mode = kind->ipip ? pool->spec.ipip_mode : pool->spec.vxlan_mode;
	struct cidr cidr;

	return (mode == ENCAP_MODE_ALWAYS || mode == ENCAP_MODE_CROSS_SUBNET) && pool->spec.cidr &&
	       cidr_parse(pool->spec.cidr, &cidr, NULL) == 0 && cidr.addr.family == kind->family;
}

static const char **serving_pools(const struct pool_set *set, const struct tunnel_kind *kind,
				  size_t *ret_n)
{
	const char **names = xcalloc(set->n + 1, sizeof(*names));

	*ret_n = 0;
	for (size_t i = 0; i < set->n; i++) {
		const struct ip_pool *pool = as_ip_pool(set->objects[i]);

		if (pool_serves(pool, kind) && !(pool->spec.disabled.set && pool->spec.disabled.v))
			names[(*ret_n)++] = set->objects[i]->meta.name;
	}
	return names;
}

/* Is the Node's address inside a pool of that tunnel, disabled or not? */
static bool address_fits(const struct pool_set *set, const struct tunnel_kind *kind,
			 const char *text)
{
	struct cidr addr;
	struct cidr cidr;

	if (cidr_parse(text, &addr, NULL) < 0)
		return false;
	for (size_t i = 0; i < set->n; i++) {
		const struct ip_pool *pool = as_ip_pool(set->objects[i]);

		if (pool_serves(pool, kind) && cidr_parse(pool->spec.cidr, &cidr, NULL) == 0 &&
		    cidr_covers(&cidr, &addr))
			return true;
	}
	return false;
}

/* Does the block, one that the handle names, say that 'addr' is the handle's? */
static int block_holds(struct store *store, const struct cidr *cidr, const char *handle,
		       const struct ip_addr *addr, bool *ret, struct err *err)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {0};
	_cleanup_(ipam_block_freep) struct ipam_block *block = NULL;
	_cleanup_(model_freep) struct object *object = NULL;
	const char *owner;
	int r = store_get(store, KIND_IPAM_BLOCK, NULL, ipam_block_name(cidr).s, &stored, err);

	if (r != 0)
		return MIN(r, 0);
	r = store_object_read(&stored, &object, err);
	if (r == 0)
		r = ipam_block_from_object(object, &block, err);
	if (r < 0)
		return r;
	TAKE_PTR(object);
	owner = ipam_block_handle(block,
				  (unsigned int)ip_distance(&ipam_block_cidr(block)->addr, addr));
	*ret = owner && strcmp(owner, handle) == 0;
	return 0;
}

/* Is the address the Node tells the one that the handle was given? */
static int handle_holds(struct store *store, const struct store_object *stored, const char *text,
			bool *ret, struct err *err)
{
	_cleanup_(model_freep) struct object *object = NULL;
	const struct int_map *blocks;
	struct cidr addr;
	int r = store_object_read(stored, &object, err);

	*ret = false;
	if (r < 0 || cidr_parse(text, &addr, NULL) < 0)
		return r;
	blocks = &as_ipam_handle(object)->spec.block;
	for (size_t i = 0; r == 0 && !*ret && i < blocks->n; i++) {
		struct cidr cidr;

		if (cidr_parse(blocks->v[i].key, &cidr, NULL) == 0 &&
		    cidr_contains(&cidr, &addr.addr))
			r = block_holds(store, &cidr, stored->name, &addr.addr, ret, err);
	}
	return r;
}

static int release(struct ipam_writer *writer, const char *handle, struct err *err)
{
	struct ipam_request request = {.type = IPAM_RELEASE_HANDLE, .handle = handle};
	int r = ipam_writer_serve(writer, &request, 1, err);

	if (r < 0)
		return r;
	if (request.result != IPAM_OK && request.result != IPAM_E_NOT_FOUND)
		return err_set(err, -EIO, "%s", request.err.msg);
	return 0;
}

static int assign(struct ipam_writer *writer, const struct tunnel_kind *kind, const char *handle,
		  const char *const *pools, char **ret, struct err *err)
{
	struct ipam_request request = {
		.type = IPAM_ASSIGN_AUTO,
		.handle = handle,
		.n_v4 = kind->family == AF_INET ? 1 : 0,
		.n_v6 = kind->family == AF_INET6 ? 1 : 0,
		.use = IPAM_USE_TUNNEL,
		.v4_pools = pools,
		.v6_pools = pools,
		.attr_type = kind->attr_type,
		.now = time(NULL),
	};
	int r = ipam_writer_serve(writer, &request, 1, err);

	if (r < 0)
		return r;
	if (request.result != IPAM_OK || request.n_addrs < 1)
		return err_set(err, -EADDRNOTAVAIL, "%s", request.err.msg);
	*ret = xstrdup(ip_format(&request.addrs[0].addr).s);
	log_info("tunnel address assigned", "type", kind->attr_type, "address", *ret);
	return 0;
}

/* Changes '*member' where needed. */
static int ensure_one(struct store *store, struct ipam_writer *writer, const struct pool_set *pools,
		      const struct tunnel_kind *kind, const char *node_name, char **member,
		      struct err *err)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {0};
	_cleanup_free_ char *handle = xasprintf("%s%s", kind->handle_prefix, node_name);
	_cleanup_free_ const char **names = NULL;
	bool has_handle;
	bool holds = false;
	size_t n;
	int r;

	names = serving_pools(pools, kind, &n);
	r = store_get(store, KIND_IPAM_HANDLE, NULL, handle, &stored, err);
	if (r < 0)
		return r;
	has_handle = r == 0;
	if (*member && has_handle && address_fits(pools, kind, *member)) {
		r = handle_holds(store, &stored, *member, &holds, err);
		if (r < 0 || holds)
			return r;
	}
	if (has_handle) {
		r = release(writer, handle, err);
		if (r < 0)
			return r;
	}
	replace_str(member, NULL);
	if (!n)
		return 0;
	r = assign(writer, kind, handle, names, member, err);
	return r < 0 ? err_prefix(err, r, "%s", kind->attr_type) : 0;
}

static int try_once(struct store *store, struct ipam_writer *writer, const char *node_name,
		    struct err *err)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {0};
	_cleanup_(model_freep) struct object *object = NULL;
	_cleanup_(model_freep) struct object *before = NULL;
	_cleanup_(pool_set_deinit) struct pool_set pools = {0};
	_cleanup_free_ char *text = NULL;
	struct store_op op = {.type = STORE_UPDATE, .kind = KIND_NODE, .name = node_name};
	struct err first = ERR_INIT;
	int result = 0;
	int r;

	r = store_get(store, KIND_NODE, NULL, node_name, &stored, err);
	if (r > 0)
		return err_set(err, -ENOENT, "node %s is not in the datastore", node_name);
	if (r == 0)
		r = store_object_read(&stored, &object, err);
	if (r == 0)
		r = read_pools(store, &pools, err);
	if (r < 0)
		return r;
	before = model_copy(object);
	/* One tunnel without an address must not keep the others from theirs. */
	for (size_t i = 0; i < N_TUNNEL_KINDS; i++) {
		struct err one = ERR_INIT;

		r = ensure_one(store, writer, &pools, &tunnel_kinds[i], node_name,
			       node_member(as_node(object), &tunnel_kinds[i]), &one);
		if (r < 0 && result == 0) {
			result = r;
			first = one;
		}
	}
	if (!model_equal(before, object)) {
		text = store_object_text(object, &op.size);
		op.value = text;
		op.revision = stored.revision;
		r = store_commit(store, &op, 1, NULL, NULL, err);
		if (r != 0)
			return r;
	}
	return result < 0 ? err_set(err, result, "%s", first.msg) : 0;
}

int tunnel_addresses_ensure(struct store *store, struct ipam_writer *writer, const char *node_name,
			    struct err *err)
{
	int r = 0;

	for (unsigned int i = 0; i < UPDATE_RETRIES; i++) {
		r = try_once(store, writer, node_name, err);
		if (r <= 0)
			return r;
	}
	return err_set(err, -EBUSY, "node %s is written by someone else all the time", node_name);
}
