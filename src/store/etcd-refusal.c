/* SPDX-License-Identifier: Apache-2.0 */

/* The table of refusals. */

#include "store/etcd-refusal.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "store/etcd-answer.h"

static const struct etcd_refusal refusals[] = {
	{"revision has been compacted", ETCD_REMEDY_COMPACTED, 0, ""},
	{"is a future revision", ETCD_REMEDY_COMPACTED, 0, ""},
	{"invalid auth token", ETCD_REMEDY_TOKEN, -EACCES, "check ETCD_USERNAME and ETCD_PASSWORD"},
	{"user name is empty", ETCD_REMEDY_TOKEN, -EACCES, "set ETCD_USERNAME and ETCD_PASSWORD"},
	{"revision in auth store is old", ETCD_REMEDY_TOKEN, -EACCES, "try again"},
	{"authentication failed", ETCD_REMEDY_NONE, -EACCES,
	 "check ETCD_USERNAME and ETCD_PASSWORD"},
	{"permission denied", ETCD_REMEDY_NONE, -EACCES,
	 "grant the user a role that reads and writes the prefix /calico/"},
	{"database space exceeded", ETCD_REMEDY_NONE, -ENOSPC,
	 "compact and defragment etcd or raise --quota-backend-bytes, then: etcdctl alarm disarm"},
	{"too many operations in txn", ETCD_REMEDY_NONE, -E2BIG,
	 "start etcd with --max-txn-ops=256 or write fewer objects at once"},
	{"request is too large", ETCD_REMEDY_NONE, -EFBIG,
	 "start etcd with a larger --max-request-bytes"},
	{"message larger than max", ETCD_REMEDY_NONE, -EFBIG,
	 "start etcd with a larger --max-request-bytes"},
	{"CommonName of client", ETCD_REMEDY_NONE, -EACCES,
	 "etcd's gateway takes a user's requests only with a client certificate that has no CN"},
	{"no leader", ETCD_REMEDY_WAIT, -EAGAIN, "most members of the cluster must be up"},
	{"too many requests", ETCD_REMEDY_WAIT, -EAGAIN, "etcd is overloaded"},
	{"leader changed", ETCD_REMEDY_ASK, -EAGAIN, "try again"},
	{"request timed out", ETCD_REMEDY_ASK, -ETIMEDOUT,
	 "most members of the cluster must be up"},
	{"server stopped", ETCD_REMEDY_ASK, -EAGAIN, "try again"},
	{"transport is closing", ETCD_REMEDY_ASK, -EAGAIN, "try again"},
	{"context deadline exceeded", ETCD_REMEDY_ASK, -ETIMEDOUT, "etcd is overloaded"},
	{"corrupt", ETCD_REMEDY_NONE, -EIO, "see etcd's documentation on recovery"},
};
static const struct etcd_refusal unavailable = {"", ETCD_REMEDY_ASK, -EAGAIN, "etcd is not ready"};
static const struct etcd_refusal no_gateway = {
	"", ETCD_REMEDY_NONE, -EPROTO,
	"is this an etcd of version 3.4 or newer, with its JSON gateway?"};
static const struct etcd_refusal other_refusal = {"", ETCD_REMEDY_NONE, -EIO, "see etcd's log"};

const struct etcd_refusal *etcd_refusal_find(long status, const struct etcd_failure *failure)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (strstr(failure->text, refusals[i].text))
			return &refusals[i];
	}
	if (status == 404 || status == 405)
		return &no_gateway;
	return status >= 500 ? &unavailable : &other_refusal;
}
