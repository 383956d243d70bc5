/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * DNAT of the services of policy-case.h, as another program (kube-proxy) has it in its own table.
 */

struct err;
struct nl;

/* In the network namespace of 'netfilter', for what is forwarded and what the node itself sends. */
int case_translate_services(struct nl *netfilter, struct err *err);
