# SPDX-License-Identifier: Apache-2.0
"""
One agent's life, and koratctl's commands, under valgrind: nothing is lost, nothing is read that was
not written. The plugin is linked statically and by musl, whose memory valgrind can't watch: its code
is what the unit tests of src/cni run with the sanitizers.
"""

import json
import os
import re
import shutil
import signal

import pytest

from families import pool, prepared
from lab import lab as lab_module
from lab import probe, wait_for
from policed import network_policy

VALGRIND = shutil.which("valgrind")

# libmnl leaves the padding between attributes as it finds it; the kernel does not look at it.
SUPPRESSIONS = """{
   padding
   Memcheck:Param
   socketcall.sendto(msg)
   ...
   fun:nl_send
}
"""


@pytest.fixture(name="checked")
def _checked(tmp_path, monkeypatch):
    """The directory of valgrind's reports; the lab's agents run under it."""
    wrapper = tmp_path / "korat"
    (tmp_path / "suppressions").write_text(SUPPRESSIONS, encoding="ascii")
    wrapper.write_text(
        "#!/bin/sh\n"
        f"exec {VALGRIND} --quiet --leak-check=full --show-leak-kinds=definite,indirect "
        f"--suppressions={tmp_path}/suppressions --errors-for-leak-kinds=definite --child-silent-after-fork=yes "
        f"--log-file={tmp_path}/report.%p {lab_module.KORAT} \"$@\"\n", encoding="ascii")
    os.chmod(wrapper, 0o755)
    monkeypatch.setattr(lab_module, "KORAT", wrapper)
    return tmp_path


def _take_turns_with_policies(lab, one, two):
    """A policy cuts a pod off, is asked about, changed and taken back."""
    def reached():
        return one.ns.run(probe.ping, two.address, 0.5) is not None

    lab.apply(network_policy("default", "deny", selector="all()", types=["Ingress"]))
    wait_for(lambda: not reached(), 20, "the policy denies")
    assert "deny" in lab.ctl("policy", "explain", "pod/default/one -> pod/default/two:tcp/80",
                             check=False)
    lab.apply(network_policy("default", "deny", selector="all()", types=["Ingress"],
                             ingress=[{"action": "Allow", "protocol": "ICMP"}]))
    wait_for(reached, 20, "the policy allows")
    lab.ctl("delete", "networkpolicy", "deny", "-n", "default")
    assert reached()


@pytest.mark.skipif(not VALGRIND, reason="valgrind is not installed")
@pytest.mark.skipif("asan" in str(lab_module.BUILD), reason="the build has a checker of its own")
def test_no_leak(checked, clean_machine):
    with prepared(1, IP6="autodetect", CALICO_IPV6POOL_CIDR="fd42::/112",
                  CALICO_IPV6POOL_VXLAN="Always") as lab:
        node = lab.nodes[0]
        one, two = (lab.pod(node, name, families="46") for name in ("one", "two"))
        for address in two.addresses:
            assert one.ns.run(probe.ping, address, 2.0) is not None
        assert one.check().code == 0
        lab.apply({"apiVersion": "projectcalico.org/v3", "kind": "CalicoNodeStatus",
                   "metadata": {"name": "status"},
                   "spec": {"node": "node1", "classes": ["Agent", "BGP", "Routes"],
                            "updatePeriodSeconds": 1}})
        wait_for(lambda: lab.get("caliconodestatuses", "status").get("status"), 15,
                 "the status is written")
        lab.apply({"apiVersion": "projectcalico.org/v3", "kind": "BGPPeer",
                   "metadata": {"name": "peer"},
                   "spec": {"peerIP": "192.168.0.77", "asNumber": 64999}})
        lab.apply(pool("other", "10.46.0.0/16"))
        lab.ctl("patch", "felixconfiguration", "default", "-p",
                json.dumps({"spec": {"vxlanPort": 4790}}))
        wait_for(lambda: "4790" in node.ns.ip("-d", "link", "show", "vxlan.calico", check=False), 30,
                 "the port is 4790")
        assert lab.new_pod(node, "refused").try_add(["no-such-pool"]).code == 1
        node.ns.ip("link", "del", "vxlan.calico")
        wait_for(lambda: node.links("dev", "vxlan.calico"), 30, "the tunnel is there again")
        _take_turns_with_policies(lab, one, two)
        lab.ctl("delete", "ippool", "other")
        lab.ctl("delete", "bgppeer", "peer")
        lab.ctl("delete", "caliconodestatus", "status")
        lab.drop_pod(one)
        assert two.try_del().code == 0
        assert two.try_del().code == 0
        node.kill_agent(signal.SIGTERM)
        assert node.agent.returncode == 0
    reports = [path.read_text(encoding="utf-8", errors="replace")
               for path in checked.glob("report.*")]
    assert reports
    assert not [text for text in reports if re.search(r"definitely lost|Invalid|uninit", text)], \
        "\n".join(reports)
