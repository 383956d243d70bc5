/* SPDX-License-Identifier: Apache-2.0 */

/* One object of the datastore, read and replaced: what patch and label have in common. */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

#define CONFLICT_RETRIES 5

int ctl_get_object(struct ctl *ctl, const struct object *key, struct object **ret,
		   uint64_t *ret_revision, struct err *err)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {.name = NULL};
	int r;

	r = store_get(ctl->store, key->desc->kind, key->meta.namespace, key->meta.name, &stored,
		      err);
	if (r == STORE_E_NOT_FOUND)
		return err_set(err, STORE_E_NOT_FOUND, "resource does not exist: %s",
			       ctl_key(key).s);
	if (r != 0)
		return r;
	*ret_revision = stored.revision;
	return store_object_read(&stored, ret, err);
}

int ctl_replace_object(struct ctl *ctl, const struct object *old, uint64_t revision,
		       struct object *object, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct store_op op = {
		.type = STORE_UPDATE,
		.kind = old->desc->kind,
		.namespace = old->meta.namespace,
		.name = old->meta.name,
		.revision = revision,
	};
	int r;

	replace_str(&object->meta.uid, xstrdup(old->meta.uid));
	replace_str(&object->meta.creation_timestamp, xstrdup(old->meta.creation_timestamp));
	r = model_validate(object, err);
	if (r == 0)
		r = model_validate_update(old, object, err);
	if (r < 0)
		return r;
	text = store_object_text(object, &op.size);
	op.value = text;
	return store_commit(ctl->store, &op, 1, NULL, NULL, err);
}

int ctl_change_object(struct ctl *ctl, const struct object *key,
		      int (*change)(const struct ctl *ctl, const struct object *old, void *arg,
				    struct object **ret, struct err *err),
		      void *arg, struct err *err)
{
	for (int tries = 0; tries <= CONFLICT_RETRIES; tries++) {
		_cleanup_(model_freep) struct object *old = NULL;
		_cleanup_(model_freep) struct object *object = NULL;
		uint64_t revision = 0;
		int r;

		r = ctl_get_object(ctl, key, &old, &revision, err);
		if (r == STORE_E_NOT_FOUND)
			return -ENOENT;
		if (r == 0)
			r = change(ctl, old, arg, &object, err);
		if (r == 0)
			r = ctl_replace_object(ctl, old, revision, object, err);
		if (r <= 0)
			return r;
	}
	return err_set(err, -EAGAIN, "update conflict: %s; try again", ctl_key(key).s);
}
