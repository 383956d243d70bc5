/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A CNI call at work, and the steps of one. Only for the pod-*.c of src/agent. */

#include "agent/agent-internal.h"
#include "cni/pod-link.h"

struct pod_call {
	struct agent *agent;
	struct cni_call *call; /* NULL: a detach of our own, 'detached' is told */
	void (*detached)(void *ctx, unsigned int code, const char *message);
	void *ctx;
	struct cni_request *own_request; /* of a detach */
	const struct cni_request *request;
	int netns_fd;
	uint64_t start_us;
	struct pod_call *prev;
	struct pod_call *next;
	bool waiting; /* for another call of the same endpoint */

	struct endpoint *endpoint; /* held busy; NULL: none */
	bool endpoint_is_new;
	char *handle;
	char *namespace;
	char *name;	    /* of the WorkloadEndpoint */
	char *text;	    /* its JSON */
	const char **pools; /* to take addresses from; NULL: automatic */
	char host_ifname[IFNAMSIZ];
	struct pod_link link;
	bool link_made; /* or failed to be, with 'link_result' and 'link_err' */
	int link_result;
	struct err link_err;

	struct store_job store;
	void (*released)(struct store_job *job);
	void (*again)(struct pod_call *pod); /* after the reserve gave way */
	bool gave_way;
	bool unsure;		/* a write was cut off: the handle may have addresses */
	unsigned int n_waiting; /* DEL, undo: jobs not done yet */
	unsigned int code;	/* of the error to answer with; 0: none */
	struct err err;
};

/* --- pod-call.c */

/* Goes to work, or waits if another call has the endpoint. */
void pod_call_begin(struct pod_call *pod);

/*
 * Ends the call: answers with pod->code and pod->err, else with 'result', else with nothing. The
 * request is gone after it, and who waited for the endpoint gets his turn.
 */
void pod_call_finish(struct pod_call *pod, const struct cni_result *result);
void pod_call_finish_error(struct pod_call *pod, unsigned int code, const char *message);
/* The plugin is to run the configured IPAM plugin. */
void pod_call_finish_delegate(struct pod_call *pod);

/*
 * A DEL of our own making. Takes 'request', of which container, pod and network count; of
 * 'endpoint', where it is known (else NULL), the names. 'detached' is told how it ended.
 */
void pod_call_detach(struct agent *agent, struct cni_request *request,
		     const struct endpoint *endpoint,
		     void (*detached)(void *ctx, unsigned int code, const char *message),
		     void *ctx);

/* Does the endpoint the call holds or found belong to the call's container? */
bool pod_call_same_container(const struct pod_call *pod);

/* --- pod-setup.c */

void pod_setup_add(struct pod_call *pod);
void pod_setup_del(struct pod_call *pod);
void pod_setup_check(struct pod_call *pod);

/* --- pod-gc.c: takes the call. */
void pod_gc(struct agent *agent, struct cni_call *call, const struct cni_request *request);
