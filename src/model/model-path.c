/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fields of an object by their JSON path, as text: for columns and custom columns. The path is
 * walked over the written form, so what a person sees in YAML is what can be named.
 */

#include <stdlib.h>

#include "base/alloc.h"
#include "model/model-field.h"

/* The next step of '*path': a name up to . or [, or an index, or a quoted key, in brackets. */
static json_t *step_down(json_t *json, const char **path)
{
	_cleanup_free_ char *key = NULL;
	const char *p = *path;
	char quote;
	size_t n;

	if (*p != '[') {
		p += *p == '.';
		/* A key of labels may have dots: take the longest that is there. */
		for (n = strlen(p); n > 0; n--) {
			json_t *found;

			if (p[n] != '\0' && p[n] != '.' && p[n] != '[')
				continue;
			free(key);
			key = xstrndup(p, n);
			found = json_object_get(json, key);
			if (found) {
				*path = p + n;
				return found;
			}
		}
		return NULL;
	}
	quote = p[1];
	if (quote == '"' || quote == '\'') {
		n = strcspn(p + 2, quote == '"' ? "\"" : "'");
		if (p[2 + n] != quote || p[3 + n] != ']')
			return NULL;
		key = xstrndup(p + 2, n);
		*path = p + n + 4;
		return json_object_get(json, key);
	}
	n = strspn(p + 1, "0123456789");
	if (n == 0 || n > 9 || p[1 + n] != ']')
		return NULL;
	*path = p + n + 2;
	return json_array_get(json, (size_t)strtoul(p + 1, NULL, 10));
}

static char *json_text(const json_t *json)
{
	char *dumped, *text;

	if (json_is_string(json))
		return xstrdup(json_string_value(json));
	dumped = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	text = xstrdup(dumped);
	free(dumped);
	return text;
}

char *model_path_text(const struct object *object, const char *path)
{
	json_t *root = model_to_json(object), *json = root;
	char *text = NULL;

	while (json && *path)
		json = step_down(json, &path);
	if (json && !json_is_null(json))
		text = json_text(json);
	json_decref(root);
	return text;
}
