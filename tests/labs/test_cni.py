# SPDX-License-Identifier: Apache-2.0
"""The CNI plugin as a container runtime calls it: answers, repetition, failure, absence."""

import itertools
import json
import threading

import pytest

from clusters import KINDS, dual_cluster
from lab import cni, netns, probe, wait_for

EACH = pytest.mark.parametrize("families", KINDS.values(), ids=KINDS)


@pytest.fixture(scope="module", name="lab")
def _lab():
    with dual_cluster(1) as lab:
        yield lab


def _addresses_in_use(lab):
    used = 0
    for block in lab.get("ipamblocks"):
        for index in block["spec"].get("allocations", []):
            used += index is not None
    return used


@EACH
def test_result_of_add(lab, families):
    pod = lab.pod(lab.nodes[0], f"result{families}", families=families)
    result = pod.result
    assert result["cniVersion"] == "1.0.0"
    assert [ip["address"].split("/")[1] for ip in result["ips"]] == \
        [{"4": "32", "6": "128"}[family] for family in families]
    assert not any("gateway" in ip for ip in result["ips"])
    names = [interface["name"] for interface in result["interfaces"]]
    assert names[0].startswith("cali") and len(names[0]) == 15
    assert "eth0" in names
    link = json.loads(pod.ns.ip("-j", "addr", "show", "eth0"))[0]
    assert [info["local"] for info in link["addr_info"] if info["scope"] == "global"] == pod.addresses
    routes = pod.ns.ip("route")
    assert ("default via 169.254.1.1 dev eth0" in routes) == ("4" in families)
    assert ("169.254.1.1 dev eth0 scope link" in routes) == ("4" in families)
    assert ("default via fe80::ecee:eeff:feee:eeee dev eth0" in pod.ns.ip("-6", "route")) == \
        ("6" in families)
    host = lab.nodes[0].links("dev", pod.host_interface)[0]
    assert host["address"] == "ee:ee:ee:ee:ee:ee"
    lab.drop_pod(pod)


@EACH
def test_endpoint_is_written(lab, families):
    pod = lab.pod(lab.nodes[0], "wep-pod", families=families)
    found = {item["metadata"]["name"]: item
             for item in lab.get("workloadendpoints", namespace="default")}
    wep = found["node1-k8s-wep--pod-eth0"]["spec"]
    assert wep["interfaceName"] == pod.host_interface
    assert wep["ipNetworks"] == [f"{one}/{128 if ':' in one else 32}" for one in pod.addresses]
    assert len(wep["ipNetworks"]) == len(families)
    assert wep["containerID"] == pod.container
    assert wep["orchestrator"] == "k8s" and wep["node"] == "node1"
    lab.drop_pod(pod)
    names = {item["metadata"]["name"] for item in lab.get("workloadendpoints", namespace="default")}
    assert "node1-k8s-wep--pod-eth0" not in names


@EACH
def test_add_twice_gives_the_same(lab, families):
    pod = lab.pod(lab.nodes[0], f"twice{families}", families=families)
    used = _addresses_in_use(lab)
    first = pod.result
    second = pod.add()
    assert second["ips"] == first["ips"]
    assert second["interfaces"][0]["name"] == first["interfaces"][0]["name"]
    assert _addresses_in_use(lab) == used
    for address in pod.addresses:
        assert lab.nodes[0].ns.run(probe.ping, address) is not None
    lab.drop_pod(pod)


@EACH
def test_del_twice_and_del_of_nothing(lab, families):
    pod = lab.pod(lab.nodes[0], f"del-twice{families}", families=families)
    used = _addresses_in_use(lab)
    assert pod.try_del().code == 0
    assert _addresses_in_use(lab) == used - len(families)
    assert pod.try_del().code == 0
    never = lab.new_pod(lab.nodes[0], f"never{families}", families=families)
    assert never.try_del().code == 0
    assert never.try_del(netns_path="").code == 0
    assert never.try_del(netns_path="/run/netns/lab-no-such").code == 0


@EACH
def test_check(lab, families):
    pod = lab.pod(lab.nodes[0], f"check{families}", families=families)
    answer = pod.check()
    assert answer.code == 0, answer.text
    pod.ns.ip(f"-{families[-1]}", "route", "del", "default")
    answer = pod.check()
    assert answer.code == 1
    assert answer.json["code"] != 0 and answer.json["msg"]
    lab.drop_pod(pod)


def test_version(lab):
    pod = lab.new_pod(lab.nodes[0], "version")
    answer = cni.call(pod, "VERSION", {"cniVersion": "1.0.0"})
    assert answer.code == 0, answer.text
    assert {"0.3.1", "0.4.0", "1.0.0"} <= set(answer.json["supportedVersions"])


@EACH
def test_failed_add_leaves_nothing(lab, families):
    """The pod's end is there already: wiring fails after an address was taken."""
    node = lab.nodes[0]
    used, links = _addresses_in_use(lab), {link["ifname"] for link in node.links()}
    pod = lab.new_pod(node, f"broken{families}", families=families)
    netns.ip_batch(["link add eth0 type veth peer name other"], pod.ns.name)
    answer = pod.try_add()
    assert answer.code == 1
    assert "eth0" in answer.json["msg"]
    assert _addresses_in_use(lab) == used
    assert {link["ifname"] for link in node.links()} == links
    names = {item["spec"]["pod"] for item in lab.get("workloadendpoints", namespace="default")}
    assert pod.name not in names


def test_add_without_namespace_is_refused(lab):
    pod = lab.new_pod(lab.nodes[0], "no-netns")
    used = _addresses_in_use(lab)
    answer = pod.try_add(netns_path="/run/netns/lab-no-such")
    assert answer.code == 1 and answer.json["msg"]
    assert _addresses_in_use(lab) == used


def test_unknown_pool_is_refused_by_name(lab):
    pod = lab.new_pod(lab.nodes[0], "no-pool")
    answer = pod.try_add(["no-such-pool"])
    assert answer.code == 1
    assert "no-such-pool" in answer.json["msg"]


def test_bad_configuration_is_refused(lab):
    pod = lab.new_pod(lab.nodes[0], "bad-conf")
    conf = cni.pod_conf("node1")
    conf["cniVersion"] = "9.9.9"
    answer = cni.call(pod, "ADD", conf)
    assert answer.code == 1 and answer.json["code"] == 1


@pytest.mark.parametrize("families, address", [("4", "10.42.200.7"), ("6", "fd42::c807")])
def test_wanted_address(lab, families, address):
    pod = lab.new_pod(lab.nodes[0], "wanted", families=families)
    args = (f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=wanted;IP={address};"
            f"K8S_POD_INFRA_CONTAINER_ID={pod.container}")
    pod.add(CNI_ARGS=args)
    assert pod.address == address
    other = lab.new_pod(lab.nodes[0], "wanted-too", families=families)
    answer = other.try_add(CNI_ARGS=args.replace("wanted", "wanted-too"))
    assert answer.code == 1
    assert address in answer.json["msg"]
    lab.drop_pod(pod)


def test_many_at_once(lab):
    """As a node full of pods starts: all get an address of their own."""
    pods = [lab.new_pod(lab.nodes[0], f"at-once-{number}", families=families)
            for number, families in zip(range(20), itertools.cycle(KINDS.values()))]
    answers = {}

    def one(pod):
        answers[pod.name] = pod.try_add()

    # The runtime calls from the node's namespace; threads of their own, so that calls overlap.
    threads = [threading.Thread(target=one, args=[pod]) for pod in pods]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [a.text for a in answers.values() if a.code]
    addresses = [ip["address"] for answer in answers.values() for ip in answer.json["ips"]]
    assert len(set(addresses)) == len(addresses) == sum(len(pod.families) for pod in pods)
    for pod in pods:
        lab.drop_pod(pod)


def test_agent_away(lab):
    """ADD says try again at once; DEL is queued, succeeds, and is carried out later."""
    node = lab.nodes[0]
    pod = lab.pod(node, "away", families="46")
    used = _addresses_in_use(lab)
    node.kill_agent()
    try:
        fresh = lab.new_pod(node, "fresh")
        answer = fresh.try_add(timeout=5)
        assert answer.code == 1
        assert answer.json["code"] == 11, answer.text
        assert pod.try_del(timeout=5).code == 0
    finally:
        node.start_agent()
    wait_for(lambda: _addresses_in_use(lab) == used - 2, 10, "the addresses are free again")
    fresh.add()
    lab.drop_pod(fresh)
