/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The endpoints of this node: what each pod interface has, from the moment its ADD began. Looked up
 * by WorkloadEndpoint name, which is unique on a node. Pure.
 */

#include <net/if.h>
#include <uthash.h>

#include "base/ip.h"
#include "base/mac.h"
#include "model/model.h"

#define ENDPOINT_ADDRS_MAX 8
/* On a WorkloadEndpoint: the network of the CNI call that made it, which GC is about. */
#define ENDPOINT_NETWORK_ANNOTATION "cni.korat/network"
/* The MTU that the CNI configuration named, if it did: such a pod keeps it. */
#define ENDPOINT_MTU_ANNOTATION "cni.korat/mtu"

struct endpoint {
	char *key;	  /* "<namespace>/<name>" of the WorkloadEndpoint */
	const char *name; /* points into 'key' */
	size_t namespace_len;
	char *container_id;
	char *network;	  /* CNI's name of it; NULL: not known */
	char *pod_ifname; /* NULL: not known */
	char host_ifname[IFNAMSIZ];
	uint8_t mac[MAC_SIZE];
	struct cidr addrs[ENDPOINT_ADDRS_MAX]; /* /32, /128 */
	unsigned int n_addrs;
	int ifindex;	   /* of the host's end, where the routes lead; 0: no routes yet */
	uint32_t mtu;	   /* of both ends; 0: not known */
	bool mtu_fixed;	   /* the CNI configuration named it */
	bool unrestored;   /* the kernel did not take it; the dataplane tries again */
	bool busy;	   /* an ADD or DEL is at work on it */
	uint64_t revision; /* of our last write; older events are echoes */
	/* What the datastore said while a call was at work; NULL: nothing. */
	struct object *late;
	uint64_t late_revision;
	UT_hash_handle hh;
};

struct endpoint_table {
	struct endpoint *by_name;
};

void endpoint_table_deinit(struct endpoint_table *table);
/* NULL: none. */
struct endpoint *endpoint_find(const struct endpoint_table *table, const char *namespace,
			       const char *name);
/* Finds or makes an empty one. */
struct endpoint *endpoint_get(struct endpoint_table *table, const char *namespace,
			      const char *name);
void endpoint_remove(struct endpoint_table *table, struct endpoint *endpoint);
/* Keeps a copy of the newest as 'late'. */
void endpoint_keep_late(struct endpoint *endpoint, const struct object *object, uint64_t revision);
size_t endpoint_count(const struct endpoint_table *table);

/*
 * What the stored WorkloadEndpoint says. -EINVAL: it can't be understood, 'err' says why; the
 * endpoint is unchanged.
 */
MUST_CHECK int endpoint_read(struct endpoint *endpoint, const struct object *object,
			     struct err *err);
