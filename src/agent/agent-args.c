/* SPDX-License-Identifier: Apache-2.0 */

/* Arguments of `korat agent`: two const tables, options and environment variables. */

#include "agent/agent-args.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "model/model.h"

#define POLL_INTERVAL_US INT64_C(60000000)
#define RESERVE_DEFAULT	 8
#define RESERVE_MAX	 16 /* of one family; one request to IPAM */

struct agent_option {
	const char *name;
	const char *value; /* its name in the help */
	size_t offset;	   /* of a char * in struct agent_args; SIZE_MAX: handled apart */
	const char *def;
	const char *doc;
};

#define AT(member) offsetof(struct agent_args, member)

static const struct agent_option agent_options[] = {
	{"node-name", "NAME", AT(node_name), NULL,
	 "this node's name (default: $NODENAME, else the host name in lower case)"},
	{"run-dir", "DIR", AT(run_dir), "/run/korat",
	 "sockets and BIRD's configuration (default /run/korat)"},
	{"state-dir", "DIR", AT(state_dir), "/var/lib/calico",
	 "the files nodename and mtu (default /var/lib/calico)"},
	{"bird", "spawn|external|none", SIZE_MAX, NULL,
	 "start BIRD if none answers, only configure it, or no BGP (default spawn)"},
	{"bird-program", "FILE", AT(bird_program), "/usr/sbin/bird",
	 "BIRD 2 (default /usr/sbin/bird)"},
	{"metrics", "ADDR:PORT", AT(metrics_addr), NULL, "serve /metrics there (default: off)"},
	{"health", "ADDR:PORT", AT(health_addr), "127.0.0.1:9099",
	 "serve /liveness and /readiness there (default 127.0.0.1:9099)"},
};

static const struct {
	const char *name;
	size_t offset;
	const char *def;
} agent_variables[] = {
	{"IP", AT(ip), ""},
	{"IP_AUTODETECTION_METHOD", AT(ip_method), "first-found"},
	{"IP6", AT(ip6), ""},
	{"IP6_AUTODETECTION_METHOD", AT(ip6_method), "first-found"},
	{"AS", AT(as_number), ""},
	{"CALICO_ROUTER_ID", AT(router_id), ""},
	{"CALICO_IPV4POOL_CIDR", AT(v4_pool_cidr), "192.168.0.0/16"},
	{"CALICO_IPV4POOL_IPIP", AT(v4_pool_ipip), "Always"},
	{"CALICO_IPV4POOL_VXLAN", AT(v4_pool_vxlan), "Never"},
	{"CALICO_IPV4POOL_BLOCK_SIZE", AT(v4_pool_block_size), "26"},
	{"CALICO_IPV4POOL_NAT_OUTGOING", AT(v4_pool_nat_outgoing), "true"},
	{"CALICO_IPV4POOL_NODE_SELECTOR", AT(v4_pool_node_selector), "all()"},
	{"CALICO_IPV6POOL_CIDR", AT(v6_pool_cidr), "none"},
	{"CALICO_IPV6POOL_VXLAN", AT(v6_pool_vxlan), "Never"},
	{"CALICO_IPV6POOL_BLOCK_SIZE", AT(v6_pool_block_size), "122"},
	{"CALICO_IPV6POOL_NAT_OUTGOING", AT(v6_pool_nat_outgoing), "false"},
	{"CALICO_IPV6POOL_NODE_SELECTOR", AT(v6_pool_node_selector), "all()"},
	{"CLUSTER_TYPE", AT(cluster_type), ""},
};

static void print_help(void)
{
	(void)printf(
		"Usage: korat agent [OPTION]...\n       korat agent cleanup [--dry-run] [--run-dir DIR]\n       korat agent metrics\n\n"
		"The agent of one node: addresses, routes, tunnels, NAT, BGP, CNI.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(agent_options); i++) {
		_cleanup_free_ char *left =
			xasprintf("--%s %s", agent_options[i].name, agent_options[i].value);

		(void)printf("  %-30s %s\n", left, agent_options[i].doc);
	}
	(void)printf("\nEnvironment, as calico/node's:");
	for (size_t i = 0; i < ARRAY_SIZE(agent_variables); i++)
		(void)printf("%s%s", i % 4 ? ", " : i ? ",\n  " : "\n  ", agent_variables[i].name);
	(void)printf(
		",\n  NODENAME, NO_DEFAULT_POOLS, DISABLE_NODE_IP_CHECK,\n  AUTODETECT_POLL_INTERVAL, KORAT_ADDRESS_RESERVE, KORAT_POLICY, KORAT_CUT_DENIED,\n  DATASTORE_TYPE, KORAT_SQLITE_FILE, FELIX_*\n");
}

static int parse_bird_mode(const char *value, enum bird_mode *ret, struct err *err)
{
	static const char *const modes[] = {"spawn", "external", "none"};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(value, modes[i]) == 0) {
			*ret = (enum bird_mode)i;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "--bird %s: expected spawn, external or none", value);
}

static int parse_options(int argc, char **argv, struct agent_args *args, struct err *err)
{
	struct option options[ARRAY_SIZE(agent_options) + 2] = {0};
	int help = (int)ARRAY_SIZE(agent_options);
	int index;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(agent_options); i++)
		options[i] = (struct option){agent_options[i].name, required_argument, NULL,
					     (int)i + 256};
	options[help] = (struct option){"help", no_argument, NULL, 'h'};
	optind = 1;
	opterr = 0;
	while ((index = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (index == 'h') {
			print_help();
			return AGENT_ARGS_E_HELP;
		}
		if (index < 256 || (size_t)index - 256 >= ARRAY_SIZE(agent_options))
			return err_set(err, -EINVAL,
				       "%s: no such option, or its value is missing; "
				       "see korat agent --help",
				       argv[optind - 1]);
		index -= 256;
		if (agent_options[index].offset == SIZE_MAX) {
			r = parse_bird_mode(optarg, &args->bird_mode, err);
			if (r < 0)
				return r;
			continue;
		}
		replace_str((char **)(void *)((char *)args + agent_options[index].offset),
			    xstrdup(optarg));
	}
	if (optind < argc)
		return err_set(err, -EINVAL, "%s: unexpected argument; see korat agent --help",
			       argv[optind]);
	return 0;
}

static bool is_true(const char *value)
{
	return value && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

static char *default_node_name(void)
{
	const char *name = getenv("NODENAME");
	char host[HOST_NAME_MAX + 1] = "";
	char *text;

	if (name && *name)
		return xstrdup(name);
	(void)gethostname(host, sizeof(host) - 1);
	text = xstrdup(host);
	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return text;
}

/* The name goes into object names and file contents, so it must be one. */
static int check_node_name(const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (len && len <= 253 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len &&
	    isalnum((unsigned char)name[0]) && isalnum((unsigned char)name[len - 1]))
		return 0;
	return err_set(err, -EINVAL,
		       "node name \"%.64s\": expected a DNS name in lower case; set --node-name",
		       name);
}

static int parse_poll_interval(struct agent_args *args, struct err *err)
{
	const char *text = getenv("AUTODETECT_POLL_INTERVAL");
	int64_t us = POLL_INTERVAL_US;
	int r = text && *text ? parse_duration(text, &us, err) : 0;

	if (r < 0)
		return err_prefix(err, r, "AUTODETECT_POLL_INTERVAL");
	args->address_poll_us = us > 0 ? (uint64_t)us : 0;
	return 0;
}

static int parse_reserve_size(struct agent_args *args, struct err *err)
{
	const char *text = getenv("KORAT_ADDRESS_RESERVE");
	uint64_t n = RESERVE_DEFAULT;
	int r = text && *text ? parse_u64(text, 0, RESERVE_MAX, &n, err) : 0;

	args->reserve_size = (unsigned int)n;
	return r < 0 ? err_prefix(err, r, "KORAT_ADDRESS_RESERVE") : 0;
}

static int parse_policy(struct agent_args *args, struct err *err)
{
	const char *text = getenv("KORAT_POLICY");

	args->policy_off = text && strcmp(text, "off") == 0;
	if (!text || !*text || args->policy_off || strcmp(text, "enforce") == 0)
		return 0;
	return err_set(err, -EINVAL, "KORAT_POLICY=%.64s: expected enforce or off", text);
}

static int parse_cut_denied(struct agent_args *args, struct err *err)
{
	const char *text = getenv("KORAT_CUT_DENIED");

	args->cut_denied = text && strcmp(text, "on") == 0;
	if (!text || !*text || args->cut_denied || strcmp(text, "off") == 0)
		return 0;
	return err_set(err, -EINVAL, "KORAT_CUT_DENIED=%.64s: expected on or off", text);
}

int agent_args_parse(int argc, char **argv, struct agent_args *ret, struct err *err)
{
	struct agent_args args = {0};
	int r = parse_options(argc, argv, &args, err);

	for (size_t i = 0; i < ARRAY_SIZE(agent_options); i++) {
		char **member;

		if (agent_options[i].offset == SIZE_MAX)
			continue;
		member = (char **)(void *)((char *)&args + agent_options[i].offset);
		if (!*member)
			*member = xstrdup(agent_options[i].def);
	}
	for (size_t i = 0; i < ARRAY_SIZE(agent_variables); i++) {
		const char *value = getenv(agent_variables[i].name);

		*(const char **)(void *)((char *)&args + agent_variables[i].offset) =
			value && *value ? value : agent_variables[i].def;
	}
	args.no_default_pools = is_true(getenv("NO_DEFAULT_POOLS"));
	args.no_address_check = is_true(getenv("DISABLE_NODE_IP_CHECK"));
	if (r == 0)
		r = parse_poll_interval(&args, err);
	if (r == 0)
		r = parse_reserve_size(&args, err);
	if (r == 0)
		r = parse_policy(&args, err);
	if (r == 0)
		r = parse_cut_denied(&args, err);
	if (!args.node_name)
		args.node_name = default_node_name();
	if (r == 0)
		r = check_node_name(args.node_name, err);
	if (r != 0) {
		agent_args_deinit(&args);
		return r;
	}
	*ret = args;
	return 0;
}

void agent_args_deinit(struct agent_args *args)
{
	for (size_t i = 0; i < ARRAY_SIZE(agent_options); i++) {
		if (agent_options[i].offset != SIZE_MAX)
			replace_str((char **)(void *)((char *)args + agent_options[i].offset),
				    NULL);
	}
}
