# SPDX-License-Identifier: Apache-2.0
"""create, apply, replace, delete, patch, label, validate."""

import re

import pytest
from conftest import SAMPLES

POOL = """
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: %s}
spec: {cidr: %s}
"""

TWO = POOL % ("one", "10.1.0.0/16") + "---" + POOL % ("two", "10.2.0.0/16")

POLICY = """
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: allow%s}
spec: {selector: all(), ingress: [{action: Allow}]}
"""


def test_create_stamps_and_fills_defaults(ctl):
    said = ctl.good("create", "-f", "-", stdin=POOL % ("one", "10.1.0.0/16"))
    assert said.out == "Successfully created 1 'IPPool' resource(s)\n"
    pool = ctl.good("get", "ippool", "one", "-o", "yaml").yaml()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        pool["metadata"]["uid"])
    assert re.fullmatch(r"20\d\d-.*Z", pool["metadata"]["creationTimestamp"])
    assert pool["spec"]["blockSize"] == 26
    assert pool["spec"]["nodeSelector"] == "all()"


def test_create_twice(ctl):
    path = ctl.file("p.yaml", TWO)
    ctl.good("create", "-f", path)
    said = ctl.bad("create", "-f", path)
    assert "Failed to create any 'IPPool' resources" in said.err
    assert "resource already exists: IPPool(one)" in said.err
    one = ctl.file("one.yaml", POOL % ("one", "10.1.0.0/16"))
    assert ctl.bad("create", "-f", one).err == (
        "Failed to create 'IPPool' resource: [resource already exists: IPPool(one)]\n")
    ctl.good("create", "--skip-exists", "-f", path)


def test_apply_creates_then_keeps_identity(ctl):
    path = ctl.file("p.yaml", TWO)
    assert ctl.good("apply", "-f", path).out == "Successfully applied 2 'IPPool' resource(s)\n"
    before = ctl.good("get", "ippool", "one", "-o", "yaml").yaml()["metadata"]
    ctl.good("apply", "-f", "-", stdin=POOL % ("one", "10.1.0.0/16") + "  # natOutgoing\n")
    after = ctl.good("get", "ippool", "one", "-o", "yaml").yaml()["metadata"]
    assert after["uid"] == before["uid"]
    assert after["creationTimestamp"] == before["creationTimestamp"]
    assert after["resourceVersion"] != before["resourceVersion"]


def test_apply_of_several_kinds(ctl):
    said = ctl.good("apply", "-f", "-", stdin=TWO + "---" + POLICY % "")
    assert said.out == "Successfully applied 3 resource(s)\n"


def test_a_mistake_changes_nothing(ctl):
    bad = TWO + "---" + POOL % ("three", "10.3.0.1/16")
    said = ctl.bad("apply", "-f", ctl.file("p.yaml", bad))
    assert "Failed to apply any 'IPPool' resources" in said.err
    assert "IPPool/three: spec.cidr" in said.err and "p.yaml" in said.err
    assert ctl.good("get", "ippool", "-o", "name").out == ""


def test_an_existing_object_stops_a_create_of_many(ctl):
    ctl.good("create", "-f", "-", stdin=POOL % ("two", "10.2.0.0/16"))
    ctl.bad("create", "-f", "-", stdin=TWO)
    assert ctl.good("get", "ippool", "-o", "name").out == "ippool/two\n"


def test_more_objects_than_one_transaction(ctl):
    text = "---".join(POLICY % n for n in range(600))
    assert ctl.good("apply", "-f", "-", stdin=text).out == (
        "Successfully applied 600 'NetworkPolicy' resource(s)\n")
    assert len(ctl.good("get", "np", "-o", "name").lines()) == 600
    said = ctl.good("delete", "-f", "-", stdin=text)
    assert said.out == "Successfully deleted 600 'NetworkPolicy' resource(s)\n"


def test_twice_in_one_call(ctl):
    said = ctl.bad("apply", "-f", "-", stdin=TWO + "---" + POOL % ("one", "10.1.0.0/16"))
    assert "IPPool(one) is given twice" in said.err


def test_overlapping_pools(ctl):
    ctl.good("create", "-f", "-", stdin=POOL % ("one", "10.1.0.0/16"))
    said = ctl.bad("create", "-f", "-", stdin=POOL % ("sub", "10.1.2.0/24"))
    assert "IPPool(sub) CIDR 10.1.2.0/24 overlaps with IPPool(one) CIDR 10.1.0.0/16" in said.err


def test_immutable_field(ctl):
    ctl.good("create", "-f", "-", stdin=POOL % ("one", "10.1.0.0/16"))
    said = ctl.bad("apply", "-f", "-", stdin=POOL % ("one", "10.9.0.0/16"))
    assert "IPPool/one: spec.cidr: can't be changed" in said.err


def test_replace(ctl):
    ctl.begin()
    text = POOL % ("one", "10.1.0.0/16")
    said = ctl.bad("replace", "-f", "-", stdin=text)
    assert said.err == (
        "Failed to replace 'IPPool' resource: [resource does not exist: IPPool(one)]\n")
    ctl.good("create", "-f", "-", stdin=text)
    assert ctl.good("replace", "-f", "-", stdin=text).out == (
        "Successfully replaced 1 'IPPool' resource(s)\n")


def test_stale_revision(ctl):
    ctl.good("create", "-f", "-", stdin=POOL % ("one", "10.1.0.0/16"))
    got = ctl.good("get", "ippool", "one", "-o", "yaml").out
    ctl.good("replace", "-f", "-", stdin=got)
    for verb in ("replace", "apply"):
        said = ctl.bad(verb, "-f", "-", stdin=got)
        assert "update conflict: IPPool(one)" in said.err and "get it again" in said.err


def test_status_survives_apply(ctl):
    status = "status: {conditions: [{type: Allocatable, status: 'True'}]}\n"
    text = POOL % ("one", "10.1.0.0/16")
    ctl.good("apply", "-f", "-", stdin=text + status)
    ctl.good("apply", "-f", "-", stdin=text)
    pool = ctl.good("get", "ippool", "one", "-o", "yaml").yaml()
    assert pool["status"]["conditions"][0]["type"] == "Allocatable"


def test_delete(ctl):
    ctl.good("apply", "-f", "-", stdin=TWO)
    said = ctl.bad("delete", "ippool", "one", "three")
    assert "resource does not exist: IPPool(three)" in said.err
    assert len(ctl.good("get", "ippool", "-o", "name").lines()) == 2
    assert ctl.good("delete", "ippool", "one", "three", "-s").out == (
        "Successfully deleted 1 'IPPool' resource(s)\n")
    assert ctl.good("delete", "-f", "-", stdin=POOL % ("two", "10.2.0.0/16")).out == (
        "Successfully deleted 1 'IPPool' resource(s)\n")
    assert ctl.bad("delete", "ippool").err.strip().endswith("no name is given")


def test_namespaces(ctl):
    ctl.good("apply", "-f", "-", stdin=POLICY % "")
    ctl.good("apply", "-n", "prod", "-f", "-", stdin=POLICY % "")
    assert ctl.bad("get", "np", "allow", "-n", "test").err == (
        "resource does not exist: NetworkPolicy(test/allow)\n")
    rows = [line.split()[:2] for line in ctl.good("get", "np", "-A").lines()]
    assert rows == [["NAMESPACE", "NAME"], ["default", "allow"], ["prod", "allow"]]
    ctl.good("delete", "np", "allow", "--namespace=prod")
    assert len(ctl.good("get", "np", "-A").lines()) == 2


def test_merge_patch(ctl):
    ctl.good("apply", "-f", "-", stdin=TWO)
    for words in ([], ["-t", "merge"], ["--type=strategic"]):
        said = ctl.good("patch", "ippool", "one", "-p", '{"spec":{"natOutgoing":true}}', *words)
        assert said.out == "Successfully patched 1 'IPPool' resource\n"
    ctl.good("patch", "pool", "one", "-p", '{"metadata":{"labels":{"a":"b","c":"d"}}}')
    ctl.good("patch", "pool", "one", "-p", '{"metadata":{"labels":{"a":null}}}')
    pool = ctl.good("get", "ippool", "one", "-o", "yaml").yaml()
    assert pool["spec"]["natOutgoing"] is True
    assert pool["metadata"]["labels"] == {"c": "d"}


def test_json_patch(ctl):
    ctl.good("apply", "-f", "-", stdin=TWO)
    patch = """[
      {"op": "test", "path": "/spec/natOutgoing", "value": false},
      {"op": "replace", "path": "/spec/natOutgoing", "value": true},
      {"op": "add", "path": "/metadata/labels", "value": {"x~y/z": "1"}},
      {"op": "copy", "from": "/metadata/labels/x~0y~1z", "path": "/metadata/labels/k"},
      {"op": "move", "from": "/metadata/labels/k", "path": "/metadata/labels/l"},
      {"op": "remove", "path": "/metadata/labels/x~0y~1z"},
      {"op": "add", "path": "/spec/allowedUses/0", "value": "Tunnel"},
      {"op": "add", "path": "/spec/allowedUses/-", "value": "Tunnel"},
      {"op": "remove", "path": "/spec/allowedUses/2"}]"""
    ctl.good("patch", "ippool", "one", "-t", "json", "-p", patch)
    pool = ctl.good("get", "ippool", "one", "-o", "yaml").yaml()
    assert pool["metadata"]["labels"] == {"l": "1"}
    assert pool["spec"]["natOutgoing"] is True
    assert pool["spec"]["allowedUses"] == ["Tunnel", "Workload", "Tunnel"]


@pytest.mark.parametrize("kind, patch, message", [
    ("json", '[{"op":"test","path":"/spec/natOutgoing","value":true}]', "patch[0]: test"),
    ("json", '[{"op":"remove","path":"/spec/nothing"}]', "there is nothing to remove"),
    ("json", '[{"op":"frob","path":"/spec"}]', '"op" must be'),
    ("json", '[{"op":"add","path":"/spec/natOutgoing"}]', '"value" is missing'),
    ("json", '[{"op":"move","path":"/spec/a/b","from":"/spec"}]', "cannot be moved"),
    ("json", '[{"op":"add","path":"/spec/allowedUses/7","value":"x"}]', "no place to add"),
    ("json", "{}", "is a list"),
    ("merge", "[]", "is a JSON object"),
    ("merge", "{", "not JSON"),
    ("frob", "{}", "no such type of patch"),
    ("merge", '{"spec":{"cidr":"10.9.0.0/16"}}', "can't be changed"),
    ("merge", '{"spec":{"frob":1}}', "frob"),
    ("merge", '{"metadata":{"name":"other"}}', "can't change kind, name"),
    ("merge", '{"kind":"Node"}', ""),
    ("merge", '{"spec":{"blockSize":99}}', "blockSize"),
])
def test_bad_patch(ctl, kind, patch, message):
    ctl.good("apply", "-f", "-", stdin=TWO)
    before = ctl.good("get", "ippool", "one", "-o", "yaml").out
    assert message in ctl.bad("patch", "ippool", "one", "-t", kind, "-p", patch).err
    assert ctl.good("get", "ippool", "one", "-o", "yaml").out == before


def test_patch_of_nothing(ctl):
    ctl.begin()
    assert "resource does not exist: IPPool(x)" in ctl.bad("patch", "ippool", "x", "-p", "{}").err
    assert "needs -p" in ctl.bad("patch", "ippool", "x").err


def test_label(ctl):
    ctl.good("apply", "-f", "-", stdin=TWO)
    assert ctl.good("label", "ippool", "one", "a=b").out == (
        "Successfully set label a on IPPool one\n")
    assert "--overwrite" in ctl.bad("label", "ippool", "one", "a=c").err
    ctl.good("label", "ippool", "one", "a=c", "--overwrite")
    assert ctl.good("get", "ippool", "-l", "a=c", "-o", "name").out == "ippool/one\n"
    ctl.good("label", "ippool", "one", "a", "--remove")
    assert "has no label a" in ctl.bad("label", "ippool", "one", "a", "--remove").err
    assert "either KEY=VALUE or KEY --remove" in ctl.bad("label", "ippool", "one", "a").err


def test_files_and_directories(ctl):
    ctl.file("d/a.yaml", POOL % ("one", "10.1.0.0/16"))
    ctl.file("d/b.yml", POOL % ("two", "10.2.0.0/16"))
    ctl.file("d/readme.txt", "not an object")
    ctl.file("d/deeper/c.yaml", POOL % ("three", "10.3.0.0/16"))
    directory = ctl.directory / "d"
    assert ctl.good("apply", "-f", directory).out == "Successfully applied 2 'IPPool' resource(s)\n"
    assert ctl.good("apply", "-R", "-f", directory).out == (
        "Successfully applied 3 'IPPool' resource(s)\n")
    assert len(ctl.good("get", "-f", directory, "-o", "name").lines()) == 2


def test_empty_files(ctl):
    empty = ctl.file("empty.yaml", "# nothing\n")
    said = ctl.bad("apply", "-f", empty)
    assert said.err.startswith("Failed to execute command: ") and "--skip-empty" in said.err
    assert ctl.good("apply", "--skip-empty", "-f", empty).out == "No resources specified\n"
    assert "Failed to execute command" in ctl.bad("apply", "-f", ctl.directory / "none.yaml").err
    assert "needs -f" in ctl.bad("apply").err


def test_unknown_field_and_kind_name_the_place(ctl):
    text = POOL % ("one", "10.1.0.0/16")
    said = ctl.bad("apply", "-f", ctl.file("p.yaml", text.replace("{cidr:", "{cdir:")))
    assert "p.yaml" in said.err and "cdir" in said.err
    said = ctl.bad("apply", "-f", "-", stdin=TWO.replace("IPPool", "IPPol"))
    assert "IPPol" in said.err


def test_what_is_not_valid_names_the_line(ctl):
    path = ctl.file("policies.yaml", """apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: good, namespace: shop}
spec: {selector: all()}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: bad, namespace: shop}
spec:
  ingress:
  - action: Allow
  - action: Allow
    source:
      selector: has(x
""")
    place = f"{path}:14: NetworkPolicy/shop/bad: spec.ingress[1].source.selector"
    for verb in ("validate", "apply"):
        assert place in ctl.bad(verb, "-f", path).err
    # What is missing has no line: that of the rule it is missing in.
    path.write_text(path.read_text().replace("  - action: Allow\n    source", "  - source"))
    assert f"{path}:12: " in ctl.bad("validate", "-f", path).err


SAMPLE_FILES = sorted(p for p in SAMPLES.glob("*.yaml") if "aliases" not in p.name)


@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda p: p.stem)
def test_every_kind_round_trips(ctl, path):
    """Each sample goes in, comes out, and goes in again unchanged."""
    ctl.good("validate", "-f", path)
    ctl.good("create", "-f", path)
    first = ctl.good("get", "-f", path, "-o", "yaml").out
    for line in ctl.good("get", "-f", path, "-o", "name").lines():
        assert len(ctl.good("get", line.split("/")[0], "-A").lines()) >= 2
    again = ctl.file("again.yaml", first if first.startswith("apiVersion") else
                     "apiVersion: v1\nkind: List\nitems:\n" + first)
    ctl.good("replace", "-f", again)
    second = ctl.good("get", "-f", path, "-o", "yaml").out

    def without_revision(text):
        return [line for line in text.splitlines() if "resourceVersion:" not in line]

    assert without_revision(first) == without_revision(second)
    ctl.good("delete", "-f", path)
    ctl.bad("get", "-f", path)
