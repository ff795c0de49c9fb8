"""What a page makes a browser fetch: one stylesheet, one script that waits, images of known size.

The theme's pages load a dozen styles and scripts, one of them half a megabyte
of icons. Here all styles become `site.css`, with the rules that the edition's
pages can use and the icons that they show, and all scripts become `site.js`.
Both are made again only if a page or a source of theirs changed.
"""

import hashlib
import html
import inspect
import json
import re
import struct
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import rjsmin
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.config import Config

from booktools import ROOT, discovery, fonts, stylesheet
from booktools.edits import ChangedError, replaced

Context = dict[str, Any]

STYLES = (
    "basic.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "copybutton.css",
    "mystnb.*.css",
    "exercise.css",
    "katex/katex.min.css",
    "book.css",
    "answers.css",
)
SCRIPTS = (
    "storage.js",
    "doctools.js",
    "clipboard.min.js",
    "copybutton.js",
    "menus.js",
    "scripts/pydata-sphinx-theme.js",
    "scripts/sphinx-book-theme.js",
    "copying.js",
    "book.js",
    "answers.js",
)
# What Sphinx adds for its own search, which the book does not use.
SPHINX_SEARCH = ("searchtools.js", "language_data.js", "sphinx_highlight.js", "translations.js")
# What the bundle makes smaller; the theme's own scripts are as small as they get.
OWN = ("storage.js", "menus.js", "copying.js", "book.js", "answers.js")
# Megabytes that no page asks for. Sources of the bundles stay: Sphinx does not copy them at each build.
UNUSED = (
    *SPHINX_SEARCH,
    "scripts/fontawesome.js*",
    "scripts/bootstrap.js*",
    "*.map",
    "vendor/*",
    "*webpack-macros.html",
    "images/logo_*",
)
SOURCE_MAP = re.compile(r"//# sourceMappingURL=.*")
# The theme's list of what may scroll: to measure it all at once lays out the whole page. `book.js` waits for each.
MAY_SCROLL = re.compile(r'\["pre",[^\]]*scrollable-table-container"\]')
LETTERS = {
    # of each font in KaTeX's HTML
    "KaTeX_Main-Regular.woff2": re.compile(r'class="m(?:ord|op|rel|bin|open|close|punct)(?: mtight)?"[^>]*>([^<]+)'),
    "KaTeX_Math-Italic.woff2": re.compile(r'class="mord mathnormal(?: mtight)?"[^>]*>([^<]+)'),
}
FIRST = 1200  # characters, more than a phone shows at first
PIECE = re.compile(r"<[^>]*>|[^<]+")
MARKUP = re.compile(r"<[^>]*>")
HAN = "\u3000"  # no font of formulas has letters beyond it
FORMULA_FONTS = ROOT / "booktools" / "static" / "katex" / "fonts"
WORD = re.compile(r"[\w-]+")
NAMED = re.compile(r'\b(?:class|id)="([^"]*)"|var\((--[\w-]+)')
IMAGE = re.compile(r'<img\b[^>]*\bsrc="[^"]*_images/([^"]+)"[^>]*>')


def configure(app: Sphinx, config: Config) -> None:
    config.html_theme_options["primary_sidebar_end"] = []  # the theme's place for an advertisement


def lighten(app: Sphinx, pagename: str, template: str, context: Context, doctree: nodes.document | None) -> None:
    """Leave to the page what is not in the bundles, and give its images their sizes."""
    context["css_files"] = [css for css in context["css_files"] if not _among(css.filename, (*STYLES, "styles/*"))]
    bundled = (*SCRIPTS, *SPHINX_SEARCH, "documentation_options.js")
    scripts = [js for js in context["script_files"] if js.filename]  # those without set what script_options sets
    context["script_files"] = [js for js in scripts if not _among(js.filename, bundled)]
    context["script_options"] = {
        "VERSION": "",
        "LANGUAGE": app.config.language,
        "COLLAPSE_INDEX": False,
        "BUILDER": "html",
        "FILE_SUFFIX": ".html",
        "LINK_SUFFIX": ".html",
        "HAS_SOURCE": False,
        "SOURCELINK_SUFFIX": "",
        "NAVIGATION_WITH_KEYS": False,
        "SHOW_SEARCH_SUMMARY": True,
        "ENABLE_SEARCH_SHORTCUTS": True,
        "pagename": pagename,
        "search_as_you_type": False,
    }
    if "body" in context:
        sources = {name: Path(app.srcdir, source) for source, (_, name) in app.env.images.items()}
        body = IMAGE.sub(lambda tag: sized(tag[0], sources.get(tag[1])), context["body"])
        # The role that docutils gives them is deprecated; the list that they stand in has items.
        entries = body.count('<div class="citation" ')
        context["body"] = replaced('role="doc-biblioentry"', 'role="listitem"', body, entries)
        context["first_fonts"] = fonts.first(first_letters(body), FORMULA_FONTS)


def first_letters(body: str) -> dict[str, str]:
    """The letters of each font in the formulas that a reader sees first: text around them would move."""
    seen, end = 0, len(body)
    for piece in PIECE.finditer(body):
        seen += 0 if piece[0].startswith("<") else len(piece[0].strip())
        if seen > FIRST:
            end = piece.start()
            break
    found = {font: set(html.unescape("".join(letters.findall(body, 0, end)))) for font, letters in LETTERS.items()}
    if any(found.values()):
        # Every line with a formula is as high as this font says, and the one that has a space is asked.
        found["KaTeX_Main-Regular.woff2"].add(" ")
    return {font: "".join(sorted(letters)) for font, letters in found.items()}


def _among(filename: Any, patterns: tuple[str, ...]) -> bool:
    name = str(filename or "").removeprefix("_static/")
    return any(fnmatch(name, pattern) for pattern in patterns)


def sized(tag: str, source: Path | None) -> str:
    """An image's tag with its size, so that nothing jumps when it arrives, and with leave to arrive late."""
    said = re.search(r"\swidth=", re.sub(r'"[^"]*"', '""', tag))  # by the tag, not in its alternative text
    size = image_size(source) if source and not said else None
    given = f'width="{size[0]}" height="{size[1]}" ' if size else ""
    return tag.replace("<img ", f'<img {given}loading="lazy" decoding="async" ', 1)


def image_size(path: Path) -> tuple[int, int] | None:
    """Width and height in CSS pixels of a PNG or of an SVG that states them."""
    if path.suffix == ".png":
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        return width, height
    if path.suffix == ".svg":
        root = re.search(r"<svg\b[^>]*>", path.read_text("utf8"))
        found = [re.search(rf'\s{side}="([\d.]+)(pt|px|)"', root[0] if root else "") for side in ("width", "height")]
        if found[0] and found[1]:
            width, height = (round(float(side[1]) * (4 / 3 if side[2] == "pt" else 1)) for side in found if side)
            return width, height
    return None


def bundle(app: Sphinx, exception: Exception | None) -> None:
    """Write `site.js` and `site.css` of this edition, and remove what they replace."""
    if exception or not isinstance(app.builder, StandaloneHTMLBuilder) or app.builder.name != "html":
        return
    static = Path(app.outdir, "_static")
    script = "".join(by_itself(_script(static, name)) for name in SCRIPTS)
    script = replaced(MAY_SCROLL, '["nothing-here"]', script)
    (static / "site.js").write_text(script, "utf8")
    found = [path for pattern in STYLES for path in _sheets_like(static, pattern)]
    folders = [path.parent.relative_to(static).as_posix() for path in found]
    texts = [path.read_text("utf8") for path in found]
    sheets = "".join(stylesheet.rebased(text, folder) for text, folder in zip(texts, folders, strict=True))
    names, letters = used_names(app, app.builder)
    used = names | set(WORD.findall(f"{script} {_read(static, 'search.js')}"))
    (static / "site.css").write_text(_sheet(app, sheets, used, _icon_fonts(app.builder)), "utf8")
    fonts.reduce_all(FORMULA_FONTS, letters, Path(app.doctreedir, "fonts"), static / "katex" / "fonts")
    for path in sorted(static.rglob("*")):
        if path.is_file() and "katex" not in path.parts and _among(path.relative_to(static).as_posix(), UNUSED):
            path.unlink()


def by_itself(script: str) -> str:
    """A part of the bundle: what goes wrong in it is reported, and stops no other part."""
    return f"try {{\n{script}\n}} catch (error) {{\n  reportError(error);\n}}\n"


def _script(static: Path, name: str) -> str:
    text = SOURCE_MAP.sub("", _read(static, name))
    return str(rjsmin.jsmin(text)) if name in OWN else text


def _read(static: Path, name: str) -> str:
    if not (static / name).exists():
        raise ChangedError(f"{name} is not among the files of the theme any more")
    return (static / name).read_text("utf8")


def _sheets_like(static: Path, pattern: str) -> list[Path]:
    found = sorted(static.glob(pattern))
    if not found:
        raise ChangedError(f"no stylesheet of the theme is named like {pattern} any more")
    return found


def _icon_fonts(builder: StandaloneHTMLBuilder) -> Path:
    """Where the theme, or the one that it builds upon, keeps its icons."""
    folders = (Path(theme, "static/vendor/fontawesome/webfonts") for theme in builder.theme.get_theme_dirs())
    return next(folder for folder in folders if folder.exists())


def _sheet(app: Sphinx, sheets: str, used: set[str], icons: Path) -> str:
    """The stylesheet for these names; taken from the build before where nothing changed."""
    code = "".join(inspect.getsource(module) for module in (stylesheet, fonts))
    key = hashlib.sha256("\0".join([code, sheets, *sorted(used)]).encode()).hexdigest()
    kept = Path(app.doctreedir, "site.css")
    if kept.exists() and (text := kept.read_text("utf8")).startswith(f"/*{key}*/"):
        return text.split("\n", 1)[1]
    css = stylesheet.without_idle(stylesheet.purged(sheets, used), used)
    css = fonts.icons(css, used, icons) + css
    kept.write_text(f"/*{key}*/\n{css}", "utf8")
    return css


def used_names(app: Sphinx, builder: StandaloneHTMLBuilder) -> tuple[set[str], str]:
    """The classes, ids and variables of all pages of this edition, and the letters beside formulas.

    Only pages that changed are read.
    """
    record = Path(app.doctreedir, "names.json")
    known: dict[str, tuple[int, list[str], str]] = json.loads(record.read_text("utf8")) if record.exists() else {}
    fresh = {}
    for path in pages(app, builder):
        name, stamp = path.relative_to(app.outdir).as_posix(), path.stat().st_mtime_ns
        if known.get(name, (0,))[0] == stamp:
            fresh[name] = known[name]
        else:
            text = path.read_text("utf8")
            words = {word for found in NAMED.findall(text) for word in " ".join(found).split()}
            letters = set(html.unescape(MARKUP.sub("", text))) if 'class="katex"' in text else set()
            fresh[name] = (stamp, sorted(words), "".join(sorted(filter(_of_formulas, letters))))
    record.write_text(json.dumps(fresh), "utf8")
    return (
        {name for _, names, _ in fresh.values() for name in names},
        "".join(sorted({letter for _, _, letters in fresh.values() for letter in letters})),
    )


def _of_formulas(letter: str) -> bool:
    """Whether a formula's font may have it: KaTeX draws the stroke of ≠ with a private character."""
    return letter < HAN or fonts.PRIVATE[0] <= letter <= fonts.PRIVATE[1]


def pages(app: Sphinx, builder: StandaloneHTMLBuilder) -> Iterator[Path]:
    for pagename in (*sorted(app.env.found_docs), "search"):
        path = Path(builder.get_outfilename(pagename))
        if path.exists():
            yield path


def setup(app: Sphinx) -> None:
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", lighten, priority=950)
    discovery.setup(app)
    app.connect("build-finished", bundle, priority=800)  # after the theme wrote its colours of code
