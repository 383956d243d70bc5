/* SPDX-License-Identifier: Apache-2.0 */

/* The host's addresses, from netlink; the way somewhere, from a connected datagram socket. */

#include "agent/host-addresses.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "netlink/addr.h"
#include "netlink/link.h"

static const struct link *find_link(const struct link_list *links, int ifindex)
{
	for (size_t i = 0; i < links->n; i++) {
		if (links->v[i].ifindex == ifindex)
			return &links->v[i];
	}
	return NULL;
}

static int read_family(struct nl *nl, uint8_t family, const struct link_list *links,
		       struct host_addresses *host, struct err *err)
{
	struct if_addr_list addrs = {0};
	int r = addr_dump(nl, family, 0, &addrs, err);

	for (size_t i = 0; r == 0 && i < addrs.n; i++) {
		const struct link *link = find_link(links, addrs.v[i].ifindex);

		if (!link)
			continue;
		*ARRAY_ADD(host->v, host->n) = (struct host_addr){
			.interface = link->name,
			.cidr = addrs.v[i].cidr,
			.up = link->flags & IFF_UP,
		};
	}
	if_addr_list_deinit(&addrs);
	return r;
}

int host_addresses_read(struct host_addresses *ret, struct err *err)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct link_list *links = XNEW(struct link_list);
	int r;

	*ret = (struct host_addresses){.names = links};
	r = nl_open(NETLINK_ROUTE, -1, &nl, err);
	if (r == 0)
		r = link_dump(nl, links, err);
	if (r == 0)
		r = read_family(nl, AF_INET, links, ret, err);
	if (r == 0)
		r = read_family(nl, AF_INET6, links, ret, err);
	return r;
}

void host_addresses_deinit(struct host_addresses *host)
{
	if (host->names)
		link_list_deinit(host->names);
	free(host->names);
	free(host->v);
	*host = (struct host_addresses){0};
}

static struct ip_addr ip_from_sockaddr(uint8_t family, const void *sa)
{
	return ip_from_bytes(family,
			     family == AF_INET
				     ? (const void *)&((const struct sockaddr_in *)sa)->sin_addr
				     : &((const struct sockaddr_in6 *)sa)->sin6_addr);
}

static socklen_t make_sockaddr(const struct ip_addr *addr, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){.ss_family = addr->family};
	if (addr->family == AF_INET) {
		struct sockaddr_in *in = (void *)ret;

		in->sin_port = htons(53);
		memcpy(&in->sin_addr, addr->bytes, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	((struct sockaddr_in6 *)(void *)ret)->sin6_port = htons(53);
	memcpy(&((struct sockaddr_in6 *)(void *)ret)->sin6_addr, addr->bytes, 16);
	return sizeof(struct sockaddr_in6);
}

/* The first address of a host's name. */
static int resolve(const char *name, uint8_t family, struct ip_addr *ret, struct err *err)
{
	const struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *list = NULL;
	int r = getaddrinfo(name, NULL, &hints, &list);

	if (r != 0 || !list)
		return err_set(err, -EHOSTUNREACH, "can-reach=%.128s has no IPv%u address: %s",
			       name, ip_version(family), gai_strerror(r));
	*ret = ip_from_sockaddr(family, list->ai_addr);
	freeaddrinfo(list);
	return 0;
}

int host_source_towards(const char *destination, uint8_t family, struct ip_addr *ret,
			struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage sa;
	struct ip_addr addr;
	socklen_t len;
	int r = ip_parse(destination, &addr, NULL);

	if (r < 0)
		r = resolve(destination, family, &addr, err);
	if (r < 0)
		return r;
	if (addr.family != family)
		return err_set(err, -EINVAL, "can-reach=%s is not an IPv%u address", destination,
			       ip_version(family));
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	len = make_sockaddr(&addr, &sa);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return err_errno(err, -errno, "can-reach=%s", destination);
	*ret = ip_from_sockaddr(family, &sa);
	return 0;
}
