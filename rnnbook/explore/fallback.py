"""The still picture of an explorable, shown where no script runs: the figure at its first settings, as SVG.

It draws what explorer.js draws, with the same classes, at one width; `live()` uses it too.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnnbook.explore import words
from rnnbook.explore.figure import Figure
from rnnbook.explore.scale import Scale
from rnnbook.explore.series import HEAT_COLOURS, Arrows, Range, Series, Wiring
from rnnbook.explore.words import Text

Array = NDArray[np.float64]
Pair = tuple[float, float]


class Canvas:
    """An SVG picture over two scales; what lies beyond their ends stands on the edge."""

    def __init__(self, figure: Figure) -> None:
        self.x, self.y = figure.x, figure.y
        longest = max((len(label) for _, label in self.y.ticks()), default=0)
        self.left = 14.0 + 7 * longest
        self.right = self.left + 340 if figure.square else 640.0
        self.top = 28.0 if self.y.axis.label else 12.0
        self.bottom = self.top + (340 * figure.aspect if figure.square else 250.0)
        self.width = self.right + 12
        self.height = self.bottom + (42 if self.x.axis.label else 26)
        self.parts: list[str] = []

    def across(self, value: float) -> float:
        return _along(value, self.x, self.left, self.right)

    def up(self, value: float) -> float:
        return _along(value, self.y, self.bottom, self.top)

    def at(self, point: Pair) -> str:
        return f"{self.across(point[0]):.1f} {self.up(point[1]):.1f}"

    def path(self, d: str, kind: str, more: str = "") -> None:
        if d:
            self.parts.append(f'<path class="ex-{kind}" d="{d}"{more}/>')

    def text(self, text: Text, x: float, y: float, anchor: str, kind: str = "") -> None:
        own = f' class="{kind}"' if kind else ""
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        self.parts.append(f"<text {place}{own}>{words.both(text, 'tspan')}</text>")

    def axes(self, planar: bool, heat: bool) -> None:
        """Ticks, grid lines, marks and names."""
        whole_row, whole_column = f"H{self.right:.1f}", f"V{self.bottom:.1f}"
        grid = ""
        for at, label in self.y.ticks():
            grid += f"M{self.left:.1f} {self.up(at):.1f}{whole_row}"
            self.text(label, self.left - 7, self.up(at) + 4, "end")
        for at, label in self.x.ticks():
            top = self.top if planar else self.bottom + 4
            grid += f"M{self.across(at):.1f} {top:.1f}{whole_column}"
            self.text(label, self.across(at), self.bottom + 17, "middle")
        if not heat:
            self.path(grid, "grid")
        marks = [f"M{self.left:.1f} {self.up(at):.1f}{whole_row}" for at in self.y.marks()]
        marks += [f"M{self.across(at):.1f} {self.top:.1f}{whole_column}" for at in self.x.marks()]
        self.path("".join(marks), "mark")
        self.text(self.x.axis.label, (self.left + self.right) / 2, self.height - 6, "middle", "ex-name")
        self.text(self.y.axis.label, 0, 14, "start", "ex-name")

    def curve(self, points: Sequence[Pair], kind: str, colour: int) -> None:
        """A missing value lifts the pen; clipped ones are a row of dots on the edge, its ends marked."""
        path, pen, edges = "", "M", []
        for i, point in enumerate(points):
            if any(map(math.isnan, point)):
                pen = "M"
                continue
            if _clipped(point):
                before = i > 0 and _clipped(points[i - 1])
                after = i + 1 < len(points) and _clipped(points[i + 1])
                pen = "M" if before else pen
                edges += [] if before and after else [point]
            path += pen + self.at(point) + ("h0" if pen == "M" else "")
            pen = "L"
        self.path(path, f"{kind} c{colour}")
        self.edges(edges, colour)

    def dots(self, points: Sequence[Pair], kind: str, colour: int) -> None:
        inside = [point for point in points if all(map(math.isfinite, point))]
        self.path("".join(f"M{self.at(point)}h0" for point in inside), f"{kind} c{colour}")
        self.edges([point for point in points if _clipped(point)], colour)

    def edges(self, points: Sequence[Pair], colour: int) -> None:
        """Diamonds at the edge, where values are clipped."""
        self.path("".join(f"M{self.at(point)}m-5 0l5-5 5 5-5 5z" for point in points), f"edge c{colour}")

    def svg(self, label: str) -> str:
        size = f'width="{self.width:.0f}" viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        return f'<svg role="img" aria-labelledby="{label}" {size}>{"".join(self.parts)}</svg>'


def picture(figure: Figure, drawn: dict[str, Array], label: str) -> str:
    """The SVG picture of series at some settings; drawn: their positions, label: the id of the alt text."""
    for name, series in figure.series.items():
        if isinstance(series, Wiring):
            return series.drawing.svg(label, dict(zip(series.drawing.names, drawn[name].tolist(), strict=True)))
    canvas = Canvas(figure)
    canvas.axes(figure.planar, figure.heat)
    for name, series in figure.series.items():
        colour, ranges = figure.colour(name), figure.ranges[name]
        values = _clip(drawn[name], series, canvas)
        over = _over(canvas.x)
        mark = series.specification(figure.values[name])["mark"]
        if series.kind == "line":
            canvas.curve(list(zip(over, values.tolist(), strict=True)), mark, colour)
        elif series.kind == "points":
            points = _pairs(values) if values.ndim == 2 else list(zip(over, values.tolist(), strict=True))
            canvas.dots(points, mark, colour)
        elif series.kind == "band":
            _band(canvas, over, values, colour)
        elif series.kind == "bars":
            _bars(canvas, list(zip(over, values.tolist(), strict=True)), colour)
        elif series.kind == "heat":
            _heat(canvas, values, ranges[0])
        elif series.kind == "trajectories":
            _trajectories(canvas, values, colour)
        elif isinstance(series, Arrows):
            _arrows(canvas, series, values, series.scale(figure.values[name]))
    return canvas.svg(label)


def first_settings(figure: Figure) -> str:
    """Where the controls stand at first; the script puts the controls in its place."""
    settings = [(c.label, c.labels()[c.first]) for c in figure.controls.values()]
    return f'<p class="ex-row ex-settings">{items(settings)}</p>'


def group(figure: Figure, name: str, body: str, language: str) -> str:
    """The element that holds the figure and its controls; language "" leaves the choice to the page."""
    own = f' lang="{language}"' if language else ""
    layout = "explorer ex-square" if figure.square else "explorer"
    return f'<div class="{layout}" id="{name}"{own} role="group" aria-labelledby="{name}-title">{body}</div>'


def still(figure: Figure, name: str, drawn: dict[str, Array], numbers: dict[str, float], settings: str = "") -> str:
    """The figure with its words in both languages, its numbers and its settings."""
    readout: list[tuple[Text, Text]] = [(figure.readout[k], words.number(v)) for k, v in numbers.items()]
    return (
        f'<p class="ex-title" id="{name}-title">{words.both(figure.title)}</p><div class="ex-body">'
        f'<div class="ex-figure"><p class="ex-row ex-legend">{legend(figure)}</p>'
        f"{picture(figure, drawn, name + '-alt')}"
        f'<p class="ex-alt" id="{name}-alt">{words.both(figure.alt)}</p></div>'
        f'<div class="ex-panel"><p class="ex-row" role="status" aria-live="polite">{items(readout)}</p>'
        f"{settings}</div></div>"
    )


def legend(figure: Figure) -> str:
    """The keys of all series, as the script draws them."""
    keys = ""
    for name, series in figure.series.items():
        own = series.specification(figure.values[name])
        label = words.both(series.label)
        kind = f"ex-key ex-{own['mark']} c{figure.colour(name)}"
        if not label:
            keys += "<b hidden></b>"
        elif series.kind == "heat":
            low, high = own["bar"]
            gradient = f"background:linear-gradient(90deg,{','.join(own['colours'])})"
            keys += f'<span>{label} {low}<i class="{kind}" style="{gradient}"></i>{high}<b></b></span>'
        else:
            keys += f'<span><i class="{kind}"></i>{label}<b></b></span>'
    return keys


def items(pairs: Sequence[tuple[Text, Text]]) -> str:
    """Words with their numbers, in a row."""
    return "".join(f"<span>{words.both(label)}<b>{words.both(value)}</b></span>" for label, value in pairs)


def _band(canvas: Canvas, over: list[float], values: Array, colour: int) -> None:
    lower, upper = (list(zip(over, half, strict=True)) for half in values.tolist())
    path = ""
    for i in range(1, len(over)):
        corners = [lower[i - 1], lower[i], upper[i], upper[i - 1]]
        if not any(math.isnan(y) for _, y in corners):
            path += f"M{'L'.join(map(canvas.at, corners))}Z"
    canvas.path(path, f"band c{colour}")


def _bars(canvas: Canvas, points: list[Pair], colour: int) -> None:
    wide = 0.7 * (canvas.right - canvas.left) / len(points)
    path = ""
    for x, y in points:
        if not math.isnan(y):
            corner = f"M{canvas.across(x) - wide / 2:.1f} {canvas.up(0.0):.1f}"
            path += f"{corner}h{wide:.1f}V{canvas.up(y):.1f}h{-wide:.1f}Z"
    canvas.path(path, f"bars c{colour}")
    canvas.edges([point for point in points if _clipped(point)], colour)


def _heat(canvas: Canvas, values: Array, ends: Range) -> None:
    """Neighbours in a row that share a colour are drawn as one: the picture stays small."""
    rows, columns = values.shape
    wide, tall = (canvas.right - canvas.left) / columns, (canvas.bottom - canvas.top) / rows
    ys = canvas.y.axis.place(canvas.y.axis.grid).tolist()
    with np.errstate(invalid="ignore"):
        shades = np.rint((values - ends[0]) / (ends[1] - ends[0]) * (len(HEAT_COLOURS) - 1))
    shades = np.where(np.isfinite(values), shades, -1).astype(int)
    paths: dict[int, str] = {}
    for row, y in enumerate(ys):
        changes = [0, *(np.flatnonzero(np.diff(shades[row])) + 1).tolist(), columns]
        for start, end in itertools.pairwise(changes):
            shade = int(shades[row, start])
            corner = f"M{canvas.left + start * wide:.1f} {canvas.up(y) - tall / 2:.1f}"
            box = f"{corner}h{(end - start) * wide + 0.3:.1f}v{tall + 0.3:.1f}h{-(end - start) * wide - 0.3:.1f}z"
            paths[shade] = paths.get(shade, "") + box
    for shade, path in sorted(paths.items()):
        if shade >= 0:
            canvas.path(path, "cell", f' fill="{HEAT_COLOURS[shade]}"')


def _trajectories(canvas: Canvas, values: Array, colour: int) -> None:
    for k, path in enumerate(values):
        points, own = _pairs(path), (colour + k) % 4
        canvas.curve(points, "path", own)
        canvas.dots(points[1:-1], "step", own)
        canvas.dots(points[:1], "end", own)
        canvas.dots(points[:1], "hole", own)
        canvas.dots(points[-1:], "end", own)


def _arrows(canvas: Canvas, series: Arrows, values: Array, scale: float) -> None:
    path = ""
    for (a, b), (dx, dy) in zip(_pairs(series.base), _pairs(values), strict=True):
        if not math.isfinite(dx + dy):
            continue
        tip_x, tip_y = canvas.across(a + scale * dx), canvas.up(b + scale * dy)
        wide, tall = tip_x - canvas.across(a), tip_y - canvas.up(b)
        head = min(5 / max(math.hypot(wide, tall), 1e-9), 0.5)
        path += f"M{canvas.at((a, b))}L{tip_x:.1f} {tip_y:.1f}"
        for side in (0.6, -0.6):
            path += f"M{tip_x:.1f} {tip_y:.1f}l{-head * (wide + side * tall):.1f} {-head * (tall - side * wide):.1f}"
    canvas.path(path, "arrows")


def _clip(values: Array, series: Series, canvas: Canvas) -> Array:
    """Positions outside the axes become ±∞, as they travel to the script."""
    if series.kind in ("heat", "arrows"):
        return values
    scales = (canvas.x, canvas.y) if series.is_planar(canvas.x.axis) else (canvas.y,)
    low, high = [s.low for s in scales], [s.high for s in scales]
    return np.where(values < low, -np.inf, np.where(values > high, np.inf, values))


def _over(x: Scale) -> list[float]:
    return [] if x.axis.values is None else [float(v) for v in x.axis.place(x.axis.grid)]


def _along(value: float, scale: Scale, start: float, end: float) -> float:
    inside = min(max(value, scale.low), scale.high)
    return start + (inside - scale.start) / (scale.end - scale.start) * (end - start)


def _pairs(values: Array) -> list[Pair]:
    return [(float(a), float(b)) for a, b in values]


def _clipped(point: Pair) -> bool:
    return any(map(math.isinf, point)) and not any(map(math.isnan, point))
