/* SPDX-License-Identifier: Apache-2.0 */

/* The growing buffer. Invariant: where data is not NULL, data[size] is NUL and size < capacity. */

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void buf_deinit(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf)BUF_INIT;
}

void buf_reset(struct buf *buf)
{
	buf->size = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

void *buf_reserve(struct buf *buf, size_t size)
{
	size_t need;

	assert(size < SIZE_MAX - buf->size - 1);
	need = buf->size + size + 1;
	if (need > buf->capacity) {
		buf->capacity = MAX(need, buf->capacity * 2);
		buf->data = xreallocarray(buf->data, buf->capacity, 1);
		buf->data[buf->size] = '\0';
	}
	return buf->data + buf->size;
}

void buf_commit(struct buf *buf, size_t size)
{
	assert(buf->size + size < buf->capacity);
	buf->size += size;
	buf->data[buf->size] = '\0';
}

void buf_add(struct buf *buf, const void *data, size_t size)
{
	if (!size)
		return;
	memcpy(buf_reserve(buf, size), data, size);
	buf_commit(buf, size);
}

void buf_adds(struct buf *buf, const char *s)
{
	buf_add(buf, s, strlen(s));
}

void buf_addc(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void buf_addf(struct buf *buf, const char *format, ...)
{
	va_list args;
	va_list again;
	int len;

	assert(format);
	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	assert(len >= 0);
	(void)vsnprintf(buf_reserve(buf, (size_t)len), (size_t)len + 1, format, again);
	buf_commit(buf, (size_t)len);
	va_end(again);
	va_end(args);
}

const char *buf_str(const struct buf *buf)
{
	return buf->data ? buf->data : "";
}

char *buf_take(struct buf *buf)
{
	char *data = buf->data ? buf->data : xstrdup("");

	*buf = (struct buf)BUF_INIT;
	return data;
}
