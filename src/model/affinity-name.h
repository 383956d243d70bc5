/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The name of a BlockAffinity. It must equal Calico's: another name is a second owner of a block.
 */

struct cidr;

#define AFFINITY_NAME_MAX                                                                          \
	252u /* bytes: of a Kubernetes object, one short of its limit as in Calico */

/* "<owner>-<block's name>"; a long owner is cut and hashed. Heap string. */
char *affinity_name(const char *owner, const struct cidr *cidr);
