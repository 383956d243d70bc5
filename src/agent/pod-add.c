/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ADD, a short chain of steps between the loop and the workers: addresses from IPAM, or with the
 * request from another plugin, and with them the WorkloadEndpoint, in one transaction (store
 * worker), and meanwhile the veth pair (loop) -> policy, both ends configured, routes (pod-wire.c)
 * -> answer. Any failure: unwire, forget the routes, delete the endpoint and release the addresses
 * (pod-release.c) -> answer the error.
 *
 * In the IPAM role ADD is about the addresses only. A call that is cut off at any point, by the
 * agent's death, leaves what DEL of the same container removes: it looks for link, endpoint and
 * addresses by their names, whatever is known of them.
 */

#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "agent/pod-call.h"
#include "agent/pod-profile.h"
#include "base/alloc.h"

#define LOG_MODULE "cni"
#include "base/log.h"

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
	pod_call_finish(pod, &result);
}

/* The IPAM role: addresses and nothing else. */
static void finish_assigned(struct pod_call *pod, const struct cidr *addrs, unsigned int n)
{
	struct cni_result result = {0};

	result.n_addrs = MIN(n, (unsigned int)ARRAY_SIZE(result.addrs));
	for (unsigned int i = 0; i < result.n_addrs; i++)
		result.addrs[i] = cidr_host(&addrs[i].addr);
	pod_call_finish(pod, &result);
}

/* The endpoint becomes this container's: with addresses, and in the datastore already. */
static void attach(struct pod_call *pod, const struct cidr *addrs, unsigned int n)
{
	struct endpoint *endpoint = pod->endpoint;
	struct err err = ERR_INIT;

	/* What a former container of the same pod had goes now; its address with its own DEL. */
	dataplane_remove_endpoint(pod->agent->dataplane, endpoint);
	replace_str(&endpoint->container_id, xstrdup(pod->request->container_id));
	replace_str(&endpoint->network, xstrdup(pod->request->network));
	replace_str(&endpoint->pod_ifname, xstrdup(pod->request->ifname));
	memcpy(endpoint->host_ifname, pod->host_ifname, sizeof(endpoint->host_ifname));
	pod_endpoint_mac(pod->request, endpoint->mac);
	endpoint->n_addrs = pod_endpoint_n_addrs(n);
	for (unsigned int i = 0; i < endpoint->n_addrs; i++)
		endpoint->addrs[i] = cidr_host(&addrs[i].addr);
	endpoint->revision = pod->store.revision;
	if (pod_wire(pod, &err) < 0)
		pod_undo(pod, CNI_ERROR_INTERNAL, err.msg);
	else
		finish_added(pod);
}

/* Before anything was assigned or written for this container. */
static void add_failed(struct pod_call *pod, unsigned int code, const char *message)
{
	/* This container's own former endpoint has lost its address already. */
	if (pod_call_same_container(pod)) {
		pod_undo(pod, code, message);
		return;
	}
	if (pod->link_made && pod->link_result == 0) {
		pod_undo_link(pod, code, message);
		return;
	}
	if (pod->endpoint_is_new)
		pod_endpoint_forget(pod);
	pod_call_finish_error(pod, code, message);
}

/*
 * A write was cut off that the datastore may have carried out: it is taken back with the next one.
 */
static void note_unsure(struct pod_call *pod)
{
	bool is_ipam = pod->request->role == CNI_ROLE_IPAM;
	struct err err = ERR_INIT;

	if (!pod->unsure)
		return;
	if (pod_outage_note_ended(pod, !is_ipam && pod->endpoint_is_new, &err) < 0)
		log_error_limited("what an ADD that failed may have written can't be noted; DEL "
				  "will remove it",
				  "endpoint", pod->name, "error", err.msg);
}

static void add_in_outage(struct pod_call *pod)
{
	struct cidr addrs[ENDPOINT_ADDRS_MAX];
	struct err err = ERR_INIT;
	unsigned int n;

	if (pod_outage_note_added(pod, addrs, &n, &err) < 0) {
		note_unsure(pod);
		add_failed(pod, CNI_ERROR_TRY_AGAIN, err.msg);
		return;
	}
	pod->store.revision = 0;
	if (pod->request->role == CNI_ROLE_IPAM)
		finish_assigned(pod, addrs, n);
	else
		attach(pod, addrs, n);
}

/* --- With the datastore ----------------------------------------------------------------------- */

/* The reserve's addresses are for pods first: tries again with them given back. */
static void reserve_released(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	outage_yield_end(pod->agent->outage,
			 job->ipam.result == IPAM_OK || job->ipam.result == IPAM_E_NOT_FOUND);
	pod->again(pod);
}

static bool give_way(struct pod_call *pod, const struct ipam_request *ipam)
{
	const char *handle = NULL;

	if (!pod->gave_way && (ipam->result == IPAM_E_FULL || ipam->result == IPAM_E_BLOCK_LIMIT ||
			       ipam->result == IPAM_E_TAKEN))
		handle = outage_yield_begin(pod->agent->outage, pod->request);
	if (!handle)
		return false;
	pod->gave_way = true;
	pod->store = (struct store_job){
		.op = {.type = STORE_EXPECT},
		.has_ipam = true,
		.ipam = {.type = IPAM_RELEASE_HANDLE, .handle = handle},
		.done = reserve_released,
	};
	store_worker_submit(pod->agent->store_worker, &pod->store);
	return true;
}

static void add_assigned(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);
	const struct ipam_request *ipam = &job->ipam;

	if (pod_outage_began(pod, job)) {
		pod->unsure = true;
		add_in_outage(pod);
	} else if (give_way(pod, ipam)) {
		return;
	} else if (ipam->result != IPAM_OK) {
		add_failed(pod,
			   ipam->result == IPAM_E_STORE ? CNI_ERROR_TRY_AGAIN : CNI_ERROR_INTERNAL,
			   ipam->err.msg);
	} else if (pod->request->role == CNI_ROLE_IPAM) {
		finish_assigned(pod, ipam->addrs, ipam->n_addrs);
	} else {
		attach(pod, ipam->addrs, ipam->n_addrs);
	}
}

/* The addresses came with the request. */
static void add_stored(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (pod_outage_began(pod, job)) {
		add_in_outage(pod);
		return;
	}
	if (job->op_result != 0) {
		(void)err_prefix(&job->err, 0, "can't write the endpoint to the datastore");
		pod_undo(pod, CNI_ERROR_TRY_AGAIN, job->err.msg);
		return;
	}
	attach(pod, pod->request->delegated->addrs, pod->request->delegated->n_addrs);
}

static void store_delegated(struct pod_call *pod)
{
	const struct cni_delegated *delegated = pod->request->delegated;
	_cleanup_(model_freep) struct object *object = pod_endpoint_object(
		pod, delegated->addrs, pod_endpoint_n_addrs(delegated->n_addrs));

	pod->store = (struct store_job){.op = pod_endpoint_op(pod), .done = add_stored};
	replace_str(&pod->text, store_object_text(object, &pod->store.op.size));
	pod->store.op.value = pod->text;
	store_worker_submit(pod->agent->store_worker, &pod->store);
}

static void assign(struct pod_call *pod)
{
	const struct cni_request *request = pod->request;

	if (outage_is_on(pod->agent->outage)) {
		add_in_outage(pod);
		return;
	}
	pod->again = assign;
	pod->store = (struct store_job){
		.op = request->role == CNI_ROLE_IPAM ? (struct store_op){.type = STORE_EXPECT}
						     : pod_endpoint_op(pod),
		.compose = pod_endpoint_compose,
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
				.v4_pools = (const char *const *)request->v4_pools,
				.v6_pools = (const char *const *)request->v6_pools,
				.namespace = request->pod_namespace,
				.pod = request->pod_name,
				.now = time(NULL),
			},
		.done = add_assigned,
	};
	store_worker_submit(pod->agent->store_worker, &pod->store);
}

static void store_endpoint(struct pod_call *pod)
{
	if (pod->request->delegated)
		store_delegated(pod);
	else
		assign(pod);
	/* A former container of the same pod keeps its link until this one has its address. */
	if (pod->endpoint_is_new)
		pod_wire_link(pod);
}

static int enforce_profile(struct pod_call *pod, struct err *err)
{
	_cleanup_(model_freep) struct object *object = pod_profile_new(pod->request);

	return object ? policy_enforcer_put(pod->agent->policy, object, err) : 0;
}

static void profile_written(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (pod_outage_began(pod, job)) {
		add_in_outage(pod);
		return;
	}
	if (job->op_result != 0 && job->op_result != STORE_E_EXISTS) {
		(void)err_prefix(&job->err, 0, "can't write the network's profile");
		add_failed(pod, CNI_ERROR_TRY_AGAIN, job->err.msg);
		return;
	}
	/* One that was there already is known from the datastore, whatever it says. */
	if (job->op_result == 0 && enforce_profile(pod, &job->err) < 0) {
		add_failed(pod, CNI_ERROR_INTERNAL, job->err.msg);
		return;
	}
	replace_str(&pod->agent->known_profile, xstrdup(pod->request->network));
	store_endpoint(pod);
}

/* First the profile that the endpoint names, where it is not Kubernetes' and not known yet. */
static void store_profile_and_endpoint(struct pod_call *pod)
{
	const struct cni_request *request = pod->request;
	const char *known = pod->agent->known_profile;
	_cleanup_(model_freep) struct object *object = NULL;

	if (outage_is_on(pod->agent->outage)) {
		add_in_outage(pod);
		return;
	}
	if (!request->policy_k8s && (!known || strcmp(known, request->network) != 0))
		object = pod_profile_new(request);
	if (!object) {
		store_endpoint(pod);
		return;
	}
	pod->store = (struct store_job){
		.op = {.type = STORE_CREATE, .kind = KIND_PROFILE, .name = request->network},
		.done = profile_written,
	};
	replace_str(&pod->text, store_object_text(object, &pod->store.op.size));
	pod->store.op.value = pod->text;
	store_worker_submit(pod->agent->store_worker, &pod->store);
}

/* A former try of this very container left addresses behind: they go first. */
static void add_released(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	pod->n_waiting--;
	if (job->ipam.result != IPAM_OK && job->ipam.result != IPAM_E_NOT_FOUND) {
		if (pod->endpoint_is_new)
			pod_endpoint_forget(pod);
		pod_call_finish_error(pod, CNI_ERROR_TRY_AGAIN, job->ipam.err.msg);
		return;
	}
	store_profile_and_endpoint(pod);
}

/* The file may be any that the caller could open. */
static bool is_netns(int fd)
{
	return fd >= 0 && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

void pod_add(struct pod_call *pod)
{
	const struct cni_request *request = pod->request;

	if (request->role == CNI_ROLE_IPAM) {
		assign(pod);
		return;
	}
	if (!is_netns(pod->netns_fd)) {
		_cleanup_free_ char *message =
			xasprintf("CNI_NETNS=%s is not a network namespace", request->netns_path);

		pod_call_finish_error(pod, CNI_ERROR_BAD_ENVIRONMENT, message);
		return;
	}
	if (pod_call_same_container(pod) && pod_wire_holds(pod, NULL)) {
		finish_added(pod);
		return;
	}
	if (request->delegates && !request->delegated) {
		pod_call_finish_delegate(pod);
		return;
	}
	pod_endpoint_hold(pod);
	if (!request->delegated && (pod_call_same_container(pod) || request->had_del))
		pod_release(pod, /* delete_endpoint= */ false, add_released);
	else
		store_profile_and_endpoint(pod);
}
