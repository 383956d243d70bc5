/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Ethernet addresses as text. */

#include <stdint.h>

#include "base/err.h"

#define MAC_SIZE     6
#define MAC_STR_SIZE 18

struct mac_str {
	char s[MAC_STR_SIZE];
};

/* "ee:ee:ee:ee:ee:ee", either case. -EINVAL: 'err' names the text. */
MUST_CHECK int mac_parse(const char *text, uint8_t ret[MAC_SIZE], struct err *err);
/* By value, lower case. */
struct mac_str mac_format(const uint8_t mac[MAC_SIZE]);
