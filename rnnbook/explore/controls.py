"""What a reader moves: a slider over grid points, or a choice between named options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnbook.explore import words
from rnnbook.explore.scale import real
from rnnbook.explore.words import Text


@dataclass(frozen=True)
class Slider:
    """A slider that stands on grid points only; `start` is the nearest one (the middle one if not given).

    A slider with `play=True` has a button that walks over its grid.
    """

    label: Text
    values: ArrayLike
    start: float | None = None
    unit: Text = ""
    play: bool = False

    def __post_init__(self) -> None:
        words.checked(self.label, "the label of a Slider")
        words.checked(self.unit, "the unit of a Slider")
        grid = real("the values of a Slider", self.values)
        if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all():
            raise ValueError(f"a Slider needs at least two finite values in a row, got {self.values!r}")
        words.distinct_numbers(self.points)

    @property
    def points(self) -> tuple[float, ...]:
        """What the function is given, one value per grid point."""
        return tuple(np.asarray(self.values, dtype=float).tolist())

    @property
    def first(self) -> int:
        """The grid point at which the figure starts."""
        if self.start is None:
            return len(self.points) // 2
        return int(np.argmin(np.abs(np.subtract(self.points, self.start))))

    def labels(self) -> list[Text]:
        """The grid points with their unit, as the reader sees them."""
        numbers = words.distinct_numbers(self.points)
        return [_with_unit(text, self.unit) for text in numbers]


@dataclass(frozen=True)
class Choice:
    """A choice between options; the function is given the option's key.

    `options` is a sequence of keys that are their own words, or a mapping from keys to words.
    """

    label: Text
    options: Sequence[str] | Mapping[str, Text]
    start: str | None = None

    def __post_init__(self) -> None:
        words.checked(self.label, "the label of a Choice")
        if len(self.points) < 2:
            raise ValueError(f"a Choice needs at least two options, got {self.options!r}")
        if self.start is not None and self.start not in self.points:
            raise ValueError(f"start={self.start!r} is none of the options {', '.join(self.points)}")
        for text in self.labels():
            words.checked(text, "an option of a Choice")

    @property
    def points(self) -> tuple[str, ...]:
        return tuple(self.options)

    @property
    def first(self) -> int:
        return 0 if self.start is None else self.points.index(self.start)

    def labels(self) -> list[Text]:
        return list(self.options.values()) if isinstance(self.options, Mapping) else list(self.options)


Control = Slider | Choice


def specification(control: Control) -> dict[str, Any]:
    """A control as the script reads it."""
    return {
        "label": control.label,
        "start": control.first,
        "points": control.labels(),
        "slider": isinstance(control, Slider),
        "play": _play_words(control.label) if isinstance(control, Slider) and control.play else None,
    }


def _play_words(label: Text) -> list[Text]:
    """What the button says while the slider stands, and while it plays."""
    english, chinese = (words.pick(label, language) for language in words.LANGUAGES)
    return [(f"Play: {english}", f"播放：{chinese}"), (f"Pause: {english}", f"暂停：{chinese}")]


def _with_unit(number: str, unit: Text) -> Text:
    if isinstance(unit, str):
        space = "" if unit in ("", "°", "%") else " "
        return f"{number}{space}{unit}"
    return f"{number} {unit[0]}", f"{number} {unit[1]}"
