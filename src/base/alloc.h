/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The one allocator. Out of memory aborts: the agent is restarted and reads everything back, which
 * is safer than a thousand error paths that never ran. So every size that comes from outside is
 * bounded by a named limit before it gets here.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/macros.h"

/* All of these give memory that free() releases, never NULL. Overflow of n * size aborts. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xreallocarray(void *ptr, size_t n, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t max);
void *xmemdup(const void *data, size_t size);
char *xasprintf(const char *format, ...) PRINTF_LIKE(1, 2);
char *xvasprintf(const char *format, va_list args) PRINTF_LIKE(1, 0);

#define XNEW(type) ((type *)xcalloc(1, sizeof(type)))

/*
 * Makes room for one more element in the plain array 'v' that holds 'n': grows to the next power of
 * two, so no capacity has to be kept. An array grown by this is only ever appended to by this.
 * Yields a pointer to the new, zeroed element and counts it.
 */
#define ARRAY_ADD(v, n)                                                                            \
	({                                                                                         \
		if (((n) & ((n)-1)) == 0)                                                          \
			(v) = xreallocarray((v), (n) ? (n)*2 : 1, sizeof(*(v)));                   \
		__builtin_memset(&(v)[(n)], 0, sizeof(*(v)));                                      \
		&(v)[(n)++];                                                                       \
	})

static inline void freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(freep)

/* Replaces an owned string. */
static inline void replace_str(char **dst, char *given)
{
	free(*dst);
	*dst = given;
}
