# SPDX-License-Identifier: Apache-2.0
"""
The datastore is away: pods that run keep talking, pods start and end, and when it is back the
datastore has it all, no address twice and none lost. KORAT_OUTAGE_SECONDS makes it longer.
"""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from clusters import (assert_same, deleted_routes, kernel_state, settle, vxlan_cluster, watched_routes)
from families import family_pod, silent_pairs
from lab import Lab, probe, wait_for

ETCD = "/usr/bin/etcd"
URL = "http://192.168.0.254:2379"
SECONDS = int(os.environ.get("KORAT_OUTAGE_SECONDS", "15"))


def _start_etcd(lab):
    etcd = lab.switch.popen(
        [ETCD, "--data-dir", lab.directory / "etcd", "--listen-client-urls", URL,
         "--advertise-client-urls", URL, "--listen-peer-urls", "http://127.0.0.1:2380"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: ":2379" in lab.switch.output(["/usr/bin/ss", "-tln"]), 30, "etcd answers")
    return etcd


class _EtcdLab(Lab):
    """koratctl runs beside etcd, where nobody else's etcd can be meant."""

    def ctl(self, *args, **options):
        return self.switch.run(super().ctl, *args, **options)


@contextlib.contextmanager
def _etcd_cluster(n_nodes=2, **environment):
    environment = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
                   "CALICO_IPV4POOL_IPIP": "Never", **environment}
    with _EtcdLab(n_nodes, environment) as lab:
        lab.etcd = _start_etcd(lab)
        del lab.environment["KORAT_SQLITE_FILE"]
        lab.environment.update(DATASTORE_TYPE="etcdv3", ETCD_ENDPOINTS=URL)
        try:
            lab.start()
            yield lab
        except BaseException:
            for node in lab.nodes:
                print(f"--- {node.name}\n{node.log_tail(60)}")
            raise


def _reserve(node):
    """(free addresses, changes that wait) as the node's file has them."""
    path = node.state_dir / "korat-reserve.json"
    if not path.exists():
        return [], []
    content = json.loads(path.read_text(encoding="utf-8"))
    return content["free"], content["changes"]


def _reserved(lab, node):
    """The addresses that the datastore counts to the node's reserve."""
    found = []
    for block in lab.get("ipamblocks"):
        attributes = block["spec"].get("attributes") or []
        for ordinal, index in enumerate(block["spec"]["allocations"]):
            if index is not None and \
                    attributes[index].get("handle_id") == f"korat-reserve-{node.name}":
                found.append((block["spec"]["cidr"], ordinal))
    return found


def _filled(lab, n=8):
    wait_for(lambda: all(len(_reserve(node)[0]) == n and len(_reserved(lab, node)) == n
                         for node in lab.nodes), 15, "every node has its reserve")


def _is_consistent(lab, pods):
    """No problem, no address twice, and the endpoints are the pods that are there."""
    wait_for(lambda: all(not _reserve(node)[1] for node in lab.nodes), 20, "all is written")
    # What is just being written can look wrong once.
    wait_for(lambda: "found 0 problems" in lab.ctl("ipam", "check"), 5,
             "the datastore's addresses are consistent")
    stored = {item["metadata"]["name"]: item["spec"]
              for item in lab.get("workloadendpoints", namespace="default")}
    assert sorted(spec["pod"] for spec in stored.values()) == sorted(pod.name for pod in pods)
    wanted = {pod.name: sorted(pod.addresses) for pod in pods}
    assert {spec["pod"]: sorted(net.split("/")[0] for net in spec["ipNetworks"])
            for spec in stored.values()} == wanted
    every = [address for pod in pods for address in pod.addresses]
    assert len(every) == len(set(every))


def _is_away(node):
    return "datastore is away" in node.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("how", ["killed", "stopped"])
@pytest.mark.skipif(not os.path.exists(ETCD), reason="the package etcd-server is not installed")
def test_pods_come_and_go_without_etcd(clean_machine, how):
    with _etcd_cluster() as lab:
        old = [lab.pod(node, f"old{node.number}") for node in lab.nodes]
        gone = [lab.pod(node, f"gone{node.number}") for node in lab.nodes]
        _filled(lab)
        lab.etcd.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        since = time.monotonic()
        try:
            new = [lab.pod(node, f"new{node.number}") for node in lab.nodes]
            assert all(_is_away(node) for node in lab.nodes)
            began = time.monotonic()
            more = [lab.pod(node, f"more{node.number}") for node in lab.nodes]
            for pod in gone:
                lab.drop_pod(pod)
            short = lab.pod(lab.nodes[0], "short")
            lab.drop_pod(short)
            assert time.monotonic() - began < 5, "what is known to be away is not waited for"
            assert not silent_pairs([*old, *new, *more])
            while time.monotonic() - since < SECONDS:
                assert old[0].ns.run(probe.ping, old[1].address) is not None
                assert new[0].ns.run(probe.ping, more[1].address) is not None
                time.sleep(0.5)
            assert _reserve(lab.nodes[0])[1]
        finally:
            if how == "killed":
                lab.etcd = _start_etcd(lab)
            else:
                lab.etcd.send_signal(signal.SIGCONT)
        _is_consistent(lab, [*old, *new, *more])
        _filled(lab)
        assert not silent_pairs(lab.pods)
        last = [lab.pod(node, f"last{node.number}") for node in lab.nodes]
        _is_consistent(lab, [*old, *new, *more, *last])
        for pod in list(lab.pods):
            lab.drop_pod(pod)
        _is_consistent(lab, [])


@pytest.mark.skipif(not os.path.exists(ETCD), reason="the package etcd-server is not installed")
def test_agent_started_without_etcd(clean_machine):
    """
    It knows neither policies nor pools, so no pod starts; what runs is left alone, ends are kept, and
    what its predecessor could not write is written when etcd is back.
    """
    with _etcd_cluster() as lab:
        node = lab.nodes[0]
        pods = [lab.pod(one, f"old{one.number}") for one in lab.nodes]
        gone = lab.pod(node, "gone")
        _filled(lab)
        assert not silent_pairs(lab.pods)
        settle(lab)
        lab.etcd.send_signal(signal.SIGKILL)
        try:
            pods.append(lab.pod(node, "new"))
            before = kernel_state(node)
            node.kill_agent()
            node.start_agent(wait=False)
            time.sleep(4)
            assert node.agent.poll() is None, node.log_tail()
            assert_same(before, kernel_state(node))
            assert not silent_pairs(lab.pods)
            answer = lab.new_pod(node, "late").try_add()
            assert answer.json["code"] == 11
            lab.drop_pod(lab.pods[-1])
            lab.drop_pod(gone)
        finally:
            lab.etcd = _start_etcd(lab)
        wait_for(node.agent_ready, 40, "the agent serves again")
        _is_consistent(lab, pods)
        assert not silent_pairs(lab.pods)


@contextlib.contextmanager
def _hidden_store(lab):
    store, hidden = lab.directory / "store.db", lab.directory / "hidden.db"
    store.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(store)


def test_both_families(clean_machine):
    with vxlan_cluster(2, CALICO_IPV6POOL_CIDR="fd42::/48", CALICO_IPV6POOL_VXLAN="Always",
                       IP6="autodetect") as lab:
        for node in lab.nodes:
            family_pod(lab, node, f"old{node.number}")
        _filled(lab, 16)
        with _hidden_store(lab):
            for node in lab.nodes:
                pod = family_pod(lab, node, f"new{node.number}")
                assert sorted(":" in address for address in pod.addresses) == [False, True]
            assert not silent_pairs(lab.pods)
        _is_consistent(lab, lab.pods)
        _filled(lab, 16)


def test_killed_agent_finds_what_it_has_to_write(clean_machine):
    with vxlan_cluster(1) as lab:
        node = lab.nodes[0]
        lab.pod(node, "old")
        lab.pod(node, "gone")
        _filled(lab)
        with _hidden_store(lab):
            new = lab.pod(node, "new")
            lab.drop_pod(lab.pods[1])
            assert [change["type"] for change in _reserve(node)[1]][-1] == "ended"
            node.kill_agent()
            assert new.ns.run(probe.ping, lab.pods[0].address) is not None
        with watched_routes(node) as lines:
            node.start_agent()
            _is_consistent(lab, lab.pods)
            _filled(lab)
        assert not [line for line in deleted_routes(lines) if new.address in line]
        assert not silent_pairs(lab.pods)


def test_reserve_runs_out_and_is_said(clean_machine):
    with vxlan_cluster(1, KORAT_ADDRESS_RESERVE="2") as lab:
        node = lab.nodes[0]
        lab.pod(node, "old")
        _filled(lab, 2)
        with _hidden_store(lab):
            for number in range(2):
                lab.pod(node, f"new{number}")
            answer = lab.new_pod(node, "late").try_add()
            assert answer.json["code"] == 11 and "in reserve" in answer.json["msg"]
        wait_for(lambda: not _reserve(node)[1], 10, "all is written")
        lab.pods[-1].add()
        _is_consistent(lab, lab.pods)


def test_reserve_gives_way_to_pods(clean_machine):
    """Where the last addresses are those in reserve, a pod gets one of them."""
    with vxlan_cluster(1, CALICO_IPV4POOL_CIDR="10.42.0.0/27", CALICO_IPV4POOL_BLOCK_SIZE="27") as lab:
        node = lab.nodes[0]
        _filled(lab, 4)
        pods = [lab.pod(node, f"p{number}") for number in range(31)]
        _is_consistent(lab, pods)
        answer = lab.new_pod(node, "late").try_add()
        assert answer.json["code"] != 0 and "in use" in answer.json["msg"]


def test_no_reserve(clean_machine):
    with vxlan_cluster(1) as lab:
        node = lab.nodes[0]
        lab.pod(node, "old")
        _filled(lab)
        node.kill_agent()
        node.start_agent(KORAT_ADDRESS_RESERVE="0")
        wait_for(lambda: not _reserved(lab, node), 10, "the reserve is given back")
        assert not _reserve(node)[0]
        with _hidden_store(lab):
            answer = lab.new_pod(node, "new").try_add()
            assert answer.json["code"] == 11
            lab.drop_pod(lab.pods[-1])
            lab.drop_pod(lab.pods[0])
        _is_consistent(lab, [])


def test_pool_that_goes_takes_its_reserve_along(clean_machine):
    with vxlan_cluster(1) as lab:
        node = lab.nodes[0]
        _filled(lab)
        lab.ctl("patch", "ippool", "default-ipv4-ippool", "-p", '{"spec": {"disabled": true}}')
        wait_for(lambda: not _reserved(lab, node), 10, "the reserve of a disabled pool is given back")
        lab.ctl("patch", "ippool", "default-ipv4-ippool", "-p", '{"spec": {"disabled": false}}')
        _filled(lab)
