/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checkers of string fields. Each is a function (value, err) in a const table by enum field_check.
 * A message quotes at most 64 bytes of the value and says how a right one is written.
 */

#include "model/model-check.h"

#include <errno.h>
#include <regex.h>
#include <string.h>

#include "base/ip.h"
#include "base/parse.h"
#include "model/selector-syntax.h"

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_dns_label(const char *s, size_t len)
{
	if (len == 0 || len > CHECK_LABEL_NAME_MAX || !is_lower_alnum(s[0]) ||
	    !is_lower_alnum(s[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_lower_alnum(s[i]) && s[i] != '-')
			return false;
	}
	return true;
}

/* Kubernetes bounds the whole of a subdomain, not each of its labels. */
static bool is_dns_subdomain(const char *s, size_t len)
{
	char before = '.';

	if (len == 0 || len > CHECK_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool edge = before == '.' || i + 1 == len || s[i + 1] == '.';

		if (s[i] == '.' ? before == '.' || before == '-' || i + 1 == len
				: !is_lower_alnum(s[i]) && (s[i] != '-' || edge))
			return false;
		before = s[i];
	}
	return true;
}

static int check_none(const char *value, struct err *err)
{
	(void)value;
	(void)err;
	return 0;
}

static int check_name(const char *value, struct err *err)
{
	if (is_dns_subdomain(value, strlen(value)))
		return 0;
	return err_set(
		err, -EINVAL,
		"\"%.64s\" is not a name: up to 253 of a-z, 0-9, \"-\" and \".\", beginning and "
		"ending with a letter or digit",
		value);
}

static int check_label_name(const char *value, struct err *err)
{
	if (is_dns_label(value, strlen(value)))
		return 0;
	return err_set(
		err, -EINVAL,
		"\"%.64s\" is not a name: up to 63 of a-z, 0-9 and \"-\", beginning and ending "
		"with a letter or digit",
		value);
}

/* Family 0: either. */
static int check_prefix(const char *value, uint8_t family, bool masked, struct err *err)
{
	struct cidr cidr;
	int r = cidr_parse(value, &cidr, err);

	if (r < 0)
		return -EINVAL;
	if (family && cidr.addr.family != family)
		return err_set(err, -EINVAL, "\"%.64s\" is not an IPv%u prefix", value,
			       ip_version(family));
	if (masked && !cidr_is_masked(&cidr)) {
		struct cidr clean = cidr_masked(&cidr);

		return err_set(err, -EINVAL, "\"%.64s\" has bits beyond its prefix; write %s",
			       value, cidr_format(&clean).s);
	}
	return 0;
}

static int check_cidr(const char *value, struct err *err)
{
	return check_prefix(value, 0, true, err);
}

static int check_cidr_v4(const char *value, struct err *err)
{
	return check_prefix(value, AF_INET, true, err);
}

static int check_cidr_v6(const char *value, struct err *err)
{
	return check_prefix(value, AF_INET6, true, err);
}

static int check_ip_cidr(const char *value, struct err *err)
{
	return check_prefix(value, 0, false, err);
}

static int check_address(const char *value, uint8_t family, struct err *err)
{
	struct ip_addr addr;

	if (ip_parse(value, &addr, err) < 0)
		return -EINVAL;
	if (family && addr.family != family)
		return err_set(err, -EINVAL, "\"%.64s\" is not an IPv%u address", value,
			       ip_version(family));
	return 0;
}

static int check_ip(const char *value, struct err *err)
{
	return check_address(value, 0, err);
}

static int check_ip_v4(const char *value, struct err *err)
{
	return check_address(value, AF_INET, err);
}

static int check_ip_v6(const char *value, struct err *err)
{
	return check_address(value, AF_INET6, err);
}

static int ip_port_bad(const char *value, struct err *err)
{
	return err_set(
		err, -EINVAL,
		"\"%.64s\" is not an address with a port; write 10.0.0.1, 10.0.0.1:179, fd00::1 "
		"or [fd00::1]:179",
		value);
}

static int check_ip_port(const char *value, struct err *err)
{
	struct ip_addr addr;
	char text[IP_STR_SIZE] = "";
	bool bracket = value[0] == '[';
	const char *begin = value + (bracket ? 1 : 0);
	const char *end = strchr(begin, bracket ? ']' : ':');
	uint64_t port;

	if (ip_parse(value, &addr, NULL) == 0)
		return 0;
	if (!end || (size_t)(end - begin) >= sizeof(text))
		return ip_port_bad(value, err);
	memcpy(text, begin, (size_t)(end - begin));
	if (bracket)
		end++;
	if (ip_parse(text, &addr, NULL) < 0 || (addr.family == AF_INET6) != bracket ||
	    *end != ':' || parse_u64(end + 1, 1, UINT16_MAX, &port, NULL) < 0)
		return ip_port_bad(value, err);
	return 0;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int check_mac(const char *value, struct err *err)
{
	bool good = strlen(value) == 17;

	for (size_t i = 0; good && i < 17; i++)
		good = i % 3 == 2 ? value[i] == ':' : is_hex(value[i]);
	if (good)
		return 0;
	return err_set(err, -EINVAL, "\"%.64s\" is not a MAC address; write 66:b9:1a:00:00:01",
		       value);
}

/* "." and ".." are no interface names; they would also be paths. */
static int interface_check(const char *value, const char *wildcards, struct err *err)
{
	size_t len = strlen(value);
	bool good = len > 0 && len <= CHECK_INTERFACE_MAX && strcmp(value, ".") != 0 &&
		    strcmp(value, "..") != 0;

	for (size_t i = 0; good && i < len; i++)
		good = is_alnum(value[i]) || strchr("_.-", value[i]) || strchr(wildcards, value[i]);
	if (good)
		return 0;
	return err_set(
		err, -EINVAL,
		"\"%.64s\" is not an interface name: 1 to 15 of A-Z, a-z, 0-9, \"_\", \".\", "
		"\"-\"%s",
		value, *wildcards ? ", with \"*\" or \"+\" as a wildcard" : "");
}

static int check_interface(const char *value, struct err *err)
{
	return interface_check(value, "", err);
}

static int check_interface_glob(const char *value, struct err *err)
{
	return interface_check(value, "*+", err);
}

static int check_selector(const char *value, struct err *err)
{
	return selector_syntax_check(value, NULL, err);
}

static int check_duration(const char *value, struct err *err)
{
	int64_t us;

	return parse_duration(value, &us, err) < 0 ? -EINVAL : 0;
}

static int check_time(const char *value, struct err *err)
{
	int64_t seconds;

	return parse_time(value, &seconds, err) < 0 ? -EINVAL : 0;
}

/*
 * 'n' numbers with 'separator' between, each up to its max. The longest form is 3 numbers of at
 * most 10 digits.
 */
static bool numbers_parse(const char *value, char separator, const uint64_t *max, size_t n)
{
	char text[34];
	char *p = text;

	if (strlen(value) >= sizeof(text))
		return false;
	memcpy(text, value, strlen(value) + 1);
	for (size_t i = 0; i < n; i++) {
		char *end = strchr(p, separator);
		uint64_t number;

		if ((end != NULL) != (i + 1 < n))
			return false;
		if (end)
			*end = '\0';
		if (parse_u64(p, 0, max[i], &number, NULL) < 0)
			return false;
		p = end ? end + 1 : p;
	}
	return true;
}

static int check_as_number(const char *value, struct err *err)
{
	static const uint64_t dotted[] = {UINT16_MAX, UINT16_MAX};
	uint64_t number;

	if (parse_u64(value, 0, UINT32_MAX, &number, NULL) == 0 ||
	    numbers_parse(value, '.', dotted, 2))
		return 0;
	return err_set(
		err, -EINVAL,
		"\"%.64s\" is not an AS number: 0 to 4294967295, or two numbers to 65535 as in "
		"1.10",
		value);
}

static int check_community(const char *value, struct err *err)
{
	static const uint64_t standard[] = {UINT16_MAX, UINT16_MAX};
	static const uint64_t large[] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};

	if (numbers_parse(value, ':', standard, 2) || numbers_parse(value, ':', large, 3))
		return 0;
	return err_set(
		err, -EINVAL,
		"\"%.64s\" is not a community: aa:nn of 16 bits each, or aa:nn:mm of 32 bits "
		"each",
		value);
}

static bool is_port_name(const char *value)
{
	size_t len = strlen(value);

	if (len == 0 || len > CHECK_LABEL_NAME_MAX || !is_alnum(value[0]) ||
	    !is_alnum(value[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(value[i]) && !strchr("_.-", value[i]))
			return false;
	}
	return true;
}

static bool port_range(const char *value, uint64_t *ret_first, uint64_t *ret_last)
{
	const char *colon = strchr(value, ':');
	char first[6] = "";

	if (!colon || (size_t)(colon - value) >= sizeof(first))
		return false;
	memcpy(first, value, (size_t)(colon - value));
	return parse_u64(first, 1, UINT16_MAX, ret_first, NULL) == 0 &&
	       parse_u64(colon + 1, *ret_first, UINT16_MAX, ret_last, NULL) == 0;
}

int model_check_port(const char *value, uint16_t *ret_first, uint16_t *ret_last, struct err *err)
{
	bool numeric = *value && value[strspn(value, "0123456789")] == '\0';
	uint64_t first = 0;
	uint64_t last = 0;
	bool good;

	if (numeric) {
		good = parse_u64(value, 1, UINT16_MAX, &first, NULL) == 0;
		last = first;
	} else if (strchr(value, ':')) {
		good = port_range(value, &first, &last);
	} else {
		good = is_port_name(value);
	}
	if (!good)
		return err_set(err, -EINVAL,
			       "\"%.64s\" is not a port: a number from 1 to 65535, a range as in "
			       "8000:8100, or the name of a port",
			       value);
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	return first == 0 ? 1 : 0;
}

static int check_port(const char *value, struct err *err)
{
	uint16_t first;
	uint16_t last;
	int r = model_check_port(value, &first, &last, err);

	return r < 0 ? r : 0;
}

static int check_protocol(const char *value, struct err *err)
{
	static const char *const names[] = {"TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite"};
	uint64_t number;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], value) == 0)
			return 0;
	}
	if (parse_u64(value, 1, UINT8_MAX, &number, NULL) == 0)
		return 0;
	return err_set(
		err, -EINVAL,
		"\"%.64s\" is not a protocol: TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite, or a number "
		"from 1 to 255",
		value);
}

static int check_label_value(const char *value, struct err *err)
{
	if (!*value || is_port_name(value))
		return 0;
	return err_set(err, -EINVAL,
		       "\"%.64s\" is not the value of a label: up to 63 of A-Z, a-z, 0-9, \"-\", "
		       "\"_\" and \".\", beginning and ending with a letter or digit",
		       value);
}

static int check_label_key(const char *value, struct err *err)
{
	const char *slash = strchr(value, '/');
	const char *name = slash ? slash + 1 : value;

	if (is_port_name(name) && (!slash || is_dns_subdomain(value, (size_t)(slash - value))))
		return 0;
	return err_set(
		err, -EINVAL,
		"\"%.64s\" is not a label key: up to 63 of A-Z, a-z, 0-9, \"_\", \".\", \"-\", "
		"with a DNS name and \"/\" before it if wanted",
		value);
}

/*
 * regcomp() unrolls bounded repetition and doubles what stands before a "+", so that bounds in
 * bounds, and a "+" of a group or of another quantifier again and again, could take all memory.
 */
static bool regex_bounded(const char *value)
{
	const char *brace = strchr(value, '{');
	size_t count = 0;
	size_t n_doubled = 0;

	for (size_t i = 1; value[0] && value[i]; i++) {
		if (value[i] == '+' && strchr(")+*?}", value[i - 1]))
			n_doubled++;
	}
	if (n_doubled > CHECK_REGEX_DOUBLED)
		return false;
	for (; brace; brace = strchr(brace + 1, '{')) {
		const char *p = brace + 1;

		if (++count > 1)
			return false;
		while (*p && *p != '}') {
			size_t digits = strspn(p, "0123456789");
			uint64_t bound = 0;

			for (size_t i = 0; i < MIN(digits, (size_t)4); i++)
				bound = bound * 10 + (uint64_t)(p[i] - '0');
			if (bound > CHECK_REGEX_REPEAT)
				return false;
			p += digits ? digits : 1;
		}
	}
	return true;
}

static int check_regex(const char *value, struct err *err)
{
	char reason[128] = "";
	regex_t regex;
	int r;

	if (strlen(value) > CHECK_REGEX_MAX || !regex_bounded(value))
		return err_set(
			err, -EINVAL,
			"the pattern \"%.64s\" is too costly: at most %d bytes, one {n} of at most %d, "
			"and %d \"+\" of groups",
			value, CHECK_REGEX_MAX, CHECK_REGEX_REPEAT, CHECK_REGEX_DOUBLED);
	r = regcomp(&regex, value, REG_EXTENDED | REG_NOSUB);
	if (r == 0) {
		regfree(&regex);
		return 0;
	}
	(void)regerror(r, NULL, reason, sizeof(reason));
	return err_set(err, -EINVAL, "\"%.64s\" is not an extended regular expression: %s", value,
		       reason);
}

static int check_cluster_id(const char *value, struct err *err)
{
	struct ip_addr addr;

	if (ip_parse(value, &addr, NULL) == 0 && addr.family == AF_INET)
		return 0;
	return err_set(err, -EINVAL, "\"%.64s\" is not a cluster ID; write it as 224.0.0.1", value);
}

static int check_rate(const char *value, struct err *err)
{
	static const char *const units[] = {"/second", "/minute", "/hour", "/day"};
	size_t digits = strspn(value, "0123456789");

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (digits && digits <= CHECK_RATE_DIGITS && *value != '0' &&
		    strcmp(value + digits, units[i]) == 0)
			return 0;
	return err_set(
		err, -EINVAL,
		"\"%.64s\" is not a rate; write it as 10/second, or with minute, hour or day",
		value);
}

static int (*const checkers[])(const char *value, struct err *err) = {
	[CHECK_NONE] = check_none,
	[CHECK_NAME] = check_name,
	[CHECK_LABEL_NAME] = check_label_name,
	[CHECK_CIDR] = check_cidr,
	[CHECK_CIDR_V4] = check_cidr_v4,
	[CHECK_CIDR_V6] = check_cidr_v6,
	[CHECK_IP] = check_ip,
	[CHECK_IP_V4] = check_ip_v4,
	[CHECK_IP_V6] = check_ip_v6,
	[CHECK_IP_CIDR] = check_ip_cidr,
	[CHECK_IP_PORT] = check_ip_port,
	[CHECK_MAC] = check_mac,
	[CHECK_INTERFACE] = check_interface,
	[CHECK_INTERFACE_GLOB] = check_interface_glob,
	[CHECK_SELECTOR] = check_selector,
	[CHECK_DURATION] = check_duration,
	[CHECK_TIME] = check_time,
	[CHECK_AS_NUMBER] = check_as_number,
	[CHECK_COMMUNITY] = check_community,
	[CHECK_PORT] = check_port,
	[CHECK_PROTOCOL] = check_protocol,
	[CHECK_LABEL_KEY] = check_label_key,
	[CHECK_LABEL_VALUE] = check_label_value,
	[CHECK_REGEX] = check_regex,
	[CHECK_CLUSTER_ID] = check_cluster_id,
	[CHECK_RATE] = check_rate,
};

int model_check(enum field_check check, const char *value, struct err *err)
{
	return checkers[check](value, err);
}
