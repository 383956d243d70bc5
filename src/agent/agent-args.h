/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The agent's arguments: command line first, then Calico's environment variables, then defaults. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum bird_mode {
	BIRD_MODE_SPAWN,    /* start it if none answers at the socket */
	BIRD_MODE_EXTERNAL, /* something else runs it; only its configuration is ours */
	BIRD_MODE_NONE,	    /* no BGP */
};

struct agent_args {
	char *node_name;
	char *run_dir;
	char *state_dir;
	char *bird_program;
	enum bird_mode bird_mode;
	bool policy_off;    /* KORAT_POLICY=off: nothing is enforced */
	bool cut_denied;    /* KORAT_CUT_DENIED=on: a policy also ends connections there are */
	char *metrics_addr; /* "ADDR:PORT"; NULL: off */
	char *health_addr;

	/* From the environment (calico/node's variables). */
	const char *ip; /* "", "autodetect", "none", or an address */
	const char *ip_method;
	const char *ip6;
	const char *ip6_method;
	const char *as_number;
	const char *router_id;
	bool no_default_pools;
	bool no_address_check;	   /* other nodes may have this node's address */
	unsigned int reserve_size; /* addresses of each family for when the datastore is away */
	uint64_t address_poll_us;  /* look for another address this often; 0: never */
	const char *v4_pool_cidr;  /* "none": no default pool */
	const char *v4_pool_ipip;
	const char *v4_pool_vxlan;
	const char *v4_pool_block_size;
	const char *v4_pool_nat_outgoing;
	const char *v4_pool_node_selector;
	const char *v6_pool_cidr;
	const char *v6_pool_vxlan;
	const char *v6_pool_block_size;
	const char *v6_pool_nat_outgoing;
	const char *v6_pool_node_selector;
	const char *cluster_type;
};

enum agent_args_outcome { AGENT_ARGS_E_HELP = 1 }; /* help was printed */

/* -EINVAL: 'err' says which argument and what it may be. */
MUST_CHECK int agent_args_parse(int argc, char **argv, struct agent_args *ret, struct err *err);
void agent_args_deinit(struct agent_args *args);
