/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The datastore interface. Objects are (kind, namespace, name) -> JSON text of the v3 resource,
 * with a revision that grows with every write to the store. Backends (store-sqlite.c, store-etcd.c)
 * translate to their own layout behind it and pass one contract suite.
 *
 * Calls block, so programs with a loop make them in a worker thread; one handle belongs to one
 * thread at a time. A watch is a handle of its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/model.h"

#define STORE_VALUE_MAX	      (4u << 20) /* bytes of one object's text */
#define STORE_TRANSACTION_MAX 256u	 /* operations in one transaction, if the backend can */
#define STORE_NAME_MAX	      512u	 /* bytes of a name, and of a namespace */

struct store;
struct store_watch;

enum store_outcome {
	STORE_E_NOT_FOUND = 1,
	STORE_E_EXISTS,	   /* create of what is already there */
	STORE_E_CONFLICT,  /* the object's revision is not the one that was given, or it is gone */
	STORE_E_COMPACTED, /* the revision to watch from is no longer kept; start with a snapshot */
	STORE_E_AGAIN,	   /* watch: nothing to report now */
};

struct secret;

/* Borrowed strings; NULL or "": not set. */
struct store_config {
	const char *type; /* "sqlite", "etcdv3" */
	const char *path; /* sqlite: the file; its directory must exist */
	/* Refuse a datastore that is not there, rather than begin an empty one (sqlite). */
	bool must_exist;
	/*
	 * The caller will call store_settle() after commits, when their answers are on their way.
	 */
	bool settle_later;
	const char *etcd_endpoints;	/* etcdv3: addresses with commas between them */
	const char *etcd_discovery_srv; /* refused, with what to do instead */
	const char *etcd_ca_file;
	const char *etcd_cert_file;
	const char *etcd_key_file;
	const char *etcd_user;
	struct secret *etcd_password; /* owned; store_config_deinit() */
};

/*
 * Fills in from DATASTORE_TYPE, KORAT_SQLITE_FILE, ETCD_ENDPOINTS, ETCD_DISCOVERY_SRV,
 * ETCD_CA_CERT_FILE, ETCD_CERT_FILE, ETCD_KEY_FILE, ETCD_USERNAME, ETCD_PASSWORD; all but the
 * second also with "CALICO_" before them, which then counts. Defaults: sqlite,
 * /var/lib/korat/korat.db.
 */
void store_config_from_environment(struct store_config *config);
void store_config_deinit(struct store_config *config);
CLEANUP_DEINIT(struct store_config, store_config_deinit);

/* 0: '*ret' given. */
MUST_CHECK int store_open(const struct store_config *config, struct store **ret, struct err *err);
struct store *store_close(struct store *store);
CLEANUP_FUNC(struct store *, store_close);

struct store_object {
	enum kind kind;
	char *namespace; /* NULL for kinds without */
	char *name;
	char *value; /* JSON text; NULL in a deletion event */
	size_t size;
	uint64_t revision; /* of this object's last write */
};
void store_object_deinit(struct store_object *object);
CLEANUP_DEINIT(struct store_object, store_object_deinit);

struct store_list {
	struct store_object *v;
	size_t n;
	uint64_t revision; /* of the store when the list was read: watch from here misses nothing */
};
void store_list_deinit(struct store_list *list);
CLEANUP_DEINIT(struct store_list, store_list_deinit);

/* 0: '*ret' is the caller's to deinit. STORE_E_NOT_FOUND. */
MUST_CHECK int store_get(struct store *store, enum kind kind, const char *namespace,
			 const char *name, struct store_object *ret, struct err *err);

/* In order of namespace, name. 'namespace' NULL: all. An empty list is 0, not an outcome. */
MUST_CHECK int store_list(struct store *store, enum kind kind, const char *namespace,
			  struct store_list *ret, struct err *err);

/* One object by its name, or all of a kind where the name is NULL. Borrowed strings. */
struct store_query {
	enum kind kind;
	const char *namespace;
	const char *name;
};

/*
 * Several at once, where the backend can with one exchange for all. 0: 'ret[i]' is what
 * store_list() gives, or a list of the one object or none. The caller deinits all 'n'.
 */
MUST_CHECK int store_read(struct store *store, const struct store_query *queries, size_t n,
			  struct store_list *ret, struct err *err);

enum store_op_type {
	STORE_CREATE, /* must not be there */
	STORE_UPDATE, /* must be there at 'revision'; 0: whatever its revision */
	STORE_PUT,    /* create or replace, whatever is there */
	STORE_DELETE, /* as STORE_UPDATE */
	STORE_REMOVE, /* delete, if it is there at all */
	STORE_EXPECT, /* writes nothing; must be there at 'revision', or absent with revision 0 */
	/*
	 * Writes nothing; no object of the kind may have a revision above 'revision'. No name. Not
	 * of affinities. With a STORE_EXPECT of each object there is, nothing was made, changed or
	 * deleted since.
	 */
	STORE_EXPECT_NONE_NEWER,
};

struct store_op {
	enum store_op_type type;
	enum kind kind;
	const char *namespace; /* borrowed, as all of these */
	const char *name;
	const char *value; /* JSON text; CREATE, UPDATE, PUT */
	size_t size;
	uint64_t revision;
};

/*
 * All of the operations or none, in order. 0: durable, '*ret_revision' (may be NULL) is the
 * revision all objects written now have. STORE_E_EXISTS, STORE_E_CONFLICT, STORE_E_NOT_FOUND
 * (an UPDATE or DELETE with revision 0): nothing was written, '*ret_failed' (may be NULL) is the
 * index of the operation that did not hold.
 */
MUST_CHECK int store_commit(struct store *store, const struct store_op *ops, size_t n,
			    uint64_t *ret_revision, size_t *ret_failed, struct err *err);

/*
 * What a commit leaves to do that its caller need not wait for: to wake the watches of the embedded
 * datastore (which look by themselves each second, too) and to tidy its journal. store_commit()
 * does it at its end unless the store was opened with 'settle_later'.
 */
void store_settle(struct store *store);

/* How many operations one commit may have without the backend's administrator doing something. */
size_t store_transaction_max(const struct store *store);

/* --- Watching ------------------------------------------------------------------------------ */

enum store_event_type {
	STORE_EVENT_PUT,     /* object is there with this value (snapshot or change) */
	STORE_EVENT_DELETE,  /* object is gone; no value */
	STORE_EVENT_IN_SYNC, /* the snapshot is complete; changes follow */
	STORE_EVENT_RESYNC,  /* events were lost: forget everything, a snapshot follows */
};

struct store_event {
	enum store_event_type type;
	/* PUT, DELETE. IN_SYNC: only its revision is set; it is that of the complete snapshot. */
	struct store_object object;
};
void store_event_deinit(struct store_event *event);
CLEANUP_DEINIT(struct store_event, store_event_deinit);

/*
 * Watches the kinds named in the bit mask (1u << KIND_X). 'revision' 0: first all objects there
 * are as PUT, then IN_SYNC, then changes. Otherwise the changes after that revision, no snapshot;
 * STORE_E_COMPACTED if they are not all kept. Of several changes to one object between two reads
 * only the last may be seen; never an old one after a new one. A DELETE may be of an object that
 * was never reported: it came and went in between.
 */
MUST_CHECK int store_watch_open(const struct store_config *config, uint64_t kinds,
				uint64_t revision, struct store_watch **ret, struct err *err);
struct store_watch *store_watch_close(struct store_watch *watch);
CLEANUP_FUNC(struct store_watch *, store_watch_close);

/* Becomes readable when store_watch_next() may have something. Borrowed. */
int store_watch_fd(struct store_watch *watch);

/*
 * 0: '*ret' set, caller deinits. STORE_E_AGAIN: wait for the fd. Does not block on the network.
 * <0: nothing is lost, the watch stays where it was; call again after a while, or open a new one.
 */
MUST_CHECK int store_watch_next(struct store_watch *watch, struct store_event *ret,
				struct err *err);

/* --- Objects ------------------------------------------------------------------------------- */

/* Reads a stored value as a model object (MODEL_LENIENT), resource_version filled in. */
MUST_CHECK int store_object_read(const struct store_object *stored, struct object **ret,
				 struct err *err);
/* The text of 'object' as it is stored: no resourceVersion. Gives a heap string. */
char *store_object_text(const struct object *object, size_t *ret_size);

/* Gives a new object its uid (RFC 9562, version 4) and creation time. */
void store_stamp(struct object *object);
