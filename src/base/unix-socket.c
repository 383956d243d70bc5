/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who may connect is said twice: by the socket's mode, set before anybody can, and by the kernel's
 * word on the peer (SO_PEERCRED), which holds for a socket that someone chmods as well. A program
 * that is not root, as in a test, takes its own user.
 */

#include "base/unix-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

bool unix_peer_is_trusted(int fd)
{
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return false;
	return cred.uid == 0 || cred.uid == geteuid();
}

static int address_of(const char *path, struct sockaddr_un *ret, struct err *err)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path))
		return err_set(err, -ENAMETOOLONG, "%s is too long for a socket: at most %zu bytes",
			       path, sizeof(ret->sun_path) - 1);
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Removes a socket that nobody listens on. */
static int remove_stale(const struct sockaddr_un *addr, struct err *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "%s", addr->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST, "%s is no socket: remove it", addr->sun_path);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return err_set(err, -EADDRINUSE,
			       "another agent listens on %s: stop it, or set another path",
			       addr->sun_path);
	if (unlink(addr->sun_path) < 0 && errno != ENOENT)
		return err_errno(err, -errno, "%s can't be removed", addr->sun_path);
	return 0;
}

static int make_parent(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = NULL;

	if (!slash || slash == path)
		return 0;
	parent = xstrndup(path, (size_t)(slash - path));
	return dir_make(parent, 0755, err);
}

int unix_listen(const char *path, int backlog, struct err *err)
{
	struct sockaddr_un addr;
	_cleanup_close_ int fd = -1;
	int r = make_parent(path, err);

	if (r == 0)
		r = address_of(path, &addr, err);
	if (r == 0)
		r = remove_stale(&addr, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The mode before bind(): at no time may others connect. */
	if (fd < 0 || fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, backlog) < 0)
		return err_errno(err, -errno, "can't listen on %s", path);
	return TAKE_FD(fd);
}

int unix_connect(const char *path, struct err *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;
	int r = address_of(path, &addr, err);

	if (r < 0)
		return r;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_errno(err, -errno, "%s", path);
	return TAKE_FD(fd);
}
