/* SPDX-License-Identifier: Apache-2.0 */

/* Changing some fields of one object. Another writer in between: read again, patch again. */

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

static int patch_read(const struct ctl *ctl, json_t **ret, struct err *err)
{
	const char *text = ctl->args.values[FLAG_PATCH];
	json_error_t error;

	if (!ctl->args.set[FLAG_PATCH])
		return err_set(err, -EINVAL, "koratctl patch needs -p PATCH");
	*ret = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!*ret)
		return err_set(err, -EINVAL, "the patch is not JSON: column %d: %s", error.column,
			       error.text);
	return 0;
}

static int patch_json(const char *type, const json_t *target, const json_t *patch, json_t **ret,
		      struct err *err)
{
	if (strcmp(type, "json") == 0)
		return ctl_json_patch(target, patch, ret, err);
	if (strcmp(type, "merge") != 0 && strcmp(type, "strategic") != 0)
		return err_set(err, -EINVAL,
			       "no such type of patch \"%.40s\"; expected strategic, merge or json",
			       type);
	if (!json_is_object(patch))
		return err_set(err, -EINVAL, "a patch of type %s is a JSON object", type);
	*ret = ctl_json_merge(target, patch);
	return 0;
}

static int patch_object(const struct ctl *ctl, const struct object *old, void *arg,
			struct object **ret, struct err *err)
{
	const json_t *patch = arg;
	const char *type =
		ctl->args.set[FLAG_PATCH_TYPE] ? ctl->args.values[FLAG_PATCH_TYPE] : "strategic";
	_cleanup_(model_freep) struct object *object = NULL;
	json_t *target = model_to_json(old);
	json_t *patched = NULL;
	int r;

	r = patch_json(type, target, patch, &patched, err);
	if (r == 0)
		r = model_from_json(patched, MODEL_STRICT, "patched object", &object, err);
	json_decref(target);
	json_decref(patched);
	if (r < 0)
		return r;
	if (object->desc != old->desc || strcmp(ctl_key(object).s, ctl_key(old).s) != 0)
		return err_set(err, -EINVAL, "a patch can't change kind, name or namespace");
	*ret = TAKE_PTR(object);
	return 0;
}

int ctl_run_patch(struct ctl *ctl, struct err *err)
{
	_cleanup_(ctl_items_deinitp) struct ctl_items keys = {.v = NULL};
	const struct object *key;
	json_t *patch = NULL;
	int r;

	r = ctl_operand_items(ctl, &keys, err);
	if (r == 0)
		r = patch_read(ctl, &patch, err);
	if (r < 0)
		return r;
	key = keys.v[0].object;
	r = ctl_change_object(ctl, key, patch_object, patch, err);
	json_decref(patch);
	if (r < 0)
		return err_prefix(err, r, "Failed to patch '%s' resource", key->desc->name);
	printf("Successfully patched 1 '%s' resource\n", key->desc->name);
	return 0;
}
