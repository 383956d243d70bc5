# SPDX-License-Identifier: Apache-2.0
"""Random policies, endpoints and packets: the evaluator and the kernel agree, packet by packet."""

import subprocess

import pytest

from lab.lab import BUILD, ROOT

CASES, PACKETS = {"nft": 520, "iptables": 260, "iptables-nft": 60}, 200


@pytest.mark.parametrize("judge", CASES)
def test_evaluator_and_kernel_agree(judge):
    cases = CASES[judge]
    done = subprocess.run(
        [ROOT / BUILD / "tests/policy-diff", judge, "--cases", str(cases), "--packets",
         str(PACKETS)], capture_output=True, text=True, timeout=230, check=False)
    assert done.returncode == 0, f"repeat with --seed of what follows:\n{done.stdout}{done.stderr}"
    assert f"{cases} policy sets, {cases * PACKETS} packets" in done.stdout
