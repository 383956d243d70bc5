/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A commit as one transaction of etcd, which takes each key once, checks first and writes then.
 * Pure. Several operations on one object are folded into the guard of the first and the value of
 * the last; whether those in between hold is known without asking.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

struct buf;
struct calico_place;
struct etcd_txn_answer;

enum etcd_guard {
	ETCD_GUARD_NONE,
	ETCD_GUARD_ABSENT,
	ETCD_GUARD_PRESENT,
	ETCD_GUARD_AT,	       /* at a revision */
	ETCD_GUARD_NONE_NEWER, /* of all keys up to 'end', none above a revision */
};

struct etcd_txn_key {
	char *key;
	char *end;			  /* of a range that is only guarded; NULL: one key */
	const struct calico_place *place; /* borrowed, as are the operations */
	enum etcd_guard guard;
	uint64_t revision;
	bool written;
	const struct store_op *put; /* what is to be there afterwards; NULL: nothing */
	char *value;		    /* as it is stored */
	size_t value_size;
};

struct etcd_txn {
	const struct store_op *ops;
	size_t n_ops;
	size_t *key_of_op;
	struct etcd_txn_key *keys;
	size_t n_keys;
};
void etcd_txn_deinit(struct etcd_txn *txn);
CLEANUP_DEINIT(struct etcd_txn, etcd_txn_deinit);

/*
 * 0: '*ret' for the caller to deinit. STORE_E_*: an operation contradicts one before it,
 * '*ret_failed' is its index. <0: a value can't be stored.
 */
MUST_CHECK int etcd_txn_plan(const struct store_op *ops, const struct calico_place *places,
			     size_t n, struct etcd_txn *ret, size_t *ret_failed, struct err *err);

/* Appends the request. Where a guard fails, it asks for all keys, 'values': with their values. */
void etcd_txn_request(const struct etcd_txn *txn, bool values, struct buf *out);

/*
 * Which operation did not hold, by an answer that did not succeed. STORE_E_*, or -EBADMSG where
 * the answer does not fit the request.
 */
MUST_CHECK int etcd_txn_judge(const struct etcd_txn *txn, const struct etcd_txn_answer *answer,
			      size_t *ret_failed, struct err *err);

/*
 * For a transaction that is sent again because its first answer was lost: can the second be told
 * from the first (some key that is written is guarded), and do the values of an answer that did not
 * succeed show that the first was carried out, at '*ret_revision'?
 */
bool etcd_txn_is_repeatable(const struct etcd_txn *txn);
bool etcd_txn_was_done(const struct etcd_txn *txn, const struct etcd_txn_answer *answer,
		       uint64_t *ret_revision);
