/* SPDX-License-Identifier: Apache-2.0 */

/* What a block stores beside its addresses: each distinct set once, shared by who has the same. */

#include "ipam/ipam-attribute.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ipam/ipam-block.h"
#include "model/kinds.h"

static bool str_map_same(const struct str_map *a, const struct str_map *b)
{
	size_t n = b ? b->n : 0;

	if (a->n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(a->v[i].key, b->v[i].key) != 0 ||
		    strcmp(a->v[i].value ? a->v[i].value : "",
			   b->v[i].value ? b->v[i].value : "") != 0)
			return false;
	}
	return true;
}

static bool str_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool attribute_is(const struct ipam_attribute *attribute, const struct ipam_owner *owner,
			 const char *released_at)
{
	return str_same(attribute->handle_id, owner->handle) &&
	       str_same(attribute->released_at, released_at) &&
	       str_map_same(&attribute->secondary, owner->attrs) &&
	       attribute->alternate_owner_attrs.n == 0;
}

int64_t ipam_attribute_index(struct ipam_attribute_list *list, const struct ipam_owner *owner,
			     const char *released_at)
{
	struct ipam_attribute *attribute;

	for (size_t i = 0; i < list->n; i++) {
		if (attribute_is(&list->v[i], owner, released_at))
			return (int64_t)i;
	}
	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	attribute = &list->v[list->n++];
	*attribute = (struct ipam_attribute){.handle_id = xstrdup(owner->handle),
					     .released_at = xstrdup(released_at)};
	for (size_t i = 0; owner->attrs && i < owner->attrs->n; i++)
		str_map_put(&attribute->secondary, owner->attrs->v[i].key,
			    owner->attrs->v[i].value);
	return (int64_t)list->n - 1;
}

static void str_map_clear(struct str_map *map)
{
	for (size_t i = 0; i < map->n; i++) {
		free(map->v[i].key);
		free(map->v[i].value);
	}
	free(map->v);
	*map = (struct str_map){.v = NULL};
}

static void attribute_deinit(struct ipam_attribute *attribute)
{
	free(attribute->handle_id);
	free(attribute->released_at);
	str_map_clear(&attribute->secondary);
	str_map_clear(&attribute->alternate_owner_attrs);
}

void ipam_attributes_prune(struct ipam_block_spec *spec)
{
	struct ipam_attribute_list *list = &spec->attributes;
	struct opt_int_list *allocations = &spec->allocations;
	_cleanup_free_ int64_t *index = xcalloc(list->n + 1, sizeof(*index));
	size_t n = 0;

	for (size_t i = 0; i < allocations->n; i++) {
		if (allocations->v[i].set)
			index[allocations->v[i].v] = 1;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (!index[i]) {
			attribute_deinit(&list->v[i]);
			continue;
		}
		index[i] = (int64_t)n;
		list->v[n++] = list->v[i];
	}
	list->n = n;
	for (size_t i = 0; i < allocations->n; i++) {
		if (allocations->v[i].set)
			allocations->v[i].v = index[allocations->v[i].v];
	}
}
