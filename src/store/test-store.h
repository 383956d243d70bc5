/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the store's tests share: a directory of their own, and calls that must not fail. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "store/store.h"

struct test_place {
	char dir[64];
	char path[96];
	struct store_config config;
};

static inline void test_place_make(struct test_place *place)
{
	(void)snprintf(place->dir, sizeof(place->dir), "/tmp/korat-store-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	(void)snprintf(place->path, sizeof(place->path), "%s/korat.db", place->dir);
	place->config = (struct store_config){.type = "sqlite", .path = place->path};
}

static inline void test_place_remove(struct test_place *place)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".old"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", place->path, suffixes[i]);

		(void)unlink(path);
	}
	assert_int_equal(rmdir(place->dir), 0);
}

/* Shows the message of a failure before the test fails for it. */
static inline void test_ok(int r, const struct err *err)
{
	if (r < 0)
		print_error("%s\n", err->msg);
	assert_int_equal(r, 0);
}

static inline struct store *test_open(const struct store_config *config)
{
	struct err err = ERR_INIT;
	struct store *store = NULL;

	test_ok(store_open(config, &store, &err), &err);
	return store;
}

static inline struct store_op test_op(enum store_op_type type, const char *name, const char *value,
				      uint64_t revision)
{
	return (struct store_op){.type = type,
				 .kind = KIND_NODE,
				 .name = name,
				 .value = value,
				 .size = value ? strlen(value) : 0,
				 .revision = revision};
}

/* One operation on a node; gives the outcome, the new revision where it was carried out. */
static inline int test_commit(struct store *store, enum store_op_type type, const char *name,
			      const char *value, uint64_t revision, uint64_t *ret_revision)
{
	struct store_op op = test_op(type, name, value, revision);
	struct err err = ERR_INIT;
	int r = store_commit(store, &op, 1, ret_revision, NULL, &err);

	if (r < 0)
		test_ok(r, &err);
	return r;
}

/* Puts a node, which can't conflict; gives its revision. */
static inline uint64_t test_put(struct store *store, const char *name, const char *value)
{
	uint64_t revision = 0;

	assert_int_equal(test_commit(store, STORE_PUT, name, value, 0, &revision), 0);
	return revision;
}
