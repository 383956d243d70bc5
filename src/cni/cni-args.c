/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The environment of a CNI call and what CNI_ARGS packs into it. A variable that does not fit is an
 * error that names it; one that nobody here knows is left alone, as is an unknown key in CNI_ARGS
 * (Calico always added IgnoreUnknown=1).
 */

#include "cni/cni-args.h"

#include <string.h>

#include "base/alloc.h"
#include "cni/cni-names.h"

#define DEFAULT_PREFIX "cali"
#define SHOWN_MAX      64 /* of a bad value, in a message */
#define PATH_LENGTH    4095

static const struct verb_desc {
	const char *name;
	enum cni_verb verb;
	bool on_container; /* has container, interface and arguments */
} verbs[] = {
	{"ADD", CNI_ADD, true},		 {"DEL", CNI_DEL, true},	{"CHECK", CNI_CHECK, true},
	{"VERSION", CNI_VERSION, false}, {"STATUS", CNI_STATUS, false}, {"GC", CNI_GC, false},
};

/* The environment's value; the first of several counts. */
static const char *env_find(const char *env, size_t size, const char *name)
{
	size_t name_len = strlen(name);

	for (const char *p = env; p < env + size; p += strlen(p) + 1) {
		if (strncmp(p, name, name_len) == 0 && p[name_len] == '=')
			return p + name_len + 1;
	}
	return NULL;
}

static int bad(struct err *err, const char *name, const char *value, const char *expected)
{
	return err_set(err, CNI_ERROR_BAD_ENVIRONMENT, "%s=\"%.*s\": expected %s", name, SHOWN_MAX,
		       value, expected);
}

static int missing(struct err *err, const char *name)
{
	return err_set(err, CNI_ERROR_BAD_ENVIRONMENT, "%s is not set: the runtime is to set it",
		       name);
}

/* --- CNI_ARGS ----------------------------------------------------------------------------- */

static const struct arg_desc {
	const char *key;
	size_t offset; /* of a char * in struct cni_request */
	bool (*valid)(const char *value);
	const char *expected;
} args[] = {
	{"K8S_POD_NAME", offsetof(struct cni_request, pod_name), cni_subdomain_valid,
	 "the name of a pod (lower case letters, digits, '-' and '.')"},
	{"K8S_POD_NAMESPACE", offsetof(struct cni_request, pod_namespace), cni_label_valid,
	 "the name of a namespace (lower case letters, digits and '-')"},
	{"K8S_POD_UID", offsetof(struct cni_request, pod_uid), cni_uid_valid,
	 "a UID (letters, digits and '-')"},
};

static char **arg_field(struct cni_request *request, const struct arg_desc *arg)
{
	return (char **)(void *)((char *)request + arg->offset);
}

/* An empty value is as none: runtimes pass "K8S_POD_NAME=" where there is no pod. */
static int set_arg(struct cni_request *request, const char *key, const char *value, struct err *err)
{
	if (!*value)
		return 0;
	if (strcmp(key, "IP") == 0) {
		if (ip_parse(value, &request->wanted_ip, NULL) < 0)
			return bad(err, "CNI_ARGS: IP", value, "an IP address");
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
		if (strcmp(key, args[i].key) != 0)
			continue;
		if (!args[i].valid(value))
			return err_set(err, CNI_ERROR_BAD_ENVIRONMENT,
				       "CNI_ARGS: %s=\"%.*s\": expected %s", key, SHOWN_MAX, value,
				       args[i].expected);
		replace_str(arg_field(request, &args[i]), xstrdup(value));
	}
	return 0;
}

static int parse_args(struct cni_request *request, const char *text, struct err *err)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *pair;

	while ((pair = strsep(&rest, ";"))) {
		char *value = strchr(pair, '=');
		int r;

		if (!*pair)
			continue;
		if (!value)
			return bad(err, "CNI_ARGS", pair, "KEY=value pairs, parted by ';'");
		*value++ = '\0';
		r = set_arg(request, pair, value, err);
		if (r != 0)
			return r;
	}
	/* Half a pod is none: Calico's rule for what is Kubernetes. */
	if (!request->pod_name || !request->pod_namespace) {
		replace_str(&request->pod_name, NULL);
		replace_str(&request->pod_namespace, NULL);
	}
	return 0;
}

/* --- Variables ---------------------------------------------------------------------------- */

static int parse_verb(const char *name, const struct verb_desc **ret, struct err *err)
{
	if (!name || !*name)
		return missing(err, "CNI_COMMAND");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, name) != 0)
			continue;
		*ret = &verbs[i];
		return 0;
	}
	return bad(err, "CNI_COMMAND", name, "ADD, DEL, CHECK, GC, STATUS or VERSION");
}

static int parse_prefix(struct cni_request *request, const char *value, struct err *err)
{
	if (!value || !*value)
		value = DEFAULT_PREFIX;
	/* A list; interfaces are made with its first element. */
	request->ifprefix = xstrndup(value, MIN(strcspn(value, ","), (size_t)SHOWN_MAX));
	if (!cni_prefix_valid(request->ifprefix))
		return bad(err, "FELIX_INTERFACEPREFIX", value,
			   "at most 4 letters, digits, '_' or '-'");
	return 0;
}

static int parse_container(struct cni_request *request, const char *env, size_t size,
			   struct err *err)
{
	const char *id = env_find(env, size, "CNI_CONTAINERID");
	const char *ifname = env_find(env, size, "CNI_IFNAME");
	const char *netns = env_find(env, size, "CNI_NETNS");

	if (!id || !*id)
		return missing(err, "CNI_CONTAINERID");
	if (!cni_name_valid(id))
		return bad(err, "CNI_CONTAINERID", id,
			   "a letter or digit, then letters, digits, '_', '.' or '-'");
	if (!ifname || !*ifname)
		return missing(err, "CNI_IFNAME");
	if (!cni_ifname_valid(ifname) || !cni_segment_valid(ifname))
		return bad(err, "CNI_IFNAME", ifname,
			   "1 to 15 characters, no '/', ':' or space, no '-' at either end");
	if ((!netns || !*netns) && (request->verb == CNI_ADD || request->verb == CNI_CHECK))
		return missing(err, "CNI_NETNS");
	if (netns && strlen(netns) > PATH_LENGTH)
		return bad(err, "CNI_NETNS", netns, "a path of at most 4095 bytes");
	request->container_id = xstrdup(id);
	request->ifname = xstrdup(ifname);
	request->netns_path = xstrdup(netns ? netns : "");
	return 0;
}

int cni_args_parse(const char *env, size_t env_size, struct cni_request *request, struct err *err)
{
	const struct verb_desc *verb = &verbs[0];
	const char *text;
	int r;

	if (env_size > 0 && env[env_size - 1] != '\0')
		return err_set(err, CNI_ERROR_DECODE,
			       "the environment does not end with a NUL: not sent by korat-cni");
	r = parse_verb(env_find(env, env_size, "CNI_COMMAND"), &verb, err);
	if (r != 0)
		return r;
	request->verb = verb->verb;
	r = parse_prefix(request, env_find(env, env_size, "FELIX_INTERFACEPREFIX"), err);
	if (r != 0 || !verb->on_container)
		return r;
	r = parse_container(request, env, env_size, err);
	if (r != 0)
		return r;
	text = env_find(env, env_size, "CNI_ARGS");
	r = parse_args(request, text ? text : "", err);
	if (r != 0)
		return r;
	/* Only without a pod is the container part of the endpoint's name. */
	if (!request->pod_name && !cni_segment_valid(request->container_id))
		return bad(err, "CNI_CONTAINERID", request->container_id,
			   "no '-' at the end where there is no pod");
	return 0;
}
