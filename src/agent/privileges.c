/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Capabilities, by the kernel's own calls. Files and sockets of root stay root's: without
 * CAP_DAC_OVERRIDE root is a user as any other.
 */

#include "agent/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macros.h"

#define BIT(cap) (UINT64_C(1) << (cap))

/* Routes, links, addresses, neighbours, nftables, conntrack, sysctls of the network. */
#define FOR_THE_NETWORK BIT(CAP_NET_ADMIN)
/* setns() into a pod's network namespace. */
#define FOR_PODS BIT(CAP_SYS_ADMIN)
/* BGP's port 179; raw sockets, and SO_BINDTODEVICE of peers on one link. */
#define FOR_BGP (BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_NET_RAW))

static const uint64_t kept[] = {
	[PRIVILEGES_AGENT] = FOR_THE_NETWORK | FOR_PODS | FOR_BGP,
	[PRIVILEGES_BIRD] = FOR_THE_NETWORK | FOR_BGP,
};

/* What a program could gain by being root's. Needs CAP_SETPCAP; without it there is nothing to gain
 * either, by no_new_privs. */
static void drop_bounding(uint64_t keep)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (!(keep & BIT(cap)) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
}

int privileges_keep(enum privileges which, struct err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
	uint64_t keep = kept[which];

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, -errno, "no_new_privs");
	drop_bounding(keep);
	if (syscall(SYS_capget, &head, data) < 0)
		return err_errno(err, -errno, "can't read the own capabilities");
	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++) {
		uint32_t part = (uint32_t)(keep >> (32 * i));

		data[i].permitted &= part;
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, data) < 0)
		return err_errno(err, -errno, "can't give up capabilities");
	return 0;
}
