/* SPDX-License-Identifier: Apache-2.0 */

/* The forms of -o: tables by the columns of the kinds, YAML, JSON, names. */

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

#define COLUMNS_MAX 64

/* --- YAML and JSON ---------------------------------------------------------------------------- */

/* Each line of 'text' behind 'indent', the first behind 'first'. */
static void add_indented(struct buf *out, const char *text, const char *first, const char *indent)
{
	const char *prefix = first;

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len)
			buf_addf(out, "%s%.*s", prefix, (int)len, text);
		buf_addc(out, '\n');
		text += len + (text[len] == '\n');
		prefix = indent;
	}
}

static void write_yaml(const struct ctl_items *items, const struct ctl_output *output,
		       struct buf *out)
{
	if (items->n == 1 && !output->is_list) {
		model_write_yaml(items->v[0].object, out);
		return;
	}
	if (output->is_list)
		buf_addf(out, "apiVersion: %s\nitems:%s\n", kind_api_version(output->desc),
			 items->n ? "" : " []");
	for (size_t i = 0; i < items->n; i++) {
		_cleanup_buf_ struct buf text = BUF_INIT;

		model_write_yaml(items->v[i].object, &text);
		add_indented(out, buf_str(&text), "- ", "  ");
	}
	if (output->is_list)
		buf_addf(out, "kind: %sList\nmetadata:\n  resourceVersion: \"%" PRIu64 "\"\n",
			 kind_api_kind(output->desc), output->revision);
}

static void write_json(const struct ctl_items *items, const struct ctl_output *output,
		       struct buf *out)
{
	const char *indent = output->is_list ? "    " : "  ";

	if (items->n == 1 && !output->is_list) {
		model_write_json_pretty(items->v[0].object, out);
		if (out->size && out->data[out->size - 1] != '\n')
			buf_addc(out, '\n');
		return;
	}
	if (output->is_list)
		buf_addf(out,
			 "{\n  \"kind\": \"%sList\",\n  \"apiVersion\": \"%s\",\n  "
			 "\"metadata\": {\n    \"resourceVersion\": \"%" PRIu64
			 "\"\n  },\n  \"items\": [",
			 kind_api_kind(output->desc), kind_api_version(output->desc),
			 output->revision);
	else
		buf_addc(out, '[');
	for (size_t i = 0; i < items->n; i++) {
		_cleanup_buf_ struct buf text = BUF_INIT;

		buf_adds(out, i ? ",\n" : "\n");
		model_write_json_pretty(items->v[i].object, &text);
		add_indented(out, buf_str(&text), indent, indent);
		out->data[--out->size] = '\0';
	}
	if (output->is_list)
		buf_addf(out, "%s]\n}\n", items->n ? "\n  " : "");
	else
		buf_addf(out, "%s]\n", items->n ? "\n" : "");
}

/* --- Tables ----------------------------------------------------------------------------------- */

#define DEFAULT_AS_NUMBER "64512"

struct column {
	char *title;
	char *path;
	const struct kind_column *desc; /* NULL: a person's own */
};
struct columns {
	struct column v[COLUMNS_MAX];
	size_t n;
};

static void columns_deinit(struct columns *columns)
{
	for (size_t i = 0; i < columns->n; i++) {
		free(columns->v[i].title);
		free(columns->v[i].path);
	}
}
CLEANUP_DEINIT(struct columns, columns_deinit);

static void column_add(struct columns *columns, const char *title, const char *path,
		       const struct kind_column *desc)
{
	if (columns->n == COLUMNS_MAX)
		return;
	columns->v[columns->n++] =
		(struct column){.title = xstrdup(title), .path = xstrdup(path), .desc = desc};
}

static void columns_of_kind(struct columns *columns, const struct kind_desc *desc, bool wide,
			    bool namespaces)
{
	if (namespaces && desc->namespaced)
		column_add(columns, "NAMESPACE", "metadata.namespace", NULL);
	if (!desc->columns)
		column_add(columns, "NAME", "metadata.name", NULL);
	for (const struct kind_column *c = desc->columns; c && c->title; c++)
		if (wide || !c->wide)
			column_add(columns, c->title, c->path, c);
}

/* "NAME,SIZE:.spec.blockSize" */
static int columns_custom(struct columns *columns, const struct kind_desc *desc, const char *spec,
			  struct err *err)
{
	_cleanup_free_ char *words = xstrdup(spec);
	char *save = NULL;

	for (char *word = strtok_r(words, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		char *colon = strchr(word, ':');
		const struct kind_column *c = desc->columns;

		if (colon) {
			*colon = '\0';
			column_add(columns, word, colon + 1 + (colon[1] == '.'), NULL);
			continue;
		}
		while (c && c->title && strcasecmp(c->title, word) != 0)
			c++;
		if (c && c->title)
			column_add(columns, c->title, c->path, c);
		else if (strcasecmp(word, "NAMESPACE") == 0)
			column_add(columns, "NAMESPACE", "metadata.namespace", NULL);
		else if (strcasecmp(word, "NAME") == 0)
			column_add(columns, "NAME", "metadata.name", NULL);
		else
			return err_set(
				err, -EINVAL,
				"%s has no column \"%.64s\"; see -o wide, or give its path as "
				"TITLE:PATH",
				desc->name, word);
	}
	if (columns->n == 0)
		return err_set(err, -EINVAL, "custom-columns= needs at least one column");
	return 0;
}

/* A list of texts is shown as "a,b"; 'max_len' 0: all of it. */
static char *list_text(const json_t *list, size_t max_len)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		char *dumped = json_is_string(item)
				       ? NULL
				       : json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY);

		buf_addf(&out, "%s%s", i ? "," : "", dumped ? dumped : json_string_value(item));
		free(dumped);
	}
	if (max_len && out.size > max_len) {
		out.size = max_len - strlen("...");
		buf_adds(&out, "...");
	}
	return buf_take(&out);
}

/* What a person's own column shows, and what one of a kind does when something is there. */
static char *path_text(const struct object *object, const char *path,
		       const struct kind_column *desc)
{
	_cleanup_free_ char *text = path ? model_path_text(object, path) : NULL;
	json_t *list;
	char *shown;

	if (!text || text[0] != '[')
		return TAKE_PTR(text);
	list = json_loads(text, 0, NULL);
	if (desc && desc->count)
		shown = xasprintf("%zu", json_array_size(list));
	else
		shown = list_text(list, desc ? desc->max_len : 0);
	json_decref(list);
	return shown;
}

/* A node without a number of its own has the cluster's: in parentheses. */
static char *node_as_number(struct ctl *ctl, const struct object *object, char *own)
{
	_cleanup_(model_freep) struct object *key =
		model_new(KIND_BGP_CONFIGURATION, NULL, "default");
	_cleanup_(model_freep) struct object *config = NULL;
	_cleanup_free_ char *bgp = model_path_text(object, "spec.bgp");
	_cleanup_free_ char *number = NULL;
	uint64_t revision;
	int r;

	if (own || !bgp)
		return own;
	r = ctl_get_object(ctl, key, &config, &revision, NULL);
	if (r == 0)
		number = model_path_text(config, "spec.asNumber");
	return xasprintf("(%s)", r < 0 ? "unknown" : number ? number : DEFAULT_AS_NUMBER);
}

static char *cell_text(struct ctl *ctl, const struct object *object, const struct column *column)
{
	const struct kind_column *desc = column->desc;
	char *text = path_text(object, column->path, desc);

	if (!desc)
		return text;
	if (!text)
		text = path_text(object, desc->or_path, desc);
	if (object->desc->kind == KIND_NODE && strcmp(column->title, "ASN") == 0)
		return node_as_number(ctl, object, text);
	if (!text && desc->count)
		return xstrdup("0");
	return text ? text : xstrdup(desc->otherwise ? desc->otherwise : "");
}

static void print_table(struct ctl *ctl, const struct columns *columns,
			const struct ctl_item *items, size_t n)
{
	_cleanup_(ctl_table_deinitp) struct ctl_table table = {.n_columns = columns->n};

	for (size_t c = 0; c < columns->n; c++)
		ctl_table_add(&table, columns->v[c].title);
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < columns->n; c++) {
			_cleanup_free_ char *text = cell_text(ctl, items[i].object, &columns->v[c]);

			ctl_table_add(&table, text);
		}
	}
	ctl_table_print(&table, stdout);
	fputc('\n', stdout);
}

static int print_kind(struct ctl *ctl, const struct kind_desc *desc, const struct ctl_item *items,
		      size_t n, const char *format, struct err *err)
{
	static const char custom[] = "custom-columns=";
	_cleanup_(columns_deinitp) struct columns columns = {.n = 0};
	int r = 0;

	if (strncmp(format, custom, sizeof(custom) - 1) == 0)
		r = columns_custom(&columns, desc, format + sizeof(custom) - 1, err);
	else
		columns_of_kind(&columns, desc, strcmp(format, "wide") == 0,
				ctl->args.set[FLAG_ALL_NAMESPACES]);
	if (r < 0)
		return r;
	print_table(ctl, &columns, items, n);
	return 0;
}

/* One table for each run of objects of the same kind. */
static int print_tables(struct ctl *ctl, const struct ctl_items *items,
			const struct ctl_output *output, const char *format, struct err *err)
{
	if (items->n == 0)
		return output->desc ? print_kind(ctl, output->desc, NULL, 0, format, err) : 0;
	for (size_t from = 0, to; from < items->n; from = to) {
		const struct kind_desc *desc = items->v[from].object->desc;
		int r;

		for (to = from + 1; to < items->n && items->v[to].object->desc == desc;)
			to++;
		r = print_kind(ctl, desc, &items->v[from], to - from, format, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void print_names(const struct ctl_items *items)
{
	for (size_t i = 0; i < items->n; i++)
		printf("%s/%s\n", items->v[i].object->desc->singular,
		       items->v[i].object->meta.name);
}

int ctl_print_items(struct ctl *ctl, const struct ctl_items *items, const struct ctl_output *output,
		    struct err *err)
{
	const char *format = ctl->args.set[FLAG_OUTPUT] ? ctl->args.values[FLAG_OUTPUT] : "ps";
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (strcmp(format, "ps") == 0 || strcmp(format, "wide") == 0 ||
	    strncmp(format, "custom-columns=", strlen("custom-columns=")) == 0)
		return print_tables(ctl, items, output, format, err);
	if (strcmp(format, "name") == 0)
		print_names(items);
	else if (strcmp(format, "yaml") == 0)
		write_yaml(items, output, &text);
	else if (strcmp(format, "json") == 0)
		write_json(items, output, &text);
	else
		return err_set(err, -EINVAL,
			       "unrecognized output format '%.64s'; expected ps, wide, yaml, json, "
			       "name or custom-columns=COLUMN,...",
			       format);
	(void)fwrite(buf_str(&text), 1, text.size, stdout);
	return 0;
}
