/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The matches of a plain rule as expressions. Address, protocol and port of a side lie in registers
 * behind each other, as the key of a set of all three has them; each is loaded once, however many
 * matches look at it.
 */

#include <arpa/inet.h>
#include <string.h>

#include "base/alloc.h"
#include "nft/policy-internal.h"

#define SIDE_WORDS 6 /* an IPv6 address, protocol, port */
#define SPARE_REG  13

struct loads {
	struct nft_builder *b;
	uint8_t family;
	bool addr[LAYOUT_SIDES_];
	bool protocol[LAYOUT_SIDES_];
	bool port[LAYOUT_SIDES_];
};

static uint32_t addr_reg(enum layout_side side)
{
	return side == LAYOUT_SOURCE ? 0 : SIDE_WORDS;
}

static uint32_t protocol_reg(const struct loads *loads, enum layout_side side)
{
	return addr_reg(side) + ip_size(loads->family) / 4;
}

static uint32_t port_reg(const struct loads *loads, enum layout_side side)
{
	return protocol_reg(loads, side) + 1;
}

static void load_addr(struct loads *loads, enum layout_side side)
{
	uint32_t offset = loads->family == AF_INET ? 12 : 8;

	if (loads->addr[side])
		return;
	loads->addr[side] = true;
	if (side == LAYOUT_DESTINATION)
		offset += ip_size(loads->family);
	nft_put_payload(loads->b, NFT_PAYLOAD_NETWORK_HEADER, offset, ip_size(loads->family),
			addr_reg(side));
}

static void load_protocol(struct loads *loads, enum layout_side side)
{
	if (!loads->protocol[side])
		nft_put_meta(loads->b, NFT_META_L4PROTO, protocol_reg(loads, side));
	loads->protocol[side] = true;
}

static void load_port(struct loads *loads, enum layout_side side)
{
	if (!loads->port[side])
		nft_put_payload(loads->b, NFT_PAYLOAD_TRANSPORT_HEADER,
				side == LAYOUT_SOURCE ? 0 : 2, 2, port_reg(loads, side));
	loads->port[side] = true;
}

/* --- Each kind ---------------------------------------------------------------------------- */

static struct ip_addr last_of(const struct cidr *net)
{
	struct ip_addr addr = cidr_masked(net).addr;

	for (unsigned int bit = net->len; bit < ip_bits(addr.family); bit++)
		addr.bytes[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
	return addr;
}

static void put_nets(struct loads *loads, struct nft_ruleset *ruleset, struct nft_rules *rules,
		     const struct layout_match *match)
{
	uint32_t reg = addr_reg(match->side);
	struct nft_set *set;

	load_addr(loads, match->side);
	if (match->n == 1 && cidr_is_host(match->nets)) {
		nft_put_compare(loads->b, reg, !match->negated, match->nets->addr.bytes,
				ip_size(loads->family));
		return;
	}
	if (match->n == 1) {
		struct ip_addr last = last_of(match->nets);

		nft_put_range(loads->b, reg, !match->negated, match->nets->addr.bytes, last.bytes,
			      ip_size(loads->family));
		return;
	}
	set = content_set_of_nets(ruleset, match->nets, match->n);
	nft_rules_use_set(rules, set);
	nft_put_lookup(loads->b, reg, nft_set_name(set), match->negated);
}

static void put_ports(struct loads *loads, struct nft_ruleset *ruleset, struct nft_rules *rules,
		      const struct layout_match *match)
{
	uint32_t reg = port_reg(loads, match->side);
	uint16_t first = htons(match->ports[0].first);
	uint16_t last = htons(match->ports[0].last);
	struct nft_set *set;

	load_port(loads, match->side);
	if (match->n == 1 && first == last) {
		nft_put_compare(loads->b, reg, !match->negated, &first, sizeof(first));
		return;
	}
	if (match->n == 1) {
		nft_put_range(loads->b, reg, !match->negated, &first, &last, sizeof(first));
		return;
	}
	set = content_set_of_ports(ruleset, match->ports, match->n);
	nft_rules_use_set(rules, set);
	nft_put_lookup(loads->b, reg, nft_set_name(set), match->negated);
}

static void put_set(struct policy_table *table, unsigned int f, struct loads *loads,
		    struct nft_rules *rules, const struct layout_match *match)
{
	bool ports = match->kind == LAYOUT_MATCH_PORT_SET;
	struct nft_set *set = table_set_ref(table, f, &match->set,
					    ports ? POLICY_SET_TYPE_PORT : POLICY_SET_TYPE_NET);

	nft_rules_use_set(rules, set);
	load_addr(loads, match->side);
	if (ports) {
		load_protocol(loads, match->side);
		load_port(loads, match->side);
	}
	nft_put_lookup(loads->b, addr_reg(match->side), nft_set_name(set), match->negated);
}

static void put_protocol(struct loads *loads, const struct layout_match *match)
{
	uint8_t protocol = (uint8_t)match->a;

	nft_put_meta(loads->b, NFT_META_L4PROTO, SPARE_REG);
	nft_put_compare(loads->b, SPARE_REG, !match->negated, &protocol, sizeof(protocol));
}

/* Type and code are the header's first two bytes: "not this type and code" is one comparison. */
static void put_icmp(struct loads *loads, const struct layout_match *match)
{
	uint8_t data[2] = {(uint8_t)match->a, (uint8_t)match->b};
	uint32_t size = match->b == POLICY_ANY ? 1 : 2;

	nft_put_payload(loads->b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, size, SPARE_REG);
	nft_put_compare(loads->b, SPARE_REG, !match->negated, data, size);
}

void put_matches(struct policy_table *table, unsigned int f, struct nft_builder *b,
		 struct nft_rules *rules, const struct layout_rule *rule)
{
	struct loads loads = {.b = b, .family = family_of(f)};

	for (size_t i = 0; i < rule->n; i++) {
		const struct layout_match *match = &rule->matches[i];

		switch (match->kind) {
		case LAYOUT_MATCH_PROTOCOL:
			put_protocol(&loads, match);
			break;
		case LAYOUT_MATCH_ICMP:
			put_icmp(&loads, match);
			break;
		case LAYOUT_MATCH_NETS:
			put_nets(&loads, table->rulesets[f], rules, match);
			break;
		case LAYOUT_MATCH_PORTS:
			put_ports(&loads, table->rulesets[f], rules, match);
			break;
		case LAYOUT_MATCH_SET:
		case LAYOUT_MATCH_PORT_SET:
			put_set(table, f, &loads, rules, match);
			break;
		}
	}
}
