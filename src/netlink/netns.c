/* SPDX-License-Identifier: Apache-2.0 */

/* Network namespaces of threads, by setns(). */

#include "netlink/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

int netns_open_self(int *ret_fd, struct err *err)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, -errno, "open /proc/thread-self/ns/net");
	*ret_fd = fd;
	return 0;
}

int netns_enter(int fd, struct err *err)
{
	if (setns(fd, CLONE_NEWNET) < 0)
		return err_errno(err, -errno, "enter a network namespace (needs CAP_SYS_ADMIN)");
	return 0;
}

int netns_same(int fd_a, int fd_b)
{
	struct stat a;
	struct stat b;

	if (fstat(fd_a, &a) < 0 || fstat(fd_b, &b) < 0)
		return -errno;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}
