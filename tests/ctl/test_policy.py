# SPDX-License-Identifier: Apache-2.0
"""policy explain and policy impact, on files and on a datastore."""

import json
import re

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
            f'selector: app == "api" (it is "web") ({policy}:10)') in out
    assert (f"ingress rule 2 ({policy}:13): no match: protocol UDP: the packet is TCP "
            f"({policy}:14)") in out
    assert out.splitlines()[-1] == (
        "Denied: end of tier default: NetworkPolicy shop/db applies, and no ingress rule of this "
        f'tier matches: selector: app == "db" ({policy}:5)')


def test_no_line_for_what_is_not_written(ctl, files):
    (files / "policy.yaml").write_text(POLICY.replace("  selector: app == 'db'\n", ""))
    out = explain(ctl, files, QUESTION).out
    assert f"NetworkPolicy shop/db ({files}/policy.yaml:1): applies: selector: all()\n" in out
    assert "does not apply: it has no type Egress\n" in out


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


HOST = """apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node2}
spec: {bgp: {ipv4Address: 192.168.0.2/24}}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: node2-eth0}
spec: {node: node2, interfaceName: eth0, expectedIPs: [192.168.0.2],
  ports: [{name: ssh, protocol: TCP, port: 22}]}
"""


def test_ports_of_nodes_have_names_and_addresses_brackets(ctl, files):
    (files / "host.yaml").write_text(HOST)
    by_name = explain(ctl, files, "pod/shop/web -> node/node2:tcp/ssh")
    assert (by_name.code, by_name.err) == (0, "")  # a failsafe port
    assert "node/node2 (192.168.0.2 on node2), TCP port 22" in by_name.lines()[0]
    assert "named TCP ports there are: ssh" in explain(
        ctl, files, "pod/shop/web -> node/node2:tcp/http").err
    plain = explain(ctl, files, "2001:db8::1 -> fd00::1:udp/53")
    for words in (["[2001:db8::1] -> [fd00::1]:udp/53"], ["ip/[2001:db8::1]", "ip/[fd00::1]:udp/53"]):
        assert explain(ctl, files, *words).out == plain.out
    assert "[fd00::1]: what is spoken is missing" in explain(ctl, files, "fd00::2", "[fd00::1]").err


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
                            "source": f"{files}/cluster.yaml:7", "why": "it has no conditions"}
    assert ingress["atEndOfTier"]["fields"] == [{
        "field": "spec.selector", "source": f"{files}/policy.yaml:5",
        "why": 'selector: app == "db"'}]
    assert (ingress["direction"], ingress["verdict"]) == ("ingress", "denied")
    (policy,) = ingress["tiers"][0]["policies"]
    assert (policy["kind"], policy["name"], policy["applies"]) == ("NetworkPolicy", "db", True)
    assert [rule["matched"] for rule in policy["rules"]] == [False, False]
    assert policy["rules"][0]["fields"] == [{
        "field": "spec.ingress[0].source.selector", "source": f"{files}/policy.yaml:10",
        "why": 'source pod/shop/web: selector: app == "api" (it is "web")'}]
    assert "withStagedPoliciesEnforced" not in answer


def test_the_datastore_is_asked_without_files(ctl, files):
    for path in sorted(files.iterdir()):
        ctl.good("create", "-f", path)
    stored = ctl("policy", "explain", QUESTION)
    assert (stored.code, stored.err) == (2, "")
    assert 'NetworkPolicy shop/db: applies: selector: app == "db" (spec.selector)' in stored.out
    assert ('ingress rule 1: no match: source pod/shop/web: selector: app == "api" (it is "web") '
            "(spec.ingress[0].source.selector)") in stored.out
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
    assert "policy.yaml:5: NetworkPolicy/shop/db: spec.selector" in result.err


def test_policies_that_do_not_apply_are_counted(ctl, files):
    for number in range(15):
        (files / f"other-{number}.yaml").write_text(
            POLICY.replace("name: db", f"name: other-{number}").replace("'db'", "'none'"))
    short = explain(ctl, files, QUESTION).out
    assert "5 more do not apply; --all lists them" in short
    full = explain(ctl, files, QUESTION, "--all").out
    assert "more do not apply" not in full
    assert full.count("does not apply") > short.count("does not apply")


def test_policies_of_other_namespaces_go_without_saying(ctl, files):
    (files / "elsewhere.yaml").write_text(POLICY.replace("namespace: shop", "namespace: bank"))
    assert "bank/db" not in explain(ctl, files, QUESTION).out
    assert "NetworkPolicy bank/db" in explain(ctl, files, QUESTION, "--all").out


# --- staged policies ----------------------------------------------------------------------------

STAGED = POLICY.replace("NetworkPolicy", "StagedNetworkPolicy")


def test_staged_policies_say_what_they_would_do(ctl, files):
    """Of the name of an enforced one, so that it stands behind the one that decides."""
    (files / "policy.yaml").write_text(POLICY.replace("'api'", "'web'"))
    (files / "staged.yaml").write_text(STAGED)
    result = explain(ctl, files, QUESTION)
    assert result.code == 0
    now, then = result.out.split("\nAllowed\n")
    assert "Staged" not in now.split("2. ingress of")[1]
    assert then.startswith("\nWith the staged policies enforced: Denied\n")
    assert ("2. ingress of pod/shop/db: denied: end of tier default: StagedNetworkPolicy shop/db "
            "applies, and no ingress rule of this tier matches: selector: app == \"db\" "
            f"({files}/staged.yaml:5)") in then
    assert (f"NetworkPolicy shop/db is replaced by StagedNetworkPolicy shop/db "
            f"({files}/staged.yaml:1): applies, and decides") in then
    answer = json.loads(explain(ctl, files, QUESTION, "-o", "json").out)
    assert answer["verdict"] == "allowed"
    then = answer["withStagedPoliciesEnforced"]
    assert then["verdict"] == "denied"
    egress, ingress = then["stations"]
    assert egress["staged"] == []
    assert ingress["staged"] == [{
        "kind": "StagedNetworkPolicy", "namespace": "shop", "name": "db",
        "source": f"{files}/staged.yaml:1", "applies": True, "reached": True,
        "replaces": {"kind": "NetworkPolicy", "namespace": "shop", "name": "db",
                     "source": f"{files}/policy.yaml:1"}}]
    assert ingress["atEndOfTier"]["kind"] == "StagedNetworkPolicy"


def test_staged_policies_behind_the_deciding_one_are_mentioned(ctl, files):
    (files / "staged.yaml").write_text("""apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: late}
spec: {order: 9, selector: app == 'db', ingress: [{action: Deny}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: early}
spec: {order: 1, selector: app == 'db', ingress: [{action: Allow}]}
""")
    result = explain(ctl, files, QUESTION)
    assert result.code == 0
    assert "With the staged policies enforced: Allowed, as now" in result.out
    assert (f"StagedGlobalNetworkPolicy late ({files}/staged.yaml:1): applies, but is not reached"
            in result.out)
    # Where none has a say, none is spoken of.
    assert "With the staged" not in explain(ctl, files, "pod/shop/web -> ip/192.0.2.1:tcp/80").out


def test_staged_kubernetes_policy_and_deletion(ctl, files):
    (files / "staged.yaml").write_text("""apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: db, namespace: shop}
spec: {stagedAction: Delete}
---
apiVersion: projectcalico.org/v3
kind: StagedKubernetesNetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}
""")
    result = explain(ctl, files, QUESTION)
    assert result.code == 2
    assert "With the staged policies enforced: Denied, as now" in result.out
    assert "1. egress of pod/shop/web: denied: end of tier default: " \
        "StagedKubernetesNetworkPolicy shop/web applies" in result.out
    assert "2. ingress of pod/shop/db: allowed: profile kns.shop" in result.out
    assert f"NetworkPolicy shop/db goes by StagedNetworkPolicy shop/db ({files}/staged.yaml:1)" \
        in result.out


# --- hosts --------------------------------------------------------------------------------------

def test_the_agents_environment_is_assumed_and_can_be_said(ctl, files):
    (files / "host.yaml").write_text(HOST)
    question = "pod/shop/db -> node/node2:tcp/99"
    assumed = explain(ctl, files, question)
    assert assumed.code == 2
    assert "defaultEndpointToHostAction is Drop (the built-in default)" in assumed.out
    assert "assumed: the environment of the agent on node2 has no " \
        "FELIX_DEFAULTENDPOINTTOHOSTACTION" in assumed.out
    (station,) = json.loads(explain(ctl, files, question, "-o", "json").out)["stations"][1:]
    assert "FELIX_DEFAULTENDPOINTTOHOSTACTION" in station["assumed"]
    said = explain(ctl, files, question, "--default-endpoint-to-host-action", "ACCEPT")
    assert said.code == 0
    assert "assumed" not in said.out
    assert "Drop, Accept and Return" in explain(
        ctl, files, question, "--default-endpoint-to-host-action", "yes").err
    # Not spoken of where it decides nothing.
    assert "assumed" not in explain(ctl, files, QUESTION).out


def test_an_unknown_interface_is_noted_only_where_it_decides(ctl, files):
    host = HOST.replace(", expectedIPs: [192.168.0.2]", ", profiles: [projectcalico-default-allow]")
    (files / "host.yaml").write_text(host)
    question = "ip/192.0.2.1 -> node/node2:tcp/99"
    allowed = explain(ctl, files, question)
    assert (allowed.code, "depends" in allowed.out) == (0, False)
    (files / "host.yaml").write_text(host.replace("projectcalico-default-allow", "none"))
    denied = explain(ctl, files, question)
    assert denied.code == 2
    assert "the answer depends on the interface of node node2, which is not known: " \
        "hep/node2-eth0 is taken" in denied.out
    assert "depends" not in explain(ctl, files, "ip/192.0.2.1 -> hep/node2-eth0:tcp/99").out
    assert "depends" not in explain(ctl, files, "ip/192.0.2.1 -> node/node2:tcp/22").out


# --- impact -------------------------------------------------------------------------------------

NEW = """apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  selector: app == 'db'
  ingress:
  - action: Allow
    protocol: TCP
    source:
      selector: app == 'web'
    destination:
      ports: [sql, "100:200"]
  - action: Deny
    protocol: UDP
    destination:
      ports: [53]
  - action: Allow
    protocol: UDP
    destination:
      notPorts: ["1000:2000"]
"""


def impact(ctl, files, new, *words):
    return ctl.good("policy", "impact", "-f", "-", "--from", files, *words, stdin=new)


def test_what_is_there_already_changes_nothing(ctl, files):
    out = impact(ctl, files, POLICY).out
    assert out == ("0 objects new or changed: 0 connections would be denied, 0 allowed, "
                   "of 0 tried\n")


def test_impact_names_ports_and_reasons(ctl, files):
    out = impact(ctl, files, NEW).out
    assert "allow  pod/shop/web -> pod/shop/db: TCP 100-200, TCP 5432 (IPv4)" in out
    assert "deny   pod/shop/web -> pod/shop/db: UDP 53, UDP 1000-2000 (IPv4)" in out
    assert ("from then on: ingress of pod/shop/db: tier default: NetworkPolicy shop/db, ingress "
            "rule 2: Deny") in out
    assert "1 objects new or changed" in out


def test_impact_writes_nothing(ctl, files):
    for path in sorted(files.iterdir()):
        ctl.good("create", "-f", path)
    before = ctl.good("get", "networkpolicy", "-A", "-o", "yaml").out
    result = ctl.good("policy", "impact", "-f", "-", stdin=NEW)
    assert "allow  pod/shop/web -> pod/shop/db: TCP 100-200, TCP 5432 (IPv4)" in result.out
    assert ctl.good("get", "networkpolicy", "-A", "-o", "yaml").out == before


@pytest.mark.parametrize("enforced", [NEW, """apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: all}
spec: {order: 1, types: [Egress], egress: [{action: Deny, protocol: TCP,
  destination: {nets: [192.0.2.0/24, 10.2.0.0/16], ports: ["60:70"]}}, {action: Allow}]}
"""])
def test_impact_of_staged_policies_is_that_of_enforcing_them(ctl, files, enforced):
    staged = enforced.replace("kind: ", "kind: Staged")
    answer = json.loads(impact(ctl, files, staged, "-o", "json").out)
    assert (answer["objectsChanged"], answer["changes"]) == (1, [])
    expected = json.loads(impact(ctl, files, enforced, "-o", "json").out)
    told = answer["stagedEnforced"]["changes"]
    assert expected["changes"]
    assert json.loads(json.dumps(told).replace("StagedNetwork", "Network").replace(
        "StagedGlobal", "Global")) == expected["changes"]
    out = impact(ctl, files, staged).out
    assert "1 objects new or changed: 0 connections would be denied, 0 allowed" in out
    kind = "StagedNetworkPolicy shop/db" if enforced == NEW else "StagedGlobalNetworkPolicy all"
    assert f"Staged, so it decides nothing: {kind}\nEnforced, this would change:\n" in out


def test_impact_of_a_staged_deletion(ctl, files):
    out = impact(ctl, files, """apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: db, namespace: shop}
spec: {stagedAction: Delete}
""").out
    assert "Enforced, this would change:\n\nallow  " in out
    assert "until now: ingress of pod/shop/db: end of tier default: NetworkPolicy shop/db" in out


def test_alike_endpoints_are_one(ctl, files):
    for number in range(5):
        (files / f"web-{number}.yaml").write_text(
            "---\n".join(part for part in CLUSTER.split("---\n") if "pod: web" in part)
            .replace("k8s-web", f"k8s-web--{number}").replace("pod: web", f"pod: web-{number}")
            .replace("10.1.0.1", f"10.1.0.{number + 10}"))
    out = impact(ctl, files, NEW).out
    assert "pod/shop/web and 5 like it -> pod/shop/db: TCP 100-200" in out
    assert "web-3" not in out


def test_a_denial_of_everything_is_called_so(ctl, files):
    out = impact(ctl, files, NEW.replace("app == 'db'", "app == 'web'").replace(
        "name: db", "name: web").split("  ingress:")[0] + "  types: [Egress]\n").out
    assert "deny   pod/shop/web -> pod/shop/db: all UDP (IPv4)" in out
    assert "deny   pod/shop/web -> ip/192.0.2.1 (outside): everything (IPv4)" in out


def ranges(text):
    """[(protocol, first, last)] of "TCP 80, all UDP"."""
    result = []
    for part in text.split(", "):
        if part == "everything":
            return [("TCP", 1, 65535), ("UDP", 1, 65535)]
        if match := re.fullmatch(r"(TCP|UDP|SCTP) (\d+)(?:-(\d+))?", part):
            result.append((match[1], int(match[2]), int(match[3] or match[2])))
        elif match := re.fullmatch(r"all (TCP|UDP|SCTP)", part):
            result.append((match[1], 1, 65535))
    return result


OTHER = POLICY.replace("name: db", "name: web").replace("app == 'db'", "app == 'web'")


@pytest.mark.parametrize("new", [NEW, OTHER, NEW + "---\n" + OTHER, """
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: all}
spec:
  order: 1
  types: [Ingress, Egress]
  ingress:
  - {action: Allow, protocol: TCP, destination: {ports: ["22:80"]}}
  egress:
  - {action: Deny, protocol: TCP, destination: {selector: app == 'db', ports: [60, sql]}}
  - {action: Allow}
""", """
apiVersion: projectcalico.org/v3
kind: Profile
metadata: {name: kns.shop}
spec:
  egress: [{action: Allow, notProtocol: UDP}]
"""])
def test_impact_is_what_explain_says_before_and_after(ctl, files, tmp_path, new):
    changes = json.loads(impact(ctl, files, new, "-o", "json").out)["changes"]
    after = tmp_path / "after"
    after.mkdir()
    # Later files are applied over earlier ones.
    for name, text in (("1.yaml", CLUSTER), ("2.yaml", POLICY), ("3.yaml", new)):
        (after / name).write_text(text)
    ends = {"web": "pod/shop/web", "db": "pod/shop/db", "out": "ip/192.0.2.1 (outside)"}
    found = 0
    for source, target in (("web", "db"), ("db", "web"), ("web", "out"), ("out", "db")):
        for protocol in ("TCP", "UDP"):
            for port in (21, 22, 53, 60, 200, 201, 2000, 5432):
                words = (ends[source].split()[0],
                         f"{ends[target].split()[0]}:{protocol.lower()}/{port}")
                codes = [ctl("policy", "explain", *words, "--from", directory).code
                         for directory in (files, after)]
                told = [change["becomes"] for change in changes
                        if change["from"]["name"] == ends[source]
                        and change["to"]["name"] == ends[target]
                        and any(kind == protocol and first <= port <= last
                                for kind, first, last in ranges(change["ports"]))]
                assert codes[0] in (0, 2) and codes[1] in (0, 2)
                expected = [] if codes[0] == codes[1] else [
                    "allowed" if codes[1] == 0 else "denied"]
                assert told == expected, (words, codes, changes)
                found += len(told)
    assert found


KUBERNETES = """apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: shop, labels: {team: red}}
  spec: {finalizers: [kubernetes]}
- apiVersion: v1
  kind: Pod
  metadata: {name: web, namespace: shop, labels: {app: web}}
  spec:
    nodeName: n1
    containers: [{name: c, image: nginx, ports: [{name: http, containerPort: 80}]}]
  status: {phase: Running, podIP: 10.1.0.1, qosClass: BestEffort}
- apiVersion: v1
  kind: Pod
  metadata: {name: db, namespace: shop, labels: {app: db}}
  spec:
    nodeName: n2
    containers: [{name: c, image: pg, ports: [{name: sql, containerPort: 5432}]}]
  status: {phase: Running, podIP: 10.2.0.1}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: db, namespace: shop}
  spec:
    podSelector: {matchLabels: {app: db}}
    policyTypes: [Ingress]
    ingress:
    - from:
      - podSelector: {matchLabels: {app: api}}
      ports: [{port: sql}]
"""


def test_kubectls_output_is_understood(ctl, tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(KUBERNETES)
    result = explain(ctl, path, QUESTION)
    assert (result.code, result.err) == (2, "")
    assert (f"KubernetesNetworkPolicy shop/db ({path}:22): applies: podSelector.matchLabels "
            f"app: db ({path}:26)") in result.out
    assert (f"ingress rule 1 ({path}:29): no match: spec.ingress[0].from[0].podSelector."
            f"matchLabels app: api (it is web) ({path}:30)") in result.out
    path.write_text(KUBERNETES.replace("app: api", "app: web"))
    assert explain(ctl, path, QUESTION).code == 0
    changed = KUBERNETES[KUBERNETES.index("- apiVersion: networking"):].replace("\n  ", "\n")
    out = impact(ctl, path, changed.removeprefix("- ")).out
    assert "deny   pod/shop/web -> pod/shop/db: TCP 5432 (IPv4)" in out


def test_what_else_a_cluster_has_is_passed_over(ctl, files):
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: 3}\n"
    (files / "app.yaml").write_text(deployment)
    assert explain(ctl, files, QUESTION).code == 2
    # A slip in a kind of ours is none of those, and -f takes nothing else than ours.
    (files / "app.yaml").write_text(POLICY.replace("projectcalico.org/v3", "apps/v1"))
    assert "expected projectcalico.org/v3" in explain(ctl, files, QUESTION).err
    (files / "app.yaml").write_text(POLICY.replace("NetworkPolicy", "NetworkPolice"))
    assert "NetworkPolice" in explain(ctl, files, QUESTION).err
    assert "Deployment" in ctl.bad("validate", "-f", "-", stdin=deployment).err
