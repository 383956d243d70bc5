/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Types of plain scalars. Kubernetes reads yes, on and their like as booleans and 0755 as octal;
 * a file that works there must mean the same here. Only y and n alone are left to be names.
 */

#include "model/yaml-scalar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define NUMBER_MAX 64 /* characters of a number; longer ones are text */

static bool is_one_of(const char *text, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static bool is_null(const char *text)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};

	return is_one_of(text, words);
}

static bool is_true(const char *text)
{
	static const char *const words[] = {"true", "True", "TRUE", "yes", "Yes",
					    "YES",  "on",   "On",   "ON",  NULL};

	return is_one_of(text, words);
}

static bool is_false(const char *text)
{
	static const char *const words[] = {"false", "False", "FALSE", "no",  "No",
					    "NO",    "off",   "Off",   "OFF", NULL};

	return is_one_of(text, words);
}

static bool all_of(const char *text, const char *digits)
{
	return *text && text[strspn(text, digits)] == '\0';
}

/* Which base the digits after the sign are in, and where they begin; 0: not an integer. */
static int integer_base(const char *text, const char **ret_digits)
{
	static const struct {
		const char *prefix;
		const char *digits;
		int base;
	} forms[] = {
		{"0x", "0123456789abcdefABCDEF", 16},
		{"0o", "01234567", 8},
		{"0b", "01", 2},
		{"0", "01234567", 8},
		{"", "0123456789", 10},
	};

	*ret_digits = text;
	if (strcmp(text, "0") == 0)
		return 10;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		size_t n = strlen(forms[i].prefix);

		if (strncmp(text, forms[i].prefix, n) != 0)
			continue;
		*ret_digits = text + n;
		if (all_of(text + n, forms[i].digits))
			return forms[i].base;
	}
	return 0;
}

static json_t *integer_scalar(const char *text)
{
	const char *digits;
	char number[NUMBER_MAX];
	long long v;
	int base = integer_base(text + (*text == '-' || *text == '+'), &digits);

	if (base == 0 || strlen(digits) + 2 > sizeof(number))
		return NULL;
	number[0] = *text == '-' ? '-' : '+';
	memcpy(number + 1, digits, strlen(digits) + 1);
	errno = 0;
	v = strtoll(number, NULL, base);
	return errno == 0 ? json_integer(v) : NULL;
}

/* [-+]? digits with a point somewhere or an exponent */
static bool is_real(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+');
	size_t whole = strspn(p, "0123456789"), part = 0;

	p += whole;
	if (*p == '.') {
		part = strspn(p + 1, "0123456789");
		p += 1 + part;
	}
	if (whole + part == 0)
		return false;
	if (*p != 'e' && *p != 'E')
		return *p == '\0';
	p++;
	p += *p == '-' || *p == '+';
	return all_of(p, "0123456789");
}

json_t *yaml_plain_scalar(const char *text)
{
	json_t *number;

	if (is_null(text))
		return json_null();
	if (is_true(text))
		return json_true();
	if (is_false(text))
		return json_false();
	number = integer_scalar(text);
	/* Digits alone got here because they are too many: an unsigned number, as text. */
	if (!number && strlen(text) < NUMBER_MAX && is_real(text) && strpbrk(text, ".eE"))
		number = json_real(strtod(text, NULL));
	return number ? number : json_string(text);
}

bool yaml_is_special(const char *text)
{
	json_t *json = yaml_plain_scalar(text);
	bool special = !json_is_string(json);

	json_decref(json);
	return special;
}
