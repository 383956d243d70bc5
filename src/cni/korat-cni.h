/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of korat-cni, the plugin. Plain C: no other header of ours but the protocol's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cni/cni-protocol.h"

#define DEADLINE_SECONDS 90
#define VERSION_SIZE	 17 /* the longest cniVersion we repeat, and NUL */

struct call {
	const char *command; /* CNI_COMMAND */
	const char *socket;
	const char *queue;
	struct cni_request_head head;
	char *env;
	char *conf;
	char version[VERSION_SIZE]; /* for messages of our own; "" if the configuration has none */
	char *delegated;	    /* what a delegated IPAM plugin printed */
	int netns;
	int64_t deadline_ms;
};

struct answer {
	uint32_t exit_code;
	char *text;
	size_t size;
};

enum outcome {
	DONE,	  /* the agent has answered */
	AWAY,	  /* nobody there, or it broke off before it answered: it may start over */
	TIMEOUT,  /* still there but silent */
	TOO_LONG, /* the socket's path */
};

/* --- korat-cni-agent.c: everything that waits, waits until one deadline. */

int64_t now_ms(void);
/* False: the deadline passed. */
bool wait_for(int fd, short events, int64_t deadline_ms);
bool write_all(int fd, const char *data, size_t size);
enum outcome ask_agent(struct call *call, struct answer *ret);

/* --- korat-cni-scan.c */

/*
 * Finds a string member of the configuration's outermost object, or of 'section' in it if that is
 * not NULL, however broken the rest is. 'ret' stays as it is if there is none of plain characters.
 */
void find_text(const struct call *call, const char *section, const char *key, char *ret,
	       size_t size);

/* --- korat-cni-queue.c */

/* Keeps the call, a DEL, for the agent. False: the queue is full, or can't be written. */
bool queue_del(struct call *call);
/*
 * ADD of a container whose DEL still waits, as of one that is restarted: carried out later, the DEL
 * would take the new wire. The agent is told, and clears away what is left of the container.
 */
void drop_queued_del(struct call *call);
