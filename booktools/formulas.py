"""Formulas become HTML and MathML while the book is built; the reader's browser computes nothing.

KaTeX itself comes with sphinxcontrib-katex and runs in QuickJS, so that no Node
is needed. Its stylesheet and fonts of the same version lie in `booktools/static/katex`.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import quickjs
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.locale import _
from sphinx.util.math import get_node_equation_number

if TYPE_CHECKING:
    from sphinx.writers.html5 import HTML5Translator


class FormulaError(ValueError):
    """A formula that KaTeX cannot parse."""


def katex_script() -> Path:
    """The katex.min.js that sphinxcontrib-katex carries."""
    spec = find_spec("sphinxcontrib.katex")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("sphinxcontrib.katex is not installed: pip install sphinxcontrib-katex")
    return Path(spec.origin).parent / "katex.min.js"


@cache
def _engine() -> quickjs.Function:
    context = quickjs.Context()
    context.eval(katex_script().read_text("utf8"))
    # normalize() flattens the rope that KaTeX concatenates; the binding returns flat strings only.
    return context.eval(
        "(tex, display) => katex.renderToString(tex, {displayMode: display, throwOnError: true,"
        " strict: 'error', output: 'htmlAndMathml'}).normalize()"
    )


@cache
def render(tex: str, display: bool = False) -> str:
    """A formula as HTML for the eye and MathML for screen readers.

    Raises FormulaError, with KaTeX's own words, if the formula does not parse.
    """
    try:
        return str(_engine()(tex.strip(), display))
    except quickjs.JSException as error:
        raise FormulaError(str(error).splitlines()[0]) from None


def _render_at(node: nodes.Element, display: bool) -> str:
    try:
        return render(node.astext(), display)
    except FormulaError as error:
        raise FormulaError(f"{node.source}:{node.line}: {error} in {node.astext()!r}") from None


def visit_inline(self: "HTML5Translator", node: nodes.math) -> None:
    self.body.append(_render_at(node, display=False))
    raise nodes.SkipNode


def visit_display(self: "HTML5Translator", node: nodes.math_block) -> None:
    """A block that scrolls by itself where it is too wide, with its number and a link to it."""
    self.body.append(self.starttag(node, "div", CLASS="formula"))
    self.body.append(f'<div class="formula-body">{_render_at(node, display=True)}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("prerendered", (visit_inline, None), (visit_display, None))
