/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One run of a program. Its input and output are files in memory, so that neither side waits for
 * the other; a program that does not end in time is killed.
 */

#include "iptables/command.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

#define TIMEOUT_MS  60000
#define OUTPUT_MAX  (64u << 20)
#define WORDS_MAX   4096 /* of what the program says when it fails */
#define WORDS_SHOWN 400

enum program { RESTORE, SAVE, PROGRAMS_ };

static const char *const names[IPTABLES_BACKENDS_][2][PROGRAMS_] = {
	[IPTABLES_LEGACY] = {{"iptables-legacy-restore", "iptables-legacy-save"},
			     {"ip6tables-legacy-restore", "ip6tables-legacy-save"}},
	[IPTABLES_NFT] = {{"iptables-nft-restore", "iptables-nft-save"},
			  {"ip6tables-nft-restore", "ip6tables-nft-save"}},
};
static const char *const directories[] = {"/usr/sbin/", "/sbin/"};

struct path {
	char s[64];
};

/* False: it is not installed. */
static bool find_program(enum iptables_backend backend, uint8_t family, enum program program,
			 struct path *ret)
{
	const char *name = names[backend][family == AF_INET ? 0 : 1][program];

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		(void)stpcpy(stpcpy(ret->s, directories[i]), name);
		if (access(ret->s, X_OK) == 0)
			return true;
	}
	return false;
}

bool iptables_installed(enum iptables_backend backend, uint8_t family)
{
	struct path path;

	return find_program(backend, family, RESTORE, &path) &&
	       find_program(backend, family, SAVE, &path);
}

/* The process's exit code, or -errno. */
static int wait_for(pid_t pid)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
	int status;
	int r = 1;

	if (pidfd >= 0)
		do
			r = poll(&poll_fd, 1, TIMEOUT_MS);
		while (r < 0 && errno == EINTR);
	if (r <= 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (r <= 0)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

static char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? xasprintf("%s=%s", name, value) : NULL;
}

static int spawn(const char *path, char *const *argv, const int fds[3], pid_t *ret)
{
	/*
	 * What its C library is to keep off is true for this machine, not for one program; and so
	 * is where the programs' lock is, by which they wait for each other.
	 */
	_cleanup_free_ char *tunables = variable("GLIBC_TUNABLES");
	_cleanup_free_ char *lock = variable("XTABLES_LOCKFILE");
	char *environment[] = {tunables ? tunables : lock, tunables ? lock : NULL, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	sigset_t all;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	r = posix_spawnattr_setsigmask(&attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(&attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(&attributes,
					     POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	for (int i = 0; r == 0 && i < 3; i++)
		r = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	if (r == 0)
		r = posix_spawn(ret, path, &actions, &attributes, argv, environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int read_from_start(int fd, size_t max, struct buf *out)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return fd_read_all(fd, max, out);
}

/* The last of the words, in one line: the programs end with what matters. */
static int report(const char *path, int code, int words_fd, struct err *err)
{
	_cleanup_buf_ struct buf words = BUF_INIT;
	const char *text;
	off_t size = lseek(words_fd, 0, SEEK_END);

	if (size > WORDS_MAX && ftruncate(words_fd, WORDS_MAX) < 0)
		return err_set(err, -EIO, "%s failed with %d", path, code);
	(void)!read_from_start(words_fd, WORDS_MAX, &words);
	for (size_t i = 0; i < words.size; i++)
		if (words.data[i] < ' ')
			words.data[i] = ' ';
	text = buf_str(&words);
	return err_set(err, -EIO, "%s failed with %d: %.*s", path, code, WORDS_SHOWN, text);
}

/* 'input' NULL: none. */
static int run(const char *path, char *const *argv, const struct buf *input, struct buf *out,
	       struct err *err)
{
	_cleanup_close_ int in = memfd_create("iptables-in", MFD_CLOEXEC);
	_cleanup_close_ int result = memfd_create("iptables-out", MFD_CLOEXEC);
	_cleanup_close_ int words = memfd_create("iptables-err", MFD_CLOEXEC);
	pid_t pid = -1;
	int r;

	if (in < 0 || result < 0 || words < 0)
		return err_errno(err, -errno, "%s: no file in memory", path);
	r = input ? fd_write_all(in, input->data, input->size) : 0;
	if (r == 0 && lseek(in, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		r = spawn(path, argv, (const int[3]){in, result, words}, &pid);
	if (r < 0)
		return err_errno(err, r, "can't run %s", path);
	r = wait_for(pid);
	if (r < 0)
		return err_errno(err, r, "%s did not end as it should", path);
	if (r > 0)
		return report(path, r, words, err);
	r = out ? read_from_start(result, OUTPUT_MAX, out) : 0;
	return r < 0 ? err_errno(err, r, "can't read what %s printed", path) : 0;
}

static int not_installed(enum iptables_backend backend, uint8_t family, enum program program,
			 struct err *err)
{
	return err_set(err, -ENOENT,
		       "%s is neither in /usr/sbin nor in /sbin: install iptables, or set "
		       "iptablesBackend to what is there",
		       names[backend][family == AF_INET ? 0 : 1][program]);
}

/* The programs are one that looks at the name it is called by. */
int iptables_restore(enum iptables_backend backend, uint8_t family, const struct buf *input,
		     struct err *err)
{
	const char *name = names[backend][family == AF_INET ? 0 : 1][RESTORE];
	/* The kernel's own transactions need no lock. */
	const char *const argv[] = {name, "--noflush", backend == IPTABLES_NFT ? NULL : "-w", "30",
				    NULL};
	struct path path;

	if (!find_program(backend, family, RESTORE, &path))
		return not_installed(backend, family, RESTORE, err);
	return run(path.s, (char *const *)argv, input, NULL, err);
}

int iptables_save(enum iptables_backend backend, uint8_t family, struct buf *out, struct err *err)
{
	const char *const argv[] = {names[backend][family == AF_INET ? 0 : 1][SAVE], NULL};
	struct path path;

	if (!find_program(backend, family, SAVE, &path))
		return not_installed(backend, family, SAVE, err);
	return run(path.s, (char *const *)argv, NULL, out, err);
}
