/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For the tests of this module and of nft: a network namespace of their own, which goes with the
 * process, and `ip` as the second pair of eyes.
 */

#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAB_SKIP 77

/* Moves the test program into a new namespace with "lo" up, or ends it as skipped. */
static inline void lab_enter(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		perror("skipped: a network namespace needs root");
		exit(LAB_SKIP);
	}
	if (system("ip link set lo up") != 0) {
		(void)fprintf(stderr, "skipped: no ip program\n");
		exit(LAB_SKIP);
	}
}

/* A shell command; true: it succeeded. */
static inline bool lab_run(const char *command)
{
	return system(command) == 0;
}

/* Whether the command succeeds within some seconds: for what the kernel does a little later. */
static inline bool lab_await(const char *command)
{
	for (int i = 0; i < 500; i++) {
		if (lab_run(command))
			return true;
		(void)usleep(20000);
	}
	(void)fprintf(stderr, "`%s` still fails\n", command);
	return false;
}

/* What the command prints, cut at the size of the answer. */
struct lab_output {
	char s[16384];
};
static inline struct lab_output lab_output(const char *command)
{
	struct lab_output output = {""};
	FILE *pipe = popen(command, "r");
	size_t n;

	if (!pipe)
		return output;
	n = fread(output.s, 1, sizeof(output.s) - 1, pipe);
	output.s[n] = '\0';
	(void)pclose(pipe);
	return output;
}

static inline bool lab_says(const char *command, const char *expected)
{
	struct lab_output output = lab_output(command);

	if (strstr(output.s, expected))
		return true;
	(void)fprintf(stderr, "`%s` says:\n%swithout \"%s\"\n", command, output.s, expected);
	return false;
}
