# SPDX-License-Identifier: Apache-2.0
"""
No window: while the agent ends, dies, starts, rewrites its rules, or loses its datastore, nothing
that policy denies gets through, and nothing that it allows is lost. Every datagram of the denied
flows is judged as the first of its connection.
"""

import pathlib
import signal
import threading
import time

from clusters import NFT, becomes_same, ruleset
from lab import FLOW, probe, wait_for
from policed import SECONDS, Traffic, felix, guard, listing, namespace, shop


def _restart(place, number):
    place.node.kill_agent(number)
    place.node.start_agent()
    place.settle()


def _churn(place, stop):
    number = 0
    while not stop.is_set():
        number += 1
        place.lab.apply(guard(30000 + number))


def test_no_window(clean_machine):
    with shop() as place:
        with Traffic(place) as traffic:
            place.settle()
            _restart(place, signal.SIGTERM)
            for milliseconds in (0, 5, 20, 60):
                place.node.kill_agent()
                place.node.start_agent(wait=False)
                time.sleep(milliseconds / 1000)
            _restart(place, signal.SIGKILL)
            # While policies change.
            stop = threading.Event()
            churn = threading.Thread(target=_churn, args=(place, stop))
            churn.start()
            try:
                for milliseconds in (230, 310, 170, 270):
                    time.sleep(milliseconds / 1000)
                    place.node.kill_agent()
                    place.node.start_agent()
            finally:
                stop.set()
                churn.join()
            place.settle()
        traffic.assert_no_window()
        assert traffic.n_sent() > 10000


def test_no_window_in_a_rewrite(clean_machine):
    """All rules change, with an agent and while none is there; labels, and no datastore."""
    with shop() as place:
        with Traffic(place) as traffic:
            for action in ("Reject", "Drop"):
                place.lab.apply(felix(nftablesFilterDenyAction=action))
                wait_for(lambda a=action: ("reject" in listing(place.node)) == (a == "Reject"), 10,
                         f"the rules say {action}")
            place.node.kill_agent()
            place.lab.apply(felix(nftablesFilterDenyAction="Reject",
                                  disableConntrackInvalidCheck=True))
            place.node.start_agent()
            wait_for(lambda: "reject" in listing(place.node), 10, "the rules are new")
            # Other members of the set that the policy's rule looks into.
            for friend in ("no", "yes") * 5:
                place.lab.apply(namespace("others", friend=friend))
            place.settle()
            store, hidden = place.lab.directory / "store.db", place.lab.directory / "hidden.db"
            store.rename(hidden)
            store.symlink_to("/nonexistent/store.db")  # else a new one would be made there
            try:
                time.sleep(1)
                place.node.kill_agent()
                place.node.start_agent(wait=False)
                time.sleep(1)
            finally:
                store.unlink()
                hidden.rename(store)
            wait_for(place.node.agent_ready, 20, "the agent serves")
            place.settle()
        traffic.assert_no_window()


def _wreck(place, command):
    """Someone else takes our rules away; gives the moment after which they were gone."""
    start = time.monotonic_ns()
    place.node.ns.output([NFT, *command.split()])
    return start


def _waited(node):
    """For how many ms the agent's threads could have run, had others let them."""
    return sum(int(path.read_text(encoding="ascii").split()[1])
               for path in pathlib.Path(f"/proc/{node.agent.pid}/task").glob("*/schedstat")) / 1e6


def test_taken_away(clean_machine):
    """Until it is repaired, all passes; no longer, and nothing that passed then goes on."""
    windows = {}
    with shop() as place:
        for command in ("flush ruleset", "delete table ip calico", "delete table ip6 calico",
                        "add table ip calico { flags dormant; }",
                        "flush chain ip calico filter-cali-FORWARD-to"):
            # So that connections are tracked meanwhile.
            place.node.ns.output([NFT, "add table inet other; add chain inet other c { type filter "
                                  "hook forward priority -5; }; add rule inet other c ct state "
                                  "established counter"])
            whole = ruleset(place.node)
            old = probe.Flow(FLOW, place.stranger, place.shop, 1000, SECONDS, 9000)
            try:
                with Traffic(place) as traffic:
                    time.sleep(0.3)
                    waited = _waited(place.node)
                    start = _wreck(place, command)
                    becomes_same(whole, lambda: ruleset(place.node), 15, "the rules are back")
                    waited = _waited(place.node) - waited
                    time.sleep(1.5)
            finally:
                report = old.finish(stop=True)
            # While the kernel takes a table away, a packet may still see a rule of it but no
            # member of its sets any more: that one is dropped.
            lost = sum(report["lost"] for report in traffic.lost().values())
            assert lost <= 2, (command, traffic.lost())
            spans = [span for spans in traffic.passed().values() for span in spans]
            first = min((span[0] for span in spans), default=start)
            last = max((span[1] for span in spans), default=start)
            assert first >= start
            windows[command] = (last - first) / 1e6 - waited
            # It would have 1500 more by now. It is cut behind the repair, which does not wait for it.
            assert report["received"] < (last - first) / 1e6 + 800, \
                (command, "a connection of the window goes on", report)
    print("open for so many ms:", windows)
    assert max(windows.values()) < 50, windows
