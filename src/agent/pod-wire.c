/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel's part of a pod: the veth pair, the policy in front of it, its addresses and routes.
 * In this order: nothing passes a link before its policy is there.
 */

#include <string.h>
#include <sys/socket.h>

#include "agent/pod-call.h"

static bool has_family(const struct endpoint *endpoint, uint8_t family)
{
	for (unsigned int i = 0; i < endpoint->n_addrs; i++)
		if (endpoint->addrs[i].addr.family == family)
			return true;
	return false;
}

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
		.early_v4 = request->assign_v4 || has_family(pod->endpoint, AF_INET),
		.early_v6 = request->assign_v6 || has_family(pod->endpoint, AF_INET6),
		.has_pod_mac = true,
	};

	pod_endpoint_mac(request, link.pod_mac);
	return link;
}

/*
 * Run while the store worker is at it, whose answer is not taken before this returns. The families
 * are those that are asked for or known; where others come of it, the second half sees to them.
 */
void pod_wire_link(struct pod_call *pod)
{
	pod->link = link_of(pod);
	pod->link_made = true;
	pod->link_result =
		pod_link_create(dataplane_nl(pod->agent->dataplane), &pod->link, &pod->link_err);
}

/*
 * In the kernel before the link has an address: a link that no policy is known of passes nothing.
 */
static int enforce_policy(struct pod_call *pod, struct err *err)
{
	const struct endpoint *endpoint = pod->endpoint;
	_cleanup_(model_freep) struct object *object =
		pod_endpoint_object(pod, endpoint->addrs, endpoint->n_addrs);
	int r = policy_enforcer_put(pod->agent->policy, object, err);

	return r == 0 ? policy_enforcer_apply(pod->agent->policy, err) : r;
}

int pod_wire(struct pod_call *pod, struct err *err)
{
	struct endpoint *endpoint = pod->endpoint;
	int r;

	if (!pod->link_made)
		pod_wire_link(pod);
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

bool pod_wire_holds(struct pod_call *pod, struct err *err)
{
	pod->link = link_of(pod);
	pod->link.n_addrs = pod->endpoint->n_addrs;
	memcpy(pod->link.addrs, pod->endpoint->addrs,
	       sizeof(*pod->link.addrs) * pod->endpoint->n_addrs);
	return pod_link_check(dataplane_nl(pod->agent->dataplane), &pod->link, err) == 0;
}
