# SPDX-License-Identifier: Apache-2.0
"""
The container runtime's side of CNI: the network configuration that Calico's installer writes,
handed to the plugin as libcni hands it over.
"""

import dataclasses
import json
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


def pod_conf(nodename, pools=None):
    """What libcni injects into the calico plugin's entry, and the pools a test asks for."""
    conf = json.loads(json.dumps(CONFLIST["plugins"][0]))
    conf["name"] = CONFLIST["name"]
    conf["cniVersion"] = CONFLIST["cniVersion"]
    conf["nodename"] = nodename
    if pools:
        conf["ipam"]["ipv4_pools"] = list(pools)
    return conf


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
        "CNI_PATH": str(node.lab.directory / "bin"),
        "CNI_ARGS": ";".join(f"{key}={value}" for key, value in args.items()),
        "KORAT_CNI_SOCKET": str(node.run_dir / "cni.sock"),
        "KORAT_CNI_QUEUE": str(node.run_dir / "cni-del"),
        **more,
    })


def call(pod, command, conf, timeout=30, netns_path=None, **more):
    """Runs the plugin on the pod's node as a runtime would."""
    node = pod.node
    env = environment(pod, command, netns_path, **more)
    process = node.ns.popen(
        [node.lab.directory / "bin/calico"], stdin=-1, stdout=-1, stderr=-1, text=True, env=env, cwd="/"
    )
    try:
        out, err = process.communicate(json.dumps(conf), timeout=timeout)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return Answer(process.returncode, out, err)


def socket_answers(path):
    """Does somebody accept connections at the socket?"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(2)
        try:
            sock.connect(str(path))
        except OSError:
            return False
        return True
