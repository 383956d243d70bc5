/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The part of FelixConfiguration that is about policy. Choices compare by their canonical spelling,
 * which resolving has given them.
 */

#include "agent/policy-config.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "model/felix-configuration.h"
#include "model/kinds.h"

#define LOG_MODULE "policy"
#include "base/log.h"

#define LOG_BURST    5 /* where the configuration says 0 */
#define LOG_RATE_MAX 9999

static bool failsafe_read(const struct proto_port *port, struct failsafe *ret)
{
	static const struct {
		const char *name;
		uint8_t number;
	} protocols[] = {
		{"tcp", IPPROTO_TCP},
		{"udp", IPPROTO_UDP},
		{"sctp", IPPROTO_SCTP},
		{"udplite", IPPROTO_UDPLITE},
	};

	*ret = (struct failsafe){.port = (uint16_t)port->port.v};
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (port->protocol && strcasecmp(port->protocol, protocols[i].name) == 0)
			ret->protocol = protocols[i].number;
	}
	if (!ret->protocol || !port->port.set || port->port.v < 0 || port->port.v > UINT16_MAX)
		return false;
	return !port->net || cidr_parse(port->net, &ret->net, NULL) == 0;
}

static size_t failsafes_read(const struct proto_port_list *list, struct failsafe **ret)
{
	size_t n = 0;

	*ret = xcalloc(list->n, sizeof(**ret));
	for (size_t i = 0; i < list->n; i++) {
		if (failsafe_read(&list->v[i], &(*ret)[n]))
			n++;
		else
			log_error("a failsafe port can't be understood and is not open", "protocol",
				  list->v[i].protocol, "port", log_num(list->v[i].port.v).s);
	}
	return n;
}

static size_t prefixes_read(struct policy_config_buffer *buffer, const char *text)
{
	char *save = NULL;
	size_t n = 0;

	buffer->prefix_text = xstrdup(text);
	for (char *s = strtok_r(buffer->prefix_text, ", ", &save);
	     s && n < ARRAY_SIZE(buffer->prefixes); s = strtok_r(NULL, ", ", &save))
		buffer->prefixes[n++] = s;
	return n;
}

static enum endpoint_to_host endpoint_to_host(const char *choice)
{
	if (strcmp(choice, "Accept") == 0)
		return ENDPOINT_TO_HOST_ACCEPT;
	return strcmp(choice, "Return") == 0 ? ENDPOINT_TO_HOST_RETURN : ENDPOINT_TO_HOST_DROP;
}

/*
 * "100/second"; what can't be understood limits nothing, and has been refused where it was written.
 */
static struct policy_log_limit log_limit(const char *text, int64_t burst)
{
	static const struct {
		const char *name;
		uint32_t seconds;
	} units[] = {{"/second", 1}, {"/minute", 60}, {"/hour", 3600}, {"/day", 86400}};
	struct policy_log_limit limit = {.burst = burst > 0 ? (uint32_t)burst : LOG_BURST};
	char *end = NULL;
	unsigned long rate = text ? strtoul(text, &end, 10) : 0;

	for (size_t i = 0; end && i < ARRAY_SIZE(units); i++)
		if (strcmp(end, units[i].name) == 0 && rate <= LOG_RATE_MAX) {
			limit.rate = (uint32_t)rate;
			limit.seconds = units[i].seconds;
		}
	return limit;
}

bool policy_config_offloads(const struct felix_configuration_spec *spec)
{
	return strcmp(spec->nftables_flow_table_offload, "All") == 0;
}

void policy_config_from_felix(const struct felix_configuration_spec *spec, bool vxlan, bool ipip,
			      bool iptables, struct policy_config_buffer *ret)
{
	const struct proto_port_list *const lists[POLICY_WAYS_] = {
		[POLICY_WAY_INGRESS] = &spec->failsafe_inbound_host_ports,
		[POLICY_WAY_EGRESS] = &spec->failsafe_outbound_host_ports,
	};

	*ret = (struct policy_config_buffer){0};
	ret->config = (struct policy_config){
		.endpoint_to_host = endpoint_to_host(spec->default_endpoint_to_host_action),
		.append = strcmp(spec->chain_insert_mode, "append") == 0,
		.filter_return = strcmp(iptables ? spec->iptables_filter_allow_action
						 : spec->nftables_filter_allow_action,
					"Return") == 0,
		.mangle_return = strcmp(iptables ? spec->iptables_mangle_allow_action
						 : spec->nftables_mangle_allow_action,
					"Return") == 0,
		.reject = strcmp(iptables ? spec->iptables_filter_deny_action
					  : spec->nftables_filter_deny_action,
				 "Reject") == 0,
		.drop_invalid = !spec->disable_conntrack_invalid_check.v,
		.workloads_may_send_vxlan = spec->allow_vxlan_packets_from_workloads.v,
		.workloads_may_send_ipip = spec->allow_ipip_packets_from_workloads.v,
		.offload = policy_config_offloads(spec),
		.vxlan_port = vxlan ? (uint16_t)spec->vxlan_port.v : 0,
		.ipip = ipip,
		.workloads_may_spoof = strcmp(spec->workload_source_spoofing, "Any") == 0,
		.log_prefix = spec->log_prefix,
		.log_limit =
			log_limit(spec->log_action_rate_limit, spec->log_action_rate_limit_burst.v),
		.workload_prefixes = ret->prefixes,
		.n_workload_prefixes = prefixes_read(ret, spec->interface_prefix),
	};
	for (unsigned int way = 0; way < POLICY_WAYS_; way++) {
		ret->config.n_failsafes[way] = failsafes_read(lists[way], &ret->failsafes[way]);
		ret->config.failsafes[way] = ret->failsafes[way];
	}
}

/* --- Services ----------------------------------------------------------------------------- */

static void add_services(const struct cidr_item_list *list, struct policy_config_buffer *ret)
{
	size_t n = ret->config.n_service_nets;

	ret->service_nets =
		xreallocarray(ret->service_nets, n + list->n, sizeof(*ret->service_nets));
	for (size_t i = 0; i < list->n; i++) {
		struct cidr net;

		if (!list->v[i].cidr || !*list->v[i].cidr)
			continue;
		if (cidr_parse(list->v[i].cidr, &net, NULL) == 0)
			ret->service_nets[n++] = cidr_masked(&net);
		else
			log_error("a prefix of services can't be understood and is not guarded "
				  "against loops",
				  "prefix", list->v[i].cidr);
	}
	ret->config.n_service_nets = n;
}

static int compare_nets(const void *a, const void *b)
{
	return cidr_compare(a, b);
}

/* A prefix that another one covers comes behind it, and goes. */
static void leave_widest(struct policy_config_buffer *ret)
{
	struct cidr *nets = ret->service_nets;
	size_t n = 0;

	if (ret->config.n_service_nets)
		qsort(nets, ret->config.n_service_nets, sizeof(*nets), compare_nets);
	for (size_t i = 0; i < ret->config.n_service_nets; i++)
		if (!n || !cidr_covers(&nets[n - 1], &nets[i]))
			nets[n++] = nets[i];
	ret->config.n_service_nets = n;
}

void policy_config_add_services(const struct felix_configuration_spec *spec,
				const struct bgp_configuration_spec *bgp,
				struct policy_config_buffer *ret)
{
	if (strcmp(spec->service_loop_prevention, "Disabled") == 0)
		return;
	add_services(&bgp->service_cluster_ips, ret);
	add_services(&bgp->service_external_ips, ret);
	add_services(&bgp->service_load_balancer_ips, ret);
	leave_widest(ret);
	ret->config.service_nets = ret->service_nets;
	ret->config.reject_services = strcmp(spec->service_loop_prevention, "Reject") == 0;
}

void policy_config_deinit(struct policy_config_buffer *buffer)
{
	for (unsigned int way = 0; way < POLICY_WAYS_; way++)
		free(buffer->failsafes[way]);
	free(buffer->prefix_text);
	free(buffer->service_nets);
}
