/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the kernel's chains lead to, by Calico's names:
 *
 *	raw	PREROUTING	a workload's source address, hosts' untracked policy, VXLAN past conntrack
 *		OUTPUT		the same for what the host sends
 *	mangle	PREROUTING	hosts' policy before DNAT
 *		POSTROUTING	hosts' egress of what DNAT has sent elsewhere
 *	filter	INPUT, FORWARD, OUTPUT
 *	nat	POSTROUTING	outgoing NAT
 *
 * A chain of ours without rules is not led to. Our rule is the first, so that no other accepts
 * before it; what policy has accepted is accepted behind all others' rules of FORWARD.
 */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iptables/policy-internal.h"

#define CLEAR_MARKS "-j MARK --set-xmark " MARK_BOTH_0
#define ACCEPTED    "-m mark --mark " MARK_ACCEPT

#define SERVICES_CHAIN "cali-cidr-block"

struct hook {
	struct policy_iptables *self;
	unsigned int f;
	enum ipt_table table;
	struct ipt_rules rules;
};

/* --- raw ---------------------------------------------------------------------------------- */

static void each_prefix(struct hook *hook, char option, const char *target)
{
	for (size_t i = 0; i < hook->self->config.n_prefixes; i++)
		ipt_rules_add(&hook->rules, "-%c %s+ %s", option, hook->self->config.prefixes[i],
			      target);
}

static void untrack_vxlan(struct hook *hook)
{
	uint16_t port = hook->self->config.vxlan_port;

	if (port)
		ipt_rules_add(&hook->rules, "-p udp -m multiport --dports %u -j CT --notrack",
			      port);
}

/* An address of its own, a prefix it may take, or what every IPv6 host has. */
static void render_sources(struct policy_iptables *self, unsigned int f)
{
	struct ip_set_name set = ip_set_name(family_of(f), SET_WORKLOAD_SOURCES);
	const struct ipt_endpoint *endpoint;
	struct ipt_rules rules = {.v = NULL};

	/* A router advertisement of a pod would give the host a default route. */
	if (f == 1)
		ipt_rules_add(&rules, "-p 58 -m icmp6 --icmpv6-type 134 -j DROP");
	ipt_rules_add(&rules, "-m set --match-set %s src,src -j RETURN", set.s);
	for (endpoint = self->endpoints; endpoint; endpoint = endpoint->hh.next)
		for (size_t i = 0; self->config.workloads_may_spoof && endpoint->in_force &&
				   !endpoint->is_host && i < endpoint->n_spoofable;
		     i++) {
			struct cidr net = cidr_masked(&endpoint->spoofable[i]);

			if (net.addr.family == family_of(f))
				ipt_rules_add(&rules, "-i %s -s %s -j RETURN", endpoint->interface,
					      cidr_format(&net).s);
		}
	if (f == 1) {
		ipt_rules_add(&rules, "-s fe80::/10 -j RETURN");
		ipt_rules_add(&rules, "-s ::/128 -j RETURN");
	}
	ipt_rules_add(&rules, "-j DROP");
	chain_table_want(self->tables[f][IPT_RAW], "cali-wl-source", &rules);
}

static void put_raw_prerouting(struct hook *hook)
{
	ipt_rules_add(&hook->rules, CLEAR_MARKS);
	untrack_vxlan(hook);
	each_prefix(hook, 'i', "-j cali-wl-source");
	if (ipt_has_host_stage(hook->self, POLICY_STAGE_UNTRACKED)) {
		ipt_rules_add(&hook->rules, "-j cali-from-host-endpoint");
		ipt_rules_add(&hook->rules, ACCEPTED " -j ACCEPT");
	}
}

static void put_raw_output(struct hook *hook)
{
	ipt_rules_add(&hook->rules, CLEAR_MARKS);
	untrack_vxlan(hook);
	if (ipt_has_host_stage(hook->self, POLICY_STAGE_UNTRACKED)) {
		ipt_rules_add(&hook->rules, "-j cali-to-host-endpoint");
		ipt_rules_add(&hook->rules, ACCEPTED " -j ACCEPT");
	}
}

/* --- mangle ------------------------------------------------------------------------------- */

static void put_mangle_prerouting(struct hook *hook)
{
	const char *allow = ipt_allow(&hook->self->config, IPT_MANGLE);

	if (!ipt_has_host_stage(hook->self, POLICY_STAGE_PRE_DNAT))
		return;
	ipt_rules_add(&hook->rules, "-m conntrack --ctstate RELATED,ESTABLISHED -j %s", allow);
	ipt_rules_add(&hook->rules, ACCEPTED " -j %s", allow);
	ipt_rules_add(&hook->rules, "-j cali-from-host-endpoint");
	ipt_rules_add(&hook->rules, ACCEPTED " -j %s", allow);
}

/* What was forwarded has the mark, and has been judged. */
static void put_mangle_postrouting(struct hook *hook)
{
	if (!hook->self->has_hosts)
		return;
	ipt_rules_add(&hook->rules, ACCEPTED " -j RETURN");
	each_prefix(hook, 'o', "-j RETURN");
	ipt_rules_add(&hook->rules, CLEAR_MARKS);
	ipt_rules_add(&hook->rules, "-m conntrack --ctstate DNAT -j cali-to-host-endpoint");
}

/* --- filter ------------------------------------------------------------------------------- */

static bool has_set(const struct hook *hook, const char *id)
{
	return ipt_is_set_told(hook->self, id);
}

/* A tunnel's packets are taken from nodes alone: what comes out of it has any source address. */
static void guard_tunnels(struct hook *hook)
{
	const struct ipt_config *config = &hook->self->config;
	struct ip_set_name hosts = ip_set_name(family_of(hook->f), POLICY_SET_ALL_HOSTS);
	struct ip_set_name vxlan = ip_set_name(family_of(hook->f), POLICY_SET_ALL_VXLAN);
	const char *allow = ipt_allow(config, IPT_FILTER);

	if (config->ipip && hook->f == 0 && has_set(hook, POLICY_SET_ALL_HOSTS)) {
		ipt_rules_add(&hook->rules,
			      "-p 4 -m set --match-set %s src -m addrtype --dst-type LOCAL -j %s",
			      hosts.s, allow);
		ipt_rules_add(&hook->rules, "-p 4 -j DROP");
	}
	if (config->vxlan_port && has_set(hook, POLICY_SET_ALL_VXLAN)) {
		ipt_rules_add(&hook->rules,
			      "-p udp -m multiport --dports %u -m set --match-set %s src "
			      "-m addrtype --dst-type LOCAL -j %s",
			      config->vxlan_port, vxlan.s, allow);
		ipt_rules_add(
			&hook->rules,
			"-p udp -m multiport --dports %u -m addrtype --dst-type LOCAL -j DROP",
			config->vxlan_port);
	}
}

static void allow_accepted(struct hook *hook)
{
	ipt_rules_add(&hook->rules, ACCEPTED " -j %s", ipt_allow(&hook->self->config, IPT_FILTER));
}

static void judge_host(struct hook *hook, const char *chain)
{
	ipt_rules_add(&hook->rules, CLEAR_MARKS);
	ipt_rules_add(&hook->rules, "-j %s", chain);
	allow_accepted(hook);
}

static void put_input(struct hook *hook)
{
	guard_tunnels(hook);
	each_prefix(hook, 'i', "-g cali-wl-to-host");
	if (!hook->self->has_hosts)
		return;
	allow_accepted(hook);
	judge_host(hook, "cali-from-host-endpoint");
}

static void render_workload_to_host(struct policy_iptables *self, unsigned int f)
{
	/* Neighbour discovery and multicast listening, without which no pod has IPv6. */
	static const uint8_t types[] = {130, 131, 132, 133, 135, 136};
	const char *allow = ipt_allow(&self->config, IPT_FILTER);
	struct ipt_rules rules = {.v = NULL};

	for (size_t i = 0; f == 1 && i < sizeof(types); i++)
		ipt_rules_add(&rules, "-p 58 -m icmp6 --icmpv6-type %u -j %s", types[i], allow);
	ipt_rules_add(&rules, "-j cali-from-wl-dispatch");
	switch (self->config.endpoint_to_host) {
	case ENDPOINT_TO_HOST_DROP:
		/* What pods answer the host: their chains have not accepted it. */
		if (self->config.filter_return)
			ipt_rules_add(&rules,
				      "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN");
		ipt_rules_add(&rules, "-j DROP");
		break;
	case ENDPOINT_TO_HOST_ACCEPT:
		ipt_rules_add(&rules, "-j ACCEPT");
		break;
	case ENDPOINT_TO_HOST_RETURN:
		break;
	}
	chain_table_want(self->tables[f][IPT_FILTER], "cali-wl-to-host", &rules);
}

static bool has_services(const struct policy_iptables *self, unsigned int f)
{
	const struct ipt_config *config = &self->config;

	for (size_t i = 0; i < config->n_service_nets; i++)
		if (config->service_nets[i].addr.family == family_of(f))
			return true;
	return false;
}

/*
 * What is for the address of an advertised service and was not sent to one of its pods would come
 * back by the route that was advertised.
 */
static void render_services(struct policy_iptables *self, unsigned int f)
{
	const struct ipt_config *config = &self->config;
	struct ipt_rules rules = {.v = NULL};

	if (!has_services(self, f)) {
		chain_table_unwant(self->tables[f][IPT_FILTER], SERVICES_CHAIN);
		return;
	}
	for (size_t i = 0; i < config->n_service_nets; i++)
		if (config->service_nets[i].addr.family == family_of(f))
			ipt_rules_add(&rules, "-d %s -j %s",
				      cidr_format(&config->service_nets[i]).s,
				      config->reject_services ? "REJECT" : "DROP");
	chain_table_want(self->tables[f][IPT_FILTER], SERVICES_CHAIN, &rules);
}

static void put_forward(struct hook *hook)
{
	bool hosts = ipt_has_host_stage(hook->self, POLICY_STAGE_FORWARD);

	if (hosts)
		ipt_rules_add(&hook->rules,
			      "-m mark --mark " MARK_ACCEPT_0 " -j cali-from-hep-forward");
	each_prefix(hook, 'i', "-j cali-from-wl-dispatch");
	each_prefix(hook, 'o', "-j cali-to-wl-dispatch");
	if (hosts)
		ipt_rules_add(&hook->rules, "-j cali-to-hep-forward");
	if (has_services(hook->self, hook->f))
		ipt_rules_add(&hook->rules, "-j " SERVICES_CHAIN);
}

/* The node's own tunnel packets to other nodes. */
static void allow_own_tunnels(struct hook *hook)
{
	const struct ipt_config *config = &hook->self->config;
	const char *allow = ipt_allow(config, IPT_FILTER);

	if (config->ipip && hook->f == 0 && has_set(hook, POLICY_SET_ALL_HOSTS))
		ipt_rules_add(&hook->rules,
			      "-p 4 -m set --match-set %s dst -m addrtype --src-type LOCAL -j %s",
			      ip_set_name(AF_INET, POLICY_SET_ALL_HOSTS).s, allow);
	if (config->vxlan_port && has_set(hook, POLICY_SET_ALL_VXLAN))
		ipt_rules_add(&hook->rules,
			      "-p udp -m multiport --dports %u -m set --match-set %s dst "
			      "-m addrtype --src-type LOCAL -j %s",
			      config->vxlan_port,
			      ip_set_name(family_of(hook->f), POLICY_SET_ALL_VXLAN).s, allow);
}

static void put_output(struct hook *hook)
{
	if (!hook->self->has_hosts)
		return;
	allow_accepted(hook);
	each_prefix(hook, 'o', "-j RETURN");
	allow_own_tunnels(hook);
	ipt_rules_add(&hook->rules, CLEAR_MARKS);
	/* Where it goes is not known yet after DNAT. */
	ipt_rules_add(&hook->rules, "-m conntrack ! --ctstate DNAT -j cali-to-host-endpoint");
	allow_accepted(hook);
}

/* --- All of them -------------------------------------------------------------------------- */

static const struct {
	enum ipt_table table;
	const char *kernel;
	const char *ours;
	void (*put)(struct hook *hook);
} hooks[] = {
	{IPT_RAW, "PREROUTING", "cali-PREROUTING", put_raw_prerouting},
	{IPT_RAW, "OUTPUT", "cali-OUTPUT", put_raw_output},
	{IPT_MANGLE, "PREROUTING", "cali-PREROUTING", put_mangle_prerouting},
	{IPT_MANGLE, "POSTROUTING", "cali-POSTROUTING", put_mangle_postrouting},
	{IPT_FILTER, "INPUT", "cali-INPUT", put_input},
	{IPT_FILTER, "FORWARD", "cali-FORWARD", put_forward},
	{IPT_FILTER, "OUTPUT", "cali-OUTPUT", put_output},
};

static void render_hook(struct policy_iptables *self, unsigned int f, size_t which)
{
	struct hook hook = {.self = self, .f = f, .table = hooks[which].table};
	struct chain_table *table = self->tables[f][hook.table];
	struct ipt_rules head = {.v = NULL};
	struct ipt_rules tail = {.v = NULL};

	hooks[which].put(&hook);
	if (hook.rules.n) {
		ipt_rules_add(self->config.append ? &tail : &head, "-j %s", hooks[which].ours);
		chain_table_want(table, hooks[which].ours, &hook.rules);
	} else {
		chain_table_unwant(table, hooks[which].ours);
	}
	if (hooks[which].put == put_forward) {
		ipt_rules_add(&tail, ACCEPTED " -j %s", ipt_allow(&self->config, IPT_FILTER));
		/* What others let by is not judged again by mangle's POSTROUTING. */
		ipt_rules_add(&tail, "-j MARK --set-xmark " MARK_ACCEPT);
	}
	chain_table_hook(table, hooks[which].kernel, &head, &tail);
}

void ipt_hooks_render(struct policy_iptables *self)
{
	for (unsigned int f = 0; f < FAMILIES; f++) {
		render_sources(self, f);
		render_workload_to_host(self, f);
		render_services(self, f);
		for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
			render_hook(self, f, i);
	}
}

/* --- NAT ---------------------------------------------------------------------------------- */

static void add_masquerade(struct ipt_rules *rules, const char *match, uint16_t vxlan_port)
{
	/* What comes back to the VXLAN port is not kept track of. */
	if (vxlan_port && vxlan_port < UINT16_MAX)
		ipt_rules_add(rules, "-p udp %s -j MASQUERADE --to-ports %d-65535", match,
			      vxlan_port + 1);
	ipt_rules_add(rules, "%s -j MASQUERADE", match);
}

static void add_pools(struct ipt_rules *rules, const char *match, const struct ipt_nat *nat)
{
	static const char *const protocols[] = {"tcp", "udp"};

	if (!nat->first_port) {
		add_masquerade(rules, match, nat->vxlan_port);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		ipt_rules_add(rules, "-p %s %s -j MASQUERADE --to-ports %u-%u", protocols[i], match,
			      nat->first_port, nat->last_port);
	ipt_rules_add(rules, "%s -j MASQUERADE", match);
}

static bool has_pools(const struct ipt_nat *nat, uint8_t family)
{
	for (size_t i = 0; i < nat->n_pools; i++)
		if (nat->pools[i].cidr.addr.family == family)
			return true;
	return false;
}

static void render_nat(struct policy_iptables *self, unsigned int f)
{
	const struct ipt_nat *nat = &self->nat;
	struct chain_table *table = self->tables[f][IPT_NAT];
	struct ip_set_name all = ip_set_name(family_of(f), POLICY_SET_POOLS);
	struct ip_set_name masquerade = ip_set_name(family_of(f), POLICY_SET_MASQ_POOLS);
	_cleanup_free_ char *match = xasprintf(
		"-m set --match-set %s src -m set ! --match-set %s dst", masquerade.s, all.s);
	struct ipt_rules rules = {.v = NULL};
	struct ipt_rules none = {.v = NULL};
	struct ipt_rules tail = {.v = NULL};

	if (!has_pools(nat, family_of(f))) {
		chain_table_hook(table, "POSTROUTING", &none, &tail);
		chain_table_unwant_all(table, "cali-");
		return;
	}
	add_pools(&rules, match, nat);
	chain_table_want(table, "cali-nat-outgoing", &rules);
	ipt_rules_add(&rules, "-j cali-nat-outgoing");
	for (size_t i = 0; i < nat->n_devices; i++) {
		_cleanup_free_ char *device =
			xasprintf("-o %s -m addrtype ! --src-type LOCAL --limit-iface-out "
				  "-m addrtype --src-type LOCAL",
				  nat->devices[i]);

		add_masquerade(&rules, device, nat->vxlan_port);
	}
	chain_table_want(table, "cali-POSTROUTING", &rules);
	ipt_rules_add(&tail, "-j cali-POSTROUTING");
	chain_table_hook(table, "POSTROUTING", &none, &tail);
}

void ipt_nat_render(struct policy_iptables *self)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		render_nat(self, f);
}
