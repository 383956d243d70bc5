/* SPDX-License-Identifier: Apache-2.0 */

/* From FelixConfiguration to what the agent's parts take. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent-internal.h"
#include "agent/policy-config.h"
#include "base/alloc.h"
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

static int read_felix(const struct store_object *stored, struct object **ret, struct err *err)
{
	_cleanup_(model_freep) struct object *object = NULL;
	int r = store_object_read(stored, &object, err);

	if (r == 0)
		r = model_validate(object, err);
	if (r == 0)
		*ret = TAKE_PTR(object);
	return r;
}

/* NULL: there is none, or none that can be understood. What is wrong is counted by the sync. */
static struct object *recall_felix(struct agent *agent, const struct store_object *stored,
				   const char *why)
{
	_cleanup_(store_object_deinitp) struct store_object kept = {.name = NULL};
	struct object *object = NULL;
	struct err err = ERR_INIT;
	int r = last_good_get(agent->last_good, stored, &kept, &err);

	if (r == 0)
		r = read_felix(&kept, &object, &err);
	log_error(r == 0 ? "the configuration can't be understood; its last good version, kept on "
			   "this node, is in force"
			 : "the configuration can't be understood, and this node knows no good "
			   "version of it: it is left out, and defaults are in force",
		  "name", stored->name, "error", why);
	return r == 0 ? object : NULL;
}

static int load_felix(struct agent *agent, const char *name, struct object **ret, struct err *err)
{
	_cleanup_(store_object_deinitp) struct store_object stored = {0};
	struct err bad = ERR_INIT;
	int r = store_get(store_worker_get_store(agent->store_worker), KIND_FELIX_CONFIGURATION,
			  NULL, name, &stored, err);

	if (r == 0 && read_felix(&stored, ret, &bad) < 0)
		*ret = recall_felix(agent, &stored, bad.msg);
	return MIN(r, 0);
}

int agent_config_load(struct agent *agent, struct err *err)
{
	_cleanup_free_ char *node_name = xasprintf("node.%s", agent->args.node_name);
	_cleanup_(model_freep) struct object *global = NULL;
	_cleanup_(model_freep) struct object *node = NULL;
	int r = load_felix(agent, "default", &global, err);

	if (r == 0)
		r = load_felix(agent, node_name, &node, err);
	if (r == 0)
		r = agent_config_resolve(global, node, &agent->felix, err);
	if (r == 0)
		agent_config_apply_log_level(agent->felix);
	return r;
}

/* All is looked at at once, as often as what is to be looked at most often. 0: never. */
static uint64_t refresh_us(const struct agent *agent, const struct felix_configuration_spec *spec)
{
	bool iptables =
		agent->dataplane && dataplane_policy_driver(agent->dataplane).ops->is_iptables;
	const char *const intervals[] = {
		spec->route_refresh_interval,
		iptables ? spec->iptables_refresh_interval : spec->nftables_refresh_interval,
		spec->ipsets_refresh_interval,
	};
	uint64_t shortest = 0;

	for (size_t i = 0; i < ARRAY_SIZE(intervals); i++) {
		uint64_t us = (uint64_t)felix_duration_us(intervals[i]);

		if (us && (!shortest || us < shortest))
			shortest = us;
	}
	return shortest;
}

/* "1024:65535", or one port; the name of one, which can't be meant, is none. */
static void read_nat_ports(const char *text, struct dataplane_config *ret)
{
	char *end = NULL;
	unsigned long first = text ? strtoul(text, &end, 10) : 0;
	unsigned long last = end && *end == ':' ? strtoul(end + 1, &end, 10) : first;

	if (!first || *end || last < first || last > UINT16_MAX)
		return;
	ret->nat_first_port = (uint16_t)first;
	ret->nat_last_port = (uint16_t)last;
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
		.nat_spares_hosts = strcmp(spec->nat_outgoing_exclusions, "IPPoolsAndHostIPs") == 0,
		.refresh_us = refresh_us(agent, spec),
	};
	read_nat_ports(spec->nat_port_range.s, ret);
}

void agent_config_report_ignored(const struct felix_configuration *felix, char **reported)
{
	_cleanup_free_ char *names = felix_config_ignored(felix);

	if (names && (!*reported || strcmp(*reported, names) != 0))
		log_warning("parameters are set that this version does not apply", "parameters",
			    names);
	replace_str(reported, TAKE_PTR(names));
}

void agent_config_apply_log_level(const struct felix_configuration *felix)
{
	enum log_level level;

	if (felix->spec.log_severity_screen &&
	    log_level_parse(felix->spec.log_severity_screen, &level))
		log_set_level(level);
}
