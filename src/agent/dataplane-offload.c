/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The devices between which established connections take the kernel's flow table: those of pods, of
 * tunnels, and the node's interfaces that nftablesFlowTableDataIfacePattern names. They are
 * followed by the kernel's announcements; the driver is told when they are others than before, or
 * when its table may have been made anew.
 */

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dataplane-internal.h"
#include "base/alloc.h"

#define LOG_MODULE "dataplane"
#include "base/log.h"

struct device {
	int ifindex;
	char name[IFNAMSIZ];
};

struct offload {
	char *pattern;
	regex_t compiled; /* if there is a pattern */
	struct device *devices;
	size_t n;
	bool unread; /* the devices are to be read from the kernel */
	bool dirty;  /* the driver is to be told */
	size_t n_in_force;
	struct err reported; /* why there is none; empty: there is one, or it was not asked for */
};

static void drop_pattern(struct offload *offload)
{
	if (!offload->pattern)
		return;
	regfree(&offload->compiled);
	free(offload->pattern);
	offload->pattern = NULL;
}

static void take_pattern(struct offload *offload, const char *pattern)
{
	drop_pattern(offload);
	if (!pattern || !*pattern)
		return;
	if (regcomp(&offload->compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
		log_error("nftablesFlowTableDataIfacePattern is not a regular expression; no "
			  "interface of the host takes part in the flow table",
			  "pattern", pattern);
		return;
	}
	offload->pattern = xstrdup(pattern);
}

void offload_configure(struct dataplane *dataplane)
{
	struct offload *offload = dataplane->offload;

	if (!dataplane->config.offload) {
		dataplane->offload = offload_free(offload);
		return;
	}
	if (!offload)
		offload = dataplane->offload = XNEW(struct offload);
	take_pattern(offload, dataplane->config.offload_pattern);
	offload->unread = true;
}

struct offload *offload_free(struct offload *offload)
{
	if (!offload)
		return NULL;
	drop_pattern(offload);
	free(offload->devices);
	free(offload);
	return NULL;
}

void offload_invalidate(struct dataplane *dataplane)
{
	if (dataplane->offload)
		dataplane->offload->unread = true;
}

/* --- The devices ------------------------------------------------------------------------------ */

static bool takes_part(const struct dataplane *dataplane, const char *name)
{
	const struct offload *offload = dataplane->offload;

	if (dataplane_is_workload(dataplane, name))
		return true;
	for (unsigned int i = 0; i < N_TUNNELS; i++)
		if (strcmp(name, tunnel_names[i]) == 0)
			return true;
	return offload->pattern && regexec(&offload->compiled, name, 0, NULL, 0) == 0;
}

static struct device *find(const struct offload *offload, int ifindex)
{
	for (size_t i = 0; i < offload->n; i++)
		if (offload->devices[i].ifindex == ifindex)
			return &offload->devices[i];
	return NULL;
}

static void add(struct offload *offload, const struct link *link)
{
	struct device *device = ARRAY_ADD(offload->devices, offload->n);

	device->ifindex = link->ifindex;
	memcpy(device->name, link->name, sizeof(device->name));
	offload->dirty = true;
}

static void drop(struct offload *offload, struct device *device)
{
	*device = offload->devices[--offload->n];
	offload->dirty = true;
}

void offload_note_link(struct dataplane *dataplane, const struct link *link)
{
	struct offload *offload = dataplane->offload;
	struct device *device;

	if (!offload || offload->unread)
		return;
	device = find(offload, link->ifindex);
	if (device && strcmp(device->name, link->name) == 0)
		return;
	if (device)
		drop(offload, device);
	if (takes_part(dataplane, link->name))
		add(offload, link);
}

void offload_note_link_gone(struct dataplane *dataplane, int ifindex)
{
	struct offload *offload = dataplane->offload;
	struct device *device = offload ? find(offload, ifindex) : NULL;

	if (device)
		drop(offload, device);
}

static int read_devices(struct dataplane *dataplane, struct err *err)
{
	struct offload *offload = dataplane->offload;
	struct link_list links = {0};
	int r = link_dump(dataplane->nl, &links, err);

	if (r == 0) {
		offload->n = 0;
		offload->unread = false;
		offload->dirty = true;
	}
	for (size_t i = 0; r == 0 && i < links.n; i++)
		if (takes_part(dataplane, links.v[i].name))
			add(offload, &links.v[i]);
	link_list_deinit(&links);
	return r;
}

/* --- The driver ------------------------------------------------------------------------------- */

static int tell_driver(struct dataplane *dataplane, struct err *err)
{
	struct offload *offload = dataplane->offload;
	_cleanup_free_ const char **names = xcalloc(offload->n, sizeof(*names));
	const struct policy_driver *policy = &dataplane->policy;

	if (!policy->ops->offload)
		return err_set(err, -EOPNOTSUPP,
			       "iptables has none; nftablesMode has to be Enabled");
	for (size_t i = 0; i < offload->n; i++)
		names[i] = offload->devices[i].name;
	return policy->ops->offload(policy->self, names, offload->n, &offload->n_in_force, err);
}

/* It is the same after each change; said once. */
static void report_none(struct offload *offload, const struct err *err)
{
	if (strcmp(offload->reported.msg, err->msg) != 0)
		log_warning("nftablesFlowTableOffload has no effect: connections take the way "
			    "through all chains",
			    "reason", err->msg);
	offload->reported = *err;
}

int offload_apply(struct dataplane *dataplane, struct err *err)
{
	struct offload *offload = dataplane->offload;
	int r = 0;

	if (!offload)
		return 0;
	if (offload->unread)
		r = read_devices(dataplane, err);
	if (r < 0 || !offload->dirty)
		return r;
	r = tell_driver(dataplane, err);
	if (r == -EOPNOTSUPP) {
		report_none(offload, err);
		r = 0;
	} else if (r == 0) {
		offload->reported.msg[0] = '\0';
	}
	offload->dirty = r < 0;
	return r;
}

size_t offload_n_devices(const struct dataplane *dataplane)
{
	return dataplane->offload ? dataplane->offload->n_in_force : 0;
}
