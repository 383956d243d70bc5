/* SPDX-License-Identifier: Apache-2.0 */

/* Nodes and pools, and the sets that are there whether or not a policy uses them. */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "calc/policy-graph-internal.h"
#include "model/kinds.h"

static const struct policy_set_id fixed_ids[FIXED_SETS_] = {
	[FIXED_SET_ALL_HOSTS] = {POLICY_SET_ALL_HOSTS},
	[FIXED_SET_ALL_VXLAN] = {POLICY_SET_ALL_VXLAN},
	[FIXED_SET_POOLS] = {POLICY_SET_POOLS},
	[FIXED_SET_MASQ_POOLS] = {POLICY_SET_MASQ_POOLS},
};

void graph_add_fixed_sets(struct policy_graph *graph)
{
	for (unsigned int i = 0; i < FIXED_SETS_; i++) {
		struct policy_set set = {.id = fixed_ids[i], .type = POLICY_SET_TYPE_NET};

		graph->fixed[i] = graph_use_set(graph, &set);
	}
}

void graph_source_free(struct graph_source *source)
{
	for (unsigned int i = 0; i < FIXED_SETS_; i++)
		free(source->members[i]);
	free(source);
}

/* --- Records ---------------------------------------------------------------------------------- */

static uint64_t hash_of(enum kind kind, const char *name)
{
	return hash_string(kind, name);
}

static struct graph_source *new_source(enum kind kind, const char *name)
{
	size_t size = strlen(name) + 1;
	struct graph_source *source = xcalloc(1, sizeof(*source) + size);

	source->kind = kind;
	memcpy(source->name, name, size);
	return source;
}

static struct graph_source *find_source(const struct policy_graph *graph, enum kind kind,
					const char *name)
{
	struct hash_node *node = hash_table_find(&graph->sources, hash_of(kind, name));

	for (; node; node = hash_table_find_next(node)) {
		struct graph_source *source = CONTAINER_OF(node, struct graph_source, node);

		if (source->kind == kind && strcmp(source->name, name) == 0)
			return source;
	}
	return NULL;
}

void graph_remove_source(struct policy_graph *graph, enum kind kind, const char *name)
{
	struct graph_source *source = find_source(graph, kind, name);

	if (!source)
		return;
	for (unsigned int i = 0; i < FIXED_SETS_; i++) {
		for (size_t j = 0; j < source->n_members[i]; j++) {
			graph_remove_member(graph, graph->fixed[i], source->members[i][j]);
			member_table_unref(&graph->members, source->members[i][j]);
		}
	}
	hash_table_remove(&graph->sources, &source->node);
	graph_source_free(source);
}

static void add_net(struct policy_graph *graph, struct graph_source *source, enum fixed_set set,
		    const struct cidr *net)
{
	struct policy_member member = {.net = *net};
	uint32_t id = member_table_get(&graph->members, &member);

	*ARRAY_ADD(source->members[set], source->n_members[set]) = id;
	graph_add_member(graph, graph->fixed[set], id);
}

/* The new one comes in before the old one leaves, so what both have stays. */
static void replace_source(struct policy_graph *graph, struct graph_source *source)
{
	graph_remove_source(graph, source->kind, source->name);
	hash_table_add(&graph->sources, &source->node, hash_of(source->kind, source->name));
}

/* --- Nodes ------------------------------------------------------------------------------------ */

static int parse_optional(const char *text, const char *field, struct ip_addr *ret, struct err *err)
{
	struct cidr cidr = {0};
	int r = text && *text ? cidr_parse(text, &cidr, err) : 0;

	*ret = cidr.addr;
	return r < 0 ? err_prefix(err, r, "%s", field) : 0;
}

/* The first of that type and family, where BGP has no address of the node. */
static struct ip_addr find_address(const struct node_spec *spec, const char *type, uint8_t family)
{
	for (size_t i = 0; i < spec->addresses.n; i++) {
		const struct node_address *address = &spec->addresses.v[i];
		struct ip_addr addr;

		if (address->type && strcmp(address->type, type) == 0 &&
		    parse_optional(address->address, "", &addr, NULL) == 0 && addr.family == family)
			return addr;
	}
	return (struct ip_addr){0};
}

static int parse_host(const struct node_spec *spec, uint8_t family, struct ip_addr *ret,
		      struct err *err)
{
	static const char *const types[] = {"CalicoNodeIP", "InternalIP", "ExternalIP"};
	bool is_v4 = family == AF_INET;
	const char *text = NULL;
	int r;

	if (spec->bgp)
		text = is_v4 ? spec->bgp->ipv4_address : spec->bgp->ipv6_address;
	r = parse_optional(text, is_v4 ? "spec.bgp.ipv4Address" : "spec.bgp.ipv6Address", ret, err);
	for (size_t i = 0; r == 0 && !ret->family && i < ARRAY_SIZE(types); i++)
		*ret = find_address(spec, types[i], family);
	return r;
}

static int put_node(struct policy_graph *graph, const struct object *object, struct err *err)
{
	const struct node_spec *spec = &as_node(object)->spec;
	const char *const vteps[] = {spec->ipv4_vxlan_tunnel_addr, spec->ipv6_vxlan_tunnel_addr};
	static const uint8_t families[] = {AF_INET, AF_INET6};
	bool is_other = strcmp(object->meta.name, graph->node_name) != 0;
	struct ip_addr hosts[ARRAY_SIZE(families)];
	struct graph_source *source;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int r = parse_host(spec, families[i], &hosts[i], err);

		if (r < 0)
			return r;
	}
	source = new_source(KIND_NODE, object->meta.name);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct cidr net = hosts[i].family ? cidr_host(&hosts[i]) : (struct cidr){0};

		if (!hosts[i].family)
			continue;
		add_net(graph, source, FIXED_SET_ALL_HOSTS, &net);
		if (is_other && vteps[i] && *vteps[i])
			add_net(graph, source, FIXED_SET_ALL_VXLAN, &net);
	}
	replace_source(graph, source);
	return 0;
}

/* --- Pools ------------------------------------------------------------------------------------ */

/* Of load balancers alone: no pod has an address of it. */
static bool has_no_pods(const struct ip_pool_spec *spec)
{
	for (size_t i = 0; i < spec->allowed_uses.n; i++) {
		if (strcmp(spec->allowed_uses.v[i], "LoadBalancer") != 0)
			return false;
	}
	return spec->allowed_uses.n;
}

static int put_pool(struct policy_graph *graph, const struct object *object, struct err *err)
{
	const struct ip_pool_spec *spec = &as_ip_pool(object)->spec;
	struct graph_source *source;
	struct cidr cidr;
	int r = cidr_parse(spec->cidr ? spec->cidr : "", &cidr, err);

	if (r < 0)
		return err_prefix(err, r, "spec.cidr");
	cidr = cidr_masked(&cidr);
	source = new_source(KIND_IP_POOL, object->meta.name);
	if (!has_no_pods(spec)) {
		add_net(graph, source, FIXED_SET_POOLS, &cidr);
		if (spec->nat_outgoing.set && spec->nat_outgoing.v)
			add_net(graph, source, FIXED_SET_MASQ_POOLS, &cidr);
	}
	replace_source(graph, source);
	return 0;
}

int graph_put_source(struct policy_graph *graph, const struct object *object, struct err *err)
{
	if (object->desc->kind == KIND_NODE)
		return put_node(graph, object, err);
	return put_pool(graph, object, err);
}
