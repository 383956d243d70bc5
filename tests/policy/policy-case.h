/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A case of the differential test: objects of one small world, as JSON, and a packet in it. The
 * world is one node with WORKLOADS pods in three namespaces, an uplink "eth0" with hosts behind it,
 * both families, services that are translated to any of them, and random policies of every kind.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"

#define CASE_NODE      "node1"
#define CASE_WORKLOADS 8
#define CASE_OUTSIDES  6
#define CASE_SERVICES  12

/* The annotation of an object that model_validate() may refuse. */
#define CASE_UNCHECKED "unchecked"

enum place {
	PLACE_WORKLOAD, /* 'index' of CASE_WORKLOADS */
	PLACE_OUTSIDE,	/* 'index' of CASE_OUTSIDES, behind eth0 */
	PLACE_HOST,	/* the node itself, by its address on eth0 */
};

struct case_end {
	enum place place;
	unsigned int index;
};

struct case_packet {
	struct case_end from;
	struct case_end to;
	uint8_t family;
	uint8_t protocol;
	uint16_t sport; /* of TCP, UDP, SCTP */
	uint16_t dport; /* at 'to' */
	uint8_t icmp_type;
	uint8_t icmp_code;
	uint8_t service; /* dialled instead of 'to', of CASE_SERVICES; 0: none is */
	uint16_t dialled_port;
};

/* What another program's DNAT makes of a service's address. */
struct case_service {
	struct case_end to;
	uint16_t port; /* of TCP, UDP, SCTP; 0: as dialled */
};
const struct case_service *case_service(unsigned int i); /* from 1 */
struct ip_addr case_service_address(unsigned int i, uint8_t family);

/* xorshift64*: the same on every machine. */
struct random {
	uint64_t state;
};
void random_seed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* 0 to n - 1 */
unsigned int random_below(struct random *random, unsigned int n);
bool random_percent(struct random *random, unsigned int percent);

struct ip_addr case_address(const struct case_end *end, uint8_t family);
const char *case_namespace(unsigned int workload);
/* The service's, or that of 'to'. */
struct ip_addr case_dialled_address(const struct case_packet *packet);
/* "cali0" ... */
void case_interface(unsigned int workload, char ret[16]);

/* Gives a new array of objects, all of which model_validate() accepts but those CASE_UNCHECKED. */
json_t *case_random_objects(struct random *random);
json_t *case_random_kubernetes_policy(struct random *random, unsigned int i);
json_t *case_random_cluster_policy(struct random *random, unsigned int i);
void case_random_packet(struct random *random, struct case_packet *ret);
void case_print_packet(const struct case_packet *packet, FILE *out);

/*
 * Takes away from 'objects' whatever the failure does not need: objects, then list items and fields
 * within them. 'fails' says whether the failure is still there.
 */
void case_shrink(json_t *objects, bool (*fails)(void *ctx, json_t *objects), void *ctx);
