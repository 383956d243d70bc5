/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/model-desc.h"

static void test_str_map_stays_sorted(void **state)
{
	struct str_map map = {.v = NULL};
	(void)state;

	str_map_put(&map, "b", "2");
	str_map_put(&map, "c", "3");
	str_map_put(&map, "a", "1");
	str_map_put(&map, "b", "two");
	assert_true(map.set);
	assert_int_equal(map.n, 3);
	assert_string_equal(map.v[0].key, "a");
	assert_string_equal(map.v[2].key, "c");
	assert_string_equal(str_map_find(&map, "b"), "two");
	assert_null(str_map_find(&map, "d"));
	assert_true(str_map_remove(&map, "a"));
	assert_false(str_map_remove(&map, "a"));
	assert_true(str_map_remove(&map, "c"));
	assert_true(str_map_remove(&map, "b"));
	assert_int_equal(map.n, 0);
	/* Empty is not absent. */
	assert_true(map.set);
	free(map.v);
}

/* Growth has no capacity to look at: any mix of additions and removals must stay in bounds. */
static void test_int_map_grows_and_shrinks(void **state)
{
	struct int_map map = {.v = NULL};
	char key[16];
	(void)state;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 37; i++) {
			snprintf(key, sizeof(key), "%d", (i * 7) % 37);
			int_map_put(&map, key, i);
		}
		assert_int_equal(map.n, 37);
		for (int i = 0; i < 37 - round; i++) {
			snprintf(key, sizeof(key), "%d", i);
			assert_true(int_map_remove(&map, key));
		}
	}
	assert_int_equal(int_map_find(&map, "36")->value, 21);
	assert_null(int_map_find(&map, "0"));
	for (size_t i = 0; i < map.n; i++)
		free(map.v[i].key);
	free(map.v);
}

static void test_str_list_add(void **state)
{
	struct str_list list = {.v = NULL};
	(void)state;

	str_list_add(&list, "x");
	str_list_add(&list, "y");
	str_list_add(&list, "z");
	assert_true(list.set);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.v[2], "z");
	for (size_t i = 0; i < list.n; i++)
		free(list.v[i]);
	free(list.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str_map_stays_sorted),
		cmocka_unit_test(test_int_map_grows_and_shrinks),
		cmocka_unit_test(test_str_list_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
