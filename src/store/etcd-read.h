/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reading many keys page by page, all pages as of one revision. Blocking. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

struct etcd_client;
struct etcd_kv;
struct etcd_range;

struct etcd_pager {
	uint64_t revision; /* 0: the first page decides */
	char *next;	   /* the next page begins here */
	size_t next_size;
	char *end;
	size_t limit; /* keys of a page; less after one that was too large */
	bool done;
};
void etcd_pager_deinit(struct etcd_pager *pager);
CLEANUP_DEINIT(struct etcd_pager, etcd_pager_deinit);

/* Of all keys that begin with 'prefix'. */
void etcd_pager_init(struct etcd_pager *pager, const char *prefix, uint64_t revision);

/* 0: a page, maybe empty. ETCD_E_COMPACTED, ETCD_E_STOPPED. <0: the same page can be asked again.
 */
MUST_CHECK int etcd_pager_read(struct etcd_pager *pager, struct etcd_client *client,
			       struct etcd_range *ret, struct err *err);

/* One key. 0: '*ret' is empty where it is absent. 'revision' 0: the newest. */
MUST_CHECK int etcd_read_key(struct etcd_client *client, const char *key, uint64_t revision,
			     struct etcd_range *ret, struct err *err);

/* False: the key is none of an object. A deleted one gets no value. */
bool etcd_object(const struct etcd_kv *kv, struct store_object *ret);
