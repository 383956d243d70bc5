/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The graph, told as stories, and held to its law: after any history the sum of all updates is what
 * a computation from nothing gives.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "calc/calc.h"
#include "model/kinds.h"

static void put_text(struct calc *calc, const char *format, ...) PRINTF_LIKE(2, 3);

static void put_text(struct calc *calc, const char *format, ...)
{
	_cleanup_(model_freep) struct object *object = NULL;
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	if (model_read_json(text, strlen(text), MODEL_LENIENT, "test", &object, &err) != 0)
		fail_msg("%s in %s", err.msg, text);
	if (calc_put(calc, object, &err) != 0)
		fail_msg("%s", err.msg);
}

static void put_node(struct calc *calc, const char *name, const char *address, const char *vtep)
{
	put_text(
		calc,
		"{\"kind\":\"Node\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"name\":"
		"\"%s\"},\"spec\":{\"bgp\":{\"ipv4Address\":\"%s\"}%s%s%s}}",
		name, address, vtep ? ",\"ipv4VXLANTunnelAddr\":\"" : "", vtep ? vtep : "",
		vtep ? "\"" : "");
}

static void put_pool(struct calc *calc, const char *name, const char *cidr, const char *vxlan)
{
	put_text(calc,
		 "{\"kind\":\"IPPool\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{"
		 "\"name\":\"%s\"},\"spec\":{\"cidr\":\"%s\",\"vxlanMode\":\"%s\"}}",
		 name, cidr, vxlan);
}

/* A block of four addresses; 'borrower' uses the second one. */
static void put_block(struct calc *calc, const char *cidr, const char *owner, const char *borrower)
{
	_cleanup_free_ char *name = xstrdup(cidr);

	for (char *p = name; *p; p++)
		*p = *p == '.' || *p == '/' ? '-' : *p;
	put_text(
		calc,
		"{\"kind\":\"IPAMBlock\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{"
		"\"name\":\"%s\"},\"spec\":{\"cidr\":\"%s\",\"affinity\":\"host:%s\","
		"\"allocations\":[null,%s,null,null],\"unallocated\":[0,2,3],\"attributes\":[%s%s%s]"
		",\"deleted\":false}}",
		name, cidr, owner, borrower ? "0" : "null",
		borrower ? "{\"handle_id\":\"h\",\"secondary\":{\"node\":\"" : "",
		borrower ? borrower : "", borrower ? "\"}}" : "");
}

static int compare_routes(const void *a, const void *b)
{
	const struct calc_route *x = a;
	const struct calc_route *y = b;

	return cidr_compare(&x->dst, &y->dst);
}

static int compare_vteps(const void *a, const void *b)
{
	const struct calc_vtep *x = a;
	const struct calc_vtep *y = b;

	return ip_compare(&x->addr, &y->addr);
}

/* The whole state as text: "10.0.1.0/30 vxlan 10.0.1.1; ...| 10.0.1.1@192.168.0.2;" */
static char *describe(struct calc_update *state)
{
	static const char *const devices[] = {"blackhole", "vxlan", "parent"};
	struct buf out = BUF_INIT;

	if (state->n_routes)
		qsort(state->routes, state->n_routes, sizeof(*state->routes), compare_routes);
	if (state->n_vteps)
		qsort(state->vteps, state->n_vteps, sizeof(*state->vteps), compare_vteps);
	for (size_t i = 0; i < state->n_routes; i++)
		buf_addf(&out, "%s %s %s; ", cidr_format(&state->routes[i].dst).s,
			 devices[state->routes[i].device], ip_format(&state->routes[i].gateway).s);
	buf_adds(&out, "| ");
	for (size_t i = 0; i < state->n_vteps; i++)
		buf_addf(&out, "%s@%s; ", ip_format(&state->vteps[i].addr).s,
			 ip_format(&state->vteps[i].node_addr).s);
	return buf_take(&out);
}

/* What somebody who only follows the updates believes. */
struct follower {
	struct calc_update state;
};

static void remove_route(struct calc_update *state, const struct cidr *dst)
{
	for (size_t i = 0; i < state->n_routes; i++) {
		if (cidr_equal(&state->routes[i].dst, dst)) {
			state->routes[i] = state->routes[--state->n_routes];
			return;
		}
	}
}

static void remove_vtep(struct calc_update *state, const struct calc_vtep *vtep)
{
	for (size_t i = 0; i < state->n_vteps; i++) {
		if (ip_equal(&state->vteps[i].addr, &vtep->addr) &&
		    ip_equal(&state->vteps[i].node_addr, &vtep->node_addr)) {
			state->vteps[i] = state->vteps[--state->n_vteps];
			return;
		}
	}
}

#define FOLLOWER_MAX 1024

static void follow(struct follower *follower, struct calc *calc)
{
	_cleanup_(calc_update_deinitp) struct calc_update update = {0};
	struct calc_update *state = &follower->state;

	if (!state->routes) {
		state->routes = xcalloc(FOLLOWER_MAX, sizeof(*state->routes));
		state->vteps = xcalloc(FOLLOWER_MAX, sizeof(*state->vteps));
	}
	calc_flush(calc, &update);
	for (size_t i = 0; i < update.n_routes_gone; i++)
		remove_route(state, &update.routes_gone[i]);
	for (size_t i = 0; i < update.n_vteps_gone; i++)
		remove_vtep(state, &update.vteps_gone[i]);
	for (size_t i = 0; i < update.n_routes; i++) {
		remove_route(state, &update.routes[i].dst);
		assert_true(state->n_routes < FOLLOWER_MAX);
		state->routes[state->n_routes++] = update.routes[i];
	}
	for (size_t i = 0; i < update.n_vteps; i++) {
		assert_true(state->n_vteps < FOLLOWER_MAX);
		state->vteps[state->n_vteps++] = update.vteps[i];
	}
}

static void assert_law(struct follower *follower, const struct calc *calc)
{
	_cleanup_(calc_update_deinitp) struct calc_update snapshot = {0};
	_cleanup_free_ char *followed = NULL;
	_cleanup_free_ char *computed = NULL;

	calc_snapshot(calc, &snapshot);
	followed = describe(&follower->state);
	computed = describe(&snapshot);
	assert_string_equal(followed, computed);
}

static void assert_state(struct follower *follower, struct calc *calc, const char *expected)
{
	_cleanup_free_ char *text = NULL;

	follow(follower, calc);
	assert_law(follower, calc);
	text = describe(&follower->state);
	assert_string_equal(text, expected);
}

static void test_story(void **state)
{
	_cleanup_(calc_freep) struct calc *calc = calc_new("a");
	struct follower follower = {0};

	(void)state;
	put_block(calc, "10.0.1.0/30", "a", NULL);
	put_block(calc, "10.0.2.0/30", "b", "c");
	assert_state(&follower, calc, "10.0.1.0/30 blackhole -; | ");
	put_pool(calc, "p", "10.0.0.0/16", "Always");
	put_node(calc, "a", "192.168.0.1/24", "10.0.1.1");
	put_node(calc, "b", "192.168.0.2/24", "10.0.2.1");
	assert_state(
		&follower, calc,
		"10.0.1.0/30 blackhole -; 10.0.2.0/30 vxlan 10.0.2.1; | 10.0.2.1@192.168.0.2; ");
	/* The borrower of one address appears, in another subnet. */
	put_node(calc, "c", "192.168.9.3/24", "10.0.3.1");
	assert_state(&follower, calc,
		     "10.0.1.0/30 blackhole -; 10.0.2.0/30 vxlan 10.0.2.1; "
		     "10.0.2.1/32 vxlan 10.0.3.1; | 10.0.2.1@192.168.0.2; 10.0.3.1@192.168.9.3; ");
	put_pool(calc, "p", "10.0.0.0/16", "CrossSubnet");
	assert_state(&follower, calc,
		     "10.0.1.0/30 blackhole -; 10.0.2.0/30 parent 192.168.0.2; "
		     "10.0.2.1/32 vxlan 10.0.3.1; | 10.0.2.1@192.168.0.2; 10.0.3.1@192.168.9.3; ");
	/* Our own node gets a narrower subnet. */
	put_node(calc, "a", "192.168.0.1/31", "10.0.1.1");
	assert_state(&follower, calc,
		     "10.0.1.0/30 blackhole -; 10.0.2.0/30 vxlan 10.0.2.1; "
		     "10.0.2.1/32 vxlan 10.0.3.1; | 10.0.2.1@192.168.0.2; 10.0.3.1@192.168.9.3; ");
	put_pool(calc, "p", "10.0.0.0/16", "Never");
	assert_state(&follower, calc, "10.0.1.0/30 blackhole -; | ");
	calc_remove(calc, KIND_IPAM_BLOCK, "10-0-1-0-30");
	calc_remove(calc, KIND_NODE, "b");
	assert_state(&follower, calc, "| ");
	calc_update_deinit(&follower.state);
}

static void test_bad_input_keeps_last_good(void **state)
{
	_cleanup_(calc_freep) struct calc *calc = calc_new("a");
	_cleanup_(model_freep) struct object *object = model_new(KIND_NODE, NULL, "b");
	struct follower follower = {0};
	struct err err = ERR_INIT;

	(void)state;
	put_pool(calc, "p", "10.0.0.0/16", "Always");
	put_block(calc, "10.0.2.0/30", "b", NULL);
	put_node(calc, "b", "192.168.0.2/24", "10.0.2.1");
	as_node(object)->spec.ipv4_vxlan_tunnel_addr = xstrdup("nonsense");
	assert_int_equal(calc_put(calc, object, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "node b: VXLAN tunnel address: \"nonsense\" is not an IP prefix");
	assert_state(&follower, calc, "10.0.2.0/30 vxlan 10.0.2.1; | 10.0.2.1@192.168.0.2; ");
	calc_update_deinit(&follower.state);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void random_change(struct calc *calc, uint32_t *seed)
{
	static const char *const modes[] = {"Never", "Always", "CrossSubnet"};
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	char text[3][64];
	uint32_t n = next_random(seed) % ARRAY_SIZE(names);
	uint32_t m = next_random(seed) % ARRAY_SIZE(names);
	uint32_t k = next_random(seed) % 8;

	(void)snprintf(text[0], sizeof(text[0]), "192.168.%u.%u/24", m % 2, n + 1);
	(void)snprintf(text[1], sizeof(text[1]), "10.0.%u.1", n);
	switch (next_random(seed) % 7) {
	case 0:
	case 1:
		put_node(calc, names[n], text[0], m ? text[1] : NULL);
		return;
	case 2:
		calc_remove(calc, KIND_NODE, names[n]);
		return;
	case 3:
		(void)snprintf(text[0], sizeof(text[0]), "10.%u.0.0/16", n % 2);
		put_pool(calc, n % 2 ? "p1" : "p0", text[0], modes[m % 3]);
		return;
	case 4:
		(void)snprintf(text[0], sizeof(text[0]), "10-%u-%u-0-30", k % 2, k);
		calc_remove(calc, KIND_IPAM_BLOCK, text[0]);
		return;
	case 5:
		if (k == 0)
			calc_remove(calc, KIND_IP_POOL, "p0");
		return;
	default:
		(void)snprintf(text[0], sizeof(text[0]), "10.%u.%u.0/30", k % 2, k);
		put_block(calc, text[0], names[n], k % 3 ? names[m] : NULL);
		return;
	}
}

static void test_incremental_equals_from_scratch(void **state)
{
	(void)state;
	for (uint32_t history = 1; history <= 200; history++) {
		_cleanup_(calc_freep) struct calc *calc = calc_new("a");
		struct follower follower = {0};
		uint32_t seed = history;

		for (unsigned int i = 0; i < 60; i++) {
			random_change(calc, &seed);
			if (next_random(&seed) % 3 == 0) {
				follow(&follower, calc);
				assert_law(&follower, calc);
			}
		}
		follow(&follower, calc);
		assert_law(&follower, calc);
		calc_update_deinit(&follower.state);
	}
}

static void test_vxlan_mac(void **state)
{
	/* printf node1 | sha1sum; printf node1-v6 | sha1sum */
	static const uint8_t v4[MAC_SIZE] = {0x66, 0xf9, 0x37, 0xc3, 0x7e, 0x94};
	static const uint8_t v6[MAC_SIZE] = {0x66, 0x0f, 0x35, 0xf2, 0x60, 0xdf};
	uint8_t mac[MAC_SIZE];

	(void)state;
	calc_vxlan_mac("node1", AF_INET, mac);
	assert_memory_equal(mac, v4, sizeof(mac));
	calc_vxlan_mac("node1", AF_INET6, mac);
	assert_memory_equal(mac, v6, sizeof(mac));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story),
		cmocka_unit_test(test_bad_input_keeps_last_good),
		cmocka_unit_test(test_incremental_equals_from_scratch),
		cmocka_unit_test(test_vxlan_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
