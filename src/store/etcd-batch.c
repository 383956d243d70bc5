/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A transaction that only reads. What an exchange with etcd costs is the exchange: six ranges in
 * one take little longer than one.
 */

#include "store/etcd-batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "store/etcd-answer.h"
#include "store/etcd-client.h"
#include "store/etcd-request.h"

#define PREFIX_KEYS 500u /* of one prefix; who has more is read page by page */

static void add_range(const struct etcd_batch_item *item, struct buf *out)
{
	_cleanup_free_ char *end = item->is_prefix ? etcd_prefix_end(item->key) : NULL;
	struct etcd_range_request range = {
		.key = item->key,
		.key_size = strlen(item->key),
		.end = end,
		.limit = end ? PREFIX_KEYS : 0,
	};

	buf_adds(out, "{\"request_range\":");
	etcd_request_range(&range, out);
	buf_addc(out, '}');
}

int etcd_batch_read(struct etcd_client *client, const struct etcd_batch_item *items, size_t n,
		    struct etcd_range *ret, struct err *err)
{
	_cleanup_(etcd_txn_answer_deinitp) struct etcd_txn_answer parsed = {.ranges = NULL};
	_cleanup_buf_ struct buf body = BUF_INIT;
	_cleanup_buf_ struct buf answer = BUF_INIT;
	int r;

	assert(n && n <= ETCD_BATCH_MAX);
	buf_adds(&body, "{\"success\":[");
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(&body, ',');
		add_range(&items[i], &body);
	}
	buf_adds(&body, "]}");
	r = etcd_client_call(client, ETCD_READ, "/v3/kv/txn", &body, &answer, err);
	if (r == 0)
		r = etcd_txn_parse(buf_str(&answer), answer.size, &parsed, err);
	if (r)
		return r;
	if (parsed.n_ranges != n)
		return err_set(err, -EBADMSG, "etcd answered %zu of %zu reads", parsed.n_ranges, n);
	for (size_t i = 0; i < n; i++) {
		ret[i] = parsed.ranges[i];
		ret[i].revision = parsed.revision;
		parsed.ranges[i] = (struct etcd_range){.v = NULL};
	}
	return 0;
}
