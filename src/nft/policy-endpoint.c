/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Endpoints: the chain of steps for each stage and direction, shared by all endpoints with the same
 * steps, and the endpoint's places in the maps that lead there. A tier of which a policy may pass
 * is a chain of its own, because passing leaves it; the others are part of the endpoint's chain.
 */

#include <arpa/inet.h>
#include <linux/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/policy-internal.h"

#define CT_INVALID 1u
#define VXLAN_PORT 4789

struct place {
	const char *map;
	const char *prefix;
};

static const struct place workload_places[POLICY_WAYS_] = {
	[POLICY_WAY_INGRESS] = {"cali-to-wl-dispatch", "cali-tw-"},
	[POLICY_WAY_EGRESS] = {"cali-from-wl-dispatch", "cali-fw-"},
};
static const struct place host_places[POLICY_STAGES_][POLICY_WAYS_] = {
	[POLICY_STAGE_NORMAL] = {{"cali-from-host-endpoint", "cali-fh-"},
				 {"cali-to-host-endpoint", "cali-th-"}},
	[POLICY_STAGE_FORWARD] = {{"cali-from-hep-forward", "cali-fhfw-"},
				  {"cali-to-hep-forward", "cali-thfw-"}},
	[POLICY_STAGE_PRE_DNAT] = {{"mangle-cali-from-host-endpoint", "mangle-cali-fh-"}, {0}},
	[POLICY_STAGE_UNTRACKED] = {{"raw-cali-from-host-endpoint", "raw-cali-fh-"},
				    {"raw-cali-to-host-endpoint", "raw-cali-th-"}},
};

static const struct place *place_of(bool is_host, enum policy_stage stage, enum policy_way way)
{
	const struct place *place = is_host ? &host_places[stage][way] : &workload_places[way];

	if (!is_host && stage != POLICY_STAGE_NORMAL)
		return NULL;
	return place->map ? place : NULL;
}

const char *table_map_name(bool is_host, enum policy_stage stage, enum policy_way way)
{
	const struct place *place = place_of(is_host, stage, way);

	return place ? place->map : NULL;
}

/* --- Rules -------------------------------------------------------------------------------- */

static void add_jump(struct policy_table *table, unsigned int f, struct nft_rules *rules,
		     const char *chain)
{
	nft_begin(table->builder);
	nft_put_verdict(table->builder, NFT_JUMP, chain);
	nft_rules_add(rules, nft_end(table->builder));
	nft_rules_use_chain(rules, nft_chain_ref(table->rulesets[f], chain, NULL));
}

/* Why nothing let the packet pass. */
struct end {
	const char *letters[POLICY_WAYS_];
	const char *label;
	bool has_id;
};
static const struct end end_unknown = {{"DPI", "DPE"}, "unknown policy ", true};
static const struct end end_of_tier = {{"DTI", "DTE"}, "end of tier ", true};
static const struct end end_no_profile = {{"DRI", "DRE"}, "no profile allows", false};

static void add_deny(struct policy_table *table, unsigned int f, enum policy_way way,
		     struct nft_rules *rules, const struct end *end, const char *id)
{
	nft_begin(table->builder);
	nft_put_counter(table->builder);
	nft_put_label(table->builder, "%s%s", end->label, end->has_id ? id : "");
	put_flow_log(table->builder, table, way, end->letters[way], id);
	put_deny(table->builder, table, f, way, /* may_answer= */ true);
	nft_rules_add(rules, nft_end(table->builder));
}

static void add_verdict(struct policy_table *table, struct nft_rules *rules, int verdict)
{
	nft_begin(table->builder);
	nft_put_verdict(table->builder, verdict, NULL);
	nft_rules_add(rules, nft_end(table->builder));
}

static void add_pass_return(struct policy_table *table, struct nft_rules *rules)
{
	nft_begin(table->builder);
	nft_put_match_mark(table->builder, MARK_PASS, MARK_PASS);
	nft_put_verdict(table->builder, NFT_RETURN, NULL);
	nft_rules_add(rules, nft_end(table->builder));
}

static void add_pass_clear(struct policy_table *table, struct nft_rules *rules)
{
	nft_begin(table->builder);
	nft_put_set_mark(table->builder, MARK_PASS, 0);
	nft_rules_add(rules, nft_end(table->builder));
}

static void add_drop_invalid(struct policy_table *table, struct nft_rules *rules)
{
	static const uint32_t mask = CT_INVALID;
	static const uint32_t zero;

	nft_begin(table->builder);
	nft_put_ct(table->builder, NFT_CT_STATE, 0);
	nft_put_bitwise(table->builder, 0, &mask, &zero, sizeof(mask));
	nft_put_compare(table->builder, 0, /* equal= */ false, &zero, sizeof(zero));
	nft_put_label(table->builder, "belongs to no connection and begins none");
	nft_put_counter(table->builder);
	nft_put_verdict(table->builder, NF_DROP, NULL);
	nft_rules_add(rules, nft_end(table->builder));
}

static void add_drop_protocol(struct policy_table *table, struct nft_rules *rules, uint8_t protocol,
			      uint16_t port)
{
	uint16_t wire = htons(port);

	nft_begin(table->builder);
	nft_put_meta(table->builder, NFT_META_L4PROTO, 0);
	nft_put_compare(table->builder, 0, /* equal= */ true, &protocol, sizeof(protocol));
	if (port) {
		nft_put_payload(table->builder, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, 0);
		nft_put_compare(table->builder, 0, /* equal= */ true, &wire, sizeof(wire));
	}
	nft_put_label(table->builder, "a tunnel out of a pod");
	nft_put_counter(table->builder);
	nft_put_verdict(table->builder, NF_DROP, NULL);
	nft_rules_add(rules, nft_end(table->builder));
}

/* --- Tiers -------------------------------------------------------------------------------- */

/* A tier of a list of steps: those after its LAYOUT_STEP_TIER. */
struct tier {
	const struct layout_step *policies;
	size_t n;
	const char *denies; /* the tier's name, if its end does */
	bool enforced;
	bool may_pass;
};

/* The tier at step 'i'; '*i' moves behind it. */
static struct tier read_tier(const struct policy_table *table, const struct layout_steps *steps,
			     enum policy_way way, size_t *i)
{
	struct tier tier = {.policies = &steps->v[*i + 1]};

	for ((*i)++; *i < steps->n && steps->v[*i].kind == LAYOUT_STEP_POLICY; (*i)++) {
		const struct table_policy *policy =
			table_policy_find((struct policy_table *)table, steps->v[*i].name);

		tier.n++;
		if (!policy || !table_policy_is_enforced(policy, way))
			continue;
		tier.enforced = true;
		tier.may_pass = tier.may_pass || policy->may_pass[way];
	}
	if (*i < steps->n && steps->v[*i].kind == LAYOUT_STEP_TIER_END)
		tier.denies = steps->v[(*i)++].name;
	return tier;
}

static void add_policies(struct policy_table *table, unsigned int f, enum policy_way way,
			 const struct tier *tier, struct nft_rules *rules)
{
	for (size_t i = 0; i < tier->n; i++) {
		struct table_policy *policy = table_policy_find(table, tier->policies[i].name);

		/* What is not known may be a policy that denies. */
		if (!policy)
			add_deny(table, f, way, rules, &end_unknown, tier->policies[i].name);
		if (!policy || !table_policy_is_enforced(policy, way) || !policy->rules[f][way].n)
			continue;
		add_jump(table, f, rules, table_policy_chain(table, policy, f, way));
		if (policy->may_pass[way])
			add_pass_return(table, rules);
	}
	if (tier->denies && tier->enforced)
		add_deny(table, f, way, rules, &end_of_tier, tier->denies);
}

static void add_tier(struct policy_table *table, unsigned int f, enum policy_way way,
		     const struct tier *tier, struct nft_rules *rules)
{
	struct nft_rules own = {0};
	struct nft_chain *chain;

	if (!tier->may_pass) {
		add_policies(table, f, way, tier, rules);
		return;
	}
	add_pass_clear(table, &own);
	add_policies(table, f, way, tier, &own);
	chain = nft_chain_share(table->rulesets[f], "cali-tier-", &own);
	add_jump(table, f, rules, nft_chain_name(chain));
	nft_chain_unref(table->rulesets[f], chain); /* the jump holds it */
}

static void add_profile(struct policy_table *table, unsigned int f, enum policy_way way,
			const char *key, struct nft_rules *rules)
{
	struct table_policy *policy = table_policy_find(table, key);

	if (policy && table_policy_is_enforced(policy, way) && policy->rules[f][way].n)
		add_jump(table, f, rules, table_policy_chain(table, policy, f, way));
}

static void add_steps(struct policy_table *table, unsigned int f, enum policy_way way,
		      const struct layout_steps *steps, struct nft_rules *rules)
{
	for (size_t i = 0; i < steps->n;) {
		const struct layout_step *step = &steps->v[i];
		struct tier tier;

		switch (step->kind) {
		case LAYOUT_STEP_TIER:
			tier = read_tier(table, steps, way, &i);
			add_tier(table, f, way, &tier, rules);
			if (tier.denies && tier.enforced && !tier.may_pass)
				return; /* nothing gets beyond */
			continue;
		case LAYOUT_STEP_PROFILE:
			add_profile(table, f, way, step->name, rules);
			break;
		case LAYOUT_STEP_ALLOW:
			add_verdict(table, rules, NF_ACCEPT);
			break;
		case LAYOUT_STEP_DENY:
			add_deny(table, f, way, rules, &end_no_profile, "no-profile");
			break;
		case LAYOUT_STEP_POLICY:
		case LAYOUT_STEP_TIER_END:
		case LAYOUT_STEP_RETURN:
			break;
		}
		i++;
	}
}

/* --- Failsafes ---------------------------------------------------------------------------- */

/* 'reply': packets back from the port, where nothing keeps track of connections. */
static void add_failsafe(struct policy_table *table, unsigned int f, struct nft_rules *rules,
			 const struct failsafe *failsafe, bool from, bool reply)
{
	struct nft_builder *b = table->builder;
	uint16_t port = htons(failsafe->port);
	struct cidr masked = cidr_masked(&failsafe->net);
	struct ip_addr last = masked.addr;
	uint32_t size = ip_size(family_of(f));
	uint32_t offset = f == 0 ? 12 : 8;

	if (failsafe->net.addr.family && failsafe->net.addr.family != family_of(f))
		return;
	nft_begin(b);
	nft_put_meta(b, NFT_META_L4PROTO, 0);
	nft_put_compare(b, 0, /* equal= */ true, &failsafe->protocol, sizeof(failsafe->protocol));
	nft_put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, reply ? 0 : 2, 2, 0);
	nft_put_compare(b, 0, /* equal= */ true, &port, sizeof(port));
	if (failsafe->net.addr.family) {
		for (unsigned int bit = masked.len; bit < size * 8; bit++)
			last.bytes[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
		nft_put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, from ? offset : offset + size, size,
				0);
		nft_put_range(b, 0, /* inside= */ true, masked.addr.bytes, last.bytes, size);
	}
	nft_put_label(b, "failsafe port");
	nft_put_counter(b);
	nft_put_verdict(b, NF_ACCEPT, NULL);
	nft_rules_add(rules, nft_end(b));
}

static void add_failsafes(struct policy_table *table, unsigned int f, enum policy_stage stage,
			  enum policy_way way, struct nft_rules *rules)
{
	const struct table_config *config = &table->config;
	enum policy_way back = way == POLICY_WAY_INGRESS ? POLICY_WAY_EGRESS : POLICY_WAY_INGRESS;
	bool from = way == POLICY_WAY_INGRESS;

	for (size_t i = 0; i < config->n_failsafes[way]; i++)
		add_failsafe(table, f, rules, &config->failsafes[way][i], from, /* reply= */ false);
	for (size_t i = 0; stage == POLICY_STAGE_UNTRACKED && i < config->n_failsafes[back]; i++)
		add_failsafe(table, f, rules, &config->failsafes[back][i], from, /* reply= */ true);
}

/* --- Chains ------------------------------------------------------------------------------- */

static bool is_tracked(enum policy_stage stage)
{
	return stage == POLICY_STAGE_NORMAL || stage == POLICY_STAGE_FORWARD;
}

static void add_preamble(struct policy_table *table, unsigned int f, bool is_host,
			 enum policy_stage stage, enum policy_way way, struct nft_rules *rules)
{
	const struct table_config *config = &table->config;

	if (config->drop_invalid && is_tracked(stage))
		add_drop_invalid(table, rules);
	if (config->cut_denied && !is_host)
		table_cut_add_rule(table, rules);
	if (is_host && stage != POLICY_STAGE_FORWARD)
		add_failsafes(table, f, stage, way, rules);
	if (is_host || way != POLICY_WAY_EGRESS)
		return;
	if (!config->workloads_may_send_vxlan)
		add_drop_protocol(table, rules, IPPROTO_UDP,
				  config->vxlan_port ? config->vxlan_port : VXLAN_PORT);
	if (!config->workloads_may_send_ipip)
		add_drop_protocol(table, rules, IPPROTO_IPIP, 0);
}

static struct nft_chain *render_chain(struct policy_table *table,
				      const struct table_endpoint *endpoint, unsigned int f,
				      enum policy_stage stage, enum policy_way way)
{
	const struct place *place = place_of(endpoint->is_host, stage, way);
	struct nft_rules rules = {0};

	add_preamble(table, f, endpoint->is_host, stage, way, &rules);
	add_steps(table, f, way, &endpoint->steps[stage][way], &rules);
	return nft_chain_share(table->rulesets[f], place->prefix, &rules);
}

/* --- Places ------------------------------------------------------------------------------- */

static bool is_any_host(const struct table_endpoint *endpoint)
{
	return endpoint->is_host && strcmp(endpoint->interface, HOST_ANY) == 0;
}

static void put_interface(struct nft_element *element, const char *name)
{
	memcpy(element->key, name, strnlen(name, 15));
}

static void dispatch(struct policy_table *table, const struct table_endpoint *endpoint,
		     unsigned int f, enum policy_stage stage, enum policy_way way, bool add)
{
	struct nft_set *map = table->maps[f][endpoint->is_host][stage][way];
	struct nft_element element = {.chain = nft_chain_name(endpoint->chains[f][stage][way])};

	put_interface(&element, endpoint->interface);
	if (add)
		nft_set_add(table->rulesets[f], map, &element);
	else
		nft_set_remove(table->rulesets[f], map, &element);
}

static void set_source(struct policy_table *table, const struct table_endpoint *endpoint,
		       const struct cidr *net, bool spoofing, bool add)
{
	unsigned int f = net->addr.family == AF_INET ? 0 : 1;
	struct nft_set *set = spoofing ? table->spoofing[f] : table->sources[f];
	struct cidr masked = cidr_masked(net);
	struct nft_element element = {.chain = NULL};

	put_interface(&element, endpoint->interface);
	memcpy(element.key + 16, masked.addr.bytes, ip_size(masked.addr.family));
	memcpy(element.key_end, element.key, sizeof(element.key));
	for (unsigned int bit = masked.len; bit < ip_bits(masked.addr.family); bit++)
		element.key_end[16 + bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
	if (add)
		nft_set_add(table->rulesets[f], set, &element);
	else
		nft_set_remove(table->rulesets[f], set, &element);
}

/* Its own addresses are single ones; a wider one is as good as a prefix that may be spoofed. */
static void set_sources(struct policy_table *table, const struct table_endpoint *endpoint, bool add)
{
	for (size_t i = 0; i < endpoint->n_addrs; i++)
		set_source(table, endpoint, &endpoint->addrs[i], !cidr_is_host(&endpoint->addrs[i]),
			   add);
	/* Those that the configuration of before allowed are taken back in any case. */
	if (add && !table->config.workloads_may_spoof)
		return;
	for (size_t i = 0; i < endpoint->n_spoofable; i++) {
		bool covered = false;

		for (size_t k = 0; k < endpoint->n_spoofable; k++)
			covered = covered ||
				  (k != i &&
				   cidr_covers(&endpoint->spoofable[k], &endpoint->spoofable[i]) &&
				   (k < i || !cidr_covers(&endpoint->spoofable[i],
							  &endpoint->spoofable[k])));
		if (!covered)
			set_source(table, endpoint, &endpoint->spoofable[i], /* spoofing= */ true,
				   add);
	}
}

static void withdraw(struct policy_table *table, struct table_endpoint *endpoint)
{
	if (!endpoint->published)
		return;
	endpoint->published = false;
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int s = 0; s < POLICY_STAGES_; s++)
			for (unsigned int w = 0; w < POLICY_WAYS_; w++) {
				struct nft_chain **chain = &endpoint->chains[f][s][w];

				if (!*chain)
					continue;
				if (!is_any_host(endpoint))
					dispatch(table, endpoint, f, (enum policy_stage)s,
						 (enum policy_way)w, /* add= */ false);
				nft_chain_unref(table->rulesets[f], *chain);
				*chain = NULL;
			}
	if (!endpoint->is_host)
		set_sources(table, endpoint, /* add= */ false);
	table->base_dirty = table->base_dirty || endpoint->is_host;
}

static bool nets_have_family(const struct cidr *nets, size_t n, unsigned int f)
{
	for (size_t i = 0; i < n; i++)
		if (nets[i].addr.family == family_of(f))
			return true;
	return false;
}

/*
 * A workload without an address of the family is not in its maps, so none of its packets passes:
 * the ruleset of a family that no pod has stays as it is when pods come and go.
 */
static bool speaks_family(const struct table_endpoint *endpoint, unsigned int f)
{
	return endpoint->is_host || nets_have_family(endpoint->addrs, endpoint->n_addrs, f) ||
	       nets_have_family(endpoint->spoofable, endpoint->n_spoofable, f);
}

static void publish(struct policy_table *table, struct table_endpoint *endpoint)
{
	endpoint->published = true;
	for (unsigned int f = 0; f < FAMILIES; f++)
		for (unsigned int s = 0; s < POLICY_STAGES_; s++)
			for (unsigned int w = 0; w < POLICY_WAYS_; w++) {
				enum policy_stage stage = (enum policy_stage)s;
				enum policy_way way = (enum policy_way)w;

				if (!place_of(endpoint->is_host, stage, way) ||
				    !speaks_family(endpoint, f))
					continue;
				endpoint->chains[f][s][w] =
					render_chain(table, endpoint, f, stage, way);
				if (!is_any_host(endpoint))
					dispatch(table, endpoint, f, stage, way, /* add= */ true);
			}
	if (!endpoint->is_host)
		set_sources(table, endpoint, /* add= */ true);
	table->base_dirty = table->base_dirty || endpoint->is_host;
}

/* The endpoint in force on the interface; or with 'not', any other one that has it. */
static struct table_endpoint *find_by_interface(struct policy_table *table, bool is_host,
						const char *interface,
						const struct table_endpoint * not )
{
	struct table_endpoint *endpoint;
	struct table_endpoint *next;

	HASH_ITER(hh, table->endpoints, endpoint, next)
	if (endpoint != not &&endpoint->is_host == is_host &&
	    strcmp(endpoint->interface, interface) == 0)
		return endpoint;
	return NULL;
}

/* --- As told ------------------------------------------------------------------------------ */

static void drop_content(struct table_endpoint *endpoint)
{
	for (unsigned int s = 0; s < POLICY_STAGES_; s++)
		for (unsigned int w = 0; w < POLICY_WAYS_; w++)
			layout_steps_deinit(&endpoint->steps[s][w]);
	free(endpoint->interface);
	free(endpoint->addrs);
	free(endpoint->spoofable);
}

static void take_content(struct table_endpoint *endpoint, const struct policy_endpoint *told)
{
	endpoint->is_host = told->is_host;
	endpoint->interface = xstrdup(told->interface ? told->interface : "");
	endpoint->addrs = xmemdup(told->addrs, told->n_addrs * sizeof(*told->addrs));
	endpoint->n_addrs = told->n_addrs;
	endpoint->spoofable =
		xmemdup(told->spoofable, told->n_spoofable * sizeof(*told->spoofable));
	endpoint->n_spoofable = told->n_spoofable;
	for (unsigned int s = 0; s < POLICY_STAGES_; s++) {
		endpoint->has_tiers[s] = told->tiers[s][0].n || told->tiers[s][1].n;
		for (unsigned int w = 0; w < POLICY_WAYS_; w++)
			layout_steps_init(&endpoint->steps[s][w], told, (enum policy_stage)s,
					  (enum policy_way)w);
	}
}

static struct table_endpoint *find_endpoint(struct policy_table *table, const char *key)
{
	struct table_endpoint *endpoint;

	HASH_FIND_STR(table->endpoints, key, endpoint);
	return endpoint;
}

/* The interface lost its endpoint: another one may have it too. */
static void publish_another(struct policy_table *table, bool is_host, const char *interface,
			    const struct table_endpoint * not )
{
	struct table_endpoint *other = find_by_interface(table, is_host, interface, not );

	if (other && !other->published)
		publish(table, other);
}

/* Those of its addresses that no endpoint has when the time comes. */
static void flush_later(struct policy_table *table, const struct table_endpoint *endpoint)
{
	for (size_t i = 0; !endpoint->is_host && i < endpoint->n_addrs; i++)
		table_flush_later(table, &endpoint->addrs[i].addr);
}

void table_endpoint_put(struct policy_table *table, const struct policy_endpoint *told)
{
	struct table_endpoint *endpoint = find_endpoint(table, told->key);
	struct table_endpoint *other;

	if (endpoint) {
		withdraw(table, endpoint);
		flush_later(table, endpoint);
		if (strcmp(endpoint->interface, told->interface ? told->interface : "") != 0)
			publish_another(table, endpoint->is_host, endpoint->interface, endpoint);
		drop_content(endpoint);
	} else {
		endpoint = XNEW(struct table_endpoint);
		endpoint->key = xstrdup(told->key);
		HASH_ADD_KEYPTR(hh, table->endpoints, endpoint->key, strlen(endpoint->key),
				endpoint);
	}
	take_content(endpoint, told);
	if (!endpoint->interface[0])
		return;
	/* The newest word counts: the one of before is about to be taken back. */
	other = find_by_interface(table, endpoint->is_host, endpoint->interface, endpoint);
	if (other)
		withdraw(table, other);
	publish(table, endpoint);
}

static void free_endpoint(struct policy_table *table, struct table_endpoint *endpoint)
{
	withdraw(table, endpoint);
	HASH_DEL(table->endpoints, endpoint);
	drop_content(endpoint);
	free(endpoint->key);
	free(endpoint);
}

void table_endpoint_remove(struct policy_table *table, const char *key)
{
	struct table_endpoint *endpoint = find_endpoint(table, key);
	_cleanup_free_ char *interface = NULL;
	bool is_host;

	if (!endpoint)
		return;
	interface = xstrdup(endpoint->interface);
	is_host = endpoint->is_host;
	flush_later(table, endpoint);
	free_endpoint(table, endpoint);
	publish_another(table, is_host, interface, NULL);
}

bool table_endpoints_have_hosts(const struct policy_table *table)
{
	const struct table_endpoint *endpoint = table->endpoints;

	while (endpoint && !(endpoint->is_host && endpoint->published))
		endpoint = endpoint->hh.next;
	return endpoint;
}

static void render_again(struct policy_table *table, struct table_endpoint *endpoint)
{
	if (!endpoint->published)
		return;
	withdraw(table, endpoint);
	publish(table, endpoint);
}

void table_endpoints_render_all(struct policy_table *table)
{
	struct table_endpoint *endpoint;
	struct table_endpoint *next;

	HASH_ITER(hh, table->endpoints, endpoint, next)
	render_again(table, endpoint);
}

static bool speaks_of(const struct table_endpoint *endpoint, const char *policy_key)
{
	for (unsigned int s = 0; s < POLICY_STAGES_; s++)
		for (unsigned int w = 0; w < POLICY_WAYS_; w++)
			for (size_t i = 0; i < endpoint->steps[s][w].n; i++) {
				const char *name = endpoint->steps[s][w].v[i].name;

				if (name && strcmp(name, policy_key) == 0)
					return true;
			}
	return false;
}

void table_endpoints_render_users(struct policy_table *table, const char *policy_key)
{
	struct table_endpoint *endpoint;
	struct table_endpoint *next;

	HASH_ITER(hh, table->endpoints, endpoint, next)
	if (speaks_of(endpoint, policy_key))
		render_again(table, endpoint);
}

void table_endpoints_deinit(struct policy_table *table)
{
	struct table_endpoint *endpoint;
	struct table_endpoint *next;

	HASH_ITER(hh, table->endpoints, endpoint, next)
	free_endpoint(table, endpoint);
}
