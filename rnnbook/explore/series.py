"""What an explorable can draw, and the shape that the function's result must have for each kind.

Shapes: N and M are the numbers of values of the x and y axes, K paths of T
points, pairs (x_1, x_2) last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnbook.explore import words
from rnnbook.explore.scale import Axis, Scale, real
from rnnbook.explore.wiring import Drawing
from rnnbook.explore.words import Text

Array = NDArray[np.float64]
Range = tuple[float, float]

# Cividis: even steps of lightness, the same for colour-blind readers.
_CIVIDIS = np.array([(0, 34, 78), (67, 78, 108), (125, 124, 120), (188, 174, 108), (254, 232, 56)])


def _shades(count: int) -> list[str]:
    places = np.linspace(0, len(_CIVIDIS) - 1, count)
    channels = [np.interp(places, range(len(_CIVIDIS)), channel) for channel in _CIVIDIS.T]
    return ["#" + "".join(f"{round(part):02x}" for part in colour) for colour in zip(*channels, strict=True)]


HEAT_COLOURS = _shades(32)


@dataclass(frozen=True)
class Series:
    """One thing that is drawn, from the entry of the same name in the function's result."""

    label: Text = ""
    colour: int | None = None  # 0 blue, 1 rust, 2 green, 3 purple; by default in order

    kind: ClassVar[str]
    padding: ClassVar[float] = 0.0  # half a cell of x (and of y, in a heat map)
    planar: ClassVar[bool] = False  # pairs (x_1, x_2) in the plane, drawn with equal units

    def __post_init__(self) -> None:
        words.checked(self.label, f"the label of a {type(self).__name__}")

    def shape(self, x: Axis, y: Axis) -> tuple[int | str, ...]:
        """The shape of the result; letters stand for sizes that are free."""
        return (len(x.grid),)

    def is_planar(self, x: Axis) -> bool:
        return self.planar

    def positions(self, values: Array, x: Axis, y: Axis) -> Array:
        """The values as positions along their axes."""
        if self.is_planar(x):
            return np.stack([x.place(values[..., 0]), y.place(values[..., 1])], axis=-1)
        return y.place(values)

    def ranges(self, positions: Array, x: Scale, y: Scale) -> list[Range]:
        """The range of the sixteen-bit codes, for each coordinate: what is shown of the values."""
        if self.is_planar(x.axis):
            return [_within(positions[..., 0], x.low, x.high), _within(positions[..., 1], y.low, y.high)]
        return [_within(positions, y.low, y.high)]

    def specification(self, values: Array) -> dict[str, Any]:
        """What the script needs to know beside label, colour and ranges; values: (grid points, *shape)."""
        return {"mark": self.kind}


@dataclass(frozen=True)
class Line(Series):
    """A curve over the values of x: (N,)."""

    dashed: bool = False
    kind = "line"

    def specification(self, values: Array) -> dict[str, Any]:
        return {"mark": "dashes" if self.dashed else "line"}


@dataclass(frozen=True)
class Points(Series):
    """Dots over the values of x: (N,); or anywhere in the plane, if x has no values: (N, 2)."""

    kind = "points"

    def shape(self, x: Axis, y: Axis) -> tuple[int | str, ...]:
        return ("N", 2) if x.values is None else (len(x.grid),)

    def is_planar(self, x: Axis) -> bool:
        return x.values is None


@dataclass(frozen=True)
class Bars(Series):
    """Bars from 0 over the values of x: (N,)."""

    kind = "bars"
    padding = 0.5


@dataclass(frozen=True)
class Band(Series):
    """The area between two curves over the values of x: (2, N), lower and upper."""

    kind = "band"

    def shape(self, x: Axis, y: Axis) -> tuple[int | str, ...]:
        return (2, len(x.grid))


@dataclass(frozen=True)
class Heat(Series):
    """A matrix in colours over the values of both axes: (M, N), row i at y.values[i], the first on top.

    A gap where the value is not finite. For logarithmic colours return the logarithm.
    """

    kind = "heat"
    padding = 0.5

    def shape(self, x: Axis, y: Axis) -> tuple[int | str, ...]:
        for axis in (x, y):
            steps = np.diff(axis.place(axis.grid))
            if not np.allclose(steps, steps[0]):
                raise ValueError("a Heat needs evenly spaced values on both axes")
        return (len(y.grid), len(x.grid))

    def positions(self, values: Array, x: Axis, y: Axis) -> Array:
        return values

    def ranges(self, positions: Array, x: Scale, y: Scale) -> list[Range]:
        return [_within(positions, -np.inf, np.inf)]

    def specification(self, values: Array) -> dict[str, Any]:
        low, high = _within(values, -np.inf, np.inf)
        return {"mark": self.kind, "bar": [words.number(low), words.number(high)], "colours": HEAT_COLOURS}


@dataclass(frozen=True)
class Trajectories(Series):
    """Paths in the plane: (T, 2) or (K, T, 2), from a ring to a dot."""

    kind = "trajectories"
    planar = True

    def shape(self, x: Axis, y: Axis) -> tuple[int | str, ...]:
        return ("K", "T", 2)

    def specification(self, values: Array) -> dict[str, Any]:
        return {"mark": "path", "paths": values.shape[1]}


@dataclass(frozen=True)
class Arrows(Series):
    """Displacements (M, 2) at the base points `at`, (M, 2): a vector field, or one step of a map.

    All arrows share one scale; the longest on the whole grid of parameters spans the gap between base points.
    """

    at: ArrayLike = ()
    kind = "arrows"
    planar = True

    def __post_init__(self) -> None:
        super().__post_init__()
        real("the base points of Arrows", self.at)
        if self.base.ndim != 2 or self.base.shape[1] != 2 or len(self.base) < 2:
            raise ValueError(f"Arrows need base points of shape (M, 2), got {self.base.shape}")

    @property
    def base(self) -> Array:
        return np.asarray(self.at, dtype=float)

    def shape(self, x: Axis, y: Axis) -> tuple[int | str, ...]:
        if x.log or y.log:
            raise ValueError("Arrows need linear axes")
        return self.base.shape

    def positions(self, values: Array, x: Axis, y: Axis) -> Array:
        return values

    def ranges(self, positions: Array, x: Scale, y: Scale) -> list[Range]:
        lengths = np.abs(positions[np.isfinite(positions)])
        longest = float(lengths.max(initial=0.0)) or 1.0
        return [(-longest, longest)] * 2

    def specification(self, values: Array) -> dict[str, Any]:
        return {"mark": self.kind, "at": np.round(self.base, 4).tolist(), "scale": self.scale(values)}

    def scale(self, values: Array) -> float:
        """What a displacement is multiplied by, so that the longest spans the gap between base points."""
        gaps = np.linalg.norm(self.base[:, None] - self.base, axis=-1)
        lengths = np.linalg.norm(values, axis=-1)
        longest = float(lengths[np.isfinite(lengths)].max(initial=0.0)) or 1.0
        return float(f"{gaps[gaps > 0].min() / longest:.4g}")


@dataclass(frozen=True)
class Wiring(Series):
    """A drawing whose wires are as wide as their numbers: a mapping from the names in it to numbers.

    A wire is .8 + 3.4 min(|v|, 1.2) units wide, dashed where v is negative in two digits; where it is
    NaN the wire is faint and its label empty.
    A Wiring is the only series of its Explorer, which then needs no axes.
    """

    drawing: Drawing = field(kw_only=True)
    kind = "wiring"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.drawing.names:
            raise ValueError(f"a Wiring needs wires with names, and {self.drawing!r} has none")

    def shape(self, x: Axis, y: Axis) -> tuple[int | str, ...]:
        return (len(self.drawing.names),)

    def row(self, name: str, result: object) -> list[float]:
        """The numbers of a result in the order of the drawing's names."""
        if not isinstance(result, Mapping):
            raise ValueError(f"{name!r} is a Wiring and needs a mapping from names to numbers, got {result!r}")
        missing = [key for key in self.drawing.names if key not in result]
        unknown = [str(key) for key in result if key not in self.drawing.names]
        if missing or unknown:
            raise ValueError(
                f"{name!r} is a Wiring of {', '.join(self.drawing.names)}; "
                f"missing: {', '.join(missing) or 'none'}, not in the drawing: {', '.join(unknown) or 'none'}"
            )
        return [result[key] for key in self.drawing.names]

    def positions(self, values: Array, x: Axis, y: Axis) -> Array:
        return values

    def ranges(self, positions: Array, x: Scale, y: Scale) -> list[Range]:
        return [_within(column, -np.inf, np.inf) for column in positions.reshape(-1, len(self.drawing.names)).T]

    def specification(self, values: Array) -> dict[str, Any]:
        return {"mark": self.kind, "names": self.drawing.names}


def checked_result(name: str, series: Series, result: Any, x: Axis, y: Axis) -> Array:
    """A copy of the function's result as floats, once its shape is right."""
    values = real(repr(name), series.row(name, result) if isinstance(series, Wiring) else result)
    if isinstance(series, Trajectories) and values.ndim == 2:
        values = values[None]
    wanted = series.shape(x, y)
    fits = values.ndim == len(wanted) and all(
        isinstance(want, str) or want == got for want, got in zip(wanted, values.shape, strict=True)
    )
    if not fits:
        shape = str(wanted).replace("'", "")
        raise ValueError(
            f"{name!r} is a {type(series).__name__} and needs shape {shape}, the function gave {values.shape}"
        )
    return values


def _within(positions: Array, low: float, high: float) -> Range:
    """The range of the finite positions between low and high, never empty."""
    inside = positions[np.isfinite(positions) & (positions >= low) & (positions <= high)]
    if not inside.size:
        return 0.0, 1.0
    smallest, largest = float(inside.min()), float(inside.max())
    return smallest, largest if largest > smallest else smallest + max(1.0, abs(smallest))
