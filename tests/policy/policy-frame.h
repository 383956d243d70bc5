/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Packets as they stand on the wire: Ethernet, IP, the transport's header, and struct payload. */

#include "netlink/link.h"
#include "policy-case.h"

#define PAYLOAD_MAGIC UINT64_C(0x6b6f7261742d7071)

/* Tells what was sent from what the kernel says by itself (resets, unreachables). */
struct payload {
	uint64_t magic;
	uint32_t round;
	uint32_t number;
};

struct frame {
	uint8_t bytes[256];
	size_t size;
	size_t network; /* where the IP header begins */
};

/* From the MAC address 'from' to 'to'. */
void frame_make(const struct case_packet *packet, const struct payload *payload,
		const uint8_t to[MAC_SIZE], const uint8_t from[MAC_SIZE], struct frame *ret);

/*
 * Is it the packet itself, and on its way to the end's own address, not to the one that was
 * dialled? 'at_host': from a raw socket, which gives no header of IPv6; else from a link. An ICMP
 * error ends with the packet that it is about.
 */
bool frame_is_packet(const uint8_t *bytes, size_t size, bool at_host,
		     const struct case_packet *packet);
