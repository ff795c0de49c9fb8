"""What an exercise says: its kind, its hints and its words for known mistakes, from the NAME.toml of its chapter."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rnnbook._languages import LANGUAGES, Pair

KINDS = ("warm-up", "build", "derive", "explore")
_FIELD = re.compile(r"\{([A-Za-z]\w*)(:[^{}]*)?\}")  # {rho:.3g}; the braces of h_{t-1} are none


@dataclass(frozen=True)
class Texts:
    """Of one exercise: `mistakes` has a text for each key that its checker uses, `options` the words of its numbers."""

    kind: str
    hints: tuple[Pair, ...]
    mistakes: Mapping[str, Pair]
    options: Mapping[str, Pair] = field(default_factory=dict)

    def told(self, key: str, numbers: Mapping[str, object] = MappingProxyType({})) -> Pair:
        """What is said of a mistake, the fields of its text filled with numbers."""
        if key not in self.mistakes:
            raise KeyError(f"mistakes.{key}")
        return filled(self.mistakes[key], numbers)


@cache
def read(path: Path) -> Mapping[str, Texts]:
    """The texts of all exercises of a file, by id.

    Raises ValueError with file and key if it is no TOML, if a text lacks a language, or if it has what nobody reads.
    """
    try:
        found = tomllib.loads(path.read_text("utf8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from None
    return {id: _texts(table, f"{path}: {id}") for id, table in found.items()}


def _texts(table: Any, where: str) -> Texts:
    parts = {"kind", "hints", "mistakes", "options"}
    if not isinstance(table, dict) or not table.keys() <= parts:
        raise ValueError(f"{where} must be a table with {', '.join(sorted(parts))}, got {_listed(table)}")
    if table.get("kind") not in KINDS:
        raise ValueError(f"{where}.kind must be one of {', '.join(KINDS)}, got {table.get('kind')!r}")
    hints, *tables = table.get("hints"), table.get("mistakes", {}), table.get("options", {})
    if not isinstance(hints, list) or not hints or not all(isinstance(one, dict) for one in tables):
        raise ValueError(
            f"{where} must have [[hints]], [mistakes.KEY] and [options.NUMBER], each with {' and '.join(LANGUAGES)}"
        )
    return Texts(
        table["kind"],
        tuple(_pair(hint, f"{where}.hints[{k}]") for k, hint in enumerate(hints)),
        *(
            {key: _pair(text, f"{where}.{name}.{key}") for key, text in found.items()}
            for name, found in zip(("mistakes", "options"), tables, strict=True)
        ),
    )


def _pair(text: Any, where: str) -> Pair:
    if not isinstance(text, dict) or text.keys() != set(LANGUAGES):
        raise ValueError(f"{where} must have {' and '.join(LANGUAGES)}, got {_listed(text)}")
    english, chinese = (text[language] for language in LANGUAGES)
    if not all(isinstance(half, str) and half.strip() == half != "" for half in (english, chinese)):
        raise ValueError(f"{where} must be two texts without blanks around them, got {text!r}")
    if _fields(english) != _fields(chinese):
        raise ValueError(f"{where} must have the same fields in both languages, got {text!r}")
    return english, chinese


def _listed(found: Any) -> str:
    return ", ".join(found) or "nothing" if isinstance(found, dict) else repr(found)


def _fields(text: str) -> set[str]:
    return {name for name, _ in _FIELD.findall(text)}


def filled(text: Pair, numbers: Mapping[str, object]) -> Pair:
    """A text with its fields in braces filled: "ρ is {rho:.3g}" with {"rho": 0.95}. All of them, and no others."""
    if _fields(text[0]) != numbers.keys():
        raise ValueError(f"{text[0]!r} needs the fields {sorted(_fields(text[0]))}, got {sorted(numbers)}")
    english, chinese = (_FIELD.sub(lambda found: found[0].format(**numbers), half) for half in text)
    return english, chinese
