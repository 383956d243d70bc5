/* SPDX-License-Identifier: Apache-2.0 */

/* The search ends with the last wanted namespace; a process's is asked for once per namespace. */

#include "netlink/nsid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fd.h"

#define NSID_ATTRS (NETNSA_NSID + 1)

static const uint8_t nsid_policy[NSID_ATTRS] = {[NETNSA_NSID] = NL_ATTR_U32};

/* Where the files of namespaces are: <dir>/<entry><rest>. */
static const struct {
	const char *dir;
	const char *rest;
} places[] = {
	{"/run/netns", ""},
	{"/run/docker/netns", ""},
	{"/proc", "/ns/net"},
};

struct search {
	struct nl *nl;
	struct nsid_wanted *wanted;
	size_t n_wanted;
	size_t n_left;
	void (*visit)(size_t i, int netns_fd, void *ctx);
	void *ctx;
	ino_t *seen;
	size_t n_seen;
};

static void search_deinit(struct search *search)
{
	free(search->seen);
}

static bool seen_before(struct search *search, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return true;
	for (size_t i = 0; i < search->n_seen; i++) {
		if (search->seen[i] == st.st_ino)
			return true;
	}
	*ARRAY_ADD(search->seen, search->n_seen) = st.st_ino;
	return false;
}

static void restart(void *ctx)
{
	*(int *)ctx = NETNSA_NSID_NOT_ASSIGNED;
}

static int take_id(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *tb[NSID_ATTRS];
	int r = nl_parse(message, sizeof(struct rtgenmsg), nsid_policy, NSID_ATTRS, tb);

	if (r == 0 && tb[NETNSA_NSID])
		*(int *)ctx = (int)mnl_attr_get_u32(tb[NETNSA_NSID]);
	return r;
}

/* NETNSA_NSID_NOT_ASSIGNED: it has none, or is no namespace. */
static int id_of(struct nl *nl, int netns_fd, int *ret, struct err *err)
{
	const struct nl_visitor visitor = {restart, take_id, ret};
	struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, RTM_GETNSID, 0, &header, sizeof(header));

	*ret = NETNSA_NSID_NOT_ASSIGNED;
	mnl_attr_put_u32(message, NETNSA_FD, (uint32_t)netns_fd);
	return nl_query(nl, message, &visitor, &answer, err);
}

static int try_file(struct search *search, const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int nsid;
	int r;

	if (fd < 0 || seen_before(search, fd))
		return 0;
	r = id_of(search->nl, fd, &nsid, err);
	for (size_t i = 0; r == 0 && nsid >= 0 && i < search->n_wanted; i++) {
		struct nsid_wanted *wanted = &search->wanted[i];

		if (wanted->found || wanted->nsid != nsid)
			continue;
		wanted->found = true;
		search->n_left--;
		search->visit(i, fd, search->ctx);
	}
	return r;
}

static int try_place(struct search *search, const char *dir, const char *rest, struct err *err)
{
	DIR *stream = opendir(dir);
	const struct dirent *entry;
	int r = 0;

	while (r == 0 && search->n_left && stream && (entry = readdir(stream))) {
		_cleanup_free_ char *path = xasprintf("%s/%s%s", dir, entry->d_name, rest);

		if (entry->d_name[0] != '.')
			r = try_file(search, path, err);
	}
	if (stream)
		(void)closedir(stream);
	return r;
}

int nsid_visit(struct nl *nl, struct nsid_wanted *wanted, size_t n,
	       void (*visit)(size_t i, int netns_fd, void *ctx), void *ctx, struct err *err)
{
	_cleanup_(search_deinit) struct search search = {
		.nl = nl, .wanted = wanted, .n_wanted = n, .visit = visit, .ctx = ctx};
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		wanted[i].found = false;
		search.n_left += wanted[i].nsid >= 0;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(places); i++)
		r = try_place(&search, places[i].dir, places[i].rest, err);
	return r;
}
