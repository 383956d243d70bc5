/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CNI calls from their arrival to their answer. What is done in between is in pod-add.c,
 * pod-del.c, pod-check.c and pod-gc.c.
 *
 * Of the calls for one endpoint one is at work, which the endpoint's 'busy' says; the others wait
 * for it, in no order: a runtime that sends ADD and DEL of one container at the same time gets
 * either. All calls are in agent->pod_calls.
 */

#include "agent/pod-call.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "calc/calc.h"
#include "model/kinds.h"

#define LOG_MODULE "cni"
#include "base/log.h"

#define STATUS_NOT_AVAILABLE 50 /* ADD would fail; pods that are there keep their network */

static const char *const verb_names[] = {"ADD", "DEL", "CHECK"};

/* --- End -------------------------------------------------------------------------------------- */

static void log_end(const struct pod_call *pod, uint64_t us)
{
	static const char *const done[] = {"pod attached", "pod detached", "pod checked"};
	const struct endpoint *endpoint = pod->endpoint;

	if (pod->code)
		log_warning_limited("CNI call failed", "verb", verb_names[pod->request->verb],
				    "endpoint", pod->name, "container", pod->request->container_id,
				    "code", log_num(pod->code).s, "error", pod->err.msg);
	else
		log_info(done[pod->request->verb], "endpoint", pod->name, "address",
			 endpoint && endpoint->n_addrs ? ip_format(&endpoint->addrs[0].addr).s
						       : NULL,
			 "interface", pod->host_ifname, "us", log_num((int64_t)us).s);
}

static struct pod_call *find_ready(const struct agent *agent)
{
	for (struct pod_call *pod = agent->pod_calls; pod; pod = pod->next) {
		const struct endpoint *endpoint;

		if (!pod->waiting)
			continue;
		endpoint = endpoint_find(&agent->endpoints, pod->namespace, pod->name);
		if (!endpoint || !endpoint->busy)
			return pod;
	}
	return NULL;
}

static void wake_waiting(struct agent *agent)
{
	struct pod_call *pod;

	while ((pod = find_ready(agent))) {
		pod->waiting = false;
		pod_call_begin(pod);
	}
}

/* After the answer: frees the call. */
static void end(struct pod_call *pod)
{
	struct agent *agent = pod->agent;

	if (pod->endpoint)
		agent_endpoint_idle(agent, pod->endpoint);
	if (agent->pod_calls == pod)
		agent->pod_calls = pod->next;
	if (pod->prev)
		pod->prev->next = pod->next;
	if (pod->next)
		pod->next->prev = pod->prev;
	pod_link_deinit(&pod->link);
	free(pod->handle);
	free(pod->namespace);
	free(pod->name);
	free(pod->text);
	(void)cni_request_free(pod->own_request);
	free(pod);
	wake_waiting(agent);
	agent_call_ended(agent);
}

static void answer(struct pod_call *pod, const struct cni_result *result)
{
	if (!pod->call)
		pod->detached(pod->ctx, pod->code, pod->err.msg);
	else if (pod->code)
		cni_call_answer_error(pod->call, pod->code, pod->err.msg);
	else if (result)
		cni_call_answer_result(pod->call, result);
	else if (pod->request->delegates)
		cni_call_answer_delegate(pod->call, pod->request->ipam_type);
	else
		cni_call_answer_ok(pod->call);
}

void pod_call_finish(struct pod_call *pod, const struct cni_result *result)
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
	answer(pod, result);
	end(pod);
}

void pod_call_finish_error(struct pod_call *pod, unsigned int code, const char *message)
{
	pod->code = code;
	(void)err_set(&pod->err, 0, "%s", message);
	pod_call_finish(pod, NULL);
}

void pod_call_finish_delegate(struct pod_call *pod)
{
	cni_call_answer_delegate(pod->call, pod->request->ipam_type);
	end(pod);
}

/* --- Beginning -------------------------------------------------------------------------------- */

bool pod_call_same_container(const struct pod_call *pod)
{
	const struct endpoint *endpoint = pod->endpoint;

	return endpoint && endpoint->container_id &&
	       strcmp(endpoint->container_id, pod->request->container_id) == 0;
}

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

static bool is_taken(const struct agent *agent, const struct endpoint *own, const char *ifname)
{
	struct endpoint *endpoint;
	struct endpoint *next;

	HASH_ITER(hh, agent->endpoints.by_name, endpoint, next)
	{
		if (endpoint != own && strcmp(endpoint->host_ifname, ifname) == 0)
			return true;
	}
	return false;
}

/*
 * Calico's names repeat: a second interface of a pod has that of the first, and so have containers
 * without pod whose ids begin with the same eleven characters. The later one gets another name, as
 * with its own the wire of the first would be taken for a stale one.
 */
static void choose_host_ifname(struct pod_call *pod)
{
	const struct endpoint *endpoint = pod->endpoint;
	struct digest_hex hex;
	struct digest digest;

	if (endpoint && endpoint->host_ifname[0]) {
		memcpy(pod->host_ifname, endpoint->host_ifname, sizeof(pod->host_ifname));
		return;
	}
	if (!is_taken(pod->agent, endpoint, pod->host_ifname))
		return;
	digest = digest_of(DIGEST_SHA1, pod->name, strlen(pod->name));
	hex = digest_hex(&digest);
	(void)snprintf(pod->host_ifname, sizeof(pod->host_ifname), "%.4s%.11s",
		       pod->request->ifprefix, hex.s);
}

void pod_call_begin(struct pod_call *pod)
{
	const char *reason = not_ready(pod->agent);

	if (reason) {
		pod_call_finish_error(pod, CNI_ERROR_TRY_AGAIN, reason);
		return;
	}
	if (pod->request->role == CNI_ROLE_MAIN)
		pod->endpoint = endpoint_find(&pod->agent->endpoints, pod->namespace, pod->name);
	if (pod->endpoint && pod->endpoint->busy) {
		pod->endpoint = NULL;
		pod->waiting = true;
		return;
	}
	choose_host_ifname(pod);
	switch (pod->request->verb) {
	case CNI_ADD:
		pod_add(pod);
		return;
	case CNI_DEL:
		pod_del(pod);
		return;
	case CNI_CHECK:
		pod_check(pod);
		return;
	case CNI_VERSION:
	case CNI_STATUS:
	case CNI_GC:
		break;
	}
}

static struct pod_call *pod_call_new(struct agent *agent, struct cni_call *call,
				     const struct cni_request *request)
{
	struct pod_call *pod = XNEW(struct pod_call);

	pod->agent = agent;
	pod->call = call;
	pod->request = request;
	pod->netns_fd = -1;
	pod->start_us = loop_now();
	pod->handle = cni_handle(request);
	pod->namespace = xstrdup(cni_endpoint_namespace(request));
	pod->next = agent->pod_calls;
	if (pod->next)
		pod->next->prev = pod;
	agent->pod_calls = pod;
	agent->n_calls++;
	return pod;
}

void pod_call_detach(struct agent *agent, struct cni_request *request,
		     const struct endpoint *endpoint,
		     void (*detached)(void *ctx, unsigned int code, const char *message), void *ctx)
{
	struct pod_call *pod = pod_call_new(agent, NULL, request);

	pod->own_request = request;
	pod->detached = detached;
	pod->ctx = ctx;
	if (endpoint) {
		replace_str(&pod->namespace, xstrndup(endpoint->key, endpoint->namespace_len));
		pod->name = xstrdup(endpoint->name);
		memcpy(pod->host_ifname, endpoint->host_ifname, sizeof(pod->host_ifname));
	} else {
		pod->name = cni_endpoint_name(request, agent->args.node_name);
		cni_host_ifname(request, pod->host_ifname);
	}
	pod_call_begin(pod);
}

/* --- The handler ------------------------------------------------------------------------------ */

static bool has_pool(const struct agent *agent, uint8_t family)
{
	const struct calc_pool *const *pools;
	size_t n;

	calc_get_pools(agent->calc, &pools, &n);
	for (size_t i = 0; i < n; i++) {
		if (!pools[i]->disabled && pools[i]->cidr.addr.family == family)
			return true;
	}
	return false;
}

/* Why pods of that configuration would get no address; NULL: they would. */
static const char *lacks_addresses(const struct agent *agent, const struct cni_request *request)
{
	struct outage_stats outage;

	outage_get_stats(agent->outage, &outage);
	if (outage.on && request->assign_v4 && !outage.n_free_v4)
		return "the datastore is away, and no IPv4 address is left in reserve";
	if (outage.on && request->assign_v6 && outage.n_free == outage.n_free_v4)
		return "the datastore is away, and no IPv6 address is left in reserve";
	if (request->assign_v4 && !has_pool(agent, AF_INET))
		return "there is no enabled IPv4 IPPool to take addresses from: create one";
	if (request->assign_v6 && !has_pool(agent, AF_INET6))
		return "there is no enabled IPv6 IPPool to take addresses from: create one";
	return NULL;
}

static void answer_status(const struct agent *agent, struct cni_call *call,
			  const struct cni_request *request)
{
	const char *reason = not_ready(agent);

	if (!reason && !request->delegates)
		reason = lacks_addresses(agent, request);
	if (reason)
		cni_call_answer_error(call, STATUS_NOT_AVAILABLE, reason);
	else if (request->delegates)
		cni_call_answer_delegate(call, request->ipam_type);
	else
		cni_call_answer_ok(call);
}

/* A configuration that was made for another node. DEL is served all the same: it must end. */
static bool is_for_other_node(const struct agent *agent, const struct cni_request *request)
{
	return request->verb != CNI_DEL && request->nodename && *request->nodename &&
	       strcasecmp(request->nodename, agent->args.node_name) != 0;
}

static void begin_pod(struct agent *agent, struct cni_call *call, const struct cni_request *request,
		      int netns_fd)
{
	struct pod_call *pod = pod_call_new(agent, call, request);
	_cleanup_free_ char *message = NULL;

	pod->netns_fd = netns_fd;
	pod->name = cni_endpoint_name(request, agent->args.node_name);
	cni_host_ifname(request, pod->host_ifname);
	if (!is_for_other_node(agent, request)) {
		pod_call_begin(pod);
		return;
	}
	message = xasprintf("network configuration: nodename is \"%.200s\", but this node's agent "
			    "runs as \"%s\": make them the same",
			    request->nodename, agent->args.node_name);
	pod_call_finish_error(pod, CNI_ERROR_BAD_CONFIG, message);
}

void pod_call_handle(struct cni_call *call, const struct cni_request *request, int netns_fd,
		     void *ctx)
{
	struct agent *agent = ctx;
	const char *reason;

	switch (request->verb) {
	case CNI_ADD:
	case CNI_DEL:
	case CNI_CHECK:
		begin_pod(agent, call, request, netns_fd);
		return;
	case CNI_STATUS:
		answer_status(agent, call, request);
		return;
	case CNI_GC:
		reason = not_ready(agent);
		if (reason)
			cni_call_answer_error(call, CNI_ERROR_TRY_AGAIN, reason);
		else
			pod_gc(agent, call, request);
		return;
	case CNI_VERSION:
		break;
	}
}
