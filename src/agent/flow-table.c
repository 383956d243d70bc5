/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two steps: packets by address, where a packet costs a look into a hash; and, once a second, those
 * by name, where thousands of clients of one service become one line. A flow is its JSON: what has
 * the same names, port, reporter, action and rule is the same.
 */

#include "agent/flow-table.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <uthash.h>

#include "base/alloc.h"
#include "policy/policy-key.h"
#include "policy/policy-match.h"

#define ID_SIZE 128 /* a log prefix is shorter */

/* As bytes, so all of it is set, gaps too. */
struct pending_key {
	struct flow_tuple tuple;
	enum flow_action action;
	enum flow_by by;
	enum policy_way way;
	uint32_t rule;
	char id[ID_SIZE];
};

struct pending {
	struct pending_key key;
	uint64_t n;
	int64_t first;
	int64_t last;
	UT_hash_handle hh;
};

struct flow {
	char *key;
	json_t *json;
	struct ip_addr source; /* of the last packet */
	struct ip_addr destination;
	uint64_t n;
	int64_t first;
	int64_t last;
	UT_hash_handle hh;
};

struct flow_table {
	struct flow_names names;
	struct pending *pending;
	struct flow *flows;
	uint64_t n_lost;
};

static void forget_pending(struct flow_table *table)
{
	struct pending *pending;
	struct pending *next;

	HASH_ITER(hh, table->pending, pending, next)
	{
		HASH_DEL(table->pending, pending);
		free(pending);
	}
}

static void free_flow(struct flow_table *table, struct flow *flow)
{
	HASH_DEL(table->flows, flow);
	json_decref(flow->json);
	free(flow->key);
	free(flow);
}

struct flow_table *flow_table_new(const struct flow_names *names)
{
	struct flow_table *table = XNEW(struct flow_table);

	table->names = *names;
	return table;
}

struct flow_table *flow_table_free(struct flow_table *table)
{
	struct flow *flow;
	struct flow *next;

	if (!table)
		return NULL;
	forget_pending(table);
	HASH_ITER(hh, table->flows, flow, next)
	free_flow(table, flow);
	free(table);
	return NULL;
}

uint64_t flow_table_n_lost(const struct flow_table *table)
{
	return table->n_lost;
}

void flow_table_add(struct flow_table *table, const struct flow_hit *hit,
		    const struct flow_tuple *tuple, int64_t now)
{
	struct pending *pending;
	struct pending_key key;

	memset(&key, 0, sizeof(key));
	key.tuple.source = tuple->source;
	key.tuple.destination = tuple->destination;
	key.tuple.protocol = tuple->protocol;
	key.tuple.port = tuple->port;
	key.action = hit->action;
	key.by = hit->by;
	key.way = hit->way;
	key.rule = hit->rule;
	memcpy(key.id, hit->id, strnlen(hit->id, sizeof(key.id) - 1));
	HASH_FIND(hh, table->pending, &key, sizeof(key), pending);
	if (!pending && HASH_COUNT(table->pending) >= FLOWS_MAX) {
		table->n_lost++;
		return;
	}
	if (!pending) {
		pending = XNEW(struct pending);
		memcpy(&pending->key, &key, sizeof(key));
		pending->first = now;
		HASH_ADD(hh, table->pending, key, sizeof(pending->key), pending);
	}
	pending->n++;
	pending->last = now;
}

/* --- Names ------------------------------------------------------------------------------------ */

/* NODE-ORCHESTRATOR-POD-ENDPOINT, where a dash that parts nothing is two: the pod. */
static char *pod_of(const char *name)
{
	char *pod = xstrdup(name);
	unsigned int segment = 0;
	size_t len = 0;

	for (const char *c = name; *c; c++) {
		if (*c == '-' && c[1] != '-') {
			segment++;
			continue;
		}
		if (*c == '-')
			c++;
		if (segment == 2)
			pod[len++] = *c;
	}
	pod[len] = '\0';
	return len ? pod : (free(pod), xstrdup(name));
}

static void put_text(json_t *to, const char *side, const char *key, const char *text)
{
	_cleanup_free_ char *name = xasprintf("%s%s", side, key);

	if (text && *text)
		(void)json_object_set_new(to, name, json_string(text));
}

static bool is_private(const struct ip_addr *addr)
{
	static const char *const nets[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
					   "fc00::/7"};

	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		struct cidr net;

		if (cidr_parse(nets[i], &net, NULL) == 0 && cidr_contains(&net, addr))
			return true;
	}
	return false;
}

static void put_owner(json_t *to, const char *side, const struct policy_owner *owner)
{
	_cleanup_free_ char *pod = NULL;

	if (!owner->name) {
		put_text(to, side, "type", "net");
		put_text(to, side, "name", is_private(&owner->addr) ? "pvt" : "pub");
		return;
	}
	put_text(to, side, "namespace", owner->namespace);
	if (owner->kind == KIND_WORKLOAD_ENDPOINT) {
		pod = pod_of(owner->name);
		put_text(to, side, "type", "wep");
		put_text(to, side, "name", pod);
		return;
	}
	put_text(to, side, "type", owner->kind == KIND_HOST_ENDPOINT ? "hep" : "ns");
	put_text(to, side, "name", owner->name);
}

static void put_policy(json_t *to, const char *key)
{
	struct policy_key_parts parts;

	if (!policy_key_parse(key, &parts)) {
		put_text(to, "", "name", key);
		return;
	}
	put_text(to, "", "kind", parts.kind);
	put_text(to, "", "namespace", parts.namespace);
	put_text(to, "", "name", parts.name);
}

static json_t *policy_json(const struct flow_table *table, const struct pending_key *key)
{
	const char *id = table->names.policy(table->names.ctx, key->id);
	json_t *json = json_object();

	switch (key->by) {
	case FLOW_BY_TIER_END:
		put_text(json, "", "kind", "EndOfTier");
		put_text(json, "", "tier", id);
		return json;
	case FLOW_BY_NO_PROFILE:
		put_text(json, "", "kind", "NoProfile");
		return json;
	case FLOW_BY_RULE:
	case FLOW_BY_UNKNOWN:
		break;
	}
	put_policy(json, id);
	if (key->by == FLOW_BY_RULE)
		(void)json_object_set_new(json, "rule", json_integer((json_int_t)key->rule + 1));
	return json;
}

/* What would decide: a rule, or the end of a tier or of everything; and whose doing that is. */
static json_t *staged_json(const struct judge_staged *staged)
{
	_cleanup_free_ char *gone = staged->staged ? NULL : xasprintf("s%s", staged->replaced);
	json_t *json = json_object();
	json_t *policy = json_object();
	json_t *by = json_object();

	put_text(json, "", "action", staged->action == POLICY_ACTION_ALLOW ? "allow" : "deny");
	if (staged->policy) {
		put_policy(policy, staged->policy);
		(void)json_object_set_new(policy, "rule",
					  json_integer((json_int_t)staged->rule + 1));
	} else {
		put_text(policy, "", "kind", staged->tier ? "EndOfTier" : "NoProfile");
		put_text(policy, "", "tier", staged->tier);
	}
	put_policy(by, staged->staged ? staged->staged : gone);
	(void)json_object_set_new(json, "policy", policy);
	(void)json_object_set_new(json, "staged_policy", by);
	return json;
}

/*
 * Told only where it is another verdict than the one in force; and of that one only where it is the
 * pod's: a host endpoint on the way may have been the one that told of the packet.
 */
static bool is_other(const struct pending_key *key, const struct judge_staged *staged)
{
	return staged->known && staged->denied_now == (key->action == FLOW_DENY) &&
	       (staged->action == POLICY_ACTION_ALLOW) != (key->action == FLOW_ALLOW);
}

/* All that makes it this flow. */
static json_t *flow_json(const struct flow_table *table, const struct pending_key *key,
			 const struct policy_owner *source, const struct policy_owner *destination,
			 const struct judge_staged *staged)
{
	static const char *const actions[FLOW_ACTIONS_] = {
		[FLOW_ALLOW] = "allow", [FLOW_DENY] = "deny", [FLOW_PASS] = "pass"};
	json_t *json = json_object();

	put_text(json, "", "action", actions[key->action]);
	put_text(json, "", "reporter", key->way == POLICY_WAY_INGRESS ? "dst" : "src");
	put_owner(json, "source_", source);
	put_owner(json, "dest_", destination);
	put_text(json, "", "proto", protocol_format(key->tuple.protocol).s);
	if (key->tuple.port)
		(void)json_object_set_new(json, "dest_port", json_integer(key->tuple.port));
	(void)json_object_set_new(json, "policy", policy_json(table, key));
	if (is_other(key, staged))
		(void)json_object_set_new(json, "staged", staged_json(staged));
	return json;
}

static void merge(struct flow_table *table, const struct pending *pending,
		  const struct policy_owner *source, const struct policy_owner *destination,
		  const struct judge_staged *staged)
{
	json_t *json = flow_json(table, &pending->key, source, destination, staged);
	char *key = json_dumps(json, JSON_COMPACT);
	struct flow *flow = NULL;

	if (key)
		HASH_FIND_STR(table->flows, key, flow);
	if (!flow && key && HASH_COUNT(table->flows) < FLOWS_MAX) {
		flow = XNEW(struct flow);
		flow->key = TAKE_PTR(key);
		flow->json = json_incref(json);
		flow->first = pending->first;
		HASH_ADD_KEYPTR(hh, table->flows, flow->key, strlen(flow->key), flow);
	}
	json_decref(json);
	free(key);
	if (!flow) {
		table->n_lost += pending->n;
		return;
	}
	flow->n += pending->n;
	flow->first = MIN(flow->first, pending->first);
	flow->last = MAX(flow->last, pending->last);
	flow->source = pending->key.tuple.source;
	flow->destination = pending->key.tuple.destination;
}

static struct judge_staged question_of(const struct pending_key *key)
{
	return (struct judge_staged){.packet.source = key->tuple.source,
				     .packet.destination = key->tuple.destination,
				     .packet.protocol = key->tuple.protocol,
				     .packet.destination_port = key->tuple.port,
				     .way = key->way};
}

void flow_table_resolve(struct flow_table *table)
{
	size_t n = HASH_COUNT(table->pending);
	_cleanup_free_ struct policy_owner *owners = NULL;
	_cleanup_free_ struct judge_staged *staged = NULL;
	struct pending *pending;
	struct pending *next;
	size_t i = 0;

	if (!n)
		return;
	owners = xcalloc(2 * n, sizeof(*owners));
	staged = xcalloc(n, sizeof(*staged));
	HASH_ITER(hh, table->pending, pending, next)
	{
		owners[2 * i].addr = pending->key.tuple.source;
		owners[2 * i + 1].addr = pending->key.tuple.destination;
		staged[i++] = question_of(&pending->key);
	}
	table->names.owners(table->names.ctx, owners, 2 * n);
	table->names.staged(table->names.ctx, staged, n);
	i = 0;
	HASH_ITER(hh, table->pending, pending, next)
	{
		/* What was passed on has another line. */
		if (pending->key.action == FLOW_PASS)
			staged[i].known = false;
		merge(table, pending, &owners[2 * i], &owners[2 * i + 1], &staged[i]);
		i++;
	}
	forget_pending(table);
}

void flow_table_flush(struct flow_table *table, void (*emit)(char *line, void *ctx), void *ctx)
{
	struct flow *flow;
	struct flow *next;

	HASH_ITER(hh, table->flows, flow, next)
	{
		json_t *json = flow->json;
		char *line;

		put_text(json, "", "source_ip", ip_format(&flow->source).s);
		put_text(json, "", "dest_ip", ip_format(&flow->destination).s);
		(void)json_object_set_new(json, "packets", json_integer((json_int_t)flow->n));
		(void)json_object_set_new(json, "start_time", json_integer(flow->first));
		(void)json_object_set_new(json, "end_time", json_integer(flow->last));
		line = json_dumps(json, JSON_COMPACT);
		if (line)
			emit(line, ctx);
		free_flow(table, flow);
	}
}
