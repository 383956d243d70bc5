/* SPDX-License-Identifier: Apache-2.0 */

/*
 * create, apply and replace: one writer. Everything is validated before anything is written; then
 * one transaction takes as many objects as the datastore allows, guarded by the revisions that were
 * read, so nothing is half applied. Another writer in between makes apply read again, a few times.
 */

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/alloc.h"
#include "base/ip.h"
#include "base/parse.h"
#include "ctl/ctl-internal.h"

#define CONFLICT_RETRIES 5
#define ERRORS_MAX	 20

enum ctl_action {
	ACTION_CREATE,
	ACTION_APPLY,
	ACTION_REPLACE,
};

static const struct {
	const char *verb;
	const char *done;
} action_words[] = {
	[ACTION_CREATE] = {"create", "created"},
	[ACTION_APPLY] = {"apply", "applied"},
	[ACTION_REPLACE] = {"replace", "replaced"},
};

/* What becomes of one item. */
struct change {
	struct ctl_item *item;
	struct object *old;
	uint64_t revision;
	bool skip;
	char *text;
	size_t size;
};

struct writer {
	struct ctl *ctl;
	enum ctl_action action;
	struct ctl_items *items;
	struct change *changes;
	struct buf errors; /* "one\nanother" */
	size_t n_errors;
	size_t n_written;
};

static void change_reset(struct change *change)
{
	change->old = model_free(change->old);
	free(change->text);
	change->text = NULL;
	change->skip = false;
}

static void writer_deinit(struct writer *writer)
{
	for (size_t i = 0; writer->changes && i < writer->items->n; i++)
		change_reset(&writer->changes[i]);
	free(writer->changes);
	buf_deinit(&writer->errors);
}
CLEANUP_DEINIT(struct writer, writer_deinit);

static void error_add(struct writer *writer, const char *message)
{
	if (writer->n_errors == ERRORS_MAX)
		buf_adds(&writer->errors, "\n...");
	if (writer->n_errors < ERRORS_MAX)
		buf_addf(&writer->errors, "%s%s", writer->n_errors ? "\n" : "", message);
	writer->n_errors++;
}

/* --- Checks before anything is read ----------------------------------------------------------- */

static int compare_items(const void *a, const void *b)
{
	const struct object *x = (*(const struct ctl_item *const *)a)->object;
	const struct object *y = (*(const struct ctl_item *const *)b)->object;
	int r = (int)x->desc->kind - (int)y->desc->kind;

	if (r == 0)
		r = strcmp(x->meta.namespace ? x->meta.namespace : "",
			   y->meta.namespace ? y->meta.namespace : "");
	if (r == 0)
		r = strcmp(x->meta.name, y->meta.name);
	return r;
}

static void check_doubles(struct writer *writer)
{
	_cleanup_free_ const struct ctl_item **sorted = NULL;
	size_t n = 0;

	for (size_t i = 0; i < writer->items->n; i++)
		*ARRAY_ADD(sorted, n) = &writer->items->v[i];
	if (n)
		qsort(sorted, n, sizeof(const struct ctl_item *), compare_items);
	for (size_t i = 1; i < n; i++) {
		_cleanup_free_ char *message = NULL;

		if (compare_items(&sorted[i - 1], &sorted[i]) != 0)
			continue;
		message = xasprintf("%s is given twice: in %s and in %s",
				    ctl_key(sorted[i]->object).s, sorted[i - 1]->source,
				    sorted[i]->source);
		error_add(writer, message);
	}
}

static void check_items(struct writer *writer)
{
	for (size_t i = 0; i < writer->items->n; i++) {
		struct err err = ERR_INIT;

		if (model_validate(writer->items->v[i].object, &err) < 0) {
			(void)ctl_item_error(&writer->items->v[i], -EINVAL, &err);
			error_add(writer, err.msg);
		}
	}
	if (writer->n_errors == 0)
		check_doubles(writer);
}

/* --- Overlapping pools ------------------------------------------------------------------------ */

struct pool_range {
	const char *name;
	struct cidr cidr;
};

static void check_overlap(struct writer *writer, const struct pool_range *pool,
			  const struct pool_range *other)
{
	_cleanup_free_ char *message = NULL;

	if (strcmp(pool->name, other->name) == 0 || !cidr_overlaps(&pool->cidr, &other->cidr))
		return;
	message = xasprintf("IPPool(%s) CIDR %s overlaps with IPPool(%s) CIDR %s", pool->name,
			    cidr_format(&pool->cidr).s, other->name, cidr_format(&other->cidr).s);
	error_add(writer, message);
}

/* Two pools that share addresses would give one of them twice. */
static int check_pools(struct writer *writer, struct err *err)
{
	_cleanup_(ctl_items_deinitp) struct ctl_items stored = {.v = NULL};
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	_cleanup_free_ struct pool_range *pools = NULL;
	size_t n = 0, n_new = 0;
	int r;

	for (size_t i = 0; i < writer->items->n; i++) {
		const struct object *object = writer->items->v[i].object;
		struct pool_range range = {.name = object->meta.name};

		if (object->desc->kind == KIND_IP_POOL &&
		    cidr_parse(as_ip_pool(object)->spec.cidr, &range.cidr, NULL) == 0)
			*ARRAY_ADD(pools, n) = range;
	}
	if (n == 0)
		return 0;
	n_new = n;
	r = store_list(writer->ctl->store, KIND_IP_POOL, NULL, &list, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < list.n; i++) {
		struct object *object;
		struct pool_range range;

		r = store_object_read(&list.v[i], &object, err);
		if (r < 0)
			return r;
		ctl_items_add(&stored, object, "datastore");
		range = (struct pool_range){.name = object->meta.name};
		if (as_ip_pool(object)->spec.cidr &&
		    cidr_parse(as_ip_pool(object)->spec.cidr, &range.cidr, NULL) == 0)
			*ARRAY_ADD(pools, n) = range;
	}
	for (size_t i = 0; i < n_new; i++)
		for (size_t k = i + 1; k < n; k++)
			check_overlap(writer, &pools[i], &pools[k]);
	return 0;
}

/* --- One change ------------------------------------------------------------------------------- */

static char *new_uuid(void)
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		abort();
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	return xasprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
			 b[12], b[13], b[14], b[15]);
}

/* A status is reported by the agents: a file that says nothing about it does not remove it. */
static int carry_status(struct ctl_item *item, const struct object *old, struct err *err)
{
	json_t *new_json = model_to_json(item->object);
	json_t *old_json = model_to_json(old);
	json_t *status = json_object_get(old_json, "status");
	struct object *merged = NULL;
	int r = 0;

	if (status && !json_object_get(new_json, "status")) {
		(void)json_object_set(new_json, "status", status);
		r = model_from_json(new_json, MODEL_LENIENT, item->source, &merged, err);
	}
	json_decref(old_json);
	json_decref(new_json);
	if (merged) {
		(void)model_free(item->object);
		item->object = merged;
	}
	return r;
}

static int check_revision(const struct object *object, uint64_t revision, struct err *err)
{
	uint64_t wanted;
	int r;

	if (!object->meta.resource_version || !*object->meta.resource_version)
		return 0;
	r = parse_u64(object->meta.resource_version, 0, UINT64_MAX, &wanted, err);
	if (r < 0)
		return err_prefix(err, r, "%s: metadata.resourceVersion", ctl_key(object).s);
	if (wanted == revision)
		return 0;
	return err_set(err, -ESTALE,
		       "update conflict: %s is at revision %" PRIu64 ", not at %" PRIu64
		       "; get it again and repeat the change",
		       ctl_key(object).s, revision, wanted);
}

static int prepare_update(struct change *change, struct err *err)
{
	struct object *object;
	int r;

	r = check_revision(change->item->object, change->revision, err);
	if (r == 0)
		r = carry_status(change->item, change->old, err);
	if (r < 0)
		return r;
	object = change->item->object;
	replace_str(&object->meta.uid, xstrdup(change->old->meta.uid));
	replace_str(&object->meta.creation_timestamp,
		    xstrdup(change->old->meta.creation_timestamp));
	return model_validate_update(change->old, object, err);
}

static void prepare_create(struct change *change)
{
	struct object *object = change->item->object;

	replace_str(&object->meta.uid, new_uuid());
	replace_str(&object->meta.creation_timestamp, xstrdup(format_time(time(NULL)).s));
}

/* In the place of one that can't be understood: nothing of that is carried over. */
static int prepare_overwrite(struct change *change, struct err *err)
{
	const struct object *object = change->item->object;
	int r = check_revision(object, change->revision, err);

	if (r < 0)
		return r;
	change->old = model_new(object->desc->kind, object->meta.namespace, object->meta.name);
	prepare_create(change);
	change->text = store_object_text(change->item->object, &change->size);
	return 0;
}

static int prepare(struct writer *writer, struct change *change, struct err *err)
{
	const struct object *object = change->item->object;
	int r;

	change_reset(change);
	change->revision = 0;
	r = ctl_get_object(writer->ctl, object, &change->old, &change->revision, err);
	if (r < 0 && change->revision && writer->action != ACTION_CREATE)
		return prepare_overwrite(change, err);
	if (r < 0)
		return r;
	if (r == STORE_E_NOT_FOUND) {
		if (writer->action == ACTION_REPLACE)
			return -ENOENT;
		prepare_create(change);
	} else if (writer->action == ACTION_CREATE) {
		change->skip = writer->ctl->args.set[FLAG_SKIP_EXISTS];
		return change->skip ? 0
				    : err_set(err, -EEXIST, "resource already exists: %s",
					      ctl_key(object).s);
	} else {
		r = prepare_update(change, err);
		if (r < 0)
			return r;
	}
	change->text = store_object_text(change->item->object, &change->size);
	return 0;
}

static void prepare_all(struct writer *writer, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		struct err err = ERR_INIT;

		if (prepare(writer, &writer->changes[i], &err) < 0)
			error_add(writer, err.msg);
	}
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* 0, a store outcome, <0. */
static int commit(struct writer *writer, size_t from, size_t to, struct err *err)
{
	_cleanup_free_ struct store_op *ops = NULL;
	_cleanup_free_ const struct change **changes = NULL;
	size_t n = 0, n_changes = 0, failed = 0;
	struct err why = ERR_INIT;
	int r;

	for (size_t i = from; i < to; i++) {
		const struct change *change = &writer->changes[i];

		if (change->skip)
			continue;
		*ARRAY_ADD(changes, n_changes) = change;
		*ARRAY_ADD(ops, n) = (struct store_op){
			.type = change->old ? STORE_UPDATE : STORE_CREATE,
			.kind = change->item->object->desc->kind,
			.namespace = change->item->object->meta.namespace,
			.name = change->item->object->meta.name,
			.value = change->text,
			.size = change->size,
			.revision = change->old ? change->revision : 0,
		};
	}
	if (n == 0)
		return 0;
	r = store_commit(writer->ctl->store, ops, n, NULL, &failed, &why);
	if (r > 0 && failed < n_changes)
		return err_set(err, r, "%s: %s",
			       r == STORE_E_EXISTS ? "resource already exists" : "update conflict",
			       ctl_key(changes[failed]->item->object).s);
	return r < 0 ? err_set(err, r, "%s", why.msg) : r;
}

static bool may_retry(const struct writer *writer, int outcome)
{
	return writer->action != ACTION_CREATE &&
	       (outcome == STORE_E_CONFLICT || outcome == STORE_E_EXISTS ||
		outcome == STORE_E_NOT_FOUND);
}

static void write_chunk(struct writer *writer, size_t from, size_t to)
{
	struct err err = ERR_INIT;
	int r;

	for (int tries = 0;; tries++) {
		r = commit(writer, from, to, &err);
		if (r == 0) {
			writer->n_written += to - from;
			return;
		}
		if (tries == CONFLICT_RETRIES || !may_retry(writer, r)) {
			error_add(writer, err.msg);
			return;
		}
		prepare_all(writer, from, to);
		if (writer->n_errors)
			return;
	}
}

static void write_all(struct writer *writer)
{
	size_t n = writer->items->n;
	size_t size = store_transaction_max(writer->ctl->store);

	for (size_t from = 0; from < n && writer->n_errors == 0; from += size)
		write_chunk(writer, from, MIN(from + size, n));
}

/* --- Reporting -------------------------------------------------------------------------------- */

static int report(const struct writer *writer, struct err *err)
{
	const char *kind = ctl_items_single_kind(writer->items);
	const char *verb = action_words[writer->action].verb;
	const char *done = action_words[writer->action].done;
	const char *errors = buf_str(&writer->errors);
	size_t n = writer->items->n;

	if (writer->n_errors == 0 && kind)
		printf("Successfully %s %zu '%s' resource(s)\n", done, n, kind);
	else if (writer->n_errors == 0)
		printf("Successfully %s %zu resource(s)\n", done, n);
	if (writer->n_errors == 0)
		return 0;
	if (writer->n_written && kind)
		printf("Partial success: %s the first %zu out of %zu '%s' resources:\n", done,
		       writer->n_written, n, kind);
	else if (writer->n_written)
		printf("Partial success: %s the first %zu out of %zu resources:\n", done,
		       writer->n_written, n);
	if (writer->n_written)
		return err_set(err, -EINVAL, "Hit error: [%s]", errors);
	if (n == 1)
		return err_set(err, -EINVAL, "Failed to %s '%s' resource: [%s]", verb, kind,
			       errors);
	if (kind)
		return err_set(err, -EINVAL, "Failed to %s any '%s' resources: [%s]", verb, kind,
			       errors);
	return err_set(err, -EINVAL, "Failed to %s any resources: [%s]", verb, errors);
}

static int load(struct ctl *ctl, struct ctl_items *items, struct err *err)
{
	int r;

	if (!ctl->args.set[FLAG_FILENAME])
		return err_set(err, -EINVAL, "koratctl %s needs -f FILE; see koratctl help %s",
			       ctl->args.verb->name, ctl->args.verb->name);
	r = ctl_load(ctl, items, err);
	return r < 0 ? err_prefix(err, r, "Failed to execute command") : 0;
}

static int write_items(struct ctl *ctl, enum ctl_action action, struct err *err)
{
	_cleanup_(ctl_items_deinitp) struct ctl_items items = {.v = NULL};
	_cleanup_(writer_deinitp) struct writer writer = {
		.ctl = ctl, .action = action, .items = &items};
	int r;

	r = load(ctl, &items, err);
	if (r < 0)
		return r;
	if (items.n == 0) {
		printf("No resources specified\n");
		return 0;
	}
	writer.changes = xcalloc(items.n, sizeof(*writer.changes));
	for (size_t i = 0; i < items.n; i++)
		writer.changes[i].item = &items.v[i];
	check_items(&writer);
	if (writer.n_errors == 0) {
		r = check_pools(&writer, err);
		if (r < 0)
			return r;
	}
	if (writer.n_errors == 0)
		prepare_all(&writer, 0, items.n);
	if (writer.n_errors == 0)
		write_all(&writer);
	return report(&writer, err);
}

int ctl_run_create(struct ctl *ctl, struct err *err)
{
	return write_items(ctl, ACTION_CREATE, err);
}

int ctl_run_apply(struct ctl *ctl, struct err *err)
{
	return write_items(ctl, ACTION_APPLY, err);
}

int ctl_run_replace(struct ctl *ctl, struct err *err)
{
	return write_items(ctl, ACTION_REPLACE, err);
}

int ctl_run_validate(struct ctl *ctl, struct err *err)
{
	_cleanup_(ctl_items_deinitp) struct ctl_items items = {.v = NULL};
	_cleanup_(writer_deinitp) struct writer writer = {.ctl = ctl, .items = &items};
	const char *kind;
	int r;

	r = load(ctl, &items, err);
	if (r < 0)
		return r;
	check_items(&writer);
	if (writer.n_errors)
		return err_set(err, -EINVAL, "Failed to validate: [%s]", buf_str(&writer.errors));
	kind = ctl_items_single_kind(&items);
	if (kind)
		printf("Successfully validated %zu '%s' resource(s)\n", items.n, kind);
	else
		printf("Successfully validated %zu resource(s)\n", items.n);
	return 0;
}
