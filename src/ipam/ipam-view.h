/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the plan knows of the store: objects with the revision they were read at, and what it has
 * changed and not yet written. Entries live as long as the view; what they hold comes and goes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "model/model.h"

struct ipam_block;

#define IPAM_VIEW_BUCKETS 4096u

struct ipam_entry {
	struct ipam_entry *next;      /* of the bucket */
	struct ipam_entry *next_kind; /* in order of first sight */
	enum kind kind;
	char *name;

	bool known;   /* what follows is what the store had when it was last read */
	bool seen;    /* in the read that is being taken in */
	bool touched; /* differs from the store, or is to be guarded; goes into the next write */
	bool guard;   /* touched only so that the write fails if it has changed */
	bool claimed; /* a block: someone has an affinity for it */
	uint64_t revision; /* 0: not in the store */
	uint64_t batch;	   /* in which it was last read or written */
	int grown;	   /* a handle: addresses added less those removed since the last write */

	struct object *object;	  /* all kinds but blocks. NULL: absent, or marked as deleted */
	struct ipam_block *block; /* NULL: as 'object' */
	char *corrupt;		  /* why it can't be read; then there is neither */

	struct cidr cidr;	 /* of a block or an affinity; len 0 and no family: not known */
	struct ipam_entry *peer; /* of an affinity: its block */
};

struct ipam_view {
	struct ipam_entry *buckets[IPAM_VIEW_BUCKETS];
	struct ipam_entry *kinds[KIND_COUNT_];
	struct ipam_entry **kinds_tail[KIND_COUNT_];
	struct ipam_entry **touched;
	size_t n_touched;
	uint64_t batch;
};

void ipam_view_init(struct ipam_view *view);
void ipam_view_deinit(struct ipam_view *view);

/* NULL: never heard of. */
struct ipam_entry *ipam_view_find(const struct ipam_view *view, enum kind kind, const char *name);
/* Made, unknown, if it was never heard of. */
struct ipam_entry *ipam_view_get(struct ipam_view *view, enum kind kind, const char *name);
struct ipam_entry *ipam_view_block(struct ipam_view *view, const struct cidr *cidr);

bool ipam_entry_present(const struct ipam_entry *entry);
bool ipam_entry_fresh(const struct ipam_view *view, const struct ipam_entry *entry);

/*
 * Takes in one object of a read. 'object' is taken; NULL with 'corrupt' NULL: as it was known.
 * What is touched stays as it is: its write will find out.
 */
void ipam_view_feed(struct ipam_view *view, enum kind kind, const char *name, uint64_t revision,
		    struct object *object, const char *corrupt);
/* Before a read of one name, or of the kind (NULL): nothing of it is seen. After: the unseen is
 * absent. */
void ipam_view_begin_read(struct ipam_view *view, enum kind kind, const char *name);
void ipam_view_end_read(struct ipam_view *view, enum kind kind, const char *name);

void ipam_view_touch(struct ipam_view *view, struct ipam_entry *entry);
void ipam_view_guard(struct ipam_view *view, struct ipam_entry *entry);
/* Makes it absent, to be written. */
void ipam_view_remove(struct ipam_view *view, struct ipam_entry *entry);

/* The touched was written, with that revision; or it was not, and nothing is known of it now. */
void ipam_view_written(struct ipam_view *view, uint64_t revision);
void ipam_view_abandon(struct ipam_view *view);
/* Forgets what the store holds there. */
void ipam_view_forget(struct ipam_entry *entry);
/*
 * Removes the entries of the kind that hold nothing, and beyond 'max' also those that do. None may
 * be touched.
 */
void ipam_view_purge(struct ipam_view *view, enum kind kind, size_t max);
