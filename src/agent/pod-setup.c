/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ADD, DEL and CHECK of pods, each a short chain of steps between the loop and the workers:
 *
 *   ADD	addresses from IPAM (store worker) -> wire the pod, program its routes (loop)
 *		-> write the WorkloadEndpoint (store worker) -> answer
 *		any failure: unwire, forget the routes, release the addresses -> answer the error
 *   DEL	forget the routes (loop) -> delete the link (link worker), and at the same time
 *delete the WorkloadEndpoint and release the addresses (store worker) -> answer when both are done
 *CHECK compare with what ADD made -> answer
 *
 * An endpoint under work is 'busy'; a second call for it is told to try again. A pod_call lives
 *from its request to its answer.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/agent-internal.h"
#include "base/alloc.h"
#include "base/digest.h"
#include "cni/pod-link.h"
#include "model/kinds.h"

#define LOG_MODULE "cni"
#include "base/log.h"

static const char *const verb_names[] = {"ADD", "DEL", "CHECK"};

struct pod_call {
	struct agent *agent;
	struct cni_call *call;
	const struct cni_request *request;
	int netns_fd;
	uint64_t start_us;

	struct endpoint *endpoint; /* held busy; NULL: none */
	bool endpoint_is_new;
	char *handle;
	char *name;	    /* of the WorkloadEndpoint */
	char *text;	    /* its JSON */
	const char **pools; /* to take addresses from; NULL: automatic */
	char host_ifname[IFNAMSIZ];
	struct pod_link link;

	struct store_job store;
	struct worker_job unlink;
	int unlink_result;
	struct err unlink_err;
	unsigned int n_waiting; /* DEL, undo: jobs not done yet */
	unsigned int code;	/* of the error to answer with; 0: none */
	struct err err;
};

/* --- Beginning and end
 * ---------------------------------------------------------------------------- */

static void log_end(const struct pod_call *pod, uint64_t us)
{
	static const char *const done[] = {"pod attached", "pod detached", "pod checked"};
	const struct endpoint *endpoint = pod->endpoint;

	if (pod->code)
		log_warning("CNI call failed", "verb", verb_names[pod->request->verb], "endpoint",
			    pod->name, "container", pod->request->container_id, "code",
			    log_num(pod->code).s, "error", pod->err.msg);
	else
		log_info(done[pod->request->verb], "endpoint", pod->name, "address",
			 endpoint && endpoint->n_addrs ? ip_format(&endpoint->addrs[0].addr).s
						       : NULL,
			 "interface", pod->host_ifname, "us", log_num((int64_t)us).s);
}

/* Answers, with 'result' if there is one, and ends the call. The request is gone after it. */
static void finish(struct pod_call *pod, const struct cni_result *result)
{
	struct metrics *metrics = &pod->agent->metrics;
	unsigned int verb = (unsigned int)pod->request->verb;
	uint64_t us = loop_now() - pod->start_us;

	log_end(pod, us);
	metrics_observe(&metrics->cni_seconds[verb], us);
	if (pod->code)
		metrics->n_cni_failed[verb]++;
	else
		metrics->n_cni_ok[verb]++;
	if (pod->endpoint)
		pod->endpoint->busy = false;
	if (pod->code)
		cni_call_answer_error(pod->call, pod->code, pod->err.msg);
	else if (result)
		cni_call_answer_result(pod->call, result);
	else
		cni_call_answer_ok(pod->call);
	free(pod->handle);
	free(pod->name);
	free(pod->text);
	free(pod->pools);
	agent_call_ended(pod->agent);
	free(pod);
}

static void finish_error(struct pod_call *pod, unsigned int code, const char *message)
{
	pod->code = code;
	(void)err_set(&pod->err, 0, "%s", message);
	finish(pod, NULL);
}

static void finish_added(struct pod_call *pod)
{
	const struct endpoint *endpoint = pod->endpoint;
	struct cni_result result = {
		.host_ifname = endpoint->host_ifname,
		.host_mac = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee},
		.pod_ifname = pod->request->ifname,
		.mtu = pod->link.mtu,
		.netns_path = pod->request->netns_path,
		.n_addrs = endpoint->n_addrs,
	};

	memcpy(result.pod_mac, endpoint->mac, MAC_SIZE);
	memcpy(result.addrs, endpoint->addrs, sizeof(*result.addrs) * endpoint->n_addrs);
	finish(pod, &result);
}

/* --- The WorkloadEndpoint
 * ------------------------------------------------------------------------- */

static struct object *make_endpoint_object(const struct pod_call *pod)
{
	const struct cni_request *request = pod->request;
	const struct endpoint *endpoint = pod->endpoint;
	const char *namespace = cni_endpoint_namespace(request);
	const char *orchestrator = request->pod_name ? "k8s" : "cni";
	struct object *object = model_new(KIND_WORKLOAD_ENDPOINT, namespace, pod->name);
	struct workload_endpoint_spec *spec = &as_workload_endpoint(object)->spec;

	str_map_put(&object->meta.labels, "projectcalico.org/namespace", namespace);
	str_map_put(&object->meta.labels, "projectcalico.org/orchestrator", orchestrator);
	spec->orchestrator = xstrdup(orchestrator);
	spec->node = xstrdup(pod->agent->args.node_name);
	spec->container_id = xstrdup(request->container_id);
	spec->pod = xstrdup(request->pod_name);
	spec->workload = request->pod_name ? NULL : xstrdup(request->container_id);
	spec->endpoint = xstrdup(request->ifname);
	spec->interface_name = xstrdup(endpoint->host_ifname);
	spec->mac = xstrdup(mac_format(endpoint->mac).s);
	for (unsigned int i = 0; i < endpoint->n_addrs; i++)
		str_list_add(&spec->ip_networks, cidr_format(&endpoint->addrs[i]).s);
	if (request->policy_k8s) {
		_cleanup_free_ char *profile = xasprintf("kns.%s", namespace);

		str_list_add(&spec->profiles, profile);
	} else {
		str_list_add(&spec->profiles, request->network);
	}
	store_stamp(object);
	return object;
}

/* Always the same for one container interface, so a repeated ADD gives the same. */
static void pod_mac(const struct cni_request *request, uint8_t ret[MAC_SIZE])
{
	_cleanup_free_ char *text = xasprintf("%s/%s", request->container_id, request->ifname);
	struct digest digest = digest_of(DIGEST_SHA1, text, strlen(text));

	memcpy(ret, digest.bytes, MAC_SIZE);
	ret[0] = (uint8_t)((ret[0] & 0xfc) | 0x02); /* one station, locally administered */
}

/* --- Undoing an ADD
 * ---------------------------------------------------------------------------------- */

static void one_undone(struct pod_call *pod)
{
	if (--pod->n_waiting)
		return;
	if (pod->endpoint) {
		endpoint_remove(&pod->agent->endpoints, pod->endpoint);
		pod->endpoint = NULL;
	}
	finish(pod, NULL);
}

static void undo_store_done(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (job->ipam.result != IPAM_OK && job->ipam.result != IPAM_E_NOT_FOUND)
		log_error("can't release the address of a failed ADD; DEL will", "endpoint",
			  pod->name, "handle", pod->handle, "error", job->ipam.err.msg);
	one_undone(pod);
}

static void run_unlink(struct worker_job *job, void *ctx)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, unlink);

	(void)ctx;
	pod->unlink_result =
		pod_link_detach(pod->agent->link_nl, pod->host_ifname, &pod->unlink_err);
}

static void undo_unlink_done(struct worker_job *job)
{
	one_undone(CONTAINER_OF(job, struct pod_call, unlink));
}

static void submit_release(struct pod_call *pod, bool delete_endpoint,
			   void (*done)(struct store_job *job))
{
	pod->store = (struct store_job){
		.op = {.type = delete_endpoint ? STORE_DELETE : STORE_EXPECT,
		       .kind = KIND_WORKLOAD_ENDPOINT,
		       .namespace = cni_endpoint_namespace(pod->request),
		       .name = pod->name},
		.has_ipam = true,
		.ipam = {.type = IPAM_RELEASE_HANDLE, .handle = pod->handle},
		.done = done,
	};
	pod->n_waiting++;
	store_worker_submit(pod->agent->store_worker, &pod->store);
}

static void submit_unlink(struct pod_call *pod, void (*done)(struct worker_job *job))
{
	pod->unlink = (struct worker_job){.run = run_unlink, .done = done};
	pod->n_waiting++;
	worker_submit(pod->agent->link_worker, &pod->unlink);
}

static void undo(struct pod_call *pod, unsigned int code, const char *message)
{
	pod->code = code;
	(void)err_set(&pod->err, 0, "%s", message);
	dataplane_remove_endpoint(pod->agent->dataplane, pod->endpoint);
	submit_unlink(pod, undo_unlink_done);
	submit_release(pod, /* delete_endpoint= */ true, undo_store_done);
}

/* --- ADD
 * -------------------------------------------------------------------------------------------- */

static void add_written(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (job->op_result != 0) {
		(void)err_prefix(&job->err, 0, "can't write the endpoint to the datastore");
		undo(pod, CNI_ERROR_TRY_AGAIN, job->err.msg);
		return;
	}
	pod->endpoint->revision = job->revision;
	finish_added(pod);
}

static void write_endpoint(struct pod_call *pod)
{
	_cleanup_(model_freep) struct object *object = make_endpoint_object(pod);

	pod->store = (struct store_job){
		.op = {.type = STORE_PUT,
		       .kind = KIND_WORKLOAD_ENDPOINT,
		       .namespace = cni_endpoint_namespace(pod->request),
		       .name = pod->name},
		.done = add_written,
	};
	pod->text = store_object_text(object, &pod->store.op.size);
	pod->store.op.value = pod->text;
	store_worker_submit(pod->agent->store_worker, &pod->store);
}

static int wire(struct pod_call *pod, struct err *err)
{
	const struct cni_request *request = pod->request;
	struct endpoint *endpoint = pod->endpoint;
	int r;

	pod->link = (struct pod_link){
		.host_ifname = endpoint->host_ifname,
		.pod_ifname = request->ifname,
		.netns_fd = pod->netns_fd,
		.mtu = request->mtu ? request->mtu : dataplane_pod_mtu(pod->agent->dataplane),
		.n_queues = request->n_queues,
		.allow_ip_forwarding = request->allow_ip_forwarding,
		.n_addrs = endpoint->n_addrs,
		.has_pod_mac = true,
	};
	memcpy(pod->link.addrs, endpoint->addrs, sizeof(*endpoint->addrs) * endpoint->n_addrs);
	memcpy(pod->link.pod_mac, endpoint->mac, MAC_SIZE);
	r = pod_link_attach(dataplane_nl(pod->agent->dataplane), &pod->link, err);
	return r < 0 ? r : dataplane_add_endpoint(pod->agent->dataplane, endpoint, err);
}

static void add_assigned(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);
	struct endpoint *endpoint = pod->endpoint;
	struct err err = ERR_INIT;

	if (job->ipam.result != IPAM_OK) {
		if (pod->endpoint_is_new) {
			endpoint_remove(&pod->agent->endpoints, endpoint);
			pod->endpoint = NULL;
		}
		finish_error(pod,
			     job->ipam.result == IPAM_E_STORE ? CNI_ERROR_TRY_AGAIN
							      : CNI_ERROR_INTERNAL,
			     job->ipam.err.msg);
		return;
	}
	/* What a former container of the same pod had goes now; its address with its own DEL. */
	dataplane_remove_endpoint(pod->agent->dataplane, endpoint);
	replace_str(&endpoint->container_id, xstrdup(pod->request->container_id));
	memcpy(endpoint->host_ifname, pod->host_ifname, sizeof(endpoint->host_ifname));
	pod_mac(pod->request, endpoint->mac);
	endpoint->n_addrs = MIN(job->ipam.n_addrs, (unsigned int)ENDPOINT_ADDRS_MAX);
	for (unsigned int i = 0; i < endpoint->n_addrs; i++)
		endpoint->addrs[i] = cidr_host(&job->ipam.addrs[i].addr);
	if (wire(pod, &err) < 0) {
		undo(pod, CNI_ERROR_INTERNAL, err.msg);
		return;
	}
	write_endpoint(pod);
}

/* The pools of both families in one list; free() it. */
static const char **wanted_pools(const struct cni_request *request)
{
	char **const lists[] = {request->v4_pools, request->v6_pools};
	const char **pools = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (size_t k = 0; lists[i] && lists[i][k]; k++)
			*ARRAY_ADD(pools, n) = lists[i][k];
	}
	if (pools)
		*ARRAY_ADD(pools, n) = NULL;
	return pools;
}

static bool same_container(const struct pod_call *pod)
{
	const struct endpoint *endpoint = pod->endpoint;

	return endpoint && endpoint->container_id &&
	       strcmp(endpoint->container_id, pod->request->container_id) == 0;
}

static bool still_wired(struct pod_call *pod, struct err *err)
{
	pod->link = (struct pod_link){
		.host_ifname = pod->endpoint->host_ifname,
		.pod_ifname = pod->request->ifname,
		.netns_fd = pod->netns_fd,
		.mtu = pod->request->mtu ? pod->request->mtu
					 : dataplane_pod_mtu(pod->agent->dataplane),
		.n_addrs = pod->endpoint->n_addrs,
	};
	memcpy(pod->link.addrs, pod->endpoint->addrs,
	       sizeof(*pod->link.addrs) * pod->endpoint->n_addrs);
	return pod_link_check(dataplane_nl(pod->agent->dataplane), &pod->link, err) == 0;
}

static void assign(struct pod_call *pod)
{
	const struct cni_request *request = pod->request;

	pod->pools = wanted_pools(request);
	pod->store = (struct store_job){
		.op = {.type = STORE_EXPECT},
		.has_ipam = true,
		.ipam =
			{
				.type = request->wanted_ip.family ? IPAM_ASSIGN_ADDRESS
								  : IPAM_ASSIGN_AUTO,
				.handle = pod->handle,
				.n_v4 = request->assign_v4 ? 1 : 0,
				.n_v6 = request->assign_v6 ? 1 : 0,
				.addr = request->wanted_ip,
				.use = IPAM_USE_WORKLOAD,
				.pools = pod->pools,
				.namespace = request->pod_namespace,
				.pod = request->pod_name,
				.now = time(NULL),
			},
		.done = add_assigned,
	};
	store_worker_submit(pod->agent->store_worker, &pod->store);
}

/* A former try of this very container left addresses behind: they go first. */
static void add_released(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	pod->n_waiting--;
	if (job->ipam.result != IPAM_OK && job->ipam.result != IPAM_E_NOT_FOUND) {
		finish_error(pod, CNI_ERROR_TRY_AGAIN, job->ipam.err.msg);
		return;
	}
	assign(pod);
}

/* Makes the endpoint busy, if need be one that is empty, so that no other call gets at it. */
static void hold_endpoint(struct pod_call *pod)
{
	if (!pod->endpoint) {
		pod->endpoint = endpoint_get(&pod->agent->endpoints,
					     cni_endpoint_namespace(pod->request), pod->name);
		pod->endpoint_is_new = true;
	}
	pod->endpoint->busy = true;
}

static void add(struct pod_call *pod)
{
	if (pod->netns_fd < 0) {
		finish_error(pod, CNI_ERROR_BAD_ENVIRONMENT,
			     "CNI_NETNS is not a network namespace");
		return;
	}
	if (same_container(pod) && still_wired(pod, NULL)) {
		finish_added(pod);
		return;
	}
	hold_endpoint(pod);
	if (same_container(pod))
		submit_release(pod, /* delete_endpoint= */ false, add_released);
	else
		assign(pod);
}

/* --- DEL
 * -------------------------------------------------------------------------------------------- */

static void one_deleted(struct pod_call *pod, bool ok, const char *message)
{
	if (!ok && !pod->code) {
		pod->code = CNI_ERROR_TRY_AGAIN;
		(void)err_set(&pod->err, 0, "%s", message);
	}
	if (--pod->n_waiting)
		return;
	/* After a failure the endpoint stays, for the DEL that is tried again. */
	if (pod->endpoint && (!pod->code || pod->endpoint_is_new)) {
		endpoint_remove(&pod->agent->endpoints, pod->endpoint);
		pod->endpoint = NULL;
	}
	finish(pod, NULL);
}

static void del_store_done(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (job->op.type == STORE_DELETE && job->op_result != 0)
		one_deleted(pod, false, job->err.msg);
	else
		one_deleted(pod,
			    job->ipam.result == IPAM_OK || job->ipam.result == IPAM_E_NOT_FOUND,
			    job->ipam.err.msg);
}

static void del_unlink_done(struct worker_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, unlink);

	one_deleted(pod, pod->unlink_result >= 0, pod->unlink_err.msg);
}

static void del(struct pod_call *pod)
{
	/* A newer container of the same pod keeps link and endpoint; only our addresses go. */
	if (pod->endpoint && !same_container(pod)) {
		pod->endpoint = NULL;
		submit_release(pod, /* delete_endpoint= */ false, del_store_done);
		return;
	}
	hold_endpoint(pod);
	dataplane_remove_endpoint(pod->agent->dataplane, pod->endpoint);
	submit_unlink(pod, del_unlink_done);
	submit_release(pod, /* delete_endpoint= */ true, del_store_done);
}

/* --- CHECK
 * -------------------------------------------------------------------------------------------- */

static void check(struct pod_call *pod)
{
	struct err err = ERR_INIT;

	if (!same_container(pod))
		finish_error(pod, CNI_ERROR_UNKNOWN_CONTAINER,
			     "this container has no endpoint on this node");
	else if (!still_wired(pod, &err))
		finish_error(pod, CNI_ERROR_INTERNAL, err.msg);
	else
		finish(pod, NULL);
}

/* --- The handler
 * --------------------------------------------------------------------------------------- */

static const char *not_ready(const struct agent *agent)
{
	const struct object *object =
		object_cache_find(&agent->cache, KIND_CLUSTER_INFORMATION, "default");

	if (agent->stopping)
		return "the agent is stopping; try again";
	if (!agent->in_sync)
		return "the agent is starting and has not read the datastore yet; try again";
	if (!object || !as_cluster_information(object)->spec.datastore_ready.v)
		return "Calico is currently not ready to process requests: ClusterInformation "
		       "\"default\" does not say datastoreReady";
	return NULL;
}

static void begin(struct pod_call *pod)
{
	const char *reason = not_ready(pod->agent);

	if (!reason && pod->endpoint && pod->endpoint->busy)
		reason = "another call for this pod is at work; try again";
	if (reason) {
		pod->endpoint = NULL;
		finish_error(pod, CNI_ERROR_TRY_AGAIN, reason);
		return;
	}
	switch (pod->request->verb) {
	case CNI_ADD:
		add(pod);
		return;
	case CNI_DEL:
		del(pod);
		return;
	case CNI_CHECK:
		check(pod);
		return;
	case CNI_VERSION:
	case CNI_STATUS:
	case CNI_GC:
		break;
	}
}

void pod_setup_handle(struct cni_call *call, const struct cni_request *request, int netns_fd,
		      void *ctx)
{
	struct agent *agent = ctx;
	struct pod_call *pod;

	if (request->verb > CNI_CHECK || request->role != CNI_ROLE_MAIN) {
		if (request->verb == CNI_STATUS && agent->in_sync)
			cni_call_answer_ok(call);
		else if (request->verb == CNI_STATUS)
			cni_call_answer_error(call, 50, "the agent is starting");
		else
			cni_call_answer_error(call, CNI_ERROR_BAD_ENVIRONMENT,
					      "this plugin does not serve that command yet");
		return;
	}
	pod = XNEW(struct pod_call);
	pod->agent = agent;
	pod->call = call;
	pod->request = request;
	pod->netns_fd = netns_fd;
	pod->start_us = loop_now();
	agent->n_calls++;
	pod->handle = cni_handle(request);
	pod->name = cni_endpoint_name(request, agent->args.node_name);
	cni_host_ifname(request, pod->host_ifname);
	pod->endpoint =
		endpoint_find(&agent->endpoints, cni_endpoint_namespace(request), pod->name);
	begin(pod);
}
