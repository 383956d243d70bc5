# SPDX-License-Identifier: Apache-2.0
"""The CNI plugin as a container runtime calls it: answers, repetition, failure, absence."""

import json
import threading

import pytest

from clusters import vxlan_cluster
from lab import cni, netns, probe, wait_for


@pytest.fixture(scope="module", name="lab")
def _lab():
    with vxlan_cluster(1) as lab:
        yield lab


def _addresses_in_use(lab):
    used = 0
    for block in lab.get("ipamblocks"):
        for index in block["spec"].get("allocations", []):
            used += index is not None
    return used


def test_result_of_add(lab):
    pod = lab.pod(lab.nodes[0], "result")
    result = pod.result
    assert result["cniVersion"] == "1.0.0"
    assert len(result["ips"]) == 1 and result["ips"][0]["address"].endswith("/32")
    assert "gateway" not in result["ips"][0]
    names = [interface["name"] for interface in result["interfaces"]]
    assert names[0].startswith("cali") and len(names[0]) == 15
    assert "eth0" in names
    link = json.loads(pod.ns.ip("-j", "addr", "show", "eth0"))[0]
    assert [info["local"] for info in link["addr_info"] if info["family"] == "inet"] == \
        [pod.address]
    routes = pod.ns.ip("route")
    assert "default via 169.254.1.1 dev eth0" in routes
    assert "169.254.1.1 dev eth0 scope link" in routes
    host = lab.nodes[0].links("dev", pod.host_interface)[0]
    assert host["address"] == "ee:ee:ee:ee:ee:ee"
    lab.drop_pod(pod)


def test_endpoint_is_written(lab):
    pod = lab.pod(lab.nodes[0], "wep-pod")
    found = {item["metadata"]["name"]: item
             for item in lab.get("workloadendpoints", namespace="default")}
    wep = found["node1-k8s-wep--pod-eth0"]["spec"]
    assert wep["interfaceName"] == pod.host_interface
    assert wep["ipNetworks"] == [f"{pod.address}/32"]
    assert wep["containerID"] == pod.container
    assert wep["orchestrator"] == "k8s" and wep["node"] == "node1"
    lab.drop_pod(pod)
    names = {item["metadata"]["name"] for item in lab.get("workloadendpoints", namespace="default")}
    assert "node1-k8s-wep--pod-eth0" not in names


def test_add_twice_gives_the_same(lab):
    pod = lab.pod(lab.nodes[0], "twice")
    used = _addresses_in_use(lab)
    first = pod.result
    second = pod.add()
    assert second["ips"] == first["ips"]
    assert second["interfaces"][0]["name"] == first["interfaces"][0]["name"]
    assert _addresses_in_use(lab) == used
    assert lab.nodes[0].ns.run(probe.ping, pod.address) is not None
    lab.drop_pod(pod)


def test_del_twice_and_del_of_nothing(lab):
    pod = lab.pod(lab.nodes[0], "del-twice")
    used = _addresses_in_use(lab)
    assert pod.try_del().code == 0
    assert _addresses_in_use(lab) == used - 1
    assert pod.try_del().code == 0
    never = lab.new_pod(lab.nodes[0], "never")
    assert never.try_del().code == 0
    assert never.try_del(netns_path="").code == 0
    assert never.try_del(netns_path="/run/netns/lab-no-such").code == 0


def test_check(lab):
    pod = lab.pod(lab.nodes[0], "check")
    answer = pod.check()
    assert answer.code == 0, answer.text
    pod.ns.ip("route", "del", "default")
    answer = pod.check()
    assert answer.code == 1
    assert answer.json["code"] != 0 and answer.json["msg"]
    lab.drop_pod(pod)


def test_version(lab):
    pod = lab.new_pod(lab.nodes[0], "version")
    answer = cni.call(pod, "VERSION", {"cniVersion": "1.0.0"})
    assert answer.code == 0, answer.text
    assert {"0.3.1", "0.4.0", "1.0.0"} <= set(answer.json["supportedVersions"])


def test_failed_add_leaves_nothing(lab):
    """The pod's end is there already: wiring fails after an address was taken."""
    node = lab.nodes[0]
    used, links = _addresses_in_use(lab), {link["ifname"] for link in node.links()}
    pod = lab.new_pod(node, "broken")
    netns.ip_batch(["link add eth0 type veth peer name other"], pod.ns.name)
    answer = pod.try_add()
    assert answer.code == 1
    assert "eth0" in answer.json["msg"]
    assert _addresses_in_use(lab) == used
    assert {link["ifname"] for link in node.links()} == links
    names = {item["spec"]["pod"] for item in lab.get("workloadendpoints", namespace="default")}
    assert "broken" not in names


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


def test_wanted_address(lab):
    address = "10.42.200.7"
    pod = lab.new_pod(lab.nodes[0], "wanted")
    args = (f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=wanted;IP={address};"
            f"K8S_POD_INFRA_CONTAINER_ID={pod.container}")
    pod.add(CNI_ARGS=args)
    assert pod.address == address
    other = lab.new_pod(lab.nodes[0], "wanted-too")
    answer = other.try_add(CNI_ARGS=args.replace("wanted", "wanted-too"))
    assert answer.code == 1
    assert address in answer.json["msg"]
    lab.drop_pod(pod)


def test_many_at_once(lab):
    """As a node full of pods starts: all get an address of their own."""
    pods = [lab.new_pod(lab.nodes[0], f"at-once-{number}") for number in range(20)]
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
    addresses = [answer.json["ips"][0]["address"] for answer in answers.values()]
    assert len(set(addresses)) == len(pods)
    for pod in pods:
        lab.drop_pod(pod)


def test_agent_away(lab):
    """ADD says try again at once; DEL is queued, succeeds, and is carried out later."""
    node = lab.nodes[0]
    pod = lab.pod(node, "away")
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
    wait_for(lambda: _addresses_in_use(lab) == used - 1, 10, "the address is free again")
    fresh.add()
    lab.drop_pod(fresh)
