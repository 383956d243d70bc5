/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The client of BIRD's control socket: a connection per command, as commands are rare. Blocking
 * with a deadline, so for a worker thread or koratctl.
 */

#include "bgp/bird.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define SHORT_TIMEOUT_MS     2000
#define CONFIGURE_TIMEOUT_MS 30000
#define READ_SIZE	     65536u

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 0: ready. -ETIMEDOUT. */
static int wait_for(int fd, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = events};
		int64_t left = deadline - now_ms();
		int r;

		if (left <= 0)
			return -ETIMEDOUT;
		r = poll(&pfd, 1, (int)MIN(left, (int64_t)INT32_MAX));
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

int bird_connect(const char *path, int *ret_fd, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "BIRD's socket \"%s\": the path is too long",
			       path);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, -errno, "socket");
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int code = errno;

		if (code == ENOENT || code == ECONNREFUSED)
			return err_set(err, BIRD_E_ABSENT, "no BIRD answers at %s: %s", path,
				       strerror(code));
		return err_errno(err, -code, "BIRD's socket %s", path);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* One whole reply, appended. 0, BIRD_E_REFUSED, <0. */
static int reply_read(int fd, int64_t deadline, struct buf *reply, struct err *err)
{
	size_t start = reply->size;
	size_t line = 0;
	int r;

	for (;;) {
		ssize_t n;

		r = bird_reply_check(buf_str(reply) + start, reply->size - start, &line, err);
		if (r != BIRD_E_MORE)
			return r;
		r = wait_for(fd, POLLIN, deadline);
		if (r < 0)
			return err_errno(err, r, "BIRD does not answer");
		n = read(fd, buf_reserve(reply, READ_SIZE), READ_SIZE);
		if (n == 0)
			return err_set(err, -EPIPE, "BIRD closed its socket within a reply");
		if (n > 0)
			buf_commit(reply, (size_t)n);
		else if (errno != EAGAIN && errno != EINTR)
			return err_errno(err, -errno, "read from BIRD's socket");
	}
}

static int command_send(int fd, const char *command, int64_t deadline, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	size_t sent = 0;

	buf_addf(&text, "%s\n", command);
	while (sent < text.size) {
		ssize_t n = send(fd, text.data + sent, text.size - sent, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return err_errno(err, -errno, "write to BIRD's socket");
		r = wait_for(fd, POLLOUT, deadline);
		if (r < 0)
			return err_errno(err, r, "BIRD takes no command");
	}
	return 0;
}

int bird_command(const char *socket_path, const char *command, int timeout_ms,
		 struct buf *ret_reply, struct err *err)
{
	_cleanup_buf_ struct buf greeting = BUF_INIT;
	_cleanup_close_ int fd = -1;
	int64_t deadline = now_ms() + timeout_ms;
	int r;

	if (strpbrk(command, "\r\n"))
		return err_set(err, -EINVAL, "a command of BIRD is one line");
	r = bird_connect(socket_path, &fd, err);
	if (r != 0)
		return r;
	r = reply_read(fd, deadline, &greeting, err);
	if (r != 0)
		return r > 0 ? err_prefix(err, -EPROTO, "BIRD refuses connections") : r;
	r = command_send(fd, command, deadline, err);
	if (r < 0)
		return r;
	return reply_read(fd, deadline, ret_reply, err);
}

int bird_show_protocols(const char *socket_path, struct bird_protocols *ret, struct err *err)
{
	_cleanup_buf_ struct buf reply = BUF_INIT;
	int r;

	r = bird_command(socket_path, "show protocols", SHORT_TIMEOUT_MS, &reply, err);
	if (r != 0)
		return r;
	return bird_parse_protocols(buf_str(&reply), reply.size, ret, err);
}

int bird_show_status(const char *socket_path, struct bird_daemon_status *ret, struct err *err)
{
	_cleanup_buf_ struct buf reply = BUF_INIT;
	int r;

	r = bird_command(socket_path, "show status", SHORT_TIMEOUT_MS, &reply, err);
	if (r != 0)
		return r;
	return bird_parse_status(buf_str(&reply), reply.size, ret, err);
}

int bird_reinstall_routes(const char *socket_path, struct err *err)
{
	_cleanup_buf_ struct buf reply = BUF_INIT;

	/* The kernel protocols of bgp-config.c. */
	return bird_command(socket_path, "reload out \"kernel_*\"", SHORT_TIMEOUT_MS, &reply, err);
}

int bird_configure(const char *socket_path, struct err *err)
{
	_cleanup_buf_ struct buf reply = BUF_INIT;

	return bird_command(socket_path, "configure", CONFIGURE_TIMEOUT_MS, &reply, err);
}
