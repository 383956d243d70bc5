/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the model module: the fields of a rule and the checks all kinds with rules share. */

#include "model/kinds-policy.h"

/* Fields of 'struct rule'. */
extern const struct struct_desc rule_desc;

/*
 * Both directions of a policy or profile, as "spec.ingress" and "spec.egress". Services of one
 * that is not namespaced need a namespace.
 * -EINVAL: 'err' names the field and what is allowed there.
 */
MUST_CHECK int rules_validate(const struct rule_list *ingress, const struct rule_list *egress,
			      bool namespaced, struct err *err);

/* A selector where global() has no meaning; NULL is fine. 'field' is its path. */
MUST_CHECK int selector_validate_plain(const char *selector, const char *field, struct err *err);
