/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Texts of the environment and of the configuration file, one parser for each type of parameter.
 * What comes out is what the same value would be in the JSON of the object, so that all that is
 * known about reading, defaults and freeing of fields holds for it, too.
 */

#include "model/felix-value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"
#include "model/felix-configuration.h"
#include "model/model-check.h"

#define BLANKS " \t"

static void json_unref(json_t **json)
{
	json_decref(*json);
}
#define _cleanup_json_ _cleanup_(json_unref)

/* One piece of a list or pair, without the blanks around it. */
static char *trimmed(const char *begin, size_t len)
{
	while (len > 0 && strchr(BLANKS, *begin)) {
		begin++;
		len--;
	}
	while (len > 0 && strchr(BLANKS, begin[len - 1]))
		len--;
	return xstrndup(begin, len);
}

/* Calls 'add' for each item between commas that is not empty. */
static int for_each_item(const char *text,
			 int (*add)(const struct felix_param *param, const char *item, json_t *list,
				    struct err *err),
			 const struct felix_param *param, json_t *list, struct err *err)
{
	size_t count = 0;

	for (const char *p = text; *p; p += strspn(p, ",")) {
		size_t len = strcspn(p, ",");
		_cleanup_free_ char *item = trimmed(p, len);
		int r = 0;

		p += len;
		if (!*item)
			continue;
		if (++count > FELIX_ITEMS_MAX)
			return err_set(err, -EINVAL, "more than %d items", FELIX_ITEMS_MAX);
		r = add(param, item, list, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_list(const struct felix_param *param, const char *text, json_t **ret,
		      int (*add)(const struct felix_param *param, const char *item, json_t *list,
				 struct err *err),
		      struct err *err)
{
	_cleanup_json_ json_t *list = json_array();
	int r = for_each_item(text, add, param, list, err);

	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	return 0;
}

static int parse_bool(const struct felix_param *param, const char *text, json_t **ret,
		      struct err *err)
{
	static const char *const yes[] = {"true", "1", "yes", "y", "t", NULL};
	static const char *const no[] = {"false", "0", "no", "n", "f", NULL};

	(void)param;
	if (!felix_choice_find(yes, text) && !felix_choice_find(no, text))
		return err_set(err, -EINVAL, "expected true or false, found \"%.64s\"", text);
	*ret = json_boolean(felix_choice_find(yes, text) != NULL);
	return 0;
}

static int parse_int(const struct felix_param *param, const char *text, json_t **ret,
		     struct err *err)
{
	int64_t number;
	int r = parse_i64(text, param->field->min, param->field->max, &number, err);

	if (r < 0)
		return r;
	*ret = json_integer(number);
	return 0;
}

static bool parse_hex(const char *text, int64_t *ret)
{
	const char *digits = text + 2;
	size_t len = strspn(digits, "0123456789abcdefABCDEF");

	if (len == 0 || len > 8 || digits[len])
		return false;
	*ret = strtoll(digits, NULL, 16);
	return true;
}

static int parse_mask(const struct felix_param *param, const char *text, json_t **ret,
		      struct err *err)
{
	int64_t number;

	if (strncasecmp(text, "0x", 2) != 0)
		return parse_int(param, text, ret, err);
	if (!parse_hex(text, &number) || number < param->field->min)
		return err_set(err, -EINVAL,
			       "expected up to 32 bits as in 0xffff0000, found \"%.64s\"", text);
	*ret = json_integer(number);
	return 0;
}

static int parse_string(const struct felix_param *param, const char *text, json_t **ret,
			struct err *err)
{
	int r = model_check(param->field->check, text, err);

	if (r < 0)
		return r;
	*ret = json_string(text);
	return 0;
}

static int parse_choice(const struct felix_param *param, const char *text, json_t **ret,
			struct err *err)
{
	const char *found = felix_choice_find(param->values, text);
	_cleanup_buf_ struct buf list = BUF_INIT;

	if (found) {
		*ret = json_string(found);
		return 0;
	}
	for (const char *const *value = param->values; *value; value++)
		buf_addf(&list, "%s%s", list.size ? ", " : "", *value);
	return err_set(err, -EINVAL, "expected one of %s, found \"%.64s\"", buf_str(&list), text);
}

/* Microseconds as a Go duration. */
static json_t *duration_json(int64_t us)
{
	bool whole = us % 1000000 == 0;

	return json_sprintf("%" PRId64 "%s", whole ? us / 1000000 : us, whole ? "s" : "us");
}

static int parse_duration_text(int64_t unit_us, const char *text, json_t **ret, struct err *err)
{
	bool plain = text[strspn(text, "0123456789.")] == '\0';
	_cleanup_free_ char *with_unit = xasprintf("%s%s", text,
						   !plain		? ""
						   : unit_us == 1000000 ? "s"
									: "ms");
	int64_t us;

	if (parse_duration(with_unit, &us, NULL) < 0 || us < 0)
		return err_set(err, -EINVAL,
			       "expected a number of %s, or a duration as 1m30s, found \"%.64s\"",
			       unit_us == 1000000 ? "seconds" : "milliseconds", text);
	*ret = duration_json(us);
	return 0;
}

static int parse_duration_value(const struct felix_param *param, const char *text, json_t **ret,
				struct err *err)
{
	return parse_duration_text(param->unit_us, text, ret, err);
}

static int add_string(const struct felix_param *param, const char *item, json_t *list,
		      struct err *err)
{
	json_t *value = NULL;
	int r = parse_string(param, item, &value, err);

	if (r == 0)
		(void)json_array_append_new(list, value);
	return r;
}

static int parse_strings(const struct felix_param *param, const char *text, json_t **ret,
			 struct err *err)
{
	return parse_list(param, text, ret, add_string, err);
}

/* A number if it looks like one. */
static int parse_int_or_string(const struct felix_param *param, const char *text, json_t **ret,
			       struct err *err)
{
	int64_t number;
	int r = parse_string(param, text, ret, err);

	if (r < 0 || parse_i64(text, 0, UINT32_MAX, &number, NULL) < 0)
		return r;
	json_decref(*ret);
	*ret = json_integer(number);
	return 0;
}

static int add_int_or_string(const struct felix_param *param, const char *item, json_t *list,
			     struct err *err)
{
	json_t *value = NULL;
	int r = parse_int_or_string(param, item, &value, err);

	if (r == 0)
		(void)json_array_append_new(list, value);
	return r;
}

static int parse_int_or_strings(const struct felix_param *param, const char *text, json_t **ret,
				struct err *err)
{
	return parse_list(param, text, ret, add_int_or_string, err);
}

/* "tcp", "udp" or "sctp" in front of the first colon; without a colon it is TCP. */
static const char *port_protocol(const char *item, size_t len)
{
	static const char *const protocols[] = {"TCP", "UDP", "SCTP"};

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strlen(protocols[i]) == len && strncasecmp(item, protocols[i], len) == 0)
			return protocols[i];
	return NULL;
}

/* The prefix between two colons. IPv6 stands in brackets: "[fd00::]/8", or "[fd00::/8]". */
static int parse_port_net(const char *begin, const char *end, json_t *port, struct err *err)
{
	_cleanup_free_ char *net = trimmed(begin, (size_t)(end - begin));
	char *to = net;
	int r;

	for (const char *from = net; *from; from++)
		if (!strchr("[]", *from))
			*to++ = *from;
	*to = '\0';
	r = model_check(CHECK_CIDR, net, err);
	if (r == 0)
		(void)json_object_set_new(port, "net", json_string(net));
	return r;
}

/* "22", "tcp:22", "tcp:10.0.0.0/8:22" */
static int add_port(const struct felix_param *param, const char *item, json_t *list,
		    struct err *err)
{
	const char *first = strchr(item, ':');
	const char *last = strrchr(item, ':');
	const char *protocol = first ? port_protocol(item, (size_t)(first - item)) : "TCP";
	_cleanup_json_ json_t *port = json_object();
	uint64_t number;
	int r = 0;

	(void)param;
	if (!protocol || parse_u64(last ? last + 1 : item, 0, UINT16_MAX, &number, NULL) < 0)
		return err_set(err, -EINVAL,
			       "expected ports as tcp:22 or tcp:10.0.0.0/8:22, found \"%.64s\"",
			       item);
	if (first != last)
		r = parse_port_net(first + 1, last, port, err);
	if (r < 0)
		return r;
	(void)json_object_set_new(port, "protocol", json_string(protocol));
	(void)json_object_set_new(port, "port", json_integer((json_int_t)number));
	(void)json_array_append(list, port);
	return 0;
}

static int parse_ports(const struct felix_param *param, const char *text, json_t **ret,
		       struct err *err)
{
	return parse_list(param, text, ret, add_port, err);
}

/* "1-250" */
static int parse_range(const struct felix_param *param, const char *text, json_t **ret,
		       struct err *err)
{
	const char *dash = strchr(text, '-');
	_cleanup_free_ char *min = dash ? trimmed(text, (size_t)(dash - text)) : NULL;
	_cleanup_free_ char *max = dash ? trimmed(dash + 1, strlen(dash + 1)) : NULL;
	uint64_t first;
	uint64_t last;

	(void)param;
	if (!dash || parse_u64(min, 1, UINT32_MAX, &first, NULL) < 0 ||
	    parse_u64(max, first, UINT32_MAX, &last, NULL) < 0)
		return err_set(err, -EINVAL, "expected routing tables as 1-250, found \"%.64s\"",
			       text);
	*ret = json_object();
	(void)json_object_set_new(*ret, "min", json_integer((json_int_t)first));
	(void)json_object_set_new(*ret, "max", json_integer((json_int_t)last));
	return 0;
}

static int add_range(const struct felix_param *param, const char *item, json_t *list,
		     struct err *err)
{
	json_t *range = NULL;
	int r = parse_range(param, item, &range, err);

	if (r == 0)
		(void)json_array_append_new(list, range);
	return r;
}

static int parse_ranges(const struct felix_param *param, const char *text, json_t **ret,
			struct err *err)
{
	return parse_list(param, text, ret, add_range, err);
}

/* "key=value" */
static int parse_pair(const char *item, char **ret_key, char **ret_value, struct err *err)
{
	const char *equals = strchr(item, '=');

	if (!equals || equals == item) {
		(void)err_set(err, -EINVAL, "expected key=value, found \"%.64s\"", item);
		return -EINVAL;
	}
	*ret_key = trimmed(item, (size_t)(equals - item));
	*ret_value = trimmed(equals + 1, strlen(equals + 1));
	return 0;
}

static int add_health(const struct felix_param *param, const char *item, json_t *list,
		      struct err *err)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ char *value = NULL;
	_cleanup_json_ json_t *entry = json_object();
	json_t *timeout = NULL;
	int r = parse_pair(item, &name, &value, err);

	(void)param;
	if (r == 0)
		r = parse_duration_text(1000000, value, &timeout, err);
	if (r < 0)
		return r;
	(void)json_object_set_new(entry, "name", json_string(name));
	(void)json_object_set_new(entry, "timeout", timeout);
	(void)json_array_append(list, entry);
	return 0;
}

static int parse_health(const struct felix_param *param, const char *text, json_t **ret,
			struct err *err)
{
	return parse_list(param, text, ret, add_health, err);
}

static const char *timeout_find(const char *key)
{
	for (size_t i = 0; i < conntrack_timeouts_desc.n_fields; i++)
		if (strcasecmp(conntrack_timeouts_desc.fields[i].name, key) == 0)
			return conntrack_timeouts_desc.fields[i].name;
	return NULL;
}

static int add_timeout(const struct felix_param *param, const char *item, json_t *object,
		       struct err *err)
{
	_cleanup_free_ char *key = NULL;
	_cleanup_free_ char *value = NULL;
	json_t *timeout = NULL;
	int r = parse_pair(item, &key, &value, err);

	(void)param;
	if (r < 0)
		return r;
	if (!timeout_find(key))
		return err_set(err, -EINVAL, "\"%.64s\" is not the name of a timeout", key);
	if (strcasecmp(value, "auto") == 0)
		timeout = json_string("Auto");
	else
		r = parse_duration_text(1000000, value, &timeout, err);
	if (r == 0)
		(void)json_object_set_new(object, timeout_find(key), timeout);
	return r;
}

static int add_mapped(const struct felix_param *param, const char *item, json_t *object,
		      struct err *err)
{
	_cleanup_free_ char *key = NULL;
	_cleanup_free_ char *value = NULL;
	int r = parse_pair(item, &key, &value, err);

	(void)param;
	if (r == 0)
		(void)json_object_set_new(object, key, json_string(value));
	return r;
}

static int parse_timeouts(const struct felix_param *param, const char *text, json_t **ret,
			  struct err *err)
{
	_cleanup_json_ json_t *object = json_object();
	int r = for_each_item(text, add_timeout, param, object, err);

	if (r == 0)
		*ret = TAKE_PTR(object);
	return r;
}

static int parse_map(const struct felix_param *param, const char *text, json_t **ret,
		     struct err *err)
{
	_cleanup_json_ json_t *object = json_object();
	int r = for_each_item(text, add_mapped, param, object, err);

	if (r == 0)
		*ret = TAKE_PTR(object);
	return r;
}

static const struct {
	int (*parse)(const struct felix_param *param, const char *text, json_t **ret,
		     struct err *err);
	const char *none; /* JSON of what "none" means; NULL: it means nothing */
} types[] = {
	[FELIX_BOOL] = {parse_bool, "false"},
	[FELIX_INT] = {parse_int, "0"},
	[FELIX_MASK] = {parse_mask, NULL},
	[FELIX_STRING] = {parse_string, "\"\""},
	[FELIX_CHOICE] = {parse_choice, NULL},
	[FELIX_DURATION] = {parse_duration_value, "\"0s\""},
	[FELIX_LIST] = {parse_strings, "[]"},
	[FELIX_INT_OR_STRING] = {parse_int_or_string, NULL},
	[FELIX_INT_OR_STRING_LIST] = {parse_int_or_strings, "[]"},
	[FELIX_PORTS] = {parse_ports, "[]"},
	[FELIX_RANGE] = {parse_range, NULL},
	[FELIX_RANGES] = {parse_ranges, "[]"},
	[FELIX_HEALTH] = {parse_health, "[]"},
	[FELIX_TIMEOUTS] = {parse_timeouts, NULL},
	[FELIX_MAP] = {parse_map, "{}"},
};

int felix_value_parse(const struct felix_param *param, const char *text, json_t **ret,
		      struct err *err)
{
	const char *none = types[param->type].none;
	_cleanup_free_ char *value = trimmed(text, strlen(text));
	_cleanup_json_ json_t *utf8 = json_string(value);

	if (!utf8)
		return err_set(err, -EINVAL, "expected a text in UTF-8");
	if (none && strcasecmp(value, "none") == 0) {
		*ret = json_loads(none, JSON_DECODE_ANY, NULL);
		assert(*ret);
		return 0;
	}
	return types[param->type].parse(param, value, ret, err);
}
