/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The environment of a CNI call. */

#include "cni/cni-request.h"

/*
 * Reads the NUL-terminated strings of 'env' into verb, container, interfaces, namespace, pod and
 * wanted address. 0, or enum cni_error_code.
 */
MUST_CHECK int cni_args_parse(const char *env, size_t env_size, struct cni_request *request,
			      struct err *err);
