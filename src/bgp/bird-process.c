/* SPDX-License-Identifier: Apache-2.0 */

/*
 * BIRD as a program: `bird -p` as the judge of a configuration before it takes effect, and the
 * daemon as a child. Never through a shell, with an empty standard input and no blocked signals.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "bgp/bird.h"

#define CHECK_TIMEOUT_MS 30000
#define CHECK_WORDS_MAX	 4096u /* kept of what `bird -p` says */
#define CONFIG_MAX	 (64u << 20)
#define CONFIG_MODE	 0600 /* it may hold passwords */

/* Starts a child; its output goes to 'out_fd' where that is not -1. */
static int child_start(const char *const *argv, int out_fd, pid_t *ret_pid, struct err *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (out_fd >= 0) {
		(void)posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
		(void)posix_spawn_file_actions_adddup2(&actions, out_fd, STDERR_FILENO);
	}
	r = posix_spawnp(ret_pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv,
			 environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attr);
	if (r != 0)
		return err_errno(err, -r, "cannot run %s; is the package bird2 installed?",
				 argv[0]);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until the child closes its output. -ETIMEDOUT. */
static int words_collect(int fd, struct buf *words)
{
	int64_t deadline = now_ms() + CHECK_TIMEOUT_MS;

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - now_ms();
		char chunk[1024];
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&pfd, 1, (int)left) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			return 0;
		if (n > 0 && words->size < CHECK_WORDS_MAX)
			buf_add(words, chunk, (size_t)n);
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int child_wait(pid_t pid, int *ret_status)
{
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* `bird -p -c path`. 0: BIRD takes it. */
static int config_check(const char *bird_program, const char *path, struct err *err)
{
	const char *const argv[] = {bird_program, "-p", "-c", path, NULL};
	_cleanup_buf_ struct buf words = BUF_INIT;
	_cleanup_close_ int read_end = -1;
	_cleanup_close_ int write_end = -1;
	int fds[2];
	int status = 0;
	pid_t pid;
	int r, waited;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "pipe");
	read_end = fds[0];
	write_end = fds[1];
	r = child_start(argv, write_end, &pid, err);
	if (r < 0)
		return r;
	write_end = fd_close(write_end);
	r = words_collect(read_end, &words);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	waited = child_wait(pid, &status);
	if (r < 0 || waited < 0)
		return err_errno(err, r < 0 ? r : waited, "%s -p", bird_program);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	while (words.size && words.data[words.size - 1] == '\n')
		words.data[--words.size] = '\0';
	return err_set(err, -EINVAL, "BIRD refuses the configuration: %.600s",
		       words.size ? buf_str(&words) : "without a word");
}

int bird_config_write(const char *bird_program, const char *path, const char *text, size_t size,
		      struct err *err)
{
	_cleanup_buf_ struct buf old = BUF_INIT;
	_cleanup_free_ char *trial = NULL;
	int r;

	r = file_read(path, CONFIG_MAX, &old, NULL);
	if (r >= 0 && old.size == size && memcmp(buf_str(&old), text, size) == 0)
		return 0;

	trial = xasprintf("%s.check", path);
	r = file_write_atomic(trial, text, size, CONFIG_MODE, err);
	if (r < 0)
		return r;
	r = config_check(bird_program, trial, err);
	(void)unlink(trial);
	if (r < 0)
		return r;
	r = file_write_atomic(path, text, size, CONFIG_MODE, err);
	return r < 0 ? r : BIRD_CONFIG_E_WRITTEN;
}

int bird_spawn(const char *bird_program, const char *config_path, const char *socket_path,
	       int *ret_pid, struct err *err)
{
	_cleanup_free_ char *pid_path = xasprintf("%s.pid", socket_path);
	const char *const argv[] = {bird_program, "-f",	       "-R", "-c",     config_path,
				    "-s",	  socket_path, "-P", pid_path, NULL};
	pid_t pid;
	int r;

	r = child_start(argv, -1, &pid, err);
	if (r < 0)
		return r;
	*ret_pid = pid;
	return 0;
}
