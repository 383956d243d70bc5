/* SPDX-License-Identifier: Apache-2.0 */

#include "iptables/table-entries.h"

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"

#define OURS	  "cali-"
#define SIZE_MAX_ (256u << 20)
#define PRIME	  1099511628211u

/* Where an entry has what; entries lie one behind the other, a multiple of eight bytes each. */
struct layout {
	size_t size;
	size_t target_offset;
	size_t next_offset;
	size_t counters;
};

static const struct layout layouts[] = {
	{sizeof(struct ipt_entry), offsetof(struct ipt_entry, target_offset),
	 offsetof(struct ipt_entry, next_offset), offsetof(struct ipt_entry, counters)},
	{sizeof(struct ip6t_entry), offsetof(struct ip6t_entry, target_offset),
	 offsetof(struct ip6t_entry, next_offset), offsetof(struct ip6t_entry, counters)},
};

static uint16_t u16_at(const uint8_t *bytes)
{
	uint16_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint64_t mix(uint64_t digest, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, bytes + i, sizeof(word));
		digest = (digest ^ word) * PRIME;
		digest ^= digest >> 29;
	}
	return digest;
}

/* A chain that is not the kernel's begins with a rule whose target "ERROR" has its name. */
static const char *chain_name(const uint8_t *entry, size_t size, size_t target_offset)
{
	const struct xt_error_target *target = (const void *)(entry + target_offset);

	if (target_offset % sizeof(uint64_t) || target_offset + sizeof(*target) > size ||
	    strncmp(target->target.u.user.name, XT_ERROR_TARGET, sizeof(XT_ERROR_TARGET)) != 0)
		return NULL;
	return target->errorname;
}

uint64_t table_entries_digest_of(const void *entries, size_t size, uint8_t family)
{
	const struct layout *layout = &layouts[family == AF_INET ? 0 : 1];
	const uint8_t *at = entries;
	uint64_t digest = PRIME;
	bool ours = true;

	while (size >= layout->size) {
		size_t next = u16_at(at + layout->next_offset);
		size_t counted = layout->counters + sizeof(struct xt_counters);
		const char *name;

		if (next < layout->size || next > size || next % sizeof(uint64_t))
			break;
		name = chain_name(at, next, u16_at(at + layout->target_offset));
		if (name)
			ours = strncmp(name, OURS, strlen(OURS)) == 0;
		if (ours) {
			digest = mix(digest, at, layout->counters);
			digest = mix(digest, at + counted, next - counted);
		}
		at += next;
		size -= next;
	}
	return digest;
}

bool table_entries_digest(int fd, uint8_t family, const char *name, size_t size, uint64_t *ret)
{
	_cleanup_free_ struct ipt_get_entries *entries = NULL;
	socklen_t length = (socklen_t)(sizeof(*entries) + size);

	_Static_assert(sizeof(struct ipt_get_entries) == sizeof(struct ip6t_get_entries) &&
			       IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES,
		       "one layout and one number");
	if (size > SIZE_MAX_)
		return false;
	/* The kernel leaves gaps. */
	entries = xcalloc(1, length);
	memcpy(entries->name, name, strnlen(name, sizeof(entries->name) - 1));
	entries->size = (unsigned int)size;
	if (getsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, IPT_SO_GET_ENTRIES,
		       entries, &length) < 0)
		return false;
	*ret = table_entries_digest_of(entries->entrytable, size, family);
	return true;
}
