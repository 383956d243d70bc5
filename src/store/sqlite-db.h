/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One connection to the SQLite file: opened, checked, brought to our schema, with its statements
 * prepared once. Internal to the SQLite backend. One thread at a time.
 */

#include <sqlite3.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "store/store.h"

#define SQLITE_DB_TOMBSTONES 4096 /* deletions that are kept for watches that lag or resume */

enum sqlite_statement {
	STATEMENT_BEGIN_READ,
	STATEMENT_BEGIN_WRITE,
	STATEMENT_COMMIT,
	STATEMENT_ROLLBACK,
	STATEMENT_META_GET,	  /* -> revision, compacted, tombstones */
	STATEMENT_META_SET,	  /* revision, compacted, tombstones */
	STATEMENT_FIND,		  /* kind, namespace, name -> id, revision, gone */
	STATEMENT_NEWER,	  /* kind, revision -> something, if there is a newer object */
	STATEMENT_GET,		  /* kind, namespace, name -> row */
	STATEMENT_LIST,		  /* kind -> rows */
	STATEMENT_LIST_NAMESPACE, /* kind, namespace -> rows */
	STATEMENT_LIST_AFTER,	  /* kind, namespace, name, count -> rows behind that key */
	STATEMENT_CHANGES,	  /* revision, id, count -> rows behind that change */
	STATEMENT_INSERT,	  /* kind, namespace, name, revision, value */
	STATEMENT_UPDATE,	  /* id, revision, value; no value: a tombstone */
	STATEMENT_OLDEST,	  /* count -> id, revision of tombstones */
	STATEMENT_REMOVE,	  /* id */
	STATEMENT_COUNT_,
};

/* The columns of a row, in this order. */
enum sqlite_column {
	COLUMN_ID,
	COLUMN_KIND,
	COLUMN_NAMESPACE,
	COLUMN_NAME,
	COLUMN_REVISION,
	COLUMN_VALUE,
};

struct sqlite_db {
	sqlite3 *handle;
	char *path;
	dev_t dev; /* of the file that was opened, to notice that it was replaced */
	ino_t ino;
	uint64_t busy_since_us;
	uint32_t busy_random;
	bool unsettled; /* a commit nobody was told of (store_settle) */
	int wal_pages;	/* in the journal after this connection's last commit */
	sqlite3_stmt *statements[STATEMENT_COUNT_];
};

struct sqlite_meta {
	uint64_t revision;   /* of the last commit */
	uint64_t compacted;  /* of the newest deletion that is not kept any more */
	uint64_t tombstones; /* deletions that are kept */
};

MUST_CHECK int sqlite_db_open(const char *path, bool must_exist, struct sqlite_db **ret,
			      struct err *err);
struct sqlite_db *sqlite_db_close(struct sqlite_db *db);
CLEANUP_FUNC(struct sqlite_db *, sqlite_db_close);

/* -ESTALE: the path is not the file any more that is open; what is written would be lost. */
MUST_CHECK int sqlite_db_check_file(struct sqlite_db *db, struct err *err);

/* The statement, ready to bind; borrowed. Reset it when done (sqlite_resetp). */
MUST_CHECK int sqlite_db_prepare(struct sqlite_db *db, enum sqlite_statement id, sqlite3_stmt **ret,
				 struct err *err);
/* 1: a row is there. 0: done. */
MUST_CHECK int sqlite_db_step(struct sqlite_db *db, sqlite3_stmt *stmt, struct err *err);
/* Runs a statement without parameters or rows. */
MUST_CHECK int sqlite_db_run(struct sqlite_db *db, enum sqlite_statement id, struct err *err);
MUST_CHECK int sqlite_db_meta(struct sqlite_db *db, struct sqlite_meta *ret, struct err *err);

/*
 * After a commit: moves the journal into the file where it has grown long. Failure only delays it.
 * Not by SQLite itself, which would do it before the commit returns and watches are woken.
 */
void sqlite_db_checkpoint(struct sqlite_db *db);

/* Leaves the transaction there is, if any. For _cleanup_(sqlite_db_rollbackp). */
void sqlite_db_rollbackp(struct sqlite_db **db);

static inline void sqlite_resetp(sqlite3_stmt **stmt)
{
	if (!*stmt)
		return;
	(void)sqlite3_reset(*stmt);
	(void)sqlite3_clear_bindings(*stmt);
}

/* Binds a key to parameters 1 to 3. Borrowed until reset. */
void sqlite_bind_key(sqlite3_stmt *stmt, enum kind kind, const char *namespace, const char *name);

/* Fills in everything of a row but the kind. Without value: a deletion. */
void sqlite_read_row(sqlite3_stmt *stmt, enum kind kind, struct store_object *ret);
