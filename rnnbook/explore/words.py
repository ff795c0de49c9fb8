"""Words and numbers as an explorable shows them: two languages, three significant digits."""

import html
import math
from collections.abc import Sequence

from rnnbook._languages import LANGUAGES as LANGUAGES
from rnnbook._languages import Text as Text
from rnnbook._languages import chosen_language as chosen_language
from rnnbook._languages import pick as pick

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def checked(text: Text, what: str) -> Text:
    """The text itself, once it is known to be a string or a pair of strings."""
    pair = (text,) if isinstance(text, str) else text
    if not all(isinstance(half, str) for half in pair) or (not isinstance(text, str) and len(text) != 2):
        raise ValueError(f"{what} must be a string or a pair (English, Chinese), got {text!r}")
    if any("\ud800" <= character <= "\udfff" for half in pair for character in half):
        raise ValueError(f"{what} holds half of a character (a lone surrogate), got {text!r}")
    return text


def both(text: Text, tag: str = "span") -> str:
    """Markup with both halves of a text, of which the stylesheet shows one."""
    if isinstance(text, str):
        return html.escape(text)
    halves = zip(LANGUAGES, text, strict=True)
    return "".join(f'<{tag} lang="{language}">{html.escape(half)}</{tag}>' for language, half in halves)


def number(value: float, digits: int = 3) -> str:
    """A number for a reader: 0.905, 12300, −2.95×10⁻⁵; "–" for what is not finite."""
    if not math.isfinite(value):
        return "–"
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0 or 1e-3 <= abs(rounded) < 1e5:
        text = f"{abs(rounded):.10g}"
    else:
        mantissa, exponent = f"{abs(rounded):.{digits - 1}e}".split("e")
        text = f"{float(mantissa):g}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return "−" + text if rounded < 0 else text


def distinct_numbers(values: Sequence[float]) -> list[str]:
    """Labels for grid points, with as many digits (three or more) as tell them apart."""
    for digits in range(3, 10):
        labels = [number(value, digits) for value in values]
        if len(set(labels)) == len(labels):
            return labels
    raise ValueError(f"the grid points must differ, got {list(values)}")
