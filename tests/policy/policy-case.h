/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A case of the differential test: objects of one small world, as JSON, and a packet in it. The
 * world is one node with WORKLOADS pods in three namespaces, an uplink "eth0" with hosts behind it,
 * both families, and random policies of every kind over them.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"

#define CASE_NODE      "node1"
#define CASE_WORKLOADS 8
#define CASE_OUTSIDES  6

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
	uint16_t dport;
	uint8_t icmp_type;
	uint8_t icmp_code;
};

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
