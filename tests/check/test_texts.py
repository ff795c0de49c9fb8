"""The texts of exercises: what is missing or too much in a file is named, with file and key."""

import re
from pathlib import Path

import pytest

from rnnbook.check.texts import Texts, filled, read

GOOD = """[a-1]
kind = "build"
[[a-1.hints]]
en = "Look."
zh = "看。"
[a-1.mistakes.sign]
en = "The sign of h_{t-1} is {s:.2f}."
zh = "h_{t-1} 的符号是 {s:.2f}。"
"""


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("[a-1]", "[a-1", "a.toml: "),
        ('"build"', '"hard"', "a-1.kind must be one of warm-up, build, derive, explore, got 'hard'"),
        ('kind = "build"', "", "a-1.kind"),
        (
            'kind = "build"',
            'kind = "build"\nhint = 3',
            "a-1 must be a table with hints, kind, mistakes, options, got kind, hint",
        ),
        ('zh = "看。"', "", "a-1.hints[0] must have en and zh, got en"),
        ('zh = "看。"', 'zh = " 看。"', "a-1.hints[0] must be two texts without blanks"),
        ('zh = "看。"', 'zh = ""', "a-1.hints[0]"),
        ('zh = "看。"', "zh = 3", "a-1.hints[0]"),
        ('en = "The', 'fr = "x"\nen = "The', "a-1.mistakes.sign must have en and zh, got fr, en, zh"),
        ("符号是 {s:.2f}", "符号是 {r:.2f}", "a-1.mistakes.sign must have the same fields"),
        ('[[a-1.hints]]\nen = "Look."\nzh = "看。"', "", "a-1 must have [[hints]]"),
    ],
)
def test_a_slip_in_a_file_of_texts_is_named(tmp_path: Path, old: str, new: str, where: str) -> None:
    (tmp_path / "good.toml").write_text(GOOD, "utf8")
    assert read(tmp_path / "good.toml")["a-1"] == Texts(
        "build", (("Look.", "看。"),), {"sign": ("The sign of h_{t-1} is {s:.2f}.", "h_{t-1} 的符号是 {s:.2f}。")}
    )
    (tmp_path / "a.toml").write_text(GOOD.replace(old, new), "utf8")
    with pytest.raises(ValueError, match=re.escape(where)) as problem:
        read(tmp_path / "a.toml")
    assert str(tmp_path / "a.toml") in str(problem.value)


FIELD = ("It is {n:.2f} and h_{t-1}.", "它是 {n:.2f} 和 h_{t-1}。")


def test_numbers_fill_the_fields_of_a_text() -> None:
    assert filled(FIELD, {"n": 0.123}) == ("It is 0.12 and h_{t-1}.", "它是 0.12 和 h_{t-1}。")
    for numbers in ({}, {"m": 1}, {"n": 1, "m": 1}):
        with pytest.raises(ValueError, match=r"needs the fields \['n'\]"):
            filled(FIELD, numbers)
