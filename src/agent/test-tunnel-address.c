/* SPDX-License-Identifier: Apache-2.0 */

/* The node's tunnel addresses through pool changes, crashes and other writers. */

#include "agent/tunnel-address.h"

#include <errno.h>

#include "agent/test-place.h"
#include "ipam-io/ipam-writer.h"

static void ensure(struct place *place)
{
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer =
		ipam_writer_new(place->store, "node-a");
	struct err err = ERR_INIT;

	if (tunnel_addresses_ensure(place->store, writer, "node-a", &err) != 0)
		fail_msg("%s", err.msg);
}

static int setup(void **state)
{
	struct object *object;

	assert_int_equal(place_setup(state), 0);
	object = model_new(KIND_NODE, NULL, "node-a");
	as_node(object)->spec.bgp = XNEW(struct node_bgp);
	as_node(object)->spec.bgp->ipv4_address = xstrdup("192.168.0.1/24");
	place_put(*state, object);
	return 0;
}

/* The three addresses as they stand in the Node, "-" for none. */
struct told {
	char ipip[64];
	char vxlan[64];
	char vxlan6[64];
};

static struct told told(struct place *place)
{
	_cleanup_(model_freep) struct object *object = place_get(place, KIND_NODE, NULL, "node-a");
	const struct node_spec *spec = &as_node(object)->spec;
	const char *ipip = spec->bgp ? spec->bgp->ipv4_ipip_tunnel_addr : NULL;
	struct told ret;

	(void)snprintf(ret.ipip, sizeof(ret.ipip), "%s", ipip ? ipip : "-");
	(void)snprintf(ret.vxlan, sizeof(ret.vxlan), "%s",
		       spec->ipv4_vxlan_tunnel_addr ? spec->ipv4_vxlan_tunnel_addr : "-");
	(void)snprintf(ret.vxlan6, sizeof(ret.vxlan6), "%s",
		       spec->ipv6_vxlan_tunnel_addr ? spec->ipv6_vxlan_tunnel_addr : "-");
	return ret;
}

static bool is_none(const char *text)
{
	return strcmp(text, "-") == 0;
}

/* Addresses given in all blocks. */
static size_t used(struct place *place)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.n = 0};
	size_t n = 0;

	assert_int_equal(store_list(place->store, KIND_IPAM_BLOCK, NULL, &list, NULL), 0);
	for (size_t i = 0; i < list.n; i++) {
		_cleanup_(model_freep) struct object *object = NULL;
		const struct ipam_block_spec *spec;

		assert_int_equal(store_object_read(&list.v[i], &object, NULL), 0);
		spec = &as_ipam_block(object)->spec;
		for (size_t k = 0; k < spec->allocations.n; k++)
			n += spec->allocations.v[k].set;
	}
	return n;
}

static void test_each_encapsulation(void **state)
{
	struct place *place = *state;
	struct told first;
	uint64_t revision;

	ensure(place);
	first = told(place);
	assert_true(is_none(first.ipip) && is_none(first.vxlan) && is_none(first.vxlan6));
	place_put_pool(place, "a", "10.1.0.0/24", ENCAP_MODE_ALWAYS, ENCAP_MODE_NEVER);
	place_put_pool(place, "b", "10.2.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_CROSS_SUBNET);
	place_put_pool(place, "c", "fd00:3::/112", ENCAP_MODE_NEVER, ENCAP_MODE_ALWAYS);
	place_put_pool(place, "d", "10.4.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_NEVER);
	ensure(place);
	first = told(place);
	assert_int_equal(strncmp(first.ipip, "10.1.0.", 7), 0);
	assert_int_equal(strncmp(first.vxlan, "10.2.0.", 7), 0);
	assert_int_equal(strncmp(first.vxlan6, "fd00:3::", 8), 0);
	assert_int_equal(used(place), 3);
	/* Nothing to do is nothing written. */
	revision = place_revision(place, KIND_NODE, "node-a");
	ensure(place);
	assert_int_equal(place_revision(place, KIND_NODE, "node-a"), revision);
	assert_int_equal(place_count(place, KIND_IPAM_HANDLE), 3);
}

static void test_released_when_no_pool_wants_it(void **state)
{
	struct place *place = *state;
	struct told now;

	place_put_pool(place, "a", "10.1.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_ALWAYS);
	ensure(place);
	assert_int_equal(used(place), 1);
	/* Another encapsulation: the one address goes, the other comes. */
	place_put_pool(place, "a", "10.1.0.0/24", ENCAP_MODE_ALWAYS, ENCAP_MODE_NEVER);
	ensure(place);
	now = told(place);
	assert_true(is_none(now.vxlan));
	assert_false(is_none(now.ipip));
	assert_int_equal(used(place), 1);
	place_put_pool(place, "a", "10.1.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_NEVER);
	ensure(place);
	now = told(place);
	assert_true(is_none(now.ipip));
	assert_int_equal(used(place), 0);
	assert_int_equal(place_count(place, KIND_IPAM_HANDLE), 0);
}

static void test_pool_removed(void **state)
{
	struct place *place = *state;
	struct told now;

	place_put_pool(place, "a", "10.1.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_ALWAYS);
	place_put_pool(place, "b", "10.2.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_ALWAYS);
	ensure(place);
	now = told(place);
	place_remove(place, KIND_IP_POOL, strncmp(now.vxlan, "10.1", 4) == 0 ? "a" : "b");
	ensure(place);
	assert_string_not_equal(told(place).vxlan, now.vxlan);
	assert_false(is_none(told(place).vxlan));
	assert_int_equal(used(place), 1);
}

/* A disabled pool gives no new address, but what it gave is kept. */
static void test_pool_disabled(void **state)
{
	struct place *place = *state;
	struct object *object;
	struct told before;

	place_put_pool(place, "a", "10.1.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_ALWAYS);
	ensure(place);
	before = told(place);
	object = place_get(place, KIND_IP_POOL, NULL, "a");
	as_ip_pool(object)->spec.disabled = (struct opt_bool){true, true};
	place_put(place, object);
	ensure(place);
	assert_string_equal(told(place).vxlan, before.vxlan);
}

static void set_vxlan(struct place *place, const char *address)
{
	struct object *object = place_get(place, KIND_NODE, NULL, "node-a");

	replace_str(&as_node(object)->spec.ipv4_vxlan_tunnel_addr, xstrdup(address));
	place_put(place, object);
}

/* Died between assigning and telling: the address is not lost, and there is one in the end. */
static void test_crash_before_the_node_is_written(void **state)
{
	struct place *place = *state;

	place_put_pool(place, "a", "10.1.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_ALWAYS);
	ensure(place);
	for (unsigned int i = 0; i < 3; i++) {
		set_vxlan(place, NULL);
		ensure(place);
		assert_false(is_none(told(place).vxlan));
		assert_int_equal(used(place), 1);
		assert_int_equal(place_count(place, KIND_IPAM_HANDLE), 1);
	}
}

/* An address the Node tells but nobody gave it could be a pod's: it is replaced. */
static void test_address_without_handle(void **state)
{
	struct place *place = *state;

	place_put_pool(place, "a", "10.1.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_ALWAYS);
	set_vxlan(place, "10.1.0.77");
	ensure(place);
	assert_string_not_equal(told(place).vxlan, "10.1.0.77");
	assert_int_equal(used(place), 1);
	/* Nor one in no pool, nor one that is none. */
	set_vxlan(place, "172.16.0.1");
	ensure(place);
	assert_int_equal(strncmp(told(place).vxlan, "10.1.0.", 7), 0);
	set_vxlan(place, "rubbish");
	ensure(place);
	assert_int_equal(strncmp(told(place).vxlan, "10.1.0.", 7), 0);
	assert_int_equal(used(place), 1);
}

/* The node tells another node's address in the same pool, while its own handle is there. */
static void test_told_and_given_differ(void **state)
{
	struct place *place = *state;

	place_put_pool(place, "a", "10.1.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_ALWAYS);
	ensure(place);
	set_vxlan(place, "10.1.0.200");
	ensure(place);
	assert_string_not_equal(told(place).vxlan, "10.1.0.200");
	assert_false(is_none(told(place).vxlan));
	assert_int_equal(used(place), 1);
}

static void test_full_pool_keeps_the_others_going(void **state)
{
	struct place *place = *state;
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer =
		ipam_writer_new(place->store, "node-a");
	_cleanup_(ipam_writer_freep) struct ipam_writer *other =
		ipam_writer_new(place->store, "node-b");
	struct ipam_request request = {
		.type = IPAM_ASSIGN_AUTO, .handle = "net.x", .n_v4 = 1, .now = 1785578400};
	struct object *object = model_new(KIND_IP_POOL, NULL, "tiny");
	struct err err = ERR_INIT;

	as_ip_pool(object)->spec.cidr = xstrdup("10.9.0.0/32");
	as_ip_pool(object)->spec.block_size = (struct opt_int){true, 32};
	as_ip_pool(object)->spec.ipip_mode = ENCAP_MODE_ALWAYS;
	model_default(object);
	place_put(place, object);
	assert_int_equal(ipam_writer_serve(other, &request, 1, &err), 0);
	assert_int_equal(request.result, IPAM_OK);
	place_put_pool(place, "b", "10.2.0.0/24", ENCAP_MODE_NEVER, ENCAP_MODE_ALWAYS);
	assert_true(tunnel_addresses_ensure(place->store, writer, "node-a", &err) < 0);
	assert_non_null(strstr(err.msg, "ipipTunnelAddress"));
	assert_false(is_none(told(place).vxlan));
	assert_true(is_none(told(place).ipip));
}

static void test_node_not_there(void **state)
{
	struct place *place = *state;
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer =
		ipam_writer_new(place->store, "node-a");
	struct err err = ERR_INIT;

	place_remove(place, KIND_NODE, "node-a");
	assert_int_equal(tunnel_addresses_ensure(place->store, writer, "node-a", &err), -ENOENT);
	assert_non_null(strstr(err.msg, "node-a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_encapsulation, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_released_when_no_pool_wants_it, setup,
						place_teardown),
		cmocka_unit_test_setup_teardown(test_pool_removed, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_pool_disabled, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_crash_before_the_node_is_written, setup,
						place_teardown),
		cmocka_unit_test_setup_teardown(test_address_without_handle, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_told_and_given_differ, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_full_pool_keeps_the_others_going, setup,
						place_teardown),
		cmocka_unit_test_setup_teardown(test_node_not_there, setup, place_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
