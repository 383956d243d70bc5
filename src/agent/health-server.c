/* SPDX-License-Identifier: Apache-2.0 */

/* HTTP for probes and metrics: libmicrohttpd without threads of its own, driven by the loop. */

#include "agent/health-server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/ip.h"
#include "base/parse.h"

#define CONNECTIONS_MAX	   32
#define CONNECTION_TIMEOUT 10 /* seconds */

struct health_server {
	struct health_source source;
	bool metrics;
	bool health;
	struct MHD_Daemon *daemon;
	sd_event_source *io_source;
	sd_event_source *timer_source;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status,
			      struct buf *body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		body->size, (void *)(uintptr_t)buf_str(body), MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	(void)MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload_data,
				  size_t *upload_data_size, void **request)
{
	struct health_server *server = cls;
	_cleanup_buf_ struct buf body = BUF_INIT;

	(void)version;
	(void)upload_data;
	(void)upload_data_size;
	(void)request;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, &body);
	if (server->health && strcmp(url, "/liveness") == 0)
		return answer(connection, MHD_HTTP_OK, &body);
	if (server->health && strcmp(url, "/readiness") == 0) {
		bool ready = server->source.ready(server->source.ctx, &body);

		return answer(connection, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
			      &body);
	}
	if (server->metrics && strcmp(url, "/metrics") == 0) {
		server->source.metrics(server->source.ctx, &body);
		return answer(connection, MHD_HTTP_OK, &body);
	}
	buf_adds(&body, "not found\n");
	return answer(connection, MHD_HTTP_NOT_FOUND, &body);
}

static void run(struct health_server *server)
{
	unsigned MHD_LONG_LONG timeout_ms;

	(void)MHD_run(server->daemon);
	if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES) {
		(void)sd_event_source_set_time_relative(server->timer_source, timeout_ms * 1000);
		(void)sd_event_source_set_enabled(server->timer_source, SD_EVENT_ONESHOT);
	} else {
		(void)sd_event_source_set_enabled(server->timer_source, SD_EVENT_OFF);
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source;
	(void)fd;
	(void)revents;
	run(userdata);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	run(userdata);
	return 0;
}

static int parse_address(const char *text, struct sockaddr_storage *ret, struct err *err)
{
	_cleanup_free_ char *host = xstrdup(text);
	char *colon = strrchr(host, ':');
	char *begin = host;
	struct ip_addr addr;
	uint64_t port;
	int r;

	if (!colon)
		return err_set(err, -EINVAL, "\"%.64s\": expected ADDR:PORT", text);
	*colon = '\0';
	r = parse_u64(colon + 1, 1, 65535, &port, err);
	if (r < 0)
		return err_prefix(err, r, "port of \"%.64s\"", text);
	if (*begin == '[' && colon[-1] == ']') {
		begin++;
		colon[-1] = '\0';
	}
	r = ip_parse(strcmp(begin, "localhost") == 0 ? "127.0.0.1" : begin, &addr, err);
	if (r < 0)
		return r;
	*ret = (struct sockaddr_storage){.ss_family = addr.family};
	if (addr.family == AF_INET) {
		((struct sockaddr_in *)(void *)ret)->sin_port = htons((uint16_t)port);
		memcpy(&((struct sockaddr_in *)(void *)ret)->sin_addr, addr.bytes, 4);
	} else {
		((struct sockaddr_in6 *)(void *)ret)->sin6_port = htons((uint16_t)port);
		memcpy(&((struct sockaddr_in6 *)(void *)ret)->sin6_addr, addr.bytes, 16);
	}
	return 0;
}

static int watch_daemon(struct health_server *server, sd_event *event)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int r;

	if (!info)
		return -EOPNOTSUPP;
	r = sd_event_add_io(event, &server->io_source, info->epoll_fd, EPOLLIN, on_io, server);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &server->timer_source, CLOCK_MONOTONIC, 0, 0,
					       on_timer, server);
	return r;
}

int health_server_new(sd_event *event, const char *address, bool metrics, bool health,
		      const struct health_source *source, struct health_server **ret,
		      struct err *err)
{
	_cleanup_(health_server_freep) struct health_server *server = XNEW(struct health_server);
	struct sockaddr_storage sa;
	unsigned int flags = MHD_USE_EPOLL;
	int r = parse_address(address, &sa, err);

	if (r < 0)
		return r;
	server->source = *source;
	server->metrics = metrics;
	server->health = health;
	if (sa.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	server->daemon =
		MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR,
				 &sa, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				 MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT, MHD_OPTION_END);
	if (!server->daemon)
		return err_errno(err, errno ? -errno : -EADDRINUSE, "can't serve HTTP on %s",
				 address);
	r = watch_daemon(server, event);
	if (r < 0)
		return err_errno(err, r, "can't watch the HTTP server of %s", address);
	*ret = TAKE_PTR(server);
	return 0;
}

struct health_server *health_server_free(struct health_server *server)
{
	if (!server)
		return NULL;
	(void)sd_event_source_disable_unref(server->io_source);
	(void)sd_event_source_disable_unref(server->timer_source);
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	free(server);
	return NULL;
}
