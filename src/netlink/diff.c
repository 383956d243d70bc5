/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An entry is in the hash while it is wanted or believed to be in the kernel, and on the dirty list
 * while the two may differ. Invariant: a clean entry is wanted, known and equal. What was wanted
 * once ('ours') goes when it is not wanted any more; what another life of this program left behind
 * goes only in a sweep.
 */

#include "netlink/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "base/alloc.h"

struct entry {
	bool wanted;
	bool known;
	bool ours;
	bool dirty;
	struct entry *prev;
	struct entry *next;
	UT_hash_handle hh;
	alignas(8) uint8_t bytes[]; /* key, wanted item, known item; each padded to 8 */
};

struct diff {
	const struct diff_ops *ops;
	void *ctx;
	struct entry *entries;
	struct entry *dirty;
	bool valid; /* is 'known' what the kernel has? */
	struct diff_stats stats;
};

struct action {
	struct entry *entry;
	bool is_put;
};

struct plan {
	struct nl_batch *batch;
	struct action *actions;
	size_t n;
};

#define PADDED(size) (((size) + 7) & ~(size_t)7)
#define DIFF_KEY_MAX 64

static void *entry_want(const struct diff *diff, struct entry *entry)
{
	return entry->bytes + PADDED(diff->ops->key_size);
}

static void *entry_have(const struct diff *diff, struct entry *entry)
{
	return entry->bytes + PADDED(diff->ops->key_size) + PADDED(diff->ops->item_size);
}

static struct entry *entry_find(const struct diff *diff, const void *key)
{
	struct entry *entry = NULL;

	HASH_FIND(hh, diff->entries, key, diff->ops->key_size, entry);
	return entry;
}

static struct entry *entry_of_item(const struct diff *diff, const void *item, uint8_t *ret_key)
{
	assert(diff->ops->key_size <= DIFF_KEY_MAX);
	memset(ret_key, 0, DIFF_KEY_MAX);
	diff->ops->key(item, ret_key);
	return entry_find(diff, ret_key);
}

static struct entry *entry_add(struct diff *diff, const uint8_t *key)
{
	size_t size = sizeof(struct entry) + PADDED(diff->ops->key_size) +
		      2 * PADDED(diff->ops->item_size);
	struct entry *entry = xcalloc(1, size);

	memcpy(entry->bytes, key, diff->ops->key_size);
	HASH_ADD_KEYPTR(hh, diff->entries, entry->bytes, diff->ops->key_size, entry);
	return entry;
}

static void entry_set_dirty(struct diff *diff, struct entry *entry, bool dirty)
{
	if (entry->dirty == dirty)
		return;
	if (dirty)
		DL_APPEND(diff->dirty, entry);
	else
		DL_DELETE(diff->dirty, entry);
	entry->dirty = dirty;
}

static void entry_drop(struct diff *diff, struct entry *entry)
{
	entry_set_dirty(diff, entry, false);
	HASH_DEL(diff->entries, entry);
	free(entry);
}

struct diff *diff_new(const struct diff_ops *ops, void *ctx)
{
	struct diff *diff = XNEW(struct diff);

	diff->ops = ops;
	diff->ctx = ctx;
	return diff;
}

struct diff *diff_free(struct diff *diff)
{
	struct entry *entry;
	struct entry *next;

	if (!diff)
		return NULL;
	HASH_ITER(hh, diff->entries, entry, next)
	entry_drop(diff, entry);
	free(diff);
	return NULL;
}

static bool entry_settled(const struct diff *diff, struct entry *entry)
{
	return entry->wanted && entry->known &&
	       diff->ops->equal(entry_want(diff, entry), entry_have(diff, entry));
}

void diff_want(struct diff *diff, const void *item)
{
	uint8_t key[DIFF_KEY_MAX];
	struct entry *entry = entry_of_item(diff, item, key);

	if (!entry)
		entry = entry_add(diff, key);
	diff->stats.n_wanted += !entry->wanted;
	entry->wanted = entry->ours = true;
	memcpy(entry_want(diff, entry), item, diff->ops->item_size);
	entry_set_dirty(diff, entry, !entry_settled(diff, entry));
}

void diff_unwant(struct diff *diff, const void *key)
{
	struct entry *entry = entry_find(diff, key);

	if (!entry || !entry->wanted)
		return;
	entry->wanted = false;
	diff->stats.n_wanted--;
	/* Before the first reading nobody knows whether the kernel has it. */
	if (entry->known || !diff->valid)
		entry_set_dirty(diff, entry, true);
	else
		entry_drop(diff, entry);
}

void diff_invalidate(struct diff *diff)
{
	diff->valid = false;
}

void diff_seen(struct diff *diff, const void *item)
{
	uint8_t key[DIFF_KEY_MAX];
	struct entry *entry = entry_of_item(diff, item, key);

	if (entry && entry->known)
		return;
	if (!entry && !diff->ops->owned(item, diff->ctx))
		return;
	if (!entry)
		entry = entry_add(diff, key);
	entry->known = true;
	memcpy(entry_have(diff, entry), item, diff->ops->item_size);
}

bool diff_note(struct diff *diff, const void *item, bool deleted)
{
	uint8_t key[DIFF_KEY_MAX];
	struct entry *entry = entry_of_item(diff, item, key);

	if (!diff->valid)
		return true;
	if (!entry && (deleted || !diff->ops->owned(item, diff->ctx)))
		return false;
	if (!entry)
		entry = entry_add(diff, key);
	entry->known = !deleted;
	memcpy(entry_have(diff, entry), item, diff->ops->item_size);
	if (!entry->wanted && !entry->known) {
		entry_drop(diff, entry);
		return false;
	}
	entry_set_dirty(diff, entry, !entry_settled(diff, entry));
	return entry->dirty;
}

void diff_forget(struct diff *diff, bool (*matches)(const void *item, const void *arg),
		 const void *arg)
{
	struct entry *entry;
	struct entry *next;

	HASH_ITER(hh, diff->entries, entry, next)
	{
		if (!entry->known || !matches(entry_have(diff, entry), arg))
			continue;
		entry->known = false;
		if (entry->wanted)
			entry_set_dirty(diff, entry, true);
		else
			entry_drop(diff, entry);
	}
}

static int read_back(struct diff *diff, struct err *err)
{
	struct entry *entry;
	struct entry *next;
	int r;

	for (entry = diff->entries; entry; entry = entry->hh.next)
		entry->known = false;
	r = diff->ops->read(diff, diff->ctx, err);
	if (r < 0)
		return r;
	HASH_ITER(hh, diff->entries, entry, next)
	{
		if (!entry->wanted && !entry->known)
			entry_drop(diff, entry);
		else
			entry_set_dirty(diff, entry, !entry_settled(diff, entry));
	}
	diff->valid = true;
	return 0;
}

static void plan_add(struct plan *plan, struct entry *entry, bool is_put)
{
	struct action *action = ARRAY_ADD(plan->actions, plan->n);

	action->entry = entry;
	action->is_put = is_put;
}

/* New ones before removals: traffic that moves from one to the other is never without. */
static void plan_puts(struct diff *diff, struct plan *plan)
{
	struct entry *entry;
	struct entry *next;

	DL_FOREACH_SAFE(diff->dirty, entry, next)
	{
		if (!entry->wanted)
			continue;
		if (entry_settled(diff, entry)) {
			entry_set_dirty(diff, entry, false);
			continue;
		}
		diff->ops->put(plan->batch, entry_want(diff, entry), diff->ctx);
		plan_add(plan, entry, /* is_put= */ true);
	}
}

static void plan_removals(struct diff *diff, bool sweep, struct plan *plan)
{
	struct entry *entry;
	struct entry *next;

	DL_FOREACH_SAFE(diff->dirty, entry, next)
	{
		if (entry->wanted)
			continue;
		if (!entry->known || !diff->ops->owned(entry_have(diff, entry), diff->ctx)) {
			entry_drop(diff, entry);
			continue;
		}
		if (!entry->ours && !sweep)
			continue;
		diff->ops->remove(plan->batch, entry_have(diff, entry), diff->ctx);
		plan_add(plan, entry, /* is_put= */ false);
	}
}

static void put_done(struct diff *diff, struct entry *entry)
{
	entry->known = true;
	memcpy(entry_have(diff, entry), entry_want(diff, entry), diff->ops->item_size);
	entry_set_dirty(diff, entry, false);
	diff->stats.n_put++;
}

static void describe_refusal(const struct diff *diff, const struct plan *plan, size_t i,
			     struct err *err)
{
	struct action *action = &plan->actions[i];
	void *item =
		action->is_put ? entry_want(diff, action->entry) : entry_have(diff, action->entry);
	struct nl_answer answer = {.errnum = nl_batch_errnum(plan->batch, i)};
	const char *text = nl_batch_text(plan->batch, i);

	memcpy(answer.text, text, strlen(text) + 1);
	(void)nl_refused(err, &answer, "%s %s", action->is_put ? "set" : "remove",
			 diff->ops->format(item).s);
}

static int take_answers(struct diff *diff, struct plan *plan, struct err *err)
{
	bool pending = false;

	for (size_t i = 0; i < plan->n; i++) {
		struct action *action = &plan->actions[i];
		int errnum = nl_batch_errnum(plan->batch, i);

		if (errnum && !action->is_put && diff->ops->is_gone(errnum))
			errnum = 0;
		if (errnum) {
			if (!pending)
				describe_refusal(diff, plan, i, err);
			pending = true;
		} else if (action->is_put) {
			put_done(diff, action->entry);
		} else {
			entry_drop(diff, action->entry);
			diff->stats.n_removed++;
		}
	}
	return pending ? DIFF_E_PENDING : 0;
}

int diff_apply(struct diff *diff, struct nl *nl, bool sweep, struct err *err)
{
	_cleanup_(nl_batch_freep) struct nl_batch *batch = nl_batch_new();
	_cleanup_free_ struct action *actions = NULL;
	struct plan plan = {.batch = batch};
	int r;

	diff->stats.n_put = diff->stats.n_removed = 0;
	if (!diff->valid) {
		r = read_back(diff, err);
		if (r < 0)
			return r;
	}
	plan_puts(diff, &plan);
	plan_removals(diff, sweep, &plan);
	actions = plan.actions;
	r = nl_batch_send(nl, batch, err);
	if (r < 0) {
		diff->valid = false;
		return r;
	}
	return take_answers(diff, &plan, err);
}

struct diff_stats diff_get_stats(const struct diff *diff)
{
	return diff->stats;
}
