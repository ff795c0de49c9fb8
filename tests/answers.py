"""Answers to the exercises that are answered on the page, right ones and wrong ones, for two tests."""

import random
import re
from collections.abc import Iterator
from typing import Any

from rnnbook._languages import pick
from rnnbook.check import exercise_ids
from rnnbook.check.answer import judge
from rnnbook.check.recording import Recording, recording_of
from rnnbook.check.registry import find

RECORDED = [found for found in map(recording_of, exercise_ids()) if found is not None]


def solution(recording: Recording) -> list[Any]:
    wants = [one.want for one in recording.comparisons]
    return list(wants[0]) if recording.comparisons[0].entry is None else wants


def mistakes(recording: Recording) -> Iterator[list[Any]]:
    """Each known mistake in an otherwise right answer; what may be anything is any number there."""
    other = recording.options[0][0] if recording.options else 7.77
    for one in recording.comparisons:
        for wrong, _ in one.mistakes:
            answer = solution(recording)
            if one.entry is not None:
                answer[one.entry] = other if wrong is None else wrong
            else:
                answer = [other if k is None else k for k in (wrong or [None] * len(answer))]
            yield answer


def drawn(recording: Recording, rng: random.Random) -> list[float]:
    """An answer near a right one or a known mistake, or far from all."""
    if recording.options:
        return [float(rng.choice(recording.options)[0]) for _ in recording.names]

    def moved(number: float) -> float:
        sign = rng.choice((-1, 1))
        by = number * (1 + sign * 10 ** rng.uniform(-7, 0))
        far = [number + sign * 10 ** rng.uniform(-6, 0), -number, float(rng.randint(-3, 9)), rng.uniform(-10, 10)]
        return float(rng.choice([number, number, number, by, by, by, *far]))

    centre = rng.choice([solution(recording), solution(recording), *mistakes(recording)])
    answer = [moved(float(number)) for number in centre]
    return [float(round(number)) for number in answer] if recording.whole and rng.random() < 0.8 else answer


def checked(recording: Recording, answer: list[Any], lang: str) -> tuple[bool, str]:
    """Whether `check` accepts an answer, and what it says, as `said` leaves it."""
    exercise = find(recording.id)
    assert exercise is not None
    result = judge(exercise, answer if len(recording.names) > 1 else answer[0])
    assert result.code in ("passed", "wrong"), result.text("en")
    return bool(result), said(pick(result.message, lang))


def said(text: str) -> str:
    """A verdict without the number itself, which the page writes in its own way."""
    text = re.sub(r" is (“.*?”|\S+), which is not right", " is X, which is not right", text.replace("`", ""))
    return re.sub(r"是 ?(“.*?”|\S+?)，不对", "是 X，不对", text).strip()
