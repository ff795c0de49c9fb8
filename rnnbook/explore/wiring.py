"""Wiring diagrams: nodes on a grid and the wires between them, described in a few lines and written as SVG.

    d = Drawing("sum", 240, 120, title=("A sum", "一个和"), alt=("x and b enter a sum.", "x 与 b 进入一个和。"))
    d.port("x", 120, 100, "x_t", "input")
    d.port("b", 30, 40, "b", "weight")
    d.plus("sum", 120, 40)
    d.port("a", 210, 40, "a_t")
    d.wire("x sum", "input")
    d.wire("b sum", "weight")
    d.wire("sum a")

A label that is a string is mathematics in a small TeX (`h_{t-1}`, `\\tanh`, `W_h^⊤`), one that is a pair is words in
both languages. A wire finds the sides of its nodes by itself. The language of the drawings: time runs to the right, up
is towards the output; states are blue, inputs grey, gates rust, errors green, weights purple; a tinted box has weights,
an outlined one is a fixed function; a dot copies, a bar cuts.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from math import dist, isfinite, sqrt
from typing import Literal

from rnnbook.explore import assets, words
from rnnbook.explore.words import Text

Point = tuple[float, float]
Role = Literal["ink", "state", "input", "gate", "error", "weight", "faint"]
Anchor = Literal["middle", "start", "end"]

WIDEST = 440  # units: on a phone they become 350 pixels, and words of 15 units stay at 12
KILOBYTES = 12
RADIUS, BEND, HEAD, GAP = 11.0, 7.0, 9.0, 6.0  # of + and ×, of bends; an arrowhead's length, half a gap's


@dataclass(frozen=True)
class Node:
    """Where wires begin and end: centre, half of its width and height; a disc is round, a dot has no size."""

    x: float
    y: float
    w: float = 0.0
    h: float = 0.0
    round: bool = False
    dot: bool = False

    def __post_init__(self) -> None:
        if not all(map(isfinite, (self.x, self.y, self.w, self.h))) or min(self.w, self.h) < 0:
            raise ValueError(f"a place is two finite numbers, and a size is positive; got {self}")

    def reach(self, dx: float, dy: float, beside: float) -> float:
        """How far it extends from its centre in a direction, along a line `beside` the one through its centre."""
        half = self.w if dx else self.h
        return sqrt(max(half**2 - beside**2, 0.0)) if self.round else half


@dataclass(frozen=True)
class Wire:
    points: list[Point]
    role: Role
    head: bool
    dashed: bool
    name: str

    def segments(self) -> list[tuple[Point, Point]]:
        return list(pairwise(self.points))


class Drawing:
    """A picture of width × height units with the nodes and wires that its methods add.

    name:  part of the element's id.
    title: what stands below the picture, in both languages.
    alt:   the wiring in words, for those who do not see it, in both languages.
    Errors: ValueError for a drawing wider than 440 units or heavier than 12 KB, a node that is not there, a wire
    between nodes that are not in line, and words in one language only.
    """

    def __init__(self, name: str, width: float, height: float, *, title: tuple[str, str], alt: tuple[str, str]) -> None:
        if not 0 < width <= WIDEST:
            raise ValueError(f"a drawing is at most {WIDEST} units wide, or a phone shrinks its words; got {width:g}")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise ValueError(f"the name of a drawing is small letters and hyphens, got {name!r}")
        self.name, self.width, self.height = name, width, height
        for what, text in (("title", title), ("alt text, which says the wiring in words,", alt)):
            if isinstance(text, str) or not all(map(str.strip, words.checked(text, f"the {what} of a drawing"))):
                raise ValueError(f"the {what} of a drawing is a pair (English, Chinese), got {text!r}")
        self.title, self.alt = title, alt
        self.nodes: dict[str, Node] = {}
        self.wires: list[Wire] = []
        self._frames: list[str] = []
        self._shapes: list[str] = []
        self._texts: list[tuple[str, str, str]] = []  # how each begins, what it says, the name of its number

    def port(
        self, name: str, x: float, y: float, label: Text, role: Role = "ink", *, anchor: Anchor = "middle", w: float = 0
    ) -> None:
        """A letter at which wires begin or end; w: the width that they keep clear."""
        half = w / 2 or (13.0 if anchor == "middle" else 4.0)
        self._add(name, Node(x, y, half, 14.0))
        self.text(x, y, label, role, anchor=anchor)

    def box(
        self,
        name: str,
        x: float,
        y: float,
        label: Text,
        role: Role = "ink",
        *,
        w: float = 38,
        h: float = 32,
        weights: bool = False,
    ) -> None:
        """A function; tinted where it has weights."""
        self._add(name, Node(x, y, w / 2, h / 2))
        place = f'x="{x - w / 2:g}" y="{y - h / 2:g}" width="{w:g}" height="{h:g}" rx="5"'
        self._shapes.append(f'<rect class="{"b t" if weights else "b"}{_class(role)}" {place}/>')
        self.text(x, y, label, role)

    def times(self, name: str, x: float, y: float, role: Role = "ink") -> None:
        """An element-wise product."""
        self._disc(name, Node(x, y, RADIUS, RADIUS, round=True), "b", role, f"M{x - 4.5:g} {y - 4.5:g}l9 9m0-9l-9 9")

    def plus(self, name: str, x: float, y: float, role: Role = "ink") -> None:
        """A sum."""
        self._disc(name, Node(x, y, RADIUS, RADIUS, round=True), "b", role, f"M{x - 6:g} {y:g}h12m-6-6v12")

    def dot(self, name: str, x: float, y: float, role: Role = "ink", *, r: float = 3.2) -> None:
        """A branching: all its wires carry the same."""
        self._disc(name, Node(x, y, dot=True), "a", role, r=r)

    def bar(self, name: str, x: float, x2: float, y: float) -> None:
        """A level bar that cuts a vector into blocks: each wire that leaves it carries its own."""
        self._add(name, Node((x + x2) / 2, y, (x2 - x) / 2, 2.5))
        self._shapes.append(f'<path class="k" d="M{x:g} {y:g}H{x2:g}"/>')

    def frame(self, x: float, y: float, x2: float, y2: float, role: Role = "ink") -> None:
        """A dotted frame from corner to corner: what belongs together."""
        place = f'x="{x:g}" y="{y:g}" width="{x2 - x:g}" height="{y2 - y:g}" rx="12"'
        self._frames.append(f'<rect class="f{_class(role)}" {place}/>')

    def text(
        self, x: float, y: float, label: Text, role: Role = "ink", *, anchor: Anchor = "middle", number: str = ""
    ) -> None:
        """A label centred on the height y; number: the name of the wires whose number it shows, where it has one."""
        kind = "" if isinstance(label, str) else " w"
        own = f"{kind} v" if number else kind
        own = (own + _class(role)).strip()
        mark = f' data-n="{number}"' if number else ""
        Node(x, y)  # a place
        words.checked(label, "a label")
        _check_name(number)
        if isinstance(label, str) and re.search(r"(?<!\\)\b[a-z]{3,}", label):
            raise ValueError(f"a string is mathematics, and words stand in a pair (English, Chinese), got {label!r}")
        inner = maths(label) if isinstance(label, str) else words.both(label, "tspan")
        place = f'x="{x:g}" y="{y + 5.5:g}"' + ("" if anchor == "middle" else f' text-anchor="{anchor}"')
        self._texts.append((f"<text{_attribute(own)} {place}{mark}>", inner, number))

    def wire(
        self,
        route: str,
        role: Role = "ink",
        *,
        beside: float = 0,
        head: bool = True,
        dashed: bool = False,
        name: str = "",
    ) -> None:
        """Wires along a route from node to node, each ending in an arrowhead, or at a dot without one.

        `a b` are in line, `a -| b` leaves level and arrives upright, `a |- b` the other way round; a place `x,y` in
        the route is a corner of the wire, or its end.
        beside: how far to the right of the way (seen in its direction) the wire keeps.
        name: what a `Wiring` calls the number that the wire carries.
        """
        _check_name(name)
        _class(role)  # an unknown one is named where it is given
        ends: list[Node] = []
        corners: list[Point] = []
        bend = ""
        for token in route.split():
            if token in ("-|", "|-"):
                bend = token
                continue
            node = self._node(token)
            corners += _way(ends[-1], node, bend) if ends else []
            ends, bend = [*ends, node], ""
            if len(ends) > 1 and token in self.nodes:
                points = _edges(ends[0], corners, node, beside)
                self.wires.append(Wire(points, role, head and not node.dot, dashed, name))
                ends, corners = [node], []
        if len(route.split()) < 2:
            raise ValueError(f"a wire needs at least two ends, got {route!r}")
        if corners:
            self.wires.append(Wire(_edges(ends[0], corners, ends[-1], beside), role, head, dashed, name))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the numbers that the wires carry, in the order in which they were drawn."""
        found = [wire.name for wire in self.wires] + [number for _, _, number in self._texts]
        return tuple(dict.fromkeys(filter(None, found)))

    def svg(self, described: str, numbers: Mapping[str, float] | None = None) -> str:
        """The picture; described: the id of the element with its words; numbers: what the named wires carry."""
        parts = list(self._frames)
        for k, wire in enumerate(self.wires):
            above = [piece for w in self.wires[k + 1 :] if w.role != "error" for piece in w.segments()]
            gaps = [gap for low, high in product(wire.segments(), above) if (gap := _crossing(*low, *high))]
            line, tip = _paths(wire, gaps)
            own = _class(wire.role) + (" d" if wire.dashed else "")
            mark = f' data-n="{wire.name}"' if wire.name else ""
            if wire.name and numbers:
                mark += f' style="{look(numbers[wire.name])}"'
            parts.append(f'<path{_attribute(own.strip())} d="{line}"{mark}/>')
            if tip:
                parts.append(f'<path class="a{own}" d="{tip}"{mark}/>')
        parts += self._shapes
        for begin, inner, number in self._texts:
            shown = written(numbers[number]) if numbers and number in numbers else inner
            parts.append(f"{begin}{shown}</text>")
        size = f'width="{self.width:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
        head = f'<svg class="wiring" role="img" aria-labelledby="{described}" text-anchor="middle" {size}>'
        found = head + "".join(parts) + "</svg>"
        if len(found.encode()) > KILOBYTES * 1024:
            raise ValueError(f"the drawing {self.name} takes {len(found.encode()) / 1024:.1f} of {KILOBYTES} KB")
        return found

    def _repr_html_(self) -> str:
        name = assets.unique(f"drawing-{self.name}")
        language = words.chosen_language()
        own = f' lang="{language}"' if language else ""
        return (
            f'<style class="explorer-style">{assets.stylesheet()}</style><figure class="drawing"{own}>'
            f'{self.svg(name)}<p class="ex-alt" id="{name}">{words.both(self.alt)}</p>'
            f"<figcaption>{words.both(self.title)}</figcaption></figure>"
        )

    def __repr__(self) -> str:
        return f"Drawing({words.pick(self.title, words.chosen_language() or 'en')!r})"

    def _add(self, name: str, node: Node) -> None:
        if not name or name in self.nodes:
            raise ValueError(f"a node needs a name of its own, got {name!r}")
        _check_name(name)
        self.nodes[name] = node

    def _disc(self, name: str, node: Node, kind: str, role: Role, sign: str = "", r: float = RADIUS) -> None:
        self._add(name, node)
        circle = f"M{node.x - r:g} {node.y:g}a{r:g} {r:g} 0 1 1 {2 * r:g} 0a{r:g} {r:g} 0 1 1 {-2 * r:g} 0z"
        self._shapes.append(f'<path class="{kind}{_class(role)}" d="{circle}{sign}"/>')

    def _node(self, place: str) -> Node:
        if place in self.nodes:
            return self.nodes[place]
        try:
            x, y = map(float, place.split(","))
        except ValueError:
            raise ValueError(f"{place!r} is no node of this drawing and no place x,y") from None
        return Node(x, y)


def look(value: float) -> str:
    """The style of a wire with this number, of which the stylesheet makes its width; dashed where it reads below 0."""
    if not isfinite(value):
        return "opacity:.12"
    return f"--v:{abs(value):.4g};stroke-dasharray:{'6 4' if value < -0.005 else 'none'}"


def written(value: float) -> str:
    """A number beside its wire; nothing for NaN."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−") if isfinite(value) else ""


def maths(source: str) -> str:
    """A small TeX as tspans: letters italic, digits and `\\words` upright, `_` and `^` small and shifted."""
    runs: list[tuple[str, bool, float]] = []  # text, italic, shift
    shift, group = 0.0, False
    for token in re.findall(r"\\[a-z]+|.", source):
        if token in "_^":
            shift = 5.0 if token == "_" else -6.5
        elif token in "{}":
            group, shift = token == "{", shift if token == "{" else 0.0
        else:
            text, italic = token.lstrip("\\").replace("-", "−"), token.isalpha() and token != "Σ"
            before = runs.pop()[0] if runs and runs[-1][1:] == (italic, shift) else ""
            runs.append((before + text, italic, shift))
            shift = shift if group else 0.0
    parts, last, room = "", 0.0, 0.0
    for text, italic, shift in runs:
        own = ("i" if italic else "") + (" s" if shift else "")
        own = _attribute(own.strip()) + (f' dy="{shift - last:g}"' if shift != last else "")
        if shift * last < 0:  # a subscript below a superscript
            own += f' dx="{-room:g}"'
        parts += f"<tspan{own}>{html.escape(text)}</tspan>"
        room = sum(12.5 if c in "→←" else 8 for c in text) + (room if shift == last else 0)
        last = shift
    return parts


# The classes of the stylesheet: the colours of the explorables' series.
CLASSES = {
    "ink": "",
    "state": " c0",
    "gate": " c1",
    "error": " c2",
    "weight": " c3",
    "input": " soft",
    "faint": " faint",
}


def _class(role: Role) -> str:
    if role not in CLASSES:
        raise ValueError(f"a role is one of {', '.join(CLASSES)}; got {role!r}")
    return CLASSES[role]


def _check_name(name: str) -> None:
    if name and not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ValueError(f"a name is made of letters and digits, got {name!r}")


def _attribute(names: str) -> str:
    return f' class="{names}"' if names else ""


def _way(a: Node, b: Node, bend: str) -> list[Point]:
    """From centre to centre; where one node faces the other, along the centre line of the smaller one."""
    if bend:
        return [(a.x, a.y), (b.x, a.y) if bend == "-|" else (a.x, b.y), (b.x, b.y)]
    if abs(a.x - b.x) <= max(a.w, b.w) and abs(a.y - b.y) > a.h + b.h - 1e-9:
        x = a.x if a.w < b.w else b.x
        return [(x, a.y), (x, b.y)]
    if abs(a.y - b.y) <= max(a.h, b.h):
        y = a.y if a.h < b.h else b.y
        return [(a.x, y), (b.x, y)]
    if a.dot and b.dot:
        return [(a.x, a.y), (b.x, b.y)]
    raise ValueError(f"({a.x:g}, {a.y:g}) and ({b.x:g}, {b.y:g}) are not in line: join them with -| or |-")


def _edges(a: Node, corners: list[Point], b: Node, beside: float) -> list[Point]:
    """The corners, moved to the right of the way, without repetitions; the ends on the edges of a and b."""
    corners = [p for p, q in zip(corners, [None, *corners], strict=False) if p != q]
    ways = [_sign(p, q) for p, q in pairwise(corners)]
    if not ways:
        raise ValueError(f"a wire cannot end where it begins, at ({a.x:g}, {a.y:g})")
    points = []
    for k, (x, y) in enumerate(corners):
        for dx, dy in {ways[max(k - 1, 0)], ways[min(k, len(ways) - 1)]}:
            x, y = x - dy * beside, y + dx * beside
        points.append((x, y))
    if 0 not in ways[0]:  # a straight line between two dots
        return points
    (dx, dy), (ex, ey) = ways[0], ways[-1]
    out, into = a.reach(dx, dy, beside), b.reach(ex, ey, beside)
    (x, y), (u, v) = points[0], points[-1]
    return [(x + dx * out, y + dy * out), *points[1:-1], (u - ex * into, v - ey * into)]


def _sign(p: Point, q: Point) -> tuple[int, int]:
    return (q[0] > p[0]) - (q[0] < p[0]), (q[1] > p[1]) - (q[1] < p[1])


def _crossing(a: Point, b: Point, c: Point, d: Point) -> Point | None:
    """Where two segments, one upright and one level, cross well inside both."""
    if a[0] == b[0] and c[1] == d[1]:
        x, y = a[0], c[1]
    elif a[1] == b[1] and c[0] == d[0]:
        x, y = c[0], a[1]
    else:
        return None
    for p, q in ((a, b), (c, d)):
        if not (min(p[0], q[0]) <= x <= max(p[0], q[0]) and min(p[1], q[1]) <= y <= max(p[1], q[1])):
            return None
    return (x, y) if min(dist((x, y), p) for p in (a, b, c, d)) > GAP else None


def _toward(a: Point, b: Point, length: float) -> Point:
    """The point at `length` from a on the way to b."""
    whole = dist(a, b) or 1.0
    return a[0] + (b[0] - a[0]) * length / whole, a[1] + (b[1] - a[1]) * length / whole


def _at(point: Point) -> str:
    return f"{point[0]:.4g} {point[1]:.4g}"


def _paths(wire: Wire, gaps: list[Point]) -> tuple[str, str]:
    """The line with round bends and gaps, and the arrowhead, whose tip stands at the last point."""
    points, tip = list(wire.points), ""
    if wire.head:
        end, foot = points[-1], _toward(points[-1], points[-2], HEAD)
        dx, dy = 0.47 * (end[0] - foot[0]), 0.47 * (end[1] - foot[1])
        tip = f"M{_at(end)}L{_at((foot[0] - dy, foot[1] + dx))} {_at((foot[0] + dy, foot[1] - dx))}z"
        points[-1] = _toward(end, foot, HEAD - 1)
    path = "M" + _at(points[0])
    for k, (a, b) in enumerate(pairwise(points)):
        for gap in sorted(gaps, key=lambda g: dist(g, a)):
            if abs(dist(gap, a) + dist(gap, b) - dist(a, b)) < 1e-6:
                path += f"L{_at(_toward(gap, a, GAP))}M{_at(_toward(gap, b, GAP))}"
        if k + 2 < len(points):
            c = points[k + 2]
            r = min(BEND, dist(a, b) / 2, dist(b, c) / 2)
            path += f"L{_at(_toward(b, a, r))}Q{_at(b)} {_at(_toward(b, c, r))}"
        else:
            path += f"L{_at(b)}"
    return path, tip
