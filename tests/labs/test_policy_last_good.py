# SPDX-License-Identifier: Apache-2.0
"""
A policy that can't be understood, and an agent that is killed: its last good version is in force as
before, whether it became bad before the agent's end or after it. Where a node has no good version,
nothing is open that the policy may have closed.
"""

import json

import pytest

from lab import Lab, etcd, probe, wait_for
from policed import Shop, guard, listing, metric, write_raw

ENVIRONMENT = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
               "CALICO_IPV4POOL_IPIP": "Never", "IP6": "autodetect"}


def _bad_selector(text):
    policy = json.loads(text)
    policy["spec"]["selector"] = "app in ("
    return json.dumps(policy)


def _no_text(text):
    return text[:-1]


def _only_ingress(text):
    policy = json.loads(_bad_selector(text))
    policy["spec"]["types"] = ["Ingress"]
    return json.dumps(policy)


BAD = pytest.mark.parametrize("bad", [_bad_selector, _no_text])


@pytest.fixture(scope="module", name="place", params=["sqlite", "etcdv3"])
def _place(request):
    if request.param == "etcdv3" and not etcd.is_installed():
        pytest.skip("the package etcd-server is not installed")
    with Lab(1, ENVIRONMENT) as lab:
        if request.param == "etcdv3":
            etcd.start(lab)
        lab.start()
        place = Shop(lab)
        place.settle()
        yield place


@pytest.fixture(autouse=True)
def _mended(place):
    """Every test begins and ends with the good version in force, and on the disk."""
    assert _good(place)
    yield
    place.settle()
    wait_for(lambda: _wrong(place) == (0, 0, 0), 5, "nothing is wrong any more")
    assert _good(place)
    _kept(place)


def _good(place):
    return place.reaches(place.friend) and not place.reaches(place.stranger)


def _closed(place):
    return not place.reaches(place.friend) and not place.reaches(place.stranger)


def _pings(source, target):
    return source.ns.run(probe.ping, target.address, 0.3) is not None


def _wrong(place):
    """(policies, objects that can't be understood, those of them that have no good version)"""
    return tuple(metric(place.node, f"korat_{name}") for name in (
        "policy_problems", "unreadable_objects", "objects_without_good_version"))


def _kept(place):
    wait_for(lambda: metric(place.node, "korat_unsaved_good_versions") == 0, 5,
             "good versions are on the disk")


def _file(place):
    return place.node.state_dir / "korat-last-good.db"


def _in_sync(place):
    try:
        return metric(place.node, "felix_resync_state") == 3
    except OSError:  # it serves runtimes before it tells metrics
        return False


def _start(place):
    place.node.start_agent()
    wait_for(lambda: _in_sync(place), 20, "the agent is in sync")


def _restart(place):
    place.node.kill_agent()
    _start(place)


def _spoil(place, bad):
    """Of a policy that is to be understood with a selector, and of none that is not even read."""
    write_raw(place.lab, bad)
    return int(bad is _bad_selector), 1, 0


@BAD
def test_bad_before_the_end(place, bad):
    """Whatever the time between: the version that was in force is on the disk before all else."""
    place.lab.apply(guard(23456))
    wait_for(lambda: "23456" in listing(place.node), 5, "the newest good version is in force")
    wrong = _spoil(place, bad)
    wait_for(lambda: _wrong(place) == wrong, 5, "it is counted")
    for _ in range(2):
        _restart(place)
        assert _wrong(place) == wrong
        assert _good(place) and "23456" in listing(place.node)
    assert "kept on this node" in place.node.log_tail(40)


@BAD
def test_bad_after_the_end(place, bad):
    """Nobody of this node has seen it become bad."""
    _kept(place)
    place.node.kill_agent()
    wrong = _spoil(place, bad)
    _start(place)
    assert _wrong(place) == wrong and _good(place)
    _restart(place)
    assert _wrong(place) == wrong and _good(place)
    # Good again while no agent is there.
    place.node.kill_agent()
    place.lab.apply(guard(23457))
    _start(place)
    assert _wrong(place) == (0, 0, 0) and _good(place) and "23457" in listing(place.node)


def test_deleted_after_the_end(place):
    """What is kept does not outlive the policy."""
    wrong = _spoil(place, _bad_selector)
    wait_for(lambda: _wrong(place) == wrong, 5, "it is counted")
    place.node.kill_agent()
    place.lab.ctl("delete", "networkpolicy", "guard", "-n", "shop")
    _start(place)
    wait_for(lambda: place.reaches(place.stranger), 5, "nothing closes it any more")
    _kept(place)
    # One of that name that was never good is not the one of before.
    place.node.kill_agent()
    place.lab.apply(guard())
    write_raw(place.lab, _bad_selector)
    _start(place)
    assert _wrong(place) == (1, 1, 1) and _closed(place)


def test_no_good_version(place):
    """It can't be known whom it selects: everybody of its namespace, and no rule of it allows."""
    place.node.kill_agent()
    _file(place).unlink()
    write_raw(place.lab, _no_text)
    _start(place)
    assert _wrong(place) == (0, 1, 1) and _closed(place)
    assert _pings(place.friend, place.other) and not _pings(place.shop, place.friend)
    assert "no good version" in place.node.log_tail(40)
    write_raw(place.lab, lambda _: json.dumps(guard() | {"spec": {"selector": "also bad ("}}))
    wait_for(lambda: _wrong(place) == (1, 1, 1), 5, "it is bad in another way")
    assert _closed(place)


def test_no_good_version_of_one_direction(place):
    """What is known of it counts: it says that it is for ingress."""
    place.node.kill_agent()
    _file(place).unlink()
    write_raw(place.lab, _only_ingress)
    _start(place)
    assert _wrong(place) == (1, 1, 1) and _closed(place)
    assert _pings(place.shop, place.other)


def test_never_good(place):
    """A new policy that never could be understood changes nothing, and a restart neither."""
    write_raw(place.lab, lambda text: _bad_selector(text.replace("guard", "zeta")), "guard", "zeta")
    try:
        wait_for(lambda: _wrong(place) == (1, 1, 1), 5, "it is counted")
        assert _good(place)
        _kept(place)
        _restart(place)
        assert _wrong(place) == (1, 1, 1) and _good(place)
    finally:
        place.lab.ctl("delete", "networkpolicy", "zeta", "-n", "shop")


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 9000])
def test_damaged_file(place, content):
    """It is said and put aside; the agent goes on with a new one."""
    place.node.kill_agent()
    for path in place.node.state_dir.glob("korat-last-good.db-*"):
        path.unlink()
    _file(place).write_bytes(content)
    _start(place)
    assert _good(place)
    assert not content or "korat-last-good.db" in place.node.log_tail(40)
    _kept(place)
    wrong = _spoil(place, _bad_selector)
    wait_for(lambda: _wrong(place) == wrong, 5, "it is counted")
    _restart(place)
    assert _wrong(place) == wrong and _good(place)


def test_damaged_row(place):
    """The middle of the file is overwritten: what can't be read is as if it were not there."""
    _kept(place)
    place.node.kill_agent(15)
    content = bytearray(_file(place).read_bytes())
    for at in range(4096, len(content)):
        content[at] ^= 0x5a
    _file(place).write_bytes(content)
    write_raw(place.lab, _no_text)
    _start(place)
    assert _wrong(place) == (0, 1, 1) and _closed(place)
