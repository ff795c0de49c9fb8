"""An axis and the scale that comes of it: where a value stands, and which ticks are drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnbook.explore import words
from rnnbook.explore.words import Text

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """One axis of an explorable.

    values: the grid on it (x of lines, bars and bands; x and y of a heat map).
    limits: (low, high), beyond which values are clipped; without them the axis holds the whole grid.
    log:    a logarithmic axis.
    marks:  values at which a dotted line is drawn.
    """

    label: Text = ""
    values: ArrayLike | None = None
    limits: tuple[float, float] | None = None
    log: bool = False
    marks: Sequence[float] = ()

    def __post_init__(self) -> None:
        words.checked(self.label, "the label of an Axis")
        if self.limits is not None and not self.limits[0] < self.limits[1]:
            raise ValueError(f"limits must be (low, high) with low < high, got {self.limits}")
        if self.values is not None:
            steps = np.diff(self.grid)
            if self.grid.ndim != 1 or not steps.size or not (np.all(steps > 0) or np.all(steps < 0)):
                raise ValueError("the values of an Axis must be a rising (or falling) row of numbers")

    @property
    def grid(self) -> Array:
        """The grid on the axis, as an array of shape (N,)."""
        if self.values is None:
            raise ValueError("this kind of figure needs an Axis with values")
        return np.asarray(self.values, dtype=float)

    def place(self, values: ArrayLike) -> Array:
        """Positions along the axis: the values, or their decimal logarithms (−∞ at 0 and below)."""
        values = np.asarray(values, dtype=float)
        if not self.log:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(values <= 0, -np.inf, np.log10(values))


@dataclass(frozen=True)
class Scale:
    """An axis whose ends are known; `start` and `end` are positions (see `Axis.place`)."""

    axis: Axis
    start: float
    end: float

    @property
    def low(self) -> float:
        return min(self.start, self.end)

    @property
    def high(self) -> float:
        return max(self.start, self.end)

    def ticks(self) -> list[tuple[float, str]]:
        """About five round positions with their words."""
        step = _round_step((self.high - self.low) / 4.5)
        if self.axis.log:
            step = max(1.0, round(step))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        positions = [float(f"{k * step:.6g}") for k in range(first, last + 1)]
        if self.axis.log:
            return [(p, words.number(10**p).removeprefix("1×")) for p in positions]
        return [(p, words.number(p, 6)) for p in positions]

    def marks(self) -> list[float]:
        """The positions of the axis's marks, as far as they lie on it."""
        return [float(at) for at in self.axis.place(list(self.axis.marks)) if self.low <= at <= self.high]

    def specification(self) -> dict[str, Any]:
        """The axis as the script reads it."""
        at = [] if self.axis.values is None else self.axis.place(self.axis.grid).tolist()
        return {
            "label": self.axis.label,
            "ends": [_short(self.start), _short(self.end)],
            "ticks": self.ticks(),
            "marks": [_short(at) for at in self.marks()],
            "at": [_short(v) for v in at],
            "log": self.axis.log,
        }


def scale(axis: Axis, shown: list[Array], padding: float = 0.0, downward: bool = False) -> Scale:
    """The scale of an axis: its limits, else its grid, else the finite part of all values shown on it.

    padding:  half a cell in steps of the grid (bars and heat maps), so that the outer ones fit.
    downward: the axis begins at its far end (the rows of a matrix run down).
    """
    if downward:
        forward = scale(axis, shown, padding)
        return Scale(axis, forward.end, forward.start)
    if axis.limits is not None:
        low, high = axis.place(axis.limits).tolist()
        return Scale(axis, low, high)
    if axis.values is not None:
        grid = axis.place(axis.grid)
        step = padding * (grid[-1] - grid[0]) / (len(grid) - 1)
        return Scale(axis, float(grid[0] - step), float(grid[-1] + step))
    values = np.concatenate([axis.place(part).ravel() for part in shown] + [axis.place(list(axis.marks))])
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise ValueError("an Axis without values and limits found no finite value to show")
    low, high = float(finite.min()), float(finite.max())
    margin = 0.04 * (high - low) or 0.5
    return Scale(axis, low - margin, high + margin)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= rough * 0.8)


def _short(value: float) -> float:
    """Six digits place a point within a thousandth of a pixel."""
    return float(f"{value:.6g}")
