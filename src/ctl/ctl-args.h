/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Verbs and flags as tables: parsing, help, messages about misuse and shell completion all come
 * from them.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct ctl;

enum ctl_flag {
	FLAG_FILENAME,
	FLAG_RECURSIVE,
	FLAG_SKIP_EMPTY,
	FLAG_SKIP_EXISTS,
	FLAG_SKIP_NOT_EXISTS,
	FLAG_NAMESPACE,
	FLAG_ALL_NAMESPACES,
	FLAG_OUTPUT,
	FLAG_EXPORT,
	FLAG_SELECTOR,
	FLAG_PATCH,
	FLAG_PATCH_TYPE,
	FLAG_OVERWRITE,
	FLAG_REMOVE,
	FLAG_IP,
	FLAG_SHOW_BLOCKS,
	FLAG_SHOW_BORROWED,
	FLAG_SHOW_CONFIGURATION,
	FLAG_SHOW_ALL_IPS,
	FLAG_SHOW_PROBLEM_IPS,
	FLAG_REPORT,
	FLAG_FIX,
	FLAG_GRACE,
	FLAG_FROM_REPORT,
	FLAG_FORCE,
	FLAG_FORCE_REPORT,
	FLAG_STRICT_AFFINITY,
	FLAG_MAX_BLOCKS_PER_HOST,
	FLAG_KUBEVIRT_IP_PERSISTENCE,
	FLAG_IP_COOLDOWN_SECONDS,
	FLAG_CIDR,
	FLAG_NAME,
	FLAG_NODE,
	FLAG_CLIENT,
	FLAG_SOCKET,
	FLAG_FROM,
	FLAG_FORMAT,
	FLAG_ALL,
	FLAG_SOURCE_PORT,
	FLAG_HOST_ACTION,
	FLAG_SECONDS,
	FLAG_DENIED,
	FLAG_OF_NAMESPACE,
	FLAG_POD,
	FLAG_FOLLOW,
	FLAG_MARKDOWN,
	FLAG_CONFIG,
	FLAG_HELP,
	FLAG_LOG_LEVEL,
	FLAG_CONTEXT,
	FLAG_ALLOW_VERSION_MISMATCH,
	FLAG_COUNT_,
};

struct ctl_flag_desc {
	const char *name;	  /* without the dashes */
	char letter;		  /* 0: none */
	const char *value;	  /* what follows, in help: "FILE"; NULL: a switch */
	const char *const *words; /* what the value may be, for completion; NULL: anything */
	const char *doc;	  /* NULL: hidden, for those who build Korat */
	bool repeats;		  /* may be given several times */
};

/* What a verb's operands are, for completion and for counting. */
enum ctl_operands {
	OPERANDS_NONE,
	OPERANDS_KIND_NAMES, /* [KIND [NAME...]] */
	OPERANDS_KIND_NAME,  /* KIND NAME */
	OPERANDS_KIND_NAME_LABEL,
	OPERANDS_SHELL,
	OPERANDS_TOPIC,
	OPERANDS_ONE,	     /* a number or an address */
	OPERANDS_CONNECTION, /* 'FROM -> TO' or FROM TO */
};

struct ctl_verb {
	const char *name;     /* "get", "ipam show" */
	const char *operands; /* "KIND [NAME...]", for help */
	enum ctl_operands takes;
	uint64_t flags;	      /* 1 << FLAG_X */
	const char *doc;      /* one line */
	const char *more;     /* the rest of its help; may be NULL */
	const char *examples; /* one in each line */
	bool needs_store;
	bool begins_store; /* an SQLite datastore that is not there yet is made */
	int (*run)(struct ctl *ctl, struct err *err);
};

#define CTL_GLOBAL_FLAGS                                                                           \
	(CTL_FLAG(FLAG_HELP) | CTL_FLAG(FLAG_LOG_LEVEL) | CTL_FLAG(FLAG_CONTEXT) |                 \
	 CTL_FLAG(FLAG_ALLOW_VERSION_MISMATCH) | CTL_FLAG(FLAG_CONFIG))
#define CTL_FLAG(flag)	 (UINT64_C(1) << (flag))
#define CTL_OPERANDS_MAX 4096

struct ctl_args {
	const struct ctl_verb *verb; /* NULL: none was given */
	bool set[FLAG_COUNT_];
	const char *values[FLAG_COUNT_];
	const char **repeated; /* owned array: values of the flag that repeats */
	size_t n_repeated;
	const char **operands; /* owned array, borrowed strings */
	size_t n_operands;
};
void ctl_args_deinit(struct ctl_args *args);
CLEANUP_DEINIT(struct ctl_args, ctl_args_deinit);

extern const struct ctl_flag_desc ctl_flags[FLAG_COUNT_];
extern const struct ctl_verb ctl_verbs[]; /* ends with name NULL */

/* -EINVAL: 'err' says what is wrong and where help is. */
MUST_CHECK int ctl_args_parse(int argc, char **argv, struct ctl_args *ret, struct err *err);
/*
 * The second look, behind --help: a kind that is no kind, and -f beside KIND, are told before a
 * datastore that can't be reached is.
 */
MUST_CHECK int ctl_args_check_kind(const struct ctl_args *args, struct err *err);
/* NULL: no such verb. 'words' of 'n' may be more than the verb's. */
const struct ctl_verb *ctl_verb_find(const char *const *words, size_t n, size_t *ret_used);

void ctl_help(FILE *out);
void ctl_help_verb(const struct ctl_verb *verb, FILE *out);
void ctl_help_kinds(FILE *out);
void ctl_help_config(FILE *out);
void ctl_help_markdown(FILE *out); /* all of it: docs/reference/koratctl.md */

/* The name among 'candidates' (NULL-terminated) that was probably meant; NULL: none is near. */
const char *ctl_nearest(const char *word, const char *const *candidates);
/* As kind_find(), with an error that suggests. */
struct kind_desc;
MUST_CHECK int ctl_kind(const char *name, const struct kind_desc **ret, struct err *err);
