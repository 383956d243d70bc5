/* SPDX-License-Identifier: Apache-2.0 */

/* What a delegated IPAM plugin prints: whatever it is, addresses come out or an error. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "cni/cni-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(cni_request_freep) struct cni_request *request = XNEW(struct cni_request);
	_cleanup_free_ char *text = xmemdup(data, size);
	struct err err = ERR_INIT;

	request->delegates = true;
	request->ipam_type = xstrdup("host-local");
	if (cni_request_add_delegated(request, text, size, &err) != 0)
		assert(err.msg[0] && !request->delegated);
	else
		assert(request->delegated->n_addrs > 0 && request->delegated->n_addrs <= 8);
	return 0;
}
