/* SPDX-License-Identifier: Apache-2.0 */

/* Good versions outlive who kept them, whatever became of the file. */

#include "agent/last-good.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "agent/test-place.h"

#define TEXT "{\"version\":\"one\"}"

struct bench {
	char dir[64];
	char *path;
	sd_event *event;
	struct last_good *good;
};

static void open_it(struct bench *bench)
{
	struct err err = ERR_INIT;

	bench->good = last_good_free(bench->good);
	assert_int_equal(last_good_new(bench->event, bench->dir, &bench->good, &err), 0);
}

static int setup(void **state)
{
	struct bench *bench = XNEW(struct bench);

	(void)snprintf(bench->dir, sizeof(bench->dir), "/tmp/korat-good-XXXXXX");
	assert_non_null(mkdtemp(bench->dir));
	bench->path = xasprintf("%s/" LAST_GOOD_FILE, bench->dir);
	assert_true(sd_event_new(&bench->event) >= 0);
	open_it(bench);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	static const char *const ends[] = {"", "-wal", "-shm", ".damaged"};
	struct bench *bench = *state;

	bench->good = last_good_free(bench->good);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", bench->path, ends[i]);

		(void)unlink(path);
	}
	assert_int_equal(rmdir(bench->dir), 0);
	(void)sd_event_unref(bench->event);
	free(bench->path);
	free(bench);
	return 0;
}

static struct store_object policy(const char *name, const char *text)
{
	return (struct store_object){.kind = KIND_NETWORK_POLICY,
				     .namespace = (char *)(uintptr_t) "shop",
				     .name = (char *)(uintptr_t)name,
				     .value = (char *)(uintptr_t)text,
				     .size = text ? strlen(text) : 0};
}

static int get(struct bench *bench, const char *name, const char *expected)
{
	_cleanup_(store_object_deinitp) struct store_object found = {.name = NULL};
	struct store_object asked = policy(name, NULL);
	int r = last_good_get(bench->good, &asked, &found, NULL);

	if (r == 0)
		assert_string_equal(found.value, expected);
	return r;
}

static size_t n_unsaved(struct bench *bench)
{
	struct last_good_stats stats;

	last_good_get_stats(bench->good, &stats);
	return stats.n_unsaved;
}

static void test_life(void **state)
{
	struct bench *bench = *state;
	struct store_object one = policy("one", TEXT);
	struct store_object two = policy("two", TEXT);
	struct store_object never = policy("never", NULL);
	struct stat st;

	assert_int_equal(get(bench, "one", NULL), LAST_GOOD_E_NONE);
	last_good_put(bench->good, &one);
	last_good_put(bench->good, &two);
	last_good_note_never(bench->good, &never);
	assert_int_equal(n_unsaved(bench), 3);
	last_good_secure(bench->good, &one);
	assert_int_equal(n_unsaved(bench), 2);
	open_it(bench);
	assert_int_equal(stat(bench->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(get(bench, "one", TEXT), 0);
	assert_int_equal(get(bench, "never", NULL), LAST_GOOD_E_NEVER);
	last_good_put(bench->good, &one); /* as it was: nothing to write */
	assert_int_equal(n_unsaved(bench), 0);
	last_good_sweep(bench->good); /* nobody has spoken of "two" */
	assert_int_equal(n_unsaved(bench), 1);
	last_good_remove(bench->good, &never);
	open_it(bench);
	assert_int_equal(get(bench, "two", NULL), LAST_GOOD_E_NONE);
	assert_int_equal(get(bench, "never", NULL), LAST_GOOD_E_NONE);
	assert_int_equal(get(bench, "one", TEXT), 0);
}

static void test_thread(void **state)
{
	struct bench *bench = *state;
	struct store_object one = policy("one", TEXT);

	last_good_put(bench->good, &one);
	while (n_unsaved(bench))
		assert_true(sd_event_run(bench->event, 10000000) > 0);
	assert_int_equal(get(bench, "one", TEXT), 0);
}

/* Whatever is in the file: no crash, and what is put afterwards is kept. */
static void test_damage(void **state)
{
	struct bench *bench = *state;
	struct store_object one = policy("one", TEXT);
	struct store_object two = policy("two", "{}x");
	uint32_t random = 1;

	for (unsigned int round = 0; round < 40; round++) {
		struct store_object found = {.name = NULL};
		int fd;

		last_good_put(bench->good, &one);
		last_good_put(bench->good, &two);
		bench->good = last_good_free(bench->good);
		fd = open(bench->path, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		for (unsigned int i = 0; i < 1 + round * 4; i++) {
			uint8_t byte;

			random = random * 1664525u + 1013904223u;
			byte = (uint8_t)(random >> 24);
			assert_int_equal(pwrite(fd, &byte, 1, (random >> 8) % 20000), 1);
		}
		(void)close(fd);
		open_it(bench);
		(void)!last_good_get(bench->good, &one, &found, NULL);
		store_object_deinit(&found);
	}
	assert_int_equal(truncate(bench->path, 100), 0);
	open_it(bench);
	last_good_put(bench->good, &one);
	open_it(bench);
}

/* Where the text is in the file; -1: nowhere. */
static ssize_t find_in_file(int fd, const char *text)
{
	uint8_t bytes[1 << 16];
	ssize_t size = pread(fd, bytes, sizeof(bytes), 0);
	const uint8_t *at = size > 0 ? memmem(bytes, (size_t)size, text, strlen(text)) : NULL;

	return at ? at - bytes : -1;
}

static void flip(struct bench *bench, const char *text, ssize_t offset)
{
	int fd = open(bench->path, O_RDWR | O_CLOEXEC);
	ssize_t at;
	uint8_t byte;

	assert_true(fd >= 0);
	at = find_in_file(fd, text);
	assert_true(at >= 0);
	assert_int_equal(pread(fd, &byte, 1, at + offset), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at + offset), 1);
	(void)close(fd);
}

/* One bit of a text, of what is behind it: no good version, and the rest is as it was. */
static void test_flipped_bit(void **state)
{
	struct bench *bench = *state;
	struct store_object one = policy("one", TEXT);
	struct store_object two = policy("two", "{\"version\":\"two\"}");

	for (ssize_t i = 0; i < (ssize_t)strlen(TEXT) + 1 + 64; i++) {
		last_good_put(bench->good, &one);
		last_good_put(bench->good, &two);
		bench->good = last_good_free(bench->good);
		flip(bench, TEXT, i);
		open_it(bench);
		assert_int_equal(get(bench, "one", NULL), LAST_GOOD_E_NONE);
		assert_int_equal(get(bench, "two", two.value), 0);
	}
	assert_int_equal(n_unsaved(bench), 1); /* the damaged row goes */
	open_it(bench);
	assert_int_equal(n_unsaved(bench), 0);
}

/* That there never was a good version must be known for sure: who does not know it, closes. */
static void test_flipped_never(void **state)
{
	struct bench *bench = *state;
	struct store_object never = policy("never", NULL);

	last_good_note_never(bench->good, &never);
	bench->good = last_good_free(bench->good);
	flip(bench, "{}\n", 0);
	open_it(bench);
	assert_int_equal(get(bench, "never", NULL), LAST_GOOD_E_NONE);
}

/* A text under another one's name is damage too. */
static void test_changed_name(void **state)
{
	struct bench *bench = *state;
	struct store_object one = policy("first", TEXT);

	last_good_put(bench->good, &one);
	bench->good = last_good_free(bench->good);
	flip(bench, TEXT, -2);	 /* "firsu": before the text is the revision, a byte */
	flip(bench, "first", 4); /* and the same in the index */
	open_it(bench);
	assert_int_equal(get(bench, "first", NULL), LAST_GOOD_E_NONE);
	assert_int_equal(get(bench, "firsu", NULL), LAST_GOOD_E_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flipped_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flipped_never, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changed_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
