/* SPDX-License-Identifier: Apache-2.0 */

/* Keys of policies for people: kinds have short forms there, names are those of the objects. */

#include "policy/policy-key.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"

static const struct {
	const char *prefix;
	const char *kind;
	bool namespaced;
} kinds[] = {
	{"np/", "NetworkPolicy", true},
	{"gnp/", "GlobalNetworkPolicy", false},
	{"knp/", "KubernetesNetworkPolicy", true},
	{"kcnp/", "KubernetesClusterNetworkPolicy", false},
	{"snp/", "StagedNetworkPolicy", true},
	{"sgnp/", "StagedGlobalNetworkPolicy", false},
	{"sknp/", "StagedKubernetesNetworkPolicy", true},
	{"pro/", "Profile", false},
};

bool policy_key_parse(const char *key, struct policy_key_parts *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *name = key + strlen(kinds[i].prefix);
		const char *slash;

		if (strncmp(key, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
			continue;
		*ret = (struct policy_key_parts){.kind = kinds[i].kind};
		slash = kinds[i].namespaced ? strchr(name, '/') : NULL;
		if (kinds[i].namespaced && !slash)
			return false;
		if (slash)
			(void)snprintf(ret->namespace, sizeof(ret->namespace), "%.*s",
				       (int)(slash - name), name);
		(void)snprintf(ret->name, sizeof(ret->name), "%s", slash ? slash + 1 : name);
		return true;
	}
	return false;
}

struct policy_key_text policy_key_format(const char *key)
{
	struct policy_key_parts parts;
	struct policy_key_text text;

	if (!policy_key_parse(key, &parts))
		(void)snprintf(text.s, sizeof(text.s), "%s", key);
	else
		(void)snprintf(text.s, sizeof(text.s), "%s %s%s%s", parts.kind, parts.namespace,
			       *parts.namespace ? "/" : "", parts.name);
	return text;
}
