/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The agent's root object, and what its parts offer each other. Only for src/agent. */

#include <systemd/sd-event.h>

#include "agent/agent-args.h"
#include "agent/bird-manager.h"
#include "agent/dataplane.h"
#include "agent/endpoint.h"
#include "agent/flow-log.h"
#include "agent/health-server.h"
#include "agent/last-good.h"
#include "agent/link-remover.h"
#include "agent/metrics.h"
#include "agent/object-cache.h"
#include "agent/outage.h"
#include "agent/policy-enforcer.h"
#include "agent/store-worker.h"
#include "cni/cni-server.h"

struct agent {
	struct agent_args args;
	struct store_config store_config;
	sd_event *event;

	struct calc *calc;
	struct object_cache cache; /* kinds that are only read back: configurations, peers... */
	struct endpoint_table endpoints;
	struct felix_configuration *felix; /* effective parameters */
	char *ignored; /* those of them that are not applied, as reported last */

	struct store_worker *store_worker;
	struct link_remover *link_remover;
	struct worker *scan_worker; /* GC looks through the datastore there */
	struct dataplane *dataplane;
	struct policy_enforcer *policy;
	struct flow_log *flow_log;
	struct bird_manager *bird; /* NULL: no BGP */
	struct cni_server *cni;
	struct health_server *health;
	struct health_server *metrics_server;
	struct datastore_sync *sync;
	struct tunnel_address_task *tunnel_task;
	struct node_address_task *address_task;
	struct outage *outage;
	struct last_good *last_good;
	struct node_status_reporter *status_reporter;
	sd_event_source *replay_timer; /* DELs that korat-cni queued */

	char *cluster_guid; /* the cluster this node is of; NULL: none */
	char *bgp_problems; /* as reported last */

	bool in_sync;
	bool bgp_dirty; /* something BIRD's configuration is made of has changed */
	bool felix_dirty;
	bool services_dirty; /* prefixes of services may be others */
	bool stopping;
	size_t n_calls; /* CNI calls at work */
	struct pod_call *pod_calls;
	char *known_profile; /* of a network: it is in the datastore */

	struct metrics metrics;
	uint64_t start_us;
};

/* agent.c */

/* Objects have changed; called once per batch of events. */
void agent_objects_changed(struct agent *agent);
void agent_in_sync(struct agent *agent);
/* A cached kind has changed. Takes 'object'. */
void agent_cache_put(struct agent *agent, struct object *object, uint64_t revision);
void agent_cache_remove(struct agent *agent, enum kind kind, const char *name);
/* A CNI call has ended. */
void agent_call_ended(struct agent *agent);

/* agent-bgp.c: hands BIRD's manager what is known now. */
void agent_configure_bird(struct agent *agent);

/* agent-config.c */

/* The effective Felix parameters: environment over node.<node> over default over built in. */
MUST_CHECK int agent_config_resolve(const struct object *global, const struct object *node,
				    struct felix_configuration **ret, struct err *err);
/*
 * agent->felix, at the start. An object that can't be understood does not keep the agent from it:
 * its last good version is taken, or none. <0: the datastore can't be read, or the environment.
 */
MUST_CHECK int agent_config_load(struct agent *agent, struct err *err);
/* Those of the dataplane; strings borrowed from agent->felix and agent->args. */
void agent_config_dataplane(const struct agent *agent, struct dataplane_config *ret);
/* Says once what is set and not applied; '*reported' is what was said last, to be freed. */
void agent_config_report_ignored(const struct felix_configuration *felix, char **reported);
void agent_config_apply_log_level(const struct felix_configuration *felix);

/* pod-call.c: the handler of CNI calls; 'ctx' is the agent. */
void pod_call_handle(struct cni_call *call, const struct cni_request *request, int netns_fd,
		     void *ctx);

/* datastore-sync.c: follows the datastore from now on. */
MUST_CHECK int datastore_sync_new(struct agent *agent, struct datastore_sync **ret,
				  struct err *err);
struct datastore_sync *datastore_sync_free(struct datastore_sync *sync);

/* Into both graphs. -EINVAL: it can't be understood; what was there before stays. */
MUST_CHECK int agent_put_object(struct agent *agent, const struct object *object, struct err *err);
/* Kinds that live in the graphs or the endpoint table are not cached. */
bool agent_caches(enum kind kind);

/* good-version.c */

enum good_version {
	GOOD_VERSION_NONE,     /* nothing of the object is in force */
	GOOD_VERSION_IN_FORCE, /* the last good one */
	GOOD_VERSION_CLOSED,   /* there is none: it denies whatever it may select */
};
/*
 * The object can't be understood, for the reason 'why', and nothing of it is in force: puts in its
 * place what there is, and says so. 'bad': the object, where it could be read. 'is_new': it was not
 * there before, so nothing that it closed can be opened.
 */
enum good_version good_version_recall(struct agent *agent, const struct store_object *stored,
				      const struct object *bad, bool is_new, const char *why);

/* A call is done with the endpoint: what the datastore said of it meanwhile is taken in. */
void agent_endpoint_idle(struct agent *agent, struct endpoint *endpoint);

/* tunnel-address-task.c: keeps the own tunnel addresses right; a run at a time, in the worker. */
MUST_CHECK int tunnel_address_task_new(struct agent *agent, struct tunnel_address_task **ret,
				       struct err *err);
struct tunnel_address_task *tunnel_address_task_free(struct tunnel_address_task *task);
void tunnel_address_task_start(struct tunnel_address_task *task);

/* node-address-task.c: keeps the Node object there, and its addresses right. */
MUST_CHECK int node_address_task_new(struct agent *agent, struct node_address_task **ret,
				     struct err *err);
struct node_address_task *node_address_task_free(struct node_address_task *task);

/* node-status.c: writes CalicoNodeStatus objects of this node, when they are due. */
MUST_CHECK int node_status_reporter_new(struct agent *agent, struct node_status_reporter **ret,
					struct err *err);
struct node_status_reporter *node_status_reporter_free(struct node_status_reporter *reporter);
void node_status_update(struct node_status_reporter *reporter);
