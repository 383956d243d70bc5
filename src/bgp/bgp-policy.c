/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The functions that decide which route goes where: to peers (aggregates of own blocks, never the
 * single addresses inside them; exported pools; advertised services) and into the kernel (never
 * what the agent programs itself). One set per family, as BIRD compares prefixes of one family
 * only.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "bgp/bgp-internal.h"

static const uint8_t families[] = {AF_INET, AF_INET6};

/* --- Communities ----------------------------------------------------------------------------- */

int bgp_tag_parse(const char *value, struct bgp_tag *ret, struct err *err)
{
	struct bgp_tag tag = {.n = 0};
	const char *start = value;
	bool last = false;

	for (; !last && tag.n < ARRAY_SIZE(tag.part); tag.n++) {
		char number[16];
		size_t len = strcspn(start, ":");
		uint64_t v;
		int r;

		if (len >= sizeof(number))
			break;
		memcpy(number, start, len);
		number[len] = '\0';
		r = parse_u64(number, 0, UINT32_MAX, &v, err);
		if (r < 0)
			return r;
		tag.part[tag.n] = (uint32_t)v;
		last = start[len] == '\0';
		start += len + 1;
	}
	if (!last || tag.n < 2 ||
	    (tag.n == 2 && (tag.part[0] > UINT16_MAX || tag.part[1] > UINT16_MAX)))
		return err_set(err, -EINVAL,
			       "\"%.40s\" is not aa:nn of 16 bits each or aa:nn:mm of 32", value);
	*ret = tag;
	return 0;
}

const char *bgp_tag_attribute(const struct bgp_tag *tag)
{
	return tag->n == 2 ? "bgp_community" : "bgp_large_community";
}

struct bgp_tag_str bgp_tag_format(const struct bgp_tag *tag)
{
	struct bgp_tag_str str;

	if (tag->n == 2)
		(void)snprintf(str.s, sizeof(str.s), "(%u,%u)", tag->part[0], tag->part[1]);
	else
		(void)snprintf(str.s, sizeof(str.s), "(%u,%u,%u)", tag->part[0], tag->part[1],
			       tag->part[2]);
	return str;
}

/* A name stands for the value the configuration gives it; anything else is a value. */
static const char *community_value(const struct bgp_configuration_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->communities.n; i++) {
		const struct bgp_community *community = &spec->communities.v[i];

		if (community->name && community->value && strcmp(community->name, name) == 0)
			return community->value;
	}
	return name;
}

static int render_advertisement(const struct bgp_configuration_spec *spec,
				const struct prefix_advertisement *advertisement, uint8_t family,
				struct buf *out, struct err *err)
{
	struct cidr cidr;
	int r;

	r = cidr_parse(advertisement->cidr ? advertisement->cidr : "", &cidr, err);
	if (r < 0)
		return r;
	if (cidr.addr.family != family)
		return 0;
	cidr = cidr_masked(&cidr);
	buf_addf(out, "\tif net ~ %s then {\n", cidr_format(&cidr).s);
	for (size_t i = 0; i < advertisement->communities.n; i++) {
		struct bgp_tag tag = {.n = 0};

		r = bgp_tag_parse(community_value(spec, advertisement->communities.v[i]), &tag,
				  err);
		if (r < 0)
			return r;
		buf_addf(out, "\t\t%s.add(%s);\n", bgp_tag_attribute(&tag), bgp_tag_format(&tag).s);
	}
	buf_adds(out, "\t}\n");
	return 0;
}

static int render_communities(const struct bgp_context *context, uint8_t family, struct buf *out,
			      struct err *err)
{
	const struct bgp_configuration *config = context->input->config;
	size_t n = config ? config->spec.prefix_advertisements.n : 0;

	buf_addf(out, "function apply_communities_v%u()\n{\n", ip_version(family));
	for (size_t i = 0; i < n; i++) {
		int r = render_advertisement(
			&config->spec, &config->spec.prefix_advertisements.v[i], family, out, err);

		if (r < 0)
			return err_prefix(
				err, r, "BGPConfiguration/default: spec.prefixAdvertisements[%zu]",
				i);
	}
	buf_adds(out, "}\n\n");
	return 0;
}

/* --- To peers -------------------------------------------------------------------------------- */

static void render_aggregates(const struct bgp_context *context, uint8_t family, struct buf *out)
{
	buf_addf(out, "function calico_aggr_v%u()\n{\n", ip_version(family));
	for (size_t i = 0; i < context->n_blocks; i++) {
		const struct cidr *block = &context->blocks[i];

		if (block->addr.family != family)
			continue;
		buf_addf(out, "\tif net = %s then accept;\n", cidr_format(block).s);
		buf_addf(out, "\tif net ~ %s then reject;\n", cidr_format(block).s);
	}
	buf_adds(out, "}\n\n");
}

/* Routes that the agent or BIRD put onto a tunnel: a peer inside the cluster has its own. */
static void render_reject_tunnels(const struct bgp_context *context, struct buf *out)
{
	buf_adds(out, "\tif same_as then {\n");
	buf_adds(out, "\t\tif ifname ~ \"*.cali\" then reject;\n");
	buf_adds(out, "\t\tif ifname ~ \"*.calico\" then reject;\n");
	if (context->input->agent_owns_ipip)
		buf_addf(out, "\t\tif ifname ~ \"%s\" then reject;\n", context->input->ipip_device);
	buf_adds(out, "\t}\n\tif ifname ~ \"bpf*.cali\" then reject;\n");
}

static void render_export(const struct bgp_context *context, uint8_t family, struct buf *out)
{
	unsigned int version = ip_version(family);

	buf_addf(out, "function calico_export_to_bgp_peers_v%u(bool same_as)\n{\n", version);
	for (size_t i = 0; i < context->n_pools; i++)
		if (context->pools[i].cidr.addr.family == family &&
		    context->pools[i].disable_export)
			buf_addf(out, "\tif net ~ %s then reject;\n",
				 cidr_format(&context->pools[i].cidr).s);
	render_reject_tunnels(context, out);
	buf_addf(out, "\tapply_communities_v%u();\n\tcalico_aggr_v%u();\n", version, version);
	for (size_t i = 0; i < context->n_services; i++)
		if (context->services[i].addr.family == family &&
		    (context->route_reflector || !context->exclude_services))
			buf_addf(out, "\tif net ~ %s then accept;\n",
				 cidr_format(&context->services[i]).s);
	for (size_t i = 0; i < context->n_pools; i++)
		if (context->pools[i].cidr.addr.family == family &&
		    !context->pools[i].disable_export)
			buf_addf(out, "\tif net ~ %s then accept;\n",
				 cidr_format(&context->pools[i].cidr).s);
	buf_adds(out, "}\n\n");
}

/* Filters for the many peerings without a filter of their own: BIRD then shares one each. */
static void render_export_filters(const struct bgp_context *context, uint8_t family,
				  struct buf *out)
{
	unsigned int version = ip_version(family);
	int64_t preference = INT32_MAX - context->priority[bgp_family_index(family)];

	buf_addf(out, "function calico_own_preference_v%u()\n{\n", version);
	buf_addf(out, "\tif source != RTS_BGP then bgp_local_pref = %lld;\n}\n\n",
		 (long long)preference);
	buf_addf(out,
		 "filter calico_export_ibgp_v%u {\n\tcalico_own_preference_v%u();\n"
		 "\tcalico_export_to_bgp_peers_v%u(true);\n\treject;\n}\n\n",
		 version, version, version);
	buf_addf(out,
		 "filter calico_export_ebgp_v%u {\n\tcalico_own_preference_v%u();\n"
		 "\tcalico_export_to_bgp_peers_v%u(false);\n\treject;\n}\n\n",
		 version, version, version);
}

/* --- Into the kernel ------------------------------------------------------------------------- */

enum route_owner {
	OWNER_AGENT,
	OWNER_BIRD_PLAIN,
	OWNER_BIRD_TUNNEL,
	OWNER_BIRD_CROSS_SUBNET,
};

static bool encap_on(enum encap_mode mode)
{
	return mode == ENCAP_MODE_ALWAYS || mode == ENCAP_MODE_CROSS_SUBNET;
}

static enum route_owner pool_owner(const struct bgp_context *context, const struct bgp_pool *pool)
{
	if (encap_on(pool->vxlan))
		return OWNER_AGENT;
	if (!encap_on(pool->ipip) || pool->cidr.addr.family != AF_INET)
		return context->input->agent_owns_no_encap ? OWNER_AGENT : OWNER_BIRD_PLAIN;
	if (context->input->agent_owns_ipip)
		return OWNER_AGENT;
	return pool->ipip == ENCAP_MODE_ALWAYS ? OWNER_BIRD_TUNNEL : OWNER_BIRD_CROSS_SUBNET;
}

static void render_tunnel(const struct bgp_context *context, const char *cidr, bool cross_subnet,
			  struct buf *out)
{
	const struct cidr *own = &context->addr[0];

	buf_addf(out, "\tif source = RTS_BGP && net ~ %s then {\n", cidr);
	if (cross_subnet && own->addr.family) {
		struct cidr subnet = cidr_masked(own);

		buf_addf(out, "\t\tif bgp_next_hop ~ %s then accept;\n", cidr_format(&subnet).s);
	}
	buf_addf(out,
		 "\t\ttunnel_gw = bgp_next_hop;\n\t\tonlink = true;\n\t\tifname = \"%s\";\n"
		 "\t\tgw = tunnel_gw;\n\t\taccept;\n\t}\n",
		 context->input->ipip_device);
}

static void render_pool_programming(const struct bgp_context *context, const struct bgp_pool *pool,
				    struct buf *out)
{
	struct cidr_str cidr = cidr_format(&pool->cidr);

	switch (pool_owner(context, pool)) {
	case OWNER_AGENT:
		buf_addf(out, "\tif net ~ %s then reject;\n", cidr.s);
		break;
	case OWNER_BIRD_PLAIN:
		buf_addf(out, "\tif net ~ %s then accept;\n", cidr.s);
		break;
	case OWNER_BIRD_TUNNEL:
		render_tunnel(context, cidr.s, false, out);
		break;
	case OWNER_BIRD_CROSS_SUBNET:
		render_tunnel(context, cidr.s, true, out);
		break;
	}
}

static bool needs_tunnel(const struct bgp_context *context, uint8_t family)
{
	for (size_t i = 0; i < context->n_pools; i++) {
		enum route_owner owner = pool_owner(context, &context->pools[i]);

		if (context->pools[i].cidr.addr.family == family &&
		    (owner == OWNER_BIRD_TUNNEL || owner == OWNER_BIRD_CROSS_SUBNET))
			return true;
	}
	return false;
}

static void render_kernel(const struct bgp_context *context, uint8_t family, struct buf *out)
{
	unsigned int version = ip_version(family);

	/* The agent's own blackholes would only double the static routes of the same blocks. */
	buf_addf(out, "filter calico_kernel_learning_v%u {\n", version);
	buf_adds(out, "\tif dest = RTD_BLACKHOLE then reject;\n\taccept;\n}\n\n");

	buf_addf(out, "filter calico_kernel_programming_v%u\n", version);
	if (needs_tunnel(context, family))
		buf_adds(out, "ip tunnel_gw;\n");
	buf_adds(out, "{\n\tif source = RTS_DEVICE then reject;\n");
	buf_adds(out, "\tif source = RTS_STATIC && dest = RTD_BLACKHOLE then reject;\n");
	for (size_t i = 0; i < context->n_services; i++)
		if (context->services[i].addr.family == family)
			buf_addf(out, "\tif net ~ %s then reject;\n",
				 cidr_format(&context->services[i]).s);
	for (size_t i = 0; i < context->n_pools; i++)
		if (context->pools[i].cidr.addr.family == family)
			render_pool_programming(context, &context->pools[i], out);
	buf_adds(out, "\taccept;\n}\n\n");
}

int bgp_render_policy(const struct bgp_context *context, struct buf *out, struct err *err)
{
	if (!bgp_text_is_interface_glob(context->input->ipip_device))
		return err_set(err, -EINVAL, "the name of the IPIP device is not an interface's");
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		int r;

		if (context->addr[f].addr.family == 0)
			continue;
		r = render_communities(context, families[f], out, err);
		if (r < 0)
			return r;
		render_aggregates(context, families[f], out);
		render_export(context, families[f], out);
		render_export_filters(context, families[f], out);
		render_kernel(context, families[f], out);
	}
	return 0;
}
