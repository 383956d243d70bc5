/* SPDX-License-Identifier: Apache-2.0 */

/* The real plugin, as a runtime runs it, against a server of this test. Takes its path. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "cni/cni-server.h"

#define N_TIMED 50
#define CONF	"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"ipam\":{\"type\":\"calico-ipam\"}}"

struct fixture {
	const char *plugin;
	char dir[32];
	char *path;
	char *queue;
	sd_event *event;
	struct cni_server *server;
	unsigned int n_handled;
	enum cni_plugin_role role;
	enum cni_verb verb;
	bool had_netns;
	bool refuse;
	const char *delegate; /* to run, whatever the configuration says */
};

static void handle(struct cni_call *call, const struct cni_request *request, int netns_fd,
		   void *ctx)
{
	struct fixture *f = ctx;
	struct cni_result result = {.host_ifname = "cali1",
				    .pod_ifname = request->ifname,
				    .netns_path = request->netns_path,
				    .n_addrs = 1};

	f->n_handled++;
	f->role = request->role;
	f->verb = request->verb;
	f->had_netns = netns_fd >= 0;
	assert_int_equal(cidr_parse("10.0.0.1/32", &result.addrs[0], NULL), 0);
	if (request->delegates && (request->verb != CNI_ADD || !request->delegated)) {
		cni_call_answer_delegate(call, f->delegate ? f->delegate : request->ipam_type);
		return;
	}
	if (request->delegated)
		result.addrs[0] = request->delegated->addrs[0];
	if (f->refuse)
		cni_call_answer_error(call, 7, "no such pool");
	else if (request->verb == CNI_ADD)
		cni_call_answer_result(call, &result);
	else
		cni_call_answer_ok(call);
}

static void start_server(struct fixture *f)
{
	struct err err = ERR_INIT;

	if (cni_server_new(f->event, f->path, handle, f, &f->server, &err) != 0)
		fail_msg("%s", err.msg);
}

static int setup(void **state)
{
	struct fixture *f = XNEW(struct fixture);

	f->plugin = *state;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/cni-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = xasprintf("%s/run/cni.sock", f->dir);
	f->queue = xasprintf("%s/run/queue", f->dir);
	assert_true(sd_event_new(&f->event) >= 0);
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

/* --- Running it --------------------------------------------------------------------------- */

struct run {
	const char *name;    /* argv[0]; NULL: calico */
	const char *arg;     /* argv[1] */
	const char *command; /* CNI_COMMAND */
	const char *id;	     /* CNI_CONTAINERID; NULL: c1 */
	const char *netns;
	const char *conf; /* NULL: CONF */
	struct buf out;
	int exit_code;
};

static void set_pair(const char *name, const char *value)
{
	if (value)
		(void)setenv(name, value, 1);
}

static void run_child(const struct fixture *f, const struct run *run, int in, int out)
{
	char *argv[] = {(char *)(uintptr_t)(run->name ? run->name : "calico"),
			(char *)(uintptr_t)run->arg, NULL};

	(void)clearenv();
	set_pair(CNI_SOCKET_ENV, f->path);
	set_pair(CNI_QUEUE_ENV, f->queue);
	set_pair("SECRET_TOKEN", "must not be sent");
	set_pair("CNI_COMMAND", run->command);
	set_pair("CNI_CONTAINERID", run->id ? run->id : "c1");
	set_pair("CNI_IFNAME", "eth0");
	set_pair("CNI_NETNS", run->netns);
	set_pair("PATH", "/usr/bin:/bin");
	set_pair("TEST_DIR", f->dir);
	set_pair("CNI_PATH", f->dir);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(120);
	(void)execv(f->plugin, argv);
	_exit(121);
}

/* Runs the plugin to its end, and the server beside it. */
static void run_plugin(struct fixture *f, struct run *run)
{
	const char *conf = run->conf ? run->conf : CONF;
	int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	int status = 0;
	pid_t pid;

	assert_int_equal(fd_write_all(in, conf, strlen(conf)), 0);
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	pid = fork();
	if (pid == 0)
		run_child(f, run, in, out);
	for (unsigned int i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
		assert_true(i < 100000);
		assert_true(sd_event_run(f->event, 100) >= 0);
	}
	assert_true(WIFEXITED(status));
	run->exit_code = WEXITSTATUS(status);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	buf_deinit(&run->out);
	assert_int_equal(fd_read_all(out, 1 << 21, &run->out), 0);
	close(in);
	close(out);
}

static void expect(struct fixture *f, struct run *run, int exit_code, const char *out)
{
	run_plugin(f, run);
	if (run->exit_code != exit_code || strcmp(buf_str(&run->out), out) != 0)
		fail_msg("got %d \"%s\", expected %d \"%s\"", run->exit_code, buf_str(&run->out),
			 exit_code, out);
	buf_deinit(&run->out);
}

static void expect_part(struct fixture *f, struct run *run, int exit_code, const char *part)
{
	run_plugin(f, run);
	if (run->exit_code != exit_code || !strstr(buf_str(&run->out), part))
		fail_msg("got %d \"%s\", expected %d \"%s\"", run->exit_code, buf_str(&run->out),
			 exit_code, part);
	buf_deinit(&run->out);
}

/* --- Tests -------------------------------------------------------------------------------- */

static void test_agent_there(void **state)
{
	struct fixture *f = *state;
	struct run add = {.command = "ADD", .netns = "/proc/self/ns/net"};
	struct run ipam = {.command = "ADD", .name = "/opt/cni/bin/calico-ipam", .netns = "/none"};
	struct run del = {.command = "DEL"};

	start_server(f);
	expect(f, &add, 0,
	       "{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"cali1\",\"mac\":"
	       "\"00:00:00:00:00:00\"},{\"name\":\"eth0\",\"mac\":\"00:00:00:00:00:00\","
	       "\"sandbox\":\"/proc/self/ns/net\"}],\"ips\":[{\"interface\":1,\"address\":"
	       "\"10.0.0.1/32\"}],\"dns\":{}}\n");
	assert_true(f->had_netns && f->role == CNI_ROLE_MAIN);
	expect(f, &ipam, 0,
	       "{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.0.0.1/32\"}],"
	       "\"routes\":[{\"dst\":\"10.0.0.1/32\"}],\"dns\":{}}\n");
	assert_true(!f->had_netns && f->role == CNI_ROLE_IPAM);
	expect(f, &del, 0, "");
	assert_int_equal(f->verb, CNI_DEL);
	f->refuse = true;
	expect(f, &add, 1, "{\"cniVersion\":\"1.0.0\",\"code\":7,\"msg\":\"no such pool\"}\n");
	add.netns = "/does/not/exist";
	expect_part(f, &add, 1, "/does/not/exist");
	assert_int_equal(f->n_handled, 4);
}

/* Larger than a socket's buffer, and than the limit. */
static void test_large(void **state)
{
	struct fixture *f = *state;
	struct buf conf = BUF_INIT;
	struct run del = {.command = "DEL"};

	start_server(f);
	buf_adds(&conf, "{\"name\":\"n\"");
	while (conf.size < 900000)
		buf_addc(&conf, ' ');
	buf_addc(&conf, '}');
	del.conf = buf_str(&conf);
	expect(f, &del, 0, "");
	assert_int_equal(f->n_handled, 1);
	while (conf.size < CNI_STDIN_MAX + 1)
		buf_addc(&conf, ' ');
	del.conf = buf_str(&conf);
	expect_part(f, &del, 1, "\"code\":5,\"msg\":\"the network configuration on stdin");
	assert_int_equal(f->n_handled, 1);
	buf_deinit(&conf);
}

static void test_version(void **state)
{
	struct fixture *f = *state;
	struct run run = {.command = "VERSION", .conf = "{\"cniVersion\":\"0.4.0\"}"};
	struct run by_hand = {.arg = "--version"};

	expect(f, &run, 0,
	       "{\"cniVersion\":\"0.4.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\","
	       "\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n");
	run.conf = "";
	expect_part(f, &run, 0, "{\"cniVersion\":\"1.1.0\",");
	expect_part(f, &by_hand, 0, "korat-cni " KORAT_VERSION);
	by_hand.arg = "--nonsense";
	expect(f, &by_hand, 1, "");
}

static void test_agent_away(void **state)
{
	static const char *const commands[] = {"ADD", "CHECK", "GC"};
	static const struct {
		const char *conf;
		const char *part;
	} versions[] = {
		{"{\"prevResult\":{\"cniVersion\":\"9\"},\"cniVersion\" :\n\"0.4.0\"}",
		 "{\"cniVersion\":\"0.4.0\",\"code\":11,"},
		{"{\"a\":\"\\\"cniVersion\\\":\",\"cniVersion\":\"1.0.0\"",
		 "\"1.0.0\",\"code\":11"},
		{"{\"cniVersion\":\"1.0.0\\\"\"}", "{\"cniVersion\":\"0.3.1\",\"code\":11,"},
		{"{\"cniVersion\":\"11111111111111111\"}", "\"0.3.1\",\"code\":11,"},
		{"{\"cniVersion\":17}", "\"0.3.1\",\"code\":11,"},
		{"\"cniVersion\":\"1.0.0\"", "\"0.3.1\",\"code\":11,"},
		{"", "\"0.3.1\",\"code\":11,"},
		{"{\"", "\"0.3.1\",\"code\":11,"},
		{"{\"cniVersion\"", "\"0.3.1\",\"code\":11,"},
		{"{\"x\\", "\"0.3.1\",\"code\":11,"},
	};
	struct fixture *f = *state;
	struct run run = {.netns = "/proc/self/ns/net"};
	_cleanup_free_ char *long_path = xcalloc(1, 200);

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		run.command = commands[i];
		expect_part(f, &run, 1,
			    "\"code\":11,\"msg\":\"the Korat agent does not answer on /");
	}
	run.command = "STATUS";
	expect_part(f, &run, 1, "\"code\":50,\"msg\":\"the Korat agent does not answer on /");
	run.command = "ADD";
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		run.conf = versions[i].conf;
		expect_part(f, &run, 1, versions[i].part);
	}
	memset(long_path, 'a', 199);
	replace_str(&f->path, TAKE_PTR(long_path));
	expect_part(f, &run, 1, "\"code\":4,\"msg\":\"KORAT_CNI_SOCKET: the path aaa");
}

static unsigned int count_queued(const struct fixture *f)
{
	DIR *dir = opendir(f->queue);
	unsigned int n = 0;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct stat st;

		if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.'))
			continue;
		assert_int_equal(fstatat(dirfd(dir), entry->d_name, &st, 0), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

static void test_queue(void **state)
{
	struct fixture *f = *state;
	struct run del = {.command = "DEL", .id = "c1"};
	struct err err = ERR_INIT;

	expect(f, &del, 0, "");
	expect(f, &del, 0, "");
	assert_int_equal(count_queued(f), 1); /* the same again is the same file */
	del.id = "../../c2";
	expect(f, &del, 0, "");
	assert_int_equal(count_queued(f), 2);
	del.name = "calico-ipam";
	del.id = "c1";
	expect(f, &del, 0, "");
	assert_int_equal(count_queued(f), 3);
	start_server(f);
	assert_int_equal(cni_server_replay(f->server, f->queue, &err), 2);
	assert_int_equal(f->n_handled, 2);
	assert_int_equal(f->verb, CNI_DEL);
	assert_int_equal(count_queued(f), 0); /* the bad name is dropped as no request */
}

static void test_queue_full(void **state)
{
	struct fixture *f = *state;
	struct run del = {.command = "DEL", .id = "last"};
	struct err err = ERR_INIT;

	assert_int_equal(dir_make(f->queue, 0700, &err), 0);
	for (unsigned int i = 0; i < CNI_QUEUE_MAX; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%u", f->queue, i);
		int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		assert_true(fd >= 0);
		close(fd);
	}
	expect_part(f, &del, 1, "\"code\":11,");
	expect_part(f, &del, 1, "the DEL could not be kept");
	assert_int_equal(count_queued(f), CNI_QUEUE_MAX);
}

static int on_breaking(sd_event_source *source, int fd, uint32_t events, void *data)
{
	(void)source;
	(void)events;
	(void)data;
	close(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	return 0;
}

/* An agent that dies in the middle. */
static void test_agent_breaks(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct run add = {.command = "ADD"}, del = {.command = "DEL"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sd_event_source *source = NULL;

	replace_str(&f->path, xasprintf("%s/sock", f->dir));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_true(sd_event_add_io(f->event, &source, fd, EPOLLIN, on_breaking, NULL) >= 0);
	expect_part(f, &add, 1, "\"code\":11,");
	expect(f, &del, 0, "");
	assert_int_equal(mkdir(f->queue, 0700), -1);
	assert_int_equal(count_queued(f), 1);
	sd_event_source_disable_unref(source);
	close(fd);
}

static void test_time(void **state)
{
	struct fixture *f = *state;
	struct run add = {.command = "ADD", .netns = "/proc/self/ns/net"};
	struct timespec start, end;
	double ms;

	start_server(f);
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned int i = 0; i < N_TIMED; i++)
		run_plugin(f, &add);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	buf_deinit(&add.out);
	ms = (double)(end.tv_sec - start.tv_sec) * 1e3 +
	     (double)(end.tv_nsec - start.tv_nsec) / 1e6;
	print_message("fork, exec, ask, answer: %.2f ms on average\n", ms / N_TIMED);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, setup, teardown, argv[1])

/* --- Delegation --------------------------------------------------------------------------- */

static void test_test(void **state)
{
	struct fixture *f = *state;
	struct run run = {.arg = "-t"};

	expect_part(f, &run, 1, "\"code\":100,");
	start_server(f);
	expect(f, &run, 0, "");
	assert_int_equal(f->verb, CNI_STATUS);
	f->refuse = true;
	expect_part(f, &run, 1, "\"code\":100,");
}

#define DELEGATING "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"ipam\":{\"type\":\"some-ipam\"}}"

/* A plugin that notes its calls and runs 'script'. */
static void make_plugin(const struct fixture *f, const char *script)
{
	_cleanup_free_ char *path = xasprintf("%s/some-ipam", f->dir);
	_cleanup_free_ char *text =
		xasprintf("#!/bin/sh\necho $CNI_COMMAND >>$TEST_DIR/calls\n%s\n", script);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void expect_calls(const struct fixture *f, const char *calls)
{
	_cleanup_free_ char *path = xasprintf("%s/calls", f->dir);
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	if (*calls && file_read(path, 4096, &text, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(buf_str(&text), calls);
	(void)unlink(path);
}

#define RESULT "cat >/dev/null; echo '{\"ips\":[{\"address\":\"10.9.9.9/24\"}]}'"

static void test_delegate(void **state)
{
	struct fixture *f = *state;
	struct run add = {.command = "ADD", .netns = "/proc/self/ns/net", .conf = DELEGATING};
	struct run del = {.command = "DEL", .conf = DELEGATING};

	start_server(f);
	make_plugin(f, RESULT);
	expect_part(f, &add, 0, "10.9.9.9/32");
	assert_int_equal(f->n_handled, 2);
	expect_calls(f, "ADD\n");
	expect(f, &del, 0, "");
	expect_calls(f, "DEL\n");
	f->refuse = true;
	expect_part(f, &add, 1, "no such pool");
	expect_calls(f, "ADD\nDEL\n");
	/* Its own failure is the answer, and what it gave before stays. */
	make_plugin(f, "echo '{\"code\":77}'; exit 3");
	expect(f, &add, 3, "{\"code\":77}\n");
	expect_calls(f, "ADD\n");
	expect(f, &del, 3, "{\"code\":77}\n");
	expect_calls(f, "DEL\n");
}

static void test_delegate_broken(void **state)
{
	static const char *const scripts[] = {"kill -9 $$", "yes", "exit 127"};
	static const char *const names[] = {"../x", "/bin/true", "", "none-such", "a b"};
	struct fixture *f = *state;
	struct run add = {.command = "ADD", .netns = "/proc/self/ns/net", .conf = DELEGATING};

	start_server(f);
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		make_plugin(f, scripts[i]);
		expect_part(f, &add, 1,
			    "\"code\":11,\"msg\":\"the IPAM plugin some-ipam broke off");
		expect_calls(f, "ADD\nDEL\n");
	}
	make_plugin(f, "echo nonsense");
	expect_part(f, &add, 1, "the result of IPAM plugin some-ipam: no JSON object");
	expect_calls(f, "ADD\nDEL\n");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		f->delegate = names[i];
		expect_part(f, &add, 1, "\"code\":7,");
		expect_calls(f, "");
	}
}

static void test_delegate_away(void **state)
{
	struct fixture *f = *state;
	struct run add = {.command = "ADD", .netns = "/proc/self/ns/net", .conf = DELEGATING};
	struct run del = {.command = "DEL", .conf = DELEGATING};
	struct run other = {.command = "DEL",
			    .conf = "{\"x\":{\"type\":\"some-ipam\"},\"ipam\":{\"a\":[{\"type\":"
				    "\"some-ipam\"}],\"type\":\"calico-ipam\"},\"type\":\"y\"}"};

	make_plugin(f, RESULT);
	expect_part(f, &add, 1, "\"code\":11");
	expect_calls(f, "");
	expect(f, &del, 0, "");
	expect_calls(f, "DEL\n");
	assert_int_equal(count_queued(f), 1);
	expect(f, &other, 0, "");
	expect_calls(f, "");
	/* An ADD takes the queued DEL of its container back. */
	expect_part(f, &add, 1, "\"code\":11");
	assert_int_equal(count_queued(f), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_agent_there),	  TEST(test_large),	   TEST(test_version),
		TEST(test_agent_away),	  TEST(test_queue),	   TEST(test_queue_full),
		TEST(test_test),	  TEST(test_delegate),	   TEST(test_delegate_broken),
		TEST(test_delegate_away), TEST(test_agent_breaks), TEST(test_time),
	};

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s KORAT-CNI\n", argv[0]);
		return 2;
	}
	log_set_level(LOG_LEVEL_NONE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
