/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An IPAM plugin, run as CNI wants it: found by its name in CNI_PATH and nowhere else, with the
 * same configuration and environment. Its input is a file in memory, so that nothing can block on a
 * full pipe; its output is taken up to a limit and a deadline.
 */

#include "cni/korat-cni-delegate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cni/cni-protocol.h"

#define PATH_SIZE 4096

bool delegate_name_valid(const char *name, size_t size)
{
	static const char others[] = "_.-";

	for (size_t i = 0; i < size; i++) {
		char c = name[i];
		bool alnum =
			(c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!alnum && (i == 0 || !memchr(others, c, sizeof(others) - 1)))
			return false;
	}
	return size > 0 && size <= CNI_DELEGATE_NAME_MAX;
}

/* The first of CNI_PATH's directories that has it; only absolute ones count. */
static bool find(const char *name, char ret[PATH_SIZE])
{
	const char *dir = getenv("CNI_PATH");

	while (dir && *dir) {
		size_t n = strcspn(dir, ":");

		if (*dir == '/' &&
		    snprintf(ret, PATH_SIZE, "%.*s/%s", (int)n, dir, name) < PATH_SIZE &&
		    access(ret, X_OK) == 0)
			return true;
		dir += n + (dir[n] == ':');
	}
	return false;
}

static int make_input(const struct delegate *delegate)
{
	int fd = memfd_create("cni", MFD_CLOEXEC);
	size_t at = 0;

	while (fd >= 0 && at < delegate->conf_size) {
		ssize_t n = pwrite(fd, delegate->conf + at, delegate->conf_size - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			(void)close(fd);
			return -1;
		}
		at += (size_t)n;
	}
	return fd;
}

static void run_child(const struct delegate *delegate, const char *path, int in, int out)
{
	char *argv[] = {(char *)(uintptr_t)path, NULL};

	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    setenv("CNI_COMMAND", delegate->command, 1) < 0 || setenv(DELEGATED_ENV, "1", 1) < 0)
		_exit(127);
	(void)execv(path, argv);
	_exit(127);
}

static int64_t left_ms(const struct delegate *delegate)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return delegate->deadline_ms - ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

/* False: too much, or too late. */
static bool read_output(struct delegate *delegate, int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	delegate->out = malloc(CNI_DELEGATED_MAX + 1);
	while (delegate->out && delegate->out_size <= CNI_DELEGATED_MAX) {
		int64_t left = left_ms(delegate);
		int r = left > 0 ? poll(&pfd, 1, (int)left) : 0;
		ssize_t n;

		if (r == 0)
			return false;
		n = r < 0 ? -1
			  : read(fd, delegate->out + delegate->out_size,
				 CNI_DELEGATED_MAX + 1 - delegate->out_size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			return true;
		delegate->out_size += (size_t)n;
	}
	return false;
}

static enum delegate_outcome collect(struct delegate *delegate, pid_t pid, int fd)
{
	bool whole = read_output(delegate, fd);
	int status = 0;

	if (!whole)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return DELEGATE_BROKEN;
	}
	if (!whole || !WIFEXITED(status) || WEXITSTATUS(status) == 127)
		return DELEGATE_BROKEN;
	delegate->exit_code = WEXITSTATUS(status);
	return DELEGATE_DONE;
}

enum delegate_outcome delegate_run(struct delegate *delegate)
{
	enum delegate_outcome outcome = DELEGATE_BROKEN;
	char path[PATH_SIZE];
	int in, out[2];
	pid_t pid;

	if (!delegate_name_valid(delegate->name, strlen(delegate->name)) ||
	    !find(delegate->name, path))
		return DELEGATE_MISSING;
	in = make_input(delegate);
	if (in < 0)
		return DELEGATE_BROKEN;
	if (pipe2(out, O_CLOEXEC) < 0) {
		(void)close(in);
		return DELEGATE_BROKEN;
	}
	pid = fork();
	if (pid == 0)
		run_child(delegate, path, in, out[1]);
	(void)close(in);
	(void)close(out[1]);
	if (pid > 0)
		outcome = collect(delegate, pid, out[0]);
	(void)close(out[0]);
	return outcome;
}
