/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Trees to YAML in the form Kubernetes' tools write: block style, lists not indented under their
 * key. A text stays plain only where no reader of YAML 1.1 takes it for something else.
 */

#include <string.h>

#include "base/buf.h"
#include "model/yaml-scalar.h"
#include "model/yaml-tree.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS	"0123456789"

/* Dates, digits with colons (base 60), y and n are no text to some readers. */
static bool is_risky(const char *text)
{
	size_t n = strspn(text, DIGITS);

	return text[strspn(text, DIGITS ":_")] == '\0' || (n == 4 && text[4] == '-') ||
	       (text[0] && !text[1] && strchr("yYnN", text[0]));
}

static bool is_plain(const char *text)
{
	size_t n = strlen(text);

	if (n == 0 || !strchr(LETTERS DIGITS "_/.(", text[0]))
		return false;
	if (text[strspn(text, LETTERS DIGITS "_/.:@+-=()!&|'\"<>$^*;,? ")] != '\0')
		return false;
	if (text[n - 1] == ' ' || text[n - 1] == ':' || strstr(text, ": "))
		return false;
	return !yaml_is_special(text) && !is_risky(text);
}

/* The code point at 'p', of 'ret_size' bytes. The text is UTF-8: jansson has seen to it. */
static unsigned int code_point(const unsigned char *p, size_t *ret_size)
{
	size_t size = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	unsigned int c = size == 1 ? p[0] : p[0] & (0x7fU >> size);

	for (size_t i = 1; i < size; i++)
		c = c << 6 | (p[i] & 0x3fU);
	*ret_size = size;
	return c;
}

static bool is_printable(unsigned int c)
{
	return (c >= 0x20 && c < 0x7f) ||
	       (c >= 0xa0 && c != 0x2028 && c != 0x2029 && c != 0xfeff && c < 0xfffe) ||
	       c >= 0x10000;
}

static void write_quoted(const char *text, struct buf *out)
{
	buf_addc(out, '"');
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t size;
		unsigned int c = code_point(p, &size);

		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", (int)c);
		else if (c == '\n')
			buf_adds(out, "\\n");
		else if (is_printable(c))
			buf_add(out, p, size);
		else
			buf_addf(out, "\\u%04X", c);
		p += size;
	}
	buf_addc(out, '"');
}

static void write_text(const char *text, struct buf *out)
{
	if (is_plain(text))
		buf_adds(out, text);
	else
		write_quoted(text, out);
}

static void write_scalar(const json_t *json, struct buf *out)
{
	char text[64];
	size_t n;

	if (json_is_string(json)) {
		write_text(json_string_value(json), out);
		return;
	}
	n = json_dumpb(json, text, sizeof(text), JSON_ENCODE_ANY | JSON_COMPACT);
	buf_add(out, text, n < sizeof(text) ? n : 0);
}

static bool is_block(const json_t *json)
{
	return json_object_size(json) > 0 || json_array_size(json) > 0;
}

static void indent(unsigned int depth, struct buf *out)
{
	for (unsigned int i = 0; i < depth; i++)
		buf_adds(out, "  ");
}

/* Writes from where the cursor stands; the first line is indented already. */
static void write_node(const json_t *json, unsigned int depth, struct buf *out)
{
	const char *key;
	json_t *value;
	size_t i;
	bool first = true;

	if (!is_block(json)) {
		write_scalar(json, out);
		buf_addc(out, '\n');
		return;
	}
	json_array_foreach(json, i, value)
	{
		if (i > 0)
			indent(depth, out);
		buf_adds(out, "- ");
		write_node(value, depth + 1, out);
	}
	json_object_foreach((json_t *)(uintptr_t)json, key, value)
	{
		bool in_place = json_array_size(value) > 0;

		if (!first)
			indent(depth, out);
		first = false;
		write_text(key, out);
		buf_adds(out, is_block(value) ? ":\n" : ": ");
		if (is_block(value))
			indent(in_place ? depth : depth + 1, out);
		write_node(value, in_place ? depth : depth + 1, out);
	}
}

void yaml_write(const json_t *json, struct buf *out)
{
	write_node(json, 0, out);
}
