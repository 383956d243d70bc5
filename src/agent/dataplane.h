/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The kernel side of the agent: routes of endpoints and blocks, tunnel devices with their
 * neighbours and forwarding entries, outgoing NAT, sysctls. Takes desired state, brings the kernel
 * there in batches, and watches that it stays so: what someone else changes of ours is put back,
 * what is not ours is never touched. Nothing stale is removed before dataplane_set_in_sync().
 */

#include <systemd/sd-event.h>

#include "agent/policy-backend.h"
#include "calc/calc.h"
#include "netlink/route.h"
#include "policy/policy-driver.h"

struct dataplane;
struct endpoint;
struct endpoint_table;

struct dataplane_config {
	const char *node_name;
	const char *state_dir;
	const char *interface_prefix; /* "cali" */
	uint32_t vxlan_vni;
	uint16_t vxlan_port;
	uint32_t vxlan_mtu; /* 0: from the node's interface */
	uint32_t vxlan_mtu_v6;
	uint32_t ipip_mtu;
	const char *mtu_iface_pattern;
	uint8_t device_route_protocol;
	enum policy_backend policy_backend; /* as it was at the start */
	bool offload;			    /* established connections take the flow table */
	const char *offload_pattern;	    /* the node's own interfaces that take part */
	uint16_t nat_first_port;	    /* natPortRange; 0: any */
	uint16_t nat_last_port;
	bool nat_spares_hosts; /* what pods send to nodes keeps its source */
	uint64_t refresh_us;   /* read everything back this often; 0: never */
};

struct dataplane_stats {
	uint64_t n_applies;
	uint64_t n_failures;
	uint64_t apply_us_total;
	uint64_t n_repairs;  /* applies that had to put back what someone else changed */
	uint64_t n_overruns; /* the kernel's announcements were lost, all was read back */
	size_t n_routes;
	size_t n_offload_devices; /* in the flow table */
};

/* All borrowed; 'config' is copied with its strings borrowed for the dataplane's life. */
MUST_CHECK int dataplane_new(sd_event *event, const struct dataplane_config *config,
			     const struct calc *calc, struct endpoint_table *endpoints,
			     struct dataplane **ret, struct err *err);
struct dataplane *dataplane_free(struct dataplane *dataplane); /* leaves the kernel as it is */
CLEANUP_FUNC(struct dataplane *, dataplane_free);

/* 'applied' is called in the loop after each time the kernel was brought to the desired state. */
void dataplane_set_listener(struct dataplane *dataplane, void (*applied)(void *ctx), void *ctx);

/* 'gone' is called in the loop when the kernel says that a link is no more. */
void dataplane_set_gone_listener(struct dataplane *dataplane, void (*gone)(void *ctx, int ifindex),
				 void *ctx);

/*
 * 'lost' is called in the loop when someone, but BIRD itself, took a route of BIRD's away, or may
 * have: the announcements overran.
 */
void dataplane_set_bird_listener(struct dataplane *dataplane, void (*lost)(void *ctx), void *ctx);

/* Is there all that BIRD's routes need: tunl0, if a pool wants IPIP? */
bool dataplane_ready_for_bird(const struct dataplane *dataplane);

/* Takes another configuration ('state_dir' and 'interface_prefix' stay as they were). */
void dataplane_set_config(struct dataplane *dataplane, const struct dataplane_config *config);

/* What calc's flush gave. Applied at the end of the loop's turn. */
void dataplane_update(struct dataplane *dataplane, const struct calc_update *update);
/* From here on what nobody wants is swept away. */
void dataplane_set_in_sync(struct dataplane *dataplane);

/*
 * The endpoint's routes and neighbour entries, at once. <0: they are not in the kernel and not
 * wanted any more.
 */
MUST_CHECK int dataplane_add_endpoint(struct dataplane *dataplane, struct endpoint *endpoint,
				      struct err *err);
/* What leads to its interface; an address that another endpoint has taken over stays that one's. */
void dataplane_remove_endpoint(struct dataplane *dataplane, struct endpoint *endpoint);
/* An endpoint found in the datastore: its interface may be there or not. */
void dataplane_restore_endpoint(struct dataplane *dataplane, struct endpoint *endpoint);

/* What a pod's interface gets: the smallest of the encapsulations in use. */
uint32_t dataplane_pod_mtu(const struct dataplane *dataplane);
void dataplane_get_stats(const struct dataplane *dataplane, struct dataplane_stats *ret);
/* Borrowed: policies go into it, the dataplane keeps it as it is to be. */
struct policy_driver dataplane_policy_driver(struct dataplane *dataplane);
/* The connection for wiring pods in the loop's thread. */
struct nl *dataplane_nl(struct dataplane *dataplane);
