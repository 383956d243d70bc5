/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What etcd's JSON gateway answers, as structs. Pure. Numbers of 64 bits are strings in that JSON,
 * members that are zero, empty or false are left out. Members nobody knows are passed over.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ETCD_ANSWER_MAX	 (48u << 20) /* bytes of one answer, and of one message of a watch */
#define ETCD_FAILURE_MAX 256u	     /* bytes of a failure's text that are kept */

struct etcd_kv {
	char *key; /* both NUL-terminated behind their size */
	size_t key_size;
	char *value;
	size_t value_size;
	uint64_t mod_revision;
	bool deleted; /* of an event */
};

struct etcd_range {
	struct etcd_kv *v;
	size_t n;
	bool more;	   /* there are keys behind the last one */
	uint64_t revision; /* of the store, of the header */
	uint64_t cluster_id;
};
void etcd_range_deinit(struct etcd_range *range);
CLEANUP_DEINIT(struct etcd_range, etcd_range_deinit);

struct etcd_txn_answer {
	bool succeeded;
	uint64_t revision;
	struct etcd_range *ranges; /* one per response, empty for what is no range */
	size_t n_ranges;
};
void etcd_txn_answer_deinit(struct etcd_txn_answer *answer);
CLEANUP_DEINIT(struct etcd_txn_answer, etcd_txn_answer_deinit);

struct etcd_failure {
	int64_t code; /* of gRPC */
	char text[ETCD_FAILURE_MAX];
};

struct etcd_watch_answer {
	uint64_t revision;
	uint64_t cluster_id;
	bool created;
	bool canceled;
	uint64_t compact_revision; /* canceled because the history up to here is gone; 0: not so */
	struct etcd_kv *events;
	size_t n_events;
	bool failed;		     /* the stream ends with 'failure' */
	struct etcd_failure failure; /* also why it was canceled */
};
void etcd_watch_answer_deinit(struct etcd_watch_answer *answer);
CLEANUP_DEINIT(struct etcd_watch_answer, etcd_watch_answer_deinit);

/* -EBADMSG: not what etcd answers, 'err' says what was expected. */
MUST_CHECK int etcd_range_parse(const char *text, size_t size, struct etcd_range *ret,
				struct err *err);
MUST_CHECK int etcd_txn_parse(const char *text, size_t size, struct etcd_txn_answer *ret,
			      struct err *err);
MUST_CHECK int etcd_watch_parse(const char *text, size_t size, struct etcd_watch_answer *ret,
				struct err *err);

/* Gives the token in memory that the caller wipes and frees. */
MUST_CHECK int etcd_token_parse(const char *text, size_t size, char **ret, struct err *err);

/* Whatever the text is: what can be said of it. */
void etcd_failure_parse(const char *text, size_t size, struct etcd_failure *ret);
