# SPDX-License-Identifier: Apache-2.0
"""An address moves from one pod to the next, while other pods come and go: not one packet waits."""

import contextlib
import threading

import pytest

from clusters import vxlan_cluster
from lab import cni, probe

MOVES = 200
ADDRESS = "10.78.0.9"


def _conf(address):
    conf = {**cni.pod_conf("node1"), "name": "local", "cniVersion": "1.0.0"}
    conf["ipam"] = {"type": "static", "addresses": [{"address": f"{address}/32"}]}
    return conf


@contextlib.contextmanager
def _churn(node, number):
    """Pods that come and go: the kernel's work queues have something to do."""
    pods = [node.lab.new_pod(node, f"churn{i}") for i in range(number)]
    stop = threading.Event()

    def run(pod, address):
        while not stop.is_set():
            cni.call(pod, "ADD", _conf(address))
            cni.call(pod, "DEL", _conf(address))

    threads = [threading.Thread(target=run, args=(pod, f"10.78.1.{i}"))
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
    with vxlan_cluster(1) as lab:
        yield lab


@pytest.mark.parametrize("overlap", [False, True])
def test_first_packet_arrives(lab, overlap):
    """With overlap, the DEL of the old pod runs while the ADD of the new one does."""
    node = lab.nodes[0]
    pods = [lab.new_pod(node, f"{overlap}{i}".lower()) for i in range(2)]
    source = lab.pod(node, f"source-{overlap}".lower())
    lost = []
    with _churn(node, 3):
        for i in range(MOVES):
            new, old = pods[i % 2], pods[(i + 1) % 2]
            leaving = threading.Thread(target=cni.call, args=(old, "DEL", _conf(ADDRESS)))
            leaving.start()
            if not overlap:
                leaving.join()
            answer = cni.call(new, "ADD", _conf(ADDRESS))
            assert answer.code == 0, answer.text
            if source.ns.run(probe.ping, ADDRESS, 0.9) is None:  # ARP would repeat after 1 s
                lost.append(i)
            leaving.join()
    assert not lost, f"{len(lost)} of {MOVES}"
    for pod in pods:
        assert cni.call(pod, "DEL", _conf(ADDRESS)).code == 0
