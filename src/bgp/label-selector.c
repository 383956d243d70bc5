/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Evaluates while reading, in one pass: nodes are few and their selectors short, so there is
 * nothing to gain by keeping a tree. The syntax is checked before, which also bounds length and
 * depth; here every function only has to be right for what the checker lets through. Both sides of
 * && and || are always read, as the rest of the text follows them.
 */

#include "bgp/label-selector.h"

#include <string.h>

#include "model/model-desc.h"
#include "model/selector-syntax.h"

/* An expression as far as it is read: 'any' || 'all' && what comes next, which is 'negated'. */
struct frame {
	bool any;
	bool all;
	bool negated;
};

struct reader {
	const char *p;
	const struct str_map *labels;
	struct frame frames[SELECTOR_MAX_DEPTH + 1]; /* the parentheses that are open */
	unsigned int depth;
};

/* A quoted text of the selector. */
struct text {
	const char *s;
	size_t len;
};

static void skip_blanks(struct reader *reader)
{
	reader->p += strspn(reader->p, " \t");
}

static bool take(struct reader *reader, const char *token)
{
	size_t len = strlen(token);

	skip_blanks(reader);
	if (strncmp(reader->p, token, len) != 0)
		return false;
	reader->p += len;
	return true;
}

/* Two words with or without a blank between them. */
static bool take_two(struct reader *reader, const char *first, const char *second)
{
	const char *begin = reader->p;

	if (take(reader, first) && take(reader, second))
		return true;
	reader->p = begin;
	return false;
}

static struct text take_text(struct reader *reader)
{
	struct text text = {.s = ""};
	const char *end;

	skip_blanks(reader);
	end = *reader->p ? strchr(reader->p + 1, *reader->p) : NULL;
	if (!end)
		return text;
	text = (struct text){.s = reader->p + 1, .len = (size_t)(end - reader->p) - 1};
	reader->p = end + 1;
	return text;
}

/* The value of the label that stands here; NULL: the object has none. */
static const char *take_label(struct reader *reader)
{
	char label[SELECTOR_MAX_LABEL + 1];
	size_t len;

	skip_blanks(reader);
	len = strspn(reader->p,
		     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-");
	if (len > SELECTOR_MAX_LABEL)
		return NULL;
	memcpy(label, reader->p, len);
	label[len] = '\0';
	reader->p += len;
	return str_map_find(reader->labels, label);
}

static bool equals(const char *value, struct text text)
{
	return value && strlen(value) == text.len && memcmp(value, text.s, text.len) == 0;
}

static bool contains(const char *value, struct text text)
{
	return value && memmem(value, strlen(value), text.s, text.len) != NULL;
}

static bool starts_with(const char *value, struct text text)
{
	return value && strncmp(value, text.s, text.len) == 0;
}

static bool ends_with(const char *value, struct text text)
{
	size_t len = value ? strlen(value) : 0;

	return value && len >= text.len && memcmp(value + len - text.len, text.s, text.len) == 0;
}

/* "{" has been taken. */
static bool read_set(struct reader *reader, const char *value)
{
	bool found = false;

	while (!take(reader, "}") && *reader->p) {
		found |= equals(value, take_text(reader));
		(void)take(reader, ",");
	}
	return found;
}

static bool read_comparison(struct reader *reader)
{
	const char *value = take_label(reader);

	if (take(reader, "=="))
		return equals(value, take_text(reader));
	if (take(reader, "!="))
		return !equals(value, take_text(reader));
	if (take(reader, "contains"))
		return contains(value, take_text(reader));
	if (take_two(reader, "starts", "with"))
		return starts_with(value, take_text(reader));
	if (take_two(reader, "ends", "with"))
		return ends_with(value, take_text(reader));
	if (take_two(reader, "in", "{"))
		return read_set(reader, value);
	if (take_two(reader, "not", "in") && take(reader, "{"))
		return !read_set(reader, value);
	return false;
}

/* One operand without "!" and parentheses. */
static bool read_operand(struct reader *reader)
{
	bool result;

	if (take(reader, "has(")) {
		result = take_label(reader) != NULL;
		(void)take(reader, ")");
		return result;
	}
	if (take_two(reader, "all(", ")"))
		return true;
	if (take_two(reader, "global(", ")"))
		return false;
	return read_comparison(reader);
}

static void read_prefixes(struct reader *reader)
{
	for (;;) {
		if (take(reader, "!")) {
			reader->frames[reader->depth].negated ^= true;
		} else if (reader->depth < SELECTOR_MAX_DEPTH && take(reader, "(")) {
			reader->frames[++reader->depth] = (struct frame){.all = true};
		} else {
			return;
		}
	}
}

static void add_value(struct reader *reader, bool value)
{
	struct frame *frame = &reader->frames[reader->depth];

	frame->all &= value != frame->negated;
	frame->negated = false;
}

static bool read_expression(struct reader *reader)
{
	reader->frames[0] = (struct frame){.all = true};
	for (;;) {
		struct frame *frame;

		read_prefixes(reader);
		add_value(reader, read_operand(reader));
		while (reader->depth > 0 && take(reader, ")")) {
			frame = &reader->frames[reader->depth--];
			add_value(reader, frame->any || frame->all);
		}
		frame = &reader->frames[reader->depth];
		if (take(reader, "||")) {
			frame->any |= frame->all;
			frame->all = true;
		} else if (!take(reader, "&&")) {
			return frame->any || frame->all;
		}
	}
}

bool label_selector_matches(const char *selector, const struct str_map *labels)
{
	struct reader reader = {.p = selector, .labels = labels};

	if (selector_syntax_check(selector, NULL, NULL) < 0)
		return false;
	skip_blanks(&reader);
	return !*reader.p || read_expression(&reader);
}
