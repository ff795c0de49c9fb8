"""The claim ledger: every number is computed, every place exists, and the page is what the data file says."""

import ast
import math
import re
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
import torch

from booktools import ledger
from booktools.edits import ChangedError
from booktools.words import words
from chapters import BY_NAME, CHAPTERS, pairs, text_of

DATA = ledger.load()
CLAIMS = ledger.claims(DATA)
NUMBERS = [
    pytest.param(number, id=f"{claim['slug']}-{k}")
    for claim in CLAIMS
    for k, number in enumerate(claim.get("numbers", ()))
]
PAGE = BY_NAME["ledger"]
WRITTEN = "\n".join(map(text_of, CHAPTERS))
LABELS = set(re.findall(r"^\(([\w:.-]+)\)=$", WRITTEN, re.M))


def computed(code: str) -> Any:
    """The value of the last line of the code, as a plain number."""
    *before, last = ast.parse(code).body
    assert isinstance(last, ast.Expr), f"the last line must be the number: {code}"
    names: dict[str, Any] = {}
    torch.manual_seed(0)
    exec("import math\nimport numpy as np\nimport torch", names)
    exec(compile(ast.Module(before, []), "code", "exec"), names)
    value = eval(compile(ast.Expression(last.value), "code", "eval"), names)
    return value.item() if hasattr(value, "item") else value


def half_a_unit(written: object) -> float:
    """Half a unit in the last digit that is written: 2.951e-5 → 5e-9."""
    exponent = Decimal(str(written)).as_tuple().exponent
    assert isinstance(exponent, int)
    return 0.5 * 10.0**exponent


def agrees(value: Any, number: dict[str, Any]) -> bool:
    wanted = number["is"]
    if isinstance(wanted, bool):
        return value is wanted
    wanted = float(wanted)
    if "factor" in number:
        return bool(abs(math.log(value / wanted)) <= math.log(float(number["factor"])))
    within = float(number["within"]) if "within" in number else half_a_unit(number["is"]) * (1 + 1e-9)
    return bool(abs(value - wanted) <= within)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_number_is_computed(number: dict[str, Any]) -> None:
    value = computed(number["code"])
    assert agrees(value, number), f"{number['code']} is {value}, not {number['is']}"


def test_a_wrong_number_is_seen() -> None:
    assert agrees(0.9**99, {"is": 2.951e-5})
    assert not agrees(0.9**100, {"is": 2.951e-5})
    assert agrees(3e21, {"is": 4.6e21, "factor": 10})
    assert not agrees(3e20, {"is": 4.6e21, "factor": 10})
    assert not agrees(1, {"is": 2})
    assert agrees(9.9996, {"is": "10.000"})
    assert not agrees(9.9994, {"is": "10.000"})
    assert not agrees(False, {"is": True})


def test_the_page_lists_every_claim_in_both_languages() -> None:
    for number, (cells, count) in enumerate(
        zip(zip(*pairs(PAGE), strict=True), ("Of {} claims", "{} 条论断中"), strict=True)
    ):
        lang = ("en", "zh")[number]
        items = [line for cell in cells[1:] for line in cell.text.splitlines() if line.startswith("- ")]
        assert len(items) == len(CLAIMS)
        assert all(claim["claim"][lang] in item for claim, item in zip(CLAIMS, items, strict=True))
        assert count.format(len(CLAIMS)) in cells[0].text


@pytest.mark.parametrize("mark", [ledger.COUNTED.format("en"), ledger.COUNTED.format("zh"), ledger.CLAIMS])
def test_a_page_without_its_marks_is_an_error(mark: str) -> None:
    text = PAGE.read_text("utf8")
    assert "% the" not in ledger.expanded(text)
    with pytest.raises(ChangedError, match="looked for 1 times, and found 0 times"):
        ledger.expanded(text.replace(mark, ""))


def test_the_page_says_which_texts_the_letters_are() -> None:
    for cell in next(pairs(PAGE)):
        assert re.findall(r"^- \*\*(\w)\*\* ", cell.text, re.M) == DATA["texts"]


def test_every_place_exists() -> None:
    missing = {claim["shown"] for claim in CLAIMS if "shown" in claim} - LABELS
    assert not missing


def test_claims_are_whole() -> None:
    slugs = Counter(claim["slug"] for claim in CLAIMS)
    assert max(slugs.values()) == 1
    for claim in CLAIMS:
        assert claim["verdict"] in words("verdicts", "en"), claim["slug"]
        assert set(claim["in"]) <= set(DATA["texts"]), claim["slug"]
        assert set(claim) <= {"slug", "in", "claim", "verdict", "holds", "shown", "numbers"}, claim["slug"]
        for text in (*claim["claim"].values(), *claim["holds"].values()):
            assert text, claim["slug"]


def test_every_topic_is_named_in_both_languages() -> None:
    for named in DATA["topics"]:
        assert set(named["title"]) == {"en", "zh"}, named["title"]


def test_every_wrong_claim_says_what_holds() -> None:
    for claim in CLAIMS:
        if claim["verdict"] != "true":
            assert all(len(text) > 10 for text in claim["holds"].values()), claim["slug"]
