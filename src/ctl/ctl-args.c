/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The command line by its tables (ctl-verbs.c). Flags may stand before, between and behind
 * operands, as --name value, --name=value, -n value, -nvalue; "--" ends them. Before the verb only
 * the flags of all verbs are known, so that -l means the log level there and the selector behind
 * "get".
 */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "ctl/ctl-args.h"
#include "model/model-desc.h"

#define SHORT_WORD   4 /* characters; in such a word one slip is all that is forgiven */
#define NAME_MAX_LEN 64
#define VERB_WORDS   2

void ctl_args_deinit(struct ctl_args *args)
{
	free(args->operands);
	free(args->repeated);
	*args = (struct ctl_args){.verb = NULL};
}

/* --- What was meant --------------------------------------------------------------------------- */

static bool same_letter(char a, char b)
{
	return strncasecmp(&a, &b, 1) == 0;
}

/*
 * How many letters of texts up to NAME_MAX_LEN are wrong, missing, too many, or changed places with
 * their neighbour; case does not count.
 */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][NAME_MAX_LEN + 1]; /* of the table, the last three, in turn */
	size_t n = strlen(b);
	size_t m = strlen(a);

	if (m > NAME_MAX_LEN || n > NAME_MAX_LEN)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= m; i++) {
		const size_t *above = rows[(i - 1) % 3];
		size_t *row = rows[i % 3];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			bool same = same_letter(a[i - 1], b[j - 1]);

			row[j] = MIN(above[j], row[j - 1]) + 1;
			row[j] = MIN(row[j], above[j - 1] + (same ? 0 : 1));
			if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
			    same_letter(a[i - 2], b[j - 1]))
				row[j] = MIN(row[j], rows[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows[m % 3][n];
}

const char *ctl_nearest(const char *word, const char *const *candidates)
{
	const char *nearest = NULL;
	size_t best = strlen(word) <= SHORT_WORD ? 2 : 3; /* one more than is near */

	for (; *candidates; candidates++) {
		size_t d = distance(word, *candidates);

		if (d < best) {
			best = d;
			nearest = *candidates;
		}
	}
	return nearest;
}

int ctl_kind(const char *name, const struct kind_desc **ret, struct err *err)
{
	_cleanup_free_ const char **names = NULL;
	size_t n = 0;
	const char *nearest;

	*ret = kind_find(name);
	if (*ret)
		return 0;
	for (int kind = 1; kind < KIND_COUNT_; kind++) {
		const struct kind_desc *desc = kind_get((enum kind)kind);

		*ARRAY_ADD(names, n) = desc->singular;
		*ARRAY_ADD(names, n) = desc->plural;
		for (size_t i = 0; desc->aliases && desc->aliases[i]; i++)
			*ARRAY_ADD(names, n) = desc->aliases[i];
	}
	*ARRAY_ADD(names, n) = NULL;
	nearest = ctl_nearest(name, names);
	if (nearest)
		return err_set(
			err, -EINVAL,
			"no such kind \"%.64s\"; did you mean \"%s\"? See koratctl help kinds",
			name, nearest);
	return err_set(err, -EINVAL, "no such kind \"%.64s\"; see koratctl help kinds", name);
}

/* --- Parsing ---------------------------------------------------------------------------------- */

const struct ctl_verb *ctl_verb_find(const char *const *words, size_t n, size_t *ret_used)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		const char *second = strchr(verb->name, ' ');
		size_t len = second ? (size_t)(second - verb->name) : strlen(verb->name);

		if (n < 1 || strlen(words[0]) != len || strncmp(words[0], verb->name, len) != 0)
			continue;
		if (second && (n < VERB_WORDS || strcmp(words[1], second + 1) != 0))
			continue;
		*ret_used = second ? VERB_WORDS : 1;
		return verb;
	}
	return NULL;
}

static int unknown_verb(const char *const *words, size_t n, struct err *err)
{
	_cleanup_free_ const char **names = NULL;
	_cleanup_free_ char *word = NULL;
	const char *nearest;
	size_t n_names = 0;

	word = n > 1 ? xasprintf("%.40s %.40s", words[0], words[1]) : xasprintf("%.40s", words[0]);
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		size_t len = strlen(words[0]);

		if (strncmp(verb->name, words[0], len) == 0 && verb->name[len] == ' ')
			return err_set(err, -EINVAL,
				       "\"%s\" is no command; commands of \"%.40s\" are in "
				       "koratctl help",
				       word, words[0]);
		*ARRAY_ADD(names, n_names) = verb->name;
	}
	*ARRAY_ADD(names, n_names) = NULL;
	nearest = ctl_nearest(words[0], names);
	return err_set(err, -EINVAL, "no such command \"%.40s\"%s%s%s; see koratctl help", words[0],
		       nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		       nearest ? "\"?" : "");
}

static int flag_unknown(const struct ctl_args *args, const char *word, struct err *err)
{
	return err_set(err, -EINVAL, "no such flag %.64s; see koratctl help%s%s", word,
		       args->verb ? " " : "", args->verb ? args->verb->name : "");
}

/* The flag of a name or a letter among those allowed; FLAG_COUNT_: none. */
static enum ctl_flag flag_find(uint64_t allowed, const char *name, size_t len, char letter)
{
	for (unsigned int i = 0; i < FLAG_COUNT_; i++) {
		const struct ctl_flag_desc *flag = &ctl_flags[i];

		if (!(allowed & CTL_FLAG(i)))
			continue;
		if (name ? strlen(flag->name) == len && strncmp(flag->name, name, len) == 0
			 : flag->letter == letter)
			return (enum ctl_flag)i;
	}
	return FLAG_COUNT_;
}

static int flag_set(struct ctl_args *args, enum ctl_flag flag, const char *value, struct err *err)
{
	if (ctl_flags[flag].repeats) {
		if (args->n_repeated >= CTL_OPERANDS_MAX)
			return err_set(err, -EINVAL, "more than %d times --%s", CTL_OPERANDS_MAX,
				       ctl_flags[flag].name);
		*ARRAY_ADD(args->repeated, args->n_repeated) = value;
	} else if (args->set[flag])
		return err_set(err, -EINVAL, "--%s is given twice", ctl_flags[flag].name);
	args->set[flag] = true;
	args->values[flag] = value;
	return 0;
}

/* The flag at argv[*i]; moves on over its value. */
static int flag_parse(int argc, char **argv, int *i, struct ctl_args *args, struct err *err)
{
	uint64_t allowed = CTL_GLOBAL_FLAGS | (args->verb ? args->verb->flags : 0);
	const char *word = argv[*i];
	const char *value = NULL;
	enum ctl_flag flag;

	if (word[1] == '-') {
		const char *equals = strchr(word, '=');
		size_t len = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;

		flag = flag_find(allowed, word + 2, len, 0);
		value = equals ? equals + 1 : NULL;
	} else {
		/* A verb's own letter is stronger than the same one of all verbs. */
		flag = args->verb ? flag_find(args->verb->flags, NULL, 0, word[1]) : FLAG_COUNT_;
		if (flag == FLAG_COUNT_)
			flag = flag_find(CTL_GLOBAL_FLAGS, NULL, 0, word[1]);
		value = word[2] == '=' ? word + 3 : word[2] ? word + 2 : NULL;
	}
	if (flag == FLAG_COUNT_)
		return flag_unknown(args, word, err);
	if (!ctl_flags[flag].value) {
		if (value)
			return err_set(err, -EINVAL, "--%s takes no value", ctl_flags[flag].name);
		return flag_set(args, flag, NULL, err);
	}
	if (!value) {
		if (*i + 1 >= argc)
			return err_set(err, -EINVAL, "--%s needs a value: %s", ctl_flags[flag].name,
				       ctl_flags[flag].value);
		value = argv[++*i];
	}
	return flag_set(args, flag, value, err);
}

static int operand_add(struct ctl_args *args, const char *word, struct err *err)
{
	if (args->n_operands >= CTL_OPERANDS_MAX)
		return err_set(err, -EINVAL, "more than %d operands", CTL_OPERANDS_MAX);
	*ARRAY_ADD(args->operands, args->n_operands) = word;
	return 0;
}

static int operands_check(const struct ctl_args *args, struct err *err)
{
	size_t min = 0, max = 0;

	switch (args->verb->takes) {
	case OPERANDS_NONE:
		break;
	case OPERANDS_KIND_NAMES:
		max = CTL_OPERANDS_MAX;
		break;
	case OPERANDS_KIND_NAME:
		min = max = 2;
		break;
	case OPERANDS_KIND_NAME_LABEL:
		min = max = 3;
		break;
	case OPERANDS_SHELL:
	case OPERANDS_ONE:
		min = max = 1;
		break;
	case OPERANDS_CONNECTION:
		min = 1;
		max = 2;
		break;
	case OPERANDS_TOPIC:
		max = 2;
		break;
	}
	if (args->n_operands >= min && args->n_operands <= max)
		return 0;
	return err_set(err, -EINVAL, "usage: koratctl %s%s%s; see koratctl help %s",
		       args->verb->name, *args->verb->operands ? " " : "", args->verb->operands,
		       args->verb->name);
}

int ctl_args_parse(int argc, char **argv, struct ctl_args *ret, struct err *err)
{
	_cleanup_(ctl_args_deinitp) struct ctl_args args = {.verb = NULL};
	bool flags = true;
	int r;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		size_t used;

		if (flags && strcmp(word, "--") == 0) {
			flags = false;
			continue;
		}
		if (flags && word[0] == '-' && word[1]) {
			r = flag_parse(argc, argv, &i, &args, err);
			if (r < 0)
				return r;
			continue;
		}
		if (args.verb) {
			r = operand_add(&args, word, err);
			if (r < 0)
				return r;
			continue;
		}
		args.verb = ctl_verb_find((const char *const *)&argv[i], (size_t)(argc - i), &used);
		if (!args.verb)
			return unknown_verb((const char *const *)&argv[i], (size_t)(argc - i), err);
		i += (int)used - 1;
	}
	if (args.verb && !args.set[FLAG_HELP]) {
		r = operands_check(&args, err);
		if (r < 0)
			return r;
	}
	*ret = args;
	args = (struct ctl_args){.verb = NULL};
	return 0;
}

int ctl_args_check_kind(const struct ctl_args *args, struct err *err)
{
	enum ctl_operands takes = args->verb->takes;
	const struct kind_desc *desc;

	if (takes != OPERANDS_KIND_NAMES && takes != OPERANDS_KIND_NAME &&
	    takes != OPERANDS_KIND_NAME_LABEL)
		return 0;
	if (takes == OPERANDS_KIND_NAMES && args->set[FLAG_FILENAME] == (args->n_operands > 0))
		return err_set(err, -EINVAL,
			       "give either -f FILE or KIND NAME; see koratctl help %s",
			       args->verb->name);
	return args->n_operands ? ctl_kind(args->operands[0], &desc, err) : 0;
}
