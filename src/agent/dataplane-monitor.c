/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the kernel tells of changes, to the dataplane: each word either confirms what we did, or
 * marks what somebody else changed of ours for the next apply.
 */

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "agent/dataplane-internal.h"
#include "cni/pod-link.h"

#define LOG_MODULE "dataplane"
#include "base/log.h"

#define EVENTS_A_TURN 4096

static struct tunnel *find_tunnel(struct dataplane *dataplane, int ifindex)
{
	for (unsigned int i = 0; i < N_TUNNELS; i++) {
		if (ifindex && dataplane->tunnels[i].ifindex == ifindex)
			return &dataplane->tunnels[i];
	}
	return NULL;
}

/*
 * The kernel drops routes and neighbours with their device, and IPv4 routes with its last address,
 * without a word of their own: what is known of that interface is void.
 */
static void forget_link(struct dataplane *dataplane, int ifindex)
{
	struct tunnel *tunnel = find_tunnel(dataplane, ifindex);

	for (unsigned int f = 0; f < FAMILIES; f++)
		route_sync_forget_link(dataplane->routes[f], ifindex);
	if (tunnel && tunnel->arp) {
		neigh_sync_invalidate(tunnel->arp);
		neigh_sync_invalidate(tunnel->fdb);
	}
}

static void note_link(struct dataplane *dataplane, const struct link *link)
{
	struct endpoint *endpoint;

	offload_note_link(dataplane, link);
	if (find_tunnel(dataplane, link->ifindex)) {
		dataplane->tunnels_dirty = true;
		if (!(link->flags & IFF_UP))
			forget_link(dataplane, link->ifindex);
		return;
	}
	if (!dataplane_is_workload(dataplane, link->name)) {
		dataplane->tunnels_dirty = true; /* a parent or the base of the MTU */
		return;
	}
	if (pod_link_host_looks_right(link, dataplane->pod_mtu))
		return;
	endpoint = dataplane_find_endpoint(dataplane, link->ifindex);
	if (!endpoint)
		return;
	dataplane_check_endpoint(dataplane, endpoint);
	if (!(link->flags & IFF_UP))
		forget_link(dataplane, link->ifindex);
}

static void note_link_gone(struct dataplane *dataplane, const struct link *link)
{
	struct tunnel *tunnel = find_tunnel(dataplane, link->ifindex);
	struct endpoint *endpoint = dataplane_find_endpoint(dataplane, link->ifindex);

	forget_link(dataplane, link->ifindex);
	offload_note_link_gone(dataplane, link->ifindex);
	if (endpoint) {
		log_info_limited("a pod's interface is gone without a DEL: if the pod still runs, "
				 "it has no network until its runtime makes it anew",
				 "endpoint", endpoint->name, "interface", link->name);
		dataplane_remove_endpoint(dataplane, endpoint);
	}
	if (tunnel) {
		log_info_limited("tunnel device was removed", "device", tunnel_names[tunnel->type]);
		tunnel->ifindex = 0;
		dataplane->replay = true;
	}
	if (tunnel || !dataplane_is_workload(dataplane, link->name))
		dataplane->tunnels_dirty = true;
	if (dataplane->gone)
		dataplane->gone(dataplane->gone_ctx, link->ifindex);
}

static void note_addr_gone(struct dataplane *dataplane, const struct if_addr *addr)
{
	struct endpoint *endpoint = dataplane_find_endpoint(dataplane, addr->ifindex);

	forget_link(dataplane, addr->ifindex);
	if (!endpoint)
		dataplane->tunnels_dirty = true;
	else if (ip_is_link_local(&addr->cidr.addr))
		dataplane_repair_endpoint(dataplane, endpoint, "address");
}

static void bird_lost(struct dataplane *dataplane)
{
	if (dataplane->bird_lost)
		dataplane->bird_lost(dataplane->bird_lost_ctx);
}

/* BIRD itself would see that a route of its own is missing with its next scan only. */
static void note_bird_route(struct dataplane *dataplane, const struct monitor_event *event)
{
	if (event->type == MONITOR_ROUTE)
		dataplane->bird_port = event->sender;
	else if (!event->sender || event->sender != dataplane->bird_port)
		bird_lost(dataplane);
}

static bool note_route(struct dataplane *dataplane, const struct monitor_event *event)
{
	const struct route *route = &event->route;

	if (route->protocol == RTPROT_BIRD)
		note_bird_route(dataplane, event);
	if (!route_sync_note(dataplane->routes[family_index(route->dst.addr.family)], route,
			     event->type == MONITOR_ROUTE_GONE))
		return false;
	dataplane->foreign_change = true;
	dataplane->stats.n_repairs++;
	return true;
}

/* A permanent entry for a pod's address, with its MAC, is what is to be there. */
static void note_pod_neigh(struct dataplane *dataplane, const struct monitor_neigh *event,
			   bool gone)
{
	struct endpoint *endpoint;

	if (!event->neigh.addr.family)
		return;
	endpoint = dataplane_find_endpoint(dataplane, event->ifindex);
	for (unsigned int i = 0; endpoint && i < endpoint->n_addrs; i++) {
		if (!ip_equal(&endpoint->addrs[i].addr, &event->neigh.addr))
			continue;
		if (gone || !event->permanent ||
		    memcmp(event->neigh.mac, endpoint->mac, MAC_SIZE) != 0)
			dataplane_repair_endpoint(dataplane, endpoint, "neighbour");
		return;
	}
}

/* True: there is something to apply. */
static bool note_neigh(struct dataplane *dataplane, const struct monitor_neigh *event, bool gone)
{
	struct tunnel *tunnel = find_tunnel(dataplane, event->ifindex);

	if (!tunnel) {
		note_pod_neigh(dataplane, event, gone);
		return false;
	}
	if (!tunnel->arp)
		return false;
	neigh_sync_invalidate(tunnel->arp);
	neigh_sync_invalidate(tunnel->fdb);
	return true;
}

static void note_conf(struct dataplane *dataplane, const struct monitor_conf *conf)
{
	const struct tunnel *tunnel = find_tunnel(dataplane, conf->ifindex);
	struct endpoint *endpoint;
	struct err err = ERR_INIT;

	if (conf->forwarding != 0 && conf->proxy_neigh != 0)
		return;
	if (conf->ifindex == MONITOR_ALL_INTERFACES) {
		if (conf->forwarding == 0 && forwarding_ensure(&err) < 0)
			log_error_limited("this node does not forward", "error", err.msg);
		return;
	}
	if (tunnel && conf->forwarding == 0) {
		tunnel_set_forwarding(tunnel, conf->family);
		return;
	}
	endpoint = dataplane_find_endpoint(dataplane, conf->ifindex);
	if (endpoint)
		dataplane_check_endpoint(dataplane, endpoint);
}

static void note_overrun(struct dataplane *dataplane)
{
	log_warning_limited("the kernel's announcements overran; reading everything back");
	dataplane->stats.n_overruns++;
	bird_lost(dataplane);
	dataplane_invalidate(dataplane);
}

static void note(struct dataplane *dataplane, const struct monitor_event *event)
{
	bool apply = true;

	switch (event->type) {
	case MONITOR_LINK:
		note_link(dataplane, &event->link);
		break;
	case MONITOR_LINK_GONE:
		note_link_gone(dataplane, &event->link);
		break;
	case MONITOR_ADDR_GONE:
		note_addr_gone(dataplane, &event->addr);
		break;
	case MONITOR_ADDR:
		dataplane->tunnels_dirty |=
			!dataplane_find_endpoint(dataplane, event->addr.ifindex);
		break;
	case MONITOR_ROUTE:
	case MONITOR_ROUTE_GONE:
		apply = note_route(dataplane, event);
		break;
	case MONITOR_NEIGH:
	case MONITOR_NEIGH_GONE:
		apply = note_neigh(dataplane, &event->neigh, event->type == MONITOR_NEIGH_GONE);
		break;
	case MONITOR_CONF:
		note_conf(dataplane, &event->conf);
		apply = false;
		break;
	case MONITOR_OVERRUN:
		note_overrun(dataplane);
		break;
	}
	if (apply)
		dataplane_schedule_apply(dataplane);
}

int dataplane_on_monitor(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct dataplane *dataplane = userdata;
	struct err err = ERR_INIT;

	(void)source;
	(void)fd;
	(void)revents;
	for (unsigned int i = 0; i < EVENTS_A_TURN; i++) {
		struct monitor_event event;
		int r = monitor_next(dataplane->monitor, &event, &err);

		if (r == MONITOR_E_AGAIN)
			break;
		if (r < 0) {
			log_error_limited("can't read the kernel's announcements", "error",
					  err.msg);
			dataplane_invalidate(dataplane);
			break;
		}
		note(dataplane, &event);
	}
	return 0;
}

int dataplane_on_nat(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct dataplane *dataplane = userdata;
	struct err err = ERR_INIT;

	(void)source;
	(void)fd;
	(void)revents;
	if (!dataplane->policy.ops->check(dataplane->policy.self))
		return 0;
	offload_invalidate(dataplane);
	dataplane_schedule_apply(dataplane);
	/* At once and before all else: without our rules everything passes. */
	if (!dataplane->in_sync || dataplane->policy.ops->apply(dataplane->policy.self, &err) < 0) {
		dataplane->nat_dirty = true;
		return 0;
	}
	if (dataplane->policy.ops->changed(dataplane->policy.self)) {
		log_warning_limited("somebody changed our rules of policy; they are right again");
		dataplane->stats.n_repairs++;
	}
	if (dataplane->applied)
		dataplane->applied(dataplane->applied_ctx);
	return 0;
}
