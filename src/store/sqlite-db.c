/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The SQLite file. Every object has one row; a deletion leaves the row without value (a tombstone)
 * so that a watch sees it, and the oldest tombstones are removed when there are too many. The index
 * over the revision is thereby the change log, coalesced: the last change of each object.
 *
 * The journal is write-ahead, so readers and the one writer of a moment don't wait for each other,
 * and synchronous is FULL: a commit is on the disk when it returns. Several writers wait in short
 * random steps for at most BUSY_MAX_US.
 *
 * Nobody in this process may open and close the database file by other means: closing any
 * descriptor of a file drops the POSIX locks SQLite holds on it. So modes, times and identity are
 * handled by path, and a new file is made by mknod(), which opens nothing.
 */

#include "store/sqlite-db.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "model/model-desc.h"

#define SCHEMA_VERSION	 1
#define APPLICATION_ID	 1263686228 /* "KRAT", so that file(1) and we know it as ours */
#define BUSY_MAX_US	 10000000u
#define BUSY_STEP_MIN_US 100u
#define BUSY_STEP_MAX_US 900u
#define CHECKPOINT_PAGES 1000 /* of 4 KiB */
#define CACHE_KIB	 "256"

static const char schema_sql[] =
	"CREATE TABLE meta ("
	" only INTEGER PRIMARY KEY CHECK (only = 1),"
	" revision INTEGER NOT NULL,"
	" compacted INTEGER NOT NULL,"
	" tombstones INTEGER NOT NULL"
	") STRICT;"
	"INSERT INTO meta VALUES (1, 1, 0, 0);"
	"CREATE TABLE object ("
	" id INTEGER PRIMARY KEY,"
	" kind TEXT NOT NULL,"
	" namespace TEXT NOT NULL,"
	" name TEXT NOT NULL,"
	" revision INTEGER NOT NULL,"
	" value TEXT,"
	" UNIQUE (kind, namespace, name)"
	") STRICT;"
	"CREATE INDEX object_change ON object (revision);"
	"CREATE INDEX object_gone ON object (revision) WHERE value IS NULL;"
	"PRAGMA application_id = 1263686228;"
	"PRAGMA user_version = 1;";

#define ROW "SELECT id, kind, namespace, name, revision, value FROM object "

static const char *const statement_sql[STATEMENT_COUNT_] = {
	[STATEMENT_BEGIN_READ] = "BEGIN",
	[STATEMENT_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[STATEMENT_COMMIT] = "COMMIT",
	[STATEMENT_ROLLBACK] = "ROLLBACK",
	[STATEMENT_META_GET] = "SELECT revision, compacted, tombstones FROM meta WHERE only = 1",
	[STATEMENT_META_SET] =
		"UPDATE meta SET revision = ?1, compacted = ?2, tombstones = ?3 WHERE only = 1",
	[STATEMENT_FIND] = "SELECT id, revision, value IS NULL FROM object"
			   " WHERE kind = ?1 AND namespace = ?2 AND name = ?3",
	/* By kind, of which there are few, and not by revision, of which there may be many. */
	[STATEMENT_NEWER] = "SELECT 1 FROM object WHERE kind = ?1 AND +revision > ?2"
			    " AND value IS NOT NULL LIMIT 1",
	[STATEMENT_GET] = ROW "WHERE kind = ?1 AND namespace = ?2 AND name = ?3"
			      " AND value IS NOT NULL",
	[STATEMENT_LIST] = ROW "WHERE kind = ?1 AND value IS NOT NULL ORDER BY namespace, name",
	[STATEMENT_LIST_NAMESPACE] = ROW "WHERE kind = ?1 AND namespace = ?2"
					 " AND value IS NOT NULL ORDER BY name",
	[STATEMENT_LIST_AFTER] = ROW "WHERE kind = ?1 AND (namespace, name) > (?2, ?3)"
				     " AND value IS NOT NULL ORDER BY namespace, name LIMIT ?4",
	[STATEMENT_CHANGES] = ROW "WHERE (revision, id) > (?1, ?2) ORDER BY revision, id LIMIT ?3",
	[STATEMENT_INSERT] = "INSERT INTO object (kind, namespace, name, revision, value)"
			     " VALUES (?1, ?2, ?3, ?4, ?5)",
	[STATEMENT_UPDATE] = "UPDATE object SET revision = ?2, value = ?3 WHERE id = ?1",
	[STATEMENT_OLDEST] = "SELECT id, revision FROM object WHERE value IS NULL"
			     " ORDER BY revision LIMIT ?1",
	[STATEMENT_REMOVE] = "DELETE FROM object WHERE id = ?1",
};

/* What a person can do about it. */
static const struct {
	int result;
	int code;
	const char *remedy;
} failures[] = {
	{SQLITE_BUSY, -EBUSY, "another process holds it for too long; see who by `fuser`"},
	{SQLITE_PROTOCOL, -EBUSY, "another process holds it for too long; see who by `fuser`"},
	{SQLITE_NOTADB, -EINVAL, "it is not a database of Korat; move it away or name another"},
	{SQLITE_CORRUPT, -EUCLEAN, "it is damaged; restore a backup or move it away"},
	{SQLITE_FULL, -ENOSPC, "free some space there"},
	{SQLITE_READONLY, -EROFS, "make the file and its directory writable"},
	{SQLITE_CANTOPEN, -EACCES, "make the file and its directory writable"},
	{SQLITE_PERM, -EACCES, "make the file and its directory writable"},
	{SQLITE_IOERR, -EIO, "see the kernel's log about this disk"},
	{SQLITE_TOOBIG, -EFBIG, "an object in it is larger than allowed"},
};

static int failed(const struct sqlite_db *db, int result, const char *doing, struct err *err)
{
	bool known = db->handle && sqlite3_extended_errcode(db->handle) == result;
	const char *what = known ? sqlite3_errmsg(db->handle) : sqlite3_errstr(result);

	assert((result & 0xff) != SQLITE_NOMEM && (result & 0xff) != SQLITE_MISUSE);
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		if ((result & 0xff) == failures[i].result)
			return err_set(err, failures[i].code, "datastore %s: can't %s: %s; %s",
				       db->path, doing, what, failures[i].remedy);
	}
	return err_set(err, -EIO, "datastore %s: can't %s: %s", db->path, doing, what);
}

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/*
 * Waits a random short time, which gives every waiter the same chance at each release; SQLite's own
 * handler waits longer the longer it has waited, so a newcomer would win.
 */
static void busy_pause(struct sqlite_db *db)
{
	uint32_t span = BUSY_STEP_MAX_US - BUSY_STEP_MIN_US;
	struct timespec pause = {0};

	db->busy_random = db->busy_random * 1664525u + 1013904223u;
	pause.tv_nsec = (long)(BUSY_STEP_MIN_US + (db->busy_random >> 16) % span) * 1000;
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

static int on_busy(void *userdata, int count)
{
	struct sqlite_db *db = userdata;

	if (count == 0)
		db->busy_since_us = now_us();
	if (now_us() - db->busy_since_us > BUSY_MAX_US)
		return 0;
	busy_pause(db);
	return 1;
}

static int create_file(const char *path, struct err *err)
{
	_cleanup_free_ char *copy = xstrdup(path);
	const char *dir = dirname(copy);
	_cleanup_close_ int dir_fd = -1;

	if (mknod(path, S_IFREG | 0600, 0) < 0) {
		if (errno == EEXIST)
			return 0;
		return err_errno(err, -errno,
				 "can't create datastore %s (create its directory, make it writable"
				 " or set KORAT_SQLITE_FILE)",
				 path);
	}
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0 || fsync(dir_fd) < 0)
		return err_errno(err, -errno, "can't sync directory %s of the datastore", dir);
	return 0;
}

static int on_commit(void *userdata, sqlite3 *handle, const char *name, int pages)
{
	struct sqlite_db *db = userdata;

	(void)handle;
	(void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

void sqlite_db_checkpoint(struct sqlite_db *db)
{
	if (db->wal_pages < CHECKPOINT_PAGES)
		return;
	db->wal_pages = 0;
	(void)sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* The file exists, is one, and is for its owner alone; the journal files take over its mode. */
static int prepare_file(struct sqlite_db *db, bool must_exist, struct err *err)
{
	struct stat st;
	int r = must_exist ? 0 : create_file(db->path, err);

	if (r < 0)
		return r;
	if (stat(db->path, &st) < 0 && errno == ENOENT)
		return err_set(
			err, -ENOENT,
			"datastore %s is not there; set KORAT_SQLITE_FILE to the one in use, "
			"or begin a new one with koratctl apply",
			db->path);
	if (stat(db->path, &st) < 0)
		return err_errno(err, -errno, "can't look at datastore %s", db->path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL,
			       "datastore %s is not a file; set KORAT_SQLITE_FILE to one",
			       db->path);
	if ((st.st_mode & 077) && chmod(db->path, 0600) < 0)
		return err_errno(err, -errno, "can't make datastore %s private", db->path);
	db->dev = st.st_dev;
	db->ino = st.st_ino;
	return 0;
}

int sqlite_db_check_file(struct sqlite_db *db, struct err *err)
{
	struct stat st;

	if (stat(db->path, &st) == 0 && st.st_dev == db->dev && st.st_ino == db->ino)
		return 0;
	return err_set(
		err, -ESTALE,
		"datastore %s was removed or replaced while in use; restart to use the new one",
		db->path);
}

/* The first column of the first row, for pragmas. */
static int read_int(struct sqlite_db *db, const char *sql, int *ret)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	if (r == SQLITE_ROW)
		*ret = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return r == SQLITE_ROW ? SQLITE_OK : r;
}

static int use_wal(struct sqlite_db *db)
{
	sqlite3_stmt *stmt = NULL;
	const char *mode = NULL;
	int r = sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	if (r == SQLITE_ROW)
		mode = (const char *)sqlite3_column_text(stmt, 0);
	if (mode)
		r = strcmp(mode, "wal") == 0 ? SQLITE_OK : SQLITE_CANTOPEN;
	(void)sqlite3_finalize(stmt);
	return r;
}

/*
 * SQLITE_OK, or a result of SQLite; *ret_version > SCHEMA_VERSION: nothing was touched. All of it
 * is read in one transaction: somebody else may be creating the schema right now.
 */
static int read_version(struct sqlite_db *db, int *ret_version)
{
	int application = 0;
	int tables = 0;
	int r = sqlite3_exec(db->handle, "BEGIN", NULL, NULL, NULL);

	if (r == SQLITE_OK)
		r = read_int(db, "PRAGMA application_id", &application);
	if (r == SQLITE_OK)
		r = read_int(db, "PRAGMA user_version", ret_version);
	if (r == SQLITE_OK)
		r = read_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
	sqlite_db_rollbackp(&db);
	if (r == SQLITE_OK && application != APPLICATION_ID && (application || tables))
		r = SQLITE_NOTADB;
	return r;
}

static int create_schema(struct sqlite_db *db)
{
	int version = 0;
	int r = sqlite3_exec(db->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (r == SQLITE_OK)
		r = read_int(db, "PRAGMA user_version", &version);
	if (r == SQLITE_OK && version == 0)
		r = sqlite3_exec(db->handle, schema_sql, NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL);
	sqlite_db_rollbackp(&db);
	return r;
}

static int configure_once(struct sqlite_db *db, int *ret_version)
{
	int r = read_version(db, ret_version);

	if (r != SQLITE_OK || *ret_version > SCHEMA_VERSION)
		return r;
	r = use_wal(db);
	if (r == SQLITE_OK)
		r = sqlite3_exec(db->handle,
				 "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
				 "PRAGMA mmap_size = 0; PRAGMA cache_size = -" CACHE_KIB ";"
				 "PRAGMA journal_size_limit = 4194304;"
				 "PRAGMA trusted_schema = OFF",
				 NULL, NULL, NULL);
	if (r == SQLITE_OK && *ret_version == 0)
		r = create_schema(db);
	return r;
}

/*
 * Again while others do the same: changing the journal mode doesn't call the busy handler where
 * waiting could be a deadlock.
 */
static int configure(struct sqlite_db *db, struct err *err)
{
	uint64_t start = now_us();
	int version = 0;
	int r;

	for (;;) {
		r = configure_once(db, &version);
		if ((r & 0xff) != SQLITE_BUSY && (r & 0xff) != SQLITE_PROTOCOL)
			break;
		if (now_us() - start > BUSY_MAX_US)
			break;
		busy_pause(db);
	}
	if (r != SQLITE_OK)
		return failed(db, r, "open it", err);
	if (version > SCHEMA_VERSION)
		return err_set(
			err, -EPROTO,
			"datastore %s has format %d, this Korat knows up to %d; use a newer one",
			db->path, version, SCHEMA_VERSION);
	return 0;
}

int sqlite_db_open(const char *path, bool must_exist, struct sqlite_db **ret, struct err *err)
{
	_cleanup_(sqlite_db_closep) struct sqlite_db *db = XNEW(struct sqlite_db);
	int r;

	db->path = xstrdup(path);
	db->busy_random = (uint32_t)now_us() ^ (uint32_t)getpid() << 16;
	r = prepare_file(db, must_exist, err);
	if (r < 0)
		return r;
	r = sqlite3_open_v2(db->path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			    "unix");
	if (r != SQLITE_OK)
		return failed(db, r, "open it", err);
	(void)sqlite3_busy_handler(db->handle, on_busy, db);
	(void)sqlite3_wal_hook(db->handle, on_commit, db);
	(void)sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, (int)STORE_VALUE_MAX + 65536);
	r = configure(db, err);
	if (r < 0)
		return r;
	r = sqlite_db_check_file(db, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(db);
	return 0;
}

struct sqlite_db *sqlite_db_close(struct sqlite_db *db)
{
	if (!db)
		return NULL;
	for (size_t i = 0; i < STATEMENT_COUNT_; i++)
		(void)sqlite3_finalize(db->statements[i]);
	(void)sqlite3_close(db->handle);
	free(db->path);
	free(db);
	return NULL;
}

int sqlite_db_prepare(struct sqlite_db *db, enum sqlite_statement id, sqlite3_stmt **ret,
		      struct err *err)
{
	if (!db->statements[id]) {
		int r = sqlite3_prepare_v3(db->handle, statement_sql[id], -1,
					   SQLITE_PREPARE_PERSISTENT, &db->statements[id], NULL);

		if (r != SQLITE_OK)
			return failed(db, r, "prepare a statement", err);
	}
	*ret = db->statements[id];
	return 0;
}

int sqlite_db_step(struct sqlite_db *db, sqlite3_stmt *stmt, struct err *err)
{
	int r = sqlite3_step(stmt);

	if (r == SQLITE_ROW)
		return 1;
	return r == SQLITE_DONE ? 0 : failed(db, r, "read or write it", err);
}

int sqlite_db_run(struct sqlite_db *db, enum sqlite_statement id, struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	int r = sqlite_db_prepare(db, id, &stmt, err);

	return r < 0 ? r : sqlite_db_step(db, stmt, err);
}

int sqlite_db_meta(struct sqlite_db *db, struct sqlite_meta *ret, struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	int r = sqlite_db_prepare(db, STATEMENT_META_GET, &stmt, err);

	if (r < 0)
		return r;
	r = sqlite_db_step(db, stmt, err);
	if (r < 0)
		return r;
	if (r == 0)
		return failed(db, SQLITE_CORRUPT, "find its revision", err);
	ret->revision = (uint64_t)sqlite3_column_int64(stmt, 0);
	ret->compacted = (uint64_t)sqlite3_column_int64(stmt, 1);
	ret->tombstones = (uint64_t)sqlite3_column_int64(stmt, 2);
	return 0;
}

void sqlite_db_rollbackp(struct sqlite_db **db)
{
	if (!sqlite3_get_autocommit((*db)->handle))
		(void)sqlite3_exec((*db)->handle, "ROLLBACK", NULL, NULL, NULL);
}

void sqlite_bind_key(sqlite3_stmt *stmt, enum kind kind, const char *namespace, const char *name)
{
	(void)sqlite3_bind_text(stmt, 1, kind_get(kind)->plural, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(stmt, 2, namespace ? namespace : "", -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(stmt, 3, name, -1, SQLITE_STATIC);
}

static char *column_string(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return xstrdup(text ? text : "");
}

void sqlite_read_row(sqlite3_stmt *stmt, enum kind kind, struct store_object *ret)
{
	const char *value = (const char *)sqlite3_column_text(stmt, COLUMN_VALUE);
	size_t size = (size_t)sqlite3_column_bytes(stmt, COLUMN_VALUE);

	*ret = (struct store_object){
		.kind = kind,
		.namespace = column_string(stmt, COLUMN_NAMESPACE),
		.name = column_string(stmt, COLUMN_NAME),
		.revision = (uint64_t)sqlite3_column_int64(stmt, COLUMN_REVISION),
	};
	if (!*ret->namespace)
		replace_str(&ret->namespace, NULL);
	if (!value)
		return;
	ret->value = xmalloc(size + 1);
	memcpy(ret->value, value, size);
	ret->value[size] = '\0';
	ret->size = size;
}
