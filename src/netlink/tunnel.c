/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tunnel devices. A VXLAN device can't change its identifier, port, addresses or parent while it
 * lives, so a wrong one is made anew; its routes and neighbours go with it and the syncs put them
 * back.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netlink/link.h"

static struct nlmsghdr *new_link(struct nl_request *request, const char *name, uint32_t mtu)
{
	struct ifinfomsg header = {
		.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nlmsghdr *message = nl_request_init(request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
						   &header, sizeof(header));

	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	if (mtu)
		mnl_attr_put_u32(message, IFLA_MTU, mtu);
	return message;
}

static int vxlan_add(struct nl *nl, const struct vxlan_config *config, struct err *err)
{
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = new_link(&request, config->name, config->mtu);
	struct nlattr *info;
	struct nlattr *data;
	int r;

	mnl_attr_put(message, IFLA_ADDRESS, MAC_SIZE, config->mac);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u32(message, IFLA_VXLAN_ID, config->vni);
	mnl_attr_put_u16(message, IFLA_VXLAN_PORT, htons(config->port));
	mnl_attr_put_u8(message, IFLA_VXLAN_LEARNING, 0);
	if (config->local.family)
		nl_put_addr(message,
			    config->local.family == AF_INET ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6,
			    &config->local);
	if (config->parent_ifindex)
		mnl_attr_put_u32(message, IFLA_VXLAN_LINK, (uint32_t)config->parent_ifindex);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	return answer.errnum ? nl_refused(err, &answer, "create VXLAN device %s (VNI %u, port %u)",
					  config->name, config->vni, config->port)
			     : 0;
}

static bool vxlan_fits(const struct link *link, const struct vxlan_config *config)
{
	return strcmp(link->kind, "vxlan") == 0 && link->vxlan.vni == config->vni &&
	       link->vxlan.port == config->port && ip_equal(&link->vxlan.local, &config->local) &&
	       link->vxlan.parent_ifindex == config->parent_ifindex && !link->vxlan.learning;
}

/* What can change while the device lives. */
static int vxlan_adjust(struct nl *nl, const struct link *link, const struct vxlan_config *config,
			struct err *err)
{
	int r = 0;

	if (memcmp(link->mac, config->mac, MAC_SIZE) != 0)
		r = link_set_mac(nl, link->ifindex, config->mac, err);
	if (r == 0 && config->mtu && link->mtu != config->mtu)
		r = link_set_mtu(nl, link->ifindex, config->mtu, err);
	if (r == 0 && !(link->flags & IFF_UP))
		r = link_set_up(nl, link->ifindex, true, err);
	return r;
}

int link_ensure_vxlan(struct nl *nl, const struct vxlan_config *config, int *ret_ifindex,
		      struct err *err)
{
	struct link link;
	int r = link_get(nl, config->name, &link, err);

	if (r == 0 && !vxlan_fits(&link, config)) {
		r = link_delete(nl, config->name, err);
		if (r < 0)
			return r;
		r = LINK_E_NOT_FOUND;
	}
	if (r == LINK_E_NOT_FOUND) {
		r = vxlan_add(nl, config, err);
		if (r < 0)
			return r;
		r = link_get(nl, config->name, &link, err);
	}
	if (r == LINK_E_NOT_FOUND)
		return err_set(err, -ENODEV, "VXLAN device %s went away while it was set up",
			       config->name);
	if (r == 0)
		r = vxlan_adjust(nl, &link, config, err);
	if (r < 0)
		return r;
	*ret_ifindex = link.ifindex;
	return 0;
}

/*
 * Asking for a device of this kind loads the module, which makes tunl0 in every namespace; then the
 * request itself finds the name taken. Either way the device is there afterwards.
 */
static int ipip_add(struct nl *nl, const char *name, uint32_t mtu, struct err *err)
{
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message = new_link(&request, name, mtu);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	int r;

	mnl_attr_put_strz(message, IFLA_INFO_KIND, "ipip");
	mnl_attr_nest_end(message, info);
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	if (answer.errnum == EOPNOTSUPP)
		return LINK_E_NOT_FOUND;
	if (!answer.errnum || answer.errnum == EEXIST)
		return 0;
	return nl_refused(err, &answer, "create IPIP device %s", name);
}

int link_ensure_ipip(struct nl *nl, const char *name, uint32_t mtu, int *ret_ifindex,
		     struct err *err)
{
	struct link link;
	int r = link_get(nl, name, &link, err);

	if (r == LINK_E_NOT_FOUND) {
		r = ipip_add(nl, name, mtu, err);
		if (r != 0)
			return r;
		r = link_get(nl, name, &link, err);
	}
	if (r != 0)
		return r;
	if (strcmp(link.kind, "ipip") != 0)
		return err_set(err, -EEXIST, "interface %s is of kind \"%s\", not ipip; remove it",
			       name, link.kind);
	if (mtu && link.mtu != mtu)
		r = link_set_mtu(nl, link.ifindex, mtu, err);
	if (r == 0 && !(link.flags & IFF_UP))
		r = link_set_up(nl, link.ifindex, true, err);
	if (r < 0)
		return r;
	*ret_ifindex = link.ifindex;
	return 0;
}
