/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of koratctl: what the verbs of policy share. */

#include "ctl/ctl-internal.h"
#include "policy/policy-connection.h"
#include "policy/policy-staged.h"

#define CTL_EXIT_DENIED 2

/* The objects that policy is judged on, and where each came from. */
struct ctl_policies {
	struct ctl_items items;
	struct policy_world *world;
};
void ctl_policies_deinit(struct ctl_policies *policies);
CLEANUP_DEINIT(struct ctl_policies, ctl_policies_deinit);

/* From the files of --from, all of them valid, or else from the datastore. */
MUST_CHECK int ctl_policies_read(struct ctl *ctl, struct ctl_policies *ret, struct err *err);
/* Puts valid objects of -f over what is there; 'items' stay the caller's. */
MUST_CHECK int ctl_policies_apply(struct policy_world *world, const struct ctl_items *items,
				  struct err *err);

/* "FROM -> TO:PORT" in one word, or FROM and TO:PORT in two. */
struct ctl_question {
	char *from;
	char *to;
	char *port; /* "tcp/443"; NULL: it is not said */
};
void ctl_question_deinit(struct ctl_question *question);
CLEANUP_DEINIT(struct ctl_question, ctl_question_deinit);
MUST_CHECK int ctl_question_parse(const struct ctl_args *args, bool needs_port,
				  struct ctl_question *ret, struct err *err);
/* Both ends in one family: the first that both have. */
MUST_CHECK int ctl_question_ends(struct policy_world *world, const struct ctl_question *question,
				 struct connection_end *from, struct connection_end *to,
				 struct err *err);

/*
 * Where something stands: "web.yaml:12"; of an object out of the datastore the path of the field,
 * where that says more. "": it is not known.
 */
struct ctl_place {
	char s[600];
};
struct ctl_place ctl_place_of(const struct ctl_policies *policies, const struct object *object);
struct ctl_place ctl_place_of_rule(const struct ctl_policies *policies, const struct object *object,
				   enum policy_direction direction, size_t index);
/* "spec.ingress[0].source.selector" */
struct ctl_place ctl_place_of_field(const struct ctl_policies *policies,
				    const struct object *object, const char *path);
/* What a part of a reason is of; 'base' is "spec", or the path of the rule. */
struct ctl_place ctl_place_of_part(const struct ctl_policies *policies, const struct object *object,
				   const char *base, const struct reason_part *part);
/* Gives it; NULL: the part is of no field. */
char *ctl_part_path(const struct reason_part *part, const char *base);
/* Gives "spec.ingress[0]". */
char *ctl_rule_path(enum policy_direction direction, size_t index);

/* -o: text or json. */
MUST_CHECK int ctl_check_format(const struct ctl_args *args, bool *ret_json, struct err *err);

struct json_t;
/* Gives a new value. */
struct json_t *ctl_connection_json(const struct ctl_policies *policies,
				   const struct connection_trace *trace);

/* What the staged policies would do; worlds differ, so it has its own ends. */
struct ctl_staged {
	struct policy_world *now;  /* borrowed */
	struct policy_world *then; /* NULL: none is staged, and so is nothing else here */
	struct connection_trace trace;
	bool any; /* one of them has a say */
};
void ctl_staged_deinit(struct ctl_staged *staged);
CLEANUP_DEINIT(struct ctl_staged, ctl_staged_deinit);
/* Gives a new value. */
struct json_t *ctl_staged_json(const struct ctl_policies *policies,
			       const struct ctl_staged *staged);
