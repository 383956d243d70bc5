/* SPDX-License-Identifier: Apache-2.0 */

/* One label of one object. */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

struct label {
	char *key;
	const char *value; /* NULL: remove it */
	const char *done;  /* what became of it */
};

static int label_change(const struct ctl *ctl, const struct object *old, void *arg,
			struct object **ret, struct err *err)
{
	struct label *label = arg;
	const char *value = str_map_find(&old->meta.labels, label->key);

	if (!label->value && !value)
		return err_set(err, -ENOENT, "%s has no label %s", ctl_key(old).s, label->key);
	if (label->value && value && strcmp(value, label->value) != 0 &&
	    !ctl->args.set[FLAG_OVERWRITE])
		return err_set(err, -EEXIST,
			       "%s has the label %s=%s already; --overwrite changes it",
			       ctl_key(old).s, label->key, value);
	*ret = model_copy(old);
	if (label->value)
		str_map_put(&(*ret)->meta.labels, label->key, label->value);
	else
		(void)str_map_remove(&(*ret)->meta.labels, label->key);
	label->done = !label->value ? "removed" : value ? "updated" : "set";
	return 0;
}

int ctl_run_label(struct ctl *ctl, struct err *err)
{
	_cleanup_(ctl_items_deinitp) struct ctl_items keys = {.v = NULL};
	_cleanup_free_ char *text = xstrdup(ctl->args.operands[2]);
	struct label label = {.key = text};
	char *equals = strchr(text, '=');
	int r;

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
	r = ctl_change_object(ctl, keys.v[0].object, label_change, &label, err);
	if (r < 0)
		return r;
	printf("Successfully %s label %s %s %s %s\n", label.done, label.key,
	       label.value ? "on" : "from", keys.v[0].object->desc->name,
	       keys.v[0].object->meta.name);
	return 0;
}
