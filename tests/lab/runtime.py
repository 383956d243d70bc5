# SPDX-License-Identifier: Apache-2.0
"""
Real container runtimes on a lab's node: podman and containerd, each with directories of its own
under the lab's, and an image made by hand from a static busybox. Both run the CNI plugin themselves.
"""

import contextlib
import hashlib
import io
import json
import pathlib
import subprocess
import tarfile
import time

from . import cni, netns
from .netns import LabError

BUSYBOX = "/bin/busybox"
IMAGE = "korat.test/busybox:1"
APPLETS = ("sh", "ping", "sleep", "ip")
NETWORK = "korat-runtime"


def _add(tar, name, data, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = mode
    tar.addfile(info, io.BytesIO(data))


def make_image(path):
    """Writes an image in docker's archive format, which all runtimes import."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        _add(tar, "bin/busybox", pathlib.Path(BUSYBOX).read_bytes(), 0o755)
        for applet in APPLETS:
            info = tarfile.TarInfo(f"bin/{applet}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }).encode("ascii")
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [IMAGE], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        _add(tar, config_name, config)
        _add(tar, f"{digest}/layer.tar", layer.getvalue())
        _add(tar, "manifest.json", json.dumps(manifest).encode("ascii"))


class Runtime:
    """What both have: a directory, the network's configuration, and commands on the node."""

    def __init__(self, node, name):
        self.node = node
        self.directory = node.directory / name
        self.net_dir = self.directory / "net.d"
        self.net_dir.mkdir(parents=True)
        self.group = node.lab.prefix.rstrip("-")  # of its control groups
        conflist = {
            "name": NETWORK, "cniVersion": "0.4.0",
            "plugins": [
                {"type": "calico", "nodename": node.name,
                 "ipam": {"type": "calico-ipam", "assign_ipv6": "true"}},
                {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}},
            ],
        }
        (self.net_dir / "10-korat.conflist").write_text(json.dumps(conflist), encoding="ascii")
        self.bin_dir = self.directory / "bin"
        self.bin_dir.mkdir()
        for plugin in ("portmap", "loopback"):
            (self.bin_dir / plugin).symlink_to(f"{cni.REFERENCE}/{plugin}")
        # A runtime's helpers call plugins with little of its environment.
        plugin = self.bin_dir / "calico"
        plugin.write_text(
            "#!/bin/sh\n"
            f"export KORAT_CNI_SOCKET={node.run_dir}/cni.sock\n"
            f"export KORAT_CNI_QUEUE={node.run_dir}/cni-del\n"
            f"exec {node.lab.directory}/bin/calico\n", encoding="ascii")
        plugin.chmod(0o755)
        self.environment = netns.environment(
            HOME=str(self.directory), XDG_RUNTIME_DIR=str(self.directory))

    def remove_groups(self):
        """Removes the control groups that the runtime made and left empty."""
        for top in pathlib.Path("/sys/fs/cgroup").glob(f"*/{self.group}"):
            for group in sorted(top.rglob("**"), reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()

    def command(self, *args, timeout=60, check=True):
        """Runs a program on the node; gives its standard output."""
        process = self.node.ns.popen(
            [str(arg) for arg in args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=self.environment, cwd="/"
        )
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if check and process.returncode:
            raise LabError(f"{' '.join(map(str, args))} exits {process.returncode}: {err or out}")
        return out


class Podman(Runtime):
    """Podman with its CNI backend, vfs storage, cgroups without systemd, and runc."""

    def __init__(self, node):
        super().__init__(node, "podman")
        self.config = self.directory / "containers.conf"
        self.config.write_text(
            '[containers]\n'
            'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            '[network]\n'
            'network_backend = "cni"\n'
            f'cni_plugin_dirs = ["{self.bin_dir}"]\n'
            '[engine]\n'
            'events_logger = "file"\n'
            'lock_type = "file"\n'
            f'tmp_dir = "{self.directory}/tmp"\n', encoding="ascii")
        self.environment["CONTAINERS_CONF"] = str(self.config)

    def podman(self, *args, **options):
        """`podman ARGS` with everything of its own."""
        return self.command(
            "/usr/bin/podman", "--root", self.directory / "root", "--runroot",
            self.directory / "runroot", "--storage-driver", "vfs", "--network-config-dir",
            self.net_dir, "--cgroup-manager", "cgroupfs", "--runtime", "runc", *args, **options)

    def __enter__(self):
        make_image(self.directory / "image.tar")
        self.podman("load", "-i", self.directory / "image.tar")
        return self

    def __exit__(self, *_):
        self.podman("rm", "-f", "-a", "-t", "0", check=False)
        self.remove_groups()

    def start(self, name):
        """A container that sleeps; gives its id."""
        return self.podman("run", "-d", "--name", name, "--network", NETWORK, "--cap-add",
                           "NET_RAW", "--cgroup-parent", f"/{self.group}", IMAGE, "/bin/sleep", "300").strip()

    def execute(self, name, *command, **options):
        """Runs a command in a container."""
        return self.podman("exec", name, *command, **options)

    def stop(self, name):
        """Ends and removes a container: DEL."""
        self.podman("rm", "-f", "-t", "0", name)


class Containerd(Runtime):
    """containerd with ctr, whose fixed CNI directories are covered in a mount namespace."""

    def __init__(self, node):
        super().__init__(node, "containerd")
        self.socket = self.directory / "sock"
        self.daemon = None
        self.running = {}
        (self.directory / "config.toml").write_text(
            'version = 2\n'
            f'root = "{self.directory}/root"\n'
            f'state = "{self.directory}/state"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{self.socket}"\n'
            f'[ttrpc]\naddress = "{self.socket}.ttrpc"\n', encoding="ascii")

    def __enter__(self):
        with open(self.directory / "log", "wb") as log:
            self.daemon = self.node.ns.popen(
                ["/usr/bin/containerd", "--config", str(self.directory / "config.toml")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd="/")
        deadline = time.monotonic() + 20
        while not self.socket.exists():
            if time.monotonic() > deadline or self.daemon.poll() is not None:
                raise LabError(f"containerd does not start; see {self.directory}/log")
            time.sleep(0.05)
        make_image(self.directory / "image.tar")
        self.ctr("image", "import", "--snapshotter", "native", self.directory / "image.tar")
        return self

    def __exit__(self, *_):
        for name in list(self.running):
            with contextlib.suppress(LabError, subprocess.TimeoutExpired):
                self.stop(name)
        self.daemon.terminate()
        try:
            self.daemon.wait(10)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.remove_groups()
        with contextlib.suppress(OSError):
            pathlib.Path("/run/containerd/runc", self.group).rmdir()

    def ctr(self, *args, **options):
        """`ctr ARGS`."""
        return self.command("/usr/bin/ctr", "-a", self.socket, "-n", self.group, *args, **options)

    def start(self, name):
        """A container that sleeps, with a ctr that waits for it; gives the id CNI knows it by."""
        script = (f"mount -t tmpfs none /opt && mkdir -p /opt/cni/bin && mount --bind "
                  f"{self.bin_dir} /opt/cni/bin && mount -t tmpfs none /etc/cni && "
                  f"mkdir /etc/cni/net.d && mount --bind {self.net_dir} /etc/cni/net.d && "
                  f"exec ctr -a {self.socket} -n {self.group} run --rm --cni --snapshotter native {IMAGE} {name} "
                  "/bin/sleep 300")
        log = open(self.directory / f"{name}.log", "wb")  # pylint: disable=consider-using-with
        with log:
            self.running[name] = self.node.ns.popen(
                ["/usr/bin/unshare", "-m", "--propagation", "private", "/bin/sh", "-c", script],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd="/")
        deadline = time.monotonic() + 30
        while "RUNNING" not in self.ctr("task", "ls"):
            if time.monotonic() > deadline or self.running[name].poll() is not None:
                raise LabError((self.directory / f"{name}.log").read_text(encoding="utf-8"))
            time.sleep(0.05)
        return f"{self.group}-{name}"

    def execute(self, name, *command, **options):
        """Runs a command in a container."""
        return self.ctr("task", "exec", "--exec-id", f"e{time.monotonic_ns()}", name, *command,
                        **options)

    def stop(self, name):
        """Ends a container; the ctr that waits for it removes it: DEL."""
        self.ctr("task", "kill", "-s", "KILL", name, check=False)
        self.running.pop(name).wait(30)
