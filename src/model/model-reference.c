/* SPDX-License-Identifier: Apache-2.0 */

/* The reference of a kind, in Markdown, from the same table that reads and checks it. */

#include <inttypes.h>

#include "base/buf.h"
#include "model/model-field.h"

static const char *check_words(enum field_check check)
{
	switch (check) {
	case CHECK_NONE:
		return "";
	case CHECK_NAME:
		return "a name: a-z, 0-9, `-`, `.`";
	case CHECK_LABEL_NAME:
		return "a name: a-z, 0-9, `-`";
	case CHECK_CIDR:
		return "a prefix or an address";
	case CHECK_CIDR_V4:
		return "an IPv4 prefix or address";
	case CHECK_CIDR_V6:
		return "an IPv6 prefix or address";
	case CHECK_IP:
		return "an address";
	case CHECK_IP_V4:
		return "an IPv4 address";
	case CHECK_IP_V6:
		return "an IPv6 address";
	case CHECK_IP_CIDR:
		return "an address, with its subnet or alone";
	case CHECK_IP_PORT:
		return "`address`, `address:port` or `[IPv6]:port`";
	case CHECK_MAC:
		return "a MAC address";
	case CHECK_INTERFACE:
		return "the name of an interface";
	case CHECK_INTERFACE_GLOB:
		return "the name of an interface, `*` for any text";
	case CHECK_SELECTOR:
		return "a selector";
	case CHECK_DURATION:
		return "a duration: `1h`, `2m30s`, `100ms`";
	case CHECK_TIME:
		return "a time of RFC 3339";
	case CHECK_AS_NUMBER:
		return "an AS number: `64512` or `\"1.10\"`";
	case CHECK_COMMUNITY:
		return "`aa:nn` or `aa:nn:mm`";
	case CHECK_PORT:
		return "a port, a range `a:b`, or a port's name";
	case CHECK_PROTOCOL:
		return "TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number from 1 to 255";
	case CHECK_LABEL_VALUE:
		return "the value of a label";
	case CHECK_LABEL_KEY:
		return "the key of a label";
	case CHECK_REGEX:
		return "a regular expression";
	case CHECK_CLUSTER_ID:
		return "a cluster ID: `1.0.0.1`";
	case CHECK_RATE:
		return "a rate: `10/second`, or `/minute`, `/hour`, `/day`, of 1 to 9999";
	}
	return "";
}

static const char *type_words(const struct field_desc *field)
{
	bool list = field->flags & FIELD_LIST;

	switch (field->type) {
	case FIELD_STRING:
	case FIELD_ENUM:
		return list ? "list of texts" : "text";
	case FIELD_BOOL:
		return "boolean";
	case FIELD_INT:
		return list ? "list of integers" : "integer";
	case FIELD_REAL:
		return "number";
	case FIELD_OBJECT:
		return list ? "list of objects" : "object";
	case FIELD_STR_MAP:
		return "map of texts";
	case FIELD_INT_MAP:
		return "map of integers";
	case FIELD_INT_OR_STRING:
		return list ? "list of integers or texts" : "integer or text";
	}
	return "";
}

/* A cell's text: a bar would end the cell. */
static void add_cell(struct buf *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p == '|')
			buf_addc(out, '\\');
		buf_addc(out, *p == '\n' ? ' ' : *p);
	}
}

static void add_allowed(const struct field_desc *field, struct buf *out)
{
	if (field->values) {
		for (size_t i = 0; field->values[i]; i++)
			buf_addf(out, "%s`%s`", i ? ", " : "", field->values[i]);
	} else {
		add_cell(out, check_words(field->check));
	}
	if (field->flags & FIELD_LIST && field->max > 0)
		buf_addf(out, " (at most %" PRId64 ")", field->max);
	else if (field->max > field->min && field->check != CHECK_AS_NUMBER)
		buf_addf(out, "%" PRId64 " to %" PRId64, field->min, field->max);
}

static void add_words(const struct field_desc *field, struct buf *out)
{
	add_cell(out, field->doc ? field->doc : "");
	if (field->flags & FIELD_REQUIRED)
		buf_adds(out, " **Required.**");
	if (field->flags & FIELD_IMMUTABLE)
		buf_adds(out, " Can't be changed.");
	if (field->flags & FIELD_READ_ONLY)
		buf_adds(out, " Read-only.");
	if (field->flags & FIELD_DEPRECATED)
		buf_adds(out, " Deprecated.");
	if (field->alias)
		buf_addf(out, " Older spelling: `%s`.", field->alias);
}

/* The fields of an object but 'skip' (NULL: all), each with those of the objects inside it. */
static void add_struct(const char *prefix, const struct struct_desc *desc, const char *skip,
		       struct buf *out)
{
	for (size_t i = 0; i < desc->n_fields; i++) {
		const struct field_desc *field = &desc->fields[i];
		_cleanup_buf_ struct buf path = BUF_INIT;

		if (skip && strcmp(field->name, skip) == 0)
			continue;
		buf_addf(&path, "%s%s%s", prefix, field->name,
			 field->flags & FIELD_LIST ? "[]" : "");
		buf_addf(out, "| `%s` | %s | ", buf_str(&path), type_words(field));
		if (field->def) {
			buf_addc(out, '`');
			add_cell(out, field->def);
			buf_addc(out, '`');
		}
		buf_adds(out, " | ");
		add_allowed(field, out);
		buf_adds(out, " | ");
		add_words(field, out);
		buf_adds(out, " |\n");
		if (field->type != FIELD_OBJECT)
			continue;
		buf_addc(&path, '.');
		add_struct(buf_str(&path), field->sub, NULL, out);
	}
}

void model_write_reference(const struct kind_desc *desc, struct buf *out)
{
	buf_addf(out, "# %s\n\n", desc->name);
	if (desc->doc)
		buf_addf(out, "%s\n\n", desc->doc);
	buf_addf(out, "- `apiVersion: %s`, `kind: %s`\n- %s\n- on the command line: `%s`, `%s`",
		 kind_api_version(desc), kind_api_kind(desc),
		 desc->namespaced ? "lives in a namespace" : "of the whole cluster", desc->singular,
		 desc->plural);
	for (size_t i = 0; desc->aliases && desc->aliases[i]; i++)
		buf_addf(out, ", `%s`", desc->aliases[i]);
	if (desc->open)
		buf_adds(out, "\n- fields that are not listed here are kept as they are");
	buf_adds(out,
		 "\n\n| Field | Type | Default | Allowed | Meaning |\n|---|---|---|---|---|\n");
	add_struct("metadata.", &model_meta_desc, desc->namespaced ? NULL : "namespace", out);
	add_struct("", desc->root, NULL, out);
}
