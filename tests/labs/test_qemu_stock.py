# SPDX-License-Identifier: Apache-2.0
"""
The kernel that Debian 12 installs: the functions named scene_*, each run inside an emulated machine
by this file called as a program.
"""

import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# pylint: disable=wrong-import-position
from clusters import cluster, kernel_state, reach_all, ruleset, way
from families import pool
from lab import FLOW, probe, qemu, wait_for
from lab.lab import BUILD, ROOT
from offloaded import offloads
from test_policy_matrix import BACKENDS, Nine, policy_cases, State

STARTED = time.monotonic()
# Of all cases each so manieth: emulation takes its time.
CASES_STEP = 16
# From each node, of each namespace: they see all that is answered.
SOURCES = ["x/a", "y/b", "z/c"]
DIFF_CASES, DIFF_PACKETS = 6, 60
SLOW = 60
TUNNELS = {"apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": {"name": "ipip"},
           "spec": {"cidr": "10.44.0.0/16", "ipipMode": "Always", "vxlanMode": "Never",
                    "natOutgoing": True}}


def step(words):
    """Where it is, for whoever reads the output of a failure."""
    print(f"{time.monotonic() - STARTED:6.1f} s  {words}", flush=True)


def tunnels(lab):
    """VXLAN and IPIP between two nodes, and out by NAT."""
    lab.apply(TUNNELS)
    pods = {}
    for kind, pools in (("v", ["default-ipv4-ippool"]), ("i", ["ipip"])):
        for node in lab.nodes:
            pods[kind, node.number] = lab.pod(node, f"{kind}{node.number}", pools=pools,
                                              families="46")
    step("pods are there")
    reach_all(lab, SLOW)
    step("pods reach each other")
    assert way(pods["v", 1], pods["v", 2]) == "vxlan.calico"
    assert way(pods["i", 1], pods["i", 2]) == "tunl0"
    assert way(pods["v", 1], pods["v", 2], 6) == "vxlan-v6.calico"
    # The switch is outside of the cluster and has no route to pods.
    for kind in "vi":
        assert pods[kind, 1].ns.run(probe.ping, "192.168.0.254", 3) is not None, kind


def restarts(lab):
    """An agent that is killed and starts again changes nothing and loses nothing."""
    node = lab.nodes[0]
    before = kernel_state(node), ruleset(node)
    assert all(before[1].values())
    flows = [probe.Flow(FLOW, lab.pods[0], lab.pods[1], 50, SLOW, 9000 + family,
                        lab.pods[1].of_family(family)) for family in (4, 6)]
    try:
        node.kill_agent()
        node.start_agent()
        time.sleep(1)
    finally:
        reports = [flow.finish(stop=True) for flow in flows]
    assert not any(report["lost"] for report in reports), reports
    assert (kernel_state(node), ruleset(node)) == before


def repairs(lab):
    """What others take away is back."""
    node = lab.nodes[0]
    before = ruleset(node)
    for harm in ("flush ruleset", "delete table ip6 calico", "flush table ip calico"):
        node.ns.output(["/usr/sbin/nft", harm])
        wait_for(lambda: ruleset(node) == before, 10, f"what '{harm}' took away is back")


def scene_cluster():
    """Tunnels, NAT, an agent that ends, rules that vanish; flow tables."""
    done = subprocess.run([ROOT / BUILD / "src/nft/test-nft-flowtable"], check=False)
    assert done.returncode == 0
    with cluster(2, CALICO_IPV4POOL_IPIP="Never", CALICO_IPV4POOL_VXLAN="Always",
                 IP6="autodetect", KORAT_CUT_DENIED="on") as lab:
        step("agents serve")
        lab.apply(pool("six", "fd00:65::/48", vxlan="Always", blockSize=122))
        for node in lab.nodes:
            wait_for(lambda one=node: one.links("dev", "vxlan-v6.calico"), SLOW, "IPv6's tunnel")
        tunnels(lab)
        step("tunnels")
        restarts(lab)
        step("restart")
        repairs(lab)
        step("repair")
        offloads(lab, step)


def scene_policy():
    """Cases of policy by real packets; then random ones."""
    with cluster(2, CALICO_IPV4POOL_IPIP="Never", CALICO_IPV4POOL_VXLAN="Always",
                 IP6="autodetect", **BACKENDS["nftables"]) as lab:
        lab.apply(pool("six", "fd00:65::/48", vxlan="Always", blockSize=122))
        nine = Nine(lab, SOURCES, ask_ms=1500, settle_s=SLOW)
        step("nine pods")
        state = State(nine.world)
        nine.put(nine.cluster_objects(state))
        failures = {"nothing applied": nine.settle(state)}
        for case in policy_cases.all_cases()[::CASES_STEP]:
            step(case.name)
            for number, one in enumerate(case.steps):
                nine.apply(state, one)
                step("applied")
                failures[f"{case.name}, step {number}"] = nine.settle(state)
            state = nine.reset(state)
        nine.close()
        failures = {name: wrong for name, wrong in failures.items() if wrong}
        assert not failures, {name: (len(wrong), wrong[:4]) for name, wrong in failures.items()}
    step("random policies")
    done = subprocess.run([ROOT / BUILD / "tests/policy-diff", "nft", "--cases", str(DIFF_CASES),
                           "--packets", str(DIFF_PACKETS)], check=False)
    assert done.returncode == 0


@pytest.mark.skipif(not qemu.available(), reason="no emulator, or no kernel: ./dev deps")
@pytest.mark.parametrize("scene", ["scene_cluster", "scene_policy"])
def test_on_the_stock_kernel(clean_machine, scene):
    lines = []
    code = qemu.run([sys.executable, "-B", __file__, scene], 230, lines.append)
    assert code == 0, b"".join(lines).decode(errors="replace")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    step("the end")
