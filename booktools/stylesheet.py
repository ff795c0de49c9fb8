"""A stylesheet with only the rules that can apply, and icon fonts with only the icons that it shows."""

import base64
import io
import logging
import posixpath
import re
from collections.abc import Collection, Iterator
from pathlib import Path

RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
EMPTY_BLOCK = re.compile(r"@(?:media|supports|layer)[^{};]*\{\s*\}")
KEYFRAMES = re.compile(r"@(?:-webkit-)?keyframes\s+([\w-]+)\s*\{(?:[^{}]*\{[^{}]*\})*\s*\}")
NAME = re.compile(r"[.#]((?:\\.|[A-Za-z_-])(?:\\.|[\w-])*)")
ICON = re.compile(r'"\\([ef][0-9a-f]{3})"')  # a string of one character of the private area
ICON_FONTS = (
    # family, weight, file, classes that ask for it
    ("Font Awesome 6 Free", 900, "fa-solid-900.ttf", {"fa-solid", "fas"}),
    ("Font Awesome 6 Free", 400, "fa-regular-400.ttf", {"fa-regular", "far"}),
    ("Font Awesome 6 Brands", 400, "fa-brands-400.ttf", {"fa-brands", "fab"}),
)
# Classes whose names scripts put together from parts.
COMPOSED = re.compile(r"(bs-tooltip|bs-popover)-")


def selectors(prelude: str) -> Iterator[str]:
    """The selectors of a rule: split at commas that stand in no bracket."""
    depth, start = 0, 0
    for at, letter in enumerate(prelude):
        depth += letter in "([" or -(letter in ")]")
        if letter == "," and depth == 0:
            yield prelude[start:at]
            start = at + 1
    yield prelude[start:]


def names(selector: str) -> set[str]:
    """The classes and ids without which a selector matches nothing; those in :not() or :is() are not among them."""
    bare = re.sub(r"\[[^\]]*\]", "", selector)
    while bare != (bare := re.sub(r"\([^()]*\)", "", bare)):
        pass
    return {re.sub(r"\\(.)", r"\1", name) for name in NAME.findall(bare)}


def purged(css: str, used: Collection[str]) -> str:
    """The rules of a stylesheet that can apply where only these classes and ids occur; without comments."""

    def applies(selector: str) -> bool:
        return all(name in used or COMPOSED.match(name) for name in names(selector))

    def kept(rule: re.Match[str]) -> str:
        before, _, prelude = rule[1].rpartition(";")
        statements = before + ";" if before else ""
        if prelude.strip().startswith("@"):
            return statements + ("" if "Font Awesome" in rule[2].replace("\\", "") else f"{prelude}{{{rule[2]}}}")
        living = [selector.strip() for selector in selectors(prelude) if applies(selector)]
        return statements + (f"{','.join(living)}{{{rule[2].strip()}}}" if living and rule[2].strip() else "")

    css = re.sub(r"/\*.*?\*/|@charset[^;]*;", "", css, flags=re.S)
    css = RULE.sub(kept, re.sub(r"\s+", " ", css))
    while css != (css := EMPTY_BLOCK.sub("", css)):
        pass
    outside = KEYFRAMES.sub("", css)
    return KEYFRAMES.sub(lambda frames: frames[0] if frames[1] in outside else "", css)


def rebased(css: str, folder: str) -> str:
    """The stylesheet as it reads from one folder above `folder`."""

    def moved(found: re.Match[str]) -> str:
        return f"url({posixpath.normpath(posixpath.join(folder, found[1]))})"

    return re.sub(r"""url\(["']?(?!data:|#|https?:)([^"')]+)["']?\)""", moved, css)


def icons(css: str, used: Collection[str], fonts: Path) -> str:
    """`@font-face` rules that hold the icons of a stylesheet themselves, so that no font is fetched."""
    from fontTools import subset  # type: ignore[import-untyped]  # a quarter of a second, which builds that change no icon need not spend

    logging.getLogger("fontTools.subset").setLevel(logging.WARNING)
    codes = {int(code, 16) for code in ICON.findall(css)}
    rules = []
    for family, weight, file, classes in ICON_FONTS:
        if not classes & set(used):
            continue
        options = subset.Options(flavor="woff", layout_features=[], hinting=False, notdef_outline=True)
        font = subset.load_font(str(fonts / file), options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=codes)
        subsetter.subset(font)
        out = io.BytesIO()
        subset.save_font(font, out, options)
        data = base64.b64encode(out.getvalue()).decode()
        rules.append(
            f'@font-face{{font-family:"{family}";font-weight:{weight};font-display:block;'
            f'src:url(data:font/woff;base64,{data}) format("woff")}}'
        )
    return "".join(rules)
