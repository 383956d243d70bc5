/* SPDX-License-Identifier: Apache-2.0 */

/* Packets as they stand on the wire, made by hand. */

#include "policy-frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

static void append(struct frame *frame, const void *data, size_t size)
{
	memcpy(frame->bytes + frame->size, data, size);
	frame->size += size;
}

static uint16_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* What stands between the IP header and the payload; of SCTP an INIT chunk. */
static size_t transport_header(const struct case_packet *packet, uint32_t number, uint8_t ret[32])
{
	uint16_t sport = htons(packet->sport);
	uint16_t dport = htons(packet->service ? packet->dialled_port : packet->dport);
	uint16_t id = htons((uint16_t)number);

	memset(ret, 0, 32);
	switch (packet->protocol) {
	case IPPROTO_TCP:
		memcpy(ret, &sport, 2);
		memcpy(ret + 2, &dport, 2);
		ret[12] = 5 << 4; /* words of header */
		ret[13] = 0x02;	  /* SYN */
		ret[14] = 0xff;	  /* window */
		return 20;
	case IPPROTO_UDP:
		memcpy(ret, &sport, 2);
		memcpy(ret + 2, &dport, 2);
		ret[5] = 8 + sizeof(struct payload);
		return 8;
	case IPPROTO_SCTP:
		memcpy(ret, &sport, 2);
		memcpy(ret + 2, &dport, 2);
		ret[12] = 1; /* INIT, the payload is the rest of it */
		ret[15] = 20;
		ret[19] = 1; /* tag */
		return 16;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		ret[0] = packet->icmp_type;
		ret[1] = packet->icmp_code;
		memcpy(ret + 4, &id, 2);
		return 8;
	default:
		return 4; /* GRE without options */
	}
}

static void append_ip(struct frame *frame, const struct case_packet *packet, size_t size)
{
	struct ip_addr from = case_address(&packet->from, packet->family);
	struct ip_addr to = case_dialled_address(packet);
	uint8_t header[40] = {0};

	frame->network = frame->size;
	if (packet->family == AF_INET) {
		uint16_t sum;

		header[0] = 0x45;
		header[3] = (uint8_t)(20 + size);
		header[8] = 64;
		header[9] = packet->protocol;
		memcpy(header + 12, from.bytes, 4);
		memcpy(header + 16, to.bytes, 4);
		sum = htons(checksum(header, 20));
		memcpy(header + 10, &sum, 2);
		append(frame, header, 20);
		return;
	}
	header[0] = 0x60;
	header[5] = (uint8_t)size;
	header[6] = packet->protocol;
	header[7] = 64;
	memcpy(header + 8, from.bytes, 16);
	memcpy(header + 24, to.bytes, 16);
	append(frame, header, 40);
}

/* The kernel looks at ICMPv6's checksum even where it only passes the packet to a raw socket. */
static void set_icmpv6_checksum(struct frame *frame)
{
	uint8_t *header = frame->bytes + frame->network;
	uint8_t pseudo[40 + sizeof(frame->bytes)] = {0};
	size_t size = frame->size - frame->network - 40;
	uint16_t sum;

	memcpy(pseudo, header + 8, 32);
	pseudo[35] = (uint8_t)size;
	pseudo[39] = IPPROTO_ICMPV6;
	memcpy(pseudo + 40, header + 40, size);
	sum = htons(checksum(pseudo, 40 + size + size % 2));
	memcpy(header + 42, &sum, 2);
}

void frame_make(const struct case_packet *packet, const struct payload *payload,
		const uint8_t to[MAC_SIZE], const uint8_t from[MAC_SIZE], struct frame *ret)
{
	const uint16_t type = htons(packet->family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	uint8_t transport[32];
	size_t size = transport_header(packet, payload->number, transport);

	ret->size = 0;
	append(ret, to, MAC_SIZE);
	append(ret, from, MAC_SIZE);
	append(ret, &type, sizeof(type));
	append_ip(ret, packet, size + sizeof(*payload));
	append(ret, transport, size);
	append(ret, payload, sizeof(*payload));
	if (packet->protocol == IPPROTO_ICMPV6)
		set_icmpv6_checksum(ret);
}

bool frame_is_packet(const uint8_t *bytes, size_t size, bool at_host,
		     const struct case_packet *packet)
{
	bool v4 = packet->family == AF_INET;
	struct ip_addr to = case_address(&packet->to, packet->family);
	size_t before = at_host ? 0 : ETH_HLEN;
	size_t header = v4 ? 20 : at_host ? 0 : 40;
	uint8_t transport[32];
	size_t rest = transport_header(packet, 0, transport) + sizeof(struct payload);

	return size == before + header + rest &&
	       (!header ||
		memcmp(bytes + before + (v4 ? 16 : 24), to.bytes, ip_size(to.family)) == 0);
}
