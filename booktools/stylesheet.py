"""A stylesheet with only the rules that can apply, and the variables and fonts that these ask for."""

import posixpath
import re
from collections.abc import Collection, Iterator

import rcssmin

RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
EMPTY_BLOCK = re.compile(r"@(?:media|supports|layer)[^{};]*\{\s*\}")
KEYFRAMES = re.compile(r"@(?:-webkit-)?keyframes\s+([\w-]+)\s*\{(?:[^{}]*\{[^{}]*\})*\s*\}")
NAME = re.compile(r"[.#]((?:\\.|[A-Za-z_-])(?:\\.|[\w-])*)")
# A variable's definition; its value may be a picture with semicolons between its quotes.
VARIABLE = re.compile(r"""(?<=[{;\s])(--[\w-]+)\s*:(?:"[^"]*"|'[^']*'|[^;{}"'])*;?""")
ASKED = re.compile(r"var\(\s*(--[\w-]+)")
FACE = re.compile(r"@font-face\s*\{([^{}]*)\}")
FAMILY = re.compile(r"""font-family:\s*["']?([\w -]+)""")
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


def without_idle(css: str, used: Collection[str]) -> str:
    """The stylesheet without variables and fonts that neither its rules nor these names ask for, and without blanks."""
    before = ""
    while css != before:  # a variable that was dropped may have been the last to ask for another
        before, css = css, _with_variables(css, {*ASKED.findall(css), *used})
    rules = FACE.sub("", css)

    def shown(face: re.Match[str]) -> str:
        family = FAMILY.search(face[1])
        return face[0] if family and family[1] in rules else ""

    return str(rcssmin.cssmin(re.sub(r"[^{}]+\{\s*\}", "", FACE.sub(shown, css))))


def _with_variables(css: str, asked: Collection[str]) -> str:
    return VARIABLE.sub(lambda found: found[0] if found[1] in asked else "", css)
