/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* koratctl: what calicoctl is to Calico, with its verbs, flags, texts and exit codes. */

/*
 * argv[0] is the program's name, argv[1] the verb. Returns the exit code: 0, 1 on any error, or
 * what the verb's help says (policy explain: 2, denied).
 */
int ctl_main(int argc, char **argv);
