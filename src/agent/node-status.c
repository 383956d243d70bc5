/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CalicoNodeStatus: a person creates the object naming a node and what to report; that node fills
 * in its status every updatePeriodSeconds (0: never again). A write that meets a newer version of
 * the object is dropped, the next period brings another. One write is at work at a time; its end
 * looks for the next object that is due, and so does a timer.
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

#define ROUTES_MAX 10000   /* of one family, in the status */
#define TICK_US	   1000000 /* as often as an object can ask to be written */

struct node_status_reporter {
	struct agent *agent;
	struct store_job job;
	sd_event_source *timer;
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
		log_warning_limited("can't read the routes for a status", "error", err.msg);
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

/* BIRD's two parts come together; the one nobody asked for goes to 'unwanted'. */
static void add_bird(const struct agent *agent, const struct calico_node_status_spec *spec,
		     struct calico_node_status_status *status,
		     struct calico_node_status_status *unwanted)
{
	const struct bird_state *bird = agent->bird ? bird_manager_get_state(agent->bird) : NULL;

	if (!bird || !(wants(spec, "BGP") || wants(spec, "Agent")))
		return;
	bgp_status_fill(&bird->protocols, bird->present ? &bird->daemon : NULL, status);
	if (!wants(spec, "Agent"))
		unwanted->agent = TAKE_PTR(status->agent);
	if (!wants(spec, "BGP"))
		unwanted->bgp = TAKE_PTR(status->bgp);
}

/* A copy of the object with its status as it is now. */
static struct object *fill(struct agent *agent, const struct object *from)
{
	struct object *object = model_copy(from);
	struct calico_node_status *node_status = as_calico_node_status(object);
	_cleanup_(model_freep) struct object *old =
		model_new(KIND_CALICO_NODE_STATUS, NULL, from->meta.name);
	_cleanup_(model_freep) struct object *unwanted =
		model_new(KIND_CALICO_NODE_STATUS, NULL, from->meta.name);
	struct calico_node_status_status *status = XNEW(struct calico_node_status_status);

	/* What is not kept goes the way every object does. */
	as_calico_node_status(old)->status = node_status->status;
	as_calico_node_status(unwanted)->status = XNEW(struct calico_node_status_status);
	add_bird(agent, &node_status->spec, status, as_calico_node_status(unwanted)->status);
	if (wants(&node_status->spec, "Routes")) {
		status->routes = XNEW(struct routes_status);
		add_routes(agent, AF_INET, &status->routes->routes_v4);
		add_routes(agent, AF_INET6, &status->routes->routes_v6);
	}
	status->last_updated = xstrdup(format_time(time(NULL)).s);
	node_status->status = status;
	return object;
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

static void done(struct store_job *job)
{
	struct node_status_reporter *reporter = CONTAINER_OF(job, struct node_status_reporter, job);

	reporter->running = false;
	if (job->op_result < 0)
		log_warning_limited("can't write a node status", "name", reporter->name, "error",
				    job->err.msg);
	node_status_update(reporter);
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

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	node_status_update(userdata);
	(void)sd_event_source_set_time_relative(source, TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int node_status_reporter_new(struct agent *agent, struct node_status_reporter **ret,
			     struct err *err)
{
	struct node_status_reporter *reporter = XNEW(struct node_status_reporter);
	int r;

	*ret = reporter;
	reporter->agent = agent;
	r = sd_event_add_time_relative(agent->event, &reporter->timer, CLOCK_MONOTONIC, TICK_US, 0,
				       on_tick, reporter);
	return r < 0 ? err_errno(err, r, "can't set a timer") : 0;
}

struct node_status_reporter *node_status_reporter_free(struct node_status_reporter *reporter)
{
	struct status_due *due;
	struct status_due *next;

	if (!reporter)
		return NULL;
	(void)sd_event_source_disable_unref(reporter->timer);
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
