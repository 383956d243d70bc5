/* SPDX-License-Identifier: Apache-2.0 */

/* From FelixConfiguration to what the agent's parts take. */

#include <errno.h>
#include <unistd.h>

#include "agent/agent-internal.h"
#include "agent/policy-config.h"
#include "model/felix-config.h"
#include "model/felix-configuration.h"

#define LOG_MODULE "config"
#include "base/log.h"

int agent_config_resolve(const struct object *global, const struct object *node,
			 struct felix_configuration **ret, struct err *err)
{
	return felix_config_resolve(global ? as_felix_configuration(global) : NULL,
				    node ? as_felix_configuration(node) : NULL, environ, ret, err);
}

/* iptables announces no change, so how often it is looked at counts too. */
static uint64_t refresh_us(const struct agent *agent, const struct felix_configuration_spec *spec)
{
	uint64_t routes = (uint64_t)felix_duration_us(spec->route_refresh_interval);
	uint64_t rules = (uint64_t)felix_duration_us(spec->iptables_refresh_interval);

	if (!agent->dataplane || !dataplane_policy_driver(agent->dataplane).ops->is_iptables)
		return routes;
	return routes && (!rules || routes < rules) ? routes : rules;
}

void agent_config_dataplane(const struct agent *agent, struct dataplane_config *ret)
{
	const struct felix_configuration_spec *spec = &agent->felix->spec;

	*ret = (struct dataplane_config){
		.node_name = agent->args.node_name,
		.state_dir = agent->args.state_dir,
		.interface_prefix = spec->interface_prefix,
		.vxlan_vni = (uint32_t)spec->vxlan_vni.v,
		.vxlan_port = (uint16_t)spec->vxlan_port.v,
		.vxlan_mtu = (uint32_t)spec->vxlan_mtu.v,
		.vxlan_mtu_v6 = (uint32_t)spec->vxlan_mtu_v6.v,
		.ipip_mtu = (uint32_t)spec->ipip_mtu.v,
		.mtu_iface_pattern = spec->mtu_iface_pattern,
		.device_route_protocol = (uint8_t)spec->device_route_protocol.v,
		.offload = !agent->args.policy_off && policy_config_offloads(spec),
		.offload_pattern = spec->nftables_flow_table_data_iface_pattern,
		.refresh_us = refresh_us(agent, spec),
	};
}

void agent_config_apply_log_level(const struct felix_configuration *felix)
{
	enum log_level level;

	if (felix->spec.log_severity_screen &&
	    log_level_parse(felix->spec.log_severity_screen, &level))
		log_set_level(level);
}
