/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* File descriptors and small files. Every read has a limit. */

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct buf;

/* Closes and returns -1; negative is fine. Keeps errno. */
int fd_close(int fd);

static inline void fd_closep(int *fd)
{
	*fd = fd_close(*fd);
}
#define _cleanup_close_ _cleanup_(fd_closep)

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *take_fd_ = &(fd);                                                             \
		int taken_ = *take_fd_;                                                            \
		*take_fd_ = -1;                                                                    \
		taken_;                                                                            \
	})

/* Appends all of 'path' to 'out'. -EFBIG beyond 'max' bytes. */
MUST_CHECK int file_read(const char *path, size_t max, struct buf *out, struct err *err);
MUST_CHECK int fd_read_all(int fd, size_t max, struct buf *out);
MUST_CHECK int fd_write_all(int fd, const void *data, size_t size);

/*
 * Replaces 'path' as a whole: temporary file beside it, fsync, rename. A reader sees the old or
 * the new content, whatever dies.
 */
MUST_CHECK int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode,
				 struct err *err);

/* mkdir -p */
MUST_CHECK int dir_make(const char *path, mode_t mode, struct err *err);
