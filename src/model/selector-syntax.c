/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Syntax of selectors, read in one pass without recursion: the only nesting is by parentheses, and
 * a counter of the open ones is all the state they need, because "and" and "or" take the same
 * operands. So depth costs no stack, and the limits of the header are those of the evaluator.
 */

#include "model/selector-syntax.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct cursor {
	const char *text;
	const char *p;
	const struct selector_visitor *visitor;
	unsigned int depth;
	struct err *err;
};

static int expected(const struct cursor *c, const char *what)
{
	size_t column = (size_t)(c->p - c->text) + 1;

	if (!*c->p)
		return err_set(c->err, -EINVAL,
			       "the selector ends where %s is expected (column %zu)", what, column);
	return err_set(c->err, -EINVAL,
		       "the selector has \"%.16s\" at column %zu where %s is expected", c->p,
		       column, what);
}

static void tell(const struct cursor *c, enum selector_mark mark)
{
	c->visitor->mark(c->visitor->data, mark);
}

static void tell_term(const struct cursor *c, enum selector_op op, struct selector_piece label)
{
	c->visitor->term(c->visitor->data, op, label);
}

static void skip_blanks(struct cursor *c)
{
	c->p += strspn(c->p, " \t");
}

static bool take(struct cursor *c, const char *token)
{
	size_t len = strlen(token);

	skip_blanks(c);
	if (strncmp(c->p, token, len) != 0)
		return false;
	c->p += len;
	return true;
}

static size_t label_len(const struct cursor *c)
{
	return strspn(c->p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-");
}

static int take_string(struct cursor *c)
{
	const char *end;

	skip_blanks(c);
	if (*c->p != '\'' && *c->p != '"')
		return expected(c, "a text in quotes");
	end = strchr(c->p + 1, *c->p);
	if (!end)
		return expected(c, "a text with its closing quote");
	c->visitor->value(c->visitor->data,
			  (struct selector_piece){.s = c->p + 1, .len = (size_t)(end - c->p) - 1});
	c->p = end + 1;
	return 0;
}

/* "{" has been taken. */
static int take_set(struct cursor *c)
{
	while (!take(c, "}")) {
		int r = take_string(c);

		if (r < 0)
			return r;
		if (!take(c, ",")) {
			if (take(c, "}"))
				return 0;
			return expected(c, "\",\" or \"}\"");
		}
	}
	return 0;
}

static bool take_not_in(struct cursor *c)
{
	const char *begin = c->p;

	if (take(c, "not") && take(c, "in"))
		return true;
	c->p = begin;
	return false;
}

/* "starts with" and "startswith" are the same. */
static bool take_with(struct cursor *c, const char *verb)
{
	const char *begin = c->p;

	if (take(c, verb) && take(c, "with"))
		return true;
	c->p = begin;
	return false;
}

/* The operators that take one value, in an order in which none hides another. */
static bool take_operator(struct cursor *c, enum selector_op *ret)
{
	if (take(c, "=="))
		*ret = SELECTOR_EQUAL;
	else if (take(c, "!="))
		*ret = SELECTOR_NOT_EQUAL;
	else if (take(c, "contains"))
		*ret = SELECTOR_CONTAINS;
	else if (take_with(c, "starts"))
		*ret = SELECTOR_STARTS_WITH;
	else if (take_with(c, "ends"))
		*ret = SELECTOR_ENDS_WITH;
	else
		return false;
	return true;
}

/* What follows a label. */
static int take_comparison(struct cursor *c, struct selector_piece label)
{
	enum selector_op op;

	if (take_operator(c, &op)) {
		tell_term(c, op, label);
		return take_string(c);
	}
	if (take(c, "in"))
		op = SELECTOR_IN;
	else if (take_not_in(c))
		op = SELECTOR_NOT_IN;
	else
		return expected(c, "==, !=, in, not in, contains, starts with or ends with");
	tell_term(c, op, label);
	return take(c, "{") ? take_set(c) : expected(c, "\"{\"");
}

static int take_label(struct cursor *c, struct selector_piece *ret)
{
	size_t len = label_len(c);

	if (len == 0)
		return expected(c, "a label, has(), all(), global(), \"!\" or \"(\"");
	if (len > SELECTOR_MAX_LABEL)
		return err_set(c->err, -EINVAL,
			       "the selector has a label of %zu bytes; at most %d are allowed", len,
			       SELECTOR_MAX_LABEL);
	*ret = (struct selector_piece){.s = c->p, .len = len};
	c->p += len;
	return 0;
}

static int take_close(struct cursor *c)
{
	return take(c, ")") ? 0 : expected(c, "\")\"");
}

/* One operand without "!" and parentheses. */
static int take_operand(struct cursor *c)
{
	struct selector_piece label = {.s = "", .len = 0};
	int r;

	if (take(c, "has(")) {
		skip_blanks(c);
		r = take_label(c, &label);
		if (r < 0)
			return r;
		tell_term(c, SELECTOR_HAS, label);
		return take_close(c);
	}
	if (take(c, "all(")) {
		tell_term(c, SELECTOR_ALL, label);
		return take_close(c);
	}
	if (take(c, "global(")) {
		tell_term(c, SELECTOR_GLOBAL, label);
		return take_close(c);
	}
	r = take_label(c, &label);
	return r < 0 ? r : take_comparison(c, label);
}

/* "!" and "(" before an operand. */
static int take_prefixes(struct cursor *c)
{
	for (;;) {
		skip_blanks(c);
		if (*c->p == '(') {
			if (++c->depth > SELECTOR_MAX_DEPTH)
				return err_set(
					c->err, -EINVAL,
					"the selector has more than %d parentheses within each other",
					SELECTOR_MAX_DEPTH);
			tell(c, SELECTOR_MARK_OPEN);
		} else if (*c->p == '!') {
			tell(c, SELECTOR_MARK_NOT);
		} else {
			return 0;
		}
		c->p++;
	}
}

static int take_expression(struct cursor *c)
{
	for (;;) {
		int r = take_prefixes(c);

		if (r < 0)
			return r;
		r = take_operand(c);
		if (r < 0)
			return r;
		while (c->depth > 0 && take(c, ")")) {
			c->depth--;
			tell(c, SELECTOR_MARK_CLOSE);
		}
		if (take(c, "&&")) {
			tell(c, SELECTOR_MARK_AND);
			continue;
		}
		if (take(c, "||")) {
			tell(c, SELECTOR_MARK_OR);
			continue;
		}
		skip_blanks(c);
		if (c->depth == 0 && !*c->p)
			return 0;
		return expected(c, c->depth > 0 ? "\")\", && or ||" : "&& or ||");
	}
}

int selector_syntax_walk(const char *text, const struct selector_visitor *visitor, struct err *err)
{
	struct cursor c = {.text = text, .p = text, .visitor = visitor, .err = err};

	if (strnlen(text, SELECTOR_MAX_SIZE + 1) > SELECTOR_MAX_SIZE)
		return err_set(err, -EINVAL, "the selector is longer than %d bytes",
			       SELECTOR_MAX_SIZE);
	skip_blanks(&c);
	if (*c.p)
		return take_expression(&c);
	tell_term(&c, SELECTOR_ALL, (struct selector_piece){.s = ""});
	return 0;
}

/* --- The check ------------------------------------------------------------------------------- */

static void ignore_mark(void *data, enum selector_mark mark)
{
	(void)data;
	(void)mark;
}

static void note_use(void *data, enum selector_op op, struct selector_piece label)
{
	unsigned int *uses = data;

	(void)label;
	if (op == SELECTOR_GLOBAL)
		*uses |= SELECTOR_USES_GLOBAL;
}

static void ignore_value(void *data, struct selector_piece value)
{
	(void)data;
	(void)value;
}

int selector_syntax_check(const char *text, unsigned int *ret_uses, struct err *err)
{
	unsigned int uses = 0;
	struct selector_visitor visitor = {
		.mark = ignore_mark, .term = note_use, .value = ignore_value, .data = &uses};
	int r = selector_syntax_walk(text, &visitor, err);

	if (r < 0)
		return r;
	if (ret_uses)
		*ret_uses = uses;
	return 0;
}
