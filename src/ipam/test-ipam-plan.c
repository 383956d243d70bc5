/* SPDX-License-Identifier: Apache-2.0 */

/* The plan: the order of its writes, and every way in which a request can end. */

#include "ipam/test-ipam-world.h"

#include "base/buf.h"
#include "ipam/ipam-block.h"

#define NOW 1785578400

struct fixture {
	struct world world;
	struct ipam_plan *a;
	struct ipam_plan *b;
};

static int setup(void **state)
{
	struct fixture *f = XNEW(struct fixture);

	world_add_pool(&f->world, "pool4", "10.0.0.0/29", 30); /* two blocks of four */
	f->a = ipam_plan_new("node-a");
	f->b = ipam_plan_new("node-b");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ipam_plan_free(f->a);
	ipam_plan_free(f->b);
	world_deinit(&f->world);
	free(f);
	return 0;
}

static struct ipam_request assign(struct fixture *f, struct ipam_plan *plan, const char *handle,
				  unsigned int n, int64_t now)
{
	struct ipam_request request = {.type = IPAM_ASSIGN_AUTO, .handle = handle, .n_v4 = n};

	world_serve(&f->world, plan, &request, 1, now);
	return request;
}

static void expect(const struct ipam_request *request, enum ipam_result_code code, unsigned int n)
{
	if (request->result != code)
		fail_msg("result %d: %s", (int)request->result, request->err.msg);
	assert_int_equal(request->n_addrs, n);
}

/* The writes of a first assignment, as text. */
static void test_order_of_writes(void **state)
{
	static const char *const names[] = {"create", "update", "delete", "expect"};
	struct fixture *f = *state;
	struct ipam_request request = {.type = IPAM_ASSIGN_AUTO, .handle = "h", .n_v4 = 1};
	struct ipam_event event = {.type = IPAM_EVENT_BEGIN,
				   .requests = &request,
				   .n_requests = 1,
				   .now_ns = (int64_t)NOW * 1000000000};
	_cleanup_buf_ struct buf trace = BUF_INIT;
	struct ipam_update update;

	ipam_plan_step(f->a, &event, &update);
	while (update.next != IPAM_NEXT_DONE) {
		struct world_reading reading = {.n = 0};

		for (size_t i = 0; i < update.n_reads; i++)
			world_read(&f->world, f->a, &update.reads[i], &reading);
		for (size_t i = 0; i < update.n_ops; i++)
			buf_addf(&trace, "%s %s; ", names[update.ops[i].type],
				 kind_get(update.ops[i].kind)->name);
		if (update.n_ops) {
			buf_addc(&trace, '\n');
			event = world_commit(&f->world, update.ops, update.n_ops);
		} else {
			event = (struct ipam_event){.type = IPAM_EVENT_READ,
						    .found = reading.found,
						    .n_found = reading.n};
		}
		ipam_plan_step(f->a, &event, &update);
		world_reading_deinit(&reading);
	}
	assert_string_equal(buf_str(&trace),
			    "expect IPAMBlock; create BlockAffinity; \n"
			    "create IPAMHandle; create IPAMBlock; update BlockAffinity; \n");
	expect(&request, IPAM_OK, 1);
}

static void test_borrow_and_full(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = assign(f, f->a, "a1", 3, NOW);

	expect(&request, IPAM_OK, 3);
	request = assign(f, f->b, "b1", 3, NOW);
	expect(&request, IPAM_OK, 3);
	/* One of its own, one of the other's. */
	request = assign(f, f->b, "b2", 2, NOW);
	expect(&request, IPAM_OK, 2);
	request = assign(f, f->b, "b3", 1, NOW);
	expect(&request, IPAM_E_FULL, 0);
	assert_non_null(strstr(request.err.msg, "pool4"));
}

static void test_strict(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request;

	world_configure(&f->world, true, 1, 0);
	request = assign(f, f->a, "a1", 4, NOW);
	expect(&request, IPAM_OK, 4);
	request = assign(f, f->a, "a2", 1, NOW);
	expect(&request, IPAM_E_BLOCK_LIMIT, 0);
	request = assign(f, f->b, "b1", 4, NOW);
	expect(&request, IPAM_OK, 4);
	request = (struct ipam_request){.type = IPAM_RELEASE_HANDLE, .handle = "b1"};
	world_serve(&f->world, f->b, &request, 1, NOW);
	expect(&request, IPAM_OK, 0);
	/* The other's block has room again, but is not to be borrowed from. */
	request = assign(f, f->a, "a2", 1, NOW);
	expect(&request, IPAM_E_BLOCK_LIMIT, 0);
}

/* An empty block is left to its node for a minute, and then taken over. */
static void test_reclaim(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = assign(f, f->b, "b1", 8, NOW);

	world_configure(&f->world, true, 0, 0);
	expect(&request, IPAM_OK, 8);
	request = (struct ipam_request){.type = IPAM_RELEASE_HANDLE, .handle = "b1"};
	world_serve(&f->world, f->b, &request, 1, NOW);
	request = assign(f, f->a, "a1", 1, NOW + IPAM_RECLAIM_AGE - 1);
	expect(&request, IPAM_E_FULL, 0);
	request = assign(f, f->a, "a1", 1, NOW + IPAM_RECLAIM_AGE);
	expect(&request, IPAM_OK, 1);
	/* Its former owner finds out by itself. */
	request = assign(f, f->b, "b2", 4, NOW + IPAM_RECLAIM_AGE);
	expect(&request, IPAM_OK, 4);
}

static void test_no_pool(void **state)
{
	static const char *const named[] = {"pool9", NULL};
	struct fixture *f = *state;
	struct ipam_request request = {.type = IPAM_ASSIGN_AUTO, .handle = "h", .n_v6 = 1};

	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_E_NO_POOL, 0);
	request = (struct ipam_request){
		.type = IPAM_ASSIGN_AUTO, .handle = "h", .n_v4 = 1, .v4_pools = named};
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_E_NO_POOL, 0);
	assert_non_null(strstr(request.err.msg, "pool9"));
}

/* Who names pools of one family gets the other's address as if none were named. */
static void test_pools_of_one_family(void **state)
{
	static const char *const four[] = {"pool5", NULL};
	static const char *const six[] = {"fd00:2::/125", NULL};
	struct fixture *f = *state;
	struct ipam_request request = {
		.type = IPAM_ASSIGN_AUTO, .handle = "h", .n_v4 = 1, .n_v6 = 1, .v4_pools = four};

	world_add_pool(&f->world, "pool5", "10.5.0.0/28", 30);
	world_add_pool(&f->world, "pool6", "fd00:1::/125", 126);
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_OK, 2);
	assert_int_equal(request.addrs[0].addr.bytes[1], 5);
	assert_int_equal(request.addrs[1].addr.bytes[3], 1);
	world_add_pool(&f->world, "pool7", "fd00:2::/125", 126);
	request = (struct ipam_request){
		.type = IPAM_ASSIGN_AUTO, .handle = "i", .n_v4 = 1, .n_v6 = 1, .v6_pools = six};
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_OK, 2);
	assert_int_equal(request.addrs[1].addr.bytes[3], 2);
	/* A given address, too. */
	request = (struct ipam_request){
		.type = IPAM_ASSIGN_ADDRESS, .handle = "j", .addr = request.addrs[1].addr};
	request.addr.bytes[15] ^= 1;
	request.v4_pools = four;
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_OK, 1);
}

/* Dual stack is all or nothing, and a failure leaves nothing behind. */
static void test_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = {
		.type = IPAM_ASSIGN_AUTO, .handle = "h", .n_v4 = 1, .n_v6 = 1};

	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_E_NO_POOL, 0);
	assert_null(world_find(&f->world, KIND_IPAM_HANDLE, "h"));
}

static void select_pool(struct fixture *f, const char *selector)
{
	struct world_object *at = world_find(&f->world, KIND_IP_POOL, "pool4");

	replace_str(&as_ip_pool(at->object)->spec.node_selector, xstrdup(selector));
	at->revision = ++f->world.revision;
}

/* A pool that has come to exclude a node gets the node's empty blocks back, and no others. */
static void test_unselected(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request;

	world_add_pool(&f->world, "pool5", "10.5.0.0/28", 30);
	request = assign(f, f->a, "a1", 6, NOW);
	expect(&request, IPAM_OK, 6);
	request =
		(struct ipam_request){.type = IPAM_RELEASE_ADDRESS, .addr = request.addrs[0].addr};
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_OK, 0);
	select_pool(f, "has(elsewhere)");
	request = assign(f, f->a, "a2", 1, NOW);
	expect(&request, IPAM_OK, 1);
	assert_int_equal(request.addrs[0].addr.bytes[1], 5);
	/* Both blocks of pool4 are in use and stay; once empty they go. */
	assert_int_equal(world_count(&f->world, KIND_IPAM_BLOCK), 3);
	request = (struct ipam_request){.type = IPAM_RELEASE_HANDLE, .handle = "a1"};
	world_serve(&f->world, f->a, &request, 1, NOW);
	assert_int_equal(world_count(&f->world, KIND_IPAM_BLOCK), 3);
	request = assign(f, f->a, "a3", 1, NOW);
	expect(&request, IPAM_OK, 1);
	assert_int_equal(world_count(&f->world, KIND_IPAM_BLOCK), 1);
	assert_int_equal(world_count(&f->world, KIND_BLOCK_AFFINITY), 1);
	select_pool(f, "nonsense ==");
	request = (struct ipam_request){.type = IPAM_ASSIGN_AUTO, .handle = "h", .n_v4 = 5};
	world_serve(&f->world, f->b, &request, 1, NOW);
	expect(&request, IPAM_OK, 5);
}

static void test_release_affinities(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = assign(f, f->a, "a1", 4, NOW);
	struct ipam_request release = {
		.type = IPAM_RELEASE_AFFINITIES, .host = "node-a", .must_be_empty = true};

	expect(&request, IPAM_OK, 4);
	world_serve(&f->world, f->b, &release, 1, NOW);
	expect(&release, IPAM_E_IN_USE, 0);
	assert_int_equal(world_count(&f->world, KIND_BLOCK_AFFINITY), 1);
	/* Disowned, the block stays until its last address goes. */
	release.must_be_empty = false;
	world_serve(&f->world, f->b, &release, 1, NOW);
	expect(&release, IPAM_OK, 0);
	assert_int_equal(release.n_blocks, 1);
	assert_int_equal(world_count(&f->world, KIND_BLOCK_AFFINITY), 0);
	assert_int_equal(world_count(&f->world, KIND_IPAM_BLOCK), 1);
	request = (struct ipam_request){.type = IPAM_RELEASE_HANDLE, .handle = "a1"};
	world_serve(&f->world, f->b, &request, 1, NOW);
	expect(&request, IPAM_OK, 0);
	assert_int_equal(world_count(&f->world, KIND_IPAM_BLOCK), 0);
	world_serve(&f->world, f->b, &release, 1, NOW);
	expect(&release, IPAM_E_NOT_FOUND, 0);
	/* The node that was thought gone notices. */
	request = assign(f, f->a, "a2", 1, NOW);
	expect(&request, IPAM_OK, 1);
}

/* An address that was given anew is not taken from its new owner. */
static void test_sequence(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = assign(f, f->a, "a1", 1, NOW);
	struct ipam_request release = {.type = IPAM_RELEASE_ADDRESS,
				       .addr = request.addrs[0].addr,
				       .handle = "a1",
				       .has_sequence = true,
				       .sequence = 7};
	const struct world_object *at;

	expect(&request, IPAM_OK, 1);
	world_serve(&f->world, f->b, &release, 1, NOW);
	expect(&release, IPAM_E_CHANGED, 0);
	at = world_first(&f->world, KIND_IPAM_BLOCK);
	release.sequence =
		(uint64_t)as_ipam_block(at->object)->spec.sequence_number_for_allocation.v[0].value;
	world_serve(&f->world, f->b, &release, 1, NOW);
	expect(&release, IPAM_OK, 0);
}

static void test_messages(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = assign(f, f->a, "a1", 8, NOW);

	expect(&request, IPAM_OK, 8);
	request = assign(f, f->b, "b1", 1, NOW);
	expect(&request, IPAM_E_FULL, 0);
	assert_non_null(strstr(request.err.msg, "pool pool4: all 8 addresses are in use"));
	select_pool(f, "has(gpu)");
	request = assign(f, f->b, "b1", 1, NOW);
	expect(&request, IPAM_E_NO_POOL, 0);
	assert_non_null(strstr(request.err.msg, "pool pool4: its nodeSelector does not select"));
	assert_non_null(strstr(request.err.msg, "has(gpu)"));
}

/* A namespace is known by its name alone, where there is no object of it. */
static void test_namespace(void **state)
{
	struct fixture *f = *state;
	struct world_object *at = world_find(&f->world, KIND_IP_POOL, "pool4");
	struct ipam_request request = {
		.type = IPAM_ASSIGN_AUTO, .handle = "h", .n_v4 = 1, .namespace = "red"};

	replace_str(&as_ip_pool(at->object)->spec.namespace_selector,
		    xstrdup("projectcalico.org/name == 'blue'"));
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_E_NO_POOL, 0);
	request.namespace = "blue";
	at->revision = ++f->world.revision;
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_OK, 1);
}

/* Without automatic blocks a node only has what it was given. */
static void test_no_automatic_blocks(void **state)
{
	struct fixture *f = *state;
	struct world_object *at;
	struct ipam_request request = assign(f, f->a, "a1", 1, NOW);

	expect(&request, IPAM_OK, 1);
	world_configure(&f->world, true, 0, 0);
	at = world_find(&f->world, KIND_IPAM_CONFIGURATION, "default");
	as_ipam_configuration(at->object)->spec.auto_allocate_blocks =
		(struct opt_bool){.set = true, .v = false};
	request = assign(f, f->a, "a2", 3, NOW);
	expect(&request, IPAM_OK, 3);
	request = assign(f, f->a, "a3", 1, NOW);
	expect(&request, IPAM_E_FULL, 0);
	assert_non_null(strstr(request.err.msg, "autoAllocateBlocks is off"));
	request = assign(f, f->b, "b1", 1, NOW);
	expect(&request, IPAM_E_FULL, 0);
	assert_int_equal(world_count(&f->world, KIND_IPAM_BLOCK), 1);
}

/* IPv6 is the same: selection, the host's end, the messages. */
static void test_six(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = {.type = IPAM_ASSIGN_AUTO, .handle = "six", .n_v6 = 4};
	struct ipam_request release = {.type = IPAM_RELEASE_AFFINITIES, .host = "node-a"};

	world_add_pool(&f->world, "pool6", "fd00:1::/125", 126);
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_OK, 4);
	assert_int_equal(request.addrs[0].addr.family, AF_INET6);
	release.block = (struct cidr){.addr = request.addrs[0].addr, .len = 126};
	release.block = cidr_masked(&release.block);
	world_serve(&f->world, f->b, &release, 1, NOW);
	expect(&release, IPAM_OK, 0);
	assert_int_equal(release.n_blocks, 1);
	request = (struct ipam_request){.type = IPAM_ASSIGN_AUTO, .handle = "more", .n_v6 = 5};
	world_serve(&f->world, f->b, &request, 1, NOW);
	expect(&request, IPAM_E_FULL, 0);
	assert_non_null(strstr(request.err.msg, "pool pool6: of 8 addresses 4 are in use"));
	request = (struct ipam_request){.type = IPAM_RELEASE_HANDLE, .handle = "six"};
	world_serve(&f->world, f->b, &request, 1, NOW);
	expect(&request, IPAM_OK, 0);
	request = (struct ipam_request){.type = IPAM_ASSIGN_AUTO, .handle = "more", .n_v6 = 8};
	world_serve(&f->world, f->b, &request, 1, NOW);
	expect(&request, IPAM_OK, 8);
}

static void test_virtual(void **state)
{
	struct fixture *f = *state;
	struct ipam_plan *plan = ipam_plan_new_virtual("load-balancer");
	struct ipam_request request = {.type = IPAM_ASSIGN_AUTO,
				       .handle = "lb-1",
				       .n_v4 = 1,
				       .use = IPAM_USE_LOAD_BALANCER,
				       .service = "web"};
	struct world_object *at = world_find(&f->world, KIND_IP_POOL, "pool4");
	const struct ipam_block_spec *block;

	str_list_add(&as_ip_pool(at->object)->spec.allowed_uses, "LoadBalancer");
	world_serve(&f->world, plan, &request, 1, NOW);
	expect(&request, IPAM_OK, 1);
	block = &as_ipam_block(world_first(&f->world, KIND_IPAM_BLOCK)->object)->spec;
	assert_string_equal(block->affinity, "virtual:load-balancer");
	assert_string_equal(str_map_find(&block->attributes.v[0].secondary, "service"), "web");
	at = world_first(&f->world, KIND_BLOCK_AFFINITY);
	assert_string_equal(as_block_affinity(at->object)->spec.type, "virtual");
	ipam_plan_free(plan);
}

static struct ipam_request hand_over(struct fixture *f, struct ipam_plan *plan,
				     const struct ip_addr *addr, const char *handle)
{
	struct ipam_request request = {.type = IPAM_HAND_OVER,
				       .addr = *addr,
				       .from = "kept",
				       .handle = handle,
				       .namespace = "default",
				       .pod = "p1",
				       .now = NOW};

	world_serve(&f->world, plan, &request, 1, NOW);
	return request;
}

/* One transaction: at no time is the address free, or two handles'. */
static void test_hand_over(void **state)
{
	struct fixture *f = *state;
	struct ipam_request kept = assign(f, f->a, "kept", 2, NOW);
	struct ip_addr addr = kept.addrs[0].addr;
	struct ipam_request request = hand_over(f, f->a, &addr, "pod-1");
	const struct ipam_block_spec *block;
	const struct int_map *kept_map;
	uint64_t revision;

	expect(&kept, IPAM_OK, 2);
	expect(&request, IPAM_OK, 1);
	assert_true(ip_equal(&request.addrs[0].addr, &addr));
	block = &as_ipam_block(world_first(&f->world, KIND_IPAM_BLOCK)->object)->spec;
	assert_int_equal(block->unallocated.n, 2);
	kept_map = &as_ipam_handle(world_find(&f->world, KIND_IPAM_HANDLE, "kept")->object)
			    ->spec.block;
	assert_int_equal(kept_map->n, 1);
	assert_int_equal(kept_map->v[0].value, 1);
	/* Once more is the same, and writes nothing. */
	revision = f->world.revision;
	request = hand_over(f, f->a, &addr, "pod-1");
	expect(&request, IPAM_OK, 1);
	assert_int_equal(f->world.revision, revision);
	/* What another has got is not taken from him. */
	request = hand_over(f, f->a, &addr, "pod-2");
	expect(&request, IPAM_E_TAKEN, 0);
	assert_non_null(strstr(request.err.msg, "belongs to pod-1"));
	/* With the last one its handle goes, and the other's release frees both. */
	request = hand_over(f, f->a, &kept.addrs[1].addr, "pod-1");
	expect(&request, IPAM_OK, 1);
	assert_null(world_find(&f->world, KIND_IPAM_HANDLE, "kept"));
	request = (struct ipam_request){.type = IPAM_RELEASE_HANDLE, .handle = "pod-1"};
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_OK, 0);
	request = hand_over(f, f->a, &addr, "pod-3");
	expect(&request, IPAM_E_TAKEN, 0);
	assert_non_null(strstr(request.err.msg, "belongs to nobody"));
}

/* With a view that is old: the datastore knows better. */
static void test_hand_over_behind(void **state)
{
	struct fixture *f = *state;
	struct ipam_request kept = assign(f, f->a, "kept", 1, NOW);
	struct ipam_request request = {.type = IPAM_RELEASE_HANDLE, .handle = "kept"};

	world_serve(&f->world, f->b, &request, 1, NOW);
	expect(&request, IPAM_OK, 0);
	request = assign(f, f->b, "other", 8, NOW);
	expect(&request, IPAM_OK, 8);
	request = hand_over(f, f->a, &kept.addrs[0].addr, "pod-1");
	expect(&request, IPAM_E_TAKEN, 0);
	assert_non_null(strstr(request.err.msg, "belongs to other"));
}

static void test_own_blocks_only(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = {
		.type = IPAM_ASSIGN_AUTO, .handle = "kept", .n_v4 = 2, .own_blocks_only = true};

	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_E_FULL, 0);
	assert_int_equal(world_count(&f->world, KIND_IPAM_BLOCK), 0);
	request = assign(f, f->a, "pod-1", 1, NOW);
	request = (struct ipam_request){
		.type = IPAM_ASSIGN_AUTO, .handle = "kept", .n_v4 = 3, .own_blocks_only = true};
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_OK, 3);
	request = (struct ipam_request){
		.type = IPAM_ASSIGN_AUTO, .handle = "kept", .n_v4 = 1, .own_blocks_only = true};
	world_serve(&f->world, f->a, &request, 1, NOW);
	expect(&request, IPAM_E_FULL, 0);
	assert_int_equal(world_count(&f->world, KIND_IPAM_BLOCK), 1);
}

/* One request by a plan that has served before; gives the reads it took. */
static unsigned int count_reads(struct fixture *f, struct ipam_request *request)
{
	struct ipam_event event = {.type = IPAM_EVENT_BEGIN,
				   .requests = request,
				   .n_requests = 1,
				   .now_ns = (int64_t)NOW * 1000000000};
	struct ipam_update update;
	unsigned int n = 0;

	ipam_plan_step(f->a, &event, &update);
	while (update.next != IPAM_NEXT_DONE) {
		struct world_reading reading = {.n = 0};

		for (size_t i = 0; i < update.n_reads; i++)
			world_read(&f->world, f->a, &update.reads[i], &reading);
		n += update.next == IPAM_NEXT_READ;
		event = update.n_ops ? world_commit(&f->world, update.ops, update.n_ops)
				     : (struct ipam_event){.type = IPAM_EVENT_READ,
							   .found = reading.found,
							   .n_found = reading.n,
							   .revision = reading.revision};
		ipam_plan_step(f->a, &event, &update);
		world_reading_deinit(&reading);
	}
	return n;
}

static unsigned int count_assign(struct fixture *f, const char *handle, enum ipam_result_code code)
{
	struct ipam_request request = {.type = IPAM_ASSIGN_AUTO, .handle = handle, .n_v4 = 1};
	unsigned int n = count_reads(f, &request);

	expect(&request, code, code == IPAM_OK ? 1 : 0);
	return n;
}

static unsigned int count_release(struct fixture *f, const char *handle, enum ipam_result_code code)
{
	struct ipam_request request = {.type = IPAM_RELEASE_HANDLE, .handle = handle};
	unsigned int n = count_reads(f, &request);

	expect(&request, code, 0);
	return n;
}

/* What was read once need not be read again, as long as it is so. */
static void test_no_read_without_need(void **state)
{
	struct fixture *f = *state;

	assert_true(count_assign(f, "one", IPAM_OK) > 0);
	assert_int_equal(count_assign(f, "two", IPAM_OK), 0);
	assert_int_equal(count_release(f, "one", IPAM_OK), 0);
	assert_int_equal(count_release(f, "two", IPAM_OK), 0);
	assert_int_equal(world_count(&f->world, KIND_IPAM_HANDLE), 0);
	/* That there is nothing has to be read. */
	assert_int_not_equal(count_release(f, "two", IPAM_E_NOT_FOUND), 0);
	assert_int_equal(count_assign(f, "three", IPAM_OK), 0);
}

static void reserve(struct fixture *f, const char *cidr)
{
	struct object *object = model_new(KIND_IP_RESERVATION, NULL, "r");

	str_list_add(&as_ip_reservation(object)->spec.reserved_cidrs, cidr);
	f->world.revision++;
	world_put(&f->world, "r", object);
}

static void disable_pool(struct fixture *f, bool disabled)
{
	struct object *object = model_copy(world_find(&f->world, KIND_IP_POOL, "pool4")->object);

	as_ip_pool(object)->spec.disabled = (struct opt_bool){.set = true, .v = disabled};
	f->world.revision++;
	world_put(&f->world, "pool4", object);
}

/* Everything that decides may change behind a plan's back, and counts from then on. */
static void test_changes_behind(void **state)
{
	struct fixture *f = *state;
	struct ipam_request other;

	(void)count_assign(f, "one", IPAM_OK);
	reserve(f, "10.0.0.0/29");
	(void)count_assign(f, "two", IPAM_E_FULL);
	reserve(f, "10.9.0.0/29");
	(void)count_assign(f, "two", IPAM_OK);
	assert_int_equal(count_assign(f, "three", IPAM_OK), 0);
	world_remove(&f->world, world_find(&f->world, KIND_IP_RESERVATION, "r"));
	assert_int_not_equal(count_release(f, "three", IPAM_OK), 0);
	assert_int_equal(count_assign(f, "three", IPAM_OK), 0);

	disable_pool(f, true);
	(void)count_assign(f, "four", IPAM_E_NO_POOL);
	disable_pool(f, false);
	(void)count_assign(f, "four", IPAM_OK);
	world_remove(&f->world, world_find(&f->world, KIND_IP_POOL, "pool4"));
	(void)count_assign(f, "five", IPAM_E_NO_POOL);
	world_add_pool(&f->world, "pool4", "10.0.0.0/29", 30);
	(void)count_assign(f, "five", IPAM_OK);

	/* Another writer released one handle and took another. */
	other = (struct ipam_request){.type = IPAM_RELEASE_HANDLE, .handle = "one"};
	world_serve(&f->world, f->b, &other, 1, NOW);
	expect(&other, IPAM_OK, 0);
	other = assign(f, f->b, "six", 1, NOW);
	expect(&other, IPAM_OK, 1);
	(void)count_release(f, "one", IPAM_E_NOT_FOUND);
	(void)count_assign(f, "six", IPAM_OK);
	assert_int_equal(as_ipam_handle(world_find(&f->world, KIND_IPAM_HANDLE, "six")->object)
				 ->spec.block.n,
			 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order_of_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_borrow_and_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reclaim, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pools_of_one_family, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unselected, setup, teardown),
		cmocka_unit_test_setup_teardown(test_release_affinities, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sequence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_namespace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_virtual, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_automatic_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_six, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hand_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hand_over_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_blocks_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_read_without_need, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_behind, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
