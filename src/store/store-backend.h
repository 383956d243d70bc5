/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a backend gives to store.c, which has checked names, sizes and operations before it calls.
 * Backends embed 'struct store' and 'struct store_watch' as the first member of their own handles.
 * The contract of each call is that of the function of the same name in store.h.
 */

#include "store/store.h"

struct store_backend {
	const char *type; /* as in store_config */
	size_t transaction_max;

	int (*open)(const struct store_config *config, struct store **ret, struct err *err);
	void (*close)(struct store *store);
	int (*get)(struct store *store, enum kind kind, const char *namespace, const char *name,
		   struct store_object *ret, struct err *err);
	int (*list)(struct store *store, enum kind kind, const char *namespace,
		    struct store_list *ret, struct err *err);
	/* NULL: query by query. 'ret' is empty, and stays so after a failure. */
	int (*read)(struct store *store, const struct store_query *queries, size_t n,
		    struct store_list *ret, struct err *err);
	int (*commit)(struct store *store, const struct store_op *ops, size_t n,
		      uint64_t *ret_revision, size_t *ret_failed, struct err *err);
	void (*settle)(struct store *store); /* NULL: nothing to do */

	int (*watch_open)(const struct store_config *config, uint64_t kinds, uint64_t revision,
			  struct store_watch **ret, struct err *err);
	void (*watch_close)(struct store_watch *watch);
	int (*watch_fd)(struct store_watch *watch);
	int (*watch_next)(struct store_watch *watch, struct store_event *ret, struct err *err);
};

struct store {
	const struct store_backend *backend;
	bool settle_later;
};

struct store_watch {
	const struct store_backend *backend;
};

extern const struct store_backend store_backend_sqlite;
extern const struct store_backend store_backend_etcd;

/* Does it write a value, rather than delete or nothing? */
bool store_op_has_value(enum store_op_type type);
