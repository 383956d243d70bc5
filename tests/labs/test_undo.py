# SPDX-License-Identifier: Apache-2.0
"""An ADD that can't be finished says why and leaves nothing: no address, no link, no endpoint."""

import contextlib
import signal
import sqlite3
import threading
import time

import pytest

from clusters import KINDS, assert_same, becomes_same, dual_cluster, reach_all
from families import pool, used_addresses
from lab import wait_for

EACH = pytest.mark.parametrize("families", KINDS.values(), ids=KINDS)


@pytest.fixture(scope="module", name="lab")
def _lab():
    # Without reserve: what a datastore refuses is then an error, and not left for later.
    with dual_cluster(1, KORAT_ADDRESS_RESERVE="0") as lab:
        lab.pod(lab.nodes[0], "stays", families="46")
        wait_for(lambda: used_addresses(lab) == 4, 10, "the pod and the tunnels have addresses")
        yield lab


def _state(lab):
    """All that an ADD makes, as the datastore and the kernel have it."""
    node = lab.nodes[0]
    return {
        "used": used_addresses(lab),
        "handles": sorted(item["metadata"]["name"] for item in lab.get("ipamhandles")),
        "endpoints": sorted(item["metadata"]["name"]
                            for item in lab.get("workloadendpoints", namespace="default")),
        "links": sorted(link["ifname"] for link in node.links()),
        "routes": sorted(route["dst"] for family in (4, 6) for route in node.routes(family=family)
                         if route.get("dev", "").startswith("cali")),
    }


@pytest.fixture(autouse=True)
def _nothing_left(lab):
    """What is there before a test is there after it, and no more."""
    before = _state(lab)
    yield
    for pod in [pod for pod in lab.pods if pod.name != "stays"]:
        lab.drop_pod(pod)
    becomes_same(before, lambda: _state(lab), 10, "all is as before")


def _refused(lab, answer, before, *words):
    assert answer.code == 1, answer.text
    for word in words:
        assert word in answer.json["msg"], answer.text
    assert_same(before, _state(lab))


def _add_again(pod):
    """As a runtime does it: it was told to try again."""
    answer = wait_for(lambda: next((one for one in [pod.try_add()] if one.code == 0), None), 10,
                      "ADD works again")
    pod.result = answer.json


@contextlib.contextmanager
def _rule(lab, when):
    """The datastore refuses to write what the rule says, as a full disk would."""
    def run(text):
        with contextlib.closing(sqlite3.connect(lab.directory / "store.db", timeout=10)) as db:
            db.execute(text)
            db.commit()

    run(f"CREATE TRIGGER refusing BEFORE {when} BEGIN SELECT RAISE(ABORT, 'refused'); END")
    try:
        yield
    finally:
        run("DROP TRIGGER refusing")


@pytest.mark.parametrize("path,word", [("/etc/hostname", "/etc/hostname"),
                                       ("/run/netns/lab-no-such", "/run/netns/lab-no-such"),
                                       ("/dev/null", "/dev/null")])
def test_no_network_namespace(lab, path, word):
    before = _state(lab)
    for families in KINDS.values():
        pod = lab.new_pod(lab.nodes[0], f"bad-netns{families}", families=families)
        _refused(lab, pod.try_add(netns_path=path), before, word)


def test_the_node_s_own_namespace(lab):
    before = _state(lab)
    node = lab.nodes[0]
    _refused(lab, lab.new_pod(node, "own-netns").try_add(netns_path=str(node.ns.path)), before,
             "namespace")


def test_full_pool(lab):
    """All four addresses of a /30 are given, as Calico does; the fifth pod is told so."""
    node = lab.nodes[0]
    lab.apply(pool("four", "10.47.0.0/30", blockSize=30))
    pods = [lab.pod(node, f"four{number}", pools=["four"]) for number in range(4)]
    assert sorted(pod.address for pod in pods) == [f"10.47.0.{number}" for number in range(4)]
    before = _state(lab)
    fifth = lab.new_pod(node, "fifth")
    _refused(lab, fifth.try_add(["four"]), before, "pool four", "release addresses or add a pool")
    # Of a pod of both families, an address of the other is given back.
    both = lab.new_pod(node, "both", families="46")
    _refused(lab, both.try_add(["four"]), before, "pool four", "release addresses or add a pool")
    lab.drop_pod(pods.pop())
    assert fifth.add(["four"])
    assert fifth.address == "10.47.0.3"
    for pod in [*pods, fifth]:
        lab.drop_pod(pod)
    lab.ctl("delete", "ippool", "four")


def test_full_pool_of_ipv6(lab):
    node = lab.nodes[0]
    lab.apply(pool("six", "fd47::/126", blockSize=126))
    pods = [lab.pod(node, f"six{number}", families="6", pools6=["six"]) for number in range(4)]
    assert len({pod.address for pod in pods}) == 4
    assert all(pod.address.startswith("fd47::") for pod in pods)
    before = _state(lab)
    late = [lab.new_pod(node, f"late{families}", families=families) for families in ("6", "46")]
    for pod in late:
        _refused(lab, pod.try_add(pools6=["six"]), before, "pool six",
                 "release addresses or add a pool")
    for pod in late:
        free = pods[-1].address
        lab.drop_pod(pods.pop())
        pod.add(pools6=["six"])
        assert pod.of_family(6) == free
    for pod in [*pods, *late]:
        lab.drop_pod(pod)
    lab.ctl("delete", "ippool", "six")


@EACH
def test_endpoint_can_t_be_written(lab, families):
    before = _state(lab)
    pod = lab.new_pod(lab.nodes[0], f"unwritten{families}", families=families)
    with _rule(lab, "INSERT ON object WHEN NEW.kind = 'workloadendpoints'"):
        answer = pod.try_add()
        assert answer.json["code"] == 11
        _refused(lab, answer, before, "store.db")
    _add_again(pod)
    reach_all(lab, 1)


@pytest.mark.parametrize("families, block", [("4", "10.42."), ("6", "fd42:"), ("46", "10.42."),
                                             ("46", "fd42:")])
def test_address_can_t_be_written(lab, families, block):
    before = _state(lab)
    with _rule(lab, "UPDATE ON object WHEN NEW.kind = 'ipamblocks' AND "
                    f"NEW.value LIKE '%\"cidr\":\"{block}%'"):
        answer = lab.new_pod(lab.nodes[0], "addressless", families=families).try_add()
        assert answer.json["code"] == 11
        _refused(lab, answer, before, "store.db")


@EACH
def test_endpoint_can_t_be_deleted(lab, families):
    """DEL is kept for later: the address stays given until the endpoint is gone."""
    pod = lab.pod(lab.nodes[0], f"undeleted{families}", families=families)
    used = used_addresses(lab)
    with _rule(lab, "UPDATE ON object WHEN NEW.kind = 'workloadendpoints'"):
        assert pod.try_del().code == 0
        assert used_addresses(lab) == used
        assert not lab.nodes[0].links("dev", pod.host_interface)
    wait_for(lambda: used_addresses(lab) == used - len(families), 10, "the addresses are free")
    assert pod.try_del().code == 0


def test_two_adds_at_once(lab):
    """One wires the pod; the other gets the same or is told to try again. Never two of a family."""
    for number, families in enumerate([*KINDS.values(), "46"]):
        pod = lab.new_pod(lab.nodes[0], f"double{number}", families=families)
        used = used_addresses(lab)
        answers = []
        threads = [threading.Thread(target=lambda pod=pod: answers.append(pod.try_add()))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        good = [answer for answer in answers if answer.code == 0]
        assert good
        assert len({str(answer.json["ips"]) for answer in good}) == 1
        for answer in answers:
            assert answer.code == 0 or answer.json["code"] == 11 and \
                "another call for this pod" in answer.json["msg"]
        assert used_addresses(lab) == used + len(families)
        pod.result = good[0].json
    reach_all(lab, 1)


def test_add_and_del_at_once(lab):
    """Whoever is first: afterwards a DEL leaves nothing."""
    for number, families in enumerate([*KINDS.values(), "46"]):
        pod = lab.new_pod(lab.nodes[0], f"race{number}", families=families)
        threads = [threading.Thread(target=pod.try_add), threading.Thread(target=pod.try_del)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lab.drop_pod(pod)


@pytest.mark.parametrize("milliseconds", [0, 2, 4, 7, 12, 20])
def test_agent_dies_in_an_add(lab, milliseconds):
    """At whatever moment: the runtime's DEL, queued or at once, leaves nothing."""
    node = lab.nodes[0]
    pod = lab.new_pod(node, f"cut{milliseconds}", families="46")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(pod.try_add()))
    thread.start()
    time.sleep(milliseconds / 1000)
    node.kill_agent()
    thread.join()
    if answers[0].code:
        assert answers[0].json["code"] == 11, answers[0].text
    node.start_agent()
    _add_again(pod)
    reach_all(lab, 1)


def test_stop_lets_calls_end(lab):
    """SIGTERM under load: every call is answered with success or with try again."""
    node = lab.nodes[0]
    pods = [lab.new_pod(node, f"stop{number}", families=families)
            for number, families in zip(range(8), list(KINDS.values()) * 3)]
    answers = {}

    def one(pod):
        answers[pod.name] = pod.try_add()

    threads = [threading.Thread(target=one, args=[pod]) for pod in pods]
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    node.kill_agent(signal.SIGTERM)
    assert node.agent.returncode == 0
    for thread in threads:
        thread.join()
    node.start_agent()
    for pod in pods:
        answer = answers[pod.name]
        if answer.code:
            assert answer.json["code"] == 11, answer.text
        else:
            pod.result = answer.json
    for pod in [pod for pod in pods if not pod.result]:
        lab.drop_pod(pod)
    reach_all(lab, 1)


def test_locked_store(lab):
    """Somebody holds the datastore: the call is told to try again, and nothing hangs for good."""
    before = _state(lab)
    pod = lab.new_pod(lab.nodes[0], "locked", families="46")
    with contextlib.closing(sqlite3.connect(lab.directory / "store.db")) as db:
        db.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        answer = pod.try_add()
        assert 5 < time.monotonic() - start < 25
        db.rollback()
    assert answer.code == 1 and answer.json["code"] == 11
    assert "store.db" in answer.json["msg"]
    assert_same(before, _state(lab))
