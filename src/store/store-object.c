/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Between stored text and model objects. The key an object is stored under is the truth: a text
 * that says otherwise was not written by us and is refused, so nobody acts on a wrong name.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/model-desc.h"
#include "store/store.h"

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static int key_matches(const struct store_object *stored, const struct object *object,
		       const char *where, struct err *err)
{
	if (object->desc->kind != stored->kind)
		return err_set(err, -EBADMSG, "%s: its text is of kind %s", where,
			       object->desc->name);
	if (strcmp(or_empty(object->meta.name), stored->name) != 0)
		return err_set(err, -EBADMSG, "%s: its text has the name \"%.64s\"", where,
			       or_empty(object->meta.name));
	if (strcmp(or_empty(object->meta.namespace), or_empty(stored->namespace)) != 0)
		return err_set(err, -EBADMSG, "%s: its text has the namespace \"%.64s\"", where,
			       or_empty(object->meta.namespace));
	return 0;
}

int store_object_read(const struct store_object *stored, struct object **ret, struct err *err)
{
	_cleanup_(model_freep) struct object *object = NULL;
	_cleanup_free_ char *where = NULL;
	int r;

	assert(stored->value);
	where = xasprintf("datastore: %s/%s%s%s", kind_get(stored->kind)->plural,
			  or_empty(stored->namespace), stored->namespace ? "/" : "", stored->name);
	r = model_read_json(stored->value, stored->size, MODEL_LENIENT, where, &object, err);
	if (r < 0)
		return r;
	r = key_matches(stored, object, where, err);
	if (r < 0)
		return r;
	replace_str(&object->meta.resource_version, xasprintf("%" PRIu64, stored->revision));
	*ret = TAKE_PTR(object);
	return 0;
}

char *store_object_text(const struct object *object, size_t *ret_size)
{
	_cleanup_(model_freep) struct object *copy = model_copy(object);
	_cleanup_buf_ struct buf text = BUF_INIT;

	replace_str(&copy->meta.resource_version, NULL);
	model_write_json(copy, &text);
	*ret_size = text.size;
	return buf_take(&text);
}
