/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The parts of the iptables driver know each other through this. Only for src/iptables/policy-*.c.
 */

#include <uthash.h>

#include "iptables/chain-table.h"
#include "iptables/ip-set.h"
#include "iptables/policy-iptables.h"
#include "iptables/table-watch.h"
#include "policy/policy-layout.h"
#include "policy/policy-refusal.h"

#define FAMILIES 2 /* index 0: IPv4, 1: IPv6 */

/* Bits of the packet's mark, as Calico's; other bits stay as they are. */
#define MARK_ACCEPT   "0x10000/0x10000" /* accepted */
#define MARK_PASS     "0x20000/0x20000" /* the tier has passed it on */
#define MARK_DROP     "0x40000/0x40000" /* denied, and about to be logged */
#define MARK_BOTH_0   "0x0/0x70000"	/* none of them */
#define MARK_PASS_0   "0x0/0x20000"
#define MARK_ACCEPT_0 "0x0/0x10000"

#define HOST_ANY "*" /* the interface of a host endpoint: all but workloads' */

enum ipt_table { IPT_RAW, IPT_MANGLE, IPT_NAT, IPT_FILTER, IPT_TABLES_ };

static inline uint8_t family_of(unsigned int f)
{
	return f == 0 ? AF_INET : AF_INET6;
}

struct ipt_policy {
	char *key;
	char *tier; /* NULL: profile */
	bool is_profile;
	bool staged;
	bool do_not_track;
	bool pre_dnat;
	bool applies[POLICY_WAYS_];
	struct layout_rules rules[FAMILIES][POLICY_WAYS_];
	struct policy_refusal refusal;
	struct ip_set_name *sets; /* held */
	size_t n_sets;
	UT_hash_handle hh;
};

struct ipt_endpoint {
	char *key;
	uint64_t told; /* of several with one interface, the newest word counts */
	bool is_host;
	char *interface;
	struct cidr *addrs;
	size_t n_addrs;
	struct cidr *spoofable;
	size_t n_spoofable;
	struct layout_steps steps[POLICY_STAGES_][POLICY_WAYS_];
	bool has_tiers[POLICY_STAGES_];
	bool in_force;	 /* of those with this interface */
	bool has_source; /* its addresses are in the set of sources */
	UT_hash_handle hh;
};

/* A set that the graph told. */
struct ipt_set {
	struct policy_set_id id;
	enum policy_set_type type;
	UT_hash_handle hh;
};

struct ipt_config {
	struct failsafe *failsafes[POLICY_WAYS_];
	size_t n_failsafes[POLICY_WAYS_];
	enum endpoint_to_host endpoint_to_host;
	bool append;
	bool filter_return;
	bool mangle_return;
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

/* Where a packet goes that policy allows: nowhere else, or on to others' rules. */
static inline const char *ipt_allow(const struct ipt_config *config, enum ipt_table table)
{
	bool on = table == IPT_FILTER ? config->filter_return
				      : table == IPT_MANGLE && config->mangle_return;

	return on ? "RETURN" : "ACCEPT";
}

struct ipt_nat {
	bool told;
	struct nat_pool *pools;
	size_t n_pools;
	char **devices;
	size_t n_devices;
	uint16_t vxlan_port;
	uint16_t first_port;
	uint16_t last_port;
};

struct policy_iptables {
	enum iptables_backend backend;
	bool has_family[FAMILIES]; /* the kernel has it */
	struct nl *nl;
	struct table_watch *watch;
	bool enforces; /* it was told something */
	bool dirty;    /* endpoints or hooks are to be rendered */
	bool watched;  /* the kernel's tables were looked at after the first apply */
	bool stale;    /* the kernel is to be read back */
	bool keep;     /* chains that are not wanted are not deleted */
	bool changed;
	bool told;     /* something since the last apply */
	bool cut;      /* what was told since the last look may deny connections there are */
	bool tampered; /* somebody changed ours since the last apply */
	bool reopened; /* there was a time without rules since the last look */
	bool has_hosts;
	struct ipt_config config;
	struct ipt_nat nat;
	struct chain_table *tables[FAMILIES][IPT_TABLES_];
	struct ip_sets *sets;
	struct ipt_set *told_sets;
	struct ipt_policy *policies;
	struct ipt_endpoint *endpoints;
	uint64_t n_told;
	struct ip_addr *flush; /* addresses whose connections are to go */
	size_t n_flush;
};

/* --- policy-match.c: a plain rule as options ---------------------------------------------- */

/*
 * Each text in 'texts' is the matches of one rule of iptables; together they match what the plain
 * rule does: none, where nothing can. Sets are held by the policy. -EOPNOTSUPP: it can't be said.
 */
int ipt_matches(struct policy_iptables *self, unsigned int f, struct ipt_policy *policy,
		const struct layout_rule *rule, struct ipt_rules *texts);

/* --- policy-chain.c: policies ------------------------------------------------------------- */

void ipt_policy_put(struct policy_iptables *self, const struct compiled_policy *told);
void ipt_policy_remove(struct policy_iptables *self, const char *key);
struct ipt_policy *ipt_policy_find(const struct policy_iptables *self, const char *key);
void ipt_policy_render(struct policy_iptables *self, struct ipt_policy *policy);
void ipt_policies_render(struct policy_iptables *self);
void ipt_policies_deinit(struct policy_iptables *self);
bool ipt_policy_is_enforced(const struct ipt_policy *policy, enum policy_way way);
/* Has it a chain in that table? */
bool ipt_policy_is_in(const struct policy_iptables *self, const struct ipt_policy *policy,
		      enum ipt_table table, unsigned int f, enum policy_way way);
struct ipt_name ipt_policy_chain(const struct ipt_policy *policy, enum policy_way way);
void ipt_put_deny(const struct policy_iptables *self, struct ipt_rules *rules, enum ipt_table table,
		  enum policy_way way, const char *match, const char *letters, const char *id);

/* --- policy-endpoint.c -------------------------------------------------------------------- */

void ipt_endpoint_put(struct policy_iptables *self, const struct policy_endpoint *told);
void ipt_endpoint_remove(struct policy_iptables *self, const char *key);
/* Which of them are in force, whether hosts are among them, and what sources workloads may have. */
void ipt_endpoints_choose(struct policy_iptables *self);
void ipt_endpoints_render(struct policy_iptables *self);
void ipt_endpoints_deinit(struct policy_iptables *self);
bool ipt_has_host_stage(const struct policy_iptables *self, enum policy_stage stage);

/* --- policy-write.c: to the kernel ---------------------------------------------------------- */

MUST_CHECK int ipt_read_family(struct policy_iptables *self, unsigned int f, struct err *err);
/*
 * Writes what differs; 'fresh': from what the kernel has now. 'text' is what was sent. -EIO: it was
 * refused, which says nothing of whether a part of it is in force.
 */
MUST_CHECK int ipt_write_once(struct policy_iptables *self, unsigned int f, bool fresh,
			      struct buf *text, struct err *err);
MUST_CHECK int ipt_write_families(struct policy_iptables *self, struct err *err);
MUST_CHECK int ipt_fill_sets(struct policy_iptables *self, struct err *err);

/* --- policy-refusal.c: what the kernel does not take ---------------------------------------- */

/* True: policies that are to blame deny now, and it is worth another try. */
bool ipt_refuse_set(struct policy_iptables *self, const struct err *err);
bool ipt_refuse_line(struct policy_iptables *self, unsigned int f, struct buf *text,
		     const struct err *err);
/* 0: all but policies that deny now is in force. -EIO: it was of no use. */
MUST_CHECK int ipt_refuse_by_halves(struct policy_iptables *self, unsigned int f, struct buf *text,
				    struct err *err);
/* Policies that speak of the set, or with NULL all, are to be tried again. */
void ipt_forgive(struct policy_iptables *self, const char *set);
/* As policy_driver_ops's. */
size_t ipt_problems(const void *ctx, struct policy_problem **ret);

/* --- policy-cut.c: connections of before -------------------------------------------------- */

/* As policy_driver_ops's. */
bool ipt_take_cut(void *ctx);
void ipt_judge(const void *ctx, const struct packet *packets, size_t n, bool *denied);
void ipt_judge_staged(const void *ctx, struct judge_staged *asked, size_t n,
		      bool (*has)(const void *has_ctx, const char *key), const void *has_ctx);

/* --- policy-hook.c: what the kernel's chains lead to, NAT --------------------------------- */

#define SET_WORKLOAD_SOURCES "wl-sources"
void ipt_hooks_render(struct policy_iptables *self);
void ipt_nat_render(struct policy_iptables *self);

bool ipt_is_set_told(const struct policy_iptables *self, const char *id);
