/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "model/kinds.h"
#include "model/yaml-tree.h"

#define HEAD "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata:\n  name: p\n"

struct objects {
	struct object **v;
	size_t n;
};

static void objects_deinit(struct objects *objects)
{
	for (size_t i = 0; i < objects->n; i++)
		model_free(objects->v[i]);
	free(objects->v);
}

static void read_text(const char *text, size_t size, const char *where, struct objects *ret)
{
	struct err err = ERR_INIT;
	int r = model_read_yaml(text, size, where, &ret->v, &ret->n, &err);

	assert_string_equal(err.msg, "");
	assert_int_equal(r, 0);
}

/* Each kind's sample holds every field the kind has, in the order in which it is written. */
static void test_samples_round_trip(void **state)
{
	static const char *const kinds[] = {
		"bgpconfiguration", "bgpfilter",	 "bgppeer",
		"blockaffinity",    "caliconodestatus",	 "clusterinformation",
		"ipamblock",	    "ipamconfiguration", "ipamhandle",
		"ippool",	    "ipreservation",	 "node",
		"workloadendpoint",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_free_ char *path = xasprintf(CORPUS "/model-yaml/%s.yaml", kinds[i]);
		_cleanup_buf_ struct buf text = BUF_INIT, out = BUF_INIT;
		_cleanup_(objects_deinit) struct objects objects = {.v = NULL};
		struct err err = ERR_INIT;

		assert_int_equal(file_read(path, MODEL_TEXT_MAX, &text, &err), 0);
		read_text(buf_str(&text), text.size, path, &objects);
		for (size_t j = 0; j < objects.n; j++) {
			buf_adds(&out, j > 0 ? "---\n" : "");
			model_write_yaml(objects.v[j], &out);
			assert_string_equal(objects.v[j]->desc->singular, kinds[i]);
			(void)!model_validate(objects.v[j], &err);
			assert_string_equal(err.msg, "");
		}
		assert_string_equal(buf_str(&out), buf_str(&text));
	}
}

static void test_json_samples_round_trip(void **state)
{
	_cleanup_(objects_deinit) struct objects objects = {.v = NULL};
	_cleanup_buf_ struct buf pretty = BUF_INIT;
	static const char text[] = HEAD "spec:\n  cidr: 10.0.0.0/8\n";

	(void)state;
	read_text(text, strlen(text), "pool.yaml", &objects);
	model_write_json_pretty(objects.v[0], &pretty);
	assert_string_equal(buf_str(&pretty),
			    "{\n  \"kind\": \"IPPool\",\n  \"apiVersion\": "
			    "\"projectcalico.org/v3\",\n  \"metadata\": {\n    \"name\": \"p\"\n  "
			    "},\n  \"spec\": {\n    \"cidr\": \"10.0.0.0/8\"\n  }\n}");
}

static void test_documents_and_lists(void **state)
{
	_cleanup_(objects_deinit) struct objects objects = {.v = NULL}, none = {.v = NULL};
	static const char text[] =
		"---\n# nothing\n---\n" HEAD "---\n"
		"apiVersion: v1\nkind: List\nitems:\n- &a\n  apiVersion: projectcalico.org/v3\n"
		"  kind: Node\n  metadata: {name: n}\n- *a\n---\n"
		"apiVersion: projectcalico.org/v3\nkind: IPPoolList\nitems: []\n";

	(void)state;
	read_text(text, strlen(text), "t", &objects);
	assert_int_equal(objects.n, 3);
	assert_int_equal(objects.v[0]->desc->kind, KIND_IP_POOL);
	assert_int_equal(objects.v[2]->desc->kind, KIND_NODE);
	read_text("", 0, "t", &none);
	assert_int_equal(none.n, 0);
}

static void test_scalars(void **state)
{
	_cleanup_(objects_deinit) struct objects objects = {.v = NULL}, again = {.v = NULL};
	_cleanup_buf_ struct buf out = BUF_INIT;
	static const char text[] = HEAD
		"  labels:\n    a: 'yes'\n    b: \"010\"\n    c: 1.2.3.4\n    d: \"1:20\"\n"
		"    e: \" x \"\n    f: \"a\\nb\\tc\\u0085\"\n    g: \"2026-08-01\"\n"
		"    h: !!str 12\n    i: \"# no\"\n    j: \"a: b\"\n    k: y\n    \"true\": \"null\"\n"
		"spec:\n  natOutgoing: off\n  blockSize: 0x1a\n  disabled: ~\n";
	const struct ip_pool_spec *spec;

	(void)state;
	read_text(text, strlen(text), "t", &objects);
	spec = &as_ip_pool(objects.v[0])->spec;
	assert_true(spec->nat_outgoing.set && !spec->nat_outgoing.v);
	assert_int_equal(spec->block_size.v, 26);
	assert_false(spec->disabled.set);
	assert_string_equal(str_map_find(&objects.v[0]->meta.labels, "h"), "12");
	model_write_yaml(objects.v[0], &out);
	assert_non_null(strstr(buf_str(&out), "    c: 1.2.3.4\n    d: \"1:20\"\n"));
	assert_non_null(strstr(buf_str(&out), "    f: \"a\\nb\\u0009c\\u0085\"\n"));
	assert_non_null(strstr(buf_str(&out), "    \"true\": \"null\"\n"));
	read_text(buf_str(&out), out.size, "again", &again);
	assert_true(model_equal(objects.v[0], again.v[0]));
}

static const struct {
	const char *text;
	const char *message;
} mistakes[] = {
	{HEAD "spec:\n  cidr: 3\n", "f:6: spec.cidr: expected a text, found the number 3"},
	{HEAD "spec:\n  allowedUses:\n  - Workload\n  - 3\n",
	 "f:8: spec.allowedUses[1]: expected a text, found the number 3"},
	{HEAD "\nspec:\n\n  ipip:\n    mod: x\n",
	 "f:9: spec.ipip.mod: unknown field; remove it or correct its spelling"},
	{HEAD "spec: {cidr: a, cidr: b}\n", "f:5: \"cidr\" is given twice; remove one"},
	{HEAD "spec:\n  cidr: *x\n", "f:6: alias *x has no anchor before it"},
	{HEAD "spec:\n  <<: {}\n", "f:6: merge keys (<<) are not supported; write the fields out"},
	{HEAD "spec:\n  ? [a]\n  : b\n", "f:6: expected the name of a field"},
	{HEAD "spec:\n  cidr: !!int 3\n",
	 "f:6: tag tag:yaml.org,2002:int is not supported; remove it"},
	{HEAD "spec:\n  cidr: \"a\\0b\"\n", "f:6: a text has a NUL character; remove it"},
	{"a: b\n c: d\n", "f:2:3: not YAML: mapping values are not allowed in this context"},
	{"- 3\n", "f:1: expected an object with apiVersion and kind, found the number 3"},
	{"kind: List\nitems:\n- kind: Foo\n  apiVersion: projectcalico.org/v3\n",
	 "f:3: kind: no kind \"Foo\" in projectcalico.org/v3"},
	{"kind: List\nitems: 3\n", "f:2: items: expected a list"},
	{"metadata: {}\n", "f:1: kind: is missing; say which kind this is, as in \"kind: IPPool\""},
};

static void test_mistakes_have_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		struct object **objects = NULL;
		struct err err = ERR_INIT;
		size_t n = 0;
		int r = model_read_yaml(mistakes[i].text, strlen(mistakes[i].text), "f", &objects,
					&n, &err);

		assert_string_equal(err.msg, mistakes[i].message);
		assert_true(r < 0);
		assert_null(objects);
	}
}

/* Each level repeats the one before ten times: 10^9 values out of 200 bytes. */
static void test_alias_bomb_is_refused(void **state)
{
	static const char text[] = "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
				   "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
				   "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
				   "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
				   "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
				   "f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
	struct object **objects = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	(void)state;
	assert_true(model_read_yaml(text, strlen(text), "f", &objects, &n, &err) < 0);
	assert_string_equal(err.msg, "f:6: more than 1048576 values; split the file");
}

static void test_depth_is_bounded(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct object **objects = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i <= YAML_DEPTH_MAX; i++)
		buf_addc(&text, '[');
	assert_true(model_read_yaml(buf_str(&text), text.size, "f", &objects, &n, &err) < 0);
	assert_string_equal(err.msg, "f:1: nested deeper than 64 levels");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples_round_trip),
		cmocka_unit_test(test_json_samples_round_trip),
		cmocka_unit_test(test_documents_and_lists),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_mistakes_have_lines),
		cmocka_unit_test(test_alias_bomb_is_refused),
		cmocka_unit_test(test_depth_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
