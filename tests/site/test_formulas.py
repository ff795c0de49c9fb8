"""Formulas are rendered while the book is built, by KaTeX, without Node."""

import re

import pytest

from booktools import ROOT, formulas

ASSETS = ROOT / "booktools" / "static" / "katex"


def test_a_formula_is_html_for_the_eye_and_mathml_for_the_ear() -> None:
    html = formulas.render(r"h_t = \tanh(W_h h_{t-1})")
    assert "<math" in html
    assert 'aria-hidden="true"' in html
    assert r'<annotation encoding="application/x-tex">h_t = \tanh(W_h h_{t-1})</annotation>' in html


def test_display_differs_from_inline() -> None:
    assert "katex-display" in formulas.render("x", display=True)
    assert "katex-display" not in formulas.render("x", display=False)


@pytest.mark.parametrize("tex", [r"\frac{1}", r"\nosuchcommand", "{", r"x_t_t"])
def test_what_does_not_parse_is_an_error(tex: str) -> None:
    with pytest.raises(formulas.FormulaError, match="KaTeX parse error"):
        formulas.render(tex)


def test_stylesheet_and_script_are_of_one_version() -> None:
    style = (ASSETS / "katex.min.css").read_text("utf8")
    script = formulas.katex_script().read_text("utf8")
    version = re.search(r'katex-version:after\{content:"([\d.]+)"', style)
    assert version
    assert f'version:"{version[1]}"' in script or f'"{version[1]}"' in script


def test_the_stylesheet_names_exactly_the_fonts_that_are_there() -> None:
    style = (ASSETS / "katex.min.css").read_text("utf8")
    named = set(re.findall(r"url\(fonts/([\w-]+\.woff2)\)", style))
    assert named == {path.name for path in (ASSETS / "fonts").iterdir()}
    assert "url(http" not in style
