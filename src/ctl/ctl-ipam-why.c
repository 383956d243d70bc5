/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ipam why: all there is to say of one address. Which pool and block it lies in, who has it and
 * uses it; if nobody has it, who may get it, and what stands against that.
 */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"
#include "ipam-io/ipam-snapshot.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-pool.h"
#include "selector/selector.h"

struct why {
	struct ctl *ctl;
	struct ip_addr addr;
	struct ipam_snapshot snapshot;
	struct ipam_pool pool; /* no object: none */
	const struct ipam_block *block;
	const struct ipam_allocation *allocation;
	char *reservation; /* that holds the address; NULL: none */
	bool strict_affinity;
};

static void why_deinit(struct why *why)
{
	ipam_snapshot_deinit(&why->snapshot);
	free(why->reservation);
}
CLEANUP_DEINIT(struct why, why_deinit);

static void find(struct why *why)
{
	const struct ipam_audit *audit = &why->snapshot.audit;

	for (size_t i = 0; i < why->snapshot.n; i++) {
		const struct object *object = why->snapshot.v[i].object;
		struct ipam_pool pool;

		if (object && object->desc->kind == KIND_IP_POOL &&
		    ipam_pool_read(as_ip_pool(object), &pool, NULL) == 0 &&
		    cidr_contains(&pool.cidr, &why->addr))
			why->pool = pool;
	}
	for (size_t i = 0; i < audit->n_blocks; i++) {
		if (cidr_contains(ipam_block_cidr(audit->blocks[i]), &why->addr))
			why->block = audit->blocks[i];
	}
	for (size_t i = 0; i < audit->n_allocations; i++) {
		if (ip_equal(&audit->allocations[i].addr, &why->addr))
			why->allocation = &audit->allocations[i];
	}
}

static int read_reservations(struct why *why, struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	int r = store_list(why->ctl->store, KIND_IP_RESERVATION, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_(model_freep) struct object *object = NULL;
		const struct str_list *cidrs;

		r = store_object_read(&list.v[i], &object, err);
		if (r < 0)
			break;
		cidrs = &as_ip_reservation(object)->spec.reserved_cidrs;
		for (size_t j = 0; j < cidrs->n; j++) {
			struct cidr cidr;

			if (cidr_parse(cidrs->v[j], &cidr, NULL) == 0 &&
			    cidr_contains(&cidr, &why->addr))
				replace_str(&why->reservation,
					    xasprintf("%s (%s)", object->meta.name, cidrs->v[j]));
		}
	}
	return r;
}

static int read_configuration(struct why *why, struct err *err)
{
	_cleanup_(model_freep) struct object *key =
		model_new(KIND_IPAM_CONFIGURATION, NULL, "default");
	_cleanup_(model_freep) struct object *object = NULL;
	uint64_t revision;
	int r = ctl_get_object(why->ctl, key, &object, &revision, err);

	if (r == 0)
		why->strict_affinity = as_ipam_configuration(object)->spec.strict_affinity.set &&
				       as_ipam_configuration(object)->spec.strict_affinity.v;
	return r < 0 ? r : 0;
}

/* --- What there is ---------------------------------------------------------------------------- */

static void print_place(const struct why *why)
{
	const char *affinity = why->block ? ipam_block_affinity(why->block) : NULL;

	if (why->pool.object)
		printf("Pool: %s (%s)%s\n", ipam_pool_name(&why->pool),
		       cidr_format(&why->pool.cidr).s,
		       ipam_pool_is_enabled(&why->pool) ? "" : ", disabled");
	else
		printf("Pool: none holds it\n");
	if (why->block)
		printf("Block: %s, affinity %s, %u of %u addresses in use\n",
		       cidr_format(ipam_block_cidr(why->block)).s, affinity ? affinity : "<none>",
		       ipam_block_used(why->block), ipam_block_size(why->block));
	else
		printf("Block: none yet\n");
	if (why->reservation)
		printf("Reserved by: IPReservation %s\n", why->reservation);
}

static void print_holder(const struct why *why)
{
	const struct ipam_allocation *allocation = why->allocation;
	const struct ipam_audit *audit = &why->snapshot.audit;

	if (allocation->holder == IPAM_HOLDER_COOLING) {
		printf("Released at: %s; it is not given again before its cooldown is over\n",
		       ipam_block_released_at(allocation->block, allocation->ordinal));
		return;
	}
	printf("Handle: %s\n", allocation->handle ? allocation->handle : "<none>");
	for (size_t i = 0; i < audit->n_handles; i++) {
		const struct ipam_handle_count *handle = &audit->handles[i];

		if (allocation->handle && strcmp(handle->name, allocation->handle) == 0 &&
		    handle->state != IPAM_HANDLE_GOOD)
			printf("Handle is %s; koratctl ipam check --fix corrects it\n",
			       handle->state == IPAM_HANDLE_MISSING ? "missing" : "wrong");
	}
	printf("Attributes:\n");
	for (size_t i = 0; i < allocation->attrs->n; i++)
		printf("  %s: %s\n", allocation->attrs->v[i].key, allocation->attrs->v[i].value);
	if (allocation->borrowed && *allocation->node)
		printf("Borrowed by: %s\n", allocation->node);
	for (size_t i = 0; i < allocation->n_users; i++)
		printf("Used by: %s\n", audit->users[allocation->first_user + i].name);
	if (!allocation->n_users)
		printf("Used by: nobody that the datastore knows; koratctl ipam check tells more\n");
}

/* --- Who may get it --------------------------------------------------------------------------- */

static const struct str_map *labels_of(const struct why *why, const char *node)
{
	for (size_t i = 0; i < why->snapshot.n; i++) {
		const struct object *object = why->snapshot.v[i].object;

		if (object && object->desc->kind == KIND_NODE &&
		    strcmp(object->meta.name, node) == 0)
			return &object->meta.labels;
	}
	return NULL;
}

static void print_node(const struct why *why, const char *node)
{
	_cleanup_free_ char *owner = xasprintf("host:%s", node);
	const char *affinity = why->block ? ipam_block_affinity(why->block) : NULL;
	struct ipam_pool_query query = {.use = IPAM_USE_WORKLOAD,
					.family = why->addr.family,
					.node_labels = labels_of(why, node),
					.selects = selector_selects};
	struct err reason = ERR_INIT;

	if (!query.node_labels)
		printf("Node %s: no, there is no such node\n", node);
	else if (!ipam_pool_serves(&why->pool, &query, &reason))
		printf("Node %s: not by itself: %s\n", node, reason.msg);
	else if (!why->block)
		printf("Node %s: yes, once it claims the block\n", node);
	else if (affinity && strcmp(affinity, owner) == 0)
		printf("Node %s: yes, the block is its own\n", node);
	else
		printf("Node %s: %s\n", node,
		       why->strict_affinity ? "no, the block is not its own and strictAffinity "
					      "forbids to borrow"
					    : "yes, borrowed, when its own blocks are full");
}

static void print_chances(const struct why *why)
{
	const char *node = why->ctl->args.values[FLAG_NODE];
	const struct ipam_audit *audit = &why->snapshot.audit;

	if (!why->pool.object) {
		printf("May be assigned: no, it lies in no IPPool\n");
		return;
	}
	if (!ipam_pool_is_enabled(&why->pool)) {
		printf("May be assigned: no, IPPool %s is disabled\n", ipam_pool_name(&why->pool));
		return;
	}
	if (why->reservation) {
		printf("May be assigned: no, an IPReservation holds it\n");
		return;
	}
	printf("May be assigned: yes, if asked for; automatically to a pod, without regard to its "
	       "namespace:\n");
	if (node) {
		print_node(why, node);
		return;
	}
	for (size_t i = 0; i < audit->n_nodes; i++)
		print_node(why, audit->nodes[i]);
}

int ctl_run_ipam_why(struct ctl *ctl, struct err *err)
{
	_cleanup_(why_deinitp) struct why why = {.ctl = ctl};
	const char *state = "free";
	int r = ip_parse(ctl->args.operands[0], &why.addr, err);

	if (r == 0)
		r = ipam_snapshot_read(ctl->store, &why.snapshot, err);
	if (r == 0)
		r = read_reservations(&why, err);
	if (r == 0)
		r = read_configuration(&why, err);
	if (r < 0)
		return r;
	find(&why);
	if (why.allocation)
		state = why.allocation->holder == IPAM_HOLDER_COOLING ? "cooling down" : "assigned";
	printf("%s is %s\n", ip_format(&why.addr).s, state);
	print_place(&why);
	if (why.allocation)
		print_holder(&why);
	else
		print_chances(&why);
	for (size_t i = 0; i < why.snapshot.audit.n_corrupt; i++)
		printf("Can't be read: %s\n", why.snapshot.audit.corrupt[i]);
	return 0;
}
