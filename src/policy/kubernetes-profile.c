/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Namespaces and service accounts as profiles, pods as endpoints: what Kubernetes' selectors of
 * namespaces and accounts look at comes to a pod's endpoint by the profiles that it names.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/ip.h"
#include "policy/kubernetes-convert.h"
#include "policy/kubernetes-policy.h"
#include "policy/policy-selector.h"

#define LABEL_NAME	 "projectcalico.org/name"
#define ENDPOINT	 "eth0"
#define INTERFACE_PREFIX "cali"
#define INTERFACE_DIGITS 11
#define UID_LEN		 36

/* --- What all that is made has of its origin -------------------------------------------------- */

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return found ? (int)(found - digits) : -1;
}

static unsigned int reverse_bits(unsigned int byte)
{
	unsigned int reversed = 0;

	for (unsigned int i = 0; i < 8; i++)
		reversed |= (byte >> i & 1) << (7 - i);
	return reversed;
}

/*
 * Two objects must not have one UID, so every byte's bits are reversed; but for the two bytes that
 * tell the UUID's version and variant. NULL: no UUID.
 */
static char *convert_uid(const char *uid)
{
	char text[UID_LEN + 1];
	unsigned int n = 0;

	if (!uid || strlen(uid) != UID_LEN)
		return NULL;
	memcpy(text, uid, sizeof(text));
	for (size_t i = 0; i < UID_LEN; n++) {
		int high, low;
		unsigned int byte;

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i++] != '-')
				return NULL;
		}
		high = hex_value(text[i]);
		low = hex_value(text[i + 1]);
		if (high < 0 || low < 0)
			return NULL;
		byte = (unsigned int)(high << 4 | low);
		if (n != 6 && n != 8)
			byte = reverse_bits(byte);
		text[i++] = "0123456789abcdef"[byte >> 4];
		text[i++] = "0123456789abcdef"[byte & 15];
	}
	return xstrdup(text);
}

void kubernetes_copy_meta(const struct object *from, struct object *to)
{
	to->meta.uid = convert_uid(from->meta.uid);
	to->meta.creation_timestamp = xstrdup(from->meta.creation_timestamp);
	to->meta.resource_version = xstrdup(from->meta.resource_version);
}

/* --- Profiles -------------------------------------------------------------------------------- */

static void put_prefixed(struct str_map *to, const char *prefix, const char *key, const char *value)
{
	_cleanup_free_ char *label = xasprintf("%s%s", prefix, key);

	str_map_put(to, label, value);
}

static struct object *make_profile(const struct object *from, const char *name, const char *prefix)
{
	struct object *object = model_new(KIND_PROFILE, NULL, name);
	struct str_map *labels = &as_profile(object)->spec.labels_to_apply;

	for (size_t i = 0; i < from->meta.labels.n; i++)
		put_prefixed(labels, prefix, from->meta.labels.v[i].key,
			     from->meta.labels.v[i].value);
	put_prefixed(labels, prefix, LABEL_NAME, from->meta.name ? from->meta.name : "");
	kubernetes_copy_meta(from, object);
	return object;
}

struct object *kubernetes_namespace_profile(const struct object *namespace)
{
	_cleanup_free_ char *name = xasprintf(KUBERNETES_NAMESPACE_PROFILE "%s",
					      namespace->meta.name ? namespace->meta.name : "");
	struct object *object = make_profile(namespace, name, POLICY_PREFIX_NAMESPACE);
	struct profile_spec *spec = &as_profile(object)->spec;

	rule_list_add(&spec->ingress)->action = RULE_ACTION_ALLOW;
	rule_list_add(&spec->egress)->action = RULE_ACTION_ALLOW;
	return object;
}

static char *account_profile_name(const char *namespace, const char *name)
{
	return xasprintf(KUBERNETES_ACCOUNT_PROFILE "%s.%s",
			 namespace && *namespace ? namespace : "default", name);
}

struct object *kubernetes_account_profile(const struct object *account)
{
	_cleanup_free_ char *name = account_profile_name(
		account->meta.namespace, account->meta.name ? account->meta.name : "");

	return make_profile(account, name, POLICY_PREFIX_SERVICE_ACCOUNT);
}

/* --- Pods ------------------------------------------------------------------------------------ */

static void add_segment(struct buf *out, const char *segment)
{
	for (const char *c = segment; *c; c++)
		buf_adds(out, *c == '-' ? "--" : (const char[]){*c, '\0'});
}

static char *endpoint_name(const char *node, const char *pod)
{
	struct buf name = BUF_INIT;

	add_segment(&name, node);
	buf_adds(&name, "-" KUBERNETES_ORCHESTRATOR "-");
	add_segment(&name, pod);
	buf_adds(&name, "-" ENDPOINT);
	return buf_take(&name);
}

static char *interface_name(const char *namespace, const char *pod)
{
	_cleanup_free_ char *seed = xasprintf("%s.%s", namespace, pod);
	struct digest digest = digest_of(DIGEST_SHA1, seed, strlen(seed));

	return xasprintf(INTERFACE_PREFIX "%.*s", INTERFACE_DIGITS, digest_hex(&digest).s);
}

static bool has_ended(const struct pod_status *status)
{
	return status && status->phase &&
	       (strcmp(status->phase, "Succeeded") == 0 || strcmp(status->phase, "Failed") == 0);
}

static int add_address(struct str_list *to, const char *text, struct err *err)
{
	struct ip_addr addr;
	struct cidr cidr;
	int r = ip_parse(text ? text : "", &addr, err);

	if (r < 0)
		return err_prefix(err, r, "status.podIPs");
	cidr = cidr_host(&addr);
	str_list_add(to, cidr_format(&cidr).s);
	return 0;
}

static int add_addresses(struct str_list *to, const struct pod_status *status, struct err *err)
{
	int r = 0;

	if (!status || has_ended(status))
		return 0;
	if (status->pod_ips.n == 0 && status->pod_ip && *status->pod_ip)
		return add_address(to, status->pod_ip, err);
	for (size_t i = 0; r == 0 && i < status->pod_ips.n; i++)
		r = add_address(to, status->pod_ips.v[i].ip, err);
	return r;
}

static void add_ports(struct endpoint_port_list *to, const struct pod_container_list *containers)
{
	for (size_t i = 0; i < containers->n; i++)
		for (size_t k = 0; k < containers->v[i].ports.n; k++) {
			const struct container_port *port = &containers->v[i].ports.v[k];
			struct endpoint_port *made;

			if (!port->container_port.set)
				continue;
			made = ARRAY_ADD(to->v, to->n);
			to->set = true;
			made->name = xstrdup(port->name ? port->name : "");
			made->protocol = xstrdup(port->protocol ? port->protocol : "TCP");
			made->port = port->container_port;
			made->host_port = port->host_port;
			made->host_ip = xstrdup(port->host_ip);
		}
}

static void fill_endpoint(const struct pod *pod, const char *namespace, struct object *object)
{
	struct workload_endpoint_spec *spec = &as_workload_endpoint(object)->spec;
	const char *account = pod->spec.service_account_name;
	const char *name = pod->object.meta.name;
	_cleanup_free_ char *profile = xasprintf(KUBERNETES_NAMESPACE_PROFILE "%s", namespace);

	spec->orchestrator = xstrdup(KUBERNETES_ORCHESTRATOR);
	spec->node = xstrdup(pod->spec.node_name);
	spec->pod = xstrdup(name);
	spec->endpoint = xstrdup(ENDPOINT);
	spec->interface_name = interface_name(namespace, name);
	str_list_add(&spec->profiles, profile);
	add_ports(&spec->ports, &pod->spec.containers);
	for (size_t i = 0; i < pod->object.meta.labels.n; i++)
		str_map_put(&object->meta.labels, pod->object.meta.labels.v[i].key,
			    pod->object.meta.labels.v[i].value);
	str_map_put(&object->meta.labels, LABEL_NAMESPACE, namespace);
	str_map_put(&object->meta.labels, LABEL_ORCHESTRATOR, KUBERNETES_ORCHESTRATOR);
	if (!account || !*account)
		return;
	replace_str(&profile, account_profile_name(namespace, account));
	spec->service_account_name = xstrdup(account);
	str_list_add(&spec->profiles, profile);
	str_map_put(&object->meta.labels, LABEL_SERVICE_ACCOUNT, account);
}

int kubernetes_pod_endpoint(const struct object *object, struct object **ret, struct err *err)
{
	const struct pod *pod = as_pod(object);
	const char *namespace = object->meta.namespace && *object->meta.namespace
					? object->meta.namespace
					: "default";
	_cleanup_(model_freep) struct object *made = NULL;
	_cleanup_free_ char *name = NULL;
	int r;

	if (pod->spec.host_network.v || !pod->spec.node_name || !*pod->spec.node_name)
		return KUBERNETES_POD_E_NONE;
	if (!object->meta.name || !*object->meta.name)
		return err_set(err, -EINVAL, "metadata.name: must be there");
	name = endpoint_name(pod->spec.node_name, object->meta.name);
	made = model_new(KIND_WORKLOAD_ENDPOINT, namespace, name);
	fill_endpoint(pod, namespace, made);
	r = add_addresses(&as_workload_endpoint(made)->spec.ip_networks, pod->status, err);
	if (r < 0)
		return err_prefix(err, r, "Pod %s/%s", namespace, object->meta.name);
	kubernetes_copy_meta(object, made);
	*ret = TAKE_PTR(made);
	return 0;
}

/* --- Tiers ----------------------------------------------------------------------------------- */

const struct builtin_tier *builtin_tier_find(const char *name)
{
	static const struct builtin_tier tiers[] = {
		{"kube-admin", 1000, true},
		{TIER_DEFAULT, TIER_DEFAULT_ORDER, false},
		{"kube-baseline", 10000000, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++)
		if (strcmp(tiers[i].name, name) == 0)
			return &tiers[i];
	return NULL;
}
