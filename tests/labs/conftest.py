# SPDX-License-Identifier: Apache-2.0
"""What every lab test uses."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

LIMIT_SECONDS = 240


def pytest_collection_modifyitems(items):
    """Labs need root."""
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="a lab needs root"))


@pytest.fixture(autouse=True)
def _time_limit():
    """A test that hangs fails, and its labs are taken down on the way."""

    def too_long(_number, _frame):
        raise TimeoutError(f"the test takes more than {LIMIT_SECONDS} s")

    old = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


def _ours():
    """What a lab could leave on this machine: only what bears the names of our labs."""
    namespaces = {name for name in os.listdir("/run/netns") if name.startswith("lab-")} \
        if os.path.isdir("/run/netns") else set()
    directories = set(os.listdir("/run/korat-lab")) if os.path.isdir("/run/korat-lab") else set()
    mounts = {line.split()[1] for line in open("/proc/self/mounts", encoding="utf-8")
              if "/lab-" in line or "korat" in line}
    links = set(subprocess.run(["/usr/sbin/ip", "-br", "link"], check=True, capture_output=True,
                               text=True).stdout.split("\n"))
    processes = set()
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit():
                command = pathlib.Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
                if b"/run/korat-lab/" in b" ".join(command) or b"linux.uml" in command[0]:
                    processes.add((entry, b" ".join(command)))
    return {"namespaces": namespaces, "directories": directories, "mounts": mounts, "links": links,
            "processes": processes}


@pytest.fixture
def clean_machine():
    """After the test, the machine holds of our labs what it held before."""
    before = _ours()
    yield
    left = None
    for _ in range(100):
        left = {kind: new - before[kind] for kind, new in _ours().items()}
        if not any(left.values()):
            return
        time.sleep(0.05)
    pytest.fail(f"left behind: { {kind: new for kind, new in left.items() if new} }")
