"""A record is what it was saved as, or it is refused."""

from dataclasses import asdict

import pytest

from rnnbook.training.record import Record


def test_a_record_comes_back() -> None:
    record = Record([0.5, 0.25], [1.0, 2.0], [(2, float("nan"))], "steps")
    assert repr(Record.of(asdict(record))) == repr(record)
    assert record.steps == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"more": 1}, "must have losses, norms, evaluations, stopped, got"),
        ({"losses": (0.5,)}, "losses must be a list of finite numbers"),
        ({"losses": [float("inf")]}, "losses must be a list of finite numbers"),
        ({"norms": [1]}, "norms must be a list of finite numbers"),
        ({"norms": []}, "as many norms as losses, got 0, 1"),
        ({"evaluations": [(2, 0.5)]}, "within 1 steps"),
        ({"evaluations": [(1, 0.5, 3)]}, "pairs"),
        ({"stopped": ["steps"]}, "end must be one of"),
    ],
)
def test_what_is_no_record_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Record.of(asdict(Record([0.5], [1.0])) | change)
