/* SPDX-License-Identifier: Apache-2.0 */

/* koratctl's beginning and end: arguments, the datastore, one verb, one message, one exit code. */

#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "base/log.h"
#include "ctl/ctl-internal.h"

/* calicoctl's levels; the base library calls two of them by other names. */
static int set_log_level(const char *name, struct err *err)
{
	static const char *const others[][2] = {{"panic", "none"}, {"warn", "warning"}};
	enum log_level level;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcasecmp(name, others[i][0]) == 0)
			name = others[i][1];
	if (!log_level_parse(name, &level))
		return err_set(err, -EINVAL,
			       "no such log level \"%.40s\"; expected panic, fatal, error, warn, "
			       "info or debug",
			       name);
	log_set_level(level);
	return 0;
}

int ctl_open_store(struct ctl *ctl, struct err *err)
{
	_cleanup_(ctl_config_deinitp) struct ctl_config config = {.file = NULL};
	const char *path = ctl->args.set[FLAG_CONFIG] ? ctl->args.values[FLAG_CONFIG] : NULL;
	int r;

	r = ctl_config_read(path, &config, err);
	if (r < 0)
		return r;
	/* A path with a slip in it must not be answered with an empty datastore. */
	config.store.must_exist = !ctl->args.verb->begins_store;
	return store_open(&config.store, &ctl->store, err);
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
	if (ctl->args.set[FLAG_CONTEXT])
		return err_set(err, -EINVAL,
			       "--context is for a Kubernetes datastore, which is not supported "
			       "yet; leave it out");
	if (ctl->args.set[FLAG_LOG_LEVEL]) {
		r = set_log_level(ctl->args.values[FLAG_LOG_LEVEL], err);
		if (r < 0)
			return r;
	}
	r = ctl_args_check_kind(&ctl->args, err);
	if (r < 0)
		return r;
	if (verb->needs_store) {
		r = ctl_open_store(ctl, err);
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
		return ctl.exit_code;
	fprintf(stderr, "%s\n", err.msg);
	return 1;
}
