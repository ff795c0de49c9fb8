"""The words in the book's figures: their Chinese, and what is still missing.

Figures made by code are SVG files whose labels stay text. A label made of words
is translated from `chapters/figure-words.yml`; mathematics, numbers and single
letters stand in labels of their own and stay as they are.
"""

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

_LABEL = re.compile(r"(<text\b[^>]*>)([^<>]+)(</text>)")
_WORD = re.compile(r"[^\W\d_]{2,}")


def words(path: Path) -> dict[str, str]:
    """The translations: English label → Chinese label."""
    found = yaml.safe_load(path.read_text("utf8")) or {}
    return {str(english): str(chinese) for english, chinese in found.items()}


def labels(svg: str) -> Iterator[str]:
    """The labels of a figure that are made of words."""
    for match in _LABEL.finditer(svg):
        label = html.unescape(match[2]).strip()
        if _WORD.search(label):
            yield label


def translate(svg: str, table: Mapping[str, str]) -> str:
    """The figure with every label that the table knows in Chinese."""

    def chinese(match: re.Match[str]) -> str:
        label = html.unescape(match[2]).strip()
        return match[1] + html.escape(table.get(label, label), quote=False) + match[3]

    return _LABEL.sub(chinese, svg)
