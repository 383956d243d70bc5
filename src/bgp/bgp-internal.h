/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files that render BIRD's configuration share. Nothing outside src/bgp includes this.
 *
 * No text of a resource is ever copied into the configuration: addresses, prefixes and numbers are
 * parsed and formatted again, names become symbols of a fixed alphabet, globs and passwords are
 * refused if they hold anything but what bgp_text_*() allow. So no resource can end a string or a
 * statement of BIRD's language.
 */

#include "base/buf.h"
#include "bgp/bgp-config.h"

#define BGP_SYMBOL_MAX	     63 /* BIRD's SYM_MAX_LEN without the NUL */
#define BGP_PORT	     179
#define BGP_AS_DEFAULT	     64512
#define BGP_PRIORITY_DEFAULT 1024
#define BGP_PEERINGS_MAX     16384
#define BGP_FILTERS_PER_PEER 64
#define BGP_PASSWORD_MAX     80 /* Linux: TCP_MD5SIG_MAXKEYLEN */

struct bgp_symbol {
	char s[BGP_SYMBOL_MAX + 1];
};

struct bgp_pool {
	struct cidr cidr;
	enum encap_mode ipip;
	enum encap_mode vxlan;
	bool disable_export;
};

/* The input, parsed: what does not depend on a single peer. */
struct bgp_context {
	const struct bgp_input *input;
	const struct node *node;
	struct cidr addr[2]; /* own address with its subnet: IPv4, IPv6; family 0: none */
	uint32_t as;
	uint16_t port;
	int64_t priority[2];
	struct bgp_pool *pools; /* sorted */
	size_t n_pools;
	struct cidr *blocks; /* own, sorted, without single addresses */
	size_t n_blocks;
	struct cidr *services; /* advertised ranges, sorted */
	size_t n_services;
	bool exclude_services; /* by the node's label */
	bool route_reflector;
};
void bgp_context_deinit(struct bgp_context *context);
CLEANUP_DEINIT(struct bgp_context, bgp_context_deinit);

/* One BGP session: one protocol of BIRD. */
struct bgp_peering {
	struct bgp_symbol name;
	struct ip_addr ip;
	uint16_t port;
	uint32_t as;
	uint32_t local_as; /* 0: the node's */
	bool source_address;
	bool passive;
	bool next_hop_self;
	bool next_hop_keep;
	bool rr_client;
	uint32_t ttl_security;	   /* hops; 0: off */
	int64_t restart_seconds;   /* 0: BIRD's default */
	int64_t keepalive_seconds; /* 0: BIRD's default */
	int64_t allow_local_as;
	struct ip_addr reachable_by; /* family 0: no static route */
	const struct bgp_filter *filters[BGP_FILTERS_PER_PEER];
	size_t n_filters;
	const struct secret *password; /* NULL: none */
};

struct bgp_peerings {
	struct bgp_peering *v;
	size_t n;
	struct buf problems; /* what was left out and why, a line each, printable */
};
void bgp_peerings_deinit(struct bgp_peerings *peerings);
CLEANUP_DEINIT(struct bgp_peerings, bgp_peerings_deinit);

/* 0 for AF_INET, 1 for AF_INET6: index of per-family arrays. */
unsigned int bgp_family_index(uint8_t family);
/* "Mesh_192_168_0_2", "Node_fd00__1_port_1179": 'port' is added where it is not 179. */
struct bgp_symbol bgp_peer_symbol(const char *prefix, const struct ip_addr *ip, uint16_t port);
/* "bgp_<name>_importFilterV4"; a long or odd name is shortened and hashed. */
struct bgp_symbol bgp_filter_symbol(const char *name, bool import, uint8_t family);

/* [A-Za-z0-9_.*?-], 1..15 characters. */
bool bgp_text_is_interface_glob(const char *text);
/* Printable ASCII without quotes, as one BIRD string holds it. */
bool bgp_text_is_password(const char *text);

/* The address of a node in a family. 0, or BGP_NODE_E_NONE; -EINVAL. */
enum bgp_node_outcome { BGP_NODE_E_NONE = 1 };
MUST_CHECK int bgp_node_address(const struct node *node, uint8_t family, struct cidr *ret,
				struct err *err);
/* The AS number of a node: its own, else the cluster's. */
uint32_t bgp_node_as(const struct bgp_input *input, const struct node *node);
/* The port a node listens on. */
uint16_t bgp_node_port(const struct bgp_input *input, const char *node_name);
/* The value of a password reference; NULL: not there. */
const struct secret *bgp_secret_find(const struct bgp_input *input, const struct bgp_password *ref);
/* Whole seconds of a duration within BIRD's range; 'what' begins the message. */
MUST_CHECK int bgp_seconds(const char *duration, const char *what, int64_t *ret, struct err *err);

/* bgp-context.c */
MUST_CHECK int bgp_context_init(const struct bgp_input *input, struct bgp_context *ret,
				struct err *err);
/*
 * bgp-peering.c: the mesh and every BGPPeer that concerns this node, sorted by name. A peer that
 * can't be rendered is left out, so that it does not stop the others; -EINVAL: the mesh can't be.
 */
MUST_CHECK int bgp_peerings_init(const struct bgp_context *context, struct bgp_peerings *ret,
				 struct err *err);
/* bgp-policy.c: communities, aggregates, what goes to peers, what goes to the kernel. */
MUST_CHECK int bgp_render_policy(const struct bgp_context *context, struct buf *out,
				 struct err *err);
/* bgp-filter.c: functions of the filters that peerings use. */
MUST_CHECK int bgp_render_filters(const struct bgp_context *context,
				  const struct bgp_peerings *peerings, struct buf *out,
				  struct err *err);
/* Can this filter be rendered at all? */
MUST_CHECK int bgp_filter_check(const struct bgp_filter *filter, struct err *err);
/* Does any rule look at the peer's type? Then the function takes it as an argument. */
bool bgp_filter_wants_peer_type(const struct bgp_filter_rule_list *rules);
const struct bgp_filter_rule_list *bgp_filter_rules(const struct bgp_filter *filter, bool import,
						    uint8_t family);
/* A community, standard ("64512:1", n 2) or large ("64512:1:2", n 3). */
struct bgp_tag {
	unsigned int n;
	uint32_t part[3];
};
struct bgp_tag_str {
	char s[40];
};
MUST_CHECK int bgp_tag_parse(const char *value, struct bgp_tag *ret, struct err *err);
const char *bgp_tag_attribute(const struct bgp_tag *tag);     /* "bgp_community" */
struct bgp_tag_str bgp_tag_format(const struct bgp_tag *tag); /* "(64512,1)" */
