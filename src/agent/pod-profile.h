/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The Profile of a network that has no Kubernetes policy: named after it, as Calico makes it. */

#include "cni/cni-request.h"
#include "model/model.h"

/*
 * The endpoints of the network name it as theirs and get its label. Pods may be reached by all,
 * containers without pod by those of the same network. NULL: the network's name can't be a label.
 */
struct object *pod_profile_new(const struct cni_request *request);
