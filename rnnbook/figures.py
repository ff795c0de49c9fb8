"""The house style of the book's figures.

A figure is an SVG file whose words stay text: the Chinese edition translates
them, and search and screen readers find them. Its ground is transparent and
its ink is dark; on dark pages the stylesheet inverts its lightness and keeps
its hues. Equal input gives equal bytes, so that builds can be compared.
"""

from typing import Any

from cycler import cycler

BLUE, RUST, GREEN, PURPLE, GREY = "#0b62a8", "#b8420f", "#1a7a4c", "#7b3fa0", "#6b6b6b"
CYCLE = (BLUE, RUST, GREEN, PURPLE, GREY)

STYLE: Any = {  # matplotlib types its settings one by one
    "axes.axisbelow": True,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "axes.labelcolor": "#222222",
    "axes.prop_cycle": cycler(color=CYCLE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 96,
    "figure.figsize": (5.6, 2.8),  # still legible when a phone shrinks it
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "image.cmap": "cividis",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "rnnbook",
    "text.color": "#222222",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
}


def use_house_style() -> None:
    """Apply the style to matplotlib, and have notebooks show figures as SVG."""
    import matplotlib

    matplotlib.rcParams.update(STYLE)
    try:
        from IPython import get_ipython
        from matplotlib_inline.config import InlineBackend
    except ImportError:  # a plain script draws to whatever backend it chose
        return
    shell = get_ipython()
    if shell is not None:
        # On the backend's own settings: it applies them again when the first figure is drawn.
        inline: Any = InlineBackend.instance(parent=shell)
        inline.shell = shell
        inline.print_figure_kwargs = {**inline.print_figure_kwargs, "metadata": {"Date": None}}
        inline.figure_formats = {"svg"}
