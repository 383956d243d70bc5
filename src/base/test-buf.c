/* SPDX-License-Identifier: Apache-2.0 */

/* The growing buffer, over its growth steps and against a plain array. */

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static void test_empty(void **state)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	_cleanup_free_ char *taken = NULL;

	(void)state;
	assert_string_equal(buf_str(&buf), "");
	buf_add(&buf, NULL, 0);
	assert_null(buf.data);
	taken = buf_take(&buf);
	assert_string_equal(taken, "");
	buf_reset(&buf);
	assert_int_equal(buf.size, 0);
}

static void test_adds(void **state)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	_cleanup_free_ char *taken = NULL;

	(void)state;
	buf_adds(&buf, "one");
	buf_addc(&buf, ' ');
	buf_addf(&buf, "%d %s", 2, "three");
	assert_string_equal(buf_str(&buf), "one 2 three");
	assert_int_equal(buf.size, 11);
	taken = buf_take(&buf);
	assert_string_equal(taken, "one 2 three");
	assert_null(buf.data);
	buf_adds(&buf, "again");
	buf_reset(&buf);
	assert_string_equal(buf_str(&buf), "");
	buf_adds(&buf, "more");
	assert_string_equal(buf_str(&buf), "more");
}

static void test_reserve(void **state)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;

	(void)state;
	memcpy(buf_reserve(&buf, 100), "abc", 3);
	assert_int_equal(buf.size, 0);
	buf_commit(&buf, 3);
	assert_string_equal(buf_str(&buf), "abc");
	buf_commit(&buf, 0);
	assert_int_equal(buf.size, 3);
}

static void test_growth(void **state)
{
	enum { N = 10000 };
	_cleanup_buf_ struct buf buf = BUF_INIT;
	_cleanup_free_ char *expected = xmalloc(N);
	unsigned int seed = 1;
	size_t size = 0;

	(void)state;
	while (size < N) {
		size_t n = MIN((size_t)rand_r(&seed) % 300, N - size);

		for (size_t i = 0; i < n; i++)
			expected[size + i] = (char)rand_r(&seed);
		buf_add(&buf, expected + size, n);
		size += n;
		assert_true(buf.size == size && (!size || buf.data[size] == '\0'));
		assert_true(!size || buf.size < buf.capacity);
	}
	assert_memory_equal(buf.data, expected, N);
}

static void test_array_add(void **state)
{
	int *v = NULL;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int *element = ARRAY_ADD(v, n);

		assert_int_equal(*element, 0);
		*element = i;
	}
	assert_int_equal(n, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v[i], i);
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	  cmocka_unit_test(test_adds),
		cmocka_unit_test(test_reserve),	  cmocka_unit_test(test_growth),
		cmocka_unit_test(test_array_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
