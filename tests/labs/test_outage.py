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

from clusters import (SIX, assert_same, becomes_same, deleted_routes, dual_cluster, kernel_state,
                      one_of_each, settle, watched_routes)
from families import silent_pairs
from lab import Lab, cni, probe, wait_for

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
                   "CALICO_IPV4POOL_IPIP": "Never", **SIX, **environment}
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


def _filled(lab, n=16):
    """Of each family half of them."""
    wait_for(lambda: all(len(_reserve(node)[0]) == n and len(_reserved(lab, node)) == n
                         for node in lab.nodes), 15, "every node has its reserve")


def _is_consistent(lab, pods):
    """No problem, no address twice, and the endpoints are the pods that are there."""
    wait_for(lambda: all(not _reserve(node)[1] for node in lab.nodes), 20, "all is written")
    # What is just being written can look wrong once.
    wait_for(lambda: "found 0 problems" in lab.ctl("ipam", "check"), 5,
             "the datastore's addresses are consistent")
    wanted = {pod.name: sorted(pod.addresses) for pod in pods}

    def stored():
        return {item["spec"]["pod"]: sorted(net.split("/")[0] for net in item["spec"]["ipNetworks"])
                for item in lab.get("workloadendpoints", namespace="default")}

    # What ended without an agent is carried out once it serves.
    becomes_same(wanted, stored, 5, "the endpoints are those of the pods that are there")
    every = [address for pod in pods for address in pod.addresses]
    assert len(every) == len(set(every))


def _pods(lab, name):
    """One of IPv4, one of IPv6 and one of both on every node."""
    return [pod for node in lab.nodes for pod in one_of_each(lab, node, name).values()]


def _is_away(node):
    return "datastore is away" in node.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("how", ["killed", "stopped"])
@pytest.mark.skipif(not os.path.exists(ETCD), reason="the package etcd-server is not installed")
def test_pods_come_and_go_without_etcd(clean_machine, how):
    with _etcd_cluster() as lab:
        old, gone = (_pods(lab, name) for name in ("old", "gone"))
        _filled(lab)
        lab.etcd.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        since = time.monotonic()
        try:
            new = _pods(lab, "new")
            assert all(_is_away(node) for node in lab.nodes)
            began = time.monotonic()
            more = _pods(lab, "more")
            for pod in gone:
                lab.drop_pod(pod)
            short = lab.pod(lab.nodes[0], "short", families="46")
            lab.drop_pod(short)
            assert time.monotonic() - began < 5, "what is known to be away is not waited for"
            assert not silent_pairs([*old, *new, *more])
            while time.monotonic() - since < SECONDS:
                for family in (4, 6):
                    for source, target in ((old[2], old[5]), (new[2], more[5])):
                        assert source.ns.run(probe.ping, target.of_family(family)) is not None
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
        last = _pods(lab, "last")
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
        pods = _pods(lab, "old")
        gone = lab.pod(node, "gone", families="46")
        _filled(lab)
        assert not silent_pairs(lab.pods)
        settle(lab)
        lab.etcd.send_signal(signal.SIGKILL)
        try:
            pods += one_of_each(lab, node, "new").values()
            before = kernel_state(node)
            node.kill_agent()
            node.start_agent(wait=False)
            time.sleep(4)
            assert node.agent.poll() is None, node.log_tail()
            assert_same(before, kernel_state(node))
            assert not silent_pairs(lab.pods)
            for families in ("4", "6", "46"):
                answer = lab.new_pod(node, f"late{families}", families=families).try_add()
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


def test_store_of_a_file(clean_machine):
    with dual_cluster(2) as lab:
        _pods(lab, "old")
        _filled(lab)
        with _hidden_store(lab):
            for pod in _pods(lab, "new"):
                assert "".join("6" if ":" in one else "4" for one in pod.addresses) == pod.families
            assert not silent_pairs(lab.pods)
        _is_consistent(lab, lab.pods)
        _filled(lab)


def test_killed_agent_finds_what_it_has_to_write(clean_machine):
    with dual_cluster(1) as lab:
        node = lab.nodes[0]
        gone = _pods(lab, "gone")
        _pods(lab, "old")
        _filled(lab)
        with _hidden_store(lab):
            new = _pods(lab, "new")
            for pod in gone:
                lab.drop_pod(pod)
            assert [change["type"] for change in _reserve(node)[1]][-3:] == ["ended"] * 3
            node.kill_agent()
            assert not silent_pairs(lab.pods)
        with watched_routes(node) as lines:
            node.start_agent()
            _is_consistent(lab, lab.pods)
            _filled(lab)
        assert not [line for line in deleted_routes(lines)
                    if any(f" {address} " in line for pod in new for address in pod.addresses)]
        assert not silent_pairs(lab.pods)


def test_reserve_runs_out_and_is_said(clean_machine):
    """Of each family by itself; a pod of both gets none of one where the other's are used up."""
    with dual_cluster(1, KORAT_ADDRESS_RESERVE="2") as lab:
        node = lab.nodes[0]
        _pods(lab, "old")
        _filled(lab, 4)

        def is_refused(name, families):
            answer = lab.new_pod(node, name, families=families).try_add()
            assert answer.json["code"] == 11 and "in reserve" in answer.json["msg"], answer.text
            return lab.pods[-1]

        with _hidden_store(lab):
            for number in range(2):
                lab.pod(node, f"new{number}", families="6")
            late = [is_refused("late-six", "6"), is_refused("late-both", "46")]
            asked = {pod.families: cni.call(pod, "STATUS", {**pod.conf(), "cniVersion": "1.1.0"})
                     for pod in lab.pods}
            assert {families: answer.code for families, answer in asked.items()} == \
                {"4": 0, "6": 1, "46": 1}
            assert asked["46"].json["code"] == 50
            assert "no IPv6 address is left" in asked["46"].json["msg"]
            for number in range(2, 4):
                lab.pod(node, f"new{number}")
            late.append(is_refused("late-four", "4"))
        wait_for(lambda: "all changes are written" in node.log_tail(), 10, "all is written")
        for pod in late:
            pod.add()
        _is_consistent(lab, lab.pods)


def test_reserve_gives_way_to_pods(clean_machine):
    """Where the last addresses are those in reserve, a pod gets one of them."""
    with dual_cluster(1, CALICO_IPV4POOL_CIDR="10.42.0.0/27", CALICO_IPV4POOL_BLOCK_SIZE="27",
                      CALICO_IPV6POOL_CIDR="fd42::/123", CALICO_IPV6POOL_BLOCK_SIZE="123") as lab:
        node = lab.nodes[0]
        _filled(lab, 8)
        pods = [lab.pod(node, f"p{number}", families="46") for number in range(31)]
        _is_consistent(lab, pods)
        for families in ("4", "6", "46"):
            answer = lab.new_pod(node, f"late{families}", families=families).try_add()
            assert answer.json["code"] != 0 and "in use" in answer.json["msg"]


def test_no_reserve(clean_machine):
    with dual_cluster(1) as lab:
        node = lab.nodes[0]
        _pods(lab, "old")
        _filled(lab)
        node.kill_agent()
        node.start_agent(KORAT_ADDRESS_RESERVE="0")
        wait_for(lambda: not _reserved(lab, node), 10, "the reserve is given back")
        assert not _reserve(node)[0]
        with _hidden_store(lab):
            for families in ("4", "6", "46"):
                answer = lab.new_pod(node, f"new{families}", families=families).try_add()
                assert answer.json["code"] == 11
                lab.drop_pod(lab.pods[-1])
            for pod in list(lab.pods):
                lab.drop_pod(pod)
        _is_consistent(lab, [])


def test_pool_that_goes_takes_its_reserve_along(clean_machine):
    with dual_cluster(1) as lab:
        node = lab.nodes[0]
        _filled(lab)
        for family, other in ((4, "fd42:"), (6, "10.42.")):
            name = f"default-ipv{family}-ippool"
            lab.ctl("patch", "ippool", name, "-p", '{"spec": {"disabled": true}}')
            wait_for(lambda: len(_reserved(lab, node)) == 8, 10,
                     "the reserve of a disabled pool is given back")
            assert all(block.startswith(other) for block, _ in _reserved(lab, node))
            lab.ctl("patch", "ippool", name, "-p", '{"spec": {"disabled": false}}')
            _filled(lab)
