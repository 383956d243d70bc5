# SPDX-License-Identifier: Apache-2.0
"""
The container runtime's side of CNI: the network configuration that Calico's installer writes,
handed to the plugin as libcni hands it over.
"""

import dataclasses
import json
import pathlib
import socket

from . import netns

# The conflist of Calico's manifest, tokens filled in; Korat is to work with it unchanged.
CONFLIST = {
    "name": "k8s-pod-network",
    "cniVersion": "1.0.0",
    "plugins": [
        {
            "type": "calico",
            "log_level": "info",
            "log_file_path": "/var/log/calico/cni/cni.log",
            "datastore_type": "kubernetes",
            "nodename": "__KUBERNETES_NODE_NAME__",
            "mtu": 0,
            "ipam": {"type": "calico-ipam"},
            "policy": {"type": "k8s"},
            "kubernetes": {"kubeconfig": "/etc/cni/net.d/calico-kubeconfig"},
        },
        {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}},
    ],
}


@dataclasses.dataclass
class Answer:
    """What a plugin said: its exit code, its standard output, and that output's JSON."""

    code: int
    text: str
    errors: str

    @property
    def json(self):
        """The output as an object; None when there is none."""
        return json.loads(self.text) if self.text.strip() else None


def pod_conf(nodename, pools=None, families="4", pools6=None):
    """What libcni injects into the calico plugin's entry, the pools and families a test asks for."""
    conf = json.loads(json.dumps(CONFLIST["plugins"][0]))
    conf["name"] = CONFLIST["name"]
    conf["cniVersion"] = CONFLIST["cniVersion"]
    conf["nodename"] = nodename
    if pools:
        conf["ipam"]["ipv4_pools"] = list(pools)
    if pools6:
        conf["ipam"]["ipv6_pools"] = list(pools6)
    if families != "4":
        conf["ipam"].update({f"assign_ipv{one}": str(one in families).lower() for one in "46"})
    return conf


# A call that takes longer hangs.
TIMEOUT = 30

# Debian's reference plugins.
REFERENCE = "/usr/lib/cni"


def environment(pod, command, netns_path=None, **more):
    """What a runtime sets for the plugin."""
    node = pod.node
    args = {
        "IgnoreUnknown": "1",
        "K8S_POD_NAMESPACE": pod.namespace,
        "K8S_POD_NAME": pod.name,
        "K8S_POD_INFRA_CONTAINER_ID": pod.container,
    }
    return netns.environment(**{
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": pod.container,
        "CNI_NETNS": str(pod.ns.path) if netns_path is None else netns_path,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": f"{node.lab.directory / 'bin'}:{REFERENCE}",
        "CNI_ARGS": ";".join(f"{key}={value}" for key, value in args.items()),
        "KORAT_CNI_SOCKET": str(node.run_dir / "cni.sock"),
        "KORAT_CNI_QUEUE": str(node.run_dir / "cni-del"),
        **more,
    })


def find(pod, plugin):
    """A plugin's program: ours, or a reference plugin."""
    own = pod.node.lab.directory / "bin" / plugin
    return own if own.exists() else pathlib.Path(REFERENCE, plugin)


def call(pod, command, conf, timeout=TIMEOUT, netns_path=None, plugin="calico",
         prefix=(), **more):
    """Runs a plugin on the pod's node as a runtime would, by way of prefix if there is one."""
    node = pod.node
    env = environment(pod, command, netns_path, **more)
    process = node.ns.popen(
        [*prefix, find(pod, plugin)], stdin=-1, stdout=-1, stderr=-1, text=True, env=env, cwd="/"
    )
    try:
        out, err = process.communicate(json.dumps(conf), timeout=timeout)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return Answer(process.returncode, out, err)


class List:
    """A network as libcni runs it: plugin after plugin, each with the result of the one before."""

    def __init__(self, name, version, plugins, **runtime_config):
        self.name = name
        self.version = version
        self.plugins = plugins
        self.runtime_config = runtime_config

    def _call(self, pod, command, plugin, result, **options):
        conf = {**plugin, "name": self.name, "cniVersion": self.version}
        if result is not None:
            conf["prevResult"] = result
        wanted = {key: value for key, value in self.runtime_config.items()
                  if plugin.get("capabilities", {}).get(key)}
        if wanted:
            conf["runtimeConfig"] = wanted
        return call(pod, command, conf, plugin=plugin["type"], **options)

    def add(self, pod, **options):
        """ADD of all; the answer is the last one's, or that of the one that failed."""
        result = answer = None
        for plugin in self.plugins:
            answer = self._call(pod, "ADD", plugin, result, **options)
            if answer.code:
                return answer
            result = answer.json
        pod.result = result
        return answer

    def _all(self, pod, command, plugins, **options):
        answer = None
        for plugin in plugins:
            answer = self._call(pod, command, plugin, pod.result, **options)
            if answer.code:
                break
        return answer

    def check(self, pod, **options):
        """CHECK of all with the result of ADD."""
        return self._all(pod, "CHECK", self.plugins, **options)

    def delete(self, pod, **options):
        """DEL of all, the last first."""
        return self._all(pod, "DEL", self.plugins[::-1], **options)


def socket_answers(path):
    """Does somebody accept connections at the socket?"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(2)
        try:
            sock.connect(str(path))
        except OSError:
            return False
        return True
