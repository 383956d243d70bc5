/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The node's agent as a program: `korat agent`. Returns the exit code. */
int agent_main(int argc, char **argv);
