/* SPDX-License-Identifier: Apache-2.0 */

/* The fields of a rule, shared by all policies and profiles. Checks across them: policy-check.c. */

#include "model/policy-rule.h"

#include "base/macros.h"

static const struct field_desc rule_metadata_fields[] = {
	{.name = "annotations",
	 .type = FIELD_STR_MAP,
	 .offset = offsetof(struct rule_metadata, annotations),
	 .doc = "Words of any kind; the annotation \"name\" shows up in the rule's comment."},
};
static const struct struct_desc rule_metadata_desc =
	STRUCT_DESC(rule_metadata, rule_metadata_fields);

static const struct field_desc icmp_match_fields[] = {
	{.name = "type",
	 .type = FIELD_INT,
	 .offset = offsetof(struct icmp_match, type),
	 .min = 0,
	 .max = 254,
	 .doc = "Type of the ICMP message."},
	{.name = "code",
	 .type = FIELD_INT,
	 .offset = offsetof(struct icmp_match, code),
	 .min = 0,
	 .max = 255,
	 .doc = "Code of the ICMP message; only together with type."},
};
static const struct struct_desc icmp_match_desc = STRUCT_DESC(icmp_match, icmp_match_fields);

static const struct field_desc service_match_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .flags = FIELD_REQUIRED,
	 .check = CHECK_NAME,
	 .offset = offsetof(struct service_match, name),
	 .doc = "Name of the Kubernetes service."},
	{.name = "namespace",
	 .type = FIELD_STRING,
	 .check = CHECK_LABEL_NAME,
	 .offset = offsetof(struct service_match, namespace),
	 .doc = "Namespace of the service; absent: the policy's own."},
};
static const struct struct_desc service_match_desc =
	STRUCT_DESC(service_match, service_match_fields);

static const struct field_desc service_account_match_fields[] = {
	{.name = "names",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_NAME,
	 .offset = offsetof(struct service_account_match, names),
	 .doc = "Names of service accounts, any of them."},
	{.name = "selector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct service_account_match, selector),
	 .doc = "Labels of the service account."},
};
static const struct struct_desc service_account_match_desc =
	STRUCT_DESC(service_account_match, service_account_match_fields);

static const struct field_desc entity_rule_fields[] = {
	{.name = "nets",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct entity_rule, nets),
	 .max = RULE_NETS_MAX,
	 .doc = "Addresses, in any of these prefixes."},
	{.name = "selector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct entity_rule, selector),
	 .doc = "Endpoints and network sets with these labels."},
	{.name = "namespaceSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct entity_rule, namespace_selector),
	 .doc = "Namespaces of what selector selects; global(): what has none."},
	{.name = "services",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct entity_rule, services),
	 .sub = &service_match_desc,
	 .doc = "A Kubernetes service; alone, and only as destination of egress or source of ingress."},
	{.name = "ports",
	 .type = FIELD_INT_OR_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_PORT,
	 .offset = offsetof(struct entity_rule, ports),
	 .max = RULE_PORTS_MAX,
	 .doc = "Ports: numbers, ranges as \"8000:8100\", or names; in a rule without a protocol "
		"only names, of TCP."},
	{.name = "notNets",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_CIDR,
	 .offset = offsetof(struct entity_rule, not_nets),
	 .max = RULE_NETS_MAX,
	 .doc = "Addresses in none of these prefixes."},
	{.name = "notSelector",
	 .type = FIELD_STRING,
	 .check = CHECK_SELECTOR,
	 .offset = offsetof(struct entity_rule, not_selector),
	 .doc = "Endpoints and network sets without these labels."},
	{.name = "notPorts",
	 .type = FIELD_INT_OR_STRING,
	 .flags = FIELD_LIST,
	 .check = CHECK_PORT,
	 .offset = offsetof(struct entity_rule, not_ports),
	 .max = RULE_PORTS_MAX,
	 .doc = "None of these ports."},
	{.name = "serviceAccounts",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct entity_rule, service_accounts),
	 .sub = &service_account_match_desc,
	 .doc = "Endpoints of these service accounts."},
};
static const struct struct_desc entity_rule_desc = STRUCT_DESC(entity_rule, entity_rule_fields);

static const struct field_desc http_path_fields[] = {
	{.name = "exact",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct http_path, exact),
	 .doc = "The path itself."},
	{.name = "prefix",
	 .type = FIELD_STRING,
	 .offset = offsetof(struct http_path, prefix),
	 .doc = "How the path begins."},
};
static const struct struct_desc http_path_desc = STRUCT_DESC(http_path, http_path_fields);

static const struct field_desc http_match_fields[] = {
	{.name = "methods",
	 .type = FIELD_STRING,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct http_match, methods),
	 .doc = "HTTP methods, any of them."},
	{.name = "paths",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_LIST,
	 .offset = offsetof(struct http_match, paths),
	 .sub = &http_path_desc,
	 .doc = "Paths, any of them."},
};
static const struct struct_desc http_match_desc = STRUCT_DESC(http_match, http_match_fields);

static const char *const rule_actions[] = {"Allow", "Deny", "Log", "Pass", NULL};
static const struct field_desc rule_fields[] = {
	{.name = "metadata",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct rule, metadata),
	 .sub = &rule_metadata_desc,
	 .doc = "What is only for people."},
	{.name = "action",
	 .type = FIELD_ENUM,
	 .flags = FIELD_REQUIRED,
	 .offset = offsetof(struct rule, action),
	 .values = rule_actions,
	 .doc = "What happens to a packet that matches. Pass: the next tier decides."},
	{.name = "ipVersion",
	 .type = FIELD_INT,
	 .offset = offsetof(struct rule, ip_version),
	 .min = 4,
	 .max = 6,
	 .doc = "4 or 6; absent: both."},
	{.name = "protocol",
	 .type = FIELD_INT_OR_STRING,
	 .check = CHECK_PROTOCOL,
	 .offset = offsetof(struct rule, protocol),
	 .doc = "TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number."},
	{.name = "icmp",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct rule, icmp),
	 .sub = &icmp_match_desc,
	 .doc = "ICMP messages of this type and code."},
	{.name = "notProtocol",
	 .type = FIELD_INT_OR_STRING,
	 .check = CHECK_PROTOCOL,
	 .offset = offsetof(struct rule, not_protocol),
	 .doc = "Any other protocol than this."},
	{.name = "notICMP",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct rule, not_icmp),
	 .sub = &icmp_match_desc,
	 .doc = "ICMP messages not of this type and code."},
	{.name = "source",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct rule, source),
	 .sub = &entity_rule_desc,
	 .doc = "Where the packet comes from."},
	{.name = "destination",
	 .type = FIELD_OBJECT,
	 .flags = FIELD_EMBEDDED,
	 .offset = offsetof(struct rule, destination),
	 .sub = &entity_rule_desc,
	 .doc = "Where the packet goes to."},
	{.name = "http",
	 .type = FIELD_OBJECT,
	 .offset = offsetof(struct rule, http),
	 .sub = &http_match_desc,
	 .doc = "HTTP requests; only of ingress rules with action Allow and protocol TCP."},
};
const struct struct_desc rule_desc = STRUCT_DESC(rule, rule_fields);
