/* SPDX-License-Identifier: Apache-2.0 */

/* JSON merge patches (RFC 7386) and JSON patches (RFC 6902, with pointers of RFC 6901). Pure. */

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "ctl/ctl-internal.h"

#define OPERATIONS_MAX 10000
#define MERGE_DEPTH    64

/* --- Merge ------------------------------------------------------------------------------------ */

static json_t *merge(const json_t *target, const json_t *patch, int depth)
{
	json_t *result, *value;
	const char *key;

	if (!json_is_object(patch) || depth == MERGE_DEPTH)
		return json_deep_copy(patch);
	result = json_is_object(target) ? json_deep_copy(target) : json_object();
	json_object_foreach((json_t *)(uintptr_t)patch, key, value)
	{
		if (json_is_null(value))
			(void)json_object_del(result, key);
		else
			(void)json_object_set_new(
				result, key, merge(json_object_get(result, key), value, depth + 1));
	}
	return result;
}

json_t *ctl_json_merge(const json_t *target, const json_t *patch)
{
	return merge(target, patch, 0);
}

/* --- Pointers --------------------------------------------------------------------------------- */

/* The next reference token of '*at', unescaped. NULL: the pointer ends. */
static char *next_token(const char **at)
{
	_cleanup_buf_ struct buf token = BUF_INIT;
	const char *p = *at;

	if (*p != '/')
		return NULL;
	for (p++; *p && *p != '/'; p++) {
		if (p[0] == '~' && (p[1] == '0' || p[1] == '1'))
			buf_addc(&token, *++p == '0' ? '~' : '/');
		else
			buf_addc(&token, *p);
	}
	*at = p;
	buf_adds(&token, "");
	return token.size ? buf_take(&token) : xstrdup("");
}

/* The index a token means in an array of 'n'. "-" is the end. */
static int array_index(const char *token, size_t n, size_t *ret)
{
	uint64_t v;

	if (strcmp(token, "-") == 0) {
		*ret = n;
		return 0;
	}
	if ((token[0] == '0' && token[1]) || parse_u64(token, 0, n, &v, NULL) < 0)
		return -EINVAL;
	*ret = (size_t)v;
	return 0;
}

static json_t *child(json_t *parent, const char *token)
{
	size_t index;

	if (json_is_object(parent))
		return json_object_get(parent, token);
	if (json_is_array(parent) && array_index(token, json_array_size(parent), &index) == 0)
		return json_array_get(parent, index);
	return NULL;
}

/*
 * The parent of what 'pointer' names, and the last token. 0, or -EINVAL: no such place. The whole
 * document has no parent: '*ret_token' NULL.
 */
static int resolve(json_t *root, const char *pointer, json_t **ret_parent, char **ret_token)
{
	_cleanup_free_ char *token = NULL;
	const char *at = pointer;
	json_t *parent = root;

	if (*pointer && *pointer != '/')
		return -EINVAL;
	token = next_token(&at);
	while (token && *at) {
		parent = child(parent, token);
		if (!parent)
			return -EINVAL;
		free(token);
		token = next_token(&at);
	}
	*ret_parent = parent;
	*ret_token = TAKE_PTR(token);
	return 0;
}

/* Borrowed; NULL: nothing there. */
static json_t *value_at(json_t *root, const char *pointer)
{
	_cleanup_free_ char *token = NULL;
	json_t *parent;

	if (resolve(root, pointer, &parent, &token) < 0)
		return NULL;
	return token ? child(parent, token) : parent;
}

static int value_remove(json_t *root, const char *pointer)
{
	_cleanup_free_ char *token = NULL;
	json_t *parent;
	size_t index;

	if (resolve(root, pointer, &parent, &token) < 0 || !token)
		return -EINVAL;
	if (json_is_object(parent))
		return json_object_del(parent, token) == 0 ? 0 : -EINVAL;
	if (!json_is_array(parent) || array_index(token, json_array_size(parent), &index) < 0)
		return -EINVAL;
	return json_array_remove(parent, index) == 0 ? 0 : -EINVAL;
}

/* Takes 'value'. */
static int value_add(json_t **root, const char *pointer, json_t *value)
{
	_cleanup_free_ char *token = NULL;
	json_t *parent;
	size_t index;
	int r = -EINVAL;

	if (resolve(*root, pointer, &parent, &token) < 0) {
		json_decref(value);
		return -EINVAL;
	}
	if (!token) {
		json_decref(*root);
		*root = value;
		return 0;
	}
	if (json_is_object(parent))
		r = json_object_set(parent, token, value);
	else if (json_is_array(parent) && array_index(token, json_array_size(parent), &index) == 0)
		r = json_array_insert(parent, index, value);
	json_decref(value);
	return r == 0 ? 0 : -EINVAL;
}

/* --- Operations ------------------------------------------------------------------------------- */

enum op_needs {
	NEEDS_VALUE = 1,
	NEEDS_FROM = 2,
};

struct patch_step {
	const char *path;
	const char *from;
	json_t *value;
};

static int op_add(json_t **root, const struct patch_step *step)
{
	return value_add(root, step->path, json_deep_copy(step->value));
}

static int op_remove(json_t **root, const struct patch_step *step)
{
	return value_remove(*root, step->path);
}

static int op_replace(json_t **root, const struct patch_step *step)
{
	if (!value_at(*root, step->path))
		return -EINVAL;
	if (*step->path && value_remove(*root, step->path) < 0)
		return -EINVAL;
	return op_add(root, step);
}

static int op_copy(json_t **root, const struct patch_step *step)
{
	json_t *value = value_at(*root, step->from);

	return value ? value_add(root, step->path, json_deep_copy(value)) : -EINVAL;
}

static int op_move(json_t **root, const struct patch_step *step)
{
	json_t *value = value_at(*root, step->from);
	size_t len = strlen(step->from);
	int r;

	/* Nothing moves into itself. */
	if (!value || (strncmp(step->path, step->from, len) == 0 && step->path[len] == '/'))
		return -EINVAL;
	json_incref(value);
	r = value_remove(*root, step->from);
	if (r < 0) {
		json_decref(value);
		return r;
	}
	return value_add(root, step->path, value);
}

static int op_test(json_t **root, const struct patch_step *step)
{
	json_t *value = value_at(*root, step->path);

	return value && json_equal(value, step->value) ? 0 : -EINVAL;
}

static const struct {
	const char *name;
	unsigned int needs;
	int (*run)(json_t **root, const struct patch_step *step);
	const char *fails;
} operations[] = {
	{"add", NEEDS_VALUE, op_add, "no place to add it"},
	{"remove", 0, op_remove, "there is nothing to remove"},
	{"replace", NEEDS_VALUE, op_replace, "there is nothing to replace"},
	{"move", NEEDS_FROM, op_move, "it cannot be moved so"},
	{"copy", NEEDS_FROM, op_copy, "it cannot be copied so"},
	{"test", NEEDS_VALUE, op_test, "the value is another"},
};

static int run_operation(json_t **root, const json_t *operation, size_t index, struct err *err)
{
	const char *name = json_string_value(json_object_get(operation, "op"));
	struct patch_step step = {
		.path = json_string_value(json_object_get(operation, "path")),
		.from = json_string_value(json_object_get(operation, "from")),
		.value = json_object_get(operation, "value"),
	};

	for (size_t i = 0; name && i < ARRAY_SIZE(operations); i++) {
		if (strcmp(name, operations[i].name) != 0)
			continue;
		if (!step.path)
			return err_set(err, -EINVAL, "patch[%zu]: \"path\" is missing", index);
		if (operations[i].needs & NEEDS_VALUE && !step.value)
			return err_set(err, -EINVAL, "patch[%zu]: \"value\" is missing", index);
		if (operations[i].needs & NEEDS_FROM && !step.from)
			return err_set(err, -EINVAL, "patch[%zu]: \"from\" is missing", index);
		if (operations[i].run(root, &step) < 0)
			return err_set(err, -EINVAL, "patch[%zu]: %s %.200s: %s", index, name,
				       step.path, operations[i].fails);
		return 0;
	}
	return err_set(err, -EINVAL,
		       "patch[%zu]: \"op\" must be add, remove, replace, move, copy or test",
		       index);
}

int ctl_json_patch(const json_t *target, const json_t *patch, json_t **ret, struct err *err)
{
	json_t *result, *operation;
	size_t i;
	int r = 0;

	if (!json_is_array(patch) || json_array_size(patch) > OPERATIONS_MAX)
		return err_set(err, -EINVAL,
			       "a patch of type json is a list of at most %d operations",
			       OPERATIONS_MAX);
	result = json_deep_copy(target);
	json_array_foreach(patch, i, operation)
	{
		r = run_operation(&result, operation, i, err);
		if (r < 0)
			break;
	}
	if (r < 0) {
		json_decref(result);
		return r;
	}
	*ret = result;
	return 0;
}
