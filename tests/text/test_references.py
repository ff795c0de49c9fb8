"""Every reference was checked, every check belongs to a reference, and what is cited is there."""

import re
from typing import Any

import yaml

from chapters import CHAPTERS, ROOT

BIB = (ROOT / "chapters" / "references.bib").read_text("utf8")
ENTRIES = {
    key: set(re.findall(r"^\s*(\w+)\s*=", fields, re.M))
    for key, fields in re.findall(r"^@\w+\{(\S+),\n(.*?)^\}", BIB, re.M | re.S)
}
CHECKS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "chapters" / "references.checks.yml").read_text("utf8"))


def test_every_entry_is_read() -> None:
    assert len(ENTRIES) == len(re.findall(r"^@", BIB, re.M)) > 50


def test_every_reference_was_checked() -> None:
    unchecked = set(ENTRIES) - set(CHECKS)
    assert not unchecked, f"say in references.checks.yml where these entries were checked: {sorted(unchecked)}"
    gone = set(CHECKS) - set(ENTRIES)
    assert not gone, f"checked, but not in references.bib: {sorted(gone)}"


def test_every_check_says_what_was_confirmed_and_where() -> None:
    for key, check in CHECKS.items():
        assert check["confirmed"], f"references.checks.yml: {key}: which fields were confirmed?"
        assert check["where"], f"references.checks.yml: {key}: where?"
        assert "date" in check, f"references.checks.yml: {key}: when?"


def test_what_is_cited_is_there() -> None:
    text = "\n".join(path.read_text("utf8") for path in CHAPTERS)
    cited = {key.strip() for keys in re.findall(r"\{cite\}`([^`]+)`", text) for key in keys.split(",")}
    assert cited <= set(ENTRIES), f"cited, but not in references.bib: {sorted(cited - set(ENTRIES))}"
