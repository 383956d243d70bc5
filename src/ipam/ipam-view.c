/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The view: a hash of entries and, per kind, a list of them. Invariant: an entry is in 'touched'
 * exactly when its flag says so; a touched entry is known.
 */

#include "ipam/ipam-view.h"

#include <string.h>

#include "base/alloc.h"
#include "ipam/ipam-block.h"
#include "ipam/ipam-name.h"
#include "model/kinds.h"

void ipam_view_init(struct ipam_view *view)
{
	*view = (struct ipam_view){.batch = 1};
	for (unsigned int i = 0; i < KIND_COUNT_; i++)
		view->kinds_tail[i] = &view->kinds[i];
}

static void drop_content(struct ipam_entry *entry)
{
	entry->object = model_free(entry->object);
	entry->block = ipam_block_free(entry->block);
	replace_str(&entry->corrupt, NULL);
}

static struct ipam_entry *entry_free(struct ipam_entry *entry)
{
	drop_content(entry);
	free(entry->name);
	free(entry);
	return NULL;
}

void ipam_view_deinit(struct ipam_view *view)
{
	for (unsigned int i = 0; i < IPAM_VIEW_BUCKETS; i++) {
		struct ipam_entry *next;

		for (struct ipam_entry *entry = view->buckets[i]; entry; entry = next) {
			next = entry->next;
			entry_free(entry);
		}
		view->buckets[i] = NULL;
	}
	free(view->touched);
	view->touched = NULL;
	view->n_touched = 0;
}

static unsigned int bucket_of(enum kind kind, const char *name)
{
	return (ipam_fnv1(name) + 131u * (unsigned int)kind) % IPAM_VIEW_BUCKETS;
}

struct ipam_entry *ipam_view_find(const struct ipam_view *view, enum kind kind, const char *name)
{
	struct ipam_entry *entry = view->buckets[bucket_of(kind, name)];

	while (entry && (entry->kind != kind || strcmp(entry->name, name) != 0))
		entry = entry->next;
	return entry;
}

struct ipam_entry *ipam_view_get(struct ipam_view *view, enum kind kind, const char *name)
{
	struct ipam_entry *entry = ipam_view_find(view, kind, name);
	unsigned int bucket = bucket_of(kind, name);

	if (entry)
		return entry;
	entry = XNEW(struct ipam_entry);
	entry->kind = kind;
	entry->name = xstrdup(name);
	entry->next = view->buckets[bucket];
	view->buckets[bucket] = entry;
	*view->kinds_tail[kind] = entry;
	view->kinds_tail[kind] = &entry->next_kind;
	return entry;
}

struct ipam_entry *ipam_view_block(struct ipam_view *view, const struct cidr *cidr)
{
	struct ipam_name name = ipam_block_name(cidr);
	struct ipam_entry *entry = ipam_view_get(view, KIND_IPAM_BLOCK, name.s);

	entry->cidr = *cidr;
	return entry;
}

bool ipam_entry_present(const struct ipam_entry *entry)
{
	return entry->object || entry->block;
}

bool ipam_entry_fresh(const struct ipam_view *view, const struct ipam_entry *entry)
{
	return entry->known && (entry->touched || entry->batch == view->batch);
}

/* --- Reading --------------------------------------------------------------------------------- */

static void take_block(struct ipam_entry *entry, struct object *object)
{
	struct err err = ERR_INIT;

	if (ipam_block_from_object(object, &entry->block, &err) < 0) {
		model_free(object);
		replace_str(&entry->corrupt, xstrdup(err.msg));
		return;
	}
	entry->cidr = *ipam_block_cidr(entry->block);
	if (ipam_block_is_deleted(entry->block))
		entry->block = ipam_block_free(entry->block);
}

static void take_affinity(struct ipam_view *view, struct ipam_entry *entry, struct object *object)
{
	const struct block_affinity_spec *spec = &as_block_affinity(object)->spec;

	if (!spec->node || !spec->cidr || cidr_parse(spec->cidr, &entry->cidr, NULL) != 0) {
		replace_str(&entry->corrupt,
			    xasprintf("BlockAffinity %.64s names no node or no CIDR", entry->name));
		model_free(object);
		return;
	}
	entry->object = object;
	entry->peer = ipam_view_block(view, &entry->cidr);
	if (spec->deleted.set && spec->deleted.v)
		entry->object = model_free(entry->object);
}

static void take_handle(struct ipam_entry *entry, struct object *object)
{
	const struct opt_bool *deleted = &as_ipam_handle(object)->spec.deleted;

	entry->object = object;
	if (deleted->set && deleted->v)
		entry->object = model_free(entry->object);
}

void ipam_view_feed(struct ipam_view *view, enum kind kind, const char *name, uint64_t revision,
		    struct object *object, const char *corrupt)
{
	struct ipam_entry *entry = ipam_view_get(view, kind, name);

	entry->seen = true;
	if (entry->touched) {
		model_free(object);
		return;
	}
	entry->batch = view->batch;
	if (!object && !corrupt) {
		assert(entry->known && entry->revision == revision);
		return;
	}
	drop_content(entry);
	entry->known = true;
	entry->revision = revision;
	if (corrupt)
		entry->corrupt = xstrdup(corrupt);
	else if (kind == KIND_IPAM_BLOCK)
		take_block(entry, object);
	else if (kind == KIND_BLOCK_AFFINITY)
		take_affinity(view, entry, object);
	else if (kind == KIND_IPAM_HANDLE)
		take_handle(entry, object);
	else
		entry->object = object;
}

void ipam_view_begin_read(struct ipam_view *view, enum kind kind, const char *name)
{
	if (name) {
		ipam_view_get(view, kind, name)->seen = false;
		return;
	}
	for (struct ipam_entry *entry = view->kinds[kind]; entry; entry = entry->next_kind)
		entry->seen = false;
}

static void end_entry(struct ipam_view *view, struct ipam_entry *entry)
{
	if (entry->seen || entry->touched)
		return;
	drop_content(entry);
	entry->known = true;
	entry->revision = 0;
	entry->batch = view->batch;
}

void ipam_view_end_read(struct ipam_view *view, enum kind kind, const char *name)
{
	if (name) {
		end_entry(view, ipam_view_get(view, kind, name));
		return;
	}
	for (struct ipam_entry *entry = view->kinds[kind]; entry; entry = entry->next_kind)
		end_entry(view, entry);
}

/* --- Changing -------------------------------------------------------------------------------- */

static void add_touched(struct ipam_view *view, struct ipam_entry *entry)
{
	if (entry->touched)
		return;
	assert(entry->known);
	entry->touched = true;
	*ARRAY_ADD(view->touched, view->n_touched) = entry;
}

void ipam_view_touch(struct ipam_view *view, struct ipam_entry *entry)
{
	add_touched(view, entry);
	entry->guard = false;
}

void ipam_view_guard(struct ipam_view *view, struct ipam_entry *entry)
{
	if (entry->touched)
		return;
	add_touched(view, entry);
	entry->guard = true;
}

void ipam_view_remove(struct ipam_view *view, struct ipam_entry *entry)
{
	ipam_view_touch(view, entry);
	drop_content(entry);
}

static void clear_touched(struct ipam_entry *entry)
{
	entry->touched = false;
	entry->guard = false;
	entry->grown = 0;
}

void ipam_view_written(struct ipam_view *view, uint64_t revision)
{
	for (size_t i = 0; i < view->n_touched; i++) {
		struct ipam_entry *entry = view->touched[i];

		if (!entry->guard)
			entry->revision = ipam_entry_present(entry) ? revision : 0;
		entry->batch = view->batch;
		clear_touched(entry);
	}
	view->n_touched = 0;
}

void ipam_view_forget(struct ipam_entry *entry)
{
	assert(!entry->touched);
	drop_content(entry);
	entry->known = false;
	entry->revision = 0;
	entry->batch = 0;
}

void ipam_view_abandon(struct ipam_view *view)
{
	for (size_t i = 0; i < view->n_touched; i++) {
		clear_touched(view->touched[i]);
		ipam_view_forget(view->touched[i]);
	}
	view->n_touched = 0;
}

void ipam_view_purge(struct ipam_view *view, enum kind kind, size_t max)
{
	struct ipam_entry *next;
	size_t n_kept = 0;
	struct ipam_entry *entry = view->kinds[kind];

	view->kinds_tail[kind] = &view->kinds[kind];
	for (; entry; entry = next) {
		struct ipam_entry **at = &view->buckets[bucket_of(kind, entry->name)];

		next = entry->next_kind;
		assert(!entry->touched);
		if (entry->known && ipam_entry_present(entry) && n_kept < max) {
			n_kept++;
			*view->kinds_tail[kind] = entry;
			view->kinds_tail[kind] = &entry->next_kind;
			continue;
		}
		while (*at != entry)
			at = &(*at)->next;
		*at = entry->next;
		entry_free(entry);
	}
	*view->kinds_tail[kind] = NULL;
}
