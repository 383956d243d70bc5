/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sysctls as files. A path is checked here as well, since it holds interface names: it stays below
 * /proc/sys/net whatever it is made of.
 */

#include "netlink/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define SYSCTL_VALUE_MAX 256

static int sysctl_open(const char *path, int flags, struct err *err)
{
	char full[PATH_MAX];
	int fd;

	if (strncmp(path, "net/", 4) != 0 || strstr(path, "/../") || strstr(path, "//"))
		return err_set(err, -EINVAL, "sysctl \"%s\": not a path below net/", path);
	if (snprintf(full, sizeof(full), "/proc/sys/%s", path) >= (int)sizeof(full))
		return err_set(err, -ENAMETOOLONG, "sysctl \"%.64s...\": path too long", path);
	fd = open(full, flags | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, -errno, "sysctl %s: open", path);
	return fd;
}

int sysctl_read(const char *path, char *ret, size_t size, struct err *err)
{
	struct err reason = ERR_INIT;
	_cleanup_close_ int fd = sysctl_open(path, O_RDONLY, &reason);
	char value[SYSCTL_VALUE_MAX];
	ssize_t n;

	if (fd == -ENOENT)
		return SYSCTL_E_NOT_FOUND;
	if (fd < 0)
		return err_set(err, fd, "%s", reason.msg);
	n = read(fd, value, sizeof(value));
	if (n < 0)
		return err_errno(err, -errno, "sysctl %s: read", path);
	while (n > 0 && value[n - 1] == '\n')
		n--;
	if ((size_t)n >= size)
		return err_set(err, -EFBIG, "sysctl %s: value longer than %zu", path, size - 1);
	memcpy(ret, value, (size_t)n);
	ret[n] = '\0';
	return 0;
}

int sysctl_write(const char *path, const char *value, struct err *err)
{
	_cleanup_close_ int fd = -1;
	char now[SYSCTL_VALUE_MAX];
	int r;

	r = sysctl_read(path, now, sizeof(now), NULL);
	if (r == SYSCTL_E_NOT_FOUND)
		return r;
	if (r == 0 && strcmp(now, value) == 0)
		return 0;
	fd = r = sysctl_open(path, O_WRONLY, err);
	if (r < 0)
		return r;
	r = fd_write_all(fd, value, strlen(value));
	return r < 0 ? err_errno(err, r, "sysctl %s: write \"%s\"", path, value) : 0;
}
