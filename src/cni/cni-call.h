/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One request being served, and what the server keeps of all of them. Private to src/cni. */

#include "cni/cni-server.h"

#define CNI_CALLS_MAX	       256 /* connections at a time */
#define CNI_CALL_DEADLINE_USEC (10 * 1000000ull)

struct cni_server {
	sd_event *event;
	sd_event_source *listener;
	char *path;
	int fd;
	cni_handler handler;
	void *ctx;
	struct cni_call *calls; /* all that are not answered, those from files too */
	unsigned int n_connected;
	uint64_t deadline_usec; /* for a request to be whole, and for its answer to be taken */
};

/* Serves one connection; takes 'fd'. A failure to do so is logged and closes it. */
void cni_call_accept(struct cni_server *server, int fd);

/* Closes 'fd' with an answer that says why. Takes it. */
void cni_call_refuse(int fd, unsigned int code, const char *msg);

/*
 * Serves the request that 'data' holds, as read from 'path'. 0: handed to the handler.
 * <0: it is not a DEL as korat-cni writes it.
 */
MUST_CHECK int cni_call_from_file(struct cni_server *server, const char *path, const void *data,
				  size_t size, struct err *err);
bool cni_call_in_flight(const struct cni_server *server, const char *path);

/* Ends all calls: those with the agent are answered into nothing, later. */
void cni_call_abandon_all(struct cni_server *server);
