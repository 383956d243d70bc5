# SPDX-License-Identifier: Apache-2.0
"""The evaluator against hand-written matrices, and what is compiled against the evaluator."""

import pytest

from policy_cases import State, World, all_cases, expand, matrix

CASES = all_cases()


def differences(found, expected):
    """What tells them apart, a line a connection, not all of a long list."""
    lines = [
        f"{source} -> {destination} : {port} must be {'allowed' if allowed else 'denied'}"
        for (source, destination, port), allowed in expected.items()
        if found.get((source, destination, port)) != allowed
    ]
    return lines[:10] + ([f"and {len(lines) - 10} more"] if len(lines) > 10 else [])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_case(case):
    state = State(World())
    for number, step in enumerate(case.steps):
        state.apply(step)
        for family in (4, 6):
            judged = matrix(state.objects(), family)
            compiled = matrix(state.objects(), family, compiled=True)
            expect = step.expect6 if family == 6 and step.expect6 is not None else step.expect
            where = f"step {number}, IPv{family}"
            assert not differences(compiled, judged), f"compiled, {where}"
            if expect is not None:
                assert not differences(judged, expand(expect)), f"evaluator, {where}"


def test_there_are_enough():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 100
    assert sum(any(step.expect is not None for step in case.steps) for case in CASES) >= 25


def test_most_deny_something():
    """Cases in which all is allowed prove little; there must not be many."""
    silent = [case for case in CASES if all(step.expect == [] for step in case.steps)]
    assert len(silent) * 3 < len(CASES)
