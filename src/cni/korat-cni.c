/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The CNI plugin as the runtime runs it: carries the call to the agent's socket and its answer back
 * (cni-protocol.h). It knows no JSON, no datastore and no netlink, so that an exec costs little and
 * nothing on the host's disk needs credentials or an upgrade in step with the agent.
 *
 * If the agent is away, ADD fails at once with "try again later", and DEL is kept as a file that
 * the agent replays (cni_server_replay()), so that a node without agent can still drain.
 *
 * Where the agent says so, it runs the IPAM plugin that the configuration names, around its own
 * call (korat-cni-delegate.c); the agent itself runs no programs.
 *
 * Linked statically against musl: only POSIX and what Linux adds to it, nothing of ours.
 * Everything that waits, waits until one deadline.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cni/cni-protocol.h"
#include "cni/korat-cni-delegate.h"
#include "cni/korat-cni.h"

#define CODE_BAD_ENV	   4u
#define CODE_IO		   5u
#define CODE_BAD_CONFIG	   7u
#define CODE_TRY_AGAIN	   11u
#define CODE_TEST_FAILED   100u /* calico -t */
#define CODE_NOT_AVAILABLE 50u	/* STATUS */
#define UNDO_SECONDS	   30
#define MSG_SIZE	   512
#define PREFIX_IS(s, p)	   (strncmp((s), (p), sizeof(p) - 1) == 0)

static bool is_ipam(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path;

	return name && (strcmp(name, "calico-ipam") == 0 || strcmp(name, "korat-ipam") == 0);
}

static bool is_main(const char *name)
{
	return strcmp(name, "calico") == 0 || strcmp(name, "korat") == 0;
}

static const char *env_or(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

/* --- Messages of our own ------------------------------------------------------------------ */

/* For a JSON string: what would need escaping becomes '?', our messages have no need of it. */
static void make_harmless(char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || (unsigned char)*s > '~' || *s == '"' || *s == '\\')
			*s = '?';
	}
}

static int fail(const struct call *call, unsigned int code, char msg[MSG_SIZE])
{
	char json[MSG_SIZE + 128];
	int n;

	make_harmless(msg);
	n = snprintf(json, sizeof(json), "{\"cniVersion\":\"%s\",\"code\":%u,\"msg\":\"%s\"}\n",
		     call->version[0] ? call->version : "0.3.1", code, msg);
	(void)write_all(STDOUT_FILENO, json, (size_t)n);
	return 1;
}

static int answer_version(const struct call *call)
{
	char json[256];
	int n;

	n = snprintf(json, sizeof(json),
		     "{\"cniVersion\":\"%s\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\","
		     "\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n",
		     call->version[0] ? call->version : "1.1.0");
	return write_all(STDOUT_FILENO, json, (size_t)n) ? 0 : 1;
}

/* --- The request -------------------------------------------------------------------------- */

/* What the agent needs to know of our environment; the rest may hold secrets. */
static bool env_matters(const char *entry)
{
	return PREFIX_IS(entry, "CNI_") || PREFIX_IS(entry, "FELIX_INTERFACEPREFIX=");
}

static bool collect_env(struct call *call)
{
	size_t size = 0;

	call->env = malloc(CNI_ENV_MAX);
	if (!call->env)
		return false;
	for (char **e = environ; *e; e++) {
		size_t n = strlen(*e) + 1;

		if (!env_matters(*e))
			continue;
		if (n > CNI_ENV_MAX - size)
			return false;
		memcpy(call->env + size, *e, n);
		size += n;
	}
	call->head.env_size = (uint32_t)size;
	return true;
}

static bool read_conf(struct call *call)
{
	size_t size = 0;

	call->conf = malloc(CNI_STDIN_MAX + 1);
	if (!call->conf)
		return false;
	while (size <= CNI_STDIN_MAX) {
		ssize_t n;

		if (!wait_for(STDIN_FILENO, POLLIN, call->deadline_ms))
			return false;
		n = read(STDIN_FILENO, call->conf + size, CNI_STDIN_MAX + 1 - size);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return false;
		if (n == 0) {
			call->head.stdin_size = (uint32_t)size;
			return true;
		}
		size += (size_t)n;
	}
	return false;
}

static void open_netns(struct call *call)
{
	const char *path = getenv("CNI_NETNS");

	call->netns = path && *path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	call->head.has_netns = call->netns >= 0;
}

/* The exit code of what stands on stdout now. */
static int print_answer(struct answer *answer)
{
	int exit_code = (int)answer->exit_code;

	if (!write_all(STDOUT_FILENO, answer->text, answer->size))
		exit_code = 1;
	free(answer->text);
	answer->text = NULL;
	return exit_code;
}

/* --- An IPAM plugin that is not ours ------------------------------------------------------- */

static struct delegate make_delegate(const struct call *call, const char *name, const char *command,
				     int64_t deadline_ms)
{
	return (struct delegate){
		.name = name,
		.command = command,
		.conf = call->conf,
		.conf_size = call->head.stdin_size,
		.deadline_ms = deadline_ms,
	};
}

static int delegate_failed(const struct call *call, const char *name, enum delegate_outcome outcome)
{
	char msg[MSG_SIZE];

	if (outcome == DELEGATE_MISSING) {
		(void)snprintf(msg, sizeof(msg),
			       "network configuration: ipam.type: there is no plugin %.64s in "
			       "CNI_PATH (%.200s): install it on this node, or use calico-ipam",
			       name, env_or("CNI_PATH", ""));
		return fail(call, CODE_BAD_CONFIG, msg);
	}
	(void)snprintf(msg, sizeof(msg),
		       "the IPAM plugin %.64s broke off, printed too much or took longer than %d s",
		       name, DEADLINE_SECONDS);
	return fail(call, CODE_TRY_AGAIN, msg);
}

/*
 * Gives back what the plugin gave to an ADD that failed since. What it says is lost: the failure is
 * the answer, and DEL comes.
 */
static void undo_delegate(const struct call *call, const char *name)
{
	struct delegate delegate =
		make_delegate(call, name, "DEL", now_ms() + UNDO_SECONDS * INT64_C(1000));

	(void)delegate_run(&delegate);
	free(delegate.out);
}

/* All but ADD: its outcome is the call's. */
static int run_delegate(const struct call *call, const char *name)
{
	struct delegate delegate = make_delegate(call, name, call->command, call->deadline_ms);
	enum delegate_outcome outcome = delegate_run(&delegate);
	int exit_code;

	if (outcome == DELEGATE_DONE) {
		exit_code = delegate.exit_code;
		if (exit_code != 0 && !write_all(STDOUT_FILENO, delegate.out, delegate.out_size))
			exit_code = 1;
	} else {
		exit_code = delegate_failed(call, name, outcome);
	}
	free(delegate.out);
	return exit_code;
}

/* The address goes at once; the rest when the agent is back. */
static int del_without_agent(struct call *call)
{
	char name[CNI_DELEGATE_NAME_MAX + 1] = "";
	char msg[MSG_SIZE];

	if (!queue_del(call)) {
		(void)snprintf(msg, sizeof(msg),
			       "the Korat agent does not answer on %.128s, and the DEL could not "
			       "be kept in %.128s (full, or not writable): start the agent on this "
			       "node",
			       call->socket, call->queue);
		return fail(call, CODE_TRY_AGAIN, msg);
	}
	if (call->head.role == CNI_ROLE_MAIN)
		find_text(call, "ipam", "type", name, sizeof(name));
	if (!name[0] || is_ipam(name) || is_main(name) || !delegate_name_valid(name, strlen(name)))
		return 0;
	return run_delegate(call, name);
}

static int no_answer(struct call *call, enum outcome outcome)
{
	unsigned int code =
		strcmp(call->command, "STATUS") == 0 ? CODE_NOT_AVAILABLE : CODE_TRY_AGAIN;
	char msg[MSG_SIZE];

	if (outcome == AWAY && strcmp(call->command, "DEL") == 0)
		return del_without_agent(call);
	if (outcome == TOO_LONG) {
		(void)snprintf(msg, sizeof(msg), "%s: the path %.200s is too long for a socket",
			       CNI_SOCKET_ENV, call->socket);
		return fail(call, CODE_BAD_ENV, msg);
	}
	if (outcome == TIMEOUT)
		(void)snprintf(msg, sizeof(msg),
			       "the Korat agent took the call on %.200s but gave no answer within "
			       "%d s: look at the agent's log on this node",
			       call->socket, DEADLINE_SECONDS);
	else
		(void)snprintf(msg, sizeof(msg),
			       "the Korat agent does not answer on %.200s: is its pod running on "
			       "this node? The call is tried again",
			       call->socket);
	return fail(call, code, msg);
}

/* Calico's "-t": is there an agent, with a datastore that is ready? */
static int test_agent(struct call *call)
{
	static const char conf[] = "{\"cniVersion\":\"1.1.0\",\"name\":\"test\","
				   "\"ipam\":{\"type\":\"calico-ipam\"}}";
	struct answer answer = {.exit_code = 1};
	char msg[MSG_SIZE] = "the Korat agent of this node is not there, or not ready";
	bool ready;

	call->conf = strdup(conf);
	call->head.stdin_size = sizeof(conf) - 1;
	if (setenv("CNI_COMMAND", "STATUS", 1) < 0 || !call->conf || !collect_env(call))
		return fail(call, CODE_TEST_FAILED, msg);
	ready = ask_agent(call, &answer) == DONE && answer.exit_code == 0;
	free(answer.text);
	return ready ? 0 : fail(call, CODE_TEST_FAILED, msg);
}

static int without_command(int argc, char **argv, struct call *call)
{
	static const char version[] = "korat-cni " KORAT_VERSION " (CNI 0.1.0 to 1.1.0)\n";

	if (argc < 2 || strcmp(argv[1], "-v") == 0 || strcmp(argv[1], "--version") == 0 ||
	    strcmp(argv[1], "version") == 0)
		return write_all(STDOUT_FILENO, version, sizeof(version) - 1) ? 0 : 1;
	if (strcmp(argv[1], "-t") == 0)
		return test_agent(call);
	(void)fprintf(stderr, "korat-cni: a container runtime calls this with CNI_COMMAND set; by "
			      "hand there are only -v (version) and -t (is the agent ready?)\n");
	return 1;
}

/* ADD with an address from another plugin: that, then the agent once more. */
static int add_delegated(struct call *call, const char *name)
{
	struct delegate delegate = make_delegate(call, name, "ADD", call->deadline_ms);
	enum delegate_outcome ran = delegate_run(&delegate);
	struct answer answer = {.exit_code = 1};
	enum outcome outcome;

	call->delegated = delegate.out;
	call->head.delegated_size = (uint32_t)delegate.out_size;
	if (ran == DELEGATE_DONE && delegate.exit_code != 0) {
		/* It says why, and has given nothing: an address of before is not to go. */
		(void)write_all(STDOUT_FILENO, delegate.out, delegate.out_size);
		return delegate.exit_code;
	}
	if (ran != DELEGATE_DONE) {
		if (ran == DELEGATE_BROKEN)
			undo_delegate(call, name);
		return delegate_failed(call, name, ran);
	}
	outcome = ask_agent(call, &answer);
	if (outcome == DONE && answer.exit_code == CNI_ANSWER_DELEGATE) {
		free(answer.text);
		outcome = AWAY;
	}
	if (outcome != DONE || answer.exit_code != 0)
		undo_delegate(call, name);
	return outcome == DONE ? print_answer(&answer) : no_answer(call, outcome);
}

static int delegate(struct call *call, struct answer *answer)
{
	int exit_code = strcmp(call->command, "ADD") == 0 ? add_delegated(call, answer->text)
							  : run_delegate(call, answer->text);

	free(answer->text);
	return exit_code;
}

/* The exit code. */
static int serve(struct call *call)
{
	char msg[MSG_SIZE];
	struct answer answer;
	enum outcome outcome;

	if (!read_conf(call)) {
		(void)snprintf(msg, sizeof(msg),
			       "the network configuration on stdin could not be read: it is to "
			       "end, and to have at most %u bytes",
			       CNI_STDIN_MAX);
		return fail(call, CODE_IO, msg);
	}
	find_text(call, NULL, "cniVersion", call->version, sizeof(call->version));
	if (!delegate_name_valid(call->version, strlen(call->version)))
		call->version[0] = '\0';
	if (strcmp(call->command, "VERSION") == 0)
		return answer_version(call);
	if (!collect_env(call)) {
		(void)snprintf(msg, sizeof(msg), "the CNI_ variables exceed %u bytes", CNI_ENV_MAX);
		return fail(call, CODE_BAD_ENV, msg);
	}
	open_netns(call);
	if (strcmp(call->command, "ADD") == 0)
		drop_queued_del(call);
	outcome = ask_agent(call, &answer);
	if (outcome != DONE)
		return no_answer(call, outcome);
	return answer.exit_code == CNI_ANSWER_DELEGATE ? delegate(call, &answer)
						       : print_answer(&answer);
}

static int end(struct call *call, int exit_code)
{
	free(call->env);
	free(call->conf);
	free(call->delegated);
	return exit_code;
}

int main(int argc, char **argv)
{
	struct call call = {
		.command = getenv("CNI_COMMAND"),
		.socket = env_or(CNI_SOCKET_ENV, CNI_SOCKET_PATH),
		.queue = env_or(CNI_QUEUE_ENV, CNI_QUEUE_PATH),
		.head = {.magic = CNI_MAGIC},
		.netns = -1,
		.deadline_ms = now_ms() + DEADLINE_SECONDS * INT64_C(1000),
	};

	if (!call.command || !*call.command)
		return end(&call, without_command(argc, argv, &call));
	call.head.role = is_ipam(argc > 0 ? argv[0] : NULL) ? CNI_ROLE_IPAM : CNI_ROLE_MAIN;
	if (call.head.role == CNI_ROLE_MAIN && getenv(DELEGATED_ENV)) {
		char msg[MSG_SIZE] = "network configuration: ipam.type names this plugin itself: "
				     "use calico-ipam";

		return fail(&call, CODE_BAD_CONFIG, msg);
	}
	return end(&call, serve(&call));
}
