/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The dataplane's parts know each other through this. Only for src/agent/dataplane*.c. */

#include "agent/dataplane.h"
#include "agent/endpoint.h"
#include "netlink/link.h"
#include "netlink/monitor.h"
#include "netlink/neigh.h"

#define FAMILIES 2 /* index 0: IPv4, 1: IPv6 */

enum tunnel_type { TUNNEL_VXLAN, TUNNEL_VXLAN_V6, TUNNEL_IPIP, N_TUNNELS };

/* One tunnel device: wanted while a pool uses it, there when ifindex is set. */
struct tunnel {
	enum tunnel_type type;
	bool wanted;
	int ifindex; /* 0: not there */
	uint32_t mtu;
	struct cidr addr;	/* the last that was put on it */
	struct neigh_sync *arp; /* VXLAN only */
	struct neigh_sync *fdb;
};

struct dataplane {
	sd_event *event;
	struct dataplane_config config;
	char *interface_prefix; /* as it was at the start; see dataplane_set_config() */
	const struct calc *calc;
	struct endpoint_table *endpoints;

	struct nl *nl;
	struct monitor *monitor;
	struct policy_driver policy;
	struct route_sync *routes[FAMILIES];
	struct tunnel tunnels[N_TUNNELS];
	struct offload *offload;       /* NULL: no connection is offloaded */
	int parent_ifindex[FAMILIES];  /* the interface of the node's own address */
	uint32_t parent_mtu[FAMILIES]; /* 0: not known */
	uint32_t host_mtu;
	uint32_t pod_mtu; /* 0: not in sync yet */

	bool in_sync;
	bool tunnels_dirty;
	bool nat_dirty;
	bool endpoints_dirty;  /* the pods' interfaces are looked through with the next apply */
	bool replay;	       /* a device came or went: all of calc's routes are translated anew */
	bool foreign_change;   /* someone else changed what is ours since the last apply */
	bool endpoints_failed; /* some endpoint is unrestored */
	bool interfaces_unknown; /* of one of them not even its interface is known */

	void (*applied)(void *ctx);
	void *applied_ctx;
	void (*gone)(void *ctx, int ifindex);
	void *gone_ctx;
	void (*bird_lost)(void *ctx);
	void *bird_lost_ctx;
	uint32_t bird_port; /* whose requests BIRD's routes come from; 0: not known */
	sd_event_source *monitor_source;
	sd_event_source *nat_source;
	sd_event_source *apply_source; /* deferred to the end of the turn */
	sd_event_source *retry_source;
	sd_event_source *refresh_source;
	sd_event_source *check_source; /* what the kernel doesn't announce */
	struct dataplane_stats stats;
	struct err failure; /* what was reported last; empty: nothing is wrong */
};

static inline unsigned int family_index(uint8_t family)
{
	return family == AF_INET ? 0 : 1;
}

/* dataplane.c */

/* At the end of the loop's turn. */
void dataplane_schedule_apply(struct dataplane *dataplane);
/* Reads everything back from the kernel with the next apply. */
void dataplane_invalidate(struct dataplane *dataplane);
/* Has the interface the name of a pod's? */
bool dataplane_is_workload(const struct dataplane *dataplane, const char *ifname);

/* dataplane-endpoint.c */

struct pod_link_host;
struct pod_link_host endpoint_host(const struct endpoint *endpoint);
/* NULL: the interface is no endpoint's, or a CNI call is at work on it. */
struct endpoint *dataplane_find_endpoint(const struct dataplane *dataplane, int ifindex);
/*
 * Puts right whatever of an endpoint's the kernel does not have. 'what' for the log; NULL: quiet.
 */
void dataplane_repair_endpoint(struct dataplane *dataplane, struct endpoint *endpoint,
			       const char *what);
/* All of them. */
void dataplane_repair_endpoints(struct dataplane *dataplane);
/* Tries again what the kernel did not take. <0: some endpoint still is not as it should be. */
MUST_CHECK int dataplane_retry_endpoints(struct dataplane *dataplane, struct err *err);

/* dataplane-check.c */

/* The node's own forwarding. */
MUST_CHECK int forwarding_ensure(struct err *err);
/* Handler of sd-event: looks at what the kernel does not announce, and goes on in a while. */
int dataplane_on_check(sd_event_source *source, uint64_t usec, void *userdata);
/* Does an announcement mean that an endpoint's interface is not as it should be? Then it is. */
void dataplane_check_endpoint(struct dataplane *dataplane, struct endpoint *endpoint);

/* dataplane-mtu.c */

MUST_CHECK int mtu_find_host(struct dataplane *dataplane, struct err *err);
/* After the tunnels: what pods get now, and those that are there. */
void mtu_update_pods(struct dataplane *dataplane);
/* Pods that have 'old' get the MTU of today. One whose own end can't be reached keeps both. */
void mtu_follow(struct dataplane *dataplane, uint32_t old);

/* dataplane-monitor.c: handlers of sd-event */

int dataplane_on_monitor(sd_event_source *source, int fd, uint32_t revents, void *userdata);
int dataplane_on_nat(sd_event_source *source, int fd, uint32_t revents, void *userdata);

/* dataplane-offload.c */

struct offload;
/* As the configuration says. */
void offload_configure(struct dataplane *dataplane);
struct offload *offload_free(struct offload *offload);
/* What is known of devices, or the kernel's flow table, may be wrong. */
void offload_invalidate(struct dataplane *dataplane);
void offload_note_link(struct dataplane *dataplane, const struct link *link);
void offload_note_link_gone(struct dataplane *dataplane, int ifindex);
/* Once policy is in the kernel. Where there are no flow tables that is said in the log, and 0. */
MUST_CHECK int offload_apply(struct dataplane *dataplane, struct err *err);
/* In the kernel's flow table. */
size_t offload_n_devices(const struct dataplane *dataplane);

/* dataplane-tunnel.c */

extern const char *const tunnel_names[N_TUNNELS];

/* The VXLAN tunnel of that family. */
static inline struct tunnel *vxlan_tunnel(struct dataplane *dataplane, uint8_t family)
{
	return &dataplane->tunnels[family == AF_INET ? TUNNEL_VXLAN : TUNNEL_VXLAN_V6];
}

/*
 * Makes or removes the devices as the pools and the own node say, with address and MTU. Sets
 * 'replay' where a device is new. <0: some device could not be made; the others are.
 */
MUST_CHECK int tunnels_ensure(struct dataplane *dataplane, struct err *err);
MUST_CHECK int tunnels_apply_neighbours(struct dataplane *dataplane, struct err *err);
void tunnels_update_vteps(struct dataplane *dataplane, const struct calc_update *update);
/* Somebody took it away. */
void tunnel_set_forwarding(const struct tunnel *tunnel, uint8_t family);
void tunnels_deinit(struct dataplane *dataplane);
