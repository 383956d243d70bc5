/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Address detection: walk the host's addresses in the kernel's order and take the first one that
 * the method accepts. Never loopback, never link-local, never an interface that is down.
 */

#include "agent/address-detect.h"

#include <errno.h>
#include <regex.h>
#include <string.h>

#include "base/alloc.h"

#define PATTERNS_MAX 64

/* Interfaces of container runtimes and of ourselves (section 8.3 of the facts). */
static const char *const skipped_prefixes[] = {
	"docker",
	"cbr",
	"dummy",
	"podman",
	"virbr",
	"lxcbr",
	"veth",
	"lo",
	"br-",
	"cali",
	"tunl",
	"flannel",
	"kube-ipvs",
	"cni",
	"vxlan.calico",
	"vxlan-v6.calico",
	"wireguard.cali",
	"wg-v6.cali",
	"nodelocaldns",
};

static bool is_skipped(const char *interface)
{
	for (size_t i = 0; i < ARRAY_SIZE(skipped_prefixes); i++) {
		if (strncmp(interface, skipped_prefixes[i], strlen(skipped_prefixes[i])) == 0)
			return true;
	}
	return false;
}

struct matcher {
	uint8_t family;
	bool use_skip_list;
	bool inverted; /* take interfaces that match no pattern */
	regex_t patterns[PATTERNS_MAX];
	size_t n_patterns;
	struct cidr nets[PATTERNS_MAX];
	size_t n_nets;
	const struct ip_addr *exact;
};

static void matcher_deinit(struct matcher *matcher)
{
	for (size_t i = 0; i < matcher->n_patterns; i++)
		regfree(&matcher->patterns[i]);
}

static bool matches(const struct matcher *matcher, const struct host_addr *addr)
{
	bool hit = false;

	if (!addr->up || addr->cidr.addr.family != matcher->family ||
	    ip_is_loopback(&addr->cidr.addr) || ip_is_link_local(&addr->cidr.addr))
		return false;
	if (matcher->use_skip_list && is_skipped(addr->interface))
		return false;
	if (matcher->exact)
		return ip_equal(matcher->exact, &addr->cidr.addr);
	if (matcher->n_nets) {
		for (size_t i = 0; i < matcher->n_nets && !hit; i++)
			hit = cidr_contains(&matcher->nets[i], &addr->cidr.addr);
		return hit;
	}
	if (!matcher->n_patterns)
		return true;
	for (size_t i = 0; i < matcher->n_patterns && !hit; i++)
		hit = regexec(&matcher->patterns[i], addr->interface, 0, NULL, 0) == 0;
	return hit != matcher->inverted;
}

static int add_pattern(struct matcher *matcher, const char *item, struct err *err)
{
	if (regcomp(&matcher->patterns[matcher->n_patterns], item, REG_EXTENDED | REG_NOSUB) != 0)
		return err_set(err, -EINVAL, "\"%.64s\" is not a regular expression", item);
	matcher->n_patterns++;
	return 0;
}

static int add_net(struct matcher *matcher, const char *item, struct err *err)
{
	int r = cidr_parse(item, &matcher->nets[matcher->n_nets], err);

	if (r == 0)
		matcher->n_nets++;
	return r;
}

static int add_items(struct matcher *matcher, const char *list,
		     int (*add)(struct matcher *matcher, const char *item, struct err *err),
		     struct err *err)
{
	_cleanup_free_ char *copy = xstrdup(list);
	char *rest = copy;
	char *item;
	int r;

	/* An empty list would fit nothing, or with a careless reader everything. */
	if (strspn(list, ",") == strlen(list))
		return err_set(err, -EINVAL, "nothing follows the \"=\"");
	while ((item = strsep(&rest, ","))) {
		if (!*item)
			continue;
		if (matcher->n_patterns == PATTERNS_MAX || matcher->n_nets == PATTERNS_MAX)
			return err_set(err, -EINVAL, "more than %d items", PATTERNS_MAX);
		r = add(matcher, item, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int matcher_init(struct matcher *matcher, const char *method, struct err *err)
{
	if (strcmp(method, "first-found") == 0) {
		matcher->use_skip_list = true;
		return 0;
	}
	if (strncmp(method, "interface=", 10) == 0)
		return add_items(matcher, method + 10, add_pattern, err);
	if (strncmp(method, "skip-interface=", 15) == 0) {
		matcher->inverted = true;
		matcher->use_skip_list = true;
		return add_items(matcher, method + 15, add_pattern, err);
	}
	if (strncmp(method, "cidr=", 5) == 0) {
		matcher->use_skip_list = true;
		return add_items(matcher, method + 5, add_net, err);
	}
	return err_set(err, -EINVAL,
		       "unknown method; expected first-found, interface=, skip-interface=, cidr=, "
		       "can-reach= or kubernetes-internal-ip");
}

int address_detect(const char *method, uint8_t family, const struct host_addr *addrs, size_t n,
		   const struct ip_addr *told, struct cidr *ret, struct err *err)
{
	_cleanup_(matcher_deinit) struct matcher matcher = {.family = family};
	int r;

	if (strncmp(method, "can-reach=", 10) == 0 ||
	    strcmp(method, "kubernetes-internal-ip") == 0) {
		matcher.exact = told;
	} else {
		r = matcher_init(&matcher, method, err);
		if (r < 0)
			return err_prefix(err, r, "address detection method \"%.64s\"", method);
	}
	for (size_t i = 0; i < n; i++) {
		if (matches(&matcher, &addrs[i])) {
			*ret = addrs[i].cidr;
			return 0;
		}
	}
	if (strcmp(method, "kubernetes-internal-ip") == 0)
		return err_set(err, ADDRESS_DETECT_E_NONE,
			       "the Node's spec.addresses has no IPv%u address of type InternalIP "
			       "that this host has; write one, or choose another detection method",
			       ip_version(family));
	return err_set(
		err, ADDRESS_DETECT_E_NONE,
		"no IPv%u address of this host fits the detection method \"%.64s\"; set IP%s "
		"to the address or choose another method",
		ip_version(family), method, family == AF_INET ? "" : "6");
}
