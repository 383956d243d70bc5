/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls a CNI plugin as a runtime would, many times, and prints how long each call took:
 *
 *	cniload ADD|DEL PLUGIN CONFIG NETNS-PREFIX FIRST COUNT AT-ONCE
 *
 * Call i is for namespace /run/netns/<prefix><i> and container <prefix><i>. Output: a line with the
 * wall time of all in microseconds, then one line per call: microseconds and exit code.
 */

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"

#define AT_ONCE_MAX 64
#define CALLS_MAX   100000

struct call {
	pid_t pid;
	uint64_t start;
	int index;
};

static uint64_t now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void set_environment(const char *verb, const char *prefix, int index)
{
	char text[512];

	(void)setenv("CNI_COMMAND", verb, 1);
	(void)setenv("CNI_IFNAME", "eth0", 1);
	(void)snprintf(text, sizeof(text), "%s%d", prefix, index);
	(void)setenv("CNI_CONTAINERID", text, 1);
	(void)snprintf(text, sizeof(text), "/run/netns/%s%d", prefix, index);
	(void)setenv("CNI_NETNS", text, 1);
	(void)snprintf(text, sizeof(text),
		       "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=%s%d", prefix,
		       index);
	(void)setenv("CNI_ARGS", text, 1);
}

static struct call start(const char *verb, const char *plugin, const char *config,
			 const char *prefix, int index)
{
	char *argv[] = {(char *)(uintptr_t)plugin, NULL};
	struct call call = {.index = index};
	posix_spawn_file_actions_t actions;

	set_environment(verb, prefix, index);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, 0, config, O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	call.start = now();
	errno = posix_spawn(&call.pid, plugin, &actions, NULL, argv, environ);
	if (errno)
		die(plugin);
	(void)posix_spawn_file_actions_destroy(&actions);
	return call;
}

int main(int argc, char **argv)
{
	struct call calls[AT_ONCE_MAX];
	int n_running = 0;
	int first;
	int count;
	int at_once;
	int started = 0;
	uint64_t begin = now();
	uint64_t *us;
	int *codes;

	if (argc != 8)
		die("usage: cniload ADD|DEL PLUGIN CONFIG NETNS-PREFIX FIRST COUNT AT-ONCE");
	first = (int)strtol(argv[5], NULL, 10);
	count = (int)strtol(argv[6], NULL, 10);
	at_once = (int)strtol(argv[7], NULL, 10);
	if (count < 1 || count > CALLS_MAX || at_once < 1 || at_once > AT_ONCE_MAX)
		die("COUNT or AT-ONCE");
	us = calloc((size_t)count, sizeof(*us));
	codes = calloc((size_t)count, sizeof(*codes));
	if (!us || !codes)
		die("calloc");
	for (int done = 0; done < count; done++) {
		int status;
		pid_t pid;

		while (n_running < at_once && started < count)
			calls[n_running++] =
				start(argv[1], argv[2], argv[3], argv[4], first + started++);
		pid = waitpid(-1, &status, 0);
		if (pid < 0)
			die("waitpid");
		for (int i = 0; i < n_running; i++) {
			if (calls[i].pid != pid)
				continue;
			us[calls[i].index - first] = now() - calls[i].start;
			codes[calls[i].index - first] =
				WIFEXITED(status) ? WEXITSTATUS(status) : -1;
			calls[i] = calls[--n_running];
			break;
		}
	}
	(void)printf("%llu\n", (unsigned long long)(now() - begin));
	for (int i = 0; i < count; i++)
		(void)printf("%llu %d\n", (unsigned long long)us[i], codes[i]);
	free(us);
	free(codes);
	return 0;
}
