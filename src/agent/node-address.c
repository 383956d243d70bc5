/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a node's address is to be: IP and IP6 say whether it is given, kept or found, the host's
 * interfaces say what there is. Reads the host, never the datastore.
 */

#include "agent/node-address.h"

#include <errno.h>
#include <string.h>

#include "agent/host-addresses.h"
#include "base/alloc.h"
#include "model/kinds.h"

void node_address_read(const char *text, struct cidr *ret)
{
	*ret = (struct cidr){0};
	if (text && cidr_parse(text, ret, NULL) < 0)
		*ret = (struct cidr){0};
}

struct ip_addr node_internal_address(const struct node *node, uint8_t family)
{
	const struct node_address_list *list = &node->spec.addresses;

	for (size_t i = 0; i < list->n; i++) {
		struct ip_addr addr;

		if (list->v[i].type && strcmp(list->v[i].type, "InternalIP") == 0 &&
		    list->v[i].address && ip_parse(list->v[i].address, &addr, NULL) == 0 &&
		    addr.family == family)
			return addr;
	}
	return (struct ip_addr){0};
}

/* A literal address takes its prefix from the interface that has it. */
static int literal_address(const char *text, uint8_t family, const struct host_addresses *host,
			   struct cidr *ret, struct err *err)
{
	struct cidr addr;
	int r = cidr_parse(text, &addr, err);

	if (r < 0)
		return r;
	if (addr.addr.family != family)
		return err_set(err, -EINVAL, "%s is not an IPv%u address", text,
			       ip_version(family));
	*ret = addr;
	if (strchr(text, '/'))
		return 0;
	for (size_t i = 0; i < host->n; i++) {
		if (ip_equal(&host->v[i].cidr.addr, &ret->addr))
			*ret = host->v[i].cidr;
	}
	return 0;
}

static int detect(const char *method, uint8_t family, const struct host_addresses *host,
		  const struct ip_addr *told, struct cidr *ret, struct err *err)
{
	struct ip_addr src = *told;
	int r;

	if (strncmp(method, "can-reach=", 10) == 0) {
		r = host_source_towards(method + 10, family, &src, err);
		if (r < 0)
			return r;
	}
	return address_detect(method, family, host->v, host->n, &src, ret, err);
}

int node_find_address(const struct agent_args *args, uint8_t family,
		      const struct node_address_known *known, struct cidr *ret, struct err *err)
{
	const char *how = family == AF_INET ? args->ip : args->ip6;
	const char *method = family == AF_INET ? args->ip_method : args->ip6_method;
	_cleanup_(host_addresses_deinit) struct host_addresses host = {0};
	int r;

	*ret = known->stored;
	if (strcmp(how, "none") == 0)
		return 0;
	if (!*how && (known->stored.addr.family || family == AF_INET6))
		return 0; /* kept; IPv6 is only detected when asked for */
	r = host_addresses_read(&host, err);
	if (r < 0)
		return r;
	if (*how && strcmp(how, "autodetect") != 0) {
		r = literal_address(how, family, &host, ret, err);
		return r < 0 ? err_prefix(err, r, "IP%s", family == AF_INET ? "" : "6") : 0;
	}
	r = detect(method, family, &host, &known->told, ret, err);
	if (r == ADDRESS_DETECT_E_NONE && known->stored.addr.family)
		return 0;
	return r > 0 ? -EADDRNOTAVAIL : r;
}
