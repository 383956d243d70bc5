/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The BIRD manager. One job at a time is in the worker's hands; a new configuration that comes
 * meanwhile waits in 'wanted' and goes next, so BIRD always ends at the newest one. A configuration
 * that BIRD refuses is reported and not tried again until it changes; one that could not be handed
 * over because no daemon answers is tried again at every poll. A daemon that died is started again
 * with the file that is there, the last good configuration, also where the newest one is refused.
 * There is never a second one: nothing is started while our child lives, whether it answers or not.
 *
 * A connection to BIRD's socket is held, on which nothing is asked: its end tells of BIRD's death
 * at once, whoever started it. A daemon that dies soon after its start is started again later and
 * later.
 */

#include "agent/bird-manager.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/privileges.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "loop/loop.h"

#define LOG_MODULE "bird"
#include "base/log.h"

#define POLL_FAST_US 500000 /* while sessions are coming up */
#define POLL_SLOW_US 5000000

#define REINSTALL_SOON_US 20000
#define REINSTALL_US	  250000

/* One that lived so long may be started again at once; else the pause doubles. */
#define STABLE_US    10000000
#define PAUSE_MIN_US 500000
#define PAUSE_MAX_US 30000000

/* How long a daemon that was just started may take until it answers. */
#define START_TRIES    40
#define START_PAUSE_NS 50000000

struct bird_manager {
	sd_event *event;
	struct worker *worker;
	sd_event_source *poll_source;
	sd_event_source *life_source; /* the connection that is held; NULL: none */
	bool routes_lost;	      /* it is to put them back */
	uint64_t reinstalled_us;      /* when it was told so last */
	bool died;		      /* it has ended, and nobody has looked since */
	char *program;
	char *config_path;
	char *socket_path;
	bool spawn;
	void (*changed)(void *ctx);
	void *ctx;

	char *wanted; /* newest text; NULL: nothing new */
	char *last;   /* what was handed over last, or refused */
	char *said;   /* the last failure that was reported; the same one again is not news */

	struct worker_job job;
	bool at_work;
	/* Between the loop and the worker while at work. */
	char *text; /* to hand over; NULL: only look */
	bool reinstall;
	int text_result;
	bool reloaded;
	struct err err;
	struct bird_state seen;

	/* The worker's alone. */
	bool tried;	     /* there was a configuration to hand over */
	bool handed_over;    /* BIRD was told of the file since this agent started */
	int child;	     /* the BIRD we started; 0: none, or it has ended */
	uint64_t started_us; /* 0: not by us */
	uint64_t alive_us;   /* when it answered last */
	uint64_t pause_us;   /* between that start and the next one, at least */
	bool lowered;	     /* the thread has no more capabilities than BIRD needs */

	struct bird_state state;
};

/* --- In the worker ---------------------------------------------------------------------------- */

static bool child_lives(struct bird_manager *manager)
{
	if (manager->child && waitpid(manager->child, NULL, WNOHANG) != 0)
		manager->child = 0;
	return manager->child;
}

/* Notes a start that comes now. */
static bool may_start(struct bird_manager *manager)
{
	uint64_t now = loop_now();
	bool was_stable =
		!manager->started_us || manager->alive_us >= manager->started_us + STABLE_US;

	if (manager->started_us && now - manager->started_us < manager->pause_us)
		return false;
	if (was_stable)
		manager->pause_us = 0;
	else
		manager->pause_us = MIN(MAX(manager->pause_us * 2, (uint64_t)PAUSE_MIN_US),
					(uint64_t)PAUSE_MAX_US);
	manager->started_us = now;
	return true;
}

static int start(struct bird_manager *manager, struct err *err)
{
	const struct timespec pause = {.tv_nsec = START_PAUSE_NS};
	struct bird_daemon_status status;
	int r;

	if (child_lives(manager))
		return err_set(err, -EBUSY, "BIRD (pid %d) does not answer at %s", manager->child,
			       manager->socket_path);
	if (!may_start(manager))
		return err_set(err, -EAGAIN,
			       "BIRD ends soon after each start; it is started again after a "
			       "pause");
	r = bird_spawn(manager->program, manager->config_path, manager->socket_path,
		       &manager->child, err);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < START_TRIES; i++) {
		if (bird_show_status(manager->socket_path, &status, NULL) == 0) {
			manager->reloaded = true;
			log_info("BIRD started", "pid", log_num(manager->child).s, "socket",
				 manager->socket_path);
			return 0;
		}
		if (!child_lives(manager))
			break;
		(void)nanosleep(&pause, NULL);
	}
	return err_set(err, -ENOTCONN, "BIRD was started with -c %s -s %s, but %s",
		       manager->config_path, manager->socket_path,
		       manager->child ? "does not answer" : "it ended at once");
}

/* Makes BIRD run the configuration in its file. */
static int reload(struct bird_manager *manager, bool written, struct err *err)
{
	int r;

	/* The file may be newer than what BIRD runs: a former agent died in between. */
	if (written || !manager->handed_over) {
		r = bird_configure(manager->socket_path, err);
		if (r == BIRD_E_REFUSED)
			return err_prefix(err, -EINVAL, "BIRD keeps its old configuration");
		if (r == 0)
			manager->reloaded = true;
	} else {
		r = bird_show_status(manager->socket_path, &manager->seen.daemon, err);
	}
	if (r != BIRD_E_ABSENT)
		return r < 0 ? r : 0;
	if (!manager->spawn)
		return err_set(err, -ENOTCONN, "no BIRD answers at %s; start it with -c %s -s %s",
			       manager->socket_path, manager->config_path, manager->socket_path);
	return start(manager, err);
}

/* A daemon that is gone comes back with the configuration that is there. */
static void revive(struct bird_manager *manager)
{
	struct bird_daemon_status status;
	struct err err = ERR_INIT;
	int r;

	if (!manager->spawn || !manager->tried || access(manager->config_path, R_OK) < 0 ||
	    child_lives(manager) ||
	    bird_show_status(manager->socket_path, &status, NULL) != BIRD_E_ABSENT)
		return;
	r = start(manager, &err);
	if (r == 0)
		log_warning_limited("BIRD had gone away and was started again", "socket",
				    manager->socket_path);
	else if (r != -EAGAIN)
		log_error_limited("can't start BIRD again", "error", err.msg);
}

static void look(struct bird_manager *manager)
{
	struct bird_state *seen = &manager->seen;

	seen->present = bird_show_protocols(manager->socket_path, &seen->protocols, NULL) == 0 &&
			bird_show_status(manager->socket_path, &seen->daemon, NULL) == 0;
	if (seen->present)
		manager->alive_us = loop_now();
	for (size_t i = 0; i < seen->protocols.n; i++) {
		const struct bird_protocol *protocol = &seen->protocols.v[i];

		if (strcmp(protocol->proto, "BGP") != 0)
			continue;
		if (strncmp(protocol->info, "Established", 11) == 0)
			seen->n_established++;
		else
			seen->n_not_established++;
	}
}

static void run(struct worker_job *job, void *ctx)
{
	struct bird_manager *manager = CONTAINER_OF(job, struct bird_manager, job);
	struct err err = ERR_INIT;
	int r = 0;

	(void)ctx;
	manager->reloaded = false;
	if (!manager->lowered)
		r = privileges_keep(PRIVILEGES_BIRD, &manager->err);
	manager->lowered = r == 0;
	if (manager->text && r == 0) {
		manager->tried = true;
		r = bird_config_write(manager->program, manager->config_path, manager->text,
				      strlen(manager->text), &manager->err);
		if (r >= 0)
			r = reload(manager, r == BIRD_CONFIG_E_WRITTEN, &manager->err);
		if (r == 0)
			manager->handed_over = true;
	}
	manager->text_result = r;
	revive(manager);
	if (manager->reinstall && bird_reinstall_routes(manager->socket_path, &err) != 0)
		log_warning_limited("BIRD does not put back its routes; it will at its next scan",
				    "error", err.msg);
	look(manager);
}

/* --- In the loop ------------------------------------------------------------------------------ */

static void start_work(struct bird_manager *manager)
{
	if (manager->at_work)
		return;
	manager->at_work = true;
	manager->died = false;
	manager->reinstall = manager->routes_lost;
	manager->routes_lost = false;
	if (manager->reinstall)
		manager->reinstalled_us = loop_now();
	replace_str(&manager->text, manager->wanted ? TAKE_PTR(manager->wanted) : NULL);
	manager->job = (struct worker_job){.run = run, .done = manager->job.done};
	worker_submit(manager->worker, &manager->job);
}

static void look_in(struct bird_manager *manager, uint64_t us)
{
	(void)sd_event_source_set_time_relative(manager->poll_source, us);
	(void)sd_event_source_set_enabled(manager->poll_source, SD_EVENT_ONESHOT);
}

/* All that goes in one stroke comes back in one, and a script that goes on and on is no flood. */
static uint64_t reinstall_pause(const struct bird_manager *manager)
{
	uint64_t since = loop_now() - manager->reinstalled_us;

	return since >= REINSTALL_US ? REINSTALL_SOON_US : REINSTALL_US - since;
}

void bird_manager_reinstall(struct bird_manager *manager)
{
	if (manager->routes_lost)
		return;
	manager->routes_lost = true;
	if (!manager->at_work)
		look_in(manager, reinstall_pause(manager));
}

static int on_life(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct bird_manager *manager = userdata;
	char greeting[256];
	ssize_t n = read(fd, greeting, sizeof(greeting));

	(void)source;
	(void)revents;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return 0;
	manager->life_source = sd_event_source_disable_unref(manager->life_source);
	log_warning_limited("BIRD ended", "socket", manager->socket_path);
	manager->died = true;
	if (!manager->at_work)
		look_in(manager, 0);
	return 0;
}

/* Whatever can't be held is seen by the next poll. */
static void hold(struct bird_manager *manager)
{
	_cleanup_close_ int fd = -1;

	if (manager->life_source || !manager->state.present ||
	    bird_connect(manager->socket_path, &fd, NULL) != 0 ||
	    sd_event_add_io(manager->event, &manager->life_source, fd, EPOLLIN, on_life, manager) <
		    0)
		return;
	(void)sd_event_source_set_io_fd_own(manager->life_source, true);
	(void)TAKE_FD(fd);
}

static void take_text_result(struct bird_manager *manager)
{
	if (!manager->text)
		return;
	if (manager->text_result < 0 &&
	    !(manager->said && strcmp(manager->said, manager->err.msg) == 0))
		log_error_limited("BIRD does not run the newest configuration", "error",
				  manager->err.msg);
	replace_str(&manager->said, manager->text_result < 0 ? xstrdup(manager->err.msg) : NULL);
	if (manager->text_result == 0 && manager->reloaded)
		log_info("BIRD runs the newest configuration");
	/* Refused for its text: wait for another one. Anything else: the same again. */
	if (manager->text_result == 0 || manager->text_result == -EINVAL)
		replace_str(&manager->last, TAKE_PTR(manager->text));
	else if (!manager->wanted)
		manager->wanted = TAKE_PTR(manager->text);
	replace_str(&manager->text, NULL);
}

static void done(struct worker_job *job)
{
	struct bird_manager *manager = CONTAINER_OF(job, struct bird_manager, job);
	uint64_t n_reloads = manager->state.n_reloads + (manager->reloaded ? 1 : 0);

	manager->at_work = false;
	take_text_result(manager);
	bird_protocols_deinit(&manager->state.protocols);
	manager->state = manager->seen;
	manager->state.n_reloads = n_reloads;
	manager->seen = (struct bird_state){0};
	(void)sd_event_source_set_time_relative(
		manager->poll_source, manager->state.n_not_established || !manager->state.present
					      ? POLL_FAST_US
					      : POLL_SLOW_US);
	(void)sd_event_source_set_enabled(manager->poll_source, SD_EVENT_ONESHOT);
	hold(manager);
	/* It may have ended after it was looked at. */
	if (manager->died)
		look_in(manager, 0);
	else if (manager->routes_lost)
		look_in(manager, reinstall_pause(manager));
	manager->changed(manager->ctx);
}

static int on_poll(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	start_work(userdata);
	return 0;
}

void bird_manager_configure(struct bird_manager *manager, const struct bgp_input *input)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	if (bgp_config_render(input, &text, &err) < 0) {
		log_error("can't render BIRD's configuration", "error", err.msg);
		return;
	}
	if (manager->last && strcmp(manager->last, buf_str(&text)) == 0) {
		replace_str(&manager->wanted, NULL);
		return;
	}
	replace_str(&manager->wanted, buf_take(&text));
	start_work(manager);
}

const struct bird_state *bird_manager_get_state(const struct bird_manager *manager)
{
	return &manager->state;
}

int bird_manager_new(sd_event *event, const struct agent_args *args, void (*changed)(void *ctx),
		     void *ctx, struct bird_manager **ret, struct err *err)
{
	_cleanup_(bird_manager_freep) struct bird_manager *manager = XNEW(struct bird_manager);
	int r;

	manager->event = sd_event_ref(event);
	manager->program = xstrdup(args->bird_program);
	manager->config_path = xasprintf("%s/bird.cfg", args->run_dir);
	manager->socket_path = xasprintf("%s/bird.ctl", args->run_dir);
	manager->spawn = args->bird_mode == BIRD_MODE_SPAWN;
	manager->changed = changed;
	manager->ctx = ctx;
	manager->job.done = done;
	r = worker_new(event, "bird", NULL, &manager->worker, err);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(event, &manager->poll_source, CLOCK_MONOTONIC, POLL_FAST_US,
				       0, on_poll, manager);
	if (r < 0)
		return err_errno(err, r, "can't set a timer");
	*ret = TAKE_PTR(manager);
	return 0;
}

struct bird_manager *bird_manager_free(struct bird_manager *manager)
{
	if (!manager)
		return NULL;
	(void)sd_event_source_disable_unref(manager->poll_source);
	manager->poll_source = NULL;
	manager->life_source = sd_event_source_disable_unref(manager->life_source);
	manager->worker = worker_free(manager->worker);
	bird_protocols_deinit(&manager->state.protocols);
	bird_protocols_deinit(&manager->seen.protocols);
	free(manager->program);
	free(manager->config_path);
	free(manager->socket_path);
	free(manager->wanted);
	free(manager->last);
	free(manager->said);
	free(manager->text);
	(void)sd_event_unref(manager->event);
	free(manager);
	return NULL;
}
