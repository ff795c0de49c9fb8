"""The language filter keeps what it should, to the line."""

import itertools

import pytest

from booktools.languages import cells, keep_language, localised

SOURCE = """---
kernelspec: {name: python3}
---

+++ {"lang": "en"}

English.

```text
+++ {"lang": "zh"}
a fence is not a cell
```

+++ {"lang": "zh"}

中文。

:::{note}
+++ {"lang": "en"}
:::

+++

$$ x $$

```{code-cell} ipython3
print("+++")
```

Both.
"""


def kept(lang: str) -> str:
    return keep_language(SOURCE, lang)


def test_each_edition_has_its_own_prose_and_all_that_is_shared() -> None:
    assert "English." in kept("en")
    assert "中文" not in kept("en")
    assert "English." not in kept("zh")
    assert "中文" in kept("zh")
    for lang in ("en", "zh"):
        assert "$$ x $$" in kept(lang)
        assert 'print("+++")' in kept(lang)
        assert "Both." in kept(lang)


def test_fences_do_not_hide_or_start_cells() -> None:
    assert "a fence is not a cell" in kept("en")
    assert "a fence is not a cell" not in kept("zh")
    assert ":::{note}" in kept("zh")


def test_lines_keep_their_numbers() -> None:
    for lang in ("en", "zh"):
        before, after = SOURCE.splitlines(), kept(lang).splitlines()
        assert len(before) == len(after)
        assert all(new in (old, "") for old, new in zip(before, after, strict=True))


def test_cells_cover_the_text_once() -> None:
    found = list(cells(SOURCE))
    assert [cell.lang for cell in found if cell.lang] == ["en", "zh"]
    assert all(one.end == other.first for one, other in itertools.pairwise(found))
    assert found[-1].end == len(SOURCE.splitlines())


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(ValueError, match="lang must be one of en, zh, got 'fr'"):
        keep_language('+++ {"lang": "fr"}\n\nBonjour\n', "en")


def test_short_texts_split_at_the_bar() -> None:
    assert localised("Gates | 门", "en") == "Gates"
    assert localised("Gates | 门", "zh") == "门"
    assert localised("A formula $p(x | y)$ | B | C", "en") == "A formula $p(x | y)$ | B | C"
