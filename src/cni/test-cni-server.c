/* SPDX-License-Identifier: Apache-2.0 */

/* The server with callers of every kind, over its real socket. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "cni/cni-call.h"

#define ENV_ADD "CNI_COMMAND=ADD\0CNI_CONTAINERID=c1\0CNI_IFNAME=eth0\0CNI_NETNS=/proc/self/ns/net"
#define ENV_DEL "CNI_COMMAND=DEL\0CNI_CONTAINERID=c1\0CNI_IFNAME=eth0"
#define CONF	"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"ipam\":{\"type\":\"calico-ipam\"}}"
#define RESULT                                                                                     \
	"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"cali1\",\"mac\":"                   \
	"\"00:00:00:00:00:00\"},{\"name\":\"eth0\",\"mac\":\"00:00:00:00:00:00\",\"sandbox\":"     \
	"\"/proc/self/ns/net\"}],\"ips\":[{\"interface\":1,\"address\":\"10.0.0.1/32\"}],"         \
	"\"dns\":{}}\n"

/* What the handler is to do, and what it saw. */
enum plan { PLAN_ANSWER, PLAN_FAIL, PLAN_WAIT };

struct fixture {
	char dir[32];
	char *path;
	char *queue;
	sd_event *event;
	struct cni_server *server;
	enum plan plan;
	unsigned int n_handled;
	bool had_netns;
	struct cni_call *waiting;
};

static void answer(struct cni_call *call, const struct cni_request *request)
{
	struct cni_result result = {.host_ifname = "cali1",
				    .pod_ifname = request->ifname,
				    .netns_path = request->netns_path,
				    .n_addrs = 1};

	assert_int_equal(cidr_parse("10.0.0.1/32", &result.addrs[0], NULL), 0);
	if (request->verb == CNI_ADD)
		cni_call_answer_result(call, &result);
	else
		cni_call_answer_ok(call);
}

static void handle(struct cni_call *call, const struct cni_request *request, int netns_fd,
		   void *ctx)
{
	struct fixture *f = ctx;

	f->n_handled++;
	f->had_netns = netns_fd >= 0 && fcntl(netns_fd, F_GETFD) == FD_CLOEXEC;
	switch (f->plan) {
	case PLAN_ANSWER:
		answer(call, request);
		break;
	case PLAN_FAIL:
		cni_call_answer_error(call, 7, "no");
		break;
	case PLAN_WAIT:
		f->waiting = call;
		break;
	}
}

static int setup(void **state)
{
	struct fixture *f = XNEW(struct fixture);
	struct err err = ERR_INIT;

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/cni-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(chmod(f->dir, 0755), 0);
	f->path = xasprintf("%s/run/cni.sock", f->dir);
	f->queue = xasprintf("%s/queue", f->dir);
	assert_true(sd_event_new(&f->event) >= 0);
	if (cni_server_new(f->event, f->path, handle, f, &f->server, &err) != 0)
		fail_msg("%s", err.msg);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void)cni_server_free(f->server);
	(void)sd_event_unref(f->event);
	(void)nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f->path);
	free(f->queue);
	free(f);
	return 0;
}

/* --- Being a caller ----------------------------------------------------------------------- */

static int call_connect(const struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void make_request(struct buf *out, bool netns, const char *env, size_t env_size,
			 const char *conf)
{
	struct cni_request_head head = {
		.magic = CNI_MAGIC,
		.has_netns = netns,
		.env_size = (uint32_t)env_size,
		.stdin_size = (uint32_t)strlen(conf),
	};

	buf_add(out, &head, sizeof(head));
	buf_add(out, env, env_size);
	buf_adds(out, conf);
}

static void send_fds(int fd, const void *data, size_t size, int n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {0};
	struct iovec iov = {(void *)(uintptr_t)data, size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	struct cmsghdr *cmsg;
	int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	for (int i = 0; i < n_fds; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &ns, sizeof(int));
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), (ssize_t)size);
	close(ns);
}

static void run_for(struct fixture *f, unsigned int ms)
{
	uint64_t now, end;

	assert_true(sd_event_now(f->event, CLOCK_MONOTONIC, &now) >= 0);
	end = now + ms * 1000ull;
	while (now < end) {
		assert_true(sd_event_run(f->event, 1000) >= 0);
		assert_true(sd_event_now(f->event, CLOCK_MONOTONIC, &now) >= 0);
	}
}

/* The answer's text; its exit code is checked. */
static char *expect_answer(struct fixture *f, int fd, unsigned int exit_code)
{
	struct cni_answer_head head;
	struct buf text = BUF_INIT;

	for (unsigned int i = 0; i < 500; i++) {
		char byte;

		assert_true(sd_event_run(f->event, 2000) >= 0);
		if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
			break;
	}
	assert_int_equal(recv(fd, &head, sizeof(head), MSG_DONTWAIT), sizeof(head));
	assert_int_equal(head.magic, CNI_MAGIC);
	assert_int_equal(fd_read_all(fd, CNI_STDOUT_MAX, &text), 0);
	assert_int_equal(text.size, head.stdout_size);
	close(fd);
	if (head.exit_code != exit_code)
		fail_msg("exit code %u: %s", head.exit_code, buf_str(&text));
	return buf_take(&text);
}

static void expect_error(struct fixture *f, int fd, const char *part)
{
	_cleanup_free_ char *text = expect_answer(f, fd, 1);

	if (!strstr(text, part))
		fail_msg("%s lacks %s", text, part);
}

/* --- Tests -------------------------------------------------------------------------------- */

static void test_add(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf request = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int fd = call_connect(f);
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	make_request(&request, true, ENV_ADD, sizeof(ENV_ADD), CONF);
	send_fds(fd, request.data, request.size, 1);
	text = expect_answer(f, fd, 0);
	assert_string_equal(text, RESULT);
	assert_true(f->had_netns);
	assert_int_equal(f->server->n_connected, 0);
}

static void test_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf request = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int fd = call_connect(f);

	make_request(&request, true, ENV_ADD, sizeof(ENV_ADD), CONF);
	send_fds(fd, request.data, 1, 1);
	for (size_t i = 1; i < request.size; i++) {
		assert_int_equal(send(fd, request.data + i, 1, MSG_NOSIGNAL), 1);
		assert_true(sd_event_run(f->event, 0) >= 0);
	}
	text = expect_answer(f, fd, 0);
	assert_string_equal(text, RESULT);
	assert_true(f->had_netns);
}

static void test_later(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf request = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int fd = call_connect(f);

	f->plan = PLAN_WAIT;
	f->server->deadline_usec = 10000;
	make_request(&request, true, ENV_ADD, sizeof(ENV_ADD), CONF);
	send_fds(fd, request.data, request.size, 1);
	run_for(f, 50); /* the deadline is for reading, not for the agent */
	assert_non_null(f->waiting);
	cni_call_answer_error(f->waiting, 11, "not yet");
	text = expect_answer(f, fd, 1);
	assert_string_equal(text, "{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"not yet\"}\n");

	/* A caller that leaves while the agent works, and a server that does. */
	f->waiting = NULL;
	fd = call_connect(f);
	send_fds(fd, request.data, request.size, 1);
	run_for(f, 5);
	close(fd);
	run_for(f, 5);
	cni_call_answer_ok(f->waiting);
	assert_int_equal(f->server->n_connected, 0);
	f->waiting = NULL;
	fd = call_connect(f);
	send_fds(fd, request.data, request.size, 1);
	run_for(f, 5);
	f->server = cni_server_free(f->server);
	cni_call_answer_ok(f->waiting);
	close(fd);
}

/* Bytes that are no request, and the words of the answer. */
static void test_bad(void **state)
{
	static const struct {
		struct cni_request_head head;
		int n_fds;
		const char *part;
	} bad[] = {
		{{0, 0, 0, 0, 0, 0}, 0, "not a request of korat-cni"},
		{{CNI_MAGIC, 2, 0, 0, 0, 0}, 0, "not a request of korat-cni"},
		{{CNI_MAGIC, 0, 2, 0, 0, 0}, 0, "not a request of korat-cni"},
		{{CNI_MAGIC, 0, 0, CNI_ENV_MAX + 1, 0, 0}, 0, "larger than"},
		{{CNI_MAGIC, 0, 0, 0, UINT32_MAX, 0}, 0, "larger than"},
		{{CNI_MAGIC, 0, 1, 0, 0, 0}, 0, "do not agree"},
		{{CNI_MAGIC, 0, 0, 0, 0, 0}, 1, "do not agree"},
		{{CNI_MAGIC, 0, 1, 0, 0, 0}, 2, "more than one descriptor"},
		{{CNI_MAGIC, 0, 1, 0, 0, 0}, 16, "more than one descriptor"},
		{{CNI_MAGIC, 0, 0, 0, 0, 0}, 0, "CNI_COMMAND is not set"},
	};
	struct fixture *f = *state;
	int before = dup(0), after;

	close(before);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = call_connect(f);

		if (bad[i].n_fds > 0)
			send_fds(fd, &bad[i].head, sizeof(bad[i].head), bad[i].n_fds);
		else
			assert_int_equal(send(fd, &bad[i].head, sizeof(bad[i].head), MSG_NOSIGNAL),
					 sizeof(bad[i].head));
		expect_error(f, fd, bad[i].part);
	}
	after = dup(0);
	close(after);
	assert_int_equal(after, before); /* no descriptor stayed */
	assert_int_equal(f->n_handled, 0);
	assert_int_equal(f->server->n_connected, 0);
}

static void test_refused_requests(void **state)
{
	static const char version[] = "CNI_COMMAND=VERSION";
	struct fixture *f = *state;
	_cleanup_buf_ struct buf request = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int fd = call_connect(f);

	make_request(&request, false, ENV_ADD, sizeof(ENV_ADD), CONF);
	assert_int_equal(fd_write_all(fd, request.data, request.size), 0);
	expect_error(f, fd, "\"code\":3,\"msg\":\"CNI_NETNS=\\\"/proc/self/ns/net\\\": the plugin");

	buf_reset(&request);
	make_request(&request, false, ENV_DEL, sizeof(ENV_DEL), "{\"cniVersion\":\"0.4.0\"}");
	fd = call_connect(f);
	assert_int_equal(fd_write_all(fd, request.data, request.size), 0);
	expect_error(f, fd, "{\"cniVersion\":\"0.4.0\",\"code\":7,");
	assert_int_equal(f->n_handled, 0);

	buf_reset(&request);
	make_request(&request, false, version, sizeof(version), "{\"cniVersion\":\"0.4.0\"}");
	fd = call_connect(f);
	assert_int_equal(fd_write_all(fd, request.data, request.size), 0);
	text = expect_answer(f, fd, 0);
	assert_non_null(strstr(text, "{\"cniVersion\":\"0.4.0\",\"supportedVersions\":[\"0.1.0\""));
	assert_int_equal(f->n_handled, 0);
}

static void test_half_and_slow(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf request = BUF_INIT;
	int fd = call_connect(f);

	f->server->deadline_usec = 20000;
	make_request(&request, false, ENV_DEL, sizeof(ENV_DEL), CONF);
	assert_int_equal(fd_write_all(fd, request.data, request.size - 1), 0);
	run_for(f, 5);
	assert_int_equal(f->server->n_connected, 1);
	close(fd);
	run_for(f, 5);
	assert_int_equal(f->server->n_connected, 0);
	fd = call_connect(f);
	assert_int_equal(fd_write_all(fd, request.data, 7), 0);
	expect_error(f, fd, "not whole in time");
	fd = call_connect(f); /* says nothing at all */
	expect_error(f, fd, "not whole in time");
	assert_int_equal(f->n_handled, 0);
}

static void test_too_many(void **state)
{
	struct fixture *f = *state;
	int fds[CNI_CALLS_MAX], fd;

	for (unsigned int i = 0; i < CNI_CALLS_MAX; i++) {
		fds[i] = call_connect(f);
		assert_true(sd_event_run(f->event, 0) >= 0);
	}
	run_for(f, 20);
	assert_int_equal(f->server->n_connected, CNI_CALLS_MAX);
	fd = call_connect(f);
	expect_error(f, fd, "\"code\":11,");
	for (unsigned int i = 0; i < CNI_CALLS_MAX; i++)
		close(fds[i]);
	run_for(f, 20);
	assert_int_equal(f->server->n_connected, 0);
}

/* The one that finds no descriptor left waits in the backlog until another call ends. */
static void test_out_of_descriptors(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf request = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	struct rlimit before, tight;
	int first, second;

	/* Once round, so that the loop has all it needs for itself. */
	close(call_connect(f));
	run_for(f, 5);
	make_request(&request, false, ENV_DEL, sizeof(ENV_DEL), CONF);
	first = call_connect(f);
	second = call_connect(f);
	assert_int_equal(fd_write_all(second, request.data, request.size), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	tight = before;
	tight.rlim_cur = (rlim_t)MAX(first, second) + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	run_for(f, 10);
	assert_int_equal(f->server->n_connected, 1);
	assert_int_equal(f->n_handled, 0);
	close(first);
	text = expect_answer(f, second, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_string_equal(text, "");
	assert_int_equal(f->n_handled, 1);
}

static void test_socket(void **state)
{
	struct fixture *f = *state;
	struct cni_server *second = NULL;
	_cleanup_free_ char *file = xasprintf("%s/file", f->dir);
	_cleanup_free_ char *stale = xasprintf("%s/stale", f->dir);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct err err = ERR_INIT;
	int fd;

	assert_int_equal(cni_server_new(f->event, f->path, handle, f, &second, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "another agent listens"));
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(cni_server_new(f->event, file, handle, f, &second, &err), -EEXIST);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", stale);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(cni_server_new(f->event, stale, handle, f, &second, &err), 0);
	(void)cni_server_free(second);
	assert_int_equal(access(stale, F_OK), -1);
}

static void test_not_root(void **state)
{
	struct fixture *f = *state;
	int status = 0;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(f->path, 0666), 0);
	pid = fork();
	if (pid == 0) {
		struct sockaddr_un addr = {.sun_family = AF_UNIX};
		char text[512] = "";
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
		if (setgid(65534) < 0 || setuid(65534) < 0 ||
		    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
			_exit(2);
		if (read(fd, text, sizeof(text) - 1) < (ssize_t)sizeof(struct cni_answer_head))
			_exit(3);
		_exit(strstr(text + sizeof(struct cni_answer_head), "only root") ? 0 : 4);
	}
	for (unsigned int i = 0; i < 1000 && waitpid(pid, &status, WNOHANG) == 0; i++)
		assert_true(sd_event_run(f->event, 5000) >= 0);
	assert_int_equal(status, 0);
	assert_int_equal(f->server->n_connected, 0);
}

/* --- The queue ---------------------------------------------------------------------------- */

static void put_file(struct fixture *f, const char *name, const char *env, size_t env_size)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", f->queue, name);
	_cleanup_buf_ struct buf request = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(dir_make(f->queue, 0700, &err), 0);
	make_request(&request, false, env, env_size, CONF);
	assert_int_equal(file_write_atomic(path, request.data, request.size, 0600, &err), 0);
}

static bool has_file(const struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", f->queue, name);

	return access(path, F_OK) == 0;
}

static void test_replay(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *link = xasprintf("%s/link", f->queue);
	struct err err = ERR_INIT;

	assert_int_equal(cni_server_replay(f->server, f->queue, &err), 0);
	put_file(f, "a", ENV_DEL, sizeof(ENV_DEL));
	put_file(f, "b", ENV_DEL, sizeof(ENV_DEL));
	put_file(f, "add", ENV_ADD, sizeof(ENV_ADD));
	put_file(f, "garbage", "x", 1);
	put_file(f, ".tmp-1", "x", 1);
	assert_int_equal(symlink("/etc/passwd", link), 0);

	f->plan = PLAN_FAIL;
	assert_int_equal(cni_server_replay(f->server, f->queue, &err), 2);
	assert_int_equal(f->n_handled, 2);
	assert_true(has_file(f, "a") && has_file(f, "b") && has_file(f, ".tmp-1"));
	assert_true(!has_file(f, "add") && !has_file(f, "garbage") && !has_file(f, "link"));

	f->plan = PLAN_WAIT;
	assert_int_equal(cni_server_replay(f->server, f->queue, &err), 2);
	assert_int_equal(cni_server_replay(f->server, f->queue, &err), 2);
	assert_int_equal(f->n_handled, 4); /* not again while they are in flight */
	cni_call_answer_ok(f->waiting);
	assert_true(has_file(f, "a") && !has_file(f, "b"));
	f->plan = PLAN_ANSWER;
	/* "a" still waits for its answer. */
	assert_int_equal(cni_server_replay(f->server, f->queue, &err), 1);
	assert_int_equal(f->n_handled, 4);
	cni_call_answer_error(f->server->calls, 11, "later");
	assert_int_equal(cni_server_replay(f->server, f->queue, &err), 1);
	assert_true(!has_file(f, "a"));
	assert_int_equal(cni_server_replay(f->server, f->queue, &err), 0);
}

/* What a plugin left that died while it wrote; others may still write theirs. */
static void test_replay_abandoned(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = xasprintf("%s/.tmp-1", f->queue);
	const struct timespec old[2] = {{.tv_sec = time(NULL) - 600}, {.tv_sec = time(NULL) - 600}};
	struct err err = ERR_INIT;

	put_file(f, ".tmp-1", "x", 1);
	put_file(f, ".tmp-2", "x", 1);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(cni_server_replay(f->server, f->queue, &err), 0);
	assert_true(!has_file(f, ".tmp-1") && has_file(f, ".tmp-2"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_add),
		TEST(test_byte_by_byte),
		TEST(test_later),
		TEST(test_bad),
		TEST(test_refused_requests),
		TEST(test_half_and_slow),
		TEST(test_too_many),
		TEST(test_out_of_descriptors),
		TEST(test_socket),
		TEST(test_not_root),
		TEST(test_replay),
		TEST(test_replay_abandoned),
	};

	log_set_level(LOG_LEVEL_NONE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
