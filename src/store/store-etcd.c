/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The datastore in etcd, in Calico's layout (store-calico-layout.h): reading and committing;
 * watching is store-etcd-watch.c. A revision is etcd's ModRevision.
 *
 * A commit whose answer was lost is sent again where its guards tell a second time from the first.
 * Then either it is carried out now, or the values show that it had been, or it fails as one whose
 * fate is not known; a conflict is reported only where nothing was written.
 */

#include "store/store-etcd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/model-desc.h"
#include "store/etcd-answer.h"
#include "store/etcd-batch.h"
#include "store/etcd-client.h"
#include "store/etcd-read.h"
#include "store/etcd-txn.h"
#include "store/store-backend.h"
#include "store/store-calico-layout.h"

#define LIST_TRIES 5 /* a list whose revision is compacted while it is read begins anew */
#define READY_KEY  "/calico/ipam/v2/config"

struct etcd_store {
	struct store store;
	struct etcd_client *client;
};

static struct etcd_client *client_of(struct store *store)
{
	return CONTAINER_OF(store, struct etcd_store, store)->client;
}

static void etcd_close(struct store *store)
{
	etcd_client_free(client_of(store));
	free(CONTAINER_OF(store, struct etcd_store, store));
}

/* Outcomes of a client that make no sense where they came from. */
static int unexpected(struct etcd_client *client, int outcome, struct err *err)
{
	return err_set(err, -EIO, "etcd at %.128s: unexpected answer (%d)",
		       etcd_client_endpoint(client), outcome);
}

static int etcd_open(const struct store_config *config, struct store **ret, struct err *err)
{
	_cleanup_(etcd_client_freep) struct etcd_client *client = NULL;
	_cleanup_(etcd_range_deinitp) struct etcd_range range = {.v = NULL};
	struct etcd_store *store;
	int r = etcd_client_new(config, &client, err);

	if (r < 0)
		return r;
	r = etcd_read_key(client, READY_KEY, 0, &range, err);
	if (r)
		return r < 0 ? r : unexpected(client, r, err);
	store = XNEW(struct etcd_store);
	store->store.backend = &store_backend_etcd;
	store->client = TAKE_PTR(client);
	*ret = &store->store;
	return 0;
}

/* --- Reading --------------------------------------------------------------------------------- */

/* 0, STORE_E_NOT_FOUND, <0 */
static int get_key(struct etcd_client *client, const struct calico_place *place,
		   struct store_object *ret, struct err *err)
{
	_cleanup_(etcd_range_deinitp) struct etcd_range range = {.v = NULL};
	_cleanup_free_ char *key = calico_key(place);
	int r = etcd_read_key(client, key, 0, &range, err);

	if (r)
		return r < 0 ? r : unexpected(client, r, err);
	return range.n && etcd_object(&range.v[0], ret) ? 0 : STORE_E_NOT_FOUND;
}

static int compare_objects(const void *a, const void *b)
{
	const struct store_object *left = a;
	const struct store_object *right = b;
	int order = strcmp(left->namespace ? left->namespace : "",
			   right->namespace ? right->namespace : "");

	return order ? order : strcmp(left->name, right->name);
}

/* Appends a page's objects of the kind. 'name' NULL: all. */
static void add_objects(const struct etcd_range *range, enum kind kind, const char *name,
			struct store_list *list)
{
	for (size_t i = 0; i < range->n; i++) {
		struct store_object object = {.name = NULL};

		if (!etcd_object(&range->v[i], &object))
			continue;
		if (object.kind == kind && (!name || strcmp(object.name, name) == 0))
			*ARRAY_ADD(list->v, list->n) = object;
		else
			store_object_deinit(&object);
	}
}

static int list_prefix(struct etcd_client *client, const char *prefix, enum kind kind,
		       const char *name, struct store_list *list, struct err *err)
{
	_cleanup_(etcd_pager_deinitp) struct etcd_pager pager = {.done = true};

	etcd_pager_init(&pager, prefix, list->revision);
	while (!pager.done) {
		_cleanup_(etcd_range_deinitp) struct etcd_range range = {.v = NULL};
		int r = etcd_pager_read(&pager, client, &range, err);

		if (r)
			return r;
		list->revision = pager.revision;
		add_objects(&range, kind, name, list);
	}
	return 0;
}

static int list_once(struct etcd_client *client, enum kind kind, const char *namespace,
		     const char *name, struct store_list *ret, struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	char *prefixes[CALICO_PREFIXES_MAX] = {NULL};
	size_t n = calico_prefixes(kind, namespace, prefixes);
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = list_prefix(client, prefixes[i], kind, name, &list, err);
		free(prefixes[i]);
	}
	if (r)
		return r;
	if (list.n)
		qsort(list.v, list.n, sizeof(*list.v), compare_objects);
	*ret = list;
	list = (struct store_list){.v = NULL};
	return 0;
}

static int list_all(struct etcd_client *client, enum kind kind, const char *namespace,
		    const char *name, struct store_list *ret, struct err *err)
{
	int r = ETCD_E_COMPACTED;

	for (int i = 0; i < LIST_TRIES && r == ETCD_E_COMPACTED; i++)
		r = list_once(client, kind, namespace, name, ret, err);
	return r <= 0 ? r : unexpected(client, r, err);
}

static int etcd_list(struct store *store, enum kind kind, const char *namespace,
		     struct store_list *ret, struct err *err)
{
	return list_all(client_of(store), kind, namespace, NULL, ret, err);
}

/* Takes the place of the affinity of that name from a list. 0, STORE_E_NOT_FOUND, <0 */
static int find_in_list(struct etcd_client *client, const char *name, struct store_object *ret,
			struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	int r = list_all(client, KIND_BLOCK_AFFINITY, NULL, name, &list, err);

	if (r < 0)
		return r;
	if (!list.n)
		return STORE_E_NOT_FOUND;
	*ret = list.v[0];
	list.v[0] = (struct store_object){.name = NULL};
	return 0;
}

static int get_affinity(struct etcd_client *client, const char *name, struct store_object *ret,
			struct err *err)
{
	struct calico_place places[CALICO_CANDIDATES_MAX];
	bool hashed;
	size_t n = calico_affinity_candidates(name, places, &hashed);
	int r = STORE_E_NOT_FOUND;

	for (size_t i = 0; i < n; i++) {
		struct store_object object = {.name = NULL};

		if (r == STORE_E_NOT_FOUND)
			r = get_key(client, &places[i], &object, err);
		/* A name that was cut may look like that of another owner. */
		if (object.name && strcmp(object.name, name) != 0) {
			store_object_deinit(&object);
			r = STORE_E_NOT_FOUND;
		}
		if (object.name)
			*ret = object;
		calico_place_deinit(&places[i]);
	}
	return r == STORE_E_NOT_FOUND && hashed ? find_in_list(client, name, ret, err) : r;
}

static int etcd_get(struct store *store, enum kind kind, const char *namespace, const char *name,
		    struct store_object *ret, struct err *err)
{
	_cleanup_(calico_place_deinitp) struct calico_place place = {.name = NULL};

	if (kind == KIND_BLOCK_AFFINITY)
		return get_affinity(client_of(store), name, ret, err);
	/* What can't be stored under such a name is not there. */
	if (calico_place_from_name(kind, namespace, name, NULL, 0, &place, NULL) < 0)
		return STORE_E_NOT_FOUND;
	return get_key(client_of(store), &place, ret, err);
}

/* --- Several at once ------------------------------------------------------------------------- */

/* What queries come to: ranges, and whose each of them is. */
struct batch {
	struct etcd_batch_item *items;
	size_t *query_of;
	size_t n;
	bool *alone; /* queries to be read one by one */
};

static void batch_deinit(struct batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		free(batch->items[i].key);
	free(batch->items);
	free(batch->query_of);
	free(batch->alone);
}
CLEANUP_DEINIT(struct batch, batch_deinit);

static void batch_add(struct batch *batch, size_t query, char *key, bool is_prefix)
{
	size_t n = batch->n;

	*ARRAY_ADD(batch->query_of, n) = query;
	*ARRAY_ADD(batch->items, batch->n) =
		(struct etcd_batch_item){.key = key, .is_prefix = is_prefix};
}

static void batch_add_query(struct batch *batch, size_t i, const struct store_query *query)
{
	_cleanup_(calico_place_deinitp) struct calico_place place = {.name = NULL};
	char *prefixes[CALICO_PREFIXES_MAX] = {NULL};
	size_t n;

	if (!query->name) {
		n = calico_prefixes(query->kind, query->namespace, prefixes);
		for (size_t j = 0; j < n; j++)
			batch_add(batch, i, prefixes[j], true);
		return;
	}
	if (query->kind == KIND_BLOCK_AFFINITY)
		batch->alone[i] = true;
	else if (calico_place_from_name(query->kind, query->namespace, query->name, NULL, 0, &place,
					NULL) == 0)
		batch_add(batch, i, calico_key(&place), false);
}

/* A slice of the batch. What comes back as too large or too long is left to be read alone. */
static int batch_read_slice(struct etcd_client *client, struct batch *batch, size_t first, size_t n,
			    const struct store_query *queries, struct store_list *ret,
			    struct err *err)
{
	struct etcd_range ranges[ETCD_BATCH_MAX] = {0};
	int r = etcd_batch_read(client, batch->items + first, n, ranges, err);

	for (size_t i = 0; i < n; i++) {
		size_t query = batch->query_of[first + i];

		if (r || ranges[i].more)
			batch->alone[query] = true;
		ret[query].revision = ranges[i].revision;
		add_objects(&ranges[i], queries[query].kind, queries[query].name, &ret[query]);
		etcd_range_deinit(&ranges[i]);
	}
	if (r == ETCD_E_TOO_LARGE || r == -E2BIG)
		return 0;
	return r <= 0 ? r : unexpected(client, r, err);
}

static int read_alone(struct store *store, const struct store_query *query, struct store_list *ret,
		      struct err *err)
{
	struct store_object object = {.name = NULL};
	int r;

	store_list_deinit(ret);
	if (!query->name)
		return etcd_list(store, query->kind, query->namespace, ret, err);
	r = etcd_get(store, query->kind, query->namespace, query->name, &object, err);
	if (r == 0)
		*ARRAY_ADD(ret->v, ret->n) = object;
	return r < 0 ? r : 0;
}

static int etcd_read(struct store *store, const struct store_query *queries, size_t n,
		     struct store_list *ret, struct err *err)
{
	_cleanup_(batch_deinitp) struct batch batch = {.alone = xcalloc(n + 1, sizeof(bool))};
	int r = 0;

	for (size_t i = 0; i < n; i++)
		batch_add_query(&batch, i, &queries[i]);
	for (size_t i = 0; i < batch.n && r == 0; i += ETCD_BATCH_MAX)
		r = batch_read_slice(client_of(store), &batch, i,
				     MIN(batch.n - i, (size_t)ETCD_BATCH_MAX), queries, ret, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (batch.alone[i])
			r = read_alone(store, &queries[i], &ret[i], err);
		else if (ret[i].n)
			qsort(ret[i].v, ret[i].n, sizeof(*ret[i].v), compare_objects);
	}
	for (size_t i = 0; i < n && r != 0; i++)
		store_list_deinit(&ret[i]);
	return r;
}

/* --- Committing ------------------------------------------------------------------------------ */

/* The place an operation is about. That of an affinity without a text is looked up. */
static int op_place(struct etcd_client *client, const struct store_op *op, struct calico_place *ret,
		    struct err *err)
{
	_cleanup_(store_object_deinitp) struct store_object object = {.name = NULL};
	bool has_text =
		op->type == STORE_CREATE || op->type == STORE_UPDATE || op->type == STORE_PUT;
	int r;

	if (op->kind == KIND_BLOCK_AFFINITY && !has_text) {
		r = get_affinity(client, op->name, &object, err);
		if (r < 0)
			return r;
	}
	return calico_place_from_name(op->kind, op->namespace, op->name,
				      has_text ? op->value : object.value,
				      has_text ? op->size : object.size, ret, err);
}

static int txn_call(struct etcd_client *client, const struct etcd_txn *txn, bool values,
		    struct etcd_txn_answer *ret, struct err *err)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	_cleanup_buf_ struct buf answer = BUF_INIT;
	int r;

	etcd_txn_request(txn, values, &body);
	r = etcd_client_call(client, ETCD_WRITE, "/v3/kv/txn", &body, &answer, err);
	return r ? r : etcd_txn_parse(buf_str(&answer), answer.size, ret, err);
}

static int fate_unknown(const char *why, struct err *err)
{
	/* 'why' may be the message of 'err' itself. */
	_cleanup_free_ char *copy = xstrdup(why);

	return err_set(err, -EIO, "%.700s (whether the change was written is not known)", copy);
}

/* The answer was lost: finds out what happened, by trying again. */
static int commit_again(struct etcd_client *client, const struct etcd_txn *txn,
			uint64_t *ret_revision, struct err *err)
{
	_cleanup_(etcd_txn_answer_deinitp) struct etcd_txn_answer answer = {.ranges = NULL};
	struct err why = ERR_INIT;
	int r;

	if (!etcd_txn_is_repeatable(txn))
		return fate_unknown(err ? err->msg : "", err);
	r = txn_call(client, txn, true, &answer, &why);
	if (r < 0)
		return fate_unknown(why.msg, err);
	if (r)
		return fate_unknown(err ? err->msg : "", err);
	if (answer.succeeded) {
		*ret_revision = answer.revision;
		return 0;
	}
	return etcd_txn_was_done(txn, &answer, ret_revision)
		       ? 0
		       : fate_unknown("etcd's answer was lost, and the objects have changed since",
				      err);
}

static int commit_txn(struct etcd_client *client, const struct etcd_txn *txn,
		      uint64_t *ret_revision, size_t *ret_failed, struct err *err)
{
	_cleanup_(etcd_txn_answer_deinitp) struct etcd_txn_answer answer = {.ranges = NULL};
	struct err why = ERR_INIT;
	int r = txn_call(client, txn, false, &answer, &why);

	if (r < 0 || r == ETCD_E_UNKNOWN)
		(void)err_set(err, 0, "%s", why.msg);
	if (r == ETCD_E_UNKNOWN)
		return commit_again(client, txn, ret_revision, err);
	if (r)
		return r < 0 ? r : unexpected(client, r, err);
	if (!answer.succeeded)
		return etcd_txn_judge(txn, &answer, ret_failed, err);
	*ret_revision = answer.revision;
	return 0;
}

static int etcd_commit(struct store *store, const struct store_op *ops, size_t n,
		       uint64_t *ret_revision, size_t *ret_failed, struct err *err)
{
	_cleanup_(etcd_txn_deinitp) struct etcd_txn txn = {.ops = NULL};
	_cleanup_free_ struct calico_place *places = xcalloc(n + 1, sizeof(*places));
	struct etcd_client *client = client_of(store);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (ops[i].name)
			r = op_place(client, &ops[i], &places[i], err);
	}
	if (r == 0)
		r = etcd_txn_plan(ops, places, n, &txn, ret_failed, err);
	if (r == 0)
		r = commit_txn(client, &txn, ret_revision, ret_failed, err);
	for (size_t i = 0; i < n; i++)
		calico_place_deinit(&places[i]);
	return r;
}

const struct store_backend store_backend_etcd = {
	.type = "etcdv3",
	.transaction_max = ETCD_BATCH_MAX,
	.open = etcd_open,
	.close = etcd_close,
	.get = etcd_get,
	.list = etcd_list,
	.read = etcd_read,
	.commit = etcd_commit,
	.watch_open = etcd_watch_open,
	.watch_close = etcd_watch_close,
	.watch_fd = etcd_watch_fd,
	.watch_next = etcd_watch_next,
};
