/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an address costs on the SQLite store: 10,000 assignments and releases, singly and in batches
 * of 8. Prints medians per request in microseconds. The file's directory is the argument.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ipam-io/ipam-writer.h"
#include "model/kinds.h"
#include "store/store.h"

#define REQUESTS 10000u
#define BATCH	 8u
#define LIVE	 100u /* addresses held at a time */

static double now_us(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return (left > right) - (left < right);
}

static int add_pool(struct store *store, struct err *err)
{
	_cleanup_(model_freep) struct object *object = model_new(KIND_IP_POOL, NULL, "pool");
	_cleanup_free_ char *text = NULL;
	struct store_op op = {.type = STORE_PUT, .kind = KIND_IP_POOL, .name = "pool"};

	replace_str(&as_ip_pool(object)->spec.cidr, xstrdup("10.42.0.0/16"));
	text = store_object_text(object, &op.size);
	op.value = text;
	return store_commit(store, &op, 1, NULL, NULL, err);
}

static int serve(struct ipam_writer *writer, enum ipam_request_type type, unsigned int first,
		 unsigned int n, double *ret_us, struct err *err)
{
	struct ipam_request requests[BATCH] = {0};
	char handles[BATCH][32];
	double start;
	int r;

	for (unsigned int i = 0; i < n; i++) {
		(void)snprintf(handles[i], sizeof(handles[i]), "bench.%u", first + i);
		requests[i].type = type;
		requests[i].handle = handles[i];
		requests[i].n_v4 = type == IPAM_ASSIGN_AUTO;
		requests[i].namespace = "default";
		requests[i].pod = "bench";
	}
	start = now_us();
	r = ipam_writer_serve(writer, requests, n, err);
	*ret_us = (now_us() - start) / n;
	for (unsigned int i = 0; r == 0 && i < n; i++) {
		if (requests[i].result != IPAM_OK)
			r = err_set(err, -1, "%s", requests[i].err.msg);
	}
	return r;
}

static int run(struct ipam_writer *writer, unsigned int batch, struct err *err)
{
	unsigned int n = REQUESTS / batch;
	_cleanup_free_ double *assign = xcalloc(n, sizeof(*assign));
	_cleanup_free_ double *release = xcalloc(n, sizeof(*release));
	unsigned int n_released = 0;
	unsigned int held = LIVE / batch;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < n + held; i++) {
		if (i < n)
			r = serve(writer, IPAM_ASSIGN_AUTO, i * batch, batch, &assign[i], err);
		if (r == 0 && i >= held && n_released < n) {
			r = serve(writer, IPAM_RELEASE_HANDLE, n_released * batch, batch,
				  &release[n_released], err);
			n_released++;
		}
	}
	if (r < 0)
		return r;
	qsort(assign, n, sizeof(*assign), compare);
	qsort(release, n, sizeof(*release), compare);
	printf("ipam-assign-batch-%u %.0f us per address, median of %u\n", batch, assign[n / 2], n);
	printf("ipam-release-batch-%u %.0f us per address, median of %u\n", batch, release[n / 2],
	       n);
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *path =
		xasprintf("%s/bench-ipam-%d.db", argc > 1 ? argv[1] : "/tmp", (int)getpid());
	struct store_config config = {.type = "sqlite", .path = path};
	_cleanup_(store_closep) struct store *store = NULL;
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer = NULL;
	struct err err = ERR_INIT;
	int r = store_open(&config, &store, &err);

	if (r == 0)
		r = add_pool(store, &err);
	if (r == 0) {
		writer = ipam_writer_new(store, "bench-node");
		r = run(writer, 1, &err);
	}
	if (r == 0)
		r = run(writer, BATCH, &err);
	if (r != 0)
		(void)fprintf(stderr, "bench-ipam: %s\n", err.msg);
	(void)unlink(path);
	for (unsigned int i = 0; i < 2; i++) {
		_cleanup_free_ char *side = xasprintf("%s%s", path, i ? "-wal" : "-shm");

		(void)unlink(side);
	}
	return r == 0 ? 0 : 1;
}
