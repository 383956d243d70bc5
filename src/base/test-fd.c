/* SPDX-License-Identifier: Apache-2.0 */

/* Descriptors and small files, in a directory of the test's own. */

#include "base/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

struct place {
	char dir[64];
	char file[96];
};

static int setup(void **state)
{
	struct place *place = XNEW(struct place);

	(void)snprintf(place->dir, sizeof(place->dir), "/tmp/korat-fd-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	(void)snprintf(place->file, sizeof(place->file), "%s/file", place->dir);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	(void)unlink(place->file);
	assert_int_equal(rmdir(place->dir), 0);
	free(place);
	return 0;
}

static void test_close(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int taken = TAKE_FD(fd);

	(void)state;
	assert_int_equal(fd, -1);
	assert_true(taken >= 0);
	errno = 5;
	assert_int_equal(fd_close(taken), -1);
	assert_int_equal(fcntl(taken, F_GETFD), -1);
	errno = 5;
	assert_int_equal(fd_close(-1), -1);
	assert_int_equal(errno, 5);
}

static void test_write_and_read(void **state)
{
	struct place *place = *state;
	_cleanup_buf_ struct buf buf = BUF_INIT;
	_cleanup_free_ char *data = xcalloc(10000, 1);
	struct err err = ERR_INIT;
	struct stat st;

	memset(data, 'd', 10000);
	assert_int_equal(file_write_atomic(place->file, "old", 3, 0600, &err), 0);
	assert_int_equal(file_write_atomic(place->file, data, 10000, 0640, &err), 0);
	assert_int_equal(stat(place->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	buf_adds(&buf, "before ");
	assert_int_equal(file_read(place->file, 10000, &buf, &err), 0);
	assert_int_equal(buf.size, 10007);
	assert_memory_equal(buf.data + 7, data, 10000);
	assert_int_equal(file_write_atomic(place->file, NULL, 0, 0600, &err), 0);
	buf_reset(&buf);
	assert_int_equal(file_read(place->file, 0, &buf, &err), 0);
	assert_int_equal(buf.size, 0);
}

/* What a writer left that died is not kept for ever. */
static void test_unfinished(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *part = xasprintf("%s.part", place->file);
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(file_write_atomic(part, "longer than the new one", 23, 0600, &err), 0);
	assert_int_equal(file_write_atomic(place->file, "new", 3, 0600, &err), 0);
	assert_int_equal(file_read(place->file, 100, &buf, &err), 0);
	assert_string_equal(buf_str(&buf), "new");
	assert_int_equal(access(part, F_OK), -1);
	assert_int_equal(unlink(place->file), 0);
}

static void test_failures(void **state)
{
	struct place *place = *state;
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(file_read(place->file, 10, &buf, &err), -ENOENT);
	assert_non_null(strstr(err.msg, place->file));
	assert_int_equal(file_read(place->dir, 10, &buf, &err), -EISDIR);
	assert_int_equal(file_write_atomic(place->file, "0123456789a", 11, 0600, &err), 0);
	assert_int_equal(file_read(place->file, 10, &buf, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "10 bytes"));
	assert_int_equal(file_write_atomic("/nonexistent/file", "x", 1, 0600, &err), -ENOENT);
	assert_true(file_write_atomic(place->dir, "x", 1, 0600, &err) < 0);
	assert_int_equal(unlink(place->file), 0);
}

static void test_dir_make(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *deep = xasprintf("%s/a//b/c/", place->dir);
	_cleanup_free_ char *below = xasprintf("%s/x", place->file);
	_cleanup_free_ char *much = xcalloc(5000, 1);
	struct err err = ERR_INIT;
	struct stat st;

	assert_int_equal(dir_make(deep, 0700, &err), 0);
	assert_int_equal(dir_make(deep, 0700, &err), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rmdir(deep), 0);
		*strrchr(deep, '/') = '\0';
		if (i == 0)
			*strrchr(deep, '/') = '\0';
	}
	assert_int_equal(file_write_atomic(place->file, "", 0, 0600, &err), 0);
	assert_int_equal(dir_make(place->file, 0700, &err), -ENOTDIR);
	assert_int_equal(dir_make(below, 0700, &err), -ENOTDIR);
	assert_int_equal(dir_make("/", 0700, &err), 0);
	memset(much, 'm', 4999);
	assert_int_equal(dir_make(much, 0700, &err), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close),
		cmocka_unit_test_setup_teardown(test_write_and_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unfinished, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dir_make, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
