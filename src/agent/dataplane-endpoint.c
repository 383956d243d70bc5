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
	/* It may have changed between the making of the link and now. */
	else if (!endpoint->mtu_fixed && endpoint->mtu != dataplane->pod_mtu)
		mtu_follow(dataplane, endpoint->mtu);
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

struct pod_link_host endpoint_host(const struct endpoint *endpoint)
{
	struct pod_link_host host = {.ifname = endpoint->host_ifname, .mtu = endpoint->mtu};

	for (unsigned int i = 0; i < endpoint->n_addrs; i++) {
		host.v4 |= endpoint->addrs[i].addr.family == AF_INET;
		host.v6 |= endpoint->addrs[i].addr.family == AF_INET6;
	}
	return host;
}

struct endpoint *dataplane_find_endpoint(const struct dataplane *dataplane, int ifindex)
{
	struct endpoint *endpoint;
	struct endpoint *next;

	HASH_ITER(hh, dataplane->endpoints->by_name, endpoint, next)
	{
		if (ifindex && endpoint->ifindex == ifindex)
			return endpoint->busy ? NULL : endpoint;
	}
	return NULL;
}

static void put_right(struct dataplane *dataplane, struct endpoint *endpoint, int ifindex)
{
	const struct pod_link_host wanted = endpoint_host(endpoint);
	struct err err = ERR_INIT;
	int r = pod_link_host_repair(dataplane->nl, &wanted, &err);

	if (r == 0)
		r = program_endpoint(dataplane, endpoint, ifindex, &err);
	/* Of a link that is gone the last word comes after those of its parts. */
	if (r < 0 && r != -ENODEV)
		log_error_limited("can't restore an endpoint", "endpoint", endpoint->name, "error",
				  err.msg);
}

void dataplane_restore_endpoint(struct dataplane *dataplane, struct endpoint *endpoint)
{
	struct link link;

	if (link_get(dataplane->nl, endpoint->host_ifname, &link, NULL) != 0) {
		log_warning_limited("the interface of a stored endpoint is not there", "endpoint",
				    endpoint->name, "interface", endpoint->host_ifname);
		return;
	}
	if (!endpoint->mtu)
		endpoint->mtu = link.mtu;
	put_right(dataplane, endpoint, link.ifindex);
}

void dataplane_repair_endpoint(struct dataplane *dataplane, struct endpoint *endpoint,
			       const char *what)
{
	if (what) {
		log_info_limited("somebody changed what is a pod's; putting it right", "interface",
				 endpoint->host_ifname, "what", what);
		dataplane->stats.n_repairs++;
	}
	put_right(dataplane, endpoint, endpoint->ifindex);
	/* Routes go with an interface that goes down, whatever we know of them. */
	for (unsigned int f = 0; f < FAMILIES; f++)
		route_sync_forget_link(dataplane->routes[f], endpoint->ifindex);
	dataplane_schedule_apply(dataplane);
}

void dataplane_repair_endpoints(struct dataplane *dataplane)
{
	struct endpoint *endpoint;
	struct endpoint *next;

	HASH_ITER(hh, dataplane->endpoints->by_name, endpoint, next)
	{
		if (!endpoint->busy && endpoint->ifindex)
			put_right(dataplane, endpoint, endpoint->ifindex);
	}
}
