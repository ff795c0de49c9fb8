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

LARGEST = 1e150  # of the numbers in a figure: spans and squares of them are numbers still
NARROWEST = 1e-12  # an axis, relative to its values: narrower ones are rounding


def real(what: str, values: ArrayLike) -> Array:
    """A copy of the values as floats, inf and NaN among them; ValueError for what no axis shows."""
    try:
        given = np.array(values)
        if np.iscomplexobj(given):
            raise ValueError("got complex numbers; show real part, imaginary part or modulus")
        array = given.astype(float)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{what} must hold real numbers: {error}") from None
    largest = np.abs(array[np.isfinite(array)]).max(initial=0.0)
    if largest > LARGEST:
        raise ValueError(
            f"{what} must lie within ±{LARGEST:g}, got {largest:g}: change the unit, or show the logarithm"
        )
    return array


@dataclass(frozen=True)
class Axis:
    """One axis of an explorable.

    values: the grid on it (x of lines, bars and bands; x and y of a heat map).
    limits: (low, high), beyond which values are clipped; without them the axis holds the whole grid.
    log:    a logarithmic axis; its limits and its grid lie above 0.
    marks:  values at which a dotted line is drawn.
    """

    label: Text = ""
    values: ArrayLike | None = None
    limits: tuple[float, float] | None = None
    log: bool = False
    marks: Sequence[float] = ()

    def __post_init__(self) -> None:
        words.checked(self.label, "the label of an Axis")
        real("the marks of an Axis", self.marks)
        if self.limits is not None:
            low, high = real("the limits of an Axis", self.limits).tolist()
            if not (low < high and math.isfinite(high - low) and high - low > NARROWEST * max(-low, high)):
                raise ValueError(f"limits must be (low, high) with low < high, got {self.limits}")
        if self.values is not None:
            real("the values of an Axis", self.values)
            steps = np.diff(self.grid)
            if self.grid.ndim != 1 or not steps.size or not (np.all(steps > 0) or np.all(steps < 0)):
                raise ValueError("the values of an Axis must be a rising (or falling) row of numbers")
        if self.log:
            self._check_above_zero()

    def _check_above_zero(self) -> None:
        for what, given in (("limits", self.limits), ("values", self.values)):
            lowest = math.inf if given is None else float(np.min(np.asarray(given, dtype=float)))
            if lowest <= 0:
                raise ValueError(
                    f"the {what} of a logarithmic Axis must lie above 0, got {lowest:g}: "
                    "begin at a small positive number, or leave out log=True"
                )

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
        """About five round positions with their words.

        A logarithmic axis has powers of ten. Where fewer than three lie on it, 2 and 5 times them join in; where
        still fewer than three do, it spans less than a decade, and even steps are drawn as on a linear axis.
        """
        if not self.axis.log:
            return _even(self.low, self.high)
        step = max(1, round(_round_step((self.high - self.low) / 4.5)))
        powers = self._powers((1,), step)
        if len(powers) < 3:
            powers = self._powers((1, 2, 5))
        if len(powers) < 3:
            return [(math.log10(value), text) for value, text in _even(10**self.low, 10**self.high)]
        return powers

    def _powers(self, factors: Sequence[int], step: int = 1) -> list[tuple[float, str]]:
        """The factors times every step-th power of ten, as far as they lie on the axis."""
        first, last = math.floor(self.low / step), math.floor(self.high / step + 1e-9)
        found = [(k * step + math.log10(f), f * 10.0 ** (k * step)) for k in range(first, last + 1) for f in factors]
        low, high = self.low - 1e-9, self.high + 1e-9
        return [(at, words.number(value).removeprefix("1×")) for at, value in found if low <= at <= high]

    def marks(self) -> list[float]:
        """The positions of the axis's marks, as far as they lie on it."""
        return [float(at) for at in self.axis.place(list(self.axis.marks)) if self.low <= at <= self.high]

    def specification(self) -> dict[str, Any]:
        """The axis as the script reads it."""
        at = [] if self.axis.values is None else self.axis.place(self.axis.grid).tolist()
        return {
            "label": self.axis.label,
            "ends": [self._short(self.start), self._short(self.end)],
            "ticks": self.ticks(),
            "marks": [self._short(at) for at in self.marks()],
            "at": [self._short(v) for v in at],
            "log": self.axis.log,
        }

    def _short(self, value: float) -> float:
        """Six digits of the axis's span, or of a smaller value, place a point within a hundredth of a pixel."""
        return float(f"{value:.{6 + max(0, _exponent(value) - _exponent(self.high - self.low))}g}")


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
    margin = 0.04 * (high - low)
    if high - low <= NARROWEST * max(-low, high):  # one value, up to rounding
        margin = max(0.5, 1e-3 * abs(high))
    return Scale(axis, low - margin, high + margin)


def _even(low: float, high: float) -> list[tuple[float, str]]:
    """Multiples of a round step with their words: in full where six digits would not tell them apart."""
    step = _round_step((high - low) / 4.5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = -_exponent(step)  # of the step, not of the values: these may be far larger
    values = [round(k * step, decimals) for k in range(first, last + 1)]
    if _exponent(max(abs(low), abs(high))) + decimals < 6:
        return [(value, words.number(value, 6)) for value in values]
    return [(value, f"{value:.{max(0, decimals)}f}".replace("-", "−")) for value in values]


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= rough * 0.8)


def _exponent(value: float) -> int:
    """The power of ten of a number's first digit; 0 has none, and stays 0 when it is rounded."""
    return int(f"{value:e}".partition("e")[2])
