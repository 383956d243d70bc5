/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CalicoNodeStatus: a person creates the object naming a node and what to report; that node fills
 * in its status every updatePeriodSeconds (0: never again). A write that meets a newer version of
 * the object is dropped, the next period brings another.
 */

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <time.h>

#include "agent/agent-internal.h"
#include "base/alloc.h"
#include "base/parse.h"
#include "loop/loop.h"
#include "model/kinds.h"

#define LOG_MODULE "node-status"
#include "base/log.h"

#define ROUTES_MAX 10000 /* of one family, in the status */

struct node_status_reporter {
	struct agent *agent;
	struct store_job job;
	bool running;
	char *name;
	char *text;
	struct status_due *dues;
};

/* When an object is to be written next. */
struct status_due {
	char *name;
	uint64_t at_us;
	UT_hash_handle hh;
};

static bool wants(const struct calico_node_status_spec *spec, const char *class)
{
	for (size_t i = 0; i < spec->classes.n; i++) {
		if (strcmp(spec->classes.v[i], class) == 0)
			return true;
	}
	return false;
}

static const struct {
	uint8_t protocol;
	const char *source;
} route_sources[] = {
	{RTPROT_KERNEL, "Kernel"},
	{RTPROT_BIRD, "NodeMesh"},
	{RTPROT_BOOT, "Static"},
	{RTPROT_STATIC, "Static"},
	{80, "Static"},
};

static const char *route_source(const struct route *route)
{
	for (size_t i = 0; i < ARRAY_SIZE(route_sources); i++) {
		if (route_sources[i].protocol == route->protocol)
			return route_sources[i].source;
	}
	return "Kernel";
}

static void add_routes(struct agent *agent, uint8_t family, struct route_status_list *list)
{
	struct route_list routes = {0};
	struct err err = ERR_INIT;

	list->set = true;
	if (route_dump(dataplane_nl(agent->dataplane), family, 0, &routes, &err) < 0) {
		log_warning("can't read the routes for a status", "error", err.msg);
		return;
	}
	for (size_t i = 0; i < routes.n && i < ROUTES_MAX; i++) {
		const struct route *route = &routes.v[i];
		struct route_status *status = ARRAY_ADD(list->v, list->n);
		char ifname[IFNAMSIZ] = "";

		status->type = xstrdup("FIB");
		status->destination = xstrdup(cidr_format(&route->dst).s);
		if (route->ifindex && if_indextoname((unsigned int)route->ifindex, ifname))
			status->interface = xstrdup(ifname);
		if (route->gateway.family)
			status->gateway = xstrdup(ip_format(&route->gateway).s);
		status->learned_from = XNEW(struct route_learned_from);
		status->learned_from->source_type = xstrdup(route_source(route));
		if (route->protocol == RTPROT_BIRD && route->gateway.family)
			status->learned_from->peer_ip = xstrdup(ip_format(&route->gateway).s);
	}
	route_list_deinit(&routes);
}

/* A copy of the object with its status as it is now. */
static struct object *fill(struct agent *agent, const struct object *from)
{
	struct object *object = model_copy(from);
	struct calico_node_status *node_status = as_calico_node_status(object);
	_cleanup_(model_freep) struct object *fresh =
		model_new(KIND_CALICO_NODE_STATUS, NULL, from->meta.name);
	struct calico_node_status_status *status = XNEW(struct calico_node_status_status);
	struct calico_node_status_status *old = node_status->status;
	const struct bird_state *bird = agent->bird ? bird_manager_get_state(agent->bird) : NULL;

	if (bird && bird->present &&
	    (wants(&node_status->spec, "BGP") || wants(&node_status->spec, "Agent")))
		bgp_status_fill(&bird->protocols, &bird->daemon, status);
	if (wants(&node_status->spec, "Routes")) {
		status->routes = XNEW(struct routes_status);
		add_routes(agent, AF_INET, &status->routes->routes_v4);
		add_routes(agent, AF_INET6, &status->routes->routes_v6);
	}
	status->last_updated = xstrdup(format_time(time(NULL)).s);
	node_status->status = status;
	/* The old status goes the way every object does. */
	as_calico_node_status(fresh)->status = old;
	return object;
}

static void done(struct store_job *job)
{
	struct node_status_reporter *reporter = CONTAINER_OF(job, struct node_status_reporter, job);

	reporter->running = false;
	if (job->op_result < 0)
		log_warning("can't write a node status", "name", reporter->name, "error",
			    job->err.msg);
}

static void write_status(struct node_status_reporter *reporter, const struct cached_object *cached)
{
	_cleanup_(model_freep) struct object *object = fill(reporter->agent, cached->object);

	reporter->running = true;
	reporter->job = (struct store_job){
		.op = {.type = STORE_UPDATE,
		       .kind = KIND_CALICO_NODE_STATUS,
		       .revision = cached->revision},
		.done = done,
	};
	replace_str(&reporter->name, xstrdup(object->meta.name));
	replace_str(&reporter->text, store_object_text(object, &reporter->job.op.size));
	reporter->job.op.name = reporter->name;
	reporter->job.op.value = reporter->text;
	store_worker_submit(reporter->agent->store_worker, &reporter->job);
}

/* True once every 'period_us' for each name. */
static bool is_due(struct node_status_reporter *reporter, const char *name, uint64_t period_us)
{
	uint64_t now = loop_now();
	struct status_due *due;

	HASH_FIND_STR(reporter->dues, name, due);
	if (!due) {
		due = XNEW(struct status_due);
		due->name = xstrdup(name);
		HASH_ADD_KEYPTR(hh, reporter->dues, due->name, strlen(due->name), due);
	}
	if (now < due->at_us)
		return false;
	due->at_us = now + period_us;
	return true;
}

void node_status_update(struct node_status_reporter *reporter)
{
	struct agent *agent = reporter->agent;
	struct cached_object *cached;
	struct cached_object *next;

	HASH_ITER(hh, agent->cache.objects, cached, next)
	{
		const struct calico_node_status_spec *spec;
		int64_t period;

		if (reporter->running || agent->stopping)
			return;
		if (cached->object->desc->kind != KIND_CALICO_NODE_STATUS)
			continue;
		spec = &as_calico_node_status(cached->object)->spec;
		period = spec->update_period_seconds.set ? spec->update_period_seconds.v : 10;
		if (spec->node && strcmp(spec->node, agent->args.node_name) == 0 && period > 0 &&
		    is_due(reporter, cached->object->meta.name, (uint64_t)period * 1000000))
			write_status(reporter, cached);
	}
}

struct node_status_reporter *node_status_reporter_new(struct agent *agent)
{
	struct node_status_reporter *reporter = XNEW(struct node_status_reporter);

	reporter->agent = agent;
	return reporter;
}

struct node_status_reporter *node_status_reporter_free(struct node_status_reporter *reporter)
{
	struct status_due *due;
	struct status_due *next;

	if (!reporter)
		return NULL;
	HASH_ITER(hh, reporter->dues, due, next)
	{
		HASH_DEL(reporter->dues, due);
		free(due->name);
		free(due);
	}
	free(reporter->name);
	free(reporter->text);
	free(reporter);
	return NULL;
}
