/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table of local endpoints. Its key is "<namespace>/<name>"; a namespace has no slash, so keys
 * can't collide.
 */

#include "agent/endpoint.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "model/kinds.h"

#define MTU_MIN 68
#define MTU_MAX 65535

static char *make_key(const char *namespace, const char *name)
{
	return xasprintf("%s/%s", namespace, name);
}

struct endpoint *endpoint_find(const struct endpoint_table *table, const char *namespace,
			       const char *name)
{
	_cleanup_free_ char *key = make_key(namespace, name);
	struct endpoint *endpoint;

	HASH_FIND_STR(table->by_name, key, endpoint);
	return endpoint;
}

struct endpoint *endpoint_get(struct endpoint_table *table, const char *namespace, const char *name)
{
	struct endpoint *endpoint = endpoint_find(table, namespace, name);

	if (endpoint)
		return endpoint;
	endpoint = XNEW(struct endpoint);
	endpoint->key = make_key(namespace, name);
	endpoint->namespace_len = strlen(namespace);
	endpoint->name = endpoint->key + endpoint->namespace_len + 1;
	HASH_ADD_KEYPTR(hh, table->by_name, endpoint->key, strlen(endpoint->key), endpoint);
	return endpoint;
}

static void endpoint_free(struct endpoint *endpoint)
{
	free(endpoint->key);
	free(endpoint->container_id);
	free(endpoint->network);
	free(endpoint->pod_ifname);
	(void)model_free(endpoint->late);
	free(endpoint);
}

void endpoint_keep_late(struct endpoint *endpoint, const struct object *object, uint64_t revision)
{
	(void)model_free(endpoint->late);
	endpoint->late = model_copy(object);
	endpoint->late_revision = revision;
}

void endpoint_remove(struct endpoint_table *table, struct endpoint *endpoint)
{
	HASH_DEL(table->by_name, endpoint);
	endpoint_free(endpoint);
}

void endpoint_table_deinit(struct endpoint_table *table)
{
	struct endpoint *endpoint;
	struct endpoint *next;

	HASH_ITER(hh, table->by_name, endpoint, next)
	{
		endpoint_remove(table, endpoint);
	}
}

size_t endpoint_count(const struct endpoint_table *table)
{
	return HASH_COUNT(table->by_name);
}

/* As the kernel's rule: the name becomes a directory of sysctls. */
static bool is_interface_name(const char *name)
{
	if (!name || !*name || strlen(name) >= IFNAMSIZ || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return false;
	for (; *name; name++) {
		if (*name == '/' || *name == ':' || isspace((unsigned char)*name))
			return false;
	}
	return true;
}

/* An annotation is anybody's to write: what is no MTU is none. */
static void read_mtu(struct endpoint *endpoint, const char *text)
{
	uint64_t mtu;

	endpoint->mtu_fixed = text && parse_u64(text, MTU_MIN, MTU_MAX, &mtu, NULL) == 0;
	endpoint->mtu = endpoint->mtu_fixed ? (uint32_t)mtu : 0;
}

int endpoint_read(struct endpoint *endpoint, const struct object *object, struct err *err)
{
	const struct workload_endpoint_spec *spec = &as_workload_endpoint(object)->spec;
	uint8_t mac[MAC_SIZE] = {0};
	struct cidr addrs[ENDPOINT_ADDRS_MAX];
	int r;

	if (!is_interface_name(spec->interface_name))
		return err_set(err, -EINVAL, "spec.interfaceName is not an interface name");
	if (spec->ip_networks.n > ENDPOINT_ADDRS_MAX)
		return err_set(err, -EINVAL, "spec.ipNetworks: more than %d addresses",
			       ENDPOINT_ADDRS_MAX);
	for (size_t i = 0; i < spec->ip_networks.n; i++) {
		r = cidr_parse(spec->ip_networks.v[i], &addrs[i], err);
		if (r < 0)
			return err_prefix(err, r, "spec.ipNetworks[%zu]", i);
		/* It becomes a route to the pod: a wider one would draw others' packets. */
		if (!cidr_is_host(&addrs[i]))
			return err_set(err, -EINVAL,
				       "spec.ipNetworks[%zu]: %s is not one address (/32, /128)", i,
				       spec->ip_networks.v[i]);
	}
	r = spec->mac ? mac_parse(spec->mac, mac, err) : 0;
	if (r < 0)
		return err_prefix(err, r, "spec.mac");
	(void)snprintf(endpoint->host_ifname, sizeof(endpoint->host_ifname), "%s",
		       spec->interface_name);
	memcpy(endpoint->mac, mac, sizeof(mac));
	memcpy(endpoint->addrs, addrs, sizeof(*addrs) * spec->ip_networks.n);
	endpoint->n_addrs = (unsigned int)spec->ip_networks.n;
	replace_str(&endpoint->container_id, xstrdup(spec->container_id));
	replace_str(&endpoint->network,
		    xstrdup(str_map_find(&object->meta.annotations, ENDPOINT_NETWORK_ANNOTATION)));
	replace_str(&endpoint->pod_ifname, xstrdup(spec->endpoint));
	read_mtu(endpoint, str_map_find(&object->meta.annotations, ENDPOINT_MTU_ANNOTATION));
	return 0;
}
