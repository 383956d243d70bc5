/* SPDX-License-Identifier: Apache-2.0 */

/* What iptables-save prints, read against a table that wants a chain and a hook. */

#include <stdlib.h>

#include "base/alloc.h"
#include "iptables/chain-table.h"

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chain_table *table = chain_table_new("filter");
	_cleanup_free_ char *text =
		xstrndup((const char *)data, size < INPUT_MAX ? size : INPUT_MAX);
	struct ipt_rules rules = {.v = NULL};
	struct ipt_rules head = {.v = NULL};
	struct ipt_rules tail = {.v = NULL};
	_cleanup_buf_ struct buf out = BUF_INIT;

	ipt_rules_add(&rules, "-j DROP");
	ipt_rules_add(&head, "-j cali-INPUT");
	chain_table_want(table, "cali-INPUT", &rules);
	chain_table_hook(table, "INPUT", &head, &tail);
	chain_tables_read(&table, 1, text);
	(void)chain_table_write(table, false, &out);
	chain_table_committed(table);
	buf_reset(&out);
	/* What was written is what is wanted. */
	if (chain_table_write(table, false, &out))
		abort();
	(void)chain_table_free(table);
	return 0;
}
