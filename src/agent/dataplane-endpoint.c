/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Endpoints in the kernel: a route to each address on the host's end of the pod's link, and a
 * permanent neighbour entry, so that no packet waits for ARP or NDP.
 */

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "agent/dataplane-internal.h"
#include "cni/pod-link.h"

#define LOG_MODULE "dataplane"
#include "base/log.h"

#define ENDPOINT_PRIORITY 1024 /* metric of a local endpoint's route */

static struct route endpoint_route(const struct dataplane *dataplane, const struct cidr *addr,
				   int ifindex)
{
	return (struct route){
		.dst = *addr,
		.type = ROUTE_UNICAST,
		.priority = ENDPOINT_PRIORITY,
		.protocol = dataplane->config.device_route_protocol,
		.scope = addr->addr.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.ifindex = ifindex,
	};
}

static int endpoint_ifindex(const struct endpoint *endpoint)
{
	return (int)if_nametoindex(endpoint->host_ifname);
}

static int program_endpoint(struct dataplane *dataplane, struct endpoint *endpoint, int ifindex,
			    struct err *err)
{
	endpoint->ifindex = ifindex;
	for (unsigned int i = 0; i < endpoint->n_addrs; i++) {
		const struct cidr *addr = &endpoint->addrs[i];
		struct route route = endpoint_route(dataplane, addr, ifindex);
		struct neigh neigh = {.addr = addr->addr};
		int r;

		memcpy(neigh.mac, endpoint->mac, MAC_SIZE);
		r = route_replace(dataplane->nl, &route, err);
		if (r == 0)
			r = neigh_replace(dataplane->nl, ifindex, &neigh, err);
		if (r < 0)
			return err_prefix(err, r, "route of %s on %s", cidr_format(addr).s,
					  endpoint->host_ifname);
		route_sync_want(dataplane->routes[family_index(addr->addr.family)], &route);
	}
	return 0;
}

int dataplane_add_endpoint(struct dataplane *dataplane, struct endpoint *endpoint, struct err *err)
{
	int ifindex = endpoint_ifindex(endpoint);
	int r = ifindex ? program_endpoint(dataplane, endpoint, ifindex, err)
			: err_set(err, -ENODEV, "interface %s is gone", endpoint->host_ifname);

	if (r < 0)
		dataplane_remove_endpoint(dataplane, endpoint);
	return r;
}

void dataplane_remove_endpoint(struct dataplane *dataplane, struct endpoint *endpoint)
{
	for (unsigned int i = 0; i < endpoint->n_addrs; i++) {
		const struct cidr *addr = &endpoint->addrs[i];

		route_sync_unwant_link(dataplane->routes[family_index(addr->addr.family)], addr,
				       endpoint->ifindex);
	}
	endpoint->ifindex = 0;
	dataplane_schedule_apply(dataplane);
}

static void restore_sysctls(const struct endpoint *endpoint)
{
	bool has[FAMILIES] = {false, false};
	struct err err = ERR_INIT;

	for (unsigned int i = 0; i < endpoint->n_addrs; i++)
		has[family_index(endpoint->addrs[i].addr.family)] = true;
	if (pod_link_host_sysctls(endpoint->host_ifname, has[0], has[1], &err) < 0)
		log_warning_limited("can't set up forwarding for an endpoint", "interface",
				    endpoint->host_ifname, "error", err.msg);
}

void dataplane_restore_endpoint(struct dataplane *dataplane, struct endpoint *endpoint)
{
	int ifindex = endpoint_ifindex(endpoint);
	struct err err = ERR_INIT;

	if (!ifindex) {
		log_warning_limited("the interface of a stored endpoint is not there", "endpoint",
				    endpoint->name, "interface", endpoint->host_ifname);
		return;
	}
	restore_sysctls(endpoint);
	if (program_endpoint(dataplane, endpoint, ifindex, &err) < 0)
		log_error_limited("can't restore an endpoint", "endpoint", endpoint->name, "error",
				  err.msg);
}
