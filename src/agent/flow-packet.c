/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Prefixes are those of nft/policy-chain.c and policy-endpoint.c: action, kind, direction, the
 * rule's number, then what it belongs to. Headers come from pods: every length is looked at.
 */

#include "agent/flow-packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/macros.h"

#define EXTENSIONS_MAX 8 /* headers of IPv6 in a row */
#define RULE_MAX       1000000

static int read_number(const char **text, uint32_t *ret)
{
	uint32_t n = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++) {
		n = n * 10 + (uint32_t)(**text - '0');
		if (n > RULE_MAX)
			return -EBADMSG;
	}
	*ret = n;
	return 0;
}

/* The letter's place among 'letters'; -EBADMSG: it is not there. */
static int place_of(char letter, const char *letters)
{
	const char *found = letter ? strchr(letters, letter) : NULL;

	return found ? (int)(found - letters) : -EBADMSG;
}

int flow_hit_parse(const char *prefix, struct flow_hit *ret)
{
	static const enum flow_action actions[] = {FLOW_ALLOW, FLOW_DENY, FLOW_PASS};
	static const enum flow_by without_number[] = {FLOW_BY_UNKNOWN, FLOW_BY_NO_PROFILE,
						      FLOW_BY_TIER_END};
	size_t len = strnlen(prefix, 3);
	int action = place_of(prefix[0], "ADP");
	int kind = len > 1 ? place_of(prefix[1], "PRT") : -EBADMSG;
	int way = len > 2 ? place_of(prefix[2], "IE") : -EBADMSG;
	const char *at = prefix + len;
	const char *number = at;

	if (action < 0 || kind < 0 || way < 0)
		return -EBADMSG;
	*ret = (struct flow_hit){
		.action = actions[action],
		.way = way == 0 ? POLICY_WAY_INGRESS : POLICY_WAY_EGRESS,
	};
	if (read_number(&at, &ret->rule) < 0 || *at != '|')
		return -EBADMSG;
	ret->by = at > number ? FLOW_BY_RULE : without_number[kind];
	ret->id = at + 1;
	return 0;
}

static uint16_t port_at(const uint8_t *data, size_t size)
{
	uint16_t port;

	if (size < 4)
		return 0;
	memcpy(&port, data + 2, sizeof(port));
	return ntohs(port);
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

static int parse_ip4(const uint8_t *data, size_t size, struct flow_tuple *ret)
{
	size_t header = size ? (size_t)(data[0] & 15) * 4 : 0;
	bool is_first;

	if (size < 20 || header < 20)
		return -EBADMSG;
	is_first = !(data[6] & 0x1f) && !data[7];
	ret->source = ip_from_bytes(AF_INET, data + 12);
	ret->destination = ip_from_bytes(AF_INET, data + 16);
	ret->protocol = data[9];
	if (is_first && has_ports(ret->protocol) && size > header)
		ret->port = port_at(data + header, size - header);
	return 0;
}

/* The length of an extension header; 0: it is none, or what follows is not here. */
static size_t extension(uint8_t protocol, const uint8_t *data, size_t size)
{
	if (size < 8)
		return 0;
	if (protocol == IPPROTO_FRAGMENT)
		return data[2] || data[3] & 0xf8 ? 0 : 8;
	if (protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	    protocol == IPPROTO_DSTOPTS)
		return ((size_t)data[1] + 1) * 8;
	return 0;
}

static int parse_ip6(const uint8_t *data, size_t size, struct flow_tuple *ret)
{
	size_t at = 40;

	if (size < at)
		return -EBADMSG;
	ret->source = ip_from_bytes(AF_INET6, data + 8);
	ret->destination = ip_from_bytes(AF_INET6, data + 24);
	ret->protocol = data[6];
	for (unsigned int i = 0; i < EXTENSIONS_MAX && at < size; i++) {
		size_t len = extension(ret->protocol, data + at, size - at);

		if (!len)
			break;
		ret->protocol = data[at];
		at += len;
	}
	if (has_ports(ret->protocol) && at < size)
		ret->port = port_at(data + at, size - at);
	return 0;
}

int flow_tuple_parse(const uint8_t *data, size_t size, struct flow_tuple *ret)
{
	struct flow_tuple tuple = {.protocol = 0};
	int version = size ? data[0] >> 4 : 0;
	int r = version == 4   ? parse_ip4(data, size, &tuple)
		: version == 6 ? parse_ip6(data, size, &tuple)
			       : -EBADMSG;

	if (r == 0)
		*ret = tuple;
	return r;
}
