# SPDX-License-Identifier: Apache-2.0
"""The dataplane outlives the agent: it is killed and comes back, and no packet is lost."""

import contextlib
import json
import shutil
import signal
import sqlite3
import time

import pytest

from clusters import (DIRECT_POOL, DIRECT_POOL6, SIX, assert_same, deleted_routes, dual_cluster,
                      kernel_state, kernel_states, meshed, one_of_each, reach_all, settle,
                      settled_states, watched_routes)
from lab import FLOW, Lab, LabError, etcd, probe, wait_for

PPS = 2000
POOLS = {"tunnelled": {"pools": ["default-ipv4-ippool"], "pools6": ["default-ipv6-ippool"]},
         "direct": {"pools": ["direct"], "pools6": ["direct6"]}}


def _flows(lab, seconds):
    """Over VXLAN and over the fabric: of IPv4 pods, of IPv6 pods, of pods of both."""
    lab.apply(DIRECT_POOL, DIRECT_POOL6)
    pods = {(way, node.number): one_of_each(lab, node, way, **pools)
            for node in lab.nodes for way, pools in POOLS.items()}
    reach_all(lab)
    wait_for(lambda: meshed(lab), 40, "BGP is meshed")
    ends = [(pods[way, 1][kind], pods[way, 2][kind], family) for way in POOLS
            for kind, family in (("four", 4), ("six", 6), ("both", 4), ("both", 6))]
    return [probe.Flow(FLOW, source, target, PPS // 2, seconds, 9000 + family,
                       target.of_family(family)) for source, target, family in ends]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_agents_end_and_come_back_without_loss(clean_machine, number):
    with dual_cluster(2) as lab:
        flows = _flows(lab, 60)
        before = settled_states(lab)
        try:
            for node in lab.nodes:
                node.kill_agent(number)
            time.sleep(2)
            assert_same(before, kernel_states(lab), "while agents were away")
            for node in lab.nodes:
                node.start_agent()
            wait_for(lambda: meshed(lab), 60, "BGP is meshed again")
            time.sleep(2)
        finally:
            reports = [flow.finish(stop=True) for flow in flows]
        for report in reports:
            assert report["sent"] > PPS * 2
            assert report["lost"] == 0, report
        assert_same(before, kernel_states(lab), "by a restart of the agents")
        reach_all(lab, 5)


def test_killed_again_and_again(clean_machine):
    """At any moment of its start an agent may die."""
    with dual_cluster(2) as lab:
        flows = _flows(lab, 60)
        before = settled_states(lab)
        node = lab.nodes[0]
        try:
            for milliseconds in (0, 5, 10, 20, 40, 80, 160, 320, 640):
                node.kill_agent()
                node.start_agent(wait=False)
                time.sleep(milliseconds / 1000)
            node.kill_agent()
            node.start_agent()
            wait_for(lambda: meshed(lab), 60, "BGP is meshed again")
        finally:
            reports = [flow.finish(stop=True) for flow in flows]
        assert all(report["lost"] == 0 for report in reports), reports
        assert_same(before, kernel_states(lab), "by restarts of an agent")


def test_pod_deleted_while_agent_is_away(clean_machine):
    """The queued DEL is carried out at the next start; its address is free, its routes are gone."""
    with dual_cluster(1) as lab:
        node = lab.nodes[0]
        gone, stay = (one_of_each(lab, node, name).values() for name in ("gone", "stays"))
        node.kill_agent()
        for pod in gone:
            assert pod.try_del().code == 0
            lab.pods.remove(pod)
        node.start_agent()
        for pod in gone:
            wait_for(lambda pod=pod: not set(pod.addresses) &
                     {route["dst"] for family in (4, 6) for route in node.routes(family=family)},
                     10, "the routes are gone")
            wait_for(lambda pod=pod: not node.links("dev", pod.host_interface), 10,
                     "the interface is gone")
        wait_for(lambda: sorted(item["spec"]["pod"] for item in
                                lab.get("workloadendpoints", namespace="default")) ==
                 sorted(pod.name for pod in stay), 10, "the endpoints are gone")
        wait_for(lambda: "found 0 problems" in lab.ctl("ipam", "check"), 10,
                 "their addresses are free")
        reach_all(lab, 5)


def test_store_away_pods_keep_talking(clean_machine):
    """With the datastore gone, what runs goes on, and the agent lives."""
    with dual_cluster(2) as lab:
        for node in lab.nodes:
            one_of_each(lab, node)
        reach_all(lab)
        store = lab.directory / "store.db"
        hidden = lab.directory / "hidden.db"
        store.rename(hidden)
        try:
            time.sleep(2)
            reach_all(lab, 2)
            for node in lab.nodes:
                assert node.agent.poll() is None
        finally:
            hidden.rename(store)
        reach_all(lab, 5)


def test_unreachable_store_at_start_is_said(clean_machine):
    with dual_cluster(1) as lab:
        node = lab.nodes[0]
        node.kill_agent()
        lab.agent_environment["KORAT_SQLITE_FILE"] = "/nonexistent/dir/store.db"
        with pytest.raises(LabError):
            node.start_agent(wait=False)
            wait_for(node.agent_ready, 3, "serves")
        assert "/nonexistent/dir" in node.log.read_text(encoding="utf-8")


@pytest.mark.skipif(not etcd.is_installed(), reason="the package etcd-server is not installed")
def test_half_a_snapshot_deletes_nothing(clean_machine):
    """etcd tells one kind after the other: routes are written before the pods are known."""
    environment = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
                   "CALICO_IPV4POOL_IPIP": "Never", **SIX}
    with Lab(1, environment) as lab:
        etcd.start(lab)
        lab.start()
        node = lab.nodes[0]
        one_of_each(lab, node, "a")
        one_of_each(lab, node, "b")
        settle(lab)
        before = kernel_state(node)
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
            node.kill_agent(number)
            with watched_routes(node) as lines:
                size = node.log.stat().st_size
                node.start_agent()
                wait_for(lambda size=size: b"in sync with" in node.log.read_bytes()[size:], 20,
                         "in sync")
                time.sleep(0.5)
            assert not deleted_routes(lines), lines
            assert_same(before, kernel_state(node))
        reach_all(lab, 5)


def _store_files(lab):
    return [path for path in lab.directory.iterdir() if path.name.startswith("store.db")]


def _other_cluster(path):
    """The datastore becomes that of another cluster, in which this one's pods are not."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM object WHERE kind IN ('workloadendpoints', 'ipamhandles', "
                   "'ipamblocks', 'blockaffinities', 'ippools')")
        (text,) = db.execute("SELECT value FROM object WHERE kind = 'clusterinformations'").fetchone()
        guid = json.loads(text)["spec"]["clusterGUID"]
        db.execute("UPDATE object SET value = replace(value, ?, ?) WHERE kind = "
                   "'clusterinformations'", (guid, guid[::-1] + "0"))
        db.commit()


def test_node_stays_with_its_cluster(clean_machine):
    """No datastore is begun anew in the place of one that is away, and no other one is believed."""
    with dual_cluster(1) as lab:
        node = lab.nodes[0]
        one_of_each(lab, node, "a")
        one_of_each(lab, node, "b")
        reach_all(lab)
        wait_for(lambda: any(item["metadata"]["name"] == "korat-reserve-node1"
                             for item in lab.get("ipamhandles")), 10, "it has a reserve")
        settle(lab)
        before = kernel_state(node)

        def is_untouched():
            assert node.agent.poll() is None, node.log_tail()
            assert_same(before, kernel_state(node))
            reach_all(lab, 2)

        hidden = lab.directory / "hidden"
        hidden.mkdir()
        node.kill_agent(signal.SIGTERM)
        for path in _store_files(lab):
            path.rename(hidden / path.name)
        node.start_agent(wait=False)
        time.sleep(3)
        assert not _store_files(lab), "a new datastore was begun"
        is_untouched()
        # A new one, as somebody else may begin it.
        lab.apply({"kind": "Tier", "apiVersion": "projectcalico.org/v3",
                   "metadata": {"name": "t"}, "spec": {"order": 1}})
        wait_for(lambda: "has no ClusterInformation" in node.log_tail(5), 10, "it is refused")
        late = lab.new_pod(node, "late")
        assert late.try_add().json["code"] == 11
        lab.pods.remove(late)
        is_untouched()
        node.kill_agent(signal.SIGTERM)
        for path in _store_files(lab):
            path.unlink()
        for path in hidden.iterdir():
            path.rename(lab.directory / path.name)
        node.start_agent()
        wait_for(lambda: "in sync with the datastore" in node.log_tail(10), 10, "in sync")
        is_untouched()
        # Replaced under an agent that runs.
        shutil.copy(lab.directory / "store.db", hidden / "other.db")
        _other_cluster(hidden / "other.db")
        (lab.directory / "store.db").rename(hidden / "store.db")
        (hidden / "other.db").rename(lab.directory / "store.db")
        wait_for(lambda: "GUID of another cluster" in node.log_tail(10), 10, "the agent says so")
        is_untouched()
