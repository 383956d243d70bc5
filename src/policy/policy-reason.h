/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Why a policy applies or a rule matches, or not: in words, and by which fields of the object.
 * Every 'reason' may be NULL where nobody asks.
 */

#include <stddef.h>

#include "base/macros.h"

struct reason_part {
	char *text;  /* 'source.nets: 10.0.0.1 is in none of them' */
	char *field; /* 'source.nets', 'from[0].podSelector.matchLabels["a.b/c"]'; NULL: of none */
};

struct reason {
	struct reason_part *v;
	size_t n;
};
void reason_deinit(struct reason *reason);
CLEANUP_DEINIT(struct reason, reason_deinit);

/* 'field' is from the rule, or of a policy from its spec, on. */
PRINTF_LIKE(3, 4)
void reason_add(struct reason *reason, const char *field, const char *format, ...);
/*
 * Takes all parts of 'from'. Those of a field get 'field' (may be NULL) and a dot before it, and
 * 'lead' before their words.
 */
void reason_take(struct reason *reason, struct reason *from, const char *field, const char *lead);
/* Of conditions that must all hold, the last that was looked at is the one that does not. */
void reason_keep_last(struct reason *reason);
/* Gives all that is in it. */
struct reason reason_move(struct reason *from);
void reason_clear(struct reason *reason);
/* Gives all of its words in one line. */
char *reason_text(const struct reason *reason);
