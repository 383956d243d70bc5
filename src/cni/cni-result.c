/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What goes back to the runtime: results in the form of the request's version, errors, and the
 * answer to VERSION. Written straight into the buffer, as the keys are few and their order is that
 * of the CNI libraries.
 *
 *	0.1.0, 0.2.0		ip4, ip6: one address each
 *	0.3.0, 0.3.1, 0.4.0	interfaces; ips with "version"
 *	1.0.0			ips without it
 *	1.1.0			interfaces with "mtu"
 */

#include "cni/cni-request.h"

#include <string.h>

#include "base/buf.h"

static const char *const versions[N_CNI_VERSIONS] = {
	[CNI_VERSION_0_1_0] = "0.1.0", [CNI_VERSION_0_2_0] = "0.2.0", [CNI_VERSION_0_3_0] = "0.3.0",
	[CNI_VERSION_0_3_1] = "0.3.1", [CNI_VERSION_0_4_0] = "0.4.0", [CNI_VERSION_1_0_0] = "1.0.0",
	[CNI_VERSION_1_1_0] = "1.1.0",
};

const char *cni_version_name(enum cni_version version)
{
	return versions[version];
}

bool cni_version_parse(const char *name, enum cni_version *ret)
{
	for (unsigned int i = 0; i < N_CNI_VERSIONS; i++) {
		if (strcmp(versions[i], name) == 0) {
			*ret = (enum cni_version)i;
			return true;
		}
	}
	return false;
}

/* Text from outside can be anything; what is not ASCII becomes '?', never broken JSON. */
static void add_string(struct buf *out, const char *s)
{
	buf_addc(out, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c < ' ')
			buf_addf(out, "\\u%04x", (unsigned int)c);
		else
			buf_addc(out, c < 0x7f ? (char)c : '?');
	}
	buf_addc(out, '"');
}

static void add_member(struct buf *out, const char *key, const char *value)
{
	buf_addf(out, "\"%s\":", key);
	add_string(out, value);
}

static void add_interface(struct buf *out, enum cni_version version, const char *name,
			  const uint8_t mac[MAC_SIZE], uint32_t mtu, const char *sandbox)
{
	buf_addc(out, '{');
	add_member(out, "name", name);
	buf_addf(out, ",\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\"", (unsigned int)mac[0],
		 (unsigned int)mac[1], (unsigned int)mac[2], (unsigned int)mac[3],
		 (unsigned int)mac[4], (unsigned int)mac[5]);
	if (version >= CNI_VERSION_1_1_0 && mtu > 0)
		buf_addf(out, ",\"mtu\":%u", mtu);
	if (sandbox) {
		buf_addc(out, ',');
		add_member(out, "sandbox", sandbox);
	}
	buf_addc(out, '}');
}

static void add_interfaces(struct buf *out, enum cni_version version,
			   const struct cni_result *result)
{
	buf_adds(out, ",\"interfaces\":[");
	add_interface(out, version, result->host_ifname, result->host_mac, result->mtu, NULL);
	buf_addc(out, ',');
	add_interface(out, version, result->pod_ifname, result->pod_mac, result->mtu,
		      result->netns_path);
	buf_addc(out, ']');
}

/* The one of a family that the oldest form has room for. */
static void add_legacy_ip(struct buf *out, uint8_t family, bool with_route,
			  const struct cni_result *result)
{
	for (unsigned int i = 0; i < result->n_addrs; i++) {
		const struct cidr *addr = &result->addrs[i];

		if (addr->addr.family != family)
			continue;
		buf_addf(out, ",\"ip%u\":{\"ip\":\"%s\"", ip_version(family), cidr_format(addr).s);
		if (with_route)
			buf_addf(out, ",\"routes\":[{\"dst\":\"%s\"}]", cidr_format(addr).s);
		buf_addc(out, '}');
		return;
	}
}

static void add_ips(struct buf *out, enum cni_version version, bool with_interface,
		    const struct cni_result *result)
{
	buf_adds(out, ",\"ips\":[");
	for (unsigned int i = 0; i < result->n_addrs; i++) {
		const struct cidr *addr = &result->addrs[i];

		buf_adds(out, i > 0 ? ",{" : "{");
		if (version < CNI_VERSION_1_0_0)
			buf_addf(out, "\"version\":\"%u\",", ip_version(addr->addr.family));
		if (with_interface)
			buf_adds(out, "\"interface\":1,");
		buf_addf(out, "\"address\":\"%s\"}", cidr_format(addr).s);
	}
	buf_addc(out, ']');
}

/* calico-ipam's mark that the host may route to the addresses. */
static void add_routes(struct buf *out, const struct cni_result *result)
{
	buf_adds(out, ",\"routes\":[");
	for (unsigned int i = 0; i < result->n_addrs; i++)
		buf_addf(out, "%s{\"dst\":\"%s\"}", i > 0 ? "," : "",
			 cidr_format(&result->addrs[i]).s);
	buf_addc(out, ']');
}

void cni_write_result(const struct cni_request *request, const struct cni_result *result,
		      struct buf *out)
{
	bool is_ipam = request->role == CNI_ROLE_IPAM;
	enum cni_version version = CNI_VERSION_0_2_0;

	(void)cni_version_parse(request->cni_version, &version);
	buf_addc(out, '{');
	add_member(out, "cniVersion", request->cni_version);
	if (version < CNI_VERSION_0_3_0) {
		add_legacy_ip(out, AF_INET, is_ipam, result);
		add_legacy_ip(out, AF_INET6, is_ipam, result);
	} else {
		if (!is_ipam)
			add_interfaces(out, version, result);
		add_ips(out, version, !is_ipam, result);
		if (is_ipam)
			add_routes(out, result);
	}
	buf_adds(out, ",\"dns\":{}}\n");
}

void cni_write_error(const char *cni_version, unsigned int code, const char *msg,
		     const char *details, struct buf *out)
{
	buf_addc(out, '{');
	add_member(out, "cniVersion", cni_version);
	buf_addf(out, ",\"code\":%u,", code);
	add_member(out, "msg", msg);
	if (details && *details) {
		buf_addc(out, ',');
		add_member(out, "details", details);
	}
	buf_adds(out, "}\n");
}

void cni_write_version(const char *cni_version, struct buf *out)
{
	buf_addc(out, '{');
	add_member(out, "cniVersion", cni_version);
	buf_adds(out, ",\"supportedVersions\":[");
	for (unsigned int i = 0; i < N_CNI_VERSIONS; i++)
		buf_addf(out, "%s\"%s\"", i > 0 ? "," : "", versions[i]);
	buf_adds(out, "]}\n");
}
