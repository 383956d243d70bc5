# SPDX-License-Identifier: Apache-2.0
"""Agents on etcd, as the nodes of a cluster of several machines would be."""

import json

import pytest

from clusters import SIX, meshed, one_of_each, reach_all
from lab import Lab, LabError, etcd, wait_for


@pytest.mark.skipif(not etcd.is_installed(), reason="the package etcd-server is not installed")
def test_two_nodes_on_etcd(clean_machine):
    environment = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
                   "CALICO_IPV4POOL_IPIP": "Never", **SIX}
    with Lab(2, environment) as lab:
        etcd.start(lab)
        lab.start()
        for node in lab.nodes:
            one_of_each(lab, node)
        try:
            reach_all(lab, 30)
        except LabError:
            for node in lab.nodes:
                print(f"--- {node.name}\n{node.log_tail(40)}\n{node.ns.ip('route')}")
            raise
        wait_for(lambda: meshed(lab), 60, "BGP is meshed")


@pytest.mark.skipif(not etcd.is_installed(), reason="the package etcd-server is not installed")
def test_many_objects_at_once(clean_machine):
    """More than etcd takes in one transaction, unless it is told otherwise."""
    with Lab(0) as lab:
        etcd.start(lab)
        items = "".join(f"---\n{json.dumps(network_set(number))}\n" for number in range(300))
        lab.ctl("apply", "-f", "-", stdin=items)
        assert len(lab.get("globalnetworksets")) == 300
        lab.ctl("apply", "-f", "-", stdin=items)
        lab.ctl("delete", "-f", "-", stdin=items)
        assert not lab.get("globalnetworksets")


def network_set(number):
    return {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkSet",
            "metadata": {"name": f"set{number:03d}"}, "spec": {"nets": [f"10.1.{number % 256}.0/24"]}}
