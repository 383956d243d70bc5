/* SPDX-License-Identifier: Apache-2.0 */

/* HostEndpoint: an interface of a node, or all of them, as something policies apply to. */

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "model/kinds-policy.h"
#include "model/model-check.h"

static const struct field_desc host_endpoint_port_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_PORT,
	 .offset = offsetof(struct host_endpoint_port, name),
	 .doc = "Name of the port, for policies."},
	{.name = "protocol",
	 .type = FIELD_INT_OR_STRING,
	 .check = CHECK_PROTOCOL,
	 .offset = offsetof(struct host_endpoint_port, protocol),
	 .doc = "Its protocol."},
	{.name = "port",
	 .type = FIELD_INT,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct host_endpoint_port, port),
	 .min = 1,
	 .max = 65535,
	 .doc = "Its number."},
};
static const struct struct_desc host_endpoint_port_desc =
	STRUCT_DESC(host_endpoint_port, host_endpoint_port_fields);

static const struct field_desc host_endpoint_spec_fields[] = {
	{.name = "node",
	 .type = FIELD_STRING,
	 .check = CHECK_NAME,
	 .offset = offsetof(struct host_endpoint_spec, node),
	 .doc = "Node the interface is on."},
	{.name = "interfaceName",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct host_endpoint_spec, interface_name),
	 .doc = "Name of the interface; \"*\": all of the node; absent: the one that has expectedIPs."},
	{.name = "expectedIPs",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_IP,
	 .offset = offsetof(struct host_endpoint_spec, expected_ips),
	 .doc = "Addresses of the interface."},
	{.name = "profiles",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_NAME,
	 .offset = offsetof(struct host_endpoint_spec, profiles),
	 .doc = "Profiles that apply, in order."},
	{.name = "ports",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct host_endpoint_spec, ports),
	 .sub = &host_endpoint_port_desc,
	 .doc = "Named ports."},
};
static const struct struct_desc host_endpoint_spec_desc =
	STRUCT_DESC(host_endpoint_spec, host_endpoint_spec_fields);

static const struct field_desc host_endpoint_fields[] = {
	{.name = "spec",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct host_endpoint, spec),
	 .sub = &host_endpoint_spec_desc,
	 .doc = "What is wanted."},
};
static const struct struct_desc host_endpoint_desc =
	STRUCT_DESC(host_endpoint, host_endpoint_fields);

static int host_endpoint_validate(const struct object *object, struct err *err)
{
	const struct host_endpoint_spec *spec = &as_host_endpoint(object)->spec;
	bool named = spec->interface_name && *spec->interface_name;
	int r = 0;

	if (!named && spec->expected_ips.n == 0)
		return err_set(
			err, -EINVAL,
			"spec.interfaceName: needed unless expectedIPs tells which interface");
	if (named && strcmp(spec->interface_name, "*") != 0)
		r = model_check(CHECK_INTERFACE, spec->interface_name, err);
	return r < 0 ? err_prefix(err, r, "spec.interfaceName") : 0;
}

static const struct kind_column host_endpoint_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "NODE", .path = "spec.node"},
	{.title = "INTERFACE", .path = "spec.interfaceName", .wide = true},
	{.title = "IPS", .path = "spec.expectedIPs", .wide = true},
	{.title = "PROFILES", .path = "spec.profiles", .wide = true},
	{.title = NULL},
};

static const char *const host_endpoint_aliases[] = {"hep", "heps", NULL};

const struct kind_desc kind_host_endpoint = {
	.kind = KIND_HOST_ENDPOINT,
	.name = "HostEndpoint",
	.plural = "hostendpoints",
	.singular = "hostendpoint",
	.aliases = host_endpoint_aliases,
	.size = sizeof(struct host_endpoint),
	.root = &host_endpoint_desc,
	.doc = "An interface of a node that policies apply to.",
	.validate = host_endpoint_validate,
	.columns = host_endpoint_columns,
};
