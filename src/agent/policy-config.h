/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From FelixConfiguration, and what this node speaks, to the dataplane's policy parameters. */

#include "policy/policy-update.h"

struct bgp_configuration_spec;
struct felix_configuration_spec;

/* Failsafe ports of one direction, and prefixes of interface names; both bounded by validation. */
#define POLICY_CONFIG_PREFIXES_MAX 8

struct policy_config_buffer {
	struct policy_config config; /* points into what follows, and into 'spec' */
	struct failsafe *failsafes[POLICY_WAYS_];
	struct cidr *service_nets;
	char *prefix_text;
	const char *prefixes[POLICY_CONFIG_PREFIXES_MAX];
};
void policy_config_deinit(struct policy_config_buffer *buffer);
CLEANUP_DEINIT(struct policy_config_buffer, policy_config_deinit);

/* nftablesFlowTableOffload */
bool policy_config_offloads(const struct felix_configuration_spec *spec);

/*
 * 'spec' is resolved, so that every parameter has a value; it must live as long as 'ret'. A
 * failsafe port that can't be understood is left out and said in the log.
 */
void policy_config_from_felix(const struct felix_configuration_spec *spec, bool vxlan, bool ipip,
			      bool iptables, struct policy_config_buffer *ret);

/*
 * The prefixes of services that 'bgp' says are advertised, unless 'spec' (serviceLoopPrevention)
 * lets packets for them loop. A prefix that can't be understood is left out and said in the log.
 */
void policy_config_add_services(const struct felix_configuration_spec *spec,
				const struct bgp_configuration_spec *bgp,
				struct policy_config_buffer *ret);
