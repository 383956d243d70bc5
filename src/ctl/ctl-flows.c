/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The flows of this node, from its agent's socket: the last ones, then an empty line, then those
 * that come. What is asked for is picked here, so that the agent has nothing to do with filters.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/unix-socket.h"
#include "ctl/ctl-policy.h"

#define LINE_MAX_ (1u << 16)

struct filter {
	bool denied;
	const char *namespace; /* NULL: any */
	const char *pod_namespace;
	const char *pod; /* NULL: any */
	char *pod_text;
};

static const char *text_at(const json_t *flow, const char *key)
{
	const char *text = json_string_value(json_object_get(flow, key));

	return text ? text : "";
}

/* --- What is asked for ------------------------------------------------------------------------ */

static bool side_is(const json_t *flow, const char *namespace, const char *name, const char *side)
{
	_cleanup_free_ char *namespace_key = xasprintf("%s_namespace", side);
	_cleanup_free_ char *name_key = xasprintf("%s_name", side);

	return (!namespace || strcmp(text_at(flow, namespace_key), namespace) == 0) &&
	       (!name || strcmp(text_at(flow, name_key), name) == 0);
}

static bool either_is(const json_t *flow, const char *namespace, const char *name)
{
	return side_is(flow, namespace, name, "source") || side_is(flow, namespace, name, "dest");
}

static bool is_wanted(const json_t *flow, const struct filter *filter)
{
	if (filter->denied && strcmp(text_at(flow, "action"), "deny") != 0)
		return false;
	return either_is(flow, filter->namespace, NULL) &&
	       either_is(flow, filter->pod_namespace, filter->pod);
}

/* "NAME", "NAMESPACE/NAME", "pod/NAMESPACE/NAME" */
static void read_pod(const char *text, struct filter *ret)
{
	char *slash;

	text += strncmp(text, "pod/", 4) == 0 ? 4 : 0;
	ret->pod_text = xstrdup(text);
	slash = strchr(ret->pod_text, '/');
	ret->pod = slash ? slash + 1 : ret->pod_text;
	if (!slash)
		return;
	*slash = '\0';
	ret->pod_namespace = ret->pod_text;
}

/* --- Text ------------------------------------------------------------------------------------- */

/* A name by which it is known, or the address, and whether that is inside or outside. */
static void print_side(const json_t *flow, const char *side)
{
	_cleanup_free_ char *namespace = xasprintf("%s_namespace", side);
	_cleanup_free_ char *name = xasprintf("%s_name", side);
	_cleanup_free_ char *type = xasprintf("%s_type", side);
	_cleanup_free_ char *ip = xasprintf("%s_ip", side);

	if (strcmp(text_at(flow, type), "net") == 0)
		printf("%s (%s)", text_at(flow, ip), text_at(flow, name));
	else
		printf("%s%s%s", text_at(flow, namespace), *text_at(flow, namespace) ? "/" : "",
		       text_at(flow, name));
}

static void print_policy(const json_t *policy)
{
	const char *kind = text_at(policy, "kind");
	const char *namespace = text_at(policy, "namespace");
	json_int_t rule = json_integer_value(json_object_get(policy, "rule"));

	if (strcmp(kind, "EndOfTier") == 0) {
		printf("end of tier %s", text_at(policy, "tier"));
	} else if (strcmp(kind, "NoProfile") == 0) {
		printf("no profile allows it");
	} else {
		printf("%s %s%s%s", kind, namespace, *namespace ? "/" : "",
		       text_at(policy, "name"));
		if (rule)
			printf(" rule %d", (int)rule);
		else
			printf(", which the node does not know yet");
	}
}

/* "  staged: deny by StagedNetworkPolicy shop/web rule 1" */
static void print_staged(const json_t *staged)
{
	const json_t *policy = json_object_get(staged, "policy");
	const json_t *by = json_object_get(staged, "staged_policy");
	const char *namespace = text_at(by, "namespace");

	if (!staged)
		return;
	printf("  staged: %s by ", text_at(staged, "action"));
	print_policy(policy);
	if (strncmp(text_at(policy, "kind"), "Staged", strlen("Staged")) != 0)
		printf(", because of %s %s%s%s", text_at(by, "kind"), namespace,
		       *namespace ? "/" : "", text_at(by, "name"));
}

static void print_flow(const json_t *flow)
{
	const char *port = "";
	_cleanup_free_ char *number = NULL;
	bool egress = strcmp(text_at(flow, "reporter"), "src") == 0;

	if (json_object_get(flow, "dest_port")) {
		number = xasprintf("/%d",
				   (int)json_integer_value(json_object_get(flow, "dest_port")));
		port = number;
	}
	printf("%s  %-5s  ", format_time(json_integer_value(json_object_get(flow, "end_time"))).s,
	       text_at(flow, "action"));
	print_side(flow, "source");
	printf(" -> ");
	print_side(flow, "dest");
	printf("  %s%s  %s: ", text_at(flow, "proto"), port, egress ? "egress" : "ingress");
	print_policy(json_object_get(flow, "policy"));
	printf("  (%d)", (int)json_integer_value(json_object_get(flow, "packets")));
	print_staged(json_object_get(flow, "staged"));
	printf("\n");
}

/* --- The stream ------------------------------------------------------------------------------- */

static void take_line(const char *line, const struct filter *filter, bool json)
{
	json_t *flow = json_loads(line, 0, NULL);
	json_t *lost = json_object_get(flow, "lost");

	if (lost)
		fprintf(stderr, "%d flows were missed\n", (int)json_integer_value(lost));
	else if (flow && is_wanted(flow, filter) && json)
		puts(line);
	else if (flow && is_wanted(flow, filter))
		print_flow(flow);
	json_decref(flow);
}

/* Until the agent ends the connection or, unless 'follow', up to the empty line. */
static int read_lines(FILE *in, const struct filter *filter, bool json, bool follow,
		      struct err *err)
{
	_cleanup_free_ char *line = xmalloc(LINE_MAX_);

	while (fgets(line, LINE_MAX_, in)) {
		size_t len = strlen(line);

		if (!len || line[len - 1] != '\n')
			return err_set(err, -EBADMSG, "the agent sent a line that is too long");
		line[len - 1] = '\0';
		if (len > 1) {
			take_line(line, filter, json);
			continue;
		}
		(void)fflush(stdout);
		if (!follow)
			return 0;
		setlinebuf(stdout);
	}
	return follow ? err_set(err, -EPIPE, "the agent has ended, or logs no flows any more")
		      : err_set(err, -EBADMSG, "the agent ended the connection too early");
}

static int open_agent(const char *path, FILE **ret, struct err *err)
{
	int fd = unix_connect(path, err);

	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return err_set(err, fd,
			       "no flows are logged here: nobody listens at %s; run this as root "
			       "on a node whose agent runs, set flowLogsLocalReporter of "
			       "FelixConfiguration to Enabled, and KORAT_RUN_DIR if the agent's "
			       "directory is another one",
			       path);
	if (fd < 0)
		return fd;
	*ret = fdopen(fd, "r");
	if (!*ret) {
		(void)fd_close(fd);
		return err_errno(err, -errno, "%s", path);
	}
	return 0;
}

int ctl_run_flows(struct ctl *ctl, struct err *err)
{
	const struct ctl_args *args = &ctl->args;
	_cleanup_free_ char *path = ctl_run_path("flows.sock");
	struct filter filter = {
		.denied = args->set[FLAG_DENIED],
		.namespace = args->values[FLAG_OF_NAMESPACE],
	};
	FILE *in = NULL;
	bool json = false;
	int r = ctl_check_format(args, &json, err);

	if (r == 0)
		r = open_agent(path, &in, err);
	if (r < 0)
		return r;
	if (args->set[FLAG_POD])
		read_pod(args->values[FLAG_POD], &filter);
	r = read_lines(in, &filter, json, args->set[FLAG_FOLLOW], err);
	free(filter.pod_text);
	(void)fclose(in);
	return r;
}
