/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What holds on a node. All sources are laid over each other as the JSON of one spec, lowest
 * precedence first, beginning with the built-in defaults; the result is read as any object is. So
 * no field needs code of its own here.
 */

#include "model/felix-config.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"
#include "model/felix-configuration.h"
#include "model/felix-value.h"

#define ENV_PREFIX "FELIX_"

static void json_unref(json_t **json)
{
	json_decref(*json);
}
#define _cleanup_json_ _cleanup_(json_unref)

/* By its name in environment and file, any case. */
static bool param_find(const char *name, size_t len, struct felix_param *ret)
{
	for (size_t i = 0; i < FELIX_PARAM_COUNT; i++) {
		struct felix_param param = felix_param_get(i);

		if (strlen(param.config) == len && strncasecmp(param.config, name, len) == 0) {
			*ret = param;
			return true;
		}
	}
	return false;
}

/* Empty choices count as absent; others get the spelling of the table. */
static void settle_choices(json_t *spec)
{
	for (size_t i = 0; i < FELIX_PARAM_COUNT; i++) {
		struct felix_param param = felix_param_get(i);
		const char *text = json_string_value(json_object_get(spec, param.field->name));
		const char *found;

		if (param.type != FELIX_CHOICE || !text)
			continue;
		found = felix_choice_find(param.values, text);
		if (!found)
			(void)json_object_del(spec, param.field->name);
		else
			(void)json_object_set_new(spec, param.field->name, json_string(found));
	}
}

static void lay_defaults(json_t *spec)
{
	for (size_t i = 0; i < FELIX_PARAM_COUNT; i++) {
		struct felix_param param = felix_param_get(i);
		json_t *value = NULL;

		if (!param.def)
			continue;
		value = json_loads(param.def, JSON_DECODE_ANY, NULL);
		assert(value);
		(void)json_object_set_new(spec, param.field->name, value);
	}
}

/* Lays what an object of the datastore sets over 'spec'. */
static int lay_object(json_t *spec, const struct felix_configuration *configuration,
		      struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_json_ json_t *json = NULL;
	json_t *own;
	int r;

	if (!configuration)
		return 0;
	r = model_validate(OBJECT(configuration), err);
	if (r < 0)
		return r;
	model_write_json(OBJECT(configuration), &text);
	json = json_loadb(text.data, text.size, 0, NULL);
	own = json_object_get(json, "spec");
	if (!own)
		return 0;
	settle_choices(own);
	(void)json_object_update(spec, own);
	return 0;
}

/* One NAME=value, 'len' bytes of name. Names of no parameter are passed over. */
static int lay_text(json_t *spec, const char *name, size_t len, const char *value, struct err *err)
{
	struct felix_param param;
	json_t *json = NULL;
	int r;

	if (!*value || !param_find(name, len, &param))
		return 0;
	r = felix_value_parse(&param, value, &json, err);
	if (r < 0)
		return r;
	(void)json_object_set_new(spec, param.field->name, json);
	return 0;
}

static int lay_environ(json_t *spec, char *const *environ, struct err *err)
{
	for (; environ && *environ; environ++) {
		const char *name = *environ + strlen(ENV_PREFIX);
		const char *equals = strchr(*environ, '=');
		int r;

		if (strncasecmp(*environ, ENV_PREFIX, strlen(ENV_PREFIX)) != 0 || !equals ||
		    equals < name)
			continue;
		r = lay_text(spec, name, (size_t)(equals - name), equals + 1, err);
		if (r < 0)
			return err_prefix(err, r, "environment variable %.*s",
					  (int)MIN(equals - *environ, 100), *environ);
	}
	return 0;
}

static void cut_blanks(const char **begin, const char **end)
{
	while (*begin < *end && strchr(" \t\r", **begin))
		(*begin)++;
	while (*begin < *end && strchr(" \t\r", (*end)[-1]))
		(*end)--;
}

/* "Name = value". Sections and comments have no meaning. */
static int lay_line(json_t *spec, const char *begin, const char *end, struct err *err)
{
	const char *equals;
	const char *name_end;
	const char *value;
	_cleanup_free_ char *copy = NULL;

	cut_blanks(&begin, &end);
	if (begin == end || strchr("#;[", *begin))
		return 0;
	equals = memchr(begin, '=', (size_t)(end - begin));
	if (!equals)
		return err_set(err, -EINVAL, "expected \"Name = value\", found \"%.*s\"",
			       (int)MIN(end - begin, 64), begin);
	name_end = equals;
	value = equals + 1;
	cut_blanks(&begin, &name_end);
	cut_blanks(&value, &end);
	copy = xstrndup(value, (size_t)(end - value));
	return lay_text(spec, begin, (size_t)(name_end - begin), copy, err);
}

static int lay_file(json_t *spec, const char *text, const char *file_name, struct err *err)
{
	unsigned int line = 1;

	if (!text)
		return 0;
	if (strnlen(text, FELIX_FILE_MAX + 1) > FELIX_FILE_MAX)
		return err_set(err, -EINVAL, "%s is longer than %d bytes",
			       file_name ? file_name : "file", FELIX_FILE_MAX);
	for (; *text; line++) {
		size_t len = strcspn(text, "\n");
		int r = lay_line(spec, text, text + len, err);

		if (r < 0)
			return err_prefix(err, r, "%s, line %u", file_name ? file_name : "file",
					  line);
		text += len + (text[len] ? 1 : 0);
	}
	return 0;
}

static int read_result(json_t *spec, struct felix_configuration **ret, struct err *err)
{
	_cleanup_json_ json_t *root =
		json_pack("{s:s, s:s, s:{s:s}, s:O}", "apiVersion", "projectcalico.org/v3", "kind",
			  "FelixConfiguration", "metadata", "name", FELIX_CONFIGURATION_DEFAULT,
			  "spec", spec);
	_cleanup_free_ char *text = json_dumps(root, JSON_COMPACT);
	struct object *object = NULL;
	int r;

	assert(text);
	r = model_read_json(text, strlen(text), MODEL_LENIENT, "configuration", &object, err);
	if (r < 0)
		return r;
	model_default(object);
	*ret = as_felix_configuration(object);
	return 0;
}

int felix_config_resolve_from(const struct felix_sources *sources, struct felix_configuration **ret,
			      struct err *err)
{
	_cleanup_json_ json_t *spec = json_object();
	int r;

	lay_defaults(spec);
	r = lay_object(spec, sources->global, err);
	if (r == 0)
		r = lay_object(spec, sources->per_node, err);
	if (r == 0)
		r = lay_file(spec, sources->file, sources->file_name, err);
	if (r == 0)
		r = lay_environ(spec, sources->environ, err);
	if (r < 0)
		return r;
	return read_result(spec, ret, err);
}

int felix_config_resolve(const struct felix_configuration *global,
			 const struct felix_configuration *per_node, char *const *environ,
			 struct felix_configuration **ret, struct err *err)
{
	const struct felix_sources sources = {
		.global = global, .per_node = per_node, .environ = environ};

	return felix_config_resolve_from(&sources, ret, err);
}

int64_t felix_duration_us(const char *duration)
{
	int64_t us = 0;

	if (duration && parse_duration(duration, &us, NULL) < 0)
		return 0;
	return us;
}

/* --- What is not applied ------------------------------------------------------------------ */

/* As text "none" in the environment: the empty value of its type. */
static bool is_empty(const json_t *value)
{
	return !value || json_is_null(value) ||
	       (json_is_string(value) && !*json_string_value(value)) ||
	       (json_is_array(value) && !json_array_size(value)) ||
	       (json_is_object(value) && !json_object_size(value));
}

static bool is_default(const struct felix_param *param, const json_t *value)
{
	_cleanup_json_ json_t *def =
		param->def ? json_loads(param->def, JSON_DECODE_ANY, NULL) : NULL;

	if (is_empty(value))
		return true;
	if (param->type == FELIX_DURATION && def)
		return felix_duration_us(json_string_value(value)) ==
		       felix_duration_us(json_string_value(def));
	return def && json_equal(value, def);
}

char *felix_config_ignored(const struct felix_configuration *configuration)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_buf_ struct buf names = BUF_INIT;
	_cleanup_json_ json_t *json = NULL;
	const json_t *spec;

	model_write_json(OBJECT(configuration), &text);
	json = json_loadb(text.data, text.size, 0, NULL);
	spec = json_object_get(json, "spec");
	for (size_t i = 0; i < FELIX_PARAM_COUNT; i++) {
		struct felix_param param = felix_param_get(i);

		if (param.ignored && !is_default(&param, json_object_get(spec, param.field->name)))
			buf_addf(&names, "%s%s", names.size ? ", " : "", param.field->name);
	}
	return names.size ? xstrdup(buf_str(&names)) : NULL;
}
