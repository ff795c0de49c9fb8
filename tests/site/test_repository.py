"""Links follow the repository that builds."""

from gettext import NullTranslations
from types import SimpleNamespace
from typing import Any

import pytest
from sphinx.locale import translators

from booktools import ROOT, pages, repository


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/some-one/rnn.book",
        "https://github.com/some-one/rnn.book.git",
        "git@github.com:some-one/rnn.book.git",
        "ssh://git@github.com/some-one/rnn.book/",
        "ssh://git@ssh.github.com:443/some-one/rnn.book.git",
    ],
)
def test_owner_and_name_of_a_remote(url: str) -> None:
    assert repository.slug_of(url) == "some-one/rnn.book"


def test_another_host_is_not_github() -> None:
    assert repository.slug_of("https://example.org/some-one/book.git") is None


def test_the_workflow_s_word_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/fork")
    monkeypatch.setenv("GITHUB_SHA", "abc123")
    assert repository.slug(ROOT) == "someone/fork"
    assert repository.commit(ROOT) == "abc123"


def test_a_copy_without_git_is_built_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_REPOSITORY", "GITHUB_SHA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert repository.slug(ROOT) is None
    assert repository.commit(ROOT) == "main"


class Settings(dict[str, Any]):
    """As much of Sphinx's configuration as `pages.configure` touches."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__  # type: ignore[assignment]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("given", "slug", "site"),
    [
        ("", "me/memory-in-a-loop-zh", "https://me.github.io/memory-in-a-loop-zh/"),
        ("", "me/zh", "https://me.github.io/zh/"),
        ("https://x.org/book", "me/book", "https://x.org/book/"),
        ("https://x.org/zh/", "me/book", "https://x.org/zh/"),
    ],
)
def test_each_edition_knows_where_both_are_published(
    monkeypatch: pytest.MonkeyPatch, lang: str, given: str, slug: str, site: str
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", slug)
    config = Settings(language=lang, html_baseurl=given, html_title="A | 甲", html_theme_options={"extra_footer": "©"})
    config |= {name: [] for name in ("templates_path", "html_static_path", "html_css_files", "html_js_files")}
    config |= {"html_context": {}}
    monkeypatch.setitem(translators, ("general", "sphinx"), NullTranslations())
    pages.configure(SimpleNamespace(), config)
    assert pages.site_address(config) == site
    assert config.html_baseurl == site + {"en": "", "zh": "zh/"}[lang]


def test_where_pages_are_served() -> None:
    assert repository.pages_url("Some/book") == "https://some.github.io/book/"
    assert repository.pages_url("some/Some.github.io") == "https://some.github.io/"


def test_launch_links_name_branch_language_and_notebook() -> None:
    links = repository.launch_links("someone/fork", "zh", "forward")
    assert links["Binder"] == "https://mybinder.org/v2/gh/someone/fork/notebooks?urlpath=lab/tree/zh/forward.ipynb"
    assert links["Colab"] == "https://colab.research.google.com/github/someone/fork/blob/notebooks/zh/forward.ipynb"
