/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Watching the SQLite file. The truth is the file: a watch keeps a cursor into the changes ordered
 * by (revision, row) and reads on from there. Waking is only a hint and may come too often: a
 * committer sets the file's times after its commit is visible (inotify IN_ATTRIB), and a timer
 * looks every FALLBACK_S in case a committer died in between.
 *
 * No change is missed: the hint is cleared before the file is read, so a commit is either seen by
 * that read or its hint comes after the clearing. None is seen late: each read is one transaction,
 * rows hold the last state only, and the cursor only grows.
 *
 *	SNAPSHOT --all kinds read--> CATCHING_UP --no more changes: IN_SYNC--> LIVE
 *	    ^                             |                                      |
 *	    `------- RESYNC: deletions behind the cursor were trimmed -----------'
 *
 * The snapshot is read in pages, each a transaction of its own, so a slow reader holds no lock and
 * little memory. Pages may show objects newer than the cursor, which still stands at the revision
 * of the snapshot's start; catching up repeats what changed meanwhile (including deletions of what
 * an earlier page showed) and ends with a read that found no more, which is a consistent state.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "model/model-desc.h"
#include "store/sqlite-db.h"
#include "store/store-backend.h"
#include "store/store-sqlite.h"

#define FALLBACK_S	1
#define PAGE_ROWS	256
#define PAGE_BYTES	(1u << 20) /* a page ends when it has this many; one value is always read */
#define WHOLE_REVISION	INT64_MAX  /* cursor: no row of that revision is left to be read */
#define EVENTS_PER_PAGE (PAGE_ROWS + 1)

enum watch_state {
	WATCH_SNAPSHOT,
	WATCH_CATCHING_UP,
	WATCH_LIVE,
};

struct sqlite_watch {
	struct store_watch watch;
	struct sqlite_db *db;
	uint64_t kinds;
	enum watch_state state;

	uint64_t revision; /* the cursor: everything up to here was reported, */
	int64_t id;	   /* of this revision the rows up to this id */

	int snapshot_kind;     /* the next page of the snapshot: this kind, */
	char *after_namespace; /* behind this key */
	char *after_name;

	struct store_event *events; /* read, not yet handed out: first to n_events */
	size_t first_event;
	size_t n_events;

	int epoll_fd;
	int inotify_fd;
	int timer_fd;
};

/* What a page holds, and whether there are rows behind it. */
struct page {
	size_t rows;
	size_t bytes;
	bool more;
};

static struct sqlite_watch *watch_of(struct store_watch *watch)
{
	return CONTAINER_OF(watch, struct sqlite_watch, watch);
}

static struct store_event *event_add(struct sqlite_watch *watch, enum store_event_type type)
{
	assert(watch->n_events < EVENTS_PER_PAGE);
	watch->events[watch->n_events] = (struct store_event){.type = type};
	return &watch->events[watch->n_events++];
}

static void set_position(struct sqlite_watch *watch, int kind, const char *namespace,
			 const char *name)
{
	watch->snapshot_kind = kind;
	replace_str(&watch->after_namespace, xstrdup(namespace));
	replace_str(&watch->after_name, xstrdup(name));
}

static void set_cursor(struct sqlite_watch *watch, uint64_t revision, int64_t id)
{
	watch->revision = revision;
	watch->id = id;
}

static void start_snapshot(struct sqlite_watch *watch, const struct sqlite_meta *meta)
{
	watch->state = WATCH_SNAPSHOT;
	set_cursor(watch, meta->revision, WHOLE_REVISION);
	set_position(watch, 1, "", "");
}

/* Are all changes behind the cursor still there? */
static bool cursor_is_kept(const struct sqlite_watch *watch, const struct sqlite_meta *meta)
{
	if (watch->revision > meta->revision)
		return false;
	if (watch->id == WHOLE_REVISION)
		return watch->revision >= meta->compacted;
	return watch->revision > meta->compacted;
}

/* Counts a row; false: the page is full and the row belongs to the next. */
static bool page_takes(struct page *page, sqlite3_stmt *stmt)
{
	size_t size = (size_t)sqlite3_column_bytes(stmt, COLUMN_VALUE);

	page->more = page->rows && (page->rows >= PAGE_ROWS || page->bytes + size > PAGE_BYTES);
	page->rows++;
	page->bytes += size;
	return !page->more;
}

static int read_kind_page(struct sqlite_watch *watch, struct page *page, struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	enum kind kind = (enum kind)watch->snapshot_kind;
	const struct store_object *last = NULL;
	int r = sqlite_db_prepare(watch->db, STATEMENT_LIST_AFTER, &stmt, err);

	if (r < 0)
		return r;
	sqlite_bind_key(stmt, kind, watch->after_namespace, watch->after_name);
	(void)sqlite3_bind_int(stmt, 4, PAGE_ROWS + 1);
	while ((r = sqlite_db_step(watch->db, stmt, err)) > 0 && page_takes(page, stmt)) {
		struct store_event *event = event_add(watch, STORE_EVENT_PUT);

		sqlite_read_row(stmt, kind, &event->object);
		last = &event->object;
	}
	if (r < 0)
		return r;
	if (last)
		set_position(watch, kind, last->namespace ? last->namespace : "", last->name);
	return 0;
}

/* One page of the snapshot, or the end of it. */
static int read_snapshot(struct sqlite_watch *watch, struct err *err)
{
	while (watch->snapshot_kind < KIND_COUNT_ && watch->n_events == 0) {
		struct page page = {0};
		int r;

		if (watch->kinds & (UINT64_C(1) << watch->snapshot_kind)) {
			r = read_kind_page(watch, &page, err);
			if (r < 0)
				return r;
		}
		if (!page.more)
			set_position(watch, watch->snapshot_kind + 1, "", "");
	}
	if (watch->snapshot_kind >= KIND_COUNT_)
		watch->state = WATCH_CATCHING_UP;
	return 0;
}

static void add_change(struct sqlite_watch *watch, sqlite3_stmt *stmt)
{
	const char *plural = (const char *)sqlite3_column_text(stmt, COLUMN_KIND);
	const struct kind_desc *desc = kind_find_plural(plural ? plural : "");
	bool gone = sqlite3_column_type(stmt, COLUMN_VALUE) == SQLITE_NULL;
	struct store_event *event;

	if (!desc || !(watch->kinds & (UINT64_C(1) << desc->kind)))
		return;
	event = event_add(watch, gone ? STORE_EVENT_DELETE : STORE_EVENT_PUT);
	sqlite_read_row(stmt, desc->kind, &event->object);
}

static int read_change_page(struct sqlite_watch *watch, struct page *page, struct err *err)
{
	_cleanup_(sqlite_resetp) sqlite3_stmt *stmt = NULL;
	int r = sqlite_db_prepare(watch->db, STATEMENT_CHANGES, &stmt, err);

	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)watch->revision);
	(void)sqlite3_bind_int64(stmt, 2, watch->id);
	(void)sqlite3_bind_int(stmt, 3, PAGE_ROWS + 1);
	while ((r = sqlite_db_step(watch->db, stmt, err)) > 0 && page_takes(page, stmt)) {
		add_change(watch, stmt);
		set_cursor(watch, (uint64_t)sqlite3_column_int64(stmt, COLUMN_REVISION),
			   sqlite3_column_int64(stmt, COLUMN_ID));
	}
	return MIN(r, 0);
}

/* All pages of other kinds, and the first page that has something for us. */
static int read_changes(struct sqlite_watch *watch, const struct sqlite_meta *meta, struct err *err)
{
	struct page page = {.more = true};

	while (page.more && watch->n_events == 0) {
		int r;

		page = (struct page){0};
		r = read_change_page(watch, &page, err);
		if (r < 0)
			return r;
	}
	if (page.more)
		return 0;
	set_cursor(watch, meta->revision, WHOLE_REVISION);
	if (watch->state == WATCH_CATCHING_UP) {
		event_add(watch, STORE_EVENT_IN_SYNC)->object.revision = meta->revision;
		watch->state = WATCH_LIVE;
	}
	return 0;
}

/* Reads on, in one transaction. May find nothing. */
static int read_on(struct sqlite_watch *watch, struct err *err)
{
	_cleanup_(sqlite_db_rollbackp) struct sqlite_db *db = watch->db;
	struct sqlite_meta meta;
	int r = sqlite_db_run(db, STATEMENT_BEGIN_READ, err);

	if (r < 0)
		return r;
	r = sqlite_db_meta(db, &meta, err);
	if (r < 0)
		return r;
	if (!cursor_is_kept(watch, &meta)) {
		event_add(watch, STORE_EVENT_RESYNC);
		start_snapshot(watch, &meta);
		return 0;
	}
	if (watch->state == WATCH_SNAPSHOT)
		r = read_snapshot(watch, err);
	if (r == 0 && watch->state != WATCH_SNAPSHOT && watch->n_events == 0)
		r = read_changes(watch, &meta, err);
	return r;
}

/* Now: the fd is readable until the next call. Otherwise it is after FALLBACK_S. */
static void set_timer(struct sqlite_watch *watch, bool now)
{
	struct itimerspec spec = {0};
	int r;

	if (now)
		spec.it_value.tv_nsec = 1;
	else
		spec.it_value.tv_sec = FALLBACK_S;
	r = timerfd_settime(watch->timer_fd, 0, &spec, NULL);
	assert(r == 0);
}

static void clear_hints(struct sqlite_watch *watch)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(watch->inotify_fd, events, sizeof(events)) > 0)
		;
}

static void drop_events(struct sqlite_watch *watch)
{
	while (watch->first_event < watch->n_events)
		store_event_deinit(&watch->events[watch->first_event++]);
	watch->first_event = 0;
	watch->n_events = 0;
}

/*
 * A read that fails halfway reports nothing and moves nothing: its events are dropped and the
 * cursor goes back. (The position of the snapshot only moves when its page was read.)
 */
static int fetch(struct sqlite_watch *watch, struct err *err)
{
	uint64_t revision = watch->revision;
	int64_t id = watch->id;
	int r;

	clear_hints(watch);
	r = sqlite_db_check_file(watch->db, err);
	if (r == 0)
		r = read_on(watch, err);
	if (r < 0) {
		drop_events(watch);
		set_cursor(watch, revision, id);
		set_timer(watch, false);
		return r;
	}
	set_timer(watch, watch->n_events > 0);
	return watch->n_events ? 0 : STORE_E_AGAIN;
}

int sqlite_watch_next(struct store_watch *store_watch, struct store_event *ret, struct err *err)
{
	struct sqlite_watch *watch = watch_of(store_watch);

	if (watch->first_event == watch->n_events) {
		int r;

		drop_events(watch);
		r = fetch(watch, err);
		if (r != 0)
			return r;
	}
	*ret = watch->events[watch->first_event++];
	return 0;
}

int sqlite_watch_fd(struct store_watch *watch)
{
	return watch_of(watch)->epoll_fd;
}

static struct sqlite_watch *watch_free(struct sqlite_watch *watch)
{
	drop_events(watch);
	free(watch->events);
	free(watch->after_namespace);
	free(watch->after_name);
	(void)fd_close(watch->epoll_fd);
	(void)fd_close(watch->inotify_fd);
	(void)fd_close(watch->timer_fd);
	(void)sqlite_db_close(watch->db);
	free(watch);
	return NULL;
}
CLEANUP_FUNC(struct sqlite_watch *, watch_free);

void sqlite_watch_close(struct store_watch *watch)
{
	(void)watch_free(watch_of(watch));
}

static int poll_add(struct sqlite_watch *watch, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_inotify(struct sqlite_watch *watch, struct err *err)
{
	watch->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->inotify_fd < 0 && errno == EMFILE)
		return err_set(err, -EMFILE,
			       "can't watch datastore %s: too many inotify instances or open files;"
			       " raise sysctl fs.inotify.max_user_instances",
			       watch->db->path);
	if (watch->inotify_fd < 0)
		return err_errno(err, -errno, "can't watch datastore %s", watch->db->path);
	if (inotify_add_watch(watch->inotify_fd, watch->db->path, IN_ATTRIB | IN_MOVE_SELF) >= 0)
		return 0;
	if (errno == ENOSPC)
		return err_set(err, -ENOSPC,
			       "can't watch datastore %s: too many inotify watches;"
			       " raise sysctl fs.inotify.max_user_watches",
			       watch->db->path);
	return err_errno(err, -errno, "can't watch datastore %s", watch->db->path);
}

static int open_hints(struct sqlite_watch *watch, struct err *err)
{
	int r = open_inotify(watch, err);

	if (r < 0)
		return r;
	watch->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (watch->timer_fd < 0 || watch->epoll_fd < 0)
		return err_errno(err, -errno, "can't watch datastore %s", watch->db->path);
	r = poll_add(watch, watch->inotify_fd);
	if (r == 0)
		r = poll_add(watch, watch->timer_fd);
	if (r < 0)
		return err_errno(err, r, "can't watch datastore %s", watch->db->path);
	set_timer(watch, true);
	return 0;
}

int sqlite_watch_open(const struct store_config *config, uint64_t kinds, uint64_t revision,
		      struct store_watch **ret, struct err *err)
{
	_cleanup_(watch_freep) struct sqlite_watch *watch = XNEW(struct sqlite_watch);
	struct sqlite_meta meta;
	int r;

	watch->watch.backend = &store_backend_sqlite;
	watch->kinds = kinds;
	watch->events = xcalloc(EVENTS_PER_PAGE, sizeof(*watch->events));
	watch->epoll_fd = watch->inotify_fd = watch->timer_fd = -1;
	r = sqlite_db_open(config->path, config->must_exist, &watch->db, err);
	if (r < 0)
		return r;
	r = open_hints(watch, err);
	if (r < 0)
		return r;
	r = sqlite_db_meta(watch->db, &meta, err);
	if (r < 0)
		return r;
	set_cursor(watch, revision, WHOLE_REVISION);
	watch->state = WATCH_LIVE;
	if (revision == 0)
		start_snapshot(watch, &meta);
	else if (!cursor_is_kept(watch, &meta))
		return STORE_E_COMPACTED;
	*ret = &TAKE_PTR(watch)->watch;
	return 0;
}
