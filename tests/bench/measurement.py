# SPDX-License-Identifier: Apache-2.0
"""What a benchmark says: one line each, which run.py gathers."""


def result(name, value, unit, note="", target=None):
    """A measurement; 'target' is as in "<=0.5"."""
    print(f"{name} {value:.3f} {unit.replace(' ', '-')}{f' {target}' if target else ''}"
          f"{f' {note}' if note else ''}", flush=True)
