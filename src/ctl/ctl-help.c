/* SPDX-License-Identifier: Apache-2.0 */

/* Help, all of it from the tables of verbs, flags and kinds. */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

static void print_flags(uint64_t flags, FILE *out)
{
	for (unsigned int i = 0; i < FLAG_COUNT_; i++) {
		const struct ctl_flag_desc *flag = &ctl_flags[i];
		char names[64];

		if (!(flags & CTL_FLAG(i)))
			continue;
		(void)snprintf(names, sizeof(names), "%c%c%c --%s%s%s", flag->letter ? '-' : ' ',
			       flag->letter ? flag->letter : ' ', flag->letter ? ',' : ' ',
			       flag->name, flag->value ? "=" : "", flag->value ? flag->value : "");
		fprintf(out, "  %-32s %s\n", names, flag->doc);
	}
}

void ctl_help(FILE *out)
{
	fputs("Usage: koratctl [FLAGS] COMMAND [ARGUMENTS]\n\n"
	      "Shows and changes the objects of projectcalico.org/v3 in the datastore.\n\n"
	      "Commands:\n",
	      out);
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++)
		fprintf(out, "  %-14s %s\n", verb->name, verb->doc);
	fputs("\nFlags of every command:\n", out);
	print_flags(CTL_FLAG(FLAG_HELP) | CTL_FLAG(FLAG_CONFIG) | CTL_FLAG(FLAG_LOG_LEVEL) |
			    CTL_FLAG(FLAG_CONTEXT) | CTL_FLAG(FLAG_ALLOW_VERSION_MISMATCH),
		    out);
	fputs("\nMore help:\n"
	      "  koratctl help COMMAND   a command, its flags, examples\n"
	      "  koratctl help kinds     the kinds of objects\n"
	      "  koratctl help KIND      the fields of a kind\n"
	      "  koratctl help config    how to say where the datastore is\n",
	      out);
}

void ctl_help_verb(const struct ctl_verb *verb, FILE *out)
{
	fprintf(out, "Usage: koratctl %s%s%s%s\n\n%s.\n", verb->name, verb->flags ? " [FLAGS]" : "",
		*verb->operands ? " " : "", verb->operands, verb->doc);
	if (verb->more)
		fprintf(out, "\n%s\n", verb->more);
	if (verb->flags) {
		fputs("\nFlags:\n", out);
		print_flags(verb->flags, out);
	}
}

void ctl_help_kinds(FILE *out)
{
	fputs("Kinds, and the other names they have (singular, plural, any case):\n", out);
	for (int kind = 1; kind < KIND_COUNT_; kind++) {
		const struct kind_desc *desc = kind_get((enum kind)kind);

		fprintf(out, "  %-30s", desc->name);
		for (size_t i = 0; desc->aliases && desc->aliases[i]; i++)
			fprintf(out, "%s%s", i ? ", " : " ", desc->aliases[i]);
		fputs("\n", out);
	}
	fputs("\nkoratctl help KIND describes its fields.\n", out);
}

int ctl_run_help(struct ctl *ctl, struct err *err)
{
	const struct ctl_args *args = &ctl->args;
	_cleanup_buf_ struct buf text = BUF_INIT;
	const struct ctl_verb *verb;
	const struct kind_desc *desc;
	size_t used;

	if (args->n_operands == 0) {
		ctl_help(stdout);
		return 0;
	}
	if (strcmp(args->operands[0], "kinds") == 0) {
		ctl_help_kinds(stdout);
		return 0;
	}
	if (strcmp(args->operands[0], "config") == 0) {
		ctl_help_config(stdout);
		return 0;
	}
	verb = ctl_verb_find(args->operands, args->n_operands, &used);
	if (verb) {
		ctl_help_verb(verb, stdout);
		return 0;
	}
	desc = kind_find(args->operands[0]);
	if (!desc)
		return err_set(err, -EINVAL,
			       "\"%.64s\" is neither a command nor a kind; see koratctl help and "
			       "koratctl help kinds",
			       args->operands[0]);
	model_write_reference(desc, &text);
	fputs(buf_str(&text), stdout);
	return 0;
}
