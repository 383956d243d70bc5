/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The label selectors of kubectl, which choose objects by their metadata: terms joined by commas,
 * all of which must hold. Not the selector language of policies.
 */

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "ctl/ctl-internal.h"

#define WORD_MAX 320 /* prefix/name and some */

struct cursor {
	const char *at;
	const char *whole;
};

static int syntax_error(const struct cursor *cursor, const char *expected, struct err *err)
{
	return err_set(err, -EINVAL,
		       "selector \"%.100s\", column %zu: expected %s; the form is a=b,c!=d,e in "
		       "(f,g),h notin (i),j,!k",
		       cursor->whole, (size_t)(cursor->at - cursor->whole) + 1, expected);
}

static void skip_blanks(struct cursor *cursor)
{
	while (*cursor->at == ' ' || *cursor->at == '\t')
		cursor->at++;
}

static bool take(struct cursor *cursor, const char *token)
{
	size_t len = strlen(token);

	skip_blanks(cursor);
	if (strncmp(cursor->at, token, len) != 0)
		return false;
	cursor->at += len;
	return true;
}

/* A key or a value; a value may be empty. */
static int take_word(struct cursor *cursor, bool may_be_empty, char *ret, struct err *err)
{
	size_t n = 0;

	skip_blanks(cursor);
	while (isalnum((unsigned char)cursor->at[n]) ||
	       (cursor->at[n] && strchr("-_./", cursor->at[n])))
		n++;
	if (n >= WORD_MAX || (n == 0 && !may_be_empty))
		return syntax_error(cursor, "a label's key or value", err);
	memcpy(ret, cursor->at, n);
	ret[n] = '\0';
	cursor->at += n;
	return 0;
}

/* "(a,b)". 1: 'value' is among them. */
static int take_set(struct cursor *cursor, const char *value, struct err *err)
{
	char word[WORD_MAX];
	bool found = false;
	int r;

	if (!take(cursor, "("))
		return syntax_error(cursor, "(", err);
	do {
		r = take_word(cursor, true, word, err);
		if (r < 0)
			return r;
		found = found || (value && strcmp(value, word) == 0);
	} while (take(cursor, ","));
	if (!take(cursor, ")"))
		return syntax_error(cursor, ") or ,", err);
	return found;
}

/* One term. 1: holds. */
static int take_term(struct cursor *cursor, const struct str_map *labels, struct err *err)
{
	char key[WORD_MAX], word[WORD_MAX];
	bool negated = take(cursor, "!");
	const char *value;
	int r;

	r = take_word(cursor, false, key, err);
	if (r < 0)
		return r;
	value = str_map_find(labels, key);
	if (negated)
		return !value;
	if (take(cursor, "!=")) {
		r = take_word(cursor, true, word, err);
		return r < 0 ? r : !value || strcmp(value, word) != 0;
	}
	if (take(cursor, "==") || take(cursor, "=")) {
		r = take_word(cursor, true, word, err);
		return r < 0 ? r : value && strcmp(value, word) == 0;
	}
	if (take(cursor, "notin")) {
		r = take_set(cursor, value, err);
		return r < 0 ? r : !r;
	}
	if (take(cursor, "in"))
		return take_set(cursor, value, err);
	return value != NULL;
}

int ctl_label_selector(const char *selector, const struct str_map *labels, struct err *err)
{
	struct cursor cursor = {.at = selector, .whole = selector};
	bool all = true;

	do {
		int r = take_term(&cursor, labels, err);

		if (r < 0)
			return r;
		all = all && r;
	} while (take(&cursor, ","));
	skip_blanks(&cursor);
	if (*cursor.at)
		return syntax_error(&cursor, "=, ==, !=, in, notin or ,", err);
	return all;
}
