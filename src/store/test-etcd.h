/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Members of an etcd cluster as child processes of a test: ports of their own on loopback, data in
 * a directory of their own, killed by their pid, and with the test should it die.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "store/etcd-client.h"
#include "store/test-store.h"

#define ETCD_PROGRAM	 "/usr/bin/etcd"
#define TEST_MEMBERS_MAX 3
#define TEST_ARGS_MAX	 64
#define TEST_READY_MS	 20000

struct test_member {
	pid_t pid; /* 0: does not run */
	unsigned int port;
	unsigned int peer_port;
};

struct test_etcd {
	char dir[64];
	struct test_member members[TEST_MEMBERS_MAX];
	unsigned int n_members;
	const char *scheme;
	const char *const *more_args; /* NULL-terminated; may be NULL */
	char endpoints[256];
	struct store_config config;
};

static inline bool test_etcd_is_installed(void)
{
	return access(ETCD_PROGRAM, X_OK) == 0;
}

static inline unsigned int test_free_port(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &size), 0);
	(void)close(fd);
	return ntohs(addr.sin_port);
}

/* The child's part: its output goes to a file beside its data. */
static inline void test_etcd_exec(char *const *args, const char *log)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	(void)execv(args[0], args);
	_exit(127);
}

static inline pid_t test_run(char *const *args, const char *log)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		test_etcd_exec(args, log);
	return pid;
}

static inline void test_member_start(struct test_etcd *etcd, unsigned int i)
{
	struct test_member *member = &etcd->members[i];
	char *args[TEST_ARGS_MAX] = {NULL};
	_cleanup_buf_ struct buf cluster = BUF_INIT;
	_cleanup_free_ char *log = xasprintf("%s/log-%u", etcd->dir, i);
	size_t n = 0;

	for (unsigned int j = 0; j < etcd->n_members; j++)
		buf_addf(&cluster, "%sm%u=http://127.0.0.1:%u", j ? "," : "", j,
			 etcd->members[j].peer_port);
	args[n++] = xstrdup(ETCD_PROGRAM);
	args[n++] = xasprintf("--name=m%u", i);
	args[n++] = xasprintf("--data-dir=%s/data-%u", etcd->dir, i);
	args[n++] = xasprintf("--listen-client-urls=%s://127.0.0.1:%u", etcd->scheme, member->port);
	args[n++] =
		xasprintf("--advertise-client-urls=%s://127.0.0.1:%u", etcd->scheme, member->port);
	args[n++] = xasprintf("--listen-peer-urls=http://127.0.0.1:%u", member->peer_port);
	args[n++] =
		xasprintf("--initial-advertise-peer-urls=http://127.0.0.1:%u", member->peer_port);
	args[n++] = xasprintf("--initial-cluster=%s", buf_str(&cluster));
	args[n++] = xstrdup("--logger=zap");
	/* Patient enough for a machine that is busy with other tests. */
	if (etcd->n_members > 1) {
		args[n++] = xstrdup("--heartbeat-interval=150");
		args[n++] = xstrdup("--election-timeout=1500");
	}
	for (const char *const *more = etcd->more_args; more && *more; more++)
		args[n++] = xstrdup(*more);
	assert_true(n < TEST_ARGS_MAX);
	member->pid = test_run(args, log);
	for (size_t j = 0; j < n; j++)
		free(args[j]);
}

static inline void test_member_kill(struct test_etcd *etcd, unsigned int i)
{
	struct test_member *member = &etcd->members[i];

	if (!member->pid)
		return;
	(void)kill(member->pid, SIGKILL);
	assert_int_equal(waitpid(member->pid, NULL, 0), member->pid);
	member->pid = 0;
}

/* Until the cluster answers. */
static inline struct store *test_etcd_wait(const struct store_config *config)
{
	struct store *store = NULL;
	struct err err = ERR_INIT;

	for (int ms = 0; ms < TEST_READY_MS; ms += 50) {
		if (store_open(config, &store, &err) == 0)
			return store;
		(void)usleep(50000);
	}
	fail_msg("%s", err.msg);
	return NULL;
}

/* 'etcd' has its scheme and more_args set, or zero. */
static inline void test_etcd_start(struct test_etcd *etcd, unsigned int n_members)
{
	size_t n = 0;

	/* In memory where there is such a place: an etcd whose disk is slow loses its leader. */
	(void)snprintf(etcd->dir, sizeof(etcd->dir), "%s/korat-etcd-XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(etcd->dir));
	if (!etcd->scheme)
		etcd->scheme = "http";
	etcd->n_members = n_members;
	for (unsigned int i = 0; i < n_members; i++) {
		etcd->members[i].port = test_free_port();
		etcd->members[i].peer_port = test_free_port();
		n += (size_t)snprintf(etcd->endpoints + n, sizeof(etcd->endpoints) - n,
				      "%s%s://127.0.0.1:%u", i ? "," : "", etcd->scheme,
				      etcd->members[i].port);
	}
	for (unsigned int i = 0; i < n_members; i++)
		test_member_start(etcd, i);
	etcd->config = (struct store_config){.type = "etcdv3", .etcd_endpoints = etcd->endpoints};
}

static inline int test_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void test_etcd_stop(struct test_etcd *etcd)
{
	for (unsigned int i = 0; i < etcd->n_members; i++)
		test_member_kill(etcd, i);
	if (*etcd->dir)
		(void)nftw(etcd->dir, test_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* A request to the gateway that must succeed; gives the answer's text. */
static inline char *test_etcd_call(const struct store_config *config, const char *path,
				   const char *body)
{
	_cleanup_(etcd_client_freep) struct etcd_client *client = NULL;
	_cleanup_buf_ struct buf request = BUF_INIT;
	_cleanup_buf_ struct buf answer = BUF_INIT;
	struct err err = ERR_INIT;

	test_ok(etcd_client_new(config, &client, &err), &err);
	buf_adds(&request, body);
	test_ok(etcd_client_call(client, ETCD_READ, path, &request, &answer, &err), &err);
	return buf_take(&answer);
}

/* Forgets all history up to now. */
static inline void test_etcd_compact(const struct store_config *config, uint64_t revision)
{
	_cleanup_free_ char *body = xasprintf("{\"revision\":\"%" PRIu64 "\"}", revision);

	free(test_etcd_call(config, "/v3/kv/compaction", body));
}
