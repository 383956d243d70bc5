/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nfnetlink_log -> flow-table -> flow-server. Packets wait in the kernel until nothing else is to
 * be done, so a flood of denied packets costs lines of the log and delays no pod.
 */

#include "agent/flow-log.h"

#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "agent/flow-server.h"
#include "base/alloc.h"
#include "loop/loop.h"
#include "netlink/nflog.h"

#define LOG_MODULE "flows"
#include "base/log.h"

#define TICK_US	       1000000
#define PACKETS_A_TURN 1024

static const uint16_t groups[] = {1, 2}; /* ingress, egress */

struct flow_log {
	sd_event *event;
	char *path;
	struct flow_names names;
	uint64_t flush_us;
	uint64_t flushed_us;
	bool failed; /* and it was said */
	uint64_t n_bad;
	uint64_t n_lost; /* of tables that are gone */
	struct flow_table *table;
	struct flow_server *server;
	struct nflog *nflog; /* NULL: off */
	sd_event_source *packets;
	sd_event_source *tick;
};

static void emit(char *line, void *ctx)
{
	struct flow_log *log = ctx;

	flow_server_add(log->server, line);
}

static void flush(struct flow_log *log)
{
	log->flushed_us = loop_now();
	flow_table_flush(log->table, emit, log);
}

static void take_packet(const struct nflog_packet *packet, void *ctx)
{
	struct flow_log *log = ctx;
	struct flow_tuple tuple;
	struct flow_hit hit;

	if (flow_hit_parse(packet->prefix, &hit) < 0 ||
	    flow_tuple_parse(packet->payload, packet->size, &tuple) < 0) {
		log->n_bad++;
		return;
	}
	flow_table_add(log->table, &hit, &tuple, time(NULL));
}

static int on_packets(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct flow_log *log = userdata;

	(void)source;
	(void)fd;
	(void)revents;
	nflog_read(log->nflog, PACKETS_A_TURN, take_packet, log);
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct flow_log *log = userdata;

	(void)usec;
	flow_table_resolve(log->table);
	if (flow_server_has_readers(log->server) || loop_now() - log->flushed_us >= log->flush_us)
		flush(log);
	(void)sd_event_source_set_time_relative(source, TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_connected(void *ctx)
{
	struct flow_log *log = ctx;

	nflog_read(log->nflog, PACKETS_A_TURN, take_packet, log);
	flow_table_resolve(log->table);
	flush(log);
}

static void switch_off(struct flow_log *log)
{
	log->n_lost = log->table ? log->n_lost + flow_table_n_lost(log->table) : log->n_lost;
	log->packets = sd_event_source_disable_unref(log->packets);
	log->tick = sd_event_source_disable_unref(log->tick);
	log->server = flow_server_free(log->server);
	log->nflog = nflog_close(log->nflog);
	log->table = flow_table_free(log->table);
}

static int switch_on(struct flow_log *log, struct err *err)
{
	int r = nflog_open(groups, ARRAY_SIZE(groups), &log->nflog, err);

	if (r < 0)
		return r;
	log->table = flow_table_new(&log->names);
	log->flushed_us = loop_now();
	r = flow_server_new(log->event, log->path, on_connected, log, &log->server, err);
	if (r < 0)
		return r;
	r = sd_event_add_io(log->event, &log->packets, nflog_fd(log->nflog), EPOLLIN, on_packets,
			    log);
	if (r >= 0)
		r = sd_event_source_set_priority(log->packets, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_add_time_relative(log->event, &log->tick, CLOCK_MONOTONIC, TICK_US, 0,
					       on_tick, log);
	return r < 0 ? err_errno(err, r, "can't watch for packets") : 0;
}

bool flow_log_configure(struct flow_log *log, bool on, uint64_t flush_us)
{
	struct err err = ERR_INIT;

	log->flush_us = flush_us;
	if (!on) {
		switch_off(log);
		log->failed = false;
		return false;
	}
	if (log->nflog)
		return true;
	if (switch_on(log, &err) < 0) {
		switch_off(log);
		if (!log->failed)
			log_error("there is no flow log, though flowLogsLocalReporter is Enabled",
				  "error", err.msg);
		log->failed = true;
		return false;
	}
	log->failed = false;
	log_info("flows are logged", "socket", log->path);
	return true;
}

void flow_log_get_stats(const struct flow_log *log, struct flow_log_stats *ret)
{
	struct nflog_stats stats = {0};

	if (log->nflog)
		nflog_get_stats(log->nflog, &stats);
	*ret = (struct flow_log_stats){
		.n_packets = stats.n_packets,
		.n_lost = stats.n_lost + log->n_lost,
		.n_overruns = stats.n_overruns,
		.n_bad = stats.n_bad + log->n_bad,
	};
	if (log->table)
		ret->n_lost += flow_table_n_lost(log->table);
}

struct flow_log *flow_log_new(sd_event *event, const char *path, const struct flow_names *names)
{
	struct flow_log *log = XNEW(struct flow_log);

	log->event = sd_event_ref(event);
	log->path = xstrdup(path);
	log->names = *names;
	return log;
}

struct flow_log *flow_log_free(struct flow_log *log)
{
	if (!log)
		return NULL;
	switch_off(log);
	(void)sd_event_unref(log->event);
	free(log->path);
	free(log);
	return NULL;
}
