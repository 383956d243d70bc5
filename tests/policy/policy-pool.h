/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where random worlds and packets take their values from: small pools, so that rules and packets
 * meet often, and neighbouring values (ports 80 and 81, nets that overlap) are there on purpose.
 */

#include <jansson.h>
#include <stdint.h>

#include "base/macros.h"
#include "policy-case.h"

static const char *const namespaces[] = {"blue", "green", "red"};
static const char *const tier_names[] = {"default", "security", "platform"};
static const char *const apps[] = {"web", "db", "web-cache"};
static const char *const roles[] = {"front", "back"};
static const char *const accounts[] = {"builder", "reader"};
static const uint16_t ports[] = {22, 53, 80, 81, 443, 8080, 9090, 65535};
static const uint16_t sports[] = {1024, 1025, 40000, 50000};
static const uint8_t icmp_types[] = {0, 3, 8, 13};
static const uint8_t icmpv6_types[] = {1, 128, 129, 140};

#define PICK(random, array) ((array)[random_below(random, ARRAY_SIZE(array))])

/* 'family' 0: mixed. */
json_t *case_random_nets(struct random *random, uint8_t family);
json_t *case_random_selector(struct random *random);
/* Of namespaces: by the labels that their profiles give, and by name. */
json_t *case_random_namespace_selector(struct random *random, bool in_rule);
json_t *case_random_rules(struct random *random, bool profile);
/* Some rules for services, or for what they stand for: only before translation are these two. */
void case_tell_services(struct random *random, json_t *rules);
/*
 * A rule that the API refuses and no dataplane can match; a program may write it past all checks.
 */
void case_spoil_rule(struct random *random, json_t *rule);
