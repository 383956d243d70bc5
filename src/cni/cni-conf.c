/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The network configuration: Calico's keys and the CNI specification's, as a table of key, type and
 * where the value goes. Every known key is checked for its type, also those that only Calico's own
 * processes needed; an unknown key is left alone, as the specification demands. 'null' is as
 * absent.
 */

#include "cni/cni-conf.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "cni/cni-ipam.h"
#include "cni/cni-names.h"

#define QUEUES_MAX 4096 /* the kernel's limit for IFLA_NUM_TX_QUEUES */
#define TEXT_MAX   4096 /* bytes of any string we keep */
#define SHOWN_MAX  64	/* of a bad value, in a message */
#define LABELS_MAX 64
#define VALID_KEY  "cni.dev/valid-attachments"

#define _cleanup_json_ _cleanup_(json_decrefp)

enum type {
	TYPE_OBJECT,
	TYPE_ARRAY,
	TYPE_STRING,  /* to char * */
	TYPE_STRINGS, /* to char **, NULL-terminated */
	TYPE_BOOL,    /* to bool */
	TYPE_TRUTH,   /* "true" or "false" as a string, to bool */
	TYPE_NUMBER,
	TYPE_INT, /* min..max, to uint32_t */
};

#define NOWHERE	  SIZE_MAX
#define TO(field) offsetof(struct cni_request, field)

/* A section stands before its keys. */
static const struct key {
	const char *section; /* NULL: the outermost object */
	const char *name;
	enum type type;
	size_t offset;
	int64_t min;
	int64_t max;
} keys[] = {
	{NULL, "type", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "name", TYPE_STRING, TO(network), 0, 0},
	{NULL, "mode", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "capabilities", TYPE_OBJECT, NOWHERE, 0, 0},
	{NULL, "runtimeConfig", TYPE_OBJECT, NOWHERE, 0, 0},
	{NULL, "dns", TYPE_OBJECT, NOWHERE, 0, 0},
	{NULL, "prevResult", TYPE_OBJECT, NOWHERE, 0, 0},
	{NULL, VALID_KEY, TYPE_ARRAY, NOWHERE, 0, 0},
	{NULL, "ipam", TYPE_OBJECT, NOWHERE, 0, 0},
	{"ipam", "type", TYPE_STRING, TO(ipam_type), 0, 0},
	{"ipam", "name", TYPE_STRING, NOWHERE, 0, 0},
	{"ipam", "subnet", TYPE_STRING, NOWHERE, 0, 0},
	{"ipam", "assign_ipv4", TYPE_TRUTH, TO(assign_v4), 0, 0},
	{"ipam", "assign_ipv6", TYPE_TRUTH, TO(assign_v6), 0, 0},
	{"ipam", "ipv4_pools", TYPE_STRINGS, TO(v4_pools), 0, 0},
	{"ipam", "ipv6_pools", TYPE_STRINGS, TO(v6_pools), 0, 0},
	{"ipam", "routes", TYPE_ARRAY, NOWHERE, 0, 0},
	{"ipam", "ranges", TYPE_ARRAY, NOWHERE, 0, 0},
	{NULL, "args", TYPE_OBJECT, NOWHERE, 0, 0},
	{NULL, "mtu", TYPE_INT, TO(mtu), 0, 65535},
	{NULL, "require_mtu_file", TYPE_BOOL, NOWHERE, 0, 0},
	{NULL, "num_queues", TYPE_INT, TO(n_queues), INT32_MIN, QUEUES_MAX},
	{NULL, "qps", TYPE_NUMBER, NOWHERE, 0, 0},
	{NULL, "burst", TYPE_INT, NOWHERE, INT32_MIN, INT32_MAX},
	{NULL, "nodename", TYPE_STRING, TO(nodename), 0, 0},
	{NULL, "nodename_file", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "nodename_file_optional", TYPE_BOOL, NOWHERE, 0, 0},
	{NULL, "hostname", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "ipam_lock_file", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "datastore_type", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "etcd_endpoints", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "etcd_discovery_srv", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "etcd_scheme", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "etcd_authority", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "etcd_key_file", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "etcd_cert_file", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "etcd_ca_cert_file", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "log_level", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "log_file_path", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "log_file_max_size", TYPE_INT, NOWHERE, 0, INT32_MAX},
	{NULL, "log_file_max_age", TYPE_INT, NOWHERE, 0, INT32_MAX},
	{NULL, "log_file_max_count", TYPE_INT, NOWHERE, 0, INT32_MAX},
	{NULL, "policy", TYPE_OBJECT, NOWHERE, 0, 0},
	{"policy", "type", TYPE_STRING, NOWHERE, 0, 0},
	{"policy", "k8s_api_root", TYPE_STRING, NOWHERE, 0, 0},
	{"policy", "k8s_auth_token", TYPE_STRING, NOWHERE, 0, 0},
	{"policy", "k8s_client_certificate", TYPE_STRING, NOWHERE, 0, 0},
	{"policy", "k8s_client_key", TYPE_STRING, NOWHERE, 0, 0},
	{"policy", "k8s_certificate_authority", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "kubernetes", TYPE_OBJECT, NOWHERE, 0, 0},
	{"kubernetes", "k8s_api_root", TYPE_STRING, NOWHERE, 0, 0},
	{"kubernetes", "kubeconfig", TYPE_STRING, NOWHERE, 0, 0},
	{"kubernetes", "node_name", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "calico_api_group", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "feature_control", TYPE_OBJECT, NOWHERE, 0, 0},
	{"feature_control", "ip_addrs_no_ipam", TYPE_BOOL, TO(allow_ip_addrs_no_ipam), 0, 0},
	{"feature_control", "floating_ips", TYPE_BOOL, TO(allow_floating_ips), 0, 0},
	{NULL, "container_settings", TYPE_OBJECT, NOWHERE, 0, 0},
	{"container_settings", "allow_ip_forwarding", TYPE_BOOL, TO(allow_ip_forwarding), 0, 0},
	{NULL, "include_default_routes", TYPE_BOOL, TO(include_default_routes), 0, 0},
	{NULL, "dataplane_options", TYPE_OBJECT, NOWHERE, 0, 0},
	{"dataplane_options", "type", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "device_type", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "readiness_gates", TYPE_STRINGS, NOWHERE, 0, 0},
	{NULL, "policy_setup_timeout_seconds", TYPE_INT, NOWHERE, 0, INT32_MAX},
	{NULL, "endpoint_status_dir", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "vxlan_mac_prefix", TYPE_STRING, NOWHERE, 0, 0},
	{NULL, "vxlan_vni", TYPE_INT, NOWHERE, 0, 16777215},
	{NULL, "windows_pod_deletion_timestamp_timeout", TYPE_INT, NOWHERE, 0, INT32_MAX},
	{NULL, "windows_use_single_network", TYPE_BOOL, NOWHERE, 0, 0},
	{NULL, "windows_disable_default_deny_all_policy", TYPE_BOOL, NOWHERE, 0, 0},
	{NULL, "windows_loopback_DSR", TYPE_BOOL, NOWHERE, 0, 0},
};

static int bad(struct err *err, const struct key *key, const char *expected)
{
	return err_set(err, CNI_ERROR_BAD_CONFIG, "network configuration: %s%s%s: expected %s",
		       key->section ? key->section : "", key->section ? "." : "", key->name,
		       expected);
}

static void *field(struct cni_request *request, const struct key *key)
{
	return (char *)request + key->offset;
}

static int read_string(const struct key *key, const json_t *json, struct cni_request *request,
		       struct err *err)
{
	if (!json_is_string(json) || json_string_length(json) > TEXT_MAX)
		return bad(err, key, "a string");
	if (key->offset != NOWHERE)
		replace_str(field(request, key), xstrdup(json_string_value(json)));
	return 0;
}

static int read_strings(const struct key *key, const json_t *json, struct cni_request *request,
			struct err *err)
{
	size_t n = json_array_size(json);
	char **list;

	if (!json_is_array(json) || n > CNI_POOLS_MAX)
		return bad(err, key, "a list of at most 64 strings");
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(json, i);
		size_t len = json_string_length(item);

		if (!json_is_string(item) || len == 0 || len > TEXT_MAX)
			return bad(err, key, "a list of strings that are not empty");
	}
	/* An empty list is Calico's default: choose automatically. */
	if (key->offset == NOWHERE || n == 0)
		return 0;
	list = xcalloc(n + 1, sizeof(*list));
	for (size_t i = 0; i < n; i++)
		list[i] = xstrdup(json_string_value(json_array_get(json, i)));
	*(char ***)field(request, key) = list;
	return 0;
}

static int read_truth(const struct key *key, const json_t *json, struct cni_request *request,
		      struct err *err)
{
	const char *text = json_string_value(json);
	bool truth = text && strcasecmp(text, "true") == 0;

	if (!truth && (!text || strcasecmp(text, "false") != 0))
		return bad(err, key, "\"true\" or \"false\", in quotes");
	*(bool *)field(request, key) = truth;
	return 0;
}

static int read_int(const struct key *key, const json_t *json, struct cni_request *request,
		    struct err *err)
{
	json_int_t value = json_integer_value(json);

	if (!json_is_integer(json) || value < key->min || value > key->max)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: %s: expected a number from %" PRIi64
			       " to %" PRIi64,
			       key->name, key->min, key->max);
	if (key->offset != NOWHERE)
		*(uint32_t *)field(request, key) = value > 0 ? (uint32_t)value : 0;
	return 0;
}

static int read_key(const struct key *key, const json_t *json, struct cni_request *request,
		    struct err *err)
{
	switch (key->type) {
	case TYPE_OBJECT:
		return json_is_object(json) ? 0 : bad(err, key, "an object");
	case TYPE_ARRAY:
		return json_is_array(json) ? 0 : bad(err, key, "a list");
	case TYPE_STRING:
		return read_string(key, json, request, err);
	case TYPE_STRINGS:
		return read_strings(key, json, request, err);
	case TYPE_BOOL:
		if (!json_is_boolean(json))
			return bad(err, key, "true or false");
		if (key->offset != NOWHERE)
			*(bool *)field(request, key) = json_is_true(json);
		return 0;
	case TYPE_TRUTH:
		return read_truth(key, json, request, err);
	case TYPE_NUMBER:
		return json_is_number(json) ? 0 : bad(err, key, "a number");
	case TYPE_INT:
		return read_int(key, json, request, err);
	}
	return 0;
}

static int read_keys(const json_t *root, struct cni_request *request, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const json_t *in = keys[i].section ? json_object_get(root, keys[i].section) : root;
		const json_t *json = json_object_get(in, keys[i].name);
		int r;

		if (!json || json_is_null(json))
			continue;
		r = read_key(&keys[i], json, request, err);
		if (r != 0)
			return r;
	}
	return 0;
}

/* --- cniVersion --------------------------------------------------------------------------- */

static int read_version(const json_t *root, struct cni_request *request, struct err *err)
{
	const json_t *json = json_object_get(root, "cniVersion");
	const char *name = json_string_value(json);
	enum cni_version version;

	if (!json || json_is_null(json) || (name && !*name))
		name = cni_version_name(CNI_VERSION_0_2_0);
	if (!name)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: cniVersion: expected a string");
	if (!cni_version_parse(name, &version))
		return err_set(err, CNI_ERROR_INCOMPATIBLE_VERSION,
			       "network configuration: cniVersion \"%.*s\" is not supported: use "
			       "one from 0.1.0 to 1.1.0",
			       SHOWN_MAX, name);
	if ((request->verb == CNI_CHECK && version < CNI_VERSION_0_4_0) ||
	    ((request->verb == CNI_GC || request->verb == CNI_STATUS) &&
	     version < CNI_VERSION_1_1_0))
		return err_set(err, CNI_ERROR_INCOMPATIBLE_VERSION,
			       "network configuration: cniVersion %s has no %s: raise it to 1.1.0",
			       name, request->verb == CNI_CHECK ? "CHECK" : "GC or STATUS");
	request->cni_version = xstrdup(name);
	return 0;
}

/* --- prevResult --------------------------------------------------------------------------- */

static int bad_prev(struct err *err, const char *what)
{
	return err_set(err, CNI_ERROR_BAD_CONFIG, "network configuration: prevResult.%s", what);
}

static int add_prev_addr(struct cni_prev_result *prev, const json_t *ip, struct err *err)
{
	const char *text = json_string_value(json_object_get(ip, "address"));

	if (!text || cidr_parse(text, &prev->addrs[prev->n_addrs], NULL) < 0)
		return bad_prev(err, "ips: expected objects with \"address\", as 10.0.0.1/32");
	prev->n_addrs++;
	return 0;
}

/* The host's end is the one outside of any sandbox. */
static int read_prev_interfaces(struct cni_prev_result *prev, const json_t *list, struct err *err)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *name = json_string_value(json_object_get(item, "name"));
		const char *sandbox = json_string_value(json_object_get(item, "sandbox"));

		if (!name)
			return bad_prev(err, "interfaces: expected objects with \"name\"");
		if ((sandbox && *sandbox) || prev->host_ifname[0])
			continue;
		if (!cni_ifname_valid(name))
			return bad_prev(err, "interfaces: the host's name is no interface name");
		memcpy(prev->host_ifname, name, strlen(name) + 1);
	}
	return 0;
}

static int read_prev(const json_t *json, struct cni_request *request, struct err *err)
{
	_cleanup_free_ struct cni_prev_result *prev = NULL;
	const json_t *ips = json_object_get(json, "ips");
	int r;

	if (request->verb != CNI_CHECK || !json_is_object(json))
		return 0;
	prev = XNEW(struct cni_prev_result);
	if (json_array_size(ips) > ARRAY_SIZE(prev->addrs))
		return bad_prev(err, "ips: expected at most 8");
	for (size_t i = 0; i < json_array_size(ips); i++) {
		r = add_prev_addr(prev, json_array_get(ips, i), err);
		if (r != 0)
			return r;
	}
	r = read_prev_interfaces(prev, json_object_get(json, "interfaces"), err);
	if (r != 0)
		return r;
	request->prev = TAKE_PTR(prev);
	return 0;
}

/* --- Labels ------------------------------------------------------------------------------- */

/* args: {"org.apache.mesos": {"network_info": {"labels": {"labels": [{"key", "value"}]}}}} */
static int read_labels(const json_t *root, struct cni_request *request, struct err *err)
{
	static const char *const path[] = {"args", "org.apache.mesos", "network_info", "labels",
					   "labels"};
	const json_t *list = root;

	for (size_t i = 0; i < ARRAY_SIZE(path); i++)
		list = json_object_get(list, path[i]);
	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > LABELS_MAX)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: args.org.apache.mesos.network_info: labels: "
			       "expected a list of at most %d",
			       LABELS_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *key = json_string_value(json_object_get(item, "key"));
		const char *value = json_string_value(json_object_get(item, "value"));
		struct cni_label *label;

		if (!key || !cni_label_key_valid(key) || !value || !cni_label_value_valid(value))
			return err_set(err, CNI_ERROR_BAD_CONFIG,
				       "network configuration: args.org.apache.mesos.network_info: "
				       "labels[%zu]: expected \"key\" and \"value\", letters, "
				       "digits, '_', '.' and '-' (and '/' in a key)",
				       i);
		label = ARRAY_ADD(request->labels, request->n_labels);
		label->key = xstrdup(key);
		label->value = xstrdup(value);
	}
	return 0;
}

/* --- GC ----------------------------------------------------------------------------------- */

static int read_valid(const json_t *list, struct cni_request *request, struct err *err)
{
	if (request->verb != CNI_GC)
		return 0;
	/* Absent is not empty: an empty list removes everything there is. */
	if (!json_is_array(list))
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: " VALID_KEY ": GC needs this list");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *id = json_string_value(json_object_get(item, "containerID"));
		const char *ifname = json_string_value(json_object_get(item, "ifname"));
		struct cni_attachment *attachment;

		if (!id || !cni_name_valid(id) || !ifname || !cni_ifname_valid(ifname))
			return err_set(err, CNI_ERROR_BAD_CONFIG,
				       "network configuration: " VALID_KEY
				       "[%zu]: expected \"containerID\" and \"ifname\"",
				       i);
		attachment = ARRAY_ADD(request->valid, request->n_valid);
		attachment->container_id = xstrdup(id);
		attachment->ifname = xstrdup(ifname);
	}
	return 0;
}

/* --- What hangs together ------------------------------------------------------------------ */

static int check_add(const json_t *root, const struct cni_request *request, struct err *err)
{
	const char *device = json_string_value(json_object_get(root, "device_type"));
	const char *dataplane = json_string_value(
		json_object_get(json_object_get(root, "dataplane_options"), "type"));

	if (!request->ipam_type || !*request->ipam_type)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: ipam.type: missing: \"calico-ipam\" is "
			       "what Korat serves");
	if (request->mtu > 0 && request->mtu < 68)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: mtu: expected 0 (automatic) or 68 to 65535");
	if (device && *device && strcmp(device, "veth") != 0 && strcmp(device, "netkit") != 0)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: device_type: expected \"veth\" or "
			       "\"netkit\"");
	if (dataplane && strcmp(dataplane, "grpc") == 0)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: dataplane_options.type: \"grpc\" is another "
			       "agent's dataplane: remove it, the kernel's is built in");
	return 0;
}

static int check_conf(const json_t *root, const struct cni_request *request, struct err *err)
{
	if (request->verb == CNI_VERSION)
		return 0;
	if (!request->network && request->verb != CNI_STATUS)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: name: missing: give the network a name");
	if (request->network && !cni_name_valid(request->network))
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: name: expected a letter or digit, then "
			       "letters, digits, '_', '.' or '-', at most 253");
	if (request->verb == CNI_CHECK && !request->prev)
		return err_set(err, CNI_ERROR_BAD_CONFIG,
			       "network configuration: prevResult: missing: CHECK compares with "
			       "what ADD gave");
	return request->verb == CNI_ADD ? check_add(root, request, err) : 0;
}

int cni_conf_parse(const char *conf, size_t conf_size, struct cni_request *request, struct err *err)
{
	_cleanup_json_ json_t *root = NULL;
	const char *policy;
	json_error_t where;
	int r;

	/* VERSION may come with nothing on stdin. */
	if (conf_size == 0 && request->verb == CNI_VERSION) {
		request->cni_version = xstrdup(cni_version_name(CNI_VERSION_1_1_0));
		return 0;
	}
	root = json_loadb(conf ? conf : "", conf_size, 0, &where);
	if (!json_is_object(root))
		return err_set(err, CNI_ERROR_DECODE, "network configuration on stdin, line %d: %s",
			       root ? 1 : where.line, root ? "expected an object" : where.text);
	request->assign_v4 = true;
	r = read_version(root, request, err);
	if (r == 0)
		r = read_keys(root, request, err);
	if (r == 0)
		r = cni_ipam_read(json_object_get(root, "ipam"), request, err);
	if (r == 0)
		r = read_labels(root, request, err);
	if (r == 0)
		r = read_prev(json_object_get(root, "prevResult"), request, err);
	if (r == 0)
		r = read_valid(json_object_get(root, VALID_KEY), request, err);
	if (r != 0)
		return r;
	policy = json_string_value(json_object_get(json_object_get(root, "policy"), "type"));
	request->policy_k8s = policy && strcmp(policy, "k8s") == 0;
	request->n_queues = MAX(request->n_queues, 1u);
	return check_conf(root, request, err);
}

const char *cni_request_version(const char *conf, size_t conf_size)
{
	_cleanup_json_ json_t *root = json_loadb(conf ? conf : "", conf_size, 0, NULL);
	const char *name = json_string_value(json_object_get(root, "cniVersion"));
	enum cni_version version;

	if (!name || !cni_version_parse(name, &version))
		version = CNI_VERSION_0_3_1;
	return cni_version_name(version);
}
