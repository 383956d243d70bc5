/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The names of a CNI call: what may come in, and what Calico makes of them. Byte for byte Calico's,
 * because a node changes over with its pods running.
 */

#include "cni/cni-names.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/digest.h"
#include "cni/cni-request.h"

#define HASH_CHARS 11 /* of a digest or a container's id, in an interface name */

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

bool cni_name_valid(const char *name)
{
	size_t n = 1;

	if (!is_alnum(name[0]))
		return false;
	for (; name[n]; n++) {
		if (!is_alnum(name[n]) && !strchr("_.-", name[n]))
			return false;
	}
	return n <= CNI_NAME_MAX;
}

bool cni_ifname_valid(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		if (name[n] <= ' ' || name[n] > '~' || strchr("/:\"\\", name[n]))
			return false;
	}
	return n > 0 && n < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool cni_label_valid(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		if (!is_lower_or_digit(name[n]) && name[n] != '-')
			return false;
	}
	return n > 0 && n <= CNI_LABEL_MAX && name[0] != '-' && name[n - 1] != '-';
}

bool cni_subdomain_valid(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		bool edge = n == 0 || name[n - 1] == '.' || name[n + 1] == '.' || !name[n + 1];

		if (!is_lower_or_digit(name[n]) && (edge || !strchr("-.", name[n])))
			return false;
	}
	return n > 0 && n <= CNI_NAME_MAX;
}

bool cni_uid_valid(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		if (!is_alnum(name[n]) && name[n] != '-')
			return false;
	}
	return n > 0 && n <= CNI_LABEL_MAX;
}

bool cni_prefix_valid(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		if (!is_alnum(name[n]) && !strchr("_-", name[n]))
			return false;
	}
	return n > 0 && n <= CNI_PREFIX_MAX;
}

bool cni_label_value_valid(const char *name)
{
	size_t n = strlen(name);

	if (n == 0)
		return true;
	return n <= CNI_LABEL_MAX && cni_name_valid(name) && is_alnum(name[n - 1]);
}

bool cni_label_key_valid(const char *name)
{
	const char *slash = strchr(name, '/');
	char prefix[CNI_NAME_MAX + 1];
	size_t n;

	if (!slash)
		return *name && cni_label_value_valid(name);
	n = (size_t)(slash - name);
	if (n >= sizeof(prefix))
		return false;
	memcpy(prefix, name, n);
	prefix[n] = '\0';
	return cni_subdomain_valid(prefix) && slash[1] && cni_label_value_valid(slash + 1);
}

bool cni_segment_valid(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && name[0] != '-' && name[n - 1] != '-';
}

/* --- Calico's names ----------------------------------------------------------------------- */

void cni_host_ifname(const struct cni_request *request, char ret[IFNAMSIZ])
{
	_cleanup_free_ char *workload = NULL;
	struct digest digest;
	struct digest_hex hex;
	const char *id = request->container_id;

	if (request->pod_name) {
		workload = xasprintf("%s.%s", request->pod_namespace, request->pod_name);
		digest = digest_of(DIGEST_SHA1, workload, strlen(workload));
		hex = digest_hex(&digest);
		id = hex.s;
	}
	(void)snprintf(ret, IFNAMSIZ, "%.*s%.*s", CNI_PREFIX_MAX, request->ifprefix, HASH_CHARS,
		       id);
}

static void add_segment(struct buf *buf, const char *segment)
{
	if (buf->size > 0)
		buf_addc(buf, '-');
	for (; *segment; segment++) {
		buf_addc(buf, *segment);
		if (*segment == '-')
			buf_addc(buf, '-');
	}
}

char *cni_endpoint_name(const struct cni_request *request, const char *node)
{
	struct buf buf = BUF_INIT;

	add_segment(&buf, node);
	add_segment(&buf, request->pod_name ? "k8s" : "cni");
	add_segment(&buf, request->pod_name ? request->pod_name : request->container_id);
	add_segment(&buf, request->ifname);
	return buf_take(&buf);
}

char *cni_handle(const struct cni_request *request)
{
	return xasprintf("%s.%s", request->network, request->container_id);
}

const char *cni_endpoint_namespace(const struct cni_request *request)
{
	return request->pod_name ? request->pod_namespace : "default";
}
