/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The text of the metrics, read by a parser of Prometheus' exposition format that is strict about
 * what a scraper needs: HELP and TYPE once, before the samples; samples of one metric together;
 * histograms that only grow and end in +Inf.
 */

#include "agent/metrics.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"

#define FAMILIES_MAX 64

struct family {
	char name[128];
	char type[16];
	size_t n_samples;
};

struct parsed {
	struct family v[FAMILIES_MAX];
	size_t n;
};

static bool known(const struct parsed *parsed, const char *name)
{
	for (size_t i = 0; i < parsed->n; i++) {
		if (strcmp(parsed->v[i].name, name) == 0)
			return true;
	}
	return false;
}

static void take_help(struct parsed *parsed, const char *line)
{
	struct family *family = &parsed->v[parsed->n];
	int used = 0;

	assert_true(parsed->n < FAMILIES_MAX);
	assert_int_equal(sscanf(line, "# HELP %127s %n", family->name, &used), 1);
	assert_true(strlen(line + used) > 5);
	*strchr(family->name, '\0') = '\0';
	if (known(parsed, family->name))
		fail_msg("%s comes twice", family->name);
	family->type[0] = '\0';
	family->n_samples = 0;
	parsed->n++;
}

static void take_type(struct parsed *parsed, const char *line)
{
	static const char *const types[] = {"counter", "gauge", "histogram", "summary"};
	struct family *family = &parsed->v[parsed->n - 1];
	char name[128];
	bool good = false;

	assert_true(parsed->n > 0);
	assert_int_equal(sscanf(line, "# TYPE %127s %15s", name, family->type), 2);
	assert_string_equal(name, family->name);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		good |= strcmp(family->type, types[i]) == 0;
	assert_true(good);
}

/* name{label="value",...} number */
static void take_sample(struct parsed *parsed, const char *line)
{
	struct family *family = &parsed->v[parsed->n - 1];
	size_t len =
		strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	const char *p = line + len;
	const char *suffix;
	char *end;

	assert_true(parsed->n > 0 && *family->type);
	assert_true(len > 0 && !isdigit((unsigned char)line[0]));
	assert_int_equal(strncmp(line, family->name, strlen(family->name)), 0);
	suffix = line + strlen(family->name);
	if (suffix != p) {
		bool histogram = strcmp(family->type, "histogram") == 0;

		assert_true(histogram || strcmp(family->type, "summary") == 0);
		assert_true((histogram && strncmp(suffix, "_bucket{", 8) == 0) ||
			    strncmp(suffix, "_sum", 4) == 0 || strncmp(suffix, "_count", 6) == 0);
	}
	if (*p == '{') {
		do {
			p++;
			p += strspn(p, "abcdefghijklmnopqrstuvwxyz_");
			assert_int_equal(strncmp(p, "=\"", 2), 0);
			p = strchr(p + 2, '"');
			assert_non_null(p);
			p++;
		} while (*p == ',');
		assert_int_equal(*p, '}');
		p++;
	}
	assert_int_equal(*p, ' ');
	(void)strtod(p + 1, &end);
	assert_true(end > p + 1);
	assert_int_equal(*end, '\0');
	family->n_samples++;
}

static void parse(char *text, struct parsed *ret)
{
	char *line;

	*ret = (struct parsed){0};
	assert_int_equal(text[strlen(text) - 1], '\n');
	text[strlen(text) - 1] = '\0';
	while ((line = strsep(&text, "\n"))) {
		if (strncmp(line, "# HELP ", 7) == 0)
			take_help(ret, line);
		else if (strncmp(line, "# TYPE ", 7) == 0)
			take_type(ret, line);
		else
			take_sample(ret, line);
	}
	for (size_t i = 0; i < ret->n; i++) {
		if (!*ret->v[i].type || !ret->v[i].n_samples)
			fail_msg("%s has no type or no sample", ret->v[i].name);
	}
}

static bool has_line(const char *text, const char *line)
{
	_cleanup_free_ char *whole = xasprintf("\n%s\n", line);

	return strstr(text, whole);
}

static void test_format(void **state)
{
	struct metrics metrics = {
		.node_name = "node-1.example",
		.n_nodes = 3,
		.n_endpoints = 42,
		.n_applies = 7,
		.apply_us_total = UINT64_C(12345678901234),
		.in_sync = true,
		.n_bgp_established = 2,
		.n_cni_failed = {0, 1, 0},
	};
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	struct parsed parsed;

	(void)state;
	metrics_write(&metrics, &out);
	assert_true(has_line(buf_str(&out), "felix_host{host=\"node-1.example\"} 1"));
	assert_true(has_line(buf_str(&out), "felix_active_local_endpoints 42"));
	assert_true(has_line(buf_str(&out), "felix_cluster_num_hosts 3"));
	assert_true(has_line(buf_str(&out), "felix_resync_state 3"));
	assert_true(has_line(buf_str(&out),
			     "felix_int_dataplane_apply_time_seconds_sum 12345678.901234"));
	assert_true(has_line(buf_str(&out), "korat_bgp_peers{state=\"established\"} 2"));
	assert_true(has_line(buf_str(&out),
			     "korat_cni_requests_total{verb=\"DEL\",result=\"failed\"} 1"));
	text = buf_take(&out);
	parse(text, &parsed);
	assert_true(parsed.n > 12);
	metrics.in_sync = false;
	metrics_write(&metrics, &out);
	assert_true(has_line(buf_str(&out), "felix_resync_state 1"));
}

static uint64_t bucket(const char *text, const char *le)
{
	_cleanup_free_ char *begin =
		xasprintf("\nkorat_cni_seconds_bucket{verb=\"ADD\",le=\"%s\"} ", le);
	const char *at = strstr(text, begin);

	assert_non_null(at);
	return strtoull(at + strlen(begin), NULL, 10);
}

static void test_histogram(void **state)
{
	static const uint64_t values[] = {0, 500, 501, 1000000, 30000000, 30000001, 90000000};
	struct metrics metrics = {.node_name = "n"};
	_cleanup_buf_ struct buf out = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		metrics_observe(&metrics.cni_seconds[0], values[i]);
	metrics_write(&metrics, &out);
	assert_int_equal(bucket(buf_str(&out), "0.0005"), 2);
	assert_int_equal(bucket(buf_str(&out), "0.001"), 3);
	assert_int_equal(bucket(buf_str(&out), "0.25"), 3);
	assert_int_equal(bucket(buf_str(&out), "1"), 4);
	assert_int_equal(bucket(buf_str(&out), "30"), 5);
	assert_int_equal(bucket(buf_str(&out), "+Inf"), 7);
	assert_true(has_line(buf_str(&out), "korat_cni_seconds_count{verb=\"ADD\"} 7"));
	assert_true(has_line(buf_str(&out), "korat_cni_seconds_sum{verb=\"ADD\"} 151.001002"));
	assert_true(has_line(buf_str(&out), "korat_cni_seconds_count{verb=\"DEL\"} 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_histogram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
