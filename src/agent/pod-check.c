/* SPDX-License-Identifier: Apache-2.0 */

/* CHECK: compares what ADD made with the kernel, and with the result that the caller was given. */

#include <errno.h>
#include <string.h>

#include "agent/pod-call.h"

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

	if (r == 0 && !pod_wire_holds(pod, err))
		r = -EINVAL;
	for (unsigned int i = 0; r == 0 && i < pod->endpoint->n_addrs; i++)
		r = check_host_route(pod, &pod->endpoint->addrs[i], err);
	return r;
}

void pod_check(struct pod_call *pod)
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
