# SPDX-License-Identifier: Apache-2.0
"""-c FILE: which datastore it names, what it refuses, and that the environment counts more."""

import pytest

CONFIG = """
apiVersion: projectcalico.org/v3
kind: CalicoAPIConfig
metadata: {}
spec:
%s
"""


@pytest.fixture
def file_ctl(ctl):
    """koratctl whose environment says nothing about a datastore."""
    del ctl.environment["DATASTORE_TYPE"], ctl.environment["KORAT_SQLITE_FILE"]
    return ctl


def config(ctl, *fields):
    return ctl.file("calicoctl.cfg", CONFIG % "\n".join(f"  {field}" for field in fields))


def test_sqlite(file_ctl):
    pool = """
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: one}
spec: {cidr: 10.1.0.0/16}
"""
    path = config(file_ctl, "datastoreType: sqlite", f"sqliteFile: {file_ctl.database}")
    file_ctl.good("create", "-c", path, "-f", "-", stdin=pool)
    assert file_ctl.database.exists()
    assert file_ctl.good(f"--config={path}", "get", "ippool", "-o", "name").out == "ippool/one\n"

    other = file_ctl.directory / "other.db"
    file_ctl.environment["KORAT_SQLITE_FILE"] = str(other)
    assert f"datastore {other} is not there" in file_ctl.bad("get", "ippool", "-c", path).err


def test_etcd(file_ctl):
    path = config(file_ctl, "etcdEndpoints: http://127.0.0.1:1", "etcdUsername: u",
                  "etcdPassword: hush")
    said = file_ctl.bad("get", "ippool", "-c", path).err
    assert "127.0.0.1:1" in said and "hush" not in said


@pytest.mark.parametrize("fields, message", [
    (["datastoreType: frob"], 'there is no datastore of type "frob"'),
    (["datastoreType: kubernetes"],
     "calicoctl.cfg:6: spec.datastoreType: the Kubernetes datastore is not supported yet"),
    (["kubeconfig: /root/.kube/config"],
     "calicoctl.cfg:6: spec.kubeconfig: the Kubernetes datastore is not supported yet"),
    (["datastoreType: sqlite", "sqlitefile: x"],
     "calicoctl.cfg:7: spec.sqlitefile: there is no such field; did you mean spec.sqliteFile?"),
    (["frobnicate: {a: 1}"], "calicoctl.cfg:6: spec.frobnicate: there is no such field; remove"),
    (["sqliteFile: 5"], "calicoctl.cfg:6: spec.sqliteFile: expected a text"),
    (["etcdKey: abc"], "spec.etcdKey is not supported yet; write it to a file"),
    (["{}", "x: 1"], "calicoctl.cfg"),
])
def test_refused(file_ctl, fields, message):
    assert message in file_ctl.bad("get", "ippool", "-c", config(file_ctl, *fields)).err


@pytest.mark.parametrize("text, message", [
    ("", "expected one CalicoAPIConfig, found 0"),
    ("[]", "expected an object of kind CalicoAPIConfig"),
    ("apiVersion: v1\nkind: CalicoAPIConfig", 'apiVersion: expected projectcalico.org/v3, not "v1"'),
    ("apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig", "spec: expected an object"),
    ("apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nsqliteFile: x",
     "sqliteFile: there is no such field; the fields of the datastore stand below spec"),
])
def test_not_a_config(file_ctl, text, message):
    said = file_ctl.bad("get", "ippool", "-c", file_ctl.file("calicoctl.cfg", text)).err
    assert "calicoctl.cfg" in said and message in said


def test_absent_file(file_ctl):
    assert "/nonexistent.cfg" in file_ctl.bad("get", "ippool", "-c", "/nonexistent.cfg").err


def test_environment_may_leave_kubernetes(file_ctl):
    path = config(file_ctl, "datastoreType: kubernetes", "kubeconfig: /root/.kube/config")
    file_ctl.environment["DATASTORE_TYPE"] = "sqlite"
    file_ctl.environment["KORAT_SQLITE_FILE"] = str(file_ctl.database)
    assert "is not there" in file_ctl.bad("get", "ippool", "-c", path).err


def test_help(ctl):
    said = ctl.good("help", "config").out
    assert "sqliteFile" in said and "KORAT_SQLITE_FILE" in said
