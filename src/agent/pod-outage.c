/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls while the datastore is away: what would be written is noted, before it is used, and written
 * when the datastore is back (outage.h).
 */

#include <string.h>

#include "agent/pod-call.h"
#include "agent/pod-profile.h"
#include "base/alloc.h"

bool pod_outage_began(struct pod_call *pod, const struct store_job *job)
{
	if (!job->unreachable)
		return false;
	outage_begin(pod->agent->outage, job->has_ipam ? job->ipam.err.msg : job->err.msg);
	return outage_is_on(pod->agent->outage);
}

int pod_outage_note_ended(const struct pod_call *pod, bool delete_endpoint, struct err *err)
{
	struct reserve_change change = {
		.type = RESERVE_ENDED,
		.handle = xstrdup(pod->handle),
		.namespace = xstrdup(pod->namespace),
		.name = delete_endpoint ? xstrdup(pod->name) : NULL,
	};

	return outage_note(pod->agent->outage, &change, err);
}

static char *object_text(const struct object *object)
{
	size_t size;

	return store_object_text(object, &size);
}

/* What is to be written of the pod once there is a datastore. */
static struct reserve_change make_change(const struct pod_call *pod, const struct cidr *addrs,
					 unsigned int n)
{
	const struct cni_request *request = pod->request;
	_cleanup_(model_freep) struct object *endpoint = NULL;
	_cleanup_(model_freep) struct object *profile = NULL;
	struct reserve_change change = {
		.type = RESERVE_ADDED,
		.handle = xstrdup(pod->handle),
		.namespace = xstrdup(pod->namespace),
		.pod = xstrdup(request->pod_name),
		.pod_namespace = xstrdup(request->pod_namespace),
	};

	if (request->role == CNI_ROLE_IPAM)
		return change;
	endpoint = pod_endpoint_object(pod, addrs, pod_endpoint_n_addrs(n));
	change.name = xstrdup(pod->name);
	change.endpoint = object_text(endpoint);
	profile = request->policy_k8s ? NULL : pod_profile_new(request);
	if (profile) {
		change.profile_name = xstrdup(request->network);
		change.profile = object_text(profile);
	}
	return change;
}

int pod_outage_note_added(struct pod_call *pod, struct cidr addrs[ENDPOINT_ADDRS_MAX],
			  unsigned int *n, struct err *err)
{
	struct outage *outage = pod->agent->outage;
	const struct cni_delegated *delegated = pod->request->delegated;
	struct reserve_change change;
	struct ip_addr taken[2];
	unsigned int n_taken = 0;
	int r = 0;

	if (!delegated)
		r = outage_take(outage, pod->request, taken, &n_taken, err);
	if (r < 0)
		return r;
	*n = delegated ? pod_endpoint_n_addrs(delegated->n_addrs) : n_taken;
	for (unsigned int i = 0; i < *n; i++)
		addrs[i] = delegated ? delegated->addrs[i] : cidr_host(&taken[i]);
	/* A write that was cut off may have given the handle an address: that one goes first. */
	if (pod->unsure)
		r = pod_outage_note_ended(pod, /* delete_endpoint= */ false, err);
	change = make_change(pod, addrs, *n);
	memcpy(change.addrs, taken, n_taken * sizeof(*taken));
	change.n_addrs = n_taken;
	if (r == 0)
		r = outage_note(outage, &change, err);
	else
		reserve_change_deinit(&change);
	if (r < 0)
		outage_put_back(outage, taken, n_taken);
	return r;
}
