/* SPDX-License-Identifier: Apache-2.0 */

/* The audit: three sorted lists (addresses given, addresses used, handles), joined in one pass. */

#include "ipam/ipam-audit.h"

#include <string.h>

#include "base/alloc.h"
#include "ipam/ipam-affinity.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-name.h"
#include "ipam/ipam-pool.h"
#include "model/kinds.h"

void ipam_audit_deinit(struct ipam_audit *audit)
{
	for (size_t i = 0; i < audit->n_blocks; i++)
		ipam_block_free(audit->blocks[i]);
	for (size_t i = 0; i < audit->n_users; i++)
		free(audit->users[i].name);
	for (size_t i = 0; i < audit->n_hosts; i++)
		free(audit->hosts[i]);
	for (size_t i = 0; i < audit->n_corrupt; i++)
		free(audit->corrupt[i]);
	free(audit->blocks);
	free(audit->allocations);
	free(audit->users);
	free(audit->handles);
	free(audit->pools);
	free(audit->nodes);
	free(audit->hosts);
	free(audit->corrupt);
	*audit = (struct ipam_audit){.blocks = NULL};
}

static void sort(void *v, size_t n, size_t size, int (*compare)(const void *a, const void *b))
{
	if (n > 1)
		qsort(v, n, size, compare);
}

/* --- Users ----------------------------------------------------------------------------------- */

/* Takes 'name'. */
static void add_user(struct ipam_audit *audit, const char *text, char *name)
{
	_cleanup_free_ char *owned = name;
	struct cidr cidr;

	if (!text || !*text)
		return;
	if (cidr_parse(text, &cidr, NULL) != 0) {
		*ARRAY_ADD(audit->corrupt, audit->n_corrupt) =
			xasprintf("%s has the address \"%.64s\", which is none", name, text);
		return;
	}
	*ARRAY_ADD(audit->users, audit->n_users) =
		(struct ipam_user){.addr = cidr.addr, .name = TAKE_PTR(owned)};
}

static void add_node(struct ipam_audit *audit, const struct node *node)
{
	const char *name = node->object.meta.name;
	const struct node_wireguard *wireguard = node->spec.wireguard;
	const char *const addresses[] = {
		node->spec.bgp ? node->spec.bgp->ipv4_ipip_tunnel_addr : NULL,
		node->spec.ipv4_vxlan_tunnel_addr,
		node->spec.ipv6_vxlan_tunnel_addr,
		wireguard ? wireguard->interface_ipv4_address : NULL,
		wireguard ? wireguard->interface_ipv6_address : NULL,
	};
	size_t before = audit->n_users;

	*ARRAY_ADD(audit->nodes, audit->n_nodes) = name;
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		add_user(audit, addresses[i], xasprintf("Node(%s)", name));
	audit->n_node_users += audit->n_users - before;
}

static void add_endpoint(struct ipam_audit *audit, const struct workload_endpoint *endpoint)
{
	const struct str_list *networks = &endpoint->spec.ip_networks;

	for (size_t i = 0; i < networks->n; i++)
		add_user(audit, networks->v[i],
			 xasprintf("Workload(%s/%s)", endpoint->object.meta.namespace,
				   endpoint->object.meta.name));
}

static int compare_users(const void *a, const void *b)
{
	const struct ipam_user *left = a;
	const struct ipam_user *right = b;
	int order = ip_compare(&left->addr, &right->addr);

	return order ? order : strcmp(left->name, right->name);
}

/* --- Allocations ----------------------------------------------------------------------------- */

static const char *host_of(const struct ipam_block *block)
{
	const char *affinity = ipam_block_affinity(block);

	return affinity && strncmp(affinity, "host:", 5) == 0 ? affinity + 5 : "";
}

static enum ipam_holder holder_of(const struct ipam_allocation *allocation)
{
	const char *type = str_map_find(allocation->attrs, "type");

	if (ipam_block_released_at(allocation->block, allocation->ordinal))
		return IPAM_HOLDER_COOLING;
	if (type && strstr(type, "unnelAddress"))
		return IPAM_HOLDER_TUNNEL;
	if (type && strcmp(type, IPAM_RESERVE_TYPE) == 0)
		return IPAM_HOLDER_RESERVE;
	if (str_map_find(allocation->attrs, "pod") && str_map_find(allocation->attrs, "namespace"))
		return IPAM_HOLDER_POD;
	return IPAM_HOLDER_OTHER;
}

static void add_allocations(struct ipam_audit *audit, const struct ipam_block *block)
{
	const char *host = host_of(block);

	for (unsigned int i = 0; i < ipam_block_size(block); i++) {
		struct ipam_allocation *allocation;
		const char *node;

		if (!ipam_block_is_used(block, i))
			continue;
		allocation = ARRAY_ADD(audit->allocations, audit->n_allocations);
		*allocation = (struct ipam_allocation){
			.addr = ip_add(&ipam_block_cidr(block)->addr, i),
			.block = block,
			.ordinal = i,
			.sequence = ipam_block_sequence(block, i),
			.handle = ipam_block_handle(block, i),
			.attrs = ipam_block_attrs(block, i),
		};
		node = str_map_find(allocation->attrs, "node");
		allocation->node = node ? node : host;
		allocation->borrowed = strcmp(allocation->node, host) != 0;
		allocation->holder = holder_of(allocation);
	}
}

static void add_block(struct ipam_audit *audit, const struct object *object)
{
	_cleanup_(model_freep) struct object *copy = model_copy(object);
	_cleanup_(ipam_block_freep) struct ipam_block *block = NULL;
	struct err err = ERR_INIT;

	if (ipam_block_from_object(copy, &block, &err) < 0) {
		*ARRAY_ADD(audit->corrupt, audit->n_corrupt) = xstrdup(err.msg);
		return;
	}
	copy = NULL; /* the block has it */
	if (!ipam_block_is_deleted(block))
		*ARRAY_ADD(audit->blocks, audit->n_blocks) = TAKE_PTR(block);
}

static int compare_blocks(const void *a, const void *b)
{
	struct ipam_block *const *left = a;
	struct ipam_block *const *right = b;

	return cidr_compare(ipam_block_cidr(*left), ipam_block_cidr(*right));
}

static int compare_allocations(const void *a, const void *b)
{
	const struct ipam_allocation *left = a;
	const struct ipam_allocation *right = b;

	return ip_compare(&left->addr, &right->addr);
}

static bool in_pools(const struct ipam_audit *audit, const struct ip_addr *addr)
{
	for (size_t i = 0; i < audit->n_pools; i++) {
		if (cidr_contains(&audit->pools[i], addr))
			return true;
	}
	return false;
}

/* Both lists are in order. */
static void join_users(struct ipam_audit *audit)
{
	size_t at = 0;

	for (size_t i = 0; i < audit->n_users; i++)
		audit->users[i].is_in_pool = in_pools(audit, &audit->users[i].addr);
	for (size_t i = 0; i < audit->n_allocations; i++) {
		struct ipam_allocation *allocation = &audit->allocations[i];

		while (at < audit->n_users &&
		       ip_compare(&audit->users[at].addr, &allocation->addr) < 0)
			at++;
		allocation->first_user = at;
		while (at < audit->n_users && ip_equal(&audit->users[at].addr, &allocation->addr)) {
			/* What cools down is nobody's: a user has it without right. */
			audit->users[at].is_assigned = allocation->holder != IPAM_HOLDER_COOLING;
			allocation->n_users++;
			at++;
		}
	}
}

/* --- Handles --------------------------------------------------------------------------------- */

static int compare_handles(const void *a, const void *b)
{
	const struct ipam_handle_count *left = a;
	const struct ipam_handle_count *right = b;
	int order = strcmp(left->name, right->name);

	/* The one with an object first, of those with one name. */
	return order ? order : (int)!left->object - (int)!right->object;
}

static int compare_by_handle(const void *a, const void *b)
{
	const struct ipam_allocation *const *left = a;
	const struct ipam_allocation *const *right = b;
	int order = strcmp((*left)->handle, (*right)->handle);

	return order ? order : ip_compare(&(*left)->addr, &(*right)->addr);
}

/* Does the handle's object count exactly what those allocations, in order of address, are? */
static bool counts_match(const struct object *object, const struct ipam_allocation *const *v,
			 size_t n)
{
	const struct int_map *map = &as_ipam_handle(object)->spec.block;
	size_t n_blocks = 0;

	for (size_t i = 0; i < n;) {
		struct cidr_str key = cidr_format(ipam_block_cidr(v[i]->block));
		const struct int_pair *pair = int_map_find(map, key.s);
		size_t end = i;

		while (end < n && v[end]->block == v[i]->block)
			end++;
		if (!pair || pair->value != (int64_t)(end - i))
			return false;
		n_blocks++;
		i = end;
	}
	return n_blocks == map->n;
}

/* Judges the handle of v[0], of which there are 'n'. */
static void judge_handle(struct ipam_audit *audit, size_t n_objects,
			 const struct ipam_allocation *const *v, size_t n)
{
	struct ipam_handle_count key = {.name = v[0]->handle};
	struct ipam_handle_count *handle = NULL;
	size_t low = 0;
	size_t high = n_objects;

	while (low < high && !handle) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(key.name, audit->handles[middle].name);

		if (order == 0)
			handle = &audit->handles[middle];
		else if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	if (!handle) {
		handle = ARRAY_ADD(audit->handles, audit->n_handles);
		*handle = key;
		handle->state = IPAM_HANDLE_MISSING;
	} else {
		handle->state =
			counts_match(handle->object, v, n) ? IPAM_HANDLE_GOOD : IPAM_HANDLE_WRONG;
	}
	handle->n = (unsigned int)n;
}

static void join_handles(struct ipam_audit *audit)
{
	_cleanup_free_ const struct ipam_allocation **v =
		xcalloc(audit->n_allocations + 1, sizeof(*v));
	size_t n_objects = audit->n_handles;
	size_t n = 0;

	for (size_t i = 0; i < audit->n_allocations; i++) {
		if (audit->allocations[i].handle)
			v[n++] = &audit->allocations[i];
	}
	sort(audit->handles, audit->n_handles, sizeof(*audit->handles), compare_handles);
	sort(v, n, sizeof(const struct ipam_allocation *), compare_by_handle);
	for (size_t i = 0; i < n;) {
		size_t end = i;

		while (end < n && strcmp(v[end]->handle, v[i]->handle) == 0)
			end++;
		judge_handle(audit, n_objects, v + i, end - i);
		i = end;
	}
	sort(audit->handles, audit->n_handles, sizeof(*audit->handles), compare_handles);
}

/* --- All ------------------------------------------------------------------------------------- */

static void add_pool(struct ipam_audit *audit, const struct object *object)
{
	struct ipam_pool pool;
	struct err err = ERR_INIT;

	if (ipam_pool_read(as_ip_pool(object), &pool, &err) < 0)
		*ARRAY_ADD(audit->corrupt, audit->n_corrupt) = xstrdup(err.msg);
	else if (ipam_pool_is_enabled(&pool))
		*ARRAY_ADD(audit->pools, audit->n_pools) = pool.cidr;
}

static void add_affinity(struct ipam_audit *audit, const struct object *object)
{
	const struct block_affinity *affinity = as_block_affinity(object);
	const char *type = affinity->spec.type;

	if (ipam_affinity_state(affinity) != IPAM_AFFINITY_ABSENT && affinity->spec.node &&
	    !(type && strcmp(type, "virtual") == 0))
		*ARRAY_ADD(audit->hosts, audit->n_hosts) = xstrdup(affinity->spec.node);
}

static void add_handle(struct ipam_audit *audit, const struct ipam_audited *from)
{
	const struct ipam_handle_spec *spec = &as_ipam_handle(from->object)->spec;

	if (spec->deleted.set && spec->deleted.v)
		return;
	*ARRAY_ADD(audit->handles, audit->n_handles) =
		(struct ipam_handle_count){.name = from->object->meta.name,
					   .state = IPAM_HANDLE_UNUSED,
					   .object = from->object,
					   .revision = from->revision};
}

static void add_object(struct ipam_audit *audit, const struct ipam_audited *from)
{
	const struct object *object = from->object;
	enum kind kind = object ? object->desc->kind : KIND_COUNT_;

	if (!object)
		*ARRAY_ADD(audit->corrupt, audit->n_corrupt) = xstrdup(from->why);
	else if (kind == KIND_NODE)
		add_node(audit, as_node(object));
	else if (kind == KIND_IP_POOL)
		add_pool(audit, object);
	else if (kind == KIND_IPAM_BLOCK)
		add_block(audit, object);
	else if (kind == KIND_BLOCK_AFFINITY)
		add_affinity(audit, object);
	else if (kind == KIND_IPAM_HANDLE)
		add_handle(audit, from);
	else if (kind == KIND_WORKLOAD_ENDPOINT)
		add_endpoint(audit, as_workload_endpoint(object));
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void unique_hosts(struct ipam_audit *audit)
{
	size_t n = 0;

	sort(audit->hosts, audit->n_hosts, sizeof(*audit->hosts), compare_names);
	for (size_t i = 0; i < audit->n_hosts; i++) {
		if (n && strcmp(audit->hosts[n - 1], audit->hosts[i]) == 0)
			free(audit->hosts[i]);
		else
			audit->hosts[n++] = audit->hosts[i];
	}
	audit->n_hosts = n;
}

void ipam_audit_init(struct ipam_audit *audit, const struct ipam_audited *objects, size_t n)
{
	*audit = (struct ipam_audit){.blocks = NULL};
	for (size_t i = 0; i < n; i++)
		add_object(audit, &objects[i]);
	sort(audit->blocks, audit->n_blocks, sizeof(struct ipam_block *), compare_blocks);
	for (size_t i = 0; i < audit->n_blocks; i++)
		add_allocations(audit, audit->blocks[i]);
	sort(audit->allocations, audit->n_allocations, sizeof(*audit->allocations),
	     compare_allocations);
	sort(audit->users, audit->n_users, sizeof(*audit->users), compare_users);
	sort(audit->nodes, audit->n_nodes, sizeof(const char *), compare_names);
	unique_hosts(audit);
	join_users(audit);
	join_handles(audit);
}

bool ipam_audit_has_node(const struct ipam_audit *audit, const char *name)
{
	return audit->n_nodes &&
	       bsearch(&name, audit->nodes, audit->n_nodes, sizeof(*audit->nodes), compare_names);
}
