"""The Sphinx extension of the book, named in `_config.yml`.

`jupyter-book build .` builds the English edition into `_build/html` and, beside
it, the Chinese one into `_build/html/zh`.
"""

import os
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from booktools import (
    ROOT,
    cache,
    doctree,
    editions,
    figures,
    formulas,
    glossary,
    ledger,
    needs,
    notebooks,
    pages,
    search,
    weight,
)
from booktools.languages import keep_language
from booktools.live import files, progress
from booktools.pages import language

log = logging.getLogger(__name__)
FIGURE_WORDS = ROOT / "chapters" / "figure-words.yml"


def configure(app: Sphinx, config: Config) -> None:
    config.nb_execution_cache_path = str(cache.folder(ROOT))
    if language(config) == "en" and (gap := files.gap()):  # the other edition begins after this one
        log.info(gap)
    # Read every page again when the build itself or the words of the figures change, or the browser's Python comes.
    on_pages = "written on pages" if files.found() else ""
    config.book_digest = cache.digest([*cache.sources(ROOT / "booktools"), FIGURE_WORDS], ROOT) + on_pages
    config.nb_ipywidgets_js = {}  # the explorables need no widget manager, which would come from a CDN
    config.html_math_renderer = "prerendered"
    # Kernels import rnnbook from this folder whether or not it is installed; checks raise in them.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    os.environ["RNNBOOK_STRICT"] = "1"
    quieten_kernels()


def quieten_kernels() -> None:
    """Kernels warn of a connection without encryption, on this very machine; and none reads the author's settings."""
    profile = ROOT / "_build" / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text('get_config().IPKernelApp.log_level = "ERROR"\n', "utf8")
    os.environ["IPYTHONDIR"] = str(profile.parent)


def read_one_language(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = keep_language(source[0], language(app.config))


def remember_sources(app: Sphinx, doctree: nodes.document) -> None:
    app.env.metadata[app.env.docname]["digest"] = _digest_of(app.env, app.env.docname)


def changed_sources(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """The pages whose sources are others than were read. Sphinx asks for later dates only, and a date may go back."""
    read = env.found_docs - added - changed
    return [name for name in sorted(read) if env.metadata[name].get("digest") != _digest_of(env, name)]


def _digest_of(env: BuildEnvironment, docname: str) -> str:
    """Of a page's source and of the files that it shows or lists, without what the build made itself."""
    files = {Path(env.srcdir, name) for name in (env.doc2path(docname), *env.dependencies[docname])}
    own = (path for path in files if path.is_file() and ROOT / "_build" not in path.parents)
    return cache.digest(own, ROOT)


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


def add_python(app: Sphinx, exception: Exception | None) -> None:
    """The folder that both editions share, from which a click loads the browser's Python."""
    if exception is None and app.builder.name == "html" and language(app.config) == "en" and Path(app.srcdir) == ROOT:
        files.write(Path(app.outdir))


def prune_cache(app: Sphinx, exception: Exception | None) -> None:
    if exception is None:
        cache.prune(ROOT)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("book_repository", None, "html")
    app.add_config_value("book_site", "", "html")
    app.add_config_value("book_launch", [], "html")
    app.add_config_value("book_digest", "", "env")
    app.add_config_value("comments_config", {}, "")  # Jupyter Book sets it for an extension that we leave out
    app.connect("config-inited", configure, priority=100)  # before those who read the settings
    app.connect("config-inited", pages.configure, priority=100)
    app.connect("config-inited", pages.localise_parts, priority=950)  # after the table of contents is read
    app.connect("env-get-outdated", changed_sources)
    app.connect("doctree-read", remember_sources, priority=900)  # once all files that it shows are known
    app.connect("source-read", ledger.expand, priority=400)  # whole, in both languages
    app.connect("source-read", read_one_language)
    app.connect("html-page-context", pages.add_languages, priority=400)
    app.connect("html-page-context", pages.share_scripts)
    app.connect("html-page-context", pages.add_buttons, priority=600)
    app.connect("html-page-context", ledger.add_filters)
    app.connect("html-page-context", pages.finish, priority=990)  # when all others have had their say
    app.connect("build-finished", drop_old_images)
    app.connect("build-finished", translate_figures)
    app.connect("build-finished", notebooks.publish)
    app.connect("build-finished", add_python)
    app.connect("build-finished", prune_cache)
    editions.setup(app)
    formulas.setup(app)
    doctree.setup(app)
    glossary.setup(app)
    needs.setup(app)
    progress.setup(app)
    search.setup(app)
    weight.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
