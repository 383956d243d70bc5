/* SPDX-License-Identifier: Apache-2.0 */

/*
 * policy-matrix [--compiled] FAMILY PORT,PORT... FILE...
 *
 * Who may reach whom: of the objects in the files, Kubernetes' and Calico's, a line for each pod,
 * each other pod and each port ("80/tcp"): "NS/POD NS/POD PORT allow|deny". Judged by the plain
 * evaluator; with --compiled by what the agents' graphs hand to their dataplanes, one graph a node,
 * rule by rule. Both must say the same.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/ip.h"
#include "base/parse.h"
#include "calc/policy-graph.h"
#include "model/kinds-kubernetes.h"
#include "policy/kubernetes-policy.h"
#include "policy/policy-connection.h"
#include "policy/policy-replay.h"

#define FILE_MAX (4U << 20)

struct objects {
	struct object **v;
	size_t n;
};

static void objects_deinit(struct objects *objects)
{
	for (size_t i = 0; i < objects->n; i++)
		model_free(objects->v[i]);
	free(objects->v);
}

struct port {
	const char *text; /* "80/tcp" */
	uint8_t protocol;
	uint16_t number;
};

struct ports {
	struct port *v;
	size_t n;
};

/* --- Reading --------------------------------------------------------------------------------- */

/* A pod's endpoint goes beside the pod; a WorkloadEndpoint that is given is one itself. */
static int add_object(struct object *object, struct objects *to, struct objects *endpoints,
		      struct err *err)
{
	struct object *endpoint = NULL;
	int r = 0;

	*ARRAY_ADD(to->v, to->n) = object;
	if (object->desc->kind == KIND_POD)
		r = kubernetes_pod_endpoint(object, &endpoint, err);
	else if (object->desc->kind == KIND_WORKLOAD_ENDPOINT)
		endpoint = model_copy(object);
	if (endpoint)
		*ARRAY_ADD(endpoints->v, endpoints->n) = endpoint;
	return r < 0 ? r : 0;
}

static int read_file(const char *path, struct objects *to, struct objects *endpoints,
		     struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct object **read = NULL;
	size_t n = 0;
	int r = file_read(path, FILE_MAX, &text, err);

	if (r == 0)
		r = model_read_yaml(buf_str(&text), text.size, path, &read, &n, err);
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = add_object(read[i], to, endpoints, err);
		else
			model_free(read[i]);
	}
	free(read);
	return r;
}

static int read_ports(char *text, struct ports *to, struct err *err)
{
	for (char *item = strtok(text, ","); item; item = strtok(NULL, ",")) {
		struct port *port = ARRAY_ADD(to->v, to->n);
		char *slash = strchr(item, '/');
		_cleanup_free_ char *number = slash ? xstrndup(item, (size_t)(slash - item)) : NULL;
		uint64_t value = 0;

		port->text = item;
		port->protocol = slash ? protocol_find(slash + 1) : 0;
		if (!port->protocol || parse_u64(number, 1, UINT16_MAX, &value, NULL) < 0)
			return err_set(err, -EINVAL, "\"%s\" is not a port as 80/tcp", item);
		port->number = (uint16_t)value;
	}
	return 0;
}

/* --- By the evaluator ------------------------------------------------------------------------ */

static int fill_world(struct policy_world *world, const struct objects *objects, struct err *err)
{
	for (size_t i = 0; i < objects->n; i++) {
		int r = policy_world_put(world, objects->v[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool world_allows(struct policy_world *world, const struct object *from,
			 const struct object *to, const struct packet *packet, uint8_t family)
{
	const struct object *const objects[] = {from, to};
	struct connection_end ends[2];
	struct connection_trace trace = {0};
	struct err err = ERR_INIT;
	enum verdict verdict;

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		_cleanup_free_ char *name = xasprintf("pod/%s/%s", objects[i]->meta.namespace,
						      as_workload_endpoint(objects[i])->spec.pod);

		if (connection_end_find(world, name, family, &ends[i], &err) < 0) {
			fprintf(stderr, "policy-matrix: %s\n", err.msg);
			exit(EXIT_FAILURE);
		}
	}
	verdict = connection_verdict(world, &ends[0], &ends[1], packet, &trace);
	connection_trace_deinit(&trace);
	return verdict == VERDICT_ALLOW;
}

/* --- By what is compiled --------------------------------------------------------------------- */

/* One node's graph, and all that it would have told its dataplane. */
struct graph {
	const char *node;
	struct policy_graph *graph;
	struct policy_update update;
};

struct graphs {
	struct graph *v;
	size_t n;
};

static void graphs_deinit(struct graphs *graphs)
{
	for (size_t i = 0; i < graphs->n; i++)
		policy_graph_free(graphs->v[i].graph);
	free(graphs->v);
}

static struct graph *find_graph(struct graphs *graphs, const char *node)
{
	for (size_t i = 0; i < graphs->n; i++)
		if (strcmp(graphs->v[i].node, node) == 0)
			return &graphs->v[i];
	return NULL;
}

/* The graph knows endpoints, not pods. */
static int fill_graph(struct policy_graph *graph, const struct objects *objects,
		      const struct objects *endpoints, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < objects->n; i++)
		r = policy_graph_put(graph, objects->v[i], err);
	for (size_t i = 0; r == 0 && i < endpoints->n; i++)
		r = policy_graph_put(graph, endpoints->v[i], err);
	return r;
}

static int fill_graphs(struct graphs *graphs, const struct objects *objects,
		       const struct objects *endpoints, struct err *err)
{
	for (size_t i = 0; i < endpoints->n; i++) {
		const char *node = as_workload_endpoint(endpoints->v[i])->spec.node;

		if (!find_graph(graphs, node))
			*ARRAY_ADD(graphs->v, graphs->n) =
				(struct graph){.node = node, .graph = policy_graph_new(node)};
	}
	for (size_t k = 0; k < graphs->n; k++) {
		int r = fill_graph(graphs->v[k].graph, objects, endpoints, err);

		if (r < 0)
			return r;
		policy_graph_snapshot(graphs->v[k].graph, &graphs->v[k].update);
	}
	return 0;
}

static bool graph_allows(struct graphs *graphs, const struct object *object, enum policy_way way,
			 const struct packet *packet)
{
	const struct graph *graph = find_graph(graphs, as_workload_endpoint(object)->spec.node);
	_cleanup_free_ char *key =
		xasprintf("wep/%s/%s", object->meta.namespace, object->meta.name);

	for (size_t i = 0; i < graph->update.n_endpoints; i++)
		if (strcmp(graph->update.endpoints[i]->key, key) == 0)
			return policy_replay(&graph->update, graph->update.endpoints[i],
					     POLICY_STAGE_NORMAL, way,
					     packet) == POLICY_ACTION_ALLOW;
	fprintf(stderr, "policy-matrix: the graph of %s has no endpoint %s\n", graph->node, key);
	exit(EXIT_FAILURE);
}

/* --- Asking ---------------------------------------------------------------------------------- */

static bool address_of(const struct object *object, uint8_t family, struct ip_addr *ret)
{
	const struct str_list *nets = &as_workload_endpoint(object)->spec.ip_networks;

	for (size_t i = 0; i < nets->n; i++) {
		struct cidr cidr;

		if (cidr_parse(nets->v[i], &cidr, NULL) == 0 && cidr.addr.family == family) {
			*ret = cidr.addr;
			return true;
		}
	}
	return false;
}

struct matrix {
	const struct objects *endpoints;
	const struct ports *ports;
	uint8_t family;
	struct policy_world *world; /* NULL: by 'graphs' */
	struct graphs graphs;
};

static void print_pair(struct matrix *matrix, const struct object *from, const struct object *to)
{
	struct packet packet = {.source_port = 40000};

	if (!address_of(from, matrix->family, &packet.source) ||
	    !address_of(to, matrix->family, &packet.destination))
		return;
	for (size_t i = 0; i < matrix->ports->n; i++) {
		const struct port *port = &matrix->ports->v[i];
		bool allowed;

		packet.protocol = port->protocol;
		packet.destination_port = port->number;
		if (matrix->world)
			allowed = world_allows(matrix->world, from, to, &packet, matrix->family);
		else
			allowed = graph_allows(&matrix->graphs, from, POLICY_WAY_EGRESS, &packet) &&
				  graph_allows(&matrix->graphs, to, POLICY_WAY_INGRESS, &packet);
		printf("%s/%s %s/%s %s %s\n", from->meta.namespace,
		       as_workload_endpoint(from)->spec.pod, to->meta.namespace,
		       as_workload_endpoint(to)->spec.pod, port->text, allowed ? "allow" : "deny");
	}
}

static void print_matrix(struct matrix *matrix)
{
	for (size_t i = 0; i < matrix->endpoints->n; i++)
		for (size_t k = 0; k < matrix->endpoints->n; k++)
			if (i != k)
				print_pair(matrix, matrix->endpoints->v[i],
					   matrix->endpoints->v[k]);
}

static int run(bool compiled, char **args, struct err *err)
{
	_cleanup_(objects_deinit) struct objects objects = {0};
	_cleanup_(objects_deinit) struct objects endpoints = {0};
	_cleanup_(policy_world_freep) struct policy_world *world = NULL;
	struct ports ports = {0};
	struct matrix matrix = {
		.endpoints = &endpoints,
		.ports = &ports,
		.family = strcmp(args[0], "6") == 0 ? AF_INET6 : AF_INET,
	};
	int r = read_ports(args[1], &ports, err);

	for (size_t i = 2; r == 0 && args[i]; i++)
		r = read_file(args[i], &objects, &endpoints, err);
	if (r == 0 && compiled) {
		r = fill_graphs(&matrix.graphs, &objects, &endpoints, err);
	} else if (r == 0) {
		matrix.world = world = policy_world_new();
		r = fill_world(world, &objects, err);
	}
	if (r == 0)
		print_matrix(&matrix);
	graphs_deinit(&matrix.graphs);
	free(ports.v);
	return r;
}

int main(int argc, char **argv)
{
	bool compiled = argc > 1 && strcmp(argv[1], "--compiled") == 0;
	struct err err = ERR_INIT;

	if (argc < 4 + compiled) {
		fprintf(stderr, "usage: policy-matrix [--compiled] 4|6 PORT,PORT... FILE...\n");
		return EXIT_FAILURE;
	}
	if (run(compiled, argv + 1 + compiled, &err) < 0) {
		fprintf(stderr, "policy-matrix: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
