/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Written once, with the network's first endpoint; a Profile of that name that is there is a
 * person's to change, and stays.
 */

#include "agent/pod-profile.h"

#include "base/alloc.h"
#include "cni/cni-names.h"
#include "model/kinds-policy.h"
#include "model/kinds.h"
#include "store/store.h"

static struct rule *add_allow(struct rule_list *list)
{
	struct rule *rule = ARRAY_ADD(list->v, list->n);

	list->set = true;
	rule->action = RULE_ACTION_ALLOW;
	return rule;
}

struct object *pod_profile_new(const struct cni_request *request)
{
	struct profile_spec *spec;
	struct object *object;
	struct rule *ingress;

	if (!cni_label_key_valid(request->network))
		return NULL;
	object = model_new(KIND_PROFILE, NULL, request->network);
	spec = &as_profile(object)->spec;
	(void)add_allow(&spec->egress);
	ingress = add_allow(&spec->ingress);
	if (!request->pod_name)
		ingress->source.selector = xasprintf("has(%s)", request->network);
	str_map_put(&spec->labels_to_apply, request->network, "");
	store_stamp(object);
	return object;
}
