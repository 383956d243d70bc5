/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GC: what this node has of a network and the runtime does not know is detached, as DEL does it:
 *
 *	endpoints of the network, by container and interface
 *	addresses of the network with no endpoint, by container: left behind by calls cut off
 *
 * The second come from the blocks as they are in the datastore, read by a connection of its own, as
 * the agent's are at work. An endpoint whose network is not known (written by another program)
 * and a container with a call at work are left alone.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/pod-call.h"
#include "base/alloc.h"
#include "model/kinds.h"

#define LOG_MODULE "cni"
#include "base/log.h"

/* An address's owner. */
struct leftover {
	char *container_id;
	char *namespace;
	char *pod;
};

struct gc {
	struct agent *agent;
	struct cni_call *call;
	const struct cni_request *request;
	char *prefix; /* of the network's handles */
	struct worker_job scan;
	struct leftover *leftovers;
	size_t n_leftovers;
	int scan_result;
	struct err scan_err;
	unsigned int n_waiting;
	unsigned int n_detached;
	unsigned int code;
	struct err err;
};

/* --- End -------------------------------------------------------------------------------------- */

static void gc_free(struct gc *gc)
{
	for (size_t i = 0; i < gc->n_leftovers; i++) {
		free(gc->leftovers[i].container_id);
		free(gc->leftovers[i].namespace);
		free(gc->leftovers[i].pod);
	}
	free(gc->leftovers);
	free(gc->prefix);
	free(gc);
}

static void one_done(struct gc *gc)
{
	struct agent *agent = gc->agent;

	if (--gc->n_waiting)
		return;
	log_info("network cleaned up", "network", gc->request->network, "detached",
		 log_num(gc->n_detached).s, "error", gc->code ? gc->err.msg : NULL);
	if (gc->code)
		cni_call_answer_error(gc->call, gc->code, gc->err.msg);
	else if (gc->request->delegates)
		cni_call_answer_delegate(gc->call, gc->request->ipam_type);
	else
		cni_call_answer_ok(gc->call);
	gc_free(gc);
	agent_call_ended(agent);
}

static void on_detached(void *ctx, unsigned int code, const char *message)
{
	struct gc *gc = ctx;

	if (code && !gc->code) {
		gc->code = code;
		(void)err_set(&gc->err, 0, "%s", message);
	}
	one_done(gc);
}

/* --- What is left over ------------------------------------------------------------------------ */

static bool is_valid(const struct gc *gc, const char *container_id, const char *ifname)
{
	for (size_t i = 0; i < gc->request->n_valid; i++) {
		const struct cni_attachment *attachment = &gc->request->valid[i];

		if (strcmp(attachment->container_id, container_id) == 0 &&
		    (!ifname || strcmp(attachment->ifname, ifname) == 0))
			return true;
	}
	return false;
}

static bool has_endpoint(const struct agent *agent, const char *container_id)
{
	struct endpoint *endpoint;
	struct endpoint *next;

	HASH_ITER(hh, agent->endpoints.by_name, endpoint, next)
	{
		if (endpoint->container_id && strcmp(endpoint->container_id, container_id) == 0)
			return true;
	}
	return false;
}

static bool has_call(const struct agent *agent, const char *container_id)
{
	for (const struct pod_call *pod = agent->pod_calls; pod; pod = pod->next) {
		if (strcmp(pod->request->container_id, container_id) == 0)
			return true;
	}
	return false;
}

static void detach(struct gc *gc, const char *container_id, const struct endpoint *endpoint,
		   const struct leftover *leftover)
{
	struct cni_request *request = XNEW(struct cni_request);

	request->verb = CNI_DEL;
	request->role = gc->request->role;
	request->network = xstrdup(gc->request->network);
	request->container_id = xstrdup(container_id);
	request->ifname = xstrdup("eth0");
	request->ifprefix = xstrdup(gc->request->ifprefix);
	if (leftover && leftover->pod && leftover->namespace) {
		request->pod_name = xstrdup(leftover->pod);
		request->pod_namespace = xstrdup(leftover->namespace);
	}
	gc->n_waiting++;
	gc->n_detached++;
	pod_call_detach(gc->agent, request, endpoint, on_detached, gc);
}

static void detach_endpoints(struct gc *gc)
{
	struct endpoint *endpoint;
	struct endpoint *next;

	HASH_ITER(hh, gc->agent->endpoints.by_name, endpoint, next)
	{
		if (endpoint->busy || !endpoint->container_id || !endpoint->network ||
		    strcmp(endpoint->network, gc->request->network) != 0 ||
		    is_valid(gc, endpoint->container_id, endpoint->pod_ifname))
			continue;
		detach(gc, endpoint->container_id, endpoint, NULL);
	}
}

/* --- Addresses -------------------------------------------------------------------------------- */

static void note_address(struct gc *gc, const struct ipam_attribute *attribute)
{
	size_t len = strlen(gc->prefix);
	const char *node = str_map_find(&attribute->secondary, "node");
	struct leftover *leftover;

	if (!attribute->handle_id || strncmp(attribute->handle_id, gc->prefix, len) != 0 || !node ||
	    strcmp(node, gc->agent->args.node_name) != 0)
		return;
	leftover = ARRAY_ADD(gc->leftovers, gc->n_leftovers);
	leftover->container_id = xstrdup(attribute->handle_id + len);
	leftover->namespace = xstrdup(str_map_find(&attribute->secondary, "namespace"));
	leftover->pod = xstrdup(str_map_find(&attribute->secondary, "pod"));
}

static int scan_blocks(struct gc *gc, struct err *err)
{
	_cleanup_(store_closep) struct store *store = NULL;
	_cleanup_(store_list_deinitp) struct store_list list = {0};
	int r = store_open(&gc->agent->store_config, &store, err);

	if (r == 0)
		r = store_list(store, KIND_IPAM_BLOCK, NULL, &list, err);
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_(model_freep) struct object *object = NULL;
		const struct ipam_attribute_list *attributes;

		r = store_object_read(&list.v[i], &object, err);
		if (r != 0)
			break;
		attributes =
			&((const struct ipam_block_object *)(const void *)object)->spec.attributes;
		for (size_t k = 0; k < attributes->n; k++)
			note_address(gc, &attributes->v[k]);
	}
	return r;
}

static void run_scan(struct worker_job *job, void *ctx)
{
	struct gc *gc = CONTAINER_OF(job, struct gc, scan);

	(void)ctx;
	gc->scan_result = scan_blocks(gc, &gc->scan_err);
}

static void scan_done(struct worker_job *job)
{
	struct gc *gc = CONTAINER_OF(job, struct gc, scan);

	if (gc->scan_result != 0) {
		on_detached(gc, CNI_ERROR_TRY_AGAIN, gc->scan_err.msg);
		return;
	}
	for (size_t i = 0; i < gc->n_leftovers; i++) {
		const char *id = gc->leftovers[i].container_id;

		/* Also says that it was detached a moment ago, as endpoint or as leftover. */
		if (!is_valid(gc, id, NULL) && !has_endpoint(gc->agent, id) &&
		    !has_call(gc->agent, id))
			detach(gc, id, NULL, &gc->leftovers[i]);
	}
	one_done(gc);
}

void pod_gc(struct agent *agent, struct cni_call *call, const struct cni_request *request)
{
	struct gc *gc = XNEW(struct gc);

	gc->agent = agent;
	gc->call = call;
	gc->request = request;
	gc->prefix = xasprintf("%s.", request->network);
	gc->n_waiting = 1;
	gc->scan_result = -ESHUTDOWN;
	agent->n_calls++;
	if (request->role == CNI_ROLE_MAIN)
		detach_endpoints(gc);
	gc->scan = (struct worker_job){.run = run_scan, .done = scan_done};
	worker_submit(agent->scan_worker, &gc->scan);
}
