/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A CNI call as a whole: environment (cni-args.h), then configuration (cni-conf.h), which needs to
 * know the verb.
 */

#include "cni/cni-request.h"

#include "base/alloc.h"
#include "cni/cni-args.h"
#include "cni/cni-conf.h"

static void free_strings(char **list)
{
	for (char **s = list; s && *s; s++)
		free(*s);
	free(list);
}

struct cni_request *cni_request_free(struct cni_request *request)
{
	if (!request)
		return NULL;
	free(request->cni_version);
	free(request->network);
	free(request->container_id);
	free(request->ifname);
	free(request->netns_path);
	free(request->pod_name);
	free(request->pod_namespace);
	free(request->pod_uid);
	free_strings(request->v4_pools);
	free_strings(request->v6_pools);
	free(request->ipam_type);
	free(request->routes);
	free(request->delegated);
	free(request->nodename);
	for (size_t i = 0; i < request->n_labels; i++) {
		free(request->labels[i].key);
		free(request->labels[i].value);
	}
	free(request->labels);
	free(request->prev);
	free(request->ifprefix);
	for (size_t i = 0; i < request->n_valid; i++) {
		free(request->valid[i].container_id);
		free(request->valid[i].ifname);
	}
	free(request->valid);
	free(request);
	return NULL;
}

int cni_request_parse(enum cni_plugin_role role, const char *env, size_t env_size, const char *conf,
		      size_t conf_size, struct cni_request **ret, struct err *err)
{
	_cleanup_(cni_request_freep) struct cni_request *request = XNEW(struct cni_request);
	int r;

	request->role = role;
	if (env_size > CNI_ENV_MAX || conf_size > CNI_STDIN_MAX)
		return err_set(err, CNI_ERROR_IO, "the call is larger than the limits allow");
	r = cni_args_parse(env, env_size, request, err);
	if (r != 0)
		return r;
	r = cni_conf_parse(conf, conf_size, request, err);
	if (r != 0)
		return r;
	*ret = TAKE_PTR(request);
	return 0;
}
