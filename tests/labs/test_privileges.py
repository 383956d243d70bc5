# SPDX-License-Identifier: Apache-2.0
"""What the agent and BIRD may do: no more than they need, and pods work with that."""

import os
import pathlib
import re
import socket
import stat

import pytest

from clusters import DIRECT_POOL, DIRECT_POOL6, dual_cluster, meshed, one_of_each, reach_all
from lab import wait_for

NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SYS_ADMIN = (1 << bit for bit in (10, 12, 13, 21))
BIRD = NET_ADMIN | NET_RAW | NET_BIND_SERVICE
AGENT = BIRD | SYS_ADMIN


@pytest.fixture(scope="module", name="lab")
def _lab():
    with dual_cluster(2) as lab:
        lab.apply(DIRECT_POOL, DIRECT_POOL6)
        for node in lab.nodes:
            one_of_each(lab, node)
            one_of_each(lab, node, "d", pools=["direct"], pools6=["direct6"])
        wait_for(lambda: meshed(lab), 40, "BGP is meshed")
        yield lab


def _status(pid, task=None):
    path = pathlib.Path(f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status")
    return dict(re.findall(r"^(\w+):\s+(.*)$", path.read_text(encoding="ascii"), re.M))


def _caps(status, kind):
    return int(status[kind], 16)


def test_agent_has_what_it_needs_and_no_more(lab):
    for node in lab.nodes:
        pid = node.agent.pid
        seen = set()
        for task in os.listdir(f"/proc/{pid}/task"):
            status = _status(pid, task)
            assert status["NoNewPrivs"] == "1"
            assert not _caps(status, "CapInh") and not _caps(status, "CapAmb")
            assert _caps(status, "CapBnd") == AGENT
            assert _caps(status, "CapEff") == _caps(status, "CapPrm")
            seen.add(_caps(status, "CapEff"))
        assert _caps(_status(pid), "CapEff") == AGENT
        assert seen == {AGENT, BIRD}, "the thread that starts BIRD has less"
    reach_all(lab)


def test_bird_has_less(lab):
    for node in lab.nodes:
        status = _status(int(pathlib.Path(f"{node.bird_socket()}.pid").read_text(encoding="ascii")))
        assert status["NoNewPrivs"] == "1"
        assert _caps(status, "CapEff") == _caps(status, "CapPrm") == BIRD


def test_pods_come_and_go_with_that(lab):
    pods = one_of_each(lab, lab.nodes[0], "new")
    reach_all(lab)
    for pod in pods.values():
        lab.drop_pod(pod)


def test_socket_is_root_s_alone(lab):
    """By its mode, and if that were not enough by who calls."""
    path = lab.nodes[0].run_dir / "cni.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.stat().st_uid == 0

    def call_as_nobody():
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                with socket.socket(socket.AF_UNIX) as sock:
                    sock.settimeout(5)
                    sock.connect(str(path))
                    os.write(writer, sock.recv(4096))
            except OSError as error:
                os.write(writer, type(error).__name__.encode())
            finally:
                os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        with os.fdopen(reader, "rb") as answer:
            return answer.read().decode(errors="replace")

    assert call_as_nobody() == "PermissionError"
    path.chmod(0o666)
    try:
        assert "only root may call the Korat agent" in call_as_nobody()
    finally:
        path.chmod(0o600)


def test_files_are_not_for_others(lab):
    node = lab.nodes[0]
    for path in (node.run_dir / "bird.cfg", node.state_dir / "korat-reserve.json"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
