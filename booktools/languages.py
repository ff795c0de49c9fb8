"""One source, two languages: which parts of a chapter belong to which edition.

A prose cell is tagged `+++ {"lang": "en"}` or `+++ {"lang": "zh"}`; everything
untagged belongs to both. Short texts that cannot stand in a cell of their own
(captions, part titles) are written `English | 中文`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin

from rnnbook.check import LANGUAGES as LANGUAGES

SPHINX_NAME = {"en": "en", "zh": "zh_CN"}
TAG = {"en": "en", "zh": "zh-CN"}  # what HTML's lang and hreflang say
NAME = {"en": "English", "zh": "中文"}
SEPARATOR = " | "

# Where a paragraph, an item of a list, a heading or a row of a table ends because another begins.
_NEXT = r"\n[ \t>]*(?:\n|(?:[-+*|]|#+|\d+[.)])[ \t])"
# Inline code, a formula, an escaped mark: no other mark counts in them. A run of backquotes that nothing closes
# is all of itself; three before a brace would be a directive, and hide nothing.
VERBATIM = re.compile(
    r"\\[\\`${]"
    rf"|(?!`{{3,}}\{{)(?P<ticks>`+)(?!`)(?:(?:(?!{_NEXT}).)+?(?<!`)(?P=ticks)(?!`))?"
    rf"|\$\$.+?\$\$|\$(?:\\.|(?!{_NEXT})[^\\$])+\$",
    re.S,
)

BLOCKS = (
    MarkdownIt("commonmark")
    .enable("table")
    .use(front_matter_plugin)
    .use(myst_block_plugin)
    .use(colon_fence_plugin)
    .disable("inline", True)
)


@dataclass(frozen=True)
class Cell:
    """A block of a chapter: `kind` is "code" or "prose", `lang` None where both editions have it."""

    kind: str
    lang: str | None
    first: int  # 0-based line of its `+++` or fence
    end: int  # 0-based line after its last


def cells(text: str) -> Iterator[Cell]:
    """The cells of a MyST chapter in order; fences inside fences do not confuse it."""
    marks: list[tuple[int, str, str | None]] = []
    depth = 0
    for token in BLOCKS.parse(text + "\n"):
        depth += token.nesting
        if depth or token.map is None:
            continue
        if token.type == "front_matter":
            marks.append((token.map[1], "prose", None))
        elif token.type == "myst_block_break":
            marks.append((token.map[0], "prose", _tag(token.content)))
        elif token.type == "fence" and token.info.startswith("{code-cell}"):
            marks.append((token.map[0], "code", None))
            marks.append((token.map[1], "prose", None))
    ends = [mark[0] for mark in marks[1:]] + [len(text.splitlines())]
    for (first, kind, lang), end in zip(marks, ends, strict=True):
        if end > first:
            yield Cell(kind, lang, first, end)


def _tag(content: str) -> str | None:
    lang = json.loads(content).get("lang") if content else None
    if lang is not None and lang not in LANGUAGES:
        raise ValueError(f"a cell's lang must be one of {', '.join(LANGUAGES)}, got {lang!r}")
    return lang


def keep_language(text: str, lang: str) -> str:
    """Blank the lines of the cells that belong to another language than `lang`.

    Blanked, not removed, so that line numbers in warnings point into the file.
    """
    lines = text.splitlines()
    for cell in cells(text):
        if cell.lang not in (None, lang):
            body = cell.first + 1  # the `+++` stays: it ends the cell before
            lines[body : cell.end] = [""] * (cell.end - body)
    return "\n".join(lines) + "\n"


def only_bar(pieces: Sequence[str]) -> tuple[int, int] | None:
    """The piece with the one bar between English and Chinese, and its place there; None without one or with more."""
    bar = re.compile(re.escape(SEPARATOR))
    found = [(number, match.start()) for number, piece in enumerate(pieces) for match in bar.finditer(piece)]
    return found[0] if len(found) == 1 else None


def localised(text: str, lang: str) -> str:
    """The half of `English | 中文` that is in `lang`; any other text as it is. Bars in formulas and code are none."""
    bar = only_bar([VERBATIM.sub(lambda match: "\0" * len(match[0]), text)])
    if bar is None:
        return text
    halves = text[: bar[1]], text[bar[1] + len(SEPARATOR) :]
    return halves[LANGUAGES.index(lang)]


def has_han(text: str) -> bool:
    return re.search(r"[\u3400-\u9fff]", text) is not None
