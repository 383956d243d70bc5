/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The CNI plugin as the runtime runs it: carries the call to the agent's socket and its answer back
 * (cni-protocol.h). It knows no JSON, no datastore and no netlink, so that an exec costs little and
 * nothing on the host's disk needs credentials or an upgrade in step with the agent.
 *
 * If the agent is away, ADD fails at once with "try again later", and DEL is kept as a file that
 * the agent replays (cni_server_replay()), so that a node without agent can still drain.
 *
 * Linked statically against musl: only POSIX and what Linux adds to it, nothing of ours.
 * Everything that waits, waits until one deadline.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cni/cni-protocol.h"
#include "cni/korat-cni-delegate.h"

#define DEADLINE_SECONDS   90
#define CODE_BAD_ENV	   4u
#define CODE_IO		   5u
#define CODE_BAD_CONFIG	   7u
#define CODE_TRY_AGAIN	   11u
#define CODE_NOT_AVAILABLE 50u /* STATUS */
#define UNDO_SECONDS	   30
#define VERSION_SIZE	   17 /* the longest cniVersion we repeat, and NUL */
#define MSG_SIZE	   512
#define PREFIX_IS(s, p)	   (strncmp((s), (p), sizeof(p) - 1) == 0)

struct call {
	const char *command; /* CNI_COMMAND */
	const char *socket;
	const char *queue;
	struct cni_request_head head;
	char *env;
	char *conf;
	char version[VERSION_SIZE]; /* for messages of our own; "" if the configuration has none */
	char *delegated;	    /* what a delegated IPAM plugin printed */
	int netns;
	int64_t deadline_ms;
};

struct answer {
	uint32_t exit_code;
	char *text;
	size_t size;
};

enum outcome {
	DONE,	  /* the agent has answered */
	AWAY,	  /* nobody there, or it broke off before it answered: it may start over */
	TIMEOUT,  /* still there but silent */
	TOO_LONG, /* the socket's path */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* False: the deadline passed. */
static bool wait_for(int fd, short events, int64_t deadline_ms)
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

static bool write_all(int fd, const char *data, size_t size)
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

static bool is_ipam(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path;

	return name && (strcmp(name, "calico-ipam") == 0 || strcmp(name, "korat-ipam") == 0);
}

static bool is_main(const char *name)
{
	return strcmp(name, "calico") == 0 || strcmp(name, "korat") == 0;
}

static const char *env_or(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

/* --- Messages of our own ------------------------------------------------------------------ */

/*
 * Passes over one string, 'p' behind its opening quote; returns what stands behind the closing
 * one, or 'end'.
 */
static const char *skip_string(const char *p, const char *end)
{
	for (; p < end && *p != '"'; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
	}
	return p < end ? p + 1 : end;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Is the string whose opening quote is before 'p', and that ends before 'next', this one? */
static bool string_is(const char *p, const char *next, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(next - p) == n + 1 && memcmp(p, text, n) == 0;
}

/* The string behind a member's ':', if it is one of plain characters: 'ret' stays "" otherwise. */
static void take_text(const char *p, const char *end, char *ret, size_t size)
{
	size_t n = 0;

	p = skip_space(p, end);
	if (p == end || *p++ != ':')
		return;
	p = skip_space(p, end);
	if (p == end || *p++ != '"')
		return;
	while (p + n < end && n < size - 1 && p[n] > ' ' && p[n] <= '~' && p[n] != '"' &&
	       p[n] != '\\')
		n++;
	if (p + n < end && p[n] == '"') {
		memcpy(ret, p, n);
		ret[n] = '\0';
	}
}

/*
 * Finds a member of the outermost object, or of 'section' in it if that is not NULL, however broken
 * the rest is.
 */
static void find_text(const struct call *call, const char *section, const char *key, char *ret,
		      size_t size)
{
	const char *end = call->conf + call->head.stdin_size;
	unsigned int depth = 0, wanted = section ? 2 : 1;
	bool inside = !section;

	for (const char *p = call->conf; p < end;) {
		char c = *p++;

		if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			depth--;
		} else if (c == '"') {
			const char *next = skip_string(p, end);
			const char *after = skip_space(next, end);
			bool is_key = after < end && *after == ':';

			if (depth == wanted && inside && is_key && string_is(p, next, key))
				return take_text(next, end, ret, size);
			if (depth == 1 && section && is_key)
				inside = string_is(p, next, section);
			p = next;
		}
	}
}

/* For a JSON string: what would need escaping becomes '?', our messages have no need of it. */
static void make_harmless(char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || (unsigned char)*s > '~' || *s == '"' || *s == '\\')
			*s = '?';
	}
}

static int fail(const struct call *call, unsigned int code, char msg[MSG_SIZE])
{
	char json[MSG_SIZE + 128];
	int n;

	make_harmless(msg);
	n = snprintf(json, sizeof(json), "{\"cniVersion\":\"%s\",\"code\":%u,\"msg\":\"%s\"}\n",
		     call->version[0] ? call->version : "0.3.1", code, msg);
	(void)write_all(STDOUT_FILENO, json, (size_t)n);
	return 1;
}

static int answer_version(const struct call *call)
{
	char json[256];
	int n;

	n = snprintf(json, sizeof(json),
		     "{\"cniVersion\":\"%s\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\","
		     "\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n",
		     call->version[0] ? call->version : "1.1.0");
	return write_all(STDOUT_FILENO, json, (size_t)n) ? 0 : 1;
}

/* --- The request -------------------------------------------------------------------------- */

/* What the agent needs to know of our environment; the rest may hold secrets. */
static bool env_matters(const char *entry)
{
	return PREFIX_IS(entry, "CNI_") || PREFIX_IS(entry, "FELIX_INTERFACEPREFIX=");
}

static bool collect_env(struct call *call)
{
	size_t size = 0;

	call->env = malloc(CNI_ENV_MAX);
	if (!call->env)
		return false;
	for (char **e = environ; *e; e++) {
		size_t n = strlen(*e) + 1;

		if (!env_matters(*e))
			continue;
		if (n > CNI_ENV_MAX - size)
			return false;
		memcpy(call->env + size, *e, n);
		size += n;
	}
	call->head.env_size = (uint32_t)size;
	return true;
}

static bool read_conf(struct call *call)
{
	size_t size = 0;

	call->conf = malloc(CNI_STDIN_MAX + 1);
	if (!call->conf)
		return false;
	while (size <= CNI_STDIN_MAX) {
		ssize_t n;

		if (!wait_for(STDIN_FILENO, POLLIN, call->deadline_ms))
			return false;
		n = read(STDIN_FILENO, call->conf + size, CNI_STDIN_MAX + 1 - size);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return false;
		if (n == 0) {
			call->head.stdin_size = (uint32_t)size;
			return true;
		}
		size += (size_t)n;
	}
	return false;
}

static void open_netns(struct call *call)
{
	const char *path = getenv("CNI_NETNS");

	call->netns = path && *path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	call->head.has_netns = call->netns >= 0;
}

/* --- The agent ---------------------------------------------------------------------------- */

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

/* An agent that stops reading may have answered already (it refuses), so breaking off is fine. */
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
		if (n < 0)
			break;
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

static enum outcome ask_agent(struct call *call, struct answer *ret)
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

/* The exit code of what stands on stdout now. */
static int print_answer(struct answer *answer)
{
	int exit_code = (int)answer->exit_code;

	if (!write_all(STDOUT_FILENO, answer->text, answer->size))
		exit_code = 1;
	free(answer->text);
	answer->text = NULL;
	return exit_code;
}

/* --- A DEL for later ---------------------------------------------------------------------- */

static uint64_t hash_add(uint64_t hash, const char *s)
{
	/* FNV-1a, the NUL included so that ("ab", "c") is not ("a", "bc"). */
	do
		hash = (hash ^ (unsigned char)*s) * 0x100000001b3u;
	while (*s++);
	return hash;
}

static void queue_name(const struct call *call, char *ret, size_t size)
{
	const char *id = getenv("CNI_CONTAINERID");
	const char *ifname = getenv("CNI_IFNAME");
	uint64_t hash = 0xcbf29ce484222325u;

	if (!id)
		id = "";
	if (!ifname)
		ifname = "";
	hash = hash_add(hash_add(hash, id), ifname);
	(void)snprintf(ret, size, "%.64s_%.15s_%u_%016llx", id, ifname, call->head.role,
		       (unsigned long long)hash);
	for (char *p = ret; *p; p++) {
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-", *p))
			*p = '_';
	}
}

/* Room for one more? A file that would be replaced needs none. */
static bool queue_has_room(int dir_fd, const char *name)
{
	unsigned int n = 0;
	struct stat st;
	DIR *dir;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return false;
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n < CNI_QUEUE_MAX;
}

static int open_queue(const char *path)
{
	char parent[512];
	char *slash;

	if (snprintf(parent, sizeof(parent), "%s", path) >= (int)sizeof(parent))
		return -1;
	slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		*slash = '\0';
		(void)mkdir(parent, 0755);
	}
	(void)mkdir(path, 0700);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool queue_write(struct call *call, int dir_fd, const char *name)
{
	char tmp[32];
	bool ok;
	int fd;

	(void)snprintf(tmp, sizeof(tmp), ".tmp-%ld", (long)getpid());
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	call->head.has_netns = 0;
	ok = write_all(fd, (const char *)&call->head, sizeof(call->head)) &&
	     write_all(fd, call->env, call->head.env_size) &&
	     write_all(fd, call->conf, call->head.stdin_size) && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	if (ok && renameat(dir_fd, tmp, dir_fd, name) == 0)
		return true;
	(void)unlinkat(dir_fd, tmp, 0);
	return false;
}

static int queue_del(struct call *call)
{
	char name[128], msg[MSG_SIZE];
	int dir_fd = open_queue(call->queue);
	bool ok;

	queue_name(call, name, sizeof(name));
	ok = dir_fd >= 0 && queue_has_room(dir_fd, name) && queue_write(call, dir_fd, name);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	if (ok)
		return 0;
	(void)snprintf(msg, sizeof(msg),
		       "the Korat agent does not answer on %.128s, and the DEL could not be kept "
		       "in %.128s (full, or not writable): start the agent on this node",
		       call->socket, call->queue);
	return fail(call, CODE_TRY_AGAIN, msg);
}

/*
 * ADD of a container whose DEL still waits, as of one that is restarted: carried out later, the DEL
 * would take the new wire. ADD itself clears away what there is of the container.
 */
static void drop_queued_del(const struct call *call)
{
	int dir_fd = open(call->queue, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[128];

	if (dir_fd < 0)
		return;
	queue_name(call, name, sizeof(name));
	(void)unlinkat(dir_fd, name, 0);
	(void)close(dir_fd);
}

/* ------------------------------------------------------------------------------------------ */

/* --- An IPAM plugin that is not ours ------------------------------------------------------- */

static struct delegate make_delegate(const struct call *call, const char *name, const char *command,
				     int64_t deadline_ms)
{
	return (struct delegate){
		.name = name,
		.command = command,
		.conf = call->conf,
		.conf_size = call->head.stdin_size,
		.deadline_ms = deadline_ms,
	};
}

static int delegate_failed(const struct call *call, const char *name, enum delegate_outcome outcome)
{
	char msg[MSG_SIZE];

	if (outcome == DELEGATE_MISSING) {
		(void)snprintf(msg, sizeof(msg),
			       "network configuration: ipam.type: there is no plugin %.64s in "
			       "CNI_PATH (%.200s): install it on this node, or use calico-ipam",
			       name, env_or("CNI_PATH", ""));
		return fail(call, CODE_BAD_CONFIG, msg);
	}
	(void)snprintf(msg, sizeof(msg),
		       "the IPAM plugin %.64s broke off, printed too much or took longer than %d s",
		       name, DEADLINE_SECONDS);
	return fail(call, CODE_TRY_AGAIN, msg);
}

/* Gives back what the plugin gave to an ADD that failed since. What it says is lost: we have told
 * the failure, and DEL comes. */
static void undo_delegate(const struct call *call, const char *name)
{
	struct delegate delegate =
		make_delegate(call, name, "DEL", now_ms() + UNDO_SECONDS * INT64_C(1000));

	(void)delegate_run(&delegate);
	free(delegate.out);
}

/* All but ADD: its outcome is the call's. */
static int run_delegate(const struct call *call, const char *name)
{
	struct delegate delegate = make_delegate(call, name, call->command, call->deadline_ms);
	enum delegate_outcome outcome = delegate_run(&delegate);
	int exit_code;

	if (outcome == DELEGATE_DONE) {
		exit_code = delegate.exit_code;
		if (exit_code != 0 && !write_all(STDOUT_FILENO, delegate.out, delegate.out_size))
			exit_code = 1;
	} else {
		exit_code = delegate_failed(call, name, outcome);
	}
	free(delegate.out);
	return exit_code;
}

/* The address goes at once; the rest when the agent is back. */
static int del_without_agent(struct call *call)
{
	char name[CNI_DELEGATE_NAME_MAX + 1] = "";
	int exit_code = queue_del(call);

	if (call->head.role == CNI_ROLE_MAIN)
		find_text(call, "ipam", "type", name, sizeof(name));
	if (exit_code != 0 || !name[0] || is_ipam(name) || is_main(name) ||
	    !delegate_name_valid(name, strlen(name)))
		return exit_code;
	return run_delegate(call, name);
}

static int no_answer(struct call *call, enum outcome outcome)
{
	unsigned int code =
		strcmp(call->command, "STATUS") == 0 ? CODE_NOT_AVAILABLE : CODE_TRY_AGAIN;
	char msg[MSG_SIZE];

	if (outcome == AWAY && strcmp(call->command, "DEL") == 0)
		return del_without_agent(call);
	if (outcome == TOO_LONG) {
		(void)snprintf(msg, sizeof(msg), "%s: the path %.200s is too long for a socket",
			       CNI_SOCKET_ENV, call->socket);
		return fail(call, CODE_BAD_ENV, msg);
	}
	if (outcome == TIMEOUT)
		(void)snprintf(msg, sizeof(msg),
			       "the Korat agent took the call on %.200s but gave no answer within "
			       "%d s: look at the agent's log on this node",
			       call->socket, DEADLINE_SECONDS);
	else
		(void)snprintf(msg, sizeof(msg),
			       "the Korat agent does not answer on %.200s: is its pod running on "
			       "this node? The call is tried again",
			       call->socket);
	return fail(call, code, msg);
}

static int without_command(int argc, char **argv)
{
	static const char version[] = "korat-cni " KORAT_VERSION " (CNI 0.1.0 to 1.1.0)\n";

	if (argc < 2 || strcmp(argv[1], "-v") == 0 || strcmp(argv[1], "--version") == 0 ||
	    strcmp(argv[1], "version") == 0)
		return write_all(STDOUT_FILENO, version, sizeof(version) - 1) ? 0 : 1;
	(void)fprintf(stderr, "korat-cni: a container runtime calls this with CNI_COMMAND set; "
			      "by hand there is only --version\n");
	return 1;
}

/* ADD with an address from another plugin: that, then the agent once more. */
static int add_delegated(struct call *call, const char *name)
{
	struct delegate delegate = make_delegate(call, name, "ADD", call->deadline_ms);
	enum delegate_outcome ran = delegate_run(&delegate);
	struct answer answer = {.exit_code = 1};
	enum outcome outcome;

	call->delegated = delegate.out;
	call->head.delegated_size = (uint32_t)delegate.out_size;
	if (ran == DELEGATE_DONE && delegate.exit_code != 0) {
		/* It says why, and has given nothing: an address of before is not to go. */
		(void)write_all(STDOUT_FILENO, delegate.out, delegate.out_size);
		return delegate.exit_code;
	}
	if (ran != DELEGATE_DONE) {
		if (ran == DELEGATE_BROKEN)
			undo_delegate(call, name);
		return delegate_failed(call, name, ran);
	}
	outcome = ask_agent(call, &answer);
	if (outcome == DONE && answer.exit_code == CNI_ANSWER_DELEGATE) {
		free(answer.text);
		outcome = AWAY;
	}
	if (outcome != DONE || answer.exit_code != 0)
		undo_delegate(call, name);
	return outcome == DONE ? print_answer(&answer) : no_answer(call, outcome);
}

static int delegate(struct call *call, struct answer *answer)
{
	int exit_code = strcmp(call->command, "ADD") == 0 ? add_delegated(call, answer->text)
							  : run_delegate(call, answer->text);

	free(answer->text);
	return exit_code;
}

/* The exit code. */
static int serve(struct call *call)
{
	char msg[MSG_SIZE];
	struct answer answer;
	enum outcome outcome;

	if (!read_conf(call)) {
		(void)snprintf(msg, sizeof(msg),
			       "the network configuration on stdin could not be read: it is to "
			       "end, and to have at most %u bytes",
			       CNI_STDIN_MAX);
		return fail(call, CODE_IO, msg);
	}
	find_text(call, NULL, "cniVersion", call->version, sizeof(call->version));
	if (!delegate_name_valid(call->version, strlen(call->version)))
		call->version[0] = '\0';
	if (strcmp(call->command, "VERSION") == 0)
		return answer_version(call);
	if (!collect_env(call)) {
		(void)snprintf(msg, sizeof(msg), "the CNI_ variables exceed %u bytes", CNI_ENV_MAX);
		return fail(call, CODE_BAD_ENV, msg);
	}
	open_netns(call);
	if (strcmp(call->command, "ADD") == 0)
		drop_queued_del(call);
	outcome = ask_agent(call, &answer);
	if (outcome != DONE)
		return no_answer(call, outcome);
	return answer.exit_code == CNI_ANSWER_DELEGATE ? delegate(call, &answer)
						       : print_answer(&answer);
}

int main(int argc, char **argv)
{
	struct call call = {
		.command = getenv("CNI_COMMAND"),
		.socket = env_or(CNI_SOCKET_ENV, CNI_SOCKET_PATH),
		.queue = env_or(CNI_QUEUE_ENV, CNI_QUEUE_PATH),
		.head = {.magic = CNI_MAGIC},
		.netns = -1,
		.deadline_ms = now_ms() + DEADLINE_SECONDS * INT64_C(1000),
	};
	int exit_code;

	if (!call.command || !*call.command)
		return without_command(argc, argv);
	call.head.role = is_ipam(argc > 0 ? argv[0] : NULL) ? CNI_ROLE_IPAM : CNI_ROLE_MAIN;
	if (call.head.role == CNI_ROLE_MAIN && getenv(DELEGATED_ENV)) {
		char msg[MSG_SIZE] = "network configuration: ipam.type names this plugin itself: "
				     "use calico-ipam";

		return fail(&call, CODE_BAD_CONFIG, msg);
	}
	exit_code = serve(&call);
	free(call.env);
	free(call.conf);
	free(call.delegated);
	return exit_code;
}
