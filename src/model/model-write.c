/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Objects to JSON. The tree is in the table's order, and what a lenient reading kept is put back
 * where it was, as long as its parent is still there.
 */

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "model/model-field.h"

/* Text that is not UTF-8 can't be JSON: its foreign bytes become '?'. */
static json_t *text_json(const char *s)
{
	json_t *json = json_string(s);
	_cleanup_free_ char *plain = NULL;

	if (json)
		return json;
	plain = xstrdup(s);
	for (char *p = plain; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return json_string(plain);
}

static bool is_number(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && n < 19 && s[n] == '\0' && (n == 1 || s[0] != '0');
}

static json_t *number_json(const char *s)
{
	return json_integer(strtoll(s, NULL, 10));
}

/* jansson knows no unsigned 64 bits: beyond its range a number is written as text. */
static json_t *int_json(const struct field_desc *field, int64_t v)
{
	char text[24];

	if (v >= 0 || !(field->flags & FIELD_UNSIGNED))
		return json_integer(v);
	snprintf(text, sizeof(text), "%" PRIu64, (uint64_t)v);
	return json_string(text);
}

static json_t *real_json(double v)
{
	if (v >= -9e15 && v <= 9e15 && v >= (double)(int64_t)v && v <= (double)(int64_t)v)
		return json_integer((int64_t)v);
	return json_real(v);
}

static json_t *str_map_json(const struct str_map *map)
{
	json_t *json = json_object();

	for (size_t i = 0; i < map->n; i++)
		json_object_set_new(json, map->v[i].key, text_json(map->v[i].value));
	return json;
}

static json_t *int_map_json(const struct field_desc *field, const struct int_map *map)
{
	json_t *json = json_object();

	for (size_t i = 0; i < map->n; i++)
		json_object_set_new(json, map->v[i].key, int_json(field, map->v[i].value));
	return json;
}

static json_t *object_json(const struct field_desc *field, const void *at)
{
	json_t *json = json_object();

	struct_write_json(field->sub, field_object(field, at), json);
	return json;
}

static json_t *value_json(const struct field_desc *field, const void *at)
{
	const struct int_or_string *text = at;
	const char *s;

	switch (field->type) {
	case FIELD_STRING:
		s = *(char *const *)at;
		return field->check == CHECK_PROTOCOL && is_number(s) ? number_json(s)
								      : text_json(s);
	case FIELD_BOOL:
		return json_boolean(((const struct opt_bool *)at)->v);
	case FIELD_INT:
		return int_json(field, ((const struct opt_int *)at)->v);
	case FIELD_REAL:
		return real_json(((const struct opt_real *)at)->v);
	case FIELD_ENUM:
		return json_string(field->values[*(const unsigned int *)at - 1]);
	case FIELD_OBJECT:
		return object_json(field, at);
	case FIELD_STR_MAP:
		return str_map_json(at);
	case FIELD_INT_MAP:
		return int_map_json(field, at);
	case FIELD_INT_OR_STRING:
		return text->is_int && is_number(text->s) ? number_json(text->s)
							  : text_json(text->s);
	}
	return json_null();
}

static json_t *list_json(const struct field_desc *field, const struct any_list *list)
{
	struct field_desc item = field_item(field);
	json_t *json = json_array();

	for (size_t i = 0; i < list->n; i++) {
		const void *at = field_item_at(field, list, i);

		if (item.type == FIELD_INT && !(item.flags & FIELD_NULLABLE))
			json_array_append_new(json, int_json(field, *(const int64_t *)at));
		else if (item.type != FIELD_OBJECT && !field_is_set(&item, at))
			json_array_append_new(json, json_null());
		else
			json_array_append_new(json, value_json(&item, at));
	}
	return json;
}

json_t *field_write_json(const struct field_desc *field, const void *at)
{
	if (!field_is_set(field, at))
		return NULL;
	return field->flags & FIELD_LIST ? list_json(field, at) : value_json(field, at);
}

void struct_write_json(const struct struct_desc *desc, const void *base, json_t *out)
{
	for (size_t i = 0; i < desc->n_fields; i++) {
		const struct field_desc *field = &desc->fields[i];
		json_t *value = field_write_json(field, field_at(base, field));

		if (value)
			json_object_set_new(out, field->name, value);
	}
}

/*
 * Puts one kept value back. Its place is a list of the keys and indexes that lead there; the way
 * is walked, never made.
 */
static void put_back(json_t *root, const json_t *place, json_t *value)
{
	size_t n = json_array_size(place);
	json_t *parent = root;

	for (size_t i = 0; i + 1 < n && parent; i++) {
		const json_t *step = json_array_get(place, i);

		parent = json_is_string(step)
				 ? json_object_get(parent, json_string_value(step))
				 : json_array_get(parent, (size_t)json_integer_value(step));
	}
	if (json_is_object(parent))
		json_object_set(parent, json_string_value(json_array_get(place, n - 1)), value);
}

json_t *model_to_json(const struct object *object)
{
	json_t *root = json_object(), *meta = json_object(), *kept;
	const char *name;

	json_object_set_new(root, "kind", json_string(kind_api_kind(object->desc)));
	json_object_set_new(root, "apiVersion", json_string(kind_api_version(object->desc)));
	struct_write_json(&model_meta_desc, object, meta);
	json_object_set_new(root, "metadata", meta);
	struct_write_json(object->desc->root, object, root);
	json_object_foreach(object->unknown, name, kept)
		put_back(root, json_array_get(kept, 0), json_array_get(kept, 1));
	return root;
}

static int add_to_buf(const char *data, size_t size, void *buf)
{
	buf_add(buf, data, size);
	return 0;
}

static void dump(const struct object *object, size_t flags, struct buf *out)
{
	json_t *json = model_to_json(object);
	int r = json_dump_callback(json, add_to_buf, out, flags);

	assert(r == 0);
	json_decref(json);
}

void model_write_json(const struct object *object, struct buf *out)
{
	dump(object, JSON_COMPACT, out);
}

void model_write_json_pretty(const struct object *object, struct buf *out)
{
	dump(object, JSON_INDENT(2), out);
}
