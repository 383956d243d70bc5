/* SPDX-License-Identifier: Apache-2.0 */

/* The cache of small kinds. */

#include "agent/object-cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/model-desc.h"

static struct cached_object *find(const struct object_cache *cache, enum kind kind,
				  const char *name)
{
	_cleanup_free_ char *key = xasprintf("%d/%s", (int)kind, name);
	struct cached_object *cached;

	HASH_FIND_STR(cache->objects, key, cached);
	return cached;
}

void object_cache_put(struct object_cache *cache, struct object *object, uint64_t revision)
{
	struct cached_object *cached = find(cache, object->desc->kind, object->meta.name);

	if (!cached) {
		cached = XNEW(struct cached_object);
		cached->key = xasprintf("%d/%s", (int)object->desc->kind, object->meta.name);
		HASH_ADD_KEYPTR(hh, cache->objects, cached->key, strlen(cached->key), cached);
	}
	(void)model_free(cached->object);
	cached->object = object;
	cached->revision = revision;
}

static void drop(struct object_cache *cache, struct cached_object *cached)
{
	HASH_DEL(cache->objects, cached);
	(void)model_free(cached->object);
	free(cached->key);
	free(cached);
}

void object_cache_remove(struct object_cache *cache, enum kind kind, const char *name)
{
	struct cached_object *cached = find(cache, kind, name);

	if (cached)
		drop(cache, cached);
}

const struct object *object_cache_find(const struct object_cache *cache, enum kind kind,
				       const char *name)
{
	const struct cached_object *cached = find(cache, kind, name);

	return cached ? cached->object : NULL;
}

void object_cache_deinit(struct object_cache *cache)
{
	struct cached_object *cached;
	struct cached_object *next;

	HASH_ITER(hh, cache->objects, cached, next)
	{
		drop(cache, cached);
	}
}
