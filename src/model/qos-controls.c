/* SPDX-License-Identifier: Apache-2.0 */

/* Limits of a workload's bandwidth, packets and connections, and the DSCP of what it sends. */

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "base/parse.h"
#include "model/kinds-policy.h"

#define QOS_BANDWIDTH_MAX 1000000000000000 /* 1P bit/s */
#define QOS_PEAKRATE_MAX  1010000000000000 /* 1.01P bit/s */
#define QOS_BURST_MAX	  34359738360	   /* 8 * UINT32_MAX bits, what a token bucket can hold */

static const struct field_desc qos_controls_fields[] = {
	{.name = "ingressBandwidth",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, ingress_bandwidth),
	 .min = 1000,
	 .max = QOS_BANDWIDTH_MAX,
	 .doc = "Bits per second to the endpoint."},
	{.name = "egressBandwidth",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, egress_bandwidth),
	 .min = 1000,
	 .max = QOS_BANDWIDTH_MAX,
	 .doc = "Bits per second from the endpoint."},
	{.name = "ingressBurst",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, ingress_burst),
	 .min = 1000,
	 .max = QOS_BURST_MAX,
	 .doc = "Bits that may go to the endpoint at once; absent: 4Gi."},
	{.name = "egressBurst",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, egress_burst),
	 .min = 1000,
	 .max = QOS_BURST_MAX,
	 .doc = "Bits that may come from the endpoint at once; absent: 4Gi."},
	{.name = "ingressPeakrate",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, ingress_peakrate),
	 .min = 1010,
	 .max = QOS_PEAKRATE_MAX,
	 .doc = "Bits per second to the endpoint within a burst; above ingressBandwidth."},
	{.name = "egressPeakrate",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, egress_peakrate),
	 .min = 1010,
	 .max = QOS_PEAKRATE_MAX,
	 .doc = "Bits per second from the endpoint within a burst; above egressBandwidth."},
	{.name = "ingressMinburst",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, ingress_minburst),
	 .min = 1000,
	 .max = 100000000,
	 .doc = "Bytes that go at peak rate at once, to the endpoint."},
	{.name = "egressMinburst",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, egress_minburst),
	 .min = 1000,
	 .max = 100000000,
	 .doc = "Bytes that go at peak rate at once, from the endpoint."},
	{.name = "ingressPacketRate",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, ingress_packet_rate),
	 .min = 1,
	 .max = 10000,
	 .doc = "Packets per second to the endpoint."},
	{.name = "egressPacketRate",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, egress_packet_rate),
	 .min = 1,
	 .max = 10000,
	 .doc = "Packets per second from the endpoint."},
	{.name = "ingressPacketBurst",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, ingress_packet_burst),
	 .min = 1,
	 .max = 10000,
	 .doc = "Packets that may go to the endpoint at once; absent: 5."},
	{.name = "egressPacketBurst",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, egress_packet_burst),
	 .min = 1,
	 .max = 10000,
	 .doc = "Packets that may come from the endpoint at once; absent: 5."},
	{.name = "ingressMaxConnections",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, ingress_max_connections),
	 .min = 1,
	 .max = UINT32_MAX,
	 .doc = "Connections to the endpoint at once."},
	{.name = "egressMaxConnections",
	 .type = FIELD_INT,
	 .offset = offsetof(struct qos_controls, egress_max_connections),
	 .min = 1,
	 .max = UINT32_MAX,
	 .doc = "Connections from the endpoint at once."},
	{.name = "dscp",
	 .type = FIELD_INT_OR_STRING,
	 .offset = offsetof(struct qos_controls, dscp),
	 .doc = "DSCP value, a number from 0 to 63 or a name, of packets that leave the cluster."},
};
const struct struct_desc qos_controls_desc = STRUCT_DESC(qos_controls, qos_controls_fields);

/* Code points of RFC 2474, 2597, 3246, 5865 and 8622. */
static const struct {
	const char *name;
	uint8_t value;
} dscp_names[] = {
	{"DF", 0},    {"CS0", 0},   {"LE", 1},	  {"CS1", 8},	{"AF11", 10}, {"AF12", 12},
	{"AF13", 14}, {"CS2", 16},  {"AF21", 18}, {"AF22", 20}, {"AF23", 22}, {"CS3", 24},
	{"AF31", 26}, {"AF32", 28}, {"AF33", 30}, {"CS4", 32},	{"AF41", 34}, {"AF42", 36},
	{"AF43", 38}, {"CS5", 40},  {"VA", 44},	  {"EF", 46},	{"CS6", 48},  {"CS7", 56},
};

int qos_dscp_parse(const struct int_or_string *dscp, uint8_t *ret, struct err *err)
{
	uint64_t number;

	for (size_t i = 0; i < ARRAY_SIZE(dscp_names); i++) {
		if (strcmp(dscp_names[i].name, dscp->s) == 0) {
			*ret = dscp_names[i].value;
			return 0;
		}
	}
	if (parse_u64(dscp->s, 0, 63, &number, NULL) < 0)
		return err_set(
			err, -EINVAL,
			"\"%.64s\" is not a DSCP value: a number from 0 to 63, or a name as EF or "
			"AF11",
			dscp->s);
	*ret = (uint8_t)number;
	return 0;
}

static int check_peakrate(const char *direction, const struct opt_int *bandwidth,
			  const struct opt_int *peakrate, struct err *err)
{
	if (!peakrate->set)
		return 0;
	if (!bandwidth->set)
		return err_set(err, -EINVAL, "%sPeakrate: needs %sBandwidth beside it", direction,
			       direction);
	if (peakrate->v <= bandwidth->v)
		return err_set(err, -EINVAL,
			       "%sPeakrate: %" PRId64 " must be above %sBandwidth, %" PRId64,
			       direction, peakrate->v, direction, bandwidth->v);
	return 0;
}

int qos_controls_validate(const struct qos_controls *qos, struct err *err)
{
	uint8_t dscp;
	int r = check_peakrate("ingress", &qos->ingress_bandwidth, &qos->ingress_peakrate, err);

	if (r == 0)
		r = check_peakrate("egress", &qos->egress_bandwidth, &qos->egress_peakrate, err);
	if (r == 0 && qos->dscp.s) {
		r = qos_dscp_parse(&qos->dscp, &dscp, err);
		if (r < 0)
			r = err_prefix(err, r, "dscp");
	}
	return r;
}
