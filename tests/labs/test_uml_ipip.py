# SPDX-License-Identifier: Apache-2.0
"""
IPIP on a kernel that has it: the tests of the functions named scene_*, each run inside user-mode
Linux by this file called as a program.
"""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# pylint: disable=wrong-import-position
from clusters import (DIRECT_POOL, assert_same, cluster, kernel_states, meshed, reach_all,
                      settled_states, way)
from lab import FLOW, probe, uml, wait_for


def scene_ipip():
    """IPIP Always and no encapsulation side by side; then the agents are killed under load."""
    with cluster(2, CALICO_IPV4POOL_IPIP="Always", CALICO_IPV4POOL_VXLAN="Never") as lab:
        lab.apply(DIRECT_POOL)
        for node in lab.nodes:
            lab.pod(node, f"t{node.number}", pools=["default-ipv4-ippool"])
            lab.pod(node, f"d{node.number}", pools=["direct"])
        reach_all(lab, 60)
        tunnelled = [pod for pod in lab.pods if pod.name.startswith("t")]
        direct = [pod for pod in lab.pods if pod.name.startswith("d")]
        assert way(*tunnelled) == "tunl0"
        assert way(tunnelled[0], direct[1]) == "eth0"
        wait_for(lambda: meshed(lab), 60, "BGP is meshed")
        before = settled_states(lab)
        flow = probe.Flow(FLOW, *tunnelled, 200, 60)
        try:
            for node in lab.nodes:
                node.kill_agent()
            time.sleep(1)
            for node in lab.nodes:
                node.start_agent()
            wait_for(lambda: meshed(lab), 90, "BGP is meshed again")
        finally:
            report = flow.finish(stop=True)
        assert report["lost"] == 0, report
        assert_same(before, kernel_states(lab), "by a restart of the agents")


@pytest.mark.skipif(not uml.available(), reason="the package user-mode-linux is not installed")
@pytest.mark.parametrize("scene", ["scene_ipip"])
def test_in_user_mode_linux(clean_machine, scene):
    lines = []
    code = uml.run([sys.executable, "-B", __file__, scene], 200, lines.append)
    assert code == 0, b"".join(lines).decode(errors="replace")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
