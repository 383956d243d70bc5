/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files of people: one object, several documents, or a List, in YAML or JSON. All are read strictly
 * and with their lines, all or nothing.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/model-field.h"
#include "model/yaml-tree.h"

struct object_list {
	struct object **v;
	size_t n;
	json_t **lines; /* of each object, counted; NULL: not known */
	size_t n_lines;
	bool pass_foreign;
};

void model_lines_free(json_t **lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_decref(lines[i]);
	free(lines);
}

static void object_list_deinit(struct object_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		model_free(list->v[i]);
	free(list->v);
	model_lines_free(list->lines, list->n_lines);
	*list = (struct object_list){.v = NULL};
}

static bool is_list(const json_t *json)
{
	const char *kind = json_string_value(json_object_get(json, "kind"));
	size_t n = kind ? strlen(kind) : 0;

	return n >= 4 && strcmp(kind + n - 4, "List") == 0 && json_object_get(json, "items");
}

/* Of a kind that is none of ours by any name: what else a cluster is made of. */
static bool is_foreign(const json_t *json)
{
	const char *version = json_string_value(json_object_get(json, "apiVersion"));
	const char *kind = json_string_value(json_object_get(json, "kind"));

	return version && kind && !strstr(version, "projectcalico.org") && !kind_find(kind) &&
	       !kind_find_api(version, kind);
}

static int read_one(struct model_reader *reader, const json_t *json, struct object_list *list)
{
	struct object *object = NULL;
	int r;

	if (list->pass_foreign && is_foreign(json))
		return 0;
	r = reader_object(reader, json, &object);
	if (r < 0)
		return r;
	*ARRAY_ADD(list->v, list->n) = object;
	*ARRAY_ADD(list->lines, list->n_lines) = json_incref((json_t *)(uintptr_t)reader->lines);
	return 0;
}

static int read_items(struct model_reader *reader, const json_t *items, const json_t *lines,
		      struct object_list *list)
{
	struct model_reader item = *reader;
	const json_t *json;
	size_t i;

	json_array_foreach(items, i, json)
	{
		_cleanup_free_ char *where = NULL;
		int r;

		/* Without lines the place in the list has to do. */
		if (!lines)
			where = xasprintf("%s: items[%zu]", reader->where, i);
		item.where = lines ? reader->where : where;
		item.lines = lines ? json_array_get(lines, i + 1) : NULL;
		r = read_one(&item, json, list);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_document(const struct yaml_document *document, const char *where,
			 struct object_list *list, struct err *err)
{
	const struct path_step step = {.key = "items"};
	struct model_reader reader = {
		.mode = MODEL_STRICT, .where = where, .lines = document->lines, .err = err};
	const json_t *items = json_object_get(document->value, "items");

	if (json_is_array(document->value))
		return read_items(&reader, document->value, document->lines, list);
	if (!is_list(document->value))
		return read_one(&reader, document->value, list);
	if (json_is_null(items))
		return 0;
	if (!json_is_array(items))
		return reader_fail(&reader, &step, "expected a list");
	return read_items(&reader, items, json_object_get(document->lines, "items"), list);
}

/* JSON that is not YAML as well, as by surrogate pairs, is read without lines. */
static int read_as_json(const char *text, size_t size, struct yaml_documents *documents)
{
	size_t space = 0;
	json_t *json;

	while (space < size && strchr(" \t\r\n", text[space]))
		space++;
	if (space == size || (text[space] != '{' && text[space] != '['))
		return -EINVAL;
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	if (!json)
		return -EINVAL;
	ARRAY_ADD(documents->v, documents->n)->value = json;
	return 0;
}

int model_read_yaml_lines(const char *text, size_t size, const char *where, bool pass_foreign,
			  struct object ***ret, json_t ***ret_lines, size_t *ret_n, struct err *err)
{
	_cleanup_(yaml_documents_deinitp) struct yaml_documents documents = {.v = NULL};
	struct object_list list = {.pass_foreign = pass_foreign};
	int r;

	if (size > MODEL_TEXT_MAX)
		return err_set(err, -EFBIG, "%s: has %zu bytes, the limit is %u", where, size,
			       MODEL_TEXT_MAX);
	r = yaml_read(text, size, where, &documents, err);
	if (r < 0 && read_as_json(text, size, &documents) == 0)
		r = 0;
	for (size_t i = 0; r == 0 && i < documents.n; i++)
		r = read_document(&documents.v[i], where, &list, err);
	if (r < 0) {
		object_list_deinit(&list);
		return r;
	}
	*ret = list.v;
	*ret_lines = list.lines;
	*ret_n = list.n;
	return 0;
}

int model_read_yaml(const char *text, size_t size, const char *where, struct object ***ret,
		    size_t *ret_n, struct err *err)
{
	json_t **lines = NULL;
	int r = model_read_yaml_lines(text, size, where, false, ret, &lines, ret_n, err);

	if (r == 0 && lines)
		model_lines_free(lines, *ret_n);
	return r;
}

int model_line_of(const json_t *lines, const char *const *path)
{
	const json_t *line = lines;

	for (; *path && line; path++) {
		char *end;
		size_t index = strtoul(*path, &end, 10);

		/* A list's own line comes first. */
		line = json_is_array(line) && !*end ? json_array_get(line, index + 1)
						    : json_object_get(line, *path);
	}
	if (json_is_object(line))
		line = json_object_get(line, "");
	else if (json_is_array(line))
		line = json_array_get(line, 0);
	return (int)json_integer_value(line);
}

/* apiVersion comes first, as people write it. */
void model_write_yaml(const struct object *object, struct buf *out)
{
	json_t *json = model_to_json(object), *ordered = json_object();

	json_object_set(ordered, "apiVersion", json_object_get(json, "apiVersion"));
	json_object_update_missing(ordered, json);
	yaml_write(ordered, out);
	json_decref(ordered);
	json_decref(json);
}
