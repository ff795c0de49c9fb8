"""The terms of the book (chapters/glossary.yml): the lists of the glossary's page, and names that the search knows."""

import re
from dataclasses import dataclass
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from booktools import ROOT
from booktools.languages import LANGUAGES
from booktools.pages import language
from booktools.words import words

DATA = ROOT / "chapters" / "glossary.yml"


@dataclass(frozen=True)
class Term:
    """An entry: one term, or a few that one sentence explains together."""

    group: str
    word: dict[str, str]  # in each language; several stand between semicolons
    says: dict[str, str]
    at: str | None  # the label of the section that defines it
    also: tuple[str, ...]
    avoided: tuple[str, ...]  # Chinese names that no text of the book uses

    @property
    def where(self) -> str:
        """The label of the section that a search for it leads to."""
        return self.at or f"sec:glossary-{self.group}"

    def names(self, lang: str) -> list[str]:
        """Every name that it goes by, those of the edition first."""
        words = [self.word[lang], *(self.word[other] for other in LANGUAGES if other != lang)]
        return list(dict.fromkeys([*(name for word in words for name in _single(word)), *self.also, *self.avoided]))


def _single(words: str) -> list[str]:
    return re.split(r"[;；]\s*", words)


def load() -> list[Term]:
    groups: list[dict[str, Any]] = yaml.safe_load(DATA.read_text("utf8"))
    return [
        Term(
            group["name"],
            {lang: entry[lang] for lang in LANGUAGES},
            entry["says"],
            entry.get("at"),
            tuple(map(str, entry.get("also", ()))),
            tuple(entry.get("not", ())),
        )
        for group in groups
        for entry in group["terms"]
    ]


def listed(term: Term, lang: str) -> str:
    """An item of a definition list, in MyST."""
    (other,) = (term.word[one] for one in LANGUAGES if one != lang)
    item = f"{term.word[lang]} · {other}\n: {_literal(term.says[lang])}"
    said = words("terms", lang)
    if term.at:
        item += said["defined"].format(section=f"{{ref}}`{term.at}`")
    for kind, names in (("also", term.also), ("avoided", term.avoided)):
        if names:
            item += said[kind].format(names=_literal(said["between"].join(names)))
    return item


def _literal(text: str) -> str:
    return re.sub(r"[_*`]", r"\\\g<0>", text)


class Terms(SphinxDirective):
    """`{terms} GROUP`: the entries of a group as a definition list."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(DATA))
        group, lang = self.arguments[0], language(self.config)
        found = [term for term in load() if term.group == group]
        if not found:
            raise self.error(f"chapters/glossary.yml has no group {group!r}")
        text = "\n\n".join(listed(term, lang) for term in found)
        parent = nodes.container(classes=["terms"])
        self.state.nested_parse(StringList(text.splitlines(), str(DATA)), self.content_offset, parent)
        return list(parent.children)


def setup(app: Sphinx) -> None:
    app.add_directive("terms", Terms)
