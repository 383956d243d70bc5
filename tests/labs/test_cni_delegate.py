# SPDX-License-Identifier: Apache-2.0
"""Addresses from another IPAM plugin: host-local and static, run by korat-cni."""

import json
import pathlib

import pytest

from clusters import dual_cluster
from lab import cni, netns, probe, wait_for


@pytest.fixture(scope="module", name="lab")
def _lab():
    with dual_cluster(1) as lab:
        yield lab


def _conf(lab, ipam=None, **keys):
    local = {"type": "host-local", "dataDir": str(lab.directory / "host-local"),
             "ranges": [[{"subnet": "10.77.0.0/24"}], [{"subnet": "fd77::/64"}]]}
    conf = {**cni.pod_conf("node1"), "name": "local", "cniVersion": "1.0.0", **keys}
    conf["ipam"] = {**local, **(ipam or {})}
    return conf


def _stored(lab):
    """The addresses that host-local believes to be in use."""
    directory = pathlib.Path(lab.directory, "host-local", "local")
    if not directory.is_dir():
        return set()
    return {path.name for path in directory.iterdir()
            if not path.name.startswith("last_reserved") and path.name != "lock"}


def test_host_local(lab):
    node = lab.nodes[0]
    pod = lab.new_pod(node, "local")
    conf = _conf(lab)
    answer = cni.call(pod, "ADD", conf)
    assert answer.code == 0, answer.text
    pod.result = answer.json
    addresses = [ip["address"] for ip in pod.result["ips"]]
    assert [a.split("/")[1] for a in addresses] == ["32", "128"]
    assert pod.result["interfaces"][0]["name"].startswith("cali")
    for address in pod.addresses:
        assert node.ns.run(probe.ping, address) is not None
    assert "default via 169.254.1.1" in pod.ns.ip("route")
    assert "default via fe80::ecee:eeff:feee:eeee" in pod.ns.ip("-6", "route")
    again = cni.call(pod, "ADD", conf)
    assert again.code == 0 and again.json["ips"] == pod.result["ips"], again.text
    checked = cni.call(pod, "CHECK", {**conf, "prevResult": pod.result})
    assert checked.code == 0, checked.text
    assert len(_stored(lab)) == 2
    for _ in range(2):
        assert cni.call(pod, "DEL", conf).code == 0
    assert not _stored(lab)
    assert pod.host_interface not in {link["ifname"] for link in node.links()}


@pytest.mark.parametrize("keep", [False, True])
def test_routes(lab, keep):
    pod = lab.new_pod(lab.nodes[0], f"routes-{keep}".lower())
    conf = _conf(lab, {"routes": [{"dst": "10.0.0.0/8"}, {"dst": "192.168.0.0/16"},
                                  {"dst": "fd00:1::/32"}]},
                 include_default_routes=keep)
    answer = cni.call(pod, "ADD", conf)
    assert answer.code == 0, answer.text
    routes = pod.ns.ip("route")
    assert "10.0.0.0/8 via 169.254.1.1 dev eth0" in routes
    assert "192.168.0.0/16 via 169.254.1.1 dev eth0" in routes
    assert ("default via" in routes) == keep
    routes = pod.ns.ip("-6", "route")
    assert "fd00:1::/32 via fe80::ecee:eeff:feee:eeee dev eth0" in routes
    assert ("default via" in routes) == keep
    checked = cni.call(pod, "CHECK", {**conf, "prevResult": answer.json})
    assert checked.code == 0, checked.text
    assert cni.call(pod, "DEL", conf).code == 0


FOUR, SIX = "10.78.0.9", "fd78::9"


@pytest.mark.parametrize("addresses", [[FOUR], [SIX], [FOUR, SIX]], ids=["four", "six", "both"])
@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "0.4.0", "1.0.0"])
def test_static(lab, version, addresses):
    pod = lab.new_pod(lab.nodes[0], f"static-{version.replace('.', '')}-{addresses == [FOUR]}-"
                      f"{len(addresses)}".lower())
    conf = _conf(lab, cniVersion=version)
    conf["ipam"] = {"type": "static", "addresses": [
        {"address": f"{one}/{64 if ':' in one else 24}"} for one in addresses]}
    answer = cni.call(pod, "ADD", conf)
    assert answer.code == 0, answer.text
    for one in addresses:
        assert f"{one}/{128 if ':' in one else 32}" in answer.text
        # The address was another pod's a moment ago.
        assert lab.nodes[0].ns.run(probe.ping, one) is not None
    assert cni.call(pod, "DEL", conf).code == 0


def test_failure_gives_the_address_back(lab):
    """The pod's end is there already: wiring fails after host-local has given addresses."""
    pod = lab.new_pod(lab.nodes[0], "broken")
    netns.ip_batch(["link add eth0 type veth peer name other"], pod.ns.name)
    answer = cni.call(pod, "ADD", _conf(lab))
    assert answer.code == 1 and "eth0" in answer.json["msg"]
    assert not _stored(lab)


def test_failure_of_the_plugin(lab):
    """What it says is the answer, and nothing is made."""
    links = {link["ifname"] for link in lab.nodes[0].links()}
    pod = lab.new_pod(lab.nodes[0], "full")
    answer = cni.call(pod, "ADD", _conf(lab, {"ranges": [[{"subnet": "10.79.0.0/31"}]]}))
    assert answer.code == 1 and answer.json["msg"]
    answer = cni.call(pod, "ADD", _conf(lab, {"type": "no-such-plugin"}))
    assert answer.code == 1 and answer.json["code"] == 7
    assert "no-such-plugin" in answer.json["msg"]
    assert {link["ifname"] for link in lab.nodes[0].links()} == links


@pytest.mark.parametrize("kind", ["loops", "hangs up", "writes much", "is killed"])
def test_bad_plugin(lab, kind):
    """A plugin that is us again, or prints no result, or too much, or dies."""
    script = {"hangs up": "exit 0", "writes much": "yes | head -c 900000",
              "is killed": "kill -9 $$"}.get(kind)
    path = lab.directory / "bin" / "odd"
    path.unlink(missing_ok=True)
    if script:
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        path.chmod(0o755)
    else:
        path.symlink_to((lab.directory / "bin/calico").resolve())
    pod = lab.new_pod(lab.nodes[0], "odd")
    answer = cni.call(pod, "ADD", _conf(lab, {"type": "odd"}), timeout=20)
    assert answer.code == 1 and json.loads(answer.text)["msg"], answer.text
    path.unlink()


def test_agent_away(lab):
    """ADD runs nothing; DEL gives the address back at once, and the rest when the agent is back."""
    node = lab.nodes[0]
    pod = lab.new_pod(node, "away")
    conf = _conf(lab)
    answer = cni.call(pod, "ADD", conf)
    assert answer.code == 0, answer.text
    pod.result = answer.json
    fresh = lab.new_pod(node, "fresh")
    stored = _stored(lab)
    node.kill_agent()
    try:
        assert cni.call(fresh, "ADD", conf, timeout=5).json["code"] == 11
        assert _stored(lab) == stored
        assert cni.call(pod, "DEL", conf, timeout=5).code == 0
        assert not _stored(lab)
    finally:
        node.start_agent()
    wait_for(lambda: pod.host_interface not in {link["ifname"] for link in node.links()}, 10,
             "the queued DEL is done")
