# SPDX-License-Identifier: Apache-2.0
"""Kubernetes' own kinds beside Calico's: which is meant is said by apiVersion."""

import yaml

from conftest import SAMPLES

SAMPLE = SAMPLES / "kubernetes.yaml"


def test_apply_and_get(ctl):
    given = list(yaml.safe_load_all(SAMPLE.read_text()))
    ctl.good("apply", "-f", SAMPLE)
    for kind, wanted in zip(["ns", "sa", "knp", "kcnp", "svc", "endpointslice", "pod"], given):
        meta = wanted["metadata"]
        where = ["-n", meta["namespace"]] if "namespace" in meta else []
        got = ctl.good("get", kind, meta["name"], *where, "-o", "yaml").yaml()
        assert got["apiVersion"] == wanted["apiVersion"]
        assert got["kind"] == wanted["kind"]
        assert got.get("spec") == wanted.get("spec")
        assert got.get("endpoints") == wanted.get("endpoints")


def test_both_network_policies(ctl):
    ctl.good("apply", "-f", SAMPLE)
    ctl.good(
        "apply",
        "-f",
        "-",
        stdin="""
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: x}
spec: {selector: all()}
""",
    )
    assert ctl.good("get", "networkpolicy", "web", "-n", "x", "-o", "yaml").yaml()["spec"]["selector"]
    listed = ctl.good("get", "knp", "-n", "x", "-o", "yaml").yaml()
    assert listed["kind"] == "NetworkPolicyList"
    assert listed["apiVersion"] == "networking.k8s.io/v1"
    assert "podSelector" in listed["items"][0]["spec"]
    ctl.good("delete", "knp", "web", "-n", "x")
    assert ctl("get", "knp", "web", "-n", "x").code != 0
    ctl.good("get", "networkpolicy", "web", "-n", "x")


def test_types_are_those_of_kubernetes(ctl):
    ctl.good(
        "apply",
        "-f",
        "-",
        stdin="""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: x}
spec: {podSelector: {}, egress: [{}]}
""",
    )
    spec = ctl.good("get", "knp", "p", "-n", "x", "-o", "yaml").yaml()["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]


def test_mistakes(ctl):
    bad = ctl(
        "apply",
        "-f",
        "-",
        stdin="""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: x}
spec: {podSelector: {}, ingress: [{from: [{}]}]}
""",
    )
    assert bad.code != 0
    assert "spec.ingress[0]: from[0]" in bad.err
