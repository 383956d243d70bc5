/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "bgp/label-selector.h"
#include "model/model-desc.h"

static struct str_pair pairs[] = {
	{(char[]){"a"}, (char[]){"value"}},
	{(char[]){"empty"}, (char[]){""}},
	{(char[]){"k8s.io/x-y_z"}, (char[]){"it's"}},
	{(char[]){"not"}, (char[]){"in"}},
};
static const struct str_map labels = {.v = pairs, .n = ARRAY_SIZE(pairs), .set = true};

static const struct {
	const char *selector;
	bool matches;
} cases[] = {
	{"", true},
	{"  ", true},
	{"all()", true},
	{"all( )", true},
	{"!all()", false},
	{"global()", false},
	{"has(a)", true},
	{"has( b )", false},
	{"!has(b)", true},
	{"!!has(b)", false},
	{"a == 'value'", true},
	{"a==\"value\"", true},
	{"a == 'valu'", false},
	{"b == ''", false},
	{"empty == ''", true},
	{"a != 'value'", false},
	{"a != 'x'", true},
	{"b != 'x'", true},
	{"k8s.io/x-y_z == \"it's\"", true},
	{"a contains 'alu'", true},
	{"a contains ''", true},
	{"b contains ''", false},
	{"a starts with 'val'", true},
	{"a startswith 'alu'", false},
	{"a ends with 'ue'", true},
	{"a endswith 'a value'", false},
	{"a in {'x', 'value'}", true},
	{"a in {'x',}", false},
	{"a in {}", false},
	{"b in {'x'}", false},
	{"a not in {'x'}", true},
	{"a notin {'value'}", false},
	{"b not in {'x'}", true},
	{"b notin {}", true},
	{"not not in {'x'}", true},
	{"not == 'in'", true},
	{"has(a) && has(b)", false},
	{"has(a) || has(b)", true},
	{"has(b) && has(b) || has(a)", true},
	{"has(a) || has(b) && has(b)", true},
	{"(has(a) || has(b)) && has(b)", false},
	{"!(has(b) || has(c)) && (((a == 'value')))", true},
	{"has(b) && a == '(' || has(a)", true},
	/* No selectors. */
	{"a", false},
	{"a == value", false},
	{"has(a) &&", false},
	{"has(a)) || all()", false},
	{"all() all()", false},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (label_selector_matches(cases[i].selector, &labels) != cases[i].matches)
			fail_msg("%s", cases[i].selector);
}

static void test_depth(void **state)
{
	char text[2048];
	size_t n = 0;

	(void)state;
	for (unsigned int depth = 0; depth < 100; depth++)
		text[n++] = '(';
	memcpy(text + n, "has(a)", 6);
	n += 6;
	for (unsigned int depth = 0; depth < 100; depth++)
		text[n++] = ')';
	text[n] = '\0';
	assert_true(label_selector_matches(text, &labels));

	memset(text, '(', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_false(label_selector_matches(text, &labels));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
