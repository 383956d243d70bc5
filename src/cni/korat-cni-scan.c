/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The little the plugin reads in the configuration by itself, for when the agent is away: no
 * parser, and no harm in what is no JSON.
 */

#include "cni/korat-cni.h"

#include <string.h>

/*
 * Passes over one string, 'p' behind its opening quote; returns what stands behind the closing
 * one, or 'end'.
 */
static const char *skip_string(const char *p, const char *end)
{
	for (; p < end && *p != '"'; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
	}
	return p < end ? p + 1 : end;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Is the string whose opening quote is before 'p', and that ends before 'next', this one? */
static bool string_is(const char *p, const char *next, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(next - p) == n + 1 && memcmp(p, text, n) == 0;
}

/* The string behind a member's ':', if it is one of plain characters: 'ret' stays "" otherwise. */
static void take_text(const char *p, const char *end, char *ret, size_t size)
{
	size_t n = 0;

	p = skip_space(p, end);
	if (p == end || *p++ != ':')
		return;
	p = skip_space(p, end);
	if (p == end || *p++ != '"')
		return;
	while (p + n < end && n < size - 1 && p[n] > ' ' && p[n] <= '~' && p[n] != '"' &&
	       p[n] != '\\')
		n++;
	if (p + n < end && p[n] == '"') {
		memcpy(ret, p, n);
		ret[n] = '\0';
	}
}

void find_text(const struct call *call, const char *section, const char *key, char *ret,
	       size_t size)
{
	const char *end = call->conf + call->head.stdin_size;
	unsigned int depth = 0, wanted = section ? 2 : 1;
	bool inside = !section;

	for (const char *p = call->conf; p < end;) {
		char c = *p++;

		if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			depth--;
		} else if (c == '"') {
			const char *next = skip_string(p, end);
			const char *after = skip_space(next, end);
			bool is_key = after < end && *after == ':';

			if (depth == wanted && inside && is_key && string_is(p, next, key))
				return take_text(next, end, ret, size);
			if (depth == 1 && section && is_key)
				inside = string_is(p, next, section);
			p = next;
		}
	}
}
