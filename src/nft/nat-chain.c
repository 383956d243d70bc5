/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Outgoing NAT:
 *
 *	set network-ip-pools	all pools
 *	set masq-ipam-pools	pools with natOutgoing
 *	chain nat-cali-POSTROUTING (type nat hook postrouting priority 110):
 *	    saddr in masq-ipam-pools, daddr not in network-ip-pools -> masquerade
 *	    per tunnel device: oif that device, source not local to the device, source local
 *	    -> masquerade: the far end would answer past the tunnel
 *
 * With VXLAN, UDP gets a source port above that of VXLAN: what comes back to the VXLAN port is not
 * kept track of. A pool inside another is part of its interval: an interval set refuses overlaps.
 */

#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/policy-internal.h"

#define SET_ALL	 "network-ip-pools"
#define SET_MASQ "masq-ipam-pools"
#define CHAIN	 "nat-cali-POSTROUTING"

static const struct nft_base base = {.type = "nat", .hook = NF_INET_POST_ROUTING, .priority = 110};
static const struct nft_schema schema = {.fields = {NFT_FIELD_ADDRESS}, .intervals = true};

/* --- Members ------------------------------------------------------------------------------ */

static int compare_cidrs(const void *a, const void *b)
{
	return cidr_compare(a, b);
}

static struct nft_set *pool_set(struct policy_table *table, unsigned int f, const char *name,
				const struct nat_config *config, bool only_masquerade)
{
	struct nft_set *set = nft_set_ref(table->rulesets[f], name, &schema);
	_cleanup_free_ struct cidr *cidrs = xcalloc(config->n_pools, sizeof(*cidrs));
	size_t n_kept = 0;
	size_t n = 0;

	for (size_t i = 0; i < config->n_pools; i++)
		if (config->pools[i].cidr.addr.family == family_of(f) &&
		    (config->pools[i].masquerade || !only_masquerade))
			cidrs[n++] = cidr_masked(&config->pools[i].cidr);
	qsort(cidrs, n, sizeof(*cidrs), compare_cidrs);
	for (size_t i = 0; i < n; i++)
		if (!n_kept || !cidr_covers(&cidrs[n_kept - 1], &cidrs[i]))
			cidrs[n_kept++] = cidrs[i];
	set_add_nets(table->rulesets[f], set, cidrs, n_kept);
	return set;
}

/* --- Rules -------------------------------------------------------------------------------- */

static void put_address_lookup(struct nft_builder *b, unsigned int f, bool source, const char *set,
			       bool inverted)
{
	uint32_t size = ip_size(family_of(f));
	uint32_t offset = f == 0 ? 12 : 8;

	nft_put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, source ? offset : offset + size, size, 0);
	nft_put_lookup(b, 0, set, inverted);
}

static void put_pool_matches(struct nft_builder *b, unsigned int f)
{
	put_address_lookup(b, f, /* source= */ true, SET_MASQ, /* inverted= */ false);
	put_address_lookup(b, f, /* source= */ false, SET_ALL, /* inverted= */ true);
}

/* Is the source an address of this machine ('flags': of the device going out), or is it not? */
static void put_source_type(struct nft_builder *b, uint32_t flags, bool local)
{
	static const uint32_t type = RTN_LOCAL;

	nft_put_address_type(b, NFTA_FIB_F_SADDR | flags, 0);
	nft_put_compare(b, 0, local, &type, sizeof(type));
}

static void put_device_matches(struct nft_builder *b, const char *device)
{
	char name[IFNAMSIZ] = "";

	memcpy(name, device, strnlen(device, sizeof(name) - 1));
	nft_put_meta(b, NFT_META_OIFNAME, 0);
	nft_put_compare(b, 0, /* equal= */ true, name, sizeof(name));
	put_source_type(b, NFTA_FIB_F_OIF, /* local= */ false);
	put_source_type(b, 0, /* local= */ true);
}

/* 'device' NULL: what leaves the pools. 'protocol' 0: of any, to any port. */
static void add_rule(struct policy_table *table, unsigned int f, struct nft_rules *rules,
		     const char *device, uint8_t protocol, uint16_t first_port, uint16_t last_port)
{
	struct nft_builder *b = table->builder;

	nft_begin(b);
	if (protocol) {
		nft_put_meta(b, NFT_META_L4PROTO, 0);
		nft_put_compare(b, 0, /* equal= */ true, &protocol, sizeof(protocol));
	}
	if (device)
		put_device_matches(b, device);
	else
		put_pool_matches(b, f);
	nft_put_masquerade(b, first_port, last_port);
	nft_rules_add(rules, nft_end(b));
}

static void render_chain(struct policy_table *table, unsigned int f,
			 const struct nat_config *config)
{
	struct nft_rules rules = {0};
	uint16_t first_port = config->vxlan_port && config->vxlan_port < UINT16_MAX
				      ? (uint16_t)(config->vxlan_port + 1)
				      : 0;

	for (size_t i = 0; i <= config->n_tunnel_devices; i++) {
		const char *device = i ? config->tunnel_devices[i - 1] : NULL;

		if (!device && config->first_port) {
			add_rule(table, f, &rules, NULL, IPPROTO_TCP, config->first_port,
				 config->last_port);
			add_rule(table, f, &rules, NULL, IPPROTO_UDP, config->first_port,
				 config->last_port);
		} else if (first_port) {
			add_rule(table, f, &rules, device, IPPROTO_UDP, first_port, UINT16_MAX);
		}
		add_rule(table, f, &rules, device, 0, 0, 0);
	}
	nft_chain_set_rules(table->rulesets[f], table->nat_chains[f], &rules);
}

/* --- As told ------------------------------------------------------------------------------ */

static void release(struct policy_table *table, unsigned int f)
{
	if (!table->nat_chains[f])
		return;
	nft_chain_unref(table->rulesets[f], table->nat_chains[f]);
	nft_set_unref(table->rulesets[f], table->nat_sets[f][0]);
	nft_set_unref(table->rulesets[f], table->nat_sets[f][1]);
	table->nat_chains[f] = NULL;
}

static bool is_wanted(const struct nat_config *config, unsigned int f)
{
	for (size_t i = 0; i < config->n_pools; i++)
		if (config->pools[i].cidr.addr.family == family_of(f))
			return true;
	return false;
}

void table_nat_render(struct policy_table *table, const struct nat_config *config)
{
	for (unsigned int f = 0; f < FAMILIES; f++) {
		struct nft_ruleset *ruleset = table->rulesets[f];

		nft_ruleset_tell(ruleset, NFT_PART_NAT);
		release(table, f);
		if (!is_wanted(config, f))
			continue;
		table->nat_sets[f][0] =
			pool_set(table, f, SET_ALL, config, /* only_masquerade= */ false);
		table->nat_sets[f][1] =
			pool_set(table, f, SET_MASQ, config, /* only_masquerade= */ true);
		table->nat_chains[f] = nft_chain_ref(ruleset, CHAIN, &base);
		render_chain(table, f, config);
	}
}

void table_nat_deinit(struct policy_table *table)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		release(table, f);
}
