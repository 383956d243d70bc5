/* SPDX-License-Identifier: Apache-2.0 */

/* koratctl's beginning and end: arguments, the datastore, one verb, one message, one exit code. */

#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>

#include "ctl/ctl-internal.h"

static int open_store(struct ctl *ctl, struct err *err)
{
	struct store_config config = {.type = NULL};

	store_config_from_environment(&config);
	return store_open(&config, &ctl->store, err);
}

static int run(struct ctl *ctl, struct err *err)
{
	const struct ctl_verb *verb = ctl->args.verb;
	int r;

	if (!verb || ctl->args.set[FLAG_HELP]) {
		if (verb)
			ctl_help_verb(verb, stdout);
		else
			ctl_help(ctl->args.set[FLAG_HELP] ? stdout : stderr);
		return verb || ctl->args.set[FLAG_HELP] ? 0 : err_set(err, -EINVAL, "no command");
	}
	if (ctl->args.set[FLAG_CONFIG])
		return err_set(err, -EINVAL,
			       "--config is not supported yet; set DATASTORE_TYPE and "
			       "KORAT_SQLITE_FILE instead");
	if (verb->needs_store) {
		r = open_store(ctl, err);
		if (r < 0)
			return r;
	}
	return verb->run(ctl, err);
}

int ctl_main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct ctl ctl = {.store = NULL};
	int r;

	r = ctl_args_parse(argc, argv, &ctl.args, &err);
	if (r == 0)
		r = run(&ctl, &err);
	ctl_args_deinit(&ctl.args);
	if (ctl.store)
		(void)store_close(ctl.store);
	if (fflush(stdout) != 0 && r == 0)
		r = err_errno(&err, -errno, "standard output");
	if (r == 0)
		return 0;
	fprintf(stderr, "%s\n", err.msg);
	return 1;
}
