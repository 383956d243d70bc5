# SPDX-License-Identifier: Apache-2.0
"""The demo: all is well in it, it is quick, and it leaves nothing, Ctrl-C included."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

import pytest

from lab import ids, uml

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo/demo.py"


def _start(*args):
    return subprocess.Popen([sys.executable, "-B", DEMO, *args], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def test_demo(clean_machine):
    start = time.monotonic()
    demo = _start()
    out, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, out
    assert time.monotonic() - start < 60
    assert "30 of 30 pairs" in out
    assert "vxlan.calico" in out and "fabric" in out and "same node" in out
    path = re.search(r"^  (/\S+\.svg)$", out, re.M).group(1)
    xml.etree.ElementTree.parse(path)


def test_interrupted_demo_leaves_nothing(clean_machine):
    demo = _start()
    for line in demo.stdout:
        if "CNI ADD" in line:
            break
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=30)
    assert demo.returncode == 130


def test_kept_demo_is_removed_by_its_id(clean_machine):
    def ours():
        """Others' demos may run, too."""
        return {one for one in ids() if one.startswith(os.environ["KORAT_LAB_MARK"])}

    before = ours()
    demo = _start("--keep")
    out, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, out
    lab_id = re.search(r"--down (\w+)", out).group(1)
    assert ours() - before == {lab_id}
    down = _start("--down", lab_id)
    out, _ = down.communicate(timeout=30)
    assert down.returncode == 0, out
    assert lab_id not in ids()


@pytest.mark.skipif(not uml.available(), reason="the package user-mode-linux is not installed")
def test_ipip_demo(clean_machine):
    start = time.monotonic()
    demo = _start("--ipip")
    out, _ = demo.communicate(timeout=200)
    assert demo.returncode == 0, out
    assert time.monotonic() - start < 120
    assert "30 of 30 pairs" in out
    assert "tunl0" in out and "IPIP" in out
