"""The ledger's page: its claims are filtered where they stand."""

import re
from pathlib import Path
from typing import Any

import pytest

from booktools import ledger
from booktools.words import words

CLAIMS = ledger.claims(ledger.load())


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_claims_are_filtered_on_the_page(site: Path, browser: Any, edition: str) -> None:
    """By verdict and by chapter, without a server; the address remembers the choice, and no topic stands empty."""
    address = (site / edition / "chapters" / "ledger.html").as_uri()
    page = browser.new_page()
    page.goto(address)
    verdict, chapter = page.locator("[name=verdict]"), page.locator("[name=chapter]")

    def shown() -> list[str]:
        told = re.findall(r"\d+", page.locator(".ledger-filter output").inner_text())
        visible = [item.inner_text() for item in page.locator("section section > ul > li:visible").all()]
        assert sorted(map(int, told)) == sorted([len(visible), len(CLAIMS)])
        for topic in page.locator("section section:visible").all():
            assert topic.locator("li:visible").count() > 0
        return visible

    page.keyboard.press("Shift")  # lays all of it out
    assert len(shown()) == len(CLAIMS)
    verdict.select_option("wrong")
    wrong = shown()
    assert len(wrong) == sum(claim["verdict"] == "wrong" for claim in CLAIMS)
    said = words("verdicts", "zh" if edition else "en")["wrong"]
    assert all(said in text for text in wrong)
    chapter.select_option("flow")
    labels = [claim.get("shown", "").split(":")[-1] for claim in CLAIMS if claim["verdict"] == "wrong"]
    assert len(shown()) == sum(label.split("-")[0] == "flow" for label in labels) > 0
    page.reload()
    assert verdict.input_value() == "wrong"
    assert chapter.input_value() == "flow"
    both = shown()
    chapter.select_option("to-come")
    verdict.select_option("")
    assert len(shown()) == sum("shown" not in claim for claim in CLAIMS)
    page.goto(f"{address}?verdict=nonsense&chapter=flow")
    assert verdict.input_value() == ""
    assert len(shown()) > len(both)
    page.close()
