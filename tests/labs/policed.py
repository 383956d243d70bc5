# SPDX-License-Identifier: Apache-2.0
"""
Pods under policy, and flows of both families between them that show any gap of it: some may pass
and must lose nothing, some may not and nothing of them may arrive.
"""

import contextlib
import os
import re
import sqlite3
import subprocess
import urllib.request

from clusters import NFT, vxlan_cluster
from families import family_pod, pool
from lab import FLOW, etcd, probe, wait_for

ETCDCTL = "/usr/bin/etcdctl"

DENIED_PPS = 5000
ALLOWED_PPS = 1000
SECONDS = 200  # longer than any test; flows are ended by finish()
FAMILIES = (4, 6)
# What carries policy.
DATAPLANES = {
    "nftables": {},
    "iptables-legacy": {"FELIX_NFTABLESMODE": "Disabled", "FELIX_IPTABLESBACKEND": "Legacy"},
    "iptables-nft": {"FELIX_NFTABLESMODE": "Disabled", "FELIX_IPTABLESBACKEND": "NFT"},
}


def network_policy(namespace, name, **spec):
    """A NetworkPolicy."""
    return {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def felix(**spec):
    """The FelixConfiguration of all nodes."""
    return {"apiVersion": "projectcalico.org/v3", "kind": "FelixConfiguration",
            "metadata": {"name": "default"}, "spec": spec}


def namespace(name, **labels):
    """A Kubernetes namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def guard(denied_port=19999):
    """Who lives in the shop speaks with friends alone, both ways, and never by that port."""
    side = {"namespaceSelector": 'friend == "yes"'}
    never = {"action": "Deny", "protocol": "TCP", "destination": {"ports": [denied_port]}}
    return network_policy("shop", "guard", selector="all()", types=["Ingress", "Egress"],
                          ingress=[never, {"action": "Allow", "source": side}],
                          egress=[{"action": "Allow", "destination": side}])


def address(pod, family):
    """The pod's address of that family."""
    return next(one for one in pod.addresses if (":" in one) == (family == 6))


def listing(node):
    """`nft list ruleset` of a node."""
    return node.ns.output([NFT, "list", "ruleset"])


def iptables_listing(node):
    """What iptables-legacy has of a node."""
    return "".join(node.ns.output([f"/usr/sbin/{program}"])
                   for program in ("iptables-legacy-save", "ip6tables-legacy-save"))


def metric(node, name):
    """One of the agent's metrics."""
    def read():
        with urllib.request.urlopen("http://127.0.0.1:9091/metrics", timeout=5) as answer:
            return answer.read().decode("ascii")
    return int(re.search(rf"^{name} (\d+)$", node.ns.run(read), re.M).group(1))


def _write_file(lab, change, name, new_name):
    with contextlib.closing(sqlite3.connect(lab.directory / "store.db", timeout=10)) as db, db:
        (kind, namespace, text), = db.execute(
            "SELECT kind, namespace, value FROM object WHERE kind LIKE 'networkpolic%' "
            "AND name = ?", (name,))
        db.execute("UPDATE meta SET revision = revision + 1")
        db.execute("INSERT INTO object (kind, namespace, name, revision, value) "
                   "SELECT ?, ?, ?, revision, ? FROM meta "
                   "WHERE true ON CONFLICT DO UPDATE SET value = excluded.value, "
                   "revision = excluded.revision", (kind, namespace, new_name, change(text)))


def _etcdctl(lab, *args):
    return lab.datastore_at.run(
        subprocess.run, [ETCDCTL, "--endpoints", etcd.URL, *args], text=True, check=True,
        capture_output=True, env={**os.environ, "ETCDCTL_API": "3"}).stdout


def _write_etcd(lab, change, name, new_name):
    keys = _etcdctl(lab, "get", "--prefix", "--keys-only", "/calico/").split()
    key, = (key for key in keys if "/networkpolicies/" in key and key.endswith(name))
    text = _etcdctl(lab, "get", "--print-value-only", key).rstrip("\n")
    _etcdctl(lab, "put", "--", key.removesuffix(name) + new_name, change(text))


def write_raw(lab, change, name="guard", new_name=None):
    """Puts what change() makes of a NetworkPolicy's stored text, past all checks."""
    (_write_etcd if lab.datastore_at else _write_file)(lab, change, name, new_name or name)


class Shop:
    """On the first node: a shop, a friend of it, another friend, a stranger."""

    def __init__(self, lab, rules=listing):
        self.lab = lab
        self._rules = rules
        self.node = lab.nodes[0]
        lab.apply(pool("six", "fd00:65::/48", blockSize=122))
        lab.open_namespace("friends", {"friend": "yes"})
        self.shop = family_pod(lab, self.node, "shop", namespace="shop")
        lab.open_namespace("others", {"friend": "yes"})
        self.other = family_pod(lab, self.node, "other", namespace="others")
        self.friend = family_pod(lab, self.node, "friend", namespace="friends")
        self.stranger = family_pod(lab, self.node, "stranger", namespace="strangers")
        lab.apply(guard())
        self._port = 20000

    def reaches(self, source):
        """By both families; asked again while they differ, as they do for a moment at a change."""
        def ask():
            found = {source.ns.run(probe.ping, address(self.shop, family), 0.1) is not None
                     for family in FAMILIES}
            return found if len(found) == 1 else None

        return wait_for(ask, 10, "both families are judged alike").pop()

    def settle(self):
        """All that was written so far is in the kernel."""
        self._port += 1
        self.lab.apply(guard(self._port))
        wait_for(lambda: str(self._port) in self._rules(self.node), 10, "a policy is in the kernel")


@contextlib.contextmanager
def shop(n_nodes=1, **environment):
    """A cluster with a shop."""
    with vxlan_cluster(n_nodes, IP6="autodetect", **environment) as lab:
        legacy = environment.get("FELIX_IPTABLESBACKEND") == "Legacy"
        place = Shop(lab, iptables_listing if legacy else listing)
        place.settle()
        yield place


class Traffic:
    """Flows that are there as long as the block; then `denied` and `allowed` hold the reports."""

    def __init__(self, place):
        self._place = place
        self._flows = {}
        self.reports = {}

    def __enter__(self):
        place = self._place
        port = 9100
        for family in FAMILIES:
            for kind, source, target, pps in (
                    ("denied ingress", place.stranger, place.shop, DENIED_PPS),
                    ("denied egress", place.shop, place.stranger, ALLOWED_PPS),
                    ("allowed fresh", place.friend, place.shop, ALLOWED_PPS)):
                port += 1
                self._flows[kind, family] = probe.Fresh(
                    FLOW, source, target, address(target, family), pps, SECONDS, port)
            port += 1
            self._flows["allowed old", family] = probe.Flow(
                FLOW, place.friend, place.shop, ALLOWED_PPS, SECONDS, port,
                address(place.shop, family))
        return self

    def __exit__(self, kind, *_):
        for flow in self._flows.values():
            flow.stop()
        for name, flow in self._flows.items():
            with contextlib.suppress(Exception if kind else ()):
                self.reports[name] = flow.finish() if isinstance(flow, probe.Fresh) \
                    else flow.finish()

    def lost(self):
        """The reports of allowed flows that lost something."""
        return {name: report for name, report in self.reports.items()
                if name[0].startswith("allowed") and report["lost"]}

    def passed(self):
        """The times at which something of a denied flow came through: {name: [(from, to, n)]}."""
        return {name: report["spans"] for name, report in self.reports.items()
                if name[0].startswith("denied") and report["received"]}

    def n_sent(self):
        """All of them together."""
        return sum(report["sent"] for report in self.reports.values())

    def assert_no_window(self):
        """Nothing lost, nothing let through."""
        assert not self.lost(), self.lost()
        assert not self.passed(), self.passed()
