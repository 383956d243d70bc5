/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The differential test of policy: random worlds and packets, judged by the evaluator
 * (policy-connection.h) and by what is to agree with it:
 *
 *	graph	calc's update, carried out plainly (policy-replay.h); no kernel
 *	nft	the rules in a real kernel, met by real packets
 *	iptables, iptables-nft	the same of the other driver, with either of its programs
 *
 * usage: policy-diff graph|nft|iptables|iptables-nft [--seed N] [--cases N] [--packets N]
 *	[--seconds N]
 *
 * A case is reproduced by its seed. The first disagreement is shrunk and printed; the exit code is
 * then 1.
 */

#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "calc/policy-graph.h"
#include "iptables/policy-iptables.h"
#include "model/felix-configuration.h"
#include "model/kinds.h"
#include "nft/policy-table.h"
#include "policy-case.h"
#include "policy-probe.h"
#include "policy/policy-connection.h"
#include "policy/policy-replay.h"

#define QUIET_MS	4   /* how long packets may be under way */
#define QUIET_AGAIN_MS	100 /* before a packet is called lost */
#define PACKETS_DEFAULT 200

enum judge { JUDGE_GRAPH, JUDGE_NFT, JUDGE_IPTABLES, JUDGE_IPTABLES_NFT, JUDGES_ };

static const char *const judge_names[JUDGES_] = {"graph", "nft", "iptables", "iptables-nft"};

struct diff {
	enum judge judge;
	struct probe *probe;
	struct policy_driver driver;
	struct policy_world *world;
	struct policy_graph *graph;
	struct object **objects; /* what is in the graph */
	size_t n_objects;
	uint64_t n_denied; /* what the evaluator denies */
	uint64_t seed;
	/* While shrinking: the packet, and what the two said of it. */
	struct case_packet packet;
	bool expected;
};

struct options {
	enum judge judge;
	uint64_t seed;
	unsigned int cases;
	unsigned int packets;
	time_t deadline; /* 0: none */
};

static void die(const char *what, const struct err *err)
{
	(void)fprintf(stderr, "policy-diff: %s: %s\n", what, err->msg);
	exit(2);
}

/* --- The world -------------------------------------------------------------------------------- */

/* The world is always a new one; the graph goes on from what it had, with the difference. */
static void empty_world(struct diff *diff)
{
	diff->world = policy_world_free(diff->world);
	diff->world = policy_world_new();
	if (!diff->graph)
		diff->graph = policy_graph_new(CASE_NODE);
	for (size_t i = 0; i < diff->n_objects; i++) {
		const struct object *object = diff->objects[i];

		policy_graph_remove(diff->graph, object->desc->kind, object->meta.namespace,
				    object->meta.name);
		(void)model_free(diff->objects[i]);
	}
	diff->n_objects = 0;
}

/* Graph and table begin anew; what is in the kernel stays there for the table to read back. */
static void forget(struct diff *diff)
{
	empty_world(diff);
	diff->graph = policy_graph_free(diff->graph);
	diff->driver = policy_driver_close(diff->driver);
}

/* Takes the object. */
static void put_both(struct diff *diff, struct object *object)
{
	struct err err = ERR_INIT;

	if (policy_world_put(diff->world, object, &err) < 0)
		die("world", &err);
	if (policy_graph_put(diff->graph, object, &err) < 0)
		die("graph", &err);
	*ARRAY_ADD(diff->objects, diff->n_objects) = object;
}

/* The node itself, so that its addresses are known. */
static struct object *node_object(void)
{
	struct object *object = model_new(KIND_NODE, NULL, CASE_NODE);
	struct node_spec *spec = &as_node(object)->spec;

	spec->bgp = XNEW(struct node_bgp);
	spec->bgp->ipv4_address = xstrdup("192.0.2.100/24");
	spec->bgp->ipv6_address = xstrdup("2001:db8::64/64");
	return object;
}

static const struct failsafe failsafe_in = {IPPROTO_TCP, 22, {{0}, 0}};
static const struct failsafe failsafe_out = {IPPROTO_UDP, 53, {{0}, 0}};

static void put_failsafe(struct proto_port_list *list, const struct failsafe *failsafe)
{
	list->v = XNEW(struct proto_port);
	list->n = 1;
	list->set = true;
	list->v->protocol = xstrdup(failsafe->protocol == IPPROTO_TCP ? "tcp" : "udp");
	list->v->port = (struct opt_int){true, failsafe->port};
}

/* What a pod may send its own host, the same in each run of a seed. */
static enum endpoint_to_host endpoint_to_host(const struct diff *diff)
{
	static const enum endpoint_to_host all[] = {ENDPOINT_TO_HOST_ACCEPT,
						    ENDPOINT_TO_HOST_RETURN, ENDPOINT_TO_HOST_DROP};

	return all[diff->seed % ARRAY_SIZE(all)];
}

/* As enforce() says it to the kernel. */
static struct object *settings_object(const struct diff *diff)
{
	static const char *const actions[] = {
		[ENDPOINT_TO_HOST_ACCEPT] = "Accept",
		[ENDPOINT_TO_HOST_RETURN] = "Return",
		[ENDPOINT_TO_HOST_DROP] = "Drop",
	};
	struct object *object = model_new(KIND_FELIX_CONFIGURATION, NULL, "default");
	struct felix_configuration_spec *spec = &as_felix_configuration(object)->spec;

	spec->default_endpoint_to_host_action = xstrdup(actions[endpoint_to_host(diff)]);
	put_failsafe(&spec->failsafe_inbound_host_ports, &failsafe_in);
	put_failsafe(&spec->failsafe_outbound_host_ports, &failsafe_out);
	return object;
}

/* False: an object is not valid, as shrinking may make it. */
static bool open_world(struct diff *diff, json_t *objects, struct err *err)
{
	size_t i;
	json_t *json;

	empty_world(diff);
	put_both(diff, node_object());
	put_both(diff, settings_object(diff));
	json_array_foreach(objects, i, json)
	{
		_cleanup_(model_freep) struct object *object = NULL;

		if (model_from_json(json, MODEL_STRICT, "case", &object, err) < 0)
			return false;
		model_default(object);
		if (!str_map_find(&object->meta.annotations, CASE_UNCHECKED) &&
		    model_validate(object, err) < 0)
			return false;
		put_both(diff, TAKE_PTR(object));
	}
	return true;
}

/* --- What the evaluator says ------------------------------------------------------------------ */

static const struct world_peer *workload_peer(struct diff *diff, unsigned int index)
{
	_cleanup_free_ char *name = xasprintf("%s-k8s-pod%u-eth0", CASE_NODE, index);
	const struct object *object =
		policy_world_find(diff->world, KIND_WORKLOAD_ENDPOINT, case_namespace(index), name);

	return object ? policy_world_peer(diff->world, object) : NULL;
}

static struct connection_end find_end(struct diff *diff, const struct case_end *end, uint8_t family)
{
	struct connection_end ret = {.addr = case_address(end, family)};

	switch (end->place) {
	case PLACE_WORKLOAD:
		ret.type = END_WORKLOAD;
		ret.peer = workload_peer(diff, end->index);
		ret.node = CASE_NODE;
		break;
	case PLACE_HOST:
		ret.type = END_HOST;
		ret.node = CASE_NODE;
		break;
	case PLACE_OUTSIDE:
		ret.type = END_OUTSIDE;
		break;
	}
	return ret;
}

static struct connection_end find_destination(struct diff *diff, const struct case_packet *packet)
{
	struct connection_end ret = find_end(diff, &packet->to, packet->family);

	if (packet->service) {
		ret.dialled = case_service_address(packet->service, packet->family);
		ret.dialled_port = packet->dialled_port;
	}
	return ret;
}

static struct packet packet_of(const struct case_packet *from)
{
	return (struct packet){
		.source = case_address(&from->from, from->family),
		.destination = case_address(&from->to, from->family),
		.protocol = from->protocol,
		.source_port = protocol_has_ports(from->protocol) ? from->sport : 0,
		.destination_port = protocol_has_ports(from->protocol) ? from->dport : 0,
		.icmp_type = from->icmp_type,
		.icmp_code = from->icmp_code,
	};
}

/* Both ends are still there: shrinking may have taken a workload away. */
static bool has_ends(struct diff *diff, const struct case_packet *packet)
{
	return (packet->from.place != PLACE_WORKLOAD || workload_peer(diff, packet->from.index)) &&
	       (packet->to.place != PLACE_WORKLOAD || workload_peer(diff, packet->to.index));
}

/* 'ret' is the caller's to deinit. */
static bool trace_verdict(struct diff *diff, const struct case_packet *from,
			  struct connection_trace *ret)
{
	struct connection_end source = find_end(diff, &from->from, from->family);
	struct connection_end destination = find_destination(diff, from);
	struct packet packet = packet_of(from);

	return connection_verdict(diff->world, &source, &destination, &packet, ret) ==
	       VERDICT_ALLOW;
}

static bool evaluate(struct diff *diff, const struct case_packet *packet)
{
	_cleanup_(connection_trace_deinitp) struct connection_trace trace = {0};

	return trace_verdict(diff, packet, &trace);
}

/* In the world that is open. */
static void print_trace(struct diff *diff, const struct case_packet *packet)
{
	_cleanup_(connection_trace_deinitp) struct connection_trace trace = {0};

	if (diff->judge == JUDGE_GRAPH)
		return;
	(void)trace_verdict(diff, packet, &trace);
	for (size_t i = 0; i < trace.n_stations; i++) {
		const struct connection_station *station = &trace.stations[i];

		(void)printf("  %s: %s\n", verdict_text(station->verdict),
			     station->note	     ? station->note
			     : station->trace.reason ? station->trace.reason
						     : "");
	}
}

/* --- Judge: the graph ------------------------------------------------------------------------- */

static const struct policy_endpoint *find_endpoint(const struct policy_update *update,
						   unsigned int index)
{
	char interface[16];

	case_interface(index, interface);
	for (size_t i = 0; i < update->n_endpoints; i++) {
		if (strcmp(update->endpoints[i]->interface, interface) == 0)
			return update->endpoints[i];
	}
	return NULL;
}

/* Of workloads alone, and each direction by itself. */
static bool graph_agrees(struct diff *diff, const struct policy_update *update,
			 const struct case_packet *from, bool *ret_expected)
{
	const struct case_end *const ends[POLICY_WAYS_] = {
		[POLICY_WAY_INGRESS] = &from->to,
		[POLICY_WAY_EGRESS] = &from->from,
	};
	struct packet packet = packet_of(from);

	for (unsigned int way = 0; way < POLICY_WAYS_; way++) {
		const struct world_peer *peer;
		enum policy_action action;
		bool expected;

		if (ends[way]->place != PLACE_WORKLOAD)
			continue;
		peer = workload_peer(diff, ends[way]->index);
		expected =
			policy_verdict(diff->world, peer,
				       way == POLICY_WAY_INGRESS ? POLICY_INGRESS : POLICY_EGRESS,
				       VERDICT_STAGE_NORMAL, &packet, NULL) == VERDICT_ALLOW;
		diff->n_denied += !expected;
		action = policy_replay(update, find_endpoint(update, ends[way]->index),
				       POLICY_STAGE_NORMAL, way, &packet);
		if ((action == POLICY_ACTION_ALLOW) != expected) {
			*ret_expected = expected;
			return false;
		}
	}
	return true;
}

/* The number of the packet that the two do not agree on; n: none. */
static size_t judge_graph(struct diff *diff, const struct case_packet *packets, size_t n,
			  bool *ret_expected)
{
	struct policy_update update;

	policy_graph_snapshot(diff->graph, &update);
	for (size_t i = 0; i < n; i++) {
		if (!graph_agrees(diff, &update, &packets[i], ret_expected))
			return i;
	}
	return n;
}

/* --- Judge: the kernel ------------------------------------------------------------------------ */

static void open_driver(struct diff *diff)
{
	struct policy_table *table;
	struct err err = ERR_INIT;
	int r;

	if (diff->judge == JUDGE_NFT) {
		r = policy_table_open(-1, &table, &err);
		if (r == 0)
			diff->driver = policy_table_driver(table);
	} else {
		r = policy_iptables_open(diff->judge == JUDGE_IPTABLES ? IPTABLES_LEGACY
								       : IPTABLES_NFT,
					 &diff->driver, &err);
	}
	if (r < 0)
		die(judge_names[diff->judge], &err);
}

static void enforce(struct diff *diff)
{
	static const char *const prefixes[] = {"cali"};
	const struct policy_config config = {
		.endpoint_to_host = endpoint_to_host(diff),
		/*
		 * Nobody else has rules here, so where the allowed goes on to makes no difference.
		 */
		.filter_return = diff->seed & 1,
		.mangle_return = diff->seed & 2,
		.failsafes = {&failsafe_in, &failsafe_out},
		.n_failsafes = {1, 1},
		.log_prefix = "korat-test",
		.workload_prefixes = prefixes,
		.n_workload_prefixes = ARRAY_SIZE(prefixes),
	};
	struct policy_update update;
	struct err err = ERR_INIT;

	if (!diff->driver.ops)
		open_driver(diff);
	diff->driver.ops->configure(diff->driver.self, &config);
	policy_graph_flush(diff->graph, &update);
	diff->driver.ops->update(diff->driver.self, &update);
	diff->driver.ops->nat(diff->driver.self, &(struct nat_config){.n_pools = 0});
	if (diff->driver.ops->apply(diff->driver.self, &err) < 0)
		die(judge_names[diff->judge], &err);
	if (probe_forget_connections(diff->probe, &err) < 0)
		die("conntrack", &err);
}

static bool send_again(struct diff *diff, const struct case_packet *packet)
{
	bool arrived;
	struct err err = ERR_INIT;

	if (probe_send(diff->probe, packet, 1, QUIET_AGAIN_MS, &arrived, &err) < 0)
		die("probe", &err);
	return arrived;
}

static size_t judge_kernel(struct diff *diff, const struct case_packet *packets, size_t n,
			   bool *ret_expected)
{
	bool arrived[PROBE_MAX];
	struct err err = ERR_INIT;

	enforce(diff);
	if (probe_send(diff->probe, packets, n, QUIET_MS, arrived, &err) < 0)
		die("probe", &err);
	for (size_t i = 0; i < n; i++) {
		*ret_expected = evaluate(diff, &packets[i]);
		diff->n_denied += !*ret_expected;
		if (*ret_expected && !arrived[i])
			arrived[i] = send_again(diff, &packets[i]);
		if (arrived[i] != *ret_expected)
			return i;
	}
	return n;
}

/* --- A case ----------------------------------------------------------------------------------- */

static size_t judge(struct diff *diff, const struct case_packet *packets, size_t n,
		    bool *ret_expected)
{
	return diff->judge == JUDGE_GRAPH ? judge_graph(diff, packets, n, ret_expected)
					  : judge_kernel(diff, packets, n, ret_expected);
}

/* For case_shrink(). Each try begins from a table that is read back. */
static bool still_fails(void *ctx, json_t *objects)
{
	struct diff *diff = ctx;
	bool expected;
	bool fails = false;
	struct err err = ERR_INIT;

	forget(diff);
	if (open_world(diff, objects, &err) && has_ends(diff, &diff->packet))
		fails = judge(diff, &diff->packet, 1, &expected) == 0 && expected == diff->expected;
	return fails;
}

static void print_objects(const json_t *objects)
{
	size_t i;
	json_t *json;

	json_array_foreach(objects, i, json)
	{
		_cleanup_free_ char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

		(void)printf("%s\n", text);
	}
}

static void report(struct diff *diff, json_t *objects)
{
	bool shrinks;

	(void)printf("seed %" PRIu64 ": the evaluator %s, the %s does the opposite:\n", diff->seed,
		     diff->expected ? "allows" : "denies",
		     diff->judge == JUDGE_GRAPH ? "graph" : "kernel");
	case_print_packet(&diff->packet, stdout);
	print_trace(diff, &diff->packet);
	shrinks = still_fails(diff, objects);
	if (shrinks)
		case_shrink(objects, still_fails, diff);
	else
		(void)puts("(not by itself: it needs what was in force before, or other packets)");
	print_objects(objects);
}

/* True: all agree. Graph and table go on from the case before, but for every fourth. */
static bool run_case(struct diff *diff, uint64_t seed, unsigned int n_packets)
{
	struct case_packet packets[PROBE_MAX];
	struct random random;
	struct err err = ERR_INIT;
	json_t *objects;
	size_t bad;

	diff->seed = seed;
	random_seed(&random, seed);
	objects = case_random_objects(&random);
	for (unsigned int i = 0; i < n_packets; i++)
		case_random_packet(&random, &packets[i]);
	if (seed % 4 == 0)
		forget(diff);
	if (!open_world(diff, objects, &err))
		die("generator", &err);
	bad = judge(diff, packets, n_packets, &diff->expected);
	if (bad < n_packets) {
		diff->packet = packets[bad];
		report(diff, objects);
	}
	json_decref(objects);
	return bad == n_packets;
}

static void parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option longs[] = {
		{"seed", required_argument, NULL, 's'},
		{"cases", required_argument, NULL, 'c'},
		{"packets", required_argument, NULL, 'p'},
		{"seconds", required_argument, NULL, 't'},
		{0},
	};
	int c;

	*ret = (struct options){
		.seed = (uint64_t)time(NULL), .cases = 100, .packets = PACKETS_DEFAULT};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		if (c == 's')
			ret->seed = strtoull(optarg, NULL, 10);
		else if (c == 'c')
			ret->cases = (unsigned int)strtoul(optarg, NULL, 10);
		else if (c == 'p')
			ret->packets = (unsigned int)strtoul(optarg, NULL, 10);
		else if (c == 't')
			ret->deadline = time(NULL) + strtol(optarg, NULL, 10);
		else
			exit(2);
	}
	if (ret->deadline)
		ret->cases = UINT32_MAX;
	ret->packets = MIN(ret->packets, (unsigned int)PROBE_MAX);
	while (optind + 1 == argc && ret->judge < JUDGES_ &&
	       strcmp(argv[optind], judge_names[ret->judge]) != 0)
		ret->judge++;
	if (optind + 1 != argc || ret->judge == JUDGES_) {
		(void)fputs("usage: policy-diff graph|nft|iptables|iptables-nft [--seed N] "
			    "[--cases N] [--packets N] [--seconds N]\n",
			    stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options options;
	struct diff diff = {0};
	struct err err = ERR_INIT;
	unsigned int n = 0;

	parse_options(argc, argv, &options);
	diff.judge = options.judge;
	if (diff.judge != JUDGE_GRAPH && probe_open(&diff.probe, &err) < 0)
		die("lab", &err);
	(void)printf("seeds from %" PRIu64 "\n", options.seed);
	while (n < options.cases && (!options.deadline || time(NULL) < options.deadline)) {
		if (!run_case(&diff, options.seed + n, options.packets))
			return 1;
		n++;
	}
	(void)printf("%u policy sets, %" PRIu64 " packets, %" PRIu64 " denials: "
		     "all agree\n",
		     n, (uint64_t)n * options.packets, diff.n_denied);
	forget(&diff);
	diff.world = policy_world_free(diff.world);
	free(diff.objects);
	(void)probe_close(diff.probe);
	return 0;
}
