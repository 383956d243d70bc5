# SPDX-License-Identifier: Apache-2.0
"""An address moves from one pod to the next, while other pods come and go: not one packet waits."""

import contextlib
import threading

import pytest

from clusters import dual_cluster
from lab import cni, probe

FOUR, SIX = "10.78.0.9", "fd78::9"
# How often what moves: an IPv4 address, an IPv6 address, a pod's two.
MOVES = [[FOUR]] * 30 + [[SIX]] * 30 + [[FOUR, SIX]] * 60


def _conf(*addresses):
    conf = {**cni.pod_conf("node1"), "name": "local", "cniVersion": "1.0.0"}
    conf["ipam"] = {"type": "static", "addresses": [
        {"address": f"{address}/{128 if ':' in address else 32}"} for address in addresses]}
    return conf


@contextlib.contextmanager
def _churn(node, number):
    """Pods that come and go: the kernel's work queues have something to do."""
    pods = [node.lab.new_pod(node, f"churn{i}") for i in range(number)]
    stop = threading.Event()

    def run(pod, *addresses):
        while not stop.is_set():
            cni.call(pod, "ADD", _conf(*addresses))
            cni.call(pod, "DEL", _conf(*addresses))

    threads = [threading.Thread(target=run, args=(pod, f"10.78.1.{i}", f"fd78::1:{i}"))
               for i, pod in enumerate(pods)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module", name="lab")
def _lab():
    with dual_cluster(1) as lab:
        yield lab


@pytest.mark.parametrize("overlap", [False, True])
def test_first_packet_arrives(lab, overlap):
    """With overlap, the DEL of the old pod runs while the ADD of the new one does."""
    node = lab.nodes[0]
    pods = [lab.new_pod(node, f"{overlap}{i}".lower()) for i in range(2)]
    source = lab.pod(node, f"source-{overlap}".lower(), families="46")
    lost = []
    with _churn(node, 3):
        for i, addresses in enumerate(MOVES):
            new, old = pods[i % 2], pods[(i + 1) % 2]
            leaving = threading.Thread(target=cni.call, args=(old, "DEL", _conf(*MOVES[i - 1])))
            leaving.start()
            if not overlap:
                leaving.join()
            answer = cni.call(new, "ADD", _conf(*addresses))
            assert answer.code == 0, answer.text
            # ARP and neighbour discovery would repeat after 1 s.
            lost += [(i, one) for one in addresses if source.ns.run(probe.ping, one, 0.9) is None]
            leaving.join()
    assert not lost, f"{len(lost)} of {len(MOVES)}: {lost}"
    for pod in pods:
        assert cni.call(pod, "DEL", _conf(FOUR, SIX)).code == 0
