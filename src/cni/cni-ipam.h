/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Address management by a plugin that is not ours: what the configuration says of it. */

#include <jansson.h>

#include "cni/cni-request.h"

#define CNI_ROUTES_MAX 64 /* elements of ipam.routes */

/*
 * 'ipam' is the section of that name, its keys checked for their types, or NULL; 'request' has its
 * ipam_type. Says whether the request delegates, and what routes the pod then gets. 0, or enum
 * cni_error_code.
 */
MUST_CHECK int cni_ipam_read(const json_t *ipam, struct cni_request *request, struct err *err);
