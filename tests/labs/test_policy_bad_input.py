# SPDX-License-Identifier: Apache-2.0
"""
Policies that can't be understood, as only another program can write them into the datastore: they
are reported, and open nothing.
"""

import contextlib
import json
import re
import sqlite3
import urllib.request

import pytest

from lab import probe, wait_for
from policed import FAMILIES, address, listing, shop


def _write(place, change, kind="networkpolicies", name="guard"):
    """Puts what change() makes of the stored text, past all checks."""
    with contextlib.closing(sqlite3.connect(place.lab.directory / "store.db", timeout=10)) as db, \
            db:
        (row, text), = db.execute("SELECT id, value FROM object WHERE lower(kind) IN (?, ?) "
                                  "AND name = ?", (kind, kind.removesuffix("ies") + "y", name))
        db.execute("UPDATE meta SET revision = revision + 1")
        db.execute("UPDATE object SET value = ?, revision = (SELECT revision FROM meta) "
                   "WHERE id = ?", (change(text), row))


def _object(change):
    """A change of the object instead of its text."""
    def changed(text):
        policy = json.loads(text)
        change(policy)
        return json.dumps(policy)
    return changed


def _metric(place, name):
    def read():
        with urllib.request.urlopen("http://127.0.0.1:9091/metrics", timeout=5) as answer:
            return answer.read().decode("ascii")
    return int(re.search(rf"^{name} (\d+)$", place.node.ns.run(read), re.M).group(1))


def _reaches(place, source):
    """By both families; asked again while they differ, as they do for a moment at a change."""
    def ask():
        found = {source.ns.run(probe.ping, address(place.shop, family), 0.1) is not None
                 for family in FAMILIES}
        return found if len(found) == 1 else None

    return wait_for(ask, 10, "both families are judged alike").pop()


def _is_judged(place):
    """The good version is in force."""
    wait_for(lambda: _reaches(place, place.friend), 10, "a friend reaches the shop")
    assert not _reaches(place, place.stranger)


def _say(place, *words):
    """`koratctl get networkpolicy`: what it says on standard error, and its exit code."""
    done = place.lab.ctl_run("get", "networkpolicy", "-n", "shop")
    for word in words:
        assert word in done.stderr, done.stderr
    return done


def _bad_rule(policy):
    policy["spec"]["ingress"][0] = {"action": "Deny", "source": {"selector": "app == "}}


def _bad_net(policy):
    policy["spec"]["ingress"][0] = {"action": "Allow", "source": {"nets": ["10.0.0.0/99"]}}


def _bad_selector(policy):
    policy["spec"]["selector"] = "app in ("


@pytest.fixture(scope="module", name="place")
def _place():
    with shop() as place:
        _is_judged(place)
        yield place


@pytest.fixture(autouse=True)
def _mended(place):
    """Every test begins and ends with the good version in force."""
    yield
    place.settle()  # by `koratctl apply`, which overwrites it
    wait_for(lambda: _metric(place, "korat_policy_problems") == 0, 15, "nothing is wrong any more")
    wait_for(lambda: _metric(place, "korat_unreadable_objects") == 0, 15, "all can be read")
    _is_judged(place)
    assert not _say(place).stderr


@pytest.mark.parametrize("change", [_bad_rule, _bad_net])
def test_rule(place, change):
    """It denies; what comes behind it is not reached."""
    _write(place, _object(change))
    wait_for(lambda: not _reaches(place, place.friend), 15, "the rule denies")
    assert not _reaches(place, place.stranger)
    assert _metric(place, "korat_policy_problems") == 1
    assert "np/shop/guard" in place.node.log_tail(5)
    done = _say(place, "warning", "guard")
    assert done.returncode == 0 and "guard" in done.stdout


def test_selector(place):
    """The last good version stays in force."""
    _write(place, _object(_bad_selector))
    wait_for(lambda: _metric(place, "korat_policy_problems") == 1, 15, "it is counted")
    assert "np/shop/guard" in place.node.log_tail(5)
    _is_judged(place)
    _say(place, "warning", "guard", "selector")


@pytest.mark.parametrize("change", [
    lambda text: text[:-1], lambda text: "[]", lambda text: '{"kind": 1}', lambda text: "\x01",
    lambda text: text.replace('"Deny"', '"Aloow"'), lambda text: text.replace("shop", "other")])
def test_text(place, change):
    """What is no policy at all: the last good version stays in force."""
    _write(place, change)
    wait_for(lambda: _metric(place, "korat_unreadable_objects") == 1, 15, "it is counted")
    _is_judged(place)
    assert _say(place, "guard").returncode == 1


def test_unknown_profile(place):
    """An endpoint that names a profile nobody made may do nothing."""
    name = "node1-k8s-friend-eth0"
    stored = place.lab.get("workloadendpoint", name, "friends")
    stored["spec"]["profiles"] = ["nobody"]
    for key in ("resourceVersion", "creationTimestamp", "uid"):
        stored["metadata"].pop(key, None)
    place.lab.apply(stored)
    try:
        wait_for(lambda: not _reaches(place, place.friend), 15, "it is denied")
        wait_for(lambda: _metric(place, "korat_policy_problems") == 1, 15, "it is counted")
    finally:
        stored["spec"]["profiles"] = ["kns.friends"]
        place.lab.apply(stored)
        wait_for(lambda: _reaches(place, place.friend), 15, "it is allowed again")


def _felix(**spec):
    def change(stored):
        stored["spec"].update(spec)
    return _object(change)


def _restart(place, forget=False):
    place.node.kill_agent()
    if forget:
        (place.node.state_dir / "korat-last-good.db").unlink()
    place.node.start_agent()
    wait_for(lambda: _metric(place, "felix_resync_state") == 3, 20, "the agent is in sync")


def _readiness(place):
    def read():
        with urllib.request.urlopen("http://127.0.0.1:9099/readiness", timeout=5) as answer:
            return answer.read().decode()
    return place.node.ns.run(read)


@contextlib.contextmanager
def _bad_object(place, kind, name, change):
    kept = []
    _write(place, lambda text: kept.append(text) or change(text), kind, name)
    try:
        yield
    finally:
        _write(place, lambda _: kept[0], kind, name)


def _rejects(place):
    """What is denied is answered; the default is that it is not."""
    return "reject" in listing(place.node)


@pytest.mark.parametrize("change", [
    _felix(nftablesFilterDenyAction="Rejec"), _felix(failsafeInboundHostPorts="many")])
def test_felix_configuration(place, change):
    """The agent starts with the last good version, or with the defaults."""
    with _bad_object(place, "felixconfigurations", "default",
                     _felix(nftablesFilterDenyAction="Reject")):
        wait_for(lambda: _rejects(place), 10, "it rejects")
        wait_for(lambda: _metric(place, "korat_unsaved_good_versions") == 0, 5, "it is kept")
        with _bad_object(place, "felixconfigurations", "default", change):
            wait_for(lambda: _metric(place, "korat_unreadable_objects") == 1, 5, "it is counted")
            assert _rejects(place)
            _restart(place)
            assert _rejects(place)
            assert _metric(place, "korat_unreadable_objects") == 1
            assert _metric(place, "korat_objects_without_good_version") == 0
            _is_judged(place)
            assert "1 objects can't be understood" in _readiness(place)
            _restart(place, forget=True)
            assert not _rejects(place)
            assert _metric(place, "korat_objects_without_good_version") == 1
            _is_judged(place)
    wait_for(lambda: _readiness(place) == "", 5, "nothing is wrong any more")


def test_at_the_start(place):
    """Whatever is bad, the agent starts, and policy is as it was."""
    for made, spec in (("BGPConfiguration", {"asNumber": 64513}),
                       ("KubeControllersConfiguration", {})):
        place.lab.apply({"apiVersion": "projectcalico.org/v3", "kind": made,
                         "metadata": {"name": "default"}, "spec": spec})
    bad = {"nodes": "node1", "clusterinformations": "default", "ippools": "default-ipv4-ippool",
           "bgpconfigurations": "default", "kubecontrollersconfigurations": "default"}
    with contextlib.ExitStack() as stack:
        for kind, name in bad.items():
            stack.enter_context(_bad_object(place, kind, name, lambda text: text[:-1]))
        for forget in (False, True):
            _restart(place, forget)
            assert _metric(place, "korat_unreadable_objects") == 4  # controllers' are not read
            _is_judged(place)
            place.settle()  # a change of a policy gets through
