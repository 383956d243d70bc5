/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The etcd backend where things go wrong: members that die, hang or forget, histories that are
 * gone, answers that are lost, TLS and passwords; and Calico's layout as it lies in etcd.
 */

#include "store/test-store.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "base/secret.h"
#include "store/etcd-answer.h"
#include "store/etcd-read.h"
#include "store/test-etcd.h"

#define NODES	(UINT64_C(1) << KIND_NODE)
#define WAIT_MS 20000

/* --- What the tests share -------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int setup_one(void **state)
{
	struct test_etcd *etcd = XNEW(struct test_etcd);

	test_etcd_start(etcd, 1);
	(void)store_close(test_etcd_wait(&etcd->config));
	*state = etcd;
	return 0;
}

static int teardown(void **state)
{
	struct test_etcd *etcd = *state;

	test_etcd_stop(etcd);
	free(etcd);
	return 0;
}

static struct store_watch *watch_nodes(const struct store_config *config)
{
	struct store_watch *watch = NULL;
	struct err err = ERR_INIT;

	test_ok(store_watch_open(config, NODES, 0, &watch, &err), &err);
	return watch;
}

/* "+name=value", "-name", "sync", "resync"; "none" after 'ms' without any. */
static const char *next_within(struct store_watch *watch, int ms)
{
	static char text[128];
	_cleanup_(store_event_deinitp) struct store_event event = {0};
	struct pollfd fd = {.fd = store_watch_fd(watch), .events = POLLIN};
	struct err err = ERR_INIT;
	int r = store_watch_next(watch, &event, &err);

	if (r == STORE_E_AGAIN) {
		if (poll(&fd, 1, ms) != 1)
			return "none";
		r = store_watch_next(watch, &event, &err);
	}
	test_ok(r, &err);
	switch (event.type) {
	case STORE_EVENT_PUT:
		(void)snprintf(text, sizeof(text), "+%s=%.64s", event.object.name,
			       event.object.value);
		return text;
	case STORE_EVENT_DELETE:
		(void)snprintf(text, sizeof(text), "-%s", event.object.name);
		return text;
	case STORE_EVENT_IN_SYNC:
		return "sync";
	case STORE_EVENT_RESYNC:
		return "resync";
	}
	return "unknown";
}

#define assert_next(watch, text) assert_string_equal(next_within((watch), WAIT_MS), (text))
#define assert_none(watch)	 assert_string_equal(next_within((watch), 100), "none")

static void delete_node(struct store *store, const char *name)
{
	assert_int_equal(test_commit(store, STORE_DELETE, name, NULL, 0, NULL), 0);
}

/* --- Settings -------------------------------------------------------------------------------- */

static void assert_open_fails(const struct store_config *config, const char *message)
{
	struct store *store = NULL;
	struct err err = ERR_INIT;

	assert_true(store_open(config, &store, &err) < 0);
	if (!strstr(err.msg, message))
		fail_msg("\"%s\" lacks \"%s\"", err.msg, message);
}

static void test_settings(void **state)
{
	struct store_config config = {.type = "etcdv3"};
	_cleanup_free_ char *nobody = xasprintf("http://127.0.0.1:%u", test_free_port());

	(void)state;
	assert_open_fails(&config, "ETCD_ENDPOINTS");
	config.etcd_endpoints = " , ";
	assert_open_fails(&config, "ETCD_ENDPOINTS");
	config.etcd_endpoints = "127.0.0.1:2379";
	assert_open_fails(&config, "\"127.0.0.1:2379\"");
	config.etcd_endpoints = "http://user:word@127.0.0.1:2379";
	assert_open_fails(&config, "is no address");
	config.etcd_endpoints = nobody;
	assert_open_fails(&config, nobody);
	assert_open_fails(&config, "is it up");
	config.etcd_cert_file = "/dev/null";
	assert_open_fails(&config, "ETCD_KEY_FILE");
	config.etcd_discovery_srv = "example.com";
	assert_open_fails(&config, "list them in ETCD_ENDPOINTS");
}

static void test_environment(void **state)
{
	static const char *const names[] = {"DATASTORE_TYPE", "CALICO_ETCD_ENDPOINTS",
					    "ETCD_ENDPOINTS", "ETCD_USERNAME",
					    "ETCD_PASSWORD",  "ETCD_CA_CERT_FILE"};
	static const char *const set[] = {"etcdv3", "http://a:1", "http://b:1", "u", "p", "/ca"};
	_cleanup_(store_config_deinitp) struct store_config config = {.type = NULL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(setenv(names[i], set[i], 1), 0);
	store_config_from_environment(&config);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unsetenv(names[i]);
	assert_string_equal(config.type, "etcdv3");
	assert_string_equal(config.etcd_endpoints, "http://a:1");
	assert_string_equal(config.etcd_user, "u");
	assert_string_equal(secret_reveal(config.etcd_password), "p");
	assert_string_equal(config.etcd_ca_file, "/ca");
	assert_null(config.etcd_key_file);
}

/* --- Calico's layout ------------------------------------------------------------------------- */

static void commit_one(struct store *store, enum store_op_type type, enum kind kind,
		       const char *name, const char *value, int expected)
{
	struct store_op op = {.type = type,
			      .kind = kind,
			      .name = name,
			      .value = value,
			      .size = value ? strlen(value) : 0};
	struct err err = ERR_INIT;
	int r = store_commit(store, &op, 1, NULL, NULL, &err);

	if (r < 0)
		test_ok(r, &err);
	assert_int_equal(r, expected);
}

/* What lies in etcd under a key. */
static void assert_raw(const struct store_config *config, const char *key, const char *value)
{
	_cleanup_(etcd_client_freep) struct etcd_client *client = NULL;
	_cleanup_(etcd_range_deinitp) struct etcd_range range = {.v = NULL};
	struct err err = ERR_INIT;

	test_ok(etcd_client_new(config, &client, &err), &err);
	test_ok(etcd_read_key(client, key, 0, &range, &err), &err);
	assert_int_equal(range.n, value ? 1 : 0);
	if (value)
		assert_string_equal(range.v[0].value, value);
}

static void test_ipam_objects(void **state)
{
	static const char block[] =
		"{\"kind\":\"IPAMBlock\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{"
		"\"name\":\"10-1-2-0-30\"},\"spec\":{\"cidr\":\"10.1.2.0/30\",\"affinity\":"
		"\"host:node-a\",\"affinityClaimTime\":\"2026-08-01T10:00:00Z\"}}";
	static const char affinity[] =
		"{\"kind\":\"BlockAffinity\",\"apiVersion\":\"projectcalico.org/v3\",\"metadata\":{"
		"\"name\":\"node-a-10-1-2-0-30\"},\"spec\":{\"state\":\"pending\",\"node\":"
		"\"node-a\",\"type\":\"host\",\"cidr\":\"10.1.2.0/30\"}}";
	struct test_etcd *etcd = *state;
	_cleanup_(store_closep) struct store *store = test_open(&etcd->config);
	_cleanup_(store_object_deinitp) struct store_object stored = {.name = NULL};
	_cleanup_(model_freep) struct object *object = NULL;
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	struct err err = ERR_INIT;

	commit_one(store, STORE_CREATE, KIND_IPAM_BLOCK, "10-1-2-0-30", block, 0);
	commit_one(store, STORE_CREATE, KIND_IPAM_BLOCK, "10-1-2-0-30", block, STORE_E_EXISTS);
	commit_one(store, STORE_CREATE, KIND_BLOCK_AFFINITY, "node-a-10-1-2-0-30", affinity, 0);
	assert_raw(&etcd->config, "/calico/ipam/v2/assignment/ipv4/block/10.1.2.0-30",
		   "{\"cidr\":\"10.1.2.0/30\",\"affinity\":\"host:node-a\","
		   "\"affinity_claim_time\":\"2026-08-01T10:00:00Z\",\"deleted\":false}");
	assert_raw(&etcd->config, "/calico/ipam/v2/host/node-a/ipv4/block/10.1.2.0-30",
		   "{\"state\":\"pending\",\"deleted\":false}");
	test_ok(store_get(store, KIND_BLOCK_AFFINITY, NULL, "node-a-10-1-2-0-30", &stored, &err),
		&err);
	test_ok(store_object_read(&stored, &object, &err), &err);
	test_ok(store_list(store, KIND_BLOCK_AFFINITY, NULL, &list, &err), &err);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.v[0].value, stored.value);
	commit_one(store, STORE_DELETE, KIND_BLOCK_AFFINITY, "node-a-10-1-2-0-30", NULL, 0);
	commit_one(store, STORE_DELETE, KIND_BLOCK_AFFINITY, "node-a-10-1-2-0-30", NULL,
		   STORE_E_NOT_FOUND);
	commit_one(store, STORE_EXPECT, KIND_BLOCK_AFFINITY, "node-a-10-1-2-0-30", NULL, 0);
	assert_raw(&etcd->config, "/calico/ipam/v2/host/node-a/ipv4/block/10.1.2.0-30", NULL);
}

/* --- Limits ---------------------------------------------------------------------------------- */

static void test_server_limits(void **state)
{
	enum { N = 129 };
	struct test_etcd *etcd = *state;
	_cleanup_(store_closep) struct store *store = test_open(&etcd->config);
	_cleanup_free_ char(*names)[16] = xcalloc(N, sizeof(*names));
	_cleanup_free_ struct store_op *ops = xcalloc(N, sizeof(*ops));
	_cleanup_free_ char *value = xcalloc((2u << 20) + 1, 1);
	struct err err = ERR_INIT;

	for (unsigned int i = 0; i < N; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "n%u", i);
		ops[i] = test_op(STORE_CREATE, names[i], "{}", 0);
	}
	assert_int_equal(store_commit(store, ops, N, NULL, NULL, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "--max-txn-ops"));
	test_ok(store_commit(store, ops, N - 1, NULL, NULL, &err), &err);
	memset(value, 'v', 2u << 20);
	ops[0] = test_op(STORE_PUT, "big", value, 0);
	assert_int_equal(store_commit(store, ops, 1, NULL, NULL, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "--max-request-bytes"));
}

static void test_no_space(void **state)
{
	static const char *const args[] = {"--quota-backend-bytes=1000000", NULL};
	struct test_etcd etcd = {.more_args = args};
	_cleanup_free_ char *value = xcalloc(400001, 1);
	struct store *store;
	struct store_op op;
	struct err err = ERR_INIT;
	int r = 0;

	(void)state;
	memset(value, 'v', 400000);
	test_etcd_start(&etcd, 1);
	store = test_etcd_wait(&etcd.config);
	op = test_op(STORE_PUT, "big", value, 0);
	for (int i = 0; i < 20 && r == 0; i++)
		r = store_commit(store, &op, 1, NULL, NULL, &err);
	(void)store_close(store);
	test_etcd_stop(&etcd);
	assert_int_equal(r, -ENOSPC);
	assert_non_null(strstr(err.msg, "--quota-backend-bytes"));
}

/* --- Outages --------------------------------------------------------------------------------- */

/* Kills the server, lets 'port' be its address, starts it and waits for it. */
static struct store *restart_at(struct test_etcd *etcd, unsigned int port)
{
	struct store_config config = etcd->config;
	char endpoint[64];

	test_member_kill(etcd, 0);
	etcd->members[0].port = port;
	test_member_start(etcd, 0);
	(void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", port);
	config.etcd_endpoints = endpoint;
	return test_etcd_wait(&config);
}

/* A watch outlives its server, and goes on where it was. */
static void test_restart(void **state)
{
	struct test_etcd *etcd = *state;
	unsigned int port = etcd->members[0].port;
	_cleanup_(store_closep) struct store *store = test_open(&etcd->config);
	_cleanup_(store_watch_closep) struct store_watch *watch = watch_nodes(&etcd->config);
	struct store *other;

	assert_next(watch, "sync");
	(void)test_put(store, "a", "1");
	assert_next(watch, "+a=1");
	other = restart_at(etcd, test_free_port());
	(void)test_put(other, "b", "2");
	delete_node(other, "a");
	(void)store_close(other);
	(void)store_close(restart_at(etcd, port));
	assert_next(watch, "+b=2");
	assert_next(watch, "-a");
	(void)test_put(store, "c", "3");
	assert_next(watch, "+c=3");
	assert_none(watch);
}

static void test_compacted_in_outage(void **state)
{
	struct test_etcd *etcd = *state;
	unsigned int port = etcd->members[0].port;
	_cleanup_(store_closep) struct store *store = test_open(&etcd->config);
	_cleanup_(store_watch_closep) struct store_watch *watch = NULL;
	_cleanup_free_ char *endpoint = NULL;
	struct store_config config = etcd->config;
	struct store *other;
	uint64_t revision;

	(void)test_put(store, "a", "1");
	(void)test_put(store, "b", "1");
	watch = watch_nodes(&etcd->config);
	assert_next(watch, "+a=1");
	assert_next(watch, "+b=1");
	assert_next(watch, "sync");
	other = restart_at(etcd, test_free_port());
	delete_node(other, "a");
	revision = test_put(other, "b", "2");
	(void)store_close(other);
	endpoint = xasprintf("http://127.0.0.1:%u", etcd->members[0].port);
	config.etcd_endpoints = endpoint;
	test_etcd_compact(&config, revision);
	(void)store_close(restart_at(etcd, port));
	assert_next(watch, "resync");
	assert_next(watch, "+b=2");
	assert_next(watch, "sync");
	(void)test_put(store, "c", "3");
	assert_next(watch, "+c=3");
	assert_none(watch);
}

/* A cluster that was made anew has another history, whatever its address. */
static void test_history_lost(void **state)
{
	struct test_etcd *etcd = *state;
	_cleanup_(store_closep) struct store *store = test_open(&etcd->config);
	_cleanup_(store_watch_closep) struct store_watch *watch = NULL;
	_cleanup_free_ char *data = xasprintf("%s/data-0", etcd->dir);

	(void)test_put(store, "a", "1");
	(void)test_put(store, "b", "1");
	watch = watch_nodes(&etcd->config);
	assert_next(watch, "+a=1");
	assert_next(watch, "+b=1");
	assert_next(watch, "sync");
	test_member_kill(etcd, 0);
	(void)nftw(data, test_unlink, 16, FTW_DEPTH | FTW_PHYS);
	test_member_start(etcd, 0);
	assert_next(watch, "resync");
	assert_next(watch, "sync");
	(void)store_close(test_etcd_wait(&etcd->config));
	(void)test_put(store, "c", "3");
	assert_next(watch, "+c=3");
}

/* Returns when the member has stopped, all its threads: the signal alone takes its time. */
static void hang(pid_t member)
{
	int status;

	assert_int_equal(kill(member, SIGSTOP), 0);
	assert_int_equal(waitpid(member, &status, WUNTRACED), member);
	assert_true(WIFSTOPPED(status));
}

/* Closing does not wait for a server that never answers. */
static void test_close_in_outage(void **state)
{
	struct test_etcd *etcd = *state;
	struct store_watch *watch = watch_nodes(&etcd->config);
	int64_t begin;

	assert_next(watch, "sync");
	hang(etcd->members[0].pid);
	(void)store_watch_close(watch);
	begin = now_ms();
	watch = watch_nodes(&etcd->config);
	assert_none(watch);
	(void)store_watch_close(watch);
	assert_true(now_ms() - begin < 5000); /* not for any answer of the network */
	(void)kill(etcd->members[0].pid, SIGCONT);
}

/* --- Lost answers ---------------------------------------------------------------------------- */

/* A child that passes bytes on between a port of its own and etcd. */
struct relay {
	pid_t pid;
	unsigned int port;
	atomic_int *cut; /* shared: the next answer is eaten, and its connection closed */
};

static void relay_one(const struct relay *relay, int client, unsigned int to)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)to),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int server = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
	char data[16384];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (connect(server, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		_exit(1);
	while (poll(fds, 2, -1) > 0) {
		int from = fds[0].revents ? 0 : 1;
		ssize_t n = read(fds[from].fd, data, sizeof(data));

		if (n <= 0 || (from == 1 && atomic_exchange(relay->cut, 0)))
			break;
		if (write(fds[1 - from].fd, data, (size_t)n) != n)
			break;
	}
	_exit(0);
}

static void relay_main(const struct relay *relay, int fd, unsigned int to)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client >= 0 && fork() == 0)
			relay_one(relay, client, to);
		(void)close(client);
	}
}

static void relay_start(struct relay *relay, unsigned int to)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(addr);

	relay->cut = mmap(NULL, sizeof(*relay->cut), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(relay->cut, MAP_FAILED);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &size), 0);
	assert_int_equal(listen(fd, 8), 0);
	relay->port = ntohs(addr.sin_port);
	relay->pid = fork();
	assert_true(relay->pid >= 0);
	if (relay->pid == 0)
		relay_main(relay, fd, to);
	(void)close(fd);
}

static void relay_stop(struct relay *relay)
{
	(void)kill(relay->pid, SIGKILL);
	assert_int_equal(waitpid(relay->pid, NULL, 0), relay->pid);
	(void)munmap(relay->cut, sizeof(*relay->cut));
}

static void test_lost_answer(void **state)
{
	struct test_etcd *etcd = *state;
	_cleanup_(store_closep) struct store *store = test_open(&etcd->config);
	_cleanup_(store_closep) struct store *lossy = NULL;
	_cleanup_free_ char *endpoint = NULL;
	struct store_config config = etcd->config;
	struct relay relay = {.pid = 0};
	struct err err = ERR_INIT;
	struct store_op op;
	uint64_t first = test_put(store, "a", "1");
	uint64_t second = 0;

	relay_start(&relay, etcd->members[0].port);
	endpoint = xasprintf("http://127.0.0.1:%u", relay.port);
	config.etcd_endpoints = endpoint;
	lossy = test_open(&config);

	/* Guarded: it is found out that it was written. */
	atomic_store(relay.cut, 1);
	op = test_op(STORE_UPDATE, "a", "2", first);
	test_ok(store_commit(lossy, &op, 1, &second, NULL, &err), &err);
	assert_int_equal(test_commit(store, STORE_UPDATE, "a", "3", second, &second), 0);
	atomic_store(relay.cut, 1);
	op = test_op(STORE_CREATE, "b", "1", 0);
	test_ok(store_commit(lossy, &op, 1, NULL, NULL, &err), &err);
	atomic_store(relay.cut, 1);
	op = test_op(STORE_DELETE, "b", NULL, 0);
	test_ok(store_commit(lossy, &op, 1, NULL, NULL, &err), &err);
	/* A conflict whose answer is lost: nothing shows that it was one. */
	atomic_store(relay.cut, 1);
	op = test_op(STORE_UPDATE, "a", "4", first);
	assert_true(store_commit(lossy, &op, 1, NULL, NULL, &err) < 0);
	assert_non_null(strstr(err.msg, "not known"));
	/* Not guarded: it is not sent again. */
	atomic_store(relay.cut, 1);
	op = test_op(STORE_PUT, "a", "5", 0);
	assert_true(store_commit(lossy, &op, 1, NULL, NULL, &err) < 0);
	assert_non_null(strstr(err.msg, "not known"));
	relay_stop(&relay);
}

/* --- Three members --------------------------------------------------------------------------- */

static bool is_leader(const struct test_etcd *etcd, unsigned int i)
{
	_cleanup_free_ char *endpoint = xasprintf("http://127.0.0.1:%u", etcd->members[i].port);
	_cleanup_free_ char *answer = NULL;
	struct store_config config = etcd->config;
	char member[64];
	const char *id;

	config.etcd_endpoints = endpoint;
	answer = test_etcd_call(&config, "/v3/maintenance/status", "{}");
	id = strstr(answer, "\"member_id\":");
	assert_non_null(id);
	(void)snprintf(member, sizeof(member), "\"leader\":%.*s", (int)strcspn(id + 12, ","),
		       id + 12);
	return strstr(answer, member);
}

/* What the watch has told, by the number in the name: the last value, 0 for none. */
static void take_all(struct store_watch *watch, unsigned int *values, size_t n, int ms)
{
	const char *event;
	unsigned int name;
	unsigned int value;

	while (strcmp(event = next_within(watch, ms), "none") != 0) {
		assert_string_not_equal(event, "resync");
		if (sscanf(event, "+n%u=%u", &name, &value) != 2)
			continue;
		assert_true(name < n);
		/* Never an old value after a new one. */
		assert_true(value >= values[name]);
		values[name] = value;
	}
}

/* Writes until told, each value once; a write whose fate is not known is looked up. */
static unsigned int write_through(struct store *store, unsigned int from, unsigned int n,
				  unsigned int n_names)
{
	unsigned int n_failed = 0;

	for (unsigned int i = from; i < from + n; i++) {
		char name[16];
		char value[16];
		struct store_op op;
		struct err err = ERR_INIT;

		(void)snprintf(name, sizeof(name), "n%u", i % n_names);
		(void)snprintf(value, sizeof(value), "%u", i + 1);
		op = test_op(STORE_PUT, name, value, 0);
		while (store_commit(store, &op, 1, NULL, NULL, &err) < 0) {
			n_failed++;
			assert_true(n_failed < 50);
		}
	}
	return n_failed;
}

static void test_leader_dies(void **state)
{
	enum { N = 10, ROUND = 60 };
	struct test_etcd etcd = {.n_members = 0};
	unsigned int values[N] = {0};
	struct pollfd fd = {.events = POLLIN};
	struct store_watch *watch;
	struct store *store;
	unsigned int leader = 0;

	(void)state;
	test_etcd_start(&etcd, 3);
	store = test_etcd_wait(&etcd.config);
	watch = watch_nodes(&etcd.config);
	(void)write_through(store, 0, ROUND, N);
	while (leader < 2 && !is_leader(&etcd, leader))
		leader++;
	test_member_kill(&etcd, leader);
	(void)write_through(store, ROUND, ROUND, N);
	take_all(watch, values, N, 2000);
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(values[i], 2 * ROUND - N + i + 1);

	/* Now one that hangs: the watch leaves it, wherever it is connected to. */
	test_member_start(&etcd, leader);
	(void)store_close(store);
	(void)store_watch_close(watch);
	store = test_etcd_wait(&etcd.config);
	watch = watch_nodes(&etcd.config);
	while (strcmp(next_within(watch, WAIT_MS), "sync") != 0)
		;
	hang(etcd.members[0].pid);
	(void)write_through(store, 2 * ROUND, N, N);
	fd.fd = store_watch_fd(watch);
	assert_int_equal(poll(&fd, 1, 15000), 1);
	take_all(watch, values, N, 500);
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(values[i], 2 * ROUND + i + 1);
	(void)store_close(store);
	(void)store_watch_close(watch);
	test_etcd_stop(&etcd);
}

/* --- TLS and passwords ----------------------------------------------------------------------- */

static void openssl(const char *dir, const char *name, const char *issuer)
{
	char *args[24] = {NULL};
	_cleanup_free_ char *log = xasprintf("%s/openssl.log", dir);
	size_t n = 0;
	int status = -1;
	pid_t pid;

	args[n++] = xstrdup("/usr/bin/openssl");
	args[n++] = xstrdup("req");
	args[n++] = xstrdup("-x509");
	args[n++] = xstrdup("-newkey");
	args[n++] = xstrdup("ec");
	args[n++] = xstrdup("-pkeyopt");
	args[n++] = xstrdup("ec_paramgen_curve:P-256");
	args[n++] = xstrdup("-nodes");
	args[n++] = xstrdup("-days");
	args[n++] = xstrdup("2");
	args[n++] = xstrdup("-keyout");
	args[n++] = xasprintf("%s/%s.key", dir, name);
	args[n++] = xstrdup("-out");
	args[n++] = xasprintf("%s/%s.crt", dir, name);
	args[n++] = xstrdup("-subj");
	/* etcd's gateway refuses users' requests that come with a client's common name. */
	args[n++] = xasprintf("/%s=%s", strcmp(name, "client") == 0 ? "O" : "CN", name);
	if (issuer) {
		args[n++] = xstrdup("-addext");
		args[n++] = xstrdup("subjectAltName=IP:127.0.0.1");
		args[n++] = xstrdup("-CA");
		args[n++] = xasprintf("%s/%s.crt", dir, issuer);
		args[n++] = xstrdup("-CAkey");
		args[n++] = xasprintf("%s/%s.key", dir, issuer);
	}
	pid = test_run(args, log);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < n; i++)
		free(args[i]);
}

static void enable_auth(const struct store_config *config)
{
	static const char *const calls[][2] = {
		{"/v3/auth/user/add", "{\"name\":\"root\",\"password\":\"s\\\"cret\"}"},
		{"/v3/auth/role/add", "{\"name\":\"root\"}"},
		{"/v3/auth/user/grant", "{\"user\":\"root\",\"role\":\"root\"}"},
		{"/v3/auth/user/add", "{\"name\":\"weak\",\"password\":\"w\"}"},
		{"/v3/auth/enable", "{}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		free(test_etcd_call(config, calls[i][0], calls[i][1]));
}

static void assert_tls_refusals(struct store_config config, const char *other_ca)
{
	const char *ca = config.etcd_ca_file;

	config.etcd_ca_file = other_ca;
	assert_open_fails(&config, "ETCD_CA_CERT_FILE");
	config.etcd_ca_file = ca;
	config.etcd_cert_file = config.etcd_key_file = NULL;
	assert_open_fails(&config, "ETCD_CERT_FILE");
}

static void assert_auth_refusals(struct store_config config)
{
	_cleanup_(secret_freep) struct secret *wrong = secret_new("wrong", 5);
	_cleanup_(secret_freep) struct secret *weak = secret_new("w", 1);

	config.etcd_password = wrong;
	assert_open_fails(&config, "check ETCD_USERNAME");
	config.etcd_user = "weak";
	config.etcd_password = weak;
	assert_open_fails(&config, "grant the user a role");
	config.etcd_user = NULL;
	config.etcd_password = NULL;
	assert_open_fails(&config, "set ETCD_USERNAME");
}

static void test_tls_and_password(void **state)
{
	struct test_etcd etcd = {.scheme = "https"};
	char dir[] = "/tmp/korat-etcd-tls-XXXXXX";
	_cleanup_(secret_freep) struct secret *password = secret_new("s\"cret", 6);
	char *files[6];
	char *args[5] = {NULL};
	static const char *const names[] = {"ca.crt",	  "server.crt", "server.key",
					    "client.crt", "client.key", "other.crt"};
	struct store_watch *watch;
	struct store *store;

	(void)state;
	assert_non_null(mkdtemp(dir));
	openssl(dir, "ca", NULL);
	openssl(dir, "other", NULL);
	openssl(dir, "server", "ca");
	openssl(dir, "client", "ca");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		files[i] = xasprintf("%s/%s", dir, names[i]);
	args[0] = xasprintf("--trusted-ca-file=%s", files[0]);
	args[1] = xasprintf("--cert-file=%s", files[1]);
	args[2] = xasprintf("--key-file=%s", files[2]);
	args[3] = xstrdup("--client-cert-auth");
	etcd.more_args = (const char *const *)args;
	test_etcd_start(&etcd, 1);
	etcd.config.etcd_ca_file = files[0];
	etcd.config.etcd_cert_file = files[3];
	etcd.config.etcd_key_file = files[4];
	(void)store_close(test_etcd_wait(&etcd.config));
	assert_tls_refusals(etcd.config, files[5]);

	/* A user is no harm where there are none yet. */
	etcd.config.etcd_user = "root";
	etcd.config.etcd_password = password;
	store = test_open(&etcd.config);
	enable_auth(&etcd.config);
	assert_auth_refusals(etcd.config);
	(void)test_put(store, "a", "1");
	watch = watch_nodes(&etcd.config);
	assert_next(watch, "+a=1");
	assert_next(watch, "sync");
	/* Tokens do not outlive the server. */
	test_member_kill(&etcd, 0);
	test_member_start(&etcd, 0);
	(void)store_close(test_etcd_wait(&etcd.config));
	(void)test_put(store, "b", "2");
	assert_next(watch, "+b=2");
	assert_none(watch);
	(void)store_watch_close(watch);
	(void)store_close(store);
	test_etcd_stop(&etcd);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		free(files[i]);
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		free(args[i]);
	(void)nftw(dir, test_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_environment),
		cmocka_unit_test_setup_teardown(test_ipam_objects, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_server_limits, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_lost_answer, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_compacted_in_outage, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_history_lost, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_close_in_outage, setup_one, teardown),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_tls_and_password),
		cmocka_unit_test(test_leader_dies),
	};

	if (!test_etcd_is_installed()) {
		print_message("etcd is not installed (Debian package etcd-server): left out\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
