/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The datastore interface: checks what every backend would have to check (lengths, operations) and
 * hands on to the backend of the handle.
 */

#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "model/model-desc.h"
#include "store/store-backend.h"

#define DEFAULT_TYPE "sqlite"
#define DEFAULT_PATH "/var/lib/korat/korat.db"

static const struct store_backend *const backends[] = {
	&store_backend_sqlite,
	&store_backend_etcd,
};

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

/* Calico's variables: the longer name counts more. */
static const char *calico_environment(const char *name, const char *otherwise)
{
	_cleanup_free_ char *longer = xasprintf("CALICO_%s", name);

	return environment(longer, environment(name, otherwise));
}

void store_config_from_environment(struct store_config *config)
{
	const char *password = calico_environment("ETCD_PASSWORD", NULL);

	*config = (struct store_config){
		.type = calico_environment("DATASTORE_TYPE", DEFAULT_TYPE),
		.path = environment("KORAT_SQLITE_FILE", DEFAULT_PATH),
		.etcd_endpoints = calico_environment("ETCD_ENDPOINTS", NULL),
		.etcd_discovery_srv = calico_environment("ETCD_DISCOVERY_SRV", NULL),
		.etcd_ca_file = calico_environment("ETCD_CA_CERT_FILE", NULL),
		.etcd_cert_file = calico_environment("ETCD_CERT_FILE", NULL),
		.etcd_key_file = calico_environment("ETCD_KEY_FILE", NULL),
		.etcd_user = calico_environment("ETCD_USERNAME", NULL),
		.etcd_password = password ? secret_new(password, strlen(password)) : NULL,
	};
}

void store_config_deinit(struct store_config *config)
{
	secret_free(config->etcd_password);
	*config = (struct store_config){.type = NULL};
}

/* NULL: there is none of that type, 'err' says so. */
static const struct store_backend *backend_find(const struct store_config *config, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		if (config->type && strcmp(config->type, backends[i]->type) == 0)
			return backends[i];
	}
	(void)err_set(
		err, -EINVAL,
		"there is no datastore of type \"%.64s\"; set DATASTORE_TYPE to sqlite or etcdv3",
		config->type ? config->type : "");
	return NULL;
}

int store_open(const struct store_config *config, struct store **ret, struct err *err)
{
	const struct store_backend *backend = backend_find(config, err);
	int r = backend ? backend->open(config, ret, err) : -EINVAL;

	if (r == 0)
		(*ret)->settle_later = config->settle_later;
	return r;
}

bool store_op_has_value(enum store_op_type type)
{
	switch (type) {
	case STORE_CREATE:
	case STORE_UPDATE:
	case STORE_PUT:
		return true;
	case STORE_DELETE:
	case STORE_REMOVE:
	case STORE_EXPECT:
	case STORE_EXPECT_NONE_NEWER:
		return false;
	}
	abort();
}

struct store *store_close(struct store *store)
{
	if (store)
		store->backend->close(store);
	return NULL;
}

void store_object_deinit(struct store_object *object)
{
	free(object->namespace);
	free(object->name);
	free(object->value);
	*object = (struct store_object){0};
}

void store_list_deinit(struct store_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		store_object_deinit(&list->v[i]);
	free(list->v);
	*list = (struct store_list){0};
}

void store_event_deinit(struct store_event *event)
{
	store_object_deinit(&event->object);
}

static int key_check(enum kind kind, const char *namespace, const char *name, struct err *err)
{
	assert(kind > 0 && kind < KIND_COUNT_);
	if (name && !*name)
		return err_set(err, -EINVAL, "%s: the name is empty", kind_get(kind)->name);
	if (name && strnlen(name, STORE_NAME_MAX + 1) > STORE_NAME_MAX)
		return err_set(err, -ENAMETOOLONG, "%s %.64s...: the name is longer than %u bytes",
			       kind_get(kind)->name, name, STORE_NAME_MAX);
	if (namespace && strnlen(namespace, STORE_NAME_MAX + 1) > STORE_NAME_MAX)
		return err_set(err, -ENAMETOOLONG, "%s: namespace %.64s... is longer than %u bytes",
			       kind_get(kind)->name, namespace, STORE_NAME_MAX);
	return 0;
}

int store_get(struct store *store, enum kind kind, const char *namespace, const char *name,
	      struct store_object *ret, struct err *err)
{
	int r = key_check(kind, namespace, name, err);

	return r < 0 ? r : store->backend->get(store, kind, namespace, name, ret, err);
}

int store_list(struct store *store, enum kind kind, const char *namespace, struct store_list *ret,
	       struct err *err)
{
	int r = key_check(kind, namespace, NULL, err);

	return r < 0 ? r : store->backend->list(store, kind, namespace, ret, err);
}

static int read_one(struct store *store, const struct store_query *query, struct store_list *ret,
		    struct err *err)
{
	struct store_object object = {.name = NULL};
	int r;

	if (!query->name)
		return store->backend->list(store, query->kind, query->namespace, ret, err);
	r = store->backend->get(store, query->kind, query->namespace, query->name, &object, err);
	if (r == 0)
		*ARRAY_ADD(ret->v, ret->n) = object;
	return r < 0 ? r : 0;
}

int store_read(struct store *store, const struct store_query *queries, size_t n,
	       struct store_list *ret, struct err *err)
{
	int r = 0;

	if (!n)
		return 0;
	memset(ret, 0, n * sizeof(*ret));
	for (size_t i = 0; i < n && r == 0; i++)
		r = key_check(queries[i].kind, queries[i].namespace, queries[i].name, err);
	if (r == 0 && store->backend->read)
		return store->backend->read(store, queries, n, ret, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = read_one(store, &queries[i], &ret[i], err);
	for (size_t i = 0; i < n && r != 0; i++)
		store_list_deinit(&ret[i]);
	return r;
}

static int op_check(const struct store_op *op, struct err *err)
{
	int r;

	assert((op->type == STORE_EXPECT_NONE_NEWER) == !op->name);
	assert(op->name || op->kind != KIND_BLOCK_AFFINITY);
	r = key_check(op->kind, op->namespace, op->name, err);
	if (r < 0 || !store_op_has_value(op->type))
		return r;
	assert(op->value);
	if (op->size > STORE_VALUE_MAX)
		return err_set(err, -EFBIG, "%s %.64s has %zu bytes; the datastore takes %u",
			       kind_get(op->kind)->name, op->name, op->size, STORE_VALUE_MAX);
	return 0;
}

int store_commit(struct store *store, const struct store_op *ops, size_t n, uint64_t *ret_revision,
		 size_t *ret_failed, struct err *err)
{
	uint64_t revision;
	size_t failed;
	int r;

	if (n > STORE_TRANSACTION_MAX)
		return err_set(err, -E2BIG,
			       "a transaction of %zu operations; the datastore takes %u", n,
			       STORE_TRANSACTION_MAX);
	for (size_t i = 0; i < n; i++) {
		r = op_check(&ops[i], err);
		if (r < 0)
			return r;
	}
	r = store->backend->commit(store, ops, n, ret_revision ? ret_revision : &revision,
				   ret_failed ? ret_failed : &failed, err);
	if (r == 0 && !store->settle_later)
		store_settle(store);
	return r;
}

void store_settle(struct store *store)
{
	if (store->backend->settle)
		store->backend->settle(store);
}

size_t store_transaction_max(const struct store *store)
{
	return store->backend->transaction_max;
}

int store_watch_open(const struct store_config *config, uint64_t kinds, uint64_t revision,
		     struct store_watch **ret, struct err *err)
{
	const struct store_backend *backend = backend_find(config, err);

	return backend ? backend->watch_open(config, kinds, revision, ret, err) : -EINVAL;
}

struct store_watch *store_watch_close(struct store_watch *watch)
{
	if (watch)
		watch->backend->watch_close(watch);
	return NULL;
}

int store_watch_fd(struct store_watch *watch)
{
	return watch->backend->watch_fd(watch);
}

int store_watch_next(struct store_watch *watch, struct store_event *ret, struct err *err)
{
	return watch->backend->watch_next(watch, ret, err);
}
