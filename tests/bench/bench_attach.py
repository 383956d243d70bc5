#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What a container runtime waits for: CNI ADD and DEL of a pod through the real plugin, one after the
other, on a node with an agent, BIRD and the embedded store; and how soon a new pod's route is on
another node.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab import Lab, cni, wait_for  # pylint: disable=wrong-import-position

PODS = 100


def timed_call(pod, command):
    """The plugin's run time in microseconds, from exec to exit, without Python's own preparation."""
    conf = json.dumps(cni.pod_conf(pod.node.name))
    env = cni.environment(pod, command)
    plugin = str(pod.node.lab.directory / "bin/calico")

    def run():
        start = time.monotonic_ns()
        done = subprocess.run([plugin], input=conf, env=env, capture_output=True, text=True,
                              close_fds=False)
        taken = time.monotonic_ns() - start
        assert done.returncode == 0, done.stdout
        return taken / 1000

    return pod.node.ns.run(run)


def report(name, values, note):
    """Median and 99th percentile."""
    ordered = sorted(values)
    print(f"{name}-median {statistics.median(ordered):.0f} us {note}")
    print(f"{name}-p99 {ordered[int(len(ordered) * 0.99) - 1]:.0f} us {note}")


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
        pods = [lab.new_pod(node, f"b{number}") for number in range(PODS)]
        report("cni-add", [timed_call(pod, "ADD") for pod in pods], "plugin from exec to exit")
        # As a runtime does it: the namespace is there while DEL runs.
        report("cni-del", [timed_call(pod, "DEL") for pod in pods], "plugin from exec to exit")
        start = time.monotonic_ns()
        block = lab.pod(other, "far").address.rsplit(".", 1)[0]
        wait_for(lambda: block in node.ns.ip("route", "show", "dev", "vxlan.calico"), 10,
                 "the block's route is on the other node", 0.001)
        print(f"route-to-other-node {(time.monotonic_ns() - start) / 1000:.0f} us "
              "first pod of a node: ADD until the other node has the route")
        print(f"agent-memory {resident(node.agent.pid)} KiB resident, after {PODS} pods")
        print(f"plugin-size {os.path.getsize(lab.directory / 'bin/calico') / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
