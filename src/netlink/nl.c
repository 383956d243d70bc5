/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The connection: the socket, single requests and dumps. Answers are matched to requests by their
 * sequence number, so what an abandoned request left behind is passed over.
 */

#include "netlink/nl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "netlink/netns.h"
#include "netlink/nl-socket.h"

#define RECEIVE_BUFFER	 (1 << 20)
#define MONITOR_BUFFER	 (16 << 20)
#define ANSWER_TIMEOUT_S 10
#define DUMP_TRIES	 8
#define ERRNUM_MAX	 65535

static int socket_in(int protocol, int netns_fd, struct err *err)
{
	_cleanup_close_ int own = -1;
	int fd;
	int r;

	if (netns_fd >= 0) {
		r = netns_open_self(&own, err);
		if (r < 0)
			return r;
		r = netns_enter(netns_fd, err);
		if (r < 0)
			return r;
	}
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	r = errno;
	if (netns_fd >= 0 && netns_enter(own, NULL) < 0)
		abort(); /* any further step would be taken in a pod's namespace */
	return fd < 0 ? err_errno(err, -r, "open a netlink socket") : fd;
}

static void set_receive_buffer(int fd, int size)
{
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int configure(struct nl *nl, int protocol, struct err *err)
{
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK};
	struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	socklen_t size = sizeof(addr);
	int on = 1;

	set_receive_buffer(nl->fd, RECEIVE_BUFFER);
	(void)setsockopt(nl->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	(void)setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	if (protocol == NETLINK_ROUTE &&
	    setsockopt(nl->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) < 0)
		return err_errno(err, -errno, "netlink: strict checking (needs Linux 4.20)");
	if (bind(nl->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    getsockname(nl->fd, (struct sockaddr *)&addr, &size) < 0)
		return err_errno(err, -errno, "bind a netlink socket");
	nl->port = addr.nl_pid;
	return 0;
}

int nl_open(int protocol, int netns_fd, struct nl **ret, struct err *err)
{
	_cleanup_(nl_closep) struct nl *nl = XNEW(struct nl);
	int r;

	nl->rx = xmalloc(NL_RECEIVE_SIZE);
	nl->fd = r = socket_in(protocol, netns_fd, err);
	if (r < 0)
		return r;
	r = configure(nl, protocol, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(nl);
	return 0;
}

struct nl *nl_close(struct nl *nl)
{
	if (!nl)
		return NULL;
	(void)fd_close(nl->fd);
	free(nl->rx);
	free(nl);
	return NULL;
}

int nl_fd(const struct nl *nl)
{
	return nl->fd;
}

uint32_t nl_port(const struct nl *nl)
{
	return nl->port;
}

uint32_t nl_take_seq(struct nl *nl, uint32_t n)
{
	uint32_t first = nl->seq + 1;

	if (first == 0 || first + n < first) /* announcements have sequence number 0 */
		first = 1;
	nl->seq = first + n - 1;
	return first;
}

int nl_join(struct nl *nl, unsigned int group, struct err *err)
{
	set_receive_buffer(nl->fd, MONITOR_BUFFER);
	if (setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return err_errno(err, -errno, "join netlink multicast group %u", group);
	return 0;
}

int nl_refused(struct err *err, const struct nl_answer *answer, const char *format, ...)
{
	char what[ERR_MSG_SIZE / 2];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (!answer->text[0])
		return err_errno(err, -answer->errnum, "%s", what);
	return err_set(err, -answer->errnum, "%s: %s (%s)", what, strerror(answer->errnum),
		       answer->text);
}

ssize_t nl_receive_wait(struct nl *nl, int flags)
{
	struct sockaddr_nl from = {0};
	struct iovec iov = {.iov_base = nl->rx, .iov_len = NL_RECEIVE_SIZE};
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};

	for (;;) {
		ssize_t n = recvmsg(nl->fd, &msg, flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (from.nl_pid == 0)
			return n;
		/* only the kernel is listened to */
	}
}

int nl_receive(struct nl *nl, const void **ret_data)
{
	ssize_t n = nl_receive_wait(nl, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return 0;
	*ret_data = nl->rx;
	return (int)n;
}

/* Leftovers of a request that was given up must not fill the buffer of the next. */
static void drain(struct nl *nl)
{
	for (;;) {
		ssize_t n = nl_receive_wait(nl, MSG_DONTWAIT);

		if (n < 0 && n != -ENOBUFS && n != -EMSGSIZE)
			return;
	}
}

int nl_receive_failed(struct nl *nl, ssize_t n, struct err *err)
{
	drain(nl);
	if (n == -EAGAIN)
		return err_set(err, -ETIMEDOUT, "the kernel did not answer a netlink request");
	if (n == -ENOBUFS)
		return err_set(err, -ENOBUFS, "netlink answers were lost (receive buffer full)");
	return err_errno(err, (int)n, "receive from netlink");
}

int nl_send(struct nl *nl, const void *data, size_t size, struct err *err)
{
	static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	for (;;) {
		ssize_t n = sendto(nl->fd, data, size, 0, (const struct sockaddr *)&kernel,
				   sizeof(kernel));

		if (n >= 0)
			return 0;
		if (errno != EINTR)
			return err_errno(err, -errno, "send %zu bytes to netlink", size);
	}
}

/* The kernel's words lie behind the request's header, which NETLINK_CAP_ACK cuts short. */
static void take_text(const struct nlmsghdr *message, size_t offset, char *ret)
{
	static const uint8_t policy[NLMSGERR_ATTR_MSG + 1] = {
		[NLMSGERR_ATTR_MSG] = NL_ATTR_STRING,
	};
	const struct nlattr *tb[NLMSGERR_ATTR_MSG + 1];

	ret[0] = '\0';
	if (nl_parse(message, offset, policy, ARRAY_SIZE(policy), tb) < 0 || !tb[NLMSGERR_ATTR_MSG])
		return;
	(void)snprintf(ret, NL_TEXT_SIZE, "%s", mnl_attr_get_str(tb[NLMSGERR_ATTR_MSG]));
}

/*
 * A subsystem may have numbers of its own behind the kernel's; what makes no sense is a refusal,
 * too.
 */
static int errnum_of(int code)
{
	if (code >= 0)
		return 0;
	return code >= -ERRNUM_MAX ? -code : EBADMSG;
}

void nl_take_error(const struct nlmsghdr *message, struct nl_answer *ret)
{
	struct nlmsgerr error;
	size_t offset = sizeof(error);

	ret->text[0] = '\0';
	if (mnl_nlmsg_get_payload_len(message) < sizeof(error)) {
		ret->errnum = EBADMSG;
		return;
	}
	memcpy(&error, mnl_nlmsg_get_payload(message), sizeof(error));
	ret->errnum = errnum_of(error.error);
	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(message->nlmsg_flags & NLM_F_CAPPED) && error.msg.nlmsg_len > sizeof(error.msg))
		offset += error.msg.nlmsg_len - sizeof(error.msg);
	if (offset <= mnl_nlmsg_get_payload_len(message))
		take_text(message, offset, ret->text);
}

struct nlmsghdr *nl_request_init(struct nl_request *request, uint16_t type, uint16_t flags,
				 const void *header, size_t header_size)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(request->bytes);

	message->nlmsg_type = type;
	message->nlmsg_flags = flags | NLM_F_REQUEST;
	memcpy(mnl_nlmsg_put_extra_header(message, header_size), header, header_size);
	return message;
}

/* The error answer to 'seq' in a datagram. True: found. */
static bool find_answer(const void *data, size_t size, uint32_t seq, struct nl_answer *ret)
{
	const struct nlmsghdr *message = data;
	int left = (int)size;

	for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != seq || message->nlmsg_type != NLMSG_ERROR)
			continue;
		nl_take_error(message, ret);
		return true;
	}
	return false;
}

int nl_call(struct nl *nl, struct nlmsghdr *request, struct nl_answer *answer, struct err *err)
{
	int r;

	request->nlmsg_flags |= NLM_F_ACK;
	request->nlmsg_seq = nl_take_seq(nl, 1);
	r = nl_send(nl, request, request->nlmsg_len, err);
	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = nl_receive_wait(nl, 0);

		if (n < 0)
			return nl_receive_failed(nl, n, err);
		if (find_answer(nl->rx, (size_t)n, request->nlmsg_seq, answer))
			return 0;
	}
}

/* --- Dumps -------------------------------------------------------------------------------- */

struct query {
	const struct nl_visitor *visitor;
	struct nl_answer *answer;
	uint32_t seq;
	bool is_dump;
	bool done;
	bool interrupted;
};

static void take_done(const struct nlmsghdr *message, struct nl_answer *ret)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(code))
		return;
	memcpy(&code, mnl_nlmsg_get_payload(message), sizeof(code));
	ret->errnum = errnum_of(code);
	if (!ret->errnum)
		return;
	if (message->nlmsg_flags & NLM_F_ACK_TLVS)
		take_text(message, sizeof(code), ret->text);
}

static int query_message(struct query *query, const struct nlmsghdr *message)
{
	if (message->nlmsg_seq != query->seq)
		return 0;
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		query->interrupted = true;
	if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
		query->done = true;
		if (message->nlmsg_type == NLMSG_ERROR)
			nl_take_error(message, query->answer);
		else
			take_done(message, query->answer);
		return 0;
	}
	if (!query->is_dump)
		query->done = true;
	if (message->nlmsg_type < NLMSG_MIN_TYPE)
		return 0;
	return query->visitor->message(message, query->visitor->ctx);
}

static int query_once(struct nl *nl, struct nlmsghdr *request, struct query *query, struct err *err)
{
	int r;

	request->nlmsg_seq = query->seq = nl_take_seq(nl, 1);
	*query->answer = (struct nl_answer){0};
	query->visitor->restart(query->visitor->ctx);
	r = nl_send(nl, request, request->nlmsg_len, err);
	while (r >= 0 && !query->done) {
		const struct nlmsghdr *message = (const void *)nl->rx;
		ssize_t n = nl_receive_wait(nl, 0);
		int left = (int)n;

		if (n < 0)
			return nl_receive_failed(nl, n, err);
		for (; r >= 0 && !query->done && nl_message_ok(message, left);
		     message = mnl_nlmsg_next(message, &left))
			r = query_message(query, message);
		if (r < 0) {
			drain(nl);
			return err_errno(err, r, "a netlink message of the kernel");
		}
	}
	return r;
}

int nl_query(struct nl *nl, struct nlmsghdr *request, const struct nl_visitor *visitor,
	     struct nl_answer *answer, struct err *err)
{
	for (int i = 0; i < DUMP_TRIES; i++) {
		struct query query = {.visitor = visitor,
				      .answer = answer,
				      .is_dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP};
		int r = query_once(nl, request, &query, err);

		if (r < 0)
			return r;
		if (!query.interrupted)
			return 0;
	}
	return err_set(err, -EBUSY, "the kernel's tables changed during each of %d dumps",
		       DUMP_TRIES);
}
