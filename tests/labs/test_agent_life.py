# SPDX-License-Identifier: Apache-2.0
"""What an agent says of itself, and that it changes, ends and comes back under running pods."""

import contextlib
import ipaddress
import json
import math
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from clusters import (DIRECT_POOL, DIRECT_POOL6, TUNNELS, assert_same, deleted_routes, dual_cluster,
                      kernel_state, kernel_states, meshed, one_of_each, reach_all, settle,
                      settled_states, watched_routes, way)
from families import pool, pools_of, prepared, silent_pairs
from lab import bird, capture, probe, wait_for
from lab import lab as lab_module

# A line of the agent; BIRD's own lines are between them.
LINE = re.compile(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) +[a-z-]+: '
                  r'[^"=]+?( [a-z0-9_]+=([^\s"=]+|"([^"\\]|\\.)*"))*$')


@pytest.fixture(scope="module", name="lab")
def _lab():
    with dual_cluster(2) as lab:
        for node in lab.nodes:
            one_of_each(lab, node)
        reach_all(lab)
        wait_for(lambda: meshed(lab), 40, "BGP is meshed")
        yield lab


def _both(lab):
    """The pods of both families, of one node and of the other."""
    return lab.pods[2], lab.pods[5]


def _http(node, port, path):
    """(status, body) of a GET inside the node."""
    def get():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""
    return node.ns.run(get)


def _metric(node, name):
    body = _http(node, 9091, "/metrics")[1]
    return float(re.search(rf"^{re.escape(name)} (\S+)$", body, re.M).group(1))


def _agent_lines(node):
    text = node.log.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if re.match(r"\d{4}-\d\d-\d\dT", line)]


def test_health(lab):
    node = lab.nodes[0]
    assert _http(node, 9099, "/liveness")[0] == 200
    assert _http(node, 9099, "/readiness")[0] == 200
    assert _http(node, 9099, "/metrics")[0] == 404
    assert _http(node, 9099, "/other")[0] == 404
    assert _http(node, 9091, "/liveness")[0] == 404


def test_metrics(lab):
    node = lab.nodes[0]
    for name, value in (('korat_bgp_peers{state="established"}', 2),
                        ("felix_active_local_endpoints", 3), ("felix_cluster_num_hosts", 2),
                        ("korat_ip_pools", 2), ("felix_resync_state", 3),
                        ("korat_datastore_away", 0), ("korat_unwritten_changes", 0),
                        ("korat_reserve_addresses", 16)):
        wait_for(lambda n=name, v=value: _metric(node, n) == v, 10, f"{name} is {value}")
    assert _metric(node, "felix_int_dataplane_failures") == 0
    assert _metric(node, 'korat_cni_requests_total{verb="ADD",result="ok"}') == 3
    assert _metric(node, "process_resident_memory_bytes") > 1 << 20
    assert _metric(node, "process_open_fds") > 5
    assert _metric(node, "felix_calc_graph_updates_processed") > 5
    assert _metric(node, "felix_calc_graph_update_time_seconds_count") > 0
    assert 0 < _metric(node, "felix_int_dataplane_initial_resync_time_seconds") < 20


def test_log_lines_are_well_formed(lab):
    for node in lab.nodes:
        lines = _agent_lines(node)
        assert len(lines) > 5
        assert not [line for line in lines if not LINE.match(line)]
        assert not [line for line in lines if " error " in line[:40]]


SETTINGS = {
    4: {"ipv4/conf/{}/proxy_arp": "1", "ipv4/conf/{}/forwarding": "1",
        "ipv4/conf/{}/route_localnet": "1", "ipv4/neigh/{}/proxy_delay": "0"},
    6: {"ipv6/conf/{}/proxy_ndp": "1", "ipv6/conf/{}/forwarding": "1",
        "ipv6/conf/{}/disable_ipv6": "0", "ipv6/conf/{}/accept_ra": "0"},
}


def test_settings_and_gateways(lab):
    """Those that Calico sets on the node's end of a pod's veth pair, and what they are for."""
    node = lab.nodes[0]
    for pod in lab.pods[:3]:
        def read(key, name=pod.host_interface):
            return pathlib.Path("/proc/sys/net", key.format(name)).read_text(encoding="ascii").strip()

        for family, target, gateway in ((4, node.address, "169.254.1.1"),
                                        (6, node.address6, "fe80::ecee:eeff:feee:eeee")):
            if str(family) not in pod.families:
                continue
            wanted = SETTINGS[family]
            assert {key: node.ns.run(read, key) for key in wanted} == wanted
            pod.ns.ip(f"-{family}", "neigh", "flush", "dev", "eth0")
            assert pod.ns.run(probe.ping, target, 2.0) is not None
            assert f"{gateway} dev eth0 lladdr ee:ee:ee:ee:ee:ee" in pod.ns.ip(f"-{family}", "neigh")


@pytest.mark.parametrize("family, tunnel", TUNNELS.items())
def test_unused_address_of_a_block_ends_here(lab, family, tunnel):
    """A packet to it is dropped where the block is; it does not go back and forth."""
    node, pod = lab.nodes[0], _both(lab)[1]
    block = next(route["dst"] for route in node.routes("type", "blackhole", family=family)
                 if "/" in route["dst"])
    unused = str(ipaddress.ip_network(block)[60])
    taps = [capture.Tap("node", node.ns, tunnel), capture.Tap("node", node.ns, "eth0")]
    try:
        answer, seen = capture.follow_ping(pod, type("Unused", (), {"address": unused}), taps, 0.5)
    finally:
        capture.close(taps)
    assert answer is None
    assert sorted((one.interface, one.outgoing) for one in seen) == \
        [("eth0", False), (tunnel, False)]


def test_node_status(lab):
    for number, classes in enumerate((["Agent", "BGP", "Routes"], ["Routes"])):
        lab.apply({"apiVersion": "projectcalico.org/v3", "kind": "CalicoNodeStatus",
                   "metadata": {"name": f"status{number}"},
                   "spec": {"node": "node1", "classes": classes, "updatePeriodSeconds": 1}})

    def status(number):
        return lab.get("caliconodestatuses", f"status{number}").get("status") or {}

    wait_for(lambda: status(0).get("lastUpdated") and status(1).get("lastUpdated"), 10,
             "the status is filled in")
    full = status(0)
    pod, other = _both(lab)[0], lab.nodes[1]
    for version, peer, target in (("V4", other.address, f"{pod.of_family(4)}/32"),
                                  ("V6", other.address6, f"{pod.of_family(6)}/128")):
        assert full["agent"][f"bird{version}"]["state"] == "Ready"
        assert full["bgp"][f"numberEstablished{version}"] == 1
        assert full["bgp"][f"peers{version}"][0]["peerIP"] == peer
        assert full["bgp"][f"peers{version}"][0]["state"] == "Established"
        routes = {route["destination"]: route for route in full["routes"][f"routes{version}"]}
        assert routes[target]["interface"] == pod.host_interface
    only = status(1)
    assert only["routes"]["routesV4"] and only["routes"]["routesV6"]
    assert "bgp" not in only and "agent" not in only
    first = only["lastUpdated"]
    wait_for(lambda: status(1)["lastUpdated"] != first, 15, "it is filled in again and again")
    for number in range(2):
        lab.ctl("delete", "caliconodestatus", f"status{number}")


def test_configuration_is_taken_over_live(lab):
    node = lab.nodes[0]

    def patch(**spec):
        lab.ctl("patch", "felixconfiguration", "default", "-p", json.dumps({"spec": spec}))

    def tunnels():
        """(port, MTU) of the tunnel devices, which are away for a moment while they are made anew."""
        return {(device, link["linkinfo"]["info_data"]["port"], link["mtu"])
                for one in lab.nodes for device in TUNNELS.values()
                for link in one.links("dev", device) or [{"linkinfo": {"info_data": {"port": 0}},
                                                          "mtu": 0}]}

    patch(vxlanPort=4790, vxlanMTU=1300, vxlanMTUV6=1320)
    wait_for(lambda: tunnels() == {("vxlan.calico", 4790, 1300), ("vxlan-v6.calico", 4790, 1320)}, 10,
             "port and MTU are as patched")
    reach_all(lab, 10)
    for late in one_of_each(lab, node, "late").values():
        assert json.loads(late.ns.ip("-j", "link", "show", "eth0"))[0]["mtu"] == 1300
        lab.drop_pod(late)
    patch(vxlanPort=4789, vxlanMTU=None, vxlanMTUV6=None)
    wait_for(lambda: tunnels() == {("vxlan.calico", 4789, 1450), ("vxlan-v6.calico", 4789, 1430)}, 10,
             "port and MTU are as before")
    reach_all(lab, 10)

    def says():
        """How many lines a pod is worth that comes and goes."""
        before = len(_agent_lines(node))
        lab.drop_pod(lab.pod(node, "said"))
        return len(_agent_lines(node)) - before

    patch(logSeverityScreen="Error")
    wait_for(lambda: not says(), 10, "the agent says nothing of pods")
    patch(logSeverityScreen="Info")
    wait_for(says, 10, "the agent says something of pods")


def _write_raw(lab, kind, name, text):
    """Past every check, as only a broken or hostile writer would."""
    with contextlib.closing(sqlite3.connect(lab.directory / "store.db")) as db:
        with db:
            db.execute("BEGIN IMMEDIATE")
            old = db.execute("SELECT value FROM object WHERE kind = ? AND name = ?",
                             (kind, name)).fetchone()
            revision = db.execute("SELECT revision FROM meta").fetchone()[0] + 1
            db.execute("UPDATE meta SET revision = ?", (revision,))
            assert db.execute("UPDATE object SET value = ?, revision = ? WHERE kind = ? AND name = ?",
                              (text, revision, kind, name)).rowcount == 1
    # As every writer does, tell those who watch the file.
    os.utime(lab.directory / "store.db")
    return old[0]


@pytest.mark.parametrize("kind,name", [
    ("ippools", "default-ipv4-ippool"), ("ippools", "default-ipv6-ippool"), ("nodes", "node2"),
    ("ipamblocks", "10-42-"), ("ipamblocks", "fd42-"), ("felixconfigurations", "default"),
    *(("workloadendpoints", f"node1-k8s-p1--{one}-eth0") for one in ("four", "six", "both"))])
@pytest.mark.parametrize("text", ["not JSON", "{}", '{"kind": "Tier"}'])
def test_bad_object_changes_nothing(lab, kind, name, text):
    if kind == "ipamblocks":
        name = next(item["metadata"]["name"] for item in lab.get(kind)
                    if item["metadata"]["name"].startswith(name))
    before = settled_states(lab)
    said = len(_agent_lines(lab.nodes[0]))
    good = _write_raw(lab, kind, name, text)
    try:
        wait_for(lambda: any(" error " in line and name in line
                             for line in _agent_lines(lab.nodes[0])[said:]), 10,
                 "the bad object is reported by name")
        assert_same(before, kernel_states(lab))
        assert all(node.agent.poll() is None for node in lab.nodes)
    finally:
        _write_raw(lab, kind, name, good)
    reach_all(lab, 10)


def test_agent_starts_beside_a_bad_object(lab):
    """
    An agent that never saw the good version does without it: what runs goes on. New pods wait, since
    nobody can say what addresses the pool has; the answer names it.
    """
    lab.apply(pool("spoilt", "10.45.0.0/16"))
    _write_raw(lab, "ippools", "spoilt", "garbage")
    node = lab.nodes[0]
    try:
        node.kill_agent()
        node.start_agent()
        reach_all(lab, 10)
        assert any(" error " in line and "spoilt" in line for line in _agent_lines(node)[-60:])
        answer = lab.new_pod(node, "beside").try_add()
        assert answer.json["code"] == 11 and "ippools/spoilt" in answer.json["msg"]
        lab.drop_pod(lab.pods[-1])
    finally:
        _write_raw(lab, "ippools", "spoilt", json.dumps(pool("spoilt", "10.45.0.0/16")))
        lab.ctl("delete", "ippool", "spoilt")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_restart_removes_no_route(lab, number):
    node = lab.nodes[0]
    settle(lab)
    before = kernel_state(node)
    with watched_routes(node) as lines:
        node.kill_agent(number)
        if number == signal.SIGTERM:
            assert node.agent.returncode == 0
        assert_same(before, kernel_state(node), "while the agent was away")
        node.start_agent()
        wait_for(lambda: _http(node, 9099, "/readiness")[0] == 200, 10, "the agent is ready")
        time.sleep(1)
    assert not deleted_routes(lines)
    assert_same(before, kernel_state(node), "by a restart of the agent")
    reach_all(lab, 5)


def _bird_pid(node):
    """Once it is written: BIRD makes the file first."""
    path = pathlib.Path(f"{node.bird_socket()}.pid")
    return int(wait_for(lambda: path.exists() and path.read_text(encoding="ascii").strip(), 10,
                        "BIRD's process id is written", 0.01))


def test_dead_bird_is_started_again(lab):
    """Routes stay meanwhile; nothing of the dead one is left."""
    lab.apply(DIRECT_POOL, DIRECT_POOL6)
    node = lab.nodes[0]
    pods = [pod for one in lab.nodes
            for pod in one_of_each(lab, one, "d", pools=["direct"], pools6=["direct6"]).values()]
    reach_all(lab)
    settle(lab)
    for _ in range(2):
        old = _bird_pid(node)
        with watched_routes(node) as lines:
            os.kill(old, signal.SIGKILL)
            assert all(pods[2].ns.run(probe.ping, address) for address in pods[5].addresses)
            wait_for(lambda old=old: _bird_pid(node) != old and
                     bird.sessions(node.bird_socket()), 20, "another BIRD answers")
            wait_for(lambda: meshed(lab), 60, "BGP is meshed again")
            time.sleep(1)
        assert not deleted_routes(lines)
        reach_all(lab, 5)
        assert not pathlib.Path(f"/proc/{old}").exists(), "the dead BIRD is a zombie"
    for one in pods:
        lab.drop_pod(one)
    lab.ctl("delete", "ippool", "direct", "direct6")


def test_death_of_bird_is_noticed_at_once(lab):
    """Also of one that a former agent started."""
    node = lab.nodes[0]
    for _ in range(2):
        wait_for(lambda: meshed(lab), 60, "BGP is meshed")
        time.sleep(1)  # the agent looks every half a second until then
        old = _bird_pid(node)
        os.kill(old, signal.SIGKILL)
        # By looking from time to time it would take five seconds.
        wait_for(lambda old=old: _bird_pid(node) != old and bird.sessions(node.bird_socket()), 4,
                 "another BIRD answers", 0.02)
        node.kill_agent()
        node.start_agent()
    wait_for(lambda: meshed(lab), 60, "BGP is meshed again")


def test_bird_that_ends_again_and_again_is_started_more_and_more_seldom(clean_machine, tmp_path,
                                                                        monkeypatch):
    wrapper, starts = tmp_path / "bird", tmp_path / "starts"
    wrapper.write_text('#!/bin/sh\nfor word; do [ "$word" = -p ] && exec '
                       f'{lab_module.BIRD} "$@"; done\necho x >>{starts}\n'
                       f'[ -e {tmp_path}/broken ] && exit 1\nexec {lab_module.BIRD} "$@"\n',
                       encoding="ascii")
    wrapper.chmod(0o755)
    (tmp_path / "broken").touch()
    monkeypatch.setattr(lab_module, "BIRD", wrapper)
    begin = time.monotonic()
    with dual_cluster(2) as lab:
        wait_for(lambda: starts.exists() and starts.read_text(encoding="ascii").count("x") >= 4, 20,
                 "it is tried again")
        time.sleep(3)
        n_starts = starts.read_text(encoding="ascii").count("x")
        # At 0, at once, and after pauses of 0.5, 1, 2 and 4 seconds and so on; for two nodes.
        assert n_starts <= 2 * (2 + math.log2(1 + (time.monotonic() - begin) / 0.5))
        (tmp_path / "broken").unlink()
        wait_for(lambda: meshed(lab), 40, "BGP is meshed")


def test_bird_gets_what_a_dead_agent_had_only_written(lab):
    """The agent dies between writing BIRD's configuration and telling BIRD."""
    node = lab.nodes[0]
    node.kill_agent()
    config = node.run_dir / "bird.cfg"
    text = config.read_text(encoding="utf-8")
    # What BIRD runs differs from the file, as if it had never been told.
    stale = re.sub(r"(protocol bgp Mesh\S+ .*?)\n}", r"\1\n\tdisabled;\n}", text, flags=re.S)
    assert stale != text
    config.write_text(stale, encoding="utf-8")
    bird.command(node.bird_socket(), "configure")

    def says(word):
        return any(word in line for line in bird.command(node.bird_socket(), "show protocols"))

    wait_for(lambda: not says("Established"), 10, "the sessions are down")
    config.write_text(text, encoding="utf-8")
    node.start_agent()
    wait_for(lambda: says("Established"), 30, "BIRD has the session of the file")
    wait_for(lambda: meshed(lab), 60, "BGP is meshed again")


def test_bird_comes_back_though_the_newest_configuration_is_refused(clean_machine, tmp_path,
                                                                    monkeypatch):
    """Sessions by the last good configuration are better than none."""
    wrapper = tmp_path / "bird"
    wrapper.write_text('#!/bin/sh\nfor word; do [ "$word" = -p ] && [ -e '
                       f'{tmp_path}/refuse ] && {{ echo no; exit 1; }}; done\n'
                       f'exec {lab_module.BIRD} "$@"\n', encoding="ascii")
    wrapper.chmod(0o755)
    monkeypatch.setattr(lab_module, "BIRD", wrapper)
    with dual_cluster(2) as lab:
        node = lab.nodes[0]
        wait_for(lambda: meshed(lab), 40, "BGP is meshed")
        (tmp_path / "refuse").touch()
        lab.apply({"apiVersion": "projectcalico.org/v3", "kind": "BGPPeer",
                   "metadata": {"name": "peer"},
                   "spec": {"peerIP": "192.168.0.77", "asNumber": 64999}})
        wait_for(lambda: "does not run the newest" in node.log_tail(60), 10, "it is refused")
        for restart in (False, True):
            if restart:
                node.kill_agent()
            old = _bird_pid(node)
            os.kill(old, signal.SIGKILL)
            if restart:
                node.start_agent()
            wait_for(lambda old=old: _bird_pid(node) != old and
                     bird.sessions(node.bird_socket()), 20, "another BIRD answers")
            wait_for(lambda: meshed(lab), 60, "BGP is meshed again")
        (tmp_path / "refuse").unlink()
        lab.ctl("delete", "bgppeer", "peer")
        assert "64999" not in (node.run_dir / "bird.cfg").read_text(encoding="utf-8")


def test_endpoints_of_a_node_with_a_longer_name(lab):
    """"node1--x-..." is of node1-x, not of node1."""
    node = lab.nodes[0]
    before = _metric(node, "felix_active_local_endpoints")
    lab.apply({"apiVersion": "projectcalico.org/v3", "kind": "WorkloadEndpoint",
               "metadata": {"name": "node1--x-k8s-p-eth0", "namespace": "default"},
               "spec": {"node": "node1-x", "orchestrator": "k8s", "pod": "p", "endpoint": "eth0",
                        "containerID": "c", "interfaceName": "cali0123456789a",
                        "ipNetworks": ["10.42.99.1/32"]}})
    time.sleep(0.5)
    assert _metric(node, "felix_active_local_endpoints") == before
    assert "cali0123456789a" not in node.log.read_text(encoding="utf-8")
    lab.ctl("delete", "workloadendpoint", "node1--x-k8s-p-eth0", "-n", "default")


def test_pool_goes_and_comes_under_running_pods(lab):
    """On one node the pods of a deleted pool go on; with the pool again all do."""
    pools = [pool("other", "10.46.0.0/16", "Always"), pool("other6", "fd46::/112", "Always")]
    lab.apply(*pools)
    ours = list(lab.pods)
    first, second, third = (one_of_each(lab, node, name, pools=["other"], pools6=["other6"])
                            for node, name in ((lab.nodes[0], "o"), (lab.nodes[0], "q"),
                                               (lab.nodes[1], "o")))
    source, target = first["both"], third["both"]

    def ways():
        return {family: way(source, target, family) for family in TUNNELS}

    def set_mode(mode):
        for one in pools:
            lab.ctl("patch", "ippool", one["metadata"]["name"], "-p",
                    f'{{"spec": {{"vxlanMode": "{mode}"}}}}')

    reach_all(lab)
    lab.ctl("delete", "ippool", "other", "other6")
    time.sleep(1)
    assert not silent_pairs([*first.values(), *second.values()])
    assert not silent_pairs(ours)
    lab.apply(*pools)
    reach_all(lab)
    assert ways() == TUNNELS
    set_mode("Never")
    wait_for(lambda: set(ways().values()) == {"eth0"}, 30, "the way is eth0")
    reach_all(lab)
    set_mode("Always")
    wait_for(lambda: ways() == TUNNELS, 30, "the way is the tunnel's")
    reach_all(lab)
    for pod in [*first.values(), *second.values(), *third.values()]:
        lab.drop_pod(pod)
    lab.ctl("delete", "ippool", "other", "other6")


def test_default_pools_by_environment(clean_machine):
    with prepared(1, CALICO_IPV4POOL_CIDR="10.48.0.0/20", CALICO_IPV4POOL_BLOCK_SIZE="28",
                  CALICO_IPV4POOL_VXLAN="CrossSubnet", CALICO_IPV4POOL_NAT_OUTGOING="false",
                  CALICO_IPV6POOL_CIDR="fd48::/112") as lab:
        pools = pools_of(lab)
        four, six = pools["default-ipv4-ippool"], pools["default-ipv6-ippool"]
        assert (four["cidr"], four["blockSize"], four["vxlanMode"], four["ipipMode"]) == \
            ("10.48.0.0/20", 28, "CrossSubnet", "Never")
        assert not four.get("natOutgoing") and four["nodeSelector"] == "all()"
        assert (six["cidr"], six["blockSize"]) == ("fd48::/112", 122)
        # They are made once: what a person changed or took away stays so.
        lab.ctl("patch", "ippool", "default-ipv4-ippool", "-p", '{"spec": {"natOutgoing": true}}')
        lab.nodes[0].kill_agent()
        lab.nodes[0].start_agent()
        assert pools_of(lab)["default-ipv4-ippool"]["natOutgoing"]


def test_no_default_pools(clean_machine):
    with prepared(1, NO_DEFAULT_POOLS="true") as lab:
        assert not pools_of(lab)
        answer = lab.new_pod(lab.nodes[0], "poolless").try_add()
        assert answer.code == 1
        assert "IPPool" in answer.json["msg"] and "add one" in answer.json["msg"]


def test_address_of_another_node_is_refused(clean_machine):
    """Two nodes by one address would take each other's packets: the second does not start."""
    with dual_cluster(2) as lab:
        node = lab.nodes[1]
        node.kill_agent()
        lab.ctl("delete", "node", "node2")
        for taken in ({"IP": lab.nodes[0].address}, {"IP6": lab.nodes[0].address6}):
            size = node.log.stat().st_size
            node.start_agent(wait=False, **taken)
            wait_for(lambda was=size: b"already node node1's" in node.log.read_bytes()[was:], 10,
                     f"the collision is reported: {taken}")
            assert node.agent.poll() is None
            assert not [item for item in lab.get("nodes") if item["metadata"]["name"] == "node2"]
            node.kill_agent(signal.SIGTERM)
            assert node.agent.returncode is not None


def test_help_and_bad_arguments():
    from lab import KORAT
    done = subprocess.run([KORAT, "agent", "--no-such"], capture_output=True, text=True)
    assert done.returncode == 1 and "--no-such" in done.stderr and "--help" in done.stderr
    done = subprocess.run([KORAT, "agent", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--state-dir" in done.stdout
