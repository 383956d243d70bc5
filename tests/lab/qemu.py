# SPDX-License-Identifier: Apache-2.0
"""
The kernel that Debian 12 installs (linux-image-amd64), for what is to be seen on it and not on this
machine's own: qemu-system-x86_64 emulates a machine for it, which needs no rights and no KVM. Inside
is this machine's file system, read only; what is written there goes to memory and is lost.

`./dev deps` unpacks the kernel into build-kernel; it is not installed.
"""

import os
import pathlib
import shlex
import subprocess
import tempfile

from . import guest

PROGRAM = pathlib.Path("/usr/bin/qemu-system-x86_64")
BUSYBOX = pathlib.Path("/bin/busybox")
DIRECTORY = pathlib.Path(__file__).resolve().parents[2] / "build-kernel"
KERNEL = DIRECTORY / "vmlinux"
MODULES = DIRECTORY / "lib/modules"
# What the root file system needs. All others the kernel asks modprobe for, as it does anywhere.
WANTED = ["virtio_pci", "9pnet_virtio", "9p", "overlay"]
MEMORY = "1G"

INIT = """#!/bin/busybox sh
PATH=/bin
busybox mkdir -p /proc /lower /upper /new
busybox mount -t proc proc /proc
for module in /modules/*; do busybox insmod $module; done
busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 root /lower
busybox mount -t tmpfs tmpfs /upper
busybox mkdir /upper/files /upper/work
busybox mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /new
busybox mkdir -p /new/lib/modules/$(busybox uname -r)
busybox mount --bind {modules} /new/lib/modules/$(busybox uname -r)
busybox mount -t proc proc /new/proc
busybox mount -t sysfs sysfs /new/sys
busybox mount -t devtmpfs dev /new/dev
busybox mkdir -p /new/dev/shm
busybox mount -t tmpfs tmpfs /new/dev/shm
busybox mount -t tmpfs tmpfs /new/run
{exports}
exec busybox switch_root /new {words}
"""


def _releases():
    return sorted(MODULES.iterdir()) if MODULES.is_dir() else []


def available():
    """Are the emulator and the kernel there?"""
    return os.access(PROGRAM, os.X_OK) and KERNEL.is_file() and BUSYBOX.is_file() \
        and bool(_releases())


def _archive(files):
    """A cpio archive, as the kernel unpacks it at its start: {path: content}."""
    out = bytearray()

    def put(name, mode, content=b""):
        data = name.encode() + b"\0"
        fields = (len(out), mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(data), 0)
        out.extend(b"070701" + b"".join(b"%08X" % field for field in fields) + data)
        out.extend(bytes(-len(out) % 4))
        out.extend(content)
        out.extend(bytes(-len(out) % 4))

    for name in sorted({str(parent) for path in files for parent in pathlib.Path(path).parents}):
        if name != ".":
            put(name, 0o040755)
    for path, content in files.items():
        put(path, 0o100755, content)
    put("TRAILER!!!", 0)
    return bytes(out)


def _first_files(words, env):
    modules = _releases()[-1]
    paths = guest.modules_with_dependencies(modules, WANTED)
    exports = "\n".join(f"export {key}={shlex.quote(value)}" for key, value in env.items())
    init = INIT.format(modules=f"/lower{modules}", exports=exports, words=shlex.join(words))
    return _archive({"init": init.encode(), "bin/busybox": BUSYBOX.read_bytes(),
                     **{f"modules/{number:02}-{path.name}": path.read_bytes()
                        for number, path in enumerate(paths)}})


def run(command, timeout, output=None, env=None):
    """
    Boots, runs the command inside and passes on what it prints, line by line, to output (a
    function of bytes). Gives the command's exit code; -1 if the kernel ended without one.
    """
    visit = guest.Visit(command)
    mark = os.environ.get("KORAT_LAB_MARK", "")
    with tempfile.TemporaryDirectory(prefix=f"korat-qemu-{mark}") as directory:
        first = pathlib.Path(directory, "initramfs")
        first.write_bytes(_first_files(visit.words, env or {}))
        kernel = subprocess.Popen(
            [PROGRAM, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", MEMORY,
             "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-serial", "stdio", "-kernel", KERNEL, "-initrd", first, "-append",
             "console=ttyS0 quiet loglevel=1 panic=-1 random.trust_cpu=on mitigations=off "
             "nokaslr audit=0 tsc=reliable",
             "-virtfs", "local,path=/,mount_tag=root,security_model=passthrough,readonly=on,"
             "multidevs=remap"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return visit.listen(kernel, timeout, output)
