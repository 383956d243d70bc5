/* SPDX-License-Identifier: Apache-2.0 */

/* Selectors that are right, wrong, and too large. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/selector-syntax.h"

static void test_right(void **state)
{
	static const char *const selectors[] = {
		"",
		"  \t",
		"all()",
		"all( )",
		"global()",
		"has(app)",
		"has( projectcalico.org/namespace )",
		"!has(app)",
		"! ! has(app)",
		"app == 'web'",
		"app=='web'",
		"app == \"it's\"",
		"app != ''",
		"app contains 'x'",
		"app starts with 'x'",
		"app startswith 'x'",
		"app ends with 'x' && all()",
		"app endswith 'x'",
		"app in {'a', \"b\",}",
		"app in {}",
		"app not in { 'a' }",
		"app notin {'a'}",
		"(a == 'b' || c == 'd') && !(has(e))",
		"((((all()))))",
		"in in {'in'}",
		"has == 'x'",
		"a.b/c-d_e == 'x'",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
		struct err err = ERR_INIT;

		if (selector_syntax_check(selectors[i], NULL, &err) != 0)
			fail_msg("%s: %s", selectors[i], err.msg);
	}
}

static void test_wrong(void **state)
{
	static const struct {
		const char *selector;
		const char *message; /* part of it */
	} cases[] = {
		{"app", "column 4"},
		{"app =", "\"=\" at column 5"},
		{"app == web", "a text in quotes"},
		{"app == 'web", "closing quote"},
		{"app in 'web'", "\"{\""},
		{"app in {'a' 'b'}", "\",\" or \"}\""},
		{"app in {,}", "a text in quotes"},
		{"app in {'a'", "\",\" or \"}\""},
		{"has(", "a label"},
		{"has(app", "\")\""},
		{"has()", "a label"},
		{"all(x)", "\")\""},
		{"(all()", "\")\", && or ||"},
		{"all())", "&& or ||"},
		{"all() &&", "a label"},
		{"all() all()", "&& or ||"},
		{"all()\n", "&& or ||"},
		{"!", "a label"},
		{"()", "a label"},
		{"a starts 'x'", "starts with"},
		{"a not 'x'", "not in"},
		{"{}", "a label"},
		{"a & b", "=="},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;

		if (selector_syntax_check(cases[i].selector, NULL, &err) == 0)
			fail_msg("%s is taken for a selector", cases[i].selector);
		if (!strstr(err.msg, cases[i].message))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].selector, err.msg,
				 cases[i].message);
	}
}

static char *nested(size_t depth)
{
	struct buf buf = BUF_INIT;

	for (size_t i = 0; i < depth; i++)
		buf_adds(&buf, "!(");
	buf_adds(&buf, "all()");
	for (size_t i = 0; i < depth; i++)
		buf_addc(&buf, ')');
	return buf_take(&buf);
}

static char *repeated(char c, size_t n)
{
	char *text = xmalloc(n + 1);

	memset(text, c, n);
	text[n] = '\0';
	return text;
}

static void test_limits(void **state)
{
	_cleanup_free_ char *deep = nested(SELECTOR_MAX_DEPTH);
	_cleanup_free_ char *deeper = nested(SELECTOR_MAX_DEPTH + 1);
	_cleanup_free_ char *bangs = repeated('!', SELECTOR_MAX_SIZE);
	_cleanup_free_ char *blanks = repeated(' ', SELECTOR_MAX_SIZE + 1);
	_cleanup_free_ char *label = repeated('a', SELECTOR_MAX_LABEL + 1);

	(void)state;
	assert_int_equal(selector_syntax_check(deep, NULL, NULL), 0);
	assert_true(selector_syntax_check(deeper, NULL, NULL) < 0);
	assert_true(selector_syntax_check(bangs, NULL, NULL) < 0);
	assert_true(selector_syntax_check(blanks, NULL, NULL) < 0);
	assert_true(selector_syntax_check(label, NULL, NULL) < 0);
}

static void test_uses(void **state)
{
	unsigned int uses = 99;

	(void)state;
	assert_int_equal(selector_syntax_check("a == 'global()'", &uses, NULL), 0);
	assert_int_equal(uses, 0);
	assert_int_equal(selector_syntax_check("a == 'b' || !(global())", &uses, NULL), 0);
	assert_int_equal(uses, SELECTOR_USES_GLOBAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_uses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
