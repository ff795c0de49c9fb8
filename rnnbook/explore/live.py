"""An explorable with widgets, for a notebook with a kernel: computed anew wherever the sliders stand.

The only module of the package that needs ipywidgets.
"""

from typing import Any

import numpy as np

from rnnbook.explore import assets, fallback, words
from rnnbook.explore.controls import Choice, Control
from rnnbook.explore.figure import Figure

STEPS = 200  # of a slider whose grid is evenly spaced


class Live:
    """Widgets over the definition of an Explorer.

    widgets: one for each control, by name.
    drawn, numbers: the function's series and readout at the present settings.
    """

    def __init__(self, figure: Figure, name: str) -> None:
        try:
            import ipywidgets
        except ImportError:
            raise ImportError(
                "live() needs ipywidgets: install it with `pip install ipywidgets`, "
                "or show the Explorer itself, which needs nothing"
            ) from None
        self.figure, self.name = figure, assets.unique(f"{name}-live")
        self.language = words.chosen_language() or "en"
        self.widgets = {name: self._widget(ipywidgets, c) for name, c in figure.controls.items()}
        self.view = ipywidgets.HTML()
        for widget in self.widgets.values():
            widget.observe(self.update, names="value")
        self.box = ipywidgets.VBox([self.view, *self.widgets.values()])
        self.update()

    def update(self, change: Any = None) -> None:
        """Compute and draw at the widgets' present values."""
        figure = self.figure
        self.drawn, self.numbers = figure.at({name: w.value for name, w in self.widgets.items()})
        positions = {name: series.positions(self.drawn[name], *figure.axes) for name, series in figure.series.items()}
        body = fallback.still(figure, self.name, positions, self.numbers)
        self.view.value = (
            f"<style>{assets.stylesheet()}</style>{fallback.group(figure, self.name, body, self.language)}"
        )

    def _widget(self, ipywidgets: Any, control: Control) -> Any:
        """A continuous slider where the grid is evenly spaced, otherwise its grid points."""
        own = {"description": words.pick(control.label, self.language), "style": {"description_width": "initial"}}
        start = control.points[control.first]
        labels = [words.pick(text, self.language) for text in control.labels()]
        options = list(zip(labels, control.points, strict=True))
        if isinstance(control, Choice):
            return ipywidgets.Dropdown(options=options, value=start, **own)
        steps = np.diff(control.points)
        if not np.allclose(steps, steps[0]):
            return ipywidgets.SelectionSlider(options=options, value=start, **own)
        low, high = min(control.points), max(control.points)
        step = (high - low) / STEPS
        return ipywidgets.FloatSlider(value=start, min=low, max=high, step=step, readout_format=".3g", **own)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.box)  # type: ignore[no-untyped-call]  # which widgets of ipywidgets 7, Colab's, do in another way than those of 8
