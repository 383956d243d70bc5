/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The descriptions of the networking kinds, each in its kind-*.c. Reach them by kind_get(). */

#include "model/model-desc.h"

extern const struct kind_desc kind_node;
extern const struct kind_desc kind_ip_pool;
extern const struct kind_desc kind_ip_reservation;
extern const struct kind_desc kind_bgp_configuration;
extern const struct kind_desc kind_bgp_peer;
extern const struct kind_desc kind_bgp_filter;
extern const struct kind_desc kind_cluster_information;
extern const struct kind_desc kind_workload_endpoint;
extern const struct kind_desc kind_block_affinity;
extern const struct kind_desc kind_ipam_block;
extern const struct kind_desc kind_ipam_handle;
extern const struct kind_desc kind_ipam_configuration;
extern const struct kind_desc kind_calico_node_status;

/* struct bgp_password, which two of them have. */
extern const struct struct_desc bgp_password_desc;
