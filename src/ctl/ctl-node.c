/* SPDX-License-Identifier: Apache-2.0 */

/* This node's BGP sessions, from BIRD's control socket. One BIRD serves both families. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bgp/bird.h"
#include "ctl/ctl-internal.h"

static const char *const session_types[] = {
	[BGP_SESSION_MESH] = "node-to-node mesh",
	[BGP_SESSION_NODE] = "node specific",
	[BGP_SESSION_GLOBAL] = "global",
};

static void add_row(struct ctl_table *table, const struct bird_protocol *protocol,
		    const struct bgp_session *session)
{
	ctl_table_add(table, ip_format(&session->peer).s);
	ctl_table_add(table, session_types[session->type]);
	ctl_table_add(table, protocol->state);
	ctl_table_add(table, protocol->since);
	ctl_table_add(table, protocol->info);
}

static void print_family(const struct bird_protocols *protocols, uint8_t family)
{
	static const char *const titles[] = {"PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO"};
	_cleanup_(ctl_table_deinitp) struct ctl_table table = {.n_columns = ARRAY_SIZE(titles)};

	printf("\nIPv%u BGP status\n", ip_version(family));
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		ctl_table_add(&table, titles[i]);
	for (size_t i = 0; i < protocols->n; i++) {
		struct bgp_session session;

		if (bgp_session_of(&protocols->v[i], &session) && session.peer.family == family)
			add_row(&table, &protocols->v[i], &session);
	}
	if (table.n_cells > table.n_columns)
		ctl_table_print_boxed(&table, stdout);
	else
		printf("No IPv%u peers found.\n", ip_version(family));
}

int ctl_run_node_status(struct ctl *ctl, struct err *err)
{
	_cleanup_(bird_protocols_deinitp) struct bird_protocols protocols = {.v = NULL};
	_cleanup_free_ char *socket = NULL;
	int r;

	if (ctl->args.set[FLAG_SOCKET])
		socket = xstrdup(ctl->args.values[FLAG_SOCKET]);
	else
		socket = ctl_run_path("bird.ctl");
	r = bird_show_protocols(socket, &protocols, err);
	if (r == BIRD_E_ABSENT)
		return err_set(err, -ENOENT,
			       "The BGP backend process (BIRD) is not running: nobody answers at "
			       "%s; run this on a node whose agent runs, and set KORAT_RUN_DIR (or "
			       "--socket) if its directory is another one",
			       socket);
	if (r != 0)
		return r < 0 ? r : -EPROTO;
	printf("Calico process is running.\n");
	print_family(&protocols, AF_INET);
	print_family(&protocols, AF_INET6);
	printf("\n");
	return 0;
}
