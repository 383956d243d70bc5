#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
How soon a new pod's route is on another node, and what an agent with a hundred pods takes of memory.
"""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab import Lab, wait_for  # noqa: E402  pylint: disable=wrong-import-position
from measurement import result  # noqa: E402  pylint: disable=wrong-import-position

PODS = 100


def resident(pid):
    """KiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def main():
    """Prints the lines that run.py gathers."""
    environment = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
                   "CALICO_IPV4POOL_IPIP": "Never"}
    with Lab(2, environment) as lab:
        lab.start()
        node, other = lab.nodes
        for number in range(PODS):
            lab.pod(node, f"b{number}")
            if number == 1:
                result("agent-memory-idle", resident(node.agent.pid) / 1024, "MiB",
                       "resident, 2 pods", "<=15")
        start = time.monotonic_ns()
        block = lab.pod(other, "far").address.rsplit(".", 1)[0]
        wait_for(lambda: block in node.ns.ip("route", "show", "dev", "vxlan.calico"), 10,
                 "the block's route is on the other node", 0.001)
        result("route-to-other-node", (time.monotonic_ns() - start) / 1e6, "ms",
               "first pod of a node: ADD until the other node has the route")
        result("agent-memory", resident(node.agent.pid) / 1024, "MiB", f"resident, {PODS} pods")
        result("plugin-size", os.path.getsize(lab.directory / "bin/calico") / 1024, "KiB")


if __name__ == "__main__":
    main()
