/* SPDX-License-Identifier: Apache-2.0 */

/* Put, replace, find, remove; kinds do not mix. */

#include "agent/object-cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"

static void test_cache(void **state)
{
	struct object_cache cache = {0};
	struct object *first = model_new(KIND_BGP_PEER, NULL, "one");
	struct object *second = model_new(KIND_BGP_PEER, NULL, "one");
	struct object *other = model_new(KIND_BGP_FILTER, NULL, "one");

	(void)state;
	assert_null(object_cache_find(&cache, KIND_BGP_PEER, "one"));
	object_cache_remove(&cache, KIND_BGP_PEER, "one");
	object_cache_put(&cache, first, 5);
	object_cache_put(&cache, other, 6);
	assert_ptr_equal(object_cache_find(&cache, KIND_BGP_PEER, "one"), first);
	assert_ptr_equal(object_cache_find(&cache, KIND_BGP_FILTER, "one"), other);
	object_cache_put(&cache, second, 7);
	assert_ptr_equal(object_cache_find(&cache, KIND_BGP_PEER, "one"), second);
	assert_int_equal(HASH_COUNT(cache.objects), 2);
	object_cache_remove(&cache, KIND_BGP_PEER, "one");
	assert_null(object_cache_find(&cache, KIND_BGP_PEER, "one"));
	assert_ptr_equal(object_cache_find(&cache, KIND_BGP_FILTER, "one"), other);
	object_cache_deinit(&cache);
	assert_int_equal(HASH_COUNT(cache.objects), 0);
}

static void test_many(void **state)
{
	struct object_cache cache = {0};

	(void)state;
	for (unsigned int i = 0; i < 500; i++) {
		_cleanup_free_ char *name = xasprintf("peer-%u", i % 250);

		object_cache_put(&cache, model_new(KIND_BGP_PEER, NULL, name), i);
	}
	assert_int_equal(HASH_COUNT(cache.objects), 250);
	assert_non_null(object_cache_find(&cache, KIND_BGP_PEER, "peer-249"));
	object_cache_deinit(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
