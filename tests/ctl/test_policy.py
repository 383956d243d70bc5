# SPDX-License-Identifier: Apache-2.0
"""policy explain and policy impact, on files and on a datastore."""

import json

import pytest

CLUSTER = """apiVersion: projectcalico.org/v3
kind: Profile
metadata: {name: kns.shop}
spec:
  labelsToApply: {pcns.team: red}
  ingress: [{action: Allow}]
  egress: [{action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {namespace: shop, name: node1-k8s-web-eth0, labels: {app: web}}
spec: {orchestrator: k8s, node: node1, pod: web, endpoint: eth0, ipNetworks: [10.1.0.1/32],
  profiles: [kns.shop]}
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {namespace: shop, name: node2-k8s-db-eth0, labels: {app: db}}
spec: {orchestrator: k8s, node: node2, pod: db, endpoint: eth0,
  ipNetworks: [10.2.0.1/32, "fd00::1/128"], profiles: [kns.shop],
  ports: [{name: sql, protocol: TCP, port: 5432}]}
"""

POLICY = """apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  selector: app == 'db'
  ingress:
  - action: Allow
    protocol: TCP
    source:
      selector: app == 'api'
    destination:
      ports: [sql]
  - action: Allow
    protocol: UDP
"""

QUESTION = "pod/shop/web -> pod/shop/db:tcp/sql"


@pytest.fixture
def files(tmp_path):
    """The cluster in one file, a policy in another."""
    directory = tmp_path / "cluster"
    directory.mkdir()
    (directory / "cluster.yaml").write_text(CLUSTER)
    (directory / "policy.yaml").write_text(POLICY)
    return directory


def explain(ctl, files, *words):
    return ctl("policy", "explain", *words, "--from", files)


def test_allowed_and_denied_differ_in_the_exit_code(ctl, files):
    denied = explain(ctl, files, QUESTION)
    assert (denied.code, denied.err) == (2, "")
    allowed = explain(ctl, files, "pod/shop/web -> pod/shop/db:udp/53")
    assert (allowed.code, allowed.err) == (0, "")
    assert allowed.lines()[-1] == "Allowed"


def test_says_which_term_of_which_rule_on_which_line(ctl, files):
    out = explain(ctl, files, QUESTION).out
    policy = f"{files}/policy.yaml"
    assert f'NetworkPolicy shop/db ({policy}:1): applies: selector: app == "db"' in out
    assert (f'ingress rule 1 ({policy}:7): no match: source pod/shop/web: '
            'selector: app == "api" (it is "web")') in out
    assert f"ingress rule 2 ({policy}:13): no match: protocol UDP: the packet is TCP" in out
    assert out.splitlines()[-1] == (
        "Denied: end of tier default: NetworkPolicy shop/db applies, and no ingress rule of this "
        "tier matches")


def test_two_words_and_one_ask_the_same(ctl, files):
    one = explain(ctl, files, QUESTION)
    two = explain(ctl, files, "pod/shop/web", "pod/shop/db:tcp/5432")
    assert (one.code, one.out) == (two.code, two.out)


def test_addresses_are_who_has_them(ctl, files):
    named = explain(ctl, files, QUESTION)
    assert explain(ctl, files, "10.1.0.1", "ip/10.2.0.1:tcp/5432").out == named.out
    outside = explain(ctl, files, "ip/2001:db8::1 -> ip/fd00::1:udp/53")
    assert outside.code == 0
    assert outside.lines()[0] == (
        "outside (2001:db8::1) -> pod/shop/db (fd00::1 on node2), UDP port 53")


def test_json_says_the_same(ctl, files):
    result = explain(ctl, files, QUESTION, "-o", "json")
    assert result.code == 2
    answer = json.loads(result.out)
    assert answer["verdict"] == "denied"
    assert answer["to"] == {"asked": "pod/shop/db", "address": "10.2.0.1",
                            "endpoint": "pod/shop/db", "node": "node2"}
    egress, ingress = answer["stations"]
    assert (egress["direction"], egress["verdict"]) == ("egress", "allowed")
    assert egress["by"] == {"kind": "Profile", "name": "kns.shop", "rule": 1,
                            "source": f"{files}/cluster.yaml:7"}
    assert (ingress["direction"], ingress["verdict"]) == ("ingress", "denied")
    (policy,) = ingress["tiers"][0]["policies"]
    assert (policy["kind"], policy["name"], policy["applies"]) == ("NetworkPolicy", "db", True)
    assert [rule["matched"] for rule in policy["rules"]] == [False, False]


def test_the_datastore_is_asked_without_files(ctl, files):
    for path in sorted(files.iterdir()):
        ctl.good("create", "-f", path)
    stored = ctl("policy", "explain", QUESTION)
    assert (stored.code, stored.err) == (2, "")
    assert 'NetworkPolicy shop/db: applies: selector: app == "db"' in stored.out
    ctl.good("delete", "networkpolicy", "db", "-n", "shop")
    assert ctl("policy", "explain", QUESTION).code == 0


@pytest.mark.parametrize("words, said", [
    (["pod/shop/we -> pod/shop/db:tcp/1"], "pod/shop/we: no such pod; there are: web, db"),
    (["pod/sop/web -> pod/shop/db:tcp/1"],
     "pod/sop/web: no pod of namespace sop; in all there are: shop/web, shop/db"),
    (["pod/shop/web -> hep/x:tcp/1"], "hep/x: no such host endpoint; there are: none"),
    (["pod/shop/web -> pod/shop/db:tcp/http"],
     '"http" is neither a port (1 to 65535) nor the name of one; named TCP ports there are: sql'),
    (["pod/shop/web -> pod/shop/db:tcp"], "tcp: a port is missing, as in tcp/443"),
    (["pod/shop/web -> pod/shop/db"],
     "pod/shop/db: what is spoken is missing, as in pod/shop/db:tcp/443"),
    (["pod/shop/web", "fd00::1"], "fd00::1: what is spoken is missing, as in fd00::1:tcp/443"),
    (["pod/shop/web -> ip/fd00::1:tcp/1"],
     "pod/shop/web and ip/fd00::1 have no IP version in common"),
    (["web -> db:tcp/1"], '"web" is no end of a connection'),
    (["pod/shop/web"], "expected 'FROM -> TO:PROTOCOL/PORT' in quotes"),
])
def test_what_can_not_be_answered_says_what_can(ctl, files, words, said):
    result = explain(ctl, files, *words)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(said)


def test_files_must_be_valid(ctl, files):
    (files / "policy.yaml").write_text(POLICY.replace("app == 'db'", "app =="))
    result = explain(ctl, files, QUESTION)
    assert result.code == 1
    assert "policy.yaml: NetworkPolicy/shop/db: spec.selector" in result.err


def test_policies_that_do_not_apply_are_counted(ctl, files):
    for number in range(15):
        (files / f"other-{number}.yaml").write_text(
            POLICY.replace("name: db", f"name: other-{number}").replace("'db'", "'none'"))
    short = explain(ctl, files, QUESTION).out
    assert "5 more do not apply; --all lists them" in short
    full = explain(ctl, files, QUESTION, "--all").out
    assert "more do not apply" not in full
    assert full.count("does not apply") > short.count("does not apply")
