# SPDX-License-Identifier: Apache-2.0
"""get and its forms, help, completion, version, node status, misuse."""

import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import subprocess
import time

import pytest
from conftest import KORAT

POOLS = """
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: one, labels: {env: prod, tier: a}}
spec: {cidr: 10.1.0.0/16, ipipMode: Always, natOutgoing: true}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: two, labels: {env: test}}
spec: {cidr: 10.2.0.0/16}
"""


@pytest.fixture
def pools(ctl):
    ctl.good("create", "-f", "-", stdin=POOLS)
    return ctl


def test_table(pools):
    assert pools.good("get", "ippools").out == (
        "NAME   CIDR          SELECTOR   \n"
        "one    10.1.0.0/16   all()      \n"
        "two    10.2.0.0/16   all()      \n\n")
    assert pools.good("get", "IPPool", "two", "-ops").lines() == [
        "NAME   CIDR          SELECTOR", "two    10.2.0.0/16   all()"]
    assert pools.good("get", "pool", "-o", "wide").lines()[0].split() == [
        "NAME", "CIDR", "NAT", "IPIPMODE", "VXLANMODE", "DISABLED", "DISABLEBGPEXPORT",
        "SELECTOR", "ASSIGNMENTMODE"]
    assert pools.good("get", "node").lines()[0].split()[0] == "NAME"


def test_yaml_and_json_agree(pools):
    as_yaml = pools.good("get", "ippool", "-o", "yaml").yaml()
    as_json = json.loads(pools.good("get", "ippool", "-o", "json").out)
    assert as_yaml == as_json
    assert as_yaml["kind"] == "IPPoolList"
    assert as_yaml["apiVersion"] == "projectcalico.org/v3"
    assert [item["metadata"]["name"] for item in as_yaml["items"]] == ["one", "two"]

    one = pools.good("get", "ippool", "one", "-o", "yaml").yaml()
    assert one == as_yaml["items"][0]
    assert json.loads(pools.good("get", "ippool", "one", "-ojson").out) == one
    assert json.loads(pools.good("get", "ippool", "one", "two", "-ojson").out) == as_yaml["items"]
    assert pools.good("get", "ippool", "one", "two", "-oyaml").yaml() == as_yaml["items"]

    empty = pools.good("get", "hostendpoint", "-o", "yaml").yaml()
    assert empty["items"] == [] and empty["kind"] == "HostEndpointList"
    assert json.loads(pools.good("get", "hep", "-o", "json").out)["items"] == []


def test_export(pools):
    one = pools.good("get", "ippool", "one", "-o", "yaml", "--export").yaml()
    assert sorted(one["metadata"]) == ["labels", "name"]


def test_custom_columns(pools):
    said = pools.good("get", "ippool", "-o", "custom-columns=NAME,USES:.spec.allowedUses,"
                      "ENV:.metadata.labels.env,NONE:.spec.none")
    assert said.lines() == [
        "NAME   USES              ENV    NONE",
        "one    Workload,Tunnel   prod",
        "two    Workload,Tunnel   test"]
    assert 'has no column "FROB"' in pools.bad("get", "ippool", "-ocustom-columns=FROB").err
    assert "unrecognized output format" in pools.bad("get", "ippool", "-o", "frob").err


@pytest.mark.parametrize("selector, names", [
    ("env=prod", "one"), ("env == test", "two"), ("env!=prod", "two"), ("tier", "one"),
    ("!tier", "two"), ("env in (prod, test)", "one two"), ("env notin (prod)", "two"),
    ("env in (prod),tier=a", "one"), ("env=prod,!tier", ""), ("frob!=x", "one two"),
])
def test_selectors(pools, selector, names):
    said = pools.good("get", "ippool", "-l", selector, "-o", "name").out
    assert said.split() == [f"ippool/{name}" for name in names.split()]


@pytest.mark.parametrize("selector", ["", "=", "a=b=c", "a in b", "a in (b", "a,,b", "a b", "(a)"])
def test_bad_selectors(pools, selector):
    assert "selector" in pools.bad("get", "ippool", "-l", selector).err


def test_missing_is_told_after_what_is_there(pools):
    said = pools.bad("get", "ippool", "one", "three")
    assert "one" in said.out
    assert said.err == "resource does not exist: IPPool(three)\n"


def test_control_characters_do_not_reach_the_terminal(ctl):
    ctl.good("create", "-f", "-", stdin=POOLS)
    ctl.good("patch", "ippool", "one", "-p",
             '{"metadata":{"annotations":{"a":"\\u001b[31mred"}}}')
    for form in ("custom-columns=A:.metadata.annotations.a", "yaml", "json"):
        assert "\x1b" not in ctl.good("get", "ippool", "one", "-o", form).out


@pytest.mark.parametrize("words, message", [
    (["get", "ippol"], 'no such kind "ippol"; did you mean "ippool"? See koratctl help kinds'),
    (["get", "qqqqq"], 'no such kind "qqqqq"; see koratctl help kinds'),
    (["gte", "ippool"], 'no such command "gte"; did you mean "get"?'),
    (["ipam", "frob"], '"ipam frob" is no command'),
    (["get"], "give either -f FILE or KIND NAME"),
    (["get", "ippool", "--frob"], "no such flag --frob; see koratctl help get"),
    (["get", "ippool", "-o"], "--output needs a value"),
    (["get", "ippool", "-A=1"], "takes no value"),
    (["get", "ippool", "-o", "yaml", "-o", "json"], "--output is given twice"),
    (["patch", "ippool"], "usage: koratctl patch KIND NAME -p PATCH"),
    (["version", "x"], "usage: koratctl version"),
    (["get", "ippool", "-f", "x"], "give either -f FILE or KIND NAME"),
    (["get", "foo"], 'no such kind "foo"; see koratctl help kinds'),
    (["get", "nod"], 'did you mean "node"?'),
    (["get", "glbalnetworkpolciy"], 'did you mean "globalnetworkpolicy"?'),
    (["get", "ippool", "--context", "x"], "--context is for a Kubernetes datastore"),
    (["get", "ippool", "--log-level", "x"], 'no such log level "x"; expected panic'),
    (["help", "frob"], "neither a command nor a kind"),
    ([], "no command"),
])
def test_misuse(ctl, words, message):
    assert message in ctl.bad(*words).err


def test_no_datastore(ctl):
    ctl.environment["KORAT_SQLITE_FILE"] = "/nonexistent/korat.db"
    assert "/nonexistent" in ctl.bad("get", "ippool").err
    ctl.environment["DATASTORE_TYPE"] = "frob"
    assert "frob" in ctl.bad("get", "ippool").err


@pytest.mark.parametrize("words", [
    ["get", "ippool"], ["ipam", "show"], ["ipam", "check"], ["ipam", "why", "10.0.0.1"],
    ["version"], ["delete", "ippool", "one"], ["patch", "ippool", "one", "-p", "{}"],
    ["ipam", "configure", "--strictaffinity=true"],
])
def test_looking_makes_no_datastore(ctl, words):
    said = ctl.bad(*words).err
    assert f"datastore {ctl.database} is not there; set KORAT_SQLITE_FILE" in said
    assert not ctl.database.exists()


def test_help(ctl):
    overview = ctl.good("help").out
    for verb in ("create", "apply", "replace", "patch", "delete", "get", "ipam show",
                 "node status", "version", "label", "validate", "completion"):
        assert f"  {verb} " in overview
        assert ctl.good("help", *verb.split()).out.startswith(f"Usage: koratctl {verb}")
        assert ctl.good(*verb.split(), "--help").out.startswith(f"Usage: koratctl {verb}")
    assert ctl.good("--help").out == overview
    assert "GlobalNetworkPolicy" in ctl.good("help", "kinds").out
    assert "`spec.cidr`" in ctl.good("help", "ippool").out


def test_called_by_other_names(ctl, tmp_path):
    for name in ("koratctl", "calicoctl"):
        link = tmp_path / name
        link.symlink_to(KORAT)
        done = subprocess.run([link, "version", "--client"], capture_output=True, text=True,
                              check=True)
        assert done.stdout.startswith("Client Version:    ")


def test_version(ctl):
    assert ctl.good("version", "--client").lines()[0].split()[:2] == ["Client", "Version:"]
    assert "Unable to retrieve Cluster Version or Type" in ctl.bad("version").err
    ctl.good("create", "-f", "-", stdin="""
apiVersion: projectcalico.org/v3
kind: ClusterInformation
metadata: {name: default}
spec: {calicoVersion: v3.30.0, clusterType: "k8s,bgp"}
""")
    assert ctl.good("version").lines()[1:] == [
        "Cluster Version:   v3.30.0", "Cluster Type:      k8s,bgp"]


@pytest.fixture
def shell(ctl, tmp_path):
    """An interactive bash with completion: shell("koratctl cr") is the line after a tab."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "koratctl").symlink_to(KORAT)
    script = ctl.file("complete", ctl.good("completion", "bash").out)
    rc = ctl.file("bashrc", f"""
PS1='$ '
bind 'set enable-bracketed-paste off' 'set bell-style none' 2>/dev/null
source {script}
_line() {{ printf '<%s>\\n' "$READLINE_LINE"; }}
bind -x '"\\C-g":_line'
""")
    environment = {**ctl.environment, "TERM": "dumb", "HOME": str(tmp_path),
                   "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    master, slave = pty.openpty()
    with subprocess.Popen(["bash", "--rcfile", rc, "-i"], stdin=slave, stdout=slave, stderr=slave,
                          env=environment, cwd=tmp_path, start_new_session=True) as bash:
        os.close(slave)

        def complete(line):
            os.write(master, b"\x15" + line.encode() + b"\t\x07")
            said = ""
            deadline = time.monotonic() + 10
            while not (found := re.search(r"<(.*)>\r\n", said)):
                wait = deadline - time.monotonic()
                assert wait > 0 and select.select([master], [], [], wait)[0], said
                said += os.read(master, 4096).decode()
            return found[1]

        yield complete
        bash.kill()
        os.close(master)


@pytest.mark.parametrize("line, after", [
    ("cre", "create "),
    ("ipam con", "ipam configure "),
    ("ipam show --ip 10.0.0.1 --show-bo", "ipam show --ip 10.0.0.1 --show-borrowed "),
    ("get ipp", "get ippool "),
    ("-l de", "-l debug "),
    ("get ippool tw", "get ippool two "),
    ("-c none get ippool tw", "-c none get ippool tw"),
    ("get -n default networkp", "get -n default networkpolicy "),
    ("delete ippool one tw", "delete ippool one two "),
    ("get ippool --exp", "get ippool --export "),
    ("get ippool -o ya", "get ippool -o yaml "),
    ("get ippool -o cus", "get ippool -o custom-columns="),
    ("get ippool --output=ya", "get ippool --output=yaml "),
    ("ipam check -o rep", "ipam check -o report.json "),
    ("apply -f rep", "apply -f report.json "),
    ("ipam configure --strictaffinity=t", "ipam configure --strictaffinity=true "),
    ("completion z", "completion zsh "),
    ("help conf", "help config "),
    ("get ippool --mark", "get ippool --mark"),
])
def test_completion(pools, shell, line, after):
    pools.file("report.json", "{}")
    assert shell(f"koratctl {line}") == f"koratctl {after}"


def test_completion_of_shells(ctl):
    assert ctl.good("completion", "zsh").out.startswith("#compdef koratctl")
    assert "fish" in ctl.bad("completion", "fish").err


BIRD = pathlib.Path("/usr/sbin/bird")


def test_node_status_without_bird(ctl):
    said = ctl.bad("node", "status", "--socket", ctl.directory / "none.ctl")
    assert said.err.startswith("The BGP backend process (BIRD) is not running")
    assert "none.ctl" in said.err and "KORAT_RUN_DIR" in said.err
    ctl.environment["KORAT_RUN_DIR"] = str(ctl.directory)
    assert f"{ctl.directory}/bird.ctl" in ctl.bad("node", "status").err


@pytest.mark.skipif(not BIRD.exists(), reason="needs BIRD")
def test_node_status(ctl):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = ctl.file("bird.conf", f"""
router id 192.0.2.1;
protocol device {{}}
protocol bgp Mesh_192_0_2_2 {{ local 127.0.0.1 port {port} as 1; neighbor 192.0.2.2 as 1; multihop;
                              passive; ipv4; }}
protocol bgp Node_192_0_2_3 {{ disabled; local 127.0.0.1 port {port} as 1;
                              neighbor 192.0.2.3 as 1; multihop; ipv4; }}
""")
    path = ctl.directory / "bird.ctl"
    with subprocess.Popen(
            [BIRD, "-f", "-c", config, "-s", path, "-P", ctl.directory / "pid"],
            stderr=subprocess.DEVNULL) as bird:
        try:
            deadline = time.monotonic() + 10
            while ctl("node", "status", "--socket", path).code and time.monotonic() < deadline:
                time.sleep(0.05)
            said = ctl.good("node", "status", "--socket", path)
        finally:
            os.kill(bird.pid, signal.SIGTERM)
    lines = said.out.splitlines()
    assert lines[:3] == ["Calico process is running.", "", "IPv4 BGP status"]
    assert [cell.strip() for cell in lines[4].split("|")[1:-1]] == [
        "PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO"]
    assert "| 192.0.2.2    | node-to-node mesh | start " in lines[6]
    assert "| 192.0.2.3    | node specific     | down  " in lines[7]
    assert len({len(line) for line in lines[3:9]}) == 1
    assert lines[-2:] == ["No IPv6 peers found.", ""]


def test_every_command_has_an_example(ctl):
    said = ctl.good("help", "--markdown").out
    for verb in ("create", "get", "ipam show", "completion", "help"):
        assert f"\n## {verb}\n" in said
        assert "\nExamples:\n  " in ctl.good("help", *verb.split()).out
    assert "--markdown" not in said
