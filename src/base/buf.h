/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A growing byte buffer, always followed by a NUL that its size does not count, so its data can be
 * read as a string.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct buf {
	char *data; /* NULL while nothing was added; see buf_str() */
	size_t size;
	size_t capacity;
};

#define BUF_INIT                                                                                   \
	{                                                                                          \
		.data = NULL                                                                       \
	}
#define _cleanup_buf_ _cleanup_(buf_deinit)

void buf_deinit(struct buf *buf);
void buf_reset(struct buf *buf); /* empties, keeps the memory */

void buf_add(struct buf *buf, const void *data, size_t size);
void buf_adds(struct buf *buf, const char *s);
void buf_addc(struct buf *buf, char c);
void buf_addf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Ensures room for 'size' more bytes and returns where they go; buf_commit() counts them. */
void *buf_reserve(struct buf *buf, size_t size);
void buf_commit(struct buf *buf, size_t size);

/* The content as a string, "" while empty. Borrowed until the next change. */
const char *buf_str(const struct buf *buf);

/* Gives the content as a heap string and leaves the buffer empty. */
char *buf_take(struct buf *buf);
