/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The agent: start-up in order, then the loop. What flows where:
 *
 *   datastore-sync -> calc -> dataplane, bird-manager
 *   cni-server -> pod-call -> store-worker (IPAM, WorkloadEndpoint), dataplane
 *
 * A start removes nothing: kernel state is read back, and only when the datastore's snapshot is
 * complete is what nobody wants swept away. A stop leaves the kernel and BIRD as they are.
 */

#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "agent/agent-internal.h"
#include "agent/cleanup.h"
#include "agent/cluster-guid.h"
#include "agent/node-startup.h"
#include "agent/privileges.h"
#include "agent/tunnel-address.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "calc/calc.h"
#include "loop/loop.h"
#include "model/felix-config.h"
#include "model/felix-configuration.h"

#define LOG_MODULE "agent"
#include "base/log.h"

#define STARTUP_RETRY_S	  2
#define QUEUE_INTERVAL_US 5000000
#define STOP_LIMIT_US	  10000000

/* --- What the sync tells ---------------------------------------------------------------------- */

/*
 * After the kernel has what the model wants: BIRD rejects a route through a device that is not
 * there when it reads its configuration, and would not try again by itself.
 */
static void on_applied(void *ctx)
{
	struct agent *agent = ctx;

	if (agent->in_sync && !agent->metrics.initial_resync_us)
		agent->metrics.initial_resync_us = loop_now() - agent->start_us;
	if (agent->in_sync && agent->bgp_dirty && agent->bird &&
	    dataplane_ready_for_bird(agent->dataplane))
		agent_configure_bird(agent);
	policy_enforcer_written(agent->policy);
}

static void configure_policy(struct agent *agent)
{
	const struct felix_configuration_spec *spec = &agent->felix->spec;
	const struct object *bgp =
		object_cache_find(&agent->cache, KIND_BGP_CONFIGURATION, "default");
	struct policy_node node = {.cut_denied = agent->args.cut_denied,
				   .bgp = bgp ? &as_bgp_configuration(bgp)->spec : NULL};

	agent->services_dirty = false;
	if (agent->args.policy_off)
		return;
	node.vxlan =
		calc_wants_vxlan(agent->calc, AF_INET) || calc_wants_vxlan(agent->calc, AF_INET6);
	node.ipip = calc_wants_ipip(agent->calc);
	node.flow_log = flow_log_configure(
		agent->flow_log, strcmp(spec->flow_logs_local_reporter, "Enabled") == 0,
		(uint64_t)felix_duration_us(spec->flow_logs_flush_interval));
	policy_enforcer_configure(agent->policy, spec, &node);
}

/* A bad parameter keeps the last good ones in force. */
static void refresh_felix(struct agent *agent)
{
	_cleanup_free_ char *name = xasprintf("node.%s", agent->args.node_name);
	struct felix_configuration *old = agent->felix;
	struct felix_configuration *fresh;
	struct dataplane_config config;
	struct err err = ERR_INIT;

	agent->felix_dirty = false;
	if (agent_config_resolve(
		    object_cache_find(&agent->cache, KIND_FELIX_CONFIGURATION, "default"),
		    object_cache_find(&agent->cache, KIND_FELIX_CONFIGURATION, name), &fresh,
		    &err) < 0) {
		log_error_limited(
			"the configuration can't be used; the last good one stays in force",
			"error", err.msg);
		return;
	}
	agent->felix = fresh;
	agent_config_apply_log_level(fresh);
	agent_config_report_ignored(fresh, &agent->ignored);
	agent_config_dataplane(agent, &config);
	dataplane_set_config(agent->dataplane, &config);
	configure_policy(agent);
	(void)model_free(&old->object);
}

static void report_own_node_gone(const struct agent *agent)
{
	log_error("this node was deleted from the datastore while its agent runs: others "
		  "have no way to its pods; it registers again with the next look at its "
		  "address; to remove the node, stop its agent first",
		  "node", agent->args.node_name);
}

void agent_objects_changed(struct agent *agent)
{
	_cleanup_(calc_update_deinitp) struct calc_update update = {0};
	uint64_t start_us = loop_now();
	struct err err = ERR_INIT;

	calc_flush(agent->calc, &update);
	dataplane_update(agent->dataplane, &update);
	agent->metrics.n_calcs++;
	agent->metrics.calc_us_total += loop_now() - start_us;
	agent->bgp_dirty |= update.bgp_changed;
	if (!agent->in_sync)
		return;
	if (update.own_node_changed && !calc_get_own_node(agent->calc))
		report_own_node_gone(agent);
	else if (update.pools_changed || update.own_node_changed)
		tunnel_address_task_start(agent->tunnel_task);
	if (agent->felix_dirty)
		refresh_felix(agent);
	else if (update.pools_changed || agent->services_dirty)
		configure_policy(agent);
	if (update.bgp_changed)
		outage_refill(agent->outage, update.pools_changed);
	if (policy_enforcer_apply(agent->policy, &err) < 0)
		log_debug("policies wait", "error", err.msg);
}

void agent_in_sync(struct agent *agent)
{
	if (!agent->in_sync)
		log_info("in sync with the datastore", "endpoints",
			 log_num((int64_t)endpoint_count(&agent->endpoints)).s, "blocks",
			 log_num((int64_t)calc_n_blocks(agent->calc)).s);
	/* It registered before it began to read: between the two somebody was quick. */
	if (!agent->in_sync && !calc_get_own_node(agent->calc))
		report_own_node_gone(agent);
	agent->in_sync = true;
	dataplane_set_in_sync(agent->dataplane);
	configure_policy(agent);
	if (!agent->args.policy_off)
		policy_enforcer_set_in_sync(agent->policy);
	agent->bgp_dirty = true;
	agent->felix_dirty = true;
	agent_objects_changed(agent);
	tunnel_address_task_start(agent->tunnel_task);
	outage_refill(agent->outage, false);
	(void)sd_event_source_set_time_relative(agent->replay_timer, 0);
	(void)sd_event_source_set_enabled(agent->replay_timer, SD_EVENT_ONESHOT);
	(void)sd_notify(0, "READY=1\nSTATUS=in sync");
}

static void note_kind(struct agent *agent, enum kind kind)
{
	if (kind == KIND_BGP_CONFIGURATION || kind == KIND_BGP_PEER || kind == KIND_BGP_FILTER)
		agent->bgp_dirty = true;
	if (kind == KIND_BGP_CONFIGURATION)
		agent->services_dirty = true;
	if (kind == KIND_FELIX_CONFIGURATION)
		agent->felix_dirty = true;
}

void agent_cache_put(struct agent *agent, struct object *object, uint64_t revision)
{
	note_kind(agent, object->desc->kind);
	object_cache_put(&agent->cache, object, revision);
}

void agent_cache_remove(struct agent *agent, enum kind kind, const char *name)
{
	note_kind(agent, kind);
	object_cache_remove(&agent->cache, kind, name);
}

static void on_bird_changed(void *ctx)
{
	struct agent *agent = ctx;

	if (agent->status_reporter)
		node_status_update(agent->status_reporter);
}

/* --- Health and metrics ----------------------------------------------------------------------- */

static bool is_ready(void *ctx, struct buf *why)
{
	const struct agent *agent = ctx;

	if (agent->stopping)
		buf_adds(why, "the agent is stopping\n");
	else if (!agent->in_sync)
		buf_adds(why, "the datastore has not been read yet\n");
	if (agent->metrics.n_unreadable)
		buf_addf(why,
			 "%" PRIu64 " objects can't be understood, of %" PRIu64
			 " of them no good version is known; see the log\n",
			 agent->metrics.n_unreadable, agent->metrics.n_without_good);
	return agent->in_sync && !agent->stopping;
}

static void write_metrics(void *ctx, struct buf *out)
{
	struct agent *agent = ctx;
	struct metrics *metrics = &agent->metrics;
	const struct calc_pool *const *pools;
	_cleanup_free_ const struct node **nodes = NULL;
	struct dataplane_stats stats;
	struct policy_enforcer_stats policy;
	struct last_good_stats good;
	struct outage_stats outage;
	struct flow_log_stats flows;
	size_t n;

	dataplane_get_stats(agent->dataplane, &stats);
	metrics->n_applies = stats.n_applies;
	metrics->apply_us_total = stats.apply_us_total;
	metrics->n_dataplane_failures = stats.n_failures;
	metrics->n_repairs = stats.n_repairs;
	metrics->n_overruns = stats.n_overruns;
	metrics->n_routes = stats.n_routes;
	metrics->n_offload_devices = stats.n_offload_devices;
	metrics->n_endpoints = endpoint_count(&agent->endpoints);
	metrics->n_blocks = calc_n_blocks(agent->calc);
	calc_get_pools(agent->calc, &pools, &n);
	metrics->n_pools = n;
	calc_get_nodes(agent->calc, &nodes, &n);
	metrics->n_nodes = n;
	metrics->in_sync = agent->in_sync;
	flow_log_get_stats(agent->flow_log, &flows);
	metrics->n_flow_packets = flows.n_packets;
	metrics->n_flow_overruns = flows.n_overruns;
	metrics->n_flow_lost = flows.n_lost;
	metrics->n_flow_bad = flows.n_bad;
	outage_get_stats(agent->outage, &outage);
	metrics->datastore_away = outage.on;
	metrics->n_reserve = outage.n_free;
	metrics->n_unwritten = outage.n_changes;
	last_good_get_stats(agent->last_good, &good);
	metrics->n_unsaved_good = good.n_unsaved;
	policy_enforcer_get_stats(agent->policy, &policy);
	metrics->n_policy_problems = policy.n_problems;
	metrics->n_refused_policies = policy.n_refused;
	if (agent->bird) {
		const struct bird_state *bird = bird_manager_get_state(agent->bird);

		metrics->n_bgp_established = bird->n_established;
		metrics->n_bgp_not_established = bird->n_not_established;
		metrics->n_bird_reloads = bird->n_reloads;
	}
	metrics_write(metrics, out);
}

static int start_http(struct agent *agent, struct err *err)
{
	const struct health_source source = {agent, is_ready, write_metrics};
	int r = 0;

	if (agent->args.health_addr && *agent->args.health_addr)
		r = health_server_new(agent->event, agent->args.health_addr, /* metrics= */ false,
				      /* health= */ true, &source, &agent->health, err);
	if (r == 0 && agent->args.metrics_addr && *agent->args.metrics_addr)
		r = health_server_new(agent->event, agent->args.metrics_addr, /* metrics= */ true,
				      /* health= */ false, &source, &agent->metrics_server, err);
	return r;
}

/* --- Life ------------------------------------------------------------------------------------- */

static int on_replay(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct agent *agent = userdata;
	_cleanup_free_ char *dir = xasprintf("%s/cni-del", agent->args.run_dir);
	struct err err = ERR_INIT;
	int n = cni_server_replay(agent->cni, dir, &err);

	(void)usec;
	if (n < 0)
		log_error_limited("can't replay queued DELs", "error", err.msg);
	else if (n > 0)
		log_info("replaying DELs made while no agent was there", "count", log_num(n).s);
	(void)sd_event_source_set_time_relative(source, QUEUE_INTERVAL_US);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int on_stop_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	log_error("CNI calls do not end; stopping without them");
	_exit(1);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct agent *agent = userdata;

	(void)source;
	if (agent->stopping)
		return 0;
	log_info("stopping; routes, tunnels and BIRD stay as they are", "signal",
		 strsignal((int)info->ssi_signo));
	agent->stopping = true;
	if (!agent->n_calls)
		return sd_event_exit(agent->event, 0);
	return sd_event_add_time_relative(agent->event, NULL, CLOCK_MONOTONIC, STOP_LIMIT_US, 0,
					  on_stop_limit, agent);
}

void agent_call_ended(struct agent *agent)
{
	agent->n_calls--;
	if (agent->stopping && !agent->n_calls)
		(void)sd_event_exit(agent->event, 0);
}

static void stop_signals(sigset_t *ret)
{
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGTERM);
	(void)sigaddset(ret, SIGINT);
}

static int add_signals(struct agent *agent)
{
	static const int signals[] = {SIGTERM, SIGINT};
	sigset_t mask;
	int r = 0;

	stop_signals(&mask);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(signals); i++)
		r = sd_event_add_signal(agent->event, NULL, signals[i], on_signal, agent);
	return r;
}

/* A pause before the next try. -EINTR: a signal says stop, and 'stopping' is set. */
static int pause_start(struct agent *agent, struct err *err)
{
	const struct timespec pause = {.tv_sec = STARTUP_RETRY_S};
	sigset_t mask;

	log_error("this node can't start yet; trying again", "error", err->msg);
	stop_signals(&mask);
	if (sigtimedwait(&mask, NULL, &pause) <= 0)
		return 0;
	agent->stopping = true;
	return err_set(err, -EINTR, "stopped before the node could start");
}

/* Until it is reached. What no time will mend, as a bad address, is a failure at once. */
static int reach_datastore(struct agent *agent, struct err *err)
{
	int r;

	do {
		r = store_worker_new(agent->event, &agent->store_config, agent->args.node_name,
				     &agent->store_worker, err);
		if (r >= 0 || r == -EINVAL || r == -ENOTSUP)
			return r;
		r = pause_start(agent, err);
	} while (r == 0);
	return r;
}

/* Start-up against the datastore, again and again until it is done or a signal says stop. */
static int start_node(struct agent *agent, struct err *err)
{
	struct store_worker *worker = agent->store_worker;
	int opened = 0;
	int r;

	do {
		if (opened == 0 &&
		    node_startup(store_worker_get_store(worker), &agent->args, err) == 0) {
			store_settle(store_worker_get_store(worker));
			return 0;
		}
		r = pause_start(agent, err);
		/* A file that was opened in a bad moment stays one that can only be read. */
		if (r == 0)
			opened = store_worker_reopen(worker, err);
	} while (r == 0);
	return r;
}

static void on_link_gone(void *ctx, int ifindex)
{
	struct agent *agent = ctx;

	link_remover_note_gone(agent->link_remover, ifindex);
}

static void on_bird_lost(void *ctx)
{
	struct agent *agent = ctx;

	if (agent->bird)
		bird_manager_reinstall(agent->bird);
}

static void find_owners(void *ctx, struct policy_owner *owners, size_t n)
{
	const struct agent *agent = ctx;

	policy_enforcer_owners(agent->policy, owners, n);
}

static const char *find_logged(void *ctx, const char *id)
{
	const struct agent *agent = ctx;

	return policy_enforcer_logged(agent->policy, id);
}

static void find_staged(void *ctx, struct judge_staged *asked, size_t n)
{
	const struct agent *agent = ctx;

	policy_enforcer_staged(agent->policy, asked, n);
}

static struct flow_log *new_flow_log(struct agent *agent)
{
	_cleanup_free_ char *path = xasprintf("%s/flows.sock", agent->args.run_dir);
	const struct flow_names names = {agent, find_owners, find_logged, find_staged};

	return flow_log_new(agent->event, path, &names);
}

static int start_parts(struct agent *agent, struct err *err)
{
	_cleanup_free_ char *socket_path = xasprintf("%s/cni.sock", agent->args.run_dir);
	struct dataplane_config config;
	int r = last_good_new(agent->event, agent->args.state_dir, &agent->last_good, err);

	if (r == 0)
		r = agent_config_load(agent, err);
	if (r < 0)
		return r;
	agent_config_dataplane(agent, &config);
	config.policy_backend = policy_backend_choose(&agent->felix->spec);
	r = dataplane_new(agent->event, &config, agent->calc, &agent->endpoints, &agent->dataplane,
			  err);
	if (r < 0)
		return r;
	r = policy_enforcer_new(agent->event, agent->args.node_name,
				dataplane_policy_driver(agent->dataplane), &agent->policy, err);
	if (r < 0)
		return r;
	agent->flow_log = new_flow_log(agent);
	dataplane_set_listener(agent->dataplane, on_applied, agent);
	dataplane_set_gone_listener(agent->dataplane, on_link_gone, agent);
	dataplane_set_bird_listener(agent->dataplane, on_bird_lost, agent);
	r = link_remover_new(agent->event, &agent->link_remover, err);
	if (r == 0)
		r = worker_new(agent->event, "scan", NULL, &agent->scan_worker, err);
	if (r == 0 && agent->args.bird_mode != BIRD_MODE_NONE)
		r = bird_manager_new(agent->event, &agent->args, on_bird_changed, agent,
				     &agent->bird, err);
	if (r == 0)
		r = tunnel_address_task_new(agent, &agent->tunnel_task, err);
	if (r == 0)
		r = outage_new(agent, &agent->outage, err);
	if (r == 0)
		r = node_address_task_new(agent, &agent->address_task, err);
	if (r == 0)
		r = cni_server_new(agent->event, socket_path, pod_call_handle, agent, &agent->cni,
				   err);
	if (r == 0)
		r = start_http(agent, err);
	if (r == 0)
		r = node_status_reporter_new(agent, &agent->status_reporter, err);
	return r;
}

static int start(struct agent *agent, struct err *err)
{
	int r = dir_make(agent->args.run_dir, 0755, err);

	if (r == 0)
		r = dir_make(agent->args.state_dir, 0755, err);
	if (r < 0)
		return r;
	store_config_from_environment(&agent->store_config);
	r = sd_event_new(&agent->event);
	if (r >= 0)
		r = add_signals(agent);
	if (r < 0)
		return err_errno(err, r, "can't make an event loop");
	agent->calc = calc_new(agent->args.node_name);
	agent->metrics.node_name = agent->args.node_name;
	r = cluster_guid_read(agent->args.state_dir, &agent->cluster_guid, err);
	if (r < 0)
		return r;
	/* What this node is of is there, or it is to be waited for. */
	agent->store_config.must_exist = agent->cluster_guid != NULL;
	r = reach_datastore(agent, err);
	if (r == 0)
		r = start_node(agent, err);
	if (r == 0 && !agent->cluster_guid)
		r = cluster_guid_read(agent->args.state_dir, &agent->cluster_guid, err);
	if (r == 0)
		r = start_parts(agent, err);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(agent->event, &agent->replay_timer, CLOCK_MONOTONIC, 0, 0,
				       on_replay, agent);
	if (r >= 0)
		r = sd_event_source_set_enabled(agent->replay_timer, SD_EVENT_OFF);
	if (r < 0)
		return err_errno(err, r, "can't set a timer");
	/* From here on it is there, or it is not the one we know. */
	agent->store_config.must_exist = true;
	return datastore_sync_new(agent, &agent->sync, err);
}

/* Workers first: what they finish still finds everything else. */
static void agent_deinit(struct agent *agent)
{
	agent->store_worker = store_worker_free(agent->store_worker);
	agent->link_remover = link_remover_free(agent->link_remover);
	agent->scan_worker = worker_free(agent->scan_worker);
	agent->bird = bird_manager_free(agent->bird);
	agent->sync = datastore_sync_free(agent->sync);
	agent->tunnel_task = tunnel_address_task_free(agent->tunnel_task);
	agent->address_task = node_address_task_free(agent->address_task);
	agent->outage = outage_free(agent->outage);
	agent->last_good = last_good_free(agent->last_good);
	agent->status_reporter = node_status_reporter_free(agent->status_reporter);
	agent->cni = cni_server_free(agent->cni);
	agent->health = health_server_free(agent->health);
	agent->metrics_server = health_server_free(agent->metrics_server);
	(void)sd_event_source_disable_unref(agent->replay_timer);
	agent->flow_log = flow_log_free(agent->flow_log);
	agent->policy = policy_enforcer_free(agent->policy);
	agent->dataplane = dataplane_free(agent->dataplane);
	endpoint_table_deinit(&agent->endpoints);
	free(agent->known_profile);
	object_cache_deinit(&agent->cache);
	agent->calc = calc_free(agent->calc);
	if (agent->felix)
		(void)model_free(&agent->felix->object);
	(void)sd_event_unref(agent->event);
	agent_args_deinit(&agent->args);
	free(agent->bgp_problems);
	free(agent->ignored);
	free(agent->cluster_guid);
	store_config_deinit(&agent->store_config);
}

static int print_metrics_reference(void)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	metrics_write_reference(&out);
	return fputs(buf_str(&out), stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int agent_main(int argc, char **argv)
{
	struct agent agent = {.start_us = loop_now()};
	struct err err = ERR_INIT;
	int r;

	if (argc > 1 && strcmp(argv[1], "cleanup") == 0)
		return cleanup_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "metrics") == 0)
		return print_metrics_reference();
	r = agent_args_parse(argc, argv, &agent.args, &err);

	if (r == AGENT_ARGS_E_HELP)
		return EXIT_SUCCESS;
	if (r < 0) {
		(void)fprintf(stderr, "korat agent: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	log_info("starting", "version", KORAT_VERSION, "node", agent.args.node_name);
	/* Before the first byte from outside is read, and the first thread started. */
	r = privileges_keep(PRIVILEGES_AGENT, &err);
	if (r == 0)
		if (agent.args.policy_off)
			log_warning("policy is off: KORAT_POLICY says so, and nothing is enforced");
	r = start(&agent, &err);
	if (agent.stopping)
		r = 0;
	else if (r < 0)
		log_error("can't start", "error", err.msg);
	else if ((r = sd_event_loop(agent.event)) < 0)
		log_error("the event loop failed; ending, to be started anew", "error",
			  strerror(-r));
	agent_deinit(&agent);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
