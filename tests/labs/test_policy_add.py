# SPDX-License-Identifier: Apache-2.0
"""
ADD waits for policy: a pod that may not reach anything never does, not by its first packet, and
nothing that may not reach it does; without policies in the kernel there is no pod.
"""

import concurrent.futures
import itertools
import select
import socket
import subprocess
import threading

from clusters import KINDS, NFT, becomes_same, kernel_state, ruleset, settle
from families import used_addresses
from lab import probe, wait_for
from lab.lab import Pod
from policed import address, listing, network_policy, shop

PODS = 50
PORT = 7000
DENY_ALL = network_policy("jail", "deny", selector="all()", types=["Ingress", "Egress"])


class Listener:
    """Counts the datagrams that come to a pod, by the address they come from."""

    def __init__(self, pod):
        self.seen = {}
        self._stop = threading.Event()
        self._sock = pod.ns.run(self._open)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @staticmethod
    def _open():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", PORT))
        return sock

    def _serve(self):
        while not self._stop.is_set():
            if select.select([self._sock], [], [], 0.1)[0]:
                sender = self._sock.recvfrom(64)[1][0].removeprefix("::ffff:")
                self.seen[sender] = self.seen.get(sender, 0) + 1

    def close(self):
        """Gives what was seen."""
        self._stop.set()
        self._thread.join()
        self._sock.close()
        return self.seen


class Senders:
    """Sends to every target from within every pod all the time, routes or not."""

    def __init__(self):
        self._stop = threading.Event()
        self._threads = []
        self.sent = 0

    def add(self, pod, targets):
        """From now on, the pod too. Its sockets are made before there is any interface."""
        def opened():
            return [(socket.socket(probe.family_of(target), socket.SOCK_DGRAM), target)
                    for target in targets]

        thread = threading.Thread(target=self._send, args=(pod.ns.run(opened),), daemon=True)
        thread.start()
        self._threads.append(thread)

    def _send(self, socks):
        while not self._stop.wait(0.001):
            for sock, target in socks:
                try:
                    sock.sendto(b"x", (target, PORT))
                    self.sent += 1
                except OSError:
                    pass
        for sock, _ in socks:
            sock.close()

    def close(self):
        """Ends all of them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_first_packet_is_judged(clean_machine):
    """
    Fifty pods at a time, of IPv4, of IPv6 and of both, each of which sends before it has an interface,
    and is sent to.
    """
    with shop() as place:
        lab, node = place.lab, place.node
        lab.open_namespace("jail")
        lab.open_namespace("free")
        lab.apply(DENY_ALL)
        place.settle()
        watcher = place.stranger
        targets = [address(watcher, 4), address(watcher, 6), node.address, node.address6]
        jailed = [lab.new_pod(node, f"j{number}", "jail", families)
                  for number, families in zip(range(PODS), itertools.cycle(KINDS.values()))]
        free = [lab.new_pod(node, f"f{families}", "free", families) for families in KINDS.values()]
        listeners = [Listener(pod) for pod in jailed]
        witness, host = Listener(watcher), Listener(node)
        senders = Senders()
        try:
            for pod in jailed + free:
                senders.add(pod, targets)
            with concurrent.futures.ThreadPoolExecutor(PODS) as pool:
                list(pool.map(Pod.add, jailed + free))
            # And from everywhere to them, at once when they are there.
            to_jailed = [one for pod in jailed for one in pod.addresses]
            senders.add(watcher, to_jailed)
            wait_for(lambda: all(one in witness.seen and one in host.seen
                                 for pod in free for one in pod.addresses),
                     20, "the free ones come through")
        finally:
            senders.close()
            heard, on_host = witness.close(), host.close()
            in_jail = [listener.close() for listener in listeners]
        assert senders.sent > 10000
        assert not set(to_jailed) & set(heard), "a jailed pod reached another"
        assert not set(to_jailed) & set(on_host), "a jailed pod reached its node"
        assert not any(in_jail), "something reached a jailed pod"


class Owner:
    """Another program that owns our tables, so that nobody else may change them."""

    def __init__(self, node):
        self._nft = node.ns.popen([NFT, "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, text=True)
        for family in ("ip", "ip6"):
            self._nft.stdin.write(f"delete table {family} calico; "
                                  f"add table {family} calico {{ flags owner; }}\n")
        self._nft.stdin.flush()
        wait_for(lambda: listing(node).count("flags owner") == 2, 15, "the tables are owned")

    def close(self):
        """The kernel removes what the program owned."""
        self._nft.stdin.close()
        self._nft.wait(5)


def test_without_policy_no_pod(clean_machine):
    with shop() as place:
        lab, node = place.lab, place.node
        lab.apply(DENY_ALL)
        place.settle()
        settle(lab)
        whole = ruleset(node)
        state, used = kernel_state(node), used_addresses(lab)
        endpoints = len(lab.get("workloadendpoints", namespace="jail"))
        pods = [lab.new_pod(node, f"late{families}", "jail", families)
                for families in KINDS.values()]
        owner = Owner(node)
        try:
            with concurrent.futures.ThreadPoolExecutor(len(pods)) as pool:
                answers = list(pool.map(Pod.try_add, pods))
            for answer in answers:
                assert answer.code, "ADD without policy in the kernel"
                assert "policy" in answer.json["msg"] and "owns" in answer.json["msg"], answer.text
            becomes_same(state, lambda: kernel_state(node), 15, "link and routes are gone")
            for pod in pods:
                assert pod.ns.ip("-o", "link").count("\n") == 1, "something is left in the pod"
            assert len(lab.get("workloadendpoints", namespace="jail")) == endpoints
            assert used_addresses(lab) == used
        finally:
            owner.close()
        becomes_same(whole, lambda: ruleset(node), 15, "the rules are back")
        for pod in pods:
            pod.add()
            for family in map(int, pod.families):
                assert pod.ns.run(probe.ping, address(place.stranger, family), 0.3) is None
