/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Services, as rules refer to them: every address of their slices, with every port for a
 * destination and without for a source. Whether an endpoint is ready makes no difference: a rule
 * says who may be talked to, not who would answer.
 */

#include <netinet/in.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "calc/policy-graph-internal.h"
#include "model/kinds-kubernetes.h"

static const enum policy_set_type types[] = {POLICY_SET_TYPE_NET, POLICY_SET_TYPE_PORT};

/* --- Records ---------------------------------------------------------------------------------- */

static struct graph_service *find_service(const struct policy_graph *graph, const char *name)
{
	struct hash_node *node = hash_table_find(&graph->services, hash_string(0, name));

	while (node && strcmp(CONTAINER_OF(node, struct graph_service, node)->name, name) != 0)
		node = hash_table_find_next(node);
	return node ? CONTAINER_OF(node, struct graph_service, node) : NULL;
}

static struct graph_service *get_service(struct policy_graph *graph, const char *namespace,
					 const char *short_name)
{
	_cleanup_free_ char *name = xasprintf("%s/%s", namespace, short_name);
	struct graph_service *service = find_service(graph, name);

	if (!service) {
		size_t size = strlen(name) + 1;

		service = xcalloc(1, sizeof(*service) + size);
		memcpy(service->name, name, size);
		hash_table_add(&graph->services, &service->node, hash_string(0, name));
	}
	return service;
}

static void drop_idle_service(struct policy_graph *graph, struct graph_service *service)
{
	if (service->slices || service->sets[POLICY_SET_TYPE_NET] ||
	    service->sets[POLICY_SET_TYPE_PORT])
		return;
	hash_table_remove(&graph->services, &service->node);
	free(service);
}

static struct graph_slice *find_slice(const struct policy_graph *graph, const char *name)
{
	struct hash_node *node = hash_table_find(&graph->slices, hash_string(0, name));

	while (node && strcmp(CONTAINER_OF(node, struct graph_slice, node)->name, name) != 0)
		node = hash_table_find_next(node);
	return node ? CONTAINER_OF(node, struct graph_slice, node) : NULL;
}

/* Its members come into the service's sets, or leave them. */
static void count_slice(struct policy_graph *graph, const struct graph_slice *slice, bool add)
{
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		struct graph_set *set = slice->service->sets[types[t]];

		for (size_t i = 0; set && i < slice->n_members[types[t]]; i++) {
			if (add)
				graph_add_member(graph, set, slice->members[types[t]][i]);
			else
				graph_remove_member(graph, set, slice->members[types[t]][i]);
		}
	}
}

static void drop_slice(struct policy_graph *graph, struct graph_slice *slice)
{
	struct graph_service *service = slice->service;

	count_slice(graph, slice, false);
	DL_DELETE(service->slices, slice);
	hash_table_remove(&graph->slices, &slice->node);
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (size_t i = 0; i < slice->n_members[types[t]]; i++)
			member_table_unref(&graph->members, slice->members[types[t]][i]);
		free(slice->members[types[t]]);
	}
	free(slice);
	drop_idle_service(graph, service);
}

/* --- Put and remove --------------------------------------------------------------------------- */

static void add_member(struct policy_graph *graph, struct graph_slice *slice,
		       enum policy_set_type type, const struct policy_member *member)
{
	*ARRAY_ADD(slice->members[type], slice->n_members[type]) =
		member_table_get(&graph->members, member);
}

/* A port without a number means none here: what is not said allows nothing. */
static void add_ports(struct policy_graph *graph, struct graph_slice *slice,
		      const struct slice_port_list *ports, const struct cidr *net)
{
	for (size_t i = 0; i < ports->n; i++) {
		const struct slice_port *port = &ports->v[i];
		uint8_t protocol =
			port->protocol ? graph_read_protocol(port->protocol) : IPPROTO_TCP;
		struct policy_member member = {.net = *net, .protocol = protocol};

		if (!protocol || !port->port.set || port->port.v < 1 || port->port.v > UINT16_MAX)
			continue;
		member.port = (uint16_t)port->port.v;
		add_member(graph, slice, POLICY_SET_TYPE_PORT, &member);
	}
}

static void add_endpoints(struct policy_graph *graph, struct graph_slice *slice,
			  const struct endpoint_slice *source)
{
	for (size_t i = 0; i < source->endpoints.n; i++) {
		const struct str_list *addresses = &source->endpoints.v[i].addresses;

		for (size_t j = 0; j < addresses->n; j++) {
			struct policy_member member = {0};
			struct ip_addr addr;

			/* Names stand here in slices of type FQDN. */
			if (!addresses->v[j] || ip_parse(addresses->v[j], &addr, NULL) < 0)
				continue;
			member.net = cidr_host(&addr);
			add_member(graph, slice, POLICY_SET_TYPE_NET, &member);
			add_ports(graph, slice, &source->ports, &member.net);
		}
	}
}

void graph_remove_slice(struct policy_graph *graph, enum kind kind, const char *namespace,
			const char *name)
{
	_cleanup_free_ char *full = xasprintf("%s/%s", namespace ? namespace : "", name);
	struct graph_slice *slice = find_slice(graph, full);

	(void)kind;
	if (slice)
		drop_slice(graph, slice);
}

/* The new one comes in before the old one leaves, so what both have stays. */
int graph_put_slice(struct policy_graph *graph, const struct object *object, struct err *err)
{
	const char *namespace = object->meta.namespace ? object->meta.namespace : "";
	const char *service = str_map_find(&object->meta.labels, ENDPOINT_SLICE_SERVICE_LABEL);
	_cleanup_free_ char *name = xasprintf("%s/%s", namespace, object->meta.name);
	struct graph_slice *old = find_slice(graph, name);
	size_t size = strlen(name) + 1;
	struct graph_slice *slice;

	(void)err;
	if (service) {
		slice = xcalloc(1, sizeof(*slice) + size);
		memcpy(slice->name, name, size);
		slice->service = get_service(graph, namespace, service);
		DL_APPEND(slice->service->slices, slice);
		add_endpoints(graph, slice, as_endpoint_slice(object));
		count_slice(graph, slice, true);
	}
	if (old)
		drop_slice(graph, old);
	if (service)
		hash_table_add(&graph->slices, &slice->node, hash_string(0, name));
	return 0;
}

/* --- Sets ------------------------------------------------------------------------------------- */

void graph_attach_set(struct policy_graph *graph, struct graph_set *set)
{
	enum policy_set_type type = set->set.type;
	const struct graph_slice *slice;

	set->service = get_service(graph, set->set.service_namespace, set->set.service_name);
	set->service->sets[type] = set;
	DL_FOREACH(set->service->slices, slice)
	{
		for (size_t i = 0; i < slice->n_members[type]; i++)
			graph_add_member(graph, set, slice->members[type][i]);
	}
}

void graph_detach_set(struct policy_graph *graph, struct graph_set *set)
{
	struct graph_service *service = set->service;

	if (!service)
		return;
	service->sets[set->set.type] = NULL;
	set->service = NULL;
	drop_idle_service(graph, service);
}

void graph_free_services(struct policy_graph *graph)
{
	struct hash_table_walk walk = {0};
	struct hash_node *node;

	while ((node = hash_table_walk(&graph->slices, &walk)))
		drop_slice(graph, CONTAINER_OF(node, struct graph_slice, node));
	hash_table_deinit(&graph->slices);
	hash_table_deinit(&graph->services);
}
