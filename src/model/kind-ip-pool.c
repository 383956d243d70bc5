/* SPDX-License-Identifier: Apache-2.0 */

/*
 * IPPool. Its CIDR and block size can't change: addresses are handed out from both.
 */

#include "model/kinds-networking.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/ip.h"
#include "base/macros.h"
#include "model/kinds.h"

static const char *const encap_modes[] = {"Never", "Always", "CrossSubnet", NULL};
static const char *const assignment_modes[] = {"Automatic", "Manual", NULL};
static const char *const uses[] = {"Workload", "Tunnel", "LoadBalancer", NULL};
static const char *const condition_states[] = {"True", "False", "Unknown", NULL};
static const struct field_desc condition_fields[] = {
	{.name = "type",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct condition, type),
	 .doc = "What the condition is about, as Allocatable of a pool."},
	{.name = "status",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct condition, status),
	 .values = condition_states,
	 .doc = "Whether it holds."},
	{.name = "reason",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct condition, reason),
	 .doc = "Why, in one word; of a pool OK, CIDROverlap, Terminating, PoolDisabled."},
	{.name = "message",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct condition, message),
	 .doc = "Why, for a person."},
	{.name = "lastTransitionTime",
	 .type = FIELD_STRING,
	 .check = CHECK_TIME,
	 .offset = offsetof(struct condition, last_transition_time),
	 .doc = "When the status last changed."},
	{.name = "observedGeneration",
	 .type = FIELD_INT,
	 .offset = offsetof(struct condition, observed_generation),
	 .doc = "Generation of the object the condition was made from."},
};
const struct struct_desc condition_desc = STRUCT_DESC(condition, condition_fields);

static const char *const ipip_old_modes[] = {"always", "cross-subnet", NULL};
static const struct field_desc ip_pool_ipip_fields[] = {
	{.name = "enabled",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct ip_pool_ipip, enabled),
	 .doc = "Whether IPIP is on."},
	{.name = "mode",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct ip_pool_ipip, mode),
	 .values = ipip_old_modes,
	 .doc = "always or cross-subnet."},
};
static const struct struct_desc ip_pool_ipip_desc = STRUCT_DESC(ip_pool_ipip, ip_pool_ipip_fields);

static const struct field_desc ip_pool_spec_fields[] = {
	{.name = "cidr",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct ip_pool_spec, cidr),
	 .doc = "The prefix that addresses come from."},
	{.name = "vxlanMode",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct ip_pool_spec, vxlan_mode),
	 .values = encap_modes,
	 .def = "\"Never\"",
	 .doc = "When traffic to pods of this pool goes through VXLAN."},
	{.name = "ipipMode",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct ip_pool_spec, ipip_mode),
	 .values = encap_modes,
	 .def = "\"Never\"",
	 .doc = "When traffic to pods of this pool goes through IPIP; IPv4 only. Not together with vxlanMode."},
	{.name = "natOutgoing",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct ip_pool_spec, nat_outgoing),
	 .def = "false",
	 .doc = "Whether traffic from pods of this pool to places outside all pools gets the address of the node.",
	 .alias = "nat-outgoing"},
	{.name = "disabled",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct ip_pool_spec, disabled),
	 .def = "false",
	 .doc = "No new addresses come from a disabled pool; those in use stay."},
	{.name = "disableBGPExport",
	 .type = FIELD_BOOL,
	 .offset = offsetof(struct ip_pool_spec, disable_bgp_export),
	 .def = "false",
	 .doc = "Keeps routes of this pool out of BGP."},
	{.name = "blockSize",
	 .type = FIELD_INT,
	 .flags = FIELD_IMMUTABLE,
	 .offset = offsetof(struct ip_pool_spec, block_size),
	 .doc = "Prefix length of the blocks that nodes get: 20 to 32, for IPv6 116 to 128. Default 26, for IPv6 122."},
	{.name = "nodeSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct ip_pool_spec, node_selector),
	 .def = "\"all()\"",
	 .doc = "Nodes that may take addresses from this pool."},
	{.name = "namespaceSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct ip_pool_spec, namespace_selector),
	 .doc = "Namespaces whose pods may get addresses from this pool."},
	{.name = "allowedUses",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct ip_pool_spec, allowed_uses),
	 .values = uses,
	 .def = "[\"Workload\",\"Tunnel\"]",
	 .doc = "What addresses may be used for."},
	{.name = "assignmentMode",
	 .type = FIELD_ENUM,
	 .offset = offsetof(struct ip_pool_spec, assignment_mode),
	 .values = assignment_modes,
	 .def = "\"Automatic\"",
	 .doc = "Manual: only pods that ask for this pool by annotation get addresses from it."},
	{.name = "ipip",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_DEPRECATED,
	 .offset = offsetof(struct ip_pool_spec, ipip),
	 .sub = &ip_pool_ipip_desc,
	 .doc = "Older form of ipipMode."},
};
static const struct struct_desc ip_pool_spec_desc = STRUCT_DESC(ip_pool_spec, ip_pool_spec_fields);

static const struct field_desc ip_pool_status_fields[] = {
	{.name = "conditions",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct ip_pool_status, conditions),
	 .sub = &condition_desc,
	 .doc = "Conditions of the pool."},
};
static const struct struct_desc ip_pool_status_desc =
	STRUCT_DESC(ip_pool_status, ip_pool_status_fields);

static const struct field_desc ip_pool_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct ip_pool, spec),
	 .sub = &ip_pool_spec_desc,
	 .doc = "What is wanted."},
	{.name = "status",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_READ_ONLY,
	 .offset = offsetof(struct ip_pool, status),
	 .sub = &ip_pool_status_desc,
	 .doc = "What is."},
};
static const struct struct_desc ip_pool_desc = STRUCT_DESC(ip_pool, ip_pool_fields);

static const struct kind_column ip_pool_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "CIDR", .path = "spec.cidr"},
	{.title = "NAT", .path = "spec.natOutgoing", .wide = true, .otherwise = "false"},
	{.title = "IPIPMODE", .path = "spec.ipipMode", .wide = true, .otherwise = "Never"},
	{.title = "VXLANMODE", .path = "spec.vxlanMode", .wide = true, .otherwise = "Never"},
	{.title = "DISABLED", .path = "spec.disabled", .wide = true, .otherwise = "false"},
	{.title = "DISABLEBGPEXPORT",
	 .path = "spec.disableBGPExport",
	 .wide = true,
	 .otherwise = "false"},
	{.title = "SELECTOR", .path = "spec.nodeSelector"},
	{.title = "ASSIGNMENTMODE",
	 .path = "spec.assignmentMode",
	 .wide = true,
	 .otherwise = "Automatic"},
	{.title = NULL},
};

#define BLOCK_SIZE_V4 26
#define BLOCK_SIZE_V6 122

/* Brings the older form into the newer one, then the block size that the family asks for. */
static void ip_pool_fill(struct object *object)
{
	struct ip_pool_spec *spec = &as_ip_pool(object)->spec;
	struct cidr cidr;

	if (spec->ipip) {
		if (spec->ipip->enabled.v && spec->ipip_mode <= ENCAP_MODE_NEVER)
			spec->ipip_mode =
				spec->ipip->mode && strcmp(spec->ipip->mode, "cross-subnet") == 0
					? ENCAP_MODE_CROSS_SUBNET
					: ENCAP_MODE_ALWAYS;
		free(spec->ipip->mode);
		free(spec->ipip);
		spec->ipip = NULL;
	}
	if (spec->block_size.set || !spec->cidr || cidr_parse(spec->cidr, &cidr, NULL) < 0)
		return;
	spec->block_size = (struct opt_int){
		.set = true, .v = cidr.addr.family == AF_INET ? BLOCK_SIZE_V4 : BLOCK_SIZE_V6};
}

static bool allows(const struct ip_pool_spec *spec, const char *use)
{
	for (size_t i = 0; i < spec->allowed_uses.n; i++)
		if (strcmp(spec->allowed_uses.v[i], use) == 0)
			return true;
	return false;
}

static int check_modes(const struct ip_pool_spec *spec, const struct cidr *cidr, struct err *err)
{
	bool ipip = spec->ipip_mode > ENCAP_MODE_NEVER || (spec->ipip && spec->ipip->enabled.v);
	bool vxlan = spec->vxlan_mode > ENCAP_MODE_NEVER;

	if (ipip && vxlan)
		return err_set(err, -EINVAL,
			       "spec.ipipMode: must be Never while vxlanMode is not; "
			       "set one of both to Never");
	if (ipip && cidr->addr.family != AF_INET)
		return err_set(err, -EINVAL,
			       "spec.ipipMode: must be Never in an IPv6 pool; use "
			       "vxlanMode there");
	if (spec->namespace_selector && *spec->namespace_selector && allows(spec, "Tunnel"))
		return err_set(err, -EINVAL,
			       "spec.namespaceSelector: must be empty in a pool whose "
			       "allowedUses has Tunnel");
	return 0;
}

static int check_uses(const struct ip_pool_spec *spec, struct err *err)
{
	if (!allows(spec, "LoadBalancer"))
		return 0;
	if (allows(spec, "Workload") || allows(spec, "Tunnel"))
		return err_set(err, -EINVAL,
			       "spec.allowedUses: LoadBalancer can't stand beside "
			       "Workload or Tunnel; make a pool for each");
	if (spec->node_selector && strcmp(spec->node_selector, "all()") != 0)
		return err_set(err, -EINVAL,
			       "spec.nodeSelector: must be all() in a pool for "
			       "LoadBalancer");
	if (spec->ipip_mode > ENCAP_MODE_NEVER || spec->vxlan_mode > ENCAP_MODE_NEVER)
		return err_set(err, -EINVAL,
			       "spec.allowedUses: a pool for LoadBalancer has no "
			       "encapsulation; set ipipMode and vxlanMode to Never");
	if (spec->disable_bgp_export.v)
		return err_set(err, -EINVAL,
			       "spec.disableBGPExport: must be false in a pool for "
			       "LoadBalancer");
	return 0;
}

static int check_block_size(const struct ip_pool_spec *spec, const struct cidr *cidr,
			    struct err *err)
{
	unsigned int bits = ip_bits(cidr->addr.family);
	int64_t size = spec->block_size.v;

	if (!spec->block_size.set)
		size = bits == 32 ? BLOCK_SIZE_V4 : BLOCK_SIZE_V6;
	if (size < bits - 12 || size > bits)
		return err_set(err, -EINVAL,
			       "spec.blockSize: expected %u to %u for IPv%u, found "
			       "%" PRId64,
			       bits - 12, bits, ip_version(cidr->addr.family), size);
	if (size < cidr->len)
		return err_set(err, -EINVAL,
			       "spec.blockSize: a block of /%" PRId64 " is larger than "
			       "the pool %s; expected %u to %u",
			       size, spec->cidr, cidr->len, bits);
	return 0;
}

static int ip_pool_validate(const struct object *object, struct err *err)
{
	const struct ip_pool_spec *spec = &as_ip_pool(object)->spec;
	struct cidr cidr;
	int r;

	r = cidr_parse(spec->cidr, &cidr, err);
	if (r < 0)
		return err_prefix(err, r, "spec.cidr");
	if (ip_is_link_local(&cidr.addr))
		return err_set(err, -EINVAL, "spec.cidr: %s is link-local; choose another prefix",
			       spec->cidr);
	r = check_block_size(spec, &cidr, err);
	if (r == 0)
		r = check_modes(spec, &cidr, err);
	if (r == 0)
		r = check_uses(spec, err);
	return r;
}

static const char *const ip_pool_aliases[] = {"ipp", "ipps", "pool", "pools", NULL};

const struct kind_desc kind_ip_pool = {
	.kind = KIND_IP_POOL,
	.name = "IPPool",
	.plural = "ippools",
	.singular = "ippool",
	.aliases = ip_pool_aliases,
	.size = sizeof(struct ip_pool),
	.root = &ip_pool_desc,
	.doc = "A range of addresses for pods, tunnels or services, and how their traffic travels.",
	.fill = ip_pool_fill,
	.validate = ip_pool_validate,
	.columns = ip_pool_columns,
};
