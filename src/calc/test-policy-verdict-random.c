/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two readings of the same random objects: what the graph hands to a dataplane, compiled, and what
 * the evaluator says by the API's text. Every packet must fare the same, at every endpoint of the
 * node, stage and direction.
 */

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "calc/policy-graph.h"
#include "calc/policy-history.h"
#include "policy/policy-replay.h"
#include "policy/policy-verdict.h"

#define STEPS	4000
#define PACKETS 40

struct readings {
	struct policy_graph *graph;
	struct policy_world *world;
	unsigned int n_verdicts[POLICY_ACTION_LOG + 1];
};

static void put(struct readings *readings, const struct object *object)
{
	int r = policy_graph_put(readings->graph, object, NULL);

	assert_int_equal(r, policy_world_put(readings->world, object, NULL));
}

/*
 * Without namespaces and accounts: where there is a profile too, the evaluator takes the last that
 * was written, the graph the profile.
 */
static void step(struct readings *readings, uint64_t *random)
{
	struct policy_history_step step;

	policy_history_next(random, &step);
	if (step.kind != KIND_NAMESPACE && step.kind != KIND_SERVICE_ACCOUNT) {
		if (step.object) {
			put(readings, step.object);
		} else {
			policy_graph_remove(readings->graph, step.kind, step.namespace, step.name);
			policy_world_remove(readings->world, step.kind, step.namespace, step.name);
		}
	}
	(void)model_free(step.object);
}

static struct ip_addr pick_addr(uint64_t *random, uint8_t family)
{
	static const uint8_t v6[16] = {0xfd};
	struct ip_addr base =
		family == AF_INET ? ip_from_u32(0x0a000000) : ip_from_bytes(AF_INET6, v6);

	return ip_add(&base, policy_history_pick(random, 14));
}

static struct packet pick_packet(uint64_t *random)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	static const uint16_t ports[] = {80, 81, 82, 85, 443, 8080};
	uint8_t family = policy_history_pick(random, 3) ? AF_INET : AF_INET6;

	return (struct packet){
		.source = pick_addr(random, family),
		.destination = pick_addr(random, family),
		.protocol = protocols[policy_history_pick(random, ARRAY_SIZE(protocols))],
		.source_port = 40000,
		.destination_port = ports[policy_history_pick(random, ARRAY_SIZE(ports))],
	};
}

static const struct world_peer *find_peer(struct policy_world *world, const char *key)
{
	_cleanup_free_ char *words = xstrdup(key);
	char *name = strrchr(words, '/') + 1;
	bool is_host = strncmp(key, "hep/", 4) == 0;
	const struct object *object;

	name[-1] = '\0';
	object = policy_world_find(world, is_host ? KIND_HOST_ENDPOINT : KIND_WORKLOAD_ENDPOINT,
				   is_host ? NULL : strchr(words, '/') + 1, name);
	assert_non_null(object);
	return policy_world_peer(world, object);
}

static enum policy_action action_of(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_ALLOW:
		return POLICY_ACTION_ALLOW;
	case VERDICT_DENY:
		return POLICY_ACTION_DENY;
	case VERDICT_NONE:
		return POLICY_ACTION_PASS;
	}
	return POLICY_ACTION_LOG;
}

static void fail_on(struct policy_world *world, const struct world_peer *peer,
		    enum policy_direction direction, enum verdict_stage stage,
		    const struct packet *packet, enum policy_action action, unsigned int number)
{
	_cleanup_(verdict_trace_deinitp) struct verdict_trace trace = {0};

	(void)policy_verdict(world, peer, direction, stage, packet, &trace);
	fail_msg("step %u, %s, %s, %s: %s -> %s protocol %u port %u: compiled %d, but %s", number,
		 peer->text, policy_direction_text(direction), verdict_stage_text(stage),
		 ip_format(&packet->source).s, ip_format(&packet->destination).s, packet->protocol,
		 packet->destination_port, action, trace.reason);
}

static void compare(struct readings *readings, const struct policy_update *update,
		    const struct policy_endpoint *endpoint, const struct packet *packet,
		    unsigned int number)
{
	static const enum policy_direction directions[] = {POLICY_INGRESS, POLICY_EGRESS};
	const struct world_peer *peer = find_peer(readings->world, endpoint->key);
	unsigned int n_stages = endpoint->is_host ? POLICY_STAGES_ : 1;

	/* All interfaces at once have no untracked policies: that is for who asks to know. */
	if (peer->is_wildcard)
		n_stages = POLICY_STAGE_UNTRACKED;
	for (unsigned int i = 0; i < n_stages * POLICY_WAYS_; i++) {
		enum policy_stage stage = i / POLICY_WAYS_;
		enum policy_way way = i % POLICY_WAYS_;
		enum policy_action action;

		if (stage == POLICY_STAGE_PRE_DNAT && way == POLICY_WAY_EGRESS)
			continue;
		action = policy_replay(update, endpoint, stage, way, packet);
		if (action != action_of(policy_verdict(readings->world, peer, directions[way],
						       (enum verdict_stage)stage, packet, NULL)))
			fail_on(readings->world, peer, directions[way], (enum verdict_stage)stage,
				packet, action, number);
		readings->n_verdicts[action]++;
	}
}

static void check(struct readings *readings, uint64_t *random, unsigned int number)
{
	struct policy_update update;

	policy_graph_snapshot(readings->graph, &update);
	for (size_t i = 0; i < PACKETS && update.n_endpoints; i++) {
		struct packet packet = pick_packet(random);
		unsigned int endpoint =
			policy_history_pick(random, (unsigned int)update.n_endpoints);

		compare(readings, &update, update.endpoints[endpoint], &packet, number);
	}
}

static void test_both_readings_agree(void **state)
{
	const char *seed = getenv("KORAT_TEST_SEED");
	uint64_t random = seed ? strtoull(seed, NULL, 0) : 1;
	struct readings readings = {.graph = policy_graph_new("here"), .world = policy_world_new()};

	(void)state;
	print_message("KORAT_TEST_SEED=%llu\n", (unsigned long long)random);
	for (unsigned int i = 0; i < STEPS; i++) {
		step(&readings, &random);
		if (i % 10 == 0)
			check(&readings, &random, i);
	}
	print_message(
		"%u allowed, %u denied, %u undecided\n", readings.n_verdicts[POLICY_ACTION_ALLOW],
		readings.n_verdicts[POLICY_ACTION_DENY], readings.n_verdicts[POLICY_ACTION_PASS]);
	assert_true(readings.n_verdicts[POLICY_ACTION_ALLOW] > STEPS / 4);
	assert_true(readings.n_verdicts[POLICY_ACTION_DENY] > STEPS / 4);
	readings.graph = policy_graph_free(readings.graph);
	readings.world = policy_world_free(readings.world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_readings_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
