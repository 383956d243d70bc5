/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of the policy table know each other through this. Only for src/nft/policy-*.c. */

#include <uthash.h>

#include "nft/policy-table.h"
#include "nft/ruleset.h"
#include "policy/policy-layout.h"
#include "policy/policy-refusal.h"

#define FAMILIES 2 /* index 0: IPv4, 1: IPv6 */
#define MARK_ACCEPT                                                                                \
	0x10000u /* accepted before conntrack or DNAT: host endpoints' filters let it by */
#define MARK_PASS 0x20000u /* the tier has passed the packet on */

/* Maps and chains that are there as long as policy is enforced. */
#define SET_WORKLOAD_SOURCES  "cali-wl-sources"
#define SET_WORKLOAD_SPOOFING "cali-wl-spoofable"

static inline uint8_t family_of(unsigned int f)
{
	return f == 0 ? AF_INET : AF_INET6;
}

/* --- policy-set.c: the members of sets --- */

struct table_net {
	struct cidr net;
	bool shown; /* nothing else in the set covers it */
	UT_hash_handle hh;
};

struct table_set {
	struct policy_set_id id;
	enum policy_set_type type;
	bool told;		      /* else it is only spoken of by rules, and empty */
	struct table_net *nets;	      /* of type NET: hash by prefix */
	size_t n_lens[FAMILIES][129]; /* how many prefixes of that length */
	bool wide;		      /* not all are single addresses */
	struct nft_set *sets[FAMILIES];
	UT_hash_handle hh;
};

struct policy_table;
/* The set of that id; made empty if nobody told it. */
struct table_set *table_set_get(struct policy_table *table, const struct policy_set_id *id,
				enum policy_set_type type);
/* Its set in the kernel; one reference is given. */
struct nft_set *table_set_ref(struct policy_table *table, unsigned int f,
			      const struct policy_set_id *id, enum policy_set_type type);
struct table_set *table_set_find(const struct policy_table *table, const char *id);
/* 0, or TABLE_SET_E_RENAMED: rules that speak of it have to be made anew. */
enum table_set_outcome { TABLE_SET_E_RENAMED = 1 };
bool table_set_has_addr(const struct table_set *set, const struct ip_addr *addr);
bool table_set_has_port(const struct table_set *set, const struct ip_addr *addr, uint8_t protocol,
			uint16_t port);
MUST_CHECK int table_set_change(struct policy_table *table, const struct policy_set_change *change);
void table_set_gone(struct policy_table *table, const struct policy_set_id *id);
void table_sets_deinit(struct policy_table *table);

/* Prefixes, apart from each other, to a set of intervals. */
void set_add_nets(struct nft_ruleset *ruleset, struct nft_set *set, const struct cidr *nets,
		  size_t n);
/* A set by its content, shared by all who want the same; one reference is given. */
struct nft_set *content_set(struct nft_ruleset *ruleset, const char *prefix,
			    const struct nft_schema *schema, const struct nft_element *members,
			    size_t n);
struct nft_set *content_set_of_nets(struct nft_ruleset *ruleset, const struct cidr *nets, size_t n);
struct nft_set *content_set_of_ports(struct nft_ruleset *ruleset, const struct port_range *ports,
				     size_t n);

/* --- policy-chain.c: policies --- */

struct table_policy {
	char *key;
	char *tier; /* NULL: profile */
	bool is_profile;
	bool staged;
	bool do_not_track;
	bool pre_dnat;
	bool applies[POLICY_WAYS_];
	bool may_pass[POLICY_WAYS_];
	struct layout_rules rules[FAMILIES][POLICY_WAYS_];
	struct policy_refusal refusal;
	struct nft_chain *chains[FAMILIES][POLICY_WAYS_]; /* held, once an endpoint jumps there */
	UT_hash_handle hh;
};

struct table_policy *table_policy_find(const struct policy_table *table, const char *key);
/* True: endpoints that speak of it have to be made anew. */
bool table_policy_put(struct policy_table *table, const struct compiled_policy *told);
void table_policy_remove(struct policy_table *table, const char *key);
void table_policy_render(struct policy_table *table, struct table_policy *policy);
bool table_policy_is_enforced(const struct table_policy *policy, enum policy_way way);
/* The name of its chain; made now if no endpoint of the family has jumped there before. */
const char *table_policy_chain(struct policy_table *table, struct table_policy *policy,
			       unsigned int f, enum policy_way way);
bool table_policy_uses(const struct table_policy *policy, const struct policy_set_id *id);
/* Makes the chains of all policies that speak of the set anew. */
void table_policies_render_users(struct policy_table *table, const struct policy_set_id *id);
void table_policies_deinit(struct policy_table *table);

/*
 * How rules end. With hosts, what is denied on its way out is not answered: their egress is judged
 * behind routing too, where the kernel takes no rule that answers, and policies' chains are shared.
 */
void put_deny(struct nft_builder *b, const struct policy_table *table, unsigned int f,
	      enum policy_way way, bool may_answer);
/* "<letters>|<id>" to the flow log's group of the direction, where it is on. */
void put_flow_log(struct nft_builder *b, const struct policy_table *table, enum policy_way way,
		  const char *letters, const char *id);

/* --- policy-refusal.c: what the kernel does not take --- */

/*
 * True: what it refused in the last commit is closed and left out, and the rest can be tried again.
 */
bool table_refuse(struct policy_table *table, unsigned int f);
/* Of that policy, all that was told counts again. It is not rendered. */
void table_policy_forgive(struct policy_table *table, struct table_policy *policy);
/* Of all policies that speak of the set, or with NULL of all; rendered. */
void table_forgive(struct policy_table *table, const struct policy_set_id *id);

/* --- policy-match.c, policy-merge.c: one plain rule, and many in one lookup --- */

/* The matches of a rule; sets it speaks of are held by 'rules'. */
void put_matches(struct policy_table *table, unsigned int f, struct nft_builder *b,
		 struct nft_rules *rules, const struct layout_rule *rule);
/*
 * How many rules from 'at' on can be one lookup: 0 or at least MERGE_MIN. They have one action and
 * match prefixes, protocols and ports alone.
 */
size_t merge_run(const struct layout_rules *layout, size_t at);
/* The sets for a run of 'n' rules: more than one where members would overlap. */
#define MERGE_SETS_MAX 4
struct merged_sets {
	struct nft_set *v[MERGE_SETS_MAX]; /* one reference each is given */
	size_t n;			   /* 0: it can't be done, the rules stay as they are */
	bool dims[5];			   /* enum merge_dim: what is looked up */
};
void merge_sets(struct nft_ruleset *ruleset, const struct layout_rule *rules, size_t n,
		struct merged_sets *ret);
void put_merged_lookup(struct nft_builder *b, uint8_t family, const struct merged_sets *merged,
		       size_t i);

/* --- policy-endpoint.c --- */

struct table_endpoint {
	char *key;
	bool is_host;
	char *interface;
	struct cidr *addrs;
	size_t n_addrs;
	struct cidr *spoofable;
	size_t n_spoofable;
	struct layout_steps steps[POLICY_STAGES_][POLICY_WAYS_];
	bool has_tiers[POLICY_STAGES_];
	bool published; /* of those with this interface, the one in force */
	struct nft_chain *chains[FAMILIES][POLICY_STAGES_][POLICY_WAYS_]; /* held if published */
	UT_hash_handle hh;
};

void table_endpoint_put(struct policy_table *table, const struct policy_endpoint *told);
void table_endpoint_remove(struct policy_table *table, const char *key);
/* Is a host endpoint in force? */
bool table_endpoints_have_hosts(const struct policy_table *table);
void table_endpoints_render_all(struct policy_table *table);
void table_endpoints_render_users(struct policy_table *table, const char *policy_key);
void table_endpoints_deinit(struct policy_table *table);
/* The verdict map of interfaces; NULL: there is none for workloads or hosts there. */
const char *table_map_name(bool is_host, enum policy_stage stage, enum policy_way way);

/* --- policy-base.c: chains at the kernel's hooks --- */

#define BASE_CHAINS_MAX 16
#define HOST_ANY	"*" /* the interface of a host endpoint: all but workloads' */
void table_base_render(struct policy_table *table);
void table_base_deinit(struct policy_table *table);

/* --- service-chain.c: packets for services that are advertised --- */

/* The rule that ends what is for a service and was not sent to one of its pods; none without. */
void table_guard_services(struct policy_table *table, unsigned int f, struct nft_rules *rules);

/* --- policy-offload.c: established connections past all chains --- */

/* What was configured, as far as the kernel has it. */
void table_offload_configure(struct policy_table *table, bool wanted);
/* The rules of the chain behind all others of the forward hook; none: nothing is offloaded. */
void table_offload_render(struct policy_table *table, unsigned int f, struct nft_rules *rules);
void table_offload_deinit(struct policy_table *table);

/* --- policy-cut.c: connections of before --- */

/* The address may have no pod any more, for policy_table_take_gone(). */
void table_flush_later(struct policy_table *table, const struct ip_addr *addr);
void table_cut_deinit(struct policy_table *table);
/*
 * A connection that was cut would be taken up again by its next packet, in that packet's direction,
 * which policy may allow. By this rule TCP begins with SYN, or not at all.
 */
void table_cut_add_rule(struct policy_table *table, struct nft_rules *rules);

/* --- nat-chain.c --- */

void table_nat_render(struct policy_table *table, const struct nat_config *config);
void table_nat_deinit(struct policy_table *table);

/* --- policy-table.c --- */

struct table_config {
	struct failsafe *failsafes[POLICY_WAYS_];
	size_t n_failsafes[POLICY_WAYS_];
	enum endpoint_to_host endpoint_to_host;
	bool reject;
	bool drop_invalid;
	bool workloads_may_send_vxlan;
	bool workloads_may_send_ipip;
	bool workloads_may_spoof;
	bool cut_denied;
	bool flow_log;
	uint16_t vxlan_port;
	bool ipip;
	struct policy_log_limit log_limit;
	struct cidr *service_nets;
	size_t n_service_nets;
	bool reject_services;
	char *log_prefix;
	char **prefixes;
	size_t n_prefixes;
};

struct policy_table {
	struct nl *nl;
	struct nl *events;
	bool enforces; /* it was told something */
	bool base_dirty;
	bool has_hosts; /* host endpoints are in force */
	struct table_config config;
	struct nft_ruleset *rulesets[FAMILIES];
	struct table_set *sets;
	struct table_policy *policies;
	size_t n_refused; /* of these, how many are in part */
	struct table_endpoint *endpoints;
	/* Held while policy is enforced. */
	struct nft_set *maps[FAMILIES][2][POLICY_STAGES_][POLICY_WAYS_]; /* [is_host] */
	struct nft_set *sources[FAMILIES];
	struct nft_set *spoofing[FAMILIES];
	struct nft_chain *bases[FAMILIES][BASE_CHAINS_MAX];
	/* Held while established connections are offloaded. */
	struct nft_flowtable *flowtables[FAMILIES];
	bool offload_wanted;
	bool has_flowtables; /* the kernel has them; known once it was asked */
	/* Held while there is NAT. */
	struct nft_set *nat_sets[FAMILIES][2];
	struct nft_chain *nat_chains[FAMILIES];
	bool changed;
	struct ip_addr *flush; /* addresses whose connections are to go */
	size_t n_flush;
	bool cut;      /* what was told since the last look may deny connections there are */
	bool tampered; /* somebody changed the table since the last commit */
	bool reopened; /* there was a time without rules since the last look */
	struct nft_builder *builder;
};
