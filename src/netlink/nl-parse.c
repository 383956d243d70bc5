/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Attributes by policy. The table says which attributes a reader looks at and what they must hold,
 * so that the readers themselves take values without a check of their own.
 */

#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include "netlink/nl.h"

bool nl_message_ok(const struct nlmsghdr *message, int left)
{
	return left >= (int)sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
	       message->nlmsg_len <= (unsigned int)left;
}

static bool attr_fits(const struct nlattr *attr, enum nl_attr_kind kind)
{
	uint16_t len = mnl_attr_get_payload_len(attr);
	const char *payload = mnl_attr_get_payload(attr);

	switch (kind) {
	case NL_ATTR_SKIP:
	case NL_ATTR_ANY:
	case NL_ATTR_NESTED:
		return true;
	case NL_ATTR_U8:
		return len >= 1;
	case NL_ATTR_U16:
		return len >= 2;
	case NL_ATTR_U32:
		return len >= 4;
	case NL_ATTR_STRING:
		return memchr(payload, '\0', len) != NULL;
	case NL_ATTR_ADDR:
		return len == 4 || len == 16;
	case NL_ATTR_MAC:
		return len >= 6;
	}
	return false;
}

static int parse_one(const struct nlattr *attr, const uint8_t *policy, size_t n,
		     const struct nlattr **ret)
{
	uint16_t type = mnl_attr_get_type(attr);

	if (type >= n || policy[type] == NL_ATTR_SKIP)
		return 0;
	if (!attr_fits(attr, policy[type]))
		return -EBADMSG;
	ret[type] = attr;
	return 0;
}

static int parse_all(const char *data, const char *end, const uint8_t *policy, size_t n,
		     const struct nlattr **ret)
{
	const struct nlattr *attr = (const void *)data;

	while (mnl_attr_ok(attr, (int)(end - (const char *)attr))) {
		int r = parse_one(attr, policy, n, ret);

		if (r < 0)
			return r;
		attr = mnl_attr_next(attr);
	}
	return 0;
}

int nl_parse(const struct nlmsghdr *message, size_t header_size, const uint8_t *policy, size_t n,
	     const struct nlattr **ret)
{
	memset(ret, 0, n * sizeof(const struct nlattr *));
	if (mnl_nlmsg_get_payload_len(message) < header_size)
		return -EBADMSG;
	/* libmnl's own end is rounded up and may lie behind the buffer's. */
	return parse_all(mnl_nlmsg_get_payload_offset(message, header_size),
			 (const char *)message + message->nlmsg_len, policy, n, ret);
}

int nl_parse_nested(const struct nlattr *nest, const uint8_t *policy, size_t n,
		    const struct nlattr **ret)
{
	const char *payload;

	memset(ret, 0, n * sizeof(const struct nlattr *));
	if (!nest)
		return 0;
	payload = mnl_attr_get_payload(nest);
	return parse_all(payload, payload + mnl_attr_get_payload_len(nest), policy, n, ret);
}

struct ip_addr nl_attr_addr(const struct nlattr *attr)
{
	uint8_t family = mnl_attr_get_payload_len(attr) == 4 ? AF_INET : AF_INET6;

	return ip_from_bytes(family, mnl_attr_get_payload(attr));
}

void nl_put_addr(struct nlmsghdr *message, uint16_t type, const struct ip_addr *addr)
{
	mnl_attr_put(message, type, ip_size(addr->family), addr->bytes);
}
