"""What stands behind a chapter's sentences: statements that are checked, and numbers that are seen.

From its second form on a chapter keeps its assertions in cells of their own, tagged `checked` and folded on the
page, and every decimal in its prose is a number that it prints or asserts.
"""

import ast
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from booktools.words import words

# Roles with what they point to, addresses and code: no claims of the prose.
_SILENT = re.compile(r"\{\w+\}`[^`]*`|`[^`]*`|https?://\S+|^\([\w:.-]+\)=[ \t]*$", re.M)
_TIMES = r"(?:\s*(?:\\times|\\cdot|×|·)\s*10\s*(?:\^\s*\{?\s*(?P<power>[-−]?\d+)\s*\}?|(?P<raised>[⁻⁰¹²³⁴-⁹]+)))"
_DECIMAL = re.compile(
    rf"(?<![\w.])(?P<digits>\d+\.(?P<places>\d+))(?:[eE](?P<e>[-+−]?\d+)|{_TIMES})?(?P<percent>\s*\\?[%％])?(?!\.?\d)"
)
_SHOWN = re.compile(r"(?<![\w.])\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|(?<![\w.])\.\d+(?:[eE][-+]?\d+)?")
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def statements(code: str) -> int:
    """How many assertions stand in a cell."""
    return sum(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(code)))


def title(code: str, lang: str) -> str:
    """What a folded cell of assertions is called in a language."""
    count = statements(code)
    return words("checked", lang)["one" if count == 1 else "several"].format(count=count)


@dataclass(frozen=True)
class Decimal:
    """A decimal as prose writes it: `0.046`, `2.95 \\times 10^{-5}`, `2.01 %`; `unit` is that of its last digit."""

    text: str
    value: float
    unit: float

    def is_rounded(self, number: float) -> bool:
        """Whether this is `number`, of either sign, rounded to the digits that are written."""
        return abs(abs(number) - self.value) <= 0.5 * self.unit * (1 + 1e-9) + 1e-12 * self.value


def decimals(prose: str) -> Iterator[Decimal]:
    """The decimals of a prose cell, but for those of code, of addresses and of what roles point to."""
    for found in _DECIMAL.finditer(_SILENT.sub(" ", prose)):
        power = found["e"] or found["power"] or (found["raised"] or "0").translate(_RAISED)
        exponent = int(power.replace("−", "-")) - (2 if found["percent"] else 0)
        scale = 10.0**exponent
        yield Decimal(found[0].strip(), float(found["digits"]) * scale, 10.0 ** -len(found["places"]) * scale)


def numbers_of_code(codes: Iterable[str]) -> set[float]:
    """The numbers that code asserts or is given: its literals."""
    nodes = (node for code in codes for node in ast.walk(ast.parse(code)))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return {float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)}


def numbers_of_outputs(outputs: Iterable[Mapping[str, Any]]) -> set[float]:
    """The numbers that a notebook's outputs show as text."""
    texts = []
    for output in outputs:
        texts.append(output.get("text", ""))
        data = output.get("data", {})
        texts += [data.get(kind, "") for kind in ("text/plain", "text/html", "text/markdown")]
    return {float(number[0]) for text in texts for number in _SHOWN.finditer(text)}


def unshown(prose: Iterable[str], numbers: Iterable[float], excused: Iterable[str] = ()) -> list[str]:
    """The decimals of the prose that, rounded, are none of the numbers, in their order and once each."""
    known, left = sorted(numbers), set(excused)
    found = [decimal for text in prose for decimal in decimals(text) if decimal.text not in left]
    return list(dict.fromkeys(d.text for d in found if not any(d.is_rounded(number) for number in known)))
