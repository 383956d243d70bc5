/* SPDX-License-Identifier: Apache-2.0 */

/* A connection that a person asks about: the words, and whom they name. */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-policy.h"

void ctl_question_deinit(struct ctl_question *question)
{
	free(question->from);
	free(question->to);
	free(question->port);
}

static char *trimmed(const char *text, size_t len)
{
	while (len && *text == ' ') {
		text++;
		len--;
	}
	while (len && text[len - 1] == ' ')
		len--;
	return xstrndup(text, len);
}

/* In an IPv6 address there are colons, but no letter behind the last that begins a name. */
static const char *find_colon(const char *text)
{
	const char *address = text + (strncmp(text, "ip/", 3) == 0 ? 3 : 0);
	const char *bracket = *address == '[' ? strchr(address, ']') : NULL;

	if (bracket)
		return bracket[1] == ':' ? bracket + 1 : NULL;
	return ip_parse(address, &(struct ip_addr){0}, NULL) == 0 ? NULL : strrchr(text, ':');
}

int ctl_question_parse(const struct ctl_args *args, bool needs_port, struct ctl_question *ret,
		       struct err *err)
{
	const char *first = args->operands[0];
	const char *arrow = strstr(first, "->");
	const char *second = args->n_operands > 1 ? args->operands[1]
			     : arrow		  ? arrow + 2 + strspn(arrow + 2, " ")
						  : NULL;
	const char *colon = second ? find_colon(second) : NULL;

	if (!second || (args->n_operands > 1 && arrow))
		return err_set(err, -EINVAL,
			       "expected 'FROM -> TO:PROTOCOL/PORT' in quotes, or FROM and "
			       "TO:PROTOCOL/PORT; see koratctl help %s",
			       args->verb->name);
	if (needs_port && !colon)
		return err_set(err, -EINVAL,
			       "%.300s: what is spoken is missing, as in %.300s:tcp/443", second,
			       second);
	ret->from = trimmed(first, args->n_operands > 1 ? strlen(first) : (size_t)(arrow - first));
	ret->to = trimmed(second, colon ? (size_t)(colon - second) : strlen(second));
	ret->port = colon ? trimmed(colon + 1, strlen(colon + 1)) : NULL;
	return 0;
}

int ctl_question_ends(struct policy_world *world, const struct ctl_question *question,
		      struct connection_end *from, struct connection_end *to, struct err *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct connection_end any;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (connection_end_find(world, question->from, families[i], from, NULL) == 0 &&
		    connection_end_find(world, question->to, families[i], to, NULL) == 0)
			return 0;
	r = connection_end_find(world, question->from, 0, &any, err);
	if (r == 0)
		r = connection_end_find(world, question->to, 0, &any, err);
	return r < 0 ? r
		     : err_set(err, -EINVAL, "%s and %s have no IP version in common",
			       question->from, question->to);
}
