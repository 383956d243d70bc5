/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The dataplane's turn: whatever changed (calc's update, an endpoint, a word of the kernel's
 * monitor, a timer) marks what is dirty, and one deferred apply at the end of the loop's turn
 * brings the kernel to the desired state: devices, then routes, then neighbours, then NAT. What
 * fails stays dirty and is tried again after a second.
 */

#include "agent/dataplane.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/dataplane-internal.h"
#include "base/alloc.h"
#include "cni/pod-link.h"
#include "loop/loop.h"
#include "netlink/sysctl.h"

#define LOG_MODULE "dataplane"
#include "base/log.h"

#define ROUTE_PROTOCOL	      80   /* tunnel and blackhole routes, as Calico's */
#define ENDPOINT_PRIORITY     1024 /* metric of a local endpoint's route */
#define RETRY_US	      1000000
#define MONITOR_EVENTS_A_TURN 4096

static unsigned int family_index(uint8_t family)
{
	return family == AF_INET ? 0 : 1;
}

static void schedule_apply(struct dataplane *dataplane)
{
	(void)sd_event_source_set_enabled(dataplane->apply_source, SD_EVENT_ONESHOT);
}

/* --- Routes ------------------------------------------------------------------------------------ */

static bool has_prefix(const struct dataplane *dataplane, const char *ifname)
{
	const char *prefix = dataplane->config.interface_prefix;

	return strncmp(ifname, prefix, strlen(prefix)) == 0;
}

/*
 * Ours: protocol 80, and endpoint routes on our interfaces. Routes the kernel made by itself (IPv6
 * link-local) and BIRD's are not.
 */
static bool owns_route(const struct route *route, void *ctx)
{
	const struct dataplane *dataplane = ctx;
	char name[IFNAMSIZ];

	if (route->protocol == ROUTE_PROTOCOL)
		return true;
	if (route->protocol != dataplane->config.device_route_protocol || !route->ifindex ||
	    !cidr_is_host(&route->dst))
		return false;
	return if_indextoname((unsigned int)route->ifindex, name) && has_prefix(dataplane, name);
}

/* False: its device is not there yet; it is translated anew when it is. */
static bool translate(struct dataplane *dataplane, const struct calc_route *from, struct route *ret)
{
	uint8_t family = from->dst.addr.family;

	*ret = (struct route){
		.dst = from->dst,
		.protocol = ROUTE_PROTOCOL,
		.gateway = from->gateway,
	};
	switch (from->device) {
	case CALC_DEVICE_NONE:
		ret->type = ROUTE_BLACKHOLE;
		return true;
	case CALC_DEVICE_VXLAN:
		ret->ifindex = vxlan_tunnel(dataplane, family)->ifindex;
		break;
	case CALC_DEVICE_PARENT:
		ret->ifindex = dataplane->parent_ifindex[family_index(family)];
		break;
	}
	ret->onlink = true;
	return ret->ifindex != 0;
}

static void want_routes(struct dataplane *dataplane, const struct calc_update *update)
{
	for (size_t i = 0; i < update->n_routes_gone; i++) {
		const struct cidr *dst = &update->routes_gone[i];

		route_sync_unwant(dataplane->routes[family_index(dst->addr.family)], dst);
	}
	for (size_t i = 0; i < update->n_routes; i++) {
		const struct cidr *dst = &update->routes[i].dst;
		struct route_sync *sync = dataplane->routes[family_index(dst->addr.family)];
		struct route route;

		if (translate(dataplane, &update->routes[i], &route))
			route_sync_want(sync, &route);
		else
			route_sync_unwant(sync, dst);
	}
}

static void replay_routes(struct dataplane *dataplane)
{
	_cleanup_(calc_update_deinitp) struct calc_update all = {0};

	dataplane->replay = false;
	calc_snapshot(dataplane->calc, &all);
	want_routes(dataplane, &all);
	tunnels_update_vteps(dataplane, &all);
}

static int apply_routes(struct dataplane *dataplane, struct err *err)
{
	dataplane->stats.n_routes = 0;
	for (unsigned int f = 0; f < FAMILIES; f++) {
		struct route_sync_stats stats;
		struct err pending = ERR_INIT;
		int r = route_sync_apply(dataplane->routes[f], dataplane->in_sync, &pending);

		if (r < 0)
			return err_set(err, r, "routes: %s", pending.msg);
		if (r == ROUTE_E_PENDING)
			log_debug("a route waits for its device", "reason", pending.msg);
		route_sync_get_stats(dataplane->routes[f], &stats);
		dataplane->stats.n_routes += stats.n_desired;
		if (dataplane->foreign_change && stats.n_replaced + stats.n_deleted)
			log_info("routes repaired", "family", f == 0 ? "IPv4" : "IPv6", "replaced",
				 log_num((int64_t)stats.n_replaced).s, "deleted",
				 log_num((int64_t)stats.n_deleted).s);
	}
	return 0;
}

/* --- NAT --------------------------------------------------------------------------------------- */

static int apply_nat(struct dataplane *dataplane, struct err *err)
{
	const char *devices[N_TUNNELS];
	const struct calc_pool *const *pools;
	_cleanup_free_ struct nat_pool *nat_pools = NULL;
	struct nat_config config = {.tunnel_devices = devices};
	size_t n;
	int r;

	calc_get_pools(dataplane->calc, &pools, &n);
	nat_pools = xcalloc(n, sizeof(*nat_pools));
	for (size_t i = 0; i < n; i++)
		nat_pools[i] = (struct nat_pool){pools[i]->cidr, pools[i]->nat_outgoing};
	config.pools = nat_pools;
	config.n_pools = n;
	for (unsigned int i = 0; i < N_TUNNELS; i++) {
		if (dataplane->tunnels[i].ifindex)
			devices[config.n_tunnel_devices++] = tunnel_names[i];
	}
	r = nat_apply(dataplane->nat, &config, err);
	if (r == NAT_E_CHANGED)
		log_info("NAT rules written", "pools", log_num((int64_t)n).s);
	return r < 0 ? err_prefix(err, r, "NAT") : 0;
}

/* --- The apply --------------------------------------------------------------------------------- */

static int apply(struct dataplane *dataplane, struct err *err)
{
	struct err device = ERR_INIT;
	int device_result = 0;
	int r;

	if (dataplane->tunnels_dirty) {
		device_result = tunnels_ensure(dataplane, &device);
		dataplane->tunnels_dirty = device_result < 0;
		dataplane->nat_dirty = true; /* tunnel devices are part of it */
	}
	if (dataplane->replay)
		replay_routes(dataplane);
	r = apply_routes(dataplane, err);
	if (r == 0)
		r = tunnels_apply_neighbours(dataplane, err);
	if (r == 0 && dataplane->nat_dirty && dataplane->in_sync) {
		r = apply_nat(dataplane, err);
		dataplane->nat_dirty = r < 0;
	}
	if (r == 0 && device_result < 0)
		r = err_set(err, device_result, "%s", device.msg);
	return r;
}

static int on_apply(sd_event_source *source, void *userdata)
{
	struct dataplane *dataplane = userdata;
	struct err err = ERR_INIT;
	uint64_t start = loop_now();
	int r = apply(dataplane, &err);

	(void)source;
	dataplane->stats.n_applies++;
	dataplane->stats.apply_us_total += loop_now() - start;
	dataplane->foreign_change = false;
	if (r < 0) {
		dataplane->stats.n_failures++;
		log_error("the kernel does not take the desired state; trying again", "error",
			  err.msg);
		(void)sd_event_source_set_time_relative(dataplane->retry_source, RETRY_US);
		(void)sd_event_source_set_enabled(dataplane->retry_source, SD_EVENT_ONESHOT);
	}
	if (dataplane->applied)
		dataplane->applied(dataplane->applied_ctx);
	return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	schedule_apply(userdata);
	return 0;
}

static void invalidate_all(struct dataplane *dataplane)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		route_sync_invalidate(dataplane->routes[f]);
	for (unsigned int i = 0; i < N_TUNNELS; i++) {
		if (dataplane->tunnels[i].arp) {
			neigh_sync_invalidate(dataplane->tunnels[i].arp);
			neigh_sync_invalidate(dataplane->tunnels[i].fdb);
		}
	}
	nat_invalidate(dataplane->nat);
	dataplane->tunnels_dirty = true;
	dataplane->nat_dirty = true;
	schedule_apply(dataplane);
}

static void set_refresh(struct dataplane *dataplane)
{
	uint64_t us = dataplane->config.refresh_us;

	(void)sd_event_source_set_time_relative(dataplane->refresh_source, us);
	(void)sd_event_source_set_enabled(dataplane->refresh_source,
					  us ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_refresh(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dataplane *dataplane = userdata;

	(void)source;
	(void)usec;
	invalidate_all(dataplane);
	set_refresh(dataplane);
	return 0;
}

/* --- What the kernel tells --------------------------------------------------------------------- */

static struct tunnel *find_tunnel(struct dataplane *dataplane, int ifindex)
{
	for (unsigned int i = 0; i < N_TUNNELS; i++) {
		if (ifindex && dataplane->tunnels[i].ifindex == ifindex)
			return &dataplane->tunnels[i];
	}
	return NULL;
}

static const struct endpoint *find_endpoint(const struct dataplane *dataplane, const char *ifname)
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
	const struct endpoint *endpoint;

	if (find_tunnel(dataplane, link->ifindex)) {
		dataplane->tunnels_dirty = true;
		if (!(link->flags & IFF_UP))
			forget_link(dataplane, link->ifindex);
		return;
	}
	if (!has_prefix(dataplane, link->name)) {
		dataplane->tunnels_dirty = true; /* a parent or the base of the MTU */
		return;
	}
	endpoint = find_endpoint(dataplane, link->name);
	if (!endpoint || endpoint->busy || (link->flags & IFF_UP))
		return;
	log_info("interface of an endpoint was set down; setting it up", "interface", link->name);
	if (link_set_up(dataplane->nl, link->ifindex, true, NULL) == 0)
		dataplane_restore_endpoint(dataplane, endpoint);
	forget_link(dataplane, link->ifindex);
}

static void note_link_gone(struct dataplane *dataplane, const struct link *link)
{
	struct tunnel *tunnel = find_tunnel(dataplane, link->ifindex);

	forget_link(dataplane, link->ifindex);
	if (tunnel) {
		log_info("tunnel device was removed", "device", tunnel_names[tunnel->type]);
		tunnel->ifindex = 0;
		dataplane->replay = true;
	}
	if (tunnel || !has_prefix(dataplane, link->name))
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
		log_warning("the kernel's announcements overran; reading everything back");
		invalidate_all(dataplane);
		break;
	}
	schedule_apply(dataplane);
}

static int on_monitor(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct dataplane *dataplane = userdata;
	struct err err = ERR_INIT;

	(void)source;
	(void)fd;
	(void)revents;
	for (unsigned int i = 0; i < MONITOR_EVENTS_A_TURN; i++) {
		struct monitor_event event;
		int r = monitor_next(dataplane->monitor, &event, &err);

		if (r == MONITOR_E_AGAIN)
			break;
		if (r < 0) {
			log_error("can't read the kernel's announcements", "error", err.msg);
			invalidate_all(dataplane);
			break;
		}
		note(dataplane, &event);
	}
	return 0;
}

static int on_nat(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct dataplane *dataplane = userdata;

	(void)source;
	(void)fd;
	(void)revents;
	if (nat_check(dataplane->nat)) {
		nat_invalidate(dataplane->nat);
		dataplane->nat_dirty = true;
		schedule_apply(dataplane);
	}
	return 0;
}

/* --- Endpoints --------------------------------------------------------------------------------- */

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

static int program_endpoint(struct dataplane *dataplane, const struct endpoint *endpoint,
			    int ifindex, struct err *err)
{
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

int dataplane_add_endpoint(struct dataplane *dataplane, const struct endpoint *endpoint,
			   struct err *err)
{
	int ifindex = endpoint_ifindex(endpoint);
	int r = ifindex ? program_endpoint(dataplane, endpoint, ifindex, err)
			: err_set(err, -ENODEV, "interface %s is gone", endpoint->host_ifname);

	if (r < 0)
		dataplane_remove_endpoint(dataplane, endpoint);
	return r;
}

void dataplane_remove_endpoint(struct dataplane *dataplane, const struct endpoint *endpoint)
{
	for (unsigned int i = 0; i < endpoint->n_addrs; i++) {
		const struct cidr *addr = &endpoint->addrs[i];

		route_sync_unwant(dataplane->routes[family_index(addr->addr.family)], addr);
	}
	schedule_apply(dataplane);
}

static void restore_sysctls(const struct endpoint *endpoint)
{
	bool has[FAMILIES] = {false, false};
	struct err err = ERR_INIT;

	for (unsigned int i = 0; i < endpoint->n_addrs; i++)
		has[family_index(endpoint->addrs[i].addr.family)] = true;
	if (pod_link_host_sysctls(endpoint->host_ifname, has[0], has[1], &err) < 0)
		log_warning("can't set up forwarding for an endpoint", "interface",
			    endpoint->host_ifname, "error", err.msg);
}

void dataplane_restore_endpoint(struct dataplane *dataplane, const struct endpoint *endpoint)
{
	int ifindex = endpoint_ifindex(endpoint);
	struct err err = ERR_INIT;

	if (!ifindex) {
		log_warning("the interface of a stored endpoint is not there", "endpoint",
			    endpoint->name, "interface", endpoint->host_ifname);
		return;
	}
	restore_sysctls(endpoint);
	if (program_endpoint(dataplane, endpoint, ifindex, &err) < 0)
		log_error("can't restore an endpoint", "endpoint", endpoint->name, "error",
			  err.msg);
}

/* --- Outside ----------------------------------------------------------------------------------- */

void dataplane_set_listener(struct dataplane *dataplane, void (*applied)(void *ctx), void *ctx)
{
	dataplane->applied = applied;
	dataplane->applied_ctx = ctx;
}

void dataplane_set_gone_listener(struct dataplane *dataplane, void (*gone)(void *ctx, int ifindex),
				 void *ctx)
{
	dataplane->gone = gone;
	dataplane->gone_ctx = ctx;
}

bool dataplane_ready_for_bird(const struct dataplane *dataplane)
{
	const struct tunnel *ipip = &dataplane->tunnels[TUNNEL_IPIP];

	return !ipip->wanted || ipip->ifindex;
}

void dataplane_set_config(struct dataplane *dataplane, const struct dataplane_config *config)
{
	struct dataplane_config old = dataplane->config;

	dataplane->config = *config;
	dataplane->config.state_dir = old.state_dir;
	dataplane->config.interface_prefix = old.interface_prefix;
	set_refresh(dataplane);
	dataplane->tunnels_dirty = true;
	schedule_apply(dataplane);
}

void dataplane_update(struct dataplane *dataplane, const struct calc_update *update)
{
	if (update->own_node_changed || update->pools_changed)
		dataplane->tunnels_dirty = true;
	if (update->pools_changed)
		dataplane->nat_dirty = true;
	want_routes(dataplane, update);
	tunnels_update_vteps(dataplane, update);
	schedule_apply(dataplane);
}

void dataplane_set_in_sync(struct dataplane *dataplane)
{
	struct err err = ERR_INIT;

	dataplane->in_sync = true;
	dataplane->tunnels_dirty = true;
	dataplane->nat_dirty = true;
	/* The first pod may come before the turn ends, and needs the MTU of the pools' tunnels. */
	if (tunnels_ensure(dataplane, &err) < 0)
		log_debug("tunnel devices are not ready yet", "error", err.msg);
	schedule_apply(dataplane);
}

uint32_t dataplane_pod_mtu(const struct dataplane *dataplane)
{
	return dataplane->pod_mtu;
}

void dataplane_get_stats(const struct dataplane *dataplane, struct dataplane_stats *ret)
{
	*ret = dataplane->stats;
}

struct nl *dataplane_nl(struct dataplane *dataplane)
{
	return dataplane->nl;
}

/* --- Life -------------------------------------------------------------------------------------- */

static int set_forwarding(struct err *err)
{
	static const char *const paths[] = {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int r = sysctl_write(paths[i], "1", err);

		if (r < 0) /* a kernel without IPv6 has no such file, which is an outcome, not a
			      failure */
			return r;
	}
	return 0;
}

static int add_sources(struct dataplane *dataplane)
{
	sd_event *event = dataplane->event;
	int r;

	r = sd_event_add_io(event, &dataplane->monitor_source, monitor_fd(dataplane->monitor),
			    EPOLLIN, on_monitor, dataplane);
	if (r >= 0)
		r = sd_event_add_io(event, &dataplane->nat_source, nat_fd(dataplane->nat), EPOLLIN,
				    on_nat, dataplane);
	if (r >= 0)
		r = sd_event_add_defer(event, &dataplane->apply_source, on_apply, dataplane);
	if (r >= 0) /* after everything else that is ready in this turn */
		r = sd_event_source_set_priority(dataplane->apply_source, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &dataplane->retry_source, CLOCK_MONOTONIC,
					       RETRY_US, 0, on_retry, dataplane);
	if (r >= 0)
		r = sd_event_source_set_enabled(dataplane->retry_source, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &dataplane->refresh_source, CLOCK_MONOTONIC,
					       dataplane->config.refresh_us, 0, on_refresh,
					       dataplane);
	if (r >= 0)
		set_refresh(dataplane);
	return r;
}

int dataplane_new(sd_event *event, const struct dataplane_config *config, const struct calc *calc,
		  const struct endpoint_table *endpoints, struct dataplane **ret, struct err *err)
{
	_cleanup_(dataplane_freep) struct dataplane *dataplane = XNEW(struct dataplane);
	int r;

	dataplane->event = sd_event_ref(event);
	dataplane->config = *config;
	dataplane->interface_prefix = xstrdup(config->interface_prefix);
	dataplane->config.interface_prefix = dataplane->interface_prefix;
	dataplane->calc = calc;
	dataplane->endpoints = endpoints;
	dataplane->tunnels_dirty = true;
	r = set_forwarding(err);
	if (r == 0)
		r = nl_open(NETLINK_ROUTE, -1, &dataplane->nl, err);
	if (r == 0)
		r = monitor_open(-1, &dataplane->monitor, err);
	if (r == 0)
		r = nat_open(-1, &dataplane->nat, err);
	if (r < 0)
		return r;
	for (unsigned int f = 0; f < FAMILIES; f++)
		dataplane->routes[f] = route_sync_new(dataplane->nl, f == 0 ? AF_INET : AF_INET6,
						      owns_route, dataplane);
	r = add_sources(dataplane);
	if (r < 0)
		return err_errno(err, r, "can't watch the kernel");
	/* The MTU must be known before the first pod. */
	if (tunnels_ensure(dataplane, err) < 0)
		log_warning("tunnel devices are not ready yet", "error", err->msg);
	*ret = TAKE_PTR(dataplane);
	return 0;
}

struct dataplane *dataplane_free(struct dataplane *dataplane)
{
	if (!dataplane)
		return NULL;
	(void)sd_event_source_disable_unref(dataplane->monitor_source);
	(void)sd_event_source_disable_unref(dataplane->nat_source);
	(void)sd_event_source_disable_unref(dataplane->apply_source);
	(void)sd_event_source_disable_unref(dataplane->retry_source);
	(void)sd_event_source_disable_unref(dataplane->refresh_source);
	tunnels_deinit(dataplane);
	for (unsigned int f = 0; f < FAMILIES; f++)
		dataplane->routes[f] = route_sync_free(dataplane->routes[f]);
	dataplane->nat = nat_close(dataplane->nat);
	dataplane->monitor = monitor_close(dataplane->monitor);
	dataplane->nl = nl_close(dataplane->nl);
	free(dataplane->interface_prefix);
	(void)sd_event_unref(dataplane->event);
	free(dataplane);
	return NULL;
}
