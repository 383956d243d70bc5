/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inside of the model module: how the walkers reach a field through its description, and the path
 * they carry along for messages. Nobody else includes this.
 */

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "model/model-desc.h"

/* Any X_list, str_map or int_map: all are laid out alike. */
struct any_list {
	void *v;
	size_t n;
	bool set;
} __attribute__((may_alias));

/* Where a walker is, as a chain up the stack. The root is NULL. */
struct path_step {
	const struct path_step *up;
	const char *key; /* NULL: 'index' */
	size_t index;
};

/* metadata, as fields of 'struct object'. */
extern const struct struct_desc model_meta_desc;

static inline void *field_at(const void *base, const struct field_desc *field)
{
	return (char *)(uintptr_t)base + field->offset;
}

static inline struct any_list *field_list(void *at)
{
	return at;
}

/* The object of a FIELD_OBJECT at 'at'; NULL: absent. */
static inline void *field_object(const struct field_desc *field, const void *at)
{
	void *ptr;

	if (field->flags & FIELD_EMBEDDED)
		return (void *)(uintptr_t)at;
	memcpy(&ptr, at, sizeof(ptr));
	return ptr;
}

static inline void field_object_set(void *at, void *object)
{
	assert(at);
	memcpy(at, &object, sizeof(object));
}

/*
 * A list's items as fields of their own: the same field, of the item's type, embedded if it is an
 * object. Nullable integers are FIELD_NULLABLE without FIELD_LIST, which is a struct opt_int.
 */
struct field_desc field_item(const struct field_desc *field);
size_t field_item_size(const struct field_desc *field);
static inline void *field_item_at(const struct field_desc *field, const void *list, size_t i)
{
	return (char *)((const struct any_list *)list)->v + i * field_item_size(field);
}

/* Makes room for 'n' items at once, so that ARRAY_ADD() may go on from there. */
void field_list_alloc(const struct field_desc *field, struct any_list *list, size_t n);

/* By name or older spelling; NULL: no such field. */
const struct field_desc *struct_find_field(const struct struct_desc *desc, const char *name);
/* Frees all that the fields hold, and zeroes them. */
void struct_clear(const struct struct_desc *desc, void *base);
void field_clear(const struct field_desc *field, void *at);
/* Copies into zeroed memory. */
void struct_copy(const struct struct_desc *desc, void *dst, const void *src);
bool struct_equal(const struct struct_desc *desc, const void *a, const void *b);
/* Fills in what the table has a default for. */
void struct_default(const struct struct_desc *desc, void *base);
/* What the table alone can tell; messages begin with the field's path. */
MUST_CHECK int struct_validate(const struct path_step *path, const struct struct_desc *desc,
			       const void *base, struct err *err);
MUST_CHECK int struct_validate_update(const struct path_step *path, const struct struct_desc *desc,
				      const void *old, const void *new, struct err *err);
/* Is the field there at all? */
bool field_is_set(const struct field_desc *field, const void *at);

/* "spec.ipam.blocks[3].cidr" */
void path_format(const struct path_step *path, struct buf *out);

/* A kind's plain fields: writes each that is set, in the table's order. */
void struct_write_json(const struct struct_desc *desc, const void *base, json_t *out);
/* NULL: absent. */
json_t *field_write_json(const struct field_desc *field, const void *at);

/* Reading. 'lines' has the shape of the document: see model-yaml.c; NULL: no line numbers. */
struct model_reader {
	enum model_mode mode;
	const char *where;
	const json_t *lines;
	json_t *unknown;
	struct err *err;
};
MUST_CHECK int reader_fail(struct model_reader *reader, const struct path_step *path,
			   const char *format, ...) PRINTF_LIKE(3, 4);
/* The line of the place 'path', or of the nearest one around it that the text has; 0: unknown. */
int reader_line(const struct model_reader *reader, const struct path_step *path);
MUST_CHECK int reader_object(struct model_reader *reader, const json_t *json, struct object **ret);
MUST_CHECK int reader_field(struct model_reader *reader, const struct path_step *path,
			    const struct field_desc *field, const json_t *json, void *at);
MUST_CHECK int reader_struct(struct model_reader *reader, const struct path_step *path,
			     const struct struct_desc *desc, const json_t *json, void *base);
