/* SPDX-License-Identifier: Apache-2.0 */

/* The audit and the collector: what is garbage, and when. */

#include "ipam/ipam-collect.h"

#include "ipam/ipam-block.h"
#include "ipam/test-ipam-world.h"

#define NOW   1785578400
#define GRACE 900

struct fixture {
	struct world world;
	struct ipam_plan *plan;
	struct ipam_collector *collector;
	struct ipam_audited *v;
	size_t n;
};

static int setup(void **state)
{
	struct ipam_collect_config config = {.grace = GRACE};
	struct fixture *f = XNEW(struct fixture);

	world_add_pool(&f->world, "pool4", "10.0.0.0/26", 30);
	world_put(&f->world, "node-a", model_new(KIND_NODE, NULL, "node-a"));
	f->plan = ipam_plan_new("node-a");
	f->collector = ipam_collector_new(&config);
	*state = f;
	return 0;
}

static void drop(struct fixture *f)
{
	for (size_t i = 0; i < f->n; i++)
		model_free((struct object *)(uintptr_t)f->v[i].object);
	free(f->v);
	f->v = NULL;
	f->n = 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	drop(f);
	ipam_collector_free(f->collector);
	ipam_plan_free(f->plan);
	world_deinit(&f->world);
	free(f);
	return 0;
}

static struct ipam_request assign(struct fixture *f, const char *handle, unsigned int n,
				  const char *pod)
{
	struct ipam_request request = {.type = IPAM_ASSIGN_AUTO,
				       .handle = handle,
				       .n_v4 = n,
				       .namespace = "default",
				       .pod = pod,
				       .now = NOW};

	world_serve(&f->world, f->plan, &request, 1, NOW);
	assert_int_equal(request.result, IPAM_OK);
	return request;
}

/* An endpoint with the addresses of that request. */
static void use(struct fixture *f, const char *name, const struct ipam_request *request)
{
	struct object *object = model_new(KIND_WORKLOAD_ENDPOINT, "default", name);

	for (unsigned int i = 0; i < request->n_addrs; i++)
		str_list_add(&as_workload_endpoint(object)->spec.ip_networks,
			     ip_format(&request->addrs[i].addr).s);
	f->world.revision++;
	world_put(&f->world, name, object);
}

static struct ipam_collect_update look(struct fixture *f, int64_t now)
{
	struct ipam_audit audit;
	struct ipam_collect_update update;

	drop(f);
	for (size_t i = 0; i < f->world.n; i++)
		*ARRAY_ADD(f->v, f->n) =
			(struct ipam_audited){.object = model_copy(f->world.v[i].object),
					      .revision = f->world.v[i].revision};
	ipam_audit_init(&audit, f->v, f->n);
	ipam_collector_step(f->collector, &audit, now, &update);
	ipam_audit_deinit(&audit);
	return update;
}

static void test_twice_and_old(void **state)
{
	struct fixture *f = *state;
	struct ipam_request used = assign(f, "used", 1, "used");
	struct ipam_request lost = assign(f, "lost", 1, "lost");
	struct ipam_collect_update update;

	use(f, "used", &used);
	update = look(f, NOW);
	assert_int_equal(update.n_requests, 0);
	assert_int_equal(update.n_suspects, 1);
	update = look(f, NOW + GRACE - 1);
	assert_int_equal(update.n_requests, 0);
	update = look(f, NOW + GRACE);
	assert_int_equal(update.n_requests, 1);
	assert_int_equal(update.requests[0].type, IPAM_RELEASE_ADDRESS);
	assert_true(ip_equal(&update.requests[0].addr, &lost.addrs[0].addr));
	assert_string_equal(update.requests[0].handle, "lost");
	assert_true(update.requests[0].has_sequence);
	world_serve(&f->world, f->plan, update.requests, update.n_requests, NOW);
	assert_int_equal(update.requests[0].result, IPAM_OK);
	assert_int_equal(look(f, NOW + 2 * GRACE).n_requests, 0);
}

/* Once it is used again the suspicion is over, and begins anew. */
static void test_seen_in_between(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = assign(f, "h", 1, "p");

	assert_int_equal(look(f, NOW).n_suspects, 1);
	use(f, "p", &request);
	assert_int_equal(look(f, NOW + GRACE).n_suspects, 0);
	world_remove(&f->world, world_find(&f->world, KIND_WORKLOAD_ENDPOINT, "p"));
	assert_int_equal(look(f, NOW + 2 * GRACE).n_requests, 0);
	assert_int_equal(look(f, NOW + 3 * GRACE).n_requests, 1);
}

/* A handle's addresses go all or none. */
static void test_whole_handle(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = assign(f, "h", 2, "p");

	request.n_addrs = 1;
	use(f, "p", &request);
	(void)look(f, NOW);
	assert_int_equal(look(f, NOW + GRACE).n_requests, 0);
	world_remove(&f->world, world_find(&f->world, KIND_WORKLOAD_ENDPOINT, "p"));
	/* One of the two was suspected all along; the other only now. */
	assert_int_equal(look(f, NOW + GRACE + 1).n_requests, 0);
	assert_int_equal(look(f, NOW + 3 * GRACE).n_requests, 2);
}

/* What has no attributes of a pod or a tunnel is nobody's business here. */
static void test_unknown(void **state)
{
	struct fixture *f = *state;

	(void)assign(f, "h", 1, NULL);
	(void)look(f, NOW);
	assert_int_equal(look(f, NOW + 2 * GRACE).n_requests, 0);
}

static void test_tunnel(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = {.type = IPAM_ASSIGN_AUTO,
				       .handle = "ipip-tunnel-addr-node-a",
				       .n_v4 = 1,
				       .use = IPAM_USE_TUNNEL,
				       .attr_type = "ipipTunnelAddress"};
	struct ipam_collect_update update;

	world_serve(&f->world, f->plan, &request, 1, NOW);
	(void)look(f, NOW);
	assert_int_equal(look(f, NOW + GRACE).n_requests, 0);
	world_remove(&f->world, world_find(&f->world, KIND_NODE, "node-a"));
	(void)look(f, NOW + GRACE);
	update = look(f, NOW + 2 * GRACE);
	/* The address, and the host's claims, which then still wait for it. */
	assert_int_equal(update.n_requests, 2);
	assert_int_equal(update.requests[0].type, IPAM_RELEASE_ADDRESS);
	assert_int_equal(update.requests[1].type, IPAM_RELEASE_AFFINITIES);
	assert_true(update.requests[1].must_be_empty);
}

static void test_handles(void **state)
{
	struct fixture *f = *state;
	struct ipam_request request = assign(f, "h", 2, "p");
	struct object *stale = model_new(KIND_IPAM_HANDLE, NULL, "stale");
	struct ipam_collect_update update;
	struct world_object *at;

	use(f, "p", &request);
	int_map_put(&as_ipam_handle(stale)->spec.block, "10.0.0.0/30", 1);
	f->world.revision++;
	world_put(&f->world, "stale", stale);
	at = world_find(&f->world, KIND_IPAM_HANDLE, "h");
	int_map_put(&as_ipam_handle(at->object)->spec.block, "10.0.0.60/30", 7);
	at->revision = ++f->world.revision;
	(void)look(f, NOW);
	update = look(f, NOW + GRACE);
	assert_int_equal(update.n_requests, 2);
	world_serve(&f->world, f->plan, update.requests, update.n_requests, NOW);
	assert_null(world_find(&f->world, KIND_IPAM_HANDLE, "stale"));
	world_remove(&f->world, world_find(&f->world, KIND_IPAM_HANDLE, "h"));
	(void)look(f, NOW + GRACE);
	update = look(f, NOW + 2 * GRACE);
	assert_int_equal(update.n_requests, 1);
	world_serve(&f->world, f->plan, update.requests, update.n_requests, NOW);
	at = world_find(&f->world, KIND_IPAM_HANDLE, "h");
	assert_non_null(at);
	assert_int_equal(as_ipam_handle(at->object)->spec.block.n, 1);
	assert_int_equal(as_ipam_handle(at->object)->spec.block.v[0].value, 2);
}

/* Of a node's empty blocks one stays. */
static void test_empty_blocks(void **state)
{
	struct fixture *f = *state;
	struct ipam_request release = {.type = IPAM_RELEASE_HANDLE, .handle = "h"};
	struct ipam_collect_update update;

	(void)assign(f, "h", 10, "p");
	world_serve(&f->world, f->plan, &release, 1, NOW);
	assert_int_equal(world_count(&f->world, KIND_IPAM_BLOCK), 3);
	(void)look(f, NOW);
	update = look(f, NOW + GRACE);
	assert_int_equal(update.n_requests, 2);
	world_serve(&f->world, f->plan, update.requests, update.n_requests, NOW);
	assert_int_equal(world_count(&f->world, KIND_IPAM_BLOCK), 1);
	assert_int_equal(world_count(&f->world, KIND_BLOCK_AFFINITY), 1);
	assert_int_equal(look(f, NOW + 3 * GRACE).n_requests, 0);
}

static void test_blind(void **state)
{
	struct fixture *f = *state;
	struct ipam_audited audited = {.why = "IPAMBlock x is corrupt"};
	struct ipam_collect_update update;
	struct ipam_audit audit;

	(void)assign(f, "h", 1, "p");
	(void)look(f, NOW);
	ipam_audit_init(&audit, &audited, 1);
	ipam_collector_step(f->collector, &audit, NOW + GRACE, &update);
	ipam_audit_deinit(&audit);
	assert_non_null(strstr(update.blocked, "corrupt"));
	assert_int_equal(update.n_requests, 0);
	/* What was suspected before has to be seen twice again. */
	assert_int_equal(look(f, NOW + 2 * GRACE).n_requests, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_twice_and_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seen_in_between, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whole_handle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tunnel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blind, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
