/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Completion for bash and zsh, out of the same tables that parse the command line. zsh takes the
 * script of bash by its own emulation, so there is one generator. The script splits the words into
 * command, operands and flags with their values by itself; only names of objects are asked for.
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

/* What the script needs to know of one command: its flags, and what the next of $n operands is. */
static void print_verb(const struct ctl_verb *verb)
{
	printf("\t'%s')\n\t\tflags='", verb->name);
	print_flags(verb->flags | CTL_GLOBAL_FLAGS);
	printf("'\n");
	switch (verb->takes) {
	case OPERANDS_KIND_NAMES:
		printf("\t\t((n)) && _koratctl_names || words=$kinds\n");
		break;
	case OPERANDS_KIND_NAME:
	case OPERANDS_KIND_NAME_LABEL:
		printf("\t\tcase $n in 0) words=$kinds ;; 1) _koratctl_names ;; esac\n");
		break;
	case OPERANDS_SHELL:
		printf("\t\t((n)) || words='bash zsh'\n");
		break;
	case OPERANDS_TOPIC:
		printf("\t\t((n)) || words=\"kinds config $verbs $kinds\"\n");
		break;
	case OPERANDS_NONE:
		printf("\t\twords=$flags\n");
		break;
	case OPERANDS_ONE:
	case OPERANDS_CONNECTION:
		break;
	}
	printf("\t\t;;\n");
}

/* 'ipam' and the like: $flags and $words of what is no command yet. */
static void print_group(const struct ctl_verb *verb)
{
	size_t len = strcspn(verb->name, " ");
	_cleanup_free_ char *first = xstrndup(verb->name, len);

	/* Once for each group, of which the verbs stand together. */
	if (!verb->name[len] || (verb != ctl_verbs && strncmp(verb[-1].name, first, len) == 0 &&
				 verb[-1].name[len] == ' '))
		return;
	printf("\t%s) words='", first);
	print_verbs(first);
	printf("' ;;\n");
}

/* What may follow a flag: some words, a file, or what only a person knows. */
static void print_flag_value(const char *verb, const struct ctl_flag_desc *flag)
{
	bool file;

	if (!flag->value)
		return;
	printf("\t%s:--%s", verb, flag->name);
	if (flag->letter)
		printf("|%s:-%c", verb, flag->letter);
	if (flag->words) {
		printf(") words='");
		for (size_t i = 0; flag->words[i]; i++)
			printf("%s%s", i ? " " : "", flag->words[i]);
		printf("' ;;\n");
		return;
	}
	file = strcmp(flag->value, "FILE") == 0 || strcmp(flag->value, "PATH") == 0;
	printf(") %sreturn 0 ;;\n", file ? "_koratctl_files; " : "");
}

static void print_flag_values(const char *verb, uint64_t flags)
{
	for (unsigned int i = 0; i < FLAG_COUNT_; i++)
		if (flags & CTL_FLAG(i))
			print_flag_value(verb, &ctl_flags[i]);
}

/* "--output|-o|..." of all flags with a value: the word behind one is no operand. */
static void print_valued(void)
{
	const char *before = "";

	for (unsigned int i = 0; i < FLAG_COUNT_; i++) {
		if (!ctl_flags[i].value)
			continue;
		printf("%s--%s", before, ctl_flags[i].name);
		before = "|";
		if (ctl_flags[i].letter)
			printf("|-%c", ctl_flags[i].letter);
	}
}

/* Helpers, and words before the cursor taken apart: $verb, $operands, $pass. */
static void print_begin(void)
{
	printf("_koratctl_files()\n{\n"
	       "\tlocal IFS=$'\\n'\n"
	       "\tcompopt -o filenames 2>/dev/null\n"
	       "\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n}\n\n"
	       "# Names of objects of the kind that is there; none where the datastore is away.\n"
	       "_koratctl_names()\n{\n"
	       "\twords=$(\"${COMP_WORDS[0]}\" get \"${operands[0]}\" -o name \"${pass[@]}\" "
	       "2>/dev/null |\n\t\tsed 's|.*/||')\n}\n\n"
	       "_koratctl()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tlocal verb='' words='' flags='' word='' next='' i n\n"
	       "\tlocal -a operands pass\n"
	       "\toperands=() pass=()\n"
	       "\tlocal verbs='");
	print_verbs(NULL);
	printf("'\n\tlocal kinds='");
	print_kinds();
	printf("'\n"
	       "\t# bash has cut --flag=value into three words.\n"
	       "\t[[ $cur == '=' ]] && cur=\n"
	       "\t[[ $prev == '=' ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tword=${COMP_WORDS[i]}\n"
	       "\t\t[[ $word == '=' ]] && continue\n"
	       "\t\tif [[ $next ]]; then\n"
	       "\t\t\tcase $next in -n|--namespace|-c|--config) pass+=(\"$next\" \"$word\") ;; "
	       "esac\n"
	       "\t\t\tnext=\n"
	       "\t\t\tcontinue\n"
	       "\t\tfi\n"
	       "\t\tcase $word in\n\t\t");
	print_valued();
	printf(") next=$word ;;\n"
	       "\t\t-*) ;;\n"
	       "\t\t*) if [[ $verb ]]; then operands+=(\"$word\"); else verb=$word; fi ;;\n"
	       "\t\tesac\n"
	       "\tdone\n");
}

static void print_script(void)
{
	print_begin();
	/* "ipam" alone is no command: its second word belongs to it. */
	printf("\tcase $verb in\n");
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++)
		print_group(verb);
	printf("\tesac\n"
	       "\tif [[ $words && ${#operands[@]} -gt 0 ]]; then\n"
	       "\t\tverb=\"$verb ${operands[0]}\" words=\n"
	       "\t\toperands=(\"${operands[@]:1}\")\n"
	       "\tfi\n"
	       "\tn=${#operands[@]}\n"
	       "\tcase $verb:$prev in\n");
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		_cleanup_free_ char *quoted = xasprintf("'%s'", verb->name);

		print_flag_values(quoted, verb->flags);
	}
	print_flag_values("*", CTL_GLOBAL_FLAGS);
	printf("\tesac\n"
	       "\t[[ $words ]] || case $verb in\n"
	       "\t'') words=$verbs flags='");
	print_flags(CTL_GLOBAL_FLAGS);
	printf("' ;;\n");
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++)
		print_verb(verb);
	printf("\tesac\n"
	       "\t[[ $cur == -* ]] && words=$flags\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "\t[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null\n"
	       "\treturn 0\n}\n");
}

int ctl_run_completion(struct ctl *ctl, struct err *err)
{
	const char *shell = ctl->args.operands[0];

	if (strcmp(shell, "bash") == 0) {
		print_script();
		printf("complete -F _koratctl koratctl calicoctl\n");
		return 0;
	}
	if (strcmp(shell, "zsh") == 0) {
		printf("#compdef koratctl calicoctl\n"
		       "autoload -U +X bashcompinit && bashcompinit\n");
		print_script();
		/* As a file in fpath, the first completion only reads it: answer that one, too. */
		printf("complete -F _koratctl koratctl calicoctl\n"
		       "[[ ${funcstack[1]} == _koratctl ]] && _bash_complete -F _koratctl\n");
		return 0;
	}
	return err_set(err, -EINVAL, "no completion for \"%.40s\"; there is one for bash and zsh",
		       shell);
}
