"""What stands behind the sentences: statements are counted, and a decimal is one of the numbers that are seen."""

import subprocess
import sys
from pathlib import Path

import pytest

from booktools.evidence import decimals, numbers_of_code, numbers_of_outputs, statements, title, unshown
from chapters import ROOT


@pytest.mark.parametrize(("code", "count"), [("x = 1", 0), ("assert x", 1), ("for a in b:\n    assert a\nassert b", 2)])
def test_statements_are_assertions_wherever_they_stand(code: str, count: int) -> None:
    assert statements(code) == count
    assert str(count) in title(code, "en")
    assert str(count) in title(code, "zh")


def test_one_statement_is_not_several() -> None:
    assert title("assert x", "en").endswith("1 statement")


@pytest.mark.parametrize(
    ("prose", "values"),
    [
        ("It falls to 0.046, from 1.50.", [0.046, 1.5]),
        (r"$\rho = 2.95 \times 10^{-5}$ and $1.2\cdot10^3$", [2.95e-5, 1200]),
        ("降到 3.1e-19，即 2.0×10⁻⁵", [3.1e-19, 2e-5]),
        ("2.01 % of it, 3.165\\% of that, 百分之 4.5％", [0.0201, 0.03165, 0.045]),
        ("see {cite}`smith1.5`, `x = 0.5`, https://a.b/1.5 and {eq}`eq:lstm-1.5`", []),
        ("Python 3.11.7, section 4", []),
        ("(fig:lstm-0.5)=\n0.25", [0.25]),
    ],
)
def test_decimals_are_read_as_a_reader_reads_them(prose: str, values: list[float]) -> None:
    assert [decimal.value for decimal in decimals(prose)] == pytest.approx(values)


def test_a_number_is_shown_where_rounding_it_gives_what_is_written() -> None:
    (decimal,) = decimals("0.046")
    assert decimal.is_rounded(0.0461)
    assert decimal.is_rounded(-0.0464)
    assert not decimal.is_rounded(0.0466)
    assert not decimal.is_rounded(0.46)


def test_what_no_cell_prints_or_asserts_is_found() -> None:
    outputs = [
        {"text": "loss  0.2468\n"},
        {"data": {"text/plain": "tensor(1.2500e-03)", "text/html": "<td>17.5</td>"}},
        {"data": {"image/svg+xml": "<text>9.75</text>"}},
    ]
    known = numbers_of_outputs(outputs) | numbers_of_code(["assert abs(x - 3.75) < 1e-3"])
    prose = ["0.247, 0.00125, 17.5 and 3.75 are seen", "8.125 is not, nor is 9.75, but 6.5 is excused"]
    assert unshown(prose, known, ["6.5"]) == ["8.125", "9.75"]


CHAPTER = """
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

+++ {{"lang": "en"}}

# A page

The root is {decimal}.

```{{exercise}}
:label: small-1
```

+++ {{"lang": "zh"}}

# 一页

根是 {decimal}。

```{{exercise}}
:label: small-1
```

+++

```{{code-cell}} ipython3
import math
```

+++ {{"lang": "en"}}

## First

+++ {{"lang": "zh"}}

## 第一节

+++

```{{code-cell}} ipython3
root = math.sqrt(2)
print(f"{{root:.4f}}")
```

+++ {{"lang": "en"}}

## Second

+++ {{"lang": "zh"}}

## 第二节

+++

```{{code-cell}} ipython3
print({again})
```
"""


@pytest.mark.parametrize(
    ("decimal", "again", "failure"),
    [("1.41", "math.pi", ""), ("1.42", "math.pi", "asserted nowhere in the chapter: 1.42"), ("1.41", "root", "'root'")],
)
def test_a_chapter_is_held_to_it(tmp_path: Path, decimal: str, again: str, failure: str) -> None:
    """A decimal that is not printed, and a name that another section made."""
    (tmp_path / "small.md").write_text(CHAPTER.format(decimal=decimal, again=again).lstrip(), "utf8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    options = [f"--rootdir={tmp_path}", "-p", "conftest", str(tmp_path / "small.md")]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (not failure), done.stdout[-3000:]
    assert failure in done.stdout
