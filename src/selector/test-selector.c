/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Selectors against an oracle: random expressions are written out together with the set of all
 * worlds of labels in which they hold, which is computed by set algebra and not by walking a tree.
 */

#include "selector/selector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/model-desc.h"

#define N_VALUES    5u
#define WORLDS	    (N_VALUES * N_VALUES) /* of the labels "a" and "b" */
#define ALL_WORLDS  ((1u << WORLDS) - 1)
#define EXPRESSIONS 20000u

static const char *const values[N_VALUES] = {NULL, "", "x", "xy", "yx"};

static const char *value_in(unsigned int world, unsigned int label)
{
	return values[label ? world / N_VALUES : world % N_VALUES];
}

static bool matches_in(const struct selector *selector, unsigned int world)
{
	struct str_pair pairs[2];
	struct str_map labels = {.v = pairs, .n = 0};

	for (unsigned int i = 0; i < 2; i++) {
		const char *value = value_in(world, i);

		if (value)
			pairs[labels.n++] =
				(struct str_pair){.key = (char *)(uintptr_t)(i ? "b" : "a"),
						  .value = (char *)(uintptr_t)value};
	}
	return selector_matches(selector, &labels);
}

/* splitmix64 */
static unsigned int pick(uint64_t *random, unsigned int n)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (unsigned int)((z ^ z >> 31) % n);
}

static void blank(uint64_t *random, struct buf *out)
{
	static const char *const blanks[] = {"", "", " ", "\t", "  "};

	buf_adds(out, blanks[pick(random, ARRAY_SIZE(blanks))]);
}

static void quoted(uint64_t *random, const char *value, struct buf *out)
{
	blank(random, out);
	buf_addf(out, pick(random, 2) ? "'%s'" : "\"%s\"", value);
	blank(random, out);
}

static bool holds(unsigned int op, const char *have, const char *want)
{
	size_t have_len = have ? strlen(have) : 0;
	size_t len = strlen(want);

	switch (op) {
	case 0:
		return have && strcmp(have, want) == 0;
	case 1:
		return !have || strcmp(have, want) != 0;
	case 2:
		return have && strstr(have, want);
	case 3:
		return have && have_len >= len && memcmp(have, want, len) == 0;
	default:
		return have && have_len >= len && memcmp(have + have_len - len, want, len) == 0;
	}
}

static uint32_t comparison(uint64_t *random, struct buf *out)
{
	static const char *const ops[] = {"==", "!=", " contains ", " starts with ", " endswith"};
	unsigned int label = pick(random, 2);
	unsigned int op = pick(random, ARRAY_SIZE(ops));
	const char *want = values[1 + pick(random, N_VALUES - 1)];
	uint32_t set = 0;

	buf_addf(out, "%c%s", "ab"[label], ops[op]);
	quoted(random, want, out);
	for (unsigned int i = 0; i < WORLDS; i++)
		set |= (uint32_t)holds(op, value_in(i, label), want) << i;
	return set;
}

static uint32_t membership(uint64_t *random, struct buf *out)
{
	unsigned int label = pick(random, 2);
	bool inverted = pick(random, 2);
	unsigned int n = pick(random, 4);
	uint32_t set = 0;

	buf_addf(out, "%c %s {", "ab"[label], inverted ? "not in" : "in");
	for (unsigned int i = 0; i < n; i++) {
		const char *want = values[1 + pick(random, N_VALUES - 1)];

		quoted(random, want, out);
		buf_adds(out, i + 1 < n || pick(random, 2) ? "," : "");
		for (unsigned int w = 0; w < WORLDS; w++)
			set |= (uint32_t)holds(0, value_in(w, label), want) << w;
	}
	buf_adds(out, "}");
	return inverted ? ~set & ALL_WORLDS : set;
}

static uint32_t has(uint64_t *random, struct buf *out)
{
	unsigned int label = pick(random, 2);
	uint32_t set = 0;

	buf_addf(out, "has(%c)", "ab"[label]);
	for (unsigned int i = 0; i < WORLDS; i++)
		set |= (uint32_t)(value_in(i, label) != NULL) << i;
	return set;
}

/* Writes a random expression and gives the worlds in which it holds. */
static uint32_t expression(uint64_t *random, unsigned int depth, struct buf *out)
{
	unsigned int n_or = 1 + pick(random, 2);
	uint32_t any = 0;

	for (unsigned int i = 0; i < n_or; i++) {
		unsigned int n_and = 1 + pick(random, 2);
		uint32_t every = ALL_WORLDS;

		for (unsigned int j = 0; j < n_and; j++) {
			unsigned int n_not = pick(random, 3);
			unsigned int kind = pick(random, depth ? 8 : 6);
			uint32_t set = ALL_WORLDS;

			buf_adds(out, j ? "&&" : i ? "||" : "");
			blank(random, out);
			for (unsigned int k = 0; k < n_not; k++)
				buf_adds(out, "!");
			if (kind < 3)
				set = comparison(random, out);
			else if (kind == 3)
				set = membership(random, out);
			else if (kind == 4)
				set = has(random, out);
			else if (kind == 5)
				buf_adds(out, "all()");
			if (kind > 5) {
				buf_adds(out, "(");
				set = expression(random, depth - 1, out);
				buf_adds(out, ")");
			}
			blank(random, out);
			every &= n_not % 2 ? ~set & ALL_WORLDS : set;
		}
		any |= every;
	}
	return any;
}

static void test_oracle(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (unsigned int n = 0; n < EXPRESSIONS; n++) {
		_cleanup_buf_ struct buf text = BUF_INIT;
		_cleanup_(selector_freep) struct selector *selector = NULL;
		_cleanup_(selector_freep) struct selector *again = NULL;
		uint32_t set = expression(&random, 4, &text);
		struct err err = ERR_INIT;

		if (selector_compile(buf_str(&text), &selector, &err) != 0)
			fail_msg("%s: %s", buf_str(&text), err.msg);
		for (unsigned int i = 0; i < WORLDS; i++) {
			if (matches_in(selector, i) != (set >> i & 1))
				fail_msg("%s in world %u", buf_str(&text), i);
		}
		/* The canonical text means the same, and is its own but for a double "!". */
		assert_int_equal(selector_compile(selector_text(selector), &again, NULL), 0);
		if (!strstr(selector_text(selector), "!!"))
			assert_string_equal(selector_text(selector), selector_text(again));
		for (unsigned int i = 0; i < WORLDS; i++)
			assert_int_equal(matches_in(again, i), set >> i & 1);
	}
}

static bool meets(const struct selector_clause *clause, unsigned int world)
{
	for (size_t i = 0; i < clause->n_needs; i++) {
		const struct selector_need *need = &clause->needs[i];
		const char *value = value_in(world, need->label[0] == 'b');

		if (value && (!need->value || strcmp(value, need->value) == 0))
			return true;
	}
	return false;
}

/* A world in which a clause is not met is one that the selector does not match. */
static void test_clauses_are_needed(void **state)
{
	uint64_t random = 2;
	unsigned int n_clauses = 0;

	(void)state;
	for (unsigned int n = 0; n < EXPRESSIONS; n++) {
		_cleanup_buf_ struct buf text = BUF_INIT;
		_cleanup_(selector_freep) struct selector *selector = NULL;
		_cleanup_(selector_clauses_deinitp) struct selector_clauses clauses = {0};
		uint32_t set = expression(&random, 4, &text);

		assert_int_equal(selector_compile(buf_str(&text), &selector, NULL), 0);
		selector_get_clauses(selector, &clauses);
		for (size_t c = 0; c < clauses.n; c++) {
			for (unsigned int i = 0; i < WORLDS; i++) {
				if ((set >> i & 1) && !meets(&clauses.v[c], i))
					fail_msg("%s in world %u", buf_str(&text), i);
			}
		}
		n_clauses += (unsigned int)clauses.n;
	}
	assert_true(n_clauses > EXPRESSIONS / 4);
}

static void test_clauses_that_can_be_told(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		size_t n_needs; /* of the first */
	} cases[] = {
		{"all()", 0, 0},
		{"a != 'x'", 0, 0},
		{"!(a == 'x')", 0, 0},
		{"a == 'x' || has(b) || c != 'y'", 0, 0},
		{"a == 'x'", 1, 1},
		{"a in {'x', 'y'}", 1, 2},
		{"a in {}", 1, 0},
		{"has(a)", 1, 1},
		{"a == 'x' && b == 'y' && c != 'z'", 2, 1},
		{"a == 'x' || (has(b) && c in {'y', 'z'})", 1, 3},
		{"(a == 'x' && (b == 'y')) && !has(c)", 2, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(selector_freep) struct selector *selector = NULL;
		_cleanup_(selector_clauses_deinitp) struct selector_clauses clauses = {0};

		assert_int_equal(selector_compile(cases[i].text, &selector, NULL), 0);
		selector_get_clauses(selector, &clauses);
		assert_int_equal(clauses.n, cases[i].n);
		if (clauses.n)
			assert_int_equal(clauses.v[0].n_needs, cases[i].n_needs);
	}
}

static void test_text(void **state)
{
	static const struct {
		const char *from;
		const char *to;
	} cases[] = {
		{"", "all()"},
		{" all( ) ", "all()"},
		{"global()", "global()"},
		{"a=='b'", "a == \"b\""},
		{"a != '\"'", "a != '\"'"},
		{"a in {'c','b','c',}", "a in {\"b\", \"c\"}"},
		{"a notin {}", "a not in {}"},
		{"a startswith 'b'", "a starts with \"b\""},
		{"!!!has( a )", "!has(a)"},
		{"!(!has(a))", "!!has(a)"},
		{"((has(a)))", "has(a)"},
		{"has(a)&&has(b)||has(c)", "((has(a) && has(b)) || has(c))"},
		{"(has(a)&&has(b))&&has(c)", "((has(a) && has(b)) && has(c))"},
		{"!(has(a)||has(b))", "!(has(a) || has(b))"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(selector_freep) struct selector *selector = NULL;

		assert_int_equal(selector_compile(cases[i].from, &selector, NULL), 0);
		assert_string_equal(selector_text(selector), cases[i].to);
	}
}

static void test_id(void **state)
{
	_cleanup_(selector_freep) struct selector *all = NULL;
	_cleanup_(selector_freep) struct selector *both = NULL;

	(void)state;
	/* SHA-224 of "s:all()" and of "s:(a == \"b\" && has(c))", by another program. */
	assert_int_equal(selector_compile("", &all, NULL), 0);
	assert_string_equal(selector_id(all).s, "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug");
	assert_int_equal(selector_compile("a=='b'&&has(c)", &both, NULL), 0);
	assert_string_equal(selector_id(both).s, "s:a7YG9G3XyFzmdwcUzkbtw0ffcKn8o5bm1xsGyQ");
}

static void test_wrong(void **state)
{
	static const char *const wrong[] = {"a",       "a ==",	    "(has(a)",
					    "has(a))", "a in {'b'", "has(a) has(b)"};
	static const struct str_map none = {.n = 0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct selector *selector = NULL;
		struct err err = ERR_INIT;

		assert_true(selector_compile(wrong[i], &selector, &err) < 0);
		assert_null(selector);
		assert_non_null(strstr(err.msg, "selector"));
		assert_false(selector_selects(wrong[i], &none));
	}
	assert_true(selector_selects("a != 'b'", &none));
	assert_false(selector_selects("a == 'b'", &none));
}

static void test_explain(void **state)
{
	static const char *const cases[][2] = {
		{"a == 'x'", "a == \"x\""},
		{"a == 'y'", "a == \"y\" (it is \"x\")"},
		{"b == 'y'", "b == \"y\" (there is no label b)"},
		{"b != 'y' && a == 'z'", "a == \"z\" (it is \"x\")"},
		{"a == 'y' || b == 'y'",
		 "a == \"y\" (it is \"x\") and b == \"y\" (there is no label b)"},
		{"a == 'y' || a in {'x'}", "a in {\"x\"} (it is \"x\")"},
		{"!has(b) && all()", "!has(b) (there is no label b) and all()"},
		{"!(a == 'x' && b != 'x')", "a == \"x\" and b != \"x\" (there is no label b)"},
		{"", "all()"},
	};
	struct str_map labels = {.v = NULL};

	(void)state;
	str_map_put(&labels, "a", "x");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(selector_freep) struct selector *selector = NULL;
		_cleanup_buf_ struct buf why = BUF_INIT;

		assert_int_equal(selector_compile(cases[i][0], &selector, NULL), 0);
		selector_explain(selector, &labels, &why);
		assert_string_equal(buf_str(&why), cases[i][1]);
	}
	(void)str_map_remove(&labels, "a");
	free(labels.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oracle),
		cmocka_unit_test(test_clauses_are_needed),
		cmocka_unit_test(test_clauses_that_can_be_told),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_explain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
