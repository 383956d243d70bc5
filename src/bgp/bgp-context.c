/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The input of a rendering, parsed and sorted once. Everything that comes from a resource turns
 * into addresses, prefixes and numbers here; a text that does not is an error that names its
 * resource.
 */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/parse.h"
#include "bgp/bgp-internal.h"

#define EXCLUDE_LABEL "node.kubernetes.io/exclude-from-external-load-balancers"

static const uint8_t families[] = {AF_INET, AF_INET6};

unsigned int bgp_family_index(uint8_t family)
{
	return family == AF_INET ? 0 : 1;
}

void bgp_context_deinit(struct bgp_context *context)
{
	free(context->pools);
	free(context->blocks);
	free(context->services);
	*context = (struct bgp_context){.input = NULL};
}

int bgp_node_address(const struct node *node, uint8_t family, struct cidr *ret, struct err *err)
{
	const char *text = NULL;
	int r;

	if (node->spec.bgp)
		text = family == AF_INET ? node->spec.bgp->ipv4_address
					 : node->spec.bgp->ipv6_address;
	if (!text || !*text)
		return BGP_NODE_E_NONE;
	r = cidr_parse(text, ret, err);
	if (r == 0 && ret->addr.family != family)
		r = err_set(err, -EINVAL, "\"%s\" is an address of the other family", text);
	if (r < 0)
		return err_prefix(err, r, "Node/%s: spec.bgp.ipv%uAddress", node->object.meta.name,
				  ip_version(family));
	return 0;
}

uint32_t bgp_node_as(const struct bgp_input *input, const struct node *node)
{
	if (node->spec.bgp && node->spec.bgp->as_number.set)
		return (uint32_t)node->spec.bgp->as_number.v;
	if (input->config && input->config->spec.as_number.set)
		return (uint32_t)input->config->spec.as_number.v;
	return BGP_AS_DEFAULT;
}

static const struct bgp_configuration *node_config_find(const struct bgp_input *input,
							const char *node_name)
{
	static const char prefix[] = "node.";
	const size_t len = sizeof(prefix) - 1;

	if (strcmp(node_name, input->node_name) == 0)
		return input->node_config;
	for (size_t i = 0; i < input->n_peer_configs; i++) {
		const char *name = input->peer_configs[i]->object.meta.name;

		if (strncmp(name, prefix, len) == 0 && strcmp(name + len, node_name) == 0)
			return input->peer_configs[i];
	}
	return NULL;
}

static bool port_valid(struct opt_int port)
{
	return port.set && port.v > 0 && port.v <= UINT16_MAX;
}

uint16_t bgp_node_port(const struct bgp_input *input, const char *node_name)
{
	const struct bgp_configuration *own = node_config_find(input, node_name);

	if (own && port_valid(own->spec.listen_port))
		return (uint16_t)own->spec.listen_port.v;
	if (input->config && port_valid(input->config->spec.listen_port))
		return (uint16_t)input->config->spec.listen_port.v;
	return BGP_PORT;
}

const struct secret *bgp_secret_find(const struct bgp_input *input, const struct bgp_password *ref)
{
	const struct secret_key_ref *key = ref->secret_key_ref;

	if (!key || !key->name || !key->key)
		return NULL;
	for (size_t i = 0; i < input->n_secrets; i++) {
		const struct bgp_secret *secret = &input->secrets[i];

		if (strcmp(secret->name, key->name) == 0 && strcmp(secret->key, key->key) == 0)
			return secret->value;
	}
	return NULL;
}

int bgp_seconds(const char *duration, const char *what, int64_t *ret, struct err *err)
{
	int64_t us;
	int r;

	r = parse_duration(duration, &us, err);
	if (r < 0)
		return err_prefix(err, r, "%s", what);
	if (us < 1000000 || us > (int64_t)UINT16_MAX * 1000000)
		return err_set(err, -EINVAL, "%s: \"%s\" is not within 1s and 65535s", what,
			       duration);
	*ret = us / 1000000;
	return 0;
}

static int pool_compare(const void *a, const void *b)
{
	return cidr_compare(&((const struct bgp_pool *)a)->cidr,
			    &((const struct bgp_pool *)b)->cidr);
}

static int cidr_compare_void(const void *a, const void *b)
{
	return cidr_compare(a, b);
}

static int read_pools(const struct bgp_input *input, struct bgp_context *context, struct err *err)
{
	context->pools = xcalloc(input->n_pools, sizeof(*context->pools));
	for (size_t i = 0; i < input->n_pools; i++) {
		const struct ip_pool *pool = input->pools[i];
		struct bgp_pool *ours = &context->pools[i];
		int r;

		if (!pool->spec.cidr)
			return err_set(err, -EINVAL, "IPPool/%s: spec.cidr is missing",
				       pool->object.meta.name);
		r = cidr_parse(pool->spec.cidr, &ours->cidr, err);
		if (r < 0)
			return err_prefix(err, r, "IPPool/%s: spec.cidr", pool->object.meta.name);
		ours->cidr = cidr_masked(&ours->cidr);
		ours->ipip = pool->spec.ipip_mode;
		ours->vxlan = pool->spec.vxlan_mode;
		ours->disable_export =
			pool->spec.disable_bgp_export.set && pool->spec.disable_bgp_export.v;
	}
	context->n_pools = input->n_pools;
	if (context->n_pools)
		qsort(context->pools, context->n_pools, sizeof(*context->pools), pool_compare);
	return 0;
}

static size_t sort_unique(struct cidr *v, size_t n)
{
	size_t kept = 0;

	if (n == 0)
		return 0;
	qsort(v, n, sizeof(*v), cidr_compare_void);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || !cidr_equal(&v[kept - 1], &v[i]))
			v[kept++] = v[i];
	return kept;
}

static void read_blocks(const struct bgp_input *input, struct bgp_context *context)
{
	size_t n = 0;

	context->blocks = xcalloc(input->n_own_blocks, sizeof(*context->blocks));
	for (size_t i = 0; i < input->n_own_blocks; i++)
		if (!cidr_is_host(&input->own_blocks[i]))
			context->blocks[n++] = cidr_masked(&input->own_blocks[i]);
	context->n_blocks = sort_unique(context->blocks, n);
}

static int read_services(const struct bgp_input *input, struct bgp_context *context,
			 struct err *err)
{
	const struct bgp_configuration_spec *spec;
	size_t n = 0;

	if (!input->config)
		return 0;
	spec = &input->config->spec;
	const struct {
		const struct cidr_item_list *list;
		const char *name;
	} lists[] = {
		{&spec->service_cluster_ips, "serviceClusterIPs"},
		{&spec->service_external_ips, "serviceExternalIPs"},
		{&spec->service_load_balancer_ips, "serviceLoadBalancerIPs"},
	};
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		for (size_t i = 0; i < lists[l].list->n; i++) {
			const char *text = lists[l].list->v[i].cidr;
			struct cidr cidr;
			int r = cidr_parse(text ? text : "", &cidr, err);

			if (r < 0)
				return err_prefix(err, r, "BGPConfiguration/default: spec.%s[%zu]",
						  lists[l].name, i);
			*ARRAY_ADD(context->services, n) = cidr_masked(&cidr);
		}
	}
	context->n_services = sort_unique(context->services, n);
	return 0;
}

static int read_node(const struct bgp_input *input, struct bgp_context *context, struct err *err)
{
	for (size_t i = 0; i < input->n_nodes; i++)
		if (strcmp(input->nodes[i]->object.meta.name, input->node_name) == 0)
			context->node = input->nodes[i];
	if (!context->node)
		return err_set(err, -EINVAL, "Node/%s: there is no such node in the datastore yet",
			       input->node_name);

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		int r = bgp_node_address(context->node, families[f], &context->addr[f], err);

		if (r < 0)
			return r;
	}
	context->as = bgp_node_as(input, context->node);
	context->port = bgp_node_port(input, input->node_name);
	context->exclude_services =
		str_map_find(&context->node->object.meta.labels, EXCLUDE_LABEL) != NULL;
	context->route_reflector =
		context->node->spec.bgp && context->node->spec.bgp->route_reflector_cluster_id;
	return 0;
}

static int64_t priority_of(const struct bgp_configuration *config, uint8_t family)
{
	struct opt_int v = {.set = false};

	if (config)
		v = family == AF_INET ? config->spec.ipv4_normal_route_priority
				      : config->spec.ipv6_normal_route_priority;
	return v.set && v.v > 0 && v.v < INT32_MAX ? v.v : BGP_PRIORITY_DEFAULT;
}

int bgp_context_init(const struct bgp_input *input, struct bgp_context *ret, struct err *err)
{
	_cleanup_(bgp_context_deinitp) struct bgp_context context = {.input = input};
	int r;

	r = read_node(input, &context, err);
	if (r < 0)
		return r;
	r = read_pools(input, &context, err);
	if (r < 0)
		return r;
	read_blocks(input, &context);
	r = read_services(input, &context, err);
	if (r < 0)
		return r;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		context.priority[f] = priority_of(input->config, families[f]);

	*ret = context;
	context = (struct bgp_context){.input = NULL};
	return 0;
}
