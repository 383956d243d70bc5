/* SPDX-License-Identifier: Apache-2.0 */

/* Random packets, and the addresses of all that is in the world. */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "policy-pool.h"

const char *case_namespace(unsigned int workload)
{
	return namespaces[workload % ARRAY_SIZE(namespaces)];
}

void case_interface(unsigned int workload, char ret[16])
{
	(void)snprintf(ret, 16, "cali%u", workload);
}

/* Workloads 10.10.0.1 and fd00:10::1 on, outside 192.0.2.1 and 2001:db8::1 on, the host .100. */
struct ip_addr case_address(const struct case_end *end, uint8_t family)
{
	static const char *const bases[][2] = {
		[PLACE_WORKLOAD] = {"10.10.0.1", "fd00:10::1"},
		[PLACE_OUTSIDE] = {"192.0.2.1", "2001:db8::1"},
		[PLACE_HOST] = {"192.0.2.100", "2001:db8::64"},
	};
	struct ip_addr base;

	if (ip_parse(bases[end->place][family == AF_INET ? 0 : 1], &base, NULL) < 0)
		abort();
	return ip_add(&base, end->place == PLACE_HOST ? 0 : end->index);
}

const struct case_service *case_service(unsigned int i)
{
	static const struct case_service services[CASE_SERVICES] = {
		{{PLACE_WORKLOAD, 0}, 0},    {{PLACE_WORKLOAD, 1}, 8080}, {{PLACE_WORKLOAD, 2}, 0},
		{{PLACE_WORKLOAD, 3}, 8080}, {{PLACE_WORKLOAD, 4}, 53},	  {{PLACE_WORKLOAD, 5}, 0},
		{{PLACE_WORKLOAD, 6}, 80},   {{PLACE_WORKLOAD, 7}, 0},	  {{PLACE_OUTSIDE, 0}, 0},
		{{PLACE_OUTSIDE, 4}, 8080},  {{PLACE_HOST, 0}, 0},	  {{PLACE_HOST, 0}, 8080},
	};

	return &services[i - 1];
}

struct ip_addr case_service_address(unsigned int i, uint8_t family)
{
	struct ip_addr base;

	if (ip_parse(family == AF_INET ? "10.96.0.0" : "fd00:96::", &base, NULL) < 0)
		abort();
	return ip_add(&base, i);
}

struct ip_addr case_dialled_address(const struct case_packet *packet)
{
	return packet->service ? case_service_address(packet->service, packet->family)
			       : case_address(&packet->to, packet->family);
}

/* --- Packets ---------------------------------------------------------------------------------- */

static struct case_end random_end(struct random *random)
{
	unsigned int dice = random_below(random, 100);

	if (dice < 65)
		return (struct case_end){PLACE_WORKLOAD, random_below(random, CASE_WORKLOADS)};
	if (dice < 90)
		return (struct case_end){PLACE_OUTSIDE, random_below(random, CASE_OUTSIDES)};
	return (struct case_end){PLACE_HOST, 0};
}

/* The outside does not reach itself through the node, nor does anybody send to himself. */
static bool is_sensible(const struct case_packet *packet)
{
	return packet->from.place != packet->to.place ||
	       (packet->from.place == PLACE_WORKLOAD && packet->from.index != packet->to.index);
}

/*
 * Without ports, a packet in the other direction would be the answer in a connection that was
 * allowed: of each two ends only one speaks GRE to the other.
 */
static void order_ends(struct case_packet *packet)
{
	struct case_end from = packet->from;

	if (packet->protocol != IPPROTO_GRE ||
	    from.place * CASE_WORKLOADS + from.index <
		    packet->to.place * CASE_WORKLOADS + packet->to.index)
		return;
	packet->from = packet->to;
	packet->to = from;
}

/* What answers (ICMP errors among it) and what has no ports is not translated. */
static void dial_service(struct case_packet *packet)
{
	const struct case_service *service = case_service(packet->service);

	if (packet->protocol == IPPROTO_GRE)
		packet->protocol = IPPROTO_TCP;
	packet->icmp_type = packet->family == AF_INET ? 8 : 128;
	packet->dialled_port = packet->dport;
	if (service->port)
		packet->dport = service->port;
}

void case_random_packet(struct random *random, struct case_packet *ret)
{
	static const uint8_t protocols[] = {IPPROTO_TCP,  IPPROTO_TCP,	IPPROTO_UDP,  IPPROTO_UDP,
					    IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_ICMP, IPPROTO_GRE};

	*ret = (struct case_packet){0};
	do {
		ret->from = random_end(random);
		ret->service = random_percent(random, 30)
				       ? (uint8_t)(1 + random_below(random, CASE_SERVICES))
				       : 0;
		ret->to = ret->service ? case_service(ret->service)->to : random_end(random);
	} while (!is_sensible(ret));
	ret->family = random_percent(random, 50) ? AF_INET : AF_INET6;
	ret->protocol = PICK(random, protocols);
	if (ret->protocol == IPPROTO_ICMP && ret->family == AF_INET6)
		ret->protocol = IPPROTO_ICMPV6;
	if (!ret->service)
		order_ends(ret);
	ret->sport = PICK(random, sports);
	ret->dport = PICK(random, ports);
	ret->icmp_type =
		ret->family == AF_INET ? PICK(random, icmp_types) : PICK(random, icmpv6_types);
	ret->icmp_code = (uint8_t)random_below(random, 2);
	if (ret->service)
		dial_service(ret);
}

static void print_end(const struct case_end *end, uint8_t family, FILE *out)
{
	struct ip_addr addr = case_address(end, family);

	if (end->place == PLACE_WORKLOAD)
		(void)fprintf(out, "pod%u (%s)", end->index, ip_format(&addr).s);
	else
		(void)fprintf(out, "%s (%s)", end->place == PLACE_HOST ? "host" : "outside",
			      ip_format(&addr).s);
}

void case_print_packet(const struct case_packet *packet, FILE *out)
{
	print_end(&packet->from, packet->family, out);
	(void)fputs(" -> ", out);
	print_end(&packet->to, packet->family, out);
	if (packet->service) {
		struct ip_addr dialled = case_service_address(packet->service, packet->family);

		(void)fprintf(out, " by the service %s port %u", ip_format(&dialled).s,
			      packet->dialled_port);
	}
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6)
		(void)fprintf(out, " protocol %u type %u code %u\n", packet->protocol,
			      packet->icmp_type, packet->icmp_code);
	else
		(void)fprintf(out, " protocol %u port %u to %u\n", packet->protocol, packet->sport,
			      packet->dport);
}
