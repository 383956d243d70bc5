/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Selectors of labels, compiled: the grammar is that of model/selector-syntax.h. Pure; a compiled
 * selector does not change and may be used by several threads.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct selector; /* opaque */
struct str_map;

/* 0: '*ret' given. -EINVAL: 'err' names the column and what was expected there. */
MUST_CHECK int selector_compile(const char *text, struct selector **ret, struct err *err);
struct selector *selector_free(struct selector *selector);
CLEANUP_FUNC(struct selector *, selector_free);

/* "!=" and "not in" hold for an absent label; every other comparison does not. */
bool selector_matches(const struct selector *selector, const struct str_map *map);

/* The same of labels that are held in another way: the value of one, NULL if it is not there. */
struct selector_labels {
	const char *(*find)(const void *data, const char *label);
	const void *data;
};
bool selector_matches_in(const struct selector *selector, const struct selector_labels *labels);

struct buf;
/*
 * Appends which terms decide selector_matches(), each with what the labels say of it:
 * 'app == "web" (it is "db")', 'has(x) and y != "z" (there is no label y)'.
 */
void selector_explain(const struct selector *selector, const struct str_map *map, struct buf *out);

/*
 * Its text in Calico's one spelling (blanks, quotes, sets in order), from which ids are made.
 * Borrowed.
 */
const char *selector_text(const struct selector *selector);

/* "s:" and 38 characters: the id of the set of all endpoints it selects. */
struct selector_id {
	char s[41];
};
struct selector_id selector_id(const struct selector *selector);

/* Compiled and used once. What is no selector selects nothing. */
bool selector_selects(const char *text, const struct str_map *labels);

/* --- What an index can be made of ------------------------------------------------------------- */

/* The label is there, and has this value if one is named. */
struct selector_need {
	const char *label; /* borrowed from the selector, like 'value' */
	const char *value; /* NULL: any */
};
/* Labels that the selector matches meet at least one of the needs; of none, it matches nothing. */
struct selector_clause {
	struct selector_need *needs;
	size_t n_needs;
};
struct selector_clauses {
	struct selector_clause *v;
	size_t n; /* 0: it may match labels of every kind: all(), negations */
};

/* All the clauses that can be told by looking at it; the caller's to deinit. */
void selector_get_clauses(const struct selector *selector, struct selector_clauses *ret);
void selector_clauses_deinit(struct selector_clauses *clauses);
CLEANUP_DEINIT(struct selector_clauses, selector_clauses_deinit);
