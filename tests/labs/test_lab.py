# SPDX-License-Identifier: Apache-2.0
"""The lab itself: it works, it leaves nothing, however it ends."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from lab import Lab, LabError, ids, remove, uml

BY_HAND = pathlib.Path(__file__).with_name("by_hand.py")


def test_pods_by_hand_reach_each_other(clean_machine):
    done = subprocess.run([sys.executable, "-B", BY_HAND], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("OK\n")


def test_failure_inside_leaves_nothing(clean_machine):
    with pytest.raises(ZeroDivisionError):
        with Lab(2) as lab:
            lab.nodes[0].ns.popen(["sleep", "1000"])
            print(1 // 0)


def test_two_labs_side_by_side(clean_machine):
    with Lab(1) as one, Lab(1) as two:
        assert one.id != two.id
        assert {one.id, two.id} <= set(ids())
        one.close()
        assert two.nodes[0].ns.ip("-br", "link", "show", "eth0").startswith("eth0")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_nothing(clean_machine, number):
    code = ("import sys, time\nfrom lab import Lab\nwith Lab(2) as lab:\n"
            "    lab.nodes[0].ns.popen(['sleep', '1000'])\n    print('up', flush=True)\n"
            "    time.sleep(100)\n")
    env = {**os.environ, "PYTHONPATH": str(BY_HAND.parents[1])}
    process = subprocess.Popen([sys.executable, "-B", "-c", code], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, env=env)
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode != 0


def test_killed_lab_is_removed_by_its_id(clean_machine):
    code = ("import time\nfrom lab import Lab\nwith Lab(1) as lab:\n"
            "    print(lab.id, flush=True)\n    time.sleep(100)\n")
    env = {**os.environ, "PYTHONPATH": str(BY_HAND.parents[1])}
    process = subprocess.Popen([sys.executable, "-B", "-c", code], stdout=subprocess.PIPE,
                               text=True, env=env)
    lab_id = process.stdout.readline().strip()
    process.kill()
    process.communicate()
    assert lab_id in ids()
    assert remove(lab_id)
    time.sleep(0.1)


def test_an_id_is_no_path():
    with pytest.raises(LabError):
        remove("../x")


@pytest.mark.skipif(not uml.available(), reason="the package user-mode-linux is not installed")
def test_ipip_by_hand_in_user_mode_linux(clean_machine):
    lines = []
    code = uml.run([sys.executable, "-B", BY_HAND, "ipip"], 90, lines.append)
    assert code == 0, b"".join(lines).decode(errors="replace")
    assert lines[-1] == b"OK\n"
