/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One call on the agent's socket.
 *
 *	READ_HEAD -> READ_BODY -> SERVED -> WRITE -> gone
 *	     |           |                    ^
 *	     +-----------+--- bad, too slow --+
 *
 * Reading and writing have a deadline each; how long the agent takes in SERVED is the agent's, and
 * the caller has a deadline of its own. In SERVED the socket is not watched: a caller that went
 * away shows when the answer is written. A call that came from a file starts in SERVED and has no
 * socket; its answer decides over the file.
 *
 * Descriptors are taken from the first byte's message only, and one at most: later ones are never
 * given room, so the kernel drops them.
 */

#include "cni/cni-call.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"

#define LOG_MODULE "cni"
#define READ_SIZE  65536u
#define FDS_MAX	   8 /* that a caller can make us take before we close them */

enum call_state { CALL_READ_HEAD, CALL_READ_BODY, CALL_SERVED, CALL_WRITE };

struct cni_call {
	struct cni_server *server; /* NULL: gone, the answer is for nobody */
	struct cni_call *prev;
	struct cni_call *next;
	enum call_state state;
	int fd;
	int netns_fd;
	sd_event_source *io;
	sd_event_source *deadline;
	struct cni_request_head head;
	size_t head_size;
	struct buf body; /* env, stdin, what a delegated plugin printed */
	struct cni_request *request;
	struct buf out;
	size_t n_sent;
	char *file; /* in the queue; NULL: from a connection */
};

static void call_set_state(struct cni_call *call, enum call_state state)
{
	static const uint8_t may_follow[] = {
		[CALL_READ_HEAD] = 1 << CALL_READ_BODY | 1 << CALL_WRITE,
		[CALL_READ_BODY] = 1 << CALL_SERVED | 1 << CALL_WRITE,
		[CALL_SERVED] = 1 << CALL_WRITE,
		[CALL_WRITE] = 0,
	};

	assert(may_follow[call->state] & 1 << state);
	call->state = state;
}

static struct cni_call *call_new(struct cni_server *server)
{
	struct cni_call *call = XNEW(struct cni_call);

	call->server = server;
	call->fd = -1;
	call->netns_fd = -1;
	call->next = server->calls;
	if (call->next)
		call->next->prev = call;
	server->calls = call;
	return call;
}

static void call_disconnect(struct cni_call *call)
{
	call->io = sd_event_source_disable_unref(call->io);
	call->deadline = sd_event_source_disable_unref(call->deadline);
	if (call->fd < 0)
		return;
	call->fd = fd_close(call->fd);
	if (call->server) {
		call->server->n_connected--;
		/* The listener rests while there are no descriptors left; now there is one. */
		(void)sd_event_source_set_enabled(call->server->listener, SD_EVENT_ON);
	}
}

static struct cni_call *call_free(struct cni_call *call)
{
	call_disconnect(call);
	if (call->server && call->server->calls == call)
		call->server->calls = call->next;
	if (call->prev)
		call->prev->next = call->next;
	if (call->next)
		call->next->prev = call->prev;
	(void)fd_close(call->netns_fd);
	buf_deinit(&call->body);
	buf_deinit(&call->out);
	(void)cni_request_free(call->request);
	free(call->file);
	free(call);
	return NULL;
}

/* --- Answers ------------------------------------------------------------------------------ */

/* Frees the call when all is sent, or nobody takes it. */
static void call_write(struct cni_call *call)
{
	while (call->n_sent < call->out.size) {
		ssize_t n = send(call->fd, call->out.data + call->n_sent,
				 call->out.size - call->n_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (sd_event_source_set_io_events(call->io, EPOLLOUT) < 0 ||
			    sd_event_source_set_enabled(call->io, SD_EVENT_ON) < 0)
				break;
			return;
		}
		if (n < 0) {
			log_info_limited("a caller went away before its answer", "error",
					 strerror(errno));
			break;
		}
		call->n_sent += (size_t)n;
	}
	(void)call_free(call);
}

static void call_finish_file(struct cni_call *call, unsigned int exit_code)
{
	if (exit_code == 0 && unlink(call->file) < 0 && errno != ENOENT)
		log_warning_limited("a queued DEL is done but its file stays", "file", call->file,
				    "error", strerror(errno));
	(void)call_free(call);
}

static void call_finish(struct cni_call *call, unsigned int exit_code, const struct buf *text)
{
	struct cni_answer_head head = {
		.magic = CNI_MAGIC,
		.exit_code = exit_code,
		.stdout_size = (uint32_t)text->size,
	};

	if (call->file) {
		call_finish_file(call, exit_code);
		return;
	}
	if (!call->server) {
		(void)call_free(call);
		return;
	}
	call_set_state(call, CALL_WRITE);
	buf_add(&call->out, &head, sizeof(head));
	buf_add(&call->out, text->data, text->size);
	(void)sd_event_source_set_time_relative(call->deadline, call->server->deadline_usec);
	(void)sd_event_source_set_enabled(call->deadline, SD_EVENT_ONESHOT);
	call_write(call);
}

static const char *call_version(const struct cni_call *call)
{
	size_t env_size = call->head.env_size;

	if (call->request)
		return call->request->cni_version;
	if (call->body.size <= env_size)
		return cni_request_version(NULL, 0);
	return cni_request_version(call->body.data + env_size,
				   MIN(call->body.size - env_size, (size_t)call->head.stdin_size));
}

void cni_call_answer_result(struct cni_call *call, const struct cni_result *result)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	cni_write_result(call->request, result, &text);
	call_finish(call, 0, &text);
}

void cni_call_answer_ok(struct cni_call *call)
{
	struct buf nothing = BUF_INIT;

	call_finish(call, 0, &nothing);
}

void cni_call_answer_delegate(struct cni_call *call, const char *type)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_adds(&text, type);
	call_finish(call, call->file ? 0 : CNI_ANSWER_DELEGATE, &text);
}

void cni_call_answer_error(struct cni_call *call, unsigned int code, const char *msg)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	cni_write_error(call_version(call), code, msg, NULL, &text);
	call_finish(call, 1, &text);
}

void cni_call_refuse(int fd, unsigned int code, const char *msg)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct cni_answer_head head = {.magic = CNI_MAGIC, .exit_code = 1};

	cni_write_error(cni_request_version(NULL, 0), code, msg, NULL, &text);
	head.stdout_size = (uint32_t)text.size;
	buf_add(&out, &head, sizeof(head));
	buf_add(&out, text.data, text.size);
	(void)send(fd, out.data, out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)fd_close(fd);
}

/* --- The whole request -------------------------------------------------------------------- */

static bool needs_netns(const struct cni_request *request)
{
	return request->role == CNI_ROLE_MAIN &&
	       (request->verb == CNI_ADD || request->verb == CNI_CHECK);
}

static int call_parse(struct cni_call *call, struct err *err)
{
	const char *data = buf_str(&call->body);
	const struct cni_request_head *head = &call->head;
	const char *conf = data + head->env_size;
	int r = cni_request_parse((enum cni_plugin_role)head->role, data, head->env_size, conf,
				  head->stdin_size, &call->request, err);

	if (r != 0)
		return r;
	call->request->had_del = head->had_del != 0;
	if (!head->delegated_size)
		return 0;
	return cni_request_add_delegated(call->request, conf + head->stdin_size,
					 head->delegated_size, err);
}

/* The call may be gone afterwards. */
static void call_serve(struct cni_call *call)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const struct cni_request *request;
	struct err err = ERR_INIT;
	int r = call_parse(call, &err);

	if (r != 0) {
		cni_call_answer_error(call, (unsigned int)r, err.msg);
		return;
	}
	request = call->request;
	if (request->verb == CNI_VERSION) {
		cni_write_version(request->cni_version, &text);
		call_finish(call, 0, &text);
		return;
	}
	if (needs_netns(request) && call->netns_fd < 0) {
		(void)err_set(&err, 0,
			      "CNI_NETNS=\"%.200s\": the plugin could not open it: is the "
			      "sandbox still there?",
			      request->netns_path);
		cni_call_answer_error(call, CNI_ERROR_UNKNOWN_CONTAINER, err.msg);
		return;
	}
	(void)sd_event_source_set_enabled(call->io, SD_EVENT_OFF);
	(void)sd_event_source_set_enabled(call->deadline, SD_EVENT_OFF);
	call_set_state(call, CALL_SERVED);
	call->server->handler(call, request, call->netns_fd, call->server->ctx);
}

/* --- Reading ------------------------------------------------------------------------------ */

static int take_fds(struct cni_call *call, struct msghdr *msg)
{
	unsigned int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		const unsigned char *data = CMSG_DATA(c);
		size_t size = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (; size >= sizeof(int); data += sizeof(int), size -= sizeof(int)) {
			int fd;

			memcpy(&fd, data, sizeof(fd));
			if (call->netns_fd < 0)
				call->netns_fd = fd;
			else
				(void)fd_close(fd);
			n++;
		}
	}
	return n > 1 || msg->msg_flags & MSG_CTRUNC ? -EPROTO : 0;
}

/* As recv(): the number of bytes, 0 at the end, <0 -errno. */
static ssize_t read_head(struct cni_call *call)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct iovec iov = {(char *)&call->head + call->head_size,
			    sizeof(call->head) - call->head_size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (call->head_size == 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
	}
	n = recvmsg(call->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	if (call->head_size == 0 && take_fds(call, &msg) < 0)
		return -EPROTO;
	call->head_size += (size_t)n;
	return n;
}

static size_t body_size(const struct cni_call *call)
{
	return (size_t)call->head.env_size + call->head.stdin_size + call->head.delegated_size;
}

static ssize_t read_body(struct cni_call *call)
{
	size_t size = body_size(call);
	size_t want = MIN(size - call->body.size, (size_t)READ_SIZE);
	void *room = buf_reserve(&call->body, want);
	ssize_t n = recv(call->fd, room, want, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	buf_commit(&call->body, (size_t)n);
	return n;
}

static const char *head_check(const struct cni_call *call)
{
	const struct cni_request_head *head = &call->head;

	if (head->magic != CNI_MAGIC || head->role > CNI_ROLE_IPAM || head->has_netns > 1 ||
	    head->had_del > 1)
		return "not a request of korat-cni: are plugin and agent of one release?";
	if (head->env_size > CNI_ENV_MAX || head->stdin_size > CNI_STDIN_MAX ||
	    head->delegated_size > CNI_DELEGATED_MAX)
		return "the request is larger than 64 KiB of environment or 1 MiB of configuration";
	if ((call->netns_fd >= 0) != (head->has_netns == 1))
		return "the request's network namespace and its head do not agree";
	return NULL;
}

enum progress { PROGRESS_MORE, PROGRESS_WHOLE, PROGRESS_BAD };

/* Takes the head once it is there. PROGRESS_BAD: the call is answered. */
static enum progress call_advance(struct cni_call *call)
{
	if (call->state == CALL_READ_HEAD) {
		const char *bad;

		if (call->head_size < sizeof(call->head))
			return PROGRESS_MORE;
		bad = head_check(call);
		if (bad) {
			/* Sizes that were not accepted are not used any more. */
			call->head.env_size = 0;
			cni_call_answer_error(call, CNI_ERROR_DECODE, bad);
			return PROGRESS_BAD;
		}
		call_set_state(call, CALL_READ_BODY);
	}
	if (call->body.size < body_size(call))
		return PROGRESS_MORE;
	return PROGRESS_WHOLE;
}

static void call_read(struct cni_call *call)
{
	enum progress progress = PROGRESS_MORE;

	while (progress == PROGRESS_MORE) {
		ssize_t n = call->state == CALL_READ_HEAD ? read_head(call) : read_body(call);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return;
		if (n == -EPROTO) {
			cni_call_answer_error(call, CNI_ERROR_DECODE,
					      "the request carries more than one descriptor");
			return;
		}
		if (n <= 0) {
			log_debug("a caller went away before its request was whole");
			(void)call_free(call);
			return;
		}
		progress = call_advance(call);
	}
	if (progress == PROGRESS_WHOLE)
		call_serve(call);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct cni_call *call = data;

	(void)source;
	(void)fd;
	(void)events;
	if (call->state == CALL_WRITE)
		call_write(call);
	else
		call_read(call);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct cni_call *call = data;

	(void)source;
	(void)usec;
	if (call->state == CALL_WRITE)
		(void)call_free(call);
	else
		cni_call_answer_error(call, CNI_ERROR_IO,
				      "the request was not whole in time: is the node overloaded?");
	return 0;
}

void cni_call_accept(struct cni_server *server, int fd)
{
	struct cni_call *call = call_new(server);
	int r;

	call->fd = fd;
	server->n_connected++;
	r = sd_event_add_io(server->event, &call->io, fd, EPOLLIN, on_io, call);
	if (r >= 0)
		r = sd_event_add_time_relative(server->event, &call->deadline, CLOCK_MONOTONIC,
					       server->deadline_usec, 0, on_deadline, call);
	if (r < 0) {
		log_error_limited("a connection could not be watched", "error", strerror(-r));
		(void)call_free(call);
	}
}

/* --- From a file -------------------------------------------------------------------------- */

static int call_from_bytes(struct cni_call *call, const char *data, size_t size, struct err *err)
{
	int r;

	if (size < sizeof(call->head))
		return err_set(err, -EBADMSG, "shorter than the head of a request");
	memcpy(&call->head, data, sizeof(call->head));
	call->head.has_netns = 0;
	if (head_check(call))
		return err_set(err, -EBADMSG, "%s", head_check(call));
	if (size != sizeof(call->head) + body_size(call))
		return err_set(err, -EBADMSG, "not as long as its head says");
	buf_add(&call->body, data + sizeof(call->head), size - sizeof(call->head));
	r = call_parse(call, err);
	if (r != 0)
		return -EBADMSG;
	if (call->request->verb != CNI_DEL)
		return err_set(err, -EBADMSG, "only a DEL can be queued");
	return 0;
}

int cni_call_from_file(struct cni_server *server, const char *path, const void *data, size_t size,
		       struct err *err)
{
	struct cni_call *call = call_new(server);
	int r = call_from_bytes(call, data, size, err);

	if (r < 0) {
		(void)call_free(call);
		return r;
	}
	call->file = xstrdup(path);
	call->state = CALL_SERVED;
	server->handler(call, call->request, -1, server->ctx);
	return 0;
}

bool cni_call_in_flight(const struct cni_server *server, const char *path)
{
	for (const struct cni_call *call = server->calls; call; call = call->next) {
		if (call->file && strcmp(call->file, path) == 0)
			return true;
	}
	return false;
}

void cni_call_abandon_all(struct cni_server *server)
{
	struct cni_call *next;

	for (struct cni_call *call = server->calls; call; call = next) {
		next = call->next;
		if (call->state != CALL_SERVED) {
			(void)call_free(call);
			continue;
		}
		call_disconnect(call);
		call->server = NULL;
		call->prev = NULL;
		call->next = NULL;
	}
	server->calls = NULL;
}
