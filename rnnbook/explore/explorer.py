"""The explorable figure: a function on a grid of parameters, and the HTML that walks over it."""

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnnbook.explore import assets, encode, fallback, words
from rnnbook.explore import controls as control
from rnnbook.explore.controls import Control
from rnnbook.explore.scale import Axis, scale
from rnnbook.explore.series import Range, Series, checked_result
from rnnbook.explore.words import Text

if TYPE_CHECKING:
    from rnnbook.explore.live import Live

Array = NDArray[np.float64]
Function = Callable[..., Mapping[str, Any]]

VALUES = 25_000
KILOBYTES = 60


class Explorer:
    """A figure with controls. `function(**settings)` gives a mapping with the names in `series` and `readout`.

    function: evaluated once for every point of the grid that `controls` span.
    title, alt: its name, and what it shows for those who do not see it, in both languages.
    controls: a Slider or Choice for each argument of the function.
    series:   what is drawn (see rnnbook.explore.series).
    readout:  numbers shown under the figure, with their words.

    Errors: ValueError if a result is missing or has the wrong shape, and if the figure is
    heavier than 25,000 values or 60 KB.
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
        readout: Mapping[str, Text] | None = None,
    ) -> None:
        self.function = function
        self.title = words.checked(title, "the title")
        self.alt = words.checked(alt, "the alt text")
        self.controls = dict(controls)
        self.series = dict(series)
        self.readout = {name: words.checked(text, "a readout") for name, text in (readout or {}).items()}
        if not self.controls or not self.series:
            raise ValueError("an Explorer needs at least one control and one series")
        if sum(getattr(c, "play", False) for c in self.controls.values()) > 1:
            raise ValueError("only one Slider of an Explorer can play")
        self.axes = (x, y)
        self.planar = any(s.is_planar(x) for s in self.series.values())
        self.heat = any(s.kind == "heat" for s in self.series.values())
        self.square = self.planar or self.heat  # with the controls beside it, where there is room

        self.values, self.numbers = self._evaluate()
        self._check_count()
        padding = max(s.padding for s in self.series.values())
        self.x = scale(x, [v[..., 0] for v in self._planar_values(x)], padding)
        self.y = scale(y, self._shown_on_y(x), padding if self.heat else 0.0, downward=self.heat)
        spans = (self.y.high - self.y.low) / (self.x.high - self.x.low)
        self.aspect = min(1.2, round(spans, 4)) if self.planar else 1.0
        self.positions = {name: s.positions(self.values[name], x, y) for name, s in self.series.items()}
        self.ranges: dict[str, list[Range]] = {
            name: s.ranges(self.positions[name], self.x, self.y) for name, s in self.series.items()
        }
        self._body = self._encode()

    @property
    def first(self) -> dict[str, Any]:
        """The settings at which the figure starts."""
        return {name: c.points[c.first] for name, c in self.controls.items()}

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

    def live(self) -> "Live":
        """The same figure with widgets, computed anew in the kernel wherever the sliders stand."""
        from rnnbook.explore.live import Live

        return Live(self)

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

    def codes(self) -> encode.Codes:
        """All values as sixteen-bit codes: for each grid point one series after the other, (points, values)."""
        blocks = []
        for name, positions in self.positions.items():
            flat = positions.reshape(len(positions), -1)
            ranges = self.ranges[name]
            columns = [encode.quantise(flat[:, k :: len(ranges)], *r) for k, r in enumerate(ranges)]
            blocks.append(np.stack(columns, axis=-1).reshape(flat.shape))
        return np.concatenate(blocks, axis=1)

    def specification(self) -> dict[str, Any]:
        """Everything the script needs, ready for JSON."""
        series = []
        offset = 0
        for name, s in self.series.items():
            values = self.values[name]
            size = math.prod(values.shape[1:])
            series.append(
                {
                    "kind": s.kind,
                    "colour": self.colour(name),
                    "ranges": self.ranges[name],
                    "offset": offset,
                    "size": size,
                    **s.specification(values),
                }
            )
            offset += size
        return {
            "planar": self.planar,
            "heat": self.heat,
            "square": self.square,
            "aspect": self.aspect,
            "x": self.x.specification(),
            "y": self.y.specification(),
            "controls": [control.specification(c) for c in self.controls.values()],
            "series": series,
            "stride": offset,
            "readout": [[words.number(v) for v in self.numbers[name].tolist()] for name in self.readout],
            "data": encode.packed(self.codes()),
        }

    def colour(self, name: str) -> int:
        """The colour of a series: its own, or the one of its place."""
        given = self.series[name].colour
        return (list(self.series).index(name) if given is None else given) % 4

    def _encode(self) -> str:
        data = encode.safe_json(self.specification())
        index = next(k for k, settings in enumerate(self.settings()) if settings == self.first)
        drawn = {name: positions[index] for name, positions in self.positions.items()}
        numbers = {name: float(values[index]) for name, values in self.numbers.items()}
        own = repr((self.title, self.alt, self.readout, [s.label for s in self.series.values()]))
        self.name = f"explorer-{hashlib.sha256((data + own).encode()).hexdigest()[:12]}"
        still = fallback.still(self, drawn, numbers, fallback.first_settings(self))
        body = f'{still}<script type="application/json">{data}</script>'
        size = len(body.encode()) / 1024
        if size > KILOBYTES:
            raise ValueError(
                f"this explorable takes {size:.1f} KB with its picture, {size - KILOBYTES:.1f} KB more than "
                f"{KILOBYTES} KB: use fewer grid points or shorter series"
            )
        self.size = len(body.encode())
        return body

    def _repr_html_(self) -> str:
        return (
            f'<style class="explorer-style">{assets.stylesheet()}</style>'
            f"{self.group(self._body, words.chosen_language())}"
            f'<script class="explorer-script">{assets.definition()}</script><script>{assets.call()}</script>'
        )

    def group(self, body: str, language: str) -> str:
        """The element that holds the figure and its controls; language "" leaves the choice to the page."""
        own = f' lang="{language}"' if language else ""
        layout = "explorer ex-square" if self.square else "explorer"
        label = f'role="group" aria-labelledby="{self.name}-title"'
        return f'<div class="{layout}" id="{self.name}"{own} {label}>{body}</div>'

    def __repr__(self) -> str:
        return f"Explorer({words.pick(self.title, words.chosen_language() or 'en')!r})"
