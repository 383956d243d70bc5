/* SPDX-License-Identifier: Apache-2.0 */

/* The life of an object: made, copied, compared, defaulted, freed, all by its kind's table. */

#include <stdlib.h>

#include "base/alloc.h"
#include "model/model-field.h"

struct object *model_new(enum kind kind, const char *namespace, const char *name)
{
	const struct kind_desc *desc = kind_get(kind);
	struct object *object = xcalloc(1, desc->size);

	object->desc = desc;
	object->meta.name = xstrdup(name);
	object->meta.namespace = xstrdup(namespace);
	return object;
}

struct object *model_free(struct object *object)
{
	if (!object)
		return NULL;
	struct_clear(&model_meta_desc, object);
	struct_clear(object->desc->root, object);
	json_decref(object->unknown);
	free(object);
	return NULL;
}

struct object *model_copy(const struct object *object)
{
	struct object *copy = xcalloc(1, object->desc->size);

	copy->desc = object->desc;
	struct_copy(&model_meta_desc, copy, object);
	struct_copy(object->desc->root, copy, object);
	/* Never changed once read, so it is shared. */
	copy->unknown = json_incref(object->unknown);
	return copy;
}

static bool meta_equal(const struct object *a, const struct object *b)
{
	struct object left = {.meta = a->meta}, right = {.meta = b->meta};

	left.meta.resource_version = NULL;
	right.meta.resource_version = NULL;
	return struct_equal(&model_meta_desc, &left, &right);
}

bool model_equal(const struct object *a, const struct object *b)
{
	return a->desc == b->desc && meta_equal(a, b) && struct_equal(a->desc->root, a, b) &&
	       (a->unknown == b->unknown ||
		(a->unknown && b->unknown && json_equal(a->unknown, b->unknown)));
}

static void field_default(const struct field_desc *field, void *at)
{
	struct any_list *list = at;
	struct model_reader reader = {.mode = MODEL_STRICT, .where = "default"};
	json_t *value;
	int r;

	if (field->def && !field_is_set(field, at)) {
		value = json_loads(field->def, JSON_DECODE_ANY, NULL);
		assert(value);
		r = reader_field(&reader, NULL, field, value, at);
		assert(r == 0);
		json_decref(value);
	}
	if (field->type != FIELD_OBJECT)
		return;
	if (!(field->flags & FIELD_LIST)) {
		if (field_object(field, at))
			struct_default(field->sub, field_object(field, at));
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		struct_default(field->sub, field_item_at(field, list, i));
}

void struct_default(const struct struct_desc *desc, void *base)
{
	for (size_t i = 0; i < desc->n_fields; i++)
		field_default(&desc->fields[i], field_at(base, &desc->fields[i]));
}

void model_default(struct object *object)
{
	const char *name = object->meta.name;

	if (object->desc->layered && (!name || strcmp(name, "default") != 0))
		return;
	struct_default(object->desc->root, object);
	if (object->desc->fill)
		object->desc->fill(object);
}
