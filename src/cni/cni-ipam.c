/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ipam.type may name a plugin that is not ours (host-local, static, dhcp): korat-cni runs it, and
 * its result comes with the request. Addresses become single ones, as every pod's, and routes are
 * taken from the configuration, not from the result: its gateway is one on a bridge, and there is
 * none.
 *
 * The name becomes part of a path in the plugin, so it is held to a grammar without slashes here
 * and there.
 */

#include "cni/cni-ipam.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "cni/cni-names.h"

#define SHOWN_MAX 64

static const char *const own_types[] = {"calico-ipam", "korat-ipam"};
/* As the IPAM of themselves they would run each other for ever. */
static const char *const main_types[] = {"calico", "korat"};

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* --- Configuration ------------------------------------------------------------------------ */

static bool is_pod_cidr(const json_t *json)
{
	const char *text = json_string_value(json);

	return text &&
	       (strcasecmp(text, "usePodCidr") == 0 || strcasecmp(text, "usePodCidrIPv6") == 0);
}

static bool uses_pod_cidr(const json_t *ipam)
{
	const json_t *sets = json_object_get(ipam, "ranges");

	if (is_pod_cidr(json_object_get(ipam, "subnet")))
		return true;
	for (size_t i = 0; i < json_array_size(sets); i++) {
		const json_t *set = json_array_get(sets, i);

		for (size_t k = 0; k < json_array_size(set); k++) {
			if (is_pod_cidr(json_object_get(json_array_get(set, k), "subnet")))
				return true;
		}
	}
	return false;
}

static int read_routes(const json_t *list, struct cni_request *request, struct err *err)
{
	if (json_array_size(list) > CNI_ROUTES_MAX)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: ipam.routes: expected at most %d",
			       CNI_ROUTES_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *dst = json_object_get(json_array_get(list, i), "dst");
		const char *text = json_string_value(dst);
		struct cidr cidr;

		if (!text || cidr_parse(text, &cidr, NULL) < 0)
			return err_set(err, CNI_ERROR_BAD_CONFIG,
				       "network configuration: ipam.routes[%zu].dst: expected a "
				       "prefix, as 10.0.0.0/8",
				       i);
		*ARRAY_ADD(request->routes, request->n_routes) = cidr_masked(&cidr);
	}
	return 0;
}

/* Without any, pod-link has its own defaults. */
static void add_default_routes(struct cni_request *request)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};

	if (!request->n_routes || !request->include_default_routes)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		*ARRAY_ADD(request->routes, request->n_routes) =
			(struct cidr){.addr = {.family = families[i]}};
}

int cni_ipam_read(const json_t *ipam, struct cni_request *request, struct err *err)
{
	const char *type = request->ipam_type;
	int r;

	if (request->role != CNI_ROLE_MAIN || !type || !*type ||
	    is_one_of(type, own_types, ARRAY_SIZE(own_types)))
		return 0;
	if (!cni_name_valid(type) || strlen(type) > CNI_DELEGATE_NAME_MAX ||
	    is_one_of(type, main_types, ARRAY_SIZE(main_types))) {
		/* No such plugin can have given an address. */
		if (request->verb == CNI_DEL || request->verb == CNI_GC)
			return 0;
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: ipam.type \"%.*s\": expected calico-ipam, "
			       "or the file name of an IPAM plugin in CNI_PATH",
			       SHOWN_MAX, type);
	}
	request->uses_pod_cidr = uses_pod_cidr(ipam);
	if (request->uses_pod_cidr && request->verb != CNI_DEL && request->verb != CNI_GC)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: ipam: usePodCidr needs the Kubernetes API, "
			       "which this agent has not: write the subnet, or use calico-ipam");
	request->delegates = !request->uses_pod_cidr;
	r = read_routes(json_object_get(ipam, "routes"), request, err);
	if (r == 0)
		add_default_routes(request);
	return r;
}

/* --- Result ------------------------------------------------------------------------------- */

static int add_addr(struct cni_delegated *delegated, const json_t *json, struct err *err)
{
	const char *text = json_string_value(json);
	struct cidr cidr;

	if (delegated->n_addrs == ARRAY_SIZE(delegated->addrs))
		return err_set(err, CNI_ERROR_DECODE, "more than 8 addresses");
	if (!text || cidr_parse(text, &cidr, NULL) < 0)
		return err_set(err, CNI_ERROR_DECODE, "an address that is none");
	delegated->addrs[delegated->n_addrs++] = cidr_host(&cidr.addr);
	return 0;
}

static int read_result(const json_t *root, struct cni_delegated *delegated, struct err *err)
{
	static const char *const old_keys[] = {"ip4", "ip6"};
	const json_t *ips = json_object_get(root, "ips");
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(ips); i++)
		r = add_addr(delegated, json_object_get(json_array_get(ips, i), "address"), err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(old_keys); i++) {
		const json_t *old = json_object_get(root, old_keys[i]);

		if (old)
			r = add_addr(delegated, json_object_get(old, "ip"), err);
	}
	if (r == 0 && !delegated->n_addrs)
		r = err_set(err, CNI_ERROR_DECODE, "no address");
	return r;
}

int cni_request_add_delegated(struct cni_request *request, const char *text, size_t size,
			      struct err *err)
{
	_cleanup_free_ struct cni_delegated *delegated = XNEW(struct cni_delegated);
	json_t *root;
	int r;

	if (!request->delegates)
		return err_set(err, CNI_ERROR_DECODE,
			       "an IPAM plugin was run that ipam.type does not name");
	root = json_loadb(text, size, 0, NULL);
	r = json_is_object(root) ? read_result(root, delegated, err)
				 : err_set(err, CNI_ERROR_DECODE, "no JSON object");
	json_decref(root);
	if (r != 0)
		return err_prefix(err, r, "the result of IPAM plugin %s", request->ipam_type);
	free(request->delegated);
	request->delegated = TAKE_PTR(delegated);
	return 0;
}
