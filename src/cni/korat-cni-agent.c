/* SPDX-License-Identifier: Apache-2.0 */

/* The socket of the agent: one request, one answer. */

#include "cni/korat-cni.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline_ms - now_ms();
		int r = left > 0 ? poll(&pfd, 1, (int)left) : 0;

		if (r > 0)
			return true;
		if (r == 0 || errno != EINTR)
			return false;
	}
}

bool write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static enum outcome connect_agent(const struct call *call, int *ret)
{
	/* A full backlog blocks in connect(), which poll() can't bound. */
	struct timeval wait = {.tv_sec = DEADLINE_SECONDS};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(call->socket) >= sizeof(addr.sun_path))
		return TOO_LONG;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", call->socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return AWAY;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		enum outcome outcome = errno == EAGAIN ? TIMEOUT : AWAY;

		(void)close(fd);
		return outcome;
	}
	*ret = fd;
	return DONE;
}

static void attach_fd(struct msghdr *msg, char *control, size_t control_size, int fd)
{
	struct cmsghdr *cmsg;

	msg->msg_control = control;
	msg->msg_controllen = (socklen_t)control_size;
	cmsg = CMSG_FIRSTHDR(msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
}

static void skip_sent(struct iovec *iov, size_t n_iov, size_t sent)
{
	for (size_t i = 0; i < n_iov; i++) {
		size_t n = sent < iov[i].iov_len ? sent : iov[i].iov_len;

		iov[i].iov_base = (char *)iov[i].iov_base + n;
		iov[i].iov_len -= n;
		sent -= n;
	}
}

/*
 * An agent that stops reading may have answered already (it refuses), so breaking off is fine; one
 * that still reads is told that no more will come.
 */
static bool send_request(struct call *call, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov[] = {
		{&call->head, sizeof(call->head)},
		{call->env, call->head.env_size},
		{call->conf, call->head.stdin_size},
		{call->delegated, call->head.delegated_size},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 4};
	size_t left = sizeof(call->head) + call->head.env_size + call->head.stdin_size +
		      call->head.delegated_size;

	if (call->netns >= 0)
		attach_fd(&msg, control, sizeof(control), call->netns);
	while (left > 0) {
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			if (!wait_for(fd, POLLOUT, call->deadline_ms))
				return false;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			(void)shutdown(fd, SHUT_WR);
			break;
		}
		skip_sent(iov, 4, (size_t)n);
		left -= (size_t)n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return true;
}

static enum outcome receive(const struct call *call, int fd, void *data, size_t size)
{
	char *p = data;

	while (size > 0) {
		ssize_t n;

		if (!wait_for(fd, POLLIN, call->deadline_ms))
			return TIMEOUT;
		n = recv(fd, p, size, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return AWAY;
		p += n;
		size -= (size_t)n;
	}
	return DONE;
}

static enum outcome receive_answer(const struct call *call, int fd, struct answer *ret)
{
	struct cni_answer_head head;
	enum outcome outcome = receive(call, fd, &head, sizeof(head));
	char *text;

	if (outcome != DONE)
		return outcome;
	if (head.magic != CNI_MAGIC || head.stdout_size > CNI_STDOUT_MAX ||
	    (head.exit_code > 255 && head.exit_code != CNI_ANSWER_DELEGATE))
		return AWAY;
	text = malloc(head.stdout_size + 1);
	if (!text)
		return AWAY;
	text[head.stdout_size] = '\0';
	outcome = receive(call, fd, text, head.stdout_size);
	if (outcome == DONE)
		*ret = (struct answer){head.exit_code, text, head.stdout_size};
	else
		free(text);
	return outcome;
}

enum outcome ask_agent(struct call *call, struct answer *ret)
{
	enum outcome outcome;
	int fd;

	outcome = connect_agent(call, &fd);
	if (outcome != DONE)
		return outcome;
	outcome = send_request(call, fd) ? receive_answer(call, fd, ret) : TIMEOUT;
	(void)close(fd);
	return outcome;
}
