# SPDX-License-Identifier: Apache-2.0
"""Clusters on one machine, for tests and for the demo. Python's standard library and `ip` only."""

from .lab import FLOW, KORAT, Lab, ids, remove, wait_for
from .netns import LabError

__all__ = ["FLOW", "KORAT", "Lab", "LabError", "ids", "remove", "wait_for"]
