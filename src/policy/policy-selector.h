/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The selectors of policies, as they are matched: a policy says where its endpoints are by several
 * fields (selector, namespaceSelector, serviceAccounts, its own namespace); here they become one
 * selector over an endpoint's effective labels, which are its own over those of its profiles. The
 * profile of a namespace gives the namespace's labels with the prefix "pcns.", that of a service
 * account those of the account with "pcsa.".
 */

#include "base/err.h"
#include "selector/selector.h"

#define POLICY_PREFIX_NAMESPACE	      "pcns."
#define POLICY_PREFIX_SERVICE_ACCOUNT "pcsa."

struct buf;
struct entity_rule;
struct policy_spec;

/*
 * The endpoints a policy applies to. 'namespace' is that of the policy; NULL: a global one.
 * -EINVAL: 'err' names the field and what is wrong there.
 */
MUST_CHECK int policy_selector_of_spec(const struct policy_spec *spec, const char *namespace,
				       struct selector **ret, struct err *err);

/*
 * The peers that one side of a rule asks for: the address is of one that '*ret' selects, and of
 * none that '*ret_not' selects. NULL: no such condition.
 * -EINVAL: 'err' names the field and what is wrong there.
 */
MUST_CHECK int policy_selector_of_side(const struct entity_rule *side, const char *namespace,
				       struct selector **ret, struct selector **ret_not,
				       struct err *err);

/* Appends "LABEL == 'VALUE'". -EINVAL: no selector can hold this value. */
MUST_CHECK int policy_selector_add_equal(struct buf *out, const char *label, const char *value,
					 struct err *err);
/* Appends "'VALUE'". -EINVAL: as above. */
MUST_CHECK int policy_selector_add_value(struct buf *out, const char *value, struct err *err);
