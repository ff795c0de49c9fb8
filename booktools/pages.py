"""What stands around a page's text: the other language, the launch and download buttons, the head."""

import gettext
import html
import re
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.locale import translators
from sphinx.util import logging

from booktools import ROOT, repository
from booktools.edits import replaced
from booktools.languages import LANGUAGES, NAME, TAG, localised
from booktools.words import words

log = logging.getLogger(__name__)
Context = dict[str, Any]

# The theme leaves the book's title and the search beside its contents outside every landmark.
SIDEBAR = '<div id="pst-primary-sidebar" '
# What is folded is named by the words that are seen; who steers by voice says those.
FOLD_NAME = ' aria-label="Toggle hidden content"'
FOLDED = '<details class="admonition hide '


class Missing(gettext.NullTranslations):
    """Answers for the messages that a catalogue does not translate."""

    def __init__(self, lang: str) -> None:
        super().__init__()
        self.known = words("messages", lang)

    def gettext(self, message: str) -> str:
        return self.known.get(message, message)


def finish(app: Sphinx, pagename: str, template: str, context: Context, doctree: nodes.document | None) -> str:
    """Let the page pass through `finished`, last of all: the template of that name holds the one that is given here."""
    context["page_template"] = template
    context["finished"] = partial(finished, lang=language(app.config))
    return "finished.html"


def finished(page: str, lang: str) -> str:
    """A page as the theme made it, with what its templates leave to say; in Chinese also in Chinese."""
    page = replaced(f"<summary{FOLD_NAME}>", "<summary>", page, page.count(FOLDED))
    name = words("landmarks", lang)["sidebar"]
    page = replaced(SIDEBAR, f'{SIDEBAR}role="region" aria-label="{name}" ', page)
    return in_chinese(page) if lang == "zh" else page


def in_chinese(page: str) -> str:
    """A page of the Chinese edition, its names and tooltips in Chinese."""
    contents = page.count('<nav id="pst-page-toc-nav"')  # beside some pages, not all
    for (english, chinese), (attribute, count) in zip(
        words("templates", "zh").items(),
        (("title", 1), ("title", contents), ("aria-label", 1)),
        strict=True,
    ):
        page = replaced(f'{attribute}="{english}"', f'{attribute}="{chinese}"', page, count)
    return page


def language(config: Config) -> str:
    return "zh" if str(config.language).startswith("zh") else "en"


def site_address(config: Config) -> str:
    """Where the English edition is published, with a slash at its end."""
    address: str = config.book_site
    return address


def configure(app: Sphinx, config: Config) -> None:
    """Settings that depend on the language or on the repository that builds."""
    lang = language(config)
    options = config.html_theme_options
    found = repository.slug(ROOT)
    config.book_repository = found or repository.slug_of(options.get("repository_url", ""))
    if config.book_repository is None:
        raise ValueError("set repository.url in _config.yml to https://github.com/OWNER/NAME")
    if lang == "en":
        for gap in repository.gaps(ROOT):
            log.info(gap)
    config.html_title = localised(config.html_title, lang)
    config.book_site = (config.html_baseurl or repository.pages_url(config.book_repository)).rstrip("/") + "/"
    config.html_baseurl = config.book_site + {"en": "", "zh": "zh/"}[lang]
    config.html_context.setdefault("default_mode", "auto")  # light or dark as the reader's system says
    config.html_copy_source = False  # the sources hold the solutions
    config.html_use_index = False  # it would be empty: the book has a glossary and a search
    config.templates_path.append(str(ROOT / "booktools" / "templates"))
    config.html_static_path.append(str(ROOT / "booktools" / "static"))
    config.html_css_files.append("book.css")
    config.html_js_files += ["menus.js", "copying.js", "book.js"]
    config.html_favicon = "booktools/static/favicon.svg"
    # The buttons are ours (see `buttons`): the theme's open the chapter's source and the solved notebook.
    config.book_launch = [name for name in ("Binder", "Colab") if _wanted(options, name)]
    options.update(launch_buttons={}, use_download_button=False, use_fullscreen_button=False)
    options.update(use_repository_button=False, use_issues_button=False)
    options["repository_url"] = ""
    options["extra_footer"] = localised(options["extra_footer"], lang)
    options["footer_content_items"] = ["extra-footer.html"]
    options["navbar_persistent"] = []
    options["article_header_end"] = ["language-switch.html", "article-header-buttons.html"]
    options.update(words("theme", lang))
    for name, value in words("notebook", lang).items():
        config[name] = value
    translators["general", "sphinx"].add_fallback(Missing(lang))


def _wanted(options: Context, service: str) -> bool:
    launch = options.get("launch_buttons", {})
    return bool(launch.get({"Binder": "binderhub_url", "Colab": "colab_url"}[service]))


def localise_parts(app: Sphinx, config: Config) -> None:
    """The captions of the parts; after sphinx_external_toc has read them."""
    for document in config.external_site_map.values():
        for tree in document.subtrees:
            if tree.caption:
                tree.caption = localised(tree.caption, language(config))


def has_code(app: Sphinx, pagename: str) -> bool:
    """Whether a page can be launched: pages of words alone, search and index cannot."""
    if pagename not in app.env.found_docs:
        return False
    return "```{code-cell}" in Path(app.env.doc2path(pagename)).read_text("utf8")


def add_languages(app: Sphinx, pagename: str, template: str, context: Context, doctree: nodes.document) -> None:
    """The link to this page in the other language, and what tells search engines of it.

    Runs before the theme, which drops header items that render empty.
    """
    lang = language(app.config)
    here = app.builder.get_target_uri(pagename)
    address = {"en": here, "zh": "zh/" + here}
    to_root = context["pathto"]("", 1) + {"en": "", "zh": "../"}[lang]
    others = [other for other in LANGUAGES if other != lang]
    base = site_address(app.config)
    context["language_links"] = [
        (TAG[other], NAME[other], to_root + address[other], base + address[other]) for other in others
    ]
    context["pageurl"] = base + address[lang]
    if pagename not in app.env.found_docs:  # search and index: nothing to point search engines at
        return
    alternates = [*((TAG[code], address[code]) for code in LANGUAGES), ("x-default", here)]
    context["metatags"] = context.get("metatags", "") + "".join(
        f'\n<link rel="alternate" hreflang="{tag}" href="{html.escape(base + url)}">' for tag, url in alternates
    )


# Each explorable carries its script and style, so that its output stands alone in a notebook.
_EXPLORER = re.compile(r'<(style|script) class="explorer-(?:style|script)">.*?</\1>', re.S)


def share_scripts(app: Sphinx, pagename: str, template: str, context: Context, doctree: nodes.document | None) -> None:
    """On a page, where they can share, only the first explorable brings script and style."""
    if "body" in context:
        seen: set[str] = set()

        def first_only(found: re.Match[str]) -> str:
            first = found[0] not in seen
            seen.add(found[0])
            return found[0] if first else ""

        context["body"] = _EXPLORER.sub(first_only, context["body"])


def add_buttons(app: Sphinx, pagename: str, template: str, context: Context, doctree: nodes.document) -> None:
    context["header_buttons"] = buttons(app, pagename, context)


def buttons(app: Sphinx, pagename: str, context: Context) -> list[Context]:
    """Launch, source, download, full screen, in the page's language.

    Launching and downloading give the notebook without solutions, in the
    page's language, of the repository that built the site.
    """
    lang, slug = language(app.config), app.config.book_repository
    name = PurePosixPath(pagename).name
    groups: list[Context] = []
    downloads = [_button(lang, "print", "fas fa-file-pdf", javascript="window.print()")]
    if has_code(app, pagename):
        links = repository.launch_links(slug, lang, name)
        services = app.config.book_launch
        launch = [_button(lang, service, "fas fa-rocket", url=links[service]) for service in services]
        groups.append(_group(lang, "launch", "fas fa-rocket", launch))
        file = context["pathto"](f"notebooks/{name}.ipynb", 1)
        downloads.insert(0, _button(lang, "notebook", "fas fa-code", url=file))
    home = f"https://github.com/{slug}"
    source = [
        _button(lang, "repository", "fab fa-github", url=home),
        _button(lang, "issue", "fas fa-lightbulb", url=f"{home}/issues/new?title={quote(context['pageurl'])}"),
    ]
    groups.append(_group(lang, "source", "fab fa-github", source))
    groups.append(_group(lang, "download", "fas fa-download", downloads))
    fullscreen = _button(lang, "fullscreen", "fas fa-expand", javascript="toggleFullScreen()")
    return [*groups, fullscreen | {"text": ""}]


def _group(lang: str, name: str, icon: str, members: list[Context]) -> Context:
    return {"type": "group", "tooltip": words("buttons", lang)[name], "icon": icon, "buttons": members, "label": name}


def _button(lang: str, name: str, icon: str, **action: str) -> Context:
    """A button that opens a `url` or runs a line of `javascript`, as the theme's templates take it."""
    kind, text = "link" if "url" in action else "javascript", words("buttons", lang)[name]
    return {"type": kind, "text": text, "tooltip": text, "icon": icon, "label": name.lower(), **action}
