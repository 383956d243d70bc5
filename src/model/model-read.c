/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A JSON tree into an object, by the kind's table. Every message names where the text came from,
 * the line where it is known, the path of the field, and what was expected there. Nothing is
 * defaulted or validated. A null counts as absent.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "model/model-field.h"

#define SHOWN_TEXT_MAX 60

/* What the API machinery keeps in metadata beside what we know: none of it is a spelling error. */
static const char *const meta_kept[] = {"finalizers", "ownerReferences", NULL};
static const char *const meta_of_server[] = {"managedFields",
					     "generation",
					     "selfLink",
					     "deletionTimestamp",
					     "deletionGracePeriodSeconds",
					     "clusterName",
					     NULL};

static bool is_plain_key(const char *key)
{
	return key[0] && key[strcspn(key, ".[]\"/ ")] == '\0';
}

void path_format(const struct path_step *path, struct buf *out)
{
	if (!path)
		return;
	path_format(path->up, out);
	if (!path->key)
		buf_addf(out, "[%zu]", path->index);
	else if (is_plain_key(path->key))
		buf_addf(out, "%s%s", out->size ? "." : "", path->key);
	else
		buf_addf(out, "[\"%s\"]", path->key);
}

/*
 * The tree of lines: a mapping is {"": own line, key: ...}, a sequence [own line, item...], a
 * scalar its line.
 */
static const json_t *line_node(const json_t *lines, const struct path_step *path)
{
	const json_t *parent, *node;

	if (!path)
		return lines;
	parent = line_node(lines, path->up);
	if (path->key)
		node = json_object_get(parent, path->key);
	else
		node = json_is_array(parent) ? json_array_get(parent, path->index + 1) : NULL;
	return node ? node : parent;
}

int reader_line(const struct model_reader *reader, const struct path_step *path)
{
	const json_t *node = line_node(reader->lines, path);

	if (json_is_object(node))
		node = json_object_get(node, "");
	else if (json_is_array(node))
		node = json_array_get(node, 0);
	return (int)json_integer_value(node);
}

int reader_fail(struct model_reader *reader, const struct path_step *path, const char *format, ...)
{
	_cleanup_buf_ struct buf prefix = BUF_INIT;
	_cleanup_buf_ struct buf place = BUF_INIT;
	int line = reader_line(reader, path);
	va_list args;

	if (reader->where)
		buf_adds(&prefix, reader->where);
	if (line > 0)
		buf_addf(&prefix, ":%d", line);
	path_format(path, &place);
	if (prefix.size && place.size)
		buf_adds(&prefix, ": ");
	buf_adds(&prefix, buf_str(&place));
	va_start(args, format);
	err_setv(reader->err, -EINVAL, format, args);
	va_end(args);
	return prefix.size ? err_prefix(reader->err, -EINVAL, "%s", buf_str(&prefix)) : -EINVAL;
}

/* What was found, in words. */
static void describe(const json_t *json, struct buf *out)
{
	switch (json_typeof(json)) {
	case JSON_STRING:
		buf_addf(out, "the text \"%.*s\"%s", SHOWN_TEXT_MAX, json_string_value(json),
			 json_string_length(json) > SHOWN_TEXT_MAX ? "..." : "");
		break;
	case JSON_INTEGER:
		buf_addf(out, "the number %" JSON_INTEGER_FORMAT, json_integer_value(json));
		break;
	case JSON_REAL:
		buf_addf(out, "the number %g", json_real_value(json));
		break;
	case JSON_TRUE:
		buf_adds(out, "true");
		break;
	case JSON_FALSE:
		buf_adds(out, "false");
		break;
	case JSON_NULL:
		buf_adds(out, "null");
		break;
	case JSON_ARRAY:
		buf_adds(out, "a list");
		break;
	case JSON_OBJECT:
		buf_adds(out, "an object");
		break;
	}
}

static int expected(struct model_reader *reader, const struct path_step *path, const char *what,
		    const json_t *found)
{
	_cleanup_buf_ struct buf words = BUF_INIT;

	describe(found, &words);
	return reader_fail(reader, path, "expected %s, found %s", what, buf_str(&words));
}

/* "a.b" as BGP people write AS numbers: a * 65536 + b. */
static int parse_as_number(const char *text, int64_t *ret)
{
	const char *dot = strchr(text, '.');
	_cleanup_free_ char *high_text = NULL;
	uint64_t high = 0, low;

	if (!dot) {
		if (parse_u64(text, 0, UINT32_MAX, &low, NULL) < 0)
			return -EINVAL;
		*ret = (int64_t)low;
		return 0;
	}
	high_text = xstrndup(text, (size_t)(dot - text));
	if (parse_u64(high_text, 0, UINT16_MAX, &high, NULL) < 0 ||
	    parse_u64(dot + 1, 0, UINT16_MAX, &low, NULL) < 0)
		return -EINVAL;
	*ret = (int64_t)(high << 16 | low);
	return 0;
}

static int read_int(struct model_reader *reader, const struct path_step *path,
		    const struct field_desc *field, const json_t *json, int64_t *ret)
{
	uint64_t bits;

	if (json_is_integer(json)) {
		*ret = json_integer_value(json);
		if (*ret < 0 && field->flags & FIELD_UNSIGNED)
			return expected(reader, path, "a number from 0", json);
		return 0;
	}
	if (field->check == CHECK_AS_NUMBER) {
		if (json_is_string(json) && parse_as_number(json_string_value(json), ret) == 0)
			return 0;
		return expected(reader, path, "an AS number (64512 or \"1.10\")", json);
	}
	if (field->flags & FIELD_UNSIGNED && json_is_string(json) &&
	    parse_u64(json_string_value(json), 0, UINT64_MAX, &bits, NULL) == 0) {
		*ret = (int64_t)bits;
		return 0;
	}
	return expected(reader, path, "an integer", json);
}

static int read_string(struct model_reader *reader, const struct path_step *path,
		       const struct field_desc *field, const json_t *json, char **ret)
{
	if (field->check == CHECK_PROTOCOL && json_is_integer(json)) {
		replace_str(ret, xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(json)));
		return 0;
	}
	if (!json_is_string(json))
		return expected(reader, path,
				field->check == CHECK_PROTOCOL ? "a protocol's name or number"
							       : "a text",
				json);
	replace_str(ret, xstrdup(json_string_value(json)));
	return 0;
}

static int read_bool(struct model_reader *reader, const struct path_step *path, const json_t *json,
		     struct opt_bool *ret)
{
	const char *text = json_string_value(json);

	/* The CRD form of BlockAffinity holds a boolean as text. */
	if (text && reader->mode == MODEL_LENIENT &&
	    (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || !*text)) {
		*ret = (struct opt_bool){.set = *text, .v = *text == 't'};
		return 0;
	}
	if (!json_is_boolean(json))
		return expected(reader, path, "true or false", json);
	*ret = (struct opt_bool){.set = true, .v = json_is_true(json)};
	return 0;
}

static int read_enum(struct model_reader *reader, const struct path_step *path,
		     const struct field_desc *field, const json_t *json, unsigned int *ret)
{
	_cleanup_buf_ struct buf words = BUF_INIT;
	const char *text = json_string_value(json);

	/* Go's zero value: the same as absent. */
	if (text && !*text) {
		*ret = 0;
		return 0;
	}
	for (unsigned int i = 0; field->values[i]; i++) {
		if (text && strcmp(text, field->values[i]) == 0) {
			*ret = i + 1;
			return 0;
		}
		if (i > 0)
			buf_adds(&words, field->values[i + 1] ? ", " : " or ");
		buf_adds(&words, field->values[i]);
	}
	return expected(reader, path, buf_str(&words), json);
}

static int read_str_map(struct model_reader *reader, const struct path_step *path,
			const json_t *json, struct str_map *map)
{
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return expected(reader, path, "an object of texts", json);
	map->set = true;
	json_object_foreach((json_t *)(uintptr_t)json, key, value)
	{
		struct path_step step = {.up = path, .key = key};

		if (json_is_null(value))
			continue;
		if (!json_is_string(value))
			return expected(reader, &step, "a text (put numbers and true in quotes)",
					value);
		str_map_put(map, key, json_string_value(value));
	}
	return 0;
}

static int read_int_map(struct model_reader *reader, const struct path_step *path,
			const struct field_desc *field, const json_t *json, struct int_map *map)
{
	const char *key;
	json_t *value;
	int64_t number = 0;
	int r;

	if (!json_is_object(json))
		return expected(reader, path, "an object of integers", json);
	map->set = true;
	json_object_foreach((json_t *)(uintptr_t)json, key, value)
	{
		struct path_step step = {.up = path, .key = key};

		r = read_int(reader, &step, field, value, &number);
		if (r < 0)
			return r;
		int_map_put(map, key, number);
	}
	return 0;
}

static int read_int_or_string(struct model_reader *reader, const struct path_step *path,
			      const json_t *json, struct int_or_string *ret)
{
	if (!json_is_integer(json) && !json_is_string(json))
		return expected(reader, path, "a number or a text", json);
	ret->is_int = json_is_integer(json);
	replace_str(&ret->s, ret->is_int
				     ? xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(json))
				     : xstrdup(json_string_value(json)));
	return 0;
}

static int read_object(struct model_reader *reader, const struct path_step *path,
		       const struct field_desc *field, const json_t *json, void *at)
{
	void *object = field_object(field, at);

	if (!json_is_object(json))
		return expected(reader, path, "an object", json);
	if (!object) {
		object = xcalloc(1, field->sub->size);
		field_object_set(at, object);
	}
	return reader_struct(reader, path, field->sub, json, object);
}

static int read_value(struct model_reader *reader, const struct path_step *path,
		      const struct field_desc *field, const json_t *json, void *at)
{
	struct opt_int *number = at;
	struct opt_real *real = at;

	switch (field->type) {
	case FIELD_STRING:
		return read_string(reader, path, field, json, at);
	case FIELD_BOOL:
		return read_bool(reader, path, json, at);
	case FIELD_INT:
		number->set = true;
		return read_int(reader, path, field, json, &number->v);
	case FIELD_REAL:
		if (!json_is_number(json))
			return expected(reader, path, "a number", json);
		*real = (struct opt_real){.set = true, .v = json_number_value(json)};
		return 0;
	case FIELD_ENUM:
		return read_enum(reader, path, field, json, at);
	case FIELD_OBJECT:
		return read_object(reader, path, field, json, at);
	case FIELD_STR_MAP:
		return read_str_map(reader, path, json, at);
	case FIELD_INT_MAP:
		return read_int_map(reader, path, field, json, at);
	case FIELD_INT_OR_STRING:
		return read_int_or_string(reader, path, json, at);
	}
	return -EINVAL;
}

static int read_list(struct model_reader *reader, const struct path_step *path,
		     const struct field_desc *field, const json_t *json, struct any_list *list)
{
	struct field_desc item = field_item(field);
	size_t n = json_array_size(json);
	int r;

	if (!json_is_array(json))
		return expected(reader, path, "a list", json);
	if (n > MODEL_LIST_MAX)
		return reader_fail(reader, path, "a list may have %u items, found %zu",
				   MODEL_LIST_MAX, n);
	field_list_alloc(field, list, n);
	for (list->n = 0; list->n < n;) {
		struct path_step step = {.up = path, .index = list->n};
		const json_t *value = json_array_get(json, list->n);
		void *at = field_item_at(field, list, list->n++);

		if (json_is_null(value) && item.flags & FIELD_NULLABLE)
			continue;
		r = item.type == FIELD_INT && !(item.flags & FIELD_NULLABLE)
			    ? read_int(reader, &step, &item, value, at)
			    : read_value(reader, &step, &item, value, at);
		if (r < 0)
			return r;
	}
	return 0;
}

int reader_field(struct model_reader *reader, const struct path_step *path,
		 const struct field_desc *field, const json_t *json, void *at)
{
	if (field->flags & FIELD_LIST)
		return read_list(reader, path, field, json, at);
	return read_value(reader, path, field, json, at);
}

static void add_place(const struct path_step *path, json_t *place)
{
	if (!path)
		return;
	add_place(path->up, place);
	json_array_append_new(place, path->key ? json_string(path->key)
					       : json_integer((json_int_t)path->index));
}

static void keep(struct model_reader *reader, const struct path_step *path, const json_t *value)
{
	json_t *kept = json_array(), *place = json_array();
	char *name;

	if (!reader->unknown)
		reader->unknown = json_object();
	add_place(path, place);
	name = json_dumps(place, JSON_COMPACT);
	json_array_append_new(kept, place);
	json_array_append_new(kept, json_deep_copy(value));
	/* By name, since two objects are equal whatever order their fields came in. */
	json_object_set_new(reader->unknown, name, kept);
	free(name);
}

static bool is_one_of(const char *s, const char *const *names)
{
	for (size_t i = 0; names[i]; i++)
		if (strcmp(s, names[i]) == 0)
			return true;
	return false;
}

static int unknown_field(struct model_reader *reader, const struct path_step *path,
			 const struct struct_desc *desc, const json_t *value)
{
	bool is_meta = desc == &model_meta_desc;

	if (reader->mode == MODEL_LENIENT || (is_meta && is_one_of(path->key, meta_kept))) {
		keep(reader, path, value);
		return 0;
	}
	/* Only the server sets these: what comes back in a file says nothing. */
	if (is_meta && is_one_of(path->key, meta_of_server))
		return 0;
	return reader_fail(reader, path, "unknown field; remove it or correct its spelling");
}

int reader_struct(struct model_reader *reader, const struct path_step *path,
		  const struct struct_desc *desc, const json_t *json, void *base)
{
	const struct field_desc *field;
	const char *key;
	json_t *value;
	int r;

	json_object_foreach((json_t *)(uintptr_t)json, key, value)
	{
		struct path_step step = {.up = path, .key = key};

		if (!path && (strcmp(key, "kind") == 0 || strcmp(key, "apiVersion") == 0 ||
			      strcmp(key, "metadata") == 0))
			continue;
		field = struct_find_field(desc, key);
		if (field && json_is_null(value))
			continue;
		if (!field)
			r = unknown_field(reader, &step, desc, value);
		else if (strcmp(key, field->name) != 0 && json_object_get(json, field->name))
			r = reader_fail(reader, &step,
					"is an older spelling of %s, which is "
					"given too; remove one",
					field->name);
		else
			r = reader_field(reader, &step, field, value, field_at(base, field));
		if (r < 0)
			return r;
	}
	return 0;
}

/* A kind whose apiVersion and kind the text does not say together. */
static int unknown_kind(struct model_reader *reader, const char *version, const char *kind)
{
	const struct path_step kind_step = {.key = "kind"}, version_step = {.key = "apiVersion"};
	const struct kind_desc *near = kind_find(kind);

	if (!near)
		return reader_fail(reader, &kind_step, "no kind \"%.*s\" in %.*s", SHOWN_TEXT_MAX,
				   kind, SHOWN_TEXT_MAX, version);
	if (strcmp(version, kind_api_version(near)) == 0)
		return reader_fail(reader, &kind_step, "no kind \"%.*s\"; did you mean %s?",
				   SHOWN_TEXT_MAX, kind, kind_api_kind(near));
	return reader_fail(reader, &version_step, "expected %s, found the text \"%.*s\"",
			   kind_api_version(near), SHOWN_TEXT_MAX, version);
}

/* What the text says its kind and version are. */
static int read_head(struct model_reader *reader, const json_t *json, const char **ret_kind,
		     const char **ret_version)
{
	const struct path_step kind_step = {.key = "kind"}, version_step = {.key = "apiVersion"};
	const json_t *kind = json_object_get(json, "kind");
	const json_t *version = json_object_get(json, "apiVersion");

	if (!json_is_object(json))
		return expected(reader, NULL, "an object with apiVersion and kind", json);
	if (!kind)
		return reader_fail(reader, &kind_step,
				   "is missing; say which kind this is, as in "
				   "\"kind: IPPool\"");
	if (!json_is_string(kind))
		return expected(reader, &kind_step, "a kind's name", kind);
	if (!version && reader->mode == MODEL_STRICT)
		return reader_fail(reader, &version_step,
				   "is missing; expected " MODEL_API_VERSION);
	if (version && !json_is_string(version))
		return expected(reader, &version_step, MODEL_API_VERSION, version);
	*ret_kind = json_string_value(kind);
	*ret_version = version ? json_string_value(version) : MODEL_API_VERSION;
	if (reader->mode == MODEL_LENIENT && strcmp(*ret_version, "crd.projectcalico.org/v1") == 0)
		*ret_version = MODEL_API_VERSION;
	return 0;
}

/* Files and datastores spell a kind one way; aliases are for the command line. */
static int find_kind(struct model_reader *reader, const json_t *json, const struct kind_desc **ret)
{
	const char *kind = NULL;
	const char *version = NULL;
	int r = read_head(reader, json, &kind, &version);

	if (r < 0)
		return r;
	assert(kind && version);
	*ret = kind_find_api(version, kind);
	if (!*ret && strcmp(kind, "IPAMConfig") == 0 && strcmp(version, MODEL_API_VERSION) == 0)
		*ret = kind_get(KIND_IPAM_CONFIGURATION);
	return *ret ? 0 : unknown_kind(reader, version, kind);
}

int reader_object(struct model_reader *reader, const json_t *json, struct object **ret)
{
	const struct path_step meta_step = {.key = "metadata"};
	_cleanup_(model_freep) struct object *object = NULL;
	const struct kind_desc *desc = NULL;
	const enum model_mode mode = reader->mode;
	const json_t *meta;
	int r;

	reader->unknown = NULL;
	r = find_kind(reader, json, &desc);
	if (r < 0)
		return r;
	assert(desc);
	object = xcalloc(1, desc->size);
	object->desc = desc;
	if (desc->open)
		reader->mode = MODEL_LENIENT;
	meta = json_object_get(json, "metadata");
	if (meta && !json_is_null(meta)) {
		if (!json_is_object(meta))
			return expected(reader, &meta_step, "an object", meta);
		r = reader_struct(reader, &meta_step, &model_meta_desc, meta, object);
	}
	if (r == 0)
		r = reader_struct(reader, NULL, desc->root, json, object);
	object->unknown = reader->unknown;
	reader->unknown = NULL;
	reader->mode = mode;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(object);
	return 0;
}

int model_from_json(const struct json_t *json, enum model_mode mode, const char *where,
		    struct object **ret, struct err *err)
{
	struct model_reader reader = {.mode = mode, .where = where, .err = err};

	return reader_object(&reader, json, ret);
}

/*
 * jansson refuses integers beyond 63 bits. They are given to it as text, which unsigned fields
 * take and all others refuse by name.
 */
static void quote_long_integers(const char *text, size_t size, struct buf *out)
{
	bool in_string = false;

	for (size_t i = 0; i < size; i++) {
		size_t n = 0;

		if (text[i] == '"')
			in_string = !in_string;
		if (in_string && text[i] == '\\' && i + 1 < size) {
			buf_addc(out, text[i++]);
		} else if (!in_string) {
			while (i + n < size && text[i + n] >= '0' && text[i + n] <= '9')
				n++;
		}
		if (n > 0)
			buf_addf(out, n > 18 ? "\"%.*s\"" : "%.*s", (int)n, text + i);
		else
			buf_addc(out, text[i]);
		i += n > 0 ? n - 1 : 0;
	}
}

int model_read_json(const char *text, size_t size, enum model_mode mode, const char *where,
		    struct object **ret, struct err *err)
{
	const size_t flags = JSON_REJECT_DUPLICATES;
	_cleanup_buf_ struct buf quoted = BUF_INIT;
	json_error_t error;
	json_t *json;
	int r;

	if (size > MODEL_TEXT_MAX)
		return err_set(err, -EFBIG, "%s: has %zu bytes, the limit is %u", where, size,
			       MODEL_TEXT_MAX);
	json = json_loadb(text, size, flags, &error);
	if (!json && json_error_code(&error) == json_error_numeric_overflow) {
		quote_long_integers(text, size, &quoted);
		json = json_loadb(buf_str(&quoted), quoted.size, flags, &error);
	}
	if (!json)
		return err_set(err, -EINVAL, "%s:%d:%d: not JSON: %s", where, error.line,
			       error.column, error.text);
	r = model_from_json(json, mode, where, ret, err);
	json_decref(json);
	return r;
}
