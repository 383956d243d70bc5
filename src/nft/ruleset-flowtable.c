/* SPDX-License-Identifier: Apache-2.0 */

/* A ruleset's flow tables, wanted and known: that they are there, not what is in them. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/ruleset-internal.h"

static struct nft_flowtable *get(struct nft_ruleset *ruleset, const char *name)
{
	struct nft_flowtable *flowtable;

	HASH_FIND_STR(ruleset->flowtables, name, flowtable);
	if (flowtable)
		return flowtable;
	flowtable = XNEW(struct nft_flowtable);
	flowtable->name = xstrdup(name);
	HASH_ADD_KEYPTR(hh, ruleset->flowtables, flowtable->name, strlen(flowtable->name),
			flowtable);
	return flowtable;
}

struct nft_flowtable *nft_flowtable_ref(struct nft_ruleset *ruleset, const char *name)
{
	struct nft_flowtable *flowtable = get(ruleset, name);

	flowtable->refs++;
	ruleset->flowtables_dirty = ruleset->flowtables_dirty || !flowtable->known;
	return flowtable;
}

void nft_flowtable_unref(struct nft_ruleset *ruleset, struct nft_flowtable *flowtable)
{
	assert(flowtable->refs);
	if (!--flowtable->refs)
		ruleset->flowtables_dirty = true;
}

void nft_flowtable_learn(struct nft_ruleset *ruleset, const char *name)
{
	get(ruleset, name)->known = true;
}

static void free_flowtable(struct nft_ruleset *ruleset, struct nft_flowtable *flowtable)
{
	HASH_DEL(ruleset->flowtables, flowtable);
	free(flowtable->name);
	free(flowtable);
}

/* The kernel has those that somebody holds (true), or none. */
static void note(struct nft_ruleset *ruleset, bool has_wanted)
{
	struct nft_flowtable *flowtable;
	struct nft_flowtable *next;

	ruleset->flowtables_dirty = false;
	HASH_ITER(hh, ruleset->flowtables, flowtable, next)
	{
		flowtable->known = has_wanted;
		if (!flowtable->refs)
			free_flowtable(ruleset, flowtable);
	}
}

void nft_flowtables_settle(struct nft_ruleset *ruleset)
{
	note(ruleset, /* has_wanted= */ true);
}

void nft_flowtables_forget(struct nft_ruleset *ruleset)
{
	note(ruleset, /* has_wanted= */ false);
}

void nft_flowtables_free(struct nft_ruleset *ruleset)
{
	struct nft_flowtable *flowtable;
	struct nft_flowtable *next;

	HASH_ITER(hh, ruleset->flowtables, flowtable, next)
	free_flowtable(ruleset, flowtable);
}
