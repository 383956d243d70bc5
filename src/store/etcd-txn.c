/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Folding of operations. Until a key is written, its operations are conditions on what is stored
 * (the guard); from then on its state is what the last operation left, and its revision the one
 * the transaction will get, which no caller can know.
 */

#include "store/etcd-txn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "store/etcd-answer.h"
#include "store/etcd-request.h"
#include "store/store-backend.h"
#include "store/store-calico-layout.h"

void etcd_txn_deinit(struct etcd_txn *txn)
{
	for (size_t i = 0; i < txn->n_keys; i++) {
		free(txn->keys[i].key);
		free(txn->keys[i].end);
		free(txn->keys[i].value);
	}
	free(txn->keys);
	free(txn->key_of_op);
	*txn = (struct etcd_txn){.ops = NULL};
}

/* What is known of an object when an operation comes to it. */
struct found {
	bool gone;
	uint64_t revision; /* 0: one that nobody knows yet */
};

static int check_at(const struct store_op *op, const struct found *found)
{
	return !found->gone && found->revision == op->revision ? 0 : STORE_E_CONFLICT;
}

static int check_op(const struct store_op *op, const struct found *found)
{
	switch (op->type) {
	case STORE_CREATE:
		return found->gone ? 0 : STORE_E_EXISTS;
	case STORE_PUT:
	case STORE_REMOVE:
		return 0;
	case STORE_UPDATE:
	case STORE_DELETE:
		if (op->revision)
			return check_at(op, found);
		return found->gone ? STORE_E_NOT_FOUND : 0;
	case STORE_EXPECT:
		if (op->revision)
			return check_at(op, found);
		return found->gone ? 0 : STORE_E_CONFLICT;
	case STORE_EXPECT_NONE_NEWER:
		return found->gone ? 0 : STORE_E_CONFLICT;
	}
	abort();
}

static enum etcd_guard guard_of(const struct store_op *op)
{
	switch (op->type) {
	case STORE_CREATE:
		return ETCD_GUARD_ABSENT;
	case STORE_PUT:
	case STORE_REMOVE:
		return ETCD_GUARD_NONE;
	case STORE_UPDATE:
	case STORE_DELETE:
		return op->revision ? ETCD_GUARD_AT : ETCD_GUARD_PRESENT;
	case STORE_EXPECT:
		return op->revision ? ETCD_GUARD_AT : ETCD_GUARD_ABSENT;
	case STORE_EXPECT_NONE_NEWER:
		return ETCD_GUARD_NONE_NEWER;
	}
	abort();
}

static int fold(struct etcd_txn_key *key, const struct store_op *op)
{
	struct found found = {.gone = !key->put};
	int r = 0;

	if (!key->written && key->guard == ETCD_GUARD_NONE) {
		key->guard = guard_of(op);
		key->revision = op->revision;
	} else {
		/* Of a key that is only guarded, the guard says what is there. */
		if (!key->written) {
			found.gone = key->guard == ETCD_GUARD_ABSENT;
			found.revision = key->revision;
		}
		r = check_op(op, &found);
	}
	if (r || op->type == STORE_EXPECT)
		return r;
	key->written = true;
	key->put = store_op_has_value(op->type) ? op : NULL;
	return 0;
}

static size_t key_index(struct etcd_txn *txn, const struct calico_place *place)
{
	char *text = calico_key(place);
	struct etcd_txn_key *key;

	for (size_t i = 0; i < txn->n_keys; i++) {
		if (strcmp(txn->keys[i].key, text) == 0) {
			free(text);
			return i;
		}
	}
	key = ARRAY_ADD(txn->keys, txn->n_keys);
	key->key = text;
	key->place = place;
	return txn->n_keys - 1;
}

/* A guard of its own for each. */
static size_t add_range_guard(struct etcd_txn *txn, const struct store_op *op)
{
	char *prefixes[CALICO_PREFIXES_MAX] = {NULL};
	size_t n = calico_prefixes(op->kind, NULL, prefixes);

	assert(n == 1);
	*ARRAY_ADD(txn->keys, txn->n_keys) = (struct etcd_txn_key){
		.key = prefixes[0],
		.end = etcd_prefix_end(prefixes[0]),
		.guard = ETCD_GUARD_NONE_NEWER,
		.revision = op->revision,
	};
	return txn->n_keys - 1;
}

static int store_values(struct etcd_txn *txn, struct err *err)
{
	for (size_t i = 0; i < txn->n_keys; i++) {
		struct etcd_txn_key *key = &txn->keys[i];
		_cleanup_buf_ struct buf value = BUF_INIT;
		int r;

		if (!key->put)
			continue;
		r = calico_value_store(key->place, key->put->value, key->put->size, &value, err);
		if (r < 0)
			return r;
		key->value_size = value.size;
		key->value = buf_take(&value);
	}
	return 0;
}

int etcd_txn_plan(const struct store_op *ops, const struct calico_place *places, size_t n,
		  struct etcd_txn *ret, size_t *ret_failed, struct err *err)
{
	_cleanup_(etcd_txn_deinitp) struct etcd_txn txn = {.ops = ops, .n_ops = n};
	int r;

	txn.key_of_op = xcalloc(n + 1, sizeof(*txn.key_of_op));
	for (size_t i = 0; i < n; i++) {
		if (ops[i].type == STORE_EXPECT_NONE_NEWER) {
			txn.key_of_op[i] = add_range_guard(&txn, &ops[i]);
			continue;
		}
		txn.key_of_op[i] = key_index(&txn, &places[i]);
		r = fold(&txn.keys[txn.key_of_op[i]], &ops[i]);
		if (r) {
			*ret_failed = i;
			return r;
		}
	}
	r = store_values(&txn, err);
	if (r < 0)
		return r;
	*ret = txn;
	txn = (struct etcd_txn){.ops = NULL};
	return 0;
}

/* --- The request ----------------------------------------------------------------------------- */

static void add_comma(bool *first, struct buf *out)
{
	if (!*first)
		buf_addc(out, ',');
	*first = false;
}

static void add_guard(const struct etcd_txn_key *key, struct buf *out)
{
	buf_addc(out, '{');
	etcd_request_member("key", key->key, strlen(key->key), out);
	if (key->end) {
		buf_addc(out, ',');
		etcd_request_member("range_end", key->end, strlen(key->end), out);
		buf_addf(out,
			 ",\"target\":\"MOD\",\"result\":\"LESS\","
			 "\"mod_revision\":\"%" PRIu64 "\"}",
			 key->revision + 1);
		return;
	}
	if (key->guard == ETCD_GUARD_AT)
		buf_addf(out,
			 ",\"target\":\"MOD\",\"result\":\"EQUAL\","
			 "\"mod_revision\":\"%" PRIu64 "\"}",
			 key->revision);
	else
		buf_addf(out, ",\"target\":\"VERSION\",\"result\":\"%s\",\"version\":\"0\"}",
			 key->guard == ETCD_GUARD_ABSENT ? "EQUAL" : "GREATER");
}

static void add_write(const struct etcd_txn_key *key, struct buf *out)
{
	buf_adds(out, key->put ? "{\"request_put\":{" : "{\"request_delete_range\":{");
	etcd_request_member("key", key->key, strlen(key->key), out);
	if (key->put) {
		buf_addc(out, ',');
		etcd_request_member("value", key->value, key->value_size, out);
	}
	buf_adds(out, "}}");
}

/* A key that was not there and is not to be there has nothing to be written. */
static bool is_written(const struct etcd_txn_key *key)
{
	return key->written && (key->put || key->guard != ETCD_GUARD_ABSENT);
}

void etcd_txn_request(const struct etcd_txn *txn, bool values, struct buf *out)
{
	bool first = true;

	buf_adds(out, "{\"compare\":[");
	for (size_t i = 0; i < txn->n_keys; i++) {
		if (txn->keys[i].guard == ETCD_GUARD_NONE)
			continue;
		add_comma(&first, out);
		add_guard(&txn->keys[i], out);
	}
	buf_adds(out, "],\"success\":[");
	first = true;
	for (size_t i = 0; i < txn->n_keys; i++) {
		if (!is_written(&txn->keys[i]))
			continue;
		add_comma(&first, out);
		add_write(&txn->keys[i], out);
	}
	buf_adds(out, "],\"failure\":[");
	first = true;
	for (size_t i = 0; i < txn->n_keys; i++) {
		const struct etcd_txn_key *key = &txn->keys[i];
		struct etcd_range_request range = {.key = key->key,
						   .key_size = strlen(key->key),
						   .end = key->end,
						   .limit = key->end ? 1 : 0,
						   .min_mod_revision =
							   key->end ? key->revision + 1 : 0,
						   .keys_only = !values};

		add_comma(&first, out);
		buf_adds(out, "{\"request_range\":");
		etcd_request_range(&range, out);
		buf_addc(out, '}');
	}
	buf_adds(out, "]}");
}

/* --- The answer ------------------------------------------------------------------------------ */

int etcd_txn_judge(const struct etcd_txn *txn, const struct etcd_txn_answer *answer,
		   size_t *ret_failed, struct err *err)
{
	_cleanup_free_ bool *written = xcalloc(txn->n_keys + 1, sizeof(*written));

	for (size_t i = 0; i < txn->n_ops && answer->n_ranges == txn->n_keys; i++) {
		size_t k = txn->key_of_op[i];
		const struct etcd_range *range = &answer->ranges[k];
		struct found found = {.gone = range->n == 0};
		int r;

		if (written[k])
			continue;
		if (!found.gone)
			found.revision = range->v[0].mod_revision;
		r = check_op(&txn->ops[i], &found);
		if (r) {
			*ret_failed = i;
			return r;
		}
		written[k] = txn->keys[k].written && txn->ops[i].type != STORE_EXPECT;
	}
	return err_set(err, -EBADMSG,
		       "etcd refused a transaction whose conditions hold; nothing was written");
}

bool etcd_txn_is_repeatable(const struct etcd_txn *txn)
{
	for (size_t i = 0; i < txn->n_keys; i++) {
		if (is_written(&txn->keys[i]) && txn->keys[i].guard != ETCD_GUARD_NONE &&
		    !(txn->keys[i].guard == ETCD_GUARD_PRESENT && txn->keys[i].put))
			return true;
	}
	return false;
}

static bool holds_ours(const struct etcd_txn_key *key, const struct etcd_range *range)
{
	if (!key->put)
		return range->n == 0;
	return range->n == 1 && range->v[0].value_size == key->value_size &&
	       memcmp(range->v[0].value, key->value, key->value_size) == 0;
}

bool etcd_txn_was_done(const struct etcd_txn *txn, const struct etcd_txn_answer *answer,
		       uint64_t *ret_revision)
{
	uint64_t revision = 0;

	if (answer->n_ranges != txn->n_keys)
		return false;
	for (size_t i = 0; i < txn->n_keys; i++) {
		const struct etcd_txn_key *key = &txn->keys[i];

		if (!is_written(key))
			continue;
		if (!holds_ours(key, &answer->ranges[i]))
			return false;
		if (!key->put)
			continue;
		if (revision && answer->ranges[i].v[0].mod_revision != revision)
			return false;
		revision = answer->ranges[i].v[0].mod_revision;
		/* What was there before is not what we wrote, even if it is the same. */
		if (key->guard == ETCD_GUARD_AT && revision == key->revision)
			return false;
	}
	*ret_revision = revision ? revision : answer->revision;
	return true;
}
