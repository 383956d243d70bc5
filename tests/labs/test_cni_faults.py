# SPDX-License-Identifier: Apache-2.0
"""Calls in masses, twice, at once and cut off by the agent's death: nothing is left behind."""

import concurrent.futures
import itertools
import pathlib
import time

import pytest

from clusters import KINDS, dual_cluster
from lab import cni, netns, wait_for
from lab.lab import Pod

N_PODS = 50


@pytest.fixture(scope="module", name="lab")
def _lab():
    with dual_cluster(1) as lab:
        yield lab


def _traces(lab):
    """All that pods leave on a node and in the datastore."""
    node = lab.nodes[0]
    handles = [block["spec"]["attributes"][index].get("handle_id")
               for block in lab.get("ipamblocks")
               for index in block["spec"].get("allocations", []) if index is not None]
    return {
        "addresses": sorted(h for h in handles if h.startswith("k8s-pod-network.")),
        "links": sorted(link["ifname"] for link in node.links()
                        if link["ifname"].startswith("cali")),
        "routes": sorted(route["dst"] for family in (4, 6) for route in node.routes(family=family)
                         if route.get("dev", "").startswith("cali")
                         and route["dst"] != "fe80::/64"),
        "endpoints": sorted(item["metadata"]["name"]
                            for item in lab.get("workloadendpoints", namespace="default")),
        "queue": sorted(path.name for path in pathlib.Path(node.run_dir, "cni-del").glob("*")),
    }


def _pods(lab, prefix, number=N_PODS):
    """Not wired yet; of IPv4, of IPv6, of both in turn."""
    names = [f"{prefix}-{i}" for i in range(number)]
    netns.ip_batch([f"netns add {lab.prefix}{name}" for name in names])
    pods = []
    for name, families in zip(names, itertools.cycle(KINDS.values())):
        pod = Pod(lab.nodes[0], name, "default", families)
        lab.pods.append(pod)
        pods.append(pod)
    return pods


def _drop(lab, pods):
    for pod in pods:
        pod.ns.close()
        lab.pods.remove(pod)
    netns.delete([pod.ns.name for pod in pods])


def _all(pool, function, pods):
    return list(pool.map(function, pods))


def _wait_for_some(calls, n_done):
    """Until so many of the calls have ended, to the millisecond."""
    while sum(call.done() for call in calls) < n_done:
        time.sleep(0.001)


def _delete_until_done(pod):
    """As a runtime: DEL again and again until it succeeds."""
    for _ in range(100):
        answer = pod.try_del(timeout=60)
        if answer.code == 0:
            return True
        assert answer.json["code"] == 11, answer.text
        time.sleep(0.1)
    return False


def _empty(lab):
    return not any(_traces(lab).values())


@pytest.mark.parametrize("n_done", [1, 7, 20, 40])
def test_killed_amid_adds(lab, n_done):
    """SIGKILL during a stream of ADDs, a new agent, DEL of everything."""
    node = lab.nodes[0]
    pods = _pods(lab, f"kill{n_done}")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        adds = [pool.submit(pod.try_add, timeout=60) for pod in pods]
        _wait_for_some(adds, n_done)
        node.kill_agent()
        answers = [add.result() for add in adds]
        for answer in answers:
            assert answer.code == 0 or answer.json["code"] == 11, answer.text
        n_good = sum(answer.code == 0 for answer in answers)
        assert n_done <= n_good < N_PODS, "the agent did not die amid them"
        node.start_agent()
        assert all(_all(pool, _delete_until_done, pods))
    wait_for(lambda: _empty(lab), 15, "nothing is left")
    _drop(lab, pods)


@pytest.mark.parametrize("n_done", [1, 10, 30])
def test_killed_amid_dels(lab, n_done):
    """SIGKILL during a stream of DELs: those that got no answer are in the queue."""
    node = lab.nodes[0]
    pods = _pods(lab, f"dels{n_done}")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = _all(pool, lambda pod: pod.try_add(timeout=60), pods)
        assert not [answer.text for answer in answers if answer.code]
        dels = [pool.submit(pod.try_del, timeout=60) for pod in pods]
        _wait_for_some(dels, n_done)
        node.kill_agent()
        assert not [d.result().text for d in dels if d.result().code]
        node.start_agent()
    wait_for(lambda: _empty(lab), 15, "nothing is left")
    _drop(lab, pods)


def test_killed_again_and_again(lab):
    """ADDs go on while the agent dies and comes back; all succeed in the end, none leaks."""
    node = lab.nodes[0]
    pods = _pods(lab, "again", 30)

    def add_until_done(pod):
        for _ in range(200):
            answer = pod.try_add(timeout=60)
            if answer.code == 0:
                return [ip["address"].split("/")[0] for ip in answer.json["ips"]]
            assert answer.json["code"] == 11, answer.text
            _delete_until_done(pod)
        return None

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        adds = [pool.submit(add_until_done, pod) for pod in pods]
        for milliseconds in (5, 20, 50):
            time.sleep(milliseconds / 1000)
            node.kill_agent()
            node.start_agent()
        addresses = [add.result() for add in adds]
        assert [len(found or ()) for found in addresses] == [len(pod.families) for pod in pods]
        addresses = sum(addresses, [])
        assert len(set(addresses)) == len(addresses)
        wait_for(lambda: len(_traces(lab)["addresses"]) == len(addresses), 15,
                 "no address too many")
        traces = _traces(lab)
        assert len(traces["links"]) == len(traces["endpoints"]) == len(pods)
        assert traces["routes"] == sorted(addresses)
        assert all(_all(pool, _delete_until_done, pods))
    wait_for(lambda: _empty(lab), 15, "nothing is left")
    _drop(lab, pods)


def test_two_runtimes(lab):
    """Two streams at once, ADD and DEL interleaved."""
    streams = [_pods(lab, name, 25) for name in ("one", "two")]

    def life(pod):
        assert pod.try_add(timeout=60).code == 0
        assert pod.try_del(timeout=60).code == 0

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(life, itertools.chain(*zip(*streams))))
    assert _empty(lab), _traces(lab)
    for pods in streams:
        _drop(lab, pods)


@pytest.mark.parametrize("families", KINDS.values(), ids=KINDS)
def test_same_pod_at_once(lab, families):
    """Two runtimes about one container: one ADD makes it, the other finds it; then two DELs."""
    pod = lab.new_pod(lab.nodes[0], f"same{families}", families=families)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        adds = list(pool.map(lambda _: pod.try_add(timeout=60), range(8)))
        assert not [answer.text for answer in adds if answer.code]
        assert len({str(answer.json["ips"]) for answer in adds}) == 1
        assert len(_traces(lab)["addresses"]) == len(families)
        mixed = [pool.submit(pod.try_del if i % 2 else pod.try_add, timeout=60) for i in range(8)]
        assert not [call.result().text for call in mixed if call.result().code]
        assert pod.try_del().code == 0
    assert _empty(lab), _traces(lab)


def test_dels_of_all_kinds(lab):
    pod = lab.pod(lab.nodes[0], "kinds", families="46")
    for options in ({"netns_path": ""}, {"netns_path": "/run/netns/lab-no-such"}, {}):
        assert pod.try_del(**options).code == 0
    never = lab.new_pod(lab.nodes[0], "never-was")
    assert never.try_del().code == 0
    assert never.try_del(CNI_ARGS="").code == 0
    assert _empty(lab), _traces(lab)


def test_namespace_gone_before_del(lab):
    """The sandbox died: its namespace took the link along."""
    pod = lab.pod(lab.nodes[0], "gone", families="46")
    pod.ns.close()
    netns.delete([pod.ns.name])
    assert pod.try_del(netns_path=str(pod.ns.path)).code == 0
    wait_for(lambda: _empty(lab), 5, "nothing is left")
    lab.pods.remove(pod)


def test_new_container_of_a_pod(lab):
    """The pod's sandbox is made anew; the DEL of the old one comes late and takes only its own."""
    old = lab.pod(lab.nodes[0], "reborn", families="46")
    new = lab.new_pod(lab.nodes[0], "reborn-2", families="46")
    args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={old.name}"
    answer = new.try_add(CNI_ARGS=args)
    assert answer.code == 0, answer.text
    new.result = answer.json
    assert not set(new.addresses) & set(old.addresses)
    assert old.try_del().code == 0
    assert _traces(lab)["routes"] == sorted(new.addresses)
    conf = {**new.conf(), "prevResult": new.result}
    assert cni.call(new, "CHECK", conf, CNI_ARGS=args).code == 0
    assert new.try_del(CNI_ARGS=args).code == 0
    assert _empty(lab), _traces(lab)
