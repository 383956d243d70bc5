/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two worlds side by side. First, who can be told apart (subjects); then, for each of them and each
 * direction, whether anything that has changed is for it at all; then, for pairs of which one end
 * is concerned, every run of ports that the two ends' rules tell apart.
 */

#include "policy/policy-impact.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "policy/impact-runs.h"
#include "policy/impact-space.h"
#include "policy/policy-end.h"

#define BEFORE		0
#define AFTER		1
#define WORLDS		2
#define FAMILIES	2
#define WAY_IN		0
#define WAY_OUT		1
#define EPHEMERAL	49152
#define PROTOCOL_ICMP	1
#define PROTOCOL_ICMPV6 58

static const uint8_t families[FAMILIES] = {AF_INET, AF_INET6};
static const enum policy_direction directions[] = {
	[WAY_IN] = POLICY_INGRESS, [WAY_OUT] = POLICY_EGRESS};

void policy_impact_deinit(struct policy_impact *impact)
{
	for (size_t i = 0; i < impact->n_subjects; i++)
		free(impact->subjects[i].text);
	for (size_t i = 0; i < impact->n_changes; i++) {
		free(impact->changes[i].ports);
		free(impact->changes[i].reason);
	}
	free(impact->subjects);
	free(impact->changes);
	for (size_t i = 0; i < ARRAY_SIZE(impact->worlds); i++)
		(void)policy_world_free(impact->worlds[i]);
	*impact = (struct policy_impact){.subjects = NULL};
}

/* What is known of a subject while impact is worked out. */
struct concern {
	char *signature;	      /* the same: alike */
	bool concerned[2];	      /* by way: something that changed is for it */
	struct impact_ports ports[2]; /* by way: what its rules tell apart */
};

struct work {
	struct policy_world *worlds[WORLDS];
	struct impact_space space;
	struct concern *concerns; /* one for each subject */
	size_t n_concerns;
	bool all_concerned; /* a change that may be for anyone */
	struct policy_impact *impact;
};

static void work_deinit(struct work *work)
{
	for (size_t i = 0; i < work->n_concerns; i++) {
		free(work->concerns[i].signature);
		free(work->concerns[i].ports[WAY_IN].v);
		free(work->concerns[i].ports[WAY_OUT].v);
	}
	free(work->concerns);
	impact_space_deinit(&work->space);
}
CLEANUP_DEINIT(struct work, work_deinit);

/* --- Subjects --------------------------------------------------------------------------------- */

static void add_net_bits(const struct work *work, const struct ip_addr *addr, struct buf *out)
{
	if (!addr->family) {
		buf_adds(out, "|none");
		return;
	}
	buf_addc(out, '|');
	for (size_t i = 0; i < work->space.n_nets; i++)
		buf_addc(out, cidr_contains(&work->space.nets[i], addr) ? '1' : '0');
}

/* All that policy can see of a peer in one world. */
static void add_peer_text(const struct work *work, const struct world_peer *peer, struct buf *out)
{
	const char *namespace = str_map_find(&peer->labels, LABEL_NAMESPACE);

	buf_addf(out, "|%u|%s", (unsigned int)peer->type, namespace ? namespace : "");
	for (size_t i = 0; i < work->space.keys.n; i++) {
		const char *value = str_map_find(&peer->labels, work->space.keys.v[i].key);

		buf_addf(out, "|%s%s", value ? "=" : "-", value ? value : "");
	}
	for (size_t i = 0; i < peer->profiles.n; i++)
		buf_addf(out, "|p%s", peer->profiles.v[i]);
	for (size_t i = 0; i < peer->n_ports; i++)
		buf_addf(out, "|n%s/%u/%u", peer->ports[i].name, peer->ports[i].protocol,
			 peer->ports[i].port);
	/* Settings, and so failsafe ports, are a node's. */
	if (peer->type == WORLD_HOST)
		buf_addf(out, "|h%s", peer->text);
}

static void add_subject(struct work *work, const struct impact_subject *subject)
{
	_cleanup_buf_ struct buf signature = BUF_INIT;
	struct policy_impact *impact = work->impact;

	for (size_t i = 0; i < WORLDS; i++)
		if (subject->peers[i])
			add_peer_text(work, subject->peers[i], &signature);
	for (size_t i = 0; i < FAMILIES; i++)
		add_net_bits(work, &subject->addrs[i], &signature);
	for (size_t i = 0; i < work->n_concerns; i++) {
		if (strcmp(work->concerns[i].signature, buf_str(&signature)) == 0) {
			impact->subjects[i].n_alike++;
			return;
		}
	}
	*ARRAY_ADD(impact->subjects, impact->n_subjects) = *subject;
	impact->subjects[impact->n_subjects - 1].text = xstrdup(subject->text);
	ARRAY_ADD(work->concerns, work->n_concerns)->signature = buf_take(&signature);
}

/* A host's may be known from its Node alone. */
static void find_addresses(const struct work *work, const struct world_peer *peer,
			   struct ip_addr addrs[FAMILIES])
{
	for (size_t f = 0; f < FAMILIES; f++) {
		struct cidr cidr;

		for (size_t i = 0; i < peer->n_nets && !addrs[f].family; i++)
			if (peer->nets[i].addr.family == families[f])
				addrs[f] = peer->nets[i].addr;
		if (!addrs[f].family && peer->type == WORLD_HOST &&
		    node_address(work->worlds[AFTER], peer->node, families[f], &cidr))
			addrs[f] = cidr.addr;
	}
}

static void add_endpoints(struct work *work)
{
	size_t n;
	const struct world_peer *peers = policy_world_peers(work->worlds[AFTER], &n);

	for (size_t i = 0; i < n; i++) {
		const struct object *object = peers[i].object;
		struct impact_subject subject = {.text = peers[i].text};
		const struct object *old =
			policy_world_find(work->worlds[BEFORE], object->desc->kind,
					  object->meta.namespace, object->meta.name);

		if (peers[i].type == WORLD_NETWORK_SET || !old)
			continue;
		subject.peers[BEFORE] = policy_world_peer(work->worlds[BEFORE], old);
		subject.peers[AFTER] = &peers[i];
		find_addresses(work, &peers[i], subject.addrs);
		add_subject(work, &subject);
	}
}

static bool is_endpoint(const struct work *work, const struct ip_addr *addr)
{
	size_t n;
	const struct world_peer *peers = policy_world_peers(work->worlds[AFTER], &n);

	for (size_t i = 0; i < n; i++)
		if (peers[i].type != WORLD_NETWORK_SET && world_peer_holds(&peers[i], addr))
			return true;
	return false;
}

static void add_outside(struct work *work, const struct ip_addr *addr)
{
	const struct cidr *narrowest = NULL;
	_cleanup_free_ char *text = NULL;
	struct impact_subject subject = {.text = NULL};

	if (is_endpoint(work, addr))
		return;
	for (size_t i = 0; i < work->space.n_nets; i++)
		if (cidr_contains(&work->space.nets[i], addr) &&
		    (!narrowest || work->space.nets[i].len > narrowest->len))
			narrowest = &work->space.nets[i];
	text = xasprintf("ip/%s (%s)", ip_format(addr).s,
			 narrowest ? cidr_format(narrowest).s : "outside");
	subject.text = text;
	subject.addrs[addr->family == AF_INET6] = *addr;
	add_subject(work, &subject);
}

/* Addresses change their prefixes only where a prefix begins, or behind its end. */
static void add_outsides(struct work *work)
{
	static const char *const anywhere[] = {"192.0.2.1", "2001:db8::1"};

	for (size_t i = 0; i < ARRAY_SIZE(anywhere); i++) {
		struct ip_addr addr;

		if (ip_parse(anywhere[i], &addr, NULL) == 0)
			add_outside(work, &addr);
	}
	for (size_t i = 0; i < work->space.n_nets; i++) {
		const struct cidr *net = &work->space.nets[i];
		struct ip_addr inner = ip_add(&net->addr, cidr_is_host(net) ? 0 : 1);
		uint64_t size = cidr_size(net);

		add_outside(work, &inner);
		add_outside(work, &net->addr);
		if (size == UINT64_MAX)
			continue;
		inner = ip_add(&net->addr, size);
		add_outside(work, &inner);
	}
}

/* --- What has changed ------------------------------------------------------------------------- */

/* The object of 'world' is in the other one too, and a staged one staged in both or in none. */
static bool is_same(const struct policy_world *world, const struct policy_world *other,
		    const struct object *object)
{
	const struct object *twin = policy_world_find(other, object->desc->kind,
						      object->meta.namespace, object->meta.name);

	return twin && model_equal(twin, object) &&
	       policy_world_enforces(world, object) == policy_world_enforces(other, twin);
}

static bool is_policy(const struct object *object)
{
	return object->desc->kind == KIND_NETWORK_POLICY ||
	       object->desc->kind == KIND_GLOBAL_NETWORK_POLICY ||
	       object->desc->kind == KIND_KUBERNETES_CLUSTER_NETWORK_POLICY ||
	       object->desc->kind == KIND_KUBERNETES_NETWORK_POLICY || policy_is_staged(object);
}

static void compare_worlds(struct work *work)
{
	for (size_t w = 0; w < WORLDS; w++) {
		const struct policy_world *other = work->worlds[w == BEFORE ? AFTER : BEFORE];
		size_t n;
		const struct object *const *objects = policy_world_objects(work->worlds[w], &n);

		for (size_t i = 0; i < n; i++) {
			if (is_same(work->worlds[w], other, objects[i]))
				continue;
			/* What is another in both worlds counts once. */
			if (w == AFTER ||
			    !policy_world_find(other, objects[i]->desc->kind,
					       objects[i]->meta.namespace, objects[i]->meta.name))
				work->impact->n_changed_objects++;
			if (!is_policy(objects[i]))
				work->all_concerned = true;
		}
	}
}

/* --- The same with one of each ---------------------------------------------------------------- */

static bool stands_for_others(const struct work *work, size_t w, const struct object *object)
{
	for (size_t i = 0; i < work->impact->n_subjects; i++) {
		const struct world_peer *peer = work->impact->subjects[i].peers[w];

		if (peer && peer->object == object)
			return true;
	}
	return object->desc->kind != KIND_WORKLOAD_ENDPOINT;
}

/* What is alike is judged alike, so a world without the rest gives the same verdicts, sooner. */
static void reduce_world(struct work *work, size_t w)
{
	struct policy_impact *impact = work->impact;
	struct policy_world *small = policy_world_new();
	size_t n;
	const struct object *const *objects = policy_world_objects(work->worlds[w], &n);

	/* An object that could be put there can be put here. */
	for (size_t i = 0; i < n; i++) {
		if (stands_for_others(work, w, objects[i]) &&
		    policy_world_put(small, objects[i], NULL) < 0)
			abort();
		if (policy_world_enforces(work->worlds[w], objects[i]))
			policy_world_enforce(small, objects[i]);
	}
	for (size_t i = 0; i < impact->n_subjects; i++) {
		const struct world_peer *peer = impact->subjects[i].peers[w];
		const struct object *object = peer ? peer->object : NULL;

		if (!object)
			continue;
		object = policy_world_find(small, object->desc->kind, object->meta.namespace,
					   object->meta.name);
		impact->subjects[i].peers[w] = policy_world_peer(small, object);
	}
	impact->worlds[w] = small;
	work->worlds[w] = small;
}

static void find_concern(struct work *work, size_t w, const struct world_policy *policy,
			 size_t subject)
{
	const struct world_peer *peer = work->impact->subjects[subject].peers[w];
	const struct policy_world *other = work->worlds[w == BEFORE ? AFTER : BEFORE];
	struct concern *concern = &work->concerns[subject];

	if (!peer || policy->staged || !policy_selects(work->worlds[w], policy, peer, NULL))
		return;
	for (size_t way = 0; way < ARRAY_SIZE(directions); way++) {
		if (!(policy->directions & directions[way]))
			continue;
		impact_ports_add(work->worlds[w], policy->object, directions[way],
				 &concern->ports[way]);
		if (!is_same(work->worlds[w], other, policy->object))
			concern->concerned[way] = true;
	}
}

static void add_profile_ports(struct work *work, size_t w, size_t subject)
{
	const struct world_peer *peer = work->impact->subjects[subject].peers[w];

	for (size_t i = 0; peer && i < peer->profiles.n; i++) {
		const struct object *profile =
			policy_world_find(work->worlds[w], KIND_PROFILE, NULL, peer->profiles.v[i]);

		for (size_t way = 0; profile && way < ARRAY_SIZE(directions); way++)
			impact_ports_add(work->worlds[w], profile, directions[way],
					 &work->concerns[subject].ports[way]);
	}
}

static void find_concerns(struct work *work)
{
	for (size_t w = 0; w < WORLDS; w++) {
		size_t n_tiers;
		const struct world_tier *tiers = policy_world_tiers(work->worlds[w], &n_tiers);

		for (size_t t = 0; t < n_tiers; t++)
			for (size_t p = 0; p < tiers[t].n_policies; p++)
				for (size_t i = 0; i < work->n_concerns; i++)
					find_concern(work, w, &tiers[t].policies[p], i);
		for (size_t i = 0; i < work->n_concerns; i++)
			add_profile_ports(work, w, i);
	}
	for (size_t i = 0; i < work->n_concerns; i++) {
		struct concern *concern = &work->concerns[i];

		for (size_t way = 0; way < ARRAY_SIZE(directions); way++) {
			impact_ports_sort(&concern->ports[way]);
			if (work->all_concerned && work->impact->subjects[i].peers[AFTER])
				concern->concerned[way] = true;
		}
	}
}

/* --- Trials ----------------------------------------------------------------------------------- */

struct pair {
	const struct impact_subject *from;
	const struct impact_subject *to;
	struct packet packet;
};

/* The verdict in one world; the reason of a denial, if somebody asks. */
static bool is_allowed(struct work *work, size_t w, const struct pair *pair, char **ret_reason)
{
	const struct {
		const struct world_peer *peer;
		enum policy_direction direction;
	} ends[] = {{pair->from->peers[w], POLICY_EGRESS}, {pair->to->peers[w], POLICY_INGRESS}};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		_cleanup_(verdict_trace_deinitp) struct verdict_trace trace = {.peer = NULL};

		if (!ends[i].peer ||
		    policy_verdict(work->worlds[w], ends[i].peer, ends[i].direction,
				   VERDICT_STAGE_NORMAL, &pair->packet,
				   ret_reason ? &trace : NULL) != VERDICT_DENY)
			continue;
		if (ret_reason)
			*ret_reason =
				xasprintf("%s of %s: %s", policy_direction_text(ends[i].direction),
					  ends[i].peer->text, trace.reason);
		return false;
	}
	return true;
}

/* All that the two ends tell apart, and all protocols besides. */
static void ports_of_pair(const struct concern *from, const struct concern *to, uint8_t family,
			  struct impact_ports *ret)
{
	const uint8_t always[] = {6, 17, 132, family == AF_INET ? PROTOCOL_ICMP : PROTOCOL_ICMPV6,
				  IMPACT_PROTOCOL_REST};
	const struct impact_ports *both[] = {&from->ports[WAY_OUT], &to->ports[WAY_IN]};

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		*ARRAY_ADD(ret->v, ret->n) = (struct impact_port){
			.protocol = always[i], .first = impact_first_port(always[i])};
	for (size_t k = 0; k < ARRAY_SIZE(both); k++)
		for (size_t i = 0; i < both[k]->n; i++)
			if (both[k]->v[i].first >= impact_first_port(both[k]->v[i].protocol) &&
			    both[k]->v[i].first <= impact_last_port(both[k]->v[i].protocol))
				*ARRAY_ADD(ret->v, ret->n) = both[k]->v[i];
	impact_ports_sort(ret);
}

static void try_run(struct work *work, struct pair *pair, const struct impact_port *port,
		    uint32_t last, struct impact_runs runs[2])
{
	bool allowed[WORLDS];

	pair->packet.protocol = port->protocol;
	pair->packet.source_port = EPHEMERAL;
	pair->packet.destination_port =
		protocol_has_ports(port->protocol) ? (uint16_t)port->first : 0;
	pair->packet.icmp_type = protocol_has_ports(port->protocol) ? 0 : (uint8_t)port->first;
	work->impact->n_trials++;
	for (size_t w = 0; w < WORLDS; w++)
		allowed[w] = is_allowed(work, w, pair, NULL);
	if (allowed[BEFORE] != allowed[AFTER])
		impact_runs_add(&runs[allowed[AFTER]], port->protocol, port->first, last,
				&pair->packet);
}

/* The IPv6 half of what was already found for IPv4 is not told twice. */
static bool is_told(struct work *work, size_t from, size_t to, bool allowed, const char *ports,
		    size_t family)
{
	for (size_t i = work->impact->n_changes; i > 0; i--) {
		struct impact_change *change = &work->impact->changes[i - 1];

		if (change->from != from || change->to != to)
			return false;
		if (change->allowed == allowed && strcmp(change->ports, ports) == 0) {
			change->families[family] = true;
			return true;
		}
	}
	return false;
}

static void tell(struct work *work, size_t from, size_t to, size_t family, bool allowed,
		 struct impact_runs *runs, const struct pair *pair)
{
	struct pair example = *pair;
	struct impact_change *change;

	impact_runs_close(runs);
	if (!runs->text.size || is_told(work, from, to, allowed, buf_str(&runs->text), family))
		return;
	example.packet = runs->example;
	change = ARRAY_ADD(work->impact->changes, work->impact->n_changes);
	change->from = from;
	change->to = to;
	change->families[family] = true;
	change->allowed = allowed;
	change->ports = buf_take(&runs->text);
	(void)is_allowed(work, allowed ? BEFORE : AFTER, &example, &change->reason);
}

static void try_pair(struct work *work, size_t from, size_t to, size_t family)
{
	const struct impact_subject *subjects = work->impact->subjects;
	struct pair pair = {.from = &subjects[from], .to = &subjects[to]};
	struct impact_ports ports = {.v = NULL};
	struct impact_runs runs[2] = {{.open = false}, {.open = false}};

	pair.packet.source = subjects[from].addrs[family];
	pair.packet.destination = subjects[to].addrs[family];
	ports_of_pair(&work->concerns[from], &work->concerns[to], families[family], &ports);
	for (size_t i = 0; i < ports.n; i++) {
		bool is_last = i + 1 == ports.n || ports.v[i + 1].protocol != ports.v[i].protocol;

		try_run(work, &pair, &ports.v[i],
			is_last ? impact_last_port(ports.v[i].protocol) : ports.v[i + 1].first - 1,
			runs);
	}
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		tell(work, from, to, family, i == 1, &runs[i], &pair);
		buf_deinit(&runs[i].text);
	}
	free(ports.v);
}

/* One end at least is an endpoint of ours, and concerned; an endpoint by itself is no pair. */
static bool is_worth_it(const struct work *work, size_t from, size_t to)
{
	const struct impact_subject *subjects = work->impact->subjects;

	if (from == to && !subjects[from].n_alike)
		return false;
	return (subjects[from].peers[AFTER] && work->concerns[from].concerned[WAY_OUT]) ||
	       (subjects[to].peers[AFTER] && work->concerns[to].concerned[WAY_IN]);
}

void policy_impact(struct policy_world *before, struct policy_world *after,
		   struct policy_impact *ret)
{
	_cleanup_(work_deinitp) struct work work = {.worlds = {before, after}, .impact = ret};

	*ret = (struct policy_impact){.complete = true};
	impact_space_add(before, &work.space);
	impact_space_add(after, &work.space);
	add_endpoints(&work);
	add_outsides(&work);
	compare_worlds(&work);
	for (size_t w = 0; w < WORLDS; w++)
		reduce_world(&work, w);
	find_concerns(&work);
	for (size_t from = 0; from < ret->n_subjects; from++) {
		for (size_t to = 0; to < ret->n_subjects; to++) {
			if (!is_worth_it(&work, from, to))
				continue;
			for (size_t f = 0; f < FAMILIES; f++) {
				if (!ret->subjects[from].addrs[f].family ||
				    !ret->subjects[to].addrs[f].family)
					continue;
				if (ret->n_trials > IMPACT_TRIALS_MAX)
					ret->complete = false;
				else
					try_pair(&work, from, to, f);
			}
		}
	}
}
