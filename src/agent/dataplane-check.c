/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What someone else may change without a word of the kernel's: most settings in /proc/sys. A look
 * twice a second, by one dump for all interfaces, finds it; what the kernel announces does not wait
 * for that (dataplane-monitor.c).
 */

#include <string.h>

#include "agent/dataplane-internal.h"
#include "cni/pod-link.h"
#include "netlink/sysctl.h"

#define LOG_MODULE "dataplane"
#include "base/log.h"

#define CHECK_US 500000

int forwarding_ensure(struct err *err)
{
	static const char *const paths[] = {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int r = sysctl_write(paths[i], "1", err);

		if (r < 0) /* a kernel without IPv6 has no such file, which is an outcome, not a
			      failure */
			return r;
	}
	return 0;
}

void dataplane_check_endpoint(struct dataplane *dataplane, struct endpoint *endpoint)
{
	const struct pod_link_host wanted = endpoint_host(endpoint);
	struct link_conf conf;

	if (link_conf_read(dataplane->nl, endpoint->ifindex, &conf, NULL) == 0 &&
	    !pod_link_host_right(&wanted, &conf))
		dataplane_repair_endpoint(dataplane, endpoint, "interface or its settings");
}

static void check_endpoints(struct dataplane *dataplane)
{
	_cleanup_(link_conf_list_deinit) struct link_conf_list list = {0};
	struct err err = ERR_INIT;
	struct endpoint *endpoint;
	struct endpoint *next;

	if (!dataplane->endpoints->by_name)
		return;
	if (link_conf_dump(dataplane->nl, &list, &err) < 0) {
		log_warning_limited("can't look at the pods' interfaces", "error", err.msg);
		return;
	}
	HASH_ITER(hh, dataplane->endpoints->by_name, endpoint, next)
	{
		const struct pod_link_host wanted = endpoint_host(endpoint);
		const struct link_conf *conf =
			endpoint->busy ? NULL : link_conf_find(&list, endpoint->ifindex);

		if (conf && !pod_link_host_right(&wanted, conf))
			dataplane_repair_endpoint(dataplane, endpoint, "settings");
	}
}

int dataplane_on_check(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dataplane *dataplane = userdata;
	struct err err = ERR_INIT;

	(void)usec;
	if (forwarding_ensure(&err) < 0)
		log_error_limited("this node does not forward", "error", err.msg);
	check_endpoints(dataplane);
	if (dataplane->policy.ops->fd(dataplane->policy.self) < 0)
		(void)dataplane_on_nat(NULL, -1, 0, dataplane);
	(void)sd_event_source_set_time_relative(source, CHECK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}
