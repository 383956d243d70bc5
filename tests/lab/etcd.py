# SPDX-License-Identifier: Apache-2.0
"""etcd for a lab: one member on the switch, which every node reaches over its uplink."""

import os
import subprocess

from .lab import GATEWAY, UNDERLAY4, wait_for
from .netns import LabError

ETCD = "/usr/bin/etcd"
URL = f"http://{UNDERLAY4}.{GATEWAY}:2379"


def is_installed():
    """Is Debian's etcd-server there?"""
    return os.path.exists(ETCD)


def start(lab):
    """The lab's datastore is a new etcd instead of a file; before its agents start."""
    lab.switch.popen(
        [ETCD, "--data-dir", lab.directory / "etcd", "--listen-client-urls", URL,
         "--advertise-client-urls", URL, "--listen-peer-urls", "http://127.0.0.1:2380"],
        linger=lab.keep, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lab.environment.pop("KORAT_SQLITE_FILE", None)
    lab.environment.update(DATASTORE_TYPE="etcdv3", ETCD_ENDPOINTS=URL)
    lab.datastore_at = lab.switch
    wait_for(lambda: _answers(lab), 30, "etcd answers")


def _answers(lab):
    """It listens before its gateway is there."""
    if ":2379" not in lab.switch.output(["/usr/bin/ss", "-tln"]):
        return False
    try:
        lab.ctl("get", "nodes")
    except LabError:
        return False
    return True
