"""The built site: both languages, every link inside it, nothing from any other host."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from built import Page, expected_pages, names_in_toc

from booktools import figures
from chapters import ROOT


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, Page]:
    skipped = ("_static", "jupyter_execute")
    found = [path for path in site.rglob("*.html") if not set(skipped) & set(path.relative_to(site).parts)]
    return {path.relative_to(site).as_posix(): Page(path) for path in found}


def test_every_page_exists_in_both_languages(pages: dict[str, Page]) -> None:
    assert set(expected_pages()) <= set(pages)


def test_each_page_says_which_language_it_is(pages: dict[str, Page]) -> None:
    for name in expected_pages():
        html = next(values for tag, values in pages[name].tags if tag == "html")
        assert html["lang"] == ("zh-CN" if name.startswith("zh/") else "en"), name


def test_the_languages_point_at_each_other(pages: dict[str, Page]) -> None:
    for name in expected_pages():
        page = pages[name]
        other = name.removeprefix("zh/") if name.startswith("zh/") else f"zh/{name}"
        switch = [values for tag, values in page.tags if "language-switch" in values.get("class", "")]
        assert len(switch) == 1, name
        target = (page.path.parent / switch[0]["href"]).resolve()
        assert target == pages[other].path.resolve(), f"{name} → {switch[0]['href']}"
        alternates = {
            values["hreflang"]: values["href"]
            for tag, values in page.tags
            if tag == "link" and values.get("rel") == "alternate" and "hreflang" in values
        }
        assert set(alternates) == {"en", "zh-CN", "x-default"}, name
        canonical = [values["href"] for tag, values in page.tags if values.get("rel") == "canonical"]
        assert canonical == [alternates["zh-CN" if name.startswith("zh/") else "en"]], name


def test_both_languages_have_the_same_anchors(pages: dict[str, Page]) -> None:
    """So that the language switch can keep the place."""
    for name in expected_pages():
        if not name.startswith("zh/"):
            labels = [{i for i in pages[n].ids if re.match(r"(sec|ch|fig|equation)-", i)} for n in (name, f"zh/{name}")]
            assert labels[0] == labels[1], name


def test_each_page_has_one_title(pages: dict[str, Page]) -> None:
    for name in expected_pages():
        assert [tag for tag, _ in pages[name].tags].count("h1") == 1, name


def test_no_id_is_used_twice(pages: dict[str, Page]) -> None:
    for name in expected_pages():
        ids = pages[name].ids
        assert len(ids) == len(set(ids)), f"{name}: {sorted(i for i in set(ids) if ids.count(i) > 1)}"


def test_local_links_lead_somewhere(pages: dict[str, Page], site: Path) -> None:
    checked = 0
    for name, page in pages.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith(("javascript:", "data:")):
                continue
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
            assert target.exists(), f"{name}: {link}"
            if parts.fragment and target.suffix == ".html" and parts.fragment not in ("", "top"):
                other = pages[target.relative_to(site.resolve()).as_posix()]
                assert unquote(parts.fragment) in other.ids, f"{name}: {link}"
            checked += 1
    assert checked > 100


def test_nothing_is_loaded_from_another_host(pages: dict[str, Page], site: Path) -> None:
    for name, page in pages.items():
        for source in page.loaded:
            assert not urlsplit(source.split()[0]).netloc, f"{name} loads {source}"
    for sheet in site.rglob("*.css"):
        text = sheet.read_text("utf8")
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", text), sheet.relative_to(site).as_posix()


def test_formulas_need_no_script(pages: dict[str, Page]) -> None:
    for edition in ("", "zh/"):
        page = pages[f"{edition}chapters/forward.html"]
        assert sum(1 for tag, _ in page.tags if tag == "math") > 50
        assert not any("mathjax" in source.lower() for source in page.loaded)


def test_explorables_share_one_script(pages: dict[str, Page]) -> None:
    for edition in ("", "zh/"):
        tags = pages[f"{edition}chapters/forward.html"].tags
        assert sum("explorer" in values.get("class", "").split() for _, values in tags) > 1
        assert sum(values.get("class") == "explorer-script" for _, values in tags) == 1
        assert sum(values.get("class") == "explorer-style" for _, values in tags) == 1


def test_buttons_open_the_students_notebook_in_the_pages_language(pages: dict[str, Page], site: Path) -> None:
    for lang, edition in (("en", ""), ("zh", "zh/")):
        page = pages[f"{edition}chapters/forward.html"]
        assert [link for link in page.links if f"/notebooks/{lang}/forward.ipynb" in link and "colab" in link]
        assert [link for link in page.links if f"lab/tree/{lang}/forward.ipynb" in link and "mybinder" in link]
        downloads = [link for link in page.links if link.endswith(".ipynb") and not urlsplit(link).netloc]
        assert len(downloads) == 1
        notebook = (page.path.parent / downloads[0]).read_text("utf8")
        assert "NotImplementedError" in notebook
        assert "SOLUTION" not in notebook


def test_the_site_publishes_no_solved_notebook(site: Path) -> None:
    found = [path for path in site.rglob("*") if path.suffix in (".ipynb", ".md") and "katex" not in path.parts]
    assert {path.parent.name for path in found} == {"notebooks"}


def test_figures_have_their_own_words(pages: dict[str, Page]) -> None:
    """An alternative text is a sentence in the page's language, never a file's name."""
    seen = 0
    for name in expected_pages():
        for tag, values in pages[name].tags:
            if tag == "img" and "_images" in values.get("src", ""):
                alt = values.get("alt", "")
                assert re.search(r"[\u3400-\u9fff]", alt) if name.startswith("zh/") else len(alt) > 20, f"{name}: {alt}"
                assert not re.search(r"\.(svg|png)|[0-9a-f]{16}", alt), f"{name}: {alt}"
                seen += 1
    assert seen


def test_chinese_figures_have_no_english_words(pages: dict[str, Page], site: Path) -> None:
    table = figures.words(ROOT / "chapters" / "figure-words.yml")
    english = {label for path in (site / "_images").glob("*.svg") for label in figures.labels(path.read_text("utf8"))}
    assert english <= set(table), f"no Chinese in figure-words.yml for {sorted(english - set(table))}"
    for path in (site / "zh" / "_images").glob("*.svg"):
        for label in figures.labels(path.read_text("utf8")):
            assert label in table.values(), f"{path.name}: {label}"


def test_the_label_of_a_heading_is_its_anchor(site: Path) -> None:
    """In both editions, so that the link to the other language keeps the place; a heading may hold a colon."""
    seen = 0
    for name in names_in_toc():
        labels = set(re.findall(r"^\((sec:[\w-]+)\)=", (ROOT / f"{name}.md").read_text("utf8"), re.M))
        for edition in ("", "zh"):
            page = (site / edition / f"{name}.html").read_text("utf8")
            for label in labels:
                assert f'<section id="{label.replace(":", "-")}"' in page, f"{edition} {name}: {label}"
                seen += 1
    assert seen > 100


def test_building_needs_no_torch() -> None:
    code = "import sys, booktools.extension; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_each_page_may_ask_nobody_else(pages: dict[str, Page]) -> None:
    """Its policy names its own origin and folder alone, and stands before the first script."""
    for name in expected_pages():
        text = pages[name].path.read_text("utf8")
        (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"', text)
        assert "default-src 'self' " in policy, name
        assert not re.search(r"https?:|\*|wss?:|'unsafe-eval'", policy), name
        assert text.index("Content-Security-Policy") < text.index("<script"), name
