/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For the tests of this module that need a datastore: a real one in a directory of its own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/kinds.h"
#include "store/store.h"

struct place {
	char dir[64];
	char path[96];
	struct store_config config;
	struct store *store;
};

static inline int place_setup(void **state)
{
	struct place *place = XNEW(struct place);
	struct err err = ERR_INIT;

	(void)snprintf(place->dir, sizeof(place->dir), "/tmp/korat-agent-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	(void)snprintf(place->path, sizeof(place->path), "%s/korat.db", place->dir);
	place->config = (struct store_config){.type = "sqlite", .path = place->path};
	assert_int_equal(store_open(&place->config, &place->store, &err), 0);
	*state = place;
	return 0;
}

static inline int place_teardown(void **state)
{
	static const char *const names[] = {"korat.db",		"korat.db-wal", "korat.db-shm",
					    "korat.db-journal", "nodename",	"korat-cluster"};
	struct place *place = *state;

	place->store = store_close(place->store);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", place->dir, names[i]);

		(void)unlink(path);
	}
	assert_int_equal(rmdir(place->dir), 0);
	free(place);
	return 0;
}

/* Takes 'object'. */
static inline void place_put(struct place *place, struct object *object)
{
	size_t size;
	_cleanup_free_ char *text = store_object_text(object, &size);
	struct store_op op = {.type = STORE_PUT,
			      .kind = object->desc->kind,
			      .namespace = object->meta.namespace,
			      .name = object->meta.name,
			      .value = text,
			      .size = size};
	struct err err = ERR_INIT;

	if (store_commit(place->store, &op, 1, NULL, NULL, &err) != 0)
		fail_msg("%s", err.msg);
	(void)model_free(object);
}

static inline void place_remove(struct place *place, enum kind kind, const char *name)
{
	struct store_op op = {.type = STORE_DELETE, .kind = kind, .name = name};

	assert_int_equal(store_commit(place->store, &op, 1, NULL, NULL, NULL), 0);
}

/* NULL: not there. */
static inline struct object *place_get(struct place *place, enum kind kind, const char *namespace,
				       const char *name)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {.name = NULL};
	struct object *object = NULL;
	struct err err = ERR_INIT;

	if (store_get(place->store, kind, namespace, name, &stored, &err) != 0)
		return NULL;
	if (store_object_read(&stored, &object, &err) < 0)
		fail_msg("%s", err.msg);
	return object;
}

static inline size_t place_count(struct place *place, enum kind kind)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.n = 0};

	assert_int_equal(store_list(place->store, kind, NULL, &list, NULL), 0);
	return list.n;
}

/* The revision of the object's last write; 0: not there. */
static inline uint64_t place_revision(struct place *place, enum kind kind, const char *name)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {.name = NULL};

	return store_get(place->store, kind, NULL, name, &stored, NULL) == 0 ? stored.revision : 0;
}

static inline void place_put_pool(struct place *place, const char *name, const char *cidr,
				  enum encap_mode ipip, enum encap_mode vxlan)
{
	struct object *object = model_new(KIND_IP_POOL, NULL, name);
	struct ip_pool_spec *spec = &as_ip_pool(object)->spec;

	spec->cidr = xstrdup(cidr);
	spec->ipip_mode = ipip;
	spec->vxlan_mode = vxlan;
	model_default(object);
	place_put(place, object);
}
