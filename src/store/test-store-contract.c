/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What every backend promises (store.h), tested through the interface alone. A backend is added
 * by its setup and teardown, and a line in main().
 */

#include "store/test-store.h"

#include <errno.h>
#include <poll.h>

#include "store/test-etcd.h"

#define NODES	    (UINT64_C(1) << KIND_NODE)
#define PODS	    (UINT64_C(1) << KIND_WORKLOAD_ENDPOINT)
#define WAKE_MAX_MS 5000
#define SETTLE_MS   40 /* what has not come by then does not come */

struct context {
	struct test_place place; /* of backends that live in a file */
	struct store_config config;
	struct store *store;
	/* Forgets the history up to 'revision'. NULL: churn does. */
	void (*compact)(const struct store_config *config, uint64_t revision);
};

static int setup_sqlite(void **state)
{
	struct context *context = XNEW(struct context);

	test_place_make(&context->place);
	context->config = context->place.config;
	context->store = test_open(&context->config);
	*state = context;
	return 0;
}

static int teardown_sqlite(void **state)
{
	struct context *context = *state;

	(void)store_close(context->store);
	test_place_remove(&context->place);
	free(context);
	return 0;
}

/* One server for all tests; each begins with an empty store. */
static struct test_etcd etcd_server = {.n_members = 0};

static int setup_etcd_group(void **state)
{
	static const char *const args[] = {"--max-txn-ops=256", "--max-request-bytes=16777216",
					   NULL};

	(void)state;
	etcd_server.more_args = args;
	test_etcd_start(&etcd_server, 1);
	(void)store_close(test_etcd_wait(&etcd_server.config));
	return 0;
}

static int teardown_etcd_group(void **state)
{
	(void)state;
	test_etcd_stop(&etcd_server);
	return 0;
}

static int setup_etcd(void **state)
{
	struct context *context = XNEW(struct context);

	context->config = etcd_server.config;
	context->compact = test_etcd_compact;
	/* "/" up to "0" */
	free(test_etcd_call(&context->config, "/v3/kv/deleterange",
			    "{\"key\":\"Lw==\",\"range_end\":\"MA==\"}"));
	context->store = test_open(&context->config);
	*state = context;
	return 0;
}

static int teardown_etcd(void **state)
{
	struct context *context = *state;

	(void)store_close(context->store);
	free(context);
	return 0;
}

/* --- Objects ------------------------------------------------------------------------------- */

static void assert_stored(struct store *store, const char *name, const char *value,
			  uint64_t revision)
{
	_cleanup_(store_object_deinitp) struct store_object object = {0};
	struct err err = ERR_INIT;

	test_ok(store_get(store, KIND_NODE, NULL, name, &object, &err), &err);
	assert_int_equal(object.kind, KIND_NODE);
	assert_null(object.namespace);
	assert_string_equal(object.name, name);
	assert_string_equal(object.value, value);
	assert_int_equal(object.size, strlen(value));
	assert_int_equal(object.revision, revision);
}

static void assert_absent(struct store *store, const char *name)
{
	struct store_object object;
	struct err err = ERR_INIT;

	assert_int_equal(store_get(store, KIND_NODE, NULL, name, &object, &err), STORE_E_NOT_FOUND);
}

static void test_create(void **state)
{
	struct context *context = *state;
	uint64_t revision = 0;
	uint64_t untouched = 77;

	assert_absent(context->store, "a");
	assert_int_equal(test_commit(context->store, STORE_CREATE, "a", "{}", 0, &revision), 0);
	assert_true(revision > 0);
	assert_stored(context->store, "a", "{}", revision);
	assert_int_equal(test_commit(context->store, STORE_CREATE, "a", "{1}", 0, &untouched),
			 STORE_E_EXISTS);
	assert_int_equal(untouched, 77);
	assert_stored(context->store, "a", "{}", revision);
}

static void test_update(void **state)
{
	struct context *context = *state;
	struct store *store = context->store;
	uint64_t first = test_put(store, "a", "1");
	uint64_t second = 0;
	uint64_t third = 0;

	assert_int_equal(test_commit(store, STORE_UPDATE, "a", "2", first, &second), 0);
	assert_true(second > first);
	assert_stored(store, "a", "2", second);
	assert_int_equal(test_commit(store, STORE_UPDATE, "a", "3", first, NULL), STORE_E_CONFLICT);
	assert_stored(store, "a", "2", second);
	assert_int_equal(test_commit(store, STORE_UPDATE, "a", "4", 0, &third), 0);
	assert_stored(store, "a", "4", third);
	assert_int_equal(test_commit(store, STORE_UPDATE, "b", "1", 0, NULL), STORE_E_NOT_FOUND);
	assert_int_equal(test_commit(store, STORE_UPDATE, "b", "1", 1, NULL), STORE_E_CONFLICT);
}

static void test_put_replaces(void **state)
{
	struct context *context = *state;
	uint64_t first = test_put(context->store, "a", "1");
	uint64_t second = test_put(context->store, "a", "");

	assert_true(second > first);
	assert_stored(context->store, "a", "", second);
}

static void test_delete(void **state)
{
	struct context *context = *state;
	struct store *store = context->store;
	uint64_t first = test_put(store, "a", "1");
	uint64_t second = test_put(store, "a", "2");

	assert_int_equal(test_commit(store, STORE_DELETE, "a", NULL, first, NULL),
			 STORE_E_CONFLICT);
	assert_stored(store, "a", "2", second);
	assert_int_equal(test_commit(store, STORE_DELETE, "a", NULL, second, NULL), 0);
	assert_absent(store, "a");
	assert_int_equal(test_commit(store, STORE_DELETE, "a", NULL, 0, NULL), STORE_E_NOT_FOUND);
	assert_int_equal(test_commit(store, STORE_DELETE, "a", NULL, second, NULL),
			 STORE_E_CONFLICT);
	assert_int_equal(test_commit(store, STORE_UPDATE, "a", "3", second, NULL),
			 STORE_E_CONFLICT);
	assert_int_equal(test_commit(store, STORE_CREATE, "a", "4", 0, &first), 0);
	assert_true(first > second);
	assert_int_equal(test_commit(store, STORE_DELETE, "a", NULL, 0, NULL), 0);
	assert_absent(store, "a");
}

static void test_expect(void **state)
{
	struct context *context = *state;
	struct store *store = context->store;
	uint64_t first = test_put(store, "a", "1");
	uint64_t after = 0;

	assert_int_equal(test_commit(store, STORE_EXPECT, "a", NULL, first, &after), 0);
	assert_int_equal(after, first);
	assert_int_equal(test_commit(store, STORE_EXPECT, "a", NULL, first + 1, NULL),
			 STORE_E_CONFLICT);
	assert_int_equal(test_commit(store, STORE_EXPECT, "a", NULL, 0, NULL), STORE_E_CONFLICT);
	assert_int_equal(test_commit(store, STORE_EXPECT, "b", NULL, 0, NULL), 0);
	assert_int_equal(test_commit(store, STORE_EXPECT, "b", NULL, 3, NULL), STORE_E_CONFLICT);
	assert_stored(store, "a", "1", first);
}

static void test_all_or_nothing(void **state)
{
	struct context *context = *state;
	struct store *store = context->store;
	uint64_t first = test_put(store, "a", "1");
	struct err err = ERR_INIT;
	uint64_t revision = 0;
	size_t failed = 99;
	struct store_op ops[] = {
		test_op(STORE_UPDATE, "a", "2", first),
		test_op(STORE_CREATE, "b", "2", 0),
		test_op(STORE_EXPECT, "c", NULL, 5),
	};

	assert_int_equal(store_commit(store, ops, 3, &revision, &failed, &err), STORE_E_CONFLICT);
	assert_int_equal(failed, 2);
	assert_stored(store, "a", "1", first);
	assert_absent(store, "b");
	ops[2].revision = 0;
	test_ok(store_commit(store, ops, 3, &revision, &failed, &err), &err);
	assert_stored(store, "a", "2", revision);
	assert_stored(store, "b", "2", revision);
}

static void test_remove(void **state)
{
	struct context *context = *state;
	struct store *store = context->store;
	struct err err = ERR_INIT;
	struct store_op ops[] = {
		test_op(STORE_REMOVE, "a", NULL, 0),
		test_op(STORE_PUT, "b", "1", 0),
		test_op(STORE_REMOVE, "never", NULL, 0),
	};
	struct store_object object;

	(void)test_put(store, "a", "1");
	test_ok(store_commit(store, ops, ARRAY_SIZE(ops), NULL, NULL, &err), &err);
	assert_int_equal(store_get(store, KIND_NODE, NULL, "a", &object, &err), STORE_E_NOT_FOUND);
	test_ok(store_commit(store, ops, ARRAY_SIZE(ops), NULL, NULL, &err), &err);
	assert_int_equal(test_commit(store, STORE_REMOVE, "a", NULL, 0, NULL), 0);
	assert_int_equal(test_commit(store, STORE_CREATE, "a", "2", 0, NULL), 0);
}

static void test_none_newer(void **state)
{
	struct context *context = *state;
	struct store *store = context->store;
	uint64_t revision = test_put(store, "a", "1");
	struct err err = ERR_INIT;
	size_t failed = 7;
	struct store_op ops[] = {
		test_op(STORE_PUT, "written", "{}", 0),
		test_op(STORE_EXPECT_NONE_NEWER, NULL, NULL, revision),
	};

	ops[0].kind = KIND_IP_POOL;
	test_ok(store_commit(store, ops, 2, NULL, NULL, &err), &err);
	/* Other kinds don't count; nor does what was deleted. */
	test_ok(store_commit(store, ops, 2, NULL, NULL, &err), &err);
	(void)test_put(store, "b", "1");
	assert_int_equal(test_commit(store, STORE_DELETE, "b", NULL, 0, NULL), 0);
	test_ok(store_commit(store, ops, 2, NULL, NULL, &err), &err);
	(void)test_put(store, "a", "2");
	assert_int_equal(store_commit(store, ops, 2, NULL, &failed, &err), STORE_E_CONFLICT);
	assert_int_equal(failed, 1);
	ops[1].kind = KIND_IP_RESERVATION;
	ops[1].revision = 0;
	test_ok(store_commit(store, ops, 2, NULL, NULL, &err), &err);
}

static void test_order_in_transaction(void **state)
{
	struct context *context = *state;
	struct store *store = context->store;
	struct err err = ERR_INIT;
	uint64_t revision = 0;
	struct store_op ops[] = {
		test_op(STORE_CREATE, "a", "1", 0),
		test_op(STORE_DELETE, "a", NULL, 0),
		test_op(STORE_CREATE, "a", "2", 0),
	};

	test_ok(store_commit(store, ops, 3, &revision, NULL, &err), &err);
	assert_stored(store, "a", "2", revision);
	test_ok(store_commit(store, NULL, 0, NULL, NULL, &err), &err);
}

static void test_limits(void **state)
{
	struct context *context = *state;
	struct store *store = context->store;
	_cleanup_free_ char *value = xcalloc(STORE_VALUE_MAX + 2, 1);
	_cleanup_free_ char *name = xcalloc(STORE_NAME_MAX + 2, 1);
	_cleanup_free_ struct store_op *ops = NULL;
	struct err err = ERR_INIT;
	struct store_op op;

	memset(value, 'v', STORE_VALUE_MAX + 1);
	op = test_op(STORE_PUT, "big", value, 0);
	assert_int_equal(store_commit(store, &op, 1, NULL, NULL, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "big"));
	op.size = STORE_VALUE_MAX;
	test_ok(store_commit(store, &op, 1, NULL, NULL, &err), &err);
	memset(name, 'n', STORE_NAME_MAX + 1);
	op = test_op(STORE_PUT, name, "{}", 0);
	assert_int_equal(store_commit(store, &op, 1, NULL, NULL, &err), -ENAMETOOLONG);
	name[STORE_NAME_MAX] = '\0';
	test_ok(store_commit(store, &op, 1, NULL, NULL, &err), &err);
	op.name = "";
	assert_int_equal(store_commit(store, &op, 1, NULL, NULL, &err), -EINVAL);
	ops = xcalloc(STORE_TRANSACTION_MAX + 1, sizeof(*ops));
	for (size_t i = 0; i <= STORE_TRANSACTION_MAX; i++)
		ops[i] = test_op(STORE_PUT, "a", "{}", 0);
	assert_int_equal(store_commit(store, ops, STORE_TRANSACTION_MAX + 1, NULL, NULL, &err),
			 -E2BIG);
	test_ok(store_commit(store, ops, STORE_TRANSACTION_MAX, NULL, NULL, &err), &err);
}

static void put_pod(struct store *store, const char *namespace, const char *name)
{
	struct err err = ERR_INIT;
	struct store_op op = test_op(STORE_PUT, name, "{}", 0);

	op.kind = KIND_WORKLOAD_ENDPOINT;
	op.namespace = namespace;
	test_ok(store_commit(store, &op, 1, NULL, NULL, &err), &err);
}

static void assert_pods(struct store *store, const char *namespace, const char *expected)
{
	_cleanup_(store_list_deinitp) struct store_list list = {0};
	struct err err = ERR_INIT;
	char text[256] = "";

	test_ok(store_list(store, KIND_WORKLOAD_ENDPOINT, namespace, &list, &err), &err);
	for (size_t i = 0; i < list.n; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s/%s ",
			       list.v[i].namespace, list.v[i].name);
	assert_string_equal(text, expected);
}

static void test_list(void **state)
{
	struct context *context = *state;
	struct store *store = context->store;
	_cleanup_(store_list_deinitp) struct store_list list = {0};
	_cleanup_(store_object_deinitp) struct store_object object = {0};
	struct store_object absent;
	struct err err = ERR_INIT;
	uint64_t revision;

	assert_pods(store, NULL, "");
	put_pod(store, "red", "z");
	put_pod(store, "blue", "y");
	put_pod(store, "red", "b");
	put_pod(store, "red-2", "a");
	revision = test_put(store, "node", "{}");
	assert_pods(store, NULL, "blue/y red/b red/z red-2/a ");
	assert_pods(store, "red", "red/b red/z ");
	assert_pods(store, "none", "");
	test_ok(store_get(store, KIND_WORKLOAD_ENDPOINT, "red", "b", &object, &err), &err);
	assert_string_equal(object.namespace, "red");
	assert_int_equal(store_get(store, KIND_WORKLOAD_ENDPOINT, "blue", "b", &absent, &err),
			 STORE_E_NOT_FOUND);
	test_ok(store_list(store, KIND_NODE, NULL, &list, &err), &err);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.revision, revision);
	assert_int_equal(list.v[0].revision, revision);
}

static void test_read_several(void **state)
{
	struct context *context = *state;
	const struct store_query queries[] = {
		{.kind = KIND_WORKLOAD_ENDPOINT, .namespace = "red", .name = "b"},
		{.kind = KIND_NODE},
		{.kind = KIND_WORKLOAD_ENDPOINT, .namespace = "blue", .name = "b"},
		{.kind = KIND_WORKLOAD_ENDPOINT, .namespace = "red"},
		{.kind = KIND_BLOCK_AFFINITY, .name = "node-10-1-2-0-26"},
		{.kind = KIND_BLOCK_AFFINITY},
	};
	static const size_t expected[ARRAY_SIZE(queries)] = {1, 600, 0, 2, 0, 0};
	struct store_list lists[ARRAY_SIZE(queries)];
	struct err err = ERR_INIT;
	uint64_t revision = 0;

	put_pod(context->store, "red", "b");
	put_pod(context->store, "red", "a");
	put_pod(context->store, "red-2", "b");
	/* More than come with one answer. */
	for (int i = 0; i < 600; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "node%03d", i);
		revision = test_put(context->store, name, "{}");
	}
	test_ok(store_read(context->store, queries, ARRAY_SIZE(queries), lists, &err), &err);
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++)
		assert_int_equal(lists[i].n, expected[i]);
	assert_string_equal(lists[0].v[0].name, "b");
	assert_int_equal(lists[1].revision, revision);
	assert_string_equal(lists[1].v[599].name, "node599");
	assert_string_equal(lists[3].v[0].name, "a");
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++)
		store_list_deinit(&lists[i]);
	test_ok(store_read(context->store, NULL, 0, NULL, &err), &err);
}

static void test_read_very_many(void **state)
{
	struct context *context = *state;
	_cleanup_free_ struct store_query *queries = xcalloc(300, sizeof(*queries));
	_cleanup_free_ struct store_list *lists = xcalloc(300, sizeof(*lists));
	struct err err = ERR_INIT;

	(void)test_put(context->store, "there", "{}");
	for (size_t i = 0; i < 300; i++)
		queries[i] =
			(struct store_query){.kind = KIND_NODE, .name = i % 7 ? "absent" : "there"};
	test_ok(store_read(context->store, queries, 300, lists, &err), &err);
	for (size_t i = 0; i < 300; i++) {
		assert_int_equal(lists[i].n, i % 7 ? 0 : 1);
		store_list_deinit(&lists[i]);
	}
}

static void test_revision_grows(void **state)
{
	struct context *context = *state;
	uint64_t last = 0;

	for (int i = 0; i < 20; i++) {
		struct store *other = test_open(&context->config);
		uint64_t revision = test_put(i % 2 ? other : context->store, "a", "{}");

		assert_true(revision > last);
		last = revision;
		(void)store_close(other);
	}
}

/* --- Watching ------------------------------------------------------------------------------ */

static struct store_watch *watch_from(struct context *context, uint64_t kinds, uint64_t revision)
{
	struct store_watch *watch = NULL;
	struct err err = ERR_INIT;

	test_ok(store_watch_open(&context->config, kinds, revision, &watch, &err), &err);
	return watch;
}

/*
 * The next event as text: "+name=value", "-name", "sync", "resync"; "none" where there is nothing.
 * 'wait': it must come, after waiting for the fd.
 */
static const char *next_event(struct store_watch *watch, bool wait)
{
	static char text[128];
	_cleanup_(store_event_deinitp) struct store_event event = {0};
	struct pollfd fd = {.fd = store_watch_fd(watch), .events = POLLIN};
	struct err err = ERR_INIT;
	int r;

	r = store_watch_next(watch, &event, &err);
	if (r == STORE_E_AGAIN && !wait && poll(&fd, 1, SETTLE_MS) == 1)
		r = store_watch_next(watch, &event, &err);
	while (r == STORE_E_AGAIN && wait) {
		assert_int_equal(poll(&fd, 1, WAKE_MAX_MS), 1);
		r = store_watch_next(watch, &event, &err);
	}
	if (r == STORE_E_AGAIN)
		return "none";
	test_ok(r, &err);
	switch (event.type) {
	case STORE_EVENT_PUT:
		(void)snprintf(text, sizeof(text), "+%s=%s", event.object.name, event.object.value);
		return text;
	case STORE_EVENT_DELETE:
		assert_null(event.object.value);
		(void)snprintf(text, sizeof(text), "-%s", event.object.name);
		return text;
	case STORE_EVENT_IN_SYNC:
		assert_true(event.object.revision > 0);
		return "sync";
	case STORE_EVENT_RESYNC:
		return "resync";
	}
	return "unknown";
}

#define assert_next(watch, text) assert_string_equal(next_event((watch), true), (text))
#define assert_none(watch)	 assert_string_equal(next_event((watch), false), "none")

static void delete_node(struct store *store, const char *name)
{
	assert_int_equal(test_commit(store, STORE_DELETE, name, NULL, 0, NULL), 0);
}

static void test_watch_empty(void **state)
{
	struct context *context = *state;
	_cleanup_(store_watch_closep) struct store_watch *watch = watch_from(context, NODES, 0);
	struct pollfd fd = {.fd = store_watch_fd(watch), .events = POLLIN};

	assert_int_equal(poll(&fd, 1, WAKE_MAX_MS), 1);
	assert_next(watch, "sync");
	assert_none(watch);
	assert_int_equal(poll(&fd, 1, 0), 0);
	(void)test_put(context->store, "a", "1");
	assert_int_equal(poll(&fd, 1, WAKE_MAX_MS), 1);
	assert_next(watch, "+a=1");
	assert_none(watch);
}

static void test_watch_snapshot(void **state)
{
	struct context *context = *state;
	_cleanup_(store_watch_closep) struct store_watch *watch = NULL;

	(void)test_put(context->store, "b", "1");
	(void)test_put(context->store, "a", "2");
	(void)test_put(context->store, "gone", "3");
	delete_node(context->store, "gone");
	put_pod(context->store, "red", "pod");
	watch = watch_from(context, NODES, 0);
	assert_next(watch, "+a=2");
	assert_next(watch, "+b=1");
	assert_next(watch, "sync");
	delete_node(context->store, "a");
	assert_next(watch, "-a");
	put_pod(context->store, "red", "other");
	(void)test_put(context->store, "a", "4");
	assert_next(watch, "+a=4");
	assert_none(watch);
}

static void test_watch_kinds(void **state)
{
	struct context *context = *state;
	_cleanup_(store_watch_closep) struct store_watch *watch = NULL;

	(void)test_put(context->store, "a", "1");
	put_pod(context->store, "red", "pod");
	watch = watch_from(context, NODES | PODS, 0);
	assert_next(watch, "+a=1");
	assert_next(watch, "+pod={}");
	assert_next(watch, "sync");
	put_pod(context->store, "red", "pod2");
	assert_next(watch, "+pod2={}");
	assert_none(watch);
	(void)store_watch_close(watch);
	watch = watch_from(context, UINT64_MAX, 0);
	assert_next(watch, "+a=1");
	assert_next(watch, "+pod={}");
	assert_next(watch, "+pod2={}");
	assert_next(watch, "sync");
}

static void test_watch_coalesces(void **state)
{
	struct context *context = *state;
	_cleanup_(store_watch_closep) struct store_watch *watch = watch_from(context, NODES, 0);
	const char *last = "";

	assert_next(watch, "sync");
	for (int i = 0; i < 10; i++) {
		char value[16];

		(void)snprintf(value, sizeof(value), "%d", i);
		(void)test_put(context->store, "a", value);
	}
	while (strcmp(last, "+a=9") != 0)
		last = next_event(watch, true);
	assert_none(watch);
	delete_node(context->store, "a");
	(void)test_put(context->store, "a", "again");
	do {
		last = next_event(watch, true);
	} while (strcmp(last, "-a") == 0);
	assert_string_equal(last, "+a=again");
	assert_none(watch);
}

static void test_watch_resumes(void **state)
{
	struct context *context = *state;
	_cleanup_(store_watch_closep) struct store_watch *watch = NULL;
	_cleanup_(store_list_deinitp) struct store_list list = {0};
	struct err err = ERR_INIT;

	(void)test_put(context->store, "old", "1");
	(void)test_put(context->store, "old2", "1");
	test_ok(store_list(context->store, KIND_NODE, NULL, &list, &err), &err);
	(void)test_put(context->store, "new", "2");
	delete_node(context->store, "old");
	watch = watch_from(context, NODES, list.revision);
	assert_next(watch, "+new=2");
	assert_next(watch, "-old");
	assert_none(watch);
	(void)test_put(context->store, "new", "3");
	assert_next(watch, "+new=3");
}

/* More objects than any page: all are seen once, and changes in between are not lost. */
static void test_watch_large(void **state)
{
	enum { N_BATCHES = 5 };
	struct context *context = *state;
	_cleanup_(store_watch_closep) struct store_watch *watch = NULL;
	_cleanup_free_ char(*names)[16] = xcalloc(STORE_TRANSACTION_MAX, sizeof(*names));
	_cleanup_free_ struct store_op *ops = xcalloc(STORE_TRANSACTION_MAX, sizeof(*ops));
	struct err err = ERR_INIT;
	const char *event;
	bool deleted = false;
	bool late = false;
	bool synced = false;
	uint64_t before;
	size_t n = 0;

	before = test_put(context->store, "first", "{}");
	delete_node(context->store, "first");
	for (unsigned int batch = 0; batch < N_BATCHES; batch++) {
		for (unsigned int i = 0; i < STORE_TRANSACTION_MAX; i++) {
			(void)snprintf(names[i], sizeof(names[i]), "n%u-%u", batch, i);
			ops[i] = test_op(STORE_CREATE, names[i], "{}", 0);
		}
		test_ok(store_commit(context->store, ops, STORE_TRANSACTION_MAX, NULL, NULL, &err),
			&err);
	}
	watch = watch_from(context, NODES, 0);
	assert_next(watch, "+n0-0={}");
	delete_node(context->store, "n0-0");
	(void)test_put(context->store, "n4-99", "late");
	/* The snapshot may end before or after the two changes. */
	while (!deleted || !late || !synced) {
		event = next_event(watch, true);
		n += event[0] == '+';
		deleted |= strcmp(event, "-n0-0") == 0;
		late |= strcmp(event, "+n4-99=late") == 0;
		synced |= strcmp(event, "sync") == 0;
	}
	assert_true(n >= (size_t)N_BATCHES * STORE_TRANSACTION_MAX - 1);
	assert_none(watch);
	(void)store_watch_close(watch);
	watch = watch_from(context, NODES, before);
	deleted = late = false;
	for (n = 0; !deleted || !late; n++) {
		event = next_event(watch, true);
		deleted |= strcmp(event, "-n0-0") == 0;
		late |= strcmp(event, "+n4-99=late") == 0;
	}
	assert_none(watch);
	/* Each object once, and at most three changes that a later one has hidden, or not. */
	assert_in_range(n, N_BATCHES * STORE_TRANSACTION_MAX,
			N_BATCHES * STORE_TRANSACTION_MAX + 3);
}

/* Creates and deletes objects until no backend keeps the first deletions. */
static void churn(struct store *store, unsigned int rounds)
{
	_cleanup_free_ char(*names)[24] = xcalloc(STORE_TRANSACTION_MAX, sizeof(*names));
	_cleanup_free_ struct store_op *ops = xcalloc(STORE_TRANSACTION_MAX, sizeof(*ops));
	struct err err = ERR_INIT;

	for (unsigned int round = 0; round < rounds; round++) {
		for (unsigned int i = 0; i < STORE_TRANSACTION_MAX / 2; i++) {
			(void)snprintf(names[i], sizeof(names[i]), "churn%u-%u", round, i);
			ops[(size_t)2 * i] = test_op(STORE_CREATE, names[i], "{}", 0);
			ops[(size_t)2 * i + 1] = test_op(STORE_DELETE, names[i], NULL, 0);
		}
		test_ok(store_commit(store, ops, STORE_TRANSACTION_MAX, NULL, NULL, &err), &err);
	}
}

/* Told to start over, or with all changes at hand. */
static void assert_catches_up(struct store_watch *watch)
{
	const char *event = next_event(watch, true);

	if (strcmp(event, "resync") == 0) {
		assert_next(watch, "+keep=2");
		assert_next(watch, "sync");
		return;
	}
	assert_string_equal(event, "-drop");
	do {
		event = next_event(watch, true);
	} while (strcmp(event, "+keep=1") == 0);
	assert_string_equal(event, "+keep=2");
}

static void test_watch_compacted(void **state)
{
	struct context *context = *state;
	_cleanup_(store_watch_closep) struct store_watch *lagging = NULL;
	_cleanup_(store_watch_closep) struct store_watch *watch = NULL;
	struct err err = ERR_INIT;
	uint64_t early;
	uint64_t late;

	early = test_put(context->store, "keep", "1");
	(void)test_put(context->store, "drop", "1");
	lagging = watch_from(context, NODES, 0);
	assert_next(lagging, "+drop=1");
	assert_next(lagging, "+keep=1");
	assert_next(lagging, "sync");
	delete_node(context->store, "drop");
	late = test_put(context->store, "keep", "1");
	if (context->compact)
		context->compact(&context->config, late);
	else
		churn(context->store, 40);
	late = test_put(context->store, "keep", "2");
	assert_int_equal(store_watch_open(&context->config, NODES, early, &watch, &err),
			 STORE_E_COMPACTED);
	assert_int_equal(store_watch_open(&context->config, NODES, late + 1000, &watch, &err),
			 STORE_E_COMPACTED);
	watch = watch_from(context, NODES, late);
	assert_none(watch);
	assert_catches_up(lagging);
	delete_node(context->store, "keep");
	assert_next(lagging, "-keep");
	assert_next(watch, "-keep");
}

#define CONTRACT(setup, teardown)                                                                  \
	{                                                                                          \
		cmocka_unit_test_setup_teardown(test_create, setup, teardown),                     \
			cmocka_unit_test_setup_teardown(test_update, setup, teardown),             \
			cmocka_unit_test_setup_teardown(test_put_replaces, setup, teardown),       \
			cmocka_unit_test_setup_teardown(test_delete, setup, teardown),             \
			cmocka_unit_test_setup_teardown(test_remove, setup, teardown),             \
			cmocka_unit_test_setup_teardown(test_expect, setup, teardown),             \
			cmocka_unit_test_setup_teardown(test_none_newer, setup, teardown),         \
			cmocka_unit_test_setup_teardown(test_all_or_nothing, setup, teardown),     \
			cmocka_unit_test_setup_teardown(test_order_in_transaction, setup,          \
							teardown),                                 \
			cmocka_unit_test_setup_teardown(test_limits, setup, teardown),             \
			cmocka_unit_test_setup_teardown(test_list, setup, teardown),               \
			cmocka_unit_test_setup_teardown(test_read_several, setup, teardown),       \
			cmocka_unit_test_setup_teardown(test_read_very_many, setup, teardown),     \
			cmocka_unit_test_setup_teardown(test_revision_grows, setup, teardown),     \
			cmocka_unit_test_setup_teardown(test_watch_empty, setup, teardown),        \
			cmocka_unit_test_setup_teardown(test_watch_snapshot, setup, teardown),     \
			cmocka_unit_test_setup_teardown(test_watch_kinds, setup, teardown),        \
			cmocka_unit_test_setup_teardown(test_watch_coalesces, setup, teardown),    \
			cmocka_unit_test_setup_teardown(test_watch_resumes, setup, teardown),      \
			cmocka_unit_test_setup_teardown(test_watch_large, setup, teardown),        \
			cmocka_unit_test_setup_teardown(test_watch_compacted, setup, teardown),    \
	}

int main(void)
{
	const struct CMUnitTest sqlite[] = CONTRACT(setup_sqlite, teardown_sqlite);
	const struct CMUnitTest etcd[] = CONTRACT(setup_etcd, teardown_etcd);
	int failed = cmocka_run_group_tests_name("sqlite", sqlite, NULL, NULL);

	if (test_etcd_is_installed())
		failed += cmocka_run_group_tests_name("etcd", etcd, setup_etcd_group,
						      teardown_etcd_group);
	return failed;
}
