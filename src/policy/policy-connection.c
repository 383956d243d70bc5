/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The way of a packet through hosts, in the order of the hooks that it passes: before connection
 * tracking, before translation, forwarded or delivered. A host's own doNotTrack and preDNAT
 * policies that allow a packet spare it the host's later ones; a workload's policies are never
 * spared.
 */

#include "policy/policy-connection.h"

#include <string.h>

#include "base/alloc.h"
#include "model/felix-configuration.h"

#define PROTOCOL_IPIP 4
#define PROTOCOL_UDP  17

void connection_trace_deinit(struct connection_trace *trace)
{
	for (size_t i = 0; i < trace->n_stations; i++) {
		verdict_trace_deinit(&trace->stations[i].trace);
		free(trace->stations[i].note);
		free(trace->stations[i].assumed);
	}
	free(trace->stations);
	*trace = (struct connection_trace){.stations = NULL};
}

/* A packet on its way. */
struct journey {
	struct policy_world *world;
	const struct connection_end *from;
	const struct connection_end *to;
	struct packet packet;
	uint16_t port; /* the destination's own */
	struct connection_options options;
	bool tunnelled;
	bool is_dialled; /* not translated yet */
	bool accepted;	 /* by an early policy of the host it is on */
	bool denied;
	struct connection_trace *trace;
};

/* --- Stations --------------------------------------------------------------------------------- */

PRINTF_LIKE(4, 5)
static void note(struct journey *journey, const char *node, enum verdict verdict,
		 const char *format, ...)
{
	struct connection_station *station;
	va_list args;

	if (journey->denied && !journey->options.whole)
		return;
	station = ARRAY_ADD(journey->trace->stations, journey->trace->n_stations);
	station->node = node;
	station->verdict = verdict;
	va_start(args, format);
	station->note = xvasprintf(format, args);
	va_end(args);
	journey->denied = journey->denied || verdict == VERDICT_DENY;
}

static bool is_silent(const struct verdict_trace *trace)
{
	for (size_t i = 0; i < trace->n_tiers; i++)
		if (trace->tiers[i].applies)
			return false;
	return trace->verdict == VERDICT_NONE;
}

/* Stations where no policy is for the packet are left out. */
static void visit(struct journey *journey, const struct world_peer *peer,
		  enum policy_direction direction, enum verdict_stage stage)
{
	struct connection_station station = {.node = NULL};

	if (!peer || (journey->denied && !journey->options.whole))
		return;
	station.node = peer->node;
	station.verdict = policy_verdict(journey->world, peer, direction, stage, &journey->packet,
					 &station.trace);
	if (is_silent(&station.trace)) {
		verdict_trace_deinit(&station.trace);
		return;
	}
	*ARRAY_ADD(journey->trace->stations, journey->trace->n_stations) = station;
	if (station.verdict == VERDICT_DENY)
		journey->denied = true;
	if (station.verdict == VERDICT_ALLOW &&
	    (stage == VERDICT_STAGE_UNTRACKED || stage == VERDICT_STAGE_PRE_DNAT))
		journey->accepted = true;
}

/* --- Services --------------------------------------------------------------------------------- */

static void dial(struct journey *journey)
{
	if (!journey->to->dialled.family)
		return;
	journey->packet.destination = journey->to->dialled;
	journey->packet.destination_port = journey->to->dialled_port;
	journey->is_dialled = true;
}

/* Past the hook where destinations are translated: of whatever is tracked. */
static void redirect(struct journey *journey)
{
	journey->packet.destination = journey->to->addr;
	journey->packet.destination_port = journey->port;
	journey->is_dialled = false;
}

/* --- Host endpoints --------------------------------------------------------------------------- */

static const struct world_peer *wildcard_of(struct policy_world *world, const char *node)
{
	size_t n;
	const struct world_peer *peers = policy_world_peers(world, &n);

	for (size_t i = 0; i < n; i++)
		if (peers[i].type == WORLD_HOST && peers[i].is_wildcard &&
		    strcmp(peers[i].node, node) == 0)
			return &peers[i];
	return NULL;
}

/* Does the Node say that this interface has the address? */
static bool interface_has(const struct policy_world *world, const char *node, const char *interface,
			  const struct ip_addr *addr)
{
	const struct object *object = policy_world_find(world, KIND_NODE, NULL, node);
	const struct node_interface_list *interfaces =
		object ? &as_node(object)->spec.interfaces : NULL;

	for (size_t i = 0; interface && interfaces && i < interfaces->n; i++) {
		const struct node_interface *v = &interfaces->v[i];

		for (size_t k = 0; v->name && strcmp(v->name, interface) == 0 && k < v->addresses.n;
		     k++) {
			struct cidr cidr;

			if (cidr_parse(v->addresses.v[k], &cidr, NULL) == 0 &&
			    ip_equal(&cidr.addr, addr))
				return true;
		}
	}
	return false;
}

/* Whom a packet may meet at a host. */
struct meeting {
	const struct world_peer *taken;	 /* NULL: no host endpoint */
	const struct world_peer **named; /* if it is not known which: all that name an interface */
	size_t n_named;
	bool unknown;
};

static void meeting_deinit(struct meeting *meeting)
{
	free(meeting->named);
}
CLEANUP_DEINIT(struct meeting, meeting_deinit);

/* The host endpoint of the interface by which a node is reached; see the header. */
static void meet(const struct journey *journey, const char *node, struct meeting *ret)
{
	struct cidr own = {.len = 0};
	bool has_own = node_address(journey->world, node, journey->packet.source.family, &own);
	size_t n;
	const struct world_peer *peers = policy_world_peers(journey->world, &n);

	ret->taken = wildcard_of(journey->world, node);
	if (journey->tunnelled)
		return;
	for (size_t i = 0; i < n; i++) {
		if (peers[i].type != WORLD_HOST || peers[i].is_wildcard ||
		    strcmp(peers[i].node, node) != 0)
			continue;
		if (has_own &&
		    (world_peer_holds(&peers[i], &own.addr) ||
		     interface_has(journey->world, node, peers[i].interface, &own.addr))) {
			ret->taken = &peers[i];
			ret->unknown = false;
			return;
		}
		ret->unknown = true;
		*ARRAY_ADD(ret->named, ret->n_named) = &peers[i];
	}
	if (!ret->taken && ret->n_named == 1)
		ret->taken = ret->named[0];
}

/* A look at the packet that a host takes. */
struct look {
	enum policy_direction direction;
	enum verdict_stage stage;
};

static bool is_looked(const struct world_peer *peer, enum verdict_stage stage)
{
	/* What is not tracked is known by its interface alone. */
	return peer && !(peer->is_wildcard && stage == VERDICT_STAGE_UNTRACKED);
}

/* Before the hook where destinations are translated? */
static bool is_dialled_at(enum verdict_stage stage)
{
	return stage == VERDICT_STAGE_UNTRACKED || stage == VERDICT_STAGE_PRE_DNAT;
}

static void visit_host_stage(struct journey *journey, const struct world_peer *peer,
			     const struct look *look)
{
	visit(journey, peer, look->direction, look->stage);
	if (look->stage == VERDICT_STAGE_UNTRACKED && journey->accepted && journey->is_dialled)
		note(journey, peer->node, VERDICT_DENY,
		     "what doNotTrack allows is not translated: it goes to %s itself",
		     ip_format(&journey->packet.destination).s);
}

/* Does the packet pass this host endpoint? NULL: there is none. */
static bool passes(const struct journey *journey, const struct world_peer *peer,
		   const struct look *looks, size_t n)
{
	struct journey copy = *journey;

	for (size_t i = 0; i < n; i++) {
		enum verdict verdict;

		if (!is_dialled_at(looks[i].stage))
			redirect(&copy);
		if (!is_looked(peer, looks[i].stage))
			continue;
		verdict = policy_verdict(copy.world, peer, looks[i].direction, looks[i].stage,
					 &copy.packet, NULL);
		if (verdict == VERDICT_DENY)
			return false;
		if (verdict == VERDICT_ALLOW)
			return looks[i].stage != VERDICT_STAGE_UNTRACKED || !copy.is_dialled;
	}
	return true;
}

/*
 * Is the answer another one by another interface? One that nobody names has that for all, or none.
 */
static bool depends(const struct journey *journey, const char *node, const struct meeting *meeting,
		    const struct look *looks, size_t n)
{
	bool passed;

	if (!meeting->unknown)
		return false;
	passed = passes(journey, meeting->taken, looks, n);
	for (size_t i = 0; i < meeting->n_named; i++)
		if (passes(journey, meeting->named[i], looks, n) != passed)
			return true;
	return passes(journey, wildcard_of(journey->world, node), looks, n) != passed;
}

/* The packet at a host. False: it has no host endpoint there. */
static bool visit_host(struct journey *journey, const struct connection_end *end,
		       const struct look *looks, size_t n)
{
	_cleanup_(meeting_deinitp) struct meeting meeting = {.taken = NULL};

	/* One that was asked for by its name is the one at its own node. */
	if (end->type == END_HOST && end->peer)
		meeting.taken = end->peer;
	else
		meet(journey, end->node, &meeting);
	if (depends(journey, end->node, &meeting, looks, n))
		note(journey, end->node, VERDICT_NONE,
		     "the answer depends on the interface of node %s, which is not known: %s is "
		     "taken; to ask for another, name it as hep/NAME",
		     end->node, meeting.taken ? meeting.taken->text : "no host endpoint");
	for (size_t i = 0; i < n; i++) {
		if (!is_dialled_at(looks[i].stage))
			redirect(journey);
		if (!journey->accepted && is_looked(meeting.taken, looks[i].stage))
			visit_host_stage(journey, meeting.taken, &looks[i]);
	}
	return meeting.taken;
}

/* --- Pools ------------------------------------------------------------------------------------ */

static const struct ip_pool_spec *pool_of(const struct policy_world *world,
					  const struct ip_addr *addr)
{
	size_t n;
	const struct object *const *objects = policy_world_objects(world, &n);

	for (size_t i = 0; i < n; i++) {
		struct cidr cidr;

		if (objects[i]->desc->kind == KIND_IP_POOL && as_ip_pool(objects[i])->spec.cidr &&
		    cidr_parse(as_ip_pool(objects[i])->spec.cidr, &cidr, NULL) == 0 &&
		    cidr_contains(&cidr, addr))
			return &as_ip_pool(objects[i])->spec;
	}
	return NULL;
}

/* Both ends on one host. */
static bool is_inside(const struct journey *journey)
{
	return journey->from->type != END_OUTSIDE && journey->to->type != END_OUTSIDE &&
	       strcmp(journey->from->node, journey->to->node) == 0;
}

static bool encapsulates(enum encap_mode mode, bool same_subnet)
{
	return mode == ENCAP_MODE_ALWAYS || (mode == ENCAP_MODE_CROSS_SUBNET && !same_subnet);
}

/* Between nodes, what goes to a pod. */
static bool is_tunnelled(const struct journey *journey)
{
	const struct connection_end *from = journey->from;
	const struct connection_end *to = journey->to;
	const struct ip_pool_spec *pool = pool_of(journey->world, &to->addr);
	uint8_t family = to->addr.family;
	struct cidr a;
	struct cidr b;
	bool same_subnet;

	if (!pool || to->type != END_WORKLOAD || from->type == END_OUTSIDE || is_inside(journey))
		return false;
	same_subnet = node_address(journey->world, from->node, family, &a) &&
		      node_address(journey->world, to->node, family, &b) &&
		      cidr_contains(&a, &b.addr);
	return encapsulates(pool->ipip_mode, same_subnet) ||
	       encapsulates(pool->vxlan_mode, same_subnet);
}

/* What leaves the pools takes the node's address, if the pool says so. */
static void translate(struct journey *journey)
{
	const struct ip_pool_spec *pool = pool_of(journey->world, &journey->from->addr);
	const char *node = journey->from->node;
	const char *excluded =
		policy_world_settings(journey->world, node)->spec.nat_outgoing_exclusions;
	struct cidr own;

	if (!pool || !pool->nat_outgoing.v || pool_of(journey->world, &journey->to->addr) ||
	    !node_address(journey->world, node, journey->packet.source.family, &own))
		return;
	if (journey->to->type == END_HOST && excluded && strcmp(excluded, "IPPoolsAndHostIPs") == 0)
		return;
	journey->packet.source = own.addr;
	note(journey, node, VERDICT_NONE,
	     "the source becomes %s on the way out: its pool has natOutgoing",
	     ip_format(&own.addr).s);
}

/* --- Parts of the way ------------------------------------------------------------------------- */

/* A workload may not send what its host would take for its own tunnel's. */
static bool is_forged_tunnel(const struct journey *journey)
{
	const struct felix_configuration_spec *settings =
		&policy_world_settings(journey->world, journey->from->node)->spec;

	if (journey->packet.protocol == PROTOCOL_IPIP)
		return !settings->allow_ipip_packets_from_workloads.v;
	return journey->packet.protocol == PROTOCOL_UDP &&
	       journey->packet.destination_port == settings->vxlan_port.v &&
	       !settings->allow_vxlan_packets_from_workloads.v;
}

/* Where the setting is from, as far as objects say. */
static const char *action_origin(const struct journey *journey, const char *node)
{
	_cleanup_free_ char *own = xasprintf(FELIX_CONFIGURATION_NODE "%s", node);
	const char *const names[] = {own, FELIX_CONFIGURATION_DEFAULT};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct object *object =
			policy_world_find(journey->world, KIND_FELIX_CONFIGURATION, NULL, names[i]);

		if (object && as_felix_configuration(object)->spec.default_endpoint_to_host_action)
			return i == 0 ? "the node's FelixConfiguration"
				      : "FelixConfiguration default";
	}
	return "the built-in default";
}

/* The agent's environment is stronger than any object, and is not known here. */
static void workload_to_own_host(struct journey *journey)
{
	const char *node = journey->to->node;
	const char *given = journey->options.endpoint_to_host_action;
	const char *action = given ? given
				   : policy_world_settings(journey->world, node)
					     ->spec.default_endpoint_to_host_action;
	bool drops = strcmp(action, "Drop") == 0;
	size_t n = journey->trace->n_stations;

	note(journey, node, drops ? VERDICT_DENY : VERDICT_ALLOW,
	     "defaultEndpointToHostAction is %s (%s): %s", action,
	     given ? "as you say" : action_origin(journey, node),
	     drops			     ? "no workload reaches its own host"
	     : strcmp(action, "Accept") == 0 ? "its workloads reach it"
					     : "left to the host's own rules, which are not looked "
					       "at here");
	if (given || n == journey->trace->n_stations)
		return;
	journey->trace->stations[n].assumed =
		xasprintf("the environment of the agent on %s has no "
			  "FELIX_DEFAULTENDPOINTTOHOSTACTION; if it has, say which by "
			  "--default-endpoint-to-host-action",
			  node);
}

static void leave_workload(struct journey *journey)
{
	const struct connection_end *from = journey->from;
	const struct world_peer *wildcard = wildcard_of(journey->world, from->node);
	const struct look out = {POLICY_EGRESS, VERDICT_STAGE_FORWARD};
	bool stays = is_inside(journey);

	visit(journey, wildcard, POLICY_INGRESS, VERDICT_STAGE_PRE_DNAT);
	redirect(journey);
	if (!journey->accepted && !(stays && journey->to->type == END_HOST))
		visit(journey, wildcard, POLICY_INGRESS, VERDICT_STAGE_FORWARD);
	if (is_forged_tunnel(journey))
		note(journey, from->node, VERDICT_DENY,
		     "a workload may not send packets of a tunnel; allowIPIPPacketsFromWorkloads "
		     "and allowVXLANPacketsFromWorkloads let it");
	visit(journey, from->peer, POLICY_EGRESS, VERDICT_STAGE_NORMAL);
	if (stays)
		return;
	journey->accepted = false;
	(void)visit_host(journey, from, &out, 1);
	translate(journey);
}

static void leave_host(struct journey *journey)
{
	static const struct look looks[] = {{POLICY_EGRESS, VERDICT_STAGE_UNTRACKED},
					    {POLICY_EGRESS, VERDICT_STAGE_NORMAL}};
	const char *node = journey->from->node;

	if (!visit_host(journey, journey->from, looks, ARRAY_SIZE(looks)))
		note(journey, node, VERDICT_NONE,
		     "node %s has no host endpoint there: what it sends is not restricted", node);
}

static void arrive(struct journey *journey)
{
	const struct connection_end *to = journey->to;
	const struct look looks[] = {{POLICY_INGRESS, VERDICT_STAGE_UNTRACKED},
				     {POLICY_INGRESS, VERDICT_STAGE_PRE_DNAT},
				     {POLICY_INGRESS, to->type == END_HOST
							      ? VERDICT_STAGE_NORMAL
							      : VERDICT_STAGE_FORWARD}};

	journey->accepted = false;
	if (!visit_host(journey, to, looks, ARRAY_SIZE(looks)) && to->type == END_HOST)
		note(journey, to->node, VERDICT_NONE,
		     "node %s has no host endpoint there: what it gets is not restricted",
		     to->node);
}

static void enter_workload(struct journey *journey)
{
	const struct connection_end *to = journey->to;

	visit(journey, to->peer, POLICY_INGRESS, VERDICT_STAGE_NORMAL);
	visit(journey, wildcard_of(journey->world, to->node), POLICY_EGRESS, VERDICT_STAGE_FORWARD);
}

/* What stays on one host. */
static void travel_inside(struct journey *journey)
{
	static const struct look untracked = {POLICY_EGRESS, VERDICT_STAGE_UNTRACKED};
	const struct connection_end *from = journey->from;
	const struct connection_end *to = journey->to;

	if (from->type == END_WORKLOAD) {
		leave_workload(journey);
		if (to->type == END_WORKLOAD)
			enter_workload(journey);
		else
			workload_to_own_host(journey);
		return;
	}
	if (journey->is_dialled)
		(void)visit_host(journey, from, &untracked, 1);
	redirect(journey);
	note(journey, to->node, VERDICT_ALLOW,
	     to->type == END_WORKLOAD
		     ? "a host always reaches its own workloads: probes depend on it"
		     : "it stays inside the host");
}

/* The address that a host sends from into a tunnel is the tunnel's. */
static void take_tunnel_address(struct journey *journey)
{
	const struct object *object =
		policy_world_find(journey->world, KIND_NODE, NULL, journey->from->node);
	const struct ip_pool_spec *pool = pool_of(journey->world, &journey->to->addr);
	const struct node_spec *spec = object ? &as_node(object)->spec : NULL;
	const char *text = NULL;
	struct cidr cidr;

	if (!spec || !pool)
		return;
	if (journey->to->addr.family == AF_INET6)
		text = spec->ipv6_vxlan_tunnel_addr;
	else if (pool->vxlan_mode == ENCAP_MODE_ALWAYS ||
		 pool->vxlan_mode == ENCAP_MODE_CROSS_SUBNET)
		text = spec->ipv4_vxlan_tunnel_addr;
	else
		text = spec->bgp ? spec->bgp->ipv4_ipip_tunnel_addr : NULL;
	if (text && cidr_parse(text, &cidr, NULL) == 0)
		journey->packet.source = cidr.addr;
}

enum verdict connection_verdict_with(struct policy_world *world, const struct connection_end *from,
				     const struct connection_end *to, const struct packet *packet,
				     const struct connection_options *options,
				     struct connection_trace *ret)
{
	struct journey journey = {
		.world = world,
		.from = from,
		.to = to,
		.packet = *packet,
		.port = packet->destination_port,
		.options = *options,
		.trace = ret,
	};

	*ret = (struct connection_trace){.stations = NULL};
	journey.packet.source = from->addr;
	journey.packet.destination = to->addr;
	dial(&journey);
	journey.tunnelled = is_tunnelled(&journey);
	if (is_inside(&journey)) {
		travel_inside(&journey);
	} else {
		if (from->type == END_HOST && journey.tunnelled)
			take_tunnel_address(&journey);
		if (from->type == END_WORKLOAD)
			leave_workload(&journey);
		else if (from->type == END_HOST)
			leave_host(&journey);
		if (to->type != END_OUTSIDE)
			arrive(&journey);
		if (to->type == END_WORKLOAD)
			enter_workload(&journey);
	}
	ret->verdict = journey.denied ? VERDICT_DENY : VERDICT_ALLOW;
	return ret->verdict;
}

enum verdict connection_verdict(struct policy_world *world, const struct connection_end *from,
				const struct connection_end *to, const struct packet *packet,
				struct connection_trace *ret)
{
	return connection_verdict_with(world, from, to, packet,
				       &(const struct connection_options){.whole = false}, ret);
}
