/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The pods' MTU: the smallest of the tunnels in use, or that of the node's interfaces where none
 * is. It is written to the file 'mtu' for whoever reads Calico's, and to remember it.
 *
 * When it changes, the pods that are there follow, with both ends of their links; those whose CNI
 * configuration named an MTU keep it. A larger MTU goes to the host's ends first and a smaller one
 * to the pods', so that nobody sends what the other end does not take.
 */

#include <errno.h>
#include <linux/netlink.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dataplane-internal.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/parse.h"
#include "netlink/nsid.h"

#define LOG_MODULE "dataplane"
#include "base/log.h"

#define MTU_FALLBACK 1460u /* no interface to go by */
#define MTU_MIN	     1280u
#define MTU_TEXT_MAX 16

/* --- The node's ------------------------------------------------------------------------------- */

static bool note_parent(struct dataplane *dataplane, const struct link *link)
{
	bool is_parent = false;

	for (unsigned int f = 0; f < FAMILIES; f++) {
		if (dataplane->parent_ifindex[f] != link->ifindex)
			continue;
		dataplane->parent_mtu[f] = link->mtu;
		is_parent = true;
	}
	return is_parent;
}

/* The smallest of the interfaces with such a name, and of the one with the node's own address. */
int mtu_find_host(struct dataplane *dataplane, struct err *err)
{
	struct link_list links = {0};
	uint32_t mtu = 0;
	regex_t pattern;
	int r;

	if (regcomp(&pattern, dataplane->config.mtu_iface_pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return err_set(err, -EINVAL, "mtuIfacePattern \"%s\" is not a regular expression",
			       dataplane->config.mtu_iface_pattern);
	memset(dataplane->parent_mtu, 0, sizeof(dataplane->parent_mtu));
	r = link_dump(dataplane->nl, &links, err);
	for (size_t i = 0; i < links.n; i++) {
		const struct link *link = &links.v[i];
		bool is_parent = note_parent(dataplane, link);

		if ((link->flags & IFF_UP) && link->mtu >= MTU_MIN && (!mtu || link->mtu < mtu) &&
		    (is_parent || regexec(&pattern, link->name, 0, NULL, 0) == 0))
			mtu = link->mtu;
	}
	link_list_deinit(&links);
	regfree(&pattern);
	if (r == 0)
		dataplane->host_mtu = mtu ? mtu : MTU_FALLBACK;
	return r;
}

/* --- The pods' -------------------------------------------------------------------------------- */

/* The pods that follow a change. */
struct followers {
	struct dataplane *dataplane;
	struct endpoint **endpoints;
	struct link *links; /* host's ends */
	struct nsid_wanted *wanted;
	size_t n;
	uint32_t mtu;
};

static void followers_deinit(struct followers *followers)
{
	free(followers->endpoints);
	free(followers->links);
	free(followers->wanted);
}

static void find_followers(struct followers *followers, uint32_t old)
{
	struct dataplane *dataplane = followers->dataplane;
	size_t n_links = 0;
	size_t n_wanted = 0;
	struct endpoint *endpoint;
	struct endpoint *next;

	HASH_ITER(hh, dataplane->endpoints->by_name, endpoint, next)
	{
		struct link link;

		if (endpoint->mtu_fixed || !endpoint->ifindex || endpoint->mtu != old ||
		    link_get_index(dataplane->nl, endpoint->ifindex, &link, NULL) != 0)
			continue;
		*ARRAY_ADD(followers->endpoints, followers->n) = endpoint;
		*ARRAY_ADD(followers->links, n_links) = link;
		*ARRAY_ADD(followers->wanted, n_wanted) =
			(struct nsid_wanted){.nsid = link.peer_nsid};
	}
}

static void set_host_end(struct followers *followers, size_t i, uint32_t mtu)
{
	struct err err = ERR_INIT;

	followers->endpoints[i]->mtu = mtu;
	if (link_set_mtu(followers->dataplane->nl, followers->links[i].ifindex, mtu, &err) < 0)
		log_warning_limited("a pod's interface keeps its MTU", "interface",
				    followers->links[i].name, "error", err.msg);
}

static void set_pod_end(size_t i, int netns_fd, void *ctx)
{
	struct followers *followers = ctx;
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct err err = ERR_INIT;
	int r = nl_open(NETLINK_ROUTE, netns_fd, &nl, &err);

	if (r == 0)
		r = link_set_mtu(nl, followers->links[i].peer_ifindex, followers->mtu, &err);
	if (r < 0) {
		followers->wanted[i].nsid = -1;
		log_warning_limited("the MTU inside a pod could not be changed", "interface",
				    followers->links[i].name, "error", err.msg);
	}
}

static void set_pod_ends(struct followers *followers)
{
	struct err err = ERR_INIT;

	if (nsid_visit(followers->dataplane->nl, followers->wanted, followers->n, set_pod_end,
		       followers, &err) < 0)
		log_warning_limited("can't look for the pods' network namespaces", "error",
				    err.msg);
	for (size_t i = 0; i < followers->n; i++) {
		if (!followers->wanted[i].found)
			log_warning_limited("a pod keeps its MTU: its network namespace is neither "
					    "in /run/netns nor a visible process's",
					    "interface", followers->links[i].name);
	}
}

void mtu_follow(struct dataplane *dataplane, uint32_t old)
{
	_cleanup_(followers_deinit) struct followers followers = {.dataplane = dataplane,
								  .mtu = dataplane->pod_mtu};
	bool grows = dataplane->pod_mtu > old;

	find_followers(&followers, old);
	if (!followers.n)
		return;
	for (size_t i = 0; grows && i < followers.n; i++)
		set_host_end(&followers, i, dataplane->pod_mtu);
	set_pod_ends(&followers);
	for (size_t i = 0; i < followers.n; i++) {
		bool reached = followers.wanted[i].found && followers.wanted[i].nsid >= 0;

		if (reached != grows)
			set_host_end(&followers, i, reached ? dataplane->pod_mtu : old);
	}
	log_info("running pods got another MTU", "pods", log_num((int64_t)followers.n).s, "from",
		 log_num(old).s, "to", log_num(dataplane->pod_mtu).s);
}

/* What the pods of a former life of the agent have; 0: there was none. */
static uint32_t read_former(const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *line = NULL;
	uint64_t mtu;

	if (file_read(path, MTU_TEXT_MAX, &text, NULL) < 0)
		return 0;
	line = xstrndup(buf_str(&text), strcspn(buf_str(&text), "\n"));
	return parse_u64(line, 1, UINT16_MAX, &mtu, NULL) == 0 ? (uint32_t)mtu : 0;
}

void mtu_update_pods(struct dataplane *dataplane)
{
	_cleanup_free_ char *path = xasprintf("%s/mtu", dataplane->config.state_dir);
	uint32_t old = dataplane->pod_mtu ? dataplane->pod_mtu : read_former(path);
	uint32_t mtu = dataplane->host_mtu;
	struct err err = ERR_INIT;
	char text[MTU_TEXT_MAX];

	if (!dataplane->in_sync)
		return; /* the pools are not known */
	for (unsigned int i = 0; i < N_TUNNELS; i++) {
		if (dataplane->tunnels[i].wanted && dataplane->tunnels[i].mtu < mtu)
			mtu = dataplane->tunnels[i].mtu;
	}
	if (mtu == dataplane->pod_mtu)
		return;
	dataplane->pod_mtu = mtu;
	log_info("MTU of pods", "mtu", log_num(mtu).s, "host_mtu", log_num(dataplane->host_mtu).s);
	if (old && old != mtu)
		mtu_follow(dataplane, old);
	/* At last: after a crash in between, the next life finishes it. */
	(void)snprintf(text, sizeof(text), "%u", mtu);
	if (file_write_atomic(path, text, strlen(text), 0644, &err) < 0)
		log_warning_limited("can't tell other programs the MTU", "error", err.msg);
}
