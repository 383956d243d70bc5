/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The driver: takes what it is told, has the parts render it, and sends the difference. Sets are
 * filled before the rules that speak of them and go after those; each table is one transaction, raw
 * before the others, so that what no table knows yet is denied by none and accepted by none too
 * soon.
 */

#include "iptables/policy-iptables.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "iptables/policy-internal.h"

#define LOG_MODULE "iptables"
#include "base/log.h"

static const char *const table_names[IPT_TABLES_] = {
	[IPT_RAW] = "raw", [IPT_MANGLE] = "mangle", [IPT_NAT] = "nat", [IPT_FILTER] = "filter"};

/* --- Life --------------------------------------------------------------------------------- */

static void config_deinit(struct ipt_config *config)
{
	for (size_t way = 0; way < POLICY_WAYS_; way++)
		free(config->failsafes[way]);
	for (size_t i = 0; i < config->n_prefixes; i++)
		free(config->prefixes[i]);
	free(config->prefixes);
	free(config->service_nets);
	free(config->log_prefix);
	*config = (struct ipt_config){.reject = false};
}

static void nat_deinit(struct ipt_nat *nat)
{
	for (size_t i = 0; i < nat->n_devices; i++)
		free(nat->devices[i]);
	free(nat->devices);
	free(nat->pools);
	*nat = (struct ipt_nat){.told = false};
}

static void free_set(struct policy_iptables *self, struct ipt_set *set)
{
	HASH_DEL(self->told_sets, set);
	free(set);
}

static void close_driver(void *ctx)
{
	struct policy_iptables *self = ctx;
	struct ipt_set *set;
	struct ipt_set *next;

	ipt_endpoints_deinit(self);
	ipt_policies_deinit(self);
	HASH_ITER(hh, self->told_sets, set, next)
	free_set(self, set);
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int t = 0; t < IPT_TABLES_; t++)
			(void)chain_table_free(self->tables[f][t]);
	(void)ip_sets_free(self->sets);
	config_deinit(&self->config);
	nat_deinit(&self->nat);
	(void)nl_close(self->nl);
	(void)table_watch_close(self->watch);
	free(self->flush);
	free(self);
}

/* --- What is told ------------------------------------------------------------------------- */

static void start_enforcing(struct policy_iptables *self)
{
	if (self->enforces)
		return;
	self->enforces = true;
	self->dirty = true;
	for (unsigned int f = 0; f < FAMILIES; f++)
		ip_sets_hold(self->sets, ip_set_name(family_of(f), SET_WORKLOAD_SOURCES).s,
			     IP_SET_INTERFACE, family_of(f));
}

static struct ipt_set *find_set(const struct policy_iptables *self, const char *id)
{
	struct ipt_set *set;

	HASH_FIND_STR(self->told_sets, id, set);
	return set;
}

bool ipt_is_set_told(const struct policy_iptables *self, const char *id)
{
	return find_set(self, id) != NULL;
}

static void forget_set(struct policy_iptables *self, const char *id)
{
	struct ipt_set *set = find_set(self, id);

	if (!set)
		return;
	for (unsigned int f = 0; f < FAMILIES; f++) {
		struct ip_set_name name = ip_set_name(family_of(f), set->id.s);

		ip_sets_clear(self->sets, name.s);
		ip_sets_release(self->sets, name.s);
	}
	free_set(self, set);
}

static void learn_set(struct policy_iptables *self, const struct policy_set *told)
{
	struct ipt_set *set = XNEW(struct ipt_set);

	set->id = told->id;
	set->type = told->type;
	HASH_ADD_STR(self->told_sets, id.s, set);
	for (unsigned int f = 0; f < FAMILIES; f++)
		ip_sets_hold(self->sets, ip_set_name(family_of(f), set->id.s).s,
			     set->type == POLICY_SET_TYPE_PORT ? IP_SET_PORT : IP_SET_NET,
			     family_of(f));
}

static void change_members(struct policy_iptables *self, const struct policy_set *set,
			   const struct policy_member *members, size_t n, bool add)
{
	for (size_t i = 0; i < n; i++) {
		struct ip_set_member member = {.net = members[i].net,
					       .protocol = members[i].protocol,
					       .port = members[i].port};
		struct ip_set_name name = ip_set_name(members[i].net.addr.family, set->id.s);

		if (add)
			ip_sets_add(self->sets, name.s, &member);
		else
			ip_sets_remove(self->sets, name.s, &member);
	}
}

/* NAT fills these by itself; no rule of a policy speaks of them. */
static bool is_of_nat(const struct policy_set_id *id)
{
	return strcmp(id->s, POLICY_SET_POOLS) == 0 || strcmp(id->s, POLICY_SET_MASQ_POOLS) == 0;
}

static void take_set(struct policy_iptables *self, const struct policy_set_change *change)
{
	if (is_of_nat(&change->set->id))
		return;
	if (change->is_new)
		forget_set(self, change->set->id.s);
	if (!find_set(self, change->set->id.s)) {
		learn_set(self, change->set);
		self->dirty = true; /* rules for tunnels are there with the set of nodes */
	}
	change_members(self, change->set, change->removed, change->n_removed, /* add= */ false);
	change_members(self, change->set, change->added, change->n_added, /* add= */ true);
	for (unsigned int f = 0; f < FAMILIES; f++)
		if (ip_sets_is_left_out(self->sets, ip_set_name(family_of(f), change->set->id.s).s))
			ipt_forgive(self, change->set->id.s);
}

static void update(void *ctx, const struct policy_update *update)
{
	struct policy_iptables *self = ctx;

	start_enforcing(self);
	self->told = self->told || !policy_update_is_empty(update);
	self->cut = self->cut || self->told;
	for (size_t i = 0; i < update->n_sets; i++)
		take_set(self, &update->sets[i]);
	for (size_t i = 0; i < update->n_policies; i++)
		ipt_policy_put(self, update->policies[i]);
	for (size_t i = 0; i < update->n_endpoints; i++)
		ipt_endpoint_put(self, update->endpoints[i]);
	for (size_t i = 0; i < update->n_endpoints_gone; i++)
		ipt_endpoint_remove(self, update->endpoints_gone[i]);
	for (size_t i = 0; i < update->n_policies_gone; i++)
		ipt_policy_remove(self, update->policies_gone[i]);
	for (size_t i = 0; i < update->n_sets_gone; i++) {
		forget_set(self, update->sets_gone[i].s);
		self->dirty = true;
	}
}

/* The beginning of an interface's name, as an option's argument. */
static bool is_prefix(const char *text)
{
	return text[0] && strlen(text) < 15 &&
	       text[strspn(text,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")] ==
		       '\0';
}

static void configure(void *ctx, const struct policy_config *told)
{
	struct policy_iptables *self = ctx;
	struct ipt_config *config = &self->config;

	start_enforcing(self);
	self->told = true;
	config_deinit(config);
	*config = (struct ipt_config){
		.endpoint_to_host = told->endpoint_to_host,
		.append = told->append,
		.filter_return = told->filter_return,
		.mangle_return = told->mangle_return,
		.reject = told->reject,
		.drop_invalid = told->drop_invalid,
		.workloads_may_send_vxlan = told->workloads_may_send_vxlan,
		.workloads_may_send_ipip = told->workloads_may_send_ipip,
		.workloads_may_spoof = told->workloads_may_spoof,
		.cut_denied = told->cut_denied,
		.flow_log = told->flow_log,
		.vxlan_port = told->vxlan_port,
		.ipip = told->ipip,
		.log_limit = told->log_limit,
		.service_nets = xmemdup(told->service_nets,
					told->n_service_nets * sizeof(*told->service_nets)),
		.n_service_nets = told->n_service_nets,
		.reject_services = told->reject_services,
		.log_prefix = xstrdup(told->log_prefix),
	};
	for (size_t way = 0; way < POLICY_WAYS_; way++) {
		config->failsafes[way] =
			xmemdup(told->failsafes[way],
				told->n_failsafes[way] * sizeof(*told->failsafes[way]));
		config->n_failsafes[way] = told->n_failsafes[way];
	}
	for (size_t i = 0; i < told->n_workload_prefixes; i++)
		if (is_prefix(told->workload_prefixes[i]))
			*ARRAY_ADD(config->prefixes, config->n_prefixes) =
				xstrdup(told->workload_prefixes[i]);
	ipt_policies_render(self);
	self->dirty = true;
}

static void hold_pools(struct policy_iptables *self, bool hold)
{
	static const char *const ids[] = {POLICY_SET_POOLS, POLICY_SET_MASQ_POOLS};

	for (unsigned int f = 0; f < FAMILIES; f++)
		for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
			struct ip_set_name name = ip_set_name(family_of(f), ids[i]);

			if (hold)
				ip_sets_hold(self->sets, name.s, IP_SET_NET, family_of(f));
			else
				ip_sets_release(self->sets, name.s);
		}
}

static void change_pools(struct policy_iptables *self, bool add)
{
	for (size_t i = 0; i < self->nat.n_pools; i++) {
		const struct nat_pool *pool = &self->nat.pools[i];
		struct ip_set_member member = {.net = pool->cidr};
		uint8_t family = pool->cidr.addr.family;
		struct ip_set_name all = ip_set_name(family, POLICY_SET_POOLS);
		struct ip_set_name masquerade = ip_set_name(family, POLICY_SET_MASQ_POOLS);

		if (add) {
			ip_sets_add(self->sets, all.s, &member);
			if (pool->masquerade)
				ip_sets_add(self->sets, masquerade.s, &member);
		} else {
			ip_sets_remove(self->sets, all.s, &member);
			if (pool->masquerade)
				ip_sets_remove(self->sets, masquerade.s, &member);
		}
	}
}

static void take_nat(void *ctx, const struct nat_config *told)
{
	struct policy_iptables *self = ctx;

	if (self->nat.told)
		change_pools(self, /* add= */ false);
	else
		hold_pools(self, /* hold= */ true);
	nat_deinit(&self->nat);
	self->nat.told = true;
	self->nat.pools = xmemdup(told->pools, told->n_pools * sizeof(*told->pools));
	self->nat.n_pools = told->n_pools;
	self->nat.vxlan_port = told->vxlan_port;
	self->nat.first_port = told->first_port;
	self->nat.last_port = told->last_port;
	for (size_t i = 0; i < told->n_tunnel_devices; i++)
		*ARRAY_ADD(self->nat.devices, self->nat.n_devices) =
			xstrdup(told->tunnel_devices[i]);
	change_pools(self, /* add= */ true);
	ipt_nat_render(self);
}

/* --- The kernel --------------------------------------------------------------------------- */

/* A pod that has the address now keeps its connections. */
static bool is_in_use(const struct policy_iptables *self, const struct ip_addr *addr)
{
	const struct ipt_endpoint *endpoint;

	for (endpoint = self->endpoints; endpoint; endpoint = endpoint->hh.next)
		for (size_t i = 0; i < endpoint->n_addrs; i++)
			if (ip_equal(&endpoint->addrs[i].addr, addr))
				return true;
	return false;
}

static size_t take_gone(void *ctx, struct ip_addr **ret)
{
	struct policy_iptables *self = ctx;
	size_t n = 0;

	for (size_t i = 0; i < self->n_flush; i++)
		if (!is_in_use(self, &self->flush[i]))
			self->flush[n++] = self->flush[i];
	*ret = TAKE_PTR(self->flush);
	self->n_flush = 0;
	return n;
}

static void render(struct policy_iptables *self)
{
	if (!self->enforces || !self->dirty)
		return;
	ipt_endpoints_choose(self);
	ipt_endpoints_render(self);
	ipt_hooks_render(self);
	self->dirty = false;
}

/* What was wrong in the kernel's and nobody told to change was changed by somebody else. */
static void note_tampered(struct policy_iptables *self, bool was_stale)
{
	bool tampered = self->tampered || (was_stale && !self->told);

	self->reopened = self->reopened || (tampered && self->changed);
	self->tampered = false;
	self->told = false;
}

static int shrink_sets(struct policy_iptables *self, struct err *err)
{
	struct err reason = ERR_INIT;
	int r = ip_sets_shrink(self->sets, self->nl, &self->changed, &reason);

	if (r < 0)
		return err_set(err, r, "%s", reason.msg);
	if (r == IP_SETS_E_LEFT)
		log_warning_limited("a set of before can't go", "error", reason.msg);
	return 0;
}

static int apply(void *ctx, struct err *err)
{
	struct policy_iptables *self = ctx;
	bool was_stale = self->stale && self->watched;
	bool sets_changed;
	int r = 0;

	self->changed = false;
	if (!self->enforces && !self->nat.told)
		return 0;
	render(self);
	if (self->stale)
		r = ip_sets_read(self->sets, self->nl, err);
	if (r == 0)
		r = ipt_fill_sets(self, err);
	sets_changed = self->changed;
	self->changed = false;
	if (r == 0)
		r = ipt_write_families(self, err);
	if (r < 0) {
		self->stale = true; /* what was done is not known */
		return r;
	}
	self->stale = false;
	/* That was us. Members of sets are no part of the tables, which are costly to read. */
	if (self->changed || !self->watched)
		table_watch_learn(self->watch);
	self->changed = self->changed || sets_changed;
	self->watched = true;
	/* What is not told yet may still speak of them. */
	if (self->enforces && self->nat.told)
		r = shrink_sets(self, err);
	note_tampered(self, was_stale);
	return r;
}

static bool has_changed(const void *ctx)
{
	const struct policy_iptables *self = ctx;

	return self->changed;
}

static void invalidate(void *ctx)
{
	struct policy_iptables *self = ctx;

	self->stale = true;
	ipt_forgive(self, NULL);
}

static int no_fd(const void *ctx)
{
	(void)ctx;
	return -1;
}

static bool check(void *ctx)
{
	struct policy_iptables *self = ctx;

	if (!self->watched ||
	    (!table_watch_look_closely(self->watch) && !ip_sets_differ(self->sets, self->nl) &&
	     !ip_sets_members_differ(self->sets, self->nl)))
		return false;
	self->stale = true;
	self->tampered = true;
	return true;
}

static const struct policy_driver_ops ops = {
	.name = "iptables",
	.is_iptables = true,
	.close = close_driver,
	.update = update,
	.configure = configure,
	.nat = take_nat,
	.apply = apply,
	.changed = has_changed,
	.problems = ipt_problems,
	.invalidate = invalidate,
	.take_gone = take_gone,
	.take_cut = ipt_take_cut,
	.judge = ipt_judge,
	.judge_staged = ipt_judge_staged,
	.fd = no_fd,
	.check = check,
};

/* --- Opening ------------------------------------------------------------------------------ */

static struct policy_iptables *new_driver(enum iptables_backend backend)
{
	struct policy_iptables *self = XNEW(struct policy_iptables);

	self->backend = backend;
	self->stale = true;
	self->sets = ip_sets_new();
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int t = 0; t < IPT_TABLES_; t++)
			self->tables[f][t] = chain_table_new(table_names[t]);
	self->has_family[0] = true;
	self->has_family[1] = access("/proc/net/if_inet6", F_OK) == 0;
	return self;
}

int policy_iptables_open(enum iptables_backend backend, struct policy_driver *ret, struct err *err)
{
	struct policy_iptables *self = new_driver(backend);
	int r = nl_open(NETLINK_NETFILTER, -1, &self->nl, err);

	if (r == 0)
		r = table_watch_open(backend, &self->watch, err);
	for (unsigned int f = 0; r == 0 && f < FAMILIES; f++)
		if (self->has_family[f] && !iptables_installed(backend, family_of(f)))
			r = err_set(err, -ENOENT,
				    "the programs of iptables (%s) for IPv%u are not installed, in "
				    "/usr/sbin or /sbin: install iptables, or use nftables",
				    backend == IPTABLES_LEGACY ? "legacy" : "nft",
				    ip_version(family_of(f)));
	if (r < 0) {
		close_driver(self);
		return r;
	}
	*ret = (struct policy_driver){.ops = &ops, .self = self};
	return 0;
}

int policy_iptables_has_sets(bool *ret, struct err *err)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct ip_sets *sets = ip_sets_new();
	int r = nl_open(NETLINK_NETFILTER, -1, &nl, err);

	if (r == 0)
		r = ip_sets_read(sets, nl, err);
	*ret = r == 0 && ip_sets_are_there(sets);
	(void)ip_sets_free(sets);
	return r;
}

static int remove_family(struct policy_iptables *self, unsigned int f, bool *found, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r = ipt_read_family(self, f, err);

	for (unsigned int t = 0; r == 0 && t < IPT_TABLES_; t++)
		*found = chain_table_write(self->tables[f][t], /* keep= */ false, &text) || *found;
	return r == 0 && text.size ? iptables_restore(self->backend, family_of(f), &text, err) : r;
}

static int remove_rules(enum iptables_backend backend, bool *found, struct err *err)
{
	struct policy_iptables *self = new_driver(backend);
	int r = 0;

	for (unsigned int f = 0; r == 0 && f < FAMILIES; f++)
		if (self->has_family[f] && iptables_installed(backend, family_of(f)))
			r = remove_family(self, f, found, err);
	close_driver(self);
	return r;
}

int policy_iptables_remove_other(const struct policy_driver *driver, bool nftables, struct err *err)
{
	const struct policy_iptables *self = driver->self;
	bool found = false;

	if (self->backend == IPTABLES_NFT)
		return remove_rules(IPTABLES_LEGACY, &found, err);
	return nftables ? remove_rules(IPTABLES_NFT, &found, err) : 0;
}

int policy_iptables_remove(bool *found, struct err *err)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct ip_sets *sets;
	bool changed = false;
	int r = 0;

	*found = false;
	for (unsigned int b = 0; r == 0 && b < IPTABLES_BACKENDS_; b++)
		r = remove_rules((enum iptables_backend)b, found, err);
	if (r == 0)
		r = nl_open(NETLINK_NETFILTER, -1, &nl, err);
	if (r < 0)
		return r;
	/* No rule speaks of them any more. */
	sets = ip_sets_new();
	r = ip_sets_read(sets, nl, err);
	if (r == 0)
		r = ip_sets_shrink(sets, nl, &changed, err);
	(void)ip_sets_free(sets);
	return r == IP_SETS_E_LEFT ? -EBUSY : r;
}
