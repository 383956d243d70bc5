/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * `korat agent cleanup`: takes what the agent and its BIRD made out of the kernel of a node that
 * leaves the cluster. Refuses while an agent runs. Returns the exit code.
 */
int cleanup_main(int argc, char **argv);
