"""Mutants that are no mistakes: for each exercise, the change and why it changes nothing.

`pytest tests/test_exercises.py` prints the changes in the form in which they stand here.
"""

EQUIVALENT: dict[str, dict[str, str]] = {
    "forward-5": {
        "return ((o.squeeze(axis=2) - y.T) ** 2).mean(axis=1)"
        " -> return ((y.T - o.squeeze(axis=2)) ** 2).mean(axis=1)": "(a - b)² = (b - a)²",
    },
}
