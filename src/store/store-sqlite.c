/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The embedded datastore: one SQLite file that all processes of one machine share. Reading and
 * committing; watching is store-sqlite-watch.c, the file itself sqlite-db.c.
 *
 * A commit takes the write lock at its begin, so what it reads to check its operations can't change
 * under it. After the commit it sets the file's times: that is the event watches wait for. A
 * committer that dies between the two is noticed by the watches' slow timer.
 */

#include "store/store-sqlite.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "model/model-desc.h"
#include "store/sqlite-db.h"
#include "store/store-backend.h"

struct sqlite_store {
	struct store store;
	struct sqlite_db *db;
};

/* A transaction in the making. */
struct commit {
	struct sqlite_db *db;
	struct sqlite_meta meta;
	bool wrote;
};

/* What is stored under a key. */
struct found {
	int64_t id; /* 0: no row */
	uint64_t revision;
	bool gone; /* no object: no row, or a tombstone */
};

static struct sqlite_db *db_of(struct store *store)
{
	return CONTAINER_OF(store, struct sqlite_store, store)->db;
}

static void sqlite_close(struct store *store)
{
	(void)sqlite_db_close(db_of(store));
	free(CONTAINER_OF(store, struct sqlite_store, store));
}

static int sqlite_open(const struct store_config *config, struct store **ret, struct err *err)
{
	struct sqlite_db *db;
	struct sqlite_store *store;
	int r = sqlite_db_open(config->path, config->must_exist, &db, err);

	if (r < 0)
		return r;
	store = XNEW(struct sqlite_store);
	store->store.backend = &store_backend_sqlite;
	store->db = db;
	*ret = &store->store;
	return 0;
}

static int sqlite_get(struct store *store, enum kind kind, const char *namespace, const char *name,
		      struct store_object *ret, struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	struct sqlite_db *db = db_of(store);
	int r = sqlite_db_prepare(db, STATEMENT_GET, &stmt, err);

	if (r < 0)
		return r;
	sqlite_bind_key(stmt, kind, namespace, name);
	r = sqlite_db_step(db, stmt, err);
	if (r < 0)
		return r;
	if (r == 0)
		return STORE_E_NOT_FOUND;
	sqlite_read_row(stmt, kind, ret);
	return 0;
}

static int list_rows(struct sqlite_db *db, enum kind kind, const char *namespace,
		     struct store_list *list, struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	int r = sqlite_db_prepare(db, namespace ? STATEMENT_LIST_NAMESPACE : STATEMENT_LIST, &stmt,
				  err);

	if (r < 0)
		return r;
	(void)sqlite3_bind_text(stmt, 1, kind_get(kind)->plural, -1, SQLITE_STATIC);
	if (namespace)
		(void)sqlite3_bind_text(stmt, 2, namespace, -1, SQLITE_STATIC);
	while ((r = sqlite_db_step(db, stmt, err)) > 0)
		sqlite_read_row(stmt, kind, ARRAY_ADD(list->v, list->n));
	return r;
}

static int sqlite_list(struct store *store, enum kind kind, const char *namespace,
		       struct store_list *ret, struct err *err)
{
	_cleanup_(sqlite_db_rollbackp) struct sqlite_db *db = db_of(store);
	_cleanup_(store_list_deinitp) struct store_list list = {0};
	struct sqlite_meta meta;
	int r = sqlite_db_run(db, STATEMENT_BEGIN_READ, err);

	if (r < 0)
		return r;
	r = sqlite_db_meta(db, &meta, err);
	if (r < 0)
		return r;
	r = list_rows(db, kind, namespace, &list, err);
	if (r < 0)
		return r;
	list.revision = meta.revision;
	*ret = list;
	list = (struct store_list){0};
	return 0;
}

/* As if what is newer were one object: it has to be absent. */
static int find_newer(struct commit *commit, const struct store_op *op, struct found *ret,
		      struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	int r = sqlite_db_prepare(commit->db, STATEMENT_NEWER, &stmt, err);

	if (r < 0)
		return r;
	(void)sqlite3_bind_text(stmt, 1, kind_get(op->kind)->plural, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)op->revision);
	r = sqlite_db_step(commit->db, stmt, err);
	if (r < 0)
		return r;
	*ret = (struct found){.gone = r == 0};
	return 0;
}

static int op_find(struct commit *commit, const struct store_op *op, struct found *ret,
		   struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	int r = sqlite_db_prepare(commit->db, STATEMENT_FIND, &stmt, err);

	if (r < 0)
		return r;
	sqlite_bind_key(stmt, op->kind, op->namespace, op->name);
	r = sqlite_db_step(commit->db, stmt, err);
	if (r < 0)
		return r;
	*ret = (struct found){.gone = true};
	if (r == 0)
		return 0;
	ret->id = sqlite3_column_int64(stmt, 0);
	ret->revision = (uint64_t)sqlite3_column_int64(stmt, 1);
	ret->gone = sqlite3_column_int(stmt, 2) != 0;
	return 0;
}

/* Does what the operation asks for hold? 0, or the outcome. */
static int op_condition(const struct store_op *op, const struct found *found)
{
	switch (op->type) {
	case STORE_CREATE:
		return found->gone ? 0 : STORE_E_EXISTS;
	case STORE_PUT:
	case STORE_REMOVE:
		return 0;
	case STORE_UPDATE:
	case STORE_DELETE:
		if (op->revision == 0)
			return found->gone ? STORE_E_NOT_FOUND : 0;
		return !found->gone && found->revision == op->revision ? 0 : STORE_E_CONFLICT;
	case STORE_EXPECT:
		if (op->revision == 0)
			return found->gone ? 0 : STORE_E_CONFLICT;
		return !found->gone && found->revision == op->revision ? 0 : STORE_E_CONFLICT;
	case STORE_EXPECT_NONE_NEWER:
		return found->gone ? 0 : STORE_E_CONFLICT;
	}
	abort();
}

static int op_insert(struct commit *commit, const struct store_op *op, struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	int r = sqlite_db_prepare(commit->db, STATEMENT_INSERT, &stmt, err);

	if (r < 0)
		return r;
	sqlite_bind_key(stmt, op->kind, op->namespace, op->name);
	(void)sqlite3_bind_int64(stmt, 4, (int64_t)commit->meta.revision);
	(void)sqlite3_bind_text64(stmt, 5, op->value, op->size, SQLITE_STATIC, SQLITE_UTF8);
	return sqlite_db_step(commit->db, stmt, err);
}

static int op_update(struct commit *commit, const struct store_op *op, const struct found *found,
		     struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	int r = sqlite_db_prepare(commit->db, STATEMENT_UPDATE, &stmt, err);

	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, found->id);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)commit->meta.revision);
	if (!store_op_has_value(op->type)) {
		(void)sqlite3_bind_null(stmt, 3);
		commit->meta.tombstones++;
	} else {
		(void)sqlite3_bind_text64(stmt, 3, op->value, op->size, SQLITE_STATIC, SQLITE_UTF8);
		if (found->gone && commit->meta.tombstones)
			commit->meta.tombstones--;
	}
	return sqlite_db_step(commit->db, stmt, err);
}

static int op_apply(struct commit *commit, const struct store_op *op, struct err *err)
{
	struct found found = {0};
	int r = op->type == STORE_EXPECT_NONE_NEWER ? find_newer(commit, op, &found, err)
						    : op_find(commit, op, &found, err);

	if (r < 0)
		return r;
	r = op_condition(op, &found);
	if (r > 0 || op->type == STORE_EXPECT || op->type == STORE_EXPECT_NONE_NEWER ||
	    (op->type == STORE_REMOVE && found.gone))
		return r;
	commit->wrote = true;
	return found.id ? op_update(commit, op, &found, err) : op_insert(commit, op, err);
}

static int remove_row(struct sqlite_db *db, int64_t id, struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	int r = sqlite_db_prepare(db, STATEMENT_REMOVE, &stmt, err);

	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, id);
	return sqlite_db_step(db, stmt, err);
}

/* The oldest tombstones go, as many as there are too many. */
static int trim(struct commit *commit, struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	_cleanup_free_ int64_t *ids = NULL;
	size_t n_ids = 0;
	int r;

	if (commit->meta.tombstones <= SQLITE_DB_TOMBSTONES)
		return 0;
	r = sqlite_db_prepare(commit->db, STATEMENT_OLDEST, &stmt, err);
	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(stmt, 1,
				 (int64_t)(commit->meta.tombstones - SQLITE_DB_TOMBSTONES));
	while ((r = sqlite_db_step(commit->db, stmt, err)) > 0) {
		*ARRAY_ADD(ids, n_ids) = sqlite3_column_int64(stmt, 0);
		commit->meta.compacted = (uint64_t)sqlite3_column_int64(stmt, 1);
	}
	for (size_t i = 0; i < n_ids && r == 0; i++)
		r = remove_row(commit->db, ids[i], err);
	commit->meta.tombstones = SQLITE_DB_TOMBSTONES;
	return r;
}

static int write_meta(struct commit *commit, struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	int r = sqlite_db_prepare(commit->db, STATEMENT_META_SET, &stmt, err);

	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)commit->meta.revision);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)commit->meta.compacted);
	(void)sqlite3_bind_int64(stmt, 3, (int64_t)commit->meta.tombstones);
	return sqlite_db_step(commit->db, stmt, err);
}

static int apply_all(struct commit *commit, const struct store_op *ops, size_t n,
		     size_t *ret_failed, struct err *err)
{
	int r = sqlite_db_meta(commit->db, &commit->meta, err);

	if (r < 0)
		return r;
	commit->meta.revision++;
	for (size_t i = 0; i < n; i++) {
		r = op_apply(commit, &ops[i], err);
		if (r > 0)
			*ret_failed = i;
		if (r != 0)
			return r;
	}
	if (!commit->wrote) {
		commit->meta.revision--;
		return 0;
	}
	r = trim(commit, err);
	return r < 0 ? r : write_meta(commit, err);
}

static int sqlite_commit(struct store *store, const struct store_op *ops, size_t n,
			 uint64_t *ret_revision, size_t *ret_failed, struct err *err)
{
	_cleanup_(sqlite_db_rollbackp) struct sqlite_db *db = db_of(store);
	struct commit commit = {.db = db};
	int r = sqlite_db_check_file(db, err);

	if (r < 0)
		return r;
	r = sqlite_db_run(db, STATEMENT_BEGIN_WRITE, err);
	if (r < 0)
		return r;
	r = apply_all(&commit, ops, n, ret_failed, err);
	if (r != 0)
		return r;
	r = sqlite_db_run(db, STATEMENT_COMMIT, err);
	if (r < 0)
		return r;
	db->unsettled |= commit.wrote;
	*ret_revision = commit.meta.revision;
	return 0;
}

static void sqlite_settle(struct store *store)
{
	struct sqlite_db *db = db_of(store);

	if (!db->unsettled)
		return;
	db->unsettled = false;
	(void)utimensat(AT_FDCWD, db->path, NULL, 0);
	sqlite_db_checkpoint(db);
}

const struct store_backend store_backend_sqlite = {
	.type = "sqlite",
	.transaction_max = STORE_TRANSACTION_MAX,
	.open = sqlite_open,
	.close = sqlite_close,
	.get = sqlite_get,
	.list = sqlite_list,
	.commit = sqlite_commit,
	.settle = sqlite_settle,
	.watch_open = sqlite_watch_open,
	.watch_close = sqlite_watch_close,
	.watch_fd = sqlite_watch_fd,
	.watch_next = sqlite_watch_next,
};
