/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nftablesMode Auto is nftables where the kernel has it. iptablesBackend Auto is the legacy one
 * where it has tables already, or the kernel has no nftables.
 */

#include "agent/policy-backend.h"

#include <linux/netlink.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "iptables/policy-iptables.h"
#include "model/felix-configuration.h"
#include "nft/kernel-probe.h"
#include "nft/policy-table.h"
#include "nft/table-remove.h"

#define LOG_MODULE "policy"
#include "base/log.h"

#define TABLE_NAMES_MAX 4096

static bool kernel_has_nftables(void)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;

	return nl_open(NETLINK_NETFILTER, -1, &nl, NULL) == 0 && nft_kernel_has(nl, AF_INET);
}

static bool legacy_has_tables(void)
{
	_cleanup_buf_ struct buf names = BUF_INIT;

	return file_read("/proc/net/ip_tables_names", TABLE_NAMES_MAX, &names, NULL) == 0 &&
	       names.size > 0;
}

static enum policy_backend choose_iptables(const char *choice, bool nftables)
{
	if (strcmp(choice, "Legacy") == 0)
		return POLICY_BACKEND_IPTABLES_LEGACY;
	if (strcmp(choice, "NFT") == 0)
		return POLICY_BACKEND_IPTABLES_NFT;
	return nftables && iptables_installed(IPTABLES_NFT, AF_INET) && !legacy_has_tables()
		       ? POLICY_BACKEND_IPTABLES_NFT
		       : POLICY_BACKEND_IPTABLES_LEGACY;
}

enum policy_backend policy_backend_choose(const struct felix_configuration_spec *spec)
{
	bool nftables = kernel_has_nftables();
	enum policy_backend backend;

	if (strcmp(spec->nftables_mode, "Enabled") == 0 ||
	    (strcmp(spec->nftables_mode, "Auto") == 0 && nftables))
		return POLICY_BACKEND_NFTABLES;
	backend = choose_iptables(spec->iptables_backend, nftables);
	log_info("policy by iptables", "programs",
		 backend == POLICY_BACKEND_IPTABLES_LEGACY ? "legacy" : "nft", "reason",
		 nftables ? "nftablesMode" : "the kernel has no nftables");
	return backend;
}

int policy_backend_open(enum policy_backend backend, struct policy_driver *ret, struct err *err)
{
	struct policy_table *table;
	int r = 0;

	switch (backend) {
	case POLICY_BACKEND_NFTABLES:
		r = policy_table_open(-1, &table, err);
		if (r == 0)
			*ret = policy_table_driver(table);
		break;
	case POLICY_BACKEND_IPTABLES_LEGACY:
		r = policy_iptables_open(IPTABLES_LEGACY, ret, err);
		break;
	case POLICY_BACKEND_IPTABLES_NFT:
		r = policy_iptables_open(IPTABLES_NFT, ret, err);
		break;
	}
	return r;
}

static int clean_nftables(uint8_t family, struct err *err)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	bool there = false;
	int r = nl_open(NETLINK_NETFILTER, -1, &nl, err);

	if (r < 0 || !nft_kernel_has(nl, family))
		return r;
	r = nft_table_find(nl, family, &there, err);
	if (r < 0 || !there)
		return r;
	log_info("removing the nftables table of before", "family",
		 family == AF_INET ? "ip" : "ip6");
	return nft_table_remove(nl, family, err);
}

static int clean_iptables(struct err *err)
{
	bool found = false;
	int r = policy_iptables_has_sets(&found, err);

	if (r < 0 || !found)
		return r;
	log_info("removing the iptables rules of before");
	return policy_iptables_remove(&found, err);
}

int policy_backend_clean_others(const struct policy_driver *driver, struct err *err)
{
	int r;

	if (!driver->ops->is_iptables)
		return clean_iptables(err);
	r = policy_iptables_remove_other(driver, kernel_has_nftables(), err);
	if (r == 0)
		r = clean_nftables(AF_INET, err);
	if (r == 0)
		r = clean_nftables(AF_INET6, err);
	return r;
}
