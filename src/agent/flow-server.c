/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The lines stand in a ring and are numbered; a reader is a number, the one of its next line, and
 * the rest of the line that it was sent a part of. So readers cost no memory, however slow.
 */

#include "agent/flow-server.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/unix-socket.h"

#define LOG_MODULE "flows"
#include "base/log.h"

#define BACKLOG 16

struct reader {
	struct flow_server *server;
	int fd;
	sd_event_source *source;
	uint64_t next;
	bool is_live; /* the empty line was sent */
	char *rest;   /* NULL: between lines */
	size_t at;
	size_t size;
};

struct flow_server {
	sd_event *event;
	char *path;
	int fd;
	sd_event_source *source;
	void (*connected)(void *ctx);
	void *ctx;
	struct reader *readers[FLOW_SERVER_READERS];
	char *lines[FLOW_SERVER_LINES];
	uint64_t end; /* number of the next line; the last FLOW_SERVER_LINES before it are here */
};

static uint64_t first_line(const struct flow_server *server)
{
	return server->end > FLOW_SERVER_LINES ? server->end - FLOW_SERVER_LINES : 0;
}

/* --- Readers ---------------------------------------------------------------------------------- */

static void drop_reader(struct reader *reader)
{
	struct flow_server *server = reader->server;

	for (size_t i = 0; i < FLOW_SERVER_READERS; i++)
		if (server->readers[i] == reader)
			server->readers[i] = NULL;
	(void)sd_event_source_disable_unref(reader->source);
	(void)fd_close(reader->fd);
	free(reader->rest);
	free(reader);
}

/* Makes the next thing to send. False: there is nothing. */
static bool next_line(struct reader *reader)
{
	const struct flow_server *server = reader->server;
	uint64_t first = first_line(server);

	if (reader->next < first) {
		reader->rest = xasprintf("{\"lost\":%" PRIu64 "}\n", first - reader->next);
		reader->next = first;
	} else if (reader->next < server->end) {
		reader->rest = xasprintf("%s\n", server->lines[reader->next++ % FLOW_SERVER_LINES]);
	} else if (!reader->is_live) {
		reader->is_live = true;
		reader->rest = xstrdup("\n");
	} else {
		return false;
	}
	reader->at = 0;
	reader->size = strlen(reader->rest);
	return true;
}

/* <0: it is gone. */
static int send_lines(struct reader *reader)
{
	uint32_t events = EPOLLRDHUP;

	while (reader->rest || next_line(reader)) {
		ssize_t n = send(reader->fd, reader->rest + reader->at, reader->size - reader->at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0 && errno == EAGAIN) {
			events |= EPOLLOUT;
			break;
		}
		reader->at += n > 0 ? (size_t)n : 0;
		if (reader->at == reader->size)
			replace_str(&reader->rest, NULL);
	}
	return sd_event_source_set_io_events(reader->source, events);
}

static int on_reader(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct reader *reader = userdata;

	(void)source;
	(void)fd;
	if (revents & (EPOLLHUP | EPOLLERR | EPOLLRDHUP) || send_lines(reader) < 0)
		drop_reader(reader);
	return 0;
}

static void take_reader(struct flow_server *server, size_t place, int fd)
{
	struct reader *reader = XNEW(struct reader);

	reader->server = server;
	reader->fd = fd;
	server->readers[place] = reader;
	if (sd_event_add_io(server->event, &reader->source, fd, EPOLLRDHUP, on_reader, reader) <
	    0) {
		drop_reader(reader);
		return;
	}
	server->connected(server->ctx);
	reader->next = first_line(server);
	if (send_lines(reader) < 0)
		drop_reader(reader);
}

static int on_connection(sd_event_source *source, int listener, uint32_t revents, void *userdata)
{
	struct flow_server *server = userdata;
	_cleanup_close_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)revents;
	if (fd < 0 || !unix_peer_is_trusted(fd))
		return 0;
	for (size_t i = 0; i < FLOW_SERVER_READERS; i++)
		if (!server->readers[i]) {
			take_reader(server, i, TAKE_FD(fd));
			return 0;
		}
	log_warning_limited("a reader of the flow log was refused: there are 16 already");
	return 0;
}

/* --- The server ------------------------------------------------------------------------------- */

bool flow_server_has_readers(const struct flow_server *server)
{
	for (size_t i = 0; i < FLOW_SERVER_READERS; i++)
		if (server->readers[i])
			return true;
	return false;
}

void flow_server_add(struct flow_server *server, char *line)
{
	replace_str(&server->lines[server->end % FLOW_SERVER_LINES], line);
	server->end++;
	for (size_t i = 0; i < FLOW_SERVER_READERS; i++) {
		struct reader *reader = server->readers[i];

		/* One that is full already is woken by the loop. */
		if (reader && reader->is_live && !reader->rest && send_lines(reader) < 0)
			drop_reader(reader);
	}
}

int flow_server_new(sd_event *event, const char *path, void (*connected)(void *ctx), void *ctx,
		    struct flow_server **ret, struct err *err)
{
	_cleanup_(flow_server_freep) struct flow_server *server = XNEW(struct flow_server);
	int r;

	server->fd = -1;
	server->connected = connected;
	server->ctx = ctx;
	server->event = sd_event_ref(event);
	r = unix_listen(path, BACKLOG, err);
	if (r < 0)
		return r;
	server->fd = r;
	server->path = xstrdup(path);
	r = sd_event_add_io(event, &server->source, server->fd, EPOLLIN, on_connection, server);
	if (r < 0)
		return err_errno(err, r, "%s can't be watched", path);
	*ret = TAKE_PTR(server);
	return 0;
}

struct flow_server *flow_server_free(struct flow_server *server)
{
	if (!server)
		return NULL;
	for (size_t i = 0; i < FLOW_SERVER_READERS; i++)
		if (server->readers[i])
			drop_reader(server->readers[i]);
	for (size_t i = 0; i < FLOW_SERVER_LINES; i++)
		free(server->lines[i]);
	(void)sd_event_source_disable_unref(server->source);
	if (server->path)
		(void)unlink(server->path);
	(void)fd_close(server->fd);
	(void)sd_event_unref(server->event);
	free(server->path);
	free(server);
	return NULL;
}
