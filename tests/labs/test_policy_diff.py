# SPDX-License-Identifier: Apache-2.0
"""Random policies, endpoints and packets: the evaluator and the kernel agree, packet by packet."""

import subprocess

from lab.lab import BUILD, ROOT

CASES, PACKETS = 520, 200


def test_evaluator_and_nftables_agree():
    done = subprocess.run(
        [ROOT / BUILD / "tests/policy-diff", "nft", "--cases", str(CASES), "--packets",
         str(PACKETS)], capture_output=True, text=True, timeout=230, check=False)
    assert done.returncode == 0, f"repeat with --seed of what follows:\n{done.stdout}{done.stderr}"
    assert f"{CASES} policy sets, {CASES * PACKETS} packets" in done.stdout
