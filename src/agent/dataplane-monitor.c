/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the kernel tells of changes, to the dataplane: each word either confirms what we did, or marks
 * what somebody else changed of ours for the next apply.
 */

#include <net/if.h>
#include <string.h>

#include "agent/dataplane-internal.h"

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

static struct endpoint *find_endpoint(const struct dataplane *dataplane, const char *ifname)
{
	struct endpoint *endpoint;
	struct endpoint *next;

	HASH_ITER(hh, dataplane->endpoints->by_name, endpoint, next)
	{
		if (strcmp(endpoint->host_ifname, ifname) == 0)
			return endpoint;
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
	endpoint = find_endpoint(dataplane, link->name);
	if (!endpoint || endpoint->busy || (link->flags & IFF_UP))
		return;
	log_info_limited("interface of an endpoint was set down; setting it up", "interface",
			 link->name);
	if (link_set_up(dataplane->nl, link->ifindex, true, NULL) == 0)
		dataplane_restore_endpoint(dataplane, endpoint);
	forget_link(dataplane, link->ifindex);
}

static void note_link_gone(struct dataplane *dataplane, const struct link *link)
{
	struct tunnel *tunnel = find_tunnel(dataplane, link->ifindex);

	forget_link(dataplane, link->ifindex);
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

static void note(struct dataplane *dataplane, const struct monitor_event *event)
{
	struct tunnel *tunnel;

	switch (event->type) {
	case MONITOR_LINK:
		note_link(dataplane, &event->link);
		break;
	case MONITOR_LINK_GONE:
		note_link_gone(dataplane, &event->link);
		break;
	case MONITOR_ADDR_GONE:
		forget_link(dataplane, event->addr.ifindex);
		dataplane->tunnels_dirty = true;
		break;
	case MONITOR_ADDR:
		dataplane->tunnels_dirty = true;
		break;
	case MONITOR_ROUTE:
	case MONITOR_ROUTE_GONE:
		if (route_sync_note(dataplane->routes[family_index(event->route.dst.addr.family)],
				    &event->route, event->type == MONITOR_ROUTE_GONE)) {
			dataplane->foreign_change = true;
			dataplane->stats.n_repairs++;
		} else {
			return;
		}
		break;
	case MONITOR_NEIGH:
		tunnel = find_tunnel(dataplane, event->ifindex);
		if (!tunnel || !tunnel->arp)
			return;
		neigh_sync_invalidate(tunnel->arp);
		neigh_sync_invalidate(tunnel->fdb);
		break;
	case MONITOR_OVERRUN:
		log_warning_limited("the kernel's announcements overran; reading everything back");
		dataplane_invalidate(dataplane);
		break;
	}
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

	(void)source;
	(void)fd;
	(void)revents;
	if (nat_check(dataplane->nat)) {
		nat_invalidate(dataplane->nat);
		dataplane->nat_dirty = true;
		dataplane_schedule_apply(dataplane);
	}
	return 0;
}
