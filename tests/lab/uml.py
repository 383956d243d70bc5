# SPDX-License-Identifier: Apache-2.0
"""
A Linux kernel as a process, for what this machine's own kernel lacks (IPIP): Debian's user-mode
Linux boots this machine's file system and runs one program as root. Its /run is a tmpfs of its own;
nothing else is written to unless the program does so.
"""

import ctypes
import os
import pathlib
import shlex
import struct
import subprocess
import tempfile

from . import guest

PROGRAM = "/usr/bin/linux.uml"
MODULES = pathlib.Path("/usr/lib/uml/modules")
# It has nf_tables, but none for IPv4 and IPv6: policy and NAT are by iptables there.
WANTED = ["ipv6", "bridge", "veth", "vxlan", "ipip", "af_packet", "nf_conntrack_netlink", "unix",
          *(f"{v}table_{table}" for v in ("ip", "ip6")
            for table in ("raw", "mangle", "nat", "filter")),
          "xt_set", "xt_mark", "xt_conntrack", "xt_comment", "xt_multiport", "xt_addrtype", "xt_CT",
          "xt_tcpudp", "xt_MASQUERADE", "xt_LOG", "xt_NFLOG", "ipt_REJECT", "ip6t_REJECT",
          "ip_set_hash_net", "ip_set_hash_ipport", "ip_set_hash_netiface"]
MEMORY = "768M"

MOUNTS = """
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
cd /
"""


# This kernel's buffer for extended registers is smaller than what a processor with AMX has, and the
# host refuses a partial one. Told that there is no such request, it saves the older set: x87 and SSE.
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
AUDIT_ARCH_X86_64 = 0xC000003E
SYS_PTRACE = 101
PTRACE_GETREGSET = 0x4204
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_EINVAL = 0x00050016
BPF_LOAD, BPF_JUMP_IF_EQUAL, BPF_RETURN = 0x20, 0x15, 0x06
NO_GETREGSET = [
    (BPF_LOAD, 0, 0, 4), (BPF_JUMP_IF_EQUAL, 0, 5, AUDIT_ARCH_X86_64),
    (BPF_LOAD, 0, 0, 0), (BPF_JUMP_IF_EQUAL, 0, 3, SYS_PTRACE),
    (BPF_LOAD, 0, 0, 16), (BPF_JUMP_IF_EQUAL, 0, 1, PTRACE_GETREGSET),
    (BPF_RETURN, 0, 0, SECCOMP_RET_EINVAL), (BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW),
]
# Inside such a kernel, two threads of a process share the registers it does not save: keep off them.
WITHOUT_AVX = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ,"
                      "-RTM,-AVX_Fast_Unaligned_Load,-XSAVEC,-XSAVE",
    "OPENSSL_ia32cap": "~0x1000000000000000:0",
}


def _large_registers():
    return "amx_tile" in pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii").split()


def _refuse_getregset():
    class Program(ctypes.Structure):  # struct sock_fprog
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in NO_GETREGSET))
    program = Program(len(NO_GETREGSET), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def available():
    """Is the package user-mode-linux there?"""
    return os.access(PROGRAM, os.X_OK) and MODULES.is_dir()


def run(command, timeout, output=None, env=None):
    """
    Boots, runs the command inside and passes on what it prints, line by line, to output (a
    function of bytes). Gives the command's exit code; -1 if the kernel ended without one.
    """
    visit = guest.Visit(command, MODULES, WANTED)
    large = _large_registers()
    exports = "".join(f"export {key}={shlex.quote(value)}\n"
                      for key, value in ((WITHOUT_AVX if large else {}) | (env or {})).items())
    mark = os.environ.get("KORAT_LAB_MARK", "")
    with tempfile.TemporaryDirectory(prefix=f"korat-uml-{mark}") as directory:
        script = pathlib.Path(directory, "init")
        script.write_text(f"#!/bin/sh\n{MOUNTS}{exports}exec {shlex.join(visit.words)}\n",
                          encoding="utf-8")
        script.chmod(0o755)
        kernel = subprocess.Popen(
            [PROGRAM, f"mem={MEMORY}", "rootfstype=hostfs", "rootflags=/", "rw", f"init={script}",
             "con=null", "con0=fd:0,fd:1", "quiet", "loglevel=1", "random.trust_cpu=1",
             f"uml_dir={directory}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=_refuse_getregset if large else None,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": directory, "TMPDIR": "/dev/shm"},
        )
        return visit.listen(kernel, timeout, output)
