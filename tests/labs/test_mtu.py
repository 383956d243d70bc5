# SPDX-License-Identifier: Apache-2.0
"""The MTU of running pods follows the node's interface and the pools' encapsulation, to the byte."""

import contextlib

import pytest

from clusters import vxlan_cluster
from families import family_pod, reach_all_families, whole_ping
from lab import FLOW, LabError, cni, netns, probe, wait_for

SECONDS = 10
PPS = 500


@pytest.fixture(scope="module", name="lab")
def _lab():
    with vxlan_cluster(2, IP6="autodetect", CALICO_IPV6POOL_CIDR="fd42::/112",
                       CALICO_IPV6POOL_VXLAN="Always") as lab:
        for node in lab.nodes:
            wait_for(lambda n=node: {"vxlan.calico", "vxlan-v6.calico"}
                     <= {link["ifname"] for link in n.links()}, 20, "both tunnel devices are there")
            family_pod(lab, node, f"p{node.number}")
        reach_all_families(lab.pods)
        yield lab


def _set_fabric(lab, mtu):
    """The nodes' interfaces; a larger one from the fabric on, a smaller one to it."""
    steps = [lambda: netns.ip_batch([f"link set port{node.number} mtu {mtu}" for node in lab.nodes],
                                    lab.switch.name),
             lambda: [node.ns.ip("link", "set", "eth0", "mtu", str(mtu)) for node in lab.nodes]]
    grows = mtu > lab.nodes[0].links("dev", "eth0")[0]["mtu"]
    for step in steps if grows else reversed(steps):
        step()


def _mtus(lab):
    """What pods and tunnels have: {(place, interface): MTU}."""
    found = {}
    for pod in lab.pods:
        found[pod.name, "eth0"] = int(pod.ns.ip("-o", "link", "show", "eth0").split(" mtu ")[1].split()[0])
        found[pod.name, "host"] = pod.node.links("dev", pod.host_interface)[0]["mtu"]
    for node in lab.nodes:
        for device in ("vxlan.calico", "vxlan-v6.calico"):
            links = node.links("dev", device)
            if links:
                found[node.name, device] = links[0]["mtu"]
    return found


def _expect(lab, pod_mtu, v4_tunnel, v6_tunnel):
    wanted = {}
    for pod in lab.pods:
        wanted[pod.name, "eth0"] = wanted[pod.name, "host"] = pod_mtu
    for node in lab.nodes:
        if v4_tunnel:
            wanted[node.name, "vxlan.calico"] = v4_tunnel
        if v6_tunnel:
            wanted[node.name, "vxlan-v6.calico"] = v6_tunnel
    try:
        wait_for(lambda: _mtus(lab) == wanted, SECONDS, "the MTUs")
    except LabError:
        assert _mtus(lab) == wanted
    reach_all_families(lab.pods, 10)
    source, target = lab.pods[:2]
    for address in target.addresses:
        assert source.ns.run(whole_ping, address, pod_mtu), f"{pod_mtu} bytes to {address}"
        assert not source.ns.run(whole_ping, address, pod_mtu + 1), f"{pod_mtu + 1} to {address}"


def test_as_made(lab):
    _expect(lab, 1430, 1450, 1430)


@pytest.mark.parametrize("fabric", [1400, 1500, 9000, 1500])
def test_parent_changes_under_traffic(lab, fabric):
    with _traffic(lab) as lost:
        _set_fabric(lab, fabric)
        _expect(lab, fabric - 70, fabric - 50, fabric - 70)
    assert lost() == 0


@contextlib.contextmanager
def _traffic(lab):
    """Packets from pod to pod meanwhile; gives a function that says how many were lost."""
    flow = probe.Flow(FLOW, *lab.pods[:2], PPS, 60)
    report = {}
    try:
        yield lambda: report["lost"]
    finally:
        report.update(flow.finish(stop=True))


def _set_mode(lab, name, mode):
    pool = lab.get("ippool", name)
    pool["spec"]["vxlanMode"] = mode
    pool["metadata"] = {"name": name}
    lab.apply(pool)


def test_pools_change_under_traffic(lab):
    """Traffic goes on after each; while the two nodes are not of one mind yet some may be lost."""
    with _traffic(lab) as lost:
        _set_mode(lab, "default-ipv6-ippool", "Never")
        _expect(lab, 1450, 1450, None)
        _set_mode(lab, "default-ipv4-ippool", "Never")
        _expect(lab, 1500, None, None)
        _set_mode(lab, "default-ipv4-ippool", "Always")
        _expect(lab, 1450, 1450, None)
        _set_mode(lab, "default-ipv6-ippool", "Always")
        _expect(lab, 1430, 1450, 1430)
    assert lost() < PPS, "less than a second in all"


def test_configured_mtu_wins(lab):
    """FelixConfiguration's, and that of a pod's CNI configuration, which the pod keeps."""
    node = lab.nodes[0]
    fixed = lab.new_pod(node, "fixed")
    lab.pods.remove(fixed)
    answer = cni.call(fixed, "ADD", {**cni.pod_conf(node.name), "mtu": 1430})
    assert answer.code == 0, answer.text

    def fixed_mtu():
        return int(fixed.ns.ip("-o", "link", "show", "eth0").split(" mtu ")[1].split()[0])

    assert fixed_mtu() == 1430
    lab.ctl("patch", "felixconfiguration", "default", "--patch",
            '{"spec": {"vxlanMTU": 1380, "vxlanMTUV6": 1370}}')
    _expect(lab, 1370, 1380, 1370)
    assert fixed_mtu() == 1430
    lab.ctl("patch", "felixconfiguration", "default", "--patch",
            '{"spec": {"vxlanMTU": 0, "vxlanMTUV6": 0}}')
    _expect(lab, 1430, 1450, 1430)
    assert fixed_mtu() == 1430
    node.kill_agent()
    _set_fabric(lab, 1440)
    node.start_agent()
    _expect(lab, 1370, 1390, 1370)
    assert fixed_mtu() == 1430
    _set_fabric(lab, 1500)
    _expect(lab, 1430, 1450, 1430)
    assert cni.call(fixed, "DEL", {**cni.pod_conf(node.name), "mtu": 1430}).code == 0
