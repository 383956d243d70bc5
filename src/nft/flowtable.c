/* SPDX-License-Identifier: Apache-2.0 */

/* Two sorted lists of names, wanted and there; the difference goes to the kernel. */

#include "nft/flowtable.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/alloc.h"
#include "nft/batch.h"

#define SYNC_TRIES 3 /* a device may go while it is being put in */

/* --- Names -------------------------------------------------------------------------------- */

struct names {
	char **v;
	size_t n;
};

static void names_deinit(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct names){0};
}

static void names_add(struct names *names, const char *name, size_t len)
{
	*ARRAY_ADD(names->v, names->n) = xstrndup(name, len);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* And each once. */
static void names_sort(struct names *names)
{
	size_t n = 0;

	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), compare_names);
	for (size_t i = 0; i < names->n; i++) {
		if (n && strcmp(names->v[n - 1], names->v[i]) == 0)
			free(names->v[i]);
		else
			names->v[n++] = names->v[i];
	}
	names->n = n;
}

static bool names_have(const struct names *names, const char *name)
{
	return names->n &&
	       bsearch(&name, names->v, names->n, sizeof(*names->v), compare_names) != NULL;
}

/* --- What is there ------------------------------------------------------------------------ */

static const uint8_t table_policy[NFTA_FLOWTABLE_HOOK + 1] = {
	[NFTA_FLOWTABLE_TABLE] = NL_ATTR_STRING,
	[NFTA_FLOWTABLE_NAME] = NL_ATTR_STRING,
	[NFTA_FLOWTABLE_HOOK] = NL_ATTR_NESTED,
};
static const uint8_t hook_policy[NFTA_FLOWTABLE_HOOK_DEVS + 1] = {
	[NFTA_FLOWTABLE_HOOK_DEVS] = NL_ATTR_NESTED,
};

struct reading {
	bool found;
	struct names devices;
};

static void forget(void *ctx)
{
	struct reading *reading = ctx;

	reading->found = false;
	names_deinit(&reading->devices);
}

static void take_names(const struct nlattr *list, struct names *ret)
{
	const struct nlattr *attr = mnl_attr_get_payload(list);
	const char *end = (const char *)attr + mnl_attr_get_payload_len(list);

	for (; mnl_attr_ok(attr, (int)(end - (const char *)attr)); attr = mnl_attr_next(attr)) {
		const char *name = mnl_attr_get_payload(attr);

		if (mnl_attr_get_type(attr) == NFTA_DEVICE_NAME)
			names_add(ret, name, strnlen(name, mnl_attr_get_payload_len(attr)));
	}
}

static int take(const struct nlmsghdr *message, void *ctx)
{
	struct reading *reading = ctx;
	const struct nlattr *tb[ARRAY_SIZE(table_policy)];
	const struct nlattr *hook[ARRAY_SIZE(hook_policy)] = {NULL};
	int r = nl_parse(message, sizeof(struct nfgenmsg), table_policy, ARRAY_SIZE(tb), tb);

	if (r == 0 && tb[NFTA_FLOWTABLE_HOOK])
		r = nl_parse_nested(tb[NFTA_FLOWTABLE_HOOK], hook_policy, ARRAY_SIZE(hook), hook);
	if (r < 0 || !tb[NFTA_FLOWTABLE_TABLE] || !tb[NFTA_FLOWTABLE_NAME] ||
	    strcmp(mnl_attr_get_str(tb[NFTA_FLOWTABLE_TABLE]), NFT_TABLE) != 0 ||
	    strcmp(mnl_attr_get_str(tb[NFTA_FLOWTABLE_NAME]), NFT_FLOWTABLE) != 0)
		return r;
	reading->found = true;
	if (!hook[NFTA_FLOWTABLE_HOOK_DEVS])
		return 0;
	take_names(hook[NFTA_FLOWTABLE_HOOK_DEVS], &reading->devices);
	return 0;
}

static int read_devices(struct nl *nl, uint8_t family, struct names *ret, struct err *err)
{
	struct reading reading = {.found = false};
	struct nl_visitor visitor = {.restart = forget, .message = take, .ctx = &reading};
	struct nfgenmsg header = {.nfgen_family = nft_family(family), .version = NFNETLINK_V0};
	struct nl_request request;
	struct nl_answer answer;
	struct nlmsghdr *message =
		nl_request_init(&request, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETFLOWTABLE,
				NLM_F_DUMP, &header, sizeof(header));
	int r;

	mnl_attr_put_strz(message, NFTA_FLOWTABLE_TABLE, NFT_TABLE);
	r = nl_query(nl, message, &visitor, &answer, err);
	if (r == 0 && answer.errnum && answer.errnum != ENOENT)
		r = nl_refused(err, &answer, "read the flow table");
	if (r == 0 && !reading.found)
		r = err_set(err, -ENOENT, "there is no flow table");
	*ret = reading.devices;
	return r;
}

/* --- The difference ----------------------------------------------------------------------- */

static bool exists(const struct nl *nl, const char *name)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	return ioctl(nl_fd(nl), SIOCGIFINDEX, &request) == 0;
}

static int send_difference(struct nl *nl, uint8_t family, const struct names *wanted,
			   const struct names *known, struct err *err)
{
	_cleanup_(nft_batch_freep) struct nft_batch *batch = nft_batch_new(family);
	_cleanup_free_ const char **added = xcalloc(wanted->n, sizeof(*added));
	_cleanup_free_ const char **removed = xcalloc(known->n, sizeof(*removed));
	size_t n_added = 0;
	size_t n_removed = 0;

	for (size_t i = 0; i < known->n; i++)
		if (!names_have(wanted, known->v[i]))
			removed[n_removed++] = known->v[i];
	for (size_t i = 0; i < wanted->n; i++)
		if (!names_have(known, wanted->v[i]))
			added[n_added++] = wanted->v[i];
	nft_batch_delete_devices(batch, NFT_FLOWTABLE, removed, n_removed);
	nft_batch_add_devices(batch, NFT_FLOWTABLE, added, n_added);
	return nft_batch_commit(batch, nl, err);
}

static void keep_existing(const struct nl *nl, const char *const *devices, size_t n,
			  struct names *ret)
{
	for (size_t i = 0; i < n; i++)
		if (exists(nl, devices[i]))
			names_add(ret, devices[i], strlen(devices[i]));
	names_sort(ret);
}

int nft_flowtable_sync(struct nl *nl, uint8_t family, const char *const *devices, size_t n,
		       size_t *ret, struct err *err)
{
	int r = -ENOENT;

	*ret = 0;
	for (int i = 0; r < 0 && i < SYNC_TRIES; i++) {
		struct names wanted = {0};
		struct names known = {0};

		r = read_devices(nl, family, &known, err);
		names_sort(&known);
		if (r == 0) {
			keep_existing(nl, devices, n, &wanted);
			*ret = wanted.n;
			r = send_difference(nl, family, &wanted, &known, err);
		}
		names_deinit(&wanted);
		names_deinit(&known);
	}
	return r;
}
