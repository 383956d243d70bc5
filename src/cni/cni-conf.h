/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The network configuration of a CNI call: JSON from stdin. */

#include "cni/cni-request.h"

#define CNI_POOLS_MAX 64 /* elements in ipam.ipv4_pools, ipam.ipv6_pools */

/*
 * Reads the configuration into 'request', whose verb is known. 0, or enum cni_error_code with the
 * key named. Sets 'cni_version' first, so that it is there for an error's answer.
 */
MUST_CHECK int cni_conf_parse(const char *conf, size_t conf_size, struct cni_request *request,
			      struct err *err);
