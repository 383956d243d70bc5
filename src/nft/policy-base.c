/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The chains at the kernel's hooks. Where a packet has two judges, the side it comes from and the
 * side it goes to, each is a chain of the hook of its own: "accept" ends one of them.
 *
 *	prerouting -300		anti-spoofing, untracked policy of hosts, VXLAN past conntrack
 *	prerouting -150		hosts' policy before DNAT
 *	forward    0		from: workload's egress; in a chain of its own, host's ingress
 *	forward    1		to: workload's ingress; in a chain of its own, host's egress
 *	forward    1000	established connections into the flow table, past all of this
 *	input      0		tunnels from known nodes alone; workload's egress, host's ingress
 *	input      1		what workloads may send to the host at all
 *	output  -300, 0		hosts' egress
 *	postrouting -150	hosts' egress of what DNAT has sent elsewhere
 *
 * The first rule of each that looks at connections accepts what belongs to one; interfaces are then
 * found in verdict maps.
 */

#include <arpa/inet.h>
#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/policy-internal.h"

#define CT_STATUS_DNAT	 (1u << 5)
#define ND_ROUTER_ADVERT 134

static const struct nft_base bases[] = {
	{"filter", NF_INET_PRE_ROUTING, -300},
	{"filter", NF_INET_LOCAL_OUT, -300},
	{"filter", NF_INET_PRE_ROUTING, -150},
	{"filter", NF_INET_LOCAL_IN, 0},
	{"filter", NF_INET_LOCAL_IN, 1},
	{"filter", NF_INET_FORWARD, 0},
	{"filter", NF_INET_FORWARD, 1},
	{"filter", NF_INET_FORWARD, 0},
	{"filter", NF_INET_FORWARD, 1},
	{"filter", NF_INET_LOCAL_OUT, 0},
	{"filter", NF_INET_POST_ROUTING, -150},
	{"filter", NF_INET_FORWARD, 1000, /* decides_nothing= */ true},
};
static const char *const base_names[] = {
	"raw-cali-PREROUTING",	  "raw-cali-OUTPUT",	     "mangle-cali-PREROUTING",
	"filter-cali-INPUT",	  "filter-cali-wl-to-host",  "filter-cali-FORWARD",
	"filter-cali-FORWARD-to", "filter-cali-from-hosts",  "filter-cali-to-hosts",
	"filter-cali-OUTPUT",	  "mangle-cali-POSTROUTING", "filter-cali-FORWARD-offload",
};
enum base_chain {
	RAW_PREROUTING,
	RAW_OUTPUT,
	MANGLE_PREROUTING,
	INPUT,
	INPUT_WORKLOADS,
	FORWARD_FROM,
	FORWARD_TO,
	FORWARD_FROM_HOSTS,
	FORWARD_TO_HOSTS,
	OUTPUT,
	MANGLE_POSTROUTING,
	FORWARD_OFFLOAD,
	BASES_,
};

/* One family's chains in the making. */
struct render {
	struct policy_table *table;
	struct nft_builder *b;
	unsigned int f;
	struct nft_rules rules;
};

/* --- Rules -------------------------------------------------------------------------------- */

static void end_rule(struct render *render, int verdict, const char *chain)
{
	nft_put_verdict(render->b, verdict, chain);
	nft_rules_add(&render->rules, nft_end(render->b));
}

static void end_counted(struct render *render, int verdict)
{
	nft_put_counter(render->b);
	end_rule(render, verdict, NULL);
}

static void put_protocol(struct nft_builder *b, uint8_t protocol)
{
	nft_put_meta(b, NFT_META_L4PROTO, 0);
	nft_put_compare(b, 0, /* equal= */ true, &protocol, sizeof(protocol));
}

static void put_udp_port(struct nft_builder *b, uint16_t port)
{
	uint16_t wire = htons(port);

	put_protocol(b, IPPROTO_UDP);
	nft_put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, 0);
	nft_put_compare(b, 0, /* equal= */ true, &wire, sizeof(wire));
}

static void put_local_destination(struct nft_builder *b)
{
	static const uint32_t local = RTN_LOCAL;

	nft_put_address_type(b, NFTA_FIB_F_DADDR, 0);
	nft_put_compare(b, 0, /* equal= */ true, &local, sizeof(local));
}

static void put_local_source(struct nft_builder *b)
{
	static const uint32_t local = RTN_LOCAL;

	nft_put_address_type(b, NFTA_FIB_F_SADDR, 0);
	nft_put_compare(b, 0, /* equal= */ true, &local, sizeof(local));
}

static void put_interface_prefix(struct nft_builder *b, uint32_t key, const char *prefix)
{
	nft_put_meta(b, key, 0);
	nft_put_compare(b, 0, /* equal= */ true, prefix, (uint32_t)strnlen(prefix, 15));
}

static void put_node_lookup(struct render *render, bool source, const struct table_set *nodes)
{
	uint32_t size = ip_size(family_of(render->f));
	uint32_t offset = render->f == 0 ? 12 : 8;

	nft_put_payload(render->b, NFT_PAYLOAD_NETWORK_HEADER, source ? offset : offset + size,
			size, 0);
	nft_put_lookup(render->b, 0, nft_set_name(nodes->sets[render->f]), /* inverted= */ false);
	nft_rules_use_set(&render->rules,
			  table_set_ref(render->table, render->f, &nodes->id, POLICY_SET_TYPE_NET));
}

static void accept_connections(struct render *render)
{
	nft_begin(render->b);
	nft_put_ct_bits(render->b, NFT_CT_STATE, NFT_CONNECTION_STATES);
	nft_put_label(render->b, "belongs to a connection");
	end_rule(render, NF_ACCEPT, NULL);
}

static void accept_marked(struct render *render)
{
	nft_begin(render->b);
	nft_put_match_mark(render->b, MARK_ACCEPT, MARK_ACCEPT);
	nft_put_label(render->b, "was allowed before");
	end_rule(render, NF_ACCEPT, NULL);
}

static void use_map(struct render *render, uint32_t key, bool is_host, enum policy_stage stage,
		    enum policy_way way)
{
	nft_begin(render->b);
	nft_put_meta(render->b, key, 0);
	nft_put_verdict_map(render->b, 0, table_map_name(is_host, stage, way));
	nft_rules_add(&render->rules, nft_end(render->b));
}

static void each_workload_prefix(struct render *render, uint32_t key, int verdict,
				 const char *chain)
{
	const struct table_config *config = &render->table->config;

	for (size_t i = 0; i < config->n_prefixes; i++) {
		nft_begin(render->b);
		put_interface_prefix(render->b, key, config->prefixes[i]);
		if (verdict == NF_DROP) {
			nft_put_label(render->b, "nothing here lets a pod's packet pass");
			nft_put_counter(render->b);
		}
		end_rule(render, verdict, chain);
	}
}

/* --- Hosts -------------------------------------------------------------------------------- */

static bool has_hosts(const struct policy_table *table)
{
	struct table_endpoint *endpoint;
	struct table_endpoint *next;

	HASH_ITER(hh, table->endpoints, endpoint, next)
	if (endpoint->is_host && endpoint->published)
		return true;
	return false;
}

/* With policies at that stage. */
static bool has_host_stage(const struct policy_table *table, enum policy_stage stage)
{
	struct table_endpoint *endpoint;
	struct table_endpoint *next;

	HASH_ITER(hh, table->endpoints, endpoint, next)
	if (endpoint->is_host && endpoint->published && endpoint->has_tiers[stage])
		return true;
	return false;
}

static const struct table_endpoint *any_host(const struct policy_table *table)
{
	struct table_endpoint *endpoint;
	struct table_endpoint *next;

	HASH_ITER(hh, table->endpoints, endpoint, next)
	if (endpoint->is_host && endpoint->published && strcmp(endpoint->interface, HOST_ANY) == 0)
		return endpoint;
	return NULL;
}

/* The hosts' map, then the endpoint that has all other interfaces. */
static void judge_host(struct render *render, uint32_t key, enum policy_stage stage,
		       enum policy_way way)
{
	const struct table_endpoint *any = any_host(render->table);
	struct nft_chain *chain = any ? any->chains[render->f][stage][way] : NULL;

	use_map(render, key, /* is_host= */ true, stage, way);
	if (!chain || stage == POLICY_STAGE_UNTRACKED)
		return;
	nft_begin(render->b);
	end_rule(render, NFT_GOTO, nft_chain_name(chain));
	nft_rules_use_chain(&render->rules, nft_chain_ref(render->table->rulesets[render->f],
							  nft_chain_name(chain), NULL));
}

/* --- The hooks ---------------------------------------------------------------------------- */

static void clear_marks(struct render *render)
{
	nft_begin(render->b);
	nft_put_set_mark(render->b, MARK_ACCEPT | MARK_PASS, 0);
	nft_rules_add(&render->rules, nft_end(render->b));
}

static void untrack_vxlan(struct render *render)
{
	if (!render->table->config.vxlan_port)
		return;
	nft_begin(render->b);
	put_udp_port(render->b, render->table->config.vxlan_port);
	nft_put_notrack(render->b);
	nft_rules_add(&render->rules, nft_end(render->b));
}

/* A router advertisement of a pod would give the host a default route. */
static void drop_router_adverts(struct render *render)
{
	static const uint8_t advert = ND_ROUTER_ADVERT;
	const struct table_config *config = &render->table->config;

	for (size_t i = 0; render->f == 1 && i < config->n_prefixes; i++) {
		nft_begin(render->b);
		put_protocol(render->b, IPPROTO_ICMPV6);
		nft_put_payload(render->b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 0);
		nft_put_compare(render->b, 0, /* equal= */ true, &advert, sizeof(advert));
		put_interface_prefix(render->b, NFT_META_IIFNAME, config->prefixes[i]);
		end_counted(render, NF_DROP);
	}
}

/* Addresses that every IPv6 host has; they get no further than the host. */
static void return_link_local(struct render *render)
{
	static const uint8_t any[16];
	static const uint8_t first[16] = {0xfe, 0x80};
	uint8_t last[16] = {0xfe, 0xbf};

	memset(last + 2, 0xff, sizeof(last) - 2);
	nft_begin(render->b);
	nft_put_payload(render->b, NFT_PAYLOAD_NETWORK_HEADER, 8, 16, 0);
	nft_put_range(render->b, 0, /* inside= */ true, first, last, sizeof(first));
	end_rule(render, NFT_RETURN, NULL);
	nft_begin(render->b);
	nft_put_payload(render->b, NFT_PAYLOAD_NETWORK_HEADER, 8, 16, 0);
	nft_put_compare(render->b, 0, /* equal= */ true, any, sizeof(any));
	end_rule(render, NFT_RETURN, NULL);
}

static void put_source_lookup(struct render *render, const struct nft_set *set)
{
	nft_put_payload(render->b, NFT_PAYLOAD_NETWORK_HEADER, render->f == 0 ? 12 : 8,
			ip_size(family_of(render->f)), 4);
	nft_put_lookup(render->b, 0, nft_set_name(set), /* inverted= */ false);
}

/*
 * Nearly every packet of a pod ends here, so this is one rule of the hook's own chain; what comes
 * by another interface, as most do on most nodes, leaves it before the address is looked for.
 */
static void accept_known_sources(struct render *render)
{
	const struct table_config *config = &render->table->config;

	for (size_t i = 0; i < config->n_prefixes; i++) {
		nft_begin(render->b);
		put_interface_prefix(render->b, NFT_META_IIFNAME, config->prefixes[i]);
		put_source_lookup(render, render->table->sources[render->f]);
		end_rule(render, NF_ACCEPT, NULL);
	}
}

static void return_spoofable(struct render *render)
{
	nft_begin(render->b);
	nft_put_meta(render->b, NFT_META_IIFNAME, 0);
	put_source_lookup(render, render->table->spoofing[render->f]);
	end_rule(render, NFT_RETURN, NULL);
}

/* Gives the chain for a workload's packets whose source is not simply one of its addresses. */
static struct nft_chain *source_chain(struct render *outer)
{
	struct render render = {.table = outer->table, .b = outer->b, .f = outer->f};
	struct nft_chain *chain =
		nft_chain_ref(outer->table->rulesets[outer->f], "cali-wl-source", NULL);

	return_spoofable(&render);
	if (render.f == 1)
		return_link_local(&render);
	nft_begin(render.b);
	nft_put_label(render.b, "the source address is not the pod's");
	end_counted(&render, NF_DROP);
	nft_chain_set_rules(render.table->rulesets[render.f], chain, &render.rules);
	return chain;
}

static void render_raw_prerouting(struct render *render)
{
	bool hosts = has_hosts(render->table);
	struct nft_chain *chain = source_chain(render);

	if (hosts)
		clear_marks(render);
	drop_router_adverts(render);
	accept_known_sources(render);
	untrack_vxlan(render);
	each_workload_prefix(render, NFT_META_IIFNAME, NFT_GOTO, nft_chain_name(chain));
	nft_rules_use_chain(&render->rules, chain);
	if (has_host_stage(render->table, POLICY_STAGE_UNTRACKED))
		judge_host(render, NFT_META_IIFNAME, POLICY_STAGE_UNTRACKED, POLICY_WAY_INGRESS);
}

static void render_raw_output(struct render *render)
{
	if (has_hosts(render->table))
		clear_marks(render);
	untrack_vxlan(render);
	if (has_host_stage(render->table, POLICY_STAGE_UNTRACKED))
		judge_host(render, NFT_META_OIFNAME, POLICY_STAGE_UNTRACKED, POLICY_WAY_EGRESS);
}

static void render_mangle_prerouting(struct render *render)
{
	if (!has_host_stage(render->table, POLICY_STAGE_PRE_DNAT))
		return;
	accept_connections(render);
	accept_marked(render);
	judge_host(render, NFT_META_IIFNAME, POLICY_STAGE_PRE_DNAT, POLICY_WAY_INGRESS);
}

/*
 * A tunnel's packets are taken from nodes alone: what comes out of it has any source address. To
 * ask whether the destination is local costs a look at the routes, which a node's packets are
 * spared; others' multicast by the same port is none of ours to drop.
 */
static void guard_ipip(struct render *render)
{
	const struct table_set *nodes = table_set_find(render->table, POLICY_SET_ALL_HOSTS);

	if (!render->table->config.ipip || !nodes || render->f != 0)
		return;
	nft_begin(render->b);
	put_protocol(render->b, IPPROTO_IPIP);
	put_node_lookup(render, /* source= */ true, nodes);
	end_rule(render, NF_ACCEPT, NULL);
	nft_begin(render->b);
	put_protocol(render->b, IPPROTO_IPIP);
	nft_put_label(render->b, "a tunnel from no node");
	end_counted(render, NF_DROP);
}

static void guard_vxlan(struct render *render)
{
	const struct table_set *nodes = table_set_find(render->table, POLICY_SET_ALL_VXLAN);
	uint16_t port = render->table->config.vxlan_port;

	if (!port || !nodes)
		return;
	nft_begin(render->b);
	put_udp_port(render->b, port);
	put_node_lookup(render, /* source= */ true, nodes);
	end_rule(render, NF_ACCEPT, NULL);
	nft_begin(render->b);
	put_udp_port(render->b, port);
	put_local_destination(render->b);
	nft_put_label(render->b, "a tunnel from no node");
	end_counted(render, NF_DROP);
}

/* Neighbour discovery and multicast listening, without which no pod has IPv6. */
static void accept_neighbours(struct render *render)
{
	static const uint8_t ranges[][2] = {{130, 133}, {135, 136}};
	const struct table_config *config = &render->table->config;

	for (size_t i = 0; render->f == 1 && i < config->n_prefixes; i++)
		for (size_t k = 0; k < ARRAY_SIZE(ranges); k++) {
			nft_begin(render->b);
			put_interface_prefix(render->b, NFT_META_IIFNAME, config->prefixes[i]);
			put_protocol(render->b, IPPROTO_ICMPV6);
			nft_put_payload(render->b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 0);
			nft_put_range(render->b, 0, /* inside= */ true, &ranges[k][0],
				      &ranges[k][1], 1);
			end_rule(render, NF_ACCEPT, NULL);
		}
}

static void render_input(struct render *render)
{
	guard_ipip(render);
	guard_vxlan(render);
	accept_connections(render);
	accept_neighbours(render);
	use_map(render, NFT_META_IIFNAME, /* is_host= */ false, POLICY_STAGE_NORMAL,
		POLICY_WAY_EGRESS);
	each_workload_prefix(render, NFT_META_IIFNAME, NF_DROP, NULL);
	if (!has_hosts(render->table))
		return;
	accept_marked(render);
	judge_host(render, NFT_META_IIFNAME, POLICY_STAGE_NORMAL, POLICY_WAY_INGRESS);
}

static void render_input_workloads(struct render *render)
{
	if (render->table->config.endpoint_to_host != ENDPOINT_TO_HOST_DROP)
		return;
	accept_connections(render);
	accept_neighbours(render);
	each_workload_prefix(render, NFT_META_IIFNAME, NF_DROP, NULL);
}

static void render_forward_from(struct render *render)
{
	accept_connections(render);
	use_map(render, NFT_META_IIFNAME, /* is_host= */ false, POLICY_STAGE_NORMAL,
		POLICY_WAY_EGRESS);
	each_workload_prefix(render, NFT_META_IIFNAME, NF_DROP, NULL);
}

static void render_forward_to(struct render *render)
{
	accept_connections(render);
	table_guard_services(render->table, render->f, &render->rules);
	use_map(render, NFT_META_OIFNAME, /* is_host= */ false, POLICY_STAGE_NORMAL,
		POLICY_WAY_INGRESS);
	each_workload_prefix(render, NFT_META_OIFNAME, NF_DROP, NULL);
}

/* What the host passes on, workloads' packets too: the endpoint for all interfaces has these. */
static void render_forward_from_hosts(struct render *render)
{
	if (!has_host_stage(render->table, POLICY_STAGE_FORWARD))
		return;
	accept_connections(render);
	accept_marked(render);
	judge_host(render, NFT_META_IIFNAME, POLICY_STAGE_FORWARD, POLICY_WAY_INGRESS);
}

static void render_forward_to_hosts(struct render *render)
{
	if (!has_host_stage(render->table, POLICY_STAGE_FORWARD))
		return;
	accept_connections(render);
	judge_host(render, NFT_META_OIFNAME, POLICY_STAGE_FORWARD, POLICY_WAY_EGRESS);
}

/* The node's own tunnel packets to other nodes. */
static void accept_own_tunnels(struct render *render)
{
	const struct table_config *config = &render->table->config;
	const struct table_set *hosts = table_set_find(render->table, POLICY_SET_ALL_HOSTS);
	const struct table_set *vxlan = table_set_find(render->table, POLICY_SET_ALL_VXLAN);

	if (config->ipip && hosts && render->f == 0) {
		nft_begin(render->b);
		put_protocol(render->b, IPPROTO_IPIP);
		put_node_lookup(render, /* source= */ false, hosts);
		put_local_source(render->b);
		end_rule(render, NF_ACCEPT, NULL);
	}
	if (config->vxlan_port && vxlan) {
		nft_begin(render->b);
		put_udp_port(render->b, config->vxlan_port);
		put_node_lookup(render, /* source= */ false, vxlan);
		put_local_source(render->b);
		end_rule(render, NF_ACCEPT, NULL);
	}
}

static void accept_dnated(struct render *render)
{
	nft_begin(render->b);
	nft_put_ct_bits(render->b, NFT_CT_STATUS, CT_STATUS_DNAT);
	end_rule(render, NF_ACCEPT, NULL);
}

static void render_output(struct render *render)
{
	if (!has_hosts(render->table))
		return;
	accept_connections(render);
	accept_marked(render);
	each_workload_prefix(render, NFT_META_OIFNAME, NF_ACCEPT, NULL);
	accept_own_tunnels(render);
	accept_dnated(render); /* where it goes is not known yet */
	judge_host(render, NFT_META_OIFNAME, POLICY_STAGE_NORMAL, POLICY_WAY_EGRESS);
}

/* What came in by an interface was forwarded and has been judged. */
static void accept_forwarded(struct render *render)
{
	static const char none[16];

	nft_begin(render->b);
	nft_put_meta(render->b, NFT_META_IIFNAME, 0);
	nft_put_compare(render->b, 0, /* equal= */ false, none, sizeof(none));
	end_rule(render, NF_ACCEPT, NULL);
}

static void accept_not_dnated(struct render *render)
{
	static const uint32_t mask = CT_STATUS_DNAT;
	static const uint32_t zero;

	nft_begin(render->b);
	nft_put_ct(render->b, NFT_CT_STATUS, 0);
	nft_put_bitwise(render->b, 0, &mask, &zero, sizeof(mask));
	nft_put_compare(render->b, 0, /* equal= */ true, &zero, sizeof(zero));
	end_rule(render, NF_ACCEPT, NULL);
}

static void render_mangle_postrouting(struct render *render)
{
	if (!has_hosts(render->table))
		return;
	accept_connections(render);
	accept_forwarded(render);
	accept_marked(render);
	accept_not_dnated(render);
	each_workload_prefix(render, NFT_META_OIFNAME, NF_ACCEPT, NULL);
	judge_host(render, NFT_META_OIFNAME, POLICY_STAGE_NORMAL, POLICY_WAY_EGRESS);
}

static void render_forward_offload(struct render *render)
{
	table_offload_render(render->table, render->f, &render->rules);
}

static void (*const renderers[BASES_])(struct render *render) = {
	[RAW_PREROUTING] = render_raw_prerouting,
	[RAW_OUTPUT] = render_raw_output,
	[MANGLE_PREROUTING] = render_mangle_prerouting,
	[INPUT] = render_input,
	[INPUT_WORKLOADS] = render_input_workloads,
	[FORWARD_FROM] = render_forward_from,
	[FORWARD_TO] = render_forward_to,
	[FORWARD_FROM_HOSTS] = render_forward_from_hosts,
	[FORWARD_TO_HOSTS] = render_forward_to_hosts,
	[OUTPUT] = render_output,
	[MANGLE_POSTROUTING] = render_mangle_postrouting,
	[FORWARD_OFFLOAD] = render_forward_offload,
};

/* A chain without rules would cost every packet a look at it, so there is none. */
static void render_base(struct policy_table *table, unsigned int f, enum base_chain which)
{
	struct nft_ruleset *ruleset = table->rulesets[f];
	struct render render = {.table = table, .b = table->builder, .f = f};
	struct nft_chain **chain = &table->bases[f][which];

	renderers[which](&render);
	if (!render.rules.n) {
		if (*chain)
			nft_chain_unref(ruleset, *chain);
		*chain = NULL;
		nft_rules_deinit(&render.rules, ruleset);
		return;
	}
	if (!*chain)
		*chain = nft_chain_ref(ruleset, base_names[which], &bases[which]);
	nft_chain_set_rules(ruleset, *chain, &render.rules);
}

void table_base_render(struct policy_table *table)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int which = 0; which < BASES_; which++)
			render_base(table, f, (enum base_chain)which);
	table->base_dirty = false;
}

void table_base_deinit(struct policy_table *table)
{
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int which = 0; which < BASES_; which++) {
			if (table->bases[f][which])
				nft_chain_unref(table->rulesets[f], table->bases[f][which]);
			table->bases[f][which] = NULL;
		}
}
