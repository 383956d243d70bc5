/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Routes by RTM_*ROUTE. What differs between the families lies in route_normal() and in the few
 * places that name AF_INET6: IPv6 has no scope, a default metric of 1024, and reports a blackhole
 * as lying on "lo".
 */

#include "netlink/route.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netlink/nl-internal.h"

#define ROUTE_ATTRS	    (RTA_VIA + 1)
#define METRIC_ATTRS	    (RTAX_MTU + 1)
#define IPV6_DEFAULT_METRIC 1024

static const uint8_t route_policy[ROUTE_ATTRS] = {
	[RTA_DST] = NL_ATTR_ADDR,     [RTA_OIF] = NL_ATTR_U32,	    [RTA_GATEWAY] = NL_ATTR_ADDR,
	[RTA_PRIORITY] = NL_ATTR_U32, [RTA_PREFSRC] = NL_ATTR_ADDR, [RTA_METRICS] = NL_ATTR_NESTED,
	[RTA_TABLE] = NL_ATTR_U32,    [RTA_VIA] = NL_ATTR_ANY,
};

static const uint8_t metric_policy[METRIC_ATTRS] = {
	[RTAX_MTU] = NL_ATTR_U32,
};

static const uint8_t kernel_type[] = {
	[ROUTE_UNICAST] = RTN_UNICAST,
	[ROUTE_BLACKHOLE] = RTN_BLACKHOLE,
	[ROUTE_THROW] = RTN_THROW,
	[ROUTE_OTHER] = RTN_UNSPEC,
};

static enum route_type type_of_kernel(uint8_t type)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kernel_type); i++)
		if (kernel_type[i] == type)
			return (enum route_type)i;
	return ROUTE_OTHER;
}

struct route route_normal(const struct route *route)
{
	struct route normal = *route;
	bool v6 = route->dst.addr.family == AF_INET6;

	normal.dst = cidr_masked(&route->dst);
	if (!normal.table)
		normal.table = RT_TABLE_MAIN;
	if (!normal.protocol)
		normal.protocol = RTPROT_BOOT;
	if (v6) {
		normal.scope = RT_SCOPE_UNIVERSE;
		if (!normal.priority)
			normal.priority = IPV6_DEFAULT_METRIC;
	}
	if (normal.type != ROUTE_UNICAST) {
		normal.ifindex = 0;
		normal.gateway = (struct ip_addr){0};
	}
	if (!normal.gateway.family)
		normal.onlink = false;
	return normal;
}

bool route_equal(const struct route *a, const struct route *b)
{
	struct route x = route_normal(a);
	struct route y = route_normal(b);

	return cidr_equal(&x.dst, &y.dst) && x.type == y.type && x.table == y.table &&
	       x.priority == y.priority && x.protocol == y.protocol && x.scope == y.scope &&
	       x.ifindex == y.ifindex && ip_equal(&x.gateway, &y.gateway) &&
	       ip_equal(&x.src, &y.src) && x.onlink == y.onlink && x.mtu == y.mtu;
}

struct route_str route_format(const struct route *route)
{
	static const char *const names[] = {[ROUTE_UNICAST] = "",
					    [ROUTE_BLACKHOLE] = "blackhole ",
					    [ROUTE_THROW] = "throw ",
					    [ROUTE_OTHER] = "other "};
	struct route_str str;

	(void)snprintf(str.s, sizeof(str.s), "%s%s via %s dev %d metric %u table %u",
		       names[route->type], cidr_format(&route->dst).s, ip_format(&route->gateway).s,
		       route->ifindex, route->priority,
		       route->table ? route->table : RT_TABLE_MAIN);
	return str;
}

/* --- Reading ------------------------------------------------------------------------------ */

/* A next hop of the other family: struct rtvia, a family and the address. */
static int via_from_attr(const struct nlattr *attr, struct ip_addr *ret)
{
	const uint8_t *payload = mnl_attr_get_payload(attr);
	uint16_t family;

	if (mnl_attr_get_payload_len(attr) < sizeof(family) + 4)
		return -EBADMSG;
	memcpy(&family, payload, sizeof(family));
	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (mnl_attr_get_payload_len(attr) < sizeof(family) + ip_size((uint8_t)family))
		return -EBADMSG;
	*ret = ip_from_bytes((uint8_t)family, payload + sizeof(family));
	return 0;
}

static int route_from_attrs(const struct nlattr **tb, struct route *route)
{
	const struct nlattr *metrics[METRIC_ATTRS];
	int r = nl_parse_nested(tb[RTA_METRICS], metric_policy, METRIC_ATTRS, metrics);

	if (r < 0)
		return r;
	if (tb[RTA_DST])
		route->dst.addr = nl_attr_addr(tb[RTA_DST]);
	if (tb[RTA_TABLE])
		route->table = mnl_attr_get_u32(tb[RTA_TABLE]);
	if (tb[RTA_PRIORITY])
		route->priority = mnl_attr_get_u32(tb[RTA_PRIORITY]);
	if (tb[RTA_OIF])
		route->ifindex = (int)mnl_attr_get_u32(tb[RTA_OIF]);
	if (tb[RTA_GATEWAY])
		route->gateway = nl_attr_addr(tb[RTA_GATEWAY]);
	if (tb[RTA_PREFSRC])
		route->src = nl_attr_addr(tb[RTA_PREFSRC]);
	if (metrics[RTAX_MTU])
		route->mtu = mnl_attr_get_u32(metrics[RTAX_MTU]);
	return tb[RTA_VIA] ? via_from_attr(tb[RTA_VIA], &route->gateway) : 0;
}

int route_from_message(const struct nlmsghdr *message, struct route *ret)
{
	const struct nlattr *tb[ROUTE_ATTRS];
	struct route route = {0};
	struct rtmsg header;
	int r = nl_parse(message, sizeof(header), route_policy, ROUTE_ATTRS, tb);

	if (r < 0)
		return r;
	memcpy(&header, mnl_nlmsg_get_payload(message), sizeof(header));
	if (header.rtm_family != AF_INET && header.rtm_family != AF_INET6)
		return MESSAGE_E_SKIP;
	if (header.rtm_flags & RTM_F_CLONED) /* a cached path, not a route */
		return MESSAGE_E_SKIP;
	route.dst.addr.family = header.rtm_family;
	route.dst.len = header.rtm_dst_len;
	route.type = type_of_kernel(header.rtm_type);
	route.table = header.rtm_table;
	route.protocol = header.rtm_protocol;
	route.scope = header.rtm_scope;
	route.onlink = header.rtm_flags & RTNH_F_ONLINK;
	r = route_from_attrs(tb, &route);
	if (r < 0)
		return r;
	if (route.dst.addr.family != header.rtm_family ||
	    route.dst.len > ip_bits(header.rtm_family))
		return -EBADMSG;
	*ret = route_normal(&route);
	return 0;
}

struct route_dump {
	struct route_list *list;
	uint32_t table;
};

void route_list_deinit(struct route_list *list)
{
	free(list->v);
	*list = (struct route_list){0};
}

static void route_dump_restart(void *ctx)
{
	struct route_dump *dump = ctx;

	route_list_deinit(dump->list);
}

static int route_dump_message(const struct nlmsghdr *message, void *ctx)
{
	struct route_dump *dump = ctx;
	struct route route;
	int r;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	r = route_from_message(message, &route);
	if (r == 0 && route.table == dump->table)
		*ARRAY_ADD(dump->list->v, dump->list->n) = route;
	return r < 0 ? r : 0;
}

int route_dump(struct nl *nl, uint8_t family, uint32_t table, struct route_list *ret,
	       struct err *err)
{
	_cleanup_(route_list_deinit) struct route_list list = {0};
	struct route_dump dump = {.list = &list, .table = table ? table : RT_TABLE_MAIN};
	struct nl_visitor visitor = {
		.restart = route_dump_restart, .message = route_dump_message, .ctx = &dump};
	struct rtmsg header = {.rtm_family = family};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_GETROUTE, NLM_F_DUMP, &header, sizeof(header));
	int r;

	mnl_attr_put_u32(message, RTA_TABLE, dump.table);
	r = nl_query(nl, message, &visitor, &answer, err);
	if (r < 0)
		return err_prefix(err, r, "list IPv%u routes of table %u", ip_version(family),
				  dump.table);
	/* A table exists from its first route on. */
	if (answer.errnum && answer.errnum != ENOENT)
		return nl_refused(err, &answer, "list IPv%u routes of table %u", ip_version(family),
				  dump.table);
	*ret = list;
	list = (struct route_list){0};
	return 0;
}

/* --- Writing ------------------------------------------------------------------------------ */

static struct rtmsg route_header(const struct route *route)
{
	return (struct rtmsg){
		.rtm_family = route->dst.addr.family,
		.rtm_dst_len = route->dst.len,
		.rtm_table = (uint8_t)(route->table < 256 ? route->table : RT_TABLE_UNSPEC),
		.rtm_protocol = route->protocol,
		.rtm_scope = route->scope,
		.rtm_type = kernel_type[route->type],
		.rtm_flags = route->onlink ? RTNH_F_ONLINK : 0,
	};
}

static void put_key(struct nlmsghdr *message, const struct route *route)
{
	nl_put_addr(message, RTA_DST, &route->dst.addr);
	mnl_attr_put_u32(message, RTA_TABLE, route->table);
	if (route->priority)
		mnl_attr_put_u32(message, RTA_PRIORITY, route->priority);
}

static void put_gateway(struct nlmsghdr *message, const struct route *route)
{
	uint8_t via[2 + 16];
	uint16_t family = route->gateway.family;

	if (!family)
		return;
	if (family == route->dst.addr.family) {
		nl_put_addr(message, RTA_GATEWAY, &route->gateway);
		return;
	}
	memcpy(via, &family, sizeof(family));
	memcpy(via + 2, route->gateway.bytes, ip_size(route->gateway.family));
	mnl_attr_put(message, RTA_VIA, 2 + ip_size(route->gateway.family), via);
}

static void put_route(struct nlmsghdr *message, const struct route *route)
{
	put_key(message, route);
	put_gateway(message, route);
	if (route->ifindex)
		mnl_attr_put_u32(message, RTA_OIF, (uint32_t)route->ifindex);
	if (route->src.family)
		nl_put_addr(message, RTA_PREFSRC, &route->src);
	if (route->mtu) {
		struct nlattr *metrics = mnl_attr_nest_start(message, RTA_METRICS);

		mnl_attr_put_u32(message, RTAX_MTU, route->mtu);
		mnl_attr_nest_end(message, metrics);
	}
}

/*
 * Which route a deletion means: the key, and where they are known the protocol and device, so that
 * another owner's route of the same destination is not hit. Not the gateway or type: whoever owns
 * the key owns what lies there.
 */
static struct rtmsg delete_header(const struct route *route, uint8_t protocol)
{
	struct rtmsg header = route_header(route);

	header.rtm_protocol = protocol;
	header.rtm_type = RTN_UNSPEC;
	header.rtm_flags = 0;
	header.rtm_scope = RT_SCOPE_NOWHERE;
	return header;
}

static void put_deletion(struct nlmsghdr *message, const struct route *route)
{
	put_key(message, route);
	if (route->ifindex)
		mnl_attr_put_u32(message, RTA_OIF, (uint32_t)route->ifindex);
}

void route_batch_replace(struct nl_batch *batch, const struct route *route)
{
	struct route normal = route_normal(route);
	struct rtmsg header = route_header(&normal);

	put_route(nl_batch_add(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &header,
			       sizeof(header)),
		  &normal);
}

void route_batch_delete(struct nl_batch *batch, const struct route *route)
{
	struct route normal = route_normal(route);
	struct rtmsg header = delete_header(&normal, route->protocol);

	put_deletion(nl_batch_add(batch, RTM_DELROUTE, 0, &header, sizeof(header)), &normal);
}

int route_replace(struct nl *nl, const struct route *route, struct err *err)
{
	struct route normal = route_normal(route);
	struct rtmsg header = route_header(&normal);
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = nl_request_init(
		&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	int r;

	put_route(message, &normal);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	return answer.errnum ? nl_refused(err, &answer, "route %s", route_format(&normal).s) : 0;
}

int route_delete(struct nl *nl, const struct route *route, struct err *err)
{
	struct route normal = route_normal(route);
	struct rtmsg header = delete_header(&normal, route->protocol);
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_DELROUTE, 0, &header, sizeof(header));
	int r;

	put_deletion(message, &normal);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	if (!answer.errnum || answer.errnum == ESRCH || answer.errnum == ENODEV)
		return 0;
	return nl_refused(err, &answer, "delete route %s", route_format(&normal).s);
}
