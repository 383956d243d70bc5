/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The reserve and its file. The file is written whole, to another one that takes its place, so it
 * is never half of anything. What is free in the file may be free no more in memory for a moment
 * (taken, its change not written yet): a death there leaves an address that nobody uses.
 */

#include "agent/reserve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "ipam/ipam-name.h"

#define FILE_MAX (64u << 20) /* bytes */

/* The texts of a change, by their names in the file. */
static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	{"handle", offsetof(struct reserve_change, handle)},
	{"namespace", offsetof(struct reserve_change, namespace)},
	{"name", offsetof(struct reserve_change, name)},
	{"pod", offsetof(struct reserve_change, pod)},
	{"podNamespace", offsetof(struct reserve_change, pod_namespace)},
	{"endpoint", offsetof(struct reserve_change, endpoint)},
	{"profileName", offsetof(struct reserve_change, profile_name)},
	{"profile", offsetof(struct reserve_change, profile)},
	{"from", offsetof(struct reserve_change, from)},
};

static const char *const type_names[] = {"added", "ended"};

static char **text_at(const struct reserve_change *change, size_t i)
{
	return (char **)(void *)((char *)(uintptr_t)change + texts[i].offset);
}

void reserve_change_deinit(struct reserve_change *change)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(*text_at(change, i));
	*change = (struct reserve_change){.type = RESERVE_ADDED};
}

static void clear_changes(struct reserve *reserve)
{
	for (size_t i = 0; i < reserve->n_changes; i++)
		reserve_change_deinit(&reserve->changes[i]);
	free(reserve->changes);
	reserve->changes = NULL;
	reserve->n_changes = 0;
}

void reserve_deinit(struct reserve *reserve)
{
	clear_changes(reserve);
	free(reserve->path);
	free(reserve->handle);
	*reserve = (struct reserve){.path = NULL};
}

/* --- Reading --------------------------------------------------------------------------------- */

static int bad(const struct reserve *reserve, const char *what, struct err *err)
{
	return err_set(err, -EBADMSG, "%s: %s", reserve->path, what);
}

/* At most 'max'; '*ret_n' of them. */
static int read_addrs(const struct reserve *reserve, const json_t *array, struct ip_addr *ret,
		      size_t max, size_t *ret_n, struct err *err)
{
	*ret_n = 0;
	if (!array)
		return 0;
	if (!json_is_array(array) || json_array_size(array) > max)
		return bad(reserve, "a list of addresses is none, or is too long", err);
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *text = json_string_value(json_array_get(array, i));

		if (!text || ip_parse(text, &ret[i], NULL) < 0)
			return bad(reserve, "an address is none", err);
		(*ret_n)++;
	}
	return 0;
}

static int read_change(struct reserve *reserve, const json_t *json, struct err *err)
{
	const char *type = json_string_value(json_object_get(json, "type"));
	_cleanup_(reserve_change_deinitp) struct reserve_change change = {.n_addrs = 0};
	size_t n;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *text = json_string_value(json_object_get(json, texts[i].key));

		*text_at(&change, i) = xstrdup(text);
	}
	if (!type || (strcmp(type, type_names[0]) != 0 && strcmp(type, type_names[1]) != 0) ||
	    !change.handle || !change.namespace)
		return bad(reserve, "a change lacks type, handle or namespace", err);
	change.type = strcmp(type, type_names[0]) == 0 ? RESERVE_ADDED : RESERVE_ENDED;
	r = read_addrs(reserve, json_object_get(json, "addresses"), change.addrs,
		       ARRAY_SIZE(change.addrs), &n, err);
	if (r < 0)
		return r;
	change.n_addrs = (unsigned int)n;
	if ((n && !change.from) || (change.endpoint && !change.name) ||
	    (change.profile && !change.profile_name))
		return bad(reserve, "a change lacks from, name or profileName", err);
	*ARRAY_ADD(reserve->changes, reserve->n_changes) = change;
	change = (struct reserve_change){.n_addrs = 0};
	return 0;
}

static int read_all(struct reserve *reserve, const json_t *root, struct err *err)
{
	const char *handle = json_string_value(json_object_get(root, "handle"));
	const json_t *changes = json_object_get(root, "changes");
	int r;

	if (!handle || !json_is_array(changes) || json_array_size(changes) > RESERVE_CHANGES_MAX)
		return bad(reserve, "handle or changes are missing, or there are too many", err);
	r = read_addrs(reserve, json_object_get(root, "free"), reserve->free, RESERVE_ADDRS_MAX,
		       &reserve->n_free, err);
	if (strcmp(handle, reserve->handle) != 0)
		reserve->n_free = 0;
	for (size_t i = 0; r == 0 && i < json_array_size(changes); i++)
		r = read_change(reserve, json_array_get(changes, i), err);
	return r;
}

int reserve_parse(struct reserve *reserve, const char *text, size_t size, struct err *err)
{
	json_error_t error;
	json_t *root = json_loadb(text, size, 0, &error);
	int r = root ? read_all(reserve, root, err) : bad(reserve, error.text, err);

	json_decref(root);
	if (r < 0) {
		clear_changes(reserve);
		reserve->n_free = 0;
	}
	return r;
}

int reserve_open(struct reserve *reserve, const char *path, const char *node_name, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r;

	*reserve = (struct reserve){
		.path = xstrdup(path),
		.handle = xasprintf("%s%s", IPAM_RESERVE_PREFIX, node_name),
	};
	r = file_read(path, FILE_MAX, &text, err);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : reserve_parse(reserve, buf_str(&text), text.size, err);
}

/* --- Writing --------------------------------------------------------------------------------- */

static json_t *addrs_json(const struct ip_addr *addrs, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(array, json_string(ip_format(&addrs[i]).s));
	return array;
}

static json_t *change_json(const struct reserve_change *change)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "type", json_string(type_names[change->type]));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (*text_at(change, i))
			(void)json_object_set_new(object, texts[i].key,
						  json_string(*text_at(change, i)));
	}
	if (change->n_addrs)
		(void)json_object_set_new(object, "addresses",
					  addrs_json(change->addrs, change->n_addrs));
	return object;
}

static int save(const struct reserve *reserve, struct err *err)
{
	json_t *root = json_object();
	json_t *changes = json_array();
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < reserve->n_changes; i++)
		(void)json_array_append_new(changes, change_json(&reserve->changes[i]));
	(void)json_object_set_new(root, "handle", json_string(reserve->handle));
	(void)json_object_set_new(root, "free", addrs_json(reserve->free, reserve->n_free));
	(void)json_object_set_new(root, "changes", changes);
	text = json_dumps(root, JSON_INDENT(1) | JSON_ENSURE_ASCII);
	json_decref(root);
	if (!text)
		return err_set(err, -EINVAL, "%s: a text that is not UTF-8 can't be kept",
			       reserve->path);
	return file_write_atomic(reserve->path, text, strlen(text), 0600, err);
}

/* --- Addresses ------------------------------------------------------------------------------- */

size_t reserve_count(const struct reserve *reserve, uint8_t family)
{
	size_t n = 0;

	for (size_t i = 0; i < reserve->n_free; i++)
		n += reserve->free[i].family == family;
	return n;
}

static bool is_given(const struct reserve *reserve, const struct ip_addr *addr)
{
	for (size_t i = 0; i < reserve->n_changes; i++) {
		for (size_t k = 0; k < reserve->changes[i].n_addrs; k++) {
			if (ip_equal(&reserve->changes[i].addrs[k], addr))
				return true;
		}
	}
	return false;
}

int reserve_set_free(struct reserve *reserve, const struct ip_addr *addrs, size_t n,
		     struct err *err)
{
	struct ip_addr old[RESERVE_ADDRS_MAX];
	size_t n_old = reserve->n_free;
	int r;

	memcpy(old, reserve->free, sizeof(old));
	reserve->n_free = 0;
	for (size_t i = 0; i < n && reserve->n_free < RESERVE_ADDRS_MAX; i++) {
		if (!is_given(reserve, &addrs[i]))
			reserve->free[reserve->n_free++] = addrs[i];
	}
	if (n_old == reserve->n_free && memcmp(old, reserve->free, n_old * sizeof(*old)) == 0)
		return 0;
	r = save(reserve, err);
	if (r < 0)
		reserve->n_free = 0;
	return r;
}

struct ip_addr reserve_take(struct reserve *reserve, size_t at)
{
	struct ip_addr addr = reserve->free[at];

	assert(at < reserve->n_free);
	reserve->n_free--;
	memmove(&reserve->free[at], &reserve->free[at + 1],
		(reserve->n_free - at) * sizeof(*reserve->free));
	return addr;
}

void reserve_put_back(struct reserve *reserve, const struct ip_addr *addr)
{
	if (reserve->n_free < RESERVE_ADDRS_MAX)
		reserve->free[reserve->n_free++] = *addr;
}

/* --- Changes --------------------------------------------------------------------------------- */

/* Is the handle's last change an end that does as much? */
static bool is_noted(const struct reserve *reserve, const struct reserve_change *change)
{
	for (size_t i = reserve->n_changes; i > 0; i--) {
		const struct reserve_change *old = &reserve->changes[i - 1];

		if (strcmp(old->handle, change->handle) == 0)
			return old->type == RESERVE_ENDED && !old->name == !change->name;
	}
	return false;
}

int reserve_note(struct reserve *reserve, struct reserve_change *change, struct err *err)
{
	int r;

	if (change->type == RESERVE_ENDED && is_noted(reserve, change)) {
		reserve_change_deinit(change);
		return 0;
	}
	if (reserve->n_changes >= RESERVE_CHANGES_MAX) {
		reserve_change_deinit(change);
		return err_set(
			err, -ENOSPC,
			"%u changes wait for the datastore to come back, and that is the most",
			RESERVE_CHANGES_MAX);
	}
	*ARRAY_ADD(reserve->changes, reserve->n_changes) = *change;
	*change = (struct reserve_change){.n_addrs = 0};
	r = save(reserve, err);
	if (r < 0)
		reserve_change_deinit(&reserve->changes[--reserve->n_changes]);
	return r;
}

int reserve_drop_first(struct reserve *reserve, struct err *err)
{
	assert(reserve->n_changes);
	reserve_change_deinit(&reserve->changes[0]);
	reserve->n_changes--;
	memmove(reserve->changes, reserve->changes + 1,
		reserve->n_changes * sizeof(*reserve->changes));
	return save(reserve, err);
}

bool reserve_concerns(const struct reserve *reserve, const char *namespace, const char *name)
{
	for (size_t i = 0; i < reserve->n_changes; i++) {
		const struct reserve_change *change = &reserve->changes[i];

		if (change->name && strcmp(change->name, name) == 0 &&
		    strcmp(change->namespace, namespace) == 0)
			return true;
	}
	return false;
}
