/* SPDX-License-Identifier: Apache-2.0 */

/* Showing objects: all of a kind, those that are named, or those that a file names. */

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"
#include "policy/compiled-policy.h"

/* One that can't be understood hides no other; it is told at the end. */
static int list_kind(struct ctl *ctl, const struct kind_desc *desc, struct ctl_items *items,
		     struct ctl_output *output, struct buf *missing, struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	const char *namespace =
		ctl->args.set[FLAG_ALL_NAMESPACES] ? NULL : ctl_namespace(ctl, desc);
	int r;

	r = store_list(ctl->store, desc->kind, namespace, &list, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < list.n; i++) {
		struct err why = ERR_INIT;
		struct object *object;

		r = store_object_read(&list.v[i], &object, &why);
		if (r >= 0)
			ctl_items_add(items, object, "datastore");
		else
			buf_addf(missing, "%sresource can't be understood: %s",
				 missing->size ? "\n" : "", why.msg);
	}
	*output = (struct ctl_output){.is_list = true, .desc = desc, .revision = list.revision};
	return 0;
}

/* What is missing is told at the end, after what is there was shown. */
static int get_named(struct ctl *ctl, const struct ctl_items *keys, struct ctl_items *items,
		     struct buf *missing, struct err *err)
{
	for (size_t i = 0; i < keys->n; i++) {
		struct object *object = NULL;
		uint64_t revision;
		int r = ctl_get_object(ctl, keys->v[i].object, &object, &revision, err);

		if (r < 0)
			return r;
		if (r == 0)
			ctl_items_add(items, object, "datastore");
		else
			buf_addf(missing, "%sresource does not exist: %s",
				 missing->size ? "\n" : "", ctl_key(keys->v[i].object).s);
	}
	return 0;
}

static int select_by_labels(const struct ctl *ctl, struct ctl_items *items, struct err *err)
{
	const char *selector = ctl->args.values[FLAG_SELECTOR];
	const struct str_map none = {.v = NULL};
	size_t kept = 0;
	int r;

	if (!ctl->args.set[FLAG_SELECTOR])
		return 0;
	r = ctl_label_selector(selector, &none, err); /* wrong also where nothing is there */
	for (size_t i = 0; r >= 0 && i < items->n; i++) {
		struct ctl_item item = items->v[i];

		r = ctl_label_selector(selector, &item.object->meta.labels, err);
		if (r == 1) {
			items->v[i] = items->v[kept];
			items->v[kept++] = item;
		}
	}
	for (size_t i = kept; r >= 0 && i < items->n; i++)
		ctl_item_deinit(&items->v[i]);
	if (r >= 0)
		items->n = kept;
	return r < 0 ? r : 0;
}

/* What another cluster would have to make up itself. */
static void strip_cluster(struct ctl_items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		struct meta *meta = &items->v[i].object->meta;

		replace_str(&meta->uid, NULL);
		replace_str(&meta->resource_version, NULL);
		replace_str(&meta->creation_timestamp, NULL);
	}
}

static int collect(struct ctl *ctl, struct ctl_items *items, struct ctl_output *output,
		   struct buf *missing, struct err *err)
{
	_cleanup_(ctl_items_deinitp) struct ctl_items keys = {.v = NULL};
	const struct kind_desc *desc;
	int r;

	if (ctl->args.n_operands == 1 && !ctl->args.set[FLAG_FILENAME]) {
		r = ctl_kind(ctl->args.operands[0], &desc, err);
		return r < 0 ? r : list_kind(ctl, desc, items, output, missing, err);
	}
	r = ctl_items_of_args(ctl, &keys, err);
	if (r < 0)
		return r;
	return get_named(ctl, &keys, items, missing, err);
}

static void warn(const struct object *object, const char *why)
{
	(void)fprintf(stderr, "warning: %s: %s\n", ctl_key(object).s, why);
}

/* Policies that the nodes can't enforce as they stand. */
static void warn_of_policy(const struct object *object)
{
	_cleanup_(compiled_policy_freep) struct compiled_policy *policy = NULL;
	_cleanup_free_ char *key = policy_key(object);
	struct err err = ERR_INIT;

	if (!key)
		return;
	if (compiled_policy_new(object, &policy, &err) < 0) {
		warn(object, err.msg);
		return;
	}
	if (policy->problem)
		warn(object, policy->problem);
	for (unsigned int way = 0; way < POLICY_WAYS_; way++)
		for (size_t i = 0; i < policy->rules[way].n; i++)
			if (policy->rules[way].v[i].unreadable)
				warn(object, policy->rules[way].v[i].why);
}

int ctl_run_get(struct ctl *ctl, struct err *err)
{
	_cleanup_(ctl_items_deinitp) struct ctl_items items = {.v = NULL};
	_cleanup_buf_ struct buf missing = BUF_INIT;
	struct ctl_output output = {.is_list = false};
	int r;

	r = collect(ctl, &items, &output, &missing, err);
	if (r == 0)
		r = select_by_labels(ctl, &items, err);
	if (r < 0)
		return r;
	if (ctl->args.set[FLAG_EXPORT] && !output.is_list)
		strip_cluster(&items);
	if (items.n > 0 || output.is_list) {
		r = ctl_print_items(ctl, &items, &output, err);
		if (r < 0)
			return r;
	}
	(void)fflush(stdout);
	for (size_t i = 0; i < items.n; i++)
		warn_of_policy(items.v[i].object);
	if (missing.size)
		return err_set(err, -ENOENT, "%s", buf_str(&missing));
	return 0;
}
