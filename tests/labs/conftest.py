# SPDX-License-Identifier: Apache-2.0
"""What every lab test uses."""

import atexit
import contextlib
import functools
import os
import pathlib
import re
import secrets
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

LIMIT_SECONDS = 240
MARK = f"t{secrets.token_hex(2)}"
os.environ["KORAT_LAB_MARK"] = MARK
# The lock of iptables' programs is one of the machine: whoever else runs one would stop our nodes.
os.environ["XTABLES_LOCKFILE"] = f"/run/korat-xtables-{MARK}.lock"
atexit.register(pathlib.Path(os.environ["XTABLES_LOCKFILE"]).unlink, missing_ok=True)
# A lab makes no link in the namespace of the machine; these it would be.
LAB_LINK = re.compile(r"cali|vxlan\.calico|tunl0|port\d|fabric")


# Several processes may share the labs, each with this directory of claims: a file that one has begun,
# the others leave to it.
CLAIMS = os.environ.get("KORAT_LAB_CLAIMS")

# What takes longest begins first.
FIRST = ["test_faults", "test_qemu_stock", "test_policy_matrix", "test_outage",
         "test_policy_last_good", "test_node_life"]

# What these measure would be spoilt by labs beside them.
ALONE = ["test_policy_window", "test_restart", "test_repair"]


def pytest_configure(config):
    """The marks of ours."""
    config.addinivalue_line("markers", "alone: not beside other labs")


def pytest_collection_modifyitems(items):
    """Labs need root; what takes long begins first."""
    def place(item):
        name = item.path.stem
        return FIRST.index(name) if name in FIRST else len(FIRST)

    for item in items:
        if os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="a lab needs root"))
        if item.path.stem in ALONE:
            item.add_marker(pytest.mark.alone)
    items.sort(key=place)


@functools.cache
def _is_ours(name):
    """The file is claimed by this process, now or before."""
    try:
        os.close(os.open(os.path.join(CLAIMS, name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    """True, and nothing is run or reported: another process does."""
    return True if CLAIMS and not _is_ours(item.path.stem) else None


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


def _names(directory, prefix):
    return {name for name in os.listdir(directory) if name.startswith(prefix)} \
        if os.path.isdir(directory) else set()


def _ours():
    """What labs of this run could leave on this machine; others' labs bear other marks."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        mounts = {line.split()[1] for line in mounts if f"/lab-{MARK}" in line}
    links = {line.split()[0] for line in subprocess.run(
        ["/usr/sbin/ip", "-br", "link"], check=True, capture_output=True, text=True
    ).stdout.splitlines() if LAB_LINK.match(line)}
    processes = set()
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit():
                command = pathlib.Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ")
                if f"/run/korat-lab/{MARK}".encode() in command or \
                        f"korat-uml-{MARK}".encode() in command or \
                        f"korat-qemu-{MARK}".encode() in command:
                    processes.add((entry, command))
    return {"namespaces": _names("/run/netns", f"lab-{MARK}"),
            "directories": _names("/run/korat-lab", MARK), "mounts": mounts, "links": links,
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
