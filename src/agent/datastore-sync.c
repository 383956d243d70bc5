/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From the datastore's watch into the agent: each event goes to the graph, the endpoints or the
 * cache. An object that can't be understood is reported once per write and changes nothing: the
 * last good version stays in force, that of a former agent too (last-good.h).
 *
 * After a resync the snapshot tells what is there; what was known before and is not in it is
 * removed when the snapshot is complete. So every object that was taken in is remembered by key
 * with the number of the snapshot that last confirmed it.
 */

#include <errno.h>
#include <string.h>
#include <uthash.h>

#include "agent/agent-internal.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "calc/calc.h"
#include "loop/loop.h"
#include "model/kinds.h"

#define LOG_MODULE "sync"
#include "base/log.h"

#define EVENTS_A_TURN 2048
#define REOPEN_US     1000000

struct known_object {
	char *key; /* "<kind>/<namespace>/<name>" */
	enum kind kind;
	size_t namespace_at;
	size_t name_at;
	uint64_t snapshot;
	bool unreadable;
	bool without; /* and no good version of it is known */
	enum good_version in_force;
	UT_hash_handle hh;
};

struct datastore_sync {
	struct agent *agent;
	struct store_watch *watch;
	sd_event_source *source;
	sd_event_source *reopen;
	sd_event_source *more;
	char *own_prefix; /* of the names of this node's endpoints */
	struct known_object *known;
	uint64_t snapshot;
	bool complete; /* the snapshot is: what comes now is a change */
};

/* --- What is known ---------------------------------------------------------------------------- */

static struct known_object *find_known(struct datastore_sync *sync,
				       const struct store_object *stored, char **ret_key)
{
	struct known_object *known;

	*ret_key = xasprintf("%d/%s/%s", (int)stored->kind,
			     stored->namespace ? stored->namespace : "", stored->name);
	HASH_FIND_STR(sync->known, *ret_key, known);
	return known;
}

static struct known_object *remember(struct datastore_sync *sync, const struct store_object *stored)
{
	_cleanup_free_ char *key = NULL;
	struct known_object *known = find_known(sync, stored, &key);

	if (!known) {
		known = XNEW(struct known_object);
		known->kind = stored->kind;
		known->namespace_at = (size_t)(strchr(key, '/') - key) + 1;
		known->name_at = strlen(key) - strlen(stored->name);
		known->key = TAKE_PTR(key);
		HASH_ADD_KEYPTR(hh, sync->known, known->key, strlen(known->key), known);
	}
	known->snapshot = sync->snapshot;
	return known;
}

/* Counts what is wrong. */
static void note_state(struct datastore_sync *sync, struct known_object *known, bool readable)
{
	struct metrics *metrics = &sync->agent->metrics;
	bool without = !readable && known->in_force != GOOD_VERSION_IN_FORCE;

	metrics->n_unreadable += (uint64_t)!readable - (uint64_t)known->unreadable;
	metrics->n_without_good += (uint64_t)without - (uint64_t)known->without;
	known->unreadable = !readable;
	known->without = without;
}

static void forget(struct datastore_sync *sync, struct known_object *known)
{
	note_state(sync, known, /* readable= */ true);
	HASH_DEL(sync->known, known);
	free(known->key);
	free(known);
}

/* --- Events ----------------------------------------------------------------------------------- */

/*
 * Endpoints of other nodes are told from ours by their name. A dash after the prefix is half of one
 * in a longer node name: "a-" is not where "a--b-k8s-pod-eth0" begins.
 */
static bool is_own_endpoint(const struct datastore_sync *sync, const char *name)
{
	size_t len = strlen(sync->own_prefix);

	return strncmp(name, sync->own_prefix, len) == 0 && name[len] != '-';
}

static bool endpoint_differs(const struct endpoint *a, const struct endpoint *b)
{
	return a->n_addrs != b->n_addrs || strcmp(a->host_ifname, b->host_ifname) != 0 ||
	       memcmp(a->mac, b->mac, sizeof(a->mac)) != 0 ||
	       memcmp(a->addrs, b->addrs, sizeof(*a->addrs) * a->n_addrs) != 0;
}

static bool endpoint_is_newer(const struct endpoint *endpoint, uint64_t revision)
{
	return !endpoint || revision > endpoint->revision;
}

/* Of this node: routes and neighbours. 'ret_current': it is what holds now. */
static int put_own_endpoint(struct agent *agent, const struct object *object, uint64_t revision,
			    bool *ret_current, struct err *err)
{
	struct endpoint *endpoint =
		endpoint_find(&agent->endpoints, object->meta.namespace, object->meta.name);
	struct endpoint read = {0};
	int r;

	*ret_current = false;
	if (!endpoint_is_newer(endpoint, revision) ||
	    outage_concerns(agent->outage, object->meta.namespace, object->meta.name))
		return 0;
	if (endpoint && endpoint->busy) {
		/* The call that is at work may be about to write another one. */
		endpoint_keep_late(endpoint, object, revision);
		return 0;
	}
	r = endpoint_read(&read, object, err);
	if (r < 0)
		return r;
	*ret_current = true;
	if (endpoint && !endpoint_differs(endpoint, &read)) {
		endpoint->revision = revision;
		free(read.container_id);
		free(read.network);
		free(read.pod_ifname);
		return 0;
	}
	if (endpoint)
		dataplane_remove_endpoint(agent->dataplane, endpoint);
	endpoint = endpoint_get(&agent->endpoints, object->meta.namespace, object->meta.name);
	memcpy(endpoint->host_ifname, read.host_ifname, sizeof(read.host_ifname));
	memcpy(endpoint->mac, read.mac, sizeof(read.mac));
	memcpy(endpoint->addrs, read.addrs, sizeof(read.addrs));
	endpoint->n_addrs = read.n_addrs;
	endpoint->mtu = read.mtu;
	endpoint->mtu_fixed = read.mtu_fixed;
	endpoint->revision = revision;
	replace_str(&endpoint->container_id, read.container_id);
	replace_str(&endpoint->network, read.network);
	replace_str(&endpoint->pod_ifname, read.pod_ifname);
	dataplane_restore_endpoint(agent->dataplane, endpoint);
	return 0;
}

/* Those of other nodes are of interest to policy only. */
static int put_endpoint(struct agent *agent, bool is_own, const struct object *object,
			uint64_t revision, struct err *err)
{
	bool current = true;
	int r = is_own ? put_own_endpoint(agent, object, revision, &current, err) : 0;

	return r == 0 && current ? policy_enforcer_put(agent->policy, object, err) : r;
}

static void remove_endpoint(struct agent *agent, const char *namespace, const char *name,
			    uint64_t revision)
{
	struct endpoint *endpoint = endpoint_find(&agent->endpoints, namespace, name);

	if ((endpoint && (endpoint->busy || (revision && revision <= endpoint->revision))) ||
	    outage_concerns(agent->outage, namespace, name))
		return;
	policy_enforcer_remove(agent->policy, KIND_WORKLOAD_ENDPOINT, namespace, name);
	if (!endpoint)
		return;
	dataplane_remove_endpoint(agent->dataplane, endpoint);
	endpoint_remove(&agent->endpoints, endpoint);
}

void agent_endpoint_idle(struct agent *agent, struct endpoint *endpoint)
{
	_cleanup_(model_freep) struct object *late = TAKE_PTR(endpoint->late);
	struct err err = ERR_INIT;

	endpoint->busy = false;
	if (!late)
		return;
	if (put_endpoint(agent, true, late, endpoint->late_revision, &err) < 0)
		log_error("an endpoint in the datastore can't be understood; its last good version "
			  "stays in force",
			  "name", late->meta.name, "error", err.msg);
	policy_enforcer_schedule(agent->policy);
}

bool agent_caches(enum kind kind)
{
	return kind == KIND_BGP_CONFIGURATION || kind == KIND_BGP_PEER || kind == KIND_BGP_FILTER ||
	       kind == KIND_FELIX_CONFIGURATION || kind == KIND_CLUSTER_INFORMATION ||
	       kind == KIND_CALICO_NODE_STATUS;
}

int agent_put_object(struct agent *agent, const struct object *object, struct err *err)
{
	int r = object->desc->kind == KIND_FELIX_CONFIGURATION ? model_validate(object, err) : 0;

	if (r == 0)
		r = calc_put(agent->calc, object, err);

	return r == 0 ? policy_enforcer_put(agent->policy, object, err) : r;
}

/* The version before stays in force; where this agent knows none, a former one may have. */
static void keep_good(struct datastore_sync *sync, struct known_object *known,
		      const struct store_object *stored, const struct object *bad,
		      const struct err *err)
{
	struct agent *agent = sync->agent;

	if (known->in_force == GOOD_VERSION_NONE) {
		known->in_force = good_version_recall(agent, stored, bad, sync->complete, err->msg);
		return;
	}
	last_good_secure(agent->last_good, stored);
	log_error(
		known->in_force == GOOD_VERSION_CLOSED
			? "a policy in the datastore still can't be understood; it denies whatever "
			  "it may select"
			: "an object in the datastore can't be understood; its last good version "
			  "stays in force",
		"name", stored->name, "error", err->msg);
}

static void take_in(struct datastore_sync *sync, struct known_object *known,
		    const struct store_object *stored)
{
	struct agent *agent = sync->agent;
	_cleanup_(model_freep) struct object *object = NULL;
	struct err err = ERR_INIT;
	int r = store_object_read(stored, &object, &err);

	if (r == 0)
		r = stored->kind == KIND_WORKLOAD_ENDPOINT
			    ? put_endpoint(agent, is_own_endpoint(sync, stored->name), object,
					   stored->revision, &err)
			    : agent_put_object(agent, object, &err);
	if (r < 0)
		keep_good(sync, known, stored, object, &err);
	else
		known->in_force = GOOD_VERSION_IN_FORCE;
	note_state(sync, known, r >= 0);
	if (r < 0)
		return;
	last_good_put(agent->last_good, stored);
	if (agent_caches(stored->kind))
		agent_cache_put(agent, TAKE_PTR(object), stored->revision);
}

static void remove_object(struct agent *agent, const struct store_object *stored)
{
	enum kind kind = stored->kind;

	last_good_remove(agent->last_good, stored);
	if (kind == KIND_WORKLOAD_ENDPOINT) {
		remove_endpoint(agent, stored->namespace, stored->name, stored->revision);
	} else if (agent_caches(kind)) {
		agent_cache_remove(agent, kind, stored->name);
	} else {
		calc_remove(agent->calc, kind, stored->name);
		policy_enforcer_remove(agent->policy, kind, stored->namespace, stored->name);
	}
}

/* What the new snapshot did not confirm is gone. */
static void sweep(struct datastore_sync *sync)
{
	struct known_object *known;
	struct known_object *next;

	HASH_ITER(hh, sync->known, known, next)
	{
		_cleanup_free_ char *namespace = NULL;

		if (known->snapshot == sync->snapshot)
			continue;
		namespace = xstrndup(known->key + known->namespace_at,
				     known->name_at - known->namespace_at - 1);
		remove_object(sync->agent, &(struct store_object){
						   .kind = known->kind,
						   .namespace = namespace,
						   .name = known->key + known->name_at,
					   });
		forget(sync, known);
	}
	last_good_sweep(sync->agent->last_good);
}

/*
 * Every datastore in use has its ClusterInformation. One without is new or emptied, one with
 * another's is not ours: what they do not have must not be taken for deleted. NULL: it is in use.
 */
static const char *why_unused(struct datastore_sync *sync)
{
	const struct store_object cluster = {
		.kind = KIND_CLUSTER_INFORMATION,
		.name = (char *)(uintptr_t) "default",
	};
	const char *own = sync->agent->cluster_guid;
	_cleanup_free_ char *key = NULL;
	const struct known_object *known = find_known(sync, &cluster, &key);
	const struct object *object =
		object_cache_find(&sync->agent->cache, KIND_CLUSTER_INFORMATION, "default");
	const char *guid = object ? as_cluster_information(object)->spec.cluster_guid : NULL;

	if (!known || known->snapshot != sync->snapshot)
		return "it has no ClusterInformation \"default\"";
	if (own && guid && *guid && strcmp(guid, own) != 0)
		return "its ClusterInformation has the GUID of another cluster";
	return NULL;
}

static void take_event(struct datastore_sync *sync, const struct store_event *event)
{
	const struct store_object *stored = &event->object;
	_cleanup_free_ char *key = NULL;
	struct known_object *known;
	const char *why;

	switch (event->type) {
	case STORE_EVENT_PUT:
		sync->agent->metrics.n_updates++;
		take_in(sync, remember(sync, stored), stored);
		return;
	case STORE_EVENT_DELETE:
		known = find_known(sync, stored, &key);
		if (!known)
			return;
		sync->agent->metrics.n_updates++;
		forget(sync, known);
		remove_object(sync->agent, stored);
		return;
	case STORE_EVENT_IN_SYNC:
		why = why_unused(sync);
		if (why) {
			log_error_limited("this is not the datastore of this node's cluster; "
					  "nothing is taken for gone until it is",
					  "reason", why, "cluster", sync->agent->cluster_guid);
			return;
		}
		sync->complete = true;
		sweep(sync);
		agent_objects_changed(sync->agent);
		agent_in_sync(sync->agent);
		return;
	case STORE_EVENT_RESYNC:
		log_warning_limited("the datastore's watch lost events; reading everything again");
		sync->agent->metrics.n_resyncs++;
		sync->snapshot++;
		sync->complete = false;
		return;
	}
}

static int start_watch(struct datastore_sync *sync, struct err *err);

static void reopen_later(struct datastore_sync *sync, const struct err *err)
{
	log_error_limited("the datastore can't be read; pods go on, trying again", "error",
			  err->msg);
	sync->source = sd_event_source_disable_unref(sync->source);
	sync->watch = store_watch_close(sync->watch);
	outage_begin(sync->agent->outage, err->msg);
	(void)sd_event_source_set_time_relative(sync->reopen, REOPEN_US);
	(void)sd_event_source_set_enabled(sync->reopen, SD_EVENT_ONESHOT);
}

static int on_watch(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct datastore_sync *sync = userdata;
	struct err err = ERR_INIT;

	(void)source;
	(void)fd;
	(void)revents;
	for (unsigned int i = 0; i < EVENTS_A_TURN; i++) {
		_cleanup_(store_event_deinitp) struct store_event event = {0};
		int r = store_watch_next(sync->watch, &event, &err);

		if (r == STORE_E_AGAIN) {
			if (i)
				agent_objects_changed(sync->agent);
			return 0;
		}
		if (r < 0) {
			reopen_later(sync, &err);
			return 0;
		}
		take_event(sync, &event);
	}
	/* More to come, whatever the file says: go on in the next turn. */
	agent_objects_changed(sync->agent);
	return sd_event_source_set_enabled(sync->more, SD_EVENT_ONESHOT);
}

static int on_more(sd_event_source *source, void *userdata)
{
	struct datastore_sync *sync = userdata;

	return sync->watch ? on_watch(source, -1, EPOLLIN, sync) : 0;
}

static int on_reopen(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct datastore_sync *sync = userdata;
	struct err err = ERR_INIT;

	(void)source;
	(void)usec;
	sync->snapshot++;
	sync->complete = false;
	sync->agent->metrics.n_resyncs++;
	if (start_watch(sync, &err) < 0)
		reopen_later(sync, &err);
	return 0;
}

static int start_watch(struct datastore_sync *sync, struct err *err)
{
	static const enum kind kinds[] = {
		KIND_NODE,
		KIND_IP_POOL,
		KIND_IPAM_BLOCK,
		KIND_WORKLOAD_ENDPOINT,
		KIND_BGP_CONFIGURATION,
		KIND_BGP_PEER,
		KIND_BGP_FILTER,
		KIND_FELIX_CONFIGURATION,
		KIND_CLUSTER_INFORMATION,
		KIND_CALICO_NODE_STATUS,
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
		KIND_KUBERNETES_NETWORK_POLICY,
		KIND_KUBERNETES_CLUSTER_NETWORK_POLICY,
		KIND_KUBERNETES_SERVICE,
		KIND_KUBERNETES_ENDPOINT_SLICE,
		KIND_NAMESPACE,
		KIND_SERVICE_ACCOUNT,
	};
	uint64_t mask = 0;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		mask |= UINT64_C(1) << kinds[i];
	r = store_watch_open(&sync->agent->store_config, mask, 0, &sync->watch, err);
	if (r != 0)
		return r < 0 ? r : -EIO;
	r = sd_event_add_io(sync->agent->event, &sync->source, store_watch_fd(sync->watch), EPOLLIN,
			    on_watch, sync);
	if (r < 0)
		return err_errno(err, r, "can't watch the datastore");
	/* The snapshot waits already. */
	return on_watch(sync->source, -1, EPOLLIN, sync);
}

/* "<node>-" with every dash of the node's name doubled (section 1.3 of the facts). */
static char *own_prefix(const char *node_name)
{
	struct buf out = BUF_INIT;

	for (; *node_name; node_name++) {
		if (*node_name == '-')
			buf_addc(&out, '-');
		buf_addc(&out, *node_name);
	}
	buf_addc(&out, '-');
	return buf_take(&out);
}

int datastore_sync_new(struct agent *agent, struct datastore_sync **ret, struct err *err)
{
	struct datastore_sync *sync = XNEW(struct datastore_sync);
	int r;

	*ret = sync;
	sync->agent = agent;
	sync->own_prefix = own_prefix(agent->args.node_name);
	sync->snapshot = 1;
	agent->metrics.n_resyncs++;
	r = sd_event_add_time_relative(agent->event, &sync->reopen, CLOCK_MONOTONIC, REOPEN_US, 0,
				       on_reopen, sync);
	if (r >= 0)
		r = sd_event_source_set_enabled(sync->reopen, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(agent->event, &sync->more, on_more, sync);
	if (r >= 0)
		r = sd_event_source_set_enabled(sync->more, SD_EVENT_OFF);
	if (r < 0)
		return err_errno(err, r, "can't set a timer");
	return start_watch(sync, err);
}

struct datastore_sync *datastore_sync_free(struct datastore_sync *sync)
{
	struct known_object *known;
	struct known_object *next;

	if (!sync)
		return NULL;
	(void)sd_event_source_disable_unref(sync->source);
	(void)sd_event_source_disable_unref(sync->reopen);
	(void)sd_event_source_disable_unref(sync->more);
	sync->watch = store_watch_close(sync->watch);
	HASH_ITER(hh, sync->known, known, next)
	{
		forget(sync, known);
	}
	free(sync->own_prefix);
	free(sync);
	return NULL;
}
