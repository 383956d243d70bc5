/* SPDX-License-Identifier: Apache-2.0 */

/* ipam configure: fields of the IPAMConfiguration, which is made if it is not there. */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "ctl/ctl-internal.h"

static int set_bool(const struct ctl *ctl, enum ctl_flag flag, struct opt_bool *field,
		    struct err *err)
{
	const char *text = ctl->args.values[flag];

	if (!ctl->args.set[flag])
		return 0;
	if (strcasecmp(text, "true") != 0 && strcasecmp(text, "false") != 0)
		return err_set(err, -EINVAL, "--%s is true or false, not \"%.40s\"",
			       ctl_flags[flag].name, text);
	*field = (struct opt_bool){.set = true, .v = strcasecmp(text, "true") == 0};
	return 0;
}

static int set_number(const struct ctl *ctl, enum ctl_flag flag, int64_t max, struct opt_int *field,
		      struct err *err)
{
	int r;

	if (!ctl->args.set[flag])
		return 0;
	r = parse_i64(ctl->args.values[flag], 0, max, &field->v, err);
	if (r < 0)
		return err_prefix(err, r, "--%s", ctl_flags[flag].name);
	field->set = true;
	return 0;
}

static int set_persistence(const struct ctl *ctl, enum enabled_mode *field, struct err *err)
{
	const char *text = ctl->args.values[FLAG_KUBEVIRT_IP_PERSISTENCE];

	if (!ctl->args.set[FLAG_KUBEVIRT_IP_PERSISTENCE])
		return 0;
	if (strcasecmp(text, "Enabled") == 0)
		*field = ENABLED_MODE_ENABLED;
	else if (strcasecmp(text, "Disabled") == 0)
		*field = ENABLED_MODE_DISABLED;
	else
		return err_set(err, -EINVAL,
			       "--kubevirt-ip-persistence is Enabled or Disabled, not \"%.40s\"",
			       text);
	return 0;
}

static int write_object(struct ctl *ctl, const struct object *old, uint64_t revision,
			struct object *object, struct err *err)
{
	struct store_op op = {
		.type = STORE_CREATE, .kind = KIND_IPAM_CONFIGURATION, .name = "default"};
	_cleanup_free_ char *text = NULL;
	int r;

	if (old) {
		r = ctl_replace_object(ctl, old, revision, object, err);
		if (r > 0)
			return err_set(err, -EBUSY,
				       "the IPAMConfiguration changed meanwhile; try "
				       "again");
		return r;
	}
	r = model_validate(object, err);
	if (r < 0)
		return r;
	store_stamp(object);
	text = store_object_text(object, &op.size);
	op.value = text;
	r = store_commit(ctl->store, &op, 1, NULL, NULL, err);
	if (r > 0)
		return err_set(err, -EBUSY, "the IPAMConfiguration was made meanwhile; try again");
	return r;
}

/* Also a rule of the kind, but said here in the words of the flags. */
static int check_limit(const struct ipam_configuration_spec *spec, struct err *err)
{
	if (spec->max_blocks_per_host.set && spec->max_blocks_per_host.v > 0 &&
	    !(spec->strict_affinity.set && spec->strict_affinity.v))
		return err_set(err, -EINVAL,
			       "a limit of blocks only holds with --strictaffinity=true: without, "
			       "nodes borrow from each other");
	return 0;
}

static void print_change(const struct ctl *ctl, enum ctl_flag flag, const char *title)
{
	if (ctl->args.set[flag])
		printf("Successfully set %s to: %s\n", title, ctl->args.values[flag]);
}

int ctl_run_ipam_configure(struct ctl *ctl, struct err *err)
{
	_cleanup_(model_freep) struct object *key =
		model_new(KIND_IPAM_CONFIGURATION, NULL, "default");
	_cleanup_(model_freep) struct object *old = NULL;
	_cleanup_(model_freep) struct object *object = NULL;
	struct ipam_configuration_spec *spec;
	uint64_t revision = 0;
	int r = ctl_get_object(ctl, key, &old, &revision, err);

	if (r < 0)
		return r;
	object = model_copy(old ? old : key);
	model_default(object);
	spec = &as_ipam_configuration(object)->spec;
	r = set_bool(ctl, FLAG_STRICT_AFFINITY, &spec->strict_affinity, err);
	if (r == 0)
		r = set_number(ctl, FLAG_MAX_BLOCKS_PER_HOST, 1000000, &spec->max_blocks_per_host,
			       err);
	if (r == 0)
		r = set_number(ctl, FLAG_IP_COOLDOWN_SECONDS, 1200, &spec->ip_cooldown_seconds,
			       err);
	if (r == 0)
		r = set_persistence(ctl, &spec->kube_virt_vm_address_persistence, err);
	if (r == 0)
		r = check_limit(spec, err);
	if (r == 0)
		r = write_object(ctl, old, revision, object, err);
	if (r < 0)
		return r;
	print_change(ctl, FLAG_STRICT_AFFINITY, "StrictAffinity");
	print_change(ctl, FLAG_MAX_BLOCKS_PER_HOST, "MaxBlocksPerHost");
	print_change(ctl, FLAG_KUBEVIRT_IP_PERSISTENCE, "KubeVirtVMAddressPersistence");
	print_change(ctl, FLAG_IP_COOLDOWN_SECONDS, "IPCooldownSeconds");
	return 0;
}
