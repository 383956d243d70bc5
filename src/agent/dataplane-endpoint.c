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

/* 0: there is no such interface. <0: the kernel does not say. */
static int endpoint_ifindex(const struct endpoint *endpoint, struct err *err)
{
	unsigned int ifindex = if_nametoindex(endpoint->host_ifname);

	if (!ifindex && errno != ENODEV)
		return err_errno(err, -errno, "look up interface %s", endpoint->host_ifname);
	return (int)ifindex;
}

/* All are wanted before the first is made: what fails must not make the others look stale. */
static void want_routes(struct dataplane *dataplane, struct endpoint *endpoint, int ifindex)
{
	endpoint->ifindex = ifindex;
	for (unsigned int i = 0; i < endpoint->n_addrs; i++) {
		const struct cidr *addr = &endpoint->addrs[i];
		struct route route = endpoint_route(dataplane, addr, ifindex);

		route_sync_want(dataplane->routes[family_index(addr->addr.family)], &route);
	}
}

static int program_endpoint(struct dataplane *dataplane, struct endpoint *endpoint, int ifindex,
			    struct err *err)
{
	want_routes(dataplane, endpoint, ifindex);
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
	}
	return 0;
}

int dataplane_add_endpoint(struct dataplane *dataplane, struct endpoint *endpoint, struct err *err)
{
	int r = endpoint_ifindex(endpoint, err);

	if (r > 0)
		r = program_endpoint(dataplane, endpoint, r, err);
	else if (r == 0)
		r = err_set(err, -ENODEV, "interface %s is gone", endpoint->host_ifname);
	endpoint->unrestored = false;
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
	endpoint->unrestored = false;
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

/* What fails is noted, and tried again by dataplane_retry_endpoints(). */
static int put_right(struct dataplane *dataplane, struct endpoint *endpoint, int ifindex,
		     struct err *err)
{
	const struct pod_link_host wanted = endpoint_host(endpoint);
	int r;

	want_routes(dataplane, endpoint, ifindex);
	r = pod_link_host_repair(dataplane->nl, &wanted, err);
	if (r >= 0)
		r = program_endpoint(dataplane, endpoint, ifindex, err);
	/* Of a link that is gone the last word comes after those of its parts. */
	endpoint->unrestored = r < 0 && r != -ENODEV;
	return endpoint->unrestored ? r : 0;
}

/* An interface that can't be looked up is not one that is gone. */
static int restore(struct dataplane *dataplane, struct endpoint *endpoint, struct err *err)
{
	struct link link;
	int r = link_get(dataplane->nl, endpoint->host_ifname, &link, err);

	endpoint->unrestored = r < 0;
	if (r < 0) {
		dataplane->interfaces_unknown = true;
		return r;
	}
	if (r == LINK_E_NOT_FOUND) {
		log_warning_limited("the interface of a stored endpoint is not there", "endpoint",
				    endpoint->name, "interface", endpoint->host_ifname);
		return 0;
	}
	if (!endpoint->mtu)
		endpoint->mtu = link.mtu;
	return put_right(dataplane, endpoint, link.ifindex, err);
}

static void note_failure(struct dataplane *dataplane, const struct endpoint *endpoint,
			 const struct err *err)
{
	log_error_limited("can't restore an endpoint; trying again", "endpoint", endpoint->name,
			  "error", err->msg);
	dataplane->endpoints_failed = true;
	dataplane_schedule_apply(dataplane);
}

void dataplane_restore_endpoint(struct dataplane *dataplane, struct endpoint *endpoint)
{
	struct err err = ERR_INIT;

	if (restore(dataplane, endpoint, &err) < 0)
		note_failure(dataplane, endpoint, &err);
}

int dataplane_retry_endpoints(struct dataplane *dataplane, struct err *err)
{
	struct endpoint *endpoint;
	struct endpoint *next;
	int first = 0;

	dataplane->interfaces_unknown = false;
	HASH_ITER(hh, dataplane->endpoints->by_name, endpoint, next)
	{
		struct err one = ERR_INIT;
		bool left = endpoint->unrestored && !endpoint->busy;
		int r = left ? restore(dataplane, endpoint, &one) : 0;

		if (r < 0 && first == 0)
			first = err_set(err, r, "endpoint %s: %s", endpoint->name, one.msg);
	}
	return first;
}

void dataplane_repair_endpoint(struct dataplane *dataplane, struct endpoint *endpoint,
			       const char *what)
{
	struct err err = ERR_INIT;

	if (what) {
		log_info_limited("somebody changed what is a pod's; putting it right", "interface",
				 endpoint->host_ifname, "what", what);
		dataplane->stats.n_repairs++;
	}
	if (put_right(dataplane, endpoint, endpoint->ifindex, &err) < 0)
		note_failure(dataplane, endpoint, &err);
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
		struct err err = ERR_INIT;

		if (!endpoint->busy && endpoint->ifindex &&
		    put_right(dataplane, endpoint, endpoint->ifindex, &err) < 0)
			note_failure(dataplane, endpoint, &err);
	}
}
