/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The last version of each object that could be understood, on this node's disk: when a newer one
 * can't be, it is in force as long as that stays, and a restart changes nothing about it. A row an
 * object, in a file of the same format as the embedded datastore; written by a thread, what has
 * changed and nothing else.
 */

#include <systemd/sd-event.h>

#include "store/store.h"

#define LAST_GOOD_FILE "korat-last-good.db"

struct last_good;

enum last_good_outcome {
	LAST_GOOD_E_NONE = 1, /* no version is known */
	LAST_GOOD_E_NEVER,    /* it is known that there never was one: last_good_note_never() */
};

struct last_good_stats {
	size_t n_unsaved; /* versions, and ends, that are not on the disk yet */
};

/*
 * What a former agent kept is known. A file that can't be used is put aside, said in the log, and
 * a new one begun; where that fails too, nothing is kept, and that is said. <0: no thread, no
 * timer.
 */
MUST_CHECK int last_good_new(sd_event *event, const char *state_dir, struct last_good **ret,
			     struct err *err);
/* Writes what waits. */
struct last_good *last_good_free(struct last_good *last_good);
CLEANUP_FUNC(struct last_good *, last_good_free);

/*
 * Is it kept? What people write is. Endpoints and slices, which programs write and of which there
 * are as many as pods, are not: each node would write them all.
 */
bool last_good_keeps(enum kind kind);

/*
 * This version is understood; on the disk within a second or so. Of other kinds: ignored, as below.
 */
void last_good_put(struct last_good *last_good, const struct store_object *stored);
/* The object is gone. */
void last_good_remove(struct last_good *last_good, const struct store_object *stored);
/*
 * A version came that can't be understood: what was put before is on the disk when this returns, if
 * the disk takes it.
 */
void last_good_secure(struct last_good *last_good, const struct store_object *stored);
/* A new object, of which there never was a version that can be understood. */
void last_good_note_never(struct last_good *last_good, const struct store_object *stored);

/*
 * The kept version of the object by that key. 0: '*ret' is the caller's to deinit. <0: it can't be
 * read.
 */
MUST_CHECK int last_good_get(struct last_good *last_good, const struct store_object *stored,
			     struct store_object *ret, struct err *err);

/* All objects there are have been put, secured, asked for or noted: others are gone. */
void last_good_sweep(struct last_good *last_good);

void last_good_get_stats(const struct last_good *last_good, struct last_good_stats *ret);
