/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What rules tell apart. Two addresses in the same prefixes are one, as are two endpoints with the
 * same values of the labels that selectors ask for, and two ports between the same borders.
 */

#include "policy/impact-space.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "model/model-check.h"
#include "model/selector-syntax.h"
#include "policy/kubernetes-policy.h"
#include "policy/policy-match.h"

#define PROTOCOL_TCP 6

void impact_space_deinit(struct impact_space *space)
{
	for (size_t i = 0; i < space->keys.n; i++) {
		free(space->keys.v[i].key);
		free(space->keys.v[i].value);
	}
	free(space->keys.v);
	free(space->nets);
}

/* --- Labels ----------------------------------------------------------------------------------- */

struct key_visitor {
	struct impact_space *space;
	const char *prefix;
};

static void add_key(struct impact_space *space, const char *prefix, const char *key, size_t len)
{
	_cleanup_free_ char *name = xasprintf("%s%.*s", prefix, (int)len, key);

	str_map_put(&space->keys, name, "");
}

static void on_term(void *data, enum selector_op op, struct selector_piece label)
{
	struct key_visitor *visitor = data;

	if (op != SELECTOR_ALL && op != SELECTOR_GLOBAL)
		add_key(visitor->space, visitor->prefix, label.s, label.len);
}

static void on_mark(void *data, enum selector_mark mark)
{
	(void)data;
	(void)mark;
}

static void on_value(void *data, struct selector_piece value)
{
	(void)data;
	(void)value;
}

/* What is no selector matches nothing, so it tells nothing apart. */
static void add_selector(struct impact_space *space, const char *prefix, const char *text)
{
	struct key_visitor keys = {.space = space, .prefix = prefix};
	const struct selector_visitor visitor = {
		.mark = on_mark, .term = on_term, .value = on_value, .data = &keys};

	if (text && selector_syntax_walk(text, &visitor, NULL) < 0)
		return;
}

static void add_label_selector(struct impact_space *space, const char *prefix,
			       const struct label_selector *selector)
{
	if (!selector)
		return;
	for (size_t i = 0; i < selector->match_labels.n; i++)
		add_key(space, prefix, selector->match_labels.v[i].key,
			strlen(selector->match_labels.v[i].key));
	for (size_t i = 0; i < selector->match_expressions.n; i++)
		if (selector->match_expressions.v[i].key)
			add_key(space, prefix, selector->match_expressions.v[i].key,
				strlen(selector->match_expressions.v[i].key));
}

/* --- Prefixes --------------------------------------------------------------------------------- */

static void add_net(struct impact_space *space, const char *text)
{
	struct cidr cidr;

	if (!text || cidr_parse(text, &cidr, NULL) < 0)
		return;
	cidr = cidr_masked(&cidr);
	for (size_t i = 0; i < space->n_nets; i++)
		if (cidr_equal(&space->nets[i], &cidr))
			return;
	*ARRAY_ADD(space->nets, space->n_nets) = cidr;
}

static void add_nets(struct impact_space *space, const struct str_list *nets)
{
	for (size_t i = 0; i < nets->n; i++)
		add_net(space, nets->v[i]);
}

/* --- Policies --------------------------------------------------------------------------------- */

static void add_entity(struct impact_space *space, const struct entity_rule *entity)
{
	add_selector(space, "", entity->selector);
	add_selector(space, "", entity->not_selector);
	add_selector(space, "pcns.", entity->namespace_selector);
	if (entity->service_accounts) {
		add_selector(space, "pcsa.", entity->service_accounts->selector);
		if (entity->service_accounts->names.n)
			str_map_put(&space->keys, LABEL_SERVICE_ACCOUNT, "");
	}
	add_nets(space, &entity->nets);
	add_nets(space, &entity->not_nets);
}

static void add_rules(struct impact_space *space, const struct rule_list *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		add_entity(space, &rules->v[i].source);
		add_entity(space, &rules->v[i].destination);
	}
}

static void add_kubernetes_rules(struct impact_space *space,
				 const struct kubernetes_rule_list *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		for (size_t k = 0; k < rules->v[i].peers.n; k++) {
			const struct kubernetes_peer *peer = &rules->v[i].peers.v[k];

			add_label_selector(space, "", peer->pod_selector);
			add_label_selector(space, "pcns.", peer->namespace_selector);
			if (peer->ip_block) {
				add_net(space, peer->ip_block->cidr);
				add_nets(space, &peer->ip_block->except);
			}
		}
	}
}

static void add_object(struct impact_space *space, const struct object *object)
{
	switch ((int)object->desc->kind) {
	case KIND_NETWORK_POLICY:
	case KIND_GLOBAL_NETWORK_POLICY:
	case KIND_STAGED_NETWORK_POLICY:
	case KIND_STAGED_GLOBAL_NETWORK_POLICY: {
		const struct policy_spec *spec = &as_policy(object)->spec;

		add_selector(space, "", spec->selector);
		add_selector(space, "pcns.", spec->namespace_selector);
		add_selector(space, "pcsa.", spec->service_account_selector);
		add_rules(space, &spec->ingress);
		add_rules(space, &spec->egress);
		break;
	}
	case KIND_KUBERNETES_NETWORK_POLICY:
	case KIND_STAGED_KUBERNETES_NETWORK_POLICY: {
		const struct kubernetes_policy_spec *spec = kubernetes_spec(object);

		add_label_selector(space, "", &spec->pod_selector);
		add_kubernetes_rules(space, &spec->ingress);
		add_kubernetes_rules(space, &spec->egress);
		break;
	}
	case KIND_PROFILE:
		add_rules(space, &as_profile(object)->spec.ingress);
		add_rules(space, &as_profile(object)->spec.egress);
		break;
	case KIND_NETWORK_SET:
	case KIND_GLOBAL_NETWORK_SET:
		add_nets(space, &as_network_set(object)->spec.nets);
		break;
	default:
		break;
	}
}

static void add_cluster_policy(struct impact_space *space, const struct object *object)
{
	_cleanup_(model_freep) struct object *meaning = NULL;

	if (kubernetes_policy_convert(object, &meaning, NULL, NULL) == 0)
		add_object(space, meaning);
}

void impact_space_add(const struct policy_world *world, struct impact_space *space)
{
	size_t n;
	const struct object *const *objects = policy_world_objects(world, &n);

	for (size_t i = 0; i < n; i++) {
		if (policy_is_staged(objects[i]) && !policy_world_enforces(world, objects[i]))
			continue;
		if (objects[i]->desc->kind == KIND_KUBERNETES_CLUSTER_NETWORK_POLICY)
			add_cluster_policy(space, objects[i]);
		else
			add_object(space, objects[i]);
	}
}

/* --- Ports ------------------------------------------------------------------------------------ */

static void add_port(struct impact_ports *ports, uint8_t protocol, uint32_t first)
{
	*ARRAY_ADD(ports->v, ports->n) = (struct impact_port){.protocol = protocol, .first = first};
}

static void add_range(struct impact_ports *ports, uint8_t protocol, uint32_t first, uint32_t last)
{
	add_port(ports, protocol, first);
	add_port(ports, protocol, last + 1);
}

static void add_named(struct policy_world *world, const char *name, struct impact_ports *ports)
{
	size_t n;
	const struct world_peer *peers = policy_world_peers(world, &n);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < peers[i].n_ports; k++)
			if (strcmp(peers[i].ports[k].name, name) == 0)
				add_range(ports, peers[i].ports[k].protocol, peers[i].ports[k].port,
					  peers[i].ports[k].port);
}

static void add_port_texts(struct policy_world *world, const struct int_or_string_list *texts,
			   uint8_t protocol, struct impact_ports *ports)
{
	for (size_t i = 0; i < texts->n; i++) {
		uint16_t first;
		uint16_t last;
		int r = texts->v[i].s ? model_check_port(texts->v[i].s, &first, &last, NULL) : -1;

		if (r == 0)
			add_range(ports, protocol, first, last);
		else if (r > 0)
			add_named(world, texts->v[i].s, ports);
	}
}

static void add_icmp(const struct icmp_match *icmp, uint8_t protocol, struct impact_ports *ports)
{
	if (icmp && icmp->type.set)
		add_range(ports, protocol, (uint32_t)icmp->type.v, (uint32_t)icmp->type.v);
}

static void add_rule_ports(struct policy_world *world, const struct rule_list *rules,
			   struct impact_ports *ports)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->v[i];
		uint8_t protocol = protocol_number(&rule->protocol);
		uint8_t not_protocol = protocol_number(&rule->not_protocol);

		if (protocol)
			add_port(ports, protocol, 0);
		if (not_protocol)
			add_port(ports, not_protocol, 0);
		add_port_texts(world, &rule->destination.ports, protocol, ports);
		add_port_texts(world, &rule->destination.not_ports, protocol, ports);
		add_icmp(rule->icmp, protocol, ports);
		add_icmp(rule->not_icmp, protocol, ports);
	}
}

static void add_kubernetes_ports(struct policy_world *world,
				 const struct kubernetes_rule_list *rules,
				 struct impact_ports *ports)
{
	for (size_t i = 0; i < rules->n; i++) {
		for (size_t k = 0; k < rules->v[i].ports.n; k++) {
			const struct kubernetes_port *port = &rules->v[i].ports.v[k];
			uint8_t protocol =
				port->protocol ? protocol_find(port->protocol) : PROTOCOL_TCP;
			uint64_t first;

			if (!port->port.s)
				continue;
			if (parse_u64(port->port.s, 1, UINT16_MAX, &first, NULL) < 0)
				add_named(world, port->port.s, ports);
			else
				add_range(ports, protocol, (uint32_t)first,
					  port->end_port.set ? (uint32_t)port->end_port.v
							     : (uint32_t)first);
		}
	}
}

void impact_ports_add(struct policy_world *world, const struct object *object,
		      enum policy_direction direction, struct impact_ports *ports)
{
	bool in = direction == POLICY_INGRESS;

	switch ((int)object->desc->kind) {
	case KIND_NETWORK_POLICY:
	case KIND_GLOBAL_NETWORK_POLICY:
	case KIND_STAGED_NETWORK_POLICY:
	case KIND_STAGED_GLOBAL_NETWORK_POLICY: {
		const struct policy_spec *spec = &as_policy(object)->spec;

		add_rule_ports(world, in ? &spec->ingress : &spec->egress, ports);
		break;
	}
	case KIND_KUBERNETES_NETWORK_POLICY:
	case KIND_STAGED_KUBERNETES_NETWORK_POLICY: {
		const struct kubernetes_policy_spec *spec = kubernetes_spec(object);

		add_kubernetes_ports(world, in ? &spec->ingress : &spec->egress, ports);
		break;
	}
	case KIND_KUBERNETES_CLUSTER_NETWORK_POLICY: {
		_cleanup_(model_freep) struct object *meaning = NULL;

		if (kubernetes_policy_convert(object, &meaning, NULL, NULL) == 0)
			impact_ports_add(world, meaning, direction, ports);
		break;
	}
	case KIND_PROFILE: {
		const struct profile_spec *spec = &as_profile(object)->spec;

		add_rule_ports(world, in ? &spec->ingress : &spec->egress, ports);
		break;
	}
	default:
		break;
	}
}

static int compare_ports(const void *first, const void *second)
{
	const struct impact_port *a = first;
	const struct impact_port *b = second;

	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

void impact_ports_sort(struct impact_ports *ports)
{
	struct impact_ports once = {.v = NULL};

	if (ports->n)
		qsort(ports->v, ports->n, sizeof(*ports->v), compare_ports);
	for (size_t i = 0; i < ports->n; i++)
		if (!i || compare_ports(&ports->v[i], &ports->v[i - 1]) != 0)
			*ARRAY_ADD(once.v, once.n) = ports->v[i];
	free(ports->v);
	*ports = once;
}
