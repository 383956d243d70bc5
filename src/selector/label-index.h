/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which selectors match which labelled things, kept up to date as both change. Things with the same
 * labels and parents are one class, matched once. A selector hangs on a label that whatever it
 * matches must have, so a change of labels looks at the selectors on those labels, and a new
 * selector at the things with its label. Selectors without such a label are looked at always.
 * Pure. Records are embedded in the caller's, who keeps them where they are while they are in.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct label_class;
struct label_hook;
struct label_index;
struct selector;
struct str_map;

/* A thing; all zero: in no index. The members are the index's. */
struct label_item {
	struct label_class *class;
	struct label_item *prev, *next;
};

/* A selector that is in the index; all zero: in none. The members are the index's. */
struct label_query {
	const struct selector *selector;
	struct label_hook *hooks;
	size_t n_hooks;
	uint64_t seen;
	bool unindexed;
	struct label_query *prev, *next;
};

/* Told of every match that begins or ends, in no order. It must not call the index. */
typedef void label_index_match_func(void *data, struct label_query *query, struct label_item *item,
				    bool matches);

struct label_index *label_index_new(label_index_match_func *on_match, void *data);
/* What is in it must still be there, and is in no index afterwards. Tells nothing. */
struct label_index *label_index_free(struct label_index *index);
CLEANUP_FUNC(struct label_index *, label_index_free);

/*
 * Puts in or changes. A label that is not the thing's own is that of the first of its parents that
 * has it. Parents need not exist. Copies.
 */
void label_index_put(struct label_index *index, struct label_item *item,
		     const struct str_map *labels, const char *const *parents, size_t n_parents);
void label_index_remove(struct label_index *index, struct label_item *item);

/* A parent's labels; NULL: it has none any more. Copies. */
void label_index_put_parent(struct label_index *index, const char *name,
			    const struct str_map *labels);

/* 'selector' is borrowed until the query is removed. */
void label_index_add_query(struct label_index *index, struct label_query *query,
			   const struct selector *selector);
/* With 'tell', of the matches that end. */
void label_index_remove_query(struct label_index *index, struct label_query *query, bool tell);

/* The item's own labels and its parents', as a selector sees them. Borrowed until the next call. */
const struct str_map *label_index_labels(struct label_index *index, const struct label_item *item);

/* How often a selector has been asked about labels so far: what changes have cost. */
uint64_t label_index_evaluations(const struct label_index *index);
