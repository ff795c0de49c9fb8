"""The words of the build in both languages, from `words.yml`."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from booktools.languages import LANGUAGES

FILE = Path(__file__).with_name("words.yml")


@cache
def words(section: str, lang: str) -> dict[str, str]:
    """The words of a section in `lang`, by their names.

    Raises KeyError for an unknown section, ValueError where a word lacks a language.
    """
    found = _read(FILE)
    if section not in found:
        raise KeyError(f"words.yml has no section {section!r}; it has {', '.join(found)}")
    for name, texts in found[section].items():
        if set(texts) != set(LANGUAGES) or not all(isinstance(text, str) for text in texts.values()):
            raise ValueError(f"words.yml: {section}: {name!r} needs a text in each of {', '.join(LANGUAGES)}: {texts}")
    return {name: texts[lang] for name, texts in found[section].items()}


@cache
def _read(file: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text("utf8"))
    return found
