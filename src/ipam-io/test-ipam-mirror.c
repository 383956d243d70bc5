/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The histories of the ipam module (test-ipam-history.h) on a real datastore: every commit of the
 * store in memory is made there too, with the revisions it has there, and has to hold or not hold
 * as it did; in the end both have the same objects. So what is proven of the one holds of the
 * other.
 *
 * Arguments: the number of histories, and the first seed.
 */

#include "ipam/test-ipam-history.h"

#include <inttypes.h>
#include <unistd.h>

#include "store/store.h"
#include "store/test-etcd.h"

#define HISTORIES 20u

struct mirror {
	struct store *store;
	uint64_t *revisions; /* of the store, by those of the world */
	size_t n_revisions;
	unsigned int n_commits, n_refused;
};

static uint64_t revision_there(const struct mirror *mirror, uint64_t revision)
{
	assert_true(revision < mirror->n_revisions);
	return mirror->revisions[revision];
}

/* Of a revision that wrote nothing which is mirrored, that before it. */
static uint64_t last_revision_there(const struct mirror *mirror, uint64_t revision)
{
	uint64_t last = 0;

	for (uint64_t i = 0; i <= revision && i < mirror->n_revisions; i++)
		last = MAX(last, mirror->revisions[i]);
	return last;
}

static void note_revision(struct mirror *mirror, uint64_t revision, uint64_t there)
{
	while (mirror->n_revisions <= revision)
		*ARRAY_ADD(mirror->revisions, mirror->n_revisions) = 0;
	mirror->revisions[revision] = there;
}

static struct store_op op_there(const struct mirror *mirror, const struct ipam_op *op,
				char **ret_text)
{
	static const enum store_op_type types[] = {
		[IPAM_OP_CREATE] = STORE_CREATE,
		[IPAM_OP_UPDATE] = STORE_UPDATE,
		[IPAM_OP_DELETE] = STORE_DELETE,
		[IPAM_OP_EXPECT] = STORE_EXPECT,
		[IPAM_OP_EXPECT_NONE_NEWER] = STORE_EXPECT_NONE_NEWER,
	};
	struct store_op to = {.type = types[op->type], .kind = op->kind, .name = op->name};

	if (op->type == IPAM_OP_EXPECT_NONE_NEWER)
		to.revision = last_revision_there(mirror, op->revision);
	else if (op->revision)
		to.revision = revision_there(mirror, op->revision);
	if (op->object)
		to.value = *ret_text = store_object_text(op->object, &to.size);
	return to;
}

static void repeat(void *data, const struct ipam_op *ops, size_t n, bool held, uint64_t revision)
{
	struct mirror *mirror = data;
	struct store_op *to = xcalloc(n + 1, sizeof(*to));
	char **texts = xcalloc(n + 1, sizeof(*texts));
	struct err err = ERR_INIT;
	uint64_t there = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		to[i] = op_there(mirror, &ops[i], &texts[i]);
	r = n ? store_commit(mirror->store, to, n, &there, NULL, &err) : 0;
	if (r < 0)
		fail_msg("%s", err.msg);
	if ((r == 0) != held)
		fail_msg("a commit of %zu operations %s in memory and gave %d in the store", n,
			 held ? "held" : "did not hold", r);
	if (held && n)
		note_revision(mirror, revision, there);
	mirror->n_commits++;
	mirror->n_refused += !held;
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
	free(to);
}

/* The world as it is set up, before its first commit: each object by itself. */
static void set_up_there(void *data, const struct world *world)
{
	struct mirror *mirror = data;

	for (size_t i = 0; i < world->n; i++) {
		const struct world_object *at = &world->v[i];
		struct store_op op = {.type = STORE_PUT, .kind = at->kind, .name = at->name};
		char *text = store_object_text(at->object, &op.size);
		struct err err = ERR_INIT;
		uint64_t there = 0;

		op.value = text;
		if (store_commit(mirror->store, &op, 1, &there, NULL, &err) != 0)
			fail_msg("%s", err.msg);
		note_revision(mirror, at->revision, there);
		free(text);
	}
}

/* The same objects; of their metadata etcd keeps what Calico keeps there. */
static void compare(void *data, const struct world *world)
{
	struct mirror *mirror = data;

	for (size_t i = 0; i < world->n; i++) {
		const struct world_object *at = &world->v[i];
		_cleanup_(store_object_deinitp) struct store_object there = {.name = NULL};
		_cleanup_(model_freep) struct object *object = NULL;
		_cleanup_free_ char *here_spec = NULL;
		_cleanup_free_ char *there_spec = NULL;

		assert_int_equal(store_get(mirror->store, at->kind, NULL, at->name, &there, NULL),
				 0);
		assert_int_equal(store_object_read(&there, &object, NULL), 0);
		there_spec = model_path_text(object, "spec");
		here_spec = model_path_text(at->object, "spec");
		if ((!!there_spec != !!here_spec) ||
		    (here_spec && strcmp(here_spec, there_spec) != 0))
			fail_msg("%s %s: %s, and there %s", at->object->desc->name, at->name,
				 here_spec, there_spec);
	}
	for (enum kind kind = 1; kind < KIND_COUNT_; kind++) {
		_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};

		assert_int_equal(store_list(mirror->store, kind, NULL, &list, NULL), 0);
		assert_int_equal(list.n, world_count(world, kind));
	}
}

static void remove_file(const char *path)
{
	static const char *const ends[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		_cleanup_free_ char *name = xasprintf("%s%s", path, ends[i]);

		(void)unlink(name);
	}
}

static void run_one(const struct store_config *where, uint64_t seed, unsigned int *n_commits,
		    unsigned int *n_refused)
{
	struct mirror mirror = {.store = NULL};
	struct history_config config = {.seed = seed,
					.mirror = repeat,
					.mirror_begin = set_up_there,
					.mirror_end = compare,
					.mirror_data = &mirror};
	struct err err = ERR_INIT;

	if (store_open(where, &mirror.store, &err) != 0)
		fail_msg("%s", err.msg);
	print_message("%s, history %" PRIu64 "\n", where->type, seed);
	run_history(&config);
	store_close(mirror.store);
	free(mirror.revisions);
	*n_commits += mirror.n_commits;
	*n_refused += mirror.n_refused;
}

static void run_sqlite(uint64_t seed, unsigned int *n_commits, unsigned int *n_refused)
{
	_cleanup_free_ char *path = xasprintf("/tmp/test-ipam-mirror-%d.db", (int)getpid());
	struct store_config where = {.type = "sqlite", .path = path};

	remove_file(path);
	run_one(&where, seed, n_commits, n_refused);
	remove_file(path);
}

/* As etcd is by default: with 128 operations in a transaction. */
static void run_etcd(uint64_t first, uint64_t n, unsigned int *n_commits, unsigned int *n_refused)
{
	struct test_etcd etcd = {.n_members = 0};

	test_etcd_start(&etcd, 1);
	(void)store_close(test_etcd_wait(&etcd.config));
	for (uint64_t i = 0; i < n; i++) {
		/* All keys: "/" up to "0". */
		free(test_etcd_call(&etcd.config, "/v3/kv/deleterange",
				    "{\"key\":\"Lw==\",\"range_end\":\"MA==\"}"));
		run_one(&etcd.config, first + i, n_commits, n_refused);
	}
	test_etcd_stop(&etcd);
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : HISTORIES;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	unsigned int n_commits = 0;
	unsigned int n_refused = 0;

	for (uint64_t i = 0; i < n; i++)
		run_sqlite(first + i, &n_commits, &n_refused);
	if (test_etcd_is_installed())
		run_etcd(first, n, &n_commits, &n_refused);
	print_message("%u commits, %u of them refused, the same in both\n", n_commits, n_refused);
	return n_refused ? 0 : 1;
}
