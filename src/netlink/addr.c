/* SPDX-License-Identifier: Apache-2.0 */

/* Addresses of interfaces, by RTM_*ADDR. */

#include "netlink/addr.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netlink/nl-internal.h"

#define ADDR_ATTRS (IFA_FLAGS + 1)

static const uint8_t addr_policy[ADDR_ATTRS] = {
	[IFA_ADDRESS] = NL_ATTR_ADDR,
	[IFA_LOCAL] = NL_ATTR_ADDR,
	[IFA_FLAGS] = NL_ATTR_U32,
};

void if_addr_list_deinit(struct if_addr_list *list)
{
	free(list->v);
	*list = (struct if_addr_list){0};
}

int addr_from_message(const struct nlmsghdr *message, struct if_addr *ret)
{
	const struct nlattr *tb[ADDR_ATTRS];
	const struct nlattr *own;
	struct if_addr addr = {0};
	struct ifaddrmsg header;
	int r = nl_parse(message, sizeof(header), addr_policy, ADDR_ATTRS, tb);

	if (r < 0)
		return r;
	memcpy(&header, mnl_nlmsg_get_payload(message), sizeof(header));
	/* On a point-to-point link IFA_ADDRESS is the peer's. */
	own = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if ((header.ifa_family != AF_INET && header.ifa_family != AF_INET6) || !own)
		return MESSAGE_E_SKIP;
	addr.ifindex = (int)header.ifa_index;
	addr.cidr = (struct cidr){.addr = nl_attr_addr(own), .len = header.ifa_prefixlen};
	if (addr.cidr.addr.family != header.ifa_family ||
	    addr.cidr.len > ip_bits(header.ifa_family))
		return -EBADMSG;
	addr.scope = header.ifa_scope;
	addr.flags = tb[IFA_FLAGS] ? mnl_attr_get_u32(tb[IFA_FLAGS]) : header.ifa_flags;
	*ret = addr;
	return 0;
}

struct addr_dump {
	struct if_addr_list *list;
	int ifindex;
};

static void addr_dump_restart(void *ctx)
{
	struct addr_dump *dump = ctx;

	if_addr_list_deinit(dump->list);
}

static int addr_dump_message(const struct nlmsghdr *message, void *ctx)
{
	struct addr_dump *dump = ctx;
	struct if_addr addr;
	int r;

	if (message->nlmsg_type != RTM_NEWADDR)
		return 0;
	r = addr_from_message(message, &addr);
	if (r < 0)
		return r;
	if (r == 0 && (!dump->ifindex || addr.ifindex == dump->ifindex))
		*ARRAY_ADD(dump->list->v, dump->list->n) = addr;
	return 0;
}

static int addr_dump_family(struct nl *nl, uint8_t family, int ifindex, struct if_addr_list *list,
			    struct err *err)
{
	struct addr_dump dump = {.list = list, .ifindex = ifindex};
	struct nl_visitor visitor = {
		.restart = addr_dump_restart, .message = addr_dump_message, .ctx = &dump};
	struct ifaddrmsg header = {.ifa_family = family, .ifa_index = (uint32_t)ifindex};
	struct nl_answer answer;
	struct nl_request request;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header));
	int r = nl_query(nl, message, &visitor, &answer, err);

	if (r < 0)
		return err_prefix(err, r, "list addresses");
	if (answer.errnum == ENODEV) /* the interface is gone, and its addresses with it */
		return 0;
	return answer.errnum ? nl_refused(err, &answer, "list addresses") : 0;
}

int addr_dump(struct nl *nl, uint8_t family, int ifindex, struct if_addr_list *ret, struct err *err)
{
	struct if_addr_list list = {0};
	int r = addr_dump_family(nl, family, ifindex, &list, err);

	if (r < 0) {
		if_addr_list_deinit(&list);
		return r;
	}
	*ret = list;
	return 0;
}

static struct nlmsghdr *addr_request(struct nl_request *request, uint16_t type, uint16_t flags,
				     int ifindex, const struct cidr *cidr)
{
	struct ifaddrmsg header = {.ifa_family = cidr->addr.family,
				   .ifa_prefixlen = cidr->len,
				   .ifa_index = (uint32_t)ifindex,
				   .ifa_scope = ip_is_loopback(&cidr->addr) ? RT_SCOPE_HOST
									    : RT_SCOPE_UNIVERSE};
	struct nlmsghdr *message = nl_request_init(request, type, flags, &header, sizeof(header));

	nl_put_addr(message, IFA_LOCAL, &cidr->addr);
	nl_put_addr(message, IFA_ADDRESS, &cidr->addr);
	return message;
}

int addr_add(struct nl *nl, int ifindex, const struct cidr *cidr, struct err *err)
{
	struct nl_answer answer;
	struct nl_request request;
	struct nlmsghdr *message =
		addr_request(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, cidr);
	int r;

	/* An address from our own pool is nobody else's; waiting a second for the proof is waste.
	 */
	if (cidr->addr.family == AF_INET6)
		mnl_attr_put_u32(message, IFA_FLAGS, IFA_F_NODAD);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	if (!answer.errnum || answer.errnum == EEXIST)
		return 0;
	return nl_refused(err, &answer, "add address %s to interface %d", cidr_format(cidr).s,
			  ifindex);
}

static void route_type_restart(void *ctx)
{
	*(uint8_t *)ctx = RTN_UNSPEC;
}

static int route_type(const struct nlmsghdr *message, void *ctx)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	uint8_t *type = ctx;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return -EBADMSG;
	*type = header->rtm_type;
	return 0;
}

int addr_is_local(struct nl *nl, int ifindex, const struct ip_addr *addr, struct err *err)
{
	uint8_t type = RTN_UNSPEC;
	struct nl_visitor visitor = {
		.restart = route_type_restart, .message = route_type, .ctx = &type};
	struct rtmsg header = {.rtm_family = addr->family,
			       .rtm_dst_len = (uint8_t)(ip_size(addr->family) * 8)};
	struct nl_answer answer;
	struct nl_request request;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_GETROUTE, 0, &header, sizeof(header));
	int r;

	nl_put_addr(message, RTA_DST, addr);
	if (ifindex)
		mnl_attr_put_u32(message, RTA_OIF, (uint32_t)ifindex);
	r = nl_query(nl, message, &visitor, &answer, err);
	if (r < 0)
		return err_prefix(err, r, "look for the route to %s", ip_format(addr).s);
	return !answer.errnum && type == RTN_LOCAL ? 0 : ADDR_E_NOT_YET;
}

int addr_delete(struct nl *nl, int ifindex, const struct cidr *cidr, struct err *err)
{
	struct nl_answer answer;
	struct nl_request request;
	struct nlmsghdr *message = addr_request(&request, RTM_DELADDR, 0, ifindex, cidr);
	int r = nl_call(nl, message, &answer, err);

	if (r < 0)
		return r;
	if (!answer.errnum || answer.errnum == EADDRNOTAVAIL || answer.errnum == ENODEV)
		return 0;
	return nl_refused(err, &answer, "delete address %s of interface %d", cidr_format(cidr).s,
			  ifindex);
}

/* Deletes those of 'family' that are stale, but 'keep' and IPv6 link-local ones, the kernel's. */
static int addr_delete_stale(struct nl *nl, uint8_t family, int ifindex, const struct cidr *keep,
			     const struct addr_stale *stale, bool *ret_any, struct err *err)
{
	_cleanup_(if_addr_list_deinit) struct if_addr_list list = {0};
	int r = addr_dump(nl, family, ifindex, &list, err);

	for (size_t i = 0; r >= 0 && i < list.n; i++) {
		const struct cidr *cidr = &list.v[i].cidr;

		if (cidr_equal(cidr, keep) || !stale->is_stale(cidr, stale->ctx))
			continue;
		if (family == AF_INET6 && ip_is_link_local(&cidr->addr))
			continue;
		*ret_any = true;
		r = addr_delete(nl, ifindex, cidr, err);
	}
	return r;
}

int addr_ensure(struct nl *nl, int ifindex, const struct cidr *cidr, const struct addr_stale *stale,
		struct err *err)
{
	static const struct cidr none = {.len = 0};
	uint8_t family = cidr->addr.family;
	bool deleted = false;
	int r = 0;

	if (!family) {
		r = addr_delete_stale(nl, AF_INET, ifindex, &none, stale, &deleted, err);
		return r < 0 ? r
			     : addr_delete_stale(nl, AF_INET6, ifindex, &none, stale, &deleted,
						 err);
	}
	r = addr_add(nl, ifindex, cidr, err);
	if (r < 0)
		return r;
	r = addr_delete_stale(nl, family, ifindex, cidr, stale, &deleted, err);
	/* Deleting a primary IPv4 address takes its secondary ones along. */
	if (r < 0 || !deleted)
		return r;
	return addr_add(nl, ifindex, cidr, err);
}
