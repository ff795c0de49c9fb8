"""The explorable figure in HTML: a picture, its grid of numbers, and the script that walks over it."""

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnbook.explore import assets, encode, fallback, words
from rnnbook.explore import controls as control
from rnnbook.explore import guess as guesses
from rnnbook.explore.controls import Control
from rnnbook.explore.figure import Figure, Function
from rnnbook.explore.guess import Guess
from rnnbook.explore.scale import Axis
from rnnbook.explore.series import Series
from rnnbook.explore.words import Text

if TYPE_CHECKING:
    from rnnbook.explore.live import Live

KILOBYTES = 60
FREE = Axis()  # as long as what it shows


class Explorer(Figure):
    """A figure with controls. `function(**settings)` gives a mapping with the names in `series` and `readout`.

    function: evaluated once for every point of the grid that `controls` span.
    title, alt: its name, and what it shows for those who do not see it, in both languages.
    controls: a Slider or Choice for each argument of the function.
    series:   what is drawn (see rnnbook.explore.series).
    readout:  numbers shown under the figure, with their words.
    guess:    what the reader commits to before some of it is shown.

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
        x: Axis = FREE,
        y: Axis = FREE,
        readout: Mapping[str, Text] | None = None,
        guess: Guess | None = None,
    ) -> None:
        super().__init__(
            function, title=title, alt=alt, controls=controls, series=series, x=x, y=y, readout=readout or {}
        )
        self.guess = guess
        self._body = self._encode()

    def live(self) -> "Live":
        """The same figure with widgets, computed anew in the kernel wherever the sliders stand."""
        from rnnbook.explore.live import Live

        return Live(self, self.name)

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
            "wired": self.wired,
            "aspect": self.aspect,
            "x": self.x.specification(),
            "y": self.y.specification(),
            "controls": [control.specification(c) for c in self.controls.values()],
            "series": series,
            "stride": offset,
            "readout": [[words.number(v) for v in self.numbers[name].tolist()] for name in self.readout],
            "data": encode.packed(self.codes()),
            **({"guess": self._asked(self.guess)} if self.guess else {}),
        }

    def _asked(self, guess: Guess) -> dict[str, Any]:
        numbers = {name: float(values[self.start]) for name, values in self.numbers.items()}
        return guesses.specification(guess, list(self.series), numbers, {"x": self.x, "y": self.y})

    def _encode(self) -> str:
        data = encode.safe_json(self.specification())
        drawn = {name: positions[self.start] for name, positions in self.positions.items()}
        numbers = {name: float(values[self.start]) for name, values in self.numbers.items()}
        own = repr((self.title, self.alt, self.readout, [s.label for s in self.series.values()]))
        self.name = f"explorer-{hashlib.sha256((data + own).encode()).hexdigest()[:12]}"
        still = fallback.still(self, self.name, drawn, numbers, fallback.first_settings(self))
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
        name = assets.unique(self.name)
        body = self._body.replace(self.name, name)
        return (
            f'<style class="explorer-style">{assets.stylesheet()}</style>'
            f"{fallback.group(self, name, body, words.chosen_language())}"
            f'<script class="explorer-script">{assets.definition()}</script><script>{assets.call()}</script>'
        )

    def __repr__(self) -> str:
        return f"Explorer({words.pick(self.title, words.chosen_language() or 'en')!r})"
