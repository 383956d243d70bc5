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
	unsigned int uses;
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

/* What follows a label. */
static int take_comparison(struct cursor *c)
{
	if (take(c, "==") || take(c, "!=") || take(c, "contains") || take_with(c, "starts") ||
	    take_with(c, "ends"))
		return take_string(c);
	if (take(c, "in") || take_not_in(c))
		return take(c, "{") ? take_set(c) : expected(c, "\"{\"");
	return expected(c, "==, !=, in, not in, contains, starts with or ends with");
}

static int take_label(struct cursor *c)
{
	size_t len = label_len(c);

	if (len == 0)
		return expected(c, "a label, has(), all(), global(), \"!\" or \"(\"");
	if (len > SELECTOR_MAX_LABEL)
		return err_set(c->err, -EINVAL,
			       "the selector has a label of %zu bytes; at most %d are allowed", len,
			       SELECTOR_MAX_LABEL);
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
	int r;

	if (take(c, "has(")) {
		skip_blanks(c);
		r = take_label(c);
		return r < 0 ? r : take_close(c);
	}
	if (take(c, "all("))
		return take_close(c);
	if (take(c, "global(")) {
		c->uses |= SELECTOR_USES_GLOBAL;
		return take_close(c);
	}
	r = take_label(c);
	return r < 0 ? r : take_comparison(c);
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
		} else if (*c->p != '!') {
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
		while (c->depth > 0 && take(c, ")"))
			c->depth--;
		if (take(c, "&&") || take(c, "||"))
			continue;
		skip_blanks(c);
		if (c->depth == 0 && !*c->p)
			return 0;
		return expected(c, c->depth > 0 ? "\")\", && or ||" : "&& or ||");
	}
}

int selector_syntax_check(const char *text, unsigned int *ret_uses, struct err *err)
{
	struct cursor c = {.text = text, .p = text, .err = err};
	int r = 0;

	if (strnlen(text, SELECTOR_MAX_SIZE + 1) > SELECTOR_MAX_SIZE)
		return err_set(err, -EINVAL, "the selector is longer than %d bytes",
			       SELECTOR_MAX_SIZE);
	skip_blanks(&c);
	if (*c.p)
		r = take_expression(&c);
	if (r < 0)
		return r;
	if (ret_uses)
		*ret_uses = c.uses;
	return 0;
}
