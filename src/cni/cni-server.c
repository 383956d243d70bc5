/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The socket that korat-cni calls, and the queue it leaves behind while nobody listens. What
 * becomes of a single call is in cni-call.c.
 *
 * Only root may call: the socket's mode says so, and the kernel's word on the peer (SO_PEERCRED)
 * says it again for a socket someone chmods. (An agent that is not root, as in a test, takes its
 * own user as well.)
 */

#include "cni/cni-server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/unix-socket.h"
#include "cni/cni-call.h"

#define LOG_MODULE	  "cni"
#define BACKLOG		  512
#define ACCEPT_AT_ONCE	  16  /* before other events get their turn */
#define ABANDONED_SECONDS 180 /* a plugin lives for half of that */
#define QUEUE_FILE_SIZE	  (sizeof(struct cni_request_head) + CNI_ENV_MAX + CNI_STDIN_MAX)

/* --- Accepting ---------------------------------------------------------------------------- */

static void accept_one(struct cni_server *server, int fd)
{
	if (!unix_peer_is_trusted(fd)) {
		log_warning_limited("a caller that is not root was refused");
		cni_call_refuse(fd, CNI_ERROR_BAD_ENVIRONMENT,
				"only root may call the Korat agent: run the runtime as root");
	} else if (server->n_connected >= CNI_CALLS_MAX) {
		log_warning_limited("a call was refused: too many at once");
		cni_call_refuse(fd, CNI_ERROR_TRY_AGAIN,
				"the Korat agent serves 256 calls already: try again later");
	} else {
		cni_call_accept(server, fd);
	}
}

static int on_connection(sd_event_source *source, int listener, uint32_t events, void *data)
{
	struct cni_server *server = data;

	(void)events;
	for (unsigned int i = 0; i < ACCEPT_AT_ONCE; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			accept_one(server, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN)
			return 0;
		log_error_limited("a call could not be accepted", "error", strerror(errno));
		/* Out of descriptors: the next call that ends wakes the listener again. */
		if (server->n_connected > 0)
			(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
		return 0;
	}
	return 0;
}

/* --- The socket --------------------------------------------------------------------------- */

int cni_server_new(sd_event *event, const char *path, cni_handler handler, void *ctx,
		   struct cni_server **ret, struct err *err)
{
	_cleanup_(cni_server_freep) struct cni_server *server = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	fd = unix_listen(path, BACKLOG, err);
	if (fd < 0)
		return fd;
	server = XNEW(struct cni_server);
	server->event = sd_event_ref(event);
	server->path = xstrdup(path);
	server->handler = handler;
	server->ctx = ctx;
	server->deadline_usec = CNI_CALL_DEADLINE_USEC;
	server->fd = TAKE_FD(fd);
	r = sd_event_add_io(event, &server->listener, server->fd, EPOLLIN, on_connection, server);
	if (r < 0)
		return err_errno(err, r, "%s can't be watched", path);
	*ret = TAKE_PTR(server);
	return 0;
}

struct cni_server *cni_server_free(struct cni_server *server)
{
	if (!server)
		return NULL;
	cni_call_abandon_all(server);
	(void)sd_event_source_disable_unref(server->listener);
	(void)unlink(server->path);
	(void)fd_close(server->fd);
	(void)sd_event_unref(server->event);
	free(server->path);
	free(server);
	return NULL;
}

/* --- The queue ---------------------------------------------------------------------------- */

enum queue_outcome { QUEUE_E_NO_REQUEST = 1 };

static int read_file(int dir_fd, const char *name, struct buf *out, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, -errno, "%s", name);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > QUEUE_FILE_SIZE)
		return QUEUE_E_NO_REQUEST;
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, -errno, "%s", name);
	r = fd_read_all(fd, QUEUE_FILE_SIZE, out);
	return r < 0 ? err_errno(err, r, "%s", name) : 0;
}

/* 1: it is served, or still is from the last time. 0: it is not, and the log says why. */
static int replay_file(struct cni_server *server, int dir_fd, const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_buf_ struct buf data = BUF_INIT;
	struct err err = ERR_INIT;
	int r;

	if (cni_call_in_flight(server, path))
		return 1;
	r = read_file(dir_fd, name, &data, &err);
	if (r < 0) {
		log_warning_limited("a queued DEL can't be read now", "file", path, "error",
				    err.msg);
		return 0;
	}
	if (r == 0 && cni_call_from_file(server, path, buf_str(&data), data.size, &err) == 0)
		return 1;
	/* It never will be one: kept, it would only take a place in the queue. */
	log_warning_limited("a file in the DEL queue is no request and was removed", "file", path,
			    "error", r == 0 ? err.msg : "not a file, or too large");
	(void)unlinkat(dir_fd, name, 0);
	return 0;
}

/* A half-written request, whose writer may be at it: it is removed when that can't be. */
static void drop_abandoned(int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    st.st_mtime + ABANDONED_SECONDS < time(NULL))
		(void)unlinkat(dir_fd, name, 0);
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

int cni_server_replay(struct cni_server *server, const char *queue_dir, struct err *err)
{
	_cleanup_close_ int dir_fd = open(queue_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **entries = NULL;
	int n, n_found = 0;

	if (dir_fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "%s", queue_dir);
	n = scandirat(dir_fd, ".", &entries, is_entry, alphasort);
	if (n < 0)
		return err_errno(err, -errno, "%s can't be read", queue_dir);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] == '.')
			drop_abandoned(dir_fd, entries[i]->d_name);
		else
			n_found += replay_file(server, dir_fd, queue_dir, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return n_found;
}
