"""Explorables: figures with sliders whose every number was computed by the book's tested functions.

An `Explorer` evaluates a function on a grid of parameters when its cell runs;
a small script lets the reader walk over that grid, with no kernel. Chapters
write nothing but the definition; `live()` recomputes it in a kernel.
"""

from rnnbook.explore.controls import Choice, Slider
from rnnbook.explore.explorer import Explorer
from rnnbook.explore.guess import Guess
from rnnbook.explore.scale import Axis
from rnnbook.explore.series import Arrows, Band, Bars, Heat, Line, Points, Trajectories, Wiring

__all__ = [
    "Arrows",
    "Axis",
    "Band",
    "Bars",
    "Choice",
    "Explorer",
    "Guess",
    "Heat",
    "Line",
    "Points",
    "Slider",
    "Trajectories",
    "Wiring",
]
