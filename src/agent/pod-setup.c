/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ADD, DEL and CHECK, each a short chain of steps between the loop and the workers:
 *
 *	ADD	addresses from IPAM, or with the request from another plugin, and with them the
 *		WorkloadEndpoint, in one transaction (store worker), and meanwhile the veth pair
 *		(loop) -> configure both ends, program the routes (loop) -> answer
 *		any failure: unwire, forget the routes, delete the endpoint and release the
 *		addresses -> answer the error
 *	DEL	forget the routes (loop) -> delete the link (link remover), at the same time
 *		delete the WorkloadEndpoint and release the addresses (store worker)
 *		-> answer when both are done
 *	CHECK	compare with what ADD made -> answer
 *
 * In the IPAM role ADD and DEL are about the addresses only. A call that is cut off at any point,
 * by the agent's death, leaves what DEL of the same container removes: it looks for link, endpoint
 * and addresses by their names, whatever is known of them.
 */

#include <errno.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "agent/pod-call.h"
#include "agent/pod-profile.h"
#include "base/alloc.h"
#include "base/digest.h"
#include "cni/pod-link.h"
#include "model/kinds.h"

#define LOG_MODULE "cni"
#include "base/log.h"

/* --- Results -----------------------------------------------------------------------------------
 */

static unsigned int endpoint_n_addrs(unsigned int n)
{
	return MIN(n, (unsigned int)ENDPOINT_ADDRS_MAX);
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

/* --- The WorkloadEndpoint
 * ------------------------------------------------------------------------- */

/* Always the same for one container interface, so a repeated ADD gives the same. */
static void pod_mac(const struct cni_request *request, uint8_t ret[MAC_SIZE])
{
	_cleanup_free_ char *text = xasprintf("%s/%s", request->container_id, request->ifname);
	struct digest digest = digest_of(DIGEST_SHA1, text, strlen(text));

	memcpy(ret, digest.bytes, MAC_SIZE);
	ret[0] = (uint8_t)((ret[0] & 0xfc) | 0x02); /* one station, locally administered */
}

static struct object *make_endpoint_object(const struct pod_call *pod, const struct cidr *addrs,
					   unsigned int n_addrs)
{
	const struct cni_request *request = pod->request;
	const char *namespace = pod->namespace;
	const char *orchestrator = request->pod_name ? "k8s" : "cni";
	struct object *object = model_new(KIND_WORKLOAD_ENDPOINT, namespace, pod->name);
	struct workload_endpoint_spec *spec = &as_workload_endpoint(object)->spec;
	uint8_t mac[MAC_SIZE];

	str_map_put(&object->meta.labels, LABEL_NAMESPACE, namespace);
	str_map_put(&object->meta.labels, LABEL_ORCHESTRATOR, orchestrator);
	for (size_t i = 0; !request->pod_name && i < request->n_labels; i++)
		str_map_put(&object->meta.labels, request->labels[i].key, request->labels[i].value);
	str_map_put(&object->meta.annotations, ENDPOINT_NETWORK_ANNOTATION, request->network);
	if (request->mtu)
		str_map_put(&object->meta.annotations, ENDPOINT_MTU_ANNOTATION,
			    log_num(request->mtu).s);
	spec->orchestrator = xstrdup(orchestrator);
	spec->node = xstrdup(pod->agent->args.node_name);
	spec->container_id = xstrdup(request->container_id);
	spec->pod = xstrdup(request->pod_name);
	spec->workload = request->pod_name ? NULL : xstrdup(request->container_id);
	spec->endpoint = xstrdup(request->ifname);
	spec->interface_name = xstrdup(pod->host_ifname);
	pod_mac(request, mac);
	spec->mac = xstrdup(mac_format(mac).s);
	for (unsigned int i = 0; i < n_addrs; i++) {
		struct cidr host = cidr_host(&addrs[i].addr);

		str_list_add(&spec->ip_networks, cidr_format(&host).s);
	}
	if (request->policy_k8s) {
		_cleanup_free_ char *profile = xasprintf("kns.%s", namespace);

		str_list_add(&spec->profiles, profile);
	} else {
		str_list_add(&spec->profiles, request->network);
	}
	store_stamp(object);
	return object;
}

/* In the store worker's thread: 'pod' stays as it is meanwhile, but for its text. */
static void compose_endpoint(struct store_job *job, const struct ipam_request *ipam)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);
	_cleanup_(model_freep) struct object *object =
		make_endpoint_object(pod, ipam->addrs, endpoint_n_addrs(ipam->n_addrs));

	replace_str(&pod->text, store_object_text(object, &job->op.size));
	job->op.value = pod->text;
}

/* --- Undoing an ADD
 * ---------------------------------------------------------------------------------- */

static void forget_endpoint(struct pod_call *pod)
{
	struct agent *agent = pod->agent;

	if (!pod->endpoint)
		return;
	policy_enforcer_remove(agent->policy, KIND_WORKLOAD_ENDPOINT, pod->namespace, pod->name);
	policy_enforcer_schedule(agent->policy);
	endpoint_remove(&agent->endpoints, pod->endpoint);
	pod->endpoint = NULL;
}

static void one_undone(struct pod_call *pod)
{
	if (--pod->n_waiting)
		return;
	forget_endpoint(pod);
	pod_call_finish(pod, NULL);
}

static void undo_store_done(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (job->ipam.result != IPAM_OK && job->ipam.result != IPAM_E_NOT_FOUND)
		log_error_limited("can't release the address of a failed ADD; DEL will", "endpoint",
				  pod->name, "handle", pod->handle, "error", job->ipam.err.msg);
	one_undone(pod);
}

static void undo_unlink_done(void *ctx, int result, const struct err *err)
{
	struct pod_call *pod = ctx;

	if (result < 0)
		log_error_limited("can't remove the interface of a failed ADD; DEL will",
				  "interface", pod->host_ifname, "error", err->msg);
	one_undone(pod);
}

/* The datastore does not answer: is it to be done without? */
static bool went_away(struct pod_call *pod, const struct store_job *job)
{
	if (!job->unreachable)
		return false;
	outage_begin(pod->agent->outage, job->has_ipam ? job->ipam.err.msg : job->err.msg);
	return outage_is_on(pod->agent->outage);
}

/* Notes that the call's addresses, and its endpoint, are to go. */
static int note_ended(const struct pod_call *pod, bool delete_endpoint, struct err *err)
{
	struct reserve_change change = {
		.type = RESERVE_ENDED,
		.handle = xstrdup(pod->handle),
		.namespace = xstrdup(pod->namespace),
		.name = delete_endpoint ? xstrdup(pod->name) : NULL,
	};

	return outage_note(pod->agent->outage, &change, err);
}

/* What could not be released is noted, which is as good. */
static void release_done(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (went_away(pod, job)) {
		int r = note_ended(pod, job->op.type == STORE_REMOVE, &job->ipam.err);

		job->op_result = 0;
		job->ipam.result = r < 0 ? IPAM_E_STORE : IPAM_OK;
	}
	pod->released(job);
}

static void submit_release(struct pod_call *pod, bool delete_endpoint,
			   void (*done)(struct store_job *job))
{
	pod->released = done;
	pod->store = (struct store_job){
		.op = {.type = delete_endpoint ? STORE_REMOVE : STORE_EXPECT,
		       .kind = KIND_WORKLOAD_ENDPOINT,
		       .namespace = pod->namespace,
		       .name = pod->name},
		.has_ipam = true,
		.ipam = {.type = IPAM_RELEASE_HANDLE, .handle = pod->handle},
		.done = release_done,
	};
	pod->n_waiting++;
	if (!outage_is_on(pod->agent->outage)) {
		store_worker_submit(pod->agent->store_worker, &pod->store);
		return;
	}
	pod->store.unreachable = true;
	release_done(&pod->store);
}

static void submit_unlink(struct pod_call *pod,
			  void (*removed)(void *ctx, int result, const struct err *err))
{
	pod->n_waiting++;
	link_remover_remove(pod->agent->link_remover, pod->host_ifname, removed, pod);
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

static struct pod_link link_of(const struct pod_call *pod)
{
	const struct cni_request *request = pod->request;
	struct pod_link link = {
		.host_ifname = pod->host_ifname,
		.pod_ifname = request->ifname,
		.netns_fd = pod->netns_fd,
		.mtu = request->mtu ? request->mtu : dataplane_pod_mtu(pod->agent->dataplane),
		.n_queues = request->n_queues,
		.allow_ip_forwarding = request->allow_ip_forwarding,
		.routes = request->routes,
		.n_routes = request->n_routes,
		.has_pod_mac = true,
	};

	pod_mac(request, link.pod_mac);
	return link;
}

/* While the datastore works, as add_assigned() and add_stored() are not called before this ends. */
static void make_link(struct pod_call *pod)
{
	pod->link = link_of(pod);
	pod->link_made = true;
	pod->link_result =
		pod_link_create(dataplane_nl(pod->agent->dataplane), &pod->link, &pod->link_err);
}

/* In the kernel before the link has an address: a link that no policy is known of passes nothing. */
static int enforce_policy(struct pod_call *pod, struct err *err)
{
	const struct endpoint *endpoint = pod->endpoint;
	_cleanup_(model_freep) struct object *object =
		make_endpoint_object(pod, endpoint->addrs, endpoint->n_addrs);
	int r = policy_enforcer_put(pod->agent->policy, object, err);

	return r == 0 ? policy_enforcer_apply(pod->agent->policy, err) : r;
}

static int wire(struct pod_call *pod, struct err *err)
{
	struct endpoint *endpoint = pod->endpoint;
	int r;

	if (!pod->link_made)
		make_link(pod);
	if (pod->link_result < 0)
		return err_set(err, pod->link_result, "%s", pod->link_err.msg);
	pod->link.n_addrs = endpoint->n_addrs;
	memcpy(pod->link.addrs, endpoint->addrs, sizeof(*endpoint->addrs) * endpoint->n_addrs);
	endpoint->mtu = pod->link.mtu;
	endpoint->mtu_fixed = pod->request->mtu != 0;
	r = enforce_policy(pod, err);
	if (r == 0)
		r = pod_link_configure(dataplane_nl(pod->agent->dataplane), &pod->link, err);
	return r < 0 ? r : dataplane_add_endpoint(pod->agent->dataplane, endpoint, err);
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
	pod_mac(pod->request, endpoint->mac);
	endpoint->n_addrs = endpoint_n_addrs(n);
	for (unsigned int i = 0; i < endpoint->n_addrs; i++)
		endpoint->addrs[i] = cidr_host(&addrs[i].addr);
	endpoint->revision = pod->store.revision;
	if (wire(pod, &err) < 0)
		undo(pod, CNI_ERROR_INTERNAL, err.msg);
	else
		finish_added(pod);
}

/* Before anything was assigned or written for this container. */
static void add_failed(struct pod_call *pod, unsigned int code, const char *message)
{
	/* This container's own former endpoint has lost its address already. */
	if (pod_call_same_container(pod)) {
		undo(pod, code, message);
		return;
	}
	if (pod->link_made && pod->link_result == 0) {
		pod->code = code;
		(void)err_set(&pod->err, 0, "%s", message);
		submit_unlink(pod, undo_unlink_done);
		return;
	}
	if (pod->endpoint_is_new)
		forget_endpoint(pod);
	pod_call_finish_error(pod, code, message);
}

/* --- ADD while the datastore is away
 * ---------------------------------------------------------------- */

static char *object_text(const struct object *object)
{
	size_t size;

	return store_object_text(object, &size);
}

/* What is to be written of the pod once there is a datastore. */
static struct reserve_change make_change(const struct pod_call *pod, const struct cidr *addrs,
					 unsigned int n)
{
	const struct cni_request *request = pod->request;
	_cleanup_(model_freep) struct object *endpoint = NULL;
	_cleanup_(model_freep) struct object *profile = NULL;
	struct reserve_change change = {
		.type = RESERVE_ADDED,
		.handle = xstrdup(pod->handle),
		.namespace = xstrdup(pod->namespace),
		.pod = xstrdup(request->pod_name),
		.pod_namespace = xstrdup(request->pod_namespace),
	};

	if (request->role == CNI_ROLE_IPAM)
		return change;
	endpoint = make_endpoint_object(pod, addrs, endpoint_n_addrs(n));
	change.name = xstrdup(pod->name);
	change.endpoint = object_text(endpoint);
	profile = request->policy_k8s ? NULL : pod_profile_new(request);
	if (profile) {
		change.profile_name = xstrdup(request->network);
		change.profile = object_text(profile);
	}
	return change;
}

/*
 * With addresses from the reserve, or those that came with the request. Noted before they are used:
 * an agent that dies from here on finds what it has to write.
 */
static int note_added(struct pod_call *pod, struct cidr addrs[ENDPOINT_ADDRS_MAX], unsigned int *n,
		      struct err *err)
{
	struct outage *outage = pod->agent->outage;
	const struct cni_delegated *delegated = pod->request->delegated;
	struct reserve_change change;
	struct ip_addr taken[2];
	unsigned int n_taken = 0;
	int r = 0;

	if (!delegated)
		r = outage_take(outage, pod->request, taken, &n_taken, err);
	if (r < 0)
		return r;
	*n = delegated ? endpoint_n_addrs(delegated->n_addrs) : n_taken;
	for (unsigned int i = 0; i < *n; i++)
		addrs[i] = delegated ? delegated->addrs[i] : cidr_host(&taken[i]);
	/* A write that was cut off may have given the handle an address: that one goes first. */
	if (pod->unsure)
		r = note_ended(pod, /* delete_endpoint= */ false, err);
	change = make_change(pod, addrs, *n);
	memcpy(change.addrs, taken, n_taken * sizeof(*taken));
	change.n_addrs = n_taken;
	if (r == 0)
		r = outage_note(outage, &change, err);
	else
		reserve_change_deinit(&change);
	if (r < 0)
		outage_put_back(outage, taken, n_taken);
	return r;
}

static void add_in_outage(struct pod_call *pod)
{
	struct cidr addrs[ENDPOINT_ADDRS_MAX];
	struct err err = ERR_INIT;
	unsigned int n;

	if (note_added(pod, addrs, &n, &err) < 0) {
		add_failed(pod, CNI_ERROR_TRY_AGAIN, err.msg);
		return;
	}
	pod->store.revision = 0;
	if (pod->request->role == CNI_ROLE_IPAM)
		finish_assigned(pod, addrs, n);
	else
		attach(pod, addrs, n);
}

/* --- ADD, with the datastore
 * ------------------------------------------------------------------------ */

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

	if (went_away(pod, job)) {
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

	if (went_away(pod, job)) {
		add_in_outage(pod);
		return;
	}
	if (job->op_result != 0) {
		(void)err_prefix(&job->err, 0, "can't write the endpoint to the datastore");
		undo(pod, CNI_ERROR_TRY_AGAIN, job->err.msg);
		return;
	}
	attach(pod, pod->request->delegated->addrs, pod->request->delegated->n_addrs);
}

static struct store_op endpoint_op(const struct pod_call *pod)
{
	return (struct store_op){.type = STORE_PUT,
				 .kind = KIND_WORKLOAD_ENDPOINT,
				 .namespace = pod->namespace,
				 .name = pod->name};
}

static void store_delegated(struct pod_call *pod)
{
	const struct cni_delegated *delegated = pod->request->delegated;
	_cleanup_(model_freep) struct object *object =
		make_endpoint_object(pod, delegated->addrs, endpoint_n_addrs(delegated->n_addrs));

	pod->store = (struct store_job){.op = endpoint_op(pod), .done = add_stored};
	replace_str(&pod->text, store_object_text(object, &pod->store.op.size));
	pod->store.op.value = pod->text;
	store_worker_submit(pod->agent->store_worker, &pod->store);
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

static bool still_wired(struct pod_call *pod, struct err *err)
{
	pod->link = link_of(pod);
	pod->link.n_addrs = pod->endpoint->n_addrs;
	memcpy(pod->link.addrs, pod->endpoint->addrs,
	       sizeof(*pod->link.addrs) * pod->endpoint->n_addrs);
	return pod_link_check(dataplane_nl(pod->agent->dataplane), &pod->link, err) == 0;
}

static void assign(struct pod_call *pod)
{
	const struct cni_request *request = pod->request;

	if (outage_is_on(pod->agent->outage)) {
		add_in_outage(pod);
		return;
	}
	free(pod->pools);
	pod->pools = wanted_pools(request);
	pod->again = assign;
	pod->store = (struct store_job){
		.op = request->role == CNI_ROLE_IPAM ? (struct store_op){.type = STORE_EXPECT}
						     : endpoint_op(pod),
		.compose = compose_endpoint,
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

static void store_endpoint(struct pod_call *pod)
{
	if (pod->request->delegated)
		store_delegated(pod);
	else
		assign(pod);
	/* A former container of the same pod keeps its link until this one has its address. */
	if (pod->endpoint_is_new)
		make_link(pod);
}

static int enforce_profile(struct pod_call *pod, struct err *err)
{
	_cleanup_(model_freep) struct object *object = pod_profile_new(pod->request);

	return object ? policy_enforcer_put(pod->agent->policy, object, err) : 0;
}

static void profile_written(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (went_away(pod, job)) {
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
			forget_endpoint(pod);
		pod_call_finish_error(pod, CNI_ERROR_TRY_AGAIN, job->ipam.err.msg);
		return;
	}
	store_profile_and_endpoint(pod);
}

/* Makes the endpoint busy, if need be one that is empty, so that no other call gets at it. */
static void hold_endpoint(struct pod_call *pod)
{
	if (!pod->endpoint) {
		pod->endpoint = endpoint_get(&pod->agent->endpoints, pod->namespace, pod->name);
		pod->endpoint_is_new = true;
		/* From now on no other call takes this name. */
		memcpy(pod->endpoint->host_ifname, pod->host_ifname, sizeof(pod->host_ifname));
	}
	pod->endpoint->busy = true;
}

/* The file may be any that the caller could open. */
static bool is_netns(int fd)
{
	return fd >= 0 && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

void pod_setup_add(struct pod_call *pod)
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
	if (pod_call_same_container(pod) && still_wired(pod, NULL)) {
		finish_added(pod);
		return;
	}
	if (request->delegates && !request->delegated) {
		pod_call_finish_delegate(pod);
		return;
	}
	hold_endpoint(pod);
	if (!request->delegated && (pod_call_same_container(pod) || request->had_del))
		submit_release(pod, /* delete_endpoint= */ false, add_released);
	else
		store_profile_and_endpoint(pod);
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
	if (!pod->code || pod->endpoint_is_new)
		forget_endpoint(pod);
	pod_call_finish(pod, NULL);
}

static void del_store_done(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (job->op.type == STORE_REMOVE && job->op_result != 0)
		one_deleted(pod, false, job->err.msg);
	else
		one_deleted(pod,
			    job->ipam.result == IPAM_OK || job->ipam.result == IPAM_E_NOT_FOUND,
			    job->ipam.err.msg);
}

static void del_unlink_done(void *ctx, int result, const struct err *err)
{
	one_deleted(ctx, result >= 0, err->msg);
}

void pod_setup_del(struct pod_call *pod)
{
	bool is_ipam = pod->request->role == CNI_ROLE_IPAM;

	/* A newer container of the same pod keeps link and endpoint; only our addresses go. */
	if (is_ipam || (pod->endpoint && !pod_call_same_container(pod))) {
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

static int check_prev(const struct pod_call *pod, struct err *err)
{
	const struct cni_prev_result *prev = pod->request->prev;
	const struct endpoint *endpoint = pod->endpoint;

	if (prev->host_ifname[0] && strcmp(prev->host_ifname, endpoint->host_ifname) != 0)
		return err_set(err, -EINVAL,
			       "prevResult: the host's interface is %s, but the endpoint has %s",
			       prev->host_ifname, endpoint->host_ifname);
	for (unsigned int i = 0; i < endpoint->n_addrs; i++) {
		bool found = false;

		for (unsigned int k = 0; k < prev->n_addrs && !found; k++)
			found = ip_equal(&prev->addrs[k].addr, &endpoint->addrs[i].addr);
		if (!found)
			return err_set(err, -EINVAL, "prevResult: %s of the endpoint is missing",
				       ip_format(&endpoint->addrs[i].addr).s);
	}
	return 0;
}

/* 0: the host's route to the address is in the kernel. */
static int check_host_route(const struct pod_call *pod, const struct cidr *addr, struct err *err)
{
	_cleanup_(route_list_deinit) struct route_list list = {0};
	int ifindex = (int)if_nametoindex(pod->endpoint->host_ifname);
	int r = route_dump(dataplane_nl(pod->agent->dataplane), addr->addr.family, 0, &list, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.n; i++) {
		if (list.v[i].ifindex == ifindex && cidr_equal(&list.v[i].dst, addr))
			return 0;
	}
	return err_set(err, -ENOENT, "the host has no route to %s on %s", cidr_format(addr).s,
		       pod->endpoint->host_ifname);
}

static int check_endpoint(struct pod_call *pod, struct err *err)
{
	int r = check_prev(pod, err);

	if (r == 0 && !still_wired(pod, err))
		r = -EINVAL;
	for (unsigned int i = 0; r == 0 && i < pod->endpoint->n_addrs; i++)
		r = check_host_route(pod, &pod->endpoint->addrs[i], err);
	return r;
}

void pod_setup_check(struct pod_call *pod)
{
	/* As calico-ipam, which has no CHECK: the datastore is the only record of its addresses. */
	bool endpoint = pod->request->role != CNI_ROLE_IPAM;
	struct err err = ERR_INIT;

	if (endpoint && !pod_call_same_container(pod))
		pod_call_finish_error(pod, CNI_ERROR_UNKNOWN_CONTAINER,
				      "this container has no endpoint on this node");
	else if (endpoint && check_endpoint(pod, &err) != 0)
		pod_call_finish_error(pod, CNI_ERROR_INTERNAL, err.msg);
	else
		pod_call_finish(pod, NULL);
}
