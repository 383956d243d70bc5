#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Round trips of one byte and iperf3's streams between pods, with the kernel's flow table and without:
wired by hand, by hand with one masquerading rule, by Korat, and by Korat with
nftablesFlowTableOffload. They take turns; medians. On a host whose kernel has no flow tables it is measured inside an emulated machine
with Debian's kernel: there every instruction costs more, each by another factor, and the ratios
alone mean something.
"""

import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# pylint: disable=wrong-import-position
from bench_traffic import (ENVIRONMENT, HandLab, listen, mtu_of, OurLab, PATHS,  # noqa: E402
                           reachable, round_trip, throughput)
from lab import Lab, qemu, wait_for  # noqa: E402
from measurement import result  # noqa: E402

NFT = "/usr/sbin/nft"
PROBE = "add table ip probe; add flowtable ip probe f { hook ingress priority 0; }"
ROUNDS, STREAMS_ROUNDS = 9, 5
STREAMS = (1, 8)
TRIPS, TRIPS_EMULATED = 10000, 1500
LIMIT_SECONDS = 1200
EMULATED = "emulated"


def has_flow_tables():
    """Does the kernel it runs on have them?"""
    return subprocess.run(["/usr/bin/unshare", "-n", NFT, PROBE], capture_output=True,
                          check=False).returncode == 0


def offloaded(pods):
    """The connections of these pods take the flow table by now."""
    for node in {pod.node for pod in pods.values()}:
        wait_for(lambda node=node: all(
            pod.host_interface in node.ns.output([NFT, "list", "flowtables"])
            for pod in pods.values() if pod.node is node), 30, "the flow tables have their devices")


def compare(name, labs, unit, note, rounds, one):
    """They take turns, in changing order; ratios of the medians to that by hand."""
    values = {who: [] for who in labs}
    for number in range(rounds):
        for who in sorted(labs, reverse=number % 2 == 1):
            values[who].append(one(who))
    medians = {who: statistics.median(those) for who, those in values.items()}
    for who, median in medians.items():
        result(f"{name}-{who}", median, unit, note)
    for who in medians.keys() - {"hand"}:
        ratio = medians["hand"] / medians[who]
        result(f"{name}-{who}-to-hand", ratio if unit == "us" else 1 / ratio, "more is better",
               note, **({"target": ">=0.97"} if who == "offload" else {}))


def measure(trips, note):
    """All paths, all wirings."""
    offload = {**ENVIRONMENT, "FELIX_NFTABLESFLOWTABLEOFFLOAD": "All",
               "FELIX_NFTABLESFLOWTABLEDATAIFACEPATTERN": "^eth0$"}
    with Lab(2, ENVIRONMENT) as first, Lab(2, offload) as second, Lab(2) as third, \
            Lab(2) as fourth:
        labs = {"korat": OurLab(first), "offload": OurLab(second)}
        mtus = {way: mtu_of(labs["korat"].pods[way, "a"]) for way in ("vxlan", "none")}
        labs["hand"] = HandLab(third, mtus)
        labs["hand-nat"] = HandLab(fourth, mtus, masquerade=True)
        for one in labs.values():
            reachable(one.pods)
            listen(one.pods)
        offloaded(labs["offload"].pods)
        for path, way, target in PATHS:
            def ends(who, way=way, target=target):
                return labs[who].pods[way, "a"], labs[who].pods[way, target]

            compare(f"round-trip-{path}", labs, "us", note, ROUNDS,
                    lambda who, ends=ends: round_trip(*ends(who), trips))
            without = {who: one for who, one in labs.items() if who != "hand-nat"}
            for streams in STREAMS:
                compare(f"traffic-{path}-{streams}", without, "Gbit/s", note, STREAMS_ROUNDS,
                        lambda who, ends=ends, streams=streams: throughput(*ends(who), streams))


def emulate():
    """The same inside."""
    if not qemu.available():
        raise SystemExit("this kernel has no flow tables, and there is no other: sudo ./dev deps")
    lines = []
    code = qemu.run([sys.executable, "-B", __file__, EMULATED], LIMIT_SECONDS, lines.append)
    text = b"".join(lines).decode(errors="replace")
    if code:
        raise SystemExit(text)
    print(text, end="")


if __name__ == "__main__":
    if sys.argv[1:] == [EMULATED]:
        measure(TRIPS_EMULATED, EMULATED)
    elif has_flow_tables():
        measure(TRIPS, "")
    else:
        emulate()
