/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Keeping a kernel table at what is wanted: the engine below route_sync and neigh_sync. It holds
 * what is wanted and what the kernel is believed to have, by key, and sends the difference as one
 * batch. Cost follows change: only entries on the dirty list are looked at.
 */

#include "netlink/nl.h"

struct diff;

#define DIFF_TEXT_SIZE 192
struct diff_text {
	char s[DIFF_TEXT_SIZE];
};

/* What a kind of item is. Items are plain structs, copied; 'ctx' is that of diff_new(). */
struct diff_ops {
	size_t item_size;
	size_t key_size;
	void (*key)(const void *item, void *ret_key); /* 'ret_key' comes zeroed */
	bool (*equal)(const void *a, const void *b);
	bool (*owned)(const void *item, void *ctx); /* may it be removed? */
	void (*put)(struct nl_batch *batch, const void *item, void *ctx);
	void (*remove)(struct nl_batch *batch, const void *item, void *ctx);
	bool (*is_gone)(int errnum); /* is a refused removal one of what is not there? */
	/* Reads the kernel's table, diff_seen() for each item. */
	int (*read)(struct diff *diff, void *ctx, struct err *err);
	struct diff_text (*format)(const void *item);
};

struct diff *diff_new(const struct diff_ops *ops, void *ctx); /* 'ops' borrowed */
struct diff *diff_free(struct diff *diff);
CLEANUP_FUNC(struct diff *, diff_free);

void diff_want(struct diff *diff, const void *item);
void diff_unwant(struct diff *diff, const void *key);
void diff_invalidate(struct diff *diff);

/* For ops->read(): the kernel has 'item'. The first of several with one key counts. */
void diff_seen(struct diff *diff, const void *item);
/* The kernel announced 'item'. True: apply has something to do. */
bool diff_note(struct diff *diff, const void *item, bool deleted);
/* Forgets what is believed of items that 'matches': they are written again if wanted. */
void diff_forget(struct diff *diff, bool (*matches)(const void *item, const void *arg),
		 const void *arg);

/* 0: all done. DIFF_E_PENDING: some were refused and stay to be retried, 'err' has the first. */
enum diff_outcome { DIFF_E_PENDING = 1 };
MUST_CHECK int diff_apply(struct diff *diff, struct nl *nl, bool sweep, struct err *err);

struct diff_stats {
	size_t n_wanted;
	size_t n_put; /* by the last apply */
	size_t n_removed;
};
struct diff_stats diff_get_stats(const struct diff *diff);
