/* SPDX-License-Identifier: Apache-2.0 */

/* Links by RTM_*LINK: reading them, veth pairs, and the changes any link can take. */

#include "netlink/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netlink/nl-internal.h"

#define LINK_ATTRS  (IFLA_LINK_NETNSID + 1)
#define INFO_ATTRS  (IFLA_INFO_DATA + 1)
#define VXLAN_ATTRS (IFLA_VXLAN_LOCAL6 + 1)

static const uint8_t link_policy[LINK_ATTRS] = {
	[IFLA_ADDRESS] = NL_ATTR_ANY,	   [IFLA_IFNAME] = NL_ATTR_STRING,
	[IFLA_MTU] = NL_ATTR_U32,	   [IFLA_LINK] = NL_ATTR_U32,
	[IFLA_OPERSTATE] = NL_ATTR_U8,	   [IFLA_LINKINFO] = NL_ATTR_NESTED,
	[IFLA_LINK_NETNSID] = NL_ATTR_U32,
};

static const uint8_t info_policy[INFO_ATTRS] = {
	[IFLA_INFO_KIND] = NL_ATTR_STRING,
	[IFLA_INFO_DATA] = NL_ATTR_NESTED,
};

static const uint8_t vxlan_policy[VXLAN_ATTRS] = {
	[IFLA_VXLAN_ID] = NL_ATTR_U32,	   [IFLA_VXLAN_PORT] = NL_ATTR_U16,
	[IFLA_VXLAN_LOCAL] = NL_ATTR_ADDR, [IFLA_VXLAN_LOCAL6] = NL_ATTR_ADDR,
	[IFLA_VXLAN_LINK] = NL_ATTR_U32,   [IFLA_VXLAN_LEARNING] = NL_ATTR_U8,
};

void link_list_deinit(struct link_list *list)
{
	free(list->v);
	*list = (struct link_list){0};
}

static int vxlan_from_attr(const struct nlattr *data, struct link *link)
{
	const struct nlattr *tb[VXLAN_ATTRS];
	int r = nl_parse_nested(data, vxlan_policy, VXLAN_ATTRS, tb);

	if (r < 0)
		return r;
	if (tb[IFLA_VXLAN_ID])
		link->vxlan.vni = mnl_attr_get_u32(tb[IFLA_VXLAN_ID]);
	if (tb[IFLA_VXLAN_PORT])
		link->vxlan.port = ntohs(mnl_attr_get_u16(tb[IFLA_VXLAN_PORT]));
	if (tb[IFLA_VXLAN_LOCAL])
		link->vxlan.local = nl_attr_addr(tb[IFLA_VXLAN_LOCAL]);
	else if (tb[IFLA_VXLAN_LOCAL6])
		link->vxlan.local = nl_attr_addr(tb[IFLA_VXLAN_LOCAL6]);
	if (tb[IFLA_VXLAN_LINK])
		link->vxlan.parent_ifindex = (int)mnl_attr_get_u32(tb[IFLA_VXLAN_LINK]);
	if (tb[IFLA_VXLAN_LEARNING])
		link->vxlan.learning = mnl_attr_get_u8(tb[IFLA_VXLAN_LEARNING]);
	return 0;
}

static void take_string(const struct nlattr *attr, char *ret, size_t size)
{
	const char *s = attr ? mnl_attr_get_str(attr) : "";
	size_t len = strnlen(s, size - 1);

	memcpy(ret, s, len);
	ret[len] = '\0';
}

int link_from_message(const struct nlmsghdr *message, struct link *ret)
{
	const struct nlattr *tb[LINK_ATTRS];
	const struct nlattr *info[INFO_ATTRS] = {NULL};
	struct link link = {.peer_nsid = -1};
	struct ifinfomsg header;
	int r = nl_parse(message, sizeof(header), link_policy, LINK_ATTRS, tb);

	if (r == 0)
		r = nl_parse_nested(tb[IFLA_LINKINFO], info_policy, INFO_ATTRS, info);
	if (r < 0)
		return r;
	memcpy(&header, mnl_nlmsg_get_payload(message), sizeof(header));
	/* A bridge's ports are announced once more with AF_BRIDGE. */
	if (header.ifi_family != AF_UNSPEC || !tb[IFLA_IFNAME])
		return MESSAGE_E_SKIP;
	link.ifindex = header.ifi_index;
	link.flags = header.ifi_flags;
	take_string(tb[IFLA_IFNAME], link.name, sizeof(link.name));
	take_string(info[IFLA_INFO_KIND], link.kind, sizeof(link.kind));
	if (tb[IFLA_ADDRESS] && mnl_attr_get_payload_len(tb[IFLA_ADDRESS]) == MAC_SIZE)
		memcpy(link.mac, mnl_attr_get_payload(tb[IFLA_ADDRESS]), MAC_SIZE);
	if (tb[IFLA_MTU])
		link.mtu = mnl_attr_get_u32(tb[IFLA_MTU]);
	if (tb[IFLA_OPERSTATE])
		link.operstate = mnl_attr_get_u8(tb[IFLA_OPERSTATE]);
	if (tb[IFLA_LINK])
		link.peer_ifindex = (int)mnl_attr_get_u32(tb[IFLA_LINK]);
	if (tb[IFLA_LINK_NETNSID])
		link.peer_nsid = (int)mnl_attr_get_u32(tb[IFLA_LINK_NETNSID]);
	if (strcmp(link.kind, "vxlan") == 0)
		r = vxlan_from_attr(info[IFLA_INFO_DATA], &link);
	if (r < 0)
		return r;
	*ret = link;
	return 0;
}

static void link_list_restart(void *ctx)
{
	link_list_deinit(ctx);
}

static int link_list_message(const struct nlmsghdr *message, void *ctx)
{
	struct link_list *list = ctx;
	struct link link;
	int r;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	r = link_from_message(message, &link);
	if (r == 0)
		*ARRAY_ADD(list->v, list->n) = link;
	return r < 0 ? r : 0;
}

static int link_query(struct nl *nl, struct nlmsghdr *message, struct link_list *list,
		      struct nl_answer *answer, struct err *err)
{
	struct nl_visitor visitor = {
		.restart = link_list_restart, .message = link_list_message, .ctx = list};

	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nl_query(nl, message, &visitor, answer, err);
}

int link_dump(struct nl *nl, struct link_list *ret, struct err *err)
{
	_cleanup_(link_list_deinit) struct link_list list = {0};
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header));
	int r = link_query(nl, message, &list, &answer, err);

	if (r < 0)
		return err_prefix(err, r, "list interfaces");
	if (answer.errnum)
		return nl_refused(err, &answer, "list interfaces");
	*ret = list;
	list = (struct link_list){0};
	return 0;
}

/* By name if there is one, else by index. */
static int link_get_one(struct nl *nl, const char *name, int ifindex, struct link *ret,
			struct err *err)
{
	_cleanup_(link_list_deinit) struct link_list list = {0};
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_GETLINK, 0, &header, sizeof(header));
	int r;

	if (name)
		mnl_attr_put_strz(message, IFLA_IFNAME, name);
	r = link_query(nl, message, &list, &answer, err);
	if (r < 0)
		return err_prefix(err, r, "read interface \"%s\" (%d)", name ? name : "", ifindex);
	if (answer.errnum == ENODEV || (!answer.errnum && list.n == 0))
		return LINK_E_NOT_FOUND;
	if (answer.errnum)
		return nl_refused(err, &answer, "read interface \"%s\" (%d)", name ? name : "",
				  ifindex);
	*ret = list.v[0];
	return 0;
}

/* The kernel would cut or refuse a longer one; asking for it must not find another. */
static bool name_fits(const char *name)
{
	size_t len = strnlen(name, IFNAMSIZ);

	return len > 0 && len < IFNAMSIZ;
}

int link_get(struct nl *nl, const char *name, struct link *ret, struct err *err)
{
	if (!name_fits(name))
		return LINK_E_NOT_FOUND;
	return link_get_one(nl, name, 0, ret, err);
}

int link_get_index(struct nl *nl, int ifindex, struct link *ret, struct err *err)
{
	if (ifindex <= 0)
		return LINK_E_NOT_FOUND;
	return link_get_one(nl, NULL, ifindex, ret, err);
}

int link_delete(struct nl *nl, const char *name, struct err *err)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_DELLINK, 0, &header, sizeof(header));
	int r;

	if (!name_fits(name))
		return 0;
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	if (!answer.errnum || answer.errnum == ENODEV)
		return 0;
	return nl_refused(err, &answer, "delete interface %s", name);
}

int link_set_up(struct nl *nl, int ifindex, bool up, struct err *err)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC,
				   .ifi_index = ifindex,
				   .ifi_flags = up ? IFF_UP : 0,
				   .ifi_change = IFF_UP};
	struct nl_request request;
	struct nl_answer answer;
	int r = nl_call(nl, nl_request_init(&request, RTM_NEWLINK, 0, &header, sizeof(header)),
			&answer, err);

	if (r < 0)
		return r;
	return answer.errnum ? nl_refused(err, &answer, "set interface %d %s", ifindex,
					  up ? "up" : "down")
			     : 0;
}

int link_set_mtu(struct nl *nl, int ifindex, uint32_t mtu, struct err *err)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_NEWLINK, 0, &header, sizeof(header));
	int r;

	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	return answer.errnum ? nl_refused(err, &answer, "set MTU %u of interface %d", mtu, ifindex)
			     : 0;
}

int link_set_mac(struct nl *nl, int ifindex, const uint8_t mac[MAC_SIZE], struct err *err)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_NEWLINK, 0, &header, sizeof(header));
	int r;

	mnl_attr_put(message, IFLA_ADDRESS, MAC_SIZE, mac);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	return answer.errnum ? nl_refused(err, &answer, "set the MAC of interface %d", ifindex) : 0;
}

static void put_veth_end(struct nlmsghdr *message, const char *name,
			 const struct veth_config *config)
{
	uint32_t n_queues = config->n_queues ? config->n_queues : 1;

	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	if (config->mtu)
		mnl_attr_put_u32(message, IFLA_MTU, config->mtu);
	mnl_attr_put_u32(message, IFLA_NUM_TX_QUEUES, n_queues);
	mnl_attr_put_u32(message, IFLA_NUM_RX_QUEUES, n_queues);
}

static void put_veth_peer(struct nlmsghdr *message, const struct veth_config *config)
{
	struct ifinfomsg peer = {.ifi_family = AF_UNSPEC};
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	struct nlattr *data;
	struct nlattr *nest;

	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	nest = mnl_attr_nest_start(message, VETH_INFO_PEER);
	memcpy(mnl_nlmsg_put_extra_header(message, sizeof(peer)), &peer, sizeof(peer));
	put_veth_end(message, config->pod_name, config);
	if (config->pod_netns_fd >= 0)
		mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)config->pod_netns_fd);
	if (config->has_pod_mac)
		mnl_attr_put(message, IFLA_ADDRESS, MAC_SIZE, config->pod_mac);
	mnl_attr_nest_end(message, nest);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
}

int link_add_veth(struct nl *nl, const struct veth_config *config, struct err *err)
{
	static const uint8_t no_mac[MAC_SIZE];
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = nl_request_init(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
						   &header, sizeof(header));
	int r;

	if (!name_fits(config->host_name) || !name_fits(config->pod_name))
		return err_set(err, -EINVAL, "veth pair: a name must have 1 to %d characters",
			       IFNAMSIZ - 1);
	put_veth_end(message, config->host_name, config);
	if (memcmp(config->host_mac, no_mac, MAC_SIZE) != 0)
		mnl_attr_put(message, IFLA_ADDRESS, MAC_SIZE, config->host_mac);
	put_veth_peer(message, config);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	if (!answer.errnum)
		return 0;
	if (answer.errnum == EEXIST)
		return LINK_E_EXISTS;
	return nl_refused(err, &answer, "create veth pair %s and %s", config->host_name,
			  config->pod_name);
}
