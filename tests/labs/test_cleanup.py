# SPDX-License-Identifier: Apache-2.0
"""A node leaves: the kernel is as it was before the agent ever ran, and what is foreign is still there."""

import json
import re
import subprocess

from families import prepared, silent_pairs
from clusters import DIRECT_POOL, DIRECT_POOL6, assert_same, meshed, one_of_each, settle
from lab import KORAT, netns, wait_for

NFT = "/usr/sbin/nft"
# The kernel makes these by itself, some time after a link is up.
LINK_SCOPE = re.compile(r"fe80:|ff00::|33:33:|anycast")


def _kernel(node):
    """All that could have been changed, of both families, without what changes by itself."""
    def lines(*command):
        out = node.ns.output(command, check=False)
        out = re.sub(r" (expires|age|used|valid_lft|preferred_lft) \S+", "", out)
        return sorted(line.strip() for line in out.splitlines()
                      if line.strip() and not LINK_SCOPE.search(line))

    ip = netns.IP
    return {
        "links": sorted((link["ifname"], link.get("address"), link["mtu"], "UP" in link["flags"])
                        for link in node.links()),
        "addresses": sorted(f"{link['ifname']} {info['local']}/{info['prefixlen']}"
                            for link in json.loads(node.ns.ip("-j", "addr"))
                            for info in link.get("addr_info", []) if info["scope"] != "link"),
        "routes": lines(ip, "route", "show", "table", "all"),
        "routes6": lines(ip, "-6", "route", "show", "table", "all"),
        "rules": lines(ip, "rule"), "rules6": lines(ip, "-6", "rule"),
        "neighbours": lines(ip, "neigh", "show", "nud", "permanent"),
        "forwarding": lines("/usr/sbin/bridge", "fdb", "show"),
        "nft": lines(NFT, "list", "ruleset"),
        "sysctls": {key: node.ns.output(["/usr/sbin/sysctl", "-n", key]).strip() for key in
                    ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding",
                     "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0.forwarding")},
    }


def _cleanup(lab, node, *options):
    done = node.ns.run(subprocess.run, [KORAT, "agent", "cleanup", "--run-dir", node.run_dir,
                                        "--state-dir", node.state_dir, *options],
                       capture_output=True, text=True, env=lab.environment, timeout=60)
    return done.returncode, done.stdout, done.stderr


def _make_foreign(lab):
    """What others have on the node, some of it with names and protocols near to ours."""
    for node in lab.nodes:
        netns.ip_batch(
            ["link add calico-not type bridge", "link add califoreign type veth peer name other0",
             "link add vxlan.other type vxlan id 77 dstport 4790 local 192.168.0.9",
             "link set calico-not up", "addr add 10.200.0.1/24 dev calico-not",
             "route add 10.201.0.0/24 via 192.168.0.254 proto bird",
             "route add 10.202.0.0/24 via 192.168.0.254 proto static",
             "route add blackhole 10.203.0.0/24", "rule add from 10.200.0.0/24 lookup 77"],
            node.ns.name)
        node.ns.output([NFT, "-f", "-"], input=(
            "add table ip calico-not\n"
            "add chain ip calico-not c { type filter hook forward priority 0; }\n"
            "add rule ip calico-not c accept\n"
            "add table inet calico\nadd chain inet calico c\n"))


def test_node_that_leaves(clean_machine):
    befores = []

    def prepare(lab):
        _make_foreign(lab)
        befores.extend(_kernel(node) for node in lab.nodes)

    with prepared(2, prepare, IP6="autodetect", CALICO_IPV6POOL_CIDR="fd42::/48",
                  CALICO_IPV6POOL_VXLAN="Always") as lab:
        lab.apply(DIRECT_POOL, DIRECT_POOL6)
        for node in lab.nodes:
            one_of_each(lab, node)
            one_of_each(lab, node, "d", pools=["direct"], pools6=["direct6"])
        wait_for(lambda: meshed(lab), 40, "BGP is meshed")
        wait_for(lambda: not silent_pairs(lab.pods), 30, "the pods reach each other", 0.5)
        node = lab.nodes[0]
        wait_for(lambda: "proto bird" in node.ns.ip("route").replace("10.201.0.0", ""), 10,
                 "BIRD has a route")
        settle(lab)
        with_agent = _kernel(node)

        code, _out, words = _cleanup(lab, node)
        assert code == 1 and "stop it first" in words
        assert_same(with_agent, _kernel(node))

        node.kill_agent()
        code, out, words = _cleanup(lab, node, "--dry-run")
        assert (code, words) == (0, "")
        assert "would remove link vxlan.calico\n" in out and "would remove BIRD" in out
        assert "would remove link vxlan-v6.calico\n" in out
        assert all(f"would remove nftables table {one} calico\n" in out for one in ("ip", "ip6"))
        assert all(f"would remove link {pod.host_interface}\n" in out for pod in lab.pods
                   if pod.node is node)
        assert_same(with_agent, _kernel(node), "by a dry run")

        code, out, words = _cleanup(lab, node)
        assert (code, words) == (0, ""), words
        assert "1 IPv4 routes of protocol bird" in out, "the foreign one"
        assert_same(befores[0], _kernel(node))

        # Once more there is nothing to do, and a node that never had an agent is the same.
        code, out, _words = _cleanup(lab, node)
        assert code == 0 and "nothing of Korat" in out
        assert_same(befores[0], _kernel(node))

        # The others forget it with its Node, and an agent may come back.
        lab.ctl("delete", "node", "node1")
        other = lab.nodes[1]
        for device, address in (("vxlan.calico", node.address), ("vxlan-v6.calico", node.address6)):
            wait_for(lambda dev=device, gone=address: f"{gone} " not in other.ns.output(
                ["/usr/sbin/bridge", "fdb", "show", "dev", dev]), 10, "its VTEP is gone")
        node.start_agent()
        for pod in [pod for pod in lab.pods if pod.node is node]:
            lab.drop_pod(pod)
        one_of_each(lab, node, "again")
        wait_for(lambda: not silent_pairs(lab.pods), 60, "the pods reach each other", 0.5)


def test_help_and_bad_arguments():
    done = subprocess.run([KORAT, "agent", "cleanup", "--no-such"], capture_output=True, text=True)
    assert done.returncode == 1 and "--no-such" in done.stderr
    done = subprocess.run([KORAT, "agent", "cleanup", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--dry-run" in done.stdout
