/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Giving back what a pod has, at its end or after a failed ADD: the link (link remover), and at the
 * same time its addresses and its endpoint in the datastore (store worker). Each counts in
 * 'n_waiting'; who is told counts down.
 */

#include "agent/pod-call.h"
#include "base/alloc.h"

#define LOG_MODULE "cni"
#include "base/log.h"

static void release_done(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (pod_outage_began(pod, job)) {
		int r = pod_outage_note_ended(pod, job->op.type == STORE_REMOVE, &job->ipam.err);

		job->op_result = 0;
		job->ipam.result = r < 0 ? IPAM_E_STORE : IPAM_OK;
	}
	pod->released(job);
}

void pod_release(struct pod_call *pod, bool delete_endpoint, void (*done)(struct store_job *job))
{
	pod->released = done;
	pod->store = (struct store_job){
		.op = {.type = delete_endpoint ? STORE_REMOVE : STORE_EXPECT,
		       .kind = KIND_WORKLOAD_ENDPOINT,
		       .namespace = pod->namespace,
		       .name = pod->name},
		.has_ipam = true,
		.ipam = {.type = IPAM_RELEASE_HANDLE, .handle = pod->handle},
		.done = release_done,
	};
	pod->n_waiting++;
	if (!outage_is_on(pod->agent->outage)) {
		store_worker_submit(pod->agent->store_worker, &pod->store);
		return;
	}
	pod->store.unreachable = true;
	release_done(&pod->store);
}

void pod_unlink(struct pod_call *pod, void (*removed)(void *ctx, int result, const struct err *err))
{
	pod->n_waiting++;
	link_remover_remove(pod->agent->link_remover, pod->host_ifname, removed, pod);
}

/* --- Undoing an ADD --------------------------------------------------------------------------- */

static void one_undone(struct pod_call *pod)
{
	if (--pod->n_waiting)
		return;
	pod_endpoint_forget(pod);
	pod_call_finish(pod, NULL);
}

static void undo_store_done(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (job->ipam.result != IPAM_OK && job->ipam.result != IPAM_E_NOT_FOUND)
		log_error_limited("can't release the address of a failed ADD; DEL will", "endpoint",
				  pod->name, "handle", pod->handle, "error", job->ipam.err.msg);
	one_undone(pod);
}

static void undo_unlink_done(void *ctx, int result, const struct err *err)
{
	struct pod_call *pod = ctx;

	if (result < 0)
		log_error_limited("can't remove the interface of a failed ADD; DEL will",
				  "interface", pod->host_ifname, "error", err->msg);
	one_undone(pod);
}

void pod_undo(struct pod_call *pod, unsigned int code, const char *message)
{
	pod->code = code;
	(void)err_set(&pod->err, 0, "%s", message);
	dataplane_remove_endpoint(pod->agent->dataplane, pod->endpoint);
	pod_unlink(pod, undo_unlink_done);
	pod_release(pod, /* delete_endpoint= */ true, undo_store_done);
}

void pod_undo_link(struct pod_call *pod, unsigned int code, const char *message)
{
	pod->code = code;
	(void)err_set(&pod->err, 0, "%s", message);
	pod_unlink(pod, undo_unlink_done);
}
