/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether nftables or iptables carries policy on this node, by FelixConfiguration and the kernel.
 */

#include "policy/policy-driver.h"

struct felix_configuration_spec;

enum policy_backend {
	POLICY_BACKEND_NFTABLES,
	POLICY_BACKEND_IPTABLES_LEGACY,
	POLICY_BACKEND_IPTABLES_NFT,
};

/* Asks the kernel where the configuration leaves it open. */
enum policy_backend policy_backend_choose(const struct felix_configuration_spec *spec);
MUST_CHECK int policy_backend_open(enum policy_backend backend, struct policy_driver *ret,
				   struct err *err);
/* What another backend has left, of this agent's or of Calico's, goes: two would both judge. */
MUST_CHECK int policy_backend_clean_others(const struct policy_driver *driver, struct err *err);
