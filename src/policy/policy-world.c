/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The world of policy: a heap of objects, and what is derived from all of them at once (peers in
 * world-peer.c, the order of policies in world-tier.c). 'stale' says that the derived half is to be
 * made anew. Selectors that were compiled once stay, whatever changes: their text is all they
 * depend on.
 */

#include "policy/policy-world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <uthash.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/felix-config.h"
#include "model/felix-configuration.h"
#include "model/kinds-kubernetes.h"
#include "policy/kubernetes-policy.h"
#include "policy/policy-match.h"
#include "policy/world-peer.h"
#include "policy/world-tier.h"
#include "selector/selector.h"

struct compiled_selector {
	char *text;
	struct selector *selector; /* NULL: the text is none */
	UT_hash_handle hh;
};

struct node_settings {
	const char *node;
	struct felix_configuration *settings;
};

struct policy_world {
	struct object **objects;
	size_t n_objects;
	struct compiled_selector *selectors; /* by text */
	bool stale;
	struct world_peer *peers;
	size_t n_peers;
	struct world_tier *tiers;
	size_t n_tiers;
	struct node_settings *settings;
	size_t n_settings;
	const struct object **enforced; /* of the objects, those staged that are in force here */
	size_t n_enforced;
};

struct policy_world *policy_world_new(void)
{
	return XNEW(struct policy_world);
}

static void forget_derived(struct policy_world *world)
{
	for (size_t i = 0; i < world->n_peers; i++)
		world_peer_deinit(&world->peers[i]);
	for (size_t i = 0; i < world->n_tiers; i++)
		free(world->tiers[i].policies);
	for (size_t i = 0; i < world->n_settings; i++)
		(void)model_free(&world->settings[i].settings->object);
	free(world->peers);
	free(world->tiers);
	free(world->settings);
	world->peers = NULL;
	world->tiers = NULL;
	world->settings = NULL;
	world->n_peers = world->n_tiers = world->n_settings = 0;
	world->stale = true;
}

struct policy_world *policy_world_free(struct policy_world *world)
{
	struct compiled_selector *compiled;
	struct compiled_selector *next;

	if (!world)
		return NULL;
	forget_derived(world);
	for (size_t i = 0; i < world->n_objects; i++)
		(void)model_free(world->objects[i]);
	HASH_ITER(hh, world->selectors, compiled, next)
	{
		HASH_DEL(world->selectors, compiled);
		(void)selector_free(compiled->selector);
		free(compiled->text);
		free(compiled);
	}
	free(world->enforced);
	free(world->objects);
	free(world);
	return NULL;
}

/* --- Selectors -------------------------------------------------------------------------------- */

static const struct selector *selector_get(struct policy_world *world, const char *key,
					   const char *text)
{
	struct compiled_selector *compiled;

	HASH_FIND_STR(world->selectors, key, compiled);
	if (compiled)
		return compiled->selector;
	compiled = XNEW(struct compiled_selector);
	compiled->text = xstrdup(key);
	if (selector_compile(text, &compiled->selector, NULL) < 0)
		compiled->selector = NULL;
	HASH_ADD_KEYPTR(hh, world->selectors, compiled->text, strlen(compiled->text), compiled);
	return compiled->selector;
}

const struct selector *policy_world_selector(struct policy_world *world, const char *text)
{
	return selector_get(world, text, text);
}

/* Appends 'text' with each 'from' replaced. */
static void add_replaced(struct buf *out, const char *text, const char *from, const char *to)
{
	const char *at;

	while ((at = strstr(text, from))) {
		buf_add(out, text, (size_t)(at - text));
		buf_adds(out, to);
		text = at + strlen(from);
	}
	buf_adds(out, text);
}

const struct selector *policy_world_namespace_selector(struct policy_world *world, const char *text)
{
	const struct selector *plain = policy_world_selector(world, text);
	_cleanup_buf_ struct buf all = BUF_INIT;
	_cleanup_buf_ struct buf global = BUF_INIT;

	if (!plain)
		return NULL;
	add_replaced(&all, selector_text(plain), "all()", "has(" LABEL_ANY_NAMESPACE ")");
	add_replaced(&global, buf_str(&all), "global()", "!has(" LABEL_ANY_NAMESPACE ")");
	return selector_get(world, buf_str(&global), buf_str(&global));
}

const struct selector *policy_world_scoped_selector(struct policy_world *world, const char *text,
						    const char *label)
{
	const struct selector *plain = policy_world_selector(world, text);
	_cleanup_buf_ struct buf scoped = BUF_INIT;
	_cleanup_free_ char *has = xasprintf("has(%s)", label);

	if (!plain)
		return NULL;
	add_replaced(&scoped, selector_text(plain), "all()", has);
	return selector_get(world, buf_str(&scoped), buf_str(&scoped));
}

/* --- Objects ---------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static size_t object_index(const struct policy_world *world, enum kind kind, const char *namespace,
			   const char *name)
{
	size_t i;

	for (i = 0; i < world->n_objects; i++) {
		const struct object *object = world->objects[i];

		if (object->desc->kind == kind && same_text(object->meta.name, name) &&
		    same_text(object->meta.namespace, namespace))
			break;
	}
	return i;
}

static int check_selector(const char *text, const char *field, struct err *err)
{
	_cleanup_(selector_freep) struct selector *selector = NULL;
	int r = text ? selector_compile(text, &selector, err) : 0;

	return r < 0 ? err_prefix(err, r, "%s", field) : 0;
}

/* Only what a policy can't be placed without: whom it is for, and which way. */
static int check_policy(const struct policy_spec *spec, struct err *err)
{
	int r = check_selector(spec->selector, "spec.selector", err);

	if (r == 0)
		r = check_selector(spec->namespace_selector, "spec.namespaceSelector", err);
	if (r == 0)
		r = check_selector(spec->service_account_selector, "spec.serviceAccountSelector",
				   err);
	for (size_t i = 0; r == 0 && i < spec->types.n; i++)
		if (strcmp(spec->types.v[i], "Ingress") != 0 &&
		    strcmp(spec->types.v[i], "Egress") != 0)
			r = err_set(err, -EINVAL,
				    "spec.types[%zu]: \"%.40s\" is neither Ingress nor Egress", i,
				    spec->types.v[i]);
	return r;
}

/* What replaces it, or nothing, is staged as its kind is. */
static void forget_enforced(struct policy_world *world, const struct object *object)
{
	for (size_t i = 0; i < world->n_enforced; i++)
		if (world->enforced[i] == object)
			world->enforced[i] = NULL;
}

static void put_given(struct policy_world *world, struct object *given)
{
	size_t i = object_index(world, given->desc->kind, given->meta.namespace, given->meta.name);

	forget_derived(world);
	if (i < world->n_objects) {
		forget_enforced(world, world->objects[i]);
		(void)model_free(world->objects[i]);
		world->objects[i] = given;
	} else {
		*ARRAY_ADD(world->objects, world->n_objects) = given;
	}
}

/* The workload endpoint that was made of a pod. NULL: none was. */
static const struct object *endpoint_of_pod(const struct policy_world *world, const char *namespace,
					    const char *name)
{
	for (size_t i = 0; i < world->n_objects; i++) {
		const struct object *object = world->objects[i];

		if (object->desc->kind == KIND_WORKLOAD_ENDPOINT &&
		    same_text(object->meta.namespace, namespace) &&
		    same_text(as_workload_endpoint(object)->spec.pod, name))
			return object;
	}
	return NULL;
}

static int put_pod(struct policy_world *world, const struct object *pod, struct err *err)
{
	struct object *endpoint = NULL;
	int r = kubernetes_pod_endpoint(pod, &endpoint, err);

	if (r < 0)
		return r;
	/* It may have been on another node, and so under another name. */
	policy_world_remove(world, KIND_POD, pod->meta.namespace, pod->meta.name);
	if (r == 0)
		put_given(world, endpoint);
	return 0;
}

int policy_world_put(struct policy_world *world, const struct object *object, struct err *err)
{
	const struct policy_spec *spec = world_policy_spec(object);
	_cleanup_(model_freep) struct object *converted = NULL;
	int r = 0;

	if (spec)
		r = check_policy(spec, err);
	else if (kubernetes_policy_is(object))
		r = kubernetes_policy_convert(object, &converted, NULL, err);
	if (r < 0)
		return err_prefix(err, r, "%s/%s", object->desc->name,
				  object->meta.name ? object->meta.name : "");
	switch ((int)object->desc->kind) {
	case KIND_POD:
		return put_pod(world, object, err);
	case KIND_NAMESPACE:
		put_given(world, kubernetes_namespace_profile(object));
		return 0;
	case KIND_SERVICE_ACCOUNT:
		put_given(world, kubernetes_account_profile(object));
		return 0;
	default:
		put_given(world, model_copy(object));
		return 0;
	}
}

/* Of objects that another was made of, that other one. */
static size_t index_of_made(const struct policy_world *world, enum kind kind, const char *namespace,
			    const char *name)
{
	_cleanup_free_ char *profile = NULL;
	const struct object *endpoint;

	switch ((int)kind) {
	case KIND_NAMESPACE:
		profile = xasprintf(KUBERNETES_NAMESPACE_PROFILE "%s", name);
		return object_index(world, KIND_PROFILE, NULL, profile);
	case KIND_SERVICE_ACCOUNT:
		profile = xasprintf(KUBERNETES_ACCOUNT_PROFILE "%s.%s", namespace, name);
		return object_index(world, KIND_PROFILE, NULL, profile);
	case KIND_POD:
		endpoint = endpoint_of_pod(world, namespace, name);
		return endpoint ? object_index(world, KIND_WORKLOAD_ENDPOINT, namespace,
					       endpoint->meta.name)
				: world->n_objects;
	default:
		return object_index(world, kind, namespace, name);
	}
}

void policy_world_remove(struct policy_world *world, enum kind kind, const char *namespace,
			 const char *name)
{
	struct object **kept = NULL;
	size_t n = 0;
	size_t gone = index_of_made(world, kind, namespace, name);

	if (gone == world->n_objects)
		return;
	forget_derived(world);
	/* An array that ARRAY_ADD() grows is never shortened in place. */
	for (size_t i = 0; i < world->n_objects; i++)
		if (i != gone)
			*ARRAY_ADD(kept, n) = world->objects[i];
	forget_enforced(world, world->objects[gone]);
	(void)model_free(world->objects[gone]);
	free(world->objects);
	world->objects = kept;
	world->n_objects = n;
}

/* The kind of what a staged policy becomes. KIND_COUNT_: it is none. */
static enum kind enforced_kind(enum kind kind)
{
	switch ((int)kind) {
	case KIND_STAGED_NETWORK_POLICY:
		return KIND_NETWORK_POLICY;
	case KIND_STAGED_GLOBAL_NETWORK_POLICY:
		return KIND_GLOBAL_NETWORK_POLICY;
	case KIND_STAGED_KUBERNETES_NETWORK_POLICY:
		return KIND_KUBERNETES_NETWORK_POLICY;
	default:
		return KIND_COUNT_;
	}
}

bool policy_is_staged(const struct object *object)
{
	return enforced_kind(object->desc->kind) != KIND_COUNT_;
}

const struct object *policy_world_replaced(const struct policy_world *world,
					   const struct object *object)
{
	return policy_is_staged(object)
		       ? policy_world_find(world, enforced_kind(object->desc->kind),
					   object->meta.namespace, object->meta.name)
		       : NULL;
}

bool policy_world_enforces(const struct policy_world *world, const struct object *object)
{
	for (size_t i = 0; i < world->n_enforced; i++)
		if (world->enforced[i] == object)
			return true;
	return false;
}

void policy_world_enforce(struct policy_world *world, const struct object *object)
{
	const struct object *own = policy_world_find(world, object->desc->kind,
						     object->meta.namespace, object->meta.name);
	const struct object *replaced = policy_world_replaced(world, object);

	if (!own || policy_world_enforces(world, own))
		return;
	forget_derived(world);
	*ARRAY_ADD(world->enforced, world->n_enforced) = own;
	if (replaced)
		policy_world_remove(world, replaced->desc->kind, replaced->meta.namespace,
				    replaced->meta.name);
}

int policy_world_copy(const struct policy_world *world, struct policy_world **ret, struct err *err)
{
	_cleanup_(policy_world_freep) struct policy_world *copy = policy_world_new();
	int r = 0;

	for (size_t i = 0; r == 0 && i < world->n_objects; i++)
		r = policy_world_put(copy, world->objects[i], err);
	for (size_t i = 0; r == 0 && i < world->n_enforced; i++)
		if (world->enforced[i])
			policy_world_enforce(copy, world->enforced[i]);
	if (r == 0)
		*ret = TAKE_PTR(copy);
	return r;
}

const struct object *policy_world_find(const struct policy_world *world, enum kind kind,
				       const char *namespace, const char *name)
{
	size_t i = object_index(world, kind, namespace, name);

	return i < world->n_objects ? world->objects[i] : NULL;
}

const struct object *const *policy_world_objects(const struct policy_world *world, size_t *ret_n)
{
	*ret_n = world->n_objects;
	return (const struct object *const *)world->objects;
}

/* --- Services --------------------------------------------------------------------------------- */

/* A port without a number is all ports of the endpoint, which a rule has no way to say. */
static bool slice_serves(const struct endpoint_slice *slice,
			 const struct world_service_member *member, bool any_port)
{
	for (size_t i = 0; any_port || i < slice->ports.n; i++) {
		const struct slice_port *port = any_port ? NULL : &slice->ports.v[i];

		if (port &&
		    (!port->port.set || port->port.v != member->port ||
		     protocol_find(port->protocol ? port->protocol : "TCP") != member->protocol))
			continue;
		for (size_t k = 0; k < slice->endpoints.n; k++) {
			const struct str_list *texts = &slice->endpoints.v[k].addresses;
			struct ip_addr addr;

			for (size_t m = 0; m < texts->n; m++)
				if (ip_parse(texts->v[m], &addr, NULL) == 0 &&
				    ip_equal(&addr, &member->addr))
					return true;
		}
		if (any_port)
			return false;
	}
	return false;
}

bool policy_world_serves(const struct policy_world *world, const char *namespace, const char *name,
			 const struct world_service_member *member, bool any_port)
{
	for (size_t i = 0; i < world->n_objects; i++) {
		const struct object *object = world->objects[i];

		if (object->desc->kind == KIND_KUBERNETES_ENDPOINT_SLICE &&
		    same_text(object->meta.namespace, namespace) &&
		    same_text(str_map_find(&object->meta.labels, ENDPOINT_SLICE_SERVICE_LABEL),
			      name) &&
		    slice_serves(as_endpoint_slice(object), member, any_port))
			return true;
	}
	return false;
}

/* --- What is derived -------------------------------------------------------------------------- */

static void derive_peers(struct policy_world *world)
{
	for (size_t i = 0; i < world->n_objects; i++) {
		struct world_peer peer;

		if (world_peer_make(world, world->objects[i], &peer))
			*ARRAY_ADD(world->peers, world->n_peers) = peer;
	}
}

static void derive(struct policy_world *world)
{
	if (!world->stale)
		return;
	world_tiers_make(world, &world->tiers, &world->n_tiers);
	derive_peers(world);
	world->stale = false;
}

const struct world_tier *policy_world_tiers(struct policy_world *world, size_t *ret_n)
{
	derive(world);
	*ret_n = world->n_tiers;
	return world->tiers;
}

const struct world_peer *policy_world_peers(struct policy_world *world, size_t *ret_n)
{
	derive(world);
	*ret_n = world->n_peers;
	return world->peers;
}

const struct world_peer *policy_world_peer(struct policy_world *world, const struct object *object)
{
	derive(world);
	for (size_t i = 0; i < world->n_peers; i++)
		if (world->peers[i].object == object)
			return &world->peers[i];
	return NULL;
}

/* --- Settings --------------------------------------------------------------------------------- */

static const struct felix_configuration *find_settings(const struct policy_world *world,
						       const char *name)
{
	const struct object *object =
		policy_world_find(world, KIND_FELIX_CONFIGURATION, NULL, name);

	return object ? as_felix_configuration(object) : NULL;
}

const struct felix_configuration *policy_world_settings(struct policy_world *world,
							const char *node)
{
	_cleanup_free_ char *node_name = xasprintf(FELIX_CONFIGURATION_NODE "%s", node);
	struct felix_configuration *resolved = NULL;
	struct node_settings *settings;

	derive(world);
	for (size_t i = 0; i < world->n_settings; i++)
		if (strcmp(world->settings[i].node, node) == 0)
			return world->settings[i].settings;
	/* What can't be understood is as if it were not there: the built-in holds. */
	if (felix_config_resolve(find_settings(world, FELIX_CONFIGURATION_DEFAULT),
				 find_settings(world, node_name), NULL, &resolved, NULL) < 0 &&
	    felix_config_resolve(NULL, NULL, NULL, &resolved, NULL) < 0)
		abort();
	settings = ARRAY_ADD(world->settings, world->n_settings);
	settings->node = node;
	settings->settings = resolved;
	return resolved;
}
