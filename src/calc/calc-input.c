/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From model objects to the graph's records, and what a change of one makes dirty:
 *
 *   block	itself
 *   node	itself, and the blocks that name it; our own also every block (the subnet decides)
 *   pool	the blocks inside it, and all nodes when the tunnels wanted here change
 */

#include <errno.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "base/mac.h"
#include "calc/calc-internal.h"

#define BORROWED_MAX 65536u /* addresses of one block */

void calc_mark_block(struct calc *calc, struct calc_block *block)
{
	if (block->dirty)
		return;
	block->dirty = true;
	block->next_dirty = calc->dirty_blocks;
	calc->dirty_blocks = block;
}

void calc_mark_node(struct calc *calc, struct calc_node *node)
{
	if (node->dirty)
		return;
	node->dirty = true;
	node->next_dirty = calc->dirty_nodes;
	calc->dirty_nodes = node;
}

static void mark_all_blocks(struct calc *calc, const struct cidr *within)
{
	struct calc_block *block;
	struct calc_block *next;

	HASH_ITER(hh, calc->blocks, block, next)
	{
		if (!within || cidr_covers(within, &block->cidr))
			calc_mark_block(calc, block);
	}
}

/* --- Nodes ---------------------------------------------------------------------------------- */

void calc_node_free(struct calc_node *node)
{
	node->object = model_free(node->object);
	free(node->name);
	free(node);
}

static struct calc_node *get_node(struct calc *calc, const char *name)
{
	struct calc_node *node;

	HASH_FIND_STR(calc->nodes, name, node);
	if (!node) {
		node = XNEW(struct calc_node);
		node->name = xstrdup(name);
		HASH_ADD_KEYPTR(hh, calc->nodes, node->name, strlen(node->name), node);
	}
	return node;
}

static int parse_optional_cidr(const char *text, const char *field, struct cidr *ret,
			       struct err *err)
{
	int r;

	*ret = (struct cidr){0};
	if (!text || !*text)
		return 0;
	r = cidr_parse(text, ret, err);
	return r < 0 ? err_prefix(err, r, "%s", field) : 0;
}

static int parse_optional_ip(const char *text, const char *field, struct ip_addr *ret,
			     struct err *err)
{
	struct cidr cidr;
	int r = parse_optional_cidr(text, field, &cidr, err);

	if (r < 0)
		return r;
	*ret = cidr.addr;
	return 0;
}

struct node_fields {
	struct cidr addr[FAMILIES];
	struct ip_addr vtep[FAMILIES];
	uint8_t mac[FAMILIES][MAC_SIZE];
};

static int parse_node(const struct node *node, struct node_fields *ret, struct err *err)
{
	const char *addrs[FAMILIES] = {node->spec.bgp ? node->spec.bgp->ipv4_address : NULL,
				       node->spec.bgp ? node->spec.bgp->ipv6_address : NULL};
	const char *vteps[FAMILIES] = {node->spec.ipv4_vxlan_tunnel_addr,
				       node->spec.ipv6_vxlan_tunnel_addr};
	const char *macs[FAMILIES] = {node->spec.vxlan_tunnel_mac_addr,
				      node->spec.vxlan_tunnel_mac_addr_v6};
	int r;

	for (unsigned int f = 0; f < FAMILIES; f++) {
		r = parse_optional_cidr(addrs[f], "address", &ret->addr[f], err);
		if (r == 0)
			r = parse_optional_ip(vteps[f], "VXLAN tunnel address", &ret->vtep[f], err);
		if (r < 0)
			return r;
		calc_vxlan_mac(node->object.meta.name, family_of_index(f), ret->mac[f]);
		if (macs[f]) {
			r = mac_parse(macs[f], ret->mac[f], err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void node_changed(struct calc *calc, struct calc_node *node)
{
	struct block_ref *ref;

	calc_mark_node(calc, node);
	calc->bgp_changed = true;
	if (strcmp(node->name, calc->own_name) == 0) {
		calc->own_node_changed = true;
		mark_all_blocks(calc, NULL);
		return;
	}
	DL_FOREACH(node->refs, ref)
	{
		calc_mark_block(calc, ref->block);
	}
}

static int put_node(struct calc *calc, const struct object *object, struct err *err)
{
	struct node_fields fields = {0};
	struct calc_node *node;
	int r = parse_node(as_node(object), &fields, err);

	if (r < 0)
		return err_prefix(err, r, "node %s", object->meta.name);
	node = get_node(calc, object->meta.name);
	(void)model_free(node->object);
	node->object = model_copy(object);
	memcpy(node->addr, fields.addr, sizeof(node->addr));
	memcpy(node->vtep, fields.vtep, sizeof(node->vtep));
	memcpy(node->mac, fields.mac, sizeof(node->mac));
	node_changed(calc, node);
	return 0;
}

static void remove_node(struct calc *calc, const char *name)
{
	struct calc_node *node;

	HASH_FIND_STR(calc->nodes, name, node);
	if (!node || !node->object)
		return;
	node->object = model_free(node->object);
	memset(node->addr, 0, sizeof(node->addr));
	memset(node->vtep, 0, sizeof(node->vtep));
	node_changed(calc, node); /* the flush forgets the record if nothing refers to it */
}

/* --- Blocks --------------------------------------------------------------------------------- */

static void drop_refs(struct calc *calc, struct calc_block *block)
{
	for (size_t i = 0; i < block->n_refs; i++) {
		struct calc_node *node = block->refs[i].node;

		DL_DELETE(node->refs, &block->refs[i]);
		if (!node->refs && !node->object)
			calc_mark_node(calc, node);
	}
	free(block->refs);
	block->refs = NULL;
	block->n_refs = 0;
}

static void add_refs(struct calc *calc, struct calc_block *block)
{
	block->n_refs = block->n_borrowed + (block->owner ? 1 : 0);
	block->refs = xcalloc(block->n_refs, sizeof(*block->refs));
	for (size_t i = 0; i < block->n_refs; i++) {
		struct block_ref *ref = &block->refs[i];

		ref->block = block;
		ref->node = get_node(calc, i < block->n_borrowed ? block->borrowed[i].node
								 : block->owner);
		DL_APPEND(ref->node->refs, ref);
	}
}

static void clear_borrowed(struct calc_block *block)
{
	for (size_t i = 0; i < block->n_borrowed; i++)
		free(block->borrowed[i].node);
	free(block->borrowed);
	block->borrowed = NULL;
	block->n_borrowed = 0;
}

void calc_block_free(struct calc_block *block)
{
	clear_borrowed(block);
	free(block->refs);
	free(block->emitted);
	free(block->owner);
	free(block->name);
	free(block);
}

/* "host:<node>" -> "<node>"; NULL for anything else. */
static const char *owner_of(const char *affinity)
{
	static const char prefix[] = "host:";

	if (!affinity || strncmp(affinity, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	return affinity + sizeof(prefix) - 1;
}

/* The node that uses the address with that ordinal; NULL: free, or not said. */
static const char *user_of(const struct ipam_block_spec *spec, size_t ordinal)
{
	const struct opt_int *index = &spec->allocations.v[ordinal];

	if (!index->set || index->v < 0 || (uint64_t)index->v >= spec->attributes.n)
		return NULL;
	return str_map_find(&spec->attributes.v[index->v].secondary, "node");
}

static void read_borrowed(struct calc_block *block, const struct ipam_block_spec *spec)
{
	clear_borrowed(block);
	for (size_t i = 0; i < spec->allocations.n && i < BORROWED_MAX; i++) {
		const char *user = user_of(spec, i);
		struct calc_borrowed *borrowed;

		if (!user || (block->owner && strcmp(user, block->owner) == 0))
			continue;
		borrowed = ARRAY_ADD(block->borrowed, block->n_borrowed);
		borrowed->addr = ip_add(&block->cidr.addr, i);
		borrowed->node = xstrdup(user);
	}
}

static bool is_own(const struct calc *calc, const struct calc_block *block)
{
	return block->owner && strcmp(block->owner, calc->own_name) == 0;
}

static void remove_block(struct calc *calc, const char *name)
{
	struct calc_block *block;

	HASH_FIND_STR(calc->blocks, name, block);
	if (!block || block->gone)
		return;
	if (is_own(calc, block))
		calc->bgp_changed = true;
	block->gone = true;
	drop_refs(calc, block);
	clear_borrowed(block);
	calc_mark_block(calc, block);
}

static int put_block(struct calc *calc, const struct object *object, struct err *err)
{
	const struct ipam_block_spec *spec = &as_ipam_block(object)->spec;
	const char *owner = owner_of(spec->affinity);
	struct calc_block *block;
	struct cidr cidr;
	bool was_own;
	int r;

	if (spec->deleted.set && spec->deleted.v) {
		remove_block(calc, object->meta.name);
		return 0;
	}
	r = spec->cidr ? cidr_parse(spec->cidr, &cidr, err)
		       : err_set(err, -EINVAL, "spec.cidr is missing");
	if (r < 0)
		return err_prefix(err, r, "block %s", object->meta.name);
	HASH_FIND_STR(calc->blocks, object->meta.name, block);
	if (!block) {
		block = XNEW(struct calc_block);
		block->name = xstrdup(object->meta.name);
		HASH_ADD_KEYPTR(hh, calc->blocks, block->name, strlen(block->name), block);
	}
	was_own = is_own(calc, block) && !block->gone;
	drop_refs(calc, block);
	block->gone = false;
	block->cidr = cidr_masked(&cidr);
	replace_str(&block->owner, xstrdup(owner));
	read_borrowed(block, spec);
	add_refs(calc, block);
	if (was_own != is_own(calc, block))
		calc->bgp_changed = true;
	calc_mark_block(calc, block);
	return 0;
}

/* --- Pools ---------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct calc_pool *const *x = a;
	const struct calc_pool *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void pools_changed(struct calc *calc)
{
	struct calc_pool_record *record;
	struct calc_pool_record *next;
	struct calc_node *node;
	struct calc_node *next_node;

	calc->n_pools = 0;
	calc->sorted_pools = xreallocarray(calc->sorted_pools, HASH_COUNT(calc->pools) + 1,
					   sizeof(*calc->sorted_pools));
	HASH_ITER(hh, calc->pools, record, next)
	{
		calc->sorted_pools[calc->n_pools++] = &record->pool;
	}
	qsort(calc->sorted_pools, calc->n_pools, sizeof(*calc->sorted_pools), by_name);
	calc->pools_changed = true;
	calc->bgp_changed = true;
	HASH_ITER(hh, calc->nodes, node, next_node)
	{
		calc_mark_node(calc, node);
	}
}

static void pool_record_free(struct calc_pool_record *record)
{
	(void)model_free((struct object *)(uintptr_t)record->pool.object);
	free(record->pool.name);
	free(record);
}

static int put_pool(struct calc *calc, const struct object *object, struct err *err)
{
	struct object *copy = model_copy(object);
	struct calc_pool_record *record;
	const struct ip_pool_spec *spec;
	struct cidr cidr;
	int r;

	model_default(copy);
	spec = &as_ip_pool(copy)->spec;
	r = spec->cidr ? cidr_parse(spec->cidr, &cidr, err)
		       : err_set(err, -EINVAL, "spec.cidr is missing");
	if (r < 0) {
		(void)model_free(copy);
		return err_prefix(err, r, "pool %s", object->meta.name);
	}
	HASH_FIND_STR(calc->pools, object->meta.name, record);
	if (record) {
		mark_all_blocks(calc, &record->pool.cidr);
		HASH_DEL(calc->pools, record);
		pool_record_free(record);
	}
	record = XNEW(struct calc_pool_record);
	record->pool = (struct calc_pool){
		.name = xstrdup(object->meta.name),
		.cidr = cidr_masked(&cidr),
		.vxlan_mode = (uint8_t)spec->vxlan_mode,
		.ipip_mode = (uint8_t)spec->ipip_mode,
		.nat_outgoing = spec->nat_outgoing.set && spec->nat_outgoing.v,
		.disabled = spec->disabled.set && spec->disabled.v,
		.object = copy,
	};
	HASH_ADD_KEYPTR(hh, calc->pools, record->pool.name, strlen(record->pool.name), record);
	pools_changed(calc);
	mark_all_blocks(calc, &record->pool.cidr);
	return 0;
}

static void remove_pool(struct calc *calc, const char *name)
{
	struct calc_pool_record *record;

	HASH_FIND_STR(calc->pools, name, record);
	if (!record)
		return;
	mark_all_blocks(calc, &record->pool.cidr);
	HASH_DEL(calc->pools, record);
	pool_record_free(record);
	pools_changed(calc);
}

/* --- All kinds ------------------------------------------------------------------------------- */

static const struct {
	enum kind kind;
	int (*put)(struct calc *calc, const struct object *object, struct err *err);
	void (*remove)(struct calc *calc, const char *name);
} inputs[] = {
	{KIND_NODE, put_node, remove_node},
	{KIND_IP_POOL, put_pool, remove_pool},
	{KIND_IPAM_BLOCK, put_block, remove_block},
};

int calc_put(struct calc *calc, const struct object *object, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		if (inputs[i].kind == object->desc->kind)
			return inputs[i].put(calc, object, err);
	}
	return 0;
}

void calc_remove(struct calc *calc, enum kind kind, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		if (inputs[i].kind == kind)
			inputs[i].remove(calc, name);
	}
}

struct calc *calc_new(const char *node_name)
{
	struct calc *calc = XNEW(struct calc);

	calc->own_name = xstrdup(node_name);
	return calc;
}

struct calc *calc_free(struct calc *calc)
{
	struct calc_block *block;
	struct calc_block *next_block;
	struct calc_node *node;
	struct calc_node *next_node;
	struct calc_pool_record *pool;
	struct calc_pool_record *next_pool;

	if (!calc)
		return NULL;
	HASH_ITER(hh, calc->blocks, block, next_block)
	{
		HASH_DEL(calc->blocks, block);
		calc_block_free(block);
	}
	HASH_ITER(hh, calc->nodes, node, next_node)
	{
		HASH_DEL(calc->nodes, node);
		calc_node_free(node);
	}
	HASH_ITER(hh, calc->pools, pool, next_pool)
	{
		HASH_DEL(calc->pools, pool);
		pool_record_free(pool);
	}
	free(calc->sorted_pools);
	free(calc->own_name);
	free(calc);
	return NULL;
}
