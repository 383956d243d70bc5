/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One history: up to 50 nodes and a garbage collector on one store, interleaved read by read and
 * write by write, each dying at any of them with and without its last write having happened, nodes
 * leaving for good, all by a seeded generator. Each step draws from the seed and its own number
 * alone, so a history can be run without some of its steps and stays the same otherwise.
 *
 * Proven for each history: no address is given twice; the blocks hold exactly what the handles
 * count; what was acknowledged is there until its release is asked for, whatever the collector
 * does; what is handed over is the one's or the other's at any moment, and the other's when it is
 * asked for again; and once the collector has run, nothing is left but what is held.
 */

#include "ipam/test-ipam-world.h"

#include "ipam/ipam-affinity.h"
#include "ipam/ipam-audit.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-collect.h"
#include "ipam/ipam-name.h"

#define NODES_MAX   50u
#define HANDLES_MAX 512u
#define BATCH_MAX   4u
#define STEPS	    360u
#define V4_ADDRS    64u
#define ADDRS	    (2u * V4_ADDRS)
#define GRACE	    900 /* seconds; a request that takes half of it is given up */
#define COLLECT_MAX 8u	/* requests of one round */

enum fate {
	FATE_FREE, /* nobody says that it has addresses */
	FATE_ASSIGNING,
	FATE_HELD,	/* acknowledged */
	FATE_RELEASING, /* may be there or not */
	FATE_UNKNOWN,	/* its request died: may be there or not */
};

struct handle {
	char name[24]; /* "net.<number>" */
	enum fate fate;
	unsigned int node;
	bool giving;	    /* one of them is being handed over */
	bool listed[ADDRS]; /* acknowledged addresses */
};

/* An address on its way from one handle to another, until that is acknowledged. */
struct passing {
	bool on;
	bool busy; /* asked for; else the answer was lost */
	unsigned int node;
	unsigned int from;
	unsigned int to;
};

struct peer {
	struct ipam_plan *plan;
	char name[16];
	bool busy;
	bool gone; /* its Node is no more */
	int64_t began;
	struct ipam_request own[BATCH_MAX];
	struct ipam_request *requests; /* its own, or the collector's */
	unsigned int handles[BATCH_MAX];
	size_t n;
	struct ipam_update update;
	size_t n_read; /* reads of the update that were made */
	struct world_reading reading;
};

/* What the collector has read so far: first what is assigned, a step later who uses it. */
struct looking {
	struct ipam_audited *v;
	size_t n;
};

struct history_config {
	uint64_t seed;
	const bool *skip; /* of STEPS; NULL: none */
	bool verbose;
	/* Told of every commit, to repeat it on another store. */
	void (*mirror)(void *data, const struct ipam_op *ops, size_t n, bool held,
		       uint64_t revision);
	void (*mirror_begin)(void *data, const struct world *world);
	void (*mirror_end)(void *data, const struct world *world);
	void *mirror_data;
	bool broken; /* the store overlooks the guards of blocks: the proof has to notice */
};

struct history {
	const struct history_config *config;
	uint64_t random;
	struct world world;
	struct peer peers[NODES_MAX];
	struct peer keeper; /* carries out what the collector asks for */
	struct ipam_collector *collector;
	struct looking looking;
	bool has_looked;
	unsigned int n_peers;
	struct handle *handles;
	unsigned int n_handles;
	int held[ADDRS]; /* handle + 1 that was told it has the address */
	struct passing passing[ADDRS];
	int64_t now;
	int64_t cooldown;
	unsigned int n_acks, n_passed, n_crashes, n_conflicts, n_collections;
};

/* splitmix64 */
static uint64_t next_random(struct history *h)
{
	uint64_t z = h->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static unsigned int pick(struct history *h, unsigned int n)
{
	return (unsigned int)(next_random(h) % n);
}

static unsigned int index_of(const struct ip_addr *addr)
{
	return addr->bytes[addr->family == AF_INET ? 3 : 15] % V4_ADDRS +
	       (addr->family == AF_INET ? 0 : V4_ADDRS);
}

static struct ip_addr addr_of(unsigned int index)
{
	struct ip_addr addr;
	char text[32];

	(void)snprintf(text, sizeof(text), index < V4_ADDRS ? "10.0.0.%u" : "fd00::%x",
		       index % V4_ADDRS);
	assert_int_equal(ip_parse(text, &addr, NULL), 0);
	return addr;
}

/* --- Requests -------------------------------------------------------------------------------- */

static unsigned int new_handle(struct history *h, const struct peer *peer)
{
	struct handle *handle = &h->handles[h->n_handles];

	(void)snprintf(handle->name, sizeof(handle->name), "net.%u", h->n_handles);
	handle->fate = FATE_ASSIGNING;
	handle->node = (unsigned int)(peer - h->peers);
	return h->n_handles++;
}

static void ask_assign(struct history *h, const struct peer *peer, struct ipam_request *request,
		       unsigned int *ret_handle)
{
	*ret_handle = new_handle(h, peer);
	request->handle = h->handles[*ret_handle].name;
	request->now = h->now;
	request->namespace = "default";
	request->pod = request->handle;
	if (pick(h, 5) == 0) {
		request->type = IPAM_ASSIGN_ADDRESS;
		request->addr = addr_of(pick(h, ADDRS));
		return;
	}
	request->type = IPAM_ASSIGN_AUTO;
	request->n_v4 = pick(h, 3);
	request->n_v6 = request->n_v4 ? pick(h, 2) : 1;
}

static bool is_asked(const struct peer *peer, size_t n, unsigned int handle)
{
	for (size_t i = 0; i < n; i++) {
		if (peer->handles[i] == handle)
			return true;
	}
	return false;
}

/* Nobody says any more that it has addresses: they may be another's soon. */
static void unlist(struct history *h, struct handle *handle)
{
	for (unsigned int a = 0; a < ADDRS; a++) {
		if (handle->listed[a])
			h->held[a] = 0;
		handle->listed[a] = false;
	}
}

/* Releases what this node holds, or what it or another left behind. */
static bool ask_release(struct history *h, struct peer *peer, size_t n,
			struct ipam_request *request, unsigned int *ret_handle)
{
	unsigned int start = h->n_handles ? pick(h, h->n_handles) : 0;

	for (unsigned int i = 0; i < h->n_handles; i++) {
		unsigned int at = (start + i) % h->n_handles;
		struct handle *handle = &h->handles[at];

		if ((handle->fate != FATE_HELD && handle->fate != FATE_UNKNOWN) || handle->giving ||
		    is_asked(peer, n, at))
			continue;
		handle->fate = FATE_RELEASING;
		unlist(h, handle);
		request->type = IPAM_RELEASE_HANDLE;
		request->handle = handle->name;
		*ret_handle = at;
		return true;
	}
	return false;
}

static void fill_hand_over(const struct history *h, unsigned int index,
			   struct ipam_request *request)
{
	const struct passing *passing = &h->passing[index];

	request->type = IPAM_HAND_OVER;
	request->handle = h->handles[passing->to].name;
	request->from = h->handles[passing->from].name;
	request->addr = addr_of(index);
	request->now = h->now;
	request->namespace = "default";
	request->pod = request->handle;
}

/* Once more what this node does not know the end of, else an address that it holds. */
static bool ask_hand_over(struct history *h, const struct peer *peer, struct ipam_request *request,
			  unsigned int *ret_handle)
{
	unsigned int node = (unsigned int)(peer - h->peers);
	unsigned int start = pick(h, ADDRS);
	unsigned int index = ADDRS;

	for (unsigned int i = 0; i < ADDRS; i++) {
		unsigned int at = (start + i) % ADDRS;
		const struct passing *passing = &h->passing[at];
		const struct handle *holder = h->held[at] ? &h->handles[h->held[at] - 1] : NULL;

		if (passing->on && !passing->busy && passing->node == node) {
			index = at;
			break;
		}
		if (holder && !passing->on && holder->node == node && !holder->giving &&
		    holder->fate == FATE_HELD)
			index = at;
	}
	if (index == ADDRS)
		return false;
	if (!h->passing[index].on) {
		h->passing[index] = (struct passing){.on = true,
						     .node = node,
						     .from = (unsigned int)h->held[index] - 1,
						     .to = new_handle(h, peer)};
		h->handles[h->passing[index].from].giving = true;
	}
	h->passing[index].busy = true;
	*ret_handle = h->passing[index].to;
	fill_hand_over(h, index, request);
	return true;
}

static void begin(struct history *h, struct peer *peer)
{
	unsigned int n = 1 + pick(h, BATCH_MAX);
	struct ipam_event event = {
		.type = IPAM_EVENT_BEGIN, .requests = peer->own, .now_ns = h->now * 1000000000};

	peer->n = 0;
	peer->requests = peer->own;
	for (unsigned int i = 0; i < n && h->n_handles < HANDLES_MAX; i++) {
		struct ipam_request *request = &peer->requests[peer->n];

		memset(request, 0, sizeof(*request));
		if (pick(h, 5) < 2 &&
		    !ask_release(h, peer, peer->n, request, &peer->handles[peer->n]))
			continue;
		if (!request->handle && pick(h, 4) == 0)
			(void)ask_hand_over(h, peer, request, &peer->handles[peer->n]);
		if (!request->handle)
			ask_assign(h, peer, request, &peer->handles[peer->n]);
		peer->n++;
	}
	event.n_requests = peer->n;
	ipam_plan_step(peer->plan, &event, &peer->update);
	peer->busy = true;
	peer->began = h->now;
	peer->n_read = 0;
}

/* Where the answer is not known it is asked for again, with the same result as the first time. */
static void acknowledge_passed(struct history *h, const struct ipam_request *request)
{
	unsigned int index = index_of(&request->addr);
	struct passing *passing = &h->passing[index];
	struct handle *from = &h->handles[passing->from];
	struct handle *to = &h->handles[passing->to];
	bool has_more = false;

	passing->busy = false;
	if (request->result == IPAM_E_STORE)
		return;
	if (request->result != IPAM_OK)
		fail_msg("%s is not handed over: %s", ip_format(&request->addr).s,
			 request->err.msg);
	assert_int_equal(request->n_addrs, 1);
	assert_int_equal(h->held[index], (int)passing->from + 1);
	h->held[index] = (int)passing->to + 1;
	passing->on = false;
	from->giving = false;
	from->listed[index] = false;
	for (unsigned int a = 0; a < ADDRS; a++)
		has_more = has_more || from->listed[a];
	from->fate = has_more ? FATE_HELD : FATE_FREE;
	to->listed[index] = true;
	to->fate = FATE_HELD;
	h->n_passed++;
}

static void acknowledge(struct history *h, const struct ipam_request *request, unsigned int at)
{
	struct handle *handle = &h->handles[at];

	if (request->type == IPAM_HAND_OVER) {
		acknowledge_passed(h, request);
		return;
	}
	if (request->result == IPAM_E_STORE) {
		handle->fate = FATE_UNKNOWN;
		return;
	}
	if (request->type == IPAM_RELEASE_HANDLE) {
		assert_true(request->result == IPAM_OK || request->result == IPAM_E_NOT_FOUND);
		handle->fate = FATE_FREE;
		return;
	}
	handle->fate = request->result == IPAM_OK ? FATE_HELD : FATE_FREE;
	if (request->type == IPAM_ASSIGN_AUTO && request->result == IPAM_OK)
		assert_int_equal(request->n_addrs, request->n_v4 + request->n_v6);
	for (unsigned int i = 0; i < request->n_addrs; i++) {
		unsigned int index = index_of(&request->addrs[i].addr);

		assert_int_equal(h->held[index], 0);
		h->held[index] = (int)at + 1;
		handle->listed[index] = true;
		h->n_acks++;
	}
}

static void finish(struct history *h, struct peer *peer)
{
	for (size_t i = 0; i < peer->n && peer != &h->keeper; i++)
		acknowledge(h, &peer->requests[i], peer->handles[i]);
	peer->busy = false;
}

/* --- Steps ----------------------------------------------------------------------------------- */

static void crash(struct history *h, struct peer *peer)
{
	for (size_t i = 0; i < peer->n && peer->busy && peer != &h->keeper; i++) {
		if (peer->requests[i].type == IPAM_HAND_OVER)
			h->passing[index_of(&peer->requests[i].addr)].busy = false;
		else
			h->handles[peer->handles[i]].fate = FATE_UNKNOWN;
	}
	peer->busy = false;
	world_reading_drop(&peer->reading);
	ipam_plan_free(peer->plan);
	peer->plan = ipam_plan_new(peer->name);
	h->n_crashes++;
}

static void step_read(struct history *h, struct peer *peer)
{
	struct ipam_event event = {.type = IPAM_EVENT_READ};

	if (peer->n_read < peer->update.n_reads) {
		world_read(&h->world, peer->plan, &peer->update.reads[peer->n_read++],
			   &peer->reading);
		return;
	}
	event.found = peer->reading.found;
	event.n_found = peer->reading.n;
	event.revision = peer->reading.revision;
	peer->n_read = 0;
	ipam_plan_step(peer->plan, &event, &peer->update);
	world_reading_deinit(&peer->reading);
}

static struct ipam_event commit(struct history *h, const struct ipam_op *ops, size_t n)
{
	struct ipam_event event = world_commit(&h->world, ops, n);

	if (h->config->mirror)
		h->config->mirror(h->config->mirror_data, ops, n, event.type == IPAM_EVENT_WRITTEN,
				  h->world.revision);
	return event;
}

static void step_commit(struct history *h, struct peer *peer)
{
	struct ipam_event event = {.type = IPAM_EVENT_FAILED, .message = "the store is away"};
	unsigned int dice = pick(h, 60);

	assert_true(peer->update.n_ops <= IPAM_OPS_MAX);
	if (dice == 0) {
		crash(h, peer); /* before the write */
		return;
	}
	if (dice == 1) { /* the write is refused, or it was done and the answer is lost */
		if (pick(h, 2))
			(void)commit(h, peer->update.ops, peer->update.n_ops);
		ipam_plan_step(peer->plan, &event, &peer->update);
		return;
	}
	event = commit(h, peer->update.ops, peer->update.n_ops);
	h->n_conflicts += event.type == IPAM_EVENT_CONFLICT;
	if (dice == 2) {
		crash(h, peer); /* after the write */
		return;
	}
	ipam_plan_step(peer->plan, &event, &peer->update);
}

/* --- The collector --------------------------------------------------------------------------- */

static void drop_looking(struct looking *looking)
{
	for (size_t i = 0; i < looking->n; i++)
		model_free((struct object *)(uintptr_t)looking->v[i].object);
	free(looking->v);
	*looking = (struct looking){.v = NULL};
}

static void look_at_assigned(struct history *h, struct looking *looking)
{
	for (size_t i = 0; i < h->world.n; i++) {
		const struct world_object *at = &h->world.v[i];

		*ARRAY_ADD(looking->v, looking->n) = (struct ipam_audited){
			.object = model_copy(at->object), .revision = at->revision};
	}
}

/* Every handle that was acknowledged has an endpoint with its addresses. */
static void look_at_users(const struct history *h, struct looking *looking)
{
	for (unsigned int i = 0; i < h->n_handles; i++) {
		const struct handle *handle = &h->handles[i];
		struct object *object;

		if (handle->fate != FATE_HELD)
			continue;
		object = model_new(KIND_WORKLOAD_ENDPOINT, "default", handle->name);
		for (unsigned int a = 0; a < ADDRS; a++) {
			struct ip_addr addr = addr_of(a);

			if (handle->listed[a])
				str_list_add(&as_workload_endpoint(object)->spec.ip_networks,
					     ip_format(&addr).s);
		}
		*ARRAY_ADD(looking->v, looking->n) = (struct ipam_audited){.object = object};
	}
}

static struct ipam_collect_update judge(struct history *h, struct looking *looking)
{
	struct ipam_audit audit;
	struct ipam_collect_update update;

	ipam_audit_init(&audit, looking->v, looking->n);
	assert_int_equal(audit.n_corrupt, 0);
	ipam_collector_step(h->collector, &audit, h->now, &update);
	ipam_audit_deinit(&audit);
	return update;
}

static void begin_collection(struct history *h)
{
	struct ipam_collect_update update;
	struct ipam_event event = {.type = IPAM_EVENT_BEGIN, .now_ns = h->now * 1000000000};

	if (!h->has_looked) {
		look_at_assigned(h, &h->looking);
		h->has_looked = true;
		return;
	}
	look_at_users(h, &h->looking);
	update = judge(h, &h->looking);
	drop_looking(&h->looking);
	h->has_looked = false;
	if (!update.n_requests)
		return;
	h->keeper.requests = update.requests;
	h->keeper.n = MIN(update.n_requests, (size_t)COLLECT_MAX);
	h->keeper.busy = true;
	h->keeper.began = h->now;
	h->keeper.n_read = 0;
	h->n_collections++;
	event.requests = update.requests;
	event.n_requests = h->keeper.n;
	ipam_plan_step(h->keeper.plan, &event, &h->keeper.update);
}

/* --- Any of them ----------------------------------------------------------------------------- */

static void step(struct history *h, struct peer *peer)
{
	if (peer->busy && h->now - peer->began > GRACE / 2) {
		crash(h, peer); /* whoever waited for it has gone */
		return;
	}
	if (!peer->busy && peer == &h->keeper) {
		begin_collection(h);
		return;
	}
	if (!peer->busy) {
		begin(h, peer);
		return;
	}
	switch (peer->update.next) {
	case IPAM_NEXT_READ:
		step_read(h, peer);
		break;
	case IPAM_NEXT_COMMIT:
		step_commit(h, peer);
		break;
	case IPAM_NEXT_DONE:
		finish(h, peer);
		break;
	}
}

/* --- What is proven -------------------------------------------------------------------------- */

/* Compares one block with the handles; 'counted' sums up what the blocks have per handle. */
static void check_block(struct history *h, const struct world_object *at,
			unsigned int counted[HANDLES_MAX])
{
	struct ipam_block *block = NULL;
	struct err err = ERR_INIT;
	struct cidr_str key;

	if (ipam_block_from_object(model_copy(at->object), &block, &err) < 0)
		fail_msg("%s", err.msg);
	key = cidr_format(ipam_block_cidr(block));
	for (unsigned int i = 0; i < ipam_block_size(block); i++) {
		struct ip_addr addr = ip_add(&ipam_block_cidr(block)->addr, i);
		int held = h->held[index_of(&addr)];
		const struct passing *passing = &h->passing[index_of(&addr)];
		const char *name = ipam_block_handle(block, i);
		bool passed =
			passing->on && name && strcmp(h->handles[passing->to].name, name) == 0;

		if (held && !passed && (!name || strcmp(h->handles[held - 1].name, name) != 0))
			fail_msg("%s, acknowledged to %s, is of %s", ip_format(&addr).s,
				 h->handles[held - 1].name, name ? name : "nobody");
		if (name)
			counted[strtoul(name + 4, NULL, 10)]++;
	}
	for (unsigned int i = 0; i < h->n_handles; i++) {
		unsigned int n = ipam_block_count(block, h->handles[i].name);
		const struct world_object *handle =
			n ? world_find(&h->world, KIND_IPAM_HANDLE, h->handles[i].name) : NULL;

		if (!n)
			continue;
		assert_non_null(handle);
		assert_non_null(int_map_find(&as_ipam_handle(handle->object)->spec.block, key.s));
		assert_int_equal(
			int_map_find(&as_ipam_handle(handle->object)->spec.block, key.s)->value, n);
	}
	ipam_block_free(block);
}

static void check_handle(const struct world_object *at, const unsigned int *counted)
{
	const struct int_map *map = &as_ipam_handle(at->object)->spec.block;
	unsigned int sum = 0;

	for (size_t i = 0; i < map->n; i++)
		sum += (unsigned int)map->v[i].value;
	assert_true(sum > 0);
	assert_int_equal(sum, counted[strtoul(at->name + 4, NULL, 10)]);
}

/* A confirmed claim has its block. */
static void check_affinity(const struct history *h, const struct world_object *at)
{
	const struct block_affinity *affinity = as_block_affinity(at->object);
	const struct world_object *block;
	struct cidr cidr;
	char owner[32];

	if (ipam_affinity_state(affinity) != IPAM_AFFINITY_CONFIRMED)
		return;
	assert_int_equal(cidr_parse(affinity->spec.cidr, &cidr, NULL), 0);
	block = world_find(&h->world, KIND_IPAM_BLOCK, ipam_block_name(&cidr).s);
	assert_non_null(block);
	(void)snprintf(owner, sizeof(owner), "host:%s", affinity->spec.node);
	assert_string_equal(as_ipam_block(block->object)->spec.affinity, owner);
}

static void check(struct history *h)
{
	unsigned int counted[HANDLES_MAX] = {0};
	bool block_of[ADDRS] = {false};

	for (size_t i = 0; i < h->world.n; i++) {
		const struct world_object *at = &h->world.v[i];
		struct cidr cidr;

		if (at->kind != KIND_IPAM_BLOCK)
			continue;
		check_block(h, at, counted);
		assert_int_equal(cidr_parse(as_ipam_block(at->object)->spec.cidr, &cidr, NULL), 0);
		for (unsigned int j = 0; j < cidr_size(&cidr); j++)
			block_of[index_of(&cidr.addr) + j] = true;
	}
	for (unsigned int i = 0; i < ADDRS; i++)
		assert_true(!h->held[i] || block_of[i]);
	for (size_t i = 0; i < h->world.n; i++) {
		if (h->world.v[i].kind == KIND_IPAM_HANDLE)
			check_handle(&h->world.v[i], counted);
		if (h->world.v[i].kind == KIND_BLOCK_AFFINITY)
			check_affinity(h, &h->world.v[i]);
	}
}

/* --- The end --------------------------------------------------------------------------------- */

static void remove_node(struct history *h, struct peer *peer)
{
	const struct world_object *at = world_find(&h->world, KIND_NODE, peer->name);
	struct ipam_op op = {.type = IPAM_OP_DELETE, .kind = KIND_NODE, .name = peer->name};

	if (peer->gone)
		return;
	op.revision = at->revision;
	(void)commit(h, &op, 1);
	crash(h, peer);
	peer->gone = true;
	/* Its pods went with it. */
	for (unsigned int a = 0; a < ADDRS; a++) {
		struct passing *passing = &h->passing[a];

		if (!passing->on || passing->node != (unsigned int)(peer - h->peers))
			continue;
		h->handles[passing->to].fate = FATE_UNKNOWN;
		h->handles[passing->from].giving = false;
		passing->on = false;
	}
	for (unsigned int i = 0; i < h->n_handles; i++) {
		struct handle *handle = &h->handles[i];

		if (handle->fate != FATE_HELD || handle->node != (unsigned int)(peer - h->peers))
			continue;
		handle->fate = FATE_UNKNOWN;
		unlist(h, handle);
	}
}

/* What was cut off is asked for again. */
static void pass_all(struct history *h)
{
	for (unsigned int a = 0; a < ADDRS; a++) {
		struct ipam_request request = {.handle = NULL};

		if (!h->passing[a].on)
			continue;
		fill_hand_over(h, a, &request);
		world_serve(&h->world, h->peers[h->passing[a].node].plan, &request, 1, h->now);
		acknowledge_passed(h, &request);
		assert_false(h->passing[a].on);
	}
}

/* Collects, undisturbed, until there is nothing more to collect. */
static void collect_all(struct history *h)
{
	struct ipam_collect_update update;
	unsigned int idle = 0;

	drop_looking(&h->looking);
	for (unsigned int round = 0; idle < 3; round++) {
		struct looking looking = {.n = 0};

		assert_true(round < 30);
		look_at_assigned(h, &looking);
		look_at_users(h, &looking);
		update = judge(h, &looking);
		drop_looking(&looking);
		idle = update.n_requests ? 0 : idle + 1;
		if (update.n_requests)
			world_serve(&h->world, h->keeper.plan, update.requests, update.n_requests,
				    h->now);
		h->now += GRACE + 1;
	}
}

/* Nothing is left but what is held: no address, no handle, no host's claim. */
static void check_collected(const struct history *h)
{
	struct looking looking = {.n = 0};
	struct ipam_audit audit;

	for (size_t i = 0; i < h->world.n; i++)
		*ARRAY_ADD(looking.v, looking.n) =
			(struct ipam_audited){.object = model_copy(h->world.v[i].object),
					      .revision = h->world.v[i].revision};
	look_at_users(h, &looking);
	ipam_audit_init(&audit, looking.v, looking.n);
	for (size_t i = 0; i < audit.n_allocations; i++) {
		if (audit.allocations[i].n_users != 1)
			fail_msg("%s is lost", ip_format(&audit.allocations[i].addr).s);
	}
	for (size_t i = 0; i < audit.n_users; i++)
		assert_true(audit.users[i].is_assigned);
	for (size_t i = 0; i < audit.n_handles; i++)
		assert_int_equal(audit.handles[i].state, IPAM_HANDLE_GOOD);
	for (size_t i = 0; i < audit.n_hosts; i++)
		assert_true(ipam_audit_has_node(&audit, audit.hosts[i]));
	ipam_audit_deinit(&audit);
	drop_looking(&looking);
}

static void add_node(struct history *h, struct peer *peer)
{
	h->world.revision++;
	world_put(&h->world, peer->name, model_new(KIND_NODE, NULL, peer->name));
}

static void set_up(struct history *h)
{
	struct ipam_collect_config collect = {.grace = GRACE};

	h->now = 1785578400;
	h->handles = xcalloc(HANDLES_MAX, sizeof(*h->handles));
	h->cooldown = pick(h, 4) ? 0 : 20;
	h->world.broken = h->config->broken;
	h->collector = ipam_collector_new(&collect);
	h->keeper.plan = ipam_plan_new("keeper");
	(void)snprintf(h->keeper.name, sizeof(h->keeper.name), "keeper");
	world_add_pool(&h->world, "pool4", "10.0.0.0/26", 30);
	world_add_pool(&h->world, "pool6", "fd00::/122", 126);
	world_configure(&h->world, pick(h, 2), pick(h, 3) ? 0 : 1 + (int)pick(h, 3),
			(int)h->cooldown);
	if (pick(h, 3) == 0) {
		struct object *object = model_new(KIND_IP_RESERVATION, NULL, "r");

		str_list_add(&as_ip_reservation(object)->spec.reserved_cidrs, "10.0.0.0/29");
		str_list_add(&as_ip_reservation(object)->spec.reserved_cidrs, "10.0.0.33");
		h->world.revision++;
		world_put(&h->world, "r", object);
	}
	h->n_peers = 2 + pick(h, NODES_MAX - 1);
	for (unsigned int i = 0; i < h->n_peers; i++) {
		struct peer *peer = &h->peers[i];

		(void)snprintf(peer->name, sizeof(peer->name), "node-%u", i);
		peer->plan = ipam_plan_new(peer->name);
		add_node(h, peer);
	}
}

static void tear_down(struct history *h)
{
	for (unsigned int i = 0; i < h->n_peers; i++) {
		world_reading_drop(&h->peers[i].reading);
		ipam_plan_free(h->peers[i].plan);
	}
	world_reading_drop(&h->keeper.reading);
	ipam_plan_free(h->keeper.plan);
	ipam_collector_free(h->collector);
	drop_looking(&h->looking);
	world_deinit(&h->world);
	free(h->handles);
}

/* Few are awake at a time, so that batches come to an end. */
static struct peer *wake(struct history *h)
{
	struct peer *peer;

	if (pick(h, 12) == 0)
		return &h->keeper;
	peer = &h->peers[pick(h, 4) ? pick(h, MIN(h->n_peers, 6u)) : pick(h, h->n_peers)];
	return peer->gone ? &h->peers[0] : peer;
}

static void tell_step(const struct history *h, unsigned int i, const struct peer *peer)
{
	static const char *const nexts[] = {[IPAM_NEXT_READ] = "reads",
					    [IPAM_NEXT_COMMIT] = "writes",
					    [IPAM_NEXT_DONE] = "answers"};

	if (!h->config->verbose)
		return;
	print_message("step %u: %s %s", i, peer->name,
		      peer->busy ? nexts[peer->update.next] : "begins");
	for (size_t o = 0;
	     peer->busy && peer->update.next == IPAM_NEXT_COMMIT && o < peer->update.n_ops; o++)
		print_message(" %s/%s@%llu", kind_get(peer->update.ops[o].kind)->name,
			      peer->update.ops[o].name,
			      (unsigned long long)peer->update.ops[o].revision);
	print_message("\n");
}

static void run_steps(struct history *h)
{
	for (unsigned int i = 0; i < STEPS; i++) {
		struct peer *peer;

		h->random = h->config->seed * STEPS + i;
		(void)next_random(h);
		if (h->config->skip && h->config->skip[i])
			continue;
		h->now += pick(h, 50) == 0 ? 61 : pick(h, 150) == 0 ? GRACE + 1 : 1;
		if (pick(h, 200) == 0) {
			remove_node(h, &h->peers[h->n_peers - 1 - pick(h, h->n_peers / 2)]);
			continue;
		}
		peer = wake(h);
		tell_step(h, i, peer);
		step(h, peer);
		if (i % 64 == 0 || h->config->skip)
			check(h);
	}
}

/* Does not return if the history proves something wrong: it ends the process. */
static void run_history(const struct history_config *config)
{
	struct history *h = XNEW(struct history);

	h->config = config;
	h->random = ~config->seed;
	set_up(h);
	if (config->mirror_begin)
		config->mirror_begin(config->mirror_data, &h->world);
	run_steps(h);
	for (unsigned int i = 0; i < h->n_peers; i++) {
		if (h->peers[i].busy)
			crash(h, &h->peers[i]);
	}
	if (h->keeper.busy)
		crash(h, &h->keeper);
	check(h);
	if (config->mirror_end)
		config->mirror_end(config->mirror_data, &h->world);
	pass_all(h);
	check(h);
	collect_all(h);
	check(h);
	check_collected(h);
	if (config->verbose)
		print_message(
			"%u nodes, %u addresses given, %u handed over, %u crashes, %u conflicts, "
			"%u collections\n",
			h->n_peers, h->n_acks, h->n_passed, h->n_crashes, h->n_conflicts,
			h->n_collections);
	tear_down(h);
	free(h);
}
