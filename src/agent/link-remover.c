/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The remover: N_THREADS workers, each with a connection of its own; a removal goes to the one with
 * the least to do. A removal lives until its worker is done with it; its callback is taken out when
 * it is called, which makes it once. 'result' and 'err' are the worker's until then.
 *
 * What is deleted is the link that had the name when it was asked for, by its index: once it is
 * announced to be gone the pod's next container may get a link of the same name, while the worker
 * has not come to the deletion yet.
 */

#include "agent/link-remover.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "loop/loop.h"
#include "netlink/link.h"

#define N_THREADS 32 /* at 20 ms each, 1,600 deletions a second */

struct removal {
	struct worker_job job;
	struct link_remover *remover;
	unsigned int thread;
	char ifname[IFNAMSIZ];
	int ifindex; /* 0: there is none of the name, or it could not be looked up */
	int result;
	struct err err;
	void (*removed)(void *ctx, int result, const struct err *err);
	void *ctx;
	struct removal *prev, *next;
};

struct link_remover {
	struct {
		struct worker *worker;
		struct nl *nl;
		unsigned int n_jobs;
	} threads[N_THREADS];
	struct removal *removals;
};

static int delete_index(struct nl *nl, int ifindex, const char *ifname, struct err *err)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_request request;
	struct nl_answer answer;
	int r = nl_call(nl, nl_request_init(&request, RTM_DELLINK, 0, &header, sizeof(header)),
			&answer, err);

	if (r < 0 || !answer.errnum || answer.errnum == ENODEV)
		return r;
	return nl_refused(err, &answer, "delete interface %s", ifname);
}

static void run(struct worker_job *job, void *ctx)
{
	struct removal *removal = CONTAINER_OF(job, struct removal, job);
	struct link link;
	int r;

	if (!removal->ifindex)
		return; /* 'result' says already whether that is good */
	r = link_get_index(ctx, removal->ifindex, &link, &removal->err);
	if (r == LINK_E_NOT_FOUND)
		return;
	if (r == 0 && strcmp(link.kind, "veth") != 0)
		r = err_set(&removal->err, -EEXIST,
			    "%s is no pod's interface (%s): it is left alone", removal->ifname,
			    link.kind[0] ? link.kind : "hardware");
	removal->result =
		r < 0 ? r : delete_index(ctx, removal->ifindex, removal->ifname, &removal->err);
}

static void call_back(struct removal *removal, int result, const struct err *err)
{
	void (*removed)(void *ctx, int result, const struct err *err) = TAKE_PTR(removal->removed);

	if (removed)
		removed(removal->ctx, result, err);
}

static void done(struct worker_job *job)
{
	struct removal *removal = CONTAINER_OF(job, struct removal, job);

	DL_DELETE(removal->remover->removals, removal);
	removal->remover->threads[removal->thread].n_jobs--;
	call_back(removal, removal->result, &removal->err);
	free(removal);
}

/* A name that can't be looked up is not a link that is gone. */
static void look_up(struct removal *removal)
{
	removal->ifindex = (int)if_nametoindex(removal->ifname);
	if (!removal->ifindex && errno != ENODEV)
		removal->result =
			err_errno(&removal->err, -errno, "look up interface %s", removal->ifname);
}

void link_remover_remove(struct link_remover *remover, const char *ifname,
			 void (*removed)(void *ctx, int result, const struct err *err), void *ctx)
{
	struct removal *removal = XNEW(struct removal);

	removal->job = (struct worker_job){.run = run, .done = done};
	removal->remover = remover;
	(void)snprintf(removal->ifname, sizeof(removal->ifname), "%s", ifname);
	look_up(removal);
	removal->removed = removed;
	removal->ctx = ctx;
	for (unsigned int i = 1; i < N_THREADS; i++) {
		if (remover->threads[i].n_jobs < remover->threads[removal->thread].n_jobs)
			removal->thread = i;
	}
	DL_APPEND(remover->removals, removal);
	remover->threads[removal->thread].n_jobs++;
	worker_submit(remover->threads[removal->thread].worker, &removal->job);
}

void link_remover_note_gone(struct link_remover *remover, int ifindex)
{
	static const struct err none = ERR_INIT;
	struct removal *removal;

	DL_FOREACH(remover->removals, removal)
	{
		if (removal->ifindex == ifindex && removal->removed) {
			call_back(removal, 0, &none);
			return;
		}
	}
}

int link_remover_new(sd_event *event, struct link_remover **ret, struct err *err)
{
	_cleanup_(link_remover_freep) struct link_remover *remover = XNEW(struct link_remover);

	for (unsigned int i = 0; i < N_THREADS; i++) {
		int r = nl_open(NETLINK_ROUTE, -1, &remover->threads[i].nl, err);

		if (r == 0)
			r = worker_new(event, "links", remover->threads[i].nl,
				       &remover->threads[i].worker, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(remover);
	return 0;
}

struct link_remover *link_remover_free(struct link_remover *remover)
{
	if (!remover)
		return NULL;
	for (unsigned int i = 0; i < N_THREADS; i++) {
		remover->threads[i].worker = worker_free(remover->threads[i].worker);
		remover->threads[i].nl = nl_close(remover->threads[i].nl);
	}
	free(remover);
	return NULL;
}
