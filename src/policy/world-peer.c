/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What selectors select: workload endpoints, host endpoints and network sets, with the labels they
 * have by themselves and from their profiles. A profile gives labels of the namespace under names
 * that begin with "pcns.", of the service account with "pcsa.".
 */

#include "policy/world-peer.h"

#include <string.h>

#include "base/alloc.h"
#include "policy/kubernetes-policy.h"
#include "policy/policy-match.h"

#define PREFIX_NAMESPACE "pcns."
#define PREFIX_ACCOUNT	 "pcsa."

void world_peer_deinit(struct world_peer *peer)
{
	struct str_map *maps[] = {&peer->labels, &peer->namespace_labels, &peer->account_labels};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		for (size_t j = 0; j < maps[i]->n; j++) {
			free(maps[i]->v[j].key);
			free(maps[i]->v[j].value);
		}
		free(maps[i]->v);
	}
	for (size_t i = 0; i < peer->profiles.n; i++)
		free(peer->profiles.v[i]);
	free(peer->profiles.v);
	free(peer->nets);
	free(peer->ports);
	free(peer->text);
}

bool world_peer_holds(const struct world_peer *peer, const struct ip_addr *addr)
{
	for (size_t i = 0; i < peer->n_nets; i++)
		if (cidr_contains(&peer->nets[i], addr))
			return true;
	return false;
}

/* A text that is no prefix gives no address. */
static void add_nets(struct world_peer *peer, const struct str_list *nets)
{
	for (size_t i = 0; i < nets->n; i++) {
		struct cidr cidr;

		if (cidr_parse(nets->v[i], &cidr, NULL) == 0)
			*ARRAY_ADD(peer->nets, peer->n_nets) = cidr;
	}
}

static void add_port(struct world_peer *peer, const char *name, const char *protocol,
		     const struct opt_int *port)
{
	uint8_t number = protocol ? protocol_find(protocol) : 0;

	if (name && number && port->set && port->v > 0 && port->v <= UINT16_MAX)
		*ARRAY_ADD(peer->ports, peer->n_ports) = (struct world_port){
			.name = name, .protocol = number, .port = (uint16_t)port->v};
}

static void make_workload(const struct object *object, struct world_peer *peer)
{
	const struct workload_endpoint_spec *spec = &as_workload_endpoint(object)->spec;

	peer->type = WORLD_WORKLOAD;
	peer->node = spec->node ? spec->node : "";
	peer->interface = spec->interface_name;
	peer->text =
		spec->pod ? xasprintf("pod/%s/%s", object->meta.namespace, spec->pod)
			  : xasprintf("workload/%s/%s", object->meta.namespace, object->meta.name);
	for (size_t i = 0; i < spec->profiles.n; i++)
		str_list_add(&peer->profiles, spec->profiles.v[i]);
	add_nets(peer, &spec->ip_networks);
	for (size_t i = 0; i < spec->ports.n; i++)
		add_port(peer, spec->ports.v[i].name, spec->ports.v[i].protocol,
			 &spec->ports.v[i].port);
	if (spec->orchestrator)
		str_map_put(&peer->labels, LABEL_ORCHESTRATOR, spec->orchestrator);
	if (spec->service_account_name)
		str_map_put(&peer->labels, LABEL_SERVICE_ACCOUNT, spec->service_account_name);
}

static void make_host(const struct object *object, struct world_peer *peer)
{
	const struct host_endpoint_spec *spec = &as_host_endpoint(object)->spec;

	peer->type = WORLD_HOST;
	peer->node = spec->node ? spec->node : "";
	peer->interface = spec->interface_name;
	peer->is_wildcard = spec->interface_name && strcmp(spec->interface_name, "*") == 0;
	peer->text = xasprintf("hep/%s", object->meta.name);
	for (size_t i = 0; i < spec->profiles.n; i++)
		str_list_add(&peer->profiles, spec->profiles.v[i]);
	add_nets(peer, &spec->expected_ips);
	for (size_t i = 0; i < spec->ports.n; i++)
		add_port(peer, spec->ports.v[i].name, spec->ports.v[i].protocol.s,
			 &spec->ports.v[i].port);
}

/* A set of a namespace takes the labels of that namespace. */
static void make_network_set(const struct object *object, struct world_peer *peer)
{
	const char *namespace = object->meta.namespace;

	peer->type = WORLD_NETWORK_SET;
	peer->text = namespace ? xasprintf("networkset/%s/%s", namespace, object->meta.name)
			       : xasprintf("globalnetworkset/%s", object->meta.name);
	if (namespace) {
		_cleanup_free_ char *profile =
			xasprintf(KUBERNETES_NAMESPACE_PROFILE "%s", namespace);

		str_list_add(&peer->profiles, profile);
	}
	add_nets(peer, &as_network_set(object)->spec.nets);
}

static void inherit(const struct policy_world *world, const char *profile, struct str_map *labels)
{
	const struct object *object = policy_world_find(world, KIND_PROFILE, NULL, profile);
	const struct str_map *given = object ? &as_profile(object)->spec.labels_to_apply : NULL;

	for (size_t i = 0; given && i < given->n; i++)
		if (!str_map_find(labels, given->v[i].key))
			str_map_put(labels, given->v[i].key, given->v[i].value);
}

static void add_unprefixed(struct str_map *to, const struct str_map *labels, const char *prefix)
{
	for (size_t i = 0; i < labels->n; i++)
		if (strncmp(labels->v[i].key, prefix, strlen(prefix)) == 0)
			str_map_put(to, labels->v[i].key + strlen(prefix), labels->v[i].value);
}

bool world_peer_make(const struct policy_world *world, const struct object *object,
		     struct world_peer *ret)
{
	struct world_peer peer = {.object = object};

	switch ((int)object->desc->kind) {
	case KIND_WORKLOAD_ENDPOINT:
		make_workload(object, &peer);
		break;
	case KIND_HOST_ENDPOINT:
		make_host(object, &peer);
		break;
	case KIND_NETWORK_SET:
	case KIND_GLOBAL_NETWORK_SET:
		make_network_set(object, &peer);
		break;
	default:
		return false;
	}
	/* Own labels are stronger than those of profiles, a profile than the ones behind it. */
	for (size_t i = 0; i < object->meta.labels.n; i++)
		str_map_put(&peer.labels, object->meta.labels.v[i].key,
			    object->meta.labels.v[i].value);
	if (object->meta.namespace) {
		str_map_put(&peer.labels, LABEL_NAMESPACE, object->meta.namespace);
		str_map_put(&peer.namespace_labels, LABEL_ANY_NAMESPACE, object->meta.namespace);
	}
	for (size_t i = 0; i < peer.profiles.n; i++)
		inherit(world, peer.profiles.v[i], &peer.labels);
	add_unprefixed(&peer.namespace_labels, &peer.labels, PREFIX_NAMESPACE);
	add_unprefixed(&peer.account_labels, &peer.labels, PREFIX_ACCOUNT);
	*ret = peer;
	return true;
}
