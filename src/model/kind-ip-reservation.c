/* SPDX-License-Identifier: Apache-2.0 */

/*
 * IPReservation: addresses kept out of automatic assignment.
 */

#include "model/kinds-networking.h"

#include "base/macros.h"
#include "model/kinds.h"

static const struct field_desc ip_reservation_spec_fields[] = {
	{.name = "reservedCIDRs",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct ip_reservation_spec, reserved_cidrs),
	 .doc = "Prefixes and single addresses that are never assigned automatically."},
};
static const struct struct_desc ip_reservation_spec_desc =
	STRUCT_DESC(ip_reservation_spec, ip_reservation_spec_fields);

static const struct field_desc ip_reservation_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct ip_reservation, spec),
	 .sub = &ip_reservation_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc ip_reservation_desc =
	STRUCT_DESC(ip_reservation, ip_reservation_fields);

static const struct kind_column ip_reservation_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "CIDRS", .path = "spec.reservedCIDRs", .wide = true, .max_len = 80},
	{.title = NULL},
};

static const char *const ip_reservation_aliases[] = {"reservation", "reservations", NULL};

const struct kind_desc kind_ip_reservation = {
	.kind = KIND_IP_RESERVATION,
	.name = "IPReservation",
	.plural = "ipreservations",
	.singular = "ipreservation",
	.aliases = ip_reservation_aliases,
	.size = sizeof(struct ip_reservation),
	.root = &ip_reservation_desc,
	.doc = "Addresses that automatic assignment leaves alone.",
	.columns = ip_reservation_columns,
};
