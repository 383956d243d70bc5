/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/kinds.h"

#define POOL(spec)                                                                                 \
	"{\"kind\":\"IPPool\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"name\":"     \
	"\"p\"},\"spec\":" spec "}"
#define BLOCK(spec)                                                                                \
	"{\"kind\":\"IPAMBlock\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"name\":"  \
	"\"b\"},\"spec\":" spec "}"

static struct object *read_text(const char *text, enum model_mode mode)
{
	struct object *object = NULL;
	struct err err = ERR_INIT;
	int r = model_read_json(text, strlen(text), mode, "test", &object, &err);

	assert_string_equal(err.msg, "");
	assert_int_equal(r, 0);
	return object;
}

static void assert_written(const struct object *object, const char *text)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	model_write_json(object, &out);
	assert_string_equal(buf_str(&out), text);
}

static void assert_same(const char *text, enum model_mode mode)
{
	_cleanup_(model_freep) struct object *object = read_text(text, mode);
	_cleanup_(model_freep) struct object *copy = model_copy(object);

	assert_written(object, text);
	assert_written(copy, text);
	assert_true(model_equal(object, copy));
}

static void test_round_trip(void **state)
{
	(void)state;
	/* Absent, empty and null-holding are three different things. */
	assert_same(POOL("{}"), MODEL_STRICT);
	assert_same(POOL("{\"cidr\":\"10.0.0.0/8\",\"allowedUses\":[]}"), MODEL_STRICT);
	assert_same(BLOCK("{\"cidr\":\"10.0.0.0/30\",\"allocations\":[null,0],\"unallocated\":[],"
			  "\"attributes\":[{\"handle_id\":\"h\",\"secondary\":{}}],"
			  "\"sequenceNumberForAllocation\":{}}"),
		    MODEL_STRICT);
	/* What a newer peer put there comes back, in its place. */
	assert_same(POOL("{\"cidr\":\"10.0.0.0/8\",\"newer\":{\"x\":[1,null,2.5]}}"),
		    MODEL_LENIENT);
	assert_same(BLOCK("{\"attributes\":[{\"handle_id\":\"h\",\"newer\":true}]}"),
		    MODEL_LENIENT);
}

static void test_null_is_absent(void **state)
{
	_cleanup_(model_freep) struct object *object = read_text(
		BLOCK("{\"cidr\":null,\"affinity\":null,\"attributes\":null}"), MODEL_STRICT);

	(void)state;
	assert_written(object, BLOCK("{}"));
}

static void test_older_forms(void **state)
{
	_cleanup_(model_freep) struct object *pool = NULL, *block = NULL, *affinity = NULL;

	(void)state;
	pool = read_text(POOL("{\"cidr\":\"10.0.0.0/8\",\"nat-outgoing\":true,"
			      "\"ipip\":{\"enabled\":true,\"mode\":\"cross-subnet\"}}"),
			 MODEL_STRICT);
	assert_true(as_ip_pool(pool)->spec.nat_outgoing.v);
	model_default(pool);
	assert_int_equal(as_ip_pool(pool)->spec.ipip_mode, ENCAP_MODE_CROSS_SUBNET);
	assert_null(as_ip_pool(pool)->spec.ipip);

	block = read_text(BLOCK("{\"affinity_claim_time\":\"t\"}"), MODEL_STRICT);
	assert_written(block, BLOCK("{\"affinityClaimTime\":\"t\"}"));

	affinity = read_text("{\"kind\":\"BlockAffinity\",\"apiVersion\":\"crd.projectcalico.org/"
			     "v1\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"deleted\":\"true\"}}",
			     MODEL_LENIENT);
	assert_true(as_block_affinity(affinity)->spec.deleted.v);
}

static void test_unsigned(void **state)
{
	_cleanup_(model_freep) struct object *object =
		read_text(BLOCK("{\"sequenceNumber\":18446744073709551615}"), MODEL_STRICT);
	_cleanup_(model_freep) struct object *again = NULL;

	(void)state;
	assert_true((uint64_t)as_ipam_block(object)->spec.sequence_number.v == UINT64_MAX);
	assert_written(object, BLOCK("{\"sequenceNumber\":\"18446744073709551615\"}"));
	again = read_text(BLOCK("{\"sequenceNumber\":\"18446744073709551615\"}"), MODEL_STRICT);
	assert_true(model_equal(object, again));
}

static void test_defaults(void **state)
{
	_cleanup_(model_freep) struct object *v4 =
		read_text(POOL("{\"cidr\":\"10.0.0.0/8\"}"), MODEL_STRICT);
	_cleanup_(model_freep) struct object *v6 =
		read_text(POOL("{\"cidr\":\"fd00::/48\"}"), MODEL_STRICT);
	_cleanup_(model_freep) struct object *none =
		read_text(POOL("{\"cidr\":\"10.0.0.0/8\",\"allowedUses\":[]}"), MODEL_STRICT);

	(void)state;
	model_default(v4);
	assert_written(v4, POOL("{\"cidr\":\"10.0.0.0/8\",\"vxlanMode\":\"Never\",\"ipipMode\":"
				"\"Never\",\"natOutgoing\":false,\"disabled\":false,"
				"\"disableBGPExport\":false,\"blockSize\":26,\"nodeSelector\":"
				"\"all()\",\"allowedUses\":[\"Workload\",\"Tunnel\"],"
				"\"assignmentMode\":\"Automatic\"}"));
	model_default(v6);
	assert_int_equal(as_ip_pool(v6)->spec.block_size.v, 122);
	/* An empty list is empty: a default does not fill it. */
	model_default(none);
	assert_true(as_ip_pool(none)->spec.allowed_uses.set);
	assert_int_equal(as_ip_pool(none)->spec.allowed_uses.n, 0);
}

static const struct {
	const char *text;
	const char *message;
} mistakes[] = {
	{POOL("{\"cidr\":3}"), "test: spec.cidr: expected a text, found the number 3"},
	{POOL("{\"cidr\":[]}"), "test: spec.cidr: expected a text, found a list"},
	{POOL("{\"ipipMode\":\"always\"}"),
	 "test: spec.ipipMode: expected Never, Always or CrossSubnet, found the text \"always\""},
	{POOL("{\"natOutgoing\":\"true\"}"),
	 "test: spec.natOutgoing: expected true or false, found the text \"true\""},
	{POOL("{\"blockSize\":2.5}"),
	 "test: spec.blockSize: expected an integer, found the number 2.5"},
	{POOL("{\"blockSize\":99999999999999999999}"),
	 "test: spec.blockSize: expected an integer, found the text \"99999999999999999999\""},
	{POOL("{\"allowedUses\":\"Workload\"}"),
	 "test: spec.allowedUses: expected a list, found the text \"Workload\""},
	{POOL("{\"allowedUses\":[\"Workload\",null]}"),
	 "test: spec.allowedUses[1]: expected a text, found null"},
	{POOL("{\"foo\":1}"), "test: spec.foo: unknown field; remove it or correct its spelling"},
	{POOL("{\"natOutgoing\":true,\"nat-outgoing\":true}"),
	 "test: spec.nat-outgoing: is an older spelling of natOutgoing, which is given too; remove "
	 "one"},
	{POOL("3"), "test: spec: expected an object, found the number 3"},
	{BLOCK("{\"attributes\":[{},{\"secondary\":{\"a.b\":1}}]}"),
	 "test: spec.attributes[1].secondary[\"a.b\"]: expected a text (put numbers and true in "
	 "quotes), found the number 1"},
	{BLOCK("{\"sequenceNumber\":-1}"),
	 "test: spec.sequenceNumber: expected a number from 0, found the number -1"},
	{"[]", "test: expected an object with apiVersion and kind, found a list"},
	{"{}", "test: kind: is missing; say which kind this is, as in \"kind: IPPool\""},
	{"{\"kind\":\"IPPool\"}", "test: apiVersion: is missing; expected projectcalico.org/v3"},
	{"{\"kind\":\"IPPool\",\"apiVersion\":\"v1\"}",
	 "test: apiVersion: expected projectcalico.org/v3, found the text \"v1\""},
	{"{\"kind\":\"pool\",\"apiVersion\":\"projectcalico.org/v3\"}",
	 "test: kind: no kind \"pool\"; did you mean IPPool?"},
	{"{\"kind\":\"Podd\",\"apiVersion\":\"projectcalico.org/v3\"}",
	 "test: kind: no kind \"Podd\" in projectcalico.org/v3"},
	{"{\"kind\":\"Pod\",\"apiVersion\":\"projectcalico.org/v3\"}",
	 "test: apiVersion: expected v1, found the text \"projectcalico.org/v3\""},
	{"{\"kind\":\"IPPool\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{\"nam\":1}}",
	 "test: metadata.nam: unknown field; remove it or correct its spelling"},
	{"{\"kind\"", "test:1:7: not JSON: ':' expected near end of file"},
	{"{\"kind\":1,\"kind\":2}", "test:1:16: not JSON: duplicate object key near '\"kind\"'"},
};

static void test_mistakes_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		struct object *object = NULL;
		struct err err = ERR_INIT;
		int r = model_read_json(mistakes[i].text, strlen(mistakes[i].text), MODEL_STRICT,
					"test", &object, &err);

		assert_string_equal(err.msg, mistakes[i].message);
		assert_true(r < 0);
		assert_null(object);
	}
}

static void test_limits(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct object *object = NULL;
	struct err err = ERR_INIT;

	(void)state;
	buf_adds(&text, "{\"kind\":\"IPPool\",\"apiVersion\":\"projectcalico.org/v3\",\"spec\":{"
			"\"allowedUses\":[\"\"");
	for (size_t i = 0; i < MODEL_LIST_MAX; i++)
		buf_adds(&text, ",\"\"");
	buf_adds(&text, "]}}");
	assert_int_not_equal(
		model_read_json(buf_str(&text), text.size, MODEL_STRICT, "test", &object, &err), 0);
	assert_string_equal(err.msg,
			    "test: spec.allowedUses: a list may have 262144 items, found 262145");
	assert_int_not_equal(
		model_read_json("", MODEL_TEXT_MAX + 1, MODEL_STRICT, "test", &object, &err), 0);
	assert_string_equal(err.msg, "test: has 4194305 bytes, the limit is 4194304");
}

static void test_paths(void **state)
{
	_cleanup_(model_freep) struct object *object = read_text(
		"{\"kind\":\"IPAMBlock\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{"
		"\"name\":\"b\",\"labels\":{\"a.b/c\":\"x\"}},\"spec\":{\"cidr\":\"10.0.0.0/30\","
		"\"allocations\":[null,1],\"attributes\":[{\"handle_id\":\"h\"}]}}",
		MODEL_STRICT);
	static const char *const cases[][2] = {
		{"metadata.name", "b"},
		{".spec.cidr", "10.0.0.0/30"},
		{"spec.allocations", "[null,1]"},
		{"spec.allocations[1]", "1"},
		{".spec.attributes[0].handle_id", "h"},
		{"metadata.labels.a.b/c", "x"},
		{"metadata.labels[\"a.b/c\"]", "x"},
		{"spec.allocations[0]", NULL},
		{"spec.allocations[2]", NULL},
		{"spec.cidr.x", NULL},
		{"spec.affinity", NULL},
		{"spec.[", NULL},
		{"spec[\"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = model_path_text(object, cases[i][0]);

		if (cases[i][1])
			assert_string_equal(text, cases[i][1]);
		else
			assert_null(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_null_is_absent),
		cmocka_unit_test(test_older_forms), cmocka_unit_test(test_unsigned),
		cmocka_unit_test(test_defaults),    cmocka_unit_test(test_mistakes_are_named),
		cmocka_unit_test(test_limits),	    cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
