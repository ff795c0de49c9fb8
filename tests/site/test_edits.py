"""What the build changes in text that others made, and the words that it adds: loud where they no longer fit."""

import re
from pathlib import Path

import pytest

from booktools import offline, pages, weight
from booktools.edits import ChangedError, replaced
from booktools.words import words


def test_as_many_places_as_expected_are_replaced() -> None:
    assert replaced("a.", "$1", "a. ab") == "$1 ab"
    assert replaced(re.compile("a(.)"), lambda found: found[1], "ab ac", 2) == "b c"
    assert replaced("a", "b", "aaa", None) == "bbb"
    assert replaced("a", "b", "c", 0) == "c"


@pytest.mark.parametrize(("text", "count"), [("c", 1), ("aa", 1), ("a", 0), ("a", 2), ("c", None)])
def test_another_number_of_places_is_an_error_that_says_what_was_sought(text: str, count: int | None) -> None:
    with pytest.raises(ChangedError, match=f"'a' was looked for .* and found {text.count('a')} times in: '{text}'"):
        replaced("a", "b", text, count)


SIDEBAR = '<div id="pst-primary-sidebar" class="x">'
FOLDED = '<details class="admonition hide above-input">\n<summary>'
CONTENTS = '<nav id="pst-page-toc-nav">'
CHINESE = 'title="Toggle primary sidebar" aria-label="Main"'


@pytest.mark.parametrize(
    ("page", "lang"),
    [
        ("<div>", "en"),
        (SIDEBAR + FOLDED, "en"),
        (SIDEBAR, "zh"),
        (SIDEBAR + CHINESE + CONTENTS, "zh"),
        (SIDEBAR + 'title="Toggle primary sidebar"', "zh"),
    ],
    ids=["sidebar", "fold", "no name", "name beside contents", "one name"],
)
def test_a_page_of_another_theme_is_an_error(page: str, lang: str) -> None:
    sound = SIDEBAR + FOLDED.replace("<summary", '<summary aria-label="Toggle hidden content"') + CHINESE
    assert "Toggle hidden" not in pages.finished(sound, "en")
    assert 'aria-label="全书"' in pages.finished(sound, "zh")
    with pytest.raises(ChangedError):
        pages.finished(page, lang)


def test_scripts_styles_and_links_that_are_gone_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ChangedError, match=r"scripts/gone\.js is not among the files of the theme"):
        weight._read(tmp_path, "scripts/gone.js")
    with pytest.raises(ChangedError, match=r"no stylesheet of the theme is named like mystnb\.\*\.css"):
        weight._sheets_like(tmp_path, "mystnb.*.css")
    with pytest.raises(ChangedError, match="language-switch"):
        offline.detached('<a class="language-switch" href="x">', "en")


def test_every_word_has_both_languages() -> None:
    for section in ("buttons", "messages", "folds", "markdown", "claims", "verdicts"):
        assert set(words(section, "en")) == set(words(section, "zh"))
    with pytest.raises(KeyError, match=r"words\.yml has no section 'nothing'; it has buttons, "):
        words("nothing", "en")


def test_a_word_without_a_language_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "words.yml").write_text("greetings:\n  good day: {en: Good day}\n", "utf8")
    monkeypatch.setattr("booktools.words.FILE", tmp_path / "words.yml")
    with pytest.raises(ValueError, match="greetings: 'good day' needs a text in each of en, zh"):
        words("greetings", "en")
