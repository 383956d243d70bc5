/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Protocols as people write them. */

#include <stdbool.h>
#include <stdint.h>

/* "TCP", "47" */
struct protocol_str {
	char s[12];
};
struct protocol_str protocol_format(uint8_t protocol);
/* By name in any case, or number; 0: unknown. */
uint8_t protocol_find(const char *text);
/* TCP, UDP, SCTP: those whose ports policies look at. */
bool protocol_has_ports(uint8_t protocol);
