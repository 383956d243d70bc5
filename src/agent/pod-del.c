/* SPDX-License-Identifier: Apache-2.0 */

/*
 * DEL: forget the routes (loop) -> delete the link (link remover), at the same time delete the
 * WorkloadEndpoint and release the addresses (store worker) -> answer when both are done. In the
 * IPAM role only the addresses.
 */

#include "agent/pod-call.h"

static void one_deleted(struct pod_call *pod, bool ok, const char *message)
{
	if (!ok && !pod->code) {
		pod->code = CNI_ERROR_TRY_AGAIN;
		(void)err_set(&pod->err, 0, "%s", message);
	}
	if (--pod->n_waiting)
		return;
	/* After a failure the endpoint stays, for the DEL that is tried again. */
	if (!pod->code || pod->endpoint_is_new)
		pod_endpoint_forget(pod);
	pod_call_finish(pod, NULL);
}

static void del_store_done(struct store_job *job)
{
	struct pod_call *pod = CONTAINER_OF(job, struct pod_call, store);

	if (job->op.type == STORE_REMOVE && job->op_result != 0)
		one_deleted(pod, false, job->err.msg);
	else
		one_deleted(pod,
			    job->ipam.result == IPAM_OK || job->ipam.result == IPAM_E_NOT_FOUND,
			    job->ipam.err.msg);
}

static void del_unlink_done(void *ctx, int result, const struct err *err)
{
	one_deleted(ctx, result >= 0, err->msg);
}

void pod_del(struct pod_call *pod)
{
	bool is_ipam = pod->request->role == CNI_ROLE_IPAM;

	/* A newer container of the same pod keeps link and endpoint; only our addresses go. */
	if (is_ipam || (pod->endpoint && !pod_call_same_container(pod))) {
		pod->endpoint = NULL;
		pod_release(pod, /* delete_endpoint= */ false, del_store_done);
		return;
	}
	pod_endpoint_hold(pod);
	dataplane_remove_endpoint(pod->agent->dataplane, pod->endpoint);
	pod_unlink(pod, del_unlink_done);
	pod_release(pod, /* delete_endpoint= */ true, del_store_done);
}
