"""Laws of rnnbook.explore.guess: a guess is held against the package's number, and a wrong definition is named."""

import json
import re
from typing import Any

import numpy as np
import pytest
from explorables import GUESSES, HIGH, LATE, SHAPE, guessed, norms

from rnnbook.explore import Axis, Choice, Explorer, Guess, Line, Slider, words

Q = ("What?", "什么？")
NUMBER = Slider("g", (1, 2, 4))


def asked(guess: Guess) -> dict[str, Any]:
    found = re.search(r'<script type="application/json">(.*?)</script>', guessed(guess)._repr_html_(), re.DOTALL)
    assert found
    return dict(json.loads(found[1])["guess"])


@pytest.mark.parametrize("guess", [HIGH, LATE])
def test_a_number_is_held_against_the_packages(guess: Guess) -> None:
    spec, result = asked(guess), norms(0.95, 0.25)  # where the figure starts
    assert spec["truth"] == words.number(result[guess.truth])
    assert spec["off"] == [words.number(abs(point - result[guess.truth])) for point in guess.control.points]
    assert len(spec["words"]) == 6


def test_an_option_is_right_or_not() -> None:
    spec = asked(SHAPE)
    assert spec["truth"] == ["rise, then fall", "先升后降"]
    assert [off == spec["off"][1] for off in spec["off"]] == [False, True, False]


def test_the_mark_stands_where_the_guess_does() -> None:
    assert np.allclose(asked(HIGH)["at"], np.log10(HIGH.control.points), atol=1e-5)  # a logarithmic axis
    assert asked(LATE)["at"] == list(LATE.control.points)
    assert asked(SHAPE)["at"] == []


@pytest.mark.parametrize("guess", GUESSES)
def test_only_what_is_hidden_is_hidden_and_all_shows_without_a_script(guess: Guess) -> None:
    spec = asked(guess)
    assert (spec["series"], spec["numbers"]) == ([0], [0, 1])
    with_guess, without = guessed(guess), guessed(None)
    still = with_guess._body.partition("<script")[0]
    assert still.replace(with_guess.name, without.name) == without._body.partition("<script")[0]


def test_every_word_is_in_both_languages() -> None:
    for guess in GUESSES:
        spec = asked(guess)
        texts = [spec["question"], *filter(None, spec["words"]), *(o for o in spec["off"] if not isinstance(o, str))]
        assert all(
            re.search("[\u4e00-\u9fff]", text[1]) and not re.search("[\u4e00-\u9fff]", text[0]) for text in texts
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Guess(("one", "two", "three"), NUMBER, "largest", ("largest",)), "question of a Guess"),  # type: ignore[arg-type]
        (lambda: Guess(Q, NUMBER, "largest", ("largest",), mark="z"), 'is "x", "y" or ""'),  # type: ignore[arg-type]
        (lambda: Guess(Q, Choice("c", ("a", "b")), "a", ("norm",), mark="x"), "only a Slider has one"),
        (lambda: Guess(Q, NUMBER, "largest", ()), "row of names"),
        (lambda: Guess(Q, NUMBER, "largest", "largest"), "row of names"),
        (lambda: guessed(Guess(Q, NUMBER, "largest", ("largest", "nought"))), "hides 'nought'.*norm, bound, largest"),
        (lambda: guessed(Guess(Q, NUMBER, "norm", ("norm",))), "readout that it hides, got 'norm'"),
        (lambda: guessed(Guess(Q, NUMBER, "largest", ("norm",))), "readout that it hides, got 'largest'"),
        (lambda: guessed(Guess(Q, Choice("c", ("a", "b")), "d", ("norm",))), "'d' is none of the options a, b"),
    ],
)
def test_mistakes_are_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_function_is_not_asked_again() -> None:
    calls: list[float] = []

    def counted(rho: float, c: float) -> dict[str, Any]:
        calls.append(rho)
        return norms(rho, c)

    x = Axis("n", np.arange(61))
    controls = {"rho": Slider("ρ", (0.9, 0.95)), "c": Slider("c", (0, 0.25))}
    readout = {"largest": Q, "when": Q}
    series = {"norm": Line("n")}
    Explorer(counted, title=Q, alt=Q, x=x, y=Axis(), controls=controls, series=series, readout=readout, guess=SHAPE)
    assert len(calls) == 4
