/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The dataplane's turn: whatever changed (calc's update, an endpoint, a word of the kernel's
 * monitor, a timer) marks what is dirty, and one deferred apply at the end of the loop's turn
 * brings the kernel to the desired state: endpoints that could not be restored, devices, then
 * routes, then neighbours, then NAT, then the flow table's devices. What fails stays dirty and is
 * tried again after a second.
 */

#include "agent/dataplane.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/dataplane-internal.h"
#include "base/alloc.h"
#include "loop/loop.h"
#include "model/kinds.h"

#define LOG_MODULE "dataplane"
#include "base/log.h"

#define ROUTE_PROTOCOL 80 /* tunnel and blackhole routes, as Calico's */

#define RETRY_US	  1000000
#define CHECK_ACCURACY_US 50000

void dataplane_schedule_apply(struct dataplane *dataplane)
{
	(void)sd_event_source_set_enabled(dataplane->apply_source, SD_EVENT_ONESHOT);
}

/* --- Routes ----------------------------------------------------------------------------------- */

bool dataplane_is_workload(const struct dataplane *dataplane, const char *ifname)
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
	return if_indextoname((unsigned int)route->ifindex, name) &&
	       dataplane_is_workload(dataplane, name);
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
		/* The route of an endpoint whose interface can't be looked up is not stale. */
		bool sweep = dataplane->in_sync && !dataplane->interfaces_unknown;
		int r = route_sync_apply(dataplane->routes[f], sweep, &pending);

		if (r < 0)
			return err_set(err, r, "routes: %s", pending.msg);
		if (r == ROUTE_E_PENDING)
			log_debug("a route waits for its device", "reason", pending.msg);
		route_sync_get_stats(dataplane->routes[f], &stats);
		dataplane->stats.n_routes += stats.n_desired;
		if (dataplane->foreign_change && stats.n_replaced + stats.n_deleted)
			log_info_limited("routes repaired", "family", f == 0 ? "IPv4" : "IPv6",
					 "replaced", log_num((int64_t)stats.n_replaced).s,
					 "deleted", log_num((int64_t)stats.n_deleted).s);
	}
	return 0;
}

/* --- NAT -------------------------------------------------------------------------------------- */

struct pool_list {
	struct nat_pool *v;
	size_t n;
};

static bool has_family(const struct pool_list *pools, uint8_t family)
{
	for (size_t i = 0; i < pools->n; i++)
		if (pools->v[i].cidr.addr.family == family && !cidr_is_host(&pools->v[i].cidr))
			return true;
	return false;
}

/* A node's address counts as a pool's: what is sent there is not translated. */
static void add_host(struct pool_list *pools, const char *text)
{
	struct cidr net;

	if (!text || !*text || cidr_parse(text, &net, NULL) < 0 ||
	    !has_family(pools, net.addr.family))
		return;
	*ARRAY_ADD(pools->v, pools->n) = (struct nat_pool){.cidr = cidr_host(&net.addr)};
}

static void add_hosts(struct dataplane *dataplane, struct pool_list *pools)
{
	_cleanup_free_ const struct node **nodes = NULL;
	size_t n;

	calc_get_nodes(dataplane->calc, &nodes, &n);
	for (size_t i = 0; i < n; i++) {
		const struct node_spec *spec = &nodes[i]->spec;

		if (spec->bgp) {
			add_host(pools, spec->bgp->ipv4_address);
			add_host(pools, spec->bgp->ipv6_address);
		}
		for (size_t k = 0; k < spec->addresses.n; k++)
			add_host(pools, spec->addresses.v[k].address);
	}
}

static void add_pools(struct dataplane *dataplane, struct pool_list *ret)
{
	const struct calc_pool *const *pools;
	size_t n;

	calc_get_pools(dataplane->calc, &pools, &n);
	for (size_t i = 0; i < n; i++)
		*ARRAY_ADD(ret->v, ret->n) =
			(struct nat_pool){pools[i]->cidr, pools[i]->nat_outgoing};
	if (dataplane->config.nat_spares_hosts)
		add_hosts(dataplane, ret);
}

static int apply_nat(struct dataplane *dataplane, struct err *err)
{
	const char *devices[N_TUNNELS];
	struct nat_config config = {.tunnel_devices = devices};
	struct pool_list pools = {.v = NULL};
	int r;

	add_pools(dataplane, &pools);
	config.first_port = dataplane->config.nat_first_port;
	config.last_port = dataplane->config.nat_last_port;
	config.pools = pools.v;
	config.n_pools = pools.n;
	for (unsigned int i = 0; i < N_TUNNELS; i++) {
		if (dataplane->tunnels[i].ifindex)
			devices[config.n_tunnel_devices++] = tunnel_names[i];
	}
	if (dataplane->tunnels[TUNNEL_VXLAN].ifindex || dataplane->tunnels[TUNNEL_VXLAN_V6].ifindex)
		config.vxlan_port = dataplane->config.vxlan_port;
	dataplane->policy.ops->nat(dataplane->policy.self, &config);
	free(pools.v);
	r = dataplane->policy.ops->apply(dataplane->policy.self, err);
	if (r == 0 && dataplane->policy.ops->changed(dataplane->policy.self))
		log_info_limited("NAT rules written", "pools", log_num((int64_t)config.n_pools).s);
	return r < 0 ? err_prefix(err, r, "%s", dataplane->policy.ops->name) : 0;
}

/* --- The apply -------------------------------------------------------------------------------- */

static int apply(struct dataplane *dataplane, struct err *err)
{
	struct err device = ERR_INIT;
	struct err endpoint = ERR_INIT;
	int device_result = 0;
	int endpoint_result = 0;
	int r;

	if (dataplane->endpoints_failed) {
		endpoint_result = dataplane_retry_endpoints(dataplane, &endpoint);
		dataplane->endpoints_failed = endpoint_result < 0;
	}
	if (dataplane->tunnels_dirty) {
		device_result = tunnels_ensure(dataplane, &device);
		dataplane->tunnels_dirty = device_result < 0;
		dataplane->nat_dirty = true; /* tunnel devices are part of it */
	}
	if (dataplane->replay)
		replay_routes(dataplane);
	if (dataplane->endpoints_dirty) {
		dataplane->endpoints_dirty = false;
		dataplane_repair_endpoints(dataplane);
	}
	r = apply_routes(dataplane, err);
	if (r == 0)
		r = tunnels_apply_neighbours(dataplane, err);
	if (r == 0 && dataplane->nat_dirty && dataplane->in_sync) {
		r = apply_nat(dataplane, err);
		dataplane->nat_dirty = r < 0;
	}
	if (r == 0 && dataplane->in_sync)
		r = offload_apply(dataplane, err);
	if (r == 0 && device_result < 0)
		r = err_set(err, device_result, "%s", device.msg);
	if (r == 0 && endpoint_result < 0)
		r = err_set(err, endpoint_result, "%s", endpoint.msg);
	return r;
}

/* The same failure is tried again every second, but said once. */
static void report_failure(struct dataplane *dataplane, const struct err *err)
{
	if (strcmp(dataplane->failure.msg, err->msg) == 0)
		return;
	dataplane->failure = *err;
	log_error_limited("the kernel does not take the desired state; trying again", "error",
			  err->msg);
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
		report_failure(dataplane, &err);
		(void)sd_event_source_set_time_relative(dataplane->retry_source, RETRY_US);
		(void)sd_event_source_set_enabled(dataplane->retry_source, SD_EVENT_ONESHOT);
	} else {
		dataplane->failure.msg[0] = '\0';
	}
	if (dataplane->applied)
		dataplane->applied(dataplane->applied_ctx);
	return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	dataplane_schedule_apply(userdata);
	return 0;
}

void dataplane_invalidate(struct dataplane *dataplane)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		route_sync_invalidate(dataplane->routes[f]);
	for (unsigned int i = 0; i < N_TUNNELS; i++) {
		if (dataplane->tunnels[i].arp) {
			neigh_sync_invalidate(dataplane->tunnels[i].arp);
			neigh_sync_invalidate(dataplane->tunnels[i].fdb);
		}
	}
	dataplane->policy.ops->invalidate(dataplane->policy.self);
	offload_invalidate(dataplane);
	dataplane->tunnels_dirty = true;
	dataplane->nat_dirty = true;
	dataplane->endpoints_dirty = true;
	dataplane_schedule_apply(dataplane);
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
	dataplane_invalidate(dataplane);
	set_refresh(dataplane);
	return 0;
}

/* --- Outside ---------------------------------------------------------------------------------- */

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

void dataplane_set_bird_listener(struct dataplane *dataplane, void (*lost)(void *ctx), void *ctx)
{
	dataplane->bird_lost = lost;
	dataplane->bird_lost_ctx = ctx;
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
	dataplane->config.policy_backend = old.policy_backend;
	set_refresh(dataplane);
	offload_configure(dataplane);
	dataplane->tunnels_dirty = true;
	dataplane->nat_dirty = true;
	dataplane_schedule_apply(dataplane);
}

void dataplane_update(struct dataplane *dataplane, const struct calc_update *update)
{
	if (update->own_node_changed || update->pools_changed)
		dataplane->tunnels_dirty = true;
	if (update->pools_changed || (update->bgp_changed && dataplane->config.nat_spares_hosts))
		dataplane->nat_dirty = true;
	want_routes(dataplane, update);
	tunnels_update_vteps(dataplane, update);
	dataplane_schedule_apply(dataplane);
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
	dataplane_schedule_apply(dataplane);
}

uint32_t dataplane_pod_mtu(const struct dataplane *dataplane)
{
	return dataplane->pod_mtu;
}

void dataplane_get_stats(const struct dataplane *dataplane, struct dataplane_stats *ret)
{
	*ret = dataplane->stats;
	ret->n_offload_devices = offload_n_devices(dataplane);
}

struct policy_driver dataplane_policy_driver(struct dataplane *dataplane)
{
	return dataplane->policy;
}

struct nl *dataplane_nl(struct dataplane *dataplane)
{
	return dataplane->nl;
}

/* --- Life ------------------------------------------------------------------------------------- */

static int add_sources(struct dataplane *dataplane)
{
	int policy_fd = dataplane->policy.ops->fd(dataplane->policy.self);
	sd_event *event = dataplane->event;
	int r;

	r = sd_event_add_io(event, &dataplane->monitor_source, monitor_fd(dataplane->monitor),
			    EPOLLIN, dataplane_on_monitor, dataplane);
	if (r >= 0 && policy_fd >= 0)
		r = sd_event_add_io(event, &dataplane->nat_source, policy_fd, EPOLLIN,
				    dataplane_on_nat, dataplane);
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
		r = sd_event_add_time_relative(event, &dataplane->check_source, CLOCK_MONOTONIC, 0,
					       CHECK_ACCURACY_US, dataplane_on_check, dataplane);
	if (r >= 0)
		set_refresh(dataplane);
	return r;
}

int dataplane_new(sd_event *event, const struct dataplane_config *config, const struct calc *calc,
		  struct endpoint_table *endpoints, struct dataplane **ret, struct err *err)
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
	r = forwarding_ensure(err);
	if (r == 0)
		r = nl_open(NETLINK_ROUTE, -1, &dataplane->nl, err);
	if (r == 0)
		r = monitor_open(-1, &dataplane->monitor, err);
	if (r == 0)
		r = policy_backend_open(config->policy_backend, &dataplane->policy, err);
	if (r < 0)
		return r;
	for (unsigned int f = 0; f < FAMILIES; f++)
		dataplane->routes[f] = route_sync_new(dataplane->nl, f == 0 ? AF_INET : AF_INET6,
						      owns_route, dataplane);
	r = add_sources(dataplane);
	if (r < 0)
		return err_errno(err, r, "can't watch the kernel");
	offload_configure(dataplane);
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
	(void)sd_event_source_disable_unref(dataplane->check_source);
	tunnels_deinit(dataplane);
	dataplane->offload = offload_free(dataplane->offload);
	for (unsigned int f = 0; f < FAMILIES; f++)
		dataplane->routes[f] = route_sync_free(dataplane->routes[f]);
	dataplane->policy = policy_driver_close(dataplane->policy);
	dataplane->monitor = monitor_close(dataplane->monitor);
	dataplane->nl = nl_close(dataplane->nl);
	free(dataplane->interface_prefix);
	(void)sd_event_unref(dataplane->event);
	free(dataplane);
	return NULL;
}
