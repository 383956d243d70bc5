/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The v3 resources (projectcalico.org/v3): every kind is a plain C struct that begins with 'struct
 * object', and one const table that describes each of its fields (name, type, default, check,
 * words). The table drives reading and writing of JSON and YAML, defaults, validation, and the
 * generated reference. Nothing here does I/O.
 *
 * How a field is held (model-desc.h):
 *   string-like (names, CIDRs, durations, selectors)	char *			NULL: absent
 *   bool						struct opt_bool		set false: absent
 *   integer						struct opt_int
 *   enumeration					int-sized enum		0: absent
 *   list						struct X_list { v, n, set }; set with n 0 is
 *the empty list, which is not the same as absent
 *   map						struct str_map, struct int_map
 *   object						pointer to struct	NULL: absent
 *							('spec' is embedded)
 *
 * Reading never applies defaults; model_default() does. So a round trip is lossless.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct buf;
struct json_t;
struct kind_desc;
struct object;

#define MODEL_API_VERSION "projectcalico.org/v3"

#define MODEL_TEXT_MAX (4U << 20) /* bytes of one text that is read */
#define MODEL_LIST_MAX (1U << 18) /* items of one list */

enum kind {
	KIND_NODE = 1,
	KIND_IP_POOL,
	KIND_IP_RESERVATION,
	KIND_BGP_CONFIGURATION,
	KIND_BGP_PEER,
	KIND_BGP_FILTER,
	KIND_FELIX_CONFIGURATION,
	KIND_CLUSTER_INFORMATION,
	KIND_WORKLOAD_ENDPOINT,
	KIND_BLOCK_AFFINITY,
	KIND_IPAM_BLOCK,
	KIND_IPAM_HANDLE,
	KIND_IPAM_CONFIGURATION,
	KIND_HOST_ENDPOINT,
	KIND_NETWORK_POLICY,
	KIND_GLOBAL_NETWORK_POLICY,
	KIND_STAGED_NETWORK_POLICY,
	KIND_STAGED_GLOBAL_NETWORK_POLICY,
	KIND_STAGED_KUBERNETES_NETWORK_POLICY,
	KIND_TIER,
	KIND_PROFILE,
	KIND_NETWORK_SET,
	KIND_GLOBAL_NETWORK_SET,
	KIND_KUBE_CONTROLLERS_CONFIGURATION,
	KIND_CALICO_NODE_STATUS,
	KIND_KUBERNETES_NETWORK_POLICY,
	KIND_KUBERNETES_CLUSTER_NETWORK_POLICY,
	KIND_KUBERNETES_SERVICE,
	KIND_KUBERNETES_ENDPOINT_SLICE,
	KIND_NAMESPACE,
	KIND_SERVICE_ACCOUNT,
	KIND_POD,
	KIND_COUNT_,
};

/* What a person may have handed in against what a datastore holds. */
enum model_mode {
	MODEL_STRICT,  /* an unknown field is an error */
	MODEL_LENIENT, /* an unknown field is kept and written back: a newer peer may have put it
			  there */
};

/*
 * One object from JSON text. The text's own apiVersion and kind decide the type. 'where'
 * ("pool.yaml", "datastore") begins every message, followed by the field's path and what was
 * expected there. 0: '*ret' given. <0: nothing made. Does not validate; see model_validate().
 */
MUST_CHECK int model_read_json(const char *text, size_t size, enum model_mode mode,
			       const char *where, struct object **ret, struct err *err);

/*
 * All objects of a YAML or JSON text: several documents, a List, or one object. Messages name
 * file, line and field path. 0: '*ret' and '*ret_n' given (free each, then the array).
 * All or nothing.
 */
MUST_CHECK int model_read_yaml(const char *text, size_t size, const char *where,
			       struct object ***ret, size_t *ret_n, struct err *err);

/*
 * The same, and of each object its lines (NULL: not known), for model_line_of(); both arrays have
 * '*ret_n' items. model_lines_free() takes the second. 'pass_foreign': objects of kinds that are
 * none of ours (Deployment, Secret) are passed over; without it they are an error.
 */
MUST_CHECK int model_read_yaml_lines(const char *text, size_t size, const char *where,
				     bool pass_foreign, struct object ***ret,
				     struct json_t ***ret_lines, size_t *ret_n, struct err *err);
void model_lines_free(struct json_t **lines, size_t n);
/*
 * The line of a field: 'path' is keys and indexes, ends with NULL ("spec", "ingress", "0", NULL);
 * the empty one is the object's own. 0: not known.
 */
int model_line_of(const struct json_t *lines, const char *const *path);

/*
 * The same from a tree that is already parsed (borrowed). Of Calico's kinds the apiVersion is
 * projectcalico.org/v3 or, with MODEL_LENIENT, crd.projectcalico.org/v1; Kubernetes' kinds have
 * their own (kind_api_version()).
 */
MUST_CHECK int model_from_json(const struct json_t *json, enum model_mode mode, const char *where,
			       struct object **ret, struct err *err);
/* Gives a new tree, in the table's order. Never fails. */
struct json_t *model_to_json(const struct object *object);

/* Never fail. The order of fields is the table's. */
void model_write_json(const struct object *object, struct buf *out);	    /* one line */
void model_write_json_pretty(const struct object *object, struct buf *out); /* 2 spaces */
void model_write_yaml(const struct object *object, struct buf *out);

/*
 * Fills in every absent field that has a default. Of kinds whose objects lie over each other
 * (BGPConfiguration, FelixConfiguration) only the object "default" is filled in.
 */
void model_default(struct object *object);

/* Calico's rules. -EINVAL: 'err' names kind/name, field path, and what is allowed. */
MUST_CHECK int model_validate(const struct object *object, struct err *err);
/* Rules of a change: immutable fields (IPPool cidr and blockSize...). */
MUST_CHECK int model_validate_update(const struct object *old, const struct object *object,
				     struct err *err);

/* An empty object of that kind, apiVersion and kind implied. */
struct object *model_new(enum kind kind, const char *namespace, const char *name);
struct object *model_free(struct object *object);
CLEANUP_FUNC(struct object *, model_free);
struct object *model_copy(const struct object *object);
/* All fields but metadata.resourceVersion, which says when, not what. */
bool model_equal(const struct object *a, const struct object *b);

/*
 * Gives the text of the field at a JSON path: "spec.cidr", ".metadata.labels.app",
 * "spec.attributes[0].handle_id". A list or an object comes as compact JSON. NULL: absent.
 */
char *model_path_text(const struct object *object, const char *path);

const struct kind_desc *kind_get(enum kind kind);
/*
 * By any name a person uses: kind, plural, singular or alias, any case ("ippool", "pool",
 * "IPPools"). NULL: no such kind.
 */
const struct kind_desc *kind_find(const char *name);
/* By exact plural in lower case, as in a datastore path. NULL: no such kind. */
const struct kind_desc *kind_find_plural(const char *plural);

/* By what a text says; exact. NULL: no such kind. */
const struct kind_desc *kind_find_api(const char *api_version, const char *api_kind);
/* What a text says: "networking.k8s.io/v1" and "NetworkPolicy" of a KubernetesNetworkPolicy. */
const char *kind_api_version(const struct kind_desc *desc);
const char *kind_api_kind(const struct kind_desc *desc);

/* The reference of one kind in Markdown: fields, types, defaults, allowed values, words. */
void model_write_reference(const struct kind_desc *desc, struct buf *out);
