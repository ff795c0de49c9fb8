"""The table of solved exercises on the home page: the one that `progress` gives in a notebook.

It stands there with nothing solved, and hidden; `static/progress.js` fills in what this browser keeps.
"""

import html
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from booktools.pages import language
from rnnbook.check import exercise_ids, pick, topics
from rnnbook.check.messages import EXTRA
from rnnbook.check.result import Progress


class ProgressTable(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        table = Progress({topic: exercise_ids(topic) for topic in topics()}, frozenset())._repr_html_()
        said = html.escape(pick(EXTRA["progress"], language(self.env.config)))
        return [nodes.raw("", f'<div class="live-progress" data-said="{said}" hidden>{table}</div>', format="html")]


def add_script(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    if '<div class="live-progress"' in context.get("body", ""):
        app.add_js_file("progress.js", loading_method="defer")


def setup(app: Sphinx) -> None:
    app.add_directive("progress-table", ProgressTable)
    app.connect("html-page-context", add_script)
