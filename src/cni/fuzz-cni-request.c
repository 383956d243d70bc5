/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A whole request as it lies in the queue: environment up to an empty string (two NULs), then the
 * configuration. What parses must also give names and an answer.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cni/cni-names.h"
#include "cni/cni-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct cni_request *request)
{
	struct cni_result result = {
		.host_ifname = "cali1", .pod_ifname = "eth0", .netns_path = "/n"};
	_cleanup_buf_ struct buf out = BUF_INIT;
	char ifname[IFNAMSIZ];

	cni_write_result(request, &result, &out);
	if (!request->container_id)
		return;
	cni_host_ifname(request, ifname);
	assert(cni_ifname_valid(ifname));
	free(cni_endpoint_name(request, "node-1"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *gap = size > 0 ? memmem(data, size, "\0\0", 2) : NULL;
	size_t env_size = gap ? (size_t)(gap - data) + 1 : 0;
	size_t conf_at = gap ? env_size + 1 : 0;
	_cleanup_free_ char *env = xmemdup(data, env_size);
	_cleanup_free_ char *conf = xmemdup(data + conf_at, size - conf_at);
	_cleanup_(cni_request_freep) struct cni_request *request = NULL;
	struct err err = ERR_INIT;
	int r;

	r = cni_request_parse(CNI_ROLE_MAIN, env, env_size, conf, size - conf_at, &request, &err);
	if (r == 0)
		use(request);
	else
		assert(r > 0 && err.msg[0]);
	(void)cni_request_version(conf, size - conf_at);
	return 0;
}
