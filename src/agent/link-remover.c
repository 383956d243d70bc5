/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The remover: N_THREADS workers, each with a connection of its own; a removal goes to the one with
 * the least to do. A removal lives until its worker is done with it; its callback is taken out when
 * it is called, which makes it once.
 */

#include "agent/link-remover.h"

#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>

#include <utlist.h>

#include "base/alloc.h"
#include "cni/pod-link.h"
#include "loop/loop.h"
#include "netlink/nl.h"

#define N_THREADS 8

struct removal {
	struct worker_job job;
	struct link_remover *remover;
	unsigned int thread;
	char ifname[IFNAMSIZ];
	int ifindex;
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

static void run(struct worker_job *job, void *ctx)
{
	struct removal *removal = CONTAINER_OF(job, struct removal, job);

	removal->result = pod_link_detach(ctx, removal->ifname, &removal->err);
}

static void call_back(struct removal *removal)
{
	void (*removed)(void *ctx, int result, const struct err *err) = TAKE_PTR(removal->removed);

	if (removed)
		removed(removal->ctx, removal->result, &removal->err);
}

static void done(struct worker_job *job)
{
	struct removal *removal = CONTAINER_OF(job, struct removal, job);

	DL_DELETE(removal->remover->removals, removal);
	removal->remover->threads[removal->thread].n_jobs--;
	call_back(removal);
	free(removal);
}

void link_remover_remove(struct link_remover *remover, const char *ifname,
			 void (*removed)(void *ctx, int result, const struct err *err), void *ctx)
{
	struct removal *removal = XNEW(struct removal);

	removal->job = (struct worker_job){.run = run, .done = done};
	removal->remover = remover;
	(void)snprintf(removal->ifname, sizeof(removal->ifname), "%s", ifname);
	removal->ifindex = (int)if_nametoindex(ifname);
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
	struct removal *removal;

	DL_FOREACH(remover->removals, removal)
	{
		if (removal->ifindex == ifindex && removal->removed) {
			removal->result = 0;
			call_back(removal);
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
