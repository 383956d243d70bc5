/* SPDX-License-Identifier: Apache-2.0 */

/* Allocation that can't fail: it aborts with one line on stderr instead. */

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void *check(void *ptr)
{
	static const char message[] = "korat: out of memory\n";

	if (ptr)
		return ptr;
	(void)!write(STDERR_FILENO, message, sizeof(message) - 1);
	abort();
}

void *xmalloc(size_t size)
{
	return check(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return check(calloc(n ? n : 1, size ? size : 1));
}

void *xreallocarray(void *ptr, size_t n, size_t size)
{
	return check(reallocarray(ptr, n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return s ? check(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t max)
{
	return check(strndup(s, max));
}

void *xmemdup(const void *data, size_t size)
{
	void *copy = xmalloc(size);

	if (size)
		memcpy(copy, data, size);
	return copy;
}

char *xvasprintf(const char *format, va_list args)
{
	char *s = NULL;

	if (vasprintf(&s, format, args) < 0)
		s = NULL;
	return check(s);
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *s;

	va_start(args, format);
	s = xvasprintf(format, args);
	va_end(args);
	return s;
}
