/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The events of libyaml into trees. Everything that grows is bounded: depth, nodes, anchors, keys.
 * An alias shares its anchor's tree, and counts as many nodes as it repeats, so that a small text
 * can't stand for a huge one.
 */

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "model/yaml-scalar.h"
#include "model/yaml-tree.h"

struct anchor {
	char *name;
	struct yaml_document tree;
	size_t n_nodes;
};

struct yaml_source {
	yaml_parser_t parser;
	const char *where;
	struct err *err;
	size_t n_nodes;
	struct anchor *anchors;
	size_t n_anchors;
};

static void tree_clear(struct yaml_document *tree)
{
	json_decref(tree->value);
	json_decref(tree->lines);
	*tree = (struct yaml_document){.value = NULL};
}

void yaml_documents_deinit(struct yaml_documents *documents)
{
	for (size_t i = 0; i < documents->n; i++)
		tree_clear(&documents->v[i]);
	free(documents->v);
	*documents = (struct yaml_documents){.v = NULL};
}

static void anchors_clear(struct yaml_source *source)
{
	for (size_t i = 0; i < source->n_anchors; i++) {
		free(source->anchors[i].name);
		tree_clear(&source->anchors[i].tree);
	}
	free(source->anchors);
	source->anchors = NULL;
	source->n_anchors = 0;
}

static int line_of(const yaml_event_t *event)
{
	return (int)event->start_mark.line + 1;
}

PRINTF_LIKE(3, 4)
static int fail(const struct yaml_source *source, const yaml_event_t *event, const char *format,
		...)
{
	va_list args;

	va_start(args, format);
	err_setv(source->err, -EINVAL, format, args);
	va_end(args);
	return err_prefix(source->err, -EINVAL, "%s:%d", source->where, line_of(event));
}

static int next_event(struct yaml_source *source, yaml_event_t *event)
{
	const yaml_parser_t *parser = &source->parser;

	if (yaml_parser_parse(&source->parser, event))
		return 0;
	return err_set(source->err, -EINVAL, "%s:%zu:%zu: not YAML: %s%s%s", source->where,
		       parser->problem_mark.line + 1, parser->problem_mark.column + 1,
		       parser->problem ? parser->problem : "unreadable", parser->context ? " " : "",
		       parser->context ? parser->context : "");
}

static int count_nodes(struct yaml_source *source, const yaml_event_t *event, size_t n)
{
	source->n_nodes += n;
	if (source->n_nodes > YAML_NODES_MAX)
		return fail(source, event, "more than %u values; split the file", YAML_NODES_MAX);
	return 0;
}

static int read_alias(struct yaml_source *source, const yaml_event_t *event,
		      struct yaml_document *ret)
{
	const char *name = (const char *)event->data.alias.anchor;

	for (size_t i = source->n_anchors; i > 0; i--) {
		const struct anchor *anchor = &source->anchors[i - 1];

		if (strcmp(anchor->name, name) != 0)
			continue;
		ret->value = json_incref(anchor->tree.value);
		ret->lines = json_incref(anchor->tree.lines);
		return count_nodes(source, event, anchor->n_nodes);
	}
	return fail(source, event, "alias *%s has no anchor before it", name);
}

static int read_scalar(struct yaml_source *source, const yaml_event_t *event,
		       struct yaml_document *ret)
{
	const char *text = (const char *)event->data.scalar.value;
	const char *tag = (const char *)event->data.scalar.tag;

	if (strlen(text) != event->data.scalar.length)
		return fail(source, event, "a text has a NUL character; remove it");
	if (tag && strcmp(tag, YAML_STR_TAG) != 0)
		return fail(source, event, "tag %s is not supported; remove it", tag);
	if (tag || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		ret->value = json_string(text);
	else
		ret->value = yaml_plain_scalar(text);
	ret->lines = json_integer(line_of(event));
	return ret->value ? 0 : fail(source, event, "a text is not UTF-8");
}

static int add_anchor(struct yaml_source *source, const yaml_event_t *event, const char *name,
		      const struct yaml_document *tree, size_t n_nodes)
{
	if (source->n_anchors >= YAML_ANCHORS_MAX)
		return fail(source, event, "more than %u anchors", YAML_ANCHORS_MAX);
	*ARRAY_ADD(source->anchors, source->n_anchors) = (struct anchor){
		.name = xstrdup(name),
		.tree = {.value = json_incref(tree->value), .lines = json_incref(tree->lines)},
		.n_nodes = n_nodes,
	};
	return 0;
}

static int check_key(struct yaml_source *source, const yaml_event_t *event, const json_t *mapping)
{
	const char *key = (const char *)event->data.scalar.value;
	size_t size = event->data.scalar.length;

	if (event->type != YAML_SCALAR_EVENT)
		return fail(source, event, "expected the name of a field");
	if (size == 0 || size > YAML_KEY_MAX || strlen(key) != size)
		return fail(source, event, "a name of a field has 1 to %u bytes", YAML_KEY_MAX);
	if (strcmp(key, "<<") == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		return fail(source, event,
			    "merge keys (<<) are not supported; write the fields out");
	if (json_object_get(mapping, key))
		return fail(source, event, "\"%s\" is given twice; remove one", key);
	return 0;
}

/*
 * The value that 'event' begins. Frees the event. (Declared here because values nest: the functions
 * down to its definition call each other in a circle.)
 */
static int read_node(struct yaml_source *source, yaml_event_t *event, unsigned int depth,
		     struct yaml_document *ret);

static int read_mapping(struct yaml_source *source, unsigned int depth, struct yaml_document *tree)
{
	for (;;) {
		_cleanup_free_ char *key = NULL;
		struct yaml_document child = {.value = NULL};
		yaml_event_t event;
		int r;

		r = next_event(source, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&event);
			return 0;
		}
		r = check_key(source, &event, tree->value);
		if (r == 0)
			key = xstrdup((const char *)event.data.scalar.value);
		yaml_event_delete(&event);
		if (r == 0)
			r = next_event(source, &event);
		if (r == 0)
			r = read_node(source, &event, depth, &child);
		if (r < 0)
			return r;
		json_object_set_new(tree->value, key, child.value);
		json_object_set_new(tree->lines, key, child.lines);
	}
}

static int read_sequence(struct yaml_source *source, unsigned int depth, struct yaml_document *tree)
{
	for (;;) {
		struct yaml_document child = {.value = NULL};
		yaml_event_t event;
		int r;

		r = next_event(source, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&event);
			return 0;
		}
		r = read_node(source, &event, depth, &child);
		if (r < 0)
			return r;
		json_array_append_new(tree->value, child.value);
		json_array_append_new(tree->lines, child.lines);
	}
}

static int read_content(struct yaml_source *source, const yaml_event_t *event, unsigned int depth,
			struct yaml_document *tree)
{
	json_t *line;

	if (depth >= YAML_DEPTH_MAX)
		return fail(source, event, "nested deeper than %u levels", YAML_DEPTH_MAX);
	line = json_integer(line_of(event));
	if (event->type == YAML_MAPPING_START_EVENT) {
		tree->value = json_object();
		tree->lines = json_object();
		json_object_set_new(tree->lines, "", line);
		return read_mapping(source, depth + 1, tree);
	}
	tree->value = json_array();
	tree->lines = json_array();
	json_array_append_new(tree->lines, line);
	return read_sequence(source, depth + 1, tree);
}

static int read_any(struct yaml_source *source, const yaml_event_t *event, unsigned int depth,
		    struct yaml_document *tree)
{
	const yaml_char_t *anchor = NULL;
	size_t before = source->n_nodes;
	int r = count_nodes(source, event, 1);

	if (r < 0)
		return r;
	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(source, event, tree);
	if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		r = read_scalar(source, event, tree);
	} else if (event->type == YAML_MAPPING_START_EVENT ||
		   event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->type == YAML_MAPPING_START_EVENT
				 ? event->data.mapping_start.anchor
				 : event->data.sequence_start.anchor;
		r = read_content(source, event, depth, tree);
	} else {
		r = fail(source, event, "expected a value");
	}
	if (r == 0 && anchor)
		r = add_anchor(source, event, (const char *)anchor, tree, source->n_nodes - before);
	return r;
}

static int read_node(struct yaml_source *source, yaml_event_t *event, unsigned int depth,
		     struct yaml_document *ret)
{
	struct yaml_document tree = {.value = NULL};
	int r = read_any(source, event, depth, &tree);

	yaml_event_delete(event);
	if (r < 0) {
		tree_clear(&tree);
		return r;
	}
	*ret = tree;
	return 0;
}

static int read_documents(struct yaml_source *source, struct yaml_documents *documents)
{
	for (;;) {
		struct yaml_document tree = {.value = NULL};
		yaml_event_t event;
		yaml_event_type_t type;
		int r;

		r = next_event(source, &event);
		if (r < 0)
			return r;
		type = event.type;
		if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT ||
		    type == YAML_DOCUMENT_END_EVENT || type == YAML_STREAM_END_EVENT) {
			yaml_event_delete(&event);
			if (type == YAML_STREAM_END_EVENT)
				return 0;
			if (type == YAML_DOCUMENT_END_EVENT)
				anchors_clear(source);
			continue;
		}
		r = read_node(source, &event, 0, &tree);
		if (r < 0)
			return r;
		if (json_is_null(tree.value))
			tree_clear(&tree);
		else
			*ARRAY_ADD(documents->v, documents->n) = tree;
	}
}

int yaml_read(const char *text, size_t size, const char *where, struct yaml_documents *ret,
	      struct err *err)
{
	struct yaml_source source = {.where = where, .err = err};
	struct yaml_documents documents = {.v = NULL};
	int r;

	if (!yaml_parser_initialize(&source.parser))
		abort();
	yaml_parser_set_input_string(&source.parser, (const unsigned char *)text, size);
	yaml_parser_set_encoding(&source.parser, YAML_UTF8_ENCODING);
	r = read_documents(&source, &documents);
	yaml_parser_delete(&source.parser);
	anchors_clear(&source);
	if (r < 0) {
		yaml_documents_deinit(&documents);
		return r;
	}
	*ret = documents;
	return 0;
}
