"""Fonts with only what the site shows: icons in the stylesheet, letters of formulas in files, the first in the page."""

import base64
import hashlib
import io
import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path

PRIVATE = "\ue000", "\uf8ff"  # first and last of the private characters: icons, and the strokes of formulas
ICON = re.compile(rf'"(?:\\([ef][0-9a-f]{{3}})|([{PRIVATE[0]}-{PRIVATE[1]}]))"')  # one of them, as a code or as it is
ICON_FONTS = (
    # family, weight, file, classes that ask for it
    ("Font Awesome 6 Free", 900, "fa-solid-900.ttf", {"fa-solid", "fas"}),
    ("Font Awesome 6 Free", 400, "fa-regular-400.ttf", {"fa-regular", "far"}),
    ("Font Awesome 6 Brands", 400, "fa-brands-400.ttf", {"fa-brands", "fab"}),
)

INLINE = {
    # file, family and style as KaTeX's stylesheet names them, of the two that formulas inside a line use most
    "KaTeX_Main-Regular.woff2": ("KaTeX_Main", "normal"),
    "KaTeX_Math-Italic.woff2": ("KaTeX_Math", "italic"),
}


def reduced(font: Path, characters: Collection[int], kind: str, hinted: bool) -> bytes:
    """The font with these characters only, as far as it has them; hints keep small print sharp on coarse screens."""
    from fontTools import subset  # type: ignore[import-untyped]  # a quarter of a second, which builds that change no font need not spend

    logging.getLogger("fontTools.subset").setLevel(logging.WARNING)
    options = subset.Options(flavor=kind, layout_features=[], hinting=hinted, notdef_outline=True)
    loaded = subset.load_font(str(font), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(loaded)
    out = io.BytesIO()
    subset.save_font(loaded, out, options)
    return out.getvalue()


def icons(css: str, used: Collection[str], folder: Path) -> str:
    """`@font-face` rules that hold the icons of a stylesheet themselves, so that no font is fetched."""
    codes = {int(code, 16) if code else ord(letter) for code, letter in ICON.findall(css)}
    rules = []
    for family, weight, file, classes in ICON_FONTS:
        if not classes & set(used):
            continue
        data = base64.b64encode(reduced(folder / file, codes, "woff", hinted=False)).decode()
        rules.append(
            f'@font-face{{font-family:"{family}";font-weight:{weight};font-display:block;'
            f'src:url(data:font/woff;base64,{data}) format("woff")}}'
        )
    return "".join(rules)


def first(letters: Mapping[str, str], folder: Path) -> list[tuple[str, str, str, str]]:
    """Family, style, range of letters and data of fonts with the letters of each file, for a page to hold itself."""
    held = []
    for file, (family, style) in INLINE.items():
        if codes := sorted(ord(letter) for letter in letters[file]):
            data = base64.b64encode(reduced(folder / file, codes, "woff2", hinted=True)).decode()
            held.append((family, style, ",".join(f"U+{code:X}" for code in codes), data))
    return held


def reduce_all(sources: Path, characters: str, kept: Path, place: Path) -> None:
    """Put the fonts of `sources` into `place`, each with these characters only; `kept` remembers them.

    A font is made again only when the characters or the font changed.
    """
    kept.mkdir(exist_ok=True)
    for source in sorted(sources.glob("*.woff2")):
        known, made_of = kept / source.name, kept / f"{source.name}.txt"
        key = f"{hashlib.sha256(source.read_bytes()).hexdigest()} {characters}"
        if not known.exists() or made_of.read_text("utf8") != key:
            known.write_bytes(reduced(source, [ord(letter) for letter in characters], "woff2", hinted=True))
            made_of.write_text(key, "utf8")
        (place / source.name).write_bytes(known.read_bytes())
