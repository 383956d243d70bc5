/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pod's wire: a veth pair with one end in the pod. There is no segment behind it: the pod has its
 * addresses as /32 and /128, and sends everything to a gateway that the host's end answers for,
 * 169.254.1.1 by proxy ARP and fe80::ecee:eeff:feee:eeee because that is the host's end.
 *
 * All host ends have the same MAC address, so that a pod's neighbour entry survives a change of the
 * host's end, and no duplicate address detection, so that nothing waits for a second.
 *
 * This is the way of every pod's start: settings are written only where they differ, and what the
 * kernel tells of is asked for once.
 */

#include "cni/pod-link.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "cni/cni-names.h"
#include "netlink/addr.h"
#include "netlink/netns.h"
#include "netlink/route.h"
#include "netlink/sysctl.h"

#define LOG_MODULE  "cni"
#define SYSCTL_PATH 128

#define READY_TRIES    500
#define READY_PAUSE_NS 100000
#define NOT_YET	       1

static const uint8_t host_mac[MAC_SIZE] = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee};

static const struct ip_addr gateway_v4 = {AF_INET, {169, 254, 1, 1}};
/* The EUI-64 of 'host_mac'. */
static const struct ip_addr gateway_v6 = {
	AF_INET6,
	{0xfe, 0x80, [8] = 0xec, 0xee, 0xee, 0xff, 0xfe, 0xee, 0xee, 0xee},
};

static bool has_family(const struct pod_link *link, uint8_t family)
{
	for (unsigned int i = 0; i < link->n_addrs; i++) {
		if (link->addrs[i].addr.family == family)
			return true;
	}
	return false;
}

/* --- Settings ----------------------------------------------------------------------------- */

struct setting {
	const char *dir;
	const char *ifname; /* NULL: the interface it is about */
	const char *name;
	const char *value;
	uint8_t family;
	bool optional;	     /* kernels without it still work */
	unsigned int conf;   /* IPV4_DEVCONF_*, DEVCONF_* */
	bool is_proxy_delay; /* it is not among those, but has a place of its own */
};

static const struct setting host_settings[] = {
	{"net/ipv4/conf", NULL, "route_localnet", "1", AF_INET,
	 .conf = IPV4_DEVCONF_ROUTE_LOCALNET},
	{"net/ipv4/neigh", NULL, "proxy_delay", "0", AF_INET, .optional = true,
	 .is_proxy_delay = true},
	{"net/ipv4/conf", NULL, "proxy_arp", "1", AF_INET, .conf = IPV4_DEVCONF_PROXY_ARP},
	{"net/ipv4/conf", NULL, "forwarding", "1", AF_INET, .conf = IPV4_DEVCONF_FORWARDING},
	/* Before IPv6 comes on, or the link-local address waits for DAD. */
	{"net/ipv6/conf", NULL, "accept_dad", "0", AF_INET6, .conf = DEVCONF_ACCEPT_DAD},
	{"net/ipv6/conf", NULL, "disable_ipv6", "0", AF_INET6, .conf = DEVCONF_DISABLE_IPV6},
	{"net/ipv6/conf", NULL, "proxy_ndp", "1", AF_INET6, .conf = DEVCONF_PROXY_NDP},
	{"net/ipv6/conf", NULL, "forwarding", "1", AF_INET6, .conf = DEVCONF_FORWARDING},
	{"net/ipv6/conf", NULL, "accept_ra", "0", AF_INET6, .optional = true,
	 .conf = DEVCONF_ACCEPT_RA},
};

static const struct setting pod_settings[] = {
	{"net/ipv6/conf", "all", "disable_ipv6", "0", AF_INET6},
	{"net/ipv6/conf", "default", "disable_ipv6", "0", AF_INET6},
	{"net/ipv6/conf", "lo", "disable_ipv6", "0", AF_INET6},
	{"net/ipv6/conf", NULL, "accept_dad", "0", AF_INET6},
	{"net/ipv6/conf", NULL, "disable_ipv6", "0", AF_INET6},
};

static void setting_path(const struct setting *setting, const char *ifname, char ret[SYSCTL_PATH])
{
	(void)snprintf(ret, SYSCTL_PATH, "%s/%s/%s", setting->dir,
		       setting->ifname ? setting->ifname : ifname, setting->name);
}

static int setting_write(const struct setting *setting, const char *ifname, struct err *err)
{
	struct err reason = ERR_INIT;
	char path[SYSCTL_PATH];
	int r;

	setting_path(setting, ifname, path);
	r = sysctl_write(path, setting->value, &reason);
	if (r == 0)
		return 0;
	if (r == SYSCTL_E_NOT_FOUND) {
		r = -ENOENT;
		(void)err_set(&reason, r, "/proc/sys/%s does not exist: is the %s in this kernel?",
			      path, setting->family == AF_INET6 ? "IPv6" : "IPv4");
	}
	if (!setting->optional)
		return err_set(err, r, "%s", reason.msg);
	log_warning_limited("a setting of a pod's interface was not made", "error", reason.msg);
	return 0;
}

static int settings_write(const struct setting *settings, size_t n, const char *ifname, bool v4,
			  bool v6, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r;

		if (!(settings[i].family == AF_INET ? v4 : v6))
			continue;
		r = setting_write(&settings[i], ifname, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- The host's end, later ----------------------------------------------------------------- */

static bool setting_right(const struct setting *setting, const struct link_conf *conf)
{
	int32_t value;

	if (setting->is_proxy_delay)
		return conf->proxy_delay <= 0;
	return !link_conf_get(conf, setting->family, setting->conf, &value) ||
	       value == setting->value[0] - '0';
}

bool pod_link_host_looks_right(const struct link *link, uint32_t mtu)
{
	return (link->flags & IFF_UP) && memcmp(link->mac, host_mac, MAC_SIZE) == 0 &&
	       (!mtu || link->mtu == mtu);
}

bool pod_link_host_right(const struct pod_link_host *wanted, const struct link_conf *conf)
{
	if (!pod_link_host_looks_right(&conf->link, wanted->mtu))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(host_settings); i++) {
		if ((host_settings[i].family == AF_INET ? wanted->v4 : wanted->v6) &&
		    !setting_right(&host_settings[i], conf))
			return false;
	}
	return true;
}

/* The host's link-local address that the pod's gateway is. */
static int add_gateway(struct nl *host, int ifindex, struct err *err)
{
	struct cidr local = {.addr = gateway_v6, .len = 64};

	return addr_add(host, ifindex, &local, err);
}

int pod_link_host_repair(struct nl *host, const struct pod_link_host *wanted, struct err *err)
{
	struct link dev;
	int r;

	if (!cni_ifname_valid(wanted->ifname))
		return err_set(err, -EINVAL, "\"%.32s\" is no interface name", wanted->ifname);
	r = link_get(host, wanted->ifname, &dev, err);
	if (r != 0)
		return r < 0 ? r : err_set(err, -ENODEV, "%s is gone", wanted->ifname);
	if (strcmp(dev.kind, "veth") != 0)
		return err_set(err, -EEXIST, "%s is no pod's interface (%s): it is left alone",
			       wanted->ifname, dev.kind[0] ? dev.kind : "hardware");
	if (memcmp(dev.mac, host_mac, MAC_SIZE) != 0)
		r = link_set_mac(host, dev.ifindex, host_mac, err);
	if (r == 0 && wanted->mtu && dev.mtu != wanted->mtu)
		r = link_set_mtu(host, dev.ifindex, wanted->mtu, err);
	if (r == 0)
		r = settings_write(host_settings, ARRAY_SIZE(host_settings), wanted->ifname,
				   wanted->v4, wanted->v6, err);
	if (r == 0 && !(dev.flags & IFF_UP))
		r = link_set_up(host, dev.ifindex, true, err);
	if (r == 0 && wanted->v6)
		r = add_gateway(host, dev.ifindex, err);
	return r;
}

/* May the pod forward between interfaces of its own? */
static int set_forwarding(uint8_t family, bool allow, struct err *err)
{
	const struct setting setting = {
		.family = family,
		.dir = family == AF_INET ? "net/ipv4/conf" : "net/ipv6/conf",
		.ifname = "all",
		.name = "forwarding",
		.value = allow ? "1" : "0",
	};

	return setting_write(&setting, NULL, err);
}

/* --- In the pod's namespace --------------------------------------------------------------- */

struct visit {
	struct pod_link *link;
	int self;      /* the way back */
	struct nl *nl; /* to the pod's namespace */
	int (*run)(struct visit *visit, struct err *err);
};

static void visit_deinit(struct visit *visit)
{
	visit->self = fd_close(visit->self);
}

/* Before anything is made: a "pod" in the agent's own namespace would get the host's interfaces. */
static int visit_prepare(struct visit *visit, struct err *err)
{
	int r = netns_open_self(&visit->self, err);

	if (r < 0)
		return r;
	r = netns_same(visit->self, visit->link->netns_fd);
	if (r < 0)
		return err_errno(err, r, "the pod's network namespace");
	if (r > 0)
		return err_set(err, -EINVAL,
			       "the pod's network namespace is the agent's own: a pod on the "
			       "host's network is not wired");
	return 0;
}

static int visit_inside(struct visit *visit, struct err *err)
{
	int r = nl_open(NETLINK_ROUTE, -1, &visit->nl, err);

	if (r == 0)
		r = visit->run(visit, err);
	visit->nl = nl_close(visit->nl);
	return r;
}

/* What 'run' returns, or <0 where the namespace can't be entered. */
static int visit_pod(struct visit *visit, struct err *err)
{
	struct err back = ERR_INIT;
	int r = netns_enter(visit->link->netns_fd, err);

	if (r < 0)
		return err_prefix(err, r, "the pod's network namespace");
	r = visit_inside(visit, err);
	if (netns_enter(visit->self, &back) < 0) {
		/* Everything from here on would happen to the pod instead of the host. */
		log_error("no way back from a pod's network namespace", "error", back.msg);
		abort();
	}
	return r;
}

/* --- Attach ------------------------------------------------------------------------------- */

static struct route default_route(uint8_t family, int ifindex)
{
	return (struct route){
		.dst = {.addr = {.family = family}},
		.protocol = RTPROT_BOOT,
		.ifindex = ifindex,
		.gateway = family == AF_INET ? gateway_v4 : gateway_v6,
	};
}

/* The 'i'th of the pod's routes by the gateway, whether of a list or the default ones. */
static bool pod_route(const struct pod_link *link, uint8_t family, int ifindex, size_t i,
		      struct route *ret)
{
	*ret = default_route(family, ifindex);
	if (i < link->n_routes)
		ret->dst = link->routes[i];
	return i < MAX(link->n_routes, (size_t)1);
}

static int add_routes(const struct pod_link *link, uint8_t family, struct err *err)
{
	struct route route = {
		.dst = cidr_host(&gateway_v4),
		.protocol = RTPROT_BOOT,
		.scope = RT_SCOPE_LINK,
		.ifindex = link->pod_ifindex,
	};
	int r = 0;

	if (!has_family(link, family))
		return 0;
	if (family == AF_INET)
		r = route_replace(link->pod_nl, &route, err);
	for (size_t i = 0; r == 0 && pod_route(link, family, link->pod_ifindex, i, &route); i++) {
		if (route.dst.addr.family == family)
			r = route_replace(link->pod_nl, &route, err);
	}
	return r;
}

static int pod_settings_write(struct visit *visit, bool v4, bool v6, struct err *err)
{
	const struct pod_link *link = visit->link;
	int r = settings_write(pod_settings, ARRAY_SIZE(pod_settings), link->pod_ifname, v4, v6,
			       err);

	if (r == 0 && v4)
		r = set_forwarding(AF_INET, link->allow_ip_forwarding, err);
	if (r == 0 && v6)
		r = set_forwarding(AF_INET6, link->allow_ip_forwarding, err);
	return r;
}

static int prepare_pod(struct visit *visit, struct err *err)
{
	struct pod_link *link = visit->link;
	struct link dev;
	int r;

	r = link_get(visit->nl, link->pod_ifname, &dev, err);
	if (r != 0)
		return r < 0 ? r : err_set(err, -ENODEV, "%s vanished", link->pod_ifname);
	memcpy(link->pod_mac, dev.mac, MAC_SIZE);
	link->pod_ifindex = dev.ifindex;
	r = pod_settings_write(visit, link->early_v4, link->early_v6, err);
	if (r == 0)
		r = link_set_up(visit->nl, dev.ifindex, true, err);
	if (r == 0)
		link->pod_nl = TAKE_PTR(visit->nl);
	return r;
}

/*
 * While it is down: what comes up with the kernel's own settings gives itself a link-local address
 * at once and looks for duplicates for a second, in which it is no gateway. Where it is set up to
 * give itself another one, the pod's gateway is added beside it.
 */
static int host_settings_write(struct nl *host, const struct pod_link *link, bool v4, bool v6,
			       struct err *err)
{
	int r = settings_write(host_settings, ARRAY_SIZE(host_settings), link->host_ifname, v4, v6,
			       err);

	if (r == 0)
		r = link_set_up(host, link->host_ifindex, true, err);
	/* Also where only IPv4 is late: what goes down loses its IPv6 addresses. */
	if (r == 0 && (v6 || link->early_v6))
		r = add_gateway(host, link->host_ifindex, err);
	return r;
}

static int prepare_host(struct nl *host, struct pod_link *link, struct err *err)
{
	struct link dev;
	int r = link_get(host, link->host_ifname, &dev, err);

	if (r != 0)
		return r < 0 ? r : err_set(err, -ENODEV, "%s vanished", link->host_ifname);
	link->host_ifindex = dev.ifindex;
	return host_settings_write(host, link, link->early_v4, link->early_v6, err);
}

/* Families that nobody knew of when the pair was made. */
static bool has_late(const struct pod_link *link, uint8_t family)
{
	return has_family(link, family) && !(family == AF_INET ? link->early_v4 : link->early_v6);
}

static int settle_late_pod(struct visit *visit, struct err *err)
{
	return pod_settings_write(visit, has_late(visit->link, AF_INET),
				  has_late(visit->link, AF_INET6), err);
}

/* The host's end goes down for it: see host_settings_write(). */
static int settle_late(struct nl *host, struct pod_link *link, struct err *err)
{
	_cleanup_(visit_deinit) struct visit visit = {
		.link = link, .self = -1, .run = settle_late_pod};
	int r;

	if (!has_late(link, AF_INET) && !has_late(link, AF_INET6))
		return 0;
	r = visit_prepare(&visit, err);
	if (r == 0)
		r = link_set_up(host, link->host_ifindex, false, err);
	if (r == 0)
		r = host_settings_write(host, link, has_late(link, AF_INET),
					has_late(link, AF_INET6), err);
	return r == 0 ? visit_pod(&visit, err) : r;
}

static int add_addrs(const struct pod_link *link, struct err *err)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < link->n_addrs; i++)
		r = addr_add(link->pod_nl, link->pod_ifindex, &link->addrs[i], err);
	return r;
}

/* 0: the host's end sends. NOT_YET. */
static int host_is_ready(struct nl *host, const struct pod_link *link, struct err *err)
{
	struct link dev;
	int r = link_get_index(host, link->host_ifindex, &dev, err);

	if (r != 0)
		return r < 0 ? r : err_set(err, -ENODEV, "%s vanished", link->host_ifname);
	if (memcmp(dev.mac, host_mac, MAC_SIZE) != 0)
		return err_set(err, -EBUSY,
			       "%s did not keep the MAC address ee:ee:ee:ee:ee:ee: does udev or "
			       "NetworkManager manage cali interfaces on this node? Exempt them",
			       link->host_ifname);
	return dev.operstate == IF_OPER_UP ? 0 : NOT_YET;
}

/*
 * 0: the host answers for the pod's IPv6 gateway. NOT_YET (ADDR_E_NOT_YET): the kernel looks for
 * duplicates first, though nothing is sent for that, or has not joined the group yet by which the
 * pod asks for the gateway, and then would ask again only a second later.
 */
static int gateway_is_ready(struct nl *host, const struct pod_link *link, struct err *err)
{
	return has_family(link, AF_INET6)
		       ? addr_is_local(host, link->host_ifindex, &gateway_v6, err)
		       : 0;
}

/* 0: the pod takes packets to all of its addresses. NOT_YET (ADDR_E_NOT_YET). */
static int pod_is_ready(const struct pod_link *link, struct err *err)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < link->n_addrs; i++)
		if (link->addrs[i].addr.family == AF_INET6)
			r = addr_is_local(link->pod_nl, 0, &link->addrs[i].addr, err);
	return r;
}

/*
 * The host's end came up before there was a carrier, and drops what it is to send until a work
 * queue of the kernel has seen that there is one now. Asking for the link makes it look at once
 * (6.8), or says when it has. Others make IPv6 addresses ready. So the first packet to or from a
 * pod whose ADD has been answered is not lost, or a second late.
 */
static int wait_until_ready(struct nl *host, const struct pod_link *link, struct err *err)
{
	const struct timespec pause = {.tv_nsec = READY_PAUSE_NS};

	for (unsigned int i = 0; i < READY_TRIES; i++) {
		int r = host_is_ready(host, link, err);

		if (r == 0)
			r = gateway_is_ready(host, link, err);
		if (r == 0)
			r = pod_is_ready(link, err);
		if (r <= 0)
			return r;
		(void)nanosleep(&pause, NULL);
	}
	/* The pod may have set its end down by now: not for us to say. */
	return 0;
}

/* 0: a stale one was removed. */
static int remove_stale(struct nl *host, const struct pod_link *link, struct err *err)
{
	struct link dev;
	int r = link_get(host, link->host_ifname, &dev, err);

	if (r < 0)
		return r;
	if (r == LINK_E_NOT_FOUND)
		return err_set(err, -EEXIST,
			       "the pod has an interface %s already: was it attached to a network "
			       "before?",
			       link->pod_ifname);
	if (strcmp(dev.kind, "veth") != 0)
		return err_set(err, -EEXIST,
			       "the host has an interface %s that is no pod's (%s): rename it",
			       link->host_ifname, dev.kind[0] ? dev.kind : "hardware");
	return link_delete(host, link->host_ifname, err);
}

static int add_pair(struct nl *host, const struct pod_link *link, struct err *err)
{
	struct veth_config config = {
		.host_name = link->host_ifname,
		.pod_name = link->pod_ifname,
		.pod_netns_fd = link->netns_fd,
		.mtu = link->mtu,
		.n_queues = link->n_queues,
		.has_pod_mac = link->has_pod_mac,
	};
	int r;

	memcpy(config.host_mac, host_mac, MAC_SIZE);
	memcpy(config.pod_mac, link->pod_mac, MAC_SIZE);
	r = link_add_veth(host, &config, err);
	/* Asked only now: most pods have no predecessor. */
	if (r == LINK_E_EXISTS) {
		r = remove_stale(host, link, err);
		if (r < 0)
			return r;
		r = link_add_veth(host, &config, err);
	}
	return r > 0 ? err_set(err, -EEXIST, "the pod has an interface %s already",
			       link->pod_ifname)
		     : r;
}

static bool is_valid(const struct pod_link *link)
{
	return cni_ifname_valid(link->host_ifname) && cni_ifname_valid(link->pod_ifname) &&
	       link->netns_fd >= 0 && link->n_addrs <= ARRAY_SIZE(link->addrs);
}

/* After a failure, for which 'err' is. */
static int undo(struct nl *host, const struct pod_link *link, int r, struct err *err)
{
	struct err reason = ERR_INIT;

	if (link_delete(host, link->host_ifname, &reason) < 0)
		log_error_limited("half a pod's wire stays", "interface", link->host_ifname,
				  "error", reason.msg);
	return err_prefix(err, r, "wiring %s", link->host_ifname);
}

void pod_link_deinit(struct pod_link *link)
{
	link->pod_nl = nl_close(link->pod_nl);
}

int pod_link_create(struct nl *host, struct pod_link *link, struct err *err)
{
	_cleanup_(visit_deinit) struct visit visit = {.link = link, .self = -1, .run = prepare_pod};
	int r;

	if (!is_valid(link))
		return err_set(err, -EINVAL, "wiring a pod: bad names, namespace or addresses");
	r = visit_prepare(&visit, err);
	if (r == 0)
		r = add_pair(host, link, err);
	if (r < 0)
		return err_prefix(err, r, "veth %s", link->host_ifname);
	r = prepare_host(host, link, err);
	if (r == 0)
		r = visit_pod(&visit, err);
	return r < 0 ? undo(host, link, r, err) : 0;
}

int pod_link_configure(struct nl *host, struct pod_link *link, struct err *err)
{
	int r;

	if (!is_valid(link))
		return err_set(err, -EINVAL, "wiring a pod: bad names, namespace or addresses");
	assert(link->pod_nl);
	r = settle_late(host, link, err);
	if (r == 0)
		r = add_addrs(link, err);
	if (r == 0)
		r = add_routes(link, AF_INET, err);
	if (r == 0)
		r = add_routes(link, AF_INET6, err);
	if (r == 0)
		r = wait_until_ready(host, link, err);
	pod_link_deinit(link);
	return r < 0 ? undo(host, link, r, err) : 0;
}

int pod_link_detach(struct nl *host, const char *host_ifname, struct err *err)
{
	struct link dev;
	int r;

	if (!cni_ifname_valid(host_ifname))
		return err_set(err, -EINVAL, "\"%.32s\" is no interface name", host_ifname);
	r = link_get(host, host_ifname, &dev, err);
	if (r == LINK_E_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	if (strcmp(dev.kind, "veth") != 0)
		return err_set(err, -EEXIST, "%s is no pod's interface (%s): it is left alone",
			       host_ifname, dev.kind[0] ? dev.kind : "hardware");
	return link_delete(host, host_ifname, err);
}

/* --- Check -------------------------------------------------------------------------------- */

static int wrong(struct err *err, const char *ifname, const char *what)
{
	return err_set(err, POD_LINK_E_WRONG, "%s: %s", ifname, what);
}

static int check_addrs(struct visit *visit, int ifindex, struct err *err)
{
	_cleanup_(if_addr_list_deinit) struct if_addr_list list = {0};
	int r = addr_dump(visit->nl, AF_UNSPEC, ifindex, &list, err);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < visit->link->n_addrs; i++) {
		const struct cidr *want = &visit->link->addrs[i];
		bool found = false;

		for (size_t k = 0; k < list.n && !found; k++)
			found = cidr_equal(&list.v[k].cidr, want);
		if (!found)
			return err_set(err, POD_LINK_E_WRONG, "%s in the pod: %s is missing",
				       visit->link->pod_ifname, cidr_format(want).s);
	}
	return 0;
}

static bool list_has(const struct route_list *list, const struct route *want)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct route *route = &list->v[i];

		if (route->ifindex == want->ifindex && cidr_equal(&route->dst, &want->dst) &&
		    ip_equal(&route->gateway, &want->gateway))
			return true;
	}
	return false;
}

static int check_routes(struct visit *visit, uint8_t family, int ifindex, struct err *err)
{
	_cleanup_(route_list_deinit) struct route_list list = {0};
	const char *ifname = visit->link->pod_ifname;
	struct route want = {.dst = cidr_host(&gateway_v4), .ifindex = ifindex};
	int r;

	if (!has_family(visit->link, family))
		return 0;
	r = route_dump(visit->nl, family, 0, &list, err);
	if (r < 0)
		return r;
	if (family == AF_INET && !list_has(&list, &want))
		return err_set(err, POD_LINK_E_WRONG, "%s in the pod: the route %s is missing",
			       ifname, cidr_format(&want.dst).s);
	for (size_t i = 0; pod_route(visit->link, family, ifindex, i, &want); i++) {
		if (want.dst.addr.family == family && !list_has(&list, &want))
			return err_set(err, POD_LINK_E_WRONG,
				       "%s in the pod: the route %s via %s is missing", ifname,
				       cidr_format(&want.dst).s, ip_format(&want.gateway).s);
	}
	return 0;
}

static int check_pod(struct visit *visit, struct err *err)
{
	const char *ifname = visit->link->pod_ifname;
	struct link dev;
	int r = link_get(visit->nl, ifname, &dev, err);

	if (r < 0)
		return r;
	if (r == LINK_E_NOT_FOUND)
		return wrong(err, ifname, "it is gone from the pod");
	if (!(dev.flags & IFF_UP))
		return wrong(err, ifname, "it is down in the pod");
	r = check_addrs(visit, dev.ifindex, err);
	if (r == 0)
		r = check_routes(visit, AF_INET, dev.ifindex, err);
	if (r == 0)
		r = check_routes(visit, AF_INET6, dev.ifindex, err);
	return r;
}

static int check_setting(const struct setting *setting, const char *ifname, struct err *err)
{
	char path[SYSCTL_PATH], value[32] = "";
	int r;

	setting_path(setting, ifname, path);
	r = sysctl_read(path, value, sizeof(value), err);
	if (setting->optional || (r == 0 && strcmp(value, setting->value) == 0))
		return 0;
	return err_set(err, POD_LINK_E_WRONG, "%s: %s is \"%s\", not \"%s\"", ifname, path, value,
		       setting->value);
}

static int check_host(struct nl *host, const struct pod_link *link, struct err *err)
{
	struct link dev;
	int r = link_get(host, link->host_ifname, &dev, err);

	if (r < 0)
		return r;
	if (r == LINK_E_NOT_FOUND)
		return wrong(err, link->host_ifname, "it is gone from the host");
	if (!(dev.flags & IFF_UP))
		return wrong(err, link->host_ifname, "it is down");
	if (memcmp(dev.mac, host_mac, MAC_SIZE) != 0)
		return wrong(err, link->host_ifname, "its MAC address is not ee:ee:ee:ee:ee:ee");
	for (size_t i = 0; i < ARRAY_SIZE(host_settings); i++) {
		if (!has_family(link, host_settings[i].family))
			continue;
		r = check_setting(&host_settings[i], link->host_ifname, err);
		if (r != 0)
			return r;
	}
	return 0;
}

int pod_link_check(struct nl *host, const struct pod_link *link, struct err *err)
{
	struct pod_link copy = *link;
	_cleanup_(visit_deinit) struct visit visit = {.link = &copy, .self = -1, .run = check_pod};
	int r;

	if (!is_valid(link))
		return err_set(err, -EINVAL, "checking a pod: bad names, namespace or addresses");
	r = visit_prepare(&visit, err);
	if (r == 0)
		r = check_host(host, link, err);
	return r != 0 ? r : visit_pod(&visit, err);
}
