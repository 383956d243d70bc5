/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table's own checks of one object (required, allowed values, ranges, lengths, forms), then the
 * kind's rules across fields, and the rules of a change. Every message begins with Kind/name and
 * the path of the field. A status is reported, not asked for, and is not checked.
 */

#include <errno.h>
#include <inttypes.h>

#include "base/alloc.h"
#include "model/model-check.h"
#include "model/model-field.h"

/* Puts "path: " before the message. */
static int at_path(struct err *err, const struct path_step *path, int r)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	path_format(path, &text);
	return err_prefix(err, r, "%s", buf_str(&text));
}

static int check_values(const struct field_desc *field, const char *s, struct err *err)
{
	_cleanup_buf_ struct buf words = BUF_INIT;

	for (size_t i = 0; field->values[i]; i++) {
		if (strcmp(s, field->values[i]) == 0)
			return 0;
		if (i > 0)
			buf_adds(&words, field->values[i + 1] ? ", " : " or ");
		buf_adds(&words, field->values[i]);
	}
	return err_set(err, -EINVAL, "expected %s, found \"%s\"", buf_str(&words), s);
}

static int check_text(const struct field_desc *field, const char *s, struct err *err)
{
	/* Go leaves out what is empty: an optional text may be. */
	if (!*s && !(field->flags & (FIELD_REQUIRED | FIELD_LIST)))
		return 0;
	if (field->values)
		return check_values(field, s, err);
	return field->check == CHECK_NONE ? 0 : model_check(field->check, s, err);
}

static int check_range(const struct field_desc *field, int64_t v, struct err *err)
{
	if (field->max <= field->min || (v >= field->min && v <= field->max))
		return 0;
	return err_set(err, -EINVAL, "expected %" PRId64 " to %" PRId64 ", found %" PRId64,
		       field->min, field->max, v);
}

/* One value that is there. Messages have no path yet, except from inside an object. */
static int check_value(const struct path_step *path, const struct field_desc *field, const void *at,
		       struct err *err)
{
	const struct int_or_string *text = at;
	int r = 0;

	switch (field->type) {
	case FIELD_STRING:
		r = check_text(field, *(char *const *)at, err);
		break;
	case FIELD_INT:
		r = check_range(field, ((const struct opt_int *)at)->v, err);
		break;
	case FIELD_INT_OR_STRING:
		r = field->check == CHECK_NONE ? 0 : model_check(field->check, text->s, err);
		break;
	case FIELD_OBJECT:
		return struct_validate(path, field->sub, field_object(field, at), err);
	case FIELD_BOOL:
	case FIELD_REAL:
	case FIELD_ENUM:
	case FIELD_STR_MAP:
	case FIELD_INT_MAP:
		break;
	}
	return r < 0 ? at_path(err, path, r) : 0;
}

static int check_list(const struct path_step *path, const struct field_desc *field,
		      const struct any_list *list, struct err *err)
{
	struct field_desc item = field_item(field);

	if (field->max > 0 && list->n > (size_t)field->max)
		return at_path(err, path,
			       err_set(err, -EINVAL, "may have %" PRId64 " items, has %zu",
				       field->max, list->n));
	if (item.type == FIELD_INT)
		return 0;
	/* Of a list min and max count the items. */
	item.min = item.max = 0;
	item.flags |= FIELD_REQUIRED;
	for (size_t i = 0; i < list->n; i++) {
		struct path_step step = {.up = path, .index = i};
		int r = check_value(&step, &item, field_item_at(field, list, i), err);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_missing(const struct field_desc *field, const void *at)
{
	if (!(field->flags & FIELD_REQUIRED))
		return false;
	if (!field_is_set(field, at))
		return true;
	if (field->flags & FIELD_LIST)
		return ((const struct any_list *)at)->n == 0;
	return field->type == FIELD_STRING && !**(char *const *)at;
}

int struct_validate(const struct path_step *path, const struct struct_desc *desc, const void *base,
		    struct err *err)
{
	for (size_t i = 0; i < desc->n_fields; i++) {
		const struct field_desc *field = &desc->fields[i];
		struct path_step step = {.up = path, .key = field->name};
		const void *at = field_at(base, field);
		int r = 0;

		if (is_missing(field, at))
			return at_path(err, &step,
				       err_set(err, -EINVAL, "is missing, and must be given"));
		if (!field_is_set(field, at) || field->flags & FIELD_READ_ONLY)
			continue;
		r = field->flags & FIELD_LIST ? check_list(&step, field, at, err)
					      : check_value(&step, field, at, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_meta(const struct object *object, struct err *err)
{
	const struct path_step meta = {.key = "metadata"};
	const struct meta *m = &object->meta;

	if (!m->name || !*m->name)
		return err_set(err, -EINVAL, "metadata.name: is missing, and must be given");
	if (object->desc->namespaced && (!m->namespace || !*m->namespace))
		return err_set(err, -EINVAL, "metadata.namespace: is missing, and must be given");
	if (!object->desc->namespaced && m->namespace && *m->namespace)
		return err_set(err, -EINVAL,
			       "metadata.namespace: must be absent, %s has no namespace",
			       object->desc->name);
	for (size_t i = 0; i < m->labels.n; i++) {
		int r = model_check(CHECK_LABEL_KEY, m->labels.v[i].key, err);

		if (r < 0)
			return err_prefix(err, r, "metadata.labels");
	}
	return struct_validate(&meta, &model_meta_desc, object, err);
}

static int prefix_object(const struct object *object, struct err *err, int r)
{
	if (object->meta.namespace)
		return err_prefix(err, r, "%s/%s/%s", object->desc->name, object->meta.namespace,
				  object->meta.name ? object->meta.name : "");
	return err_prefix(err, r, "%s/%s", object->desc->name,
			  object->meta.name ? object->meta.name : "");
}

int model_validate(const struct object *object, struct err *err)
{
	int r = check_meta(object, err);

	if (r == 0)
		r = struct_validate(NULL, object->desc->root, object, err);
	if (r == 0 && object->desc->validate)
		r = object->desc->validate(object, err);
	return r < 0 ? prefix_object(object, err, r) : 0;
}

/* An immutable field may be filled in once, from absent to what it was by default anyway. */
static int check_unchanged(const struct path_step *path, const struct field_desc *field,
			   const void *old, const void *new, struct err *err)
{
	struct field_desc alone = *field;
	struct struct_desc desc = {.fields = &alone, .n_fields = 1};

	if (field->flags & FIELD_IMMUTABLE) {
		alone.offset = 0;
		if (field_is_set(field, old) && !struct_equal(&desc, old, new))
			return at_path(err, path,
				       err_set(err, -EINVAL,
					       "can't be changed; delete the object and create it "
					       "anew"));
		return 0;
	}
	if (field->type != FIELD_OBJECT || field->flags & FIELD_LIST || !field_object(field, old) ||
	    !field_object(field, new))
		return 0;
	return struct_validate_update(path, field->sub, field_object(field, old),
				      field_object(field, new), err);
}

int struct_validate_update(const struct path_step *path, const struct struct_desc *desc,
			   const void *old, const void *new, struct err *err)
{
	for (size_t i = 0; i < desc->n_fields; i++) {
		const struct field_desc *field = &desc->fields[i];
		struct path_step step = {.up = path, .key = field->name};
		int r = check_unchanged(&step, field, field_at(old, field), field_at(new, field),
					err);

		if (r < 0)
			return r;
	}
	return 0;
}

int model_validate_update(const struct object *old, const struct object *object, struct err *err)
{
	const struct path_step meta = {.key = "metadata"};
	int r;

	assert(old->desc == object->desc);
	r = struct_validate_update(&meta, &model_meta_desc, old, object, err);
	if (r == 0)
		r = struct_validate_update(NULL, object->desc->root, old, object, err);
	if (r == 0 && object->desc->validate_update)
		r = object->desc->validate_update(old, object, err);
	return r < 0 ? prefix_object(object, err, r) : 0;
}
