/* SPDX-License-Identifier: Apache-2.0 */

/* The policy table as a driver: the same functions, without their type. */

#include "nft/policy-table.h"

static void close_table(void *self)
{
	(void)policy_table_close(self);
}

static void update(void *self, const struct policy_update *update)
{
	policy_table_update(self, update);
}

static void configure(void *self, const struct policy_config *config)
{
	policy_table_configure(self, config);
}

static void nat(void *self, const struct nat_config *config)
{
	policy_table_nat(self, config);
}

static int offload(void *self, const char *const *devices, size_t n, size_t *ret, struct err *err)
{
	return policy_table_offload(self, devices, n, ret, err);
}

static int apply(void *self, struct err *err)
{
	return policy_table_apply(self, err);
}

static bool changed(const void *self)
{
	return policy_table_changed(self);
}

static size_t problems(const void *self, struct policy_problem **ret)
{
	return policy_table_problems(self, ret);
}

static void invalidate(void *self)
{
	policy_table_invalidate(self);
}

static size_t take_gone(void *self, struct ip_addr **ret)
{
	return policy_table_take_gone(self, ret);
}

static bool take_cut(void *self)
{
	return policy_table_take_cut(self);
}

static void judge(const void *self, const struct packet *packets, size_t n, bool *denied)
{
	policy_table_judge(self, packets, n, denied);
}

static void judge_staged(const void *self, struct judge_staged *asked, size_t n,
			 bool (*has)(const void *ctx, const char *key), const void *ctx)
{
	policy_table_judge_staged(self, asked, n, has, ctx);
}

static int fd(const void *self)
{
	return policy_table_fd(self);
}

static bool check(void *self)
{
	return policy_table_check(self);
}

static const struct policy_driver_ops ops = {
	.name = "nftables",
	.close = close_table,
	.update = update,
	.configure = configure,
	.nat = nat,
	.offload = offload,
	.apply = apply,
	.changed = changed,
	.problems = problems,
	.invalidate = invalidate,
	.take_gone = take_gone,
	.take_cut = take_cut,
	.judge = judge,
	.judge_staged = judge_staged,
	.fd = fd,
	.check = check,
};

struct policy_driver policy_table_driver(struct policy_table *table)
{
	return (struct policy_driver){.ops = &ops, .self = table};
}
