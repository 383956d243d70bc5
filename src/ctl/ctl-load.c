/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Objects from files, directories and operands. A directory gives its *.yaml, *.yml and *.json
 * files in order of name; what is read has its defaults and its namespace filled in, but is not
 * validated.
 */

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "ctl/ctl-internal.h"

void ctl_item_deinit(struct ctl_item *item)
{
	(void)model_free(item->object);
	free(item->source);
	json_decref(item->lines);
}

void ctl_items_deinit(struct ctl_items *items)
{
	for (size_t i = 0; i < items->n; i++)
		ctl_item_deinit(&items->v[i]);
	free(items->v);
	*items = (struct ctl_items){.v = NULL};
}

void ctl_items_add(struct ctl_items *items, struct object *given, const char *source)
{
	struct ctl_item *item = ARRAY_ADD(items->v, items->n);

	item->object = given;
	item->source = xstrdup(source);
}

#define PATH_MAX_ 16 /* keys and indexes of a field's path */

/* The line of "spec.ingress[0].source: ..." as far as the file goes along with it. */
static int line_of_field(const struct ctl_item *item, const char *field)
{
	_cleanup_free_ char *text = xstrdup(field);
	const char *path[PATH_MAX_ + 1] = {NULL};
	char *rest = NULL;
	int line = model_line_of(item->lines, path);
	size_t n = 0;

	for (char *step = strtok_r(text, ".[]: ", &rest); step && n < PATH_MAX_;
	     step = strtok_r(NULL, ".[]: ", &rest)) {
		int further;

		path[n++] = step;
		path[n] = NULL;
		further = model_line_of(item->lines, path);
		if (!further)
			break;
		line = further;
	}
	return line;
}

int ctl_item_error(const struct ctl_item *item, int code, struct err *err)
{
	const char *field = strstr(err->msg, ": ");
	int line = item->lines ? line_of_field(item, field ? field + 2 : "") : 0;

	return line ? err_prefix(err, code, "%s:%d", item->source, line)
		    : err_prefix(err, code, "%s", item->source);
}

const char *ctl_items_single_kind(const struct ctl_items *items)
{
	for (size_t i = 1; i < items->n; i++)
		if (items->v[i].object->desc != items->v[0].object->desc)
			return NULL;
	return items->n ? items->v[0].object->desc->name : NULL;
}

const char *ctl_namespace(const struct ctl *ctl, const struct kind_desc *desc)
{
	if (!desc->namespaced)
		return NULL;
	return ctl->args.set[FLAG_NAMESPACE] ? ctl->args.values[FLAG_NAMESPACE] : "default";
}

struct ctl_key_str ctl_key(const struct object *object)
{
	const char *name = object->meta.name ? object->meta.name : "";
	struct ctl_key_str key;

	if (object->meta.namespace)
		(void)snprintf(key.s, sizeof(key.s), "%s(%.256s/%.256s)", object->desc->name,
			       object->meta.namespace, name);
	else
		(void)snprintf(key.s, sizeof(key.s), "%s(%.512s)", object->desc->name, name);
	return key;
}

static int load_text(const struct ctl *ctl, const struct buf *text, const char *source,
		     struct ctl_items *items, struct err *err)
{
	_cleanup_free_ struct object **objects = NULL;
	json_t **lines = NULL;
	size_t n = 0;
	int r;

	r = model_read_yaml_lines(buf_str(text), text->size, source, items->pass_foreign, &objects,
				  &lines, &n, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct object *object = objects[i];
		const char *namespace = ctl_namespace(ctl, object->desc);

		if (!object->meta.namespace && namespace)
			object->meta.namespace = xstrdup(namespace);
		model_default(object);
		ctl_items_add(items, object, source);
		items->v[items->n - 1].lines = json_incref(lines[i]);
	}
	model_lines_free(lines, n);
	if (items->n > CTL_OBJECTS_MAX)
		return err_set(err, -E2BIG, "%s: more than %u objects in all", source,
			       CTL_OBJECTS_MAX);
	return 0;
}

static int load_file(const struct ctl *ctl, const char *path, struct ctl_items *items,
		     struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	size_t before = items->n;
	int r;

	if (strcmp(path, "-") == 0) {
		r = fd_read_all(STDIN_FILENO, CTL_FILE_MAX, &text);
		if (r < 0)
			return err_errno(err, r, "standard input");
		path = "standard input";
	} else {
		r = file_read(path, CTL_FILE_MAX, &text, err);
		if (r < 0)
			return r;
	}
	r = load_text(ctl, &text, path, items, err);
	if (r == 0 && items->n == before && !ctl->args.set[FLAG_SKIP_EMPTY] && !items->pass_foreign)
		return err_set(err, -EINVAL,
			       "%s: holds no object; --skip-empty passes over such files", path);
	return r;
}

/* --- Directories ------------------------------------------------------------------------------ */

struct names {
	char **v;
	size_t n;
};

static void names_deinit(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
}
CLEANUP_DEINIT(struct names, names_deinit);

static bool is_object_file(const char *name)
{
	static const char *const suffixes[] = {".yaml", ".yml", ".json"};
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && strcmp(name + len - n, suffixes[i]) == 0)
			return true;
	}
	return false;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_directory(const char *path, struct names *names, struct err *err)
{
	const struct dirent *entry;
	DIR *dir = opendir(path);
	int r = 0;

	if (!dir)
		return err_errno(err, -errno, "%s", path);
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (names->n >= CTL_FILES_MAX)
			r = err_set(err, -E2BIG, "%s: more than %u files", path, CTL_FILES_MAX);
		else
			*ARRAY_ADD(names->v, names->n) =
				xasprintf("%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/",
					  entry->d_name);
	}
	(void)closedir(dir);
	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), compare_names);
	return r;
}

/* One level; the directories in it are put on 'todo'. */
static int load_directory(const struct ctl *ctl, const char *path, struct names *todo,
			  struct ctl_items *items, struct err *err)
{
	_cleanup_(names_deinitp) struct names names = {.v = NULL};
	int r;

	r = list_directory(path, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		struct stat st;

		if (stat(names.v[i], &st) < 0)
			return err_errno(err, -errno, "%s", names.v[i]);
		if (S_ISREG(st.st_mode) && is_object_file(names.v[i]))
			r = load_file(ctl, names.v[i], items, err);
		else if (S_ISDIR(st.st_mode) && ctl->args.set[FLAG_RECURSIVE])
			*ARRAY_ADD(todo->v, todo->n) = TAKE_PTR(names.v[i]);
		if (todo->n > CTL_FILES_MAX)
			return err_set(err, -E2BIG, "%s: more than %u directories", path,
				       CTL_FILES_MAX);
	}
	return r;
}

int ctl_load_path(const struct ctl *ctl, const char *path, struct ctl_items *items, struct err *err)
{
	_cleanup_(names_deinitp) struct names todo = {.v = NULL};
	size_t before = items->n;
	struct stat st;
	int r = 0;

	if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		*ARRAY_ADD(todo.v, todo.n) = xstrdup(path);
		for (size_t i = 0; r == 0 && i < todo.n; i++)
			r = load_directory(ctl, todo.v[i], &todo, items, err);
		if (r == 0 && items->n == before && !ctl->args.set[FLAG_SKIP_EMPTY])
			r = err_set(err, -EINVAL, "%s: no .yaml, .yml or .json file with objects",
				    path);
	} else {
		r = load_file(ctl, path, items, err);
	}
	return r;
}

int ctl_load(const struct ctl *ctl, struct ctl_items *ret, struct err *err)
{
	_cleanup_(ctl_items_deinitp) struct ctl_items items = {.v = NULL};
	int r = ctl_load_path(ctl, ctl->args.values[FLAG_FILENAME], &items, err);

	if (r < 0)
		return r;
	*ret = items;
	items = (struct ctl_items){.v = NULL};
	return 0;
}

int ctl_operand_items(const struct ctl *ctl, struct ctl_items *ret, struct err *err)
{
	const struct kind_desc *desc;
	int r;

	r = ctl_kind(ctl->args.operands[0], &desc, err);
	if (r < 0)
		return r;
	for (size_t i = 1; i < ctl->args.n_operands; i++)
		ctl_items_add(
			ret, model_new(desc->kind, ctl_namespace(ctl, desc), ctl->args.operands[i]),
			"the command line");
	return 0;
}

int ctl_items_of_args(const struct ctl *ctl, struct ctl_items *ret, struct err *err)
{
	const struct ctl_args *args = &ctl->args;

	return args->set[FLAG_FILENAME] ? ctl_load(ctl, ret, err)
					: ctl_operand_items(ctl, ret, err);
}
