"""The two languages of the book, and the texts that exist in both."""

import os

LANGUAGES = ("en", "zh")
Pair = tuple[str, str]  # (English, Chinese)
Text = str | Pair  # the same in both languages, or a pair


def pick(text: Text, language: str) -> str:
    """The half of a text that a language reads."""
    return text if isinstance(text, str) else text[LANGUAGES.index(language)]


def chosen_language() -> str:
    """The language that a launched notebook sets by RNNBOOK_LANG, "en" or "zh", or "" where the page decides."""
    wanted = os.environ.get("RNNBOOK_LANG", "").lower()
    return next((language for language in LANGUAGES if wanted.startswith(language)), "")
