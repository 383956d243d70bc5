/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is special to the SQLite backend: the file's mode, refusals that name path and remedy, and
 * many processes at once of which some are killed at any moment.
 *
 * The torture: writers raise shared counters by optimistic concurrency and, in the same
 * transaction, write how often they did. What a writer was told is done it counts in memory shared
 * with the parent, so afterwards each stored count must be what was acknowledged, or one more for a
 * writer that was killed between the commit and the count; and the counters' sum must be that of
 * the writers. A watcher must see objects only get newer and end with what is stored.
 */

#include "store/test-store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "base/parse.h"

#define N_COUNTERS 3
#define N_WRITERS  8   /* at once */
#define N_SLOTS	   200 /* writers in all, each with a name of its own */
#define N_NAMES	   (N_COUNTERS + N_SLOTS)
#define TORTURE_MS 2000

static int setup(void **state)
{
	struct test_place *place = XNEW(struct test_place);

	test_place_make(place);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	test_place_remove(*state);
	free(*state);
	return 0;
}

static void assert_private(const char *path, const char *suffix)
{
	_cleanup_free_ char *file = xasprintf("%s%s", path, suffix);
	struct stat st;

	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_files_are_private(void **state)
{
	struct test_place *place = *state;
	mode_t mask = umask(0);
	_cleanup_(store_closep) struct store *store = test_open(&place->config);

	(void)test_put(store, "a", "{}");
	assert_private(place->path, "");
	assert_private(place->path, "-wal");
	assert_private(place->path, "-shm");
	(void)store_close(TAKE_PTR(store));
	assert_int_equal(chmod(place->path, 0644), 0);
	store = test_open(&place->config);
	(void)test_put(store, "a", "{}");
	assert_private(place->path, "");
	assert_private(place->path, "-wal");
	(void)umask(mask);
}

static void assert_refused(const struct store_config *config, int code, const char *word)
{
	struct store *store = NULL;
	struct store_watch *watch = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(store_open(config, &store, &err), code);
	if (!strstr(err.msg, config->path) || !strstr(err.msg, word))
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", err.msg, config->path, word);
	assert_int_equal(store_watch_open(config, UINT64_C(1) << KIND_NODE, 0, &watch, &err), code);
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_refusals(void **state)
{
	struct test_place *place = *state;
	struct store_config missing = {.type = "sqlite", .path = "/nonexistent/korat.db"};
	struct store_config directory = {.type = "sqlite", .path = place->dir};
	struct store_config other = {.type = "etcd", .path = "etcd"};
	char junk[4096];
	struct err err = ERR_INIT;

	assert_refused(&missing, -ENOENT, "KORAT_SQLITE_FILE");
	assert_refused(&directory, -EINVAL, "not a file");
	assert_refused(&other, -EINVAL, "DATASTORE_TYPE");
	place->config.must_exist = true;
	assert_refused(&place->config, -ENOENT, "is not there");
	place->config.must_exist = false;
	memset(junk, 'x', sizeof(junk));
	test_ok(file_write_atomic(place->path, junk, sizeof(junk), 0600, &err), &err);
	assert_refused(&place->config, -EINVAL, "not a database of Korat");
	test_ok(file_write_atomic(place->path, junk, 5, 0600, &err), &err);
	assert_refused(&place->config, -EINVAL, "not a database of Korat");
	assert_int_equal(unlink(place->path), 0);
	run_sql(place->path, "CREATE TABLE someone_elses (x)");
	assert_refused(&place->config, -EINVAL, "not a database of Korat");
}

static void test_newer_format(void **state)
{
	struct test_place *place = *state;

	(void)store_close(test_open(&place->config));
	run_sql(place->path, "PRAGMA user_version = 2");
	assert_refused(&place->config, -EPROTO, "format 2");
}

static void test_replaced_file(void **state)
{
	struct test_place *place = *state;
	_cleanup_(store_closep) struct store *store = test_open(&place->config);
	_cleanup_(store_watch_closep) struct store_watch *watch = NULL;
	_cleanup_free_ char *old = xasprintf("%s.old", place->path);
	struct store_op op = test_op(STORE_PUT, "a", "{}", 0);
	struct store_event event;
	struct err err = ERR_INIT;

	test_ok(store_watch_open(&place->config, UINT64_C(1) << KIND_NODE, 1, &watch, &err), &err);
	assert_int_equal(rename(place->path, old), 0);
	assert_int_equal(store_commit(store, &op, 1, NULL, NULL, &err), -ESTALE);
	assert_int_equal(store_watch_next(watch, &event, &err), -ESTALE);
	assert_int_equal(rename(old, place->path), 0);
	test_ok(store_commit(store, &op, 1, NULL, NULL, &err), &err);
}

/* A committer that dies before it could set the file's times is noticed nevertheless. */
static void test_wakes_without_hint(void **state)
{
	struct test_place *place = *state;
	_cleanup_(store_watch_closep) struct store_watch *watch = NULL;
	_cleanup_(store_event_deinitp) struct store_event event = {0};
	struct pollfd fd = {.events = POLLIN};
	struct err err = ERR_INIT;

	test_ok(store_watch_open(&place->config, UINT64_C(1) << KIND_NODE, 1, &watch, &err), &err);
	assert_int_equal(store_watch_next(watch, &event, &err), STORE_E_AGAIN);
	run_sql(place->path, "BEGIN IMMEDIATE; UPDATE meta SET revision = revision + 1;"
			     "INSERT INTO object (kind, namespace, name, revision, value)"
			     " SELECT 'nodes', '', 'quiet', revision, '{}' FROM meta; COMMIT");
	fd.fd = store_watch_fd(watch);
	assert_int_equal(poll(&fd, 1, 5000), 1);
	test_ok(store_watch_next(watch, &event, &err), &err);
	assert_string_equal(event.object.name, "quiet");
}

static void test_object_round_trip(void **state)
{
	static const char text[] = "{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"IPPool\","
				   "\"metadata\":{\"name\":\"p\",\"resourceVersion\":\"5\"},"
				   "\"spec\":{\"cidr\":\"10.0.0.0/16\"}}";
	_cleanup_(model_freep) struct object *object = NULL;
	_cleanup_free_ char *written = NULL;
	struct store_object stored = {.kind = KIND_IP_POOL,
				      .name = (char[]){"p"},
				      .value = (char *)(uintptr_t)text,
				      .size = sizeof(text) - 1,
				      .revision = 7};
	struct err err = ERR_INIT;
	size_t size = 0;

	(void)state;
	test_ok(store_object_read(&stored, &object, &err), &err);
	written = store_object_text(object, &size);
	assert_int_equal(size, strlen(written));
	assert_null(strstr(written, "resourceVersion"));
	assert_non_null(strstr(written, "10.0.0.0/16"));
	object = model_free(object);
	stored.name = (char[]){"q"};
	assert_int_equal(store_object_read(&stored, &object, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "ippools/q"));
	stored.name = (char[]){"p"};
	stored.kind = KIND_NODE;
	assert_int_equal(store_object_read(&stored, &object, &err), -EBADMSG);
	stored.size = 20;
	assert_true(store_object_read(&stored, &object, &err) < 0);
}

/* --- Torture ------------------------------------------------------------------------------- */

struct shared {
	_Atomic bool stop;
	_Atomic uint64_t acknowledged[N_SLOTS];
	_Atomic bool killed[N_SLOTS];
};

static void die(const char *what, const struct err *err)
{
	(void)fprintf(stderr, "%s: %s\n", what, err->msg);
	_exit(3);
}

/* The number stored under a name, 0 where nothing is. */
static uint64_t read_number(struct store *store, const char *name, uint64_t *ret_revision)
{
	_cleanup_(store_object_deinitp) struct store_object object = {0};
	struct err err = ERR_INIT;
	uint64_t n = 0;
	int r = store_get(store, KIND_NODE, NULL, name, &object, &err);

	*ret_revision = 0;
	if (r == STORE_E_NOT_FOUND)
		return 0;
	if (r == 0)
		r = parse_u64(object.value, 0, UINT64_MAX, &n, &err);
	if (r < 0)
		die("get", &err);
	*ret_revision = object.revision;
	return n;
}

/* One step up of a counter and of the writer's own count. */
static int raise_counter(struct store *store, const char *counter, const char *self, uint64_t own)
{
	struct err err = ERR_INIT;
	uint64_t revision;
	uint64_t n = read_number(store, counter, &revision);
	_cleanup_free_ char *value = xasprintf("%" PRIu64, n + 1);
	_cleanup_free_ char *own_value = xasprintf("%" PRIu64, own);
	struct store_op ops[] = {
		test_op(revision ? STORE_UPDATE : STORE_CREATE, counter, value, revision),
		test_op(STORE_PUT, self, own_value, 0),
	};
	int r = store_commit(store, ops, 2, NULL, NULL, &err);

	if (r < 0)
		die("commit", &err);
	return r;
}

static void __attribute__((noreturn))
writer(const struct store_config *config, struct shared *shared, unsigned int slot)
{
	_cleanup_free_ char *self = xasprintf("writer-%u", slot);
	struct store *store = NULL;
	struct err err = ERR_INIT;
	unsigned int next = slot;

	if (store_open(config, &store, &err) < 0)
		die("open", &err);
	while (!shared->stop) {
		_cleanup_free_ char *counter = xasprintf("counter-%u", next++ % N_COUNTERS);

		if (raise_counter(store, counter, self, shared->acknowledged[slot] + 1) == 0)
			shared->acknowledged[slot]++;
	}
	(void)store_close(store);
	_exit(0);
}

struct seen {
	char name[32];
	char value[32];
	uint64_t revision;
};

static struct seen *seen_of(struct seen *seen, const char *name)
{
	for (size_t i = 0; i < N_NAMES; i++) {
		if (!*seen[i].name)
			(void)snprintf(seen[i].name, sizeof(seen[i].name), "%s", name);
		if (strcmp(seen[i].name, name) == 0)
			return &seen[i];
	}
	abort();
}

static void compare_with_store(const struct store_config *config, struct seen *seen)
{
	struct store_list list = {0};
	struct store *store = NULL;
	struct err err = ERR_INIT;

	if (store_open(config, &store, &err) < 0 ||
	    store_list(store, KIND_NODE, NULL, &list, &err) < 0)
		die("list", &err);
	for (size_t i = 0; i < list.n; i++) {
		struct seen *last = seen_of(seen, list.v[i].name);

		if (strcmp(list.v[i].name, "done") != 0 &&
		    (last->revision != list.v[i].revision ||
		     strcmp(last->value, list.v[i].value) != 0))
			_exit(4);
	}
	store_list_deinit(&list);
	(void)store_close(store);
}

static bool watcher_takes(struct seen *seen, const struct store_event *event)
{
	struct seen *last;

	if (event->type == STORE_EVENT_IN_SYNC)
		return true;
	if (event->type != STORE_EVENT_PUT)
		_exit(5);
	if (strcmp(event->object.name, "done") == 0)
		return false;
	last = seen_of(seen, event->object.name);
	if (event->object.revision < last->revision)
		_exit(6);
	last->revision = event->object.revision;
	(void)snprintf(last->value, sizeof(last->value), "%s", event->object.value);
	return true;
}

static void __attribute__((noreturn)) watcher(const struct store_config *config)
{
	struct seen *seen = xcalloc(N_NAMES, sizeof(*seen));
	struct store_watch *watch = NULL;
	struct pollfd fd = {.events = POLLIN};
	struct err err = ERR_INIT;
	bool more = true;

	if (store_watch_open(config, UINT64_C(1) << KIND_NODE, 0, &watch, &err) < 0)
		die("watch", &err);
	fd.fd = store_watch_fd(watch);
	while (more) {
		struct store_event event = {0};
		int r = store_watch_next(watch, &event, &err);

		if (r < 0)
			die("watch", &err);
		if (r == STORE_E_AGAIN) {
			if (poll(&fd, 1, 10000) != 1)
				_exit(7);
			continue;
		}
		more = watcher_takes(seen, &event);
		store_event_deinit(&event);
	}
	(void)store_watch_close(watch);
	compare_with_store(config, seen);
	free(seen);
	_exit(0);
}

static pid_t start_writer(const struct store_config *config, struct shared *shared,
			  unsigned int slot)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		writer(config, shared, slot);
	return pid;
}

static void assert_exits(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Writers come and are killed; gives how many there were in all. */
static unsigned int run_writers(const struct store_config *config, struct shared *shared)
{
	uint64_t end = now_ms() + TORTURE_MS;
	unsigned int slots[N_WRITERS];
	pid_t pids[N_WRITERS];
	unsigned int n = 0;
	unsigned int seed = (unsigned int)end;

	for (unsigned int i = 0; i < N_WRITERS; i++) {
		slots[i] = n;
		pids[i] = start_writer(config, shared, n++);
	}
	while (now_ms() < end && n < N_SLOTS) {
		unsigned int victim = (unsigned int)rand_r(&seed) % N_WRITERS;
		int status;

		(void)usleep((useconds_t)(rand_r(&seed) % 30000));
		assert_int_equal(kill(pids[victim], SIGKILL), 0);
		assert_int_equal(waitpid(pids[victim], &status, 0), pids[victim]);
		assert_true(WIFSIGNALED(status));
		shared->killed[slots[victim]] = true;
		slots[victim] = n;
		pids[victim] = start_writer(config, shared, n++);
	}
	shared->stop = true;
	for (unsigned int i = 0; i < N_WRITERS; i++)
		assert_exits(pids[i]);
	return n;
}

static void check_sums(struct store *store, struct shared *shared, unsigned int n_writers)
{
	uint64_t counted = 0;
	uint64_t written = 0;
	uint64_t revision;

	for (unsigned int i = 0; i < n_writers; i++) {
		_cleanup_free_ char *name = xasprintf("writer-%u", i);
		uint64_t own = read_number(store, name, &revision);

		assert_in_range(own, shared->acknowledged[i],
				shared->acknowledged[i] + (shared->killed[i] ? 1 : 0));
		written += own;
	}
	for (unsigned int i = 0; i < N_COUNTERS; i++) {
		_cleanup_free_ char *name = xasprintf("counter-%u", i);

		counted += read_number(store, name, &revision);
	}
	assert_true(written > 0);
	assert_int_equal(counted, written);
	print_message("%u writers, %" PRIu64 " commits\n", n_writers, written);
}

static void check_integrity(const char *path)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL), 0);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_killed_writers(void **state)
{
	struct test_place *place = *state;
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	_cleanup_(store_closep) struct store *store = NULL;
	unsigned int n_writers;
	pid_t watcher_pid;

	assert_ptr_not_equal(shared, MAP_FAILED);
	watcher_pid = fork();
	assert_true(watcher_pid >= 0);
	if (watcher_pid == 0)
		watcher(&place->config);
	n_writers = run_writers(&place->config, shared);
	store = test_open(&place->config);
	(void)test_put(store, "done", "1");
	assert_exits(watcher_pid);
	check_sums(store, shared, n_writers);
	(void)store_close(TAKE_PTR(store));
	check_integrity(place->path);
	assert_int_equal(munmap(shared, sizeof(*shared)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files_are_private, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newer_format, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wakes_without_hint, setup, teardown),
		cmocka_unit_test(test_object_round_trip),
		cmocka_unit_test_setup_teardown(test_killed_writers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
