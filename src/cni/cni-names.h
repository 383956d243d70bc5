/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a name in a CNI call may look like, before it becomes a key, a file or an interface. */

#include <stdbool.h>

#define CNI_NAME_MAX   253 /* network, container, pod */
#define CNI_LABEL_MAX  63
#define CNI_PREFIX_MAX 4 /* of host interfaces: with 11 more characters it is a full IFNAMSIZ */

/* Letter or digit, then those and "_.-": a network or a container, as the CNI specification. */
bool cni_name_valid(const char *name);
/* A Linux interface: 1 to 15 characters, no '/', ':', spaces or control characters, not "..". */
bool cni_ifname_valid(const char *name);
/* Kubernetes: a DNS subdomain (pod), a label (namespace). */
bool cni_subdomain_valid(const char *name);
bool cni_label_valid(const char *name);
bool cni_uid_valid(const char *name);
bool cni_prefix_valid(const char *name);
/* A label: optional DNS prefix and '/', then at most 63; a value may be empty. */
bool cni_label_key_valid(const char *name);
bool cni_label_value_valid(const char *name);
/* Part of an endpoint's name: '-' parts its segments, so none may begin or end with one. */
bool cni_segment_valid(const char *name);
