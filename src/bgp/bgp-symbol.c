/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names and texts of BIRD's language made of what a resource holds. A symbol has letters, digits
 * and
 * '_' only and fits BIRD's 64 bytes; a name that is not of that form or too long gets a hash of the
 * whole, so two names never become one symbol.
 */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "bgp/bgp-internal.h"

#define HASH_CHARS 12

static void symbolize(char *s)
{
	for (; *s; s++)
		if (!isascii((unsigned char)*s) || !isalnum((unsigned char)*s))
			*s = '_';
}

struct bgp_symbol bgp_peer_symbol(const char *prefix, const struct ip_addr *ip, uint16_t port)
{
	struct ip_str text = ip_format(ip);
	struct bgp_symbol symbol;

	symbolize(text.s);
	if (port == BGP_PORT)
		(void)snprintf(symbol.s, sizeof(symbol.s), "%s_%s", prefix, text.s);
	else
		(void)snprintf(symbol.s, sizeof(symbol.s), "%s_%s_port_%u", prefix, text.s,
			       (unsigned int)port);
	return symbol;
}

struct bgp_symbol bgp_filter_symbol(const char *name, bool import, uint8_t family)
{
	char suffix[32];
	char middle[BGP_SYMBOL_MAX + 1];
	struct bgp_symbol symbol;
	size_t room;
	bool plain = true;

	(void)snprintf(suffix, sizeof(suffix), "_%sFilterV%u", import ? "import" : "export",
		       ip_version(family));
	room = BGP_SYMBOL_MAX - strlen("bgp_") - strlen(suffix);
	for (const char *c = name; *c; c++)
		plain = plain && isascii((unsigned char)*c) && isalnum((unsigned char)*c);

	if (plain && strlen(name) <= room) {
		(void)snprintf(middle, sizeof(middle), "%s", name);
	} else {
		struct digest digest = digest_of(DIGEST_SHA256, name, strlen(name));
		int keep = (int)(room - HASH_CHARS - 1);

		(void)snprintf(middle, sizeof(middle), "%.*s_%.*s", keep, name, HASH_CHARS,
			       digest_hex(&digest).s);
		symbolize(middle);
	}
	(void)snprintf(symbol.s, sizeof(symbol.s), "bgp_%.*s%s", (int)room, middle, suffix);
	return symbol;
}

bool bgp_text_is_interface_glob(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 15)
		return false;
	for (const char *c = text; *c; c++)
		if (!isascii((unsigned char)*c) ||
		    (!isalnum((unsigned char)*c) && !strchr("_.*?-", *c)))
			return false;
	return true;
}

bool bgp_text_is_password(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > BGP_PASSWORD_MAX)
		return false;
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '"')
			return false;
	return true;
}
