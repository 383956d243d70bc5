/* SPDX-License-Identifier: Apache-2.0 */

/* All kinds, by number and by the names that people and datastores use. */

#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "model/felix-configuration.h"
#include "model/kinds-kubernetes.h"
#include "model/kinds-networking.h"
#include "model/kinds-policy.h"

static const struct kind_desc *const kinds[KIND_COUNT_] = {
	[KIND_NODE] = &kind_node,
	[KIND_IP_POOL] = &kind_ip_pool,
	[KIND_IP_RESERVATION] = &kind_ip_reservation,
	[KIND_BGP_CONFIGURATION] = &kind_bgp_configuration,
	[KIND_BGP_PEER] = &kind_bgp_peer,
	[KIND_BGP_FILTER] = &kind_bgp_filter,
	[KIND_CALICO_NODE_STATUS] = &kind_calico_node_status,
	[KIND_CLUSTER_INFORMATION] = &kind_cluster_information,
	[KIND_WORKLOAD_ENDPOINT] = &kind_workload_endpoint,
	[KIND_BLOCK_AFFINITY] = &kind_block_affinity,
	[KIND_IPAM_BLOCK] = &kind_ipam_block,
	[KIND_IPAM_HANDLE] = &kind_ipam_handle,
	[KIND_IPAM_CONFIGURATION] = &kind_ipam_configuration,
	[KIND_FELIX_CONFIGURATION] = &kind_felix_configuration,
	[KIND_HOST_ENDPOINT] = &kind_host_endpoint,
	[KIND_NETWORK_POLICY] = &kind_network_policy,
	[KIND_GLOBAL_NETWORK_POLICY] = &kind_global_network_policy,
	[KIND_STAGED_NETWORK_POLICY] = &kind_staged_network_policy,
	[KIND_STAGED_GLOBAL_NETWORK_POLICY] = &kind_staged_global_network_policy,
	[KIND_STAGED_KUBERNETES_NETWORK_POLICY] = &kind_staged_kubernetes_network_policy,
	[KIND_TIER] = &kind_tier,
	[KIND_PROFILE] = &kind_profile,
	[KIND_NETWORK_SET] = &kind_network_set,
	[KIND_GLOBAL_NETWORK_SET] = &kind_global_network_set,
	[KIND_KUBE_CONTROLLERS_CONFIGURATION] = &kind_kube_controllers_configuration,
	[KIND_KUBERNETES_NETWORK_POLICY] = &kind_kubernetes_network_policy,
	[KIND_KUBERNETES_CLUSTER_NETWORK_POLICY] = &kind_kubernetes_cluster_network_policy,
	[KIND_KUBERNETES_SERVICE] = &kind_kubernetes_service,
	[KIND_KUBERNETES_ENDPOINT_SLICE] = &kind_kubernetes_endpoint_slice,
	[KIND_NAMESPACE] = &kind_namespace,
	[KIND_SERVICE_ACCOUNT] = &kind_service_account,
	[KIND_POD] = &kind_pod,
};

const struct kind_desc *kind_get(enum kind kind)
{
	assert(kind > 0 && kind < KIND_COUNT_);
	assert(kinds[kind]);
	return kinds[kind];
}

static bool is_called(const struct kind_desc *desc, const char *name)
{
	if (strcasecmp(name, desc->name) == 0 || strcasecmp(name, desc->plural) == 0 ||
	    strcasecmp(name, desc->singular) == 0)
		return true;
	for (size_t i = 0; desc->aliases && desc->aliases[i]; i++)
		if (strcasecmp(name, desc->aliases[i]) == 0)
			return true;
	return false;
}

const struct kind_desc *kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i] && is_called(kinds[i], name))
			return kinds[i];
	return NULL;
}

const char *kind_api_version(const struct kind_desc *desc)
{
	return desc->api_version ? desc->api_version : MODEL_API_VERSION;
}

const char *kind_api_kind(const struct kind_desc *desc)
{
	return desc->api_kind ? desc->api_kind : desc->name;
}

const struct kind_desc *kind_find_api(const char *api_version, const char *api_kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i] && strcmp(api_kind, kind_api_kind(kinds[i])) == 0 &&
		    strcmp(api_version, kind_api_version(kinds[i])) == 0)
			return kinds[i];
	return NULL;
}

const struct kind_desc *kind_find_plural(const char *plural)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i] && strcmp(plural, kinds[i]->plural) == 0)
			return kinds[i];
	return NULL;
}
