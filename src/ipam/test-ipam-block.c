/* SPDX-License-Identifier: Apache-2.0 */

/* Blocks: the stored form, the queue of free addresses, shared attributes, corrupt ones. */

#include "ipam/ipam-block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/kinds.h"

static const struct ipam_reserved nothing = {.v = NULL};
static const struct ipam_cooldown at_once = {.now = 1785578400};

/* The block of Calico's documentation, as its datastore holds it. */
static const char *const stored =
	"{\"kind\":\"IPAMBlock\",\"apiVersion\":\"projectcalico.org/v3\","
	"\"metadata\":{\"name\":\"10-1-2-0-30\"},\"spec\":{"
	"\"cidr\":\"10.1.2.0/30\",\"affinity\":\"host:node-a\","
	"\"affinityClaimTime\":\"2026-08-01T10:00:00Z\","
	"\"allocations\":[0,null,1,null],\"unallocated\":[1,3],"
	"\"attributes\":[{\"handle_id\":\"k8s-pod-network.4f\",\"secondary\":{\"namespace\":\"ns\","
	"\"node\":\"node-a\",\"pod\":\"p1\"}},"
	"{\"handle_id\":\"vxlan-tunnel-addr-node-a\",\"secondary\":{\"node\":\"node-a\","
	"\"type\":\"vxlanTunnelAddress\"}}],"
	"\"sequenceNumber\":1754042400000000005,"
	"\"sequenceNumberForAllocation\":{\"0\":1754042400000000001,\"2\":1754042400000000003},"
	"\"deleted\":false}}";

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static struct ipam_block *read_block(const char *text, struct err *err)
{
	struct object *object = NULL;
	struct ipam_block *block = NULL;

	if (model_read_json(text, strlen(text), MODEL_LENIENT, "test", &object, err) != 0)
		fail_msg("%s", err->msg);
	if (ipam_block_from_object(object, &block, err) < 0)
		model_free(object);
	return block;
}

static struct ipam_block *new_block(const char *text)
{
	struct cidr cidr;

	assert_int_equal(cidr_parse(text, &cidr, NULL), 0);
	return ipam_block_new(&cidr, "host:node-a", 1785578400, 100);
}

static void assert_text(const struct ipam_block *block, const char *part)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	model_write_json(ipam_block_object(block), &text);
	if (!strstr(buf_str(&text), part))
		fail_msg("no %s in %s", part, buf_str(&text));
}

static void test_stored_form(void **state)
{
	struct err err = ERR_INIT;
	_cleanup_(ipam_block_freep) struct ipam_block *block = read_block(stored, &err);
	_cleanup_buf_ struct buf text = BUF_INIT;

	(void)state;
	assert_non_null(block);
	model_write_json(ipam_block_object(block), &text);
	assert_string_equal(buf_str(&text), stored);
	assert_int_equal(ipam_block_used(block), 2);
	assert_string_equal(ipam_block_handle(block, 2), "vxlan-tunnel-addr-node-a");
	assert_true(ipam_block_has_affinity(block, "host:node-a"));
	assert_int_equal(ipam_block_claim_time(block), 1785578400);
}

static void test_new(void **state)
{
	_cleanup_(ipam_block_freep) struct ipam_block *block = new_block("10.1.2.0/30");

	(void)state;
	assert_text(block, "\"name\":\"10-1-2-0-30\"");
	assert_text(block, "\"allocations\":[null,null,null,null]");
	assert_text(block, "\"unallocated\":[0,1,2,3]");
	assert_text(block, "\"attributes\":[]");
	assert_text(block, "\"sequenceNumber\":100");
	assert_true(ipam_block_is_empty(block));
	assert_int_equal(ipam_block_available(block, &nothing), 4);
}

/* A freed address is the last to be given again; equal attributes are stored once. */
static void test_claim_and_release(void **state)
{
	_cleanup_(ipam_block_freep) struct ipam_block *block = new_block("10.1.2.0/30");
	struct ipam_owner a = {.handle = "a"};
	struct ipam_owner b = {.handle = "b"};
	struct ip_addr got[8];

	(void)state;
	assert_int_equal(ipam_block_claim(block, &a, 2, &nothing, got), 2);
	assert_string_equal(ip_format(&got[1]).s, "10.1.2.1");
	ipam_block_count_write(block);
	assert_int_equal(ipam_block_claim(block, &b, 1, &nothing, got), 1);
	assert_text(block, "\"allocations\":[0,0,1,null]");
	assert_text(block, "\"sequenceNumberForAllocation\":{\"0\":100,\"1\":100,\"2\":101}");
	assert_int_equal(ipam_block_count(block, "a"), 2);
	assert_int_equal(ipam_block_release_handle(block, "a", &at_once), 2);
	assert_text(block, "\"allocations\":[null,null,0,null],\"unallocated\":[3,0,1]");
	assert_text(block, "\"sequenceNumberForAllocation\":{\"2\":101}");
	assert_int_equal(ipam_block_claim(block, &a, 8, &nothing, got), 3);
	assert_string_equal(ip_format(&got[0]).s, "10.1.2.3");
	assert_true(ipam_block_is_full(block));
	assert_int_equal(ipam_block_claim(block, &a, 1, &nothing, got), 0);
}

static void test_addresses(void **state)
{
	_cleanup_(ipam_block_freep) struct ipam_block *block = new_block("fd00::/126");
	struct ipam_owner a = {.handle = "a"};
	struct ip_addr second = addr("fd00::2");

	(void)state;
	assert_int_equal(ipam_block_claim_address(block, &a, &second), 0);
	assert_int_equal(ipam_block_claim_address(block, &a, &second), IPAM_BLOCK_E_TAKEN);
	assert_text(block, "\"unallocated\":[0,1,3]");
	assert_int_equal(ipam_block_release_address(block, &second, "b", &at_once),
			 IPAM_BLOCK_E_NOT_FOUND);
	assert_int_equal(ipam_block_release_address(block, &second, "a", &at_once), 0);
	assert_int_equal(ipam_block_release_address(block, &second, NULL, &at_once),
			 IPAM_BLOCK_E_NOT_FOUND);
	assert_true(ipam_block_is_empty(block));
}

static void test_reserved(void **state)
{
	_cleanup_(ipam_block_freep) struct ipam_block *block = new_block("10.1.2.0/30");
	struct cidr cidrs[2];
	struct ipam_reserved reserved = {.v = cidrs, .n = 1};
	struct ipam_owner a = {.handle = "a"};
	struct ip_addr got[4];

	(void)state;
	assert_int_equal(cidr_parse("10.1.2.0/31", &cidrs[0], NULL), 0);
	assert_int_equal(cidr_parse("10.1.2.2/31", &cidrs[1], NULL), 0);
	assert_int_equal(ipam_block_available(block, &reserved), 2);
	assert_false(ipam_reserved_covers(&reserved, ipam_block_cidr(block)));
	assert_int_equal(ipam_block_claim(block, &a, 4, &reserved, got), 2);
	assert_string_equal(ip_format(&got[0]).s, "10.1.2.2");
	assert_text(block, "\"unallocated\":[0,1]");
	reserved.n = 2;
	assert_true(ipam_reserved_covers(&reserved, ipam_block_cidr(block)));
}

static void test_cooldown(void **state)
{
	_cleanup_(ipam_block_freep) struct ipam_block *block = new_block("10.1.2.0/30");
	struct ipam_cooldown cooldown = {.now = 1785578400, .seconds = 30};
	struct ipam_owner a = {.handle = "a"};
	struct ip_addr first = addr("10.1.2.0");

	(void)state;
	assert_int_equal(ipam_block_claim_address(block, &a, &first), 0);
	assert_int_equal(ipam_block_release_handle(block, "a", &cooldown), 1);
	assert_text(block, "\"attributes\":[{\"releasedAt\":\"2026-08-01T10:00:00Z\"}]");
	assert_int_equal(ipam_block_claim_address(block, &a, &first), IPAM_BLOCK_E_TAKEN);
	cooldown.now += 29;
	assert_int_equal(ipam_block_collect(block, &cooldown), 0);
	cooldown.now++;
	assert_int_equal(ipam_block_collect(block, &cooldown), 1);
	assert_true(ipam_block_is_empty(block));
	assert_text(block, "\"unallocated\":[1,2,3,0],\"attributes\":[]");
}

/* Each is refused with its name; nothing is ever assigned from it. */
static void test_corrupt(void **state)
{
	static const char *const specs[] = {
		"\"allocations\":[null],\"unallocated\":[0]",
		"\"cidr\":\"10.1.2.0/8\",\"allocations\":[],\"unallocated\":[]",
		"\"cidr\":\"10.1.2.1/30\",\"allocations\":[null,null,null,null],"
		"\"unallocated\":[0,1,2,3]",
		"\"cidr\":\"10.1.2.0/30\",\"allocations\":[null,null,null],\"unallocated\":[0,1,2]",
		"\"cidr\":\"10.1.2.0/30\",\"allocations\":[null,null,null,null],"
		"\"unallocated\":[0,1,2]",
		"\"cidr\":\"10.1.2.0/30\",\"allocations\":[null,null,null,null],"
		"\"unallocated\":[0,1,2,2]",
		"\"cidr\":\"10.1.2.0/30\",\"allocations\":[null,null,null,null],"
		"\"unallocated\":[0,1,2,4]",
		"\"cidr\":\"10.1.2.0/30\",\"allocations\":[0,null,null,null],"
		"\"unallocated\":[1,2,3],\"attributes\":[]",
		"\"cidr\":\"10.1.2.0/30\",\"allocations\":[-1,null,null,null],"
		"\"unallocated\":[1,2,3],\"attributes\":[{}]",
		"\"cidr\":\"10.1.2.0/30\",\"allocations\":[0,null,null,null],"
		"\"unallocated\":[0,1,2,3],\"attributes\":[{}]",
		"\"cidr\":\"10.1.2.0/30\",\"allocations\":[0,null,null,null],"
		"\"unallocated\":[1,2,3],\"attributes\":[{\"releasedAt\":\"soon\"}]",
		"\"cidr\":\"10.1.2.0/30\",\"allocations\":[null,null,null,null],"
		"\"unallocated\":[0,1,2,3],\"sequenceNumberForAllocation\":{\"4\":1}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		_cleanup_free_ char *text =
			xasprintf("{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"IPAMBlock\","
				  "\"metadata\":{\"name\":\"10-1-2-0-30\"},\"spec\":{%s}}",
				  specs[i]);
		struct err err = ERR_INIT;

		if (read_block(text, &err))
			fail_msg("accepted: %s", specs[i]);
		assert_non_null(strstr(err.msg, "IPAMBlock 10-1-2-0-30 is corrupt"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stored_form),	  cmocka_unit_test(test_new),
		cmocka_unit_test(test_claim_and_release), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_reserved),	  cmocka_unit_test(test_cooldown),
		cmocka_unit_test(test_corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
