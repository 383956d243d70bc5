/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is under the reserve's handle is read from the datastore, never from memory: it is the
 * truth.
 */

#include "agent/reserve-fill.h"

#include <errno.h>
#include <time.h>

#include "base/alloc.h"
#include "ipam-io/ipam-handle.h"
#include "ipam-io/ipam-writer.h"
#include "ipam/ipam-name.h"

#define LOG_MODULE "reserve"
#include "base/log.h"

static int release(struct ipam_writer *writer, const char *handle, struct err *err)
{
	struct ipam_request request = {.type = IPAM_RELEASE_HANDLE, .handle = handle};
	int r = ipam_writer_serve(writer, &request, 1, err);

	if (r < 0 || request.result == IPAM_OK || request.result == IPAM_E_NOT_FOUND)
		return r;
	return err_set(err, -EIO, "%s", request.err.msg);
}

static int assign(struct ipam_writer *writer, struct reserve_fill *fill, uint8_t family,
		  unsigned int n, struct err *err)
{
	struct ipam_request request = {
		.type = IPAM_ASSIGN_AUTO,
		.handle = fill->handle,
		.n_v4 = family == AF_INET ? n : 0,
		.n_v6 = family == AF_INET ? 0 : n,
		.use = IPAM_USE_WORKLOAD,
		.attr_type = IPAM_RESERVE_TYPE,
		.now = time(NULL),
		.own_blocks_only = true,
	};
	int r = ipam_writer_serve(writer, &request, 1, err);

	if (r < 0)
		return r;
	if (request.result != IPAM_OK)
		log_debug("no address to keep in reserve", "reason", request.err.msg);
	for (unsigned int i = 0; i < request.n_addrs && fill->n < RESERVE_ADDRS_MAX; i++)
		fill->addrs[fill->n++] = request.addrs[i].addr;
	return 0;
}

int reserve_fill(struct store *store, struct ipam_writer *writer, struct reserve_fill *fill,
		 struct err *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	unsigned int found[2] = {0, 0};
	int r = fill->anew || fill->none ? release(writer, fill->handle, err) : 0;

	fill->n = 0;
	if (r == 0)
		r = ipam_handle_addresses(store, fill->handle, fill->addrs, RESERVE_ADDRS_MAX,
					  &fill->n, err);
	for (size_t i = 0; r == 0 && i < fill->n; i++)
		found[fill->addrs[i].family == AF_INET ? 0 : 1]++;
	for (size_t f = 0; r == 0 && !fill->none && f < ARRAY_SIZE(families); f++) {
		if (found[f] < fill->wanted[f])
			r = assign(writer, fill, families[f],
				   MIN(fill->wanted[f] - found[f], (unsigned int)IPAM_ADDRS_MAX),
				   err);
	}
	return r;
}
