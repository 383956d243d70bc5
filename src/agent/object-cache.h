/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Model objects by kind and name, for kinds of which there are few. */

#include <uthash.h>

#include "model/model.h"

struct cached_object {
	char *key; /* "<kind number>/<name>" */
	struct object *object;
	uint64_t revision;
	UT_hash_handle hh;
};

struct object_cache {
	struct cached_object *objects;
};

void object_cache_deinit(struct object_cache *cache);
/* Takes 'object'. */
void object_cache_put(struct object_cache *cache, struct object *object, uint64_t revision);
void object_cache_remove(struct object_cache *cache, enum kind kind, const char *name);
/* NULL: not there. Borrowed until the next put or remove of it. */
const struct object *object_cache_find(const struct object_cache *cache, enum kind kind,
				       const char *name);
