/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * BIRD's control socket: lines with four-digit codes (nest/cli.c of BIRD). Non-blocking client, one
 * command at a time; and, when asked to, the daemon itself as a child.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/ip.h"
#include "model/kinds.h"

struct buf;

#define BIRD_REPLY_MAX (4u << 20)

/* --- Parsing (pure; bytes from outside) ------------------------------------------------------ */

enum bird_outcome {
	BIRD_E_MORE = 1, /* the reply is not complete yet */
	BIRD_E_REFUSED,	 /* BIRD answered with an error code (8xxx, 9xxx); 'err' has its text */
	BIRD_E_ABSENT,	 /* no daemon answers at the socket */
};

struct bird_protocol {
	char name[128];
	char proto[32]; /* "BGP", "Kernel" */
	char state[16]; /* "up", "start", "down" */
	char since[32];
	char info[256]; /* "Established", "Idle", "Active  Socket: Connection refused" */
};

struct bird_protocols {
	struct bird_protocol *v;
	size_t n;
};
void bird_protocols_deinit(struct bird_protocols *protocols);
CLEANUP_DEINIT(struct bird_protocols, bird_protocols_deinit);

struct bird_daemon_status {
	char version[64];
	char router_id[64];
	char server_time[64];
	char last_reboot[64];
	char last_reconfiguration[64];
	bool ready; /* up and running, no reconfiguration or recovery in progress */
};

/*
 * Is the reply that grows in 'data' complete? '*line' is where the last unfinished line begins: 0
 * at first, kept between calls. 0: complete. BIRD_E_MORE, BIRD_E_REFUSED. -EPROTO: not BIRD's
 * language.
 */
MUST_CHECK int bird_reply_check(const char *data, size_t size, size_t *line, struct err *err);

/* Of a complete reply. -EPROTO: 'err' says which line is not as expected. */
MUST_CHECK int bird_parse_protocols(const char *reply, size_t size, struct bird_protocols *ret,
				    struct err *err);
MUST_CHECK int bird_parse_status(const char *reply, size_t size, struct bird_daemon_status *ret,
				 struct err *err);

/* --- Talking (blocking with a timeout: for a worker thread or koratctl) ---------------------- */

/*
 * A connection that nothing is asked on, non-blocking: its end is the end of BIRD. 0: '*ret_fd'
 * given. BIRD_E_ABSENT.
 */
MUST_CHECK int bird_connect(const char *socket_path, int *ret_fd, struct err *err);
/*
 * Sends one command and appends its whole reply, codes included. BIRD_E_ABSENT, BIRD_E_REFUSED
 * (with the reply). 'err' has the words of an outcome too.
 */
MUST_CHECK int bird_command(const char *socket_path, const char *command, int timeout_ms,
			    struct buf *ret_reply, struct err *err);

/* "show protocols", parsed. */
MUST_CHECK int bird_show_protocols(const char *socket_path, struct bird_protocols *ret,
				   struct err *err);
MUST_CHECK int bird_show_status(const char *socket_path, struct bird_daemon_status *ret,
				struct err *err);
/* Puts all of BIRD's routes into the kernel again, whether they are there or not. */
MUST_CHECK int bird_reinstall_routes(const char *socket_path, struct err *err);
/* "configure". BIRD_E_REFUSED: BIRD keeps its old configuration. */
MUST_CHECK int bird_configure(const char *socket_path, struct err *err);

/* --- The file --------------------------------------------------------------------------------- */

/*
 * Checks the text with `bird -p` ('bird_program', run without a shell), then replaces 'path' if its
 * content differs. 0: unchanged. BIRD_CONFIG_E_WRITTEN: reload BIRD. <0: 'err' has BIRD's words;
 * the old file stays.
 */
enum bird_config_outcome { BIRD_CONFIG_E_WRITTEN = 1 };
MUST_CHECK int bird_config_write(const char *bird_program, const char *path, const char *text,
				 size_t size, struct err *err);

/*
 * Starts the daemon in the foreground as a child: -f -R, -c, -s, -P <socket>.pid. '*ret_pid' set;
 * the caller waits for it. Only where bird_show_status() says BIRD_E_ABSENT: a BIRD that survived
 * its agent goes on. To stop it for a restart send the command "graceful restart", which keeps its
 * routes in the kernel; SIGTERM removes them.
 */
MUST_CHECK int bird_spawn(const char *bird_program, const char *config_path,
			  const char *socket_path, int *ret_pid, struct err *err);

/* --- Sessions --------------------------------------------------------------------------------- */

enum bgp_session_type { BGP_SESSION_MESH, BGP_SESSION_NODE, BGP_SESSION_GLOBAL };

struct bgp_session {
	enum bgp_session_type type;
	struct ip_addr peer;
	char state[16]; /* Established, Idle, Connect, Active, OpenSent, OpenConfirm, Close */
};

/* False: not one of the sessions that bgp_config_render() writes. */
bool bgp_session_of(const struct bird_protocol *protocol, struct bgp_session *ret);

/*
 * Fills BGP and agent parts of a CalicoNodeStatus, which must be absent before, from BIRD's
 * answers. NULL 'daemon': it does not answer.
 */
void bgp_status_fill(const struct bird_protocols *protocols,
		     const struct bird_daemon_status *daemon,
		     struct calico_node_status_status *status);
