/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The calls that may fail, each with an error it is known to fail with in the field: a full disk, a
 * broken one, no descriptors, no memory, no permission. Not here: what can't fail with good
 * arguments (close, getrandom, futex, munmap, timerfd_settime, letting a lock go,
 * counting up an eventfd).
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fault.h"

#define CALL(name, errnum)                                                                         \
	{                                                                                          \
		SYS_##name, #name, errnum                                                          \
	}

static const struct fault_call calls[] = {
	CALL(openat, EMFILE),
	CALL(socket, EMFILE),
	CALL(accept4, EMFILE),
	CALL(eventfd2, EMFILE),
	CALL(timerfd_create, EMFILE),
	CALL(epoll_create1, EMFILE),
	CALL(signalfd4, EMFILE),
	CALL(inotify_init1, EMFILE),
	CALL(pipe2, EMFILE),
	CALL(dup, EMFILE),
	CALL(dup3, EMFILE),
	CALL(memfd_create, EMFILE),
	CALL(connect, ECONNREFUSED),
	CALL(bind, EADDRINUSE),
	CALL(listen, EADDRINUSE),
	CALL(sendto, ENOBUFS),
	CALL(sendmsg, ENOBUFS),
	CALL(recvfrom, ECONNRESET),
	CALL(recvmsg, ECONNRESET),
	CALL(getsockname, ENOBUFS),
	CALL(getpeername, ENOTCONN),
	CALL(getsockopt, ENOBUFS),
	CALL(setsockopt, ENOBUFS),
	CALL(shutdown, ENOTCONN),
	CALL(socketpair, EMFILE),
	CALL(setns, EPERM),
	CALL(ioctl, EPERM),
	CALL(read, EIO),
	CALL(write, ENOSPC),
	CALL(readv, EIO),
	CALL(writev, ENOSPC),
	CALL(pread64, EIO),
	CALL(pwrite64, ENOSPC),
	CALL(fdatasync, EIO),
	CALL(fsync, EIO),
	CALL(ftruncate, ENOSPC),
	CALL(fallocate, ENOSPC),
	CALL(fcntl, ENOLCK),
	CALL(lseek, EIO),
	CALL(fstat, EIO),
	CALL(newfstatat, EACCES),
	CALL(statx, EACCES),
	CALL(faccessat, EACCES),
	CALL(readlinkat, EACCES),
	CALL(mkdirat, ENOSPC),
	CALL(unlinkat, EACCES),
	CALL(renameat, ENOSPC),
	CALL(fchmod, EPERM),
	CALL(fchmodat, EPERM),
	CALL(getdents64, EIO),
	CALL(epoll_ctl, ENOSPC),
	CALL(inotify_add_watch, ENOSPC),
	CALL(ppoll, ENOMEM),
	CALL(epoll_pwait, EBADF),
	CALL(clone3, EAGAIN),
	CALL(clone, EAGAIN),
	CALL(execve, EACCES),
	CALL(wait4, ECHILD),
	CALL(mmap, ENOMEM),
	CALL(mremap, ENOMEM),
#ifdef SYS_open
	/* The old names, which newer machines do without. */
	CALL(open, EMFILE),
	CALL(stat, EACCES),
	CALL(lstat, EACCES),
	CALL(access, EACCES),
	CALL(readlink, EACCES),
	CALL(mkdir, ENOSPC),
	CALL(unlink, EACCES),
	CALL(rename, ENOSPC),
	CALL(chmod, EPERM),
	CALL(poll, ENOMEM),
	CALL(epoll_wait, EBADF),
	CALL(vfork, EAGAIN),
#endif
};

static bool is_eventfd(const struct tracer *tracer, uint64_t fd)
{
	char path[64];
	char target[32] = {0};

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", tracer->pid, (int)fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "eventfd");
}

/* Of these only some uses can fail. */
static bool can_fail(const struct tracer *tracer, long nr, const uint64_t *args)
{
	struct flock lock;

	switch (nr) {
	case SYS_write:
		return !is_eventfd(tracer, args[0]);
	case SYS_epoll_ctl:
		return args[1] == EPOLL_CTL_ADD;
	case SYS_fcntl:
		return (args[1] == F_SETLK || args[1] == F_SETLKW || args[1] == F_OFD_SETLK) &&
		       tracer_read(tracer, args[2], &lock, sizeof(lock)) && lock.l_type != F_UNLCK;
	default:
		return true;
	}
}

const struct fault_call *fault_call_find(const struct tracer *tracer, long nr, const uint64_t *args)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		if (calls[i].nr == nr && can_fail(tracer, nr, args))
			return &calls[i];
	}
	return NULL;
}
