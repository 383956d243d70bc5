/* SPDX-License-Identifier: Apache-2.0 */

/* How the addresses are used. */

#include <errno.h>

#include "ctl/ctl-internal.h"

int ctl_run_ipam_show(struct ctl *ctl, struct err *err)
{
	(void)ctl;
	return err_set(err, -ENOSYS, "ipam show: not there yet");
}
