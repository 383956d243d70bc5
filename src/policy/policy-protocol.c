/* SPDX-License-Identifier: Apache-2.0 */

/* The protocols that have names in policies. */

#include "policy/policy-protocol.h"

#include <stdio.h>
#include <strings.h>

#include "base/macros.h"
#include "model/kinds-policy.h"

#define PROTOCOL_TCP  6
#define PROTOCOL_UDP  17
#define PROTOCOL_SCTP 132

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {{1, "ICMP"},		{PROTOCOL_TCP, "TCP"},
		 {PROTOCOL_UDP, "UDP"}, {PROTOCOL_SCTP, "SCTP"},
		 {58, "ICMPv6"},	{136, "UDPLite"}};

struct protocol_str protocol_format(uint8_t protocol)
{
	struct protocol_str text;

	(void)snprintf(text.s, sizeof(text.s), "%u", protocol);
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == protocol)
			(void)snprintf(text.s, sizeof(text.s), "%s", protocols[i].name);
	return text;
}

uint8_t protocol_find(const char *text)
{
	struct int_or_string number = {.s = (char *)(uintptr_t)text};

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strcasecmp(text, protocols[i].name) == 0)
			return protocols[i].number;
	return protocol_number(&number);
}

bool protocol_has_ports(uint8_t protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;
}
