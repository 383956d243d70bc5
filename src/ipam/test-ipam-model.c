/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Up to 50 nodes on one store, interleaved read by read and write by write, each dying at any of
 * them with and without its last write having happened, all by a seeded generator. Proven for each
 * history: no address is given twice; the blocks hold exactly what the handles count; what was
 * acknowledged is there until its release is asked for; whatever a crash left behind is free again
 * once its handle is released.
 *
 * Run with a seed as the argument to repeat one history, and with "-n N" for N of them.
 */

#include "ipam/test-ipam-world.h"

#include "ipam/ipam-affinity.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-name.h"

#define NODES_MAX   50u
#define HANDLES_MAX 512u
#define BATCH_MAX   4u
#define STEPS	    700u
#define HISTORIES   2000u
#define V4_ADDRS    64u
#define ADDRS	    (2u * V4_ADDRS)

enum fate {
	FATE_FREE, /* nobody says that it has addresses */
	FATE_ASSIGNING,
	FATE_HELD,	/* acknowledged */
	FATE_RELEASING, /* may be there or not */
	FATE_UNKNOWN,	/* its request died: may be there or not */
};

struct handle {
	char name[24];
	enum fate fate;
	unsigned int node;
	bool listed[ADDRS]; /* acknowledged addresses */
};

struct peer {
	struct ipam_plan *plan;
	char name[16];
	bool busy;
	struct ipam_request requests[BATCH_MAX];
	unsigned int handles[BATCH_MAX];
	size_t n;
	struct ipam_update update;
	size_t n_read; /* reads of the update that were made */
	struct world_reading reading;
};

struct history {
	uint64_t random;
	struct world world;
	struct peer peers[NODES_MAX];
	unsigned int n_peers;
	struct handle *handles;
	unsigned int n_handles;
	int held[ADDRS]; /* handle + 1 that was told it has the address */
	int64_t now;
	int64_t cooldown;
	unsigned int n_acks, n_crashes, n_conflicts;
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

/* --- Requests -------------------------------------------------------------------------------- */

static void ask_assign(struct history *h, struct ipam_request *request, unsigned int *ret_handle)
{
	struct handle *handle = &h->handles[h->n_handles];

	(void)snprintf(handle->name, sizeof(handle->name), "net.%u", h->n_handles);
	handle->fate = FATE_ASSIGNING;
	*ret_handle = h->n_handles++;
	request->handle = handle->name;
	request->now = h->now;
	if (pick(h, 5) == 0) {
		char text[32];

		request->type = IPAM_ASSIGN_ADDRESS;
		(void)snprintf(text, sizeof(text), pick(h, 2) ? "10.0.0.%u" : "fd00::%x",
			       pick(h, V4_ADDRS));
		assert_int_equal(ip_parse(text, &request->addr, NULL), 0);
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

/* Releases what this node holds, or what it or another left behind. */
static bool ask_release(struct history *h, struct peer *peer, size_t n,
			struct ipam_request *request, unsigned int *ret_handle)
{
	unsigned int start = h->n_handles ? pick(h, h->n_handles) : 0;

	for (unsigned int i = 0; i < h->n_handles; i++) {
		unsigned int at = (start + i) % h->n_handles;
		struct handle *handle = &h->handles[at];

		if ((handle->fate != FATE_HELD && handle->fate != FATE_UNKNOWN) ||
		    is_asked(peer, n, at))
			continue;
		handle->fate = FATE_RELEASING;
		for (unsigned int a = 0; a < ADDRS; a++) {
			if (handle->listed[a])
				h->held[a] = 0;
		}
		request->type = IPAM_RELEASE_HANDLE;
		request->handle = handle->name;
		*ret_handle = at;
		return true;
	}
	return false;
}

static void begin(struct history *h, struct peer *peer)
{
	unsigned int n = 1 + pick(h, BATCH_MAX);
	struct ipam_event event = {.type = IPAM_EVENT_BEGIN,
				   .requests = peer->requests,
				   .now_ns = h->now * 1000000000};

	peer->n = 0;
	for (unsigned int i = 0; i < n && h->n_handles < HANDLES_MAX; i++) {
		struct ipam_request *request = &peer->requests[peer->n];

		memset(request, 0, sizeof(*request));
		if (pick(h, 5) < 2 &&
		    !ask_release(h, peer, peer->n, request, &peer->handles[peer->n]))
			continue;
		if (!request->handle)
			ask_assign(h, request, &peer->handles[peer->n]);
		peer->n++;
	}
	event.n_requests = peer->n;
	ipam_plan_step(peer->plan, &event, &peer->update);
	peer->busy = true;
	peer->n_read = 0;
}

static void acknowledge(struct history *h, const struct ipam_request *request, unsigned int at)
{
	struct handle *handle = &h->handles[at];

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
	for (size_t i = 0; i < peer->n; i++)
		acknowledge(h, &peer->requests[i], peer->handles[i]);
	peer->busy = false;
}

/* --- Steps ----------------------------------------------------------------------------------- */

static void crash(struct history *h, struct peer *peer)
{
	for (size_t i = 0; i < peer->n && peer->busy; i++)
		h->handles[peer->handles[i]].fate = FATE_UNKNOWN;
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
	peer->n_read = 0;
	ipam_plan_step(peer->plan, &event, &peer->update);
	world_reading_deinit(&peer->reading);
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
			(void)world_commit(&h->world, peer->update.ops, peer->update.n_ops);
		ipam_plan_step(peer->plan, &event, &peer->update);
		return;
	}
	event = world_commit(&h->world, peer->update.ops, peer->update.n_ops);
	h->n_conflicts += event.type == IPAM_EVENT_CONFLICT;
	if (dice == 2) {
		crash(h, peer); /* after the write */
		return;
	}
	ipam_plan_step(peer->plan, &event, &peer->update);
}

static void step(struct history *h, struct peer *peer)
{
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
		const char *name = ipam_block_handle(block, i);

		if (held && (!name || strcmp(h->handles[held - 1].name, name) != 0))
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

/* Everything is released by its handle; then nothing may be left in use. */
static void check_reclaim(struct history *h)
{
	struct ipam_plan *plan = ipam_plan_new("janitor");

	for (unsigned int i = 0; i < h->n_handles; i++) {
		struct ipam_request request = {.type = IPAM_RELEASE_HANDLE,
					       .handle = h->handles[i].name};

		if (h->handles[i].fate == FATE_FREE)
			continue;
		world_serve(&h->world, plan, &request, 1, h->now);
		if (h->handles[i].fate == FATE_HELD)
			assert_int_equal(request.result, IPAM_OK);
		else
			assert_true(request.result == IPAM_OK ||
				    request.result == IPAM_E_NOT_FOUND);
	}
	ipam_plan_free(plan);
	for (size_t i = 0; i < h->world.n; i++) {
		const struct world_object *at = &h->world.v[i];
		struct ipam_block *block = NULL;
		struct ipam_cooldown later = {.now = h->now + 1000, .seconds = h->cooldown};

		assert_int_not_equal(at->kind, KIND_IPAM_HANDLE);
		if (at->kind != KIND_IPAM_BLOCK)
			continue;
		assert_int_equal(ipam_block_from_object(model_copy(at->object), &block, NULL), 0);
		(void)ipam_block_collect(block, &later);
		assert_true(ipam_block_is_empty(block));
		ipam_block_free(block);
	}
}

/* --- Histories ------------------------------------------------------------------------------- */

static void set_up(struct history *h, uint64_t seed)
{
	h->random = seed;
	h->now = 1785578400;
	h->handles = xcalloc(HANDLES_MAX, sizeof(*h->handles));
	h->cooldown = pick(h, 4) ? 0 : 20;
	world_add_pool(&h->world, "pool4", "10.0.0.0/26", 30);
	world_add_pool(&h->world, "pool6", "fd00::/122", 126);
	world_configure(&h->world, pick(h, 2), pick(h, 3) ? 0 : 1 + (int)pick(h, 3),
			(int)h->cooldown);
	if (pick(h, 3) == 0) {
		struct object *object = model_new(KIND_IP_RESERVATION, NULL, "r");

		str_list_add(&as_ip_reservation(object)->spec.reserved_cidrs, "10.0.0.0/29");
		str_list_add(&as_ip_reservation(object)->spec.reserved_cidrs, "10.0.0.33");
		world_put(&h->world, "r", object);
	}
	h->n_peers = 2 + pick(h, NODES_MAX - 1);
	for (unsigned int i = 0; i < h->n_peers; i++) {
		struct peer *peer = &h->peers[i];

		(void)snprintf(peer->name, sizeof(peer->name), "node-%u", i);
		peer->plan = ipam_plan_new(peer->name);
	}
}

static void tear_down(struct history *h)
{
	for (unsigned int i = 0; i < h->n_peers; i++) {
		world_reading_drop(&h->peers[i].reading);
		ipam_plan_free(h->peers[i].plan);
	}
	world_deinit(&h->world);
	free(h->handles);
}

static void run_history(uint64_t seed, bool verbose)
{
	struct history *h = XNEW(struct history);

	/* Printed before, since a failed check does not return here. */
	if (verbose)
		print_message("history %llu\n", (unsigned long long)seed);
	set_up(h, seed);
	for (unsigned int i = 0; i < STEPS; i++) {
		h->now += pick(h, 50) == 0 ? 61 : 1;
		/* Few are awake at a time, so that batches come to an end. */
		step(h, &h->peers[pick(h, 4) ? pick(h, MIN(h->n_peers, 6u)) : pick(h, h->n_peers)]);
		if (i % 64 == 0)
			check(h);
	}
	for (unsigned int i = 0; i < h->n_peers; i++) {
		if (h->peers[i].busy)
			crash(h, &h->peers[i]);
	}
	check(h);
	check_reclaim(h);
	if (verbose)
		print_message("%u nodes, %u addresses given, %u crashes, %u conflicts\n",
			      h->n_peers, h->n_acks, h->n_crashes, h->n_conflicts);
	tear_down(h);
	free(h);
}

struct args {
	uint64_t seed;
	uint64_t n;
	bool one;
};

static void test_histories(void **state)
{
	const struct args *args = *state;

	for (uint64_t i = 0; i < args->n; i++) {
		uint64_t *current = (uint64_t *)(uintptr_t)&args->seed;

		*current = args->one ? args->seed : i + 1;
		run_history(*current, args->one);
	}
}

int main(int argc, char **argv)
{
	struct args args = {.n = HISTORIES};
	int r;

	if (argc > 2)
		args.n = strtoull(argv[2], NULL, 10);
	else if (argc > 1)
		args = (struct args){.seed = strtoull(argv[1], NULL, 10), .n = 1, .one = true};

	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_histories, &args),
	};

	r = cmocka_run_group_tests(tests, NULL, NULL);
	if (r)
		print_message("seed of the failed history: %llu\n", (unsigned long long)args.seed);
	return r;
}
