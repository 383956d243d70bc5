# SPDX-License-Identifier: Apache-2.0
"""
A kernel that runs as a process and one program inside it: here is what both sides say to each other
on its console, whatever the kernel (uml.py, qemu.py).

Used as a program it is the other side: PID 1 inside, which loads modules, runs the command and says
how it ended.
"""

import ctypes
import os
import pathlib
import re
import secrets
import signal
import subprocess
import sys
import threading

SYS_FINIT_MODULE = 313
LINUX_REBOOT_CMD_POWER_OFF = 0x4321FEDC


# --- Outside ------------------------------------------------------------------------------------


class Visit:
    """One command in one kernel."""

    def __init__(self, command, modules="", names=()):
        """Modules of these names are loaded first, from a directory with a modules.dep."""
        self._token = secrets.token_hex(8)
        # What PID 1 is to be.
        self.words = ["/usr/bin/python3", "-B", str(pathlib.Path(__file__).resolve()), self._token,
                      str(modules), ",".join(names), *map(str, command)]

    def listen(self, kernel, timeout, output=None):
        """
        Passes on what the command prints, line by line, to output (a function of bytes), and ends
        the kernel. Gives the command's exit code; -1 if the kernel ended without one.
        """
        alarm = threading.Timer(timeout, _kill_group, [kernel])
        alarm.daemon = True
        alarm.start()
        started = bool(os.environ.get("KORAT_LAB_BOOT"))
        try:
            for line in kernel.stdout:
                if self._token.encode() in line:
                    word = line.split()[-1]
                    if word != b"start":
                        return int(word)
                    started = True
                elif output and started:
                    output(line.replace(b"\r\n", b"\n"))
        finally:
            alarm.cancel()
            _kill_group(kernel)
        return -1


def _kill_group(kernel):
    try:
        os.killpg(kernel.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    kernel.wait()


def modules_with_dependencies(directory, names):
    """The files of these modules, each after those it needs. A name that is not there is left out."""
    depends, paths, found = {}, {}, []
    for line in pathlib.Path(directory, "modules.dep").read_text(encoding="ascii").splitlines():
        path, rest = line.split(":")
        depends[path] = rest.split()
        paths[re.sub(r"\.ko.*", "", pathlib.Path(path).name).replace("-", "_")] = path

    def find(path):
        if path in found:
            return
        for other in reversed(depends.get(path, [])):
            find(other)
        found.append(path)

    for name in names:
        if name in paths:
            find(paths[name])
    return [pathlib.Path(directory, path) for path in found]


# --- Inside, as PID 1 ---------------------------------------------------------------------------


def _init(token, directory, names, *command):
    libc = ctypes.CDLL(None, use_errno=True)
    os.makedirs("/run/tmp", exist_ok=True)
    if directory:
        where = pathlib.Path(directory, os.uname().release)
        for path in modules_with_dependencies(where, names.split(",")):
            with open(path, "rb") as module:
                libc.syscall(SYS_FINIT_MODULE, module.fileno(), b"", 0)
    subprocess.run(["/usr/sbin/ip", "link", "set", "lo", "up"], check=False)
    env = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": "/run/tmp",
           "HOME": "/run/tmp"}
    print(token, "start", flush=True)
    child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL)
    # PID 1 reaps whatever is orphaned, until its own child has ended.
    code = None
    while code is None:
        pid, status = os.wait()
        if pid == child.pid:
            code = os.waitstatus_to_exitcode(status)
    print(token, code, flush=True)
    os.sync()
    libc.reboot(LINUX_REBOOT_CMD_POWER_OFF)


if __name__ == "__main__":
    _init(*sys.argv[1:])
