/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Measures the embedded datastore: how long a commit of three operations takes, on a disk and where
 * syncing costs nothing, and how long after a commit a watch in another process has the event.
 *
 *	bench-store [directory [directory without sync cost]]	(default: /var/tmp /dev/shm)
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/store.h"

#define N_COMMITS  2000
#define N_WAKES	   500
#define VALUE_SIZE 1000

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void check(int r, const struct err *err)
{
	if (r == 0)
		return;
	(void)fprintf(stderr, "bench-store: %s\n", r < 0 ? err->msg : "unexpected outcome");
	exit(1);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* As tests/bench/run.py reads it: name, value, unit, note. */
static void print(const char *what, const char *where, const char *note, uint64_t *ns, size_t n)
{
	size_t at_99 = n * 99 / 100;
	size_t at_50 = n / 2;

	qsort(ns, n, sizeof(*ns), compare);
	(void)printf("%s-%s-median %.1f us %s\n", what, where, (double)ns[at_50] / 1000, note);
	(void)printf("%s-%s-p99 %.1f us %s\n", what, where, (double)ns[at_99] / 1000, note);
}

/* As an address assignment does: a block is rewritten, a handle and an endpoint are new. */
static void commit_three(struct store *store, const char *value, unsigned int i)
{
	struct err err = ERR_INIT;
	_cleanup_free_ char *name = xasprintf("object-%u", i);
	struct store_op ops[] = {
		{STORE_PUT, KIND_IPAM_BLOCK, NULL, "10-0-0-0-26", value, VALUE_SIZE, 0},
		{STORE_CREATE, KIND_IPAM_HANDLE, NULL, name, value, 200, 0},
		{STORE_CREATE, KIND_WORKLOAD_ENDPOINT, "default", name, value, VALUE_SIZE, 0},
	};

	check(store_commit(store, ops, ARRAY_SIZE(ops), NULL, NULL, &err), &err);
}

static void bench_commit(const struct store_config *config, const char *value, const char *where)
{
	struct store *store = NULL;
	struct err err = ERR_INIT;
	_cleanup_free_ uint64_t *ns = xcalloc(N_COMMITS, sizeof(*ns));

	check(store_open(config, &store, &err), &err);
	for (unsigned int i = 0; i < N_COMMITS; i++) {
		uint64_t start = now_ns();

		commit_three(store, value, i);
		ns[i] = now_ns() - start;
	}
	print("store-commit", where, "commit of 3 operations, durable", ns, N_COMMITS);
	(void)store_close(store);
}

/* Commits the time; the watch compares it with its own. */
static void __attribute__((noreturn)) committer(const struct store_config *config)
{
	struct store *store = NULL;
	struct err err = ERR_INIT;

	check(store_open(config, &store, &err), &err);
	for (unsigned int i = 0; i < N_WAKES; i++) {
		char value[32];
		struct store_op op = {
			.type = STORE_PUT, .kind = KIND_NODE, .name = "wake", .value = value};

		(void)usleep(2000);
		op.size = (size_t)snprintf(value, sizeof(value), "%" PRIu64, now_ns());
		check(store_commit(store, &op, 1, NULL, NULL, &err), &err);
	}
	(void)store_close(store);
	exit(0);
}

static void bench_wake(const struct store_config *config, const char *where)
{
	struct store_watch *watch = NULL;
	struct err err = ERR_INIT;
	_cleanup_free_ uint64_t *ns = xcalloc(N_WAKES, sizeof(*ns));
	pid_t pid = fork();
	size_t n = 0;

	if (pid == 0)
		committer(config);
	check(store_watch_open(config, UINT64_C(1) << KIND_NODE, 0, &watch, &err), &err);
	while (n < N_WAKES && waitpid(pid, NULL, WNOHANG) == 0) {
		struct store_event event = {0};
		struct pollfd fd = {.fd = store_watch_fd(watch), .events = POLLIN};
		int r = store_watch_next(watch, &event, &err);

		if (r == STORE_E_AGAIN) {
			(void)poll(&fd, 1, 2000);
			continue;
		}
		check(r, &err);
		if (event.type == STORE_EVENT_PUT)
			ns[n++] = now_ns() - strtoull(event.object.value, NULL, 10);
		store_event_deinit(&event);
	}
	if (n)
		print("store-wake", where, "start of a commit to its event in another process", ns,
		      n);
	(void)waitpid(pid, NULL, 0);
	(void)store_watch_close(watch);
}

static void bench_in(const char *parent, const char *value, const char *where)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	_cleanup_free_ char *dir = xasprintf("%s/korat-bench-XXXXXX", parent);
	_cleanup_free_ char *path = NULL;
	struct store_config config = {.type = "sqlite"};

	if (!mkdtemp(dir)) {
		(void)fprintf(stderr, "bench-store: %s: %s\n", dir, strerror(errno));
		exit(1);
	}
	path = xasprintf("%s/korat.db", dir);
	config.path = path;
	bench_commit(&config, value, where);
	bench_wake(&config, where);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		_cleanup_free_ char *file = xasprintf("%s%s", path, suffixes[i]);

		(void)unlink(file);
	}
	(void)rmdir(dir);
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *value = xmalloc(VALUE_SIZE);

	memset(value, 'v', VALUE_SIZE);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	bench_in(argc > 1 ? argv[1] : "/var/tmp", value, "disk");
	bench_in(argc > 2 ? argv[2] : "/dev/shm", value, "memory");
	return 0;
}
