/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the verbs share: the open datastore, the parsed arguments, objects from files and back. */

#include <stdio.h>

#include "base/buf.h"
#include "ctl/ctl-args.h"
#include "model/kinds.h"
#include "store/store.h"

#define CTL_FILE_MAX	(16u << 20) /* bytes of one file */
#define CTL_FILES_MAX	10000u
#define CTL_OBJECTS_MAX 100000u

struct ctl {
	struct ctl_args args;
	struct store *store; /* NULL where the verb needs none */
	int exit_code;	     /* of a verb that is done; 0 unless its help says otherwise */
};

/* What of the CalicoAPIConfig file and the environment says where the datastore is. */
struct ctl_config {
	struct store_config store;
	struct json_t *file; /* owned; texts of 'store' may be in it. NULL: there is none */
};
void ctl_config_deinit(struct ctl_config *config);
CLEANUP_DEINIT(struct ctl_config, ctl_config_deinit);
/* 'path' NULL: the default file, if there is one. */
MUST_CHECK int ctl_config_read(const char *path, struct ctl_config *ret, struct err *err);
/* A file in the directory of this node's agent, by KORAT_RUN_DIR if that is set. Gives it. */
char *ctl_run_path(const char *name);
/* Opens ctl->store; ctl_main() closes it. */
MUST_CHECK int ctl_open_store(struct ctl *ctl, struct err *err);

/* Objects with where each came from. */
struct ctl_item {
	struct object *object;
	char *source;	      /* "pool.yaml" */
	struct json_t *lines; /* of the source, counted; see model_line_of(). NULL: not known */
};
struct ctl_items {
	struct ctl_item *v;
	size_t n;
	bool pass_foreign; /* loading passes over objects of other systems' kinds */
};
void ctl_item_deinit(struct ctl_item *item);
void ctl_items_deinit(struct ctl_items *items);
CLEANUP_DEINIT(struct ctl_items, ctl_items_deinit);
void ctl_items_add(struct ctl_items *items, struct object *given, const char *source);
/*
 * Puts the item's file before a message of model_validate(), and the line of the field that the
 * message names, or of the nearest one around it. Returns 'code'.
 */
int ctl_item_error(const struct ctl_item *item, int code, struct err *err);
/* The kind's name if all items are of one kind, else NULL. */
const char *ctl_items_single_kind(const struct ctl_items *items);

/*
 * Reads what -f names (file, directory, "-"), defaults filled in, namespaces completed. No objects
 * is an error unless --skip-empty.
 */
MUST_CHECK int ctl_load(const struct ctl *ctl, struct ctl_items *ret, struct err *err);
/* The same of another path; adds to 'items'. */
MUST_CHECK int ctl_load_path(const struct ctl *ctl, const char *path, struct ctl_items *items,
			     struct err *err);
/* KIND NAME... of the operands as empty objects, namespace completed. */
MUST_CHECK int ctl_operand_items(const struct ctl *ctl, struct ctl_items *ret, struct err *err);
/* Either of the two; ctl_args_check_kind() has seen to it that exactly one is given. */
MUST_CHECK int ctl_items_of_args(const struct ctl *ctl, struct ctl_items *ret, struct err *err);
/* The namespace an object of this kind is in, when it says none; NULL for kinds without. */
const char *ctl_namespace(const struct ctl *ctl, const struct kind_desc *desc);

/* "IPPool(pool1)", "NetworkPolicy(default/allow)" */
struct ctl_key_str {
	char s[700];
};
struct ctl_key_str ctl_key(const struct object *object);

/* A stored object. 0: '*ret' and '*ret_revision' set. STORE_E_NOT_FOUND. */
MUST_CHECK int ctl_get_object(struct ctl *ctl, const struct object *key, struct object **ret,
			      uint64_t *ret_revision, struct err *err);
/*
 * Replaces the stored 'old' of that revision by 'object', which keeps old's uid and creation time.
 * Validates both ways. STORE_E_CONFLICT, STORE_E_NOT_FOUND.
 */
MUST_CHECK int ctl_replace_object(struct ctl *ctl, const struct object *old, uint64_t revision,
				  struct object *object, struct err *err);

/*
 * Replaces a stored object by what 'change' makes of it, on the newest of it: after another writer
 * it is read again, a few times. 'change' gives the new object or <0. Not there: -ENOENT.
 */
MUST_CHECK int ctl_change_object(struct ctl *ctl, const struct object *key,
				 int (*change)(const struct ctl *ctl, const struct object *old,
					       void *arg, struct object **ret, struct err *err),
				 void *arg, struct err *err);

/* --- Output ----------------------------------------------------------------------------------- */

/* A table of text. */
struct ctl_table {
	size_t n_columns;
	char **cells; /* owned, row by row; the first row is the header */
	size_t n_cells;
};
void ctl_table_deinit(struct ctl_table *table);
CLEANUP_DEINIT(struct ctl_table, ctl_table_deinit);
void ctl_table_add(struct ctl_table *table, const char *text);
void ctl_table_print(const struct ctl_table *table, FILE *out);	      /* as calicoctl get */
void ctl_table_print_boxed(const struct ctl_table *table, FILE *out); /* as calicoctl node status */

struct ctl_output {
	bool is_list;		      /* of a whole kind: written as a List even with one item */
	const struct kind_desc *desc; /* of the list */
	uint64_t revision;
};
/* By -o. */
MUST_CHECK int ctl_print_items(struct ctl *ctl, const struct ctl_items *items,
			       const struct ctl_output *output, struct err *err);

/* --- Label selectors -------------------------------------------------------------------------- */

/* kubectl's: "a=b,c!=d,e in (f,g),h notin (i),j,!k". 1: matches, 0: not, -EINVAL. */
MUST_CHECK int ctl_label_selector(const char *selector, const struct str_map *labels,
				  struct err *err);

/* --- JSON patches ----------------------------------------------------------------------------- */

struct json_t;
/* RFC 7386. 'patch' borrowed; gives a new value. */
struct json_t *ctl_json_merge(const struct json_t *target, const struct json_t *patch);
/* RFC 6902. 0: '*ret' given. -EINVAL: 'err' names the operation. */
MUST_CHECK int ctl_json_patch(const struct json_t *target, const struct json_t *patch,
			      struct json_t **ret, struct err *err);

/* --- Verbs ------------------------------------------------------------------------------------ */

int ctl_run_create(struct ctl *ctl, struct err *err);
int ctl_run_apply(struct ctl *ctl, struct err *err);
int ctl_run_replace(struct ctl *ctl, struct err *err);
int ctl_run_validate(struct ctl *ctl, struct err *err);
int ctl_run_patch(struct ctl *ctl, struct err *err);
int ctl_run_delete(struct ctl *ctl, struct err *err);
int ctl_run_get(struct ctl *ctl, struct err *err);
int ctl_run_label(struct ctl *ctl, struct err *err);
int ctl_run_ipam_show(struct ctl *ctl, struct err *err);
int ctl_run_ipam_check(struct ctl *ctl, struct err *err);
int ctl_run_ipam_release(struct ctl *ctl, struct err *err);
int ctl_run_ipam_configure(struct ctl *ctl, struct err *err);
int ctl_run_ipam_split(struct ctl *ctl, struct err *err);
int ctl_run_ipam_why(struct ctl *ctl, struct err *err);
int ctl_run_policy_explain(struct ctl *ctl, struct err *err);
int ctl_run_policy_impact(struct ctl *ctl, struct err *err);
int ctl_run_policy_trace(struct ctl *ctl, struct err *err);
int ctl_run_flows(struct ctl *ctl, struct err *err);
int ctl_run_node_status(struct ctl *ctl, struct err *err);
int ctl_run_version(struct ctl *ctl, struct err *err);
int ctl_run_completion(struct ctl *ctl, struct err *err);
int ctl_run_help(struct ctl *ctl, struct err *err);
