# SPDX-License-Identifier: Apache-2.0
"""What BIRD says on its control socket."""

import dataclasses
import re
import socket


# A line of "show protocols" for a BGP session: name, state, since (date, time or both), info.
PROTOCOL = re.compile(r"^(\S+)\s+BGP\s+\S+\s+(\S+)\s+((?:[0-9:.-]+\s?)+?)\s+([A-Z].*?)?\s*$")


@dataclasses.dataclass
class Session:
    """A BGP session as one side sees it."""

    name: str
    state: str
    since: str
    info: str

    @property
    def established(self):
        """Do routes pass?"""
        return (self.info or "").startswith("Established")

    @property
    def peer(self):
        """The peer's address, out of the name Korat gives a protocol; the name if it is none."""
        match = re.match(r"^[A-Za-z]+_(\d+)_(\d+)_(\d+)_(\d+)$", self.name)
        return ".".join(match.groups()) if match else self.name


def command(path, text, timeout=5):
    """Sends one command; gives the lines of the reply without their codes. OSError: nobody there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(str(path))
        sock.sendall(text.encode("ascii") + b"\n")
        data, lines, greeted = b"", [], False
        while chunk := sock.recv(65536):
            data += chunk
            *complete, data = data.split(b"\n")
            for raw in complete:
                line = raw.decode("ascii", "replace")
                last = bool(re.match(r"^\d{4} ", line)) or line == "0000"
                if not greeted and line.startswith("0001"):
                    greeted = True
                    continue
                lines.append(re.sub(r"^(\d{4}[ -]| )", "", line))
                if last:
                    return lines
    return lines


def sessions(path):
    """The BGP sessions; empty when there is no BIRD."""
    try:
        lines = command(path, "show protocols")
    except OSError:
        return []
    matches = (PROTOCOL.match(line) for line in lines)
    return [Session(*(match.groups())) for match in matches if match]
