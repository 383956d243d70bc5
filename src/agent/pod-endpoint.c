/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The endpoint of a call: the WorkloadEndpoint that is written of it, and the record the agent has,
 * which is held busy while the call is at work.
 */

#include <string.h>

#include "agent/pod-call.h"
#include "base/alloc.h"
#include "base/digest.h"
#include "model/kinds.h"

#define LOG_MODULE "cni"
#include "base/log.h"

unsigned int pod_endpoint_n_addrs(unsigned int n)
{
	return MIN(n, (unsigned int)ENDPOINT_ADDRS_MAX);
}

void pod_endpoint_mac(const struct cni_request *request, uint8_t ret[MAC_SIZE])
{
	_cleanup_free_ char *text = xasprintf("%s/%s", request->container_id, request->ifname);
	struct digest digest = digest_of(DIGEST_SHA1, text, strlen(text));

	memcpy(ret, digest.bytes, MAC_SIZE);
	ret[0] = (uint8_t)((ret[0] & 0xfc) | 0x02); /* one station, locally administered */
}

struct object *pod_endpoint_object(const struct pod_call *pod, const struct cidr *addrs,
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
	pod_endpoint_mac(request, mac);
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
void pod_endpoint_compose(struct store_job *job, const struct ipam_request *ipam)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);
	_cleanup_(model_freep) struct object *object =
		pod_endpoint_object(pod, ipam->addrs, pod_endpoint_n_addrs(ipam->n_addrs));

	replace_str(&pod->text, store_object_text(object, &job->op.size));
	job->op.value = pod->text;
}

struct store_op pod_endpoint_op(const struct pod_call *pod)
{
	return (struct store_op){.type = STORE_PUT,
				 .kind = KIND_WORKLOAD_ENDPOINT,
				 .namespace = pod->namespace,
				 .name = pod->name};
}

void pod_endpoint_hold(struct pod_call *pod)
{
	if (!pod->endpoint) {
		pod->endpoint = endpoint_get(&pod->agent->endpoints, pod->namespace, pod->name);
		pod->endpoint_is_new = true;
		/* From now on no other call takes this name. */
		memcpy(pod->endpoint->host_ifname, pod->host_ifname, sizeof(pod->host_ifname));
	}
	pod->endpoint->busy = true;
}

void pod_endpoint_forget(struct pod_call *pod)
{
	struct agent *agent = pod->agent;

	if (!pod->endpoint)
		return;
	policy_enforcer_remove(agent->policy, KIND_WORKLOAD_ENDPOINT, pod->namespace, pod->name);
	policy_enforcer_schedule(agent->policy);
	endpoint_remove(&agent->endpoints, pod->endpoint);
	pod->endpoint = NULL;
}
