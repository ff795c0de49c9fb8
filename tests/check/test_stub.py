"""From a solved exercise: the stub that its reader starts from, and the code without markers."""

import pytest

from booktools.exercises import checked_id, has_solution, solved, stub

FUNCTION = '''def step(h):
    """One step."""
    ### BEGIN SOLUTION
    return h + 1
    ### END SOLUTION
'''
VALUES = """a = 1
### BEGIN SOLUTION
floor = 0.5
name = other = "x"
### END SOLUTION
"""


def test_a_function_becomes_not_implemented() -> None:
    space: dict[str, object] = {}
    exec(stub(FUNCTION), space)
    step = space["step"]
    assert callable(step)
    with pytest.raises(NotImplementedError):
        step(1)
    assert "h + 1" not in stub(FUNCTION)
    assert "SOLUTION" not in stub(FUNCTION)


def test_values_become_ellipses() -> None:
    space: dict[str, object] = {}
    exec(stub(VALUES), space)
    assert [space[name] for name in ("a", "floor", "name", "other")] == [1, ..., ..., ...]


def test_solved_code_runs_and_has_no_markers() -> None:
    space: dict[str, object] = {}
    exec(solved(VALUES), space)
    assert space["floor"] == 0.5
    assert not has_solution(solved(VALUES) + solved(FUNCTION))
    assert "SOLUTION" not in solved(FUNCTION)


def test_a_loose_statement_cannot_be_a_solution() -> None:
    with pytest.raises(ValueError, match="may only assign names"):
        stub("### BEGIN SOLUTION\nprint(1)\n### END SOLUTION\n")


def test_the_checked_id() -> None:
    assert checked_id('check("forward-1", step)') == "forward-1"
    assert checked_id("step(1)") is None
