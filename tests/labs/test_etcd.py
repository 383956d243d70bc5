# SPDX-License-Identifier: Apache-2.0
"""Agents on etcd, as the nodes of a cluster of several machines would be."""

import os
import subprocess

import pytest

from clusters import reach_all
from lab import Lab, LabError, bird, wait_for

ETCD = "/usr/bin/etcd"
URL = "http://192.168.0.254:2379"


def _answers(lab):
    return ":2379" in lab.switch.output(["/usr/bin/ss", "-tln"])


@pytest.mark.skipif(not os.path.exists(ETCD), reason="the package etcd-server is not installed")
def test_two_nodes_on_etcd(clean_machine):
    environment = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
                   "CALICO_IPV4POOL_IPIP": "Never"}
    with Lab(2, environment) as lab:
        lab.switch.popen(
            [ETCD, "--data-dir", lab.directory / "etcd", "--listen-client-urls", URL,
             "--advertise-client-urls", URL, "--listen-peer-urls", "http://127.0.0.1:2380"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: _answers(lab), 30, "etcd answers")
        del lab.environment["KORAT_SQLITE_FILE"]
        lab.environment.update(DATASTORE_TYPE="etcdv3", ETCD_ENDPOINTS=URL)
        lab.start()
        for node in lab.nodes:
            lab.pod(node, f"p{node.number}")
        try:
            reach_all(lab, 30)
        except LabError:
            for node in lab.nodes:
                print(f"--- {node.name}\n{node.log_tail(40)}\n{node.ns.ip('route')}")
            raise
        wait_for(lambda: all(one.established for node in lab.nodes
                             for one in bird.sessions(node.bird_socket())), 60, "BGP is meshed")
