/* SPDX-License-Identifier: Apache-2.0 */

/* The hash is of the key too: a text under another one's name is another text. */

#include "agent/kept-text.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash-table.h"

struct kept *kept_find(struct kept *table, const char *key)
{
	struct kept *kept;

	HASH_FIND_STR(table, key, kept);
	return kept;
}

bool kept_note(struct kept **table, const char *key, const char *text, size_t size)
{
	uint64_t hash = hash_bytes(hash_string(0, key), text, size);
	struct kept *kept = kept_find(*table, key);
	bool same = kept && kept->hash == hash;

	if (!kept) {
		kept = XNEW(struct kept);
		kept->key = xstrdup(key);
		HASH_ADD_KEYPTR(hh, *table, kept->key, strlen(kept->key), kept);
	}
	kept->hash = hash;
	kept->never = strcmp(text, KEPT_NEVER) == 0;
	kept->seen = true;
	return !same;
}

void kept_forget(struct kept **table, struct kept *kept)
{
	HASH_DEL(*table, kept);
	free(kept->key);
	free(kept);
}

void kept_forget_all(struct kept **table)
{
	struct kept *kept;
	struct kept *next;

	HASH_ITER(hh, *table, kept, next)
	{
		kept_forget(table, kept);
	}
}
