/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Settings from IFLA_AF_SPEC, which holds the kernel's arrays of them as they are, and from the
 * parameters of the ARP table.
 */

#include "netlink/link-conf.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netlink/nl-internal.h"

#define LINK_ATTRS   (IFLA_AF_SPEC + 1)
#define FAMILY_ATTRS (AF_INET6 + 1)
#define INET_ATTRS   (IFLA_INET_CONF + 1)
#define INET6_ATTRS  (IFLA_INET6_CONF + 1)
#define TABLE_ATTRS  (NDTA_PARMS + 1)
#define PARM_ATTRS   (NDTPA_PROXY_DELAY + 1)

static const uint8_t link_policy[LINK_ATTRS] = {[IFLA_AF_SPEC] = NL_ATTR_NESTED};
static const uint8_t family_policy[FAMILY_ATTRS] = {
	[AF_INET] = NL_ATTR_NESTED,
	[AF_INET6] = NL_ATTR_NESTED,
};
static const uint8_t inet_policy[INET_ATTRS] = {[IFLA_INET_CONF] = NL_ATTR_ANY};
static const uint8_t inet6_policy[INET6_ATTRS] = {[IFLA_INET6_CONF] = NL_ATTR_ANY};
static const uint8_t table_policy[TABLE_ATTRS] = {[NDTA_PARMS] = NL_ATTR_NESTED};
static const uint8_t parm_policy[PARM_ATTRS] = {
	[NDTPA_IFINDEX] = NL_ATTR_U32,
	[NDTPA_PROXY_DELAY] = NL_ATTR_ANY,
};

void link_conf_list_deinit(struct link_conf_list *list)
{
	free(list->v);
	*list = (struct link_conf_list){0};
}

bool link_conf_get(const struct link_conf *conf, uint8_t family, unsigned int index, int32_t *ret)
{
	/* IPv4's indices begin with 1. */
	unsigned int at = family == AF_INET ? index - 1 : index;

	if (at >= (family == AF_INET ? conf->n_v4 : conf->n_v6))
		return false;
	*ret = family == AF_INET ? conf->v4[at] : conf->v6[at];
	return true;
}

static int compare_index(const void *a, const void *b)
{
	const struct link_conf *one = a;
	const struct link_conf *other = b;

	return (one->link.ifindex > other->link.ifindex) -
	       (one->link.ifindex < other->link.ifindex);
}

static struct link_conf *find(const struct link_conf_list *list, int ifindex)
{
	const struct link_conf key = {.link.ifindex = ifindex};

	return list->n ? bsearch(&key, list->v, list->n, sizeof(*list->v), compare_index) : NULL;
}

const struct link_conf *link_conf_find(const struct link_conf_list *list, int ifindex)
{
	return find(list, ifindex);
}

static unsigned int take_values(const struct nlattr *attr, int32_t values[LINK_CONF_MAX])
{
	size_t n = attr ? mnl_attr_get_payload_len(attr) / sizeof(*values) : 0;

	n = MIN(n, (size_t)LINK_CONF_MAX);
	if (n)
		memcpy(values, mnl_attr_get_payload(attr), n * sizeof(*values));
	return (unsigned int)n;
}

int link_conf_from_message(const struct nlmsghdr *message, struct link_conf *ret)
{
	const struct nlattr *tb[LINK_ATTRS];
	const struct nlattr *families[FAMILY_ATTRS] = {NULL};
	const struct nlattr *inet[INET_ATTRS] = {NULL};
	const struct nlattr *inet6[INET6_ATTRS] = {NULL};
	int r = link_from_message(message, &ret->link);

	if (r != 0)
		return r;
	r = nl_parse(message, sizeof(struct ifinfomsg), link_policy, LINK_ATTRS, tb);
	if (r == 0)
		r = nl_parse_nested(tb[IFLA_AF_SPEC], family_policy, FAMILY_ATTRS, families);
	if (r == 0)
		r = nl_parse_nested(families[AF_INET], inet_policy, INET_ATTRS, inet);
	if (r == 0)
		r = nl_parse_nested(families[AF_INET6], inet6_policy, INET6_ATTRS, inet6);
	if (r < 0)
		return r;
	ret->n_v4 = take_values(inet[IFLA_INET_CONF], ret->v4);
	ret->n_v6 = take_values(inet6[IFLA_INET6_CONF], ret->v6);
	ret->proxy_delay = -1;
	return 0;
}

static void list_restart(void *ctx)
{
	link_conf_list_deinit(ctx);
}

static int list_message(const struct nlmsghdr *message, void *ctx)
{
	struct link_conf_list *list = ctx;
	struct link_conf conf;
	int r;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	r = link_conf_from_message(message, &conf);
	if (r == 0)
		*ARRAY_ADD(list->v, list->n) = conf;
	return MIN(r, 0);
}

static void no_restart(void *ctx)
{
	(void)ctx; /* a value that is told twice is written twice */
}

static int table_message(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *tb[TABLE_ATTRS];
	const struct nlattr *parms[PARM_ATTRS] = {NULL};
	struct link_conf *conf;
	int64_t delay;
	int r = nl_parse(message, sizeof(struct ndtmsg), table_policy, TABLE_ATTRS, tb);

	if (r == 0)
		r = nl_parse_nested(tb[NDTA_PARMS], parm_policy, PARM_ATTRS, parms);
	if (r < 0)
		return r;
	if (!parms[NDTPA_IFINDEX] || !parms[NDTPA_PROXY_DELAY] ||
	    mnl_attr_get_payload_len(parms[NDTPA_PROXY_DELAY]) != sizeof(delay))
		return 0;
	memcpy(&delay, mnl_attr_get_payload(parms[NDTPA_PROXY_DELAY]), sizeof(delay));
	conf = find(ctx, (int)mnl_attr_get_u32(parms[NDTPA_IFINDEX]));
	if (conf)
		conf->proxy_delay = delay;
	return 0;
}

static int query(struct nl *nl, struct nlmsghdr *message, const struct nl_visitor *visitor,
		 struct err *err)
{
	struct nl_answer answer;
	int r = nl_query(nl, message, visitor, &answer, err);

	if (r < 0)
		return err_prefix(err, r, "read the interfaces' settings");
	if (answer.errnum == ENODEV)
		return LINK_E_NOT_FOUND;
	return answer.errnum ? nl_refused(err, &answer, "read the interfaces' settings") : 0;
}

int link_conf_dump(struct nl *nl, struct link_conf_list *ret, struct err *err)
{
	_cleanup_(link_conf_list_deinit) struct link_conf_list list = {0};
	const struct nl_visitor links = {list_restart, list_message, &list};
	const struct nl_visitor tables = {no_restart, table_message, &list};
	struct ifinfomsg link_header = {.ifi_family = AF_UNSPEC};
	struct ndtmsg table_header = {.ndtm_family = AF_INET};
	struct nl_request request;
	struct nlmsghdr *message = nl_request_init(&request, RTM_GETLINK, NLM_F_DUMP, &link_header,
						   sizeof(link_header));
	int r;

	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = query(nl, message, &links, err);
	if (r != 0)
		return MIN(r, 0);
	if (list.n)
		qsort(list.v, list.n, sizeof(*list.v), compare_index);
	message = nl_request_init(&request, RTM_GETNEIGHTBL, NLM_F_DUMP, &table_header,
				  sizeof(table_header));
	r = query(nl, message, &tables, err);
	if (r != 0)
		return MIN(r, 0);
	*ret = list;
	list = (struct link_conf_list){0};
	return 0;
}

int link_conf_read(struct nl *nl, int ifindex, struct link_conf *ret, struct err *err)
{
	_cleanup_(link_conf_list_deinit) struct link_conf_list list = {0};
	const struct nl_visitor links = {list_restart, list_message, &list};
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_request request;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_GETLINK, 0, &header, sizeof(header));
	int r;

	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = query(nl, message, &links, err);
	if (r != 0)
		return r;
	if (!list.n)
		return LINK_E_NOT_FOUND;
	*ret = list.v[0];
	return 0;
}
