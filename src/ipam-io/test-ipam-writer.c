/* SPDX-License-Identifier: Apache-2.0 */

/* The writer on a store, SQLite and etcd: what ends up stored, and two processes at once. */

#include "ipam-io/ipam-writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "ipam-io/ipam-report.h"
#include "model/kinds.h"
#include "store/store.h"
#include "store/test-etcd.h"

struct place {
	char dir[64];
	char path[96];
	struct store_config config;
	struct store *store;
	struct test_etcd etcd; /* of the tests on etcd */
};

static void put(struct store *store, struct object *object)
{
	size_t size;
	_cleanup_free_ char *text = store_object_text(object, &size);
	struct store_op op = {.type = STORE_PUT,
			      .kind = object->desc->kind,
			      .name = object->meta.name,
			      .value = text,
			      .size = size};
	struct err err = ERR_INIT;

	assert_int_equal(store_commit(store, &op, 1, NULL, NULL, &err), 0);
	model_free(object);
}

static void put_pool(struct store *store, const char *name, const char *cidr, int block_size)
{
	struct object *object = model_new(KIND_IP_POOL, NULL, name);

	replace_str(&as_ip_pool(object)->spec.cidr, xstrdup(cidr));
	as_ip_pool(object)->spec.block_size = (struct opt_int){.set = true, .v = block_size};
	put(store, object);
}

static int setup(void **state)
{
	struct place *place = XNEW(struct place);
	struct err err = ERR_INIT;

	(void)snprintf(place->dir, sizeof(place->dir), "/tmp/korat-ipam-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	(void)snprintf(place->path, sizeof(place->path), "%s/korat.db", place->dir);
	place->config = (struct store_config){.type = "sqlite", .path = place->path};
	assert_int_equal(store_open(&place->config, &place->store, &err), 0);
	put_pool(place->store, "pool4", "10.42.0.0/22", 26);
	put_pool(place->store, "pool6", "fd00:42::/112", 122);
	*state = place;
	return 0;
}

static int setup_etcd(void **state)
{
	struct place *place = XNEW(struct place);

	test_etcd_start(&place->etcd, 1);
	place->config = place->etcd.config;
	place->store = test_etcd_wait(&place->config);
	put_pool(place->store, "pool4", "10.42.0.0/22", 26);
	put_pool(place->store, "pool6", "fd00:42::/112", 122);
	*state = place;
	return 0;
}

static int teardown_etcd(void **state)
{
	struct place *place = *state;

	store_close(place->store);
	test_etcd_stop(&place->etcd);
	free(place);
	return 0;
}

static int teardown(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
	struct place *place = *state;

	store_close(place->store);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", place->path, suffixes[i]);

		(void)unlink(path);
	}
	assert_int_equal(rmdir(place->dir), 0);
	free(place);
	return 0;
}

static struct ipam_request dual(const char *handle)
{
	return (struct ipam_request){.type = IPAM_ASSIGN_AUTO,
				     .handle = handle,
				     .n_v4 = 1,
				     .n_v6 = 1,
				     .namespace = "default",
				     .pod = "web-1",
				     .now = 1785578400};
}

static void serve(struct ipam_writer *writer, struct ipam_request *requests, size_t n)
{
	struct err err = ERR_INIT;

	if (ipam_writer_serve(writer, requests, n, &err) != 0)
		fail_msg("%s", err.msg);
}

static void expect(const struct ipam_request *request, enum ipam_result_code code)
{
	if (request->result != code)
		fail_msg("result %d, not %d: %s", (int)request->result, (int)code,
			 request->err.msg);
}

static struct object *get(struct store *store, enum kind kind, const char *name)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {.name = NULL};
	struct object *object = NULL;
	struct err err = ERR_INIT;

	if (store_get(store, kind, NULL, name, &stored, &err) != 0)
		return NULL;
	if (store_object_read(&stored, &object, &err) != 0)
		fail_msg("%s", err.msg);
	return object;
}

static size_t count(struct store *store, enum kind kind)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.n = 0};
	struct err err = ERR_INIT;

	assert_int_equal(store_list(store, kind, NULL, &list, &err), 0);
	return list.n;
}

static void test_assign_and_release(void **state)
{
	struct place *place = *state;
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer =
		ipam_writer_new(place->store, "node-a");
	struct ipam_request requests[2] = {dual("net.a"), dual("net.b")};
	struct ipam_request release = {.type = IPAM_RELEASE_HANDLE, .handle = "net.a"};
	struct ipam_request address = {.type = IPAM_RELEASE_ADDRESS};
	struct object *object;

	serve(writer, requests, 2);
	expect(&requests[0], IPAM_OK);
	expect(&requests[1], IPAM_OK);
	assert_int_equal(requests[0].n_addrs, 2);
	assert_int_equal(requests[0].addrs[0].len, 26);
	assert_int_equal(requests[0].addrs[1].len, 122);
	assert_false(ip_equal(&requests[0].addrs[0].addr, &requests[1].addrs[0].addr));
	assert_int_equal(count(place->store, KIND_BLOCK_AFFINITY), 2);
	assert_int_equal(count(place->store, KIND_IPAM_BLOCK), 2);
	object = get(place->store, KIND_IPAM_HANDLE, "net.a");
	assert_non_null(object);
	assert_string_equal(as_ipam_handle(object)->spec.handle_id, "net.a");
	assert_int_equal(as_ipam_handle(object)->spec.block.n, 2);
	model_free(object);

	serve(writer, &release, 1);
	expect(&release, IPAM_OK);
	assert_null(get(place->store, KIND_IPAM_HANDLE, "net.a"));
	serve(writer, &release, 1);
	expect(&release, IPAM_E_NOT_FOUND);
	address.addr = requests[1].addrs[0].addr;
	serve(writer, &address, 1);
	expect(&address, IPAM_OK);
	serve(writer, &address, 1);
	expect(&address, IPAM_E_NOT_FOUND);
	/* The blocks stay with the node. */
	assert_int_equal(count(place->store, KIND_IPAM_BLOCK), 2);
}

static void test_explicit(void **state)
{
	struct place *place = *state;
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer =
		ipam_writer_new(place->store, "node-a");
	struct ipam_request request = {.type = IPAM_ASSIGN_ADDRESS, .handle = "net.c"};

	assert_int_equal(ip_parse("10.42.1.7", &request.addr, NULL), 0);
	serve(writer, &request, 1);
	expect(&request, IPAM_OK);
	assert_string_equal(cidr_format(&request.addrs[0]).s, "10.42.1.7/26");
	serve(writer, &request, 1);
	expect(&request, IPAM_E_TAKEN);
	assert_int_equal(ip_parse("192.0.2.1", &request.addr, NULL), 0);
	serve(writer, &request, 1);
	expect(&request, IPAM_E_NOT_IN_POOL);
}

static void test_report(void **state)
{
	struct place *place = *state;
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer =
		ipam_writer_new(place->store, "node-a");
	struct ipam_request request = dual("net.a");
	_cleanup_(ipam_report_deinitp) struct ipam_report report = {.n = 0};
	struct object *reservation = model_new(KIND_IP_RESERVATION, NULL, "r");
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct ip_addr other;
	struct err err = ERR_INIT;

	str_list_add(&as_ip_reservation(reservation)->spec.reserved_cidrs, "10.42.0.0/30");
	put(place->store, reservation);
	serve(writer, &request, 1);
	expect(&request, IPAM_OK);
	assert_int_equal(ipam_report_read(place->store, &report, &err), 0);
	assert_int_equal(report.n, 4);
	assert_false(report.v[0].is_block);
	assert_int_equal(report.v[0].total, 1024);
	assert_int_equal(report.v[0].in_use, 1);
	assert_int_equal(report.v[0].reserved, 4);
	assert_int_equal(report.v[0].free, 1019);
	assert_true(report.v[1].is_block);
	assert_int_equal(report.v[1].total, 64);
	ipam_report_write(&report, true, &text);
	assert_non_null(strstr(buf_str(&text), "IPS RESERVED"));
	buf_reset(&text);
	assert_int_equal(ipam_report_address(place->store, &request.addrs[0].addr, &text, &err), 0);
	assert_non_null(strstr(buf_str(&text), "Handle: net.a"));
	assert_non_null(strstr(buf_str(&text), "pod: web-1"));
	buf_reset(&text);
	assert_int_equal(ip_parse("192.0.2.1", &other, NULL), 0);
	assert_int_equal(ipam_report_address(place->store, &other, &text, &err), 0);
	assert_non_null(strstr(buf_str(&text), "in no block"));
}

/* A child's part: as many as it gets of 1024, each written as 4 bytes. */
static void child_main(const struct store_config *config, unsigned int number, int fd)
{
	struct err err = ERR_INIT;
	struct store *store = NULL;
	char node[16];

	if (store_open(config, &store, &err) != 0)
		_exit(1);
	(void)snprintf(node, sizeof(node), "node-%u", number);
	struct ipam_writer *writer = ipam_writer_new(store, node);

	for (unsigned int i = 0;; i++) {
		char handle[32];
		struct ipam_request request = dual(handle);

		(void)snprintf(handle, sizeof(handle), "net.%u-%u", number, i);
		request.n_v6 = 0;
		if (ipam_writer_serve(writer, &request, 1, &err) != 0) {
			(void)fprintf(stderr, "%s\n", err.msg);
			_exit(2);
		}
		if (request.result == IPAM_E_FULL)
			_exit(0);
		if (request.result != IPAM_OK) {
			(void)fprintf(stderr, "%s\n", request.err.msg);
			_exit(3);
		}
		if (write(fd, request.addrs[0].addr.bytes, 4) != 4)
			_exit(4);
	}
}

/* Two nodes in two processes fill a pool, the last addresses by borrowing. */
static void test_two_processes(void **state)
{
	struct place *place = *state;
	bool seen[1024] = {false};
	unsigned int n = 0;
	uint8_t addr[4];
	pid_t pids[2];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	store_close(TAKE_PTR(place->store));
	for (unsigned int i = 0; i < 2; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			child_main(&place->config, i, fds[1]);
	}
	(void)close(fds[1]);
	while (read(fds[0], addr, sizeof(addr)) == sizeof(addr)) {
		unsigned int i = (addr[2] & 3u) * 256u + addr[3];

		assert_false(seen[i]);
		seen[i] = true;
		n++;
	}
	(void)close(fds[0]);
	for (unsigned int i = 0; i < 2; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(n, 1024);
	assert_int_equal(store_open(&place->config, &place->store, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_assign_and_release, setup, teardown),
		cmocka_unit_test_setup_teardown(test_explicit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_report, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_processes, setup, teardown),
	};
	const struct CMUnitTest etcd[] = {
		cmocka_unit_test_setup_teardown(test_assign_and_release, setup_etcd, teardown_etcd),
		cmocka_unit_test_setup_teardown(test_explicit, setup_etcd, teardown_etcd),
		cmocka_unit_test_setup_teardown(test_report, setup_etcd, teardown_etcd),
		cmocka_unit_test_setup_teardown(test_two_processes, setup_etcd, teardown_etcd),
	};
	int failed = cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);

	if (test_etcd_is_installed())
		failed += cmocka_run_group_tests_name("etcd", etcd, NULL, NULL);
	return failed;
}
