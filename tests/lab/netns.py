# SPDX-License-Identifier: Apache-2.0
"""
Network namespaces from one process: setns() in a thread of its own, so that sockets, sysctls and
child processes of many namespaces cost a thread each instead of a program each.

A namespace is known to the system by a bind mount on /run/netns, as iproute2 keeps them, so that
`ip -n NAME` works on it from outside.
"""

import concurrent.futures
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
DIRECTORY = pathlib.Path("/run/netns")
IP = "/usr/sbin/ip" if os.path.exists("/usr/sbin/ip") else "/sbin/ip"

_libc = ctypes.CDLL(None, use_errno=True)


# What a program inside is to have of our environment, whatever else it is given.
INHERITED = ("GLIBC_TUNABLES", "OPENSSL_ia32cap", "ASAN_OPTIONS", "UBSAN_OPTIONS",
             "XTABLES_LOCKFILE")


def environment(**more):
    """The environment of a program in the lab: nothing of the person's who runs it."""
    kept = {key: os.environ[key] for key in INHERITED if key in os.environ}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **kept, **more}


class LabError(Exception):
    """The lab can't do what it was asked; the text says what and where."""


def _setns(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET) < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"setns: {os.strerror(code)}", str(path))
    finally:
        os.close(fd)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def ip_batch(lines, namespace=None):
    """Runs many `ip` commands by one process; stops at the first that fails."""
    command = [IP, *(["-n", namespace] if namespace else []), "-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines) + "\n", text=True, capture_output=True)
    if done.returncode:
        where = f" in {namespace}" if namespace else ""
        raise LabError(f"ip -batch{where}: {done.stderr.strip()}\n  of: " + "\n      ".join(lines))
    return done.stdout


class Netns:
    """One namespace; what run() is given is carried out inside it."""

    def __init__(self, name):
        self.name = name
        self.path = DIRECTORY / name
        self._thread = concurrent.futures.ThreadPoolExecutor(
            1, thread_name_prefix=name, initializer=_setns, initargs=(self.path,)
        )

    def run(self, function, *args, **kwargs):
        """Calls function inside the namespace and gives its result."""
        return self._thread.submit(function, *args, **kwargs).result()

    def submit(self, function, *args, **kwargs):
        """As run(), but gives a future. One call at a time runs per namespace."""
        return self._thread.submit(function, *args, **kwargs)

    def popen(self, command, linger=False, **kwargs):
        """Starts a program inside; it dies with this process unless it is to linger."""
        hook = None if linger else _die_with_parent
        # pylint: disable=subprocess-popen-preexec-fn
        return self.run(
            subprocess.Popen, [str(c) for c in command], preexec_fn=hook, start_new_session=True,
            **kwargs
        )

    def output(self, command, timeout=30, check=True, **kwargs):
        """Runs a program inside to its end; gives what it wrote."""
        done = self.run(
            subprocess.run, [str(c) for c in command], capture_output=True, text=True,
            timeout=timeout, **kwargs
        )
        if check and done.returncode:
            raise LabError(
                f"{self.name}: {' '.join(map(str, command))} exits {done.returncode}: "
                f"{(done.stderr or done.stdout).strip()}"
            )
        return done.stdout

    def ip(self, *args, check=True):
        """`ip ARGS` inside; gives its output."""
        return self.output([IP, *args], check=check)

    def sysctl(self, key, value):
        """Sets /proc/sys/KEY inside; KEY with slashes."""

        def write():
            pathlib.Path("/proc/sys", key).write_text(f"{value}\n", encoding="ascii")

        self.run(write)

    def close(self):
        """Ends the thread; the namespace stays."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def pids_in(path):
    """The processes whose network namespace is the one at path."""
    try:
        wanted = os.stat(path).st_ino
    except OSError:
        return []
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{entry.name}/ns/net").st_ino == wanted:
                    found.append(int(entry.name))
    return found


def delete(names, seconds=5):
    """Ends every process inside the namespaces, which are ours alone, and removes them."""
    own = os.getpid()
    deadline = time.monotonic() + seconds
    names = list(names)
    sent = signal.SIGTERM
    while time.monotonic() < deadline:
        left = [pid for name in names for pid in pids_in(DIRECTORY / name) if pid != own]
        left = [pid for pid in left if not _is_zombie(pid)]
        if not left:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
        time.sleep(0.05)
        if deadline - time.monotonic() < seconds * 0.6:
            sent = signal.SIGKILL
    for name in names:
        path = DIRECTORY / name
        if path.exists():
            _libc.umount2(os.fsencode(path), 2)
            with contextlib.suppress(OSError):
                path.unlink()


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
