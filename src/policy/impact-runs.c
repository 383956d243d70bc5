/* SPDX-License-Identifier: Apache-2.0 */

/* "TCP 80, UDP 1-52, all SCTP": a run is written when the next one does not go on from it. */

#include "policy/impact-runs.h"

#include <string.h>

#define PROTOCOL_ICMP	1
#define PROTOCOL_ICMPV6 58

uint32_t impact_last_port(uint8_t protocol)
{
	return protocol_has_ports(protocol)				  ? UINT16_MAX
	       : protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6 ? UINT8_MAX
									  : 0;
}

uint32_t impact_first_port(uint8_t protocol)
{
	return protocol_has_ports(protocol) ? 1 : 0;
}

static void close_run(struct impact_runs *runs)
{
	const char *name = runs->protocol == IMPACT_PROTOCOL_REST
				   ? "other protocols"
				   : protocol_format(runs->protocol).s;

	if (!runs->open)
		return;
	runs->open = false;
	buf_adds(&runs->text, runs->text.size ? ", " : "");
	if (runs->first == impact_first_port(runs->protocol) &&
	    runs->last == impact_last_port(runs->protocol))
		buf_addf(&runs->text, "%s%s", protocol_has_ports(runs->protocol) ? "all " : "",
			 name);
	else if (runs->first == runs->last)
		buf_addf(&runs->text, "%s %u", name, runs->first);
	else
		buf_addf(&runs->text, "%s %u-%u", name, runs->first, runs->last);
}

void impact_runs_add(struct impact_runs *runs, uint8_t protocol, uint32_t first, uint32_t last,
		     const struct packet *packet)
{
	if (!runs->has_example)
		runs->example = *packet;
	runs->has_example = true;
	if (runs->open && runs->protocol == protocol && runs->last + 1 == first) {
		runs->last = last;
		return;
	}
	close_run(runs);
	runs->protocol = protocol;
	runs->first = first;
	runs->last = last;
	runs->open = true;
}

/* All runs there are where no rule looks at another protocol; by family. */
static const char *const everything[] = {
	"ICMP, all TCP, all UDP, all SCTP, other protocols",
	"all TCP, all UDP, ICMPv6, all SCTP, other protocols",
};

void impact_runs_close(struct impact_runs *runs)
{
	close_run(runs);
	for (size_t i = 0; i < ARRAY_SIZE(everything); i++)
		if (runs->text.size && strcmp(buf_str(&runs->text), everything[i]) == 0) {
			buf_reset(&runs->text);
			buf_adds(&runs->text, "everything");
		}
}
