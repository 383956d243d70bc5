/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A datagram of netlink messages as the kernel's dump of our table, read against a ruleset that has
 * a set of each kind. The first byte says whose members follow.
 */

#include <libmnl/libmnl.h>

#include "base/alloc.h"
#include "nft/ruleset-internal.h"

#define INPUT_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct nft_schema schemas[] = {
	{.fields = {NFT_FIELD_ADDRESS}},
	{.fields = {NFT_FIELD_ADDRESS}, .intervals = true},
	{.fields = {NFT_FIELD_ADDRESS, NFT_FIELD_PROTOCOL, NFT_FIELD_PORT}, .ranges = true},
	{.fields = {NFT_FIELD_INTERFACE}, .verdicts = true},
};

static void read_dump(const uint8_t *data, size_t size, bool wants_counts)
{
	struct nft_ruleset *ruleset = nft_ruleset_new(AF_INET);
	const struct nft_schema *schema = &schemas[data[0] % ARRAY_SIZE(schemas)];
	struct nft_reading reading = {.family = AF_INET,
				      .ruleset = ruleset,
				      .set = nft_set_ref(ruleset, "set", schema),
				      .wants_counts = wants_counts};
	_cleanup_free_ void *copy = xmemdup(data + 1, size - 1); /* aligned, its end is watched */
	const struct nlmsghdr *message = copy;
	int left = (int)size - 1;

	for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
		if (nft_reading_message(&reading, message) < 0)
			break;
	nft_reading_end_set(&reading);
	nft_reading_deinit(&reading);
	nft_ruleset_free(ruleset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > INPUT_MAX)
		return 0;
	read_dump(data, size, /* wants_counts= */ false);
	read_dump(data, size, /* wants_counts= */ true);
	return 0;
}
