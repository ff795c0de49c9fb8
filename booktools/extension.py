"""The Sphinx extension of the book, named in `_config.yml`.

`jupyter-book build .` builds the English edition into `_build/html` and, beside
it, the Chinese one into `_build/html/zh`.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.config import Config
from sphinx.util import logging

from booktools import ROOT, cache, doctree, editions, figures, formulas, ledger, notebooks, pages, search, weight
from booktools.languages import keep_language
from booktools.pages import language

log = logging.getLogger(__name__)
HOME = "chapters/index"
DOCNAMES = re.compile(r'"docnames":\s*\[[^\]]*\]')
FIGURE_WORDS = ROOT / "chapters" / "figure-words.yml"


class BookBuilder(StandaloneHTMLBuilder):
    """Sphinx's HTML with the home page at the root of each edition."""

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        return super().get_target_uri("index" if docname == HOME else docname, typ)

    def get_outfilename(self, pagename: str) -> str:
        return super().get_outfilename("index" if pagename == HOME else pagename)

    def init_templates(self) -> None:
        super().init_templates()
        render, lang = self.templates.render, language(self.config)
        self.templates.render = lambda name, context: pages.finished(render(name, context), lang)

    def load_indexer(self, docnames: Iterable[str]) -> None:
        self._rename_in_index('"index"', f'"{HOME}"')
        super().load_indexer(docnames)

    def dump_search_index(self) -> None:
        super().dump_search_index()
        if self.indexer is not None:
            Path(self.outdir, "_static", search.RANKS).write_text(search.ranks(self.env, self.indexer.lang), "utf8")
        self._rename_in_index(f'"{HOME}"', '"index"')

    def _rename_in_index(self, old: str, new: str) -> None:
        """The search links to pages by the names in its index; Sphinx, which reads it again, knows only its own."""
        path = Path(self.outdir, self.searchindex_filename or "searchindex.js")
        if path.exists():
            text = path.read_text("utf8")
            path.write_text(DOCNAMES.sub(lambda found: found[0].replace(old, new), text, count=1), "utf8")


def configure(app: Sphinx, config: Config) -> None:
    config.nb_execution_cache_path = str(cache.folder(ROOT))
    # Read every page again when the build itself or the words of the figures change.
    config.book_digest = cache.digest([*cache.sources(ROOT / "booktools"), FIGURE_WORDS], ROOT)
    config.nb_ipywidgets_js = {}  # the explorables need no widget manager, which would come from a CDN
    config.html_math_renderer = "prerendered"
    # Kernels import rnnbook from this folder whether or not it is installed; checks raise in them.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    os.environ["RNNBOOK_STRICT"] = "1"


def read_one_language(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = keep_language(source[0], language(app.config))


def drop_old_images(app: Sphinx, exception: Exception | None) -> None:
    """Images are named by their content; Sphinx leaves those behind that no page shows any more."""
    if exception is None and app.builder.format == "html":
        shown = {name for _, name in app.env.images.values()}
        for path in Path(app.outdir, "_images").glob("*"):
            if path.name not in shown:
                path.unlink()


def translate_figures(app: Sphinx, exception: Exception | None) -> None:
    """Put Chinese words into the figures that this build wrote; warn of those without any."""
    if exception or app.builder.format != "html" or language(app.config) == "en":
        return
    table = figures.words(FIGURE_WORDS)
    for path in sorted(Path(app.outdir, "_images").glob("*.svg")):
        svg = path.read_text("utf8")
        for label in figures.labels(svg):
            if label not in table and label not in table.values():
                log.warning("%s: no Chinese for the figure's label %r in figure-words.yml", path.name, label)
        path.write_text(figures.translate(svg, table), "utf8")


def prune_cache(app: Sphinx, exception: Exception | None) -> None:
    if exception is None:
        cache.prune(ROOT)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("book_repository", None, "html")
    app.add_config_value("book_site", "", "html")
    app.add_config_value("book_launch", [], "html")
    app.add_config_value("book_digest", "", "env")
    app.add_config_value("comments_config", {}, "")  # Jupyter Book sets it for an extension that we leave out
    app.add_builder(BookBuilder, override=True)
    app.add_search_language(search.BigramChinese)
    app.connect("config-inited", configure, priority=100)  # before those who read the settings
    app.connect("config-inited", pages.configure, priority=100)
    app.connect("config-inited", pages.localise_parts, priority=950)  # after the table of contents is read
    app.connect("source-read", read_one_language)
    app.connect("html-page-context", pages.add_languages, priority=400)
    app.connect("html-page-context", pages.share_scripts)
    app.connect("html-page-context", pages.add_buttons, priority=600)
    app.connect("html-page-context", ledger.add_filters)
    app.connect("html-page-context", search.add_ranks)
    app.connect("build-finished", drop_old_images)
    app.connect("build-finished", translate_figures)
    app.connect("build-finished", notebooks.publish)
    app.connect("build-finished", prune_cache)
    editions.setup(app)
    formulas.setup(app)
    doctree.setup(app)
    weight.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
