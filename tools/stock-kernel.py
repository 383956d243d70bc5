#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
stock-kernel.py DIRECTORY: fetches the kernel that Debian 12 installs and unpacks what tests/lab/qemu.py
needs of it, as `./dev deps` asks for. Installing the package would change how this machine boots.
"""

import lzma
import pathlib
import re
import struct
import subprocess
import sys
import tarfile
import tempfile

META_PACKAGE = "linux-image-amd64"
# Of 400 MB of modules, those of networks and of the emulated machine.
MODULES = re.compile(
    r"\./lib/modules/[^/]+/(modules\.(order|builtin.*)|"
    r"kernel/(net|crypto|lib|arch|fs/(9p|netfs|fscache|overlayfs)|drivers/virtio|"
    r"drivers/net/(\w+\.ko|vxlan|wireguard|ipvlan|bonding))(/.*)?)")
LINUX_IMAGE = re.compile(r"\./boot/vmlinuz-.*")


def program(image):
    """The kernel in a bzImage: unpacked here, the emulator starts it some seconds sooner."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    return lzma.LZMADecompressor().decompress(image[start:start + length])


def package():
    """The package of the kernel itself, of which the other one is the newest."""
    out = subprocess.run(["apt-cache", "depends", META_PACKAGE], check=True, capture_output=True,
                         text=True).stdout
    return re.search(r"Depends: (linux-image-\S+)", out).group(1)


def unpack(archive, directory):
    """What is needed of the package's files."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as pipe, \
            tarfile.open(fileobj=pipe.stdout, mode="r|") as files:
        for member in files:
            if LINUX_IMAGE.fullmatch(member.name):
                (directory / "vmlinux").write_bytes(program(files.extractfile(member).read()))
            elif MODULES.fullmatch(member.name):
                files.extract(member, directory)


def main():
    directory = pathlib.Path(sys.argv[1])
    stamp = directory / "package"
    if stamp.exists():
        return
    name = package()
    directory.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as download:
        subprocess.run(["apt-get", "-q", "download", name], cwd=download, check=True)
        unpack(next(pathlib.Path(download).glob("*.deb")), directory)
    release = next((directory / "lib/modules").iterdir()).name
    subprocess.run(["/usr/sbin/depmod", "-b", directory, release], check=True)
    stamp.write_text(f"{name}\n", encoding="ascii")


if __name__ == "__main__":
    main()
