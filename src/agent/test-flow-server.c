/* SPDX-License-Identifier: Apache-2.0 */

/* Readers that come early, late, and that do not read. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/flow-server.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/unix-socket.h"

struct place {
	char dir[64];
	char path[96];
	sd_event *event;
	struct flow_server *server;
	unsigned int n_connected;
};

static void on_connected(void *ctx)
{
	struct place *place = ctx;

	place->n_connected++;
}

static int set_up(void **state)
{
	struct place *place = XNEW(struct place);

	(void)snprintf(place->dir, sizeof(place->dir), "/tmp/korat-flow-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	(void)snprintf(place->path, sizeof(place->path), "%s/flows.sock", place->dir);
	assert_true(sd_event_new(&place->event) >= 0);
	assert_int_equal(flow_server_new(place->event, place->path, on_connected, place,
					 &place->server, NULL),
			 0);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	(void)flow_server_free(place->server);
	(void)sd_event_unref(place->event);
	assert_int_equal(rmdir(place->dir), 0);
	free(place);
	return 0;
}

static void turn(struct place *place)
{
	while (sd_event_run(place->event, 0) > 0)
		;
}

/* What is here now. */
static void receive(struct place *place, int fd, struct buf *out)
{
	char bytes[65536];
	ssize_t n;

	do {
		turn(place);
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0)
			buf_add(out, bytes, (size_t)n);
	} while (n > 0);
}

static void add_numbers(struct place *place, unsigned int from, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		flow_server_add(place->server, xasprintf("%u", from + i));
}

static void test_last_then_live(void **state)
{
	struct place *place = *state;
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_close_ int fd = -1;

	add_numbers(place, 1, 3);
	fd = unix_connect(place->path, NULL);
	assert_true(fd >= 0);
	assert_false(flow_server_has_readers(place->server));
	receive(place, fd, &out);
	assert_true(flow_server_has_readers(place->server));
	assert_int_equal(place->n_connected, 1);
	assert_string_equal(buf_str(&out), "1\n2\n3\n\n");
	buf_reset(&out);
	add_numbers(place, 4, 2);
	receive(place, fd, &out);
	assert_string_equal(buf_str(&out), "4\n5\n");
	fd = fd_close(fd);
	turn(place);
	assert_false(flow_server_has_readers(place->server));
}

static void test_ring(void **state)
{
	struct place *place = *state;
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_close_ int fd = -1;

	add_numbers(place, 0, FLOW_SERVER_LINES + 5);
	fd = unix_connect(place->path, NULL);
	receive(place, fd, &out);
	assert_memory_equal(buf_str(&out), "5\n6\n", 4);
}

/* It is told what it missed, and the others get all. */
static void test_slow_reader(void **state)
{
	struct place *place = *state;
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_close_ int slow = unix_connect(place->path, NULL);
	char *filler = xmalloc(4000);

	turn(place);
	memset(filler, 'x', 3999);
	filler[3999] = '\0';
	for (unsigned int i = 0; i < FLOW_SERVER_LINES + 1000; i++)
		flow_server_add(place->server, xstrdup(filler));
	receive(place, slow, &out);
	assert_non_null(strstr(buf_str(&out), "{\"lost\":"));
	free(filler);
}

static void test_root_alone(void **state)
{
	struct place *place = *state;
	struct stat st;

	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Nobody else takes the place of one who listens. */
	assert_true(unix_listen(place->path, 1, NULL) < 0);
}

static void test_many_readers(void **state)
{
	struct place *place = *state;
	int fds[FLOW_SERVER_READERS + 1];
	char c;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = unix_connect(place->path, NULL);
		turn(place);
	}
	assert_int_equal(recv(fds[0], &c, 1, MSG_DONTWAIT), 1);
	assert_int_equal(recv(fds[FLOW_SERVER_READERS], &c, 1, MSG_DONTWAIT), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		(void)close(fds[i]);
	turn(place);
	assert_false(flow_server_has_readers(place->server));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_last_then_live, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ring, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slow_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_root_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_readers, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
