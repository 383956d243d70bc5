/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which texts the file of good versions holds once all that waits is written: by hash, not by
 * heart.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

/* Stands for a version where there never was one: no object has this text. */
#define KEPT_NEVER "{}"

struct kept {
	char *key; /* "<kind>/<namespace>/<name>" */
	uint64_t hash;
	bool never;
	bool seen; /* since the start */
	UT_hash_handle hh;
};

/* '*table' NULL: an empty one. */
struct kept *kept_find(struct kept *table, const char *key);
/* True: it is another text than the one that was kept. */
bool kept_note(struct kept **table, const char *key, const char *text, size_t size);
void kept_forget(struct kept **table, struct kept *kept);
void kept_forget_all(struct kept **table);
