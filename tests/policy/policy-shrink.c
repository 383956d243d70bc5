/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Shrinking of a failing case, on the JSON of its objects: it knows nothing of their meaning. Each
 * round tries to take away every object, every list item and every field that is not a name; it
 * ends when nothing can go.
 */

#include <string.h>

#include "base/macros.h"
#include "policy-case.h"

struct shrink {
	json_t *objects;
	bool (*fails)(void *ctx, json_t *objects);
	void *ctx;
};

/* What makes an object the one it is. */
static bool must_stay(const char *key)
{
	static const char *const keys[] = {"apiVersion", "kind",   "metadata",	    "spec",
					   "name",	 "action", "interfaceName", "node",
					   "namespace",	 "tier",   "ipNetworks"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

static bool shrink_value(struct shrink *shrink, json_t *value);

/* From the end, because what stands before keeps its index. */
static bool shrink_array(struct shrink *shrink, json_t *array)
{
	bool changed = false;

	for (size_t i = json_array_size(array); i-- > 0;) {
		json_t *item = json_incref(json_array_get(array, i));

		(void)json_array_remove(array, i);
		if (shrink->fails(shrink->ctx, shrink->objects)) {
			changed = true;
		} else {
			(void)json_array_insert(array, i, item);
			changed |= shrink_value(shrink, item);
		}
		json_decref(item);
	}
	return changed;
}

/* The field stays where it is needed. */
static bool shrink_field(struct shrink *shrink, json_t *object, const char *key)
{
	json_t *value = json_incref(json_object_get(object, key));
	bool changed = false;

	if (!must_stay(key)) {
		(void)json_object_del(object, key);
		changed = shrink->fails(shrink->ctx, shrink->objects);
		if (!changed)
			(void)json_object_set(object, key, value);
	}
	/* A workload without addresses would be another case. */
	if (!changed && strcmp(key, "ipNetworks") != 0)
		changed = shrink_value(shrink, value);
	json_decref(value);
	return changed;
}

static bool shrink_object(struct shrink *shrink, json_t *object)
{
	/* A field that is put back stands last, so the names are taken before. */
	json_t *names = json_array();
	bool changed = false;
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach(object, key, value)
	{
		json_array_append_new(names, json_string(key));
	}
	json_array_foreach(names, i, value)
	{
		changed |= shrink_field(shrink, object, json_string_value(value));
	}
	json_decref(names);
	return changed;
}

static bool shrink_value(struct shrink *shrink, json_t *value)
{
	if (json_is_array(value))
		return shrink_array(shrink, value);
	return json_is_object(value) && shrink_object(shrink, value);
}

void case_shrink(json_t *objects, bool (*fails)(void *ctx, json_t *objects), void *ctx)
{
	struct shrink shrink = {objects, fails, ctx};

	while (shrink_value(&shrink, objects))
		;
}
