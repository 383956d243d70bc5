# SPDX-License-Identifier: Apache-2.0
"""Every verb of CNI, every version, both roles, and what the configuration may say."""

import json

import pytest

from clusters import KINDS, dual_cluster
from lab import cni, probe, wait_for

VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]


@pytest.fixture(scope="module", name="lab")
def _lab():
    with dual_cluster(1) as lab:
        yield lab


def _handles(lab):
    """Who has addresses, and how many."""
    found = {}
    for block in lab.get("ipamblocks"):
        for index in block["spec"].get("allocations", []):
            if index is not None:
                handle = block["spec"]["attributes"][index].get("handle_id")
                found[handle] = found.get(handle, 0) + 1
    return found


def _conf(version="1.1.0", families="4", **keys):
    return {**cni.pod_conf("node1", families=families), "cniVersion": version, **keys}


def _result_addresses(result):
    """The addresses of a result of any version, with their lengths."""
    if "ips" in result:
        return [ip["address"] for ip in result["ips"]]
    return [result[key]["ip"] for key in ("ip4", "ip6") if key in result]


def _get(lab, kind, name):
    """An object to be written again, whatever happened to it meanwhile."""
    found = lab.get(kind, name)
    del found["metadata"]["resourceVersion"]
    return found


def _endpoints(lab):
    return {item["metadata"]["name"]: item
            for item in lab.get("workloadendpoints", namespace="default")}


@pytest.mark.parametrize("families", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version(lab, version, families):
    pod = lab.new_pod(lab.nodes[0], f"version-{version.replace('.', '')}-{families}")
    answer = cni.call(pod, "ADD", _conf(version, families))
    assert answer.code == 0, answer.text
    result = answer.json
    assert result["cniVersion"] == version
    addresses = _result_addresses(result)
    assert "".join("6" if ":" in one else "4" for one in addresses) == families
    for one in addresses:
        assert one.endswith("/128" if ":" in one else "/32")
        assert lab.nodes[0].ns.run(probe.ping, one.split("/")[0]) is not None
    if "0.3" <= version < "1.0":
        assert [ip["version"] for ip in result["ips"]] == list(families)
    checked = cni.call(pod, "CHECK", {**_conf(version, families), "prevResult": result})
    assert (checked.code == 0) == (version >= "0.4"), checked.text
    assert cni.call(pod, "DEL", _conf(version)).code == 0
    for command in ("STATUS", "GC"):
        answer = cni.call(pod, command, {**_conf(version), "cni.dev/valid-attachments": []})
        assert (answer.code == 0) == (version >= "1.1"), answer.text
        assert answer.code == 0 or answer.json["code"] == 1


def test_status(lab):
    """Of the families that the configuration wants."""
    pod = lab.new_pod(lab.nodes[0], "status")

    def status():
        return {families: cni.call(pod, "STATUS", _conf(families=families))
                for families in KINDS.values()}

    def codes():
        return {families: answer.code for families, answer in status().items()}

    assert codes() == {"4": 0, "6": 0, "46": 0}
    for family, missing in (("4", {"4": 1, "6": 0, "46": 1}), ("6", {"4": 0, "6": 1, "46": 1})):
        pool = _get(lab, "ippools", f"default-ipv{family}-ippool")
        pool["spec"]["disabled"] = True
        lab.apply(pool)
        try:
            wait_for(lambda want=missing: codes() == want, 5, f"STATUS sees the pool: {missing}")
            answer = status()["46"]
            assert answer.json["code"] == 50 and f"no enabled IPv{family} IPPool" in answer.json["msg"]
        finally:
            pool["spec"]["disabled"] = False
            lab.apply(pool)
        wait_for(lambda: not any(codes().values()), 5, "STATUS is fine again")
    lab.nodes[0].kill_agent()
    try:
        assert cni.call(pod, "STATUS", _conf(), timeout=5).json["code"] == 50
    finally:
        lab.nodes[0].start_agent()
    wait_for(lambda: cni.call(pod, "STATUS", _conf()).code == 0, 10, "the agent is in sync")


def test_not_ready_datastore(lab):
    info = _get(lab, "clusterinformations", "default")
    info["spec"]["datastoreReady"] = False
    pod = lab.new_pod(lab.nodes[0], "not-ready")
    lab.apply(info)
    try:
        wait_for(lambda: cni.call(pod, "STATUS", _conf()).code == 1, 5, "STATUS says so")
        assert cni.call(pod, "STATUS", _conf()).json["code"] == 50
        assert pod.try_add().json["code"] == 11
    finally:
        info["spec"]["datastoreReady"] = True
        lab.apply(info)
    wait_for(lambda: cni.call(pod, "STATUS", _conf()).code == 0, 5, "ready again")


def test_gc(lab):
    node = lab.nodes[0]
    pods = [lab.new_pod(node, f"gc-{number}", families="46") for number in range(3)]
    for pod in pods:
        answer = cni.call(pod, "ADD", _conf(families="46"))
        assert answer.code == 0, answer.text
        pod.result = answer.json
    other = lab.new_pod(node, "gc-other-network")
    assert cni.call(other, "ADD", _conf(name="other")).code == 0
    lost = lab.new_pod(node, "gc-lost")  # an address whose endpoint never came to be
    assert cni.call(lost, "ADD", _conf(families="46"), plugin="calico-ipam").code == 0
    keep = [{"containerID": pods[0].container, "ifname": "eth0"}]
    answer = cni.call(pods[0], "GC", _conf(**{"cni.dev/valid-attachments": keep}))
    assert answer.code == 0, answer.text
    handles = {handle for handle in _handles(lab) if handle.startswith("k8s-pod-network.")}
    assert handles == {f"k8s-pod-network.{pods[0].container}"}
    assert f"other.{other.container}" in _handles(lab)
    links = {link["ifname"] for link in node.links()}
    assert pods[0].host_interface in links
    assert pods[1].host_interface not in links
    assert "node1-k8s-gc--1-eth0" not in _endpoints(lab)
    assert "node1-k8s-gc--0-eth0" in _endpoints(lab)
    assert cni.call(other, "DEL", _conf(name="other")).code == 0
    assert cni.call(pods[1], "DEL", _conf()).code == 0
    assert cni.call(pods[0], "DEL", _conf()).code == 0


def _break(pod, what):
    family = f"-{pod.families[-1]}"
    if what == "address":
        pod.ns.ip(family, "addr", "flush", "dev", "eth0", "scope", "global")
    elif what == "pod route":
        pod.ns.ip(family, "route", "del", "default")
    elif what == "host link":
        pod.node.ns.ip("link", "del", pod.host_interface)


@pytest.mark.parametrize("families", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("what", ["address", "pod route",
                                  "host link", "prevResult address", "prevResult interface",
                                  "other container", "no prevResult"])
def test_check_sees(lab, what, families):
    """Of a pod of both families, what IPv6 lacks."""
    pod = lab.pod(lab.nodes[0], f"check-{what.replace(' ', '-').lower()}-{families}",
                  families=families)
    assert pod.check().code == 0, pod.check().text
    conf = {**_conf(families=families), "prevResult": json.loads(json.dumps(pod.result))}
    options = {}
    _break(pod, what)
    if what == "prevResult address":
        conf["prevResult"]["ips"][-1]["address"] = \
            "10.42.99.99/32" if families == "4" else "fd42::9999/128"
    elif what == "prevResult interface":
        conf["prevResult"]["interfaces"][0]["name"] = "cali12345678901"
    elif what == "other container":
        options["CNI_CONTAINERID"] = "somebody-else0"
    elif what == "no prevResult":
        del conf["prevResult"]
    answer = cni.call(pod, "CHECK", conf, **options)
    assert answer.code == 1 and answer.json["msg"], answer.text
    lab.drop_pod(pod)


@pytest.mark.parametrize("families", KINDS.values(), ids=KINDS)
def test_ipam_role(lab, families):
    """Another plugin delegates to us: addresses and routes, no interfaces, no endpoint."""
    pod = lab.new_pod(lab.nodes[0], f"ipam{families}")
    handle = f"k8s-pod-network.{pod.container}"
    for plugin in ("calico-ipam", "korat-ipam"):
        answer = cni.call(pod, "ADD", _conf("1.0.0", families), plugin=plugin)
        assert answer.code == 0, answer.text
        result = answer.json
        assert "interfaces" not in result
        assert result["routes"] == [{"dst": one} for one in _result_addresses(result)]
        assert _handles(lab)[handle] == len(result["ips"]) == len(families)
        conf = {**_conf("1.0.0", families), "prevResult": result}
        assert cni.call(pod, "CHECK", conf, plugin=plugin).code == 0
        for _ in range(2):
            assert cni.call(pod, "DEL", _conf("1.0.0"), plugin=plugin).code == 0
        assert handle not in _handles(lab)
    assert f"node1-k8s-ipam{families}-eth0" not in _endpoints(lab)


@pytest.mark.parametrize("families", KINDS.values(), ids=KINDS)
def test_ipam_of_a_bridge(lab, families):
    """A reference plugin with our IPAM, end to end."""
    pod = lab.new_pod(lab.nodes[0], f"bridged{families}")
    conf = {"name": "br", "cniVersion": "1.0.0", "type": "bridge", "bridge": "br-test",
            "ipam": cni.pod_conf("node1", families=families)["ipam"]}
    answer = cni.call(pod, "ADD", conf, plugin="bridge")
    assert answer.code == 0, answer.text
    assert "".join({"10.42": "4", "fd42:": "6"}[one[:5]]
                   for one in _result_addresses(answer.json)) == families
    assert cni.call(pod, "DEL", conf, plugin="bridge").code == 0
    assert f"br.{pod.container}" not in _handles(lab)


def test_both_names_are_one(lab):
    pod = lab.new_pod(lab.nodes[0], "korat")
    conf = _conf("1.0.0", ipam={"type": "korat-ipam"})
    assert cni.call(pod, "ADD", conf, plugin="korat").code == 0
    assert cni.call(pod, "DEL", conf, plugin="calico").code == 0


BAD = [
    ({"nodename": "elsewhere"}, 7, "nodename"),
    ({"device_type": "tap"}, 7, "device_type"),
    ({"dataplane_options": {"type": "grpc"}}, 7, "dataplane_options"),
    ({"mtu": "1400"}, 7, "mtu"),
    ({"ipam": {"type": "calico"}}, 7, "ipam.type"),
    ({"ipam": {"type": "../calico-ipam"}}, 7, "ipam.type"),
    ({"ipam": {"type": "host-local", "subnet": "usePodCidr"}}, 7, "usePodCidr"),
    ({"ipam": {"type": "calico-ipam", "assign_ipv4": True}}, 7, "assign_ipv4"),
    ({"name": "a/b"}, 7, "name"),
]


@pytest.mark.parametrize("keys,code,part", BAD)
def test_bad_keys(lab, keys, code, part):
    pod = lab.new_pod(lab.nodes[0], "bad-key")
    before = _handles(lab)
    answer = cni.call(pod, "ADD", {**_conf("1.0.0"), **keys})
    assert answer.code == 1 and answer.json["code"] == code, answer.text
    assert part in answer.json["msg"]
    assert _handles(lab) == before


def test_good_keys(lab):
    """Keys that mean something to others are accepted, those that mean something to us are used."""
    pod = lab.new_pod(lab.nodes[0], "keys")
    conf = _conf("1.1.0", mtu=1300, num_queues=2, device_type="netkit", log_level="nonsense",
                 require_mtu_file=True, policy_setup_timeout_seconds=5, nodename="NODE1",
                 readiness_gates=["http://127.0.0.1:9099/readiness"],
                 container_settings={"allow_ip_forwarding": True})
    answer = cni.call(pod, "ADD", conf)
    assert answer.code == 0, answer.text
    assert answer.json["interfaces"][1]["mtu"] == 1300
    link = json.loads(pod.ns.ip("-j", "-d", "link", "show", "eth0"))[0]
    assert link["mtu"] == 1300 and link["num_tx_queues"] == 2
    assert pod.ns.output(["/bin/cat", "/proc/sys/net/ipv4/ip_forward"]).strip() == "1"
    assert cni.call(pod, "DEL", conf).code == 0


def test_labels_without_kubernetes(lab):
    pod = lab.new_pod(lab.nodes[0], "mesos")
    info = {"name": "n", "labels": {"labels": [{"key": "role", "value": "web"}]}}
    conf = _conf("1.0.0", args={"org.apache.mesos": {"network_info": info}})
    answer = cni.call(pod, "ADD", conf, CNI_ARGS="")
    assert answer.code == 0, answer.text
    wep = _endpoints(lab)[f"node1-cni-{pod.container}-eth0"]
    assert wep["metadata"]["labels"]["role"] == "web"
    assert answer.json["interfaces"][0]["name"] == f"cali{pod.container[:11]}"
    assert cni.call(pod, "DEL", conf, CNI_ARGS="").code == 0


def test_profile_without_kubernetes_policy(lab):
    """The endpoint's profile is made with it, and a person's is left as it is."""
    for ordinal, args in enumerate(("", None)):
        name = f"plain-{ordinal}"
        pod = lab.new_pod(lab.nodes[0], f"profile-{ordinal}")
        conf = _conf("1.0.0", name=name, policy={})
        options = {} if args is None else {"CNI_ARGS": args}
        assert cni.call(pod, "ADD", conf, **options).code == 0
        spec = lab.get("profiles", name)["spec"]
        assert spec["labelsToApply"] == {name: ""}
        assert [rule["action"] for rule in spec["egress"]] == ["Allow"]
        assert [(rule["action"], rule.get("source", {}).get("selector"))
                for rule in spec["ingress"]] == \
            [("Allow", f"has({name})" if args == "" else None)]
        assert cni.call(pod, "DEL", conf, **options).code == 0
        assert cni.call(pod, "ADD", conf, **options).code == 0
        assert cni.call(pod, "DEL", conf, **options).code == 0


def test_interfaces_of_one_name(lab):
    """Calico's names of host interfaces repeat; ours keep apart what would collide."""
    node = lab.nodes[0]
    before = {link["ifname"] for link in node.links()}
    pod = lab.new_pod(node, "two-interfaces")
    results = {}
    for ifname in ("eth0", "net1"):
        answer = cni.call(pod, "ADD", _conf("1.0.0", name=f"net-{ifname}"), CNI_IFNAME=ifname)
        assert answer.code == 0, answer.text
        results[ifname] = answer
    names = {answer.json["interfaces"][0]["name"] for answer in results.values()}
    assert len(names) == 2 and names <= {link["ifname"] for link in node.links()}
    for ifname in ("eth0", "net1"):
        assert cni.call(pod, "DEL", _conf("1.0.0", name=f"net-{ifname}"),
                        CNI_IFNAME=ifname).code == 0
    assert {link["ifname"] for link in node.links()} == before
