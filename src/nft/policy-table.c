/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The policy table: takes what it is told, has the parts render it into the rulesets of both
 * families, and sends these. What was told is kept in a form of its own, because a change of
 * configuration or of a set's kind renders it again.
 */

#include "nft/policy-table.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/batch.h"
#include "nft/policy-internal.h"

#define REFUSALS_A_TURN 16

static const struct nft_schema map_schema = {.fields = {NFT_FIELD_INTERFACE}, .verdicts = true};
static const struct nft_schema sources_schema = {
	.fields = {NFT_FIELD_INTERFACE, NFT_FIELD_ADDRESS}};
static const struct nft_schema spoofing_schema = {
	.fields = {NFT_FIELD_INTERFACE, NFT_FIELD_ADDRESS}, .ranges = true};

/* --- Life --------------------------------------------------------------------------------- */

int policy_table_open(int netns_fd, struct policy_table **ret, struct err *err)
{
	_cleanup_(policy_table_closep) struct policy_table *table = XNEW(struct policy_table);
	int r = nl_open(NETLINK_NETFILTER, netns_fd, &table->nl, err);

	if (r == 0)
		r = nl_open(NETLINK_NETFILTER, netns_fd, &table->events, err);
	if (r == 0)
		r = nl_join(table->events, NFNLGRP_NFTABLES, err);
	if (r < 0)
		return r;
	for (unsigned int f = 0; f < FAMILIES; f++)
		table->rulesets[f] = nft_ruleset_new(family_of(f));
	table->builder = XNEW(struct nft_builder);
	*ret = TAKE_PTR(table);
	return 0;
}

static void config_deinit(struct table_config *config)
{
	for (size_t way = 0; way < POLICY_WAYS_; way++)
		free(config->failsafes[way]);
	for (size_t i = 0; i < config->n_prefixes; i++)
		free(config->prefixes[i]);
	free(config->prefixes);
	free(config->service_nets);
	free(config->log_prefix);
	*config = (struct table_config){0};
}

static void release_sets(struct policy_table *table)
{
	for (unsigned int f = 0; f < FAMILIES; f++) {
		struct nft_ruleset *ruleset = table->rulesets[f];

		for (unsigned int host = 0; host < 2; host++)
			for (unsigned int s = 0; s < POLICY_STAGES_; s++)
				for (unsigned int w = 0; w < POLICY_WAYS_; w++)
					if (table->maps[f][host][s][w])
						nft_set_unref(ruleset, table->maps[f][host][s][w]);
		if (table->sources[f])
			nft_set_unref(ruleset, table->sources[f]);
		if (table->spoofing[f])
			nft_set_unref(ruleset, table->spoofing[f]);
	}
}

struct policy_table *policy_table_close(struct policy_table *table)
{
	if (!table)
		return NULL;
	if (table->rulesets[0]) {
		table_base_deinit(table);
		table_offload_deinit(table);
		table_endpoints_deinit(table);
		table_policies_deinit(table);
		table_sets_deinit(table);
		table_nat_deinit(table);
		release_sets(table);
	}
	for (unsigned int f = 0; f < FAMILIES; f++)
		nft_ruleset_free(table->rulesets[f]);
	config_deinit(&table->config);
	nl_close(table->nl);
	nl_close(table->events);
	table_cut_deinit(table);
	free(table->builder);
	free(table);
	return NULL;
}

/* --- What is told ------------------------------------------------------------------------- */

static void hold_sets(struct policy_table *table, unsigned int f)
{
	struct nft_ruleset *ruleset = table->rulesets[f];

	for (unsigned int host = 0; host < 2; host++)
		for (unsigned int s = 0; s < POLICY_STAGES_; s++)
			for (unsigned int w = 0; w < POLICY_WAYS_; w++) {
				const char *name = table_map_name(host, (enum policy_stage)s,
								  (enum policy_way)w);

				if (name)
					table->maps[f][host][s][w] =
						nft_set_ref(ruleset, name, &map_schema);
			}
	table->sources[f] = nft_set_ref(ruleset, SET_WORKLOAD_SOURCES, &sources_schema);
	table->spoofing[f] = nft_set_ref(ruleset, SET_WORKLOAD_SPOOFING, &spoofing_schema);
}

static void start_enforcing(struct policy_table *table)
{
	if (table->enforces)
		return;
	table->enforces = true;
	table->base_dirty = true;
	for (unsigned int f = 0; f < FAMILIES; f++) {
		nft_ruleset_tell(table->rulesets[f], NFT_PART_POLICY);
		hold_sets(table, f);
	}
}

static bool is_base_set(const struct policy_set_id *id)
{
	return strcmp(id->s, POLICY_SET_ALL_HOSTS) == 0 || strcmp(id->s, POLICY_SET_ALL_VXLAN) == 0;
}

static void take_sets(struct policy_table *table, const struct policy_update *update)
{
	for (size_t i = 0; i < update->n_sets; i++) {
		const struct policy_set_change *change = &update->sets[i];
		int r = table_set_change(table, change);

		if (r == TABLE_SET_E_RENAMED)
			table_policies_render_users(table, &change->set->id);
		if (is_base_set(&change->set->id) && (change->is_new || r == TABLE_SET_E_RENAMED))
			table->base_dirty = true;
	}
}

static void render_all(struct policy_table *table)
{
	struct table_policy *policy;
	struct table_policy *next;

	HASH_ITER(hh, table->policies, policy, next)
	table_policy_render(table, policy);
	table_endpoints_render_all(table);
}

/* See put_deny(). */
static void look_for_hosts(struct policy_table *table)
{
	bool has_hosts = table_endpoints_have_hosts(table);

	if (has_hosts == table->has_hosts)
		return;
	table->has_hosts = has_hosts;
	if (table->config.reject)
		render_all(table);
}

void policy_table_update(struct policy_table *table, const struct policy_update *update)
{
	start_enforcing(table);
	table->cut = table->cut || !policy_update_is_empty(update);
	take_sets(table, update);
	for (size_t i = 0; i < update->n_policies; i++)
		if (table_policy_put(table, update->policies[i]))
			table_endpoints_render_users(table, update->policies[i]->key);
	for (size_t i = 0; i < update->n_endpoints; i++)
		table_endpoint_put(table, update->endpoints[i]);
	for (size_t i = 0; i < update->n_endpoints_gone; i++)
		table_endpoint_remove(table, update->endpoints_gone[i]);
	for (size_t i = 0; i < update->n_policies_gone; i++) {
		table_policy_remove(table, update->policies_gone[i]);
		table_endpoints_render_users(table, update->policies_gone[i]);
	}
	for (size_t i = 0; i < update->n_sets_gone; i++) {
		table_set_gone(table, &update->sets_gone[i]);
		table->base_dirty = table->base_dirty || is_base_set(&update->sets_gone[i]);
	}
	if (update->n_endpoints || update->n_endpoints_gone)
		look_for_hosts(table);
}

static struct table_config copy_config(const struct policy_config *told)
{
	struct table_config config = {
		.endpoint_to_host = told->endpoint_to_host,
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
		config.failsafes[way] =
			xmemdup(told->failsafes[way],
				told->n_failsafes[way] * sizeof(*told->failsafes[way]));
		config.n_failsafes[way] = told->n_failsafes[way];
	}
	for (size_t i = 0; i < told->n_workload_prefixes; i++)
		if (told->workload_prefixes[i][0])
			*ARRAY_ADD(config.prefixes, config.n_prefixes) =
				xstrdup(told->workload_prefixes[i]);
	return config;
}

void policy_table_configure(struct policy_table *table, const struct policy_config *config)
{
	start_enforcing(table);
	config_deinit(&table->config);
	table->config = copy_config(config);
	table->base_dirty = true;
	table_offload_configure(table, config->offload);
	render_all(table);
}

void policy_table_nat(struct policy_table *table, const struct nat_config *config)
{
	table_nat_render(table, config);
}

/* --- The kernel --------------------------------------------------------------------------- */

/* What is refused of one policy keeps no other out. */
static int commit(struct policy_table *table, unsigned int f, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i <= REFUSALS_A_TURN; i++) {
		err->msg[0] = '\0';
		r = nft_ruleset_commit(table->rulesets[f], table->nl, err);
		if (r >= 0 || !table_refuse(table, f))
			break;
	}
	return r;
}

int policy_table_apply(struct policy_table *table, struct err *err)
{
	int failed = 0;

	table->changed = false;
	if (table->enforces && table->base_dirty)
		table_base_render(table);
	for (unsigned int f = 0; f < FAMILIES; f++) {
		struct err reason = ERR_INIT;
		int r = commit(table, f, &reason);

		table->changed = table->changed || r == NFT_E_CHANGED;
		table->reopened = table->reopened || nft_ruleset_was_open(table->rulesets[f]) ||
				  (table->tampered && r == NFT_E_CHANGED);
		/* One family's failure does not keep the other from its rules. */
		if (r < 0 && failed == 0)
			failed = err_set(err, r, "IPv%u: %s", ip_version(family_of(f)), reason.msg);
	}
	table->tampered = table->tampered && failed;
	return failed;
}

bool policy_table_changed(const struct policy_table *table)
{
	return table->changed;
}

static void invalidate(struct policy_table *table)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		nft_ruleset_invalidate(table->rulesets[f]);
}

void policy_table_invalidate(struct policy_table *table)
{
	invalidate(table);
	table_forgive(table, NULL);
}

int policy_table_fd(const struct policy_table *table)
{
	return nl_fd(table->events);
}

/* Every message about an object in a table names the table in its first attribute. */
static bool is_foreign(const struct policy_table *table, const struct nlmsghdr *message)
{
	static const uint8_t policy[NFTA_TABLE_NAME + 1] = {[NFTA_TABLE_NAME] = NL_ATTR_STRING};
	const struct nlattr *tb[NFTA_TABLE_NAME + 1];
	struct nfgenmsg header;

	if (message->nlmsg_pid == nl_port(table->nl) ||
	    NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN)
		return false;
	if (nl_parse(message, sizeof(header), policy, ARRAY_SIZE(policy), tb) < 0)
		return true;
	memcpy(&header, mnl_nlmsg_get_payload(message), sizeof(header));
	if (header.nfgen_family != nft_family(AF_INET) &&
	    header.nfgen_family != nft_family(AF_INET6))
		return false;
	return tb[NFTA_TABLE_NAME] && strcmp(mnl_attr_get_str(tb[NFTA_TABLE_NAME]), NFT_TABLE) == 0;
}

bool policy_table_check(struct policy_table *table)
{
	bool foreign = false;

	for (;;) {
		const void *data;
		int left = nl_receive(table->events, &data);
		const struct nlmsghdr *message = data;

		if (left == 0)
			break;
		if (left < 0) {
			foreign = true;
			if (left == -ENOBUFS || left == -EMSGSIZE)
				continue;
			break;
		}
		for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
			foreign = foreign || is_foreign(table, message);
	}
	table->tampered = table->tampered || foreign;
	/* What was refused is not tried again now: to be whole again is what matters. */
	if (foreign)
		invalidate(table);
	return foreign;
}
