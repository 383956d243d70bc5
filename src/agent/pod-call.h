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
	char *name; /* of the WorkloadEndpoint */
	char *text; /* its JSON */
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

/* --- pod-add.c, pod-del.c, pod-check.c: go to work; pod_call_finish() is what they end with. */

void pod_add(struct pod_call *pod);
void pod_del(struct pod_call *pod);
void pod_check(struct pod_call *pod);

/* --- pod-endpoint.c */

/* How many of 'n' addresses an endpoint takes. */
unsigned int pod_endpoint_n_addrs(unsigned int n);

/* Always the same for one container interface, so a repeated ADD gives the same. */
void pod_endpoint_mac(const struct cni_request *request, uint8_t ret[MAC_SIZE]);

/* Gives the WorkloadEndpoint that the call is about. */
struct object *pod_endpoint_object(const struct pod_call *pod, const struct cidr *addrs,
				   unsigned int n_addrs);

/* The write of it; the text is the caller's to add. */
struct store_op pod_endpoint_op(const struct pod_call *pod);

/* A store_job's 'compose': adds that text, of the addresses that were assigned. */
void pod_endpoint_compose(struct store_job *job, const struct ipam_request *ipam);

/* Makes the endpoint busy, if need be one that is empty, so that no other call gets at it. */
void pod_endpoint_hold(struct pod_call *pod);

/* The agent, and its policy, know the held endpoint no more. Nothing held is fine. */
void pod_endpoint_forget(struct pod_call *pod);

/* --- pod-wire.c */

/* Makes the veth pair, without addresses; how it went is in the call. */
void pod_wire_link(struct pod_call *pod);

/* Policy, addresses and routes of the held endpoint; the veth pair first, where it is not made. */
MUST_CHECK int pod_wire(struct pod_call *pod, struct err *err);

/* Has the pod still what pod_wire() gave it? Routes of the host aside. */
bool pod_wire_holds(struct pod_call *pod, struct err *err);

/* --- pod-outage.c */

/* Did the job fail because the datastore is away, and is it to be done without? */
bool pod_outage_began(struct pod_call *pod, const struct store_job *job);

/* Notes that the call's addresses, and its endpoint, are to go. */
MUST_CHECK int pod_outage_note_ended(const struct pod_call *pod, bool delete_endpoint,
				     struct err *err);

/*
 * Takes addresses from the reserve, or those that came with the request, and notes them before they
 * are used: an agent that dies from here on finds what it has to write.
 */
MUST_CHECK int pod_outage_note_added(struct pod_call *pod, struct cidr addrs[ENDPOINT_ADDRS_MAX],
				     unsigned int *n, struct err *err);

/* --- pod-release.c: each counts one more in 'n_waiting'; who is told counts it down. */

/* Releases the call's addresses; what can't be released in an outage is noted, which is as good. */
void pod_release(struct pod_call *pod, bool delete_endpoint, void (*done)(struct store_job *job));

void pod_unlink(struct pod_call *pod,
		void (*removed)(void *ctx, int result, const struct err *err));

/* Takes back all that an ADD did, and answers it with this error. */
void pod_undo(struct pod_call *pod, unsigned int code, const char *message);

/* The same of an ADD that made no more than the link. */
void pod_undo_link(struct pod_call *pod, unsigned int code, const char *message);

/* --- pod-gc.c: takes the call. */
void pod_gc(struct agent *agent, struct cni_call *call, const struct cni_request *request);
