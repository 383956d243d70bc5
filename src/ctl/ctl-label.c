/* SPDX-License-Identifier: Apache-2.0 */

/* One label of one object. */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

#define CONFLICT_RETRIES 5

struct label {
	char *key;
	const char *value; /* NULL: remove it */
};

static int label_change(const struct ctl *ctl, const struct label *label, struct object *object,
			const char **ret_done, struct err *err)
{
	const char *old = str_map_find(&object->meta.labels, label->key);

	if (!label->value) {
		if (!old)
			return err_set(err, -ENOENT, "%s has no label %s", ctl_key(object).s,
				       label->key);
		(void)str_map_remove(&object->meta.labels, label->key);
		*ret_done = "removed";
		return 0;
	}
	if (old && strcmp(old, label->value) != 0 && !ctl->args.set[FLAG_OVERWRITE])
		return err_set(err, -EEXIST,
			       "%s has the label %s=%s already; --overwrite changes it",
			       ctl_key(object).s, label->key, old);
	str_map_put(&object->meta.labels, label->key, label->value);
	*ret_done = old ? "updated" : "set";
	return 0;
}

static int label_once(struct ctl *ctl, const struct object *key, const struct label *label,
		      const char **ret_done, struct err *err)
{
	_cleanup_(model_freep) struct object *old = NULL;
	_cleanup_(model_freep) struct object *object = NULL;
	uint64_t revision;
	int r;

	r = ctl_get_object(ctl, key, &old, &revision, err);
	if (r == STORE_E_NOT_FOUND)
		return -ENOENT;
	if (r < 0)
		return r;
	object = model_copy(old);
	r = label_change(ctl, label, object, ret_done, err);
	return r < 0 ? r : ctl_replace_object(ctl, old, revision, object, err);
}

int ctl_run_label(struct ctl *ctl, struct err *err)
{
	_cleanup_(ctl_items_deinitp) struct ctl_items keys = {.v = NULL};
	_cleanup_free_ char *text = xstrdup(ctl->args.operands[2]);
	struct label label = {.key = text};
	char *equals = strchr(text, '=');
	const char *done = "";
	int r, tries = 0;

	if (!equals == !ctl->args.set[FLAG_REMOVE])
		return err_set(err, -EINVAL, "give either KEY=VALUE or KEY --remove");
	if (equals) {
		*equals = '\0';
		label.value = equals + 1;
	}
	ctl->args.n_operands = 2;
	r = ctl_operand_items(ctl, &keys, err);
	if (r < 0)
		return r;
	do
		r = label_once(ctl, keys.v[0].object, &label, &done, err);
	while (r > 0 && tries++ < CONFLICT_RETRIES);
	if (r > 0)
		return err_set(err, -EAGAIN, "update conflict: %s; try again",
			       ctl_key(keys.v[0].object).s);
	if (r < 0)
		return r;
	printf("Successfully %s label %s %s %s %s\n", done, label.key, label.value ? "on" : "from",
	       keys.v[0].object->desc->name, keys.v[0].object->meta.name);
	return 0;
}
