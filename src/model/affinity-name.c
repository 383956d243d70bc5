/* SPDX-License-Identifier: Apache-2.0 */

/* Calico's rule for names that would be too long for Kubernetes. */

#include "model/affinity-name.h"

#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/ip.h"

#define HASH_LEN 11u

char *affinity_name(const char *owner, const struct cidr *cidr)
{
	struct cidr_str block = cidr_name(cidr);
	size_t len = strlen(owner) + 1 + strlen(block.s);
	_cleanup_free_ char *seed = NULL;
	struct digest digest;
	size_t keep;

	if (len <= AFFINITY_NAME_MAX)
		return xasprintf("%s-%s", owner, block.s);
	/* Two separators and the hash have to fit as well. */
	keep = AFFINITY_NAME_MAX - strlen(block.s) - HASH_LEN - 2;
	seed = xasprintf("%s+%s", owner, block.s);
	digest = digest_of(DIGEST_SHA256, seed, strlen(seed));
	return xasprintf("%.*s-%s-%.*s", (int)keep, owner, block.s, (int)HASH_LEN,
			 digest_hex(&digest).s);
}
