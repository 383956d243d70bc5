/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Links: veth pairs for pods, the tunnel devices, and what the kernel says of any link. */

#include <net/if.h>

#include "base/mac.h"
#include "netlink/nl.h"

struct link {
	int ifindex;
	char name[IFNAMSIZ];
	char kind[16]; /* "veth", "vxlan", "ipip", "dummy"...; "" for hardware */
	uint8_t mac[MAC_SIZE];
	uint32_t mtu;
	uint32_t flags;	   /* IFF_* */
	uint8_t operstate; /* IF_OPER_* */
	int peer_ifindex;  /* IFLA_LINK; 0: none */
	int peer_nsid;	   /* the namespace that is in, see nsid.h; -1: this one */
	/* kind "vxlan" */
	struct {
		uint32_t vni;
		uint16_t port;
		struct ip_addr local;
		int parent_ifindex;
		bool learning;
	} vxlan;
};

enum link_outcome { LINK_E_NOT_FOUND = 1, LINK_E_EXISTS };

struct link_list {
	struct link *v;
	size_t n;
};
void link_list_deinit(struct link_list *list);

/* LINK_E_NOT_FOUND. */
MUST_CHECK int link_get(struct nl *nl, const char *name, struct link *ret, struct err *err);
MUST_CHECK int link_get_index(struct nl *nl, int ifindex, struct link *ret, struct err *err);
MUST_CHECK int link_dump(struct nl *nl, struct link_list *ret, struct err *err);

/* Not there is 0. */
MUST_CHECK int link_delete(struct nl *nl, const char *name, struct err *err);
MUST_CHECK int link_set_up(struct nl *nl, int ifindex, bool up, struct err *err);
MUST_CHECK int link_set_mtu(struct nl *nl, int ifindex, uint32_t mtu, struct err *err);
MUST_CHECK int link_set_mac(struct nl *nl, int ifindex, const uint8_t mac[MAC_SIZE],
			    struct err *err);

struct veth_config {
	const char *host_name; /* end in 'nl's namespace */
	const char *pod_name;  /* end in pod_netns_fd */
	int pod_netns_fd;      /* -1: the same namespace */
	uint32_t mtu;
	uint32_t n_queues;	    /* 0: 1 */
	uint8_t host_mac[MAC_SIZE]; /* all zero: a random one */
	bool has_pod_mac;
	uint8_t pod_mac[MAC_SIZE];
};
/* Makes the pair, both ends with their names, MACs and MTU, and down. LINK_E_EXISTS: a name is
 * taken. */
MUST_CHECK int link_add_veth(struct nl *nl, const struct veth_config *config, struct err *err);

struct vxlan_config {
	const char *name;
	uint32_t vni;
	uint16_t port;
	struct ip_addr local;
	int parent_ifindex;
	uint8_t mac[MAC_SIZE];
	uint32_t mtu;
};
/*
 * Makes the device as wanted (nolearning) and up. One that is there and right is left alone; where
 * only MTU or MAC differ these are set; otherwise it is made anew. '*ret_ifindex' set.
 */
MUST_CHECK int link_ensure_vxlan(struct nl *nl, const struct vxlan_config *config, int *ret_ifindex,
				 struct err *err);
/* tunl0, the fallback device the ipip module makes. LINK_E_NOT_FOUND: the kernel has no ipip. */
MUST_CHECK int link_ensure_ipip(struct nl *nl, const char *name, uint32_t mtu, int *ret_ifindex,
				struct err *err);
