/* SPDX-License-Identifier: Apache-2.0 */

/*
 * 'kept' says what the file holds once all that waits is written, by the texts' hashes, so that a
 * start writes only what has changed since. Changes wait a moment, then the thread gets all of
 * them.
 *
 *	put, remove --> waiting --(a second)--> handed --(the thread)--> the file
 *
 * The store and what is handed over belong to whoever has the lock; only the loop puts something
 * into 'handed', and only while no job is on its way. What the disk did not take waits again, but
 * never in the place of something newer.
 */

#include "agent/last-good.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uthash.h>

#include "agent/kept-text.h"
#include "agent/sealed-text.h"
#include "base/alloc.h"
#include "loop/loop.h"

#define LOG_MODULE "last-good"
#include "base/log.h"

#define GATHER_US  1000000
#define RETRY_US   10000000
#define GATHER_MAX 512u		/* changes that wait no longer */
#define FILE_MAX   (1ull << 30) /* bytes; a larger one is not ours */

struct change {
	char *key;
	struct store_object object; /* without value: gone */
	UT_hash_handle hh;
};

struct last_good {
	char *path;
	struct kept *kept;
	struct change *waiting;
	struct worker *worker;
	sd_event_source *timer;
	struct worker_job job;
	bool handed_over; /* the job is on its way, until done() */

	pthread_mutex_t lock;
	struct store *store; /* NULL: it could not be opened */
	struct change *handed;
	bool written; /* what is handed over; or tried: 'result' */
	int result;
	struct err err;
};

bool last_good_keeps(enum kind kind)
{
	switch (kind) {
	case KIND_NODE:
	case KIND_IP_POOL:
	case KIND_BGP_CONFIGURATION:
	case KIND_BGP_PEER:
	case KIND_BGP_FILTER:
	case KIND_FELIX_CONFIGURATION:
	case KIND_HOST_ENDPOINT:
	case KIND_NETWORK_POLICY:
	case KIND_GLOBAL_NETWORK_POLICY:
	case KIND_STAGED_NETWORK_POLICY:
	case KIND_STAGED_GLOBAL_NETWORK_POLICY:
	case KIND_STAGED_KUBERNETES_NETWORK_POLICY:
	case KIND_TIER:
	case KIND_PROFILE:
	case KIND_NETWORK_SET:
	case KIND_GLOBAL_NETWORK_SET:
	case KIND_KUBERNETES_NETWORK_POLICY:
	case KIND_KUBERNETES_CLUSTER_NETWORK_POLICY:
	case KIND_KUBERNETES_SERVICE:
	case KIND_NAMESPACE:
	case KIND_SERVICE_ACCOUNT:
		return true;
	case KIND_IP_RESERVATION:
	case KIND_CLUSTER_INFORMATION:
	case KIND_WORKLOAD_ENDPOINT:
	case KIND_BLOCK_AFFINITY:
	case KIND_IPAM_BLOCK:
	case KIND_IPAM_HANDLE:
	case KIND_IPAM_CONFIGURATION:
	case KIND_KUBE_CONTROLLERS_CONFIGURATION:
	case KIND_CALICO_NODE_STATUS:
	case KIND_KUBERNETES_ENDPOINT_SLICE:
	case KIND_POD:
	case KIND_COUNT_:
		return false;
	}
	return false;
}

/* A name that the file would not take is not kept, or it would hold up all others. */
static bool is_kept(const struct store_object *stored)
{
	return last_good_keeps(stored->kind) && *stored->name &&
	       strlen(stored->name) <= STORE_NAME_MAX &&
	       (!stored->namespace || strlen(stored->namespace) <= STORE_NAME_MAX) &&
	       stored->size <= STORE_VALUE_MAX - SEALED_TEXT_EXTRA;
}

/* --- What is kept ----------------------------------------------------------------------------- */

static char *make_key(const struct store_object *stored)
{
	return xasprintf("%d/%s/%s", (int)stored->kind, stored->namespace ? stored->namespace : "",
			 stored->name);
}

/* --- Changes ---------------------------------------------------------------------------------- */

static struct change *find_change(struct change *changes, const char *key)
{
	struct change *change;

	HASH_FIND_STR(changes, key, change);
	return change;
}

static void drop_change(struct change **changes, struct change *change)
{
	HASH_DEL(*changes, change);
	store_object_deinit(&change->object);
	free(change->key);
	free(change);
}

static void drop_changes(struct change **changes)
{
	struct change *change;
	struct change *next;

	HASH_ITER(hh, *changes, change, next)
	{
		drop_change(changes, change);
	}
}

static void arm(struct last_good *last_good, uint64_t after_us)
{
	int on = SD_EVENT_OFF;

	if (!last_good->timer || last_good->handed_over)
		return;
	(void)sd_event_source_get_enabled(last_good->timer, &on);
	if (on != SD_EVENT_OFF && after_us)
		return;
	(void)sd_event_source_set_time_relative(last_good->timer, after_us);
	(void)sd_event_source_set_enabled(last_good->timer, SD_EVENT_ONESHOT);
}

/* 'text' NULL: the object is gone. */
static void add_change(struct last_good *last_good, const char *key,
		       const struct store_object *stored, const char *text, size_t size)
{
	struct change *change = find_change(last_good->waiting, key);

	if (!change) {
		change = XNEW(struct change);
		change->key = xstrdup(key);
		change->object.kind = stored->kind;
		change->object.namespace = stored->namespace ? xstrdup(stored->namespace) : NULL;
		change->object.name = xstrdup(stored->name);
		HASH_ADD_KEYPTR(hh, last_good->waiting, change->key, strlen(change->key), change);
	}
	replace_str(&change->object.value, text ? sealed_text_new(stored, text, size) : NULL);
	change->object.size = text ? size + SEALED_TEXT_EXTRA : 0;
	arm(last_good, HASH_COUNT(last_good->waiting) < GATHER_MAX ? GATHER_US : 0);
}

/* --- The file --------------------------------------------------------------------------------- */

static int open_file(struct last_good *last_good, struct err *err)
{
	const struct store_config config = {.type = "sqlite", .path = last_good->path};
	struct stat st;

	if (stat(last_good->path, &st) == 0 && (unsigned long long)st.st_size > FILE_MAX)
		return err_set(err, -EFBIG, "%s: it is larger than any file of Korat's",
			       last_good->path);
	return store_open(&config, &last_good->store, err);
}

static int commit(struct last_good *last_good, const struct store_op *ops, size_t n,
		  struct err *err)
{
	int r = last_good->store ? 0 : open_file(last_good, err);

	if (r < 0 || !n)
		return r;
	r = store_commit(last_good->store, ops, n, NULL, NULL, err);
	assert(r <= 0);
	return r;
}

static struct store_op make_op(const struct change *change)
{
	return (struct store_op){
		.type = change->object.value ? STORE_PUT : STORE_REMOVE,
		.kind = change->object.kind,
		.namespace = change->object.namespace,
		.name = change->object.name,
		.value = change->object.value,
		.size = change->object.size,
	};
}

/* In pieces; after a failure some are written, and to repeat them is harmless. */
static int write_changes(struct last_good *last_good, struct change *changes, struct err *err)
{
	struct store_op ops[STORE_TRANSACTION_MAX];
	size_t n = 0;
	int r = 0;

	for (struct change *i = changes; i && r == 0; i = i->hh.next) {
		ops[n++] = make_op(i);
		if (n < ARRAY_SIZE(ops))
			continue;
		r = commit(last_good, ops, n, err);
		n = 0;
	}
	return r < 0 ? r : commit(last_good, ops, n, err);
}

/* --- The thread ------------------------------------------------------------------------------- */

static void run(struct worker_job *job, void *ctx)
{
	struct last_good *last_good = ctx;

	(void)job;
	(void)pthread_mutex_lock(&last_good->lock);
	if (!last_good->written)
		last_good->result = write_changes(last_good, last_good->handed, &last_good->err);
	last_good->written = true;
	(void)pthread_mutex_unlock(&last_good->lock);
}

/* What was not written waits again, where nothing newer does. */
static void take_back(struct last_good *last_good)
{
	struct change *change;
	struct change *next;

	HASH_ITER(hh, last_good->handed, change, next)
	{
		if (find_change(last_good->waiting, change->key)) {
			drop_change(&last_good->handed, change);
			continue;
		}
		HASH_DEL(last_good->handed, change);
		HASH_ADD_KEYPTR(hh, last_good->waiting, change->key, strlen(change->key), change);
	}
}

static void done(struct worker_job *job)
{
	struct last_good *last_good = CONTAINER_OF(job, struct last_good, job);
	bool failed = !last_good->written || last_good->result < 0;

	last_good->handed_over = false;
	if (failed && last_good->written)
		log_error_limited(
			"good versions of objects can't be kept on this node's disk; should "
			"one of them become bad, a restart would not know it",
			"error", last_good->err.msg);
	if (failed)
		take_back(last_good);
	drop_changes(&last_good->handed);
	if (last_good->waiting)
		arm(last_good, failed ? RETRY_US : GATHER_US);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct last_good *last_good = userdata;

	(void)source;
	(void)usec;
	if (last_good->handed_over || !last_good->waiting)
		return 0;
	last_good->handed = TAKE_PTR(last_good->waiting);
	last_good->written = false;
	last_good->handed_over = true;
	last_good->job = (struct worker_job){.run = run, .done = done};
	worker_submit(last_good->worker, &last_good->job);
	return 0;
}

/* --- Objects ---------------------------------------------------------------------------------- */

void last_good_put(struct last_good *last_good, const struct store_object *stored)
{
	_cleanup_free_ char *key = NULL;

	if (!is_kept(stored))
		return;
	key = make_key(stored);
	if (kept_note(&last_good->kept, key, stored->value, stored->size))
		add_change(last_good, key, stored, stored->value, stored->size);
}

void last_good_note_never(struct last_good *last_good, const struct store_object *stored)
{
	_cleanup_free_ char *key = NULL;

	if (!is_kept(stored))
		return;
	key = make_key(stored);
	if (kept_note(&last_good->kept, key, KEPT_NEVER, strlen(KEPT_NEVER)))
		add_change(last_good, key, stored, KEPT_NEVER, strlen(KEPT_NEVER));
}

void last_good_remove(struct last_good *last_good, const struct store_object *stored)
{
	_cleanup_free_ char *key = NULL;
	struct kept *kept;

	if (!is_kept(stored))
		return;
	key = make_key(stored);
	kept = kept_find(last_good->kept, key);
	if (!kept)
		return;
	kept_forget(&last_good->kept, kept);
	add_change(last_good, key, stored, NULL, 0);
}

void last_good_secure(struct last_good *last_good, const struct store_object *stored)
{
	_cleanup_free_ char *key = make_key(stored);
	struct change *change = find_change(last_good->waiting, key);
	struct err err = ERR_INIT;
	int r = 0;

	if (!change && (!last_good->handed_over || !find_change(last_good->handed, key)))
		return;
	(void)pthread_mutex_lock(&last_good->lock);
	/* First what came first, or the thread would write it over what is newer. */
	if (last_good->handed_over && !last_good->written) {
		last_good->result = write_changes(last_good, last_good->handed, &last_good->err);
		last_good->written = true;
	}
	if (change) {
		struct store_op op = make_op(change);

		r = commit(last_good, &op, 1, &err);
	}
	(void)pthread_mutex_unlock(&last_good->lock);
	if (r < 0)
		log_error_limited("the good version of an object that is bad now can't be kept on "
				  "this node's disk; a restart would not know it",
				  "name", stored->name, "error", err.msg);
	else if (change)
		drop_change(&last_good->waiting, change);
}

int last_good_get(struct last_good *last_good, const struct store_object *stored,
		  struct store_object *ret, struct err *err)
{
	_cleanup_free_ char *key = make_key(stored);
	struct kept *kept = kept_find(last_good->kept, key);
	int r;

	if (!kept)
		return LAST_GOOD_E_NONE;
	kept->seen = true;
	if (kept->never)
		return LAST_GOOD_E_NEVER;
	last_good_secure(last_good, stored);
	(void)pthread_mutex_lock(&last_good->lock);
	r = last_good->store ? store_get(last_good->store, stored->kind, stored->namespace,
					 stored->name, ret, err)
			     : STORE_E_NOT_FOUND;
	(void)pthread_mutex_unlock(&last_good->lock);
	if (r == 0 && !sealed_text_open(ret)) {
		store_object_deinit(ret);
		return err_set(err, -EBADMSG, "it has come to harm on the disk");
	}
	return r > 0 ? LAST_GOOD_E_NONE : r;
}

/* The key's parts, as a row has them. Borrowed from 'copy', which is written into. */
static struct store_object split_key(char *copy)
{
	char *namespace = NULL;
	char *name;
	struct store_object object = {.kind = (enum kind)strtol(copy, &namespace, 10)};

	namespace ++;
	name = strchr(namespace, '/');
	*name++ = '\0';
	object.namespace = *namespace ? namespace : NULL;
	object.name = name;
	return object;
}

void last_good_sweep(struct last_good *last_good)
{
	struct kept *kept;
	struct kept *next;

	HASH_ITER(hh, last_good->kept, kept, next)
	{
		_cleanup_free_ char *copy = NULL;
		struct store_object gone;

		if (kept->seen)
			continue;
		copy = xstrdup(kept->key);
		gone = split_key(copy);
		last_good_remove(last_good, &gone);
	}
}

void last_good_get_stats(const struct last_good *last_good, struct last_good_stats *ret)
{
	*ret = (struct last_good_stats){
		.n_unsaved = HASH_COUNT(last_good->waiting) +
			     (last_good->handed_over ? HASH_COUNT(last_good->handed) : 0),
	};
}

/* --- Life ------------------------------------------------------------------------------------- */

/* A row that has come to harm goes: of what it stood for no good version is known. */
static void load_row(struct last_good *last_good, struct store_object *row)
{
	bool sound = sealed_text_open(row);
	_cleanup_free_ char *key = NULL;

	if (!is_kept(row))
		return;
	key = make_key(row);
	if (sound) {
		(void)kept_note(&last_good->kept, key, row->value, row->size);
		kept_find(last_good->kept, key)->seen = false;
		return;
	}
	log_error_limited(
		"the good version of an object that was kept on this node has come to harm on "
		"its disk; none is known now",
		"name", row->name);
	add_change(last_good, key, row, NULL, 0);
}

static int load_kind(struct last_good *last_good, enum kind kind, struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.n = 0};
	int r = store_list(last_good->store, kind, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++)
		load_row(last_good, &list.v[i]);
	return r;
}

static int load(struct last_good *last_good, struct err *err)
{
	int r = open_file(last_good, err);

	for (int kind = 1; r == 0 && kind < KIND_COUNT_; kind++) {
		if (last_good_keeps((enum kind)kind))
			r = load_kind(last_good, (enum kind)kind, err);
	}
	if (r < 0) {
		last_good->store = store_close(last_good->store);
		drop_changes(&last_good->waiting);
		kept_forget_all(&last_good->kept);
	}
	return r;
}

/* All else is what time or a person may mend: a file that can't be reached now is not put aside. */
static bool is_damage(int r)
{
	return r == -EINVAL || r == -EUCLEAN || r == -EBADMSG || r == -EFBIG;
}

static void put_aside(const struct last_good *last_good)
{
	static const char *const journals[] = {"-wal", "-shm", "-journal"};
	_cleanup_free_ char *aside = xasprintf("%s.damaged", last_good->path);

	if (rename(last_good->path, aside) < 0)
		log_error("a damaged file can't be put aside", "path", last_good->path, "error",
			  strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(journals); i++) {
		_cleanup_free_ char *journal = xasprintf("%s%s", last_good->path, journals[i]);

		(void)unlink(journal);
	}
}

static void begin(struct last_good *last_good)
{
	struct err err = ERR_INIT;
	int r = load(last_good, &err);

	/* One failed read of the disk is damage to SQLite, too: it is asked again. */
	if (r < 0 && is_damage(r))
		r = load(last_good, &err);
	if (r == 0)
		return;
	log_error("the last good versions of objects, kept on this node, can't be read; of what is "
		  "bad now none is known",
		  "path", last_good->path, "error", err.msg);
	if (!is_damage(r))
		return;
	put_aside(last_good);
	if (load(last_good, &err) < 0)
		log_error("good versions of objects can't be kept on this node's disk", "error",
			  err.msg);
}

int last_good_new(sd_event *event, const char *state_dir, struct last_good **ret, struct err *err)
{
	_cleanup_(last_good_freep) struct last_good *last_good = XNEW(struct last_good);
	int r;

	last_good->path = xasprintf("%s/" LAST_GOOD_FILE, state_dir);
	(void)pthread_mutex_init(&last_good->lock, NULL);
	begin(last_good);
	r = worker_new(event, "last-good", last_good, &last_good->worker, err);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(event, &last_good->timer, CLOCK_MONOTONIC, GATHER_US, 0,
				       on_timer, last_good);
	if (r >= 0)
		r = sd_event_source_set_enabled(last_good->timer, SD_EVENT_OFF);
	if (r < 0)
		return err_errno(err, r, "can't set a timer");
	if (last_good->waiting)
		arm(last_good, GATHER_US);
	*ret = TAKE_PTR(last_good);
	return 0;
}

struct last_good *last_good_free(struct last_good *last_good)
{
	struct err err = ERR_INIT;

	if (!last_good)
		return NULL;
	last_good->timer = sd_event_source_disable_unref(last_good->timer);
	last_good->worker = worker_free(last_good->worker);
	if (last_good->waiting && write_changes(last_good, last_good->waiting, &err) < 0)
		log_error("good versions of objects can't be kept on this node's disk", "error",
			  err.msg);
	drop_changes(&last_good->waiting);
	drop_changes(&last_good->handed);
	kept_forget_all(&last_good->kept);
	(void)store_close(last_good->store);
	(void)pthread_mutex_destroy(&last_good->lock);
	free(last_good->path);
	free(last_good);
	return NULL;
}
