/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Watching etcd. A thread of the watch's own speaks with the cluster and fills a bounded queue;
 * the reader takes from it and never waits for the network. The lock covers the queue alone;
 * everything else is the thread's.
 *
 *	SNAPSHOT --all pages read: IN_SYNC--> LIVE --compacted, other history--> RESYNC: SNAPSHOT
 *	    |  ^                               |  ^
 *	    '--' lost: the same page again     '--' lost: the stream goes on behind the cursor
 *
 * The pages are all of one revision, and the stream begins right behind it, so nothing is missed
 * and nothing is seen twice that would be older. The stream is one watch over all of /calico/, and
 * what is of other kinds is left out here: of several watches asked for in one HTTP request, etcd's
 * gateway loses those it has not read when it begins to answer. A connection
 * that is lost is nothing the reader has to know: it is logged here once, and tried until it is
 * back.
 *
 * Before the stream goes on, a read by majority asks for the store's revision. One behind the
 * cursor, or another cluster id, is another history (a restored backup, a new cluster): RESYNC.
 */

#include "store/store-etcd.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "store/etcd-answer.h"
#include "store/etcd-client.h"
#include "store/etcd-read.h"
#include "store/etcd-request.h"
#include "store/store-backend.h"
#include "store/store-calico-layout.h"

#define LOG_MODULE "store"

#define QUEUE_EVENTS 4096u
#define QUEUE_BYTES  (32u << 20) /* one event always fits */
#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 1000u
#define POSITION_KEY "/calico/ipam/v2/config"
#define WATCH_KEY    "/calico/"
#define WATCH_END    "/calico0" /* the first key behind all that begin with WATCH_KEY */

/* One prefix of what is watched. */
struct reach {
	char *prefix;
	char *end;
};

struct etcd_watch {
	struct store_watch watch;

	pthread_mutex_t lock; /* of the queue, up to 'stop' */
	pthread_cond_t room;
	struct store_event *events; /* a ring */
	size_t first_event;
	size_t n_events;
	size_t n_bytes;
	bool stop;

	int event_fd; /* readable while the queue has something */
	pthread_t thread;
	bool has_thread;

	struct etcd_client *client;
	uint64_t kinds;
	struct reach *reaches;
	size_t n_reaches;
	uint64_t cursor;     /* all changes up to here are in the queue */
	bool has_position;   /* the cursor holds */
	bool has_reported;   /* something of a snapshot that may have to be taken back */
	uint64_t cluster_id; /* 0: not known yet */
	struct etcd_pager pager;
	size_t snapshot_reach; /* the pager is here */
	uint64_t snapshot_revision;
	bool is_lost; /* and that was logged */
	unsigned int retry_ms;
};

static struct etcd_watch *watch_of(struct store_watch *watch)
{
	return CONTAINER_OF(watch, struct etcd_watch, watch);
}

/* --- The queue ------------------------------------------------------------------------------- */

/* Takes the event. ETCD_E_STOPPED: nobody wants it any more. */
static int push(struct etcd_watch *watch, struct store_event *event)
{
	size_t size = event->object.size;
	uint64_t one = 1;
	bool stop;

	(void)pthread_mutex_lock(&watch->lock);
	while (!watch->stop && watch->n_events &&
	       (watch->n_events == QUEUE_EVENTS || watch->n_bytes + size > QUEUE_BYTES))
		(void)pthread_cond_wait(&watch->room, &watch->lock);
	stop = watch->stop;
	if (!stop) {
		watch->events[(watch->first_event + watch->n_events) % QUEUE_EVENTS] = *event;
		watch->n_bytes += size;
		if (watch->n_events++ == 0)
			(void)!write(watch->event_fd, &one, sizeof(one));
	}
	(void)pthread_mutex_unlock(&watch->lock);
	if (stop)
		store_event_deinit(event);
	return stop ? ETCD_E_STOPPED : 0;
}

static int push_mark(struct etcd_watch *watch, enum store_event_type type, uint64_t revision)
{
	struct store_event event = {.type = type, .object = {.revision = revision}};

	return push(watch, &event);
}

static int push_kv(struct etcd_watch *watch, const struct etcd_kv *kv)
{
	struct store_event event = {.type = kv->deleted ? STORE_EVENT_DELETE : STORE_EVENT_PUT};

	if (!etcd_object(kv, &event.object))
		return 0;
	if (!(watch->kinds & (UINT64_C(1) << event.object.kind))) {
		store_event_deinit(&event);
		return 0;
	}
	return push(watch, &event);
}

int etcd_watch_next(struct store_watch *store_watch, struct store_event *ret, struct err *err)
{
	struct etcd_watch *watch = watch_of(store_watch);
	uint64_t count;
	int r = STORE_E_AGAIN;

	(void)err;
	(void)pthread_mutex_lock(&watch->lock);
	if (watch->n_events) {
		*ret = watch->events[watch->first_event];
		watch->first_event = (watch->first_event + 1) % QUEUE_EVENTS;
		watch->n_bytes -= ret->object.size;
		if (--watch->n_events == 0)
			(void)!read(watch->event_fd, &count, sizeof(count));
		(void)pthread_cond_signal(&watch->room);
		r = 0;
	}
	(void)pthread_mutex_unlock(&watch->lock);
	return r;
}

int etcd_watch_fd(struct store_watch *watch)
{
	return watch_of(watch)->event_fd;
}

/* --- The snapshot ---------------------------------------------------------------------------- */

static void lose_position(struct etcd_watch *watch)
{
	watch->has_position = false;
	watch->cluster_id = 0;
	etcd_pager_deinit(&watch->pager);
	watch->snapshot_reach = 0;
	watch->snapshot_revision = 0;
}

static int push_page(struct etcd_watch *watch, const struct etcd_range *range)
{
	watch->has_reported = true;
	for (size_t i = 0; i < range->n; i++) {
		int r = push_kv(watch, &range->v[i]);

		if (r)
			return r;
	}
	return 0;
}

static int read_page(struct etcd_watch *watch, struct err *err)
{
	_cleanup_(etcd_range_deinitp) struct etcd_range range = {.v = NULL};
	int r;

	if (!watch->pager.next)
		etcd_pager_init(&watch->pager, watch->reaches[watch->snapshot_reach].prefix,
				watch->snapshot_revision);
	r = etcd_pager_read(&watch->pager, watch->client, &range, err);
	if (r)
		return r;
	if (watch->cluster_id && range.cluster_id != watch->cluster_id)
		return ETCD_E_COMPACTED;
	watch->cluster_id = range.cluster_id;
	watch->snapshot_revision = watch->pager.revision;
	if (watch->pager.done) {
		etcd_pager_deinit(&watch->pager);
		watch->snapshot_reach++;
	}
	return push_page(watch, &range);
}

/* Goes on where a failure has interrupted it. */
static int snapshot(struct etcd_watch *watch, struct err *err)
{
	int r = 0;

	while (r == 0 && watch->snapshot_reach < watch->n_reaches)
		r = read_page(watch, err);
	if (r)
		return r;
	watch->cursor = watch->snapshot_revision;
	watch->has_position = true;
	watch->has_reported = true;
	return push_mark(watch, STORE_EVENT_IN_SYNC, watch->snapshot_revision);
}

/* --- The stream ------------------------------------------------------------------------------ */

/* Is the history still the one the cursor is of? 0, ETCD_E_COMPACTED, ETCD_E_STOPPED, <0 */
static int check_position(struct etcd_watch *watch, struct err *err)
{
	_cleanup_(etcd_range_deinitp) struct etcd_range range = {.v = NULL};
	int r = etcd_read_key(watch->client, POSITION_KEY, 0, &range, err);

	if (r)
		return r;
	if (watch->cluster_id && range.cluster_id != watch->cluster_id)
		return ETCD_E_COMPACTED;
	watch->cluster_id = range.cluster_id;
	return range.revision < watch->cursor ? ETCD_E_COMPACTED : 0;
}

static void set_found(struct etcd_watch *watch)
{
	if (watch->is_lost)
		log_info_limited("the datastore's watch is back", "endpoint",
				 etcd_client_endpoint(watch->client));
	watch->is_lost = false;
	watch->retry_ms = RETRY_MIN_MS;
}

static int canceled(struct etcd_watch *watch, const struct etcd_watch_answer *answer,
		    struct err *err)
{
	if (answer->compact_revision || strstr(answer->failure.text, "compacted"))
		return ETCD_E_COMPACTED;
	/* Of a token that has run out etcd says nothing better than that something is denied. */
	etcd_client_forget_token(watch->client);
	return err_set(err, -EIO, "etcd at %.128s: the watch was ended: %s",
		       etcd_client_endpoint(watch->client),
		       *answer->failure.text ? answer->failure.text : "no reason given");
}

static int take_answer(struct etcd_watch *watch, const struct etcd_watch_answer *answer)
{
	int r;

	for (size_t i = 0; i < answer->n_events; i++) {
		const struct etcd_kv *kv = &answer->events[i];

		r = kv->mod_revision > watch->cursor ? push_kv(watch, kv) : 0;
		if (r)
			return r;
	}
	if (answer->n_events)
		watch->cursor =
			MAX(watch->cursor, answer->events[answer->n_events - 1].mod_revision);
	/* A message without events says that there are none up to its revision. */
	else if (!answer->created)
		watch->cursor = MAX(watch->cursor, answer->revision);
	return 0;
}

static int on_line(void *ctx, const char *line, size_t size, struct err *err)
{
	_cleanup_(etcd_watch_answer_deinitp) struct etcd_watch_answer answer = {.events = NULL};
	struct etcd_watch *watch = ctx;
	int r = etcd_watch_parse(line, size, &answer, err);

	if (r < 0)
		return r;
	if (answer.failed || answer.canceled)
		return canceled(watch, &answer, err);
	if (answer.cluster_id && watch->cluster_id && answer.cluster_id != watch->cluster_id)
		return ETCD_E_COMPACTED;
	set_found(watch);
	return take_answer(watch, &answer);
}

static int follow(struct etcd_watch *watch, struct err *err)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	int r = check_position(watch, err);

	if (r)
		return r;
	etcd_request_watch(WATCH_KEY, WATCH_END, watch->cursor + 1, &body);
	return etcd_client_stream(watch->client, "/v3/watch", &body, on_line, watch, err);
}

/* --- The thread ------------------------------------------------------------------------------ */

static int on_failure(struct etcd_watch *watch, const struct err *err)
{
	if (!watch->is_lost)
		log_warning_limited("the datastore's watch is interrupted; trying again", "reason",
				    err->msg);
	watch->is_lost = true;
	if (etcd_client_sleep(watch->client, watch->retry_ms))
		return ETCD_E_STOPPED;
	watch->retry_ms = MIN(watch->retry_ms * 2, RETRY_MAX_MS);
	return 0;
}

static int on_compacted(struct etcd_watch *watch)
{
	bool reported = watch->has_reported;

	lose_position(watch);
	watch->has_reported = false;
	return reported ? push_mark(watch, STORE_EVENT_RESYNC, 0) : 0;
}

static void *thread_main(void *ctx)
{
	struct etcd_watch *watch = ctx;
	int r = 0;

	while (r != ETCD_E_STOPPED) {
		struct err err = ERR_INIT;

		r = watch->has_position ? follow(watch, &err) : snapshot(watch, &err);
		if (r == ETCD_E_COMPACTED)
			r = on_compacted(watch);
		else if (r < 0)
			r = on_failure(watch, &err);
	}
	return NULL;
}

static struct etcd_watch *watch_free(struct etcd_watch *watch)
{
	if (watch->has_thread) {
		(void)pthread_mutex_lock(&watch->lock);
		watch->stop = true;
		(void)pthread_cond_signal(&watch->room);
		(void)pthread_mutex_unlock(&watch->lock);
		etcd_client_stop(watch->client);
		(void)pthread_join(watch->thread, NULL);
	}
	for (size_t i = 0; i < watch->n_events; i++)
		store_event_deinit(&watch->events[(watch->first_event + i) % QUEUE_EVENTS]);
	free(watch->events);
	for (size_t i = 0; i < watch->n_reaches; i++) {
		free(watch->reaches[i].prefix);
		free(watch->reaches[i].end);
	}
	free(watch->reaches);
	etcd_pager_deinit(&watch->pager);
	etcd_client_free(watch->client);
	(void)fd_close(watch->event_fd);
	(void)pthread_mutex_destroy(&watch->lock);
	(void)pthread_cond_destroy(&watch->room);
	free(watch);
	return NULL;
}
CLEANUP_FUNC(struct etcd_watch *, watch_free);

void etcd_watch_close(struct store_watch *watch)
{
	(void)watch_free(watch_of(watch));
}

/* Signals are the program's own thread's. */
static int start_thread(struct etcd_watch *watch, struct err *err)
{
	sigset_t all;
	sigset_t old;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&watch->thread, NULL, thread_main, watch);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return err_errno(err, -r, "can't start a thread for the datastore's watch");
	watch->has_thread = true;
	return 0;
}

static void add_reaches(struct etcd_watch *watch)
{
	for (int kind = 1; kind < KIND_COUNT_; kind++) {
		char *prefixes[CALICO_PREFIXES_MAX] = {NULL};
		size_t n = 0;

		if (watch->kinds & (UINT64_C(1) << kind))
			n = calico_prefixes((enum kind)kind, NULL, prefixes);
		for (size_t i = 0; i < n; i++) {
			struct reach *reach = ARRAY_ADD(watch->reaches, watch->n_reaches);

			reach->prefix = prefixes[i];
			reach->end = etcd_prefix_end(prefixes[i]);
		}
	}
}

/* Begins behind 'revision', which must still be kept. Waits for an answer. */
static int set_position(struct etcd_watch *watch, uint64_t revision, struct err *err)
{
	_cleanup_(etcd_range_deinitp) struct etcd_range range = {.v = NULL};
	int r = etcd_read_key(watch->client, POSITION_KEY, revision, &range, err);

	if (r == ETCD_E_COMPACTED)
		return STORE_E_COMPACTED;
	if (r)
		return r < 0 ? r : err_set(err, -EIO, "etcd: unexpected answer");
	watch->cluster_id = range.cluster_id;
	watch->cursor = revision;
	watch->has_position = true;
	watch->has_reported = true;
	return 0;
}

int etcd_watch_open(const struct store_config *config, uint64_t kinds, uint64_t revision,
		    struct store_watch **ret, struct err *err)
{
	_cleanup_(watch_freep) struct etcd_watch *watch = XNEW(struct etcd_watch);
	int r;

	watch->watch.backend = &store_backend_etcd;
	watch->kinds = kinds;
	watch->pager.done = true;
	watch->retry_ms = RETRY_MIN_MS;
	watch->events = xcalloc(QUEUE_EVENTS, sizeof(*watch->events));
	(void)pthread_mutex_init(&watch->lock, NULL);
	(void)pthread_cond_init(&watch->room, NULL);
	watch->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (watch->event_fd < 0)
		return err_errno(err, -errno, "can't watch the datastore");
	add_reaches(watch);
	r = etcd_client_new(config, &watch->client, err);
	if (r < 0)
		return r;
	if (revision) {
		r = set_position(watch, revision, err);
		if (r)
			return r;
	}
	r = start_thread(watch, err);
	if (r < 0)
		return r;
	*ret = &TAKE_PTR(watch)->watch;
	return 0;
}
