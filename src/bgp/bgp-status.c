/* SPDX-License-Identifier: Apache-2.0 */

/*
 * BIRD's answers as a CalicoNodeStatus. A session is known by its protocol's name, which holds its
 * type and its peer's address (bgp-symbol.c).
 */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bgp/bgp-config.h"
#include "bgp/bird.h"

static const struct {
	const char *prefix;
	enum bgp_session_type type;
} session_types[] = {
	{"Mesh_", BGP_SESSION_MESH},
	{"Node_", BGP_SESSION_NODE},
	{"Global_", BGP_SESSION_GLOBAL},
};

static const char *const type_names[] = {
	[BGP_SESSION_MESH] = "NodeMesh",
	[BGP_SESSION_NODE] = "NodePeer",
	[BGP_SESSION_GLOBAL] = "GlobalPeer",
};

/* BIRD's word for a passive session that waits is not in the API: it is idle. */
static void session_state(const struct bird_protocol *protocol, char *ret, size_t ret_size)
{
	static const char *const states[] = {"Established", "Connect",	   "Active",
					     "OpenSent",    "OpenConfirm", "Close"};
	const char *state = "Idle";

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		size_t len = strlen(states[i]);

		if (strncmp(protocol->info, states[i], len) == 0 &&
		    (protocol->info[len] == '\0' || protocol->info[len] == ' '))
			state = states[i];
	}
	(void)snprintf(ret, ret_size, "%s", state);
}

/* "192_168_0_2", "fd00__1": three underscores in IPv4, none of whose parts is empty. */
static bool address_of_symbol(const char *symbol, struct ip_addr *ret)
{
	static const char separators[] = {'.', ':'};
	char text[IP_STR_SIZE];
	const char *port = strstr(symbol, "_port_");
	size_t len = port ? (size_t)(port - symbol) : strlen(symbol);

	if (len >= sizeof(text))
		return false;
	for (size_t s = 0; s < ARRAY_SIZE(separators); s++) {
		for (size_t i = 0; i < len; i++)
			text[i] = symbol[i] == '_' ? separators[s] : symbol[i];
		text[len] = '\0';
		if (ip_parse(text, ret, NULL) == 0)
			return true;
	}
	return false;
}

bool bgp_session_of(const struct bird_protocol *protocol, struct bgp_session *ret)
{
	if (strcmp(protocol->proto, "BGP") != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(session_types); i++) {
		size_t len = strlen(session_types[i].prefix);

		if (strncmp(protocol->name, session_types[i].prefix, len) != 0)
			continue;
		ret->type = session_types[i].type;
		session_state(protocol, ret->state, sizeof(ret->state));
		return address_of_symbol(protocol->name + len, &ret->peer);
	}
	return false;
}

static void count(struct opt_int *counter)
{
	counter->set = true;
	counter->v++;
}

static void peer_add(const struct bird_protocol *protocol, const struct bgp_session *session,
		     struct bgp_status *status)
{
	bool v4 = session->peer.family == AF_INET;
	bool up = strcmp(session->state, "Established") == 0;
	struct bgp_peer_status_list *list = v4 ? &status->peers_v4 : &status->peers_v6;
	struct bgp_peer_status *peer;

	if (v4)
		count(up ? &status->number_established_v4 : &status->number_not_established_v4);
	else
		count(up ? &status->number_established_v6 : &status->number_not_established_v6);
	peer = ARRAY_ADD(list->v, list->n);
	list->set = true;
	peer->peer_ip = xstrdup(ip_format(&session->peer).s);
	peer->type = xstrdup(type_names[session->type]);
	peer->state = xstrdup(session->state);
	peer->since = xstrdup(protocol->since);
}

static struct bird_status *daemon_status(const struct bird_daemon_status *daemon)
{
	struct bird_status *status = XNEW(struct bird_status);

	status->state = xstrdup(daemon && daemon->ready ? "Ready" : "NotReady");
	if (!daemon)
		return status;
	status->version = xstrdup(daemon->version);
	status->router_id = xstrdup(daemon->router_id);
	status->last_boot_time = xstrdup(daemon->last_reboot);
	status->last_reconfiguration_time = xstrdup(daemon->last_reconfiguration);
	return status;
}

void bgp_status_fill(const struct bird_protocols *protocols,
		     const struct bird_daemon_status *daemon,
		     struct calico_node_status_status *status)
{
	assert(!status->agent && !status->bgp);
	status->agent = XNEW(struct agent_status);
	status->agent->bird_v4 = daemon_status(daemon);
	status->agent->bird_v6 = daemon_status(daemon);

	status->bgp = XNEW(struct bgp_status);
	status->bgp->number_established_v4.set = true;
	status->bgp->number_not_established_v4.set = true;
	status->bgp->number_established_v6.set = true;
	status->bgp->number_not_established_v6.set = true;
	for (size_t i = 0; i < protocols->n; i++) {
		struct bgp_session session;

		if (bgp_session_of(&protocols->v[i], &session))
			peer_add(&protocols->v[i], &session, status->bgp);
	}
}
