/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Between the policy graph and the kernel's table. A change goes through in the turn in which it
 * was told, by one transaction; what the kernel refuses is tried again after a second, and until
 * then the kernel enforces what it had.
 */

#include "agent/policy-enforcer.h"

#include <stdlib.h>
#include <string.h>

#include "agent/connection-cutter.h"
#include "agent/connection-flusher.h"
#include "agent/policy-backend.h"
#include "agent/policy-config.h"
#include "base/alloc.h"
#include "calc/policy-graph.h"
#include "loop/loop.h"

#define LOG_MODULE "policy"
#include "base/log.h"

#define RETRY_US       1000000
#define CLEAN_AGAIN_US 10000000

struct policy_enforcer {
	struct policy_graph *graph;
	struct policy_driver driver; /* the dataplane's, which keeps it right */
	struct connection_flusher *flusher;
	struct connection_cutter *cutter;
	bool in_sync;
	bool alone;		       /* what another backend had left is gone */
	uint64_t clean_again_us;       /* not before */
	sd_event_source *apply_source; /* deferred to the end of the turn */
	sd_event_source *retry_source;
	char **problems;	  /* as reported, in order */
	uint64_t problem_changes; /* of the graph's, when its problems were reported */
	struct policy_enforcer_stats stats;
	struct err failure; /* what was reported last; empty: nothing is wrong */
};

static void try_again_after(struct policy_enforcer *enforcer, uint64_t after_us)
{
	(void)sd_event_source_set_time_relative(enforcer->retry_source, after_us);
	(void)sd_event_source_set_enabled(enforcer->retry_source, SD_EVENT_ONESHOT);
}

static void retry_later(struct policy_enforcer *enforcer, const struct err *err)
{
	enforcer->stats.n_failures++;
	if (strcmp(enforcer->failure.msg, err->msg) != 0)
		log_error("the kernel does not take the policies; those it has stay in force, "
			  "trying again",
			  "error", err->msg);
	enforcer->failure = *err;
	connection_cutter_hold(enforcer->cutter);
	try_again_after(enforcer, RETRY_US);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_lines(char **lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
}

static char *line_of(const struct policy_problem *problem)
{
	return xasprintf("%s %s", problem->key, problem->why);
}

static void report_new(const struct policy_enforcer *enforcer, const struct policy_problem *problem,
		       const char *line, const char *what)
{
	if (!enforcer->stats.n_problems ||
	    !bsearch(&line, enforcer->problems, enforcer->stats.n_problems, sizeof(line),
		     compare_lines))
		log_error_limited(what, "policy", problem->key, "error", problem->why);
}

/* Each is said once, as long as it stays: what can't be understood, and what the kernel refuses. */
static void report_problems(struct policy_enforcer *enforcer)
{
	uint64_t changes = policy_graph_problem_changes(enforcer->graph);
	const struct policy_problem *problems;
	_cleanup_free_ struct policy_problem *refused = NULL;
	size_t n_refused = enforcer->driver.ops->problems(enforcer->driver.self, &refused);
	char **lines;
	size_t n;

	if (changes == enforcer->problem_changes && !n_refused && !enforcer->stats.n_refused)
		return;
	enforcer->problem_changes = changes;
	policy_graph_problems(enforcer->graph, &problems, &n);
	lines = xcalloc(n + n_refused, sizeof(*lines));
	for (size_t i = 0; i < n; i++) {
		lines[i] = line_of(&problems[i]);
		report_new(enforcer, &problems[i], lines[i],
			   "policy that can't be enforced as it stands; it opens nothing");
	}
	for (size_t i = 0; i < n_refused; i++) {
		lines[n + i] = line_of(&refused[i]);
		report_new(enforcer, &refused[i], lines[n + i],
			   "policy that the kernel refuses; it denies, all others are in force");
	}
	free_lines(enforcer->problems, enforcer->stats.n_problems);
	n += n_refused;
	if (n)
		qsort(lines, n, sizeof(*lines), compare_lines);
	enforcer->problems = lines;
	enforcer->stats.n_problems = n;
	enforcer->stats.n_refused = n_refused;
}

/* Nothing of its address's former pod reaches a pod. */
static void settle_addresses(struct policy_enforcer *enforcer, const struct policy_update *update)
{
	for (size_t i = 0; i < update->n_endpoints; i++) {
		const struct policy_endpoint *endpoint = update->endpoints[i];

		for (size_t k = 0; !endpoint->is_host && k < endpoint->n_addrs; k++)
			connection_flusher_settle(enforcer->flusher, &endpoint->addrs[k].addr);
	}
}

static void end_connections(struct policy_enforcer *enforcer)
{
	_cleanup_free_ struct ip_addr *gone = NULL;
	size_t n = enforcer->driver.ops->take_gone(enforcer->driver.self, &gone);

	connection_flusher_add(enforcer->flusher, gone, n);
}

void policy_enforcer_written(struct policy_enforcer *enforcer)
{
	report_problems(enforcer);
	if (enforcer->driver.ops->take_cut(enforcer->driver.self))
		connection_cutter_want(enforcer->cutter);
}

/* What another backend has left judges too; it goes when ours is in force. */
static void clean_others(struct policy_enforcer *enforcer)
{
	struct err err = ERR_INIT;

	if (enforcer->alone || loop_now() < enforcer->clean_again_us)
		return;
	if (policy_backend_clean_others(&enforcer->driver, &err) == 0) {
		enforcer->alone = true;
		return;
	}
	log_warning_limited("what another backend has left can't be removed, and judges too; "
			    "trying again",
			    "error", err.msg);
	enforcer->clean_again_us = loop_now() + CLEAN_AGAIN_US;
	try_again_after(enforcer, CLEAN_AGAIN_US);
}

int policy_enforcer_apply(struct policy_enforcer *enforcer, struct err *err)
{
	struct policy_update update;
	struct err failure = ERR_INIT;
	uint64_t start = loop_now();
	int r;

	if (!enforcer->in_sync)
		return 0;
	policy_graph_flush(enforcer->graph, &update);
	settle_addresses(enforcer, &update);
	enforcer->driver.ops->update(enforcer->driver.self, &update);
	r = enforcer->driver.ops->apply(enforcer->driver.self, &failure);
	report_problems(enforcer);
	enforcer->stats.n_applies++;
	enforcer->stats.apply_us_total += loop_now() - start;
	if (r < 0) {
		retry_later(enforcer, &failure);
		return err_set(err, r, "policy: %s", failure.msg);
	}
	enforcer->failure.msg[0] = '\0';
	clean_others(enforcer);
	end_connections(enforcer);
	connection_cutter_go_on(enforcer->cutter);
	policy_enforcer_written(enforcer);
	return 0;
}

static void apply_now(struct policy_enforcer *enforcer)
{
	struct err err = ERR_INIT;

	if (policy_enforcer_apply(enforcer, &err) < 0)
		log_debug("policies are not in the kernel yet", "error", err.msg);
}

void policy_enforcer_schedule(struct policy_enforcer *enforcer)
{
	(void)sd_event_source_set_enabled(enforcer->apply_source, SD_EVENT_ONESHOT);
}

static int on_apply(sd_event_source *source, void *userdata)
{
	(void)source;
	apply_now(userdata);
	return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	apply_now(userdata);
	return 0;
}

int policy_enforcer_put(struct policy_enforcer *enforcer, const struct object *object,
			struct err *err)
{
	return policy_graph_put(enforcer->graph, object, err);
}

void policy_enforcer_remove(struct policy_enforcer *enforcer, enum kind kind, const char *namespace,
			    const char *name)
{
	policy_graph_remove(enforcer->graph, kind, namespace, name);
}

void policy_enforcer_configure(struct policy_enforcer *enforcer,
			       const struct felix_configuration_spec *spec,
			       const struct policy_node *node)
{
	_cleanup_(policy_config_deinitp) struct policy_config_buffer buffer = {0};

	policy_config_from_felix(spec, node->vxlan, node->ipip, enforcer->driver.ops->is_iptables,
				 &buffer);
	if (node->bgp)
		policy_config_add_services(spec, node->bgp, &buffer);
	buffer.config.cut_denied = node->cut_denied;
	buffer.config.flow_log = node->flow_log;
	enforcer->driver.ops->configure(enforcer->driver.self, &buffer.config);
	policy_enforcer_schedule(enforcer);
}

void policy_enforcer_owners(const struct policy_enforcer *enforcer, struct policy_owner *owners,
			    size_t n)
{
	policy_graph_owners(enforcer->graph, owners, n);
}

const char *policy_enforcer_logged(const struct policy_enforcer *enforcer, const char *id)
{
	return policy_graph_logged(enforcer->graph, id);
}

static bool is_known(const void *ctx, const char *key)
{
	return policy_graph_has(ctx, key);
}

void policy_enforcer_staged(const struct policy_enforcer *enforcer, struct judge_staged *asked,
			    size_t n)
{
	if (enforcer->driver.ops)
		enforcer->driver.ops->judge_staged(enforcer->driver.self, asked, n, is_known,
						   enforcer->graph);
}

void policy_enforcer_set_in_sync(struct policy_enforcer *enforcer)
{
	enforcer->in_sync = true;
	apply_now(enforcer);
}

void policy_enforcer_get_stats(const struct policy_enforcer *enforcer,
			       struct policy_enforcer_stats *ret)
{
	*ret = enforcer->stats;
}

static int add_sources(struct policy_enforcer *enforcer, sd_event *event)
{
	int r = sd_event_add_defer(event, &enforcer->apply_source, on_apply, enforcer);
	if (r >= 0)
		r = sd_event_source_set_enabled(enforcer->apply_source, SD_EVENT_OFF);
	if (r >= 0) /* after everything else that is ready in this turn */
		r = sd_event_source_set_priority(enforcer->apply_source, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &enforcer->retry_source, CLOCK_MONOTONIC,
					       RETRY_US, 0, on_retry, enforcer);
	if (r >= 0)
		r = sd_event_source_set_enabled(enforcer->retry_source, SD_EVENT_OFF);
	return r;
}

int policy_enforcer_new(sd_event *event, const char *node_name, struct policy_driver driver,
			struct policy_enforcer **ret, struct err *err)
{
	_cleanup_(policy_enforcer_freep) struct policy_enforcer *enforcer =
		XNEW(struct policy_enforcer);
	int r;

	enforcer->driver = driver;
	enforcer->graph = policy_graph_new(node_name);
	r = connection_flusher_new(event, &enforcer->flusher, err);
	if (r == 0)
		r = connection_cutter_new(event, driver, &enforcer->cutter, err);
	if (r < 0)
		return r;
	r = add_sources(enforcer, event);
	if (r < 0)
		return err_errno(err, r, "can't set a timer");
	*ret = TAKE_PTR(enforcer);
	return 0;
}

struct policy_enforcer *policy_enforcer_free(struct policy_enforcer *enforcer)
{
	if (!enforcer)
		return NULL;
	(void)sd_event_source_disable_unref(enforcer->apply_source);
	(void)sd_event_source_disable_unref(enforcer->retry_source);
	(void)policy_graph_free(enforcer->graph);
	connection_cutter_free(enforcer->cutter);
	connection_flusher_free(enforcer->flusher);
	free_lines(enforcer->problems, enforcer->stats.n_problems);
	free(enforcer);
	return NULL;
}
