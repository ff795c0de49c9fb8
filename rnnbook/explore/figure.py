"""What an explorable figure is: a function evaluated on a grid of parameters, and the scales of its axes."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnbook.explore import words
from rnnbook.explore.controls import Control
from rnnbook.explore.scale import Axis, Scale, scale
from rnnbook.explore.series import Range, Series, Wiring, checked_result
from rnnbook.explore.words import Text

Array = NDArray[np.float64]
Function = Callable[..., Mapping[str, Any]]

VALUES = 25_000


class Figure:
    """`function(**settings)` at every point of the grid that `controls` span; arguments are those of an `Explorer`.

    values, numbers: the results by name, (points, *shape) and (points,).
    positions: the values as positions along their axes; ranges: what is shown of them.
    """

    def __init__(
        self,
        function: Function,
        *,
        title: Text,
        alt: Text,
        controls: Mapping[str, Control],
        series: Mapping[str, Series],
        x: Axis,
        y: Axis,
        readout: Mapping[str, Text],
    ) -> None:
        self.function = function
        self.title = words.checked(title, "the title")
        self.alt = words.checked(alt, "the alt text")
        self.controls = dict(controls)
        self.series = dict(series)
        self.readout = {name: words.checked(text, "a readout") for name, text in readout.items()}
        if not self.controls or not self.series:
            raise ValueError("an Explorer needs at least one control and one series")
        if sum(getattr(c, "play", False) for c in self.controls.values()) > 1:
            raise ValueError("only one Slider of an Explorer can play")
        self.wired = any(isinstance(s, Wiring) for s in self.series.values())
        if self.wired and len(self.series) > 1:
            raise ValueError(f"a Wiring is the only series of its Explorer, got {', '.join(self.series)}")
        self.axes = (x, y)
        self.planar = any(s.is_planar(x) for s in self.series.values())
        self.heat = any(s.kind == "heat" for s in self.series.values())
        self.square = self.planar or self.heat or self.wired  # with the controls beside it, where there is room

        self.values, self.numbers = self._evaluate()
        self._check_count()
        padding = max(s.padding for s in self.series.values())
        if self.wired:
            self.x, self.y = Scale(x, 0.0, 1.0), Scale(y, 0.0, 1.0)  # which nothing stands on
        else:
            self.x = scale(x, [v[..., 0] for v in self._planar_values(x)], padding)
            self.y = scale(y, self._shown_on_y(x), padding if self.heat else 0.0, downward=self.heat)
        spans = (self.y.high - self.y.low) / (self.x.high - self.x.low)
        self.aspect = min(1.2, round(spans, 4)) if self.planar else 1.0
        self.positions = {name: s.positions(self.values[name], x, y) for name, s in self.series.items()}
        self.ranges: dict[str, list[Range]] = {
            name: s.ranges(self.positions[name], self.x, self.y) for name, s in self.series.items()
        }

    @property
    def first(self) -> dict[str, Any]:
        """The settings at which the figure starts."""
        return {name: c.points[c.first] for name, c in self.controls.items()}

    @property
    def start(self) -> int:
        """The number of that point of the grid."""
        return next(k for k, settings in enumerate(self.settings()) if settings == self.first)

    def settings(self) -> Iterator[dict[str, Any]]:
        """The points of the grid, the last control running fastest."""
        for combination in itertools.product(*(c.points for c in self.controls.values())):
            yield dict(zip(self.controls, combination, strict=True))

    def at(self, settings: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, float]]:
        """The function's series and readout numbers for some settings, on the grid or not."""
        result = self.function(**settings)
        missing = [name for name in (*self.series, *self.readout) if name not in result]
        if missing:
            raise ValueError(
                f"the function gave no {', '.join(map(repr, missing))}; it gave {', '.join(map(repr, result))}"
            )
        drawn = {name: checked_result(name, s, result[name], *self.axes) for name, s in self.series.items()}
        return drawn, {name: float(result[name]) for name in self.readout}

    def colour(self, name: str) -> int:
        """The colour of a series: its own, or the one of its place."""
        given = self.series[name].colour
        return (list(self.series).index(name) if given is None else given) % 4

    def _evaluate(self) -> tuple[dict[str, Array], dict[str, Array]]:
        drawn: dict[str, list[Array]] = {name: [] for name in self.series}
        numbers: dict[str, list[float]] = {name: [] for name in self.readout}
        for settings in self.settings():
            series, readout = self.at(settings)
            for name, values in series.items():
                if drawn[name] and values.shape != drawn[name][0].shape:
                    raise ValueError(
                        f"{name!r} must have one shape on the whole grid, got {drawn[name][0].shape} and {values.shape}"
                    )
                drawn[name].append(values)
            for name, value in readout.items():
                numbers[name].append(value)
        return (
            {name: np.stack(parts) for name, parts in drawn.items()},
            {name: np.array(parts) for name, parts in numbers.items()},
        )

    def _check_count(self) -> None:
        count = sum(values.size for values in (*self.values.values(), *self.numbers.values()))
        if count > VALUES:
            sizes = " × ".join(str(len(c.points)) for c in self.controls.values())
            points = math.prod(len(c.points) for c in self.controls.values())
            raise ValueError(
                f"this explorable holds {count:,} values (a grid of {sizes}, {count // points:,} values at each "
                f"point), {count - VALUES:,} more than {VALUES:,}: use fewer grid points or shorter series"
            )

    def _planar_values(self, x: Axis) -> list[Array]:
        """Pairs whose coordinates decide the ends of axes without limits."""
        return [
            values
            for name, values in self.values.items()
            if self.series[name].is_planar(x) and self.series[name].kind != "arrows"
        ]

    def _shown_on_y(self, x: Axis) -> list[Array]:
        shown = [v[..., 1] for v in self._planar_values(x)]
        for name, series in self.series.items():
            if not series.is_planar(x):
                shown.append(self.values[name])
                if series.kind == "bars":
                    shown.append(np.zeros(1))
        return shown
