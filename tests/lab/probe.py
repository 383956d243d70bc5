# SPDX-License-Identifier: Apache-2.0
"""
Who reaches whom: pings and TCP connections between pods, from one process that has a socket in
every namespace. And flows of numbered packets, by the program tests/tools/flow.c.
"""

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import threading
import time

from .netns import LabError

TCP_PORT = 8080
ICMP_ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}


def checksum(data):
    """The Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def family_of(address):
    """AF_INET or AF_INET6."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def echo_request(family, ident, sequence, payload):
    """An ICMP echo request; the kernel fills in ICMPv6's checksum."""
    kind = ICMP_ECHO[family][0]
    head = struct.pack("!BBHHH", kind, 0, 0, ident, sequence)
    if family == socket.AF_INET:
        head = struct.pack("!BBHHH", kind, 0, checksum(head + payload), ident, sequence)
    return head + payload


def ping(address, timeout=1.0, payload=b"korat", count=1):
    """Pings from the namespace it is called in; round trip in milliseconds, None for silence."""
    family = family_of(address)
    proto = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    reply = ICMP_ECHO[family][1]
    ident = int.from_bytes(os.urandom(2), "big")
    with socket.socket(family, socket.SOCK_RAW, proto) as sock:
        for sequence in range(count):
            start = time.monotonic()
            try:
                sock.sendto(echo_request(family, ident, sequence, payload), (address, 0))
            except OSError:
                time.sleep(timeout if sequence + 1 < count else 0)
                continue
            while (left := start + timeout - time.monotonic()) > 0:
                if not select.select([sock], [], [], left)[0]:
                    break
                data, sender = sock.recvfrom(65535)
                icmp = data[(data[0] & 15) * 4:] if family == socket.AF_INET else data
                kind, _, _, got_ident, got_seq = struct.unpack("!BBHHH", icmp[:8])
                if (kind, got_ident, got_seq) == (reply, ident, sequence) and sender[0] == address:
                    return (time.monotonic() - start) * 1000
    return None


def tcp_name(address, timeout=2.0, port=TCP_PORT):
    """Connects and reads a greeting: (name the server gave, address it saw); None for failure."""
    try:
        with socket.create_connection((address, port), timeout) as sock:
            sock.settimeout(timeout)
            data = b""
            while chunk := sock.recv(256):
                data += chunk
            name, seen = data.decode("ascii").split()
            return name, seen
    except (OSError, ValueError):
        return None


class Greeter:
    """A TCP server in every pod given: says the pod's name and the client's address."""

    def __init__(self, pods, port=TCP_PORT):
        self._socks = {pod.ns.run(self._listen, port): pod.name for pod in pods}
        self._stop_r, self._stop_w = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @staticmethod
    def _listen(port):
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True,
                                    backlog=64)

    def _serve(self):
        while True:
            ready = select.select([self._stop_r, *self._socks], [], [])[0]
            if self._stop_r in ready:
                return
            for sock in ready:
                with contextlib.suppress(OSError):
                    conn, client = sock.accept()
                    with conn:
                        seen = client[0].removeprefix("::ffff:")
                        conn.sendall(f"{self._socks[sock]} {seen}\n".encode("ascii"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.write(self._stop_w, b"x")
        self._thread.join()
        for sock in self._socks:
            sock.close()
        os.close(self._stop_r)
        os.close(self._stop_w)


class Reach:
    """What one pod saw of another, by one of its addresses."""

    def __init__(self, address, ping_ms, tcp, expected_source):
        self.address = address
        self.ping_ms = ping_ms
        self.tcp = tcp
        self.source_kept = bool(tcp) and tcp[1] == expected_source

    @property
    def good(self):
        """Ping and TCP work, and the server saw the pod's own address."""
        return self.ping_ms is not None and self.tcp is not None and self.source_kept

    def __repr__(self):
        return f"{self.address}: ping={self.ping_ms} tcp={self.tcp} source_kept={self.source_kept}"


def _reach_all(pod, targets):
    """By every address that is of a family of the pod's own; of those that of the worst."""
    own = {family_of(address): address for address in pod.addresses}

    def one(target):
        return [Reach(address, ping(address, count=3), tcp_name(address), own[family_of(address)])
                for address in target.addresses if family_of(address) in own]

    seen = {target.name: one(target) for target in targets}
    return {name: min(all_of, key=lambda reach: reach.good) for name, all_of in seen.items()
            if all_of}


def matrix(pods):
    """
    {(from, to): Reach} of every ordered pair that has a family in common, by all of those families;
    the pods probe side by side.
    """
    with Greeter(pods):
        futures = {
            pod: pod.ns.submit(_reach_all, pod, [other for other in pods if other is not pod])
            for pod in pods
        }
        return {
            (pod.name, name): reach
            for pod, future in futures.items()
            for name, reach in future.result().items()
        }


class Flow:
    """Numbered packets from one pod to another and back; finish() gives the report."""

    def __init__(self, program, source, target, pps, seconds, port=9000, address=None):
        self._receiver = target.ns.popen([program, "recv", port], stdout=subprocess.PIPE, text=True)
        if self._receiver.stdout.readline() != "ready\n":
            raise LabError(f"flow recv in {target.name} does not start")
        self._sender = source.ns.popen(
            [program, "send", address or target.address, port, pps, seconds],
            stdout=subprocess.PIPE, text=True
        )
        self._seconds = seconds

    def stop(self):
        """The sender ends; finish() then gives its report."""
        self._sender.terminate()

    def finish(self, stop=False):
        """Waits for the end, or ends the flow now; gives the sender's report."""
        try:
            if stop:
                self._sender.terminate()
            out, _ = self._sender.communicate(timeout=self._seconds + 20)
            return json.loads(out)
        finally:
            for process in (self._sender, self._receiver):
                if process.poll() is None:
                    process.kill()
                process.wait()


class Fresh:
    """
    Datagrams to one address, each the first of a connection; finish() says which arrived and when.
    With seconds more than it takes: it goes on until finish().
    """

    def __init__(self, program, source, target, address, pps, seconds, port=9100):
        self._counter = target.ns.popen([program, "count", port], stdout=subprocess.PIPE, text=True)
        if self._counter.stdout.readline() != "ready\n":
            raise LabError(f"flow count in {target.name} does not start")
        self._pps = pps
        self._stopped = None
        self._sender = source.ns.popen([program, "fresh", address, port, pps, seconds],
                                       stdout=subprocess.PIPE, text=True)

    def stop(self):
        """The sender ends."""
        if not self._stopped:
            self._sender.terminate()
            self._stopped = time.monotonic()

    def finish(self):
        """Ends the flow now: {sent, refused, received, lost, spans: [(from, to, packets)]}."""
        try:
            self.stop()
            report = json.loads(self._sender.communicate(timeout=20)[0])
            # What is under way arrives.
            time.sleep(max(0, self._stopped + 0.3 - time.monotonic()))
            self._counter.terminate()
            report.update(json.loads(self._counter.communicate(timeout=20)[0]))
            report["lost"] = report["sent"] - report["received"]
            report["lost_at_ns"] = [report["start_ns"] + number * 10**9 // self._pps
                                    for number in report.pop("missing")]
            return report
        finally:
            for process in (self._sender, self._counter):
                if process.poll() is None:
                    process.kill()
                process.wait()
