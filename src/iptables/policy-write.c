/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is wanted of a family into the kernel. What is refused is tried once more, from what is
 * there now: others write there too. If it is refused again, a policy is to blame
 * (policy-refusal.c), or the kernel keeps what it has.
 */

#include <errno.h>

#include "iptables/policy-internal.h"

#define LOG_MODULE "iptables"
#include "base/log.h"

#define REFUSALS_A_TURN 8

/* A table of which nothing was told is left as it is. */
static bool is_told(const struct policy_iptables *self, unsigned int t)
{
	return t == IPT_NAT ? self->nat.told : self->enforces;
}

int ipt_read_family(struct policy_iptables *self, unsigned int f, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r = iptables_save(self->backend, family_of(f), &text, err);

	if (r < 0)
		return r;
	for (unsigned int t = 0; t < IPT_TABLES_; t++)
		chain_table_forget(self->tables[f][t]);
	chain_tables_read(self->tables[f], IPT_TABLES_, buf_str(&text));
	if (self->enforces && chain_table_is_open(self->tables[f][IPT_FILTER], "FORWARD"))
		self->reopened = true;
	return 0;
}

int ipt_write_once(struct policy_iptables *self, unsigned int f, bool fresh, struct buf *text,
		   struct err *err)
{
	bool differ = fresh || self->stale;
	bool any = false;
	int r = 0;

	buf_reset(text);
	for (unsigned int t = 0; t < IPT_TABLES_; t++)
		differ = differ ||
			 (is_told(self, t) && chain_table_hooks_differ(self->tables[f][t]));
	if (differ)
		r = ipt_read_family(self, f, err);
	if (r < 0)
		return r;
	for (unsigned int t = 0; t < IPT_TABLES_; t++)
		if (is_told(self, t))
			any = chain_table_write(self->tables[f][t], self->keep, text) || any;
	if (any)
		r = iptables_restore(self->backend, family_of(f), text, err);
	for (unsigned int t = 0; r == 0 && t < IPT_TABLES_; t++)
		if (is_told(self, t))
			chain_table_committed(self->tables[f][t]);
	self->changed = self->changed || any;
	return r;
}

/* A chain of ours that somebody else's rule leads to can't go: it stays, empty. */
static int write_keeping(struct policy_iptables *self, unsigned int f, struct buf *text,
			 struct err *err)
{
	struct err again = ERR_INIT;
	int r;

	self->keep = true;
	r = ipt_write_once(self, f, /* fresh= */ true, text, &again);
	self->keep = false;
	if (r == 0)
		log_warning_limited("a chain of before can't go", "error", err->msg);
	return r;
}

static int write_family(struct policy_iptables *self, unsigned int f, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r = ipt_write_once(self, f, /* fresh= */ false, &text, err);

	for (size_t i = 0; r == -EIO && i <= REFUSALS_A_TURN; i++) {
		if (i && !ipt_refuse_line(self, f, &text, err))
			break;
		err->msg[0] = '\0';
		r = ipt_write_once(self, f, /* fresh= */ true, &text, err);
	}
	if (r == -EIO)
		r = ipt_refuse_by_halves(self, f, &text, err);
	if (r == -EIO)
		r = write_keeping(self, f, &text, err);
	return r;
}

int ipt_write_families(struct policy_iptables *self, struct err *err)
{
	int failed = 0;

	for (unsigned int f = 0; f < FAMILIES; f++) {
		struct err reason = ERR_INIT;
		int r = self->has_family[f] ? write_family(self, f, &reason) : 0;

		/* One family's failure does not keep the other from its rules. */
		if (r < 0 && failed == 0)
			failed = err_set(err, r, "IPv%u: %s", ip_version(family_of(f)), reason.msg);
	}
	return failed;
}

int ipt_fill_sets(struct policy_iptables *self, struct err *err)
{
	int r;

	do {
		err->msg[0] = '\0';
		r = ip_sets_fill(self->sets, self->nl, &self->changed, err);
	} while (r < 0 && ipt_refuse_set(self, err));
	return r;
}
