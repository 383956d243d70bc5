/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The world of policy for a person's questions: out of files, which must all be valid, or out of
 * the datastore, where what can't be read is named and left out, as the agent does.
 */

#include "ctl/ctl-policy.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

void ctl_policies_deinit(struct ctl_policies *policies)
{
	(void)policy_world_free(policies->world);
	ctl_items_deinit(&policies->items);
	policies->world = NULL;
}

static const enum kind policy_kinds[] = {
	KIND_NODE,
	KIND_IP_POOL,
	KIND_FELIX_CONFIGURATION,
	KIND_TIER,
	/* A profile that was made says more than the namespace it is of. */
	KIND_NAMESPACE,
	KIND_SERVICE_ACCOUNT,
	KIND_PROFILE,
	KIND_NETWORK_POLICY,
	KIND_GLOBAL_NETWORK_POLICY,
	KIND_STAGED_NETWORK_POLICY,
	KIND_STAGED_GLOBAL_NETWORK_POLICY,
	KIND_STAGED_KUBERNETES_NETWORK_POLICY,
	KIND_KUBERNETES_NETWORK_POLICY,
	KIND_KUBERNETES_CLUSTER_NETWORK_POLICY,
	KIND_KUBERNETES_ENDPOINT_SLICE,
	KIND_NETWORK_SET,
	KIND_GLOBAL_NETWORK_SET,
	KIND_HOST_ENDPOINT,
	KIND_WORKLOAD_ENDPOINT,
};

static int read_kind(struct ctl *ctl, enum kind kind, struct ctl_policies *policies,
		     struct err *err)
{
	_cleanup_(store_list_deinitp) struct store_list list = {.v = NULL};
	int r = store_list(ctl->store, kind, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		struct object *object = NULL;
		struct err why = ERR_INIT;

		if (store_object_read(&list.v[i], &object, &why) < 0) {
			fprintf(stderr, "left out: %s\n", why.msg);
			continue;
		}
		ctl_items_add(&policies->items, object, "");
		if (policy_world_put(policies->world, object, &why) < 0)
			fprintf(stderr, "left out: %s\n", why.msg);
	}
	return r;
}

int ctl_policies_apply(struct policy_world *world, const struct ctl_items *items, struct err *err)
{
	for (size_t i = 0; i < items->n; i++) {
		const struct ctl_item *item = &items->v[i];
		int r = model_validate(item->object, err);

		if (r == 0)
			r = policy_world_put(world, item->object, err);
		if (r < 0)
			return ctl_item_error(item, r, err);
	}
	return 0;
}

int ctl_policies_read(struct ctl *ctl, struct ctl_policies *ret, struct err *err)
{
	const struct ctl_args *args = &ctl->args;
	int r = 0;

	ret->world = policy_world_new();
	if (args->set[FLAG_FROM]) {
		ret->items.pass_foreign = true;
		for (size_t i = 0; r == 0 && i < args->n_repeated; i++)
			r = ctl_load_path(ctl, args->repeated[i], &ret->items, err);
		return r < 0 ? r : ctl_policies_apply(ret->world, &ret->items, err);
	}
	r = ctl_open_store(ctl, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(policy_kinds); i++)
		r = read_kind(ctl, policy_kinds[i], ret, err);
	return r;
}

int ctl_check_format(const struct ctl_args *args, bool *ret_json, struct err *err)
{
	const char *format = args->set[FLAG_FORMAT] ? args->values[FLAG_FORMAT] : "text";

	*ret_json = strcmp(format, "json") == 0;
	if (!*ret_json && strcmp(format, "text") != 0)
		return err_set(err, -EINVAL, "no such format \"%.40s\"; expected text or json",
			       format);
	return 0;
}
