/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The generic walkers over fields: clear, copy, compare. They know the types of fields, not a
 * single kind. A list's item is walked as a field of its own (field_item()), so that each type is
 * written down once.
 */

#include "model/model-field.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static const struct field_desc meta_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .flags = FIELD_IMMUTABLE,
	 .check = CHECK_NAME,
	 .offset = offsetof(struct object, meta.name),
	 .doc = "The object's name, unique among its kind (and namespace)."},
	{.name = "namespace",
	 .type = FIELD_STRING,
	 .flags = FIELD_IMMUTABLE,
	 .check = CHECK_LABEL_NAME,
	 .offset = offsetof(struct object, meta.namespace),
	 .doc = "The namespace, of namespaced kinds alone."},
	{.name = "uid",
	 .type = FIELD_STRING,
	 .flags = FIELD_READ_ONLY,
	 .offset = offsetof(struct object, meta.uid),
	 .doc = "Identity of this object: a new one of the same name gets another."},
	{.name = "resourceVersion",
	 .type = FIELD_STRING,
	 .flags = FIELD_READ_ONLY,
	 .offset = offsetof(struct object, meta.resource_version),
	 .doc = "Revision of the datastore at which the object last changed."},
	{.name = "creationTimestamp",
	 .type = FIELD_STRING,
	 .flags = FIELD_READ_ONLY,
	 .check = CHECK_TIME,
	 .offset = offsetof(struct object, meta.creation_timestamp),
	 .doc = "When the object was created."},
	{.name = "generateName",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct object, meta.generate_name),
	 .doc = "Prefix from which the name was made."},
	{.name = "labels",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct object, meta.labels),
	 .doc = "Labels, which selectors match."},
	{.name = "annotations",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct object, meta.annotations),
	 .doc = "Free notes, which nothing selects by."},
};
const struct struct_desc model_meta_desc = STRUCT_DESC(object, meta_fields);

struct field_desc field_item(const struct field_desc *field)
{
	struct field_desc item = *field;

	item.flags &= ~(unsigned int)FIELD_LIST;
	item.offset = 0;
	if (item.type == FIELD_OBJECT)
		item.flags |= FIELD_EMBEDDED;
	return item;
}

size_t field_item_size(const struct field_desc *field)
{
	switch (field->type) {
	case FIELD_STRING:
		return sizeof(char *);
	case FIELD_INT:
		return field->flags & FIELD_NULLABLE ? sizeof(struct opt_int) : sizeof(int64_t);
	case FIELD_OBJECT:
		return field->sub->size;
	case FIELD_INT_OR_STRING:
		return sizeof(struct int_or_string);
	case FIELD_ENUM:
		return sizeof(unsigned int);
	case FIELD_BOOL:
	case FIELD_REAL:
	case FIELD_STR_MAP:
	case FIELD_INT_MAP:
		break;
	}
	/* No kind has a list of these. */
	abort();
}

void field_list_alloc(const struct field_desc *field, struct any_list *list, size_t n)
{
	size_t capacity = 1;

	list->set = true;
	if (n == 0)
		return;
	while (capacity < n)
		capacity *= 2;
	list->v = xcalloc(capacity, field_item_size(field));
}

const struct field_desc *struct_find_field(const struct struct_desc *desc, const char *name)
{
	for (size_t i = 0; i < desc->n_fields; i++) {
		const struct field_desc *field = &desc->fields[i];

		if (strcmp(field->name, name) == 0 ||
		    (field->alias && strcmp(field->alias, name) == 0))
			return field;
	}
	return NULL;
}

bool field_is_set(const struct field_desc *field, const void *at)
{
	if (field->flags & FIELD_LIST)
		return ((const struct any_list *)at)->set;
	switch (field->type) {
	case FIELD_STRING:
		return *(char *const *)at;
	case FIELD_BOOL:
		return ((const struct opt_bool *)at)->set;
	case FIELD_INT:
		return ((const struct opt_int *)at)->set;
	case FIELD_REAL:
		return ((const struct opt_real *)at)->set;
	case FIELD_ENUM:
		return *(const unsigned int *)at != 0;
	case FIELD_OBJECT:
		return field_object(field, at);
	case FIELD_STR_MAP:
	case FIELD_INT_MAP:
		return ((const struct any_list *)at)->set;
	case FIELD_INT_OR_STRING:
		return ((const struct int_or_string *)at)->s;
	}
	return false;
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

static void int_map_clear(struct int_map *map)
{
	for (size_t i = 0; i < map->n; i++)
		free(map->v[i].key);
	free(map->v);
	*map = (struct int_map){.v = NULL};
}

static void object_clear(const struct field_desc *field, void *at)
{
	void *object = field_object(field, at);

	if (!object)
		return;
	struct_clear(field->sub, object);
	if (field->flags & FIELD_EMBEDDED)
		return;
	free(object);
	field_object_set(at, NULL);
}

static void list_clear(const struct field_desc *field, struct any_list *list)
{
	struct field_desc item = field_item(field);

	/* Plain integers own nothing, and are not laid out as an optional one. */
	if (item.type != FIELD_INT)
		for (size_t i = 0; i < list->n; i++)
			field_clear(&item, field_item_at(field, list, i));
	free(list->v);
	*list = (struct any_list){.v = NULL};
}

void field_clear(const struct field_desc *field, void *at)
{
	if (field->flags & FIELD_LIST) {
		list_clear(field, at);
		return;
	}
	switch (field->type) {
	case FIELD_STRING:
		replace_str(at, NULL);
		break;
	case FIELD_BOOL:
		*(struct opt_bool *)at = (struct opt_bool){.set = false};
		break;
	case FIELD_INT:
		*(struct opt_int *)at = (struct opt_int){.set = false};
		break;
	case FIELD_REAL:
		*(struct opt_real *)at = (struct opt_real){.set = false};
		break;
	case FIELD_ENUM:
		*(unsigned int *)at = 0;
		break;
	case FIELD_OBJECT:
		object_clear(field, at);
		break;
	case FIELD_STR_MAP:
		str_map_clear(at);
		break;
	case FIELD_INT_MAP:
		int_map_clear(at);
		break;
	case FIELD_INT_OR_STRING:
		replace_str(&((struct int_or_string *)at)->s, NULL);
		break;
	}
}

void struct_clear(const struct struct_desc *desc, void *base)
{
	for (size_t i = 0; i < desc->n_fields; i++)
		field_clear(&desc->fields[i], field_at(base, &desc->fields[i]));
}

static void str_map_copy(struct str_map *dst, const struct str_map *src)
{
	dst->set = src->set;
	for (size_t i = 0; i < src->n; i++)
		*ARRAY_ADD(dst->v, dst->n) = (struct str_pair){.key = xstrdup(src->v[i].key),
							       .value = xstrdup(src->v[i].value)};
}

static void int_map_copy(struct int_map *dst, const struct int_map *src)
{
	dst->set = src->set;
	for (size_t i = 0; i < src->n; i++)
		*ARRAY_ADD(dst->v, dst->n) =
			(struct int_pair){.key = xstrdup(src->v[i].key), .value = src->v[i].value};
}

static void object_copy(const struct field_desc *field, void *dst, const void *src)
{
	void *from = field_object(field, src), *to = dst;

	if (!from)
		return;
	if (!(field->flags & FIELD_EMBEDDED)) {
		to = xcalloc(1, field->sub->size);
		field_object_set(dst, to);
	}
	struct_copy(field->sub, to, from);
}

static void value_copy(const struct field_desc *field, void *dst, const void *src)
{
	switch (field->type) {
	case FIELD_STRING:
		*(char **)dst = xstrdup(*(char *const *)src);
		break;
	case FIELD_BOOL:
		*(struct opt_bool *)dst = *(const struct opt_bool *)src;
		break;
	case FIELD_INT:
		*(struct opt_int *)dst = *(const struct opt_int *)src;
		break;
	case FIELD_REAL:
		*(struct opt_real *)dst = *(const struct opt_real *)src;
		break;
	case FIELD_ENUM:
		*(unsigned int *)dst = *(const unsigned int *)src;
		break;
	case FIELD_OBJECT:
		object_copy(field, dst, src);
		break;
	case FIELD_STR_MAP:
		str_map_copy(dst, src);
		break;
	case FIELD_INT_MAP:
		int_map_copy(dst, src);
		break;
	case FIELD_INT_OR_STRING:
		((struct int_or_string *)dst)->s = xstrdup(((const struct int_or_string *)src)->s);
		((struct int_or_string *)dst)->is_int = ((const struct int_or_string *)src)->is_int;
		break;
	}
}

static void list_copy(const struct field_desc *field, struct any_list *dst,
		      const struct any_list *src)
{
	struct field_desc item = field_item(field);

	if (!src->set)
		return;
	field_list_alloc(field, dst, src->n);
	dst->n = src->n;
	if (src->n == 0)
		return;
	if (item.type == FIELD_INT) {
		memcpy(dst->v, src->v, src->n * field_item_size(field));
		return;
	}
	for (size_t i = 0; i < src->n; i++)
		value_copy(&item, field_item_at(field, dst, i), field_item_at(field, src, i));
}

void struct_copy(const struct struct_desc *desc, void *dst, const void *src)
{
	for (size_t i = 0; i < desc->n_fields; i++) {
		const struct field_desc *field = &desc->fields[i];

		if (field->flags & FIELD_LIST)
			list_copy(field, field_at(dst, field), field_at(src, field));
		else
			value_copy(field, field_at(dst, field), field_at(src, field));
	}
}

static bool str_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool str_map_equal(const struct str_map *a, const struct str_map *b)
{
	if (a->set != b->set || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_equal(a->v[i].key, b->v[i].key) ||
		    !str_equal(a->v[i].value, b->v[i].value))
			return false;
	return true;
}

static bool int_map_equal(const struct int_map *a, const struct int_map *b)
{
	if (a->set != b->set || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_equal(a->v[i].key, b->v[i].key) || a->v[i].value != b->v[i].value)
			return false;
	return true;
}

static bool object_equal(const struct field_desc *field, const void *at_a, const void *at_b)
{
	const void *a = field_object(field, at_a), *b = field_object(field, at_b);

	return a && b ? struct_equal(field->sub, a, b) : a == b;
}

static bool opt_int_equal(const struct opt_int *a, const struct opt_int *b)
{
	return a->set == b->set && (!a->set || a->v == b->v);
}

static bool opt_real_equal(const struct opt_real *a, const struct opt_real *b)
{
	return a->set == b->set && (!a->set || (a->v >= b->v && a->v <= b->v));
}

static bool value_equal(const struct field_desc *field, const void *a, const void *b)
{
	const struct int_or_string *text_a = a, *text_b = b;
	const struct opt_bool *bool_a = a, *bool_b = b;

	switch (field->type) {
	case FIELD_STRING:
		return str_equal(*(char *const *)a, *(char *const *)b);
	case FIELD_BOOL:
		return bool_a->set == bool_b->set && (!bool_a->set || bool_a->v == bool_b->v);
	case FIELD_INT:
		return opt_int_equal(a, b);
	case FIELD_REAL:
		return opt_real_equal(a, b);
	case FIELD_ENUM:
		return *(const unsigned int *)a == *(const unsigned int *)b;
	case FIELD_OBJECT:
		return object_equal(field, a, b);
	case FIELD_STR_MAP:
		return str_map_equal(a, b);
	case FIELD_INT_MAP:
		return int_map_equal(a, b);
	case FIELD_INT_OR_STRING:
		return str_equal(text_a->s, text_b->s) &&
		       (!text_a->s || text_a->is_int == text_b->is_int);
	}
	return false;
}

static bool list_equal(const struct field_desc *field, const struct any_list *a,
		       const struct any_list *b)
{
	struct field_desc item = field_item(field);

	if (a->set != b->set || a->n != b->n)
		return false;
	if (item.type == FIELD_INT && !(item.flags & FIELD_NULLABLE))
		return a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(int64_t)) == 0;
	for (size_t i = 0; i < a->n; i++)
		if (!value_equal(&item, field_item_at(field, a, i), field_item_at(field, b, i)))
			return false;
	return true;
}

bool struct_equal(const struct struct_desc *desc, const void *a, const void *b)
{
	for (size_t i = 0; i < desc->n_fields; i++) {
		const struct field_desc *field = &desc->fields[i];
		const void *at_a = field_at(a, field), *at_b = field_at(b, field);

		if (field->flags & FIELD_LIST ? !list_equal(field, at_a, at_b)
					      : !value_equal(field, at_a, at_b))
			return false;
	}
	return true;
}
