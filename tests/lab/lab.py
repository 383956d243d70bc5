# SPDX-License-Identifier: Apache-2.0
"""
A cluster on one machine: a switch, nodes that hang on it, pods on the nodes, each a network
namespace; on every node an agent of its own, all of them on one embedded store. Nothing outside the
lab's own namespaces and its own directory is touched, everything is named after the lab's id, and
all of it is gone when the lab is closed, whatever happened in between.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

from . import cni, netns
from .netns import LabError

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("KORAT_BUILD", ROOT / "build"))
RUN = pathlib.Path("/run/korat-lab")
KORAT = BUILD / "src/korat/korat"
PLUGIN = BUILD / "src/cni/korat-cni"
FLOW = BUILD / "tests/flow"

BIRD = "/usr/sbin/bird"

UNDERLAY4 = "192.168.0"
UNDERLAY6 = "fd00:"
GATEWAY = 254


def wait_for(condition, timeout, what, interval=0.05):
    """Polls until condition() is true; gives what it returned. What was so in time counts."""
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() >= deadline
        result = condition()
        if result:
            return result
        if late:
            raise LabError(f"after {timeout} s still not so: {what}")
        time.sleep(interval)


class Pod:
    """A namespace that a node's CNI plugin has wired, or is about to."""

    def __init__(self, node, name, namespace, families="4"):
        self.node = node
        self.name = name
        self.namespace = namespace
        self.container = f"{node.lab.id}{name}".ljust(16, "0")
        self.ns = netns.Netns(f"{node.lab.prefix}{name}")
        self.families = families
        self.result = None
        self.pools = {}

    def add(self, pools=None, pools6=None, **options):
        """
        CNI ADD; the result is kept. Raises LabError with the plugin's words. As a runtime would, it
        tries again for a while when the agent has not read the datastore yet.
        """
        self.pools = {"pools": pools, "pools6": pools6}
        deadline = time.monotonic() + 10
        answer = self.try_add(**self.pools, **options)
        while "has not read the datastore yet" in answer.text and time.monotonic() < deadline:
            time.sleep(0.05)
            answer = self.try_add(**self.pools, **options)
        if answer.code:
            raise LabError(f"ADD of pod {self.name} on {self.node.name}: {answer.text}")
        self.result = answer.json
        return self.result

    def conf(self, **pools):
        """The plugin's configuration for the pod."""
        return cni.pod_conf(self.node.name, families=self.families, **pools)

    def try_add(self, pools=None, pools6=None, **options):
        """CNI ADD; gives the plugin's answer whatever it is."""
        return cni.call(self, "ADD", self.conf(pools=pools, pools6=pools6), **options)

    def try_del(self, **options):
        """CNI DEL; gives the plugin's answer whatever it is."""
        return cni.call(self, "DEL", self.conf(**self.pools), **options)

    def check(self):
        """CNI CHECK with the result of ADD."""
        return cni.call(self, "CHECK", {**self.conf(**self.pools), "prevResult": self.result})

    @property
    def addresses(self):
        """The addresses of the pod, without prefix length."""
        return [ip["address"].split("/")[0] for ip in self.result["ips"]]

    @property
    def address(self):
        """The pod's first IPv4 address; of a pod without, its first IPv6 address."""
        return min(self.addresses, key=lambda address: ":" in address)

    def of_family(self, family):
        """The pod's first address of a family, 4 or 6; None if it has none."""
        return next((one for one in self.addresses if (":" in one) == (family == 6)), None)

    @property
    def host_interface(self):
        """The name of the end of the veth pair that is the node's."""
        return self.result["interfaces"][0]["name"]


class Node:
    """A namespace with an uplink, an agent and directories of its own."""

    def __init__(self, lab, number):
        self.lab = lab
        self.number = number
        self.name = f"node{number}"
        self.address = f"{UNDERLAY4}.{number}"
        self.address6 = f"{UNDERLAY6}:{number}"
        self.directory = lab.directory / self.name
        self.run_dir = self.directory / "run"
        self.state_dir = self.directory / "state"
        self.log = self.directory / "agent.log"
        self.ns = netns.Netns(f"{lab.prefix}{self.name}")
        self.agent = None
        for directory in (self.run_dir, self.state_dir):
            directory.mkdir(parents=True, exist_ok=True)

    def start_agent(self, wait=True, prefix=(), **environment):
        """Starts `korat agent`, by way of prefix; waits until it serves CNI requests."""
        env = {**self.lab.environment, "NODENAME": self.name, "IP": "autodetect",
               # As in Calico's manifest.
               "FELIX_DEFAULTENDPOINTTOHOSTACTION": "ACCEPT",
               **self.lab.agent_environment, **environment}
        command = [
            *prefix, KORAT, "agent", "--node-name", self.name, "--run-dir", self.run_dir,
            "--state-dir", self.state_dir, "--bird", self.lab.bird, "--bird-program", BIRD,
            "--metrics", "127.0.0.1:9091", "--health", "127.0.0.1:9099",
        ]
        with open(self.log, "ab") as log:
            self.agent = self.ns.popen(
                command, linger=self.lab.keep, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=env, cwd="/"
            )
        if wait:
            wait_for(self.agent_ready, 20, f"the agent of {self.name} serves CNI requests; "
                     f"its log is {self.log}")

    def agent_ready(self):
        """Does the agent live and take connections on its CNI socket?"""
        if self.agent.poll() is not None:
            raise LabError(f"the agent of {self.name} ended with {self.agent.returncode}:\n"
                           + self.log_tail())
        return cni.socket_answers(self.run_dir / "cni.sock")

    def kill_agent(self, number=signal.SIGKILL):
        """Ends the agent by a signal and reaps it; BIRD is not touched."""
        if self.agent and self.agent.poll() is None:
            self.agent.send_signal(number)
            self.agent.wait(20)

    def log_tail(self, lines=25):
        """The end of the agent's log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join("    " + line for line in text.splitlines()[-lines:])

    def routes(self, *selector, family=4):
        """`ip route show SELECTOR` as objects."""
        out = self.ns.ip(f"-{family}", "-j", "route", "show", *selector)
        return json.loads(out or "[]")

    def links(self, *selector):
        """`ip link show SELECTOR` as objects."""
        out = self.ns.ip("-j", "-d", "link", "show", *selector, check=False)
        return [link for link in json.loads(out or "[]") if link]

    def route_gets(self, questions):
        """The kernel's answers to `ip route get`, each question a string of its arguments."""
        if not questions:
            return []
        lines = [f"route get {question}" for question in questions]
        out = netns.ip_batch(lines, self.ns.name)
        # One answer per line; continuation lines of the cache are indented.
        return [line.strip() for line in out.splitlines() if line and not line[0].isspace()]

    def bird_socket(self):
        """Where this node's BIRD listens."""
        return self.run_dir / "bird.ctl"


class Lab:
    """Use as a context manager. Several labs may live side by side."""

    def __init__(self, n_nodes=3, agent_environment=None, bird="spawn", keep=False):
        # A test run marks its labs, so that it can tell them from those of others.
        mark = os.environ.get("KORAT_LAB_MARK", "")
        self.id = f"{mark}{random.SystemRandom().randrange(1 << 16):04x}"
        self.prefix = f"lab-{self.id}-"
        self.directory = RUN / self.id
        self.bird = bird
        self.keep = keep
        self.environment = netns.environment(
            DATASTORE_TYPE="sqlite", KORAT_SQLITE_FILE=str(self.directory / "store.db")
        )
        self.agent_environment = dict(agent_environment or {})
        self.nodes = []
        self.pods = []
        self.switch = None
        # The namespace from which the datastore is reached; None: it is a file.
        self.datastore_at = None
        self._handlers = {}
        self._n_nodes = n_nodes
        self._namespaces = set()

    # --- Life -----------------------------------------------------------------------------------

    def __enter__(self):
        if os.geteuid() != 0:
            raise LabError("a lab makes network namespaces, which only root may")
        self._catch_signals()
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind or not self.keep:
            self.close()
        else:
            self._release()

    def _catch_signals(self):
        def stop(number, _frame):
            raise KeyboardInterrupt(signal.Signals(number).name)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(ValueError):  # not the main thread
                self._handlers[number] = signal.signal(number, stop)

    def _release(self):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
        for place in [self.switch, *(node.ns for node in self.nodes), *(p.ns for p in self.pods)]:
            if place:
                place.close()

    def close(self):
        """Removes all that the lab made, and nothing else."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            remove(self.id)
            for node in self.nodes:
                if node.agent:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        node.agent.wait(5)
            self._release()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _make(self):
        netns.DIRECTORY.mkdir(parents=True, exist_ok=True)
        self.directory.mkdir(parents=True)
        (self.directory / "bin").mkdir()
        for name in ("calico", "calico-ipam", "korat", "korat-ipam"):
            (self.directory / "bin" / name).symlink_to(PLUGIN)
        numbers = range(1, self._n_nodes + 1)
        switch, nodes = f"{self.prefix}switch", [f"{self.prefix}node{n}" for n in numbers]
        netns.ip_batch(
            [f"netns add {name}" for name in (switch, *nodes)]
            + [f"link add port{n} netns {switch} type veth peer name eth0 netns {node}"
               for n, node in zip(numbers, nodes)]
        )
        self.switch = netns.Netns(switch)
        netns.ip_batch(
            ["link set lo up", "link add fabric type bridge"]
            + [f"link set port{n} master fabric up" for n in numbers]
            + [f"addr add {UNDERLAY4}.{GATEWAY}/24 dev fabric",
               f"addr add {UNDERLAY6}:{GATEWAY:x}/64 dev fabric nodad", "link set fabric up"],
            switch,
        )
        for number in numbers:
            self._make_node(number)

    def _make_node(self, number):
        node = Node(self, number)
        self.nodes.append(node)
        netns.ip_batch(
            ["link set lo up", f"addr add {node.address}/24 dev eth0",
             f"addr add {node.address6}/64 dev eth0 nodad", "link set eth0 up",
             f"route add default via {UNDERLAY4}.{GATEWAY}",
             f"route add ::/0 via {UNDERLAY6}:{GATEWAY:x}"],
            node.ns.name,
        )
        # As kubelet's host is prepared: a node forwards.
        node.ns.sysctl("net/ipv4/ip_forward", 1)
        node.ns.sysctl("net/ipv6/conf/all/forwarding", 1)

    # --- Content --------------------------------------------------------------------------------

    def start(self):
        """Starts the agents: the first one alone, since it writes the cluster's defaults."""
        for node in self.nodes:
            node.start_agent()
            self.open_namespace("default")

    def open_namespace(self, name, labels=None):
        """A Kubernetes namespace: its pods may do all that no policy forbids."""
        if name in self._namespaces:
            return
        self._namespaces.add(name)
        self.apply({"apiVersion": "v1", "kind": "Namespace",
                    "metadata": {"name": name, "labels": labels or {}}})

    def new_pod(self, node, name, namespace="default", families="4"):
        """A pod's namespace, not wired yet."""
        self.open_namespace(namespace)
        if not any(pod.ns.name == f"{self.prefix}{name}" for pod in self.pods):
            netns.ip_batch([f"netns add {self.prefix}{name}"])
        pod = Pod(node, name, namespace, families)
        netns.ip_batch(["link set lo up"], pod.ns.name)
        self.pods.append(pod)
        return pod

    def pod(self, node, name, pools=None, namespace="default", families="4", pools6=None):
        """A pod, wired by the node's CNI plugin."""
        pod = self.new_pod(node, name, namespace, families)
        pod.add(pools, pools6)
        return pod

    def drop_pod(self, pod):
        """DEL, then the namespace goes, as a runtime does it."""
        answer = pod.try_del()
        if answer.code:
            raise LabError(f"DEL of pod {pod.name}: {answer.text}")
        pod.ns.close()
        netns.delete([pod.ns.name])
        self.pods.remove(pod)

    def ctl_run(self, *args, stdin=None):
        """`korat ctl ARGS` on the lab's store, to its end."""
        run = self.datastore_at.run if self.datastore_at else lambda call, *a, **k: call(*a, **k)
        return run(
            subprocess.run, [str(KORAT), "ctl", *map(str, args)], input=stdin, text=True,
            capture_output=True, env=self.environment, timeout=60
        )

    def ctl(self, *args, stdin=None, check=True):
        """As ctl_run(); gives the standard output."""
        done = self.ctl_run(*args, stdin=stdin)
        if check and done.returncode:
            raise LabError(f"korat ctl {' '.join(map(str, args))} exits {done.returncode}: "
                           f"{(done.stderr or done.stdout).strip()}")
        return done.stdout

    def apply(self, *resources):
        """`korat ctl apply` of resources given as dictionaries."""
        for resource in resources:
            self.ctl("apply", "-f", "-", stdin=json.dumps(resource))

    def get(self, kind, name=None, namespace=None):
        """A resource, or the items of a list of them, as dictionaries."""
        scope = ["-n", namespace] if namespace else []
        out = json.loads(self.ctl("get", kind, *([name] if name else []), *scope, "-o", "json"))
        # One named resource, or a list, or several lists: give what was asked for.
        if name:
            return out["items"][0] if "items" in out else out
        return out.get("items", [])


def ids():
    """The ids of the labs that are up."""
    return sorted(path.name for path in RUN.iterdir()) if RUN.is_dir() else []


def remove(lab_id):
    """Takes a lab down by its id; a lab half made or half removed is fine."""
    if not lab_id.isalnum():
        raise LabError(f"'{lab_id}' is no id of a lab")
    prefix = f"lab-{lab_id}-"
    names = [p.name for p in netns.DIRECTORY.glob(f"{prefix}*")] if netns.DIRECTORY.is_dir() else []
    netns.delete(names)
    shutil.rmtree(RUN / lab_id, ignore_errors=True)
    with contextlib.suppress(OSError):
        RUN.rmdir()
    return bool(names)


def main():
    """`python3 -m lab.lab down ID`: for a shell."""
    for lab_id in sys.argv[2:] or ids():
        remove(lab_id)


if __name__ == "__main__":
    main()
