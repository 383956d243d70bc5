/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Runs an IPAM plugin that the configuration names. Part of korat-cni: no other header of ours. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DELEGATED_ENV "KORAT_CNI_DELEGATED" /* set for what we run, so that it is not us again */

struct delegate {
	const char *name;
	const char *command; /* CNI_COMMAND */
	const char *conf;
	size_t conf_size;
	int64_t deadline_ms; /* CLOCK_MONOTONIC; it is killed then */

	/* Result. */
	char *out; /* what it printed; free() */
	size_t out_size;
	int exit_code;
};

enum delegate_outcome {
	DELEGATE_DONE,	  /* it ran to its end: 'exit_code' */
	DELEGATE_MISSING, /* not in CNI_PATH, or its name is none */
	DELEGATE_BROKEN,  /* it could not be run, was killed, printed too much or took too long */
};

/* A file's name: letters, digits, '_', '.', '-'; no slash, begins with a letter or digit. */
bool delegate_name_valid(const char *name, size_t size);
enum delegate_outcome delegate_run(struct delegate *delegate);
