/* SPDX-License-Identifier: Apache-2.0 */

/* File descriptors and small files. */

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

int fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = saved;
	return -1;
}

int fd_read_all(int fd, size_t max, struct buf *out)
{
	size_t start = out->size;

	for (;;) {
		ssize_t n = read(fd, buf_reserve(out, 4096), 4096);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf_commit(out, (size_t)n);
		if (out->size - start > max)
			return -EFBIG;
	}
}

int fd_write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int file_read(const char *path, size_t max, struct buf *out, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_errno(err, -errno, "can't open %s", path);
	r = fd_read_all(fd, max, out);
	if (r == -EFBIG)
		return err_set(err, r, "%s is larger than the limit of %zu bytes", path, max);
	if (r < 0)
		return err_errno(err, r, "can't read %s", path);
	return 0;
}

static int write_and_sync(int fd, const void *data, size_t size, mode_t mode)
{
	int r = fd_write_all(fd, data, size);

	if (r < 0)
		return r;
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/*
 * Always by the same name, so that what a writer leaves that dies is overwritten by the next one;
 * two at once take turns. After its turn, the other's file has the name of the whole one.
 */
static int open_unfinished(const char *path)
{
	for (;;) {
		_cleanup_close_ int fd =
			open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct stat own;
		struct stat named;

		if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &own) < 0)
			return -errno;
		if (stat(path, &named) == 0 && own.st_dev == named.st_dev &&
		    own.st_ino == named.st_ino)
			return ftruncate(fd, 0) < 0 ? -errno : TAKE_FD(fd);
	}
}

int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode, struct err *err)
{
	_cleanup_free_ char *tmp = xasprintf("%s.part", path);
	_cleanup_close_ int fd = open_unfinished(tmp);
	int r;

	if (fd < 0)
		return err_errno(err, fd, "can't create a file beside %s", path);
	r = write_and_sync(fd, data, size, mode);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(tmp);
		return err_errno(err, r, "can't write %s", path);
	}
	return 0;
}

int dir_make(const char *path, mode_t mode, struct err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	struct stat st;

	if (len >= sizeof(part))
		return err_set(err, -ENAMETOOLONG, "%.64s...: path too long", path);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return err_errno(err, -errno, "can't create directory %s", part);
	}
	if (stat(path, &st) < 0)
		return err_errno(err, -errno, "can't create directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "can't create directory %s: a file is there", path);
	return 0;
}
