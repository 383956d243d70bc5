/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The step function. Every open request is attempted on the view. An attempt decides it (changing
 * the view), or says what has to be read or committed first. Reads go first, all at once; then
 * everything that was changed is committed as one; a request is done when the commit that holds
 * its decision held. After a conflict nothing that was touched is believed, and every request not
 * done is attempted anew.
 */

#include "ipam/ipam-plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ipam/ipam-affinity.h"
#include "ipam/ipam-name.h"
#include "ipam/ipam-plan-internal.h"
#include "model/kinds.h"

#define CONFIG_NAME "default"
/*
 * Entries touched beyond which no further request is begun before the commit: with what one request
 * may add, and a companion for each, a commit stays within the 128 operations that etcd takes
 * unless told otherwise.
 */
#define TOUCHED_FULL 32u
/* Pools and reservations beyond which they are read each time rather than all be guarded. */
#define BELIEVED_MAX 8u
/* Handles that are kept for their release; a node has some 110 pods. */
#define HANDLES_KEPT 1024u

struct ipam_plan *ipam_plan_new(const char *node)
{
	struct ipam_plan *plan = XNEW(struct ipam_plan);

	plan->node = xstrdup(node);
	plan->owner = xasprintf("host:%s", node);
	ipam_view_init(&plan->view);
	return plan;
}

struct ipam_plan *ipam_plan_new_virtual(const char *owner)
{
	struct ipam_plan *plan = ipam_plan_new(owner);

	plan->is_virtual = true;
	free(plan->owner);
	plan->owner = xasprintf("virtual:%s", owner);
	return plan;
}

static void clear_reads(struct ipam_plan *plan)
{
	for (size_t i = 0; i < plan->n_reads; i++)
		free(plan->reads[i].name);
	free(plan->reads);
	plan->reads = NULL;
	plan->n_reads = 0;
}

static void clear_ops(struct ipam_plan *plan)
{
	free(plan->ops);
	plan->ops = NULL;
	plan->n_ops = 0;
	free(plan->deciding);
	plan->deciding = NULL;
	plan->n_deciding = 0;
}

static void clear_world(struct ipam_plan *plan)
{
	free(plan->pools);
	plan->pools = NULL;
	plan->n_pools = 0;
	free(plan->reserved.v);
	plan->reserved = (struct ipam_reserved){.v = NULL};
	plan->node_labels = NULL;
	plan->world_read = false;
	plan->world_err.msg[0] = '\0';
}

struct ipam_plan *ipam_plan_free(struct ipam_plan *plan)
{
	if (!plan)
		return NULL;
	clear_world(plan);
	clear_reads(plan);
	clear_ops(plan);
	ipam_view_deinit(&plan->view);
	free(plan->slots);
	free(plan->own);
	free(plan->owner);
	free(plan->node);
	free(plan);
	return NULL;
}

uint64_t ipam_plan_known(const struct ipam_plan *plan, enum kind kind, const char *name)
{
	const struct ipam_entry *entry = ipam_view_find(&plan->view, kind, name);

	return entry && entry->known && ipam_entry_present(entry) ? entry->revision : 0;
}

/* --- What the parts share -------------------------------------------------------------------- */

enum ipam_attempt ipam_plan_want(struct ipam_plan *plan, enum kind kind, const char *name)
{
	for (size_t i = 0; i < plan->n_reads; i++) {
		const struct ipam_read *read = &plan->reads[i];

		if (read->kind == kind && (!read->name || (name && !strcmp(read->name, name))))
			return IPAM_ATTEMPT_READ;
	}
	*ARRAY_ADD(plan->reads, plan->n_reads) =
		(struct ipam_read){.kind = kind, .name = xstrdup(name)};
	return IPAM_ATTEMPT_READ;
}

enum ipam_attempt ipam_plan_refresh(struct ipam_plan *plan, const struct ipam_entry *entry)
{
	if (ipam_entry_fresh(&plan->view, entry))
		return IPAM_ATTEMPT_READY;
	return ipam_plan_want(plan, entry->kind, entry->name);
}

enum ipam_attempt ipam_plan_see_handle(struct ipam_plan *plan, struct ipam_entry *handle)
{
	if (!plan->believing)
		return ipam_plan_refresh(plan, handle);
	handle->known = true;
	return IPAM_ATTEMPT_READY;
}

enum ipam_attempt ipam_plan_decide(struct ipam_request *request, enum ipam_result_code code,
				   const char *format, ...)
{
	va_list args;

	request->result = code;
	va_start(args, format);
	(void)err_setv(&request->err, 0, format, args);
	va_end(args);
	if (code != IPAM_OK)
		request->n_addrs = 0;
	return IPAM_ATTEMPT_READY;
}

void ipam_plan_count(struct ipam_plan *plan, struct ipam_entry *handle, const struct cidr *block,
		     int n)
{
	struct cidr_str key = cidr_format(block);
	struct ipam_handle_spec *spec;
	const struct int_pair *pair;
	int64_t sum;

	ipam_view_touch(&plan->view, handle);
	handle->grown += n;
	if (!handle->object && n <= 0)
		return;
	if (!handle->object) {
		handle->object = model_new(KIND_IPAM_HANDLE, NULL, handle->name);
		spec = &as_ipam_handle(handle->object)->spec;
		replace_str(&spec->handle_id, xstrdup(handle->name));
		spec->deleted = (struct opt_bool){.set = true, .v = false};
	}
	spec = &as_ipam_handle(handle->object)->spec;
	pair = int_map_find(&spec->block, key.s);
	sum = (pair ? pair->value : 0) + n;
	if (sum > 0)
		int_map_put(&spec->block, key.s, sum);
	else
		(void)int_map_remove(&spec->block, key.s);
	if (!spec->block.n)
		ipam_view_remove(&plan->view, handle);
}

static int compare_own(const void *a, const void *b)
{
	struct ipam_entry *const *left = a;
	struct ipam_entry *const *right = b;

	return cidr_compare(&(*left)->cidr, &(*right)->cidr);
}

void ipam_plan_add_own(struct ipam_plan *plan, struct ipam_entry *affinity)
{
	for (size_t i = 0; i < plan->n_own; i++) {
		if (plan->own[i] == affinity)
			return;
	}
	*ARRAY_ADD(plan->own, plan->n_own) = affinity;
	qsort(plan->own, plan->n_own, sizeof(*plan->own), compare_own);
}

/* --- Taking in what was read ----------------------------------------------------------------- */

static int compare_pools(const void *a, const void *b)
{
	const struct ipam_pool *left = a;
	const struct ipam_pool *right = b;

	return strcmp(ipam_pool_name(left), ipam_pool_name(right));
}

/* A pool that can't be read makes every request fail: it may be the one that should serve it. */
static void read_pools(struct ipam_plan *plan)
{
	for (struct ipam_entry *entry = plan->view.kinds[KIND_IP_POOL]; entry;
	     entry = entry->next_kind) {
		struct ipam_pool pool;

		if (entry->corrupt)
			(void)err_set(&plan->world_err, 0, "%s", entry->corrupt);
		if (entry->object &&
		    ipam_pool_read(as_ip_pool(entry->object), &pool, &plan->world_err) == 0)
			*ARRAY_ADD(plan->pools, plan->n_pools) = pool;
	}
	if (plan->n_pools)
		qsort(plan->pools, plan->n_pools, sizeof(*plan->pools), compare_pools);
}

static void read_reservation(struct ipam_plan *plan, const struct ipam_entry *entry)
{
	const struct str_list *cidrs = &as_ip_reservation(entry->object)->spec.reserved_cidrs;

	for (size_t i = 0; i < cidrs->n; i++) {
		struct cidr cidr;

		if (cidr_parse(cidrs->v[i], &cidr, NULL) < 0) {
			(void)err_set(&plan->world_err, 0,
				      "IPReservation %.64s: \"%.64s\" is not a CIDR; correct it",
				      entry->name, cidrs->v[i]);
			continue;
		}
		*ARRAY_ADD(plan->reserved.v, plan->reserved.n) = cidr_masked(&cidr);
	}
}

static void read_reservations(struct ipam_plan *plan)
{
	for (struct ipam_entry *entry = plan->view.kinds[KIND_IP_RESERVATION]; entry;
	     entry = entry->next_kind) {
		if (entry->corrupt)
			(void)err_set(&plan->world_err, 0, "%s", entry->corrupt);
		if (entry->object)
			read_reservation(plan, entry);
	}
}

static void read_config(struct ipam_plan *plan)
{
	static const struct ipam_configuration_spec none = {0};
	const struct ipam_entry *entry =
		ipam_view_get(&plan->view, KIND_IPAM_CONFIGURATION, CONFIG_NAME);
	const struct ipam_configuration_spec *spec =
		entry->object ? &as_ipam_configuration(entry->object)->spec : &none;
	int64_t max = spec->max_blocks_per_host.set ? spec->max_blocks_per_host.v : 0;

	if (entry->corrupt)
		(void)err_set(&plan->world_err, 0, "%s", entry->corrupt);
	plan->strict_affinity = spec->strict_affinity.set && spec->strict_affinity.v;
	plan->auto_allocate = !spec->auto_allocate_blocks.set || spec->auto_allocate_blocks.v;
	plan->max_blocks =
		max > 0 && max <= UINT32_MAX ? (unsigned int)max : IPAM_BLOCKS_DEFAULT_MAX;
	plan->cooldown = (struct ipam_cooldown){
		.now = plan->now_ns / 1000000000,
		.seconds = spec->ip_cooldown_seconds.set ? spec->ip_cooldown_seconds.v : 0,
	};
}

/* Pools, configuration, reservations and the node, as they were read at the batch's beginning. */
static void read_world(struct ipam_plan *plan)
{
	const struct ipam_entry *node;

	clear_world(plan);
	read_pools(plan);
	read_reservations(plan);
	read_config(plan);
	node = ipam_view_get(&plan->view, KIND_NODE, plan->node);
	plan->node_labels = node->object ? &node->object->meta.labels : NULL;
	plan->world_read = true;
}

static bool is_own(const struct ipam_plan *plan, const struct ipam_entry *entry)
{
	const struct block_affinity_spec *spec = &as_block_affinity(entry->object)->spec;

	bool is_virtual = spec->type && strcmp(spec->type, "virtual") == 0;

	return strcmp(spec->node, plan->node) == 0 && is_virtual == plan->is_virtual;
}

static void read_affinities(struct ipam_plan *plan)
{
	struct ipam_view *view = &plan->view;

	for (struct ipam_entry *entry = view->kinds[KIND_IPAM_BLOCK]; entry;
	     entry = entry->next_kind)
		entry->claimed = false;
	free(plan->own);
	plan->own = NULL;
	plan->n_own = 0;
	for (struct ipam_entry *entry = view->kinds[KIND_BLOCK_AFFINITY]; entry;
	     entry = entry->next_kind) {
		if (!entry->object)
			continue;
		entry->peer->claimed = true;
		if (is_own(plan, entry))
			*ARRAY_ADD(plan->own, plan->n_own) = entry;
	}
	if (plan->n_own)
		qsort(plan->own, plan->n_own, sizeof(*plan->own), compare_own);
	plan->affinities_batch = view->batch;
}

static void on_read(struct ipam_plan *plan, const struct ipam_event *event)
{
	struct ipam_view *view = &plan->view;

	for (size_t i = 0; i < plan->n_reads; i++)
		ipam_view_begin_read(view, plan->reads[i].kind, plan->reads[i].name);
	for (size_t i = 0; i < event->n_found; i++) {
		const struct ipam_found *found = &event->found[i];

		ipam_view_feed(view, found->kind, found->name, found->revision, found->object,
			       found->corrupt);
	}
	for (size_t i = 0; i < plan->n_reads; i++) {
		const struct ipam_read *read = &plan->reads[i];

		ipam_view_end_read(view, read->kind, read->name);
		if (read->kind == KIND_IPAM_BLOCK)
			plan->blocks_read = true;
		if (!read->name && read->kind == KIND_BLOCK_AFFINITY)
			read_affinities(plan);
		if (!read->name && read->kind == KIND_IPAM_BLOCK)
			plan->blocks_batch = view->batch;
	}
	clear_reads(plan);
	if (!plan->world_read) {
		read_world(plan);
		plan->world_revision = plan->world_err.msg[0] ? 0 : event->revision;
	}
}

/* --- The batch ------------------------------------------------------------------------------- */

static size_t count_present(const struct ipam_plan *plan, enum kind kind)
{
	size_t n = 0;

	for (struct ipam_entry *entry = plan->view.kinds[kind]; entry; entry = entry->next_kind)
		n += entry->known && ipam_entry_present(entry);
	return n;
}

/* May the batch be decided on what an earlier one has read? */
static bool may_believe(const struct ipam_plan *plan, const struct ipam_event *event)
{
	if (!plan->world_revision || !plan->world_read || !plan->affinities_batch ||
	    count_present(plan, KIND_IP_POOL) + count_present(plan, KIND_IP_RESERVATION) >
		    BELIEVED_MAX)
		return false;
	for (size_t i = 0; i < event->n_requests; i++) {
		enum ipam_request_type type = event->requests[i].type;

		if (type != IPAM_ASSIGN_AUTO && type != IPAM_RELEASE_HANDLE)
			return false;
	}
	return true;
}

static void want_world(struct ipam_plan *plan)
{
	clear_world(plan);
	for (size_t i = 0; i < plan->n_slots; i++) {
		const struct ipam_slot *slot = &plan->slots[i];

		if (slot->request->handle && !slot->done)
			(void)ipam_plan_want(plan, KIND_IPAM_HANDLE, slot->request->handle);
	}
	(void)ipam_plan_want(plan, KIND_IP_POOL, NULL);
	(void)ipam_plan_want(plan, KIND_IP_RESERVATION, NULL);
	(void)ipam_plan_want(plan, KIND_IPAM_CONFIGURATION, CONFIG_NAME);
	(void)ipam_plan_want(plan, KIND_NODE, plan->node);
	if (!plan->affinities_batch)
		(void)ipam_plan_want(plan, KIND_BLOCK_AFFINITY, NULL);
}

static void on_begin(struct ipam_plan *plan, const struct ipam_event *event)
{
	assert(plan->n_slots == 0);
	plan->view.batch++;
	plan->now_ns = event->now_ns;
	plan->n_conflicts = 0;
	plan->n_probes = 0;
	plan->n_slots = event->n_requests;
	plan->slots = xcalloc(plan->n_slots + 1, sizeof(*plan->slots));
	for (size_t i = 0; i < plan->n_slots; i++) {
		struct ipam_request *request = &event->requests[i];

		plan->slots[i].request = request;
		request->n_addrs = 0;
		request->n_blocks = 0;
		request->err.msg[0] = '\0';
		if (request->type == IPAM_RELEASE_AFFINITIES)
			plan->affinities_batch = 0;
	}
	plan->believing = may_believe(plan, event);
	plan->cooldown.now = plan->now_ns / 1000000000;
	if (!plan->believing)
		want_world(plan);
}

static void on_written(struct ipam_plan *plan, uint64_t revision)
{
	ipam_view_written(&plan->view, revision);
	if (plan->believing)
		plan->world_revision = revision;
	clear_ops(plan);
	for (size_t i = 0; i < plan->n_slots; i++) {
		plan->slots[i].done = plan->slots[i].decided;
		plan->slots[i].n_blocks = plan->slots[i].request->n_blocks;
	}
}

/* Nothing that took part in the write is believed any more. */
static void abandon(struct ipam_plan *plan)
{
	for (size_t i = 0; i < plan->view.n_touched; i++) {
		if (plan->view.touched[i]->kind == KIND_BLOCK_AFFINITY)
			plan->affinities_batch = 0;
	}
	plan->blocks_batch = 0;
	ipam_view_abandon(&plan->view);
	clear_ops(plan);
	for (size_t i = 0; i < plan->n_slots; i++) {
		struct ipam_slot *slot = &plan->slots[i];

		slot->decided = slot->done;
		if (!slot->done) {
			slot->request->n_addrs = 0;
			slot->request->n_blocks = slot->n_blocks;
			slot->request->err.msg[0] = '\0';
		}
	}
}

static void fail_all(struct ipam_plan *plan, const char *message)
{
	for (size_t i = 0; i < plan->n_slots; i++) {
		struct ipam_slot *slot = &plan->slots[i];

		if (!slot->done)
			(void)ipam_plan_decide(slot->request, IPAM_E_STORE, "%s", message);
		slot->decided = true;
		slot->done = true;
	}
}

/* What was believed may be wrong: the rest of the batch is decided on what is read now. */
static void doubt(struct ipam_plan *plan)
{
	abandon(plan);
	plan->believing = false;
	want_world(plan);
}

static void on_conflict(struct ipam_plan *plan)
{
	if (plan->believing)
		doubt(plan);
	else
		abandon(plan);
	if (++plan->n_conflicts > IPAM_CONFLICTS_MAX)
		fail_all(plan,
			 "the datastore changed under every attempt to write; try again later");
}

static void on_failed(struct ipam_plan *plan, const char *message)
{
	abandon(plan);
	clear_reads(plan);
	plan->affinities_batch = 0;
	plan->world_revision = 0;
	fail_all(plan, message ? message : "the datastore failed");
}

static enum ipam_attempt attempt(struct ipam_plan *plan, struct ipam_request *request)
{
	assert(request->n_v4 <= IPAM_ADDRS_MAX && request->n_v6 <= IPAM_ADDRS_MAX &&
	       request->n_v4 + request->n_v6 <= IPAM_ADDRS_MAX);
	if (plan->world_err.msg[0] &&
	    (request->type == IPAM_ASSIGN_AUTO || request->type == IPAM_ASSIGN_ADDRESS))
		return ipam_plan_decide(request, IPAM_E_STORE, "%s", plan->world_err.msg);
	if (!plan->affinities_batch)
		return ipam_plan_want(plan, KIND_BLOCK_AFFINITY, NULL);
	switch (request->type) {
	case IPAM_ASSIGN_AUTO:
		return ipam_plan_assign_auto(plan, request);
	case IPAM_ASSIGN_ADDRESS:
		return ipam_plan_assign_address(plan, request);
	case IPAM_HAND_OVER:
		return ipam_plan_hand_over(plan, request);
	case IPAM_RELEASE_HANDLE:
		return ipam_plan_release_handle(plan, request);
	case IPAM_RELEASE_ADDRESS:
		return ipam_plan_release_address(plan, request);
	case IPAM_REPAIR_HANDLE:
		return ipam_plan_repair_handle(plan, request);
	case IPAM_SWEEP_BLOCK:
		return ipam_plan_sweep_block(plan, request);
	case IPAM_RELEASE_AFFINITIES:
		return ipam_plan_release_affinities(plan, request);
	}
	return IPAM_ATTEMPT_READY;
}

static void attempt_all(struct ipam_plan *plan)
{
	for (size_t i = 0; i < plan->n_slots; i++) {
		struct ipam_slot *slot = &plan->slots[i];

		if (slot->decided)
			continue;
		if (plan->view.n_touched > TOUCHED_FULL)
			return;
		slot->decided = attempt(plan, slot->request) == IPAM_ATTEMPT_READY;
		if (slot->decided && slot->request->result != IPAM_OK && plan->believing) {
			doubt(plan);
			return;
		}
	}
}

/* --- What goes out --------------------------------------------------------------------------- */

/* Where an entry stands in the commit; the head of ipam-plan.h says why. */
static int rank_of(const struct ipam_entry *entry)
{
	if (entry->guard)
		return 0;
	if (entry->kind == KIND_IPAM_HANDLE)
		return entry->grown > 0 ? 1 : 4;
	return entry->kind == KIND_IPAM_BLOCK ? 2 : 3;
}

static int compare_rank(const void *a, const void *b)
{
	struct ipam_entry *const *left = a;
	struct ipam_entry *const *right = b;
	int order = rank_of(*left) - rank_of(*right);

	return order ? order : strcmp((*left)->name, (*right)->name);
}

static struct ipam_op op_of(const struct ipam_entry *entry)
{
	struct ipam_op op = {.kind = entry->kind, .name = entry->name, .revision = entry->revision};

	if (entry->guard || (!ipam_entry_present(entry) && !entry->revision)) {
		op.type = IPAM_OP_EXPECT;
		return op;
	}
	if (!ipam_entry_present(entry)) {
		op.type = IPAM_OP_DELETE;
		return op;
	}
	if (entry->block && entry->revision)
		ipam_block_count_write(entry->block);
	op.type = entry->revision ? IPAM_OP_UPDATE : IPAM_OP_CREATE;
	op.object = entry->block ? ipam_block_object(entry->block) : entry->object;
	return op;
}

static void guard_entry(struct ipam_plan *plan, const struct ipam_entry *entry)
{
	*ARRAY_ADD(plan->ops, plan->n_ops) = (struct ipam_op){.type = IPAM_OP_EXPECT,
							      .kind = entry->kind,
							      .name = entry->name,
							      .revision = entry->revision};
}

/* All there was of the kind is as it was, and nothing is new. */
static void guard_kind(struct ipam_plan *plan, enum kind kind)
{
	uint64_t revision = plan->world_revision;

	for (struct ipam_entry *entry = plan->view.kinds[kind]; entry; entry = entry->next_kind) {
		if (!entry->known || !entry->revision)
			continue;
		guard_entry(plan, entry);
		revision = MAX(revision, entry->revision);
	}
	*ARRAY_ADD(plan->ops, plan->n_ops) = (struct ipam_op){
		.type = IPAM_OP_EXPECT_NONE_NEWER, .kind = kind, .revision = revision};
}

static void guard_world(struct ipam_plan *plan)
{
	guard_kind(plan, KIND_IP_POOL);
	guard_kind(plan, KIND_IP_RESERVATION);
	guard_entry(plan, ipam_view_get(&plan->view, KIND_IPAM_CONFIGURATION, CONFIG_NAME));
	guard_entry(plan, ipam_view_get(&plan->view, KIND_NODE, plan->node));
}

static void make_ops(struct ipam_plan *plan)
{
	struct ipam_view *view = &plan->view;

	assert(view->n_touched <= IPAM_OPS_MAX);
	qsort(view->touched, view->n_touched, sizeof(*view->touched), compare_rank);
	for (size_t i = 0; i < view->n_touched; i++)
		*ARRAY_ADD(plan->ops, plan->n_ops) = op_of(view->touched[i]);
	if (plan->believing)
		guard_world(plan);
	for (size_t i = 0; i < plan->n_slots; i++) {
		const struct ipam_slot *slot = &plan->slots[i];

		if (slot->decided && !slot->done && slot->request->result == IPAM_OK)
			*ARRAY_ADD(plan->deciding, plan->n_deciding) = slot->request;
	}
}

/* Keeps what the next batch can use: this node's own blocks, and who owns the others. */
static void end_batch(struct ipam_plan *plan)
{
	struct ipam_view *view = &plan->view;

	for (struct ipam_entry *entry = plan->blocks_read ? view->kinds[KIND_IPAM_BLOCK] : NULL;
	     entry; entry = entry->next_kind) {
		if (!entry->block || !ipam_block_has_affinity(entry->block, plan->owner))
			ipam_view_forget(entry);
	}
	ipam_view_purge(view, KIND_IPAM_HANDLE, HANDLES_KEPT);
	clear_reads(plan);
	plan->blocks_batch = 0;
	plan->blocks_read = false;
	free(plan->slots);
	plan->slots = NULL;
	plan->n_slots = 0;
}

static void proceed(struct ipam_plan *plan, struct ipam_update *ret)
{
	bool open = false;

	if (!plan->n_reads)
		attempt_all(plan);
	for (size_t i = 0; i < plan->n_slots; i++)
		open = open || !plan->slots[i].decided;
	if (plan->n_reads && open) {
		*ret = (struct ipam_update){
			.next = IPAM_NEXT_READ, .reads = plan->reads, .n_reads = plan->n_reads};
		return;
	}
	if (plan->view.n_touched) {
		make_ops(plan);
		*ret = (struct ipam_update){
			.next = IPAM_NEXT_COMMIT,
			.ops = plan->ops,
			.n_ops = plan->n_ops,
			.deciding = plan->deciding,
			.n_deciding = plan->n_deciding,
		};
		return;
	}
	assert(!open);
	end_batch(plan);
	*ret = (struct ipam_update){.next = IPAM_NEXT_DONE};
}

void ipam_plan_step(struct ipam_plan *plan, const struct ipam_event *event, struct ipam_update *ret)
{
	switch (event->type) {
	case IPAM_EVENT_BEGIN:
		on_begin(plan, event);
		break;
	case IPAM_EVENT_READ:
		on_read(plan, event);
		break;
	case IPAM_EVENT_WRITTEN:
		on_written(plan, event->revision);
		break;
	case IPAM_EVENT_CONFLICT:
		on_conflict(plan);
		break;
	case IPAM_EVENT_FAILED:
		on_failed(plan, event->message);
		break;
	}
	proceed(plan, ret);
}
