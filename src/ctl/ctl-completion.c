/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Completion for bash and zsh, out of the same tables that parse the command line. zsh takes the
 * script of bash by its own emulation, so there is one generator.
 */

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/ctl-internal.h"

/* First words of all verbs, or the second words of those that begin with 'first'. */
static void print_verbs(const char *first)
{
	const char *last = "";

	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		size_t len = strcspn(verb->name, " ");

		if (!first && (strlen(last) < len || strncmp(last, verb->name, len) != 0))
			printf("%.*s ", (int)len, verb->name);
		if (first && verb->name[len] && strlen(first) == len &&
		    strncmp(first, verb->name, len) == 0)
			printf("%s ", verb->name + len + 1);
		last = verb->name;
	}
}

static void print_kinds(void)
{
	for (int kind = 1; kind < KIND_COUNT_; kind++)
		printf("%s ", kind_get((enum kind)kind)->singular);
}

static void print_flags(uint64_t flags)
{
	for (unsigned int i = 0; i < FLAG_COUNT_; i++)
		if ((flags & CTL_FLAG(i)) && ctl_flags[i].doc)
			printf("--%s ", ctl_flags[i].name);
}

static void print_operands(enum ctl_operands takes)
{
	switch (takes) {
	case OPERANDS_KIND_NAMES:
	case OPERANDS_KIND_NAME:
	case OPERANDS_KIND_NAME_LABEL:
		print_kinds();
		break;
	case OPERANDS_SHELL:
		printf("bash zsh ");
		break;
	case OPERANDS_TOPIC:
		printf("kinds config ");
		print_verbs(NULL);
		print_kinds();
		break;
	case OPERANDS_NONE:
	case OPERANDS_ONE:
		break;
	}
}

/* What may follow a flag that takes one of a few words. */
static void print_flag_values(void)
{
	for (unsigned int i = 0; i < FLAG_COUNT_; i++) {
		const struct ctl_flag_desc *flag = &ctl_flags[i];

		if (!flag->words)
			continue;
		printf("\t--%s", flag->name);
		if (flag->letter)
			printf("|-%c", flag->letter);
		printf(") words='");
		for (size_t k = 0; flag->words[k]; k++)
			printf("%s%s", k ? " " : "", flag->words[k]);
		printf("' ;;\n");
	}
	printf("\t--filename|-f|--socket|--config|-c|--from-report) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
}

static void print_verb_cases(void)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		const char *second = strchr(verb->name, ' ');

		if (second)
			printf("\t'%s') words='", verb->name);
		else
			printf("\t'%s'|'%s '*) words='", verb->name, verb->name);
		print_flags(verb->flags);
		print_operands(verb->takes);
		printf("' ;;\n");
		if (!second)
			continue;
		printf("\t'%.*s') words='", (int)(second - verb->name), verb->name);
		{
			_cleanup_free_ char *first =
				xstrndup(verb->name, (size_t)(second - verb->name));

			print_verbs(first);
		}
		printf("' ;;\n");
	}
}

static void print_bash(void)
{
	printf("_koratctl()\n{\n"
	       "\tlocal cur prev verb words word i\n"
	       "\tcur=${COMP_WORDS[COMP_CWORD]}\n"
	       "\tprev=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tverb=\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tword=${COMP_WORDS[i]}\n"
	       "\t\t[[ $word == -* ]] || verb+=${verb:+ }$word\n"
	       "\tdone\n"
	       "\twords=\n"
	       "\tcase $prev in\n");
	print_flag_values();
	printf("\tesac\n\t[[ $words ]] || case $verb in\n\t'') words='");
	print_verbs(NULL);
	print_flags(CTL_FLAG(FLAG_HELP));
	printf("' ;;\n");
	print_verb_cases();
	printf("\tesac\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
	       "complete -F _koratctl koratctl calicoctl\n");
}

int ctl_run_completion(struct ctl *ctl, struct err *err)
{
	const char *shell = ctl->args.operands[0];

	if (strcmp(shell, "bash") == 0) {
		print_bash();
		return 0;
	}
	if (strcmp(shell, "zsh") == 0) {
		printf("#compdef koratctl calicoctl\n"
		       "autoload -U +X bashcompinit && bashcompinit\n");
		print_bash();
		return 0;
	}
	return err_set(err, -EINVAL, "no completion for \"%.40s\"; there is one for bash and zsh",
		       shell);
}
