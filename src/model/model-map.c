/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The maps and lists that kinds hold. A map is a sorted array: the maps of resources are short
 * (labels, handles of a block), so a search by halves beats a hash and writes out in one order.
 */

#include <string.h>

#include "base/alloc.h"
#include "model/model-desc.h"

/* Index of the first pair whose key is not before 'key'. A pair begins with its key. */
static size_t lower_bound(const void *pairs, size_t n, size_t pair_size, const char *key)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		char *have;

		memcpy(&have, (const char *)pairs + middle * pair_size, sizeof(have));
		if (strcmp(have, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct str_pair *str_pair_find(const struct str_map *map, const char *key)
{
	size_t i = lower_bound(map->v, map->n, sizeof(*map->v), key);

	return i < map->n && strcmp(map->v[i].key, key) == 0 ? &map->v[i] : NULL;
}

const char *str_map_find(const struct str_map *map, const char *key)
{
	const struct str_pair *pair = str_pair_find(map, key);

	return pair ? pair->value : NULL;
}

void str_map_put(struct str_map *map, const char *key, const char *value)
{
	struct str_pair *pair = str_pair_find(map, key);
	size_t i;

	map->set = true;
	if (pair) {
		replace_str(&pair->value, xstrdup(value));
		return;
	}
	i = lower_bound(map->v, map->n, sizeof(*map->v), key);
	(void)ARRAY_ADD(map->v, map->n);
	memmove(&map->v[i + 1], &map->v[i], (map->n - 1 - i) * sizeof(*map->v));
	map->v[i] = (struct str_pair){.key = xstrdup(key), .value = xstrdup(value)};
}

bool str_map_remove(struct str_map *map, const char *key)
{
	struct str_pair *pair = str_pair_find(map, key);
	size_t i;

	if (!pair)
		return false;
	free(pair->key);
	free(pair->value);
	i = (size_t)(pair - map->v);
	memmove(pair, pair + 1, (map->n - i - 1) * sizeof(*pair));
	map->n--;
	return true;
}

const struct int_pair *int_map_find(const struct int_map *map, const char *key)
{
	size_t i = lower_bound(map->v, map->n, sizeof(*map->v), key);

	return i < map->n && strcmp(map->v[i].key, key) == 0 ? &map->v[i] : NULL;
}

void int_map_put(struct int_map *map, const char *key, int64_t value)
{
	size_t i = lower_bound(map->v, map->n, sizeof(*map->v), key);

	map->set = true;
	if (i < map->n && strcmp(map->v[i].key, key) == 0) {
		map->v[i].value = value;
		return;
	}
	(void)ARRAY_ADD(map->v, map->n);
	memmove(&map->v[i + 1], &map->v[i], (map->n - 1 - i) * sizeof(*map->v));
	map->v[i] = (struct int_pair){.key = xstrdup(key), .value = value};
}

bool int_map_remove(struct int_map *map, const char *key)
{
	size_t i = lower_bound(map->v, map->n, sizeof(*map->v), key);

	if (i == map->n || strcmp(map->v[i].key, key) != 0)
		return false;
	free(map->v[i].key);
	memmove(&map->v[i], &map->v[i + 1], (map->n - i - 1) * sizeof(*map->v));
	map->n--;
	return true;
}

void str_list_add(struct str_list *list, const char *s)
{
	*ARRAY_ADD(list->v, list->n) = xstrdup(s);
	list->set = true;
}
