/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What addresses cost on a datastore: 1,000 nodes that each claim a block and fill it with 50
 * addresses, in batches of 10 as an agent serves the pods of one moment; then one node that assigns
 * and releases singly and in batches of 8. Prints "NAME VALUE UNIT meaning".
 *
 * Arguments: the directory of the SQLite file (/tmp), how many nodes, and how many of them write at
 * the same time (1). DATASTORE_TYPE=etcdv3 and ETCD_ENDPOINTS choose an etcd, which must be empty,
 * instead.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "ipam-io/ipam-writer.h"
#include "model/kinds.h"
#include "store/store.h"

#define NODES	    1000u
#define NODES_MAX   4000u
#define THREADS_MAX 16u
#define PER_NODE    50u /* addresses; a block has 64 */
#define NODE_BATCH  10u
#define REQUESTS    2000u
#define BATCH_MAX   10u
#define LIVE	    100u /* addresses held at a time */

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

	replace_str(&as_ip_pool(object)->spec.cidr, xstrdup("10.0.0.0/8"));
	text = store_object_text(object, &op.size);
	op.value = text;
	return store_commit(store, &op, 1, NULL, NULL, err);
}

static int serve(struct ipam_writer *writer, enum ipam_request_type type, unsigned int first,
		 unsigned int n, double *ret_us, struct err *err)
{
	struct ipam_request requests[BATCH_MAX] = {0};
	char handles[BATCH_MAX][32];
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

/* --- Many nodes ------------------------------------------------------------------------------ */

/* Nodes that have their writes carried out one after the other, beside those of other threads. */
struct part {
	pthread_t thread;
	const struct store_config *config;
	struct ipam_writer **writers; /* of all nodes, as is what follows */
	double *block_us;
	unsigned int first;
	unsigned int end;
	int result;
	struct err err;
};

static int fill(struct part *part, struct store *store)
{
	for (unsigned int i = part->first; i < part->end; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "bench-node-%u", i);
		part->writers[i] = ipam_writer_new(store, name);
	}
	/* The nodes in turn, as if all pods came at once. */
	for (unsigned int round = 0; round < PER_NODE / NODE_BATCH; round++) {
		for (unsigned int i = part->first; i < part->end; i++) {
			double us = 0;
			int r = serve(part->writers[i], IPAM_ASSIGN_AUTO,
				      i * PER_NODE + round * NODE_BATCH, NODE_BATCH, &us,
				      &part->err);

			if (r < 0)
				return r;
			if (round == 0)
				part->block_us[i] = us * NODE_BATCH;
		}
	}
	return 0;
}

static void *run_part(void *arg)
{
	struct part *part = arg;
	_cleanup_(store_closep) struct store *store = NULL;

	part->result = store_open(part->config, &store, &part->err);
	if (part->result == 0)
		part->result = fill(part, store);
	return NULL;
}

static int run_parts(const struct store_config *config, struct ipam_writer **writers,
		     double *block_us, unsigned int n_nodes, unsigned int n_threads,
		     struct err *err)
{
	struct part parts[THREADS_MAX];
	int r = 0;

	for (unsigned int i = 0; i < n_threads; i++) {
		parts[i] = (struct part){
			.config = config,
			.writers = writers,
			.block_us = block_us,
			.first = n_nodes * i / n_threads,
			.end = n_nodes * (i + 1) / n_threads,
		};
		if (pthread_create(&parts[i].thread, NULL, run_part, &parts[i]) != 0)
			abort();
	}
	for (unsigned int i = 0; i < n_threads; i++) {
		(void)pthread_join(parts[i].thread, NULL);
		if (parts[i].result != 0)
			r = err_set(err, -1, "%s", parts[i].err.msg);
	}
	return r;
}

static int run_nodes(const struct store_config *config, unsigned int n_nodes,
		     unsigned int n_threads, struct err *err)
{
	_cleanup_free_ struct ipam_writer **writers =
		xcalloc(n_nodes, sizeof(struct ipam_writer *));
	_cleanup_free_ double *block_us = xcalloc(n_nodes, sizeof(*block_us));
	unsigned int n_addresses = n_nodes * PER_NODE;
	struct ipam_writer_counts sum = {.n_commits = 0};
	double start;
	double us;
	int r;

	start = now_us();
	r = run_parts(config, writers, block_us, n_nodes, n_threads, err);
	us = now_us() - start;
	for (unsigned int i = 0; i < n_nodes && writers[i]; i++) {
		const struct ipam_writer_counts *counts = ipam_writer_counts(writers[i]);

		sum.n_commits += counts->n_commits;
		sum.n_objects += counts->n_objects;
		sum.n_conflicts += counts->n_conflicts;
		sum.n_reads += counts->n_reads;
		ipam_writer_free(writers[i]);
	}
	if (r < 0)
		return r;
	qsort(block_us, n_nodes, sizeof(*block_us), compare);
	printf("ipam-nodes-rate %.0f addresses/s %u addresses of %u nodes, %u at a time, "
	       "batches of %u\n",
	       n_addresses / us * 1e6, n_addresses, n_nodes, n_threads, NODE_BATCH);
	printf("ipam-nodes-commits %.3f commits/address\n", (double)sum.n_commits / n_addresses);
	printf("ipam-nodes-writes %.3f objects/address <=1.2\n",
	       (double)sum.n_objects / n_addresses);
	printf("ipam-nodes-reads %.3f reads/address\n", (double)sum.n_reads / n_addresses);
	printf("ipam-nodes-conflicts %.0f commits refused because of another node\n",
	       (double)sum.n_conflicts);
	printf("ipam-block-claim %.0f us a new block and its first %u addresses, median\n",
	       block_us[n_nodes / 2], NODE_BATCH);
	return 0;
}

/* --- One node -------------------------------------------------------------------------------- */

static int run_one(struct ipam_writer *writer, unsigned int base, unsigned int batch,
		   struct err *err)
{
	unsigned int n = REQUESTS / batch;
	_cleanup_free_ double *assign = xcalloc(n, sizeof(*assign));
	_cleanup_free_ double *release = xcalloc(n, sizeof(*release));
	unsigned int n_released = 0;
	unsigned int held = LIVE / batch;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < n + held; i++) {
		if (i < n)
			r = serve(writer, IPAM_ASSIGN_AUTO, base + i * batch, batch, &assign[i],
				  err);
		if (r == 0 && i >= held && n_released < n) {
			r = serve(writer, IPAM_RELEASE_HANDLE, base + n_released * batch, batch,
				  &release[n_released], err);
			n_released++;
		}
	}
	if (r < 0)
		return r;
	qsort(assign, n, sizeof(*assign), compare);
	qsort(release, n, sizeof(*release), compare);
	printf("ipam-assign-by-%u %.0f us per address, median of %u\n", batch, assign[n / 2], n);
	printf("ipam-release-by-%u %.0f us per address, median of %u\n", batch, release[n / 2], n);
	return 0;
}

static int run(const struct store_config *config, struct store *store, unsigned int n_nodes,
	       unsigned int n_threads, struct err *err)
{
	_cleanup_(ipam_writer_freep) struct ipam_writer *writer = NULL;
	unsigned int base = n_nodes * PER_NODE;
	int r = add_pool(store, err);

	if (r == 0)
		r = run_nodes(config, n_nodes, n_threads, err);
	if (r != 0)
		return r;
	writer = ipam_writer_new(store, "bench-node");
	r = run_one(writer, base, 1, err);
	if (r == 0)
		r = run_one(writer, base + REQUESTS, 8, err);
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *path =
		xasprintf("%s/bench-ipam-%d.db", argc > 1 ? argv[1] : "/tmp", (int)getpid());
	_cleanup_(store_config_deinitp) struct store_config config = {.type = NULL};
	_cleanup_(store_closep) struct store *store = NULL;
	struct err err = ERR_INIT;
	uint64_t n_nodes = NODES;
	uint64_t n_threads = 1;
	int r = 0;

	if (argc > 2)
		r = parse_u64(argv[2], 1, NODES_MAX, &n_nodes, &err);
	if (r == 0 && argc > 3)
		r = parse_u64(argv[3], 1, THREADS_MAX, &n_threads, &err);
	store_config_from_environment(&config);
	if (!config.type || strcmp(config.type, "sqlite") == 0) {
		config.type = "sqlite";
		config.path = path;
		config.must_exist = false;
	}
	if (r == 0)
		r = store_open(&config, &store, &err);
	if (r == 0)
		r = run(&config, store, (unsigned int)n_nodes, (unsigned int)n_threads, &err);
	if (r != 0)
		(void)fprintf(stderr, "bench-ipam: %s\n", err.msg);
	(void)unlink(path);
	for (unsigned int i = 0; i < 2; i++) {
		_cleanup_free_ char *side = xasprintf("%s%s", path, i ? "-wal" : "-shm");

		(void)unlink(side);
	}
	return r == 0 ? 0 : 1;
}
