/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The multi-call program: its first word, or the name it was called by, chooses what it is.
 */

#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/macros.h"
#include "ctl/ctl.h"

static const struct {
	const char *word;     /* `korat WORD ...` */
	const char *names[3]; /* or called by one of these names */
	int (*main)(int argc, char **argv);
	const char *doc;
} programs[] = {
	{"agent", {NULL}, agent_main, "the agent of one node"},
	{"ctl",
	 {"koratctl", "calicoctl", NULL},
	 ctl_main,
	 "show and change the datastore's objects"},
};

static int usage(FILE *out)
{
	fputs("Usage: korat PROGRAM [ARGUMENTS]\n\nPrograms:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		fprintf(out, "  %-12s %s\n", programs[i].word, programs[i].doc);
	fputs("  version      print the version\n", out);
	return out == stdout ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		for (size_t k = 0; programs[i].names[k]; k++)
			if (strcmp(name, programs[i].names[k]) == 0)
				return programs[i].main(argc, argv);
		if (argc > 1 && strcmp(argv[1], programs[i].word) == 0)
			return programs[i].main(argc - 1, argv + 1);
	}
	if (argc > 1 && (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0)) {
		printf("%s\n", KORAT_VERSION);
		return 0;
	}
	if (argc > 1 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0))
		return usage(stdout);
	return usage(stderr);
}
