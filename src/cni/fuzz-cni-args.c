/* SPDX-License-Identifier: Apache-2.0 */

/* CNI_ARGS as the input's bytes, for an ADD of a container. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cni/cni-args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[] = "CNI_COMMAND=ADD\0CNI_CONTAINERID=c1\0CNI_IFNAME=eth0\0"
				   "CNI_NETNS=/proc/1/ns/net\0CNI_ARGS=";
	_cleanup_(cni_request_freep) struct cni_request *request = NULL;
	_cleanup_buf_ struct buf env = BUF_INIT;
	struct err err = ERR_INIT;

	buf_add(&env, head, sizeof(head) - 1);
	buf_add(&env, data, size);
	buf_addc(&env, '\0');
	request = xcalloc(1, sizeof(*request));
	if (cni_args_parse(env.data, env.size, request, &err) != 0)
		assert(err.msg[0]);
	else
		assert(!request->pod_name == !request->pod_namespace);
	return 0;
}
