# SPDX-License-Identifier: Apache-2.0
"""What the demo prints: headings, tables, marks; colours on a terminal only."""

import os
import re
import sys
import time

ANSI = re.compile(r"\033\[[0-9;]*m")
STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34",
          "magenta": "35", "cyan": "36"}


def colours():
    """Does the reader want colours?"""
    if os.environ.get("NO_COLOR"):
        return False
    # Inside user-mode Linux everything is a terminal; the outside says what it really is.
    told = os.environ.get("KORAT_DEMO_COLOUR")
    return sys.stdout.isatty() if told is None else told == "1"


class Terminal:
    """Prints as it happens; knows when it all began."""

    def __init__(self):
        self._colours = colours()
        self._start = time.monotonic()

    def paint(self, text, *styles):
        """The text in a style, or plain."""
        if not self._colours:
            return text
        return f"\033[{';'.join(STYLES[s] for s in styles)}m{text}\033[0m"

    def heading(self, text):
        """A new part of the story."""
        print(f"\n{self.paint(text, 'bold', 'blue')}", flush=True)

    def step(self, text, detail=""):
        """Something has just been done."""
        clock = self.paint(f"{time.monotonic() - self._start:6.2f} s", "dim")
        print(f"{clock}  {text}" + (f"  {self.paint(detail, 'dim')}" if detail else ""), flush=True)

    def line(self, text=""):
        """Plain text."""
        print(text, flush=True)

    def table(self, rows, heads=None, indent=2):
        """Columns as wide as they need to be."""
        shown = [list(map(str, row)) for row in rows]
        if heads:
            shown.insert(0, [self.paint(head, "dim") for head in heads])
        if not shown:
            return
        widths = [max(_width(row[i]) for row in shown if i < len(row))
                  for i in range(max(map(len, shown)))]
        for row in shown:
            cells = [cell + " " * (widths[i] - _width(cell)) for i, cell in enumerate(row)]
            print((" " * indent + "  ".join(cells)).rstrip(), flush=True)


def _width(text):
    return len(ANSI.sub("", text))
