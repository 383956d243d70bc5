/* SPDX-License-Identifier: Apache-2.0 */

/* Deleting: all that is named is looked up first, then goes in one transaction. */

#include <errno.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

/* What is not there leaves the list, or is an error. */
static int keep_present(struct ctl *ctl, struct ctl_items *items, struct buf *errors,
			struct err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < items->n; i++) {
		_cleanup_(store_object_deinitp) struct store_object stored = {.name = NULL};
		const struct object *object = items->v[i].object;
		int r = store_get(ctl->store, object->desc->kind, object->meta.namespace,
				  object->meta.name, &stored, err);

		if (r < 0)
			return r;
		if (r == 0) {
			struct ctl_item swap = items->v[kept];

			items->v[kept++] = items->v[i];
			items->v[i] = swap;
		} else if (!ctl->args.set[FLAG_SKIP_NOT_EXISTS]) {
			buf_addf(errors, "%sresource does not exist: %s", errors->size ? "\n" : "",
				 ctl_key(object).s);
		}
	}
	for (size_t i = kept; i < items->n; i++)
		ctl_item_deinit(&items->v[i]);
	items->n = kept;
	return 0;
}

/* Counts in '*ret_deleted' also what went before an error. */
static int delete_all(struct ctl *ctl, const struct ctl_items *items, size_t *ret_deleted,
		      struct err *err)
{
	size_t size = store_transaction_max(ctl->store);

	for (size_t from = 0; from < items->n; from += size) {
		struct store_op ops[STORE_TRANSACTION_MAX];
		size_t n = MIN(items->n - from, size);
		size_t failed = 0;
		int r;

		for (size_t i = 0; i < n; i++) {
			const struct object *object = items->v[from + i].object;

			ops[i] = (struct store_op){
				.type = STORE_DELETE,
				.kind = object->desc->kind,
				.namespace = object->meta.namespace,
				.name = object->meta.name,
			};
		}
		r = store_commit(ctl->store, ops, n, NULL, &failed, err);
		if (r > 0)
			return err_set(err, -ENOENT, "resource does not exist: %s",
				       ctl_key(items->v[from + MIN(failed, n - 1)].object).s);
		if (r < 0)
			return r;
		*ret_deleted += n;
	}
	return 0;
}

int ctl_run_delete(struct ctl *ctl, struct err *err)
{
	_cleanup_(ctl_items_deinitp) struct ctl_items items = {.v = NULL};
	_cleanup_buf_ struct buf errors = BUF_INIT;
	const char *kind;
	size_t n, deleted = 0;
	int r;

	r = ctl_items_of_args(ctl, &items, err);
	if (r < 0)
		return err_prefix(err, r, "Failed to execute command");
	n = items.n;
	if (n == 0)
		return err_set(err, -EINVAL, "Failed to execute command: no name is given");
	kind = ctl_items_single_kind(&items);
	r = keep_present(ctl, &items, &errors, err);
	if (r < 0)
		return r;
	if (errors.size == 0) {
		r = delete_all(ctl, &items, &deleted, err);
		if (r < 0)
			buf_adds(&errors, err ? err->msg : "");
	}
	if (errors.size && deleted)
		return err_set(err, -EINVAL, "Partial success: deleted %zu out of %zu: [%s]",
			       deleted, n, buf_str(&errors));
	if (errors.size && n == 1)
		return err_set(err, -EINVAL, "Failed to delete '%s' resource: [%s]", kind,
			       buf_str(&errors));
	if (errors.size && kind)
		return err_set(err, -EINVAL, "Failed to delete any '%s' resources: [%s]", kind,
			       buf_str(&errors));
	if (errors.size)
		return err_set(err, -EINVAL, "Failed to delete any resources: [%s]",
			       buf_str(&errors));
	if (kind)
		printf("Successfully deleted %zu '%s' resource(s)\n", deleted, kind);
	else
		printf("Successfully deleted %zu resource(s)\n", deleted);
	return 0;
}
