# SPDX-License-Identifier: Apache-2.0
"""Connections that are there when a policy comes, and what is left of those of deleted pods."""

import contextlib
import ipaddress
import pathlib
import socket
import threading
import time

import pytest

from lab import wait_for
from policed import DATAPLANES, FAMILIES, address, namespace, network_policy, shop

PORT = 7100


class Connection:
    """TCP between two pods."""

    def __init__(self, source, target, family):
        kind = socket.AF_INET6 if family == 6 else socket.AF_INET
        server = target.ns.run(lambda: socket.create_server((address(target, family), PORT),
                                                            family=kind))
        self._client = source.ns.run(socket.create_connection, (address(target, family), PORT), 3)
        self._server = server.accept()[0]
        server.close()

    def talks(self, timeout=1.0):
        """Does a word come through?"""
        self._server.settimeout(timeout)
        try:
            self._client.sendall(b"x")
            return bool(self._server.recv(1))
        except OSError:
            return False

    def chat(self, timeout):
        """Words go to and fro in threads, until one does not arrive in that time."""
        def end(sock, first):
            with contextlib.suppress(OSError):
                sock.settimeout(timeout)
                if first:
                    sock.sendall(b"x")
                while sock.recv(1):
                    sock.sendall(b"x")

        threads = [threading.Thread(target=end, args=args, daemon=True)
                   for args in ((self._client, True), (self._server, False))]
        for thread in threads:
            thread.start()
        return threads

    def close(self):
        """Both ends."""
        self._client.close()
        self._server.close()


def _entries(node):
    """The node's connections: one line each."""
    table = pathlib.Path("/proc/thread-self/net/nf_conntrack")
    return node.ns.run(table.read_text, "ascii").splitlines()


@pytest.mark.parametrize("option, dataplane", [
    ("off", "nftables"), ("on", "nftables"), ("on", "iptables-legacy"), ("on", "iptables-nft")])
def test_connections_of_before(clean_machine, option, dataplane):
    with shop(KORAT_CUT_DENIED=option, **DATAPLANES[dataplane]) as place:
        with contextlib.ExitStack() as stack:
            connections = {}
            for family in FAMILIES:
                for source in (place.friend, place.other):
                    connection = Connection(source, place.shop, family)
                    stack.callback(connection.close)
                    connections[source.name, family] = connection
            assert all(one.talks(5) for one in connections.values())
            place.lab.apply(namespace("friends", friend="no"))
            place.settle()
            if option == "on":
                for family in FAMILIES:
                    wait_for(lambda family=family: not connections["friend", family].talks(0.2), 5,
                             f"what is denied is cut, IPv{family}")
            else:
                time.sleep(1)
            for (name, family), connection in connections.items():
                expected = name == "other" or option == "off"
                assert connection.talks(5 if expected else 1) == expected, (name, family)
            # Nor does a new one begin.
            with pytest.raises(OSError):
                Connection(place.friend, place.shop, 4)
            _cut_while_it_talks(place, option)


def _cut_while_it_talks(place, option):
    """
    What is denied the one way only is cut, too, when it is the server that speaks next: its packet
    begins no connection the other way.
    """
    place.lab.apply(network_policy("shop", "oneway", selector="all()", types=["Ingress", "Egress"],
                                   order=1, ingress=[{"action": "Allow"}],
                                   egress=[{"action": "Allow"}]))
    place.settle()
    with contextlib.ExitStack() as stack:
        busy = []
        for family in FAMILIES:
            connection = Connection(place.other, place.shop, family)
            stack.callback(connection.close)
            busy.append(connection.chat(1 if option == "on" else 30))
        place.lab.apply(network_policy("shop", "oneway", selector="all()",
                                       types=["Ingress", "Egress"], order=1,
                                       ingress=[{"action": "Deny"}], egress=[{"action": "Allow"}]))
        place.settle()
        time.sleep(0.5)
        deadline = time.monotonic() + (10 if option == "on" else 0)
        for threads in busy:
            for thread in threads:
                thread.join(max(0, deadline - time.monotonic()))
                assert thread.is_alive() == (option == "off")


@pytest.mark.parametrize("dataplane", ["iptables-legacy", "iptables-nft"])
def test_what_began_without_rules_ends(clean_machine, dataplane):
    """The same by nftables is in test_policy_window.py, whose windows are shorter."""
    with shop(**DATAPLANES[dataplane]) as place, contextlib.ExitStack() as stack:
        good = Connection(place.friend, place.shop, 4)
        stack.callback(good.close)
        with pytest.raises(OSError):
            Connection(place.stranger, place.shop, 4)
        for program in ("iptables", "ip6tables"):
            backend = dataplane.split("-")[1]
            place.node.ns.output([f"/usr/sbin/{program}-{backend}", "-F"])
        bad = Connection(place.stranger, place.shop, 4)
        stack.callback(bad.close)
        assert bad.talks()
        wait_for(lambda: not bad.talks(0.2), 5, "what began meanwhile ends")
        with pytest.raises(OSError):
            Connection(place.stranger, place.shop, 4)
        assert good.talks()


def test_nothing_is_left_of_a_deleted_pod(clean_machine):
    with shop() as place:
        for family in FAMILIES:
            connection = Connection(place.friend, place.shop, family)
            assert connection.talks(5)
            connection.close()
        gone = [ipaddress.ip_address(one).exploded for one in place.friend.addresses]
        assert all(any(one in line for line in _entries(place.node)) for one in gone)
        place.lab.drop_pod(place.friend)
        wait_for(lambda: not any(one in line for line in _entries(place.node) for one in gone),
                 15, "the pod's connections are gone")
