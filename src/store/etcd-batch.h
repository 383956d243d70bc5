/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reading several keys and prefixes by one request, as of one revision. Blocking. */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct etcd_client;
struct etcd_range;

#define ETCD_BATCH_MAX 128u /* operations of a transaction, unless etcd is told otherwise */

struct etcd_batch_item {
	char *key; /* owned */
	bool is_prefix;
};

/*
 * 0: 'ret[i]' for the caller to deinit; one with more behind it is only a beginning. ETCD_E_*; <0,
 * -E2BIG among them: this etcd takes fewer at once. At most ETCD_BATCH_MAX.
 */
MUST_CHECK int etcd_batch_read(struct etcd_client *client, const struct etcd_batch_item *items,
			       size_t n, struct etcd_range *ret, struct err *err);
