#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
`./dev demo`: three nodes as network namespaces on a switch, each with its own agent and its own
BIRD, all on one embedded store; two pods a node, attached through the CNI plugin as a container
runtime would. Then: who reaches whom and how, who speaks BGP with whom, the way of one packet, and
what a policy changes.
"""

import argparse
import os
import pathlib
import shutil
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

# pylint: disable=wrong-import-position
import picture
import story
from lab import Lab, LabError, ids, probe, remove, uml, wait_for
from terminal import Terminal

PICTURES = ROOT / "build/demo"
SLOW = 4 if os.environ.get("KORAT_IN_UML") else 1
UML_SECONDS = 150
SECOND_POOL = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "IPPool",
    "metadata": {"name": "fabric-pool"},
    "spec": {"cidr": "10.43.0.0/16", "ipipMode": "Never", "vxlanMode": "Never",
             "natOutgoing": False, "blockSize": 26},
}


POLICY = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "NetworkPolicy",
    "metadata": {"name": "db-from-web", "namespace": "default"},
    "spec": {"selector": "app == 'db'", "types": ["Ingress"],
             "ingress": [{"action": "Allow", "source": {"selector": "app == 'web'"}}]},
}
POLICY_SECONDS = 5


class Scene:
    """What is being shown: which pools there are, and which pods use which."""

    def __init__(self, ipip):
        self.ipip = ipip
        self.environment = {
            "CALICO_IPV4POOL_CIDR": "10.42.0.0/16",
            "CALICO_IPV4POOL_IPIP": "Always" if ipip else "Never",
            "CALICO_IPV4POOL_VXLAN": "Never" if ipip else "Always",
        }
        first = ("web", "default-ipv4-ippool", "IPIP" if ipip else "VXLAN")
        second = ("db", "default-ipv4-ippool", "IPIP") if ipip else \
            ("db", "fabric-pool", "no encapsulation")
        self.kinds = [first, second]
        self.pools = {"10.42.": first[2], "10.43.": "no encapsulation"}

    def encapsulation(self, address):
        """Of the pool an address comes from."""
        return next((text for start, text in self.pools.items() if address.startswith(start)), "?")


def build_up(lab, scene, term):
    """Agents, pools, pods."""
    term.heading("Three nodes on a switch, an agent and a BIRD on each, one embedded store")
    term.step(f"lab {lab.id}: namespaces {', '.join(n.ns.name for n in lab.nodes)}")
    for node in lab.nodes:
        start = time.monotonic()
        node.start_agent(wait=False)
        wait_for(node.agent_ready, 20 * SLOW, f"the agent of {node.name} serves CNI requests; "
                 f"the end of its log:\n{node.log_tail()}")
        term.step(f"{node.name} {node.address}: agent serves CNI requests",
                  f"after {(time.monotonic() - start) * 1000:.0f} ms")
    if not scene.ipip:
        lab.apply(SECOND_POOL)
        term.step("koratctl apply: pool fabric-pool 10.43.0.0/16, no encapsulation")
    for node in lab.nodes:
        for name, pool, encapsulation in scene.kinds:
            start = time.monotonic()
            pod = lab.pod(node, f"{name}-{node.number}", pools=[pool])
            taken = (time.monotonic() - start) * 1000
            term.step(f"{node.name}: CNI ADD {pod.name}  {pod.address}  ({encapsulation})",
                      f"{taken:.1f} ms with the pod's namespace")


def wait_for_peace(lab, term):
    """BGP sessions up, every pod reaching every other."""
    n_sessions = len(lab.nodes) * (len(lab.nodes) - 1)

    def meshed():
        return sum(one.established for _, one in story.sessions(lab)) >= n_sessions

    wait_for(meshed, 40 * SLOW, f"{n_sessions} ends of BGP sessions are Established", 0.1)
    term.step("BGP: full mesh established")
    last = {}

    def all_good():
        last.update(probe.matrix(lab.pods))
        return all(reach.good for reach in last.values())

    try:
        wait_for(all_good, 20 * SLOW, "every pod reaches every other", 0.2)
    except LabError:
        term.step(term.paint("some pods do not reach others; the table shows which", "red"))
    return dict(last)


def show_matrix(lab, matrix, ways, term):
    """The table of every pod against every other."""
    term.heading("Every pod to every other: ping, TCP, and the way the kernel takes")
    colour = {"same node": "dim", "vxlan.calico": "magenta", "tunl0": "magenta", "fabric": "cyan"}
    rows = []
    for source in lab.pods:
        row = [term.paint(source.name, "bold"), source.address]
        for target in lab.pods:
            if target is source:
                row.append("·")
                continue
            reach, kind = matrix[source.name, target.name], ways[source.name, target.name].kind
            mark = term.paint("✓", "green") if reach.good else term.paint("✗", "red")
            trip = f"{reach.ping_ms:.2f} ms" if reach.ping_ms is not None else "silent"
            row.append(f"{mark} {term.paint(kind, colour.get(kind, 'yellow'))} {trip}")
        rows.append(row)
    term.table(rows, ["from", "", *(pod.name for pod in lab.pods)])
    good = sum(reach.good for reach in matrix.values())
    term.line(f"  {good} of {len(matrix)} pairs ping and connect by TCP, "
              "and the server sees the pod's own address")
    return good == len(matrix)


def show_control(lab, scene, term):
    """BGP, blocks, routes."""
    term.heading("BGP sessions, as each BIRD sees them")
    rows = []
    for node, one in story.sessions(lab):
        state = term.paint(one.info, "green" if one.established else "red")
        rows.append([node.name, one.name, one.peer, state, f"since {one.since}"])
    term.table(rows, ["node", "protocol", "peer", "state", ""])
    term.heading("Address blocks: koratctl ipam show --show-blocks")
    for line in lab.ctl("ipam", "show", "--show-blocks").rstrip().splitlines():
        term.line("  " + line)
    term.heading("Routes to pods on node1: ip route")
    for line in lab.nodes[0].ns.ip("route").splitlines():
        if line.startswith(tuple(scene.pools)) or " 10.4" in line:
            term.line("  " + line.strip())


def show_packet(lab, source, target, ways, term):
    """One packet, hop by hop; gives what was seen."""
    way = ways[source.name, target.name]
    term.heading(f"One ping, {source.name} {source.address} to {target.name} {target.address}, "
                 f"by {way.kind}")
    trip, seen = story.watch(lab, source, target, way)
    term.line("  What the kernel answers on the way:")
    term.table([[place, term.paint(question, "dim"), answer]
                for place, question, answer in story.lookups(source, target)], indent=4)
    term.line("  What was seen on the wire:")
    rows, questions = [], [one for one in seen if not one.reply]
    for one in questions:
        arrow = "out" if one.outgoing else "in"
        rows.append([f"{(one.stamp - questions[0].stamp) / 1000:7.1f} µs", one.place,
                     f"{one.interface} {arrow}", one.text(), f"ttl {one.ttl}"])
    term.table(rows, indent=4)
    replies = [one for one in seen if one.reply]
    term.line(f"    the reply passed {len(replies)} interfaces on its way back; "
              f"round trip {trip:.2f} ms")
    return seen


def draw(lab, scene, ways, packet, term):
    """The picture."""
    source, target, seen = packet
    name = "topology-ipip.svg" if scene.ipip else "topology.svg"
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / name
    facts = picture.Facts(
        nodes=[(node.name, node.address, story.tunnel_address(node, scene_tunnel(scene)))
               for node in lab.nodes],
        pods=[(pod.name, pod.address, pod.node.name, pod.host_interface,
               scene.encapsulation(pod.address)) for pod in lab.pods],
        blocks=[(cidr, owner, used, scene.encapsulation(cidr))
                for cidr, owner, used in story.blocks(lab)],
        sessions={tuple(sorted((node.address, one.peer))): one.established
                  for node, one in story.sessions(lab)},
        tunnel=scene_tunnel(scene),
        source=source.name, target=target.name, way=ways[source.name, target.name].kind, seen=seen,
    )
    path.write_text(picture.draw(facts), encoding="utf-8")
    owner = ROOT.stat()
    for made in (PICTURES, path):
        os.chown(made, owner.st_uid, owner.st_gid)
    term.heading("The picture")
    term.line(f"  {path}")


def show_policy(lab, term):
    """A policy, what becomes of the connections, and why; gives whether it is as it should be."""
    term.heading("A policy: koratctl label and apply; who reaches whom now, by TCP")
    for pod in lab.pods:
        lab.ctl("label", "workloadendpoint", f"{pod.node.name}-k8s-{pod.name.replace('-', '--')}-eth0",
                f"app={pod.name.split('-')[0]}")
    lab.apply(POLICY)
    text = lab.ctl("get", "networkpolicy", "db-from-web", "-n", "default", "-o", "yaml")
    for line in text[text.index("\nspec:") + 1:].splitlines():
        term.line("    " + line)

    def allowed(source, target):
        return not target.name.startswith("db") or source.name.startswith("web")

    pairs = [(source, target) for source in lab.pods for target in lab.pods if source is not target]

    def right(answers):
        return all(answers[pair] == allowed(*pair) for pair in pairs)

    answers = {}
    deadline = time.monotonic() + POLICY_SECONDS
    with probe.Greeter(lab.pods):
        while True:
            asked = {pair: pair[0].ns.submit(probe.tcp_name, pair[1].address, 0.3)
                     for pair in pairs}
            answers = {pair: future.result() is not None for pair, future in asked.items()}
            if right(answers) or time.monotonic() > deadline:
                break
    rows = []
    for source in lab.pods:
        rows.append([term.paint(source.name, "bold"), *(
            "·" if target is source else
            term.paint("✓", "green") if answers[source, target] else term.paint("✗ denied", "red")
            for target in lab.pods)])
    term.table(rows, ["from", *(pod.name for pod in lab.pods)])
    term.heading("Why: koratctl policy explain pod/default/db-1 pod/default/db-3:tcp/8080")
    for line in lab.ctl("policy", "explain", "pod/default/db-1", "pod/default/db-3:tcp/8080",
                        check=False).rstrip().splitlines():
        term.line("  " + line)
    return right(answers)


def scene_tunnel(scene):
    """The tunnel device of the first pool."""
    return "tunl0" if scene.ipip else "vxlan.calico"


def play(scene, keep, term):
    """The whole demo in one lab; gives whether all was well."""
    start = time.monotonic()
    with Lab(3, scene.environment, keep=keep) as lab:
        build_up(lab, scene, term)
        matrix = wait_for_peace(lab, term)
        ways = story.ways(lab.pods)
        good = show_matrix(lab, matrix, ways, term)
        show_control(lab, scene, term)
        if good:
            by_name = {pod.name: pod for pod in lab.pods}
            packet = None
            for name in ("web",) if scene.ipip else ("web", "db"):
                ends = by_name[f"{name}-1"], by_name[f"{name}-3"]
                seen = show_packet(lab, *ends, ways, term)
                packet = packet or (*ends, seen)
            if not scene.ipip:
                good = show_policy(lab, term)
            draw(lab, scene, ways, packet, term)
        else:
            for node in lab.nodes:
                term.line(f"  {node.name}, the end of its agent's log:\n{node.log_tail(12)}")
        if keep:
            explain_keep(lab, term)
    term.heading("Done" if good else "Not good")
    left = "the lab is up" if keep else "nothing is left behind"
    term.line(f"  {time.monotonic() - start:.1f} s; {left}")
    return good


def explain_keep(lab, term):
    """How to play with a lab that stays."""
    node, pod = lab.nodes[0], lab.pods[0]
    target = lab.pods[-1]
    term.heading("The lab stays up. Try")
    korat = ROOT / "build/src/korat/korat"
    store = f"DATASTORE_TYPE=sqlite KORAT_SQLITE_FILE={lab.environment['KORAT_SQLITE_FILE']}"
    for command in (
        f"ip netns exec {pod.ns.name} ping {target.address}",
        f"ip -n {node.ns.name} route",
        f"birdc -s {node.bird_socket()} show protocols",
        f"tail -f {node.log}",
        f"{store} {korat} ctl get nodes -o wide",
        f"{store} {korat} ctl ipam show --show-blocks",
        f"{store} {korat} ctl policy explain pod/default/web-1 pod/default/db-3:tcp/8080",
        f"ip netns exec {node.ns.name} nft list table ip calico",
    ):
        term.line(f"  {command}")
    term.line(f"and when you are done:\n  sudo ./dev demo --down {lab.id}")


def play_in_uml():
    """Boots user-mode Linux and plays the IPIP scene in there."""
    if not uml.available():
        raise LabError("IPIP is shown inside user-mode Linux; install the package: ./dev deps")
    print("Booting user-mode Linux, which has IPIP whatever this machine's kernel has", flush=True)
    env = {"KORAT_DEMO_COLOUR": "1" if Terminal().paint("x", "bold") != "x" else "0",
           "LANG": "C.UTF-8"}

    def output(line):
        sys.stdout.buffer.write(line)
        sys.stdout.flush()

    code = uml.run([sys.executable, "-B", __file__, "--ipip", "--inside"], UML_SECONDS, output, env)
    if code < 0:
        print("user-mode Linux ended before the demo did", file=sys.stderr)
    return 0 if code == 0 else 1


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--ipip", action="store_true",
                        help="pods in a pool with IPIP, inside user-mode Linux")
    parser.add_argument("--keep", action="store_true", help="leave the lab up, to play with it")
    parser.add_argument("--down", metavar="ID", help="remove a lab that was kept")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    """Gives the exit code."""
    args = parse_args()
    if args.down:
        if not remove(args.down):
            up = ", ".join(ids()) or "none"
            raise LabError(f"there is no lab '{args.down}'; labs that are up: {up}")
        print(f"lab {args.down} is gone")
        return 0
    if args.ipip and not args.inside:
        if args.keep:
            raise LabError("--keep does not go with --ipip: user-mode Linux ends with the demo")
        return play_in_uml()
    if not shutil.which("bird", path="/usr/sbin:/usr/bin"):
        raise LabError("there is no BIRD; install it: sudo ./dev deps")
    return 0 if play(Scene(args.ipip), args.keep, Terminal()) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\ndemo: interrupted; nothing is left behind", file=sys.stderr)
        sys.exit(130)
