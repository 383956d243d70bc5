/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which policy it is that the kernel, or a program of iptables, refuses: by the set, by the line of
 * the input, or, where only the table as a whole is refused, by leaving out half of the policies
 * that are written, and half of that half. Such a policy denies until it or its set changes, or
 * everything is read back.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iptables/policy-internal.h"

static bool refuse(struct policy_iptables *self, struct ipt_policy *policy, unsigned int f,
		   enum policy_way way, const struct err *err)
{
	if (!policy_refusal_add(&policy->refusal, policy->rules, f, way, err->msg))
		return false;
	ipt_policy_render(self, policy);
	return true;
}

/* --- By the set --------------------------------------------------------------------------- */

static bool holds(const struct ipt_policy *policy, const char *set)
{
	for (size_t i = 0; i < policy->n_sets; i++)
		if (strcmp(policy->sets[i].s, set) == 0)
			return true;
	return false;
}

bool ipt_refuse_set(struct policy_iptables *self, const struct err *err)
{
	const char *refused = ip_sets_refused(self->sets);
	struct ip_set_name name;
	struct ipt_policy *policy;
	struct ipt_policy *next;
	bool any = false;

	if (!refused)
		return false;
	(void)snprintf(name.s, sizeof(name.s), "%s", refused);
	HASH_ITER(hh, self->policies, policy, next)
	{
		unsigned int f = strncmp(name.s, "cali4", 5) == 0 ? 0 : 1;

		for (unsigned int way = 0; holds(policy, name.s) && way < POLICY_WAYS_; way++)
			any = refuse(self, policy, f, (enum policy_way)way, err) || any;
	}
	/* Of a set that other rules speak of there is nobody to be closed. */
	if (any)
		ip_sets_leave_out(self->sets, name.s);
	return any;
}

/* --- By the line -------------------------------------------------------------------------- */

/* The line that a program names: "line 7 failed", "Error occurred at line: 7". 0: none. */
static unsigned long line_of(const char *words)
{
	static const char mark[] = "line";
	unsigned long line = 0;

	for (const char *s = strstr(words, mark); s && !line; s = strstr(s + 1, mark)) {
		const char *number = s + strlen(mark);

		number += strspn(number, ": ");
		line = strtoul(number, NULL, 10);
	}
	return line;
}

/* Of "-A CHAIN ..." there. */
static struct ipt_name chain_of(const char *text, unsigned long line)
{
	struct ipt_name name = {.s = ""};

	for (; text && line > 1; line--) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	if (text && strncmp(text, "-A ", 3) == 0)
		(void)snprintf(name.s, sizeof(name.s), "%.*s", (int)strcspn(text + 3, " \n"),
			       text + 3);
	return name;
}

bool ipt_refuse_line(struct policy_iptables *self, unsigned int f, struct buf *text,
		     const struct err *err)
{
	unsigned long line = line_of(err->msg);
	struct ipt_name name = {.s = ""};
	struct ipt_policy *policy;
	struct ipt_policy *next;

	if (line)
		name = chain_of(buf_str(text), line);
	if (!name.s[0])
		return false;
	HASH_ITER(hh, self->policies, policy, next)
	for (unsigned int way = 0; way < POLICY_WAYS_; way++)
		if (strcmp(ipt_policy_chain(policy, (enum policy_way)way).s, name.s) == 0)
			return refuse(self, policy, f, (enum policy_way)way, err);
	return false;
}

/* --- By halves ---------------------------------------------------------------------------- */

struct suspect {
	struct ipt_policy *policy;
	enum policy_way way;
};

struct search {
	struct policy_iptables *self;
	unsigned int f;
	struct suspect *v;
	size_t n;
	struct buf *text;
};

static int write_again(struct search *search, struct err *err)
{
	int r;

	err->msg[0] = '\0';
	r = ipt_fill_sets(search->self, err);
	return r == 0 ? ipt_write_once(search->self, search->f, /* fresh= */ true, search->text,
				       err)
		      : r;
}

static void deny(struct search *search, size_t from, size_t to, const struct err *err)
{
	for (size_t i = from; i < to; i++)
		(void)refuse(search->self, search->v[i].policy, search->f, search->v[i].way, err);
}

static void undo(struct search *search, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (policy_refusal_undo_one(&search->v[i].policy->refusal,
					    search->v[i].policy->rules, search->f,
					    search->v[i].way))
			ipt_policy_render(search->self, search->v[i].policy);
}

/* All of them deny, and what there is else is in force; afterwards those alone that have to. */
static int narrow(struct search *search, size_t from, size_t to)
{
	struct err err = ERR_INIT;
	size_t middle = from + (to - from) / 2;
	int r;

	undo(search, from, to);
	r = write_again(search, &err);
	if (r == 0)
		return 0;
	deny(search, from, to, &err);
	if (to - from == 1)
		return write_again(search, &err);
	r = narrow(search, from, middle);
	return r == 0 ? narrow(search, middle, to) : r;
}

/* The policies with a chain in the input. */
static void list_suspects(struct search *search)
{
	const char *text = buf_str(search->text);
	struct ipt_policy *policy;
	struct ipt_policy *next;

	HASH_ITER(hh, search->self->policies, policy, next)
	for (unsigned int way = 0; way < POLICY_WAYS_; way++) {
		_cleanup_free_ char *made =
			xasprintf("\n:%s ", ipt_policy_chain(policy, (enum policy_way)way).s);

		if (!policy->refusal.told[search->f][way].n && strstr(text, made))
			*ARRAY_ADD(search->v, search->n) =
				(struct suspect){policy, (enum policy_way)way};
	}
}

int ipt_refuse_by_halves(struct policy_iptables *self, unsigned int f, struct buf *text,
			 struct err *err)
{
	struct search search = {.self = self, .f = f, .text = text};
	struct err again = ERR_INIT;
	int r = -EIO;

	list_suspects(&search);
	if (search.n) {
		deny(&search, 0, search.n, err);
		r = write_again(&search, &again);
		if (r == 0)
			r = narrow(&search, 0, search.n);
		else
			undo(&search, 0, search.n); /* none of them is to blame */
	}
	free(search.v);
	return r;
}

/* --- Once more ---------------------------------------------------------------------------- */

void ipt_forgive(struct policy_iptables *self, const char *set)
{
	struct ipt_policy *policy;
	struct ipt_policy *next;

	HASH_ITER(hh, self->policies, policy, next)
	{
		if (!policy->refusal.why || (set && !policy_refusal_uses(&policy->refusal, set)))
			continue;
		(void)policy_refusal_undo(&policy->refusal, policy->rules);
		ipt_policy_render(self, policy);
	}
	/* Which of their members came through is not known. */
	self->stale = ip_sets_take_in(self->sets) || self->stale;
}

size_t ipt_problems(const void *ctx, struct policy_problem **ret)
{
	const struct policy_iptables *self = ctx;
	const struct ipt_policy *policy;
	struct policy_problem *problems = NULL;
	size_t n = 0;

	for (policy = self->policies; policy; policy = policy->hh.next)
		if (policy->refusal.why)
			*ARRAY_ADD(problems, n) = (struct policy_problem){
				.key = policy->key, .why = policy->refusal.why};
	*ret = problems;
	return n;
}
