/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Node: one object per machine, kept up to date by its agent.
 */

#include "model/kinds-networking.h"

#include <errno.h>

#include "base/err.h"
#include "base/ip.h"
#include "base/macros.h"
#include "model/kinds.h"

static const char *const address_types[] = {"CalicoNodeIP", "InternalIP", "ExternalIP", NULL};
static const struct field_desc node_bgp_fields[] = {
	{.name = "asNumber",
	 .type = FIELD_INT,
	 .check = CHECK_AS_NUMBER,
	 .offset = offsetof(struct node_bgp, as_number),
	 .min = 1,
	 .max = UINT32_MAX,
	 .doc = "AS number of this node. Without it, that of BGPConfiguration is used."},
	{.name = "ipv4Address",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_CIDR,
	 .offset = offsetof(struct node_bgp, ipv4_address),
	 .doc = "The node's IPv4 address and its subnet, as 192.168.0.1/24."},
	{.name = "ipv6Address",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_CIDR,
	 .offset = offsetof(struct node_bgp, ipv6_address),
	 .doc = "The node's IPv6 address and its subnet."},
	{.name = "ipv4IPIPTunnelAddr",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_V4,
	 .offset = offsetof(struct node_bgp, ipv4_ipip_tunnel_addr),
	 .doc = "Address of tunl0, allocated from an IPIP pool."},
	{.name = "routeReflectorClusterID",
	 .type = FIELD_STRING,
	 .check = CHECK_CLUSTER_ID,
	 .offset = offsetof(struct node_bgp, route_reflector_cluster_id),
	 .doc = "Makes the node a route reflector of this cluster ID, which has the form of an IPv4 address."},
};
static const struct struct_desc node_bgp_desc = STRUCT_DESC(node_bgp, node_bgp_fields);

static const struct field_desc node_orch_ref_fields[] = {
	{.name = "nodeName",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct node_orch_ref, node_name),
	 .doc = "Name of the node in the orchestrator."},
	{.name = "orchestrator",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct node_orch_ref, orchestrator),
	 .doc = "The orchestrator; k8s for Kubernetes."},
};
static const struct struct_desc node_orch_ref_desc =
	STRUCT_DESC(node_orch_ref, node_orch_ref_fields);

static const struct field_desc node_address_fields[] = {
	{.name = "address",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_IP_CIDR,
	 .offset = offsetof(struct node_address, address),
	 .doc = "The address, alone or with its subnet."},
	{.name = "type",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct node_address, type),
	 .values = address_types,
	 .doc = "Who gave the address to the node."},
};
static const struct struct_desc node_address_desc = STRUCT_DESC(node_address, node_address_fields);

static const struct field_desc node_interface_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_INTERFACE,
	 .offset = offsetof(struct node_interface, name),
	 .doc = "Name of the interface."},
	{.name = "addresses",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_IP_CIDR,
	 .offset = offsetof(struct node_interface, addresses),
	 .doc = "Its addresses."},
};
static const struct struct_desc node_interface_desc =
	STRUCT_DESC(node_interface, node_interface_fields);

static const struct field_desc node_wireguard_fields[] = {
	{.name = "interfaceIPv4Address",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_V4,
	 .offset = offsetof(struct node_wireguard, interface_ipv4_address),
	 .doc = "IPv4 address of the WireGuard interface."},
	{.name = "interfaceIPv6Address",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_V6,
	 .offset = offsetof(struct node_wireguard, interface_ipv6_address),
	 .doc = "IPv6 address of the WireGuard interface."},
};
static const struct struct_desc node_wireguard_desc =
	STRUCT_DESC(node_wireguard, node_wireguard_fields);

static const struct field_desc node_spec_fields[] = {
	{.name = "bgp",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct node_spec, bgp),
	 .sub = &node_bgp_desc,
	 .doc = "BGP on this node; without it the node takes no part in BGP."},
	{.name = "ipv4VXLANTunnelAddr",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_V4,
	 .offset = offsetof(struct node_spec, ipv4_vxlan_tunnel_addr),
	 .doc = "Address of vxlan.calico, allocated from a VXLAN pool."},
	{.name = "vxlanTunnelMACAddr",
	 .type = FIELD_STRING,
	 .check = CHECK_MAC,
	 .offset = offsetof(struct node_spec, vxlan_tunnel_mac_addr),
	 .doc = "MAC address of vxlan.calico."},
	{.name = "ipv6VXLANTunnelAddr",
	 .type = FIELD_STRING,
	 .check = CHECK_IP_V6,
	 .offset = offsetof(struct node_spec, ipv6_vxlan_tunnel_addr),
	 .doc = "Address of vxlan-v6.calico."},
	{.name = "vxlanTunnelMACAddrV6",
	 .type = FIELD_STRING,
	 .check = CHECK_MAC,
	 .offset = offsetof(struct node_spec, vxlan_tunnel_mac_addr_v6),
	 .doc = "MAC address of vxlan-v6.calico."},
	{.name = "orchRefs",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct node_spec, orch_refs),
	 .sub = &node_orch_ref_desc,
	 .doc = "The same node as orchestrators know it."},
	{.name = "wireguard",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct node_spec, wireguard),
	 .sub = &node_wireguard_desc,
	 .doc = "Addresses of the WireGuard interfaces."},
	{.name = "addresses",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct node_spec, addresses),
	 .sub = &node_address_desc,
	 .doc = "All addresses by which the node is known."},
	{.name = "interfaces",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct node_spec, interfaces),
	 .sub = &node_interface_desc,
	 .doc = "Interfaces of the node and their addresses."},
};
static const struct struct_desc node_spec_desc = STRUCT_DESC(node_spec, node_spec_fields);

static const struct field_desc node_status_fields[] = {
	{.name = "wireguardPublicKey",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct node_status, wireguard_public_key),
	 .doc = "Public key of the IPv4 WireGuard interface."},
	{.name = "wireguardPublicKeyV6",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct node_status, wireguard_public_key_v6),
	 .doc = "Public key of the IPv6 WireGuard interface."},
	{.name = "podCIDRs",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct node_status, pod_cidrs),
	 .doc = "Prefixes that Kubernetes gave to the node."},
};
static const struct struct_desc node_status_desc = STRUCT_DESC(node_status, node_status_fields);

static const struct field_desc node_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct node, spec),
	 .sub = &node_spec_desc,
	 .doc = "What is wanted."},
	{.name = "status",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_READ_ONLY,
	 .offset = offsetof(struct node, status),
	 .sub = &node_status_desc,
	 .doc = "What is."},
};
static const struct struct_desc node_desc = STRUCT_DESC(node, node_fields);

static const struct kind_column node_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "ASN", .path = "spec.bgp.asNumber", .wide = true},
	{.title = "IPV4", .path = "spec.bgp.ipv4Address", .wide = true},
	{.title = "IPV6", .path = "spec.bgp.ipv6Address", .wide = true},
	{.title = NULL},
};

static int check_family(const char *path, const char *text, uint8_t family, struct err *err)
{
	struct cidr cidr;

	if (!text || cidr_parse(text, &cidr, NULL) < 0 || cidr.addr.family == family)
		return 0;
	return err_set(err, -EINVAL, "%s: expected an IPv%u address, found \"%s\"", path,
		       ip_version(family), text);
}

static int node_validate(const struct object *object, struct err *err)
{
	const struct node_bgp *bgp = as_node(object)->spec.bgp;
	int r;

	if (!bgp)
		return 0;
	r = check_family("spec.bgp.ipv4Address", bgp->ipv4_address, AF_INET, err);
	if (r < 0)
		return r;
	return check_family("spec.bgp.ipv6Address", bgp->ipv6_address, AF_INET6, err);
}

static const char *const node_aliases[] = {"no", NULL};

const struct kind_desc kind_node = {
	.kind = KIND_NODE,
	.name = "Node",
	.plural = "nodes",
	.singular = "node",
	.aliases = node_aliases,
	.size = sizeof(struct node),
	.root = &node_desc,
	.doc = "A machine that runs pods: its addresses, its part in BGP, its tunnels.",
	.validate = node_validate,
	.columns = node_columns,
};
