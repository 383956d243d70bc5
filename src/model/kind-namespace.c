/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Namespace and ServiceAccount: what matters of them is their labels, which their pods inherit by
 * the profiles kns.NAMESPACE and ksa.NAMESPACE.NAME.
 */

#include "base/macros.h"
#include "model/kinds-kubernetes.h"

static const struct struct_desc plain_desc = {.size = sizeof(struct kubernetes_plain)};

static const struct kind_column plain_columns[] = {
	{.title = "NAME", .path = "metadata.name"},
	{.title = "LABELS", .path = "metadata.labels", .wide = true},
	{.title = NULL},
};

static const char *const namespace_aliases[] = {"ns", NULL};

const struct kind_desc kind_namespace = {
	.kind = KIND_NAMESPACE,
	.name = "Namespace",
	.plural = "namespaces",
	.singular = "namespace",
	.aliases = namespace_aliases,
	.api_version = "v1",
	.api_kind = "Namespace",
	.open = true,
	.size = sizeof(struct kubernetes_plain),
	.root = &plain_desc,
	.doc = "Kubernetes' Namespace: its labels are what namespaceSelector looks at.",
	.columns = plain_columns,
};

static const char *const service_account_aliases[] = {"sa", NULL};

const struct kind_desc kind_service_account = {
	.kind = KIND_SERVICE_ACCOUNT,
	.name = "ServiceAccount",
	.plural = "serviceaccounts",
	.singular = "serviceaccount",
	.aliases = service_account_aliases,
	.namespaced = true,
	.api_version = "v1",
	.api_kind = "ServiceAccount",
	.open = true,
	.size = sizeof(struct kubernetes_plain),
	.root = &plain_desc,
	.doc = "Kubernetes' ServiceAccount: its labels are what serviceAccountSelector looks at.",
	.columns = plain_columns,
};
