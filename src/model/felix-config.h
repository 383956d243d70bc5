/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the agent is to do on this node: the FelixConfiguration that holds here. Of each parameter
 * the first of these counts: environment (FELIX_<NAME>, any case), configuration file, the object
 * node.<name>, the object default, the built-in default.
 *
 * In environment and file a duration is a number of seconds (or a Go duration), a truth value is
 * true, 1, yes, y, t or their opposites, lists have commas between, an empty value counts as not
 * given, and "none" is the empty value of its type (off, 0, the empty list). Names of no parameter
 * are passed over: they may belong to others.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct felix_configuration;

#define FELIX_FILE_MAX 1048576 /* bytes of a configuration file */

struct felix_sources {
	const struct felix_configuration *global;   /* NULL: none */
	const struct felix_configuration *per_node; /* NULL: none */
	const char *file;			    /* text of the file, NULL: none */
	const char *file_name;			    /* for messages */
	char *const *environ;			    /* NULL-terminated, may be NULL */
};

/*
 * 0: '*ret' given, with all defaults applied and choices in their canonical spelling; free by
 * model_free(). -EINVAL: 'err' names the variable, line or field, and what is allowed.
 */
MUST_CHECK int felix_config_resolve_from(const struct felix_sources *sources,
					 struct felix_configuration **ret, struct err *err);

/* The same without a file. */
MUST_CHECK int felix_config_resolve(const struct felix_configuration *global,
				    const struct felix_configuration *per_node,
				    char *const *environ, struct felix_configuration **ret,
				    struct err *err);

/*
 * The names (as in an object's spec) of parameters that this version does not apply and that are
 * not as by default in a resolved configuration, with ", " between; free() it. NULL: there are
 * none.
 */
char *felix_config_ignored(const struct felix_configuration *configuration);

/* A duration of a resolved configuration, in microseconds; 0 if absent. Cannot fail. */
int64_t felix_duration_us(const char *duration);
