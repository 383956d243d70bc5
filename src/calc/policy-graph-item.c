/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From workload endpoints, host endpoints and network sets to items: what has labels and brings
 * addresses and ports into the sets that select it. Those endpoints that are this node's get a
 * record of their own besides.
 *
 * An item's addresses change by taking it out of the index and putting it in again, so what it has
 * brought into a set is always what it has.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "calc/policy-graph-internal.h"
#include "model/kinds-policy.h"
#include "policy/kubernetes-policy.h"
#include "policy/policy-selector.h"

/* What an object says, before it becomes an item. */
struct draft_port {
	const char *name;
	uint16_t number;
	uint8_t protocol;
};
struct draft {
	enum kind kind;
	const char *namespace; /* "": none */
	const char *name;
	struct draft_port *ports;
	size_t n_ports;
	struct str_map labels;
	const char *const *parents;
	size_t n_parents;
};

/* --- Items ------------------------------------------------------------------------------------ */

struct item_port *graph_item_ports(const struct graph_item *item)
{
	return (struct item_port *)(void *)(uintptr_t)&item->addrs[item->n_addrs];
}

static const char *names_of(const struct graph_item *item)
{
	return (const char *)(graph_item_ports(item) + item->n_ports);
}

const char *graph_item_port_name(const struct graph_item *item, const struct item_port *port)
{
	return names_of(item) + port->name;
}

const char *graph_item_namespace(const struct graph_item *item)
{
	return names_of(item);
}

const char *graph_item_name(const struct graph_item *item)
{
	return names_of(item) + strlen(names_of(item)) + 1;
}

void graph_item_free(struct graph_item *item)
{
	free(item);
}

static uint64_t hash_of(enum kind kind, const char *namespace, const char *name)
{
	return hash_string(hash_string(kind, namespace), name);
}

static struct graph_item *find_item(const struct policy_graph *graph, enum kind kind,
				    const char *namespace, const char *name)
{
	struct hash_node *node = hash_table_find(&graph->items, hash_of(kind, namespace, name));

	for (; node; node = hash_table_find_next(node)) {
		struct graph_item *item = CONTAINER_OF(node, struct graph_item, node);
		const char *names = names_of(item);

		if (item->kind == kind && strcmp(names, namespace) == 0 &&
		    strcmp(names + strlen(names) + 1, name) == 0)
			return item;
	}
	return NULL;
}

static char *add_name(char *at, const char *name)
{
	return stpcpy(at, name) + 1;
}

static struct graph_item *new_item(struct policy_graph *graph, const struct draft *draft)
{
	size_t size_names = strlen(draft->namespace) + strlen(draft->name) + 2;
	size_t size = sizeof(struct graph_item) + graph->n_addrs * sizeof(uint32_t) +
		      draft->n_ports * sizeof(struct item_port) + size_names;
	struct graph_item *item;
	struct item_port *ports;
	char *names;
	char *at;

	for (size_t i = 0; i < draft->n_ports; i++)
		size += strlen(draft->ports[i].name) + 1;
	item = xcalloc(1, size);
	item->kind = (uint8_t)draft->kind;
	item->n_addrs = (uint32_t)graph->n_addrs;
	item->n_ports = (uint32_t)draft->n_ports;
	for (uint32_t i = 0; i < item->n_addrs; i++)
		item->addrs[i] = member_table_get(&graph->members, &graph->addrs[i]);
	ports = graph_item_ports(item);
	names = (char *)(ports + item->n_ports);
	at = add_name(add_name(names, draft->namespace), draft->name);
	for (uint32_t i = 0; i < item->n_ports; i++) {
		ports[i] = (struct item_port){.name = (uint32_t)(at - names),
					      .number = draft->ports[i].number,
					      .protocol = draft->ports[i].protocol};
		at = add_name(at, draft->ports[i].name);
	}
	hash_table_add(&graph->items, &item->node,
		       hash_of(draft->kind, draft->namespace, draft->name));
	return item;
}

static bool same_net(const struct policy_member *a, const struct policy_member *b)
{
	return cidr_equal(&a->net, &b->net);
}

/* Does the item bring in what the draft does? */
static bool is_same(const struct policy_graph *graph, const struct graph_item *item,
		    const struct draft *draft)
{
	const struct item_port *ports = graph_item_ports(item);

	if (item->n_addrs != graph->n_addrs || item->n_ports != draft->n_ports)
		return false;
	for (uint32_t i = 0; i < item->n_addrs; i++) {
		if (!same_net(member_table_at(&graph->members, item->addrs[i]), &graph->addrs[i]))
			return false;
	}
	for (uint32_t i = 0; i < item->n_ports; i++) {
		if (ports[i].number != draft->ports[i].number ||
		    ports[i].protocol != draft->ports[i].protocol ||
		    strcmp(graph_item_port_name(item, &ports[i]), draft->ports[i].name) != 0)
			return false;
	}
	return true;
}

/* Leaves the record of the local endpoint to the caller. */
static void drop_item(struct policy_graph *graph, struct graph_item *item)
{
	label_index_remove(graph->everyone, &item->label);
	for (uint32_t i = 0; i < item->n_addrs; i++)
		member_table_unref(&graph->members, item->addrs[i]);
	hash_table_remove(&graph->items, &item->node);
	graph_item_free(item);
}

static struct graph_item *put_item(struct policy_graph *graph, const struct draft *draft)
{
	struct graph_item *item = find_item(graph, draft->kind, draft->namespace, draft->name);
	struct graph_local *local = item ? item->local : NULL;

	if (item && !is_same(graph, item, draft)) {
		drop_item(graph, item);
		item = NULL;
	}
	if (!item)
		item = new_item(graph, draft);
	item->local = local;
	label_index_put(graph->everyone, &item->label, &draft->labels, draft->parents,
			draft->n_parents);
	return item;
}

void graph_remove_item(struct policy_graph *graph, enum kind kind, const char *namespace,
		       const char *name)
{
	struct graph_item *item = find_item(graph, kind, namespace ? namespace : "", name);

	if (!item)
		return;
	if (item->local)
		graph_remove_local(graph, item->local);
	drop_item(graph, item);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Into the graph's scratch. */
static int read_addrs(struct policy_graph *graph, const struct str_list *list, const char *field,
		      struct err *err)
{
	graph->n_addrs = 0;
	for (size_t i = 0; i < list->n; i++) {
		struct cidr cidr;
		int r = cidr_parse(list->v[i] ? list->v[i] : "", &cidr, err);

		if (r < 0)
			return err_prefix(err, r, "%s[%zu]", field, i);
		*ARRAY_ADD(graph->addrs, graph->n_addrs) =
			(struct policy_member){.net = cidr_masked(&cidr)};
	}
	return 0;
}

/* The object's labels and those its other fields stand for, which win. Both are sorted. */
static struct str_map join_labels(struct policy_graph *graph, const struct str_map *own,
				  const struct str_pair *implied, size_t n_implied)
{
	size_t n = 0;
	size_t i = 0;
	size_t j = 0;

	if (graph->labels_size < own->n + n_implied) {
		graph->labels_size = 2 * (own->n + n_implied);
		graph->labels =
			xreallocarray(graph->labels, graph->labels_size, sizeof(*graph->labels));
	}
	while (i < own->n || j < n_implied) {
		int order;

		if (i == own->n)
			order = 1;
		else if (j == n_implied)
			order = -1;
		else
			order = strcmp(own->v[i].key, implied[j].key);
		graph->labels[n++] = order < 0 ? own->v[i] : implied[j];
		i += order <= 0;
		j += order >= 0;
	}
	return (struct str_map){.v = graph->labels, .n = n, .set = true};
}

static struct str_pair imply(const char *key, const char *value)
{
	return (struct str_pair){.key = (char *)(uintptr_t)key, .value = (char *)(uintptr_t)value};
}

uint8_t graph_read_protocol(const char *text)
{
	char upper[16];
	uint8_t number = protocol_number(&(struct int_or_string){.s = (char *)(uintptr_t)text});
	size_t i = 0;

	if (number || !text)
		return number;
	for (; text[i] && i < sizeof(upper) - 1; i++)
		upper[i] = (char)toupper((unsigned char)text[i]);
	upper[i] = '\0';
	return protocol_number(&(struct int_or_string){.s = upper});
}

/* A port that no rule could mean is left out. */
static void add_port(struct draft *draft, const char *name, const char *protocol,
		     const struct opt_int *number)
{
	uint8_t protocol_read = graph_read_protocol(protocol);

	if (!name || !*name || !protocol_read || !number->set || number->v < 1 ||
	    number->v > UINT16_MAX)
		return;
	draft->ports[draft->n_ports++] = (struct draft_port){
		.name = name, .protocol = protocol_read, .number = (uint16_t)number->v};
}

static struct graph_local *put_local(struct policy_graph *graph, struct graph_local *local,
				     const struct draft *draft, struct local_fields *fields)
{
	_cleanup_free_ char *key = NULL;

	if (fields->is_host)
		key = xasprintf("hep/%s", draft->name);
	else
		key = xasprintf("wep/%s/%s", draft->namespace, draft->name);
	fields->addrs = graph->addrs;
	fields->n_addrs = graph->n_addrs;
	local = graph_put_local(graph, local, key, fields);
	label_index_put(graph->locals, &local->label, &draft->labels, draft->parents,
			draft->n_parents);
	return local;
}

/* 'fields' NULL: it is of another node. */
static void put_endpoint(struct policy_graph *graph, const struct draft *draft,
			 struct local_fields *fields)
{
	struct graph_item *item = put_item(graph, draft);

	if (fields) {
		item->local = put_local(graph, item->local, draft, fields);
	} else if (item->local) {
		graph_remove_local(graph, item->local);
		item->local = NULL;
	}
}

/* --- Kinds ------------------------------------------------------------------------------------ */

static bool is_here(const struct policy_graph *graph, const char *node)
{
	return node && strcmp(node, graph->node_name) == 0;
}

static const char *const *parents_of(const struct str_list *profiles)
{
	return (const char *const *)profiles->v;
}

/* In the order of their keys. */
static size_t imply_labels(const struct object *object, const char *namespace,
			   struct str_pair ret[3])
{
	const struct workload_endpoint_spec *spec = &as_workload_endpoint(object)->spec;
	size_t n = 0;

	ret[n++] = imply(LABEL_NAMESPACE, namespace);
	if (spec->orchestrator && *spec->orchestrator)
		ret[n++] = imply(LABEL_ORCHESTRATOR, spec->orchestrator);
	if (spec->service_account_name && *spec->service_account_name)
		ret[n++] = imply(LABEL_SERVICE_ACCOUNT, spec->service_account_name);
	return n;
}

int graph_put_workload(struct policy_graph *graph, const struct object *object, struct err *err)
{
	const struct workload_endpoint_spec *spec = &as_workload_endpoint(object)->spec;
	const char *namespace = object->meta.namespace ? object->meta.namespace : "";
	struct str_pair implied[3];
	size_t n_implied = imply_labels(object, namespace, implied);
	_cleanup_free_ struct draft_port *ports = NULL;
	struct draft draft = {.kind = KIND_WORKLOAD_ENDPOINT,
			      .namespace = namespace,
			      .name = object->meta.name,
			      .parents = parents_of(&spec->profiles),
			      .n_parents = spec->profiles.n};
	struct local_fields fields = {.interface = spec->interface_name ? spec->interface_name : "",
				      .spoofable = &spec->allow_spoofed_source_prefixes,
				      .profiles = &spec->profiles};
	int r = read_addrs(graph, &spec->ip_networks, "spec.ipNetworks", err);

	if (r < 0)
		return r;
	if (spec->ports.n)
		draft.ports = ports = xcalloc(spec->ports.n, sizeof(*ports));
	for (size_t i = 0; i < spec->ports.n; i++)
		add_port(&draft, spec->ports.v[i].name, spec->ports.v[i].protocol,
			 &spec->ports.v[i].port);
	draft.labels = join_labels(graph, &object->meta.labels, implied, n_implied);
	put_endpoint(graph, &draft, is_here(graph, spec->node) ? &fields : NULL);
	return 0;
}

int graph_put_host(struct policy_graph *graph, const struct object *object, struct err *err)
{
	const struct host_endpoint_spec *spec = &as_host_endpoint(object)->spec;
	_cleanup_free_ struct draft_port *ports = NULL;
	struct draft draft = {.kind = KIND_HOST_ENDPOINT,
			      .namespace = "",
			      .name = object->meta.name,
			      .labels = object->meta.labels,
			      .parents = parents_of(&spec->profiles),
			      .n_parents = spec->profiles.n};
	struct local_fields fields = {
		.is_host = true, .interface = spec->interface_name, .profiles = &spec->profiles};
	int r = read_addrs(graph, &spec->expected_ips, "spec.expectedIPs", err);

	if (r < 0)
		return r;
	if (spec->ports.n)
		draft.ports = ports = xcalloc(spec->ports.n, sizeof(*ports));
	for (size_t i = 0; i < spec->ports.n; i++)
		add_port(&draft, spec->ports.v[i].name, spec->ports.v[i].protocol.s,
			 &spec->ports.v[i].port);
	put_endpoint(graph, &draft, is_here(graph, spec->node) ? &fields : NULL);
	return 0;
}

/* A set of a namespace has the labels of the namespace's profile, like a pod. */
int graph_put_network_set(struct policy_graph *graph, const struct object *object, struct err *err)
{
	const struct network_set_spec *spec = &as_network_set(object)->spec;
	const char *namespace = object->meta.namespace ? object->meta.namespace : "";
	_cleanup_free_ char *profile = xasprintf(KUBERNETES_NAMESPACE_PROFILE "%s", namespace);
	const char *const parents[] = {profile};
	struct str_pair implied[] = {imply(LABEL_NAMESPACE, namespace)};
	struct draft draft = {.kind = object->desc->kind,
			      .namespace = namespace,
			      .name = object->meta.name,
			      .labels = object->meta.labels};
	int r = read_addrs(graph, &spec->nets, "spec.nets", err);

	if (r < 0)
		return r;
	if (object->desc->namespaced) {
		draft.labels = join_labels(graph, &object->meta.labels, implied, 1);
		draft.parents = parents;
		draft.n_parents = 1;
	}
	(void)put_item(graph, &draft);
	return 0;
}
