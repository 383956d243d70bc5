#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Addresses on etcd: bench-ipam with 300 nodes, of which 8 write at the same time, on one member of its
own, on loopback and on the disk that build/ is on. Argument: another number of nodes. Each begins
with an empty view and reads all claims, so the time grows with the square: 1,000 take minutes.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
ETCD = "/usr/bin/etcd"
LIMIT = 280


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait(url):
    limit = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(f"{url}/v3/kv/range", b'{"key":"YQ=="}'))
            return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)


def main():
    nodes = sys.argv[1] if len(sys.argv) > 1 else "300"
    with tempfile.TemporaryDirectory(prefix="bench-etcd-", dir=ROOT / "build") as directory:
        url, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        server = subprocess.Popen(
            [ETCD, "--data-dir", directory, "--listen-client-urls", url, "--advertise-client-urls",
             url, "--listen-peer-urls", peer, "--quota-backend-bytes", str(4 << 30)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait(url)
            done = subprocess.run(
                [ROOT / "build/src/ipam-io/bench-ipam", directory, nodes, "8"], text=True,
                env={**os.environ, "DATASTORE_TYPE": "etcdv3", "ETCD_ENDPOINTS": url},
                stdout=subprocess.PIPE, timeout=LIMIT, check=True)
        finally:
            server.kill()
            server.wait()
        sys.stdout.write("".join(f"etcd-{line}\n" for line in done.stdout.splitlines()))


main()
