/* SPDX-License-Identifier: Apache-2.0 */

/* Help, all of it from the tables of verbs, flags and kinds. */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

/* "-f, --filename=FILE"; "    --skip-empty" */
struct flag_names {
	char s[64];
};

static struct flag_names flag_names(const struct ctl_flag_desc *flag, const char *no_letter)
{
	struct flag_names names;
	char letter[] = {'-', flag->letter, ',', ' ', '\0'};

	(void)snprintf(names.s, sizeof(names.s), "%s--%s%s%s", flag->letter ? letter : no_letter,
		       flag->name, flag->value ? "=" : "", flag->value ? flag->value : "");
	return names;
}

static void print_flags(uint64_t flags, FILE *out)
{
	for (unsigned int i = 0; i < FLAG_COUNT_; i++)
		if ((flags & CTL_FLAG(i)) && ctl_flags[i].doc)
			fprintf(out, "  %-32s %s\n", flag_names(&ctl_flags[i], "    ").s,
				ctl_flags[i].doc);
}

/* Does a person need to know of any of them? */
static bool has_flags(uint64_t flags)
{
	for (unsigned int i = 0; i < FLAG_COUNT_; i++)
		if ((flags & CTL_FLAG(i)) && ctl_flags[i].doc)
			return true;
	return false;
}

static void print_usage(const struct ctl_verb *verb, FILE *out)
{
	fprintf(out, "koratctl %s%s%s%s\n", verb->name, has_flags(verb->flags) ? " [FLAGS]" : "",
		*verb->operands ? " " : "", verb->operands);
}

/* Each line of a text behind an indent. */
static void print_indented(const char *text, FILE *out)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		fprintf(out, "  %.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

void ctl_help(FILE *out)
{
	fputs("Usage: koratctl [FLAGS] COMMAND [ARGUMENTS]\n\n"
	      "Shows and changes the objects of projectcalico.org/v3 in the datastore.\n\n"
	      "Commands:\n",
	      out);
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++)
		fprintf(out, "  %-15s %s\n", verb->name, verb->doc);
	fputs("\nFlags of every command:\n", out);
	print_flags(CTL_GLOBAL_FLAGS, out);
	fputs("\nMore help:\n"
	      "  koratctl help COMMAND   a command, its flags, examples\n"
	      "  koratctl help kinds     the kinds of objects\n"
	      "  koratctl help KIND      the fields of a kind\n"
	      "  koratctl help config    how to say where the datastore is\n",
	      out);
}

void ctl_help_verb(const struct ctl_verb *verb, FILE *out)
{
	fputs("Usage: ", out);
	print_usage(verb, out);
	fprintf(out, "\n%s.\n", verb->doc);
	if (verb->more)
		fprintf(out, "\n%s\n", verb->more);
	fputs("\nExamples:\n", out);
	print_indented(verb->examples, out);
	if (has_flags(verb->flags)) {
		fputs("\nFlags:\n", out);
		print_flags(verb->flags, out);
	}
	fputs("\nkoratctl help lists the flags of every command.\n", out);
}

/* --- The same as a page of the reference ------------------------------------------------------ */

static void markdown_flags(uint64_t flags, FILE *out)
{
	if (!has_flags(flags))
		return;
	fputs("\n| Flag | What |\n|---|---|\n", out);
	for (unsigned int i = 0; i < FLAG_COUNT_; i++)
		if ((flags & CTL_FLAG(i)) && ctl_flags[i].doc)
			fprintf(out, "| `%s` | %s |\n", flag_names(&ctl_flags[i], "").s,
				ctl_flags[i].doc);
}

static void markdown_verb(const struct ctl_verb *verb, FILE *out)
{
	fprintf(out, "\n## %s\n\n%s.\n\n```\n", verb->name, verb->doc);
	print_usage(verb, out);
	fputs("```\n", out);
	if (verb->more)
		fprintf(out, "\n%s\n", verb->more);
	markdown_flags(verb->flags, out);
	fprintf(out, "\nExamples:\n\n```\n%s\n```\n", verb->examples);
}

void ctl_help_markdown(FILE *out)
{
	fputs("# koratctl\n\nWritten by `./dev docs` from the tables in `src/ctl`.\n\n"
	      "Shows and changes the objects of `projectcalico.org/v3` in the datastore, with the "
	      "commands,\nflags and texts of `calicoctl`; called by that name it is the same "
	      "program. The exit code is 0,\nor 1 when anything was wrong. "
	      "[The kinds and their fields](index.md) have pages of their own.\n\n"
	      "| Command | What |\n|---|---|\n",
	      out);
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		_cleanup_free_ char *anchor = xstrdup(verb->name);

		for (char *c = anchor; *c; c++)
			*c = *c == ' ' ? '-' : *c;
		fprintf(out, "| [%s](#%s) | %s |\n", verb->name, anchor, verb->doc);
	}
	fputs("\n## Flags of every command\n", out);
	markdown_flags(CTL_GLOBAL_FLAGS, out);
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++)
		markdown_verb(verb, out);
	fputs("\n## The datastore\n\n```\n", out);
	ctl_help_config(out);
	fputs("```\n", out);
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

	if (args->set[FLAG_MARKDOWN]) {
		ctl_help_markdown(stdout);
		return 0;
	}
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
