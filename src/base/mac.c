/* SPDX-License-Identifier: Apache-2.0 */

/* Ethernet addresses: six pairs of hexadecimal digits, colons between, nothing else. */

#include "base/mac.h"

#include <errno.h>
#include <stdio.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, uint8_t ret[MAC_SIZE], struct err *err)
{
	uint8_t mac[MAC_SIZE];
	const char *p = text;

	for (unsigned int i = 0; i < MAC_SIZE; i++, p += 3) {
		int high = hex_digit(p[0]);
		int low = high < 0 ? -1 : hex_digit(p[1]);

		if (low < 0 || p[2] != (i < MAC_SIZE - 1 ? ':' : '\0'))
			return err_set(err, -EINVAL,
				       "\"%.32s\" is not a MAC address; write it as "
				       "0a:1b:2c:3d:4e:5f",
				       text);
		mac[i] = (uint8_t)(high << 4 | low);
	}
	__builtin_memcpy(ret, mac, MAC_SIZE);
	return 0;
}

struct mac_str mac_format(const uint8_t mac[MAC_SIZE])
{
	struct mac_str str;

	(void)snprintf(str.s, sizeof(str.s), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
		       mac[2], mac[3], mac[4], mac[5]);
	return str;
}
