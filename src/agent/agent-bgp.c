/* SPDX-License-Identifier: Apache-2.0 */

/* From what the agent knows to what BIRD's configuration is rendered from. */

#include <string.h>

#include "agent/agent-internal.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "calc/calc.h"
#include "selector/selector.h"

#define LOG_MODULE "bgp"
#include "base/log.h"

/* The cached objects of a kind, in an array to free(). */
static const struct object **cached_objects(const struct agent *agent, enum kind kind,
					    size_t *ret_n)
{
	const struct object **objects = NULL;
	struct cached_object *cached;
	struct cached_object *next;

	*ret_n = 0;
	HASH_ITER(hh, agent->cache.objects, cached, next)
	{
		if (cached->object->desc->kind == kind)
			*ARRAY_ADD(objects, *ret_n) = cached->object;
	}
	return objects;
}

/* What was left out of the configuration, a line each; said when it changes. */
static void report_problems(struct agent *agent, const struct buf *problems)
{
	_cleanup_free_ char *lines = NULL;
	char *rest;
	char *line;

	if (agent->bgp_problems && strcmp(agent->bgp_problems, buf_str(problems)) == 0)
		return;
	replace_str(&agent->bgp_problems, xstrdup(buf_str(problems)));
	lines = xstrdup(buf_str(problems));
	rest = lines;
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			log_error_limited("left out of BIRD's configuration", "reason", line);
	}
}

void agent_configure_bird(struct agent *agent)
{
	_cleanup_free_ char *own_config_name = xasprintf("node.%s", agent->args.node_name);
	struct bgp_input input = {
		.node_name = agent->args.node_name,
		.ipip_device = "tunl0",
		.graceful_restart = true,
		.selects = selector_selects,
		.router_id = *agent->args.router_id ? agent->args.router_id : NULL,
	};
	const struct object *config =
		object_cache_find(&agent->cache, KIND_BGP_CONFIGURATION, "default");
	const struct object *own_config =
		object_cache_find(&agent->cache, KIND_BGP_CONFIGURATION, own_config_name);
	_cleanup_free_ const struct object **configs =
		cached_objects(agent, KIND_BGP_CONFIGURATION, &input.n_peer_configs);
	_cleanup_free_ const struct object **peers =
		cached_objects(agent, KIND_BGP_PEER, &input.n_peers);
	_cleanup_free_ const struct object **filters =
		cached_objects(agent, KIND_BGP_FILTER, &input.n_filters);
	const struct calc_pool *const *calc_pools;
	_cleanup_free_ const struct ip_pool **pools = NULL;
	_cleanup_free_ const struct node **nodes = NULL;
	_cleanup_free_ struct cidr *blocks = NULL;
	_cleanup_buf_ struct buf problems = BUF_INIT;

	agent->bgp_dirty = false;
	input.config = config ? as_bgp_configuration(config) : NULL;
	input.node_config = own_config ? as_bgp_configuration(own_config) : NULL;
	/* An object begins with its head, so a pointer to one is a pointer to the other. */
	input.peer_configs = (const void *)configs;
	input.peers = (const void *)peers;
	input.filters = (const void *)filters;
	calc_get_nodes(agent->calc, &nodes, &input.n_nodes);
	input.nodes = nodes;
	calc_get_own_blocks(agent->calc, &blocks, &input.n_own_blocks);
	input.own_blocks = blocks;
	calc_get_pools(agent->calc, &calc_pools, &input.n_pools);
	pools = xcalloc(input.n_pools, sizeof(*pools));
	for (size_t i = 0; i < input.n_pools; i++)
		pools[i] = as_ip_pool(calc_pools[i]->object);
	input.pools = pools;
	input.problems = &problems;
	bird_manager_configure(agent->bird, &input);
	report_problems(agent, &problems);
}
